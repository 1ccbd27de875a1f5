//! What help and man pages say beyond the arguments: exit codes, environment, files, examples. One list each, used by both.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::error::Exit;

/// What is read and written; the second text says what for.
pub(crate) const FILES: [(&str, &str); 1] = [(
    "~/.local/state/copilot-remote/logs/",
    "The logs of a runtime while it runs, and for a week those of one that failed. Only the user can read them. macOS: ~/Library/Application Support/copilot-remote, Windows: %LOCALAPPDATA%\\copilot-remote.",
)];

/// Examples of one command: what it does, and what to type.
pub(crate) fn examples(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "copilot-remote" => &[
            ("See what it does, without an account, a network or the Copilot CLI:", "copilot-remote start --demo"),
            ("Start a session in the current repository and scan the code with the phone:", "copilot-remote start"),
        ],
        "copilot-remote-start" => &[
            ("Start a session with a first prompt:", "copilot-remote start --prompt 'Why does the login test fail?'"),
            ("In another repository, from anywhere:", "copilot-remote start -C ~/src/hello-world"),
            (
                "The first link that a script gets, with jq:",
                "copilot-remote start --json | jq -r 'select(.type == \"ready\").url'",
            ),
            ("Keep the code as a picture:", "copilot-remote start --qr-file session.png"),
            ("Sign in with a token that only this session uses:", "copilot-remote start --token-stdin < token.txt"),
        ],
        "copilot-remote-completions" => &[
            ("bash:", "copilot-remote completions bash > ~/.local/share/bash-completion/completions/copilot-remote"),
            ("fish:", "copilot-remote completions fish > ~/.config/fish/completions/copilot-remote.fish"),
            ("zsh, with a folder of $fpath:", "copilot-remote completions zsh > ~/.zfunc/_copilot-remote"),
        ],
        "copilot-remote-man" => &[("Read the page of start:", "copilot-remote man start | man -l -")],
        _ => &[],
    }
}

/// The command line, with examples and the exit codes below its long help.
pub(crate) fn command() -> clap::Command {
    Cli::command()
        .after_long_help(below("copilot-remote"))
        .mut_subcommand("start", |start| start.after_long_help(below("copilot-remote-start")))
}

fn below(command: &str) -> String {
    let mut text = String::from("Examples:\n");
    for (what, line) in examples(command) {
        let _ = writeln!(text, "  {what}\n    {line}");
    }
    text.push_str("\nExit codes:\n");
    for (code, meaning) in Exit::TABLE {
        let _ = writeln!(text, "  {code:<6} {meaning}");
    }
    text.trim_end().to_owned()
}
