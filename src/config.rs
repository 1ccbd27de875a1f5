//! The user's config file: what is to hold without being typed each time. Below flags and environment variables, above our defaults.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::cli::{Hook, HookEvent};
use crate::env;
use crate::error::UsageError;

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
        Ok(text) => match toml::from_str(&text) {
            Ok(config) => Ok(Config { file, ..config }),
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

/// It has commands that are run: one that others can write is not believed.
fn read(file: &Path) -> io::Result<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = file.metadata()?;
        let own = rustix::process::geteuid().as_raw();
        if (found.uid() != own && found.uid() != 0) || found.mode() & 0o002 != 0 {
            return Err(io::Error::other("others can write to it"));
        }
    }
    std::fs::read_to_string(file)
}
