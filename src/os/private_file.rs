//! Files of the user's own: nobody else reads them, and what somebody else put in the place of one neither leads elsewhere nor holds anybody
//! up. A link is not followed, a FIFO is not waited for, and no more is read than such a file can have.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// More than any entry, any key and any settings have.
pub(crate) const SMALL: u64 = 1024 * 1024;

/// How files are opened, and made, for the user alone.
#[derive(Debug, Clone)]
pub(crate) struct Private(OpenOptions);

impl Private {
    /// To read.
    pub(crate) fn reading() -> Self {
        Self::new(OpenOptions::new().read(true))
    }

    /// To write to the end of; made where there is none.
    pub(crate) fn appending() -> Self {
        Self::new(OpenOptions::new().append(true).create(true))
    }

    /// To write over what is there; made where there is none.
    pub(crate) fn overwriting() -> Self {
        Self::new(OpenOptions::new().write(true).create(true).truncate(false))
    }

    /// To write to the end of a file that is not there yet.
    pub(crate) fn fresh() -> Self {
        Self::new(OpenOptions::new().append(true).create_new(true))
    }

    /// To lock, also where locks want both kinds of access.
    pub(crate) fn locking(create: bool) -> Self {
        Self::new(OpenOptions::new().read(true).write(true).create(create))
    }

    fn new(options: &OpenOptions) -> Self {
        let mut options = options.clone();
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        }
        Self(options)
    }

    /// The same where the user may have put a link.
    fn following(mut self) -> Self {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.0, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        self
    }

    /// Opens a regular file, and nothing else.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        match self.0.open(path) {
            Ok(file) if file.metadata()?.is_file() => Ok(file),
            Ok(_) => Err(no_file()),
            // A FIFO that nobody reads cannot be written to, and a socket not be opened.
            Err(_) if path.symlink_metadata().is_ok_and(|found| !found.is_file() && !found.is_symlink()) => Err(no_file()),
            Err(error) => Err(error),
        }
    }
}

/// All of a file, of which there is no more than `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_all(&Private::reading().open(path)?, most)
}

/// The same of one that may be behind links.
pub(crate) fn read_followed(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_all(&open_followed(path)?, most)
}

/// The first `most` bytes of a file, or all of them.
pub(crate) fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Private::reading().open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file that may be behind links.
pub(crate) fn open_followed(path: &Path) -> io::Result<File> {
    Private::reading().following().open(path)
}

/// What a file has from here on, unless that is more than `most` bytes.
pub(crate) fn read_all(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;
    use std::time::{Duration, Instant};

    use super::{Private, read, read_followed};

    #[test]
    fn only_a_regular_file_of_bearable_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("device")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        File::create(at("giant")).unwrap().set_len(1 << 40).unwrap();
        let begun = Instant::now();
        let why = |name: &str| read(&at(name), 5).unwrap_err().to_string();
        assert_eq!(read(&at("file"), 5).unwrap(), b"12345");
        assert_eq!(super::read_start(&at("file"), 2).unwrap(), b"12");
        assert!(read(&at("link"), 5).is_err() && read_followed(&at("link"), 5).is_ok());
        assert_eq!(why("fifo"), "it is no regular file");
        assert_eq!(why("giant"), "it has more than 5 bytes");
        assert_eq!(why("."), "it is no regular file");
        assert_eq!(read_followed(&at("device"), 5).unwrap_err().to_string(), "it is no regular file");
        for private in [Private::appending(), Private::overwriting(), Private::locking(true), Private::fresh()] {
            assert!(private.open(&at("fifo")).is_err(), "{private:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_is_made_is_the_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for (name, private) in [("a", Private::appending()), ("b", Private::overwriting()), ("c", Private::fresh())] {
            let file = private.open(&folder.path().join(name)).unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
}
