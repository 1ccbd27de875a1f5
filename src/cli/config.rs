//! The user's config file: what is to hold without being typed each time. Below flags and environment variables, above our defaults.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::cli::check_command;
use crate::error::UsageError;
use crate::model::{Hook, HookEvent};
use crate::os::{env, private_file};

/// The values are texts, read as those of the flags of the same names are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    #[serde(skip)]
    file: PathBuf,
    pub(crate) timeout: Option<String>,
    pub(crate) qr: Option<String>,
    pub(crate) qr_style: Option<String>,
    pub(crate) bell: bool,
    pub(crate) keep_awake: Option<String>,
    /// Commands for each event.
    hooks: BTreeMap<HookEvent, Vec<String>>,
}

impl Config {
    /// What the file says; it is read once, when it is first needed.
    pub(crate) fn get() -> Result<&'static Self, UsageError> {
        static CONFIG: OnceLock<Result<Config, UsageError>> = OnceLock::new();
        CONFIG.get_or_init(load).as_ref().map_err(Clone::clone)
    }

    /// That a value in it cannot be used.
    pub(crate) fn wrong(&self, text: &str, wanted: &str) -> UsageError {
        wrong(&self.file, &format!("\"{text}\": {wanted}"))
    }

    /// The commands for each event. None for a session that a hook starts: it would start another one, and so on.
    pub(crate) fn hooks(&self) -> Vec<Hook> {
        if env::get_os(env::HOOK_EVENT).is_some() {
            return Vec::new();
        }
        let of = |(event, commands): (&HookEvent, &Vec<String>)| {
            let event = *event;
            commands.clone().into_iter().map(move |command| Hook { event, command })
        };
        self.hooks.iter().flat_map(of).collect()
    }
}

/// The file, and whether it has to be there.
fn place() -> Option<(PathBuf, bool)> {
    match env::get_os(env::CONFIG) {
        Some(file) => Some((file.into(), true)),
        None => Some((directories::ProjectDirs::from("", "", "copilot-remote")?.config_dir().join("config.toml"), false)),
    }
}

fn load() -> Result<Config, UsageError> {
    let Some((file, named)) = place() else { return Ok(Config::default()) };
    match read(&file) {
        Ok(text) => match toml::from_str::<Config>(&text) {
            Ok(config) => match config.hooks.values().flatten().find_map(|command| check_command(command).err()) {
                Some(why) => Err(wrong(&file, &format!("hooks: {why}"))),
                None => Ok(Config { file, ..config }),
            },
            Err(error) => Err(wrong(&file, &error.to_string())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(Config::default()),
        Err(error) => Err(wrong(&file, &error.to_string())),
    }
}

fn wrong(file: &Path, why: &str) -> UsageError {
    UsageError::new(
        format!("{}: {}", file.display(), why.trim_end()),
        format!("mend the file; {} names another one", env::CONFIG),
    )
}

/// It has commands that are run: one that others can write, or put in its place, is not believed.
fn read(file: &Path) -> io::Result<String> {
    // Without any: the usual word for no file at all.
    if file == Path::new("/dev/null") {
        return Ok(String::new());
    }
    let opened = private_file::open_followed(file)?;
    #[cfg(unix)]
    {
        check(&opened.metadata()?, "others can write to it")?;
        check_links(&std::path::absolute(file)?, LINKS)?;
        // Where it is a link: the folder that has the file.
        if let Some(folder) = file.canonicalize()?.parent() {
            check_folder(&folder.metadata()?, "others can write to its folder")?;
        }
    }
    let bytes = private_file::read_all(&opened, private_file::SMALL)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// So many links on the way; the kernel follows no more.
#[cfg(unix)]
const LINKS: u8 = 40;

/// Whoever makes a link chooses the file that is read: all of them have to be the user's, or root's, in folders where nobody else can put
/// another one in their place.
#[cfg(unix)]
fn check_links(file: &Path, left: u8) -> io::Result<()> {
    let mut at = PathBuf::new();
    for part in file.components() {
        let folder = at.clone();
        at.push(part);
        let found = at.symlink_metadata()?;
        if !found.is_symlink() {
            continue;
        }
        let left = left.checked_sub(1).ok_or_else(|| io::Error::other("there are too many links on the way to it"))?;
        if is_foreign(&found) {
            return Err(io::Error::other(format!("{} is a link of another user", at.display())));
        }
        check_folder(&folder.metadata()?, "it is behind a link in a folder that others can write to")?;
        check_links(&folder.join(at.read_link()?), left)?;
    }
    Ok(())
}

/// The group of its own that many systems give each user, by the user's number, does not count as others.
#[cfg(unix)]
fn check(found: &std::fs::Metadata, wrong: &'static str) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let own = rustix::process::geteuid().as_raw();
    let others = found.mode() & 0o002 != 0 || (found.mode() & 0o020 != 0 && found.gid() != own);
    if others || is_foreign(found) { Err(io::Error::other(wrong)) } else { Ok(()) }
}

/// In a folder with the sticky bit nobody else can replace what is the user's, or root's; what is in it is checked by itself.
#[cfg(unix)]
fn check_folder(found: &std::fs::Metadata, wrong: &'static str) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    if found.mode() & 0o1000 != 0 && !is_foreign(found) { Ok(()) } else { check(found, wrong) }
}

#[cfg(unix)]
fn is_foreign(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.uid() != rustix::process::geteuid().as_raw() && found.uid() != 0
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::read;

    #[test]
    fn a_link_is_believed_only_where_nobody_else_could_put_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, mode) in [("own", 0o700), ("open", 0o777)] {
            fs::create_dir(at(name)).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(at("own/config.toml"), "bell = true").unwrap();
        symlink("own/config.toml", at("dotfile")).unwrap();
        symlink("../own/config.toml", at("open/config.toml")).unwrap();
        symlink("../own", at("open/folder")).unwrap();
        symlink("open/config.toml", at("twice")).unwrap();
        symlink("loop", at("loop")).unwrap();
        fs::create_dir(at("sticky")).unwrap();
        fs::set_permissions(at("sticky"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("../own/config.toml", at("sticky/config.toml")).unwrap();
        let why = |name: &str| read(&at(name)).map_err(|error| error.to_string());
        let open = "it is behind a link in a folder that others can write to";
        assert_eq!(why("dotfile").as_deref(), Ok("bell = true"));
        assert_eq!(why("sticky/config.toml").as_deref(), Ok("bell = true"));
        for name in ["open/config.toml", "open/folder/config.toml", "twice"] {
            assert_eq!(why(name), Err(open.to_owned()), "{name}");
        }
        assert!(why("loop").is_err() && why("own").is_err());
        // Only root can give a link away.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(at("dotfile"), Some(12345), None).unwrap();
            assert!(why("dotfile").unwrap_err().ends_with("dotfile is a link of another user"));
        }
    }

    #[test]
    fn no_pipe_and_no_giant_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        fs::File::create(at("giant")).unwrap().set_len(1 << 40).unwrap();
        let why = |name: &str| read(&at(name)).unwrap_err().to_string();
        assert_eq!(why("fifo"), "it is no regular file");
        assert_eq!(why("giant"), "it has more than 1048576 bytes");
        assert_eq!(read(std::path::Path::new("/dev/null")).unwrap(), "");
    }
}
