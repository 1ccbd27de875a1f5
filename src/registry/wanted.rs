//! What remote is to be: one word in a file, and the turn to make it so.
//!
//! Whoever wants a change writes the word first, then waits for its turn, and then makes remote what the word says by that time. So the
//! last word wins, whoever acts on it, and nothing that was under way (healing, a relaunch) undoes a user's off.

use std::io;
use std::path::{Path, PathBuf};

use super::lock::{Kind, Lock};
use super::{Registry, is_plain};
use crate::model::Remote;
use crate::os::private_file::{self, Private};
use crate::os::state_dir::StateError;

/// All words have the same length in the file: one write replaces one by another, also on a full disk.
const WIDTH: usize = 8;

/// The word of one session.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    path: PathBuf,
}

/// The turn: while it lasts nobody else switches.
#[derive(Debug)]
pub(crate) struct Switching(#[expect(dead_code, reason = "held until it is dropped")] Lock);

impl Registry {
    /// The word of a session; its file is made by the first [`Wanted::set`], its host's.
    pub(crate) fn wanted(&self, session: &str) -> Wanted {
        debug_assert!(is_plain(session));
        Wanted { path: self.sessions_dir().join(format!("{session}.wanted")) }
    }
}

impl Wanted {
    /// What is wanted; off where nobody can tell any more.
    pub(crate) fn get(&self) -> Remote {
        self.read().unwrap_or(Remote::Off)
    }

    /// What is wanted; off where the word cannot be understood, and none where there is no file.
    pub(crate) fn read(&self) -> Option<Remote> {
        match read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            found => Some(found.ok().flatten().unwrap_or(Remote::Off)),
        }
    }

    /// Whether nobody is switching. Where that cannot be told, nobody is waited for.
    pub(crate) fn is_free(&self) -> bool {
        !Lock::is_held(&self.path).unwrap_or(false)
    }

    /// Changes what is wanted.
    pub(crate) fn set(&self, remote: Remote) -> Result<(), StateError> {
        write(&self.path, remote).map_err(|source| StateError::Write { file: self.path.clone(), source })
    }

    /// Waits for the turn. Cancel-safe; the caller sets the deadline.
    pub(crate) async fn turn(&self) -> Result<Switching, StateError> {
        Lock::take(&self.path, Kind::Exclusive).await.map(Switching)
    }
}

fn read(path: &Path) -> io::Result<Option<Remote>> {
    let bytes = private_file::read(path, WIDTH as u64)?;
    let text = str::from_utf8(&bytes).unwrap_or_default();
    Ok([Remote::On, Remote::Export, Remote::Off].into_iter().find(|remote| remote.word() == text.trim_end()))
}

fn write(path: &Path, remote: Remote) -> io::Result<()> {
    let mut file = Private::overwriting().open(path)?;
    io::Write::write_all(&mut file, format!("{:<width$}", remote.word(), width = WIDTH).as_bytes())
}
