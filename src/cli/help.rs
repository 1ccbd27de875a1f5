//! What help and man pages say beyond the arguments: exit codes, environment, files, examples. One list each, used by both.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::error::Exit;

/// What is read and written; the second text says what for.
pub(crate) const FILES: [(&str, &str); 3] = [
    (
        "~/.config/copilot-remote/config.toml",
        "Defaults (timeout, qr, qr-style, bell, keep-awake) and hooks. macOS: ~/Library/Application Support/copilot-remote, Windows: %APPDATA%\\copilot-remote\\config.",
    ),
    (
        "~/.local/state/copilot-remote/",
        "Which sessions and runtimes live, with the tokens by which other terminals reach them. Only the user can read it. macOS: ~/Library/Application Support/copilot-remote, Windows: %LOCALAPPDATA%\\copilot-remote.",
    ),
    (
        "~/.local/state/copilot-remote/logs/",
        "What happened in sessions, kept for a week after they ended; the logs of a runtime while it runs, and for a week those of one that failed.",
    ),
];

/// Examples of one command: what it does, and what to type.
pub(crate) fn examples(command: &str) -> &'static [(&'static str, &'static str)] {
    match command.strip_prefix("copilot-remote").unwrap_or(command).trim_start_matches('-') {
        "" => &[
            ("See what it does, without an account, a network or the Copilot CLI:", "copilot-remote start --demo"),
            ("Start a session in the current repository and scan the code with the phone:", "copilot-remote start"),
            ("The same in the background, and its link in a variable:", "url=$(copilot-remote start --detach)"),
            ("What is running:", "copilot-remote list"),
        ],
        "start" => &[
            ("Start a session with a first prompt:", "copilot-remote start --prompt 'Why does the login test fail?'"),
            ("In another repository, from anywhere:", "copilot-remote start -C ~/src/hello-world"),
            ("In the background:", "copilot-remote start --detach --name 'login test'"),
            (
                "The first link that a script gets, with jq:",
                "copilot-remote start --json | jq -r 'select(.type == \"ready\").url'",
            ),
            ("Without questions, but for nothing that is removed:", "copilot-remote start --allow-all --deny-tool 'shell(rm:*)'"),
            (
                "With questions, but for what builds and tests:",
                "copilot-remote start --allow-tool 'shell(cargo:*)' --allow-tool write",
            ),
            (
                "Be told on the phone when an answer is needed:",
                "copilot-remote start --hook 'input=curl -s --data-raw \"$COPILOT_REMOTE_HOOK_MESSAGE\" https://ntfy.example.com/desk'",
            ),
            ("In a git worktree of its own:", "copilot-remote start --worktree fix/login"),
            ("Plan first, with a custom agent:", "copilot-remote start --agent reviewer --mode plan"),
            ("Go on with the last session of this repository:", "copilot-remote start --continue"),
            ("Keep the code as a picture:", "copilot-remote start --qr-file session.png"),
            ("Sign in with a token that only this session uses:", "copilot-remote start --token-stdin < token.txt"),
        ],
        "on-demand" => &[
            ("A session in the background that is not shared yet:", "id=$(copilot-remote on-demand --detach)"),
            ("Share it later, from anywhere:", "copilot-remote on \"$id\""),
        ],
        "cloud" => &[
            ("A task on the branch of this folder's repository:", "copilot-remote cloud --prompt 'fix the failing login test'"),
            (
                "On another one, and look at it work:",
                "copilot-remote cloud --repo octocat/hello-world@main -p 'run the tests' --follow",
            ),
            (
                "A task for each line of a list, and their links, with jq:",
                "copilot-remote cloud --repos-from repos.txt -p 'update the licence' --json | jq -r 'select(.type == \"ready\").url'",
            ),
            ("In a pipeline, until it is done:", "copilot-remote cloud --repo octocat/hello-world -p 'run the tests' --wait"),
        ],
        "cloud-list" => &[
            ("What works at GitHub:", "copilot-remote cloud list"),
            (
                "The links of those that are not done, with jq:",
                "copilot-remote cloud list --json | jq -r '.tasks[] | select(.state == \"in_progress\").url'",
            ),
        ],
        "cloud-open" => &[("Look at one:", "copilot-remote cloud open 1b4e28ba")],
        "on" => &[
            ("Share the session of this repository:", "copilot-remote on"),
            ("So that it can be looked at only:", "copilot-remote on --export"),
        ],
        "off" => &[("Stop sharing it:", "copilot-remote off 'login test'")],
        "rename" => &[("Call it something else:", "copilot-remote rename 1b4e28ba 'login test'")],
        "share" => &[("Let colleagues look:", "copilot-remote share --visibility repo")],
        "list" => &[
            ("The links of all sessions, with jq:", "copilot-remote list --json | jq -r '.sessions[].url // empty'"),
            ("Keep it in sight:", "copilot-remote list --watch"),
            ("What can be resumed:", "copilot-remote list --all"),
        ],
        "status" => &[("Why a session has a Copilot CLI of its own:", "copilot-remote status 'login test'")],
        "url" => &[("Open it in a browser:", "xdg-open \"$(copilot-remote url)\"")],
        "qr" => &[("Once more, for a phone that is far away:", "copilot-remote qr --qr-style wide")],
        "logs" => &[("See what it does:", "copilot-remote logs --follow")],
        "attach" => &[("Look at a session in the background:", "copilot-remote attach 'login test'")],
        "send" => &[
            ("Be told when the agent is done:", "copilot-remote send -p 'run the tests' --wait && notify"),
            ("With a picture of what is wrong:", "copilot-remote send -p 'why does it look like this?' --file screenshot.png"),
            ("A long prompt from a file:", "copilot-remote send -p - < prompt.md"),
        ],
        "events" => &[(
            "What the agent says, as it says it:",
            "copilot-remote events --follow | jq -r 'select(.type == \"message\").text'",
        )],
        "wait" => &[("Ring when a person is needed:", "copilot-remote wait --for input && printf '\\a'")],
        "stop" => &[("End one session:", "copilot-remote stop 'login test'"), ("End everything:", "copilot-remote stop --all")],
        "doctor" => &[
            ("Why does it not work?", "copilot-remote doctor --probe"),
            (
                "In a script, what failed, with jq:",
                "copilot-remote doctor --json | jq -r '.checks[] | select(.finding == \"failure\").seen'",
            ),
        ],
        "prune" => &[("After a crash:", "copilot-remote prune")],
        "completions" => &[
            ("bash:", "copilot-remote completions bash > ~/.local/share/bash-completion/completions/copilot-remote"),
            ("fish:", "copilot-remote completions fish > ~/.config/fish/completions/copilot-remote.fish"),
            ("zsh, with a folder of $fpath:", "copilot-remote completions zsh > ~/.zfunc/_copilot-remote"),
        ],
        "man" => &[("Read the page of start:", "copilot-remote man start | man -l -")],
        other => more_examples(other),
    }
}

/// The same of the commands about a session's work.
fn more_examples(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "answer" => &[
            ("What is asked?", "copilot-remote answer"),
            ("Allow it, and the same command from then on:", "copilot-remote answer --allow-session"),
            ("No, and why:", "copilot-remote answer --deny 'use cargo nextest'"),
            ("Answer a question of one of several sessions:", "copilot-remote answer 'login test' 'the second one'"),
        ],
        "interrupt" => &[("Stop, and think again:", "copilot-remote interrupt && copilot-remote send -p 'try the other way'")],
        "diff" => &[
            ("What does it change?", "copilot-remote diff | less"),
            ("The same changes somewhere else:", "copilot-remote diff --session | git -C ../hello-world apply"),
        ],
        "usage" => &[(
            "How full is the context, in percent, with jq:",
            "copilot-remote usage --json | jq '.context | 100 * .tokens / .limit'",
        )],
        "schema" => &[
            ("Keep the contract that scripts rely on:", "copilot-remote schema > copilot-remote.schema.json"),
            (
                "Which types of lines there are, with jq:",
                "copilot-remote schema | jq -r '[.. | .properties?.type?.const? // empty] | unique[]'",
            ),
        ],
        "undo" => &[
            ("Take back the last prompt and what came of it:", "copilot-remote undo"),
            ("Which can be taken back?", "copilot-remote undo --list"),
        ],
        _ => &[],
    }
}

/// The command line, with examples and the exit codes below the long help of each command.
pub(crate) fn command() -> clap::Command {
    with_examples(Cli::command(), "copilot-remote")
}

fn with_examples(command: clap::Command, name: &str) -> clap::Command {
    command.after_long_help(below(name)).mut_subcommands(|command| {
        let name = format!("{name}-{}", command.get_name());
        with_examples(command, &name)
    })
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
