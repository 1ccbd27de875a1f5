//! `completions`: a script for a shell, made from the arguments themselves.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

/// The script, ready to be printed.
pub(crate) fn run(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "copilot-remote", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
