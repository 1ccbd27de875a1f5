//! `completions`: a script for a shell, made from the arguments themselves.

use clap_complete::Shell;

use crate::help;

/// The script.
pub(crate) fn run(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "copilot-remote", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // For a name with a hyphen the script looks for its own states under another name than it sets
        // (https://github.com/clap-rs/clap/issues/6421).
        Shell::Bash => script.replace("copilot__subcmd__remote__", "copilot__remote__"),
        _ => script,
    }
}
