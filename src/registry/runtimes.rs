//! Entries of runtimes: how to reach them, who uses them, who may launch, join or leave one.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::lock::{Kind, Lock};
use super::{Circumstances, Registry, SCHEMA, ids, is_plain, read, remove, write};
use crate::os::state_dir::StateError;
use crate::sdk::{Login, Server};

/// Relaunches are counted over this time …
const RELAUNCH_WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// … and this many are made.
const RELAUNCHES: usize = 3;

/// How to reach a runtime, and what it runs under.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuntimeEntry {
    schema: u32,
    pub(crate) id: String,
    pub(crate) server: Server,
    /// As it told its first client; None: that one has not got so far.
    pub(crate) login: Option<Login>,
    /// For one session alone.
    pub(crate) isolated: bool,
    pub(crate) circumstances: Circumstances,
    /// When those before it died and were relaunched.
    pub(crate) relaunches: Vec<Timestamp>,
}

impl RuntimeEntry {
    pub(crate) fn new(server: Server, isolated: bool, circumstances: Circumstances) -> Self {
        // They sort by age. An external one is known once to each host that uses it.
        let now = Timestamp::now().as_millisecond();
        let id = match server.pid() {
            Some(pid) => format!("{now}-{pid}"),
            None => format!("{now}-external-{}", std::process::id()),
        };
        Self { schema: SCHEMA, id, server, login: None, isolated, circumstances, relaunches: Vec::new() }
    }

    /// The relaunches of late, with the one that is to come; None if there were too many.
    pub(crate) fn relaunches_and_one(&self) -> Option<Vec<Timestamp>> {
        let now = Timestamp::now();
        // A clock that was set back makes old ones seem to be ahead.
        let recent = |time: &&Timestamp| now.duration_since(**time).abs() < RELAUNCH_WINDOW;
        let mut relaunches: Vec<Timestamp> = self.relaunches.iter().filter(recent).copied().collect();
        relaunches.push(now);
        (relaunches.len() <= RELAUNCHES).then_some(relaunches)
    }
}

/// A host's share in a runtime, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Lease(Lock);

/// The turn to launch, join or leave: while it lasts nobody else does.
#[derive(Debug)]
pub(crate) struct Launches {
    registry: Registry,
    #[expect(dead_code, reason = "held until it is dropped")]
    lock: Lock,
}

impl Registry {
    /// Waits for the turn. Cancel-safe; the caller sets the deadline.
    pub(crate) async fn launches(&self) -> Result<Launches, StateError> {
        let lock = Lock::take(&self.runtimes_dir().join("launch.lock"), Kind::Exclusive).await?;
        Ok(Launches { registry: self.clone(), lock })
    }

    /// The turn, if nobody has it.
    pub(crate) fn launches_now(&self) -> Option<Launches> {
        let lock = Lock::try_take(&self.runtimes_dir().join("launch.lock"), Kind::Exclusive).ok()??;
        Some(Launches { registry: self.clone(), lock })
    }

    /// All runtimes that have a readable entry, dead or alive, the oldest first.
    pub(crate) fn runtimes(&self) -> Result<Vec<RuntimeEntry>, StateError> {
        Ok(ids(&self.runtimes_dir())?.iter().filter_map(|id| self.runtime(id)).collect())
    }

    pub(crate) fn runtime(&self, id: &str) -> Option<RuntimeEntry> {
        // Of an entry's text, so it may be anything.
        read(&self.runtime_file(is_plain(id).then_some(id)?, "json"))?.ok()
    }

    pub(crate) fn publish_runtime(&self, entry: &RuntimeEntry) -> Result<(), StateError> {
        write(&self.runtime_file(&entry.id, "json"), entry)
    }

    fn runtime_file(&self, id: &str, kind: &str) -> PathBuf {
        debug_assert!(is_plain(id));
        self.runtimes_dir().join(format!("{id}.{kind}"))
    }
}

impl Registry {
    /// Whether others find a runtime that this process uses: somebody may have removed files.
    pub(crate) fn is_on_disk(&self, id: &str, lease: &Lease) -> bool {
        lease.0.is_on_disk() && self.runtime_file(id, "json").exists()
    }

    /// Makes what was removed of a runtime that this process uses anew. A lock that somebody else holds is tried again later.
    pub(crate) fn restore_runtime(&self, entry: &RuntimeEntry, lease: &mut Lease) -> Result<(), StateError> {
        self.make_folders()?;
        if !lease.0.is_on_disk()
            && let Some(lock) = Lock::try_take(&self.runtime_file(&entry.id, "lock"), Kind::Shared)?
        {
            lease.0 = lock;
        }
        if self.runtime_file(&entry.id, "json").exists() { Ok(()) } else { self.publish_runtime(entry) }
    }
}

impl Launches {
    /// Uses a runtime from now on.
    pub(crate) async fn lease(&self, id: &str) -> Result<Lease, StateError> {
        Lock::take(&self.registry.runtime_file(id, "lock"), Kind::Shared).await.map(Lease)
    }

    /// Whether a host uses it.
    pub(crate) fn is_used(&self, id: &str) -> Result<bool, StateError> {
        Ok(Lock::try_take(&self.registry.runtime_file(id, "lock"), Kind::Exclusive)?.is_none())
    }

    /// Forgets a runtime that nobody uses.
    pub(crate) fn forget(&self, id: &str) {
        remove(&self.registry.runtime_file(id, "json"));
        remove(&self.registry.runtime_file(id, "lock"));
    }
}
