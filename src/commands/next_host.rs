//! The next host of a session that leaves its terminal: started by this program, never typed.

use crate::context::Context;
use crate::error::Exit;
use crate::host::Host;

/// Takes the session over and stays with it.
pub(crate) async fn run(context: &mut Context<'_>) -> anyhow::Result<Exit> {
    match Host::take_over(context).await? {
        Some(host) => host.follow(context, false).await,
        None => Ok(Exit::Done),
    }
}
