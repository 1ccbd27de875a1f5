//! The clock of a session, which goes on from host to host.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::core::Now;

/// Tells the time since the session's first host began.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// What had passed before this host.
    before: Duration,
}

/// A clock on its way to the next host.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Reading(Duration);

impl Clock {
    /// Of a session that begins. It does not begin with nothing, so that a moment long before the start can be told.
    pub(super) fn start() -> Self {
        Self::go_on(Reading(Duration::from_secs(1)))
    }

    /// Goes on where the clock of the host before stood.
    pub(super) fn go_on(Reading(before): Reading) -> Self {
        Self { started: Instant::now(), before }
    }

    pub(super) fn reading(&self) -> Reading {
        Reading(self.now().at)
    }

    pub(super) fn now(&self) -> Now {
        Now { at: self.before + self.started.elapsed(), wall: Timestamp::now() }
    }
}
