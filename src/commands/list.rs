//! `list`: the live sessions.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::cli::{List, RuntimeArgs};
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::output;
use crate::registry::{Found, Registry};
use crate::runtime::choice::{self, Choice};
use crate::runtime::pool;
use crate::view::notices;

/// Until a runtime has told of all sessions.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How often `--watch` looks.
const WATCH_POLL: Duration = Duration::from_millis(250);

pub(crate) async fn run(context: &mut Context<'_>, args: List) -> anyhow::Result<Exit> {
    if args.all {
        return all(context, &args.runtime).await;
    }
    let registry = Registry::look()?;
    let mut shown = None;
    loop {
        let Found { sessions, notes } = registry.sessions()?;
        let text = output::table(&sessions, Timestamp::now(), context.terminal.stdout_columns());
        // Ages change all the time: only on a screen they are shown to grow.
        let state =
            if context.terminal.redraws_stdout() { (Vec::new(), text.clone()) } else { (sessions.clone(), String::new()) };
        if shown.as_ref() != Some(&state) {
            notices::say_notes(context, &notes);
            if args.watch {
                context.terminal.clear_stdout(shown.is_some())?;
            }
            let shown_text = if context.json { output::list_document(&sessions, None, &notes) + "\n" } else { text };
            if let Some(signal) = context.deliver(&shown_text).await? {
                return Ok(Exit::Signal(signal));
            }
            shown = Some(state);
        }
        if !args.watch {
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = sleep(WATCH_POLL) => {}
            signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
        }
    }
}

/// Also what is on disk, which a runtime alone knows.
async fn all(context: &mut Context<'_>, args: &RuntimeArgs) -> anyhow::Result<Exit> {
    let server = args.server.as_deref().map(choice::loopback).transpose()?;
    let deadline = Deadline::new(TIMEOUT);
    let choice = Choice::new(args, server)?;
    let registry = Registry::create()?;
    let joined = pool::acquire(context, &registry, &choice, deadline, None).await?;
    let stored = context.step("looking for sessions", deadline, joined.runtime.stored()).await;
    joined.leave(context, true, stored.as_ref().err()).await;
    let mut stored = stored?;
    let Found { sessions, notes } = registry.sessions()?;
    stored.retain(|stored| !sessions.iter().any(|live| live.session_id == stored.id));
    notices::say_notes(context, &notes);
    let (now, columns) = (Timestamp::now(), context.terminal.stdout_columns());
    let text = if context.json {
        output::list_document(&sessions, Some(&stored), &notes) + "\n"
    } else {
        output::table(&sessions, now, columns) + "\n" + &output::stored_table(&stored, now, columns)
    };
    Ok(context.deliver(&text).await?.map_or(Exit::Done, Exit::Signal))
}
