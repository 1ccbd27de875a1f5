//! `wait`: until a session is idle, needs input, or has ended.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

use crate::choose;
use crate::cli::{Awaited, Wait};
use crate::context::Context;
use crate::error::{DeadlinePassed, Exit, InputNeeded, Interrupted};
use crate::follow::Follower;
use crate::registry::{Activity, Registry};
use crate::sdk::SdkError;

pub(crate) async fn run(context: &mut Context<'_>, args: Wait) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = choose::session(context, &registry, args.target.session.as_deref()).await?;
    let mut follower = Follower::open(&registry, &entry.session_id)?.ok_or(SdkError::SessionEnded)?;
    // What counts is how it is since the last prompt that was accepted.
    follower.skip()?;
    let until = args.timeout.map(|limit| (Instant::now() + limit, limit));
    loop {
        match (follower.activity, args.what) {
            (Activity::Input(_), Awaited::Input) | (Activity::Idle, Awaited::Idle) => return Ok(Exit::Done),
            (Activity::Input(count), Awaited::Idle | Awaited::Ended) => {
                let what = if count > 1 { format!(" ({count} requests)") } else { String::new() };
                return Err(InputNeeded { what }.into());
            }
            _ => {}
        }
        tokio::select! {
            record = follower.next() => if record?.is_none() {
                return if args.what == Awaited::Ended { Ok(Exit::Done) } else { Err(SdkError::SessionEnded.into()) };
            },
            signal = context.shutdown.next() => return Err(Interrupted(signal).into()),
            limit = passed(until) => {
                return Err(DeadlinePassed { step: "waiting for the session".to_owned(), limit }.into());
            }
        }
    }
}

/// Waits until the deadline; for ever without one.
async fn passed(until: Option<(Instant, std::time::Duration)>) -> std::time::Duration {
    match until {
        Some((until, limit)) => {
            sleep_until(until).await;
            limit
        }
        None => pending().await,
    }
}
