
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'copilot-remote' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'copilot-remote'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'copilot-remote' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in DIR')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; the default is auto')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON Lines on stdout (no QR code, no colour)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print a man page')
            [CompletionResult]::new('start', 'start', [CompletionResultType]::ParameterValue, 'Start a session in the current repository, with remote on')
            [CompletionResult]::new('local', 'local', [CompletionResultType]::ParameterValue, 'Start a session in the current repository, with remote on')
            break
        }
        'copilot-remote;completions' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in DIR')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; the default is auto')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON Lines on stdout (no QR code, no colour)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'copilot-remote;man' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in DIR')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; the default is auto')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON Lines on stdout (no QR code, no colour)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'copilot-remote;start' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name the session')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Use this model instead of the account''s default')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Send a first prompt; `-` reads it from stdin')
            [CompletionResult]::new('--prompt', '--prompt', [CompletionResultType]::ParameterName, 'Send a first prompt; `-` reads it from stdin')
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'What Mission Control may do: steer, only read, or nothing yet')
            [CompletionResult]::new('--copilot', '--copilot', [CompletionResultType]::ParameterName, 'The Copilot CLI to run; also `COPILOT_CLI_PATH`')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'The longest time until the session is ready: 90, 90s, 2m; the default is 60s')
            [CompletionResult]::new('--qr', '--qr', [CompletionResultType]::ParameterName, 'When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto')
            [CompletionResult]::new('--qr-style', '--qr-style', [CompletionResultType]::ParameterName, 'The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto')
            [CompletionResult]::new('--qr-file', '--qr-file', [CompletionResultType]::ParameterName, 'Also write it to a file: .svg or .png')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in DIR')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; the default is auto')
            [CompletionResult]::new('--no-repo', '--no-repo', [CompletionResultType]::ParameterName, 'Start without a GitHub repository')
            [CompletionResult]::new('--token-stdin', '--token-stdin', [CompletionResultType]::ParameterName, 'Read a GitHub token from stdin; it signs in this session only and is stored nowhere')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Run against an embedded stand-in: no account, no network, no Copilot CLI')
            [CompletionResult]::new('--qr-invert', '--qr-invert', [CompletionResultType]::ParameterName, 'Swap dark and light')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON Lines on stdout (no QR code, no colour)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'copilot-remote;local' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name the session')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Use this model instead of the account''s default')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Send a first prompt; `-` reads it from stdin')
            [CompletionResult]::new('--prompt', '--prompt', [CompletionResultType]::ParameterName, 'Send a first prompt; `-` reads it from stdin')
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'What Mission Control may do: steer, only read, or nothing yet')
            [CompletionResult]::new('--copilot', '--copilot', [CompletionResultType]::ParameterName, 'The Copilot CLI to run; also `COPILOT_CLI_PATH`')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'The longest time until the session is ready: 90, 90s, 2m; the default is 60s')
            [CompletionResult]::new('--qr', '--qr', [CompletionResultType]::ParameterName, 'When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto')
            [CompletionResult]::new('--qr-style', '--qr-style', [CompletionResultType]::ParameterName, 'The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto')
            [CompletionResult]::new('--qr-file', '--qr-file', [CompletionResultType]::ParameterName, 'Also write it to a file: .svg or .png')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Run as if started in DIR')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; the default is auto')
            [CompletionResult]::new('--no-repo', '--no-repo', [CompletionResultType]::ParameterName, 'Start without a GitHub repository')
            [CompletionResult]::new('--token-stdin', '--token-stdin', [CompletionResultType]::ParameterName, 'Read a GitHub token from stdin; it signs in this session only and is stored nowhere')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Run against an embedded stand-in: no account, no network, no Copilot CLI')
            [CompletionResult]::new('--qr-invert', '--qr-invert', [CompletionResultType]::ParameterName, 'Swap dark and light')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON Lines on stdout (no QR code, no colour)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr; twice: the SDK''s log too')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
