//! `wait`: until a session is idle, needs input, or has ended.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

use crate::cli::{Awaited, Wait};
use crate::context::Context;
use crate::error::{ChooseError, DeadlinePassed, Exit, InputNeeded, Interrupted, WAITING};
use crate::model::Activity;
use crate::registry::Registry;
use crate::sdk::SdkError;
use crate::view::journal::Follower;
use crate::view::notices;

pub(crate) async fn run(context: &mut Context<'_>, args: Wait) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let wanted = args.target.session.as_deref();
    let entry = match notices::target(context, &registry, wanted).await {
        // It has ended already.
        Err(error)
            if args.what == Awaited::Ended
                && matches!(error.downcast_ref(), Some(ChooseError::NotFound { .. }))
                && wanted.is_some_and(|id| !registry.journals(id).is_empty()) =>
        {
            return Ok(Exit::Done);
        }
        entry => entry?,
    };
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
                return Err(DeadlinePassed { step: WAITING.to_owned(), limit }.into());
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
