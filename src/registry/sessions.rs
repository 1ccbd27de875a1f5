//! Entries of sessions, and the hold of their hosts on them.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lock::{Kind, Lock};
use super::{Found, Registry, SCHEMA, ids, is_plain, read, remove, write};
use crate::model::{Activity, Link, Remote};
use crate::os::process_id::Identity;
use crate::os::state_dir::StateError;
use crate::repo::worktree::Worktree;
use crate::sdk::{INTERACTIVE, Login, Managed, Rule, SessionOptions};

/// All that is known of a live session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct SessionEntry {
    schema: u32,
    pub(crate) session_id: String,
    /// As the user gave it.
    pub(crate) name: Option<String>,
    /// As the runtime made it from the first prompt.
    pub(crate) title: Option<String>,
    /// The last link; it opens the session only while remote is not off.
    pub(crate) url: Option<String>,
    pub(crate) remote: Remote,
    /// How the link is, while it is shared.
    #[serde(default)]
    pub(crate) connection: Link,
    /// Whether the machine is kept awake for it; None: that is not wanted.
    #[serde(default)]
    pub(crate) kept_awake: Option<bool>,
    /// Until when it is shared; None: as long as it lives.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
    pub(crate) activity: Activity,
    /// How requests for permission are answered; `manual`, where nobody said otherwise.
    #[serde(default)]
    pub(crate) permission_mode: String,
    /// Tools that are used without asking.
    #[serde(default)]
    pub(crate) allowed: Vec<Rule>,
    /// Tools that may not be used.
    #[serde(default)]
    pub(crate) denied: Vec<Rule>,
    /// What a person allowed for the session when that was asked.
    #[serde(default)]
    pub(crate) approved: Vec<Rule>,
    /// What the agent is to do: `interactive`, `plan`, `autopilot`.
    #[serde(default)]
    pub(crate) mode: String,
    /// None: the runtime has not said yet.
    #[serde(default)]
    pub(crate) model: Option<String>,
    /// The reasoning effort.
    #[serde(default)]
    pub(crate) effort: Option<String>,
    /// The custom agent.
    #[serde(default)]
    pub(crate) agent: Option<String>,
    /// What the repository brings along and what runs by itself may run.
    #[serde(default)]
    pub(crate) trusted: bool,
    /// Shell commands run in a sandbox.
    #[serde(default)]
    pub(crate) sandboxed: bool,
    /// Who decides over the person's head: `server`, `device`, …
    #[serde(default)]
    pub(crate) managed: Option<String>,
    pub(crate) login: Login,
    /// `owner/name` that the runtime attached; None: none.
    pub(crate) repository: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) directory: PathBuf,
    /// Was made for it, or taken, with `--worktree`.
    #[serde(default)]
    pub(crate) worktree: Option<Worktree>,
    /// Sharing it without a repository is all right with the user.
    pub(crate) no_repo: bool,
    pub(crate) demo: bool,
    /// Its host has no terminal.
    pub(crate) detached: bool,
    pub(crate) started_at: Timestamp,
    pub(crate) copilot_version: String,
    pub(crate) copilot_program: PathBuf,
    /// None: an external runtime, of which nothing is known.
    pub(crate) copilot_pid: Option<u32>,
    /// The runtime that it lives in.
    pub(crate) runtime: String,
    /// Its host.
    pub(crate) host: Identity,
}

impl SessionEntry {
    /// Of a session that was just created, and is not shared yet.
    pub(crate) fn new(session_id: String, login: Login, directory: PathBuf, runtime: String) -> Self {
        Self {
            schema: SCHEMA,
            session_id,
            name: None,
            title: None,
            url: None,
            remote: Remote::Off,
            connection: Link::default(),
            kept_awake: None,
            until: None,
            activity: Activity::Idle,
            permission_mode: "manual".to_owned(),
            allowed: Vec::new(),
            denied: Vec::new(),
            approved: Vec::new(),
            mode: INTERACTIVE.to_owned(),
            model: None,
            effort: None,
            agent: None,
            trusted: false,
            sandboxed: false,
            managed: None,
            login,
            repository: None,
            branch: None,
            directory,
            worktree: None,
            no_repo: false,
            demo: false,
            detached: false,
            started_at: Timestamp::now(),
            copilot_version: String::new(),
            copilot_program: PathBuf::new(),
            copilot_pid: None,
            runtime,
            host: Identity::own(),
        }
    }

    /// Takes over what the session is to be by now.
    pub(crate) fn describe(&mut self, options: &SessionOptions) {
        self.name.clone_from(&options.name);
        self.allowed.clone_from(&options.allowed);
        self.denied.clone_from(&options.denied);
        self.approved.clone_from(&options.approved);
        options.mode.as_deref().unwrap_or(INTERACTIVE).clone_into(&mut self.mode);
        self.model.clone_from(&options.model);
        self.effort.clone_from(&options.effort);
        self.agent.clone_from(&options.agent);
        if let Some(mode) = &options.permission_mode {
            self.permission_mode.clone_from(mode);
        }
        self.trusted = options.trust.is_given();
        self.sandboxed |= options.person.is_sandboxed();
    }

    /// Takes over what an organisation or the owner of the machine decided.
    pub(crate) fn manage(&mut self, managed: &Managed) {
        self.managed.clone_from(&managed.by);
        self.sandboxed |= managed.sandboxed;
    }

    /// What people call it.
    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.session_id)
    }

    /// Whether nobody here starts its runtime again.
    pub(crate) fn runtime_is_external(&self) -> bool {
        self.copilot_pid.is_none()
    }

    /// The link, while it opens the session.
    pub(crate) fn link(&self) -> Option<&str> {
        self.url.as_deref().filter(|_| self.remote != Remote::Off)
    }
}

/// A host's hold on its session: the lock, and the files that go with the session.
#[derive(Debug)]
pub(crate) struct Host {
    registry: Registry,
    session: String,
    /// None while it is handed over.
    lock: Option<Lock>,
    published: Option<SessionEntry>,
}

impl Host {
    /// Takes hold of a session before it is published; or of one that its host hands over.
    pub(crate) async fn acquire(registry: &Registry, session: &str) -> Result<Self, StateError> {
        let lock = Lock::take(&registry.session_file(session, "lock"), Kind::Exclusive).await?;
        Ok(Self { registry: registry.clone(), session: session.to_owned(), lock: Some(lock), published: None })
    }

    /// Writes the entry.
    pub(crate) fn publish(&mut self, entry: &SessionEntry) -> Result<(), StateError> {
        write(&self.registry.session_file(&self.session, "json"), entry)?;
        self.published = Some(entry.clone());
        Ok(())
    }

    /// Whether this is what was written last.
    pub(crate) fn is_published(&self, entry: &SessionEntry) -> bool {
        self.published.as_ref() == Some(entry)
    }

    /// Whether others find the session, and see this: somebody may have removed files, or a write may have failed.
    pub(crate) fn is_on_disk(&self, entry: &SessionEntry) -> bool {
        self.lock.as_ref().is_none_or(Lock::is_on_disk) && self.registry.entry(&self.session).as_ref() == Some(entry)
    }

    /// Makes what was removed anew: the folders and the lock. The entry is written by the next [`Host::publish`].
    pub(crate) fn restore(&mut self) -> Result<(), StateError> {
        self.published = None;
        self.registry.make_folders()?;
        if self.lock.as_ref().is_some_and(|lock| !lock.is_on_disk()) {
            let file = self.registry.session_file(&self.session, "lock");
            // One that somebody else took meanwhile is theirs; it is tried again.
            if let Some(lock) = Lock::try_take(&file, Kind::Exclusive)? {
                self.lock = Some(lock);
            }
        }
        Ok(())
    }

    /// Lets the next host have it.
    pub(crate) fn release(&mut self) {
        self.lock = None;
    }

    /// Takes it back where there is no next host after all.
    pub(crate) async fn reacquire(&mut self, entry: &SessionEntry) -> Result<(), StateError> {
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.registry.session_file(&self.session, "lock"), Kind::Exclusive).await?);
        }
        // The next host may have written already.
        self.publish(entry)
    }
}

/// What is found under an id.
enum Entry {
    Live(Box<SessionEntry>),
    /// Its host was killed.
    Dead(Box<SessionEntry>),
    /// Not understood, and why.
    Foreign(String),
    None,
}

impl Drop for Host {
    /// The session has ended, or has another host.
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            self.registry.forget(&self.session, lock);
        }
    }
}

impl Registry {
    /// The live sessions. Files of dead ones are removed.
    pub(crate) fn sessions(&self) -> Result<Found, StateError> {
        let mut found = Found::default();
        for id in ids(&self.sessions_dir())? {
            let alone = |reason: &str| format!("{}: {reason}; it is left alone", self.session_file(&id, "json").display());
            match self.find(&id) {
                Ok(Entry::Live(entry)) => found.sessions.push(*entry),
                Ok(Entry::Dead(entry)) => {
                    let pid = entry.host.pid();
                    found.notes.push(format!("session {} is gone: its host (pid {pid}) was killed", entry.label()));
                }
                Ok(Entry::None) => {}
                Ok(Entry::Foreign(reason)) => found.notes.push(alone(&reason)),
                // One lock that cannot be opened is no reason to lose sight of the others; a folder without locks is.
                Err(StateError::Write { source, .. }) => found.notes.push(alone(&format!("its lock cannot be opened: {source}"))),
                Err(error) => return Err(error),
            }
        }
        found.sessions.sort_by(|one, other| other.started_at.cmp(&one.started_at).then(one.session_id.cmp(&other.session_id)));
        Ok(found)
    }

    /// What there is of a session; what a dead one left is removed.
    fn find(&self, id: &str) -> Result<Entry, StateError> {
        Ok(match read::<SessionEntry>(&self.session_file(id, "json")) {
            None => {
                self.prune(id)?;
                Entry::None
            }
            Some(Err(reason)) => Entry::Foreign(reason),
            // What it says decides about files and processes: it has to be about this one.
            Some(Ok(entry)) if entry.session_id != id => Entry::Foreign("it is about another session".to_owned()),
            Some(Ok(entry)) if self.is_live(&entry)? => Entry::Live(Box::new(entry)),
            Some(Ok(entry)) if self.prune(id)? => Entry::Dead(Box::new(entry)),
            // One that ended meanwhile took its entry along.
            Some(Ok(_)) => Entry::None,
        })
    }

    /// The entry of a session, while it lives.
    pub(crate) fn session(&self, id: &str) -> Result<Option<SessionEntry>, StateError> {
        match self.entry(id) {
            Some(entry) if self.is_live(&entry)? => Ok(Some(entry)),
            _ => Ok(None),
        }
    }

    /// The entry alone, for those who look again and again.
    pub(crate) fn entry(&self, id: &str) -> Option<SessionEntry> {
        read(&self.session_file(id, "json"))?.ok().filter(|entry: &SessionEntry| entry.session_id == id)
    }

    /// Whether some process is its host, or about to be.
    pub(crate) fn is_held(&self, id: &str) -> Result<bool, StateError> {
        Lock::is_held(&self.session_file(id, "lock"))
    }

    /// Whether its host lives. While one host hands over to the next, nobody holds the lock, but both run.
    pub(crate) fn is_live(&self, entry: &SessionEntry) -> Result<bool, StateError> {
        Ok(Lock::is_held(&self.session_file(&entry.session_id, "lock"))? || entry.host.is_running())
    }

    /// Removes what a dead host left, unless somebody holds it. Whether there was an entry.
    pub(crate) fn prune(&self, id: &str) -> Result<bool, StateError> {
        let Some(lock) = Lock::try_take(&self.session_file(id, "lock"), Kind::Exclusive)? else { return Ok(false) };
        let existed = self.session_file(id, "json").exists();
        self.forget(id, lock);
        Ok(existed)
    }

    /// The lock goes last: while it is there, no other session of this id begins.
    fn forget(&self, id: &str, lock: Lock) {
        remove(&self.session_file(id, "json"));
        remove(&self.session_file(id, "wanted"));
        remove(&self.session_file(id, "limit"));
        lock.remove();
    }

    fn session_file(&self, id: &str, kind: &str) -> PathBuf {
        debug_assert!(is_plain(id));
        self.sessions_dir().join(format!("{id}.{kind}"))
    }
}
