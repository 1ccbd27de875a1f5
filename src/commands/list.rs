//! `list`: the live sessions.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::choose;
use crate::cli::List;
use crate::context::Context;
use crate::error::Exit;
use crate::output;
use crate::registry::{Found, Registry};

/// How often `--watch` looks.
const WATCH_POLL: Duration = Duration::from_millis(250);

pub(crate) async fn run(context: &mut Context<'_>, args: List) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let mut shown = None;
    loop {
        let Found { sessions, notes } = registry.sessions()?;
        let text = output::table(&sessions, Timestamp::now(), context.terminal.stdout_columns());
        // Ages change all the time: only on a screen they are shown to grow.
        let state =
            if context.terminal.redraws_stdout() { (Vec::new(), text.clone()) } else { (sessions.clone(), String::new()) };
        if shown.as_ref() != Some(&state) {
            choose::say_notes(context, &notes);
            if args.watch {
                context.terminal.clear_stdout(shown.is_some())?;
            }
            let shown_text = if context.json { output::list_document(&sessions, &notes) + "\n" } else { text };
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
