//! `usage`: what a session used.

use std::time::Duration;

use crate::cli::Target;
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::Session;
use crate::view::notices;

/// GitHub is asked for what is left.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn run(context: &mut Context<'_>, target: Target) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, target.session.as_deref()).await?;
    let asking = async {
        let runtime = pool::reach(&registry, &entry).await?;
        Session::of(&runtime, &entry.session_id).usage().await
    };
    let usage = context.step("asking what was used", Deadline::new(TIMEOUT), asking).await?;
    context.print(&output::usage_text(&usage), &output::usage_document(&entry, &usage))?;
    Ok(Exit::Done)
}
