//! Finds the programs that may be the Copilot CLI.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SdkError;
use crate::os::env;

/// The first argument that makes this program a stand-in runtime.
pub(crate) const DEMO_RUNTIME: &str = "demo-runtime";

/// A program that can be started as a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cli {
    pub(crate) program: PathBuf,
    /// The embedded stand-in: its subcommand comes before the CLI's own arguments.
    pub(crate) demo: bool,
}

impl Cli {
    fn new(program: PathBuf) -> Self {
        Self { program, demo: false }
    }

    /// This program itself, as the stand-in.
    pub(crate) fn demo() -> Result<Self, SdkError> {
        let program = std::env::current_exe()
            .map_err(|source| SdkError::Io { what: "this program cannot find itself".to_owned(), source })?;
        Ok(Self { program, demo: true })
    }
}

/// The programs to try, best first: the named one alone (`--copilot`, else `COPILOT_CLI_PATH`), or `copilot` on `PATH` and then
/// the usual install places.
pub(crate) fn candidates(named: Option<&Path>) -> Result<Vec<Cli>, SdkError> {
    if let Some(path) = named.map(PathBuf::from).or_else(|| env::get_os(env::COPILOT_CLI_PATH).map(PathBuf::from)) {
        return match which::which(&path) {
            Ok(program) => Ok(vec![Cli::new(program)]),
            Err(_) => Err(SdkError::CliUnusable { reason: unusable(&path).to_owned(), program: path }),
        };
    }
    let on_path = which::which_all("copilot").into_iter().flatten();
    let installed = install_places().into_iter().filter(|path| which::which(path).is_ok());
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut found = Vec::new();
    for program in on_path.chain(installed) {
        let real = program.canonicalize().unwrap_or_else(|_| program.clone());
        if !seen.contains(&real) {
            seen.push(real);
            found.push(Cli::new(program));
        }
    }
    if found.is_empty() {
        let mut tried = vec!["copilot on PATH".to_owned()];
        tried.extend(install_places().iter().map(|path| path.display().to_string()));
        return Err(SdkError::CliNotFound { tried });
    }
    Ok(found)
}

fn unusable(path: &Path) -> &'static str {
    match path.metadata() {
        Err(_) if path.components().count() == 1 => "it is not on PATH",
        Err(_) => "there is no such file",
        Ok(metadata) if metadata.is_dir() => "it is a folder",
        Ok(_) => "it is not executable",
    }
}

/// The install places of npm, Homebrew and `WinGet`, for a `PATH` that lacks them (a service, a desktop launcher, a bare ssh
/// command).
fn install_places() -> Vec<PathBuf> {
    let home = std::env::home_dir();
    let below = |base: Option<&PathBuf>, rest: &str| base.map(|base| base.join(rest));
    let variable = |name: &str| env::get_os(name).map(PathBuf::from);
    let places = if cfg!(windows) {
        vec![
            below(variable("APPDATA").as_ref(), "npm/copilot.cmd"),
            below(variable("LOCALAPPDATA").as_ref(), "Microsoft/WinGet/Links/copilot.exe"),
        ]
    } else {
        vec![
            below(variable("NPM_CONFIG_PREFIX").as_ref(), "bin/copilot"),
            below(home.as_ref(), ".npm-global/bin/copilot"),
            below(home.as_ref(), ".local/bin/copilot"),
            below(home.as_ref(), ".volta/bin/copilot"),
            Some("/usr/local/bin/copilot".into()),
            Some("/opt/homebrew/bin/copilot".into()),
            Some("/home/linuxbrew/.linuxbrew/bin/copilot".into()),
        ]
    };
    places.into_iter().flatten().collect()
}
