//! The user's config file: what is to hold without being typed each time. Below flags and environment variables, above our defaults.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::cli::check_command;
use crate::error::UsageError;
use crate::model::{Hook, HookEvent};
use crate::os::env;

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
    let mut opened = File::open(file)?;
    #[cfg(unix)]
    {
        check(&opened.metadata()?, "others can write to it")?;
        // Where it is a link: the folder that has the file.
        if let Some(folder) = file.canonicalize()?.parent() {
            check(&folder.metadata()?, "others can write to its folder")?;
        }
    }
    let mut text = String::new();
    opened.read_to_string(&mut text)?;
    Ok(text)
}

/// The group of its own that many systems give each user, by the user's number, does not count as others.
#[cfg(unix)]
fn check(found: &std::fs::Metadata, wrong: &'static str) -> io::Result<()> {
    use rustix::process::geteuid;
    use std::os::unix::fs::MetadataExt as _;

    let others = found.mode() & 0o002 != 0 || (found.mode() & 0o020 != 0 && found.gid() != geteuid().as_raw());
    let foreign = found.uid() != geteuid().as_raw() && found.uid() != 0;
    if others || foreign { Err(io::Error::other(wrong)) } else { Ok(()) }
}
