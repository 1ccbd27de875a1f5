//! Locks on files that are never renamed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::remove;
use crate::os::private_file::Private;
use crate::os::state_dir::StateError;

/// How often a lock that another holds is tried again: polled, so that whoever waits hears signals.
const POLL: Duration = Duration::from_millis(2);

/// A lock, held until it is dropped; the kernel frees it when the process dies, however that happens.
#[derive(Debug)]
pub(crate) struct Lock {
    /// The lock lasts as long as this is open.
    file: File,
    path: PathBuf,
}

/// Whether others may hold it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Shared,
    Exclusive,
}

impl Lock {
    /// Takes a lock; None where another holds it.
    pub(super) fn try_take(path: &Path, kind: Kind) -> Result<Option<Self>, StateError> {
        loop {
            let file = open(path, true).map_err(|source| StateError::Write { file: path.to_owned(), source })?;
            let locked = match kind {
                Kind::Shared => file.try_lock_shared(),
                Kind::Exclusive => file.try_lock(),
            };
            match locked {
                // Whoever held it before may have removed the file: then this is a lock on nothing.
                Ok(()) if is_at(&file, path) => return Ok(Some(Self { file, path: path.to_owned() })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(no_locks(path, source)),
            }
        }
    }

    /// Waits for a lock. Cancel-safe; the caller sets the deadline.
    pub(super) async fn take(path: &Path, kind: Kind) -> Result<Self, StateError> {
        loop {
            if let Some(lock) = Self::try_take(path, kind)? {
                return Ok(lock);
            }
            sleep(POLL).await;
        }
    }

    /// Whether anybody holds it alone. Those who ask do not see each other.
    pub(crate) fn is_held(path: &Path) -> Result<bool, StateError> {
        let file = match open(path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(StateError::Write { file: path.to_owned(), source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(no_locks(path, source)),
        }
    }

    /// Whether its file is still there: somebody may have removed it, or the folder.
    pub(super) fn is_on_disk(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// Gives it up, with its file. Only who holds it alone may do so.
    pub(super) fn remove(self) {
        remove(&self.path);
    }
}

fn no_locks(path: &Path, source: io::Error) -> StateError {
    StateError::Locks { folder: path.parent().unwrap_or(path).to_owned(), source }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    Private::locking(create).open(path)
}

/// Whether the file is still the one with this name.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let id = |found: fs::Metadata| (found.dev(), found.ino());
        file.metadata().map(id).ok() == fs::symlink_metadata(path).map(id).ok()
    }
    #[cfg(not(unix))]
    {
        // A file that is open cannot be removed there.
        let _ = file;
        fs::symlink_metadata(path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Lock};

    #[test]
    fn a_lock_on_a_removed_file_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        assert!(!Lock::is_held(&path).unwrap());
        let lock = Lock::try_take(&path, Kind::Exclusive).unwrap().unwrap();
        assert!(Lock::is_held(&path).unwrap());
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
        // Somebody removes the file although it is held: the next one locks a file of its own.
        std::fs::remove_file(&path).unwrap();
        let other = Lock::try_take(&path, Kind::Exclusive).unwrap().unwrap();
        drop(lock);
        assert!(Lock::is_held(&path).unwrap());
        other.remove();
        assert!(!path.exists());
    }

    #[test]
    fn shared_locks_go_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let one = Lock::try_take(&path, Kind::Shared).unwrap().unwrap();
        let two = Lock::try_take(&path, Kind::Shared).unwrap().unwrap();
        drop(one);
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_none());
        drop(two);
        assert!(Lock::try_take(&path, Kind::Exclusive).unwrap().is_some());
    }
}
