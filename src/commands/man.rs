//! `man`: pages made from the arguments themselves, with the sections that clap does not know of.

use std::io;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::error::{Exit, UsageError};
use crate::{env, help};

/// The page of a command, by its name: `start`; None: of the program.
pub(crate) fn run(page: Option<&str>) -> anyhow::Result<String> {
    let mut root = help::command();
    root.build();
    let command = match page {
        None => root,
        Some(name) => {
            let visible = || root.get_subcommands().filter(|command| !command.is_hide_set());
            let Some(found) = visible().find(|command| command.get_name() == name) else {
                let names: Vec<&str> = visible().map(clap::Command::get_name).collect();
                let hint = format!("pages: {}; left out, the page of copilot-remote", names.join(", "));
                return Err(UsageError::new(format!("no man page {name}"), hint).into());
            };
            let title = format!("copilot-remote-{name}");
            found.clone().name(title)
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
    let man = Man::new(command).source(concat!("copilot-remote ", env!("CARGO_PKG_VERSION"))).manual("Copilot Remote");
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
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
    roff.text([roman(if others { "copilot-remote-start(1), copilot(1), gh(1)" } else { "copilot-remote(1), copilot(1)" })]);
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
