//! `qr`: the code of a session's link. Here it is the data.

use crate::cli::Qr;
use crate::context::Context;
use crate::error::{Exit, NotShared};
use crate::output;
use crate::registry::Registry;
use crate::sdk;
use crate::view::link::{self, QrOptions};
use crate::view::notices;

pub(crate) async fn run(context: &mut Context<'_>, args: Qr) -> anyhow::Result<Exit> {
    let qr = QrOptions::new(args.qr)?;
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let link = entry.link().ok_or_else(|| NotShared { session: entry.label().to_owned() })?;
    sdk::check_link(link, &entry.login.host)?;
    if context.json {
        context.terminal.data(&output::url_document(&entry))?;
    }
    link::print(context, link, &qr)?;
    Ok(Exit::Done)
}
