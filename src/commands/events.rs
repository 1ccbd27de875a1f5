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
    follow::print(context, follower, args.follow, follow::event_line).await
}
