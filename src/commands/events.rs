//! `events`: what happened in a session, as JSON Lines.

use crate::cli::{Events, From};
use crate::context::Context;
use crate::error::Exit;
use crate::follow;
use crate::registry::Registry;

pub(crate) async fn run(context: &mut Context<'_>, args: Events) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let mut follower = follow::choose(context, &registry, args.target.session.as_deref()).await?;
    if args.from == From::Now {
        follower.skip()?;
    }
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
        if let Some(event) = &record.event
            && let Some(signal) = context.deliver(&format!("{event}\n")).await?
        {
            return Ok(Exit::Signal(signal));
        }
    }
}
