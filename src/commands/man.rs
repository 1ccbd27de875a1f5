//! `man`: pages made from the arguments themselves, with the sections that clap does not know of.

use clap::CommandFactory as _;

use crate::cli::Cli;

/// The page of a command; None: there is no such command.
pub(crate) fn run(page: Option<&str>) -> anyhow::Result<String> {
    let _ = (page, Cli::command());
    anyhow::bail!("later")
}
