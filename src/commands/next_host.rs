//! The next host of a session that leaves its terminal: started by this program, never typed.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;

use crate::context::Context;
use crate::error::Exit;
use crate::session::Host;

/// Longer than whoever hands it over waits.
const DEADLINE: Duration = Duration::from_mins(2);

/// Takes the session over and stays with it.
pub(crate) async fn run(context: &mut Context<'_>) -> anyhow::Result<Exit> {
    match timeout(DEADLINE, Host::take_over(context)).await.context("the session could not be taken over in time")?? {
        Some(host) => Box::pin(host.follow(context, false)).await,
        None => Ok(Exit::Done),
    }
}
