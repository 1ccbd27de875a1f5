//! The folder that the Copilot CLI keeps its login and sessions in.

use std::path::{Path, PathBuf};

use crate::os::env;

/// Where it is; None: there is no home folder.
fn folder() -> Option<PathBuf> {
    env::get_os("COPILOT_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".copilot")))
}

/// Whether the CLI can write there; else which folder it is, and why not.
pub(super) fn check() -> Result<(), (PathBuf, String)> {
    folder().map_or(Ok(()), |folder| check_writable(&folder).map_err(|reason| (folder, reason)))
}

/// Of a folder that is not there, the one counts in which it would be made.
fn check_writable(folder: &Path) -> Result<(), String> {
    let existing = folder.ancestors().find(|above| above.symlink_metadata().is_ok()).unwrap_or(folder);
    match existing.metadata() {
        Ok(found) if !found.is_dir() => Err(format!("{} is no folder", existing.display())),
        Err(error) => Err(error.to_string()),
        #[cfg(unix)]
        Ok(_) => {
            use rustix::fs::{Access, access};
            access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| std::io::Error::from(error).to_string())
        }
        #[cfg(not(unix))]
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check_writable;

    #[test]
    fn what_keeps_the_cli_from_its_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(check_writable(folder.path()), Ok(()));
        assert_eq!(check_writable(&folder.path().join("new/folder")), Ok(()));
        let no_folder = Err(format!("{} is no folder", file.display()));
        assert_eq!(check_writable(&file), no_folder);
        assert_eq!(check_writable(&file.join("below")), no_folder);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
            assert!(check_writable(&folder.path().join("link")).is_err());
        }
    }
}
