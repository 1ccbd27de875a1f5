//! Where state lives: one private folder, made when it is first needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::env;

/// The log folders of runtimes that failed are kept this long.
const KEEP_LOGS: Duration = Duration::from_hours(7 * 24);

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

/// A folder of the state that cannot be made, or is not the user's alone.
#[derive(Debug, thiserror::Error)]
#[error("the state folder {} cannot be used", folder.display())]
pub(crate) struct StateError {
    folder: PathBuf,
    source: io::Error,
}

/// Makes a fresh folder for the logs of one runtime, below the state folder; older ones are removed.
pub(crate) fn new_log_dir() -> anyhow::Result<TempDir> {
    let state = state_dir()?;
    let logs = state.join("logs");
    let unusable = |folder: &Path| {
        let folder = folder.to_owned();
        |source| StateError { folder, source }
    };
    private_dir(&state).map_err(unusable(&state))?;
    private_dir(&logs).map_err(unusable(&logs))?;
    remove_old(&logs);
    let name = format!("runtime-{}-", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    Ok(tempfile::Builder::new().prefix(&name).tempdir_in(&logs).map_err(unusable(&logs))?)
}

/// Makes sure that `folder` is a real folder (no symbolic link: others could aim it elsewhere) that only the user writes to. One that is
/// made here nobody else reads; of one that is there already the mode is left alone, as it may not be ours.
fn private_dir(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is a symbolic link"));
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

/// Removes the logs of runtimes that ended long ago. Best effort: what cannot be looked at or removed stays.
fn remove_old(logs: &Path) {
    let Ok(entries) = fs::read_dir(logs) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > KEEP_LOGS));
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with("runtime-"));
        // A runtime that lives holds the lock of its log.
        let live = || fs::File::open(entry.path().join(OUTPUT)).is_ok_and(|log| log.try_lock().is_err());
        if ours && old && !live() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
