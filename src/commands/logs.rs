//! `logs`: what happened in a session, in words.

use crate::cli::Logs;
use crate::context::Context;
use crate::error::Exit;
use crate::output;
use crate::registry::{Record, Registry};
use crate::text::sanitise;
use crate::view::journal;

pub(crate) async fn run(context: &mut Context<'_>, args: Logs) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let follower = journal::choose(context, &registry, args.target.session.as_deref()).await?;
    let text = if context.json { journal::event_line } else { in_words };
    journal::print(context, follower, args.follow, text).await
}

fn in_words(record: &Record) -> Option<String> {
    let at = record.time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let lines = output::stamped(record.lines.clone(), &at);
    (!lines.is_empty()).then(|| lines.iter().map(|line| sanitise::sanitised(&line.text) + "\n").collect())
}
