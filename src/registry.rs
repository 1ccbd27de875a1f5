//! The registry: small files in the state folder, by which any terminal finds the user's live sessions and their runtimes.
//!
//! ```text
//! sessions/ID.json     what is known of a session; its host rewrites it
//! sessions/ID.lock     held by the host for as long as it lives
//! sessions/ID.wanted   what remote is to be; whoever switches it holds the lock of this file
//! sessions/ID.limit    until when it is shared
//! runtimes/launch.lock held by whoever launches, joins or leaves a runtime
//! runtimes/ID.json     how to reach a runtime, and under which circumstances it runs
//! runtimes/ID.lock     shared by the hosts that use it
//! key                  what the circumstances are hashed with
//! logs/session-ID.jsonl   what happened in a session
//! logs/session-ID.old  what happened before that, where it is much
//! logs/runtime-*/      what a runtime printed and logged
//! logs/session-ID.host.log  what the host of a session in the background says besides
//! ```
//!
//! Liveness is a held lock, not a file or a pid. Locks are on files that are never renamed, apart from entries (that of `ID.wanted` on the
//! word itself, which is replaced in place); entries are written to a temporary
//! file and renamed. What is not understood is left alone.

mod circumstances;
mod given;
mod journal;
mod limit;
mod lock;
mod runtimes;
mod sessions;
pub(crate) mod target;
mod wanted;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::lock::{Kind, Lock};
use crate::os::private_file;
use crate::os::state_dir::{self, StateError};

pub(crate) use circumstances::{Circumstances, Subject};
pub(crate) use given::Given;
pub(crate) use journal::{Journal, Reader, Record};
pub(crate) use runtimes::{Launches, Lease, RuntimeEntry};
pub(crate) use sessions::{Host, SessionEntry};
pub(crate) use wanted::{Switching, Wanted};

/// The version of what is stored; entries of another one are left alone.
const SCHEMA: u32 = 1;
/// How the names of files begin that are not whole yet …
const DRAFT: &str = ".draft-";
/// … and when nobody writes to one any more.
const DRAFT_AGE: Duration = Duration::from_mins(1);

/// The state folder, in use.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    folder: PathBuf,
}

/// Live sessions, and what was strange about the rest.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest first.
    pub(crate) sessions: Vec<SessionEntry>,
    pub(crate) notes: Vec<String>,
}

impl Registry {
    /// To write to: makes the folders that are missing.
    pub(crate) fn create() -> anyhow::Result<Self> {
        let registry = Self { folder: state_dir::state_dir()? };
        registry.make_folders()?;
        Ok(registry)
    }

    /// Makes the folders that are missing.
    pub(crate) fn make_folders(&self) -> Result<(), StateError> {
        [self.folder.clone(), self.sessions_dir(), self.runtimes_dir()]
            .iter()
            .try_for_each(|folder| state_dir::make_private(folder))
    }

    /// To read: a folder that is missing holds nothing.
    pub(crate) fn look() -> anyhow::Result<Self> {
        let registry = Self { folder: state_dir::state_dir()? };
        for folder in [registry.folder.clone(), registry.sessions_dir(), registry.runtimes_dir()] {
            match state_dir::check_private(&folder) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StateError::Folder { folder, source }.into());
                }
                _ => {}
            }
        }
        Ok(registry)
    }

    /// Whether files can be written and locked here.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        for folder in [self.sessions_dir(), self.runtimes_dir()] {
            let write = || tempfile::Builder::new().prefix(DRAFT).tempfile_in(&folder)?.write_all(&[0; 4096]);
            write().map_err(|source| StateError::Write { file: folder.clone(), source })?;
        }
        Lock::try_take(&self.runtimes_dir().join("launch.lock"), Kind::Shared).map(drop)
    }

    /// Removes what a process left that died while it wrote.
    pub(crate) fn remove_drafts(&self) {
        for folder in [self.folder.clone(), self.sessions_dir(), self.runtimes_dir()] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let draft = entry.file_name().to_str().is_some_and(|name| name.starts_with(DRAFT));
                let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
                if draft && age.is_some_and(|age| age > DRAFT_AGE) {
                    remove(&entry.path());
                }
            }
        }
    }

    /// The state folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn sessions_dir(&self) -> PathBuf {
        self.folder.join("sessions")
    }

    fn runtimes_dir(&self) -> PathBuf {
        self.folder.join("runtimes")
    }
}

/// The ids that have a file in `folder`. By the locks too: these are never renamed, so that no listing misses one.
fn ids(folder: &Path) -> Result<BTreeSet<String>, StateError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(source) => return Err(StateError::Folder { folder: folder.to_owned(), source }),
    };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    let kinds = [".json", ".lock", ".wanted", ".limit"];
    let id = |name: String| kinds.iter().find_map(|kind| name.strip_suffix(kind)).map(ToOwned::to_owned);
    Ok(entries.flatten().filter_map(name).filter_map(id).filter(|id| is_plain(id)).collect())
}

/// Refuses an id of the runtime's that cannot be the name of a file.
pub(crate) fn check_id(id: &str) -> anyhow::Result<()> {
    anyhow::ensure!(is_plain(id), "the runtime gave a session id that cannot be used: {id}");
    Ok(())
}

fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !id.is_empty() && id.len() <= 128 && !id.starts_with('.') && id.bytes().all(plain)
}

/// Reads an entry: None where there is none, or a reason why it cannot be used.
fn read<T: DeserializeOwned>(file: &Path) -> Option<Result<T, String>> {
    let text = match private_file::read(file, private_file::SMALL) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.to_string())),
    };
    let value: serde_json::Value = match serde_json::from_slice(&text) {
        Ok(value) => value,
        Err(error) => return Some(Err(format!("not JSON: {error}"))),
    };
    if value["schema"] != SCHEMA {
        return Some(Err("of another version of this program".to_owned()));
    }
    Some(serde_json::from_value(value).map_err(|error| error.to_string()))
}

#[cfg(test)]
impl Registry {
    /// In a folder of a test's.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

/// Reads a file as an entry of a session.
#[cfg(test)]
pub(crate) fn read_any(file: &Path) -> Option<Result<SessionEntry, String>> {
    read(file)
}

/// Writes an entry whole or not at all; only the user can read it.
fn write(file: &Path, entry: &impl Serialize) -> Result<(), StateError> {
    let folder = file.parent().unwrap_or(file);
    let write = || {
        let mut draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)?;
        draft.write_all(&serde_json::to_vec(entry)?)?;
        draft.persist(file)?;
        Ok(())
    };
    write().map_err(|source| StateError::Write { file: file.to_owned(), source })
}

/// Removes a file, if it is there. One that cannot be removed is found dead later.
fn remove(file: &Path) {
    let _ = fs::remove_file(file);
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Registry, read_any};
    use crate::model::Remote;

    /// What lies in the place of an entry, a word or a key, and is none, holds nobody up.
    #[test]
    fn no_pipe_and_no_giant_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry { folder: folder.path().to_owned() };
        std::fs::create_dir(registry.sessions_dir()).unwrap();
        let fifo = |name: &str| {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, registry.sessions_dir().join(name), mode).unwrap();
        };
        ["a.json", "a.wanted", "a.lock", "a.limit"].into_iter().for_each(fifo);
        let giant = registry.sessions_dir().join("b.json");
        std::fs::File::create(&giant).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read_any(&registry.sessions_dir().join("a.json")).unwrap().unwrap_err(), "it is no regular file");
        assert_eq!(read_any(&giant).unwrap().unwrap_err(), "it has more than 1048576 bytes");
        assert_eq!((registry.wanted("a").get(), registry.limit("a").get()), (Remote::Off, None));
        assert!(registry.wanted("a").set(Remote::On).is_err() && registry.is_held("a").is_err());
        let found = registry.sessions().unwrap();
        assert_eq!((found.sessions.len(), found.notes.len()), (0, 2), "{:?}", found.notes);
    }
}
