
use builtin;
use str;

set edit:completion:arg-completer[copilot-remote] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'copilot-remote'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'copilot-remote'= {
            cand -C 'Run as if started in DIR'
            cand --color 'When to use colour; the default is auto'
            cand --json 'Print JSON Lines on stdout (no QR code, no colour)'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more on stderr; twice: the SDK''s log too'
            cand --verbose 'Say more on stderr; twice: the SDK''s log too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand completions 'Print the completion script of a shell'
            cand man 'Print a man page'
            cand start 'Start a session in the current repository, with remote on'
            cand local 'Start a session in the current repository, with remote on'
        }
        &'copilot-remote;completions'= {
            cand -C 'Run as if started in DIR'
            cand --color 'When to use colour; the default is auto'
            cand --json 'Print JSON Lines on stdout (no QR code, no colour)'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more on stderr; twice: the SDK''s log too'
            cand --verbose 'Say more on stderr; twice: the SDK''s log too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'copilot-remote;man'= {
            cand -C 'Run as if started in DIR'
            cand --color 'When to use colour; the default is auto'
            cand --json 'Print JSON Lines on stdout (no QR code, no colour)'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more on stderr; twice: the SDK''s log too'
            cand --verbose 'Say more on stderr; twice: the SDK''s log too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'copilot-remote;start'= {
            cand --name 'Name the session'
            cand --model 'Use this model instead of the account''s default'
            cand -p 'Send a first prompt; `-` reads it from stdin'
            cand --prompt 'Send a first prompt; `-` reads it from stdin'
            cand --remote 'What Mission Control may do: steer, only read, or nothing yet'
            cand --copilot 'The Copilot CLI to run; also `COPILOT_CLI_PATH`'
            cand --timeout 'The longest time until the session is ready: 90, 90s, 2m; the default is 60s'
            cand --qr 'When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto'
            cand --qr-style 'The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto'
            cand --qr-file 'Also write it to a file: .svg or .png'
            cand -C 'Run as if started in DIR'
            cand --color 'When to use colour; the default is auto'
            cand --no-repo 'Start without a GitHub repository'
            cand --token-stdin 'Read a GitHub token from stdin; it signs in this session only and is stored nowhere'
            cand --demo 'Run against an embedded stand-in: no account, no network, no Copilot CLI'
            cand --qr-invert 'Swap dark and light'
            cand --json 'Print JSON Lines on stdout (no QR code, no colour)'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more on stderr; twice: the SDK''s log too'
            cand --verbose 'Say more on stderr; twice: the SDK''s log too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'copilot-remote;local'= {
            cand --name 'Name the session'
            cand --model 'Use this model instead of the account''s default'
            cand -p 'Send a first prompt; `-` reads it from stdin'
            cand --prompt 'Send a first prompt; `-` reads it from stdin'
            cand --remote 'What Mission Control may do: steer, only read, or nothing yet'
            cand --copilot 'The Copilot CLI to run; also `COPILOT_CLI_PATH`'
            cand --timeout 'The longest time until the session is ready: 90, 90s, 2m; the default is 60s'
            cand --qr 'When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto'
            cand --qr-style 'The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto'
            cand --qr-file 'Also write it to a file: .svg or .png'
            cand -C 'Run as if started in DIR'
            cand --color 'When to use colour; the default is auto'
            cand --no-repo 'Start without a GitHub repository'
            cand --token-stdin 'Read a GitHub token from stdin; it signs in this session only and is stored nowhere'
            cand --demo 'Run against an embedded stand-in: no account, no network, no Copilot CLI'
            cand --qr-invert 'Swap dark and light'
            cand --json 'Print JSON Lines on stdout (no QR code, no colour)'
            cand -q 'Say nothing on stderr but errors'
            cand --quiet 'Say nothing on stderr but errors'
            cand -v 'Say more on stderr; twice: the SDK''s log too'
            cand --verbose 'Say more on stderr; twice: the SDK''s log too'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
