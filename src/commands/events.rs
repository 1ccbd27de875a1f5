//! `events`: what happened in a session, as JSON Lines.

use crate::cli::{Events, From};
use crate::context::Context;
use crate::error::Exit;
use crate::registry::Registry;
use crate::view::journal;

pub(crate) async fn run(context: &mut Context<'_>, args: Events) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let mut follower = journal::choose(context, &registry, args.target.session.as_deref()).await?;
    if args.from == From::Now {
        follower.skip()?;
    }
    journal::print(context, follower, args.follow, journal::event_line).await
}
