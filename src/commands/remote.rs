//! `on` and `off`: switching remote for a session, from any terminal.

use std::time::Duration;

use jiff::Timestamp;

use crate::cli::settings::{setting, without_config};
use crate::cli::{self, Off, On, TimeoutArgs};
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::model::Remote;
use crate::os::env;
use crate::output::Update;
use crate::registry::{Registry, SessionEntry};
use crate::session::switch::{self, TimeLimit};
use crate::view::link::QrOptions;
use crate::view::notices;

const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) async fn on(context: &mut Context<'_>, args: On) -> anyhow::Result<Exit> {
    let qr = QrOptions::new(args.qr)?;
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    switch::may_share(&entry, args.no_repo)?;
    let wanted = if args.export { Remote::Export } else { Remote::On };
    let was_off = registry.wanted(&entry.session_id).get() == Remote::Off;
    // An old limit is not one of what is shared anew.
    let limit = args.limit.time_limit;
    let until = limit.and_then(|limit| Timestamp::now().checked_add(limit).ok());
    let until = if limit.is_some() || was_off { TimeLimit::Change(until) } else { TimeLimit::Keep };
    let mut entry = switch(context, &registry, &entry, wanted, until, args.timeout).await?;
    if let TimeLimit::Change(until) = until
        && entry.remote != Remote::Off
    {
        entry.until = until;
    }
    if entry.remote == Remote::Off {
        // Somebody's off came after this.
        context.tell(&Update::Remote { remote: Remote::Off, url: None })?;
    } else {
        notices::show(context, &entry, &qr)?;
    }
    Ok(Exit::Done)
}

pub(crate) async fn off(context: &mut Context<'_>, args: Off) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let entry = switch(context, &registry, &entry, Remote::Off, TimeLimit::Keep, args.timeout).await?;
    context.tell(&Update::Remote { remote: entry.remote, url: entry.link() })?;
    Ok(Exit::Done)
}

/// Switches, and waits until the registry shows it: then every terminal sees it.
async fn switch(
    context: &mut Context<'_>,
    registry: &Registry,
    entry: &SessionEntry,
    wanted: Remote,
    until: TimeLimit,
    timeout: TimeoutArgs,
) -> anyhow::Result<SessionEntry> {
    // A slip in the config file must not keep anybody from switching it off.
    let limit = match wanted {
        Remote::Off => without_config(timeout.timeout, env::TIMEOUT, cli::duration)?,
        Remote::On | Remote::Export => setting(timeout.timeout, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?,
    };
    let deadline = Deadline::new(limit.unwrap_or(TIMEOUT));
    let switching = switch::switch_from_outside(registry, &entry.session_id, wanted, until);
    let (entry, seen) = context.step(&format!("switching remote {}", wanted.word()), deadline, switching).await?;
    if !seen {
        let caution = "the session's host has not seen the change yet; copilot-remote status tells when it has";
        context.tell(&Update::Caution(caution.to_owned()))?;
    }
    Ok(entry)
}
