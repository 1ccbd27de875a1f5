//! `man`: pages made from the arguments themselves, with the sections that clap does not know of.

use std::io;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::help;
use crate::error::Exit;
use crate::os::env;

/// The page of a command, by its name: `start`; None: of the program.
pub(crate) fn run(page: Option<&str>) -> anyhow::Result<String> {
    let mut root = help::command();
    root.build();
    let command = match page {
        None => root,
        Some(name) => {
            // `cloud-list`: a command of a command.
            let nested = || name.split_once('-').and_then(|(outer, inner)| root.find_subcommand(outer)?.find_subcommand(inner));
            let found = root.find_subcommand(name).or_else(nested).ok_or_else(|| anyhow::anyhow!("no command {name}"))?;
            found.clone().name(format!("copilot-remote-{name}"))
        }
    };
    let mut text = Vec::new();
    render(command, &mut text)?;
    Ok(String::from_utf8(text)?)
}

/// In the order of man-pages(7).
fn render(command: clap::Command, out: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let others = command.has_subcommands();
    // clap_mangen's own leaves out what the options take.
    let usage = command.clone().render_usage().to_string();
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([roman(usage.trim_start_matches("Usage: "))]);
    let synopsis = synopsis.to_roff();
    let man = Man::new(command).source(concat!("copilot-remote ", env!("CARGO_PKG_VERSION"))).manual("Copilot Remote");
    man.render_title(out)?;
    man.render_name_section(out)?;
    out.extend_from_slice(synopsis.as_bytes());
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if others {
        man.render_subcommands_section(out)?;
    }
    let mut roff = Roff::new();
    list(&mut roff, "EXIT STATUS", &Exit::TABLE);
    list(&mut roff, "ENVIRONMENT", &env::DOCUMENTED);
    list(&mut roff, "FILES", &help::FILES);
    roff.control("SH", ["EXAMPLES"]);
    for (what, line) in help::examples(&name) {
        roff.control("PP", []);
        roff.text([roman(*what)]);
        roff.control("RS", ["4"]);
        roff.text([bold(*line)]);
        roff.control("RE", []);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(if name == "copilot-remote" {
        "copilot-remote-start(1), copilot(1), gh(1)"
    } else {
        "copilot-remote(1), copilot(1)"
    })]);
    roff.to_writer(out)
}

fn list(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
}
