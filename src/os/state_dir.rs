//! Where state lives: one private folder, made when it is first needed.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::private_file::Private;
use crate::os::env;

/// The logs of sessions that ended and of runtimes that failed are kept this long.
const KEEP_LOGS: Duration = Duration::from_hours(7 * 24);
/// How long the rules of a session are: whoever takes one up again after that says them anew.
const KEEP_RULES: Duration = Duration::from_hours(365 * 24);

/// What a runtime prints, in its log folder.
pub(crate) const OUTPUT: &str = "output.log";

/// The state folder: `COPILOT_REMOTE_STATE_DIR`, or the platform's (data folder where it has none for state).
pub(crate) fn state_dir() -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::get_os(env::STATE_DIR) {
        let absolute = std::path::absolute(&folder).with_context(|| format!("{} = {}", env::STATE_DIR, folder.display()))?;
        // Without a slash at the end, which would look behind a symbolic link.
        return Ok(absolute.components().collect());
    }
    let Some(dirs) = directories::ProjectDirs::from("", "", "copilot-remote") else {
        bail!("no home folder for the state; set {}", env::STATE_DIR);
    };
    Ok(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

/// What is wrong with the state folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("the state folder {} cannot be used", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("files cannot be locked in the state folder {}", folder.display())]
    Locks { folder: PathBuf, source: io::Error },
    #[error("{} cannot be written", file.display())]
    Write { file: PathBuf, source: io::Error },
}

/// Makes a fresh folder for the logs of one runtime, below the state folder.
pub(crate) fn new_log_dir() -> anyhow::Result<TempDir> {
    let logs = log_dir()?;
    let name = format!("runtime-{}-", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    Ok(tempfile::Builder::new().prefix(&name).tempdir_in(&logs).map_err(|source| StateError::Folder { folder: logs, source })?)
}

/// The folder of all logs, made if there is none; old ones in it are removed.
pub(crate) fn log_dir() -> anyhow::Result<PathBuf> {
    let state = state_dir()?;
    make_private(&state)?;
    let logs = state.join("logs");
    make_private(&logs)?;
    remove_old(&logs);
    Ok(logs)
}

/// Makes sure that `folder` is a real folder (no symbolic link: others could aim it elsewhere) that only the user writes to. One that is
/// made here nobody else reads; of one that is there already the mode is left alone, as it may not be ours.
pub(crate) fn make_private(folder: &Path) -> Result<(), StateError> {
    let make = || {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        check_private(folder)
    };
    make().map_err(|source| StateError::Folder { folder: folder.to_owned(), source })
}

/// Whether others have any access to a folder.
#[cfg(unix)]
pub(crate) fn is_open_to_others(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::symlink_metadata(folder).is_ok_and(|found| found.mode() & 0o077 != 0)
}

/// Access lists say, which are not read.
#[cfg(windows)]
pub(crate) fn is_open_to_others(_: &Path) -> bool {
    false
}

/// The folders that we make, below that of the state.
pub(crate) fn state_folders(state: &Path) -> [PathBuf; 4] {
    [state.to_owned(), state.join("sessions"), state.join("runtimes"), state.join("logs")]
}

/// Takes others' access to a folder of the user's away; whether they had any.
pub(crate) fn restrict(folder: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let found = fs::symlink_metadata(folder)?;
        let own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
        if own && found.mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// The check alone. What other users could have written is not to be believed.
pub(crate) fn check_private(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if found.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    if !found.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if found.mode() & 0o022 != 0 {
            return Err(io::Error::other("others can write to it"));
        }
    }
    Ok(())
}

/// Removes the logs of what ended long ago. Best effort: what cannot be looked at or removed stays.
fn remove_old(logs: &Path) {
    let Ok(entries) = fs::read_dir(logs) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let path = entry.path();
        let keep = if path.extension().is_some_and(|kind| kind == "rules") { KEEP_RULES } else { KEEP_LOGS };
        if !modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > keep)) {
            continue;
        }
        // Sessions and runtimes hold the lock of their log as long as they live.
        let live = |file: &Path| Private::reading().open(file).is_ok_and(|log| log.try_lock().is_err());
        match entry.file_name().to_str() {
            Some(name) if name.starts_with("runtime-") && !live(&path.join(OUTPUT)) => drop(fs::remove_dir_all(path)),
            // What a host says besides lies next to its journal.
            Some(name)
                if name.starts_with("session-") && !live(&path.with_extension("").with_extension("jsonl")) && !live(&path) =>
            {
                drop(fs::remove_file(path));
            }
            _ => {}
        }
    }
}
