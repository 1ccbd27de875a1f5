//! `completions`: a script for a shell, made from the arguments themselves.

use clap_complete::Shell;

use crate::help;

/// The script.
pub(crate) fn run(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "copilot-remote", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
