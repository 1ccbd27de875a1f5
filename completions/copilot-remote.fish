# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_copilot_remote_global_optspecs
    string join \n C= json q/quiet v/verbose color= h/help V/version
end

function __fish_copilot_remote_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_copilot_remote_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_copilot_remote_using_subcommand
    set -l cmd (__fish_copilot_remote_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -s C -d 'Run as if started in DIR' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -l color -d 'When to use colour; the default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -l json -d 'Print JSON Lines on stdout (no QR code, no colour)'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -s v -l verbose -d 'Say more on stderr; twice: the SDK\'s log too'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -s V -l version -d 'Print version'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -f -a "man" -d 'Print a man page'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -f -a "start" -d 'Start a session in the current repository, with remote on'
complete -c copilot-remote -n "__fish_copilot_remote_needs_command" -f -a "local" -d 'Start a session in the current repository, with remote on'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand completions" -s C -d 'Run as if started in DIR' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand completions" -l color -d 'When to use colour; the default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand completions" -l json -d 'Print JSON Lines on stdout (no QR code, no colour)'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand completions" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand completions" -s v -l verbose -d 'Say more on stderr; twice: the SDK\'s log too'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand man" -s C -d 'Run as if started in DIR' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand man" -l color -d 'When to use colour; the default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand man" -l json -d 'Print JSON Lines on stdout (no QR code, no colour)'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand man" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand man" -s v -l verbose -d 'Say more on stderr; twice: the SDK\'s log too'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l name -d 'Name the session' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l model -d 'Use this model instead of the account\'s default' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -s p -l prompt -d 'Send a first prompt; `-` reads it from stdin' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l remote -d 'What Mission Control may do: steer, only read, or nothing yet' -r -f -a "on\t'Steerable: prompts and answers come from Mission Control'
export\t'Mission Control shows the session and cannot steer it'
off\t'Not shared'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l copilot -d 'The Copilot CLI to run; also `COPILOT_CLI_PATH`' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l timeout -d 'The longest time until the session is ready: 90, 90s, 2m; the default is 60s' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l qr -d 'When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l qr-style -d 'The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto' -r -f -a "auto\t'The best that fits and is readable here'
half\t'Half blocks: two modules a cell'
wide\t'Coloured spaces, two cells a module'
tall\t'Coloured spaces, one cell a module'
mono\t'Half blocks without colour'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l qr-file -d 'Also write it to a file: .svg or .png' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -s C -d 'Run as if started in DIR' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l color -d 'When to use colour; the default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l no-repo -d 'Start without a GitHub repository'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l token-stdin -d 'Read a GitHub token from stdin; it signs in this session only and is stored nowhere'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l demo -d 'Run against an embedded stand-in: no account, no network, no Copilot CLI'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l qr-invert -d 'Swap dark and light'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -l json -d 'Print JSON Lines on stdout (no QR code, no colour)'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -s v -l verbose -d 'Say more on stderr; twice: the SDK\'s log too'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l name -d 'Name the session' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l model -d 'Use this model instead of the account\'s default' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -s p -l prompt -d 'Send a first prompt; `-` reads it from stdin' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l remote -d 'What Mission Control may do: steer, only read, or nothing yet' -r -f -a "on\t'Steerable: prompts and answers come from Mission Control'
export\t'Mission Control shows the session and cannot steer it'
off\t'Not shared'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l copilot -d 'The Copilot CLI to run; also `COPILOT_CLI_PATH`' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l timeout -d 'The longest time until the session is ready: 90, 90s, 2m; the default is 60s' -r
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l qr -d 'When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l qr-style -d 'The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto' -r -f -a "auto\t'The best that fits and is readable here'
half\t'Half blocks: two modules a cell'
wide\t'Coloured spaces, two cells a module'
tall\t'Coloured spaces, one cell a module'
mono\t'Half blocks without colour'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l qr-file -d 'Also write it to a file: .svg or .png' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -s C -d 'Run as if started in DIR' -r -F
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l color -d 'When to use colour; the default is auto' -r -f -a "auto\t'Decide by what the stream is'
always\t'In any case'
never\t'Not at all'"
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l no-repo -d 'Start without a GitHub repository'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l token-stdin -d 'Read a GitHub token from stdin; it signs in this session only and is stored nowhere'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l demo -d 'Run against an embedded stand-in: no account, no network, no Copilot CLI'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l qr-invert -d 'Swap dark and light'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -l json -d 'Print JSON Lines on stdout (no QR code, no colour)'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -s v -l verbose -d 'Say more on stderr; twice: the SDK\'s log too'
complete -c copilot-remote -n "__fish_copilot_remote_using_subcommand local" -s h -l help -d 'Print help (see more with \'--help\')'
