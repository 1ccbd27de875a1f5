//! Until when a session is shared: a moment by the wall clock, so that it is right across sleep, in a file that any terminal changes.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Registry, SCHEMA, is_plain, read, remove, write};
use crate::os::state_dir::StateError;

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: u32,
    until: Timestamp,
}

/// The time limit of one session's remote.
#[derive(Debug, Clone)]
pub(crate) struct Limit(PathBuf);

impl Registry {
    /// The limit of a session, if it has one.
    pub(crate) fn limit(&self, session: &str) -> Limit {
        debug_assert!(is_plain(session));
        Limit(self.sessions_dir().join(format!("{session}.limit")))
    }
}

impl Limit {
    /// Until when; None: without a limit.
    pub(crate) fn get(&self) -> Option<Timestamp> {
        read::<Stored>(&self.0)?.ok().map(|stored| stored.until)
    }

    /// Whether the time is up.
    pub(crate) fn is_over(&self) -> bool {
        self.get().is_some_and(|until| until <= Timestamp::now())
    }

    /// Changes it.
    pub(crate) fn set(&self, until: Option<Timestamp>) -> Result<(), StateError> {
        if let Some(until) = until {
            return write(&self.0, &Stored { schema: SCHEMA, until });
        }
        remove(&self.0);
        Ok(())
    }
}
