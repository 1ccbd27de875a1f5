//! `logs`: what happened in a session, in words.

use crate::cli::Logs;
use crate::context::Context;
use crate::error::Exit;
use crate::follow;
use crate::output;
use crate::registry::{Record, Registry};

pub(crate) async fn run(context: &mut Context<'_>, args: Logs) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let mut follower = follow::choose(context, &registry, args.target.session.as_deref()).await?;
    loop {
        let record = if args.follow {
            tokio::select! {
                record = follower.next() => record?,
                signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
            }
        } else {
            follower.there()?
        };
        let Some(record) = record else { return Ok(Exit::Done) };
        if let Some(text) = text(&record, context.json)
            && let Some(signal) = context.deliver(&text).await?
        {
            return Ok(Exit::Signal(signal));
        }
    }
}

fn text(record: &Record, json: bool) -> Option<String> {
    if json {
        return record.event.as_ref().map(|event| format!("{event}\n"));
    }
    let at = record.time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let lines = output::stamped(record.lines.clone(), &at);
    (!lines.is_empty()).then(|| lines.iter().map(|line| output::sanitised(&line.text) + "\n").collect())
}
