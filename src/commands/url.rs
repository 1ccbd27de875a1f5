//! `url`: the link of a session.

use crate::cli::Target;
use crate::context::Context;
use crate::error::{Exit, NotShared};
use crate::output;
use crate::registry::Registry;
use crate::sdk;
use crate::view::notices;

pub(crate) async fn run(context: &mut Context<'_>, target: Target) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, target.session.as_deref()).await?;
    let link = entry.link().ok_or_else(|| NotShared { session: entry.label().to_owned() })?;
    sdk::check_link(link, &entry.login.host)?;
    context.print(&format!("{link}\n"), &output::url_document(&entry))?;
    Ok(Exit::Done)
}
