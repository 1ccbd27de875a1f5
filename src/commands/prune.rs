//! `prune`: what dead sessions and runtimes left is removed, and runtimes that nobody uses are ended.

use crate::context::Context;
use crate::error::Exit;
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::text::line::{Line, Tone};

pub(crate) async fn run(context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let notes = registry.sessions()?.notes;
    for note in &notes {
        context.terminal.say(&Line::new(Tone::Plain, note));
    }
    registry.remove_drafts();
    let ended = tokio::select! {
        ended = pool::end_unused(&registry) => ended?,
        signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
    };
    let text = match ended {
        0 => "no runtime was left without a session",
        1 => "one runtime without a session was ended",
        _ => "runtimes without a session were ended",
    };
    context.terminal.say(&Line::new(Tone::Plain, text));
    if context.json {
        context.terminal.data(&output::prune_document(&notes, ended))?;
    }
    Ok(Exit::Done)
}
