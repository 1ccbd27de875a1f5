//! `rename`: another name for a session, from any terminal.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::cli::Rename;
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::output::{self, Update};
use crate::registry::Registry;
use crate::runtime::pool;
use crate::view::notices;

const TIMEOUT: Duration = Duration::from_secs(30);
/// The host hears of it by an event.
const SEEN_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: &mut Context<'_>, args: Rename) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, Some(&args.session)).await?;
    let name = args.name;
    let renaming = pool::in_session(&registry, &entry.session_id, async |session| session.set_name(&name).await);
    context.step("renaming the session", Deadline::new(TIMEOUT), renaming).await?;
    let seen = || registry.entry(&entry.session_id).is_some_and(|entry| entry.name.or(entry.title).as_ref() == Some(&name));
    let shown = async {
        while !seen() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let shown = async { anyhow::Ok(timeout(SEEN_DEADLINE, shown).await) };
    if context.within("renaming the session", Deadline::new(TIMEOUT), shown).await?.is_err() {
        context.tell(&Update::Caution("the session's host has not seen the new name yet".to_owned()))?;
    }
    if context.json {
        context.terminal.data(&output::renamed_document(&entry, &name))?;
    }
    Ok(Exit::Done)
}
