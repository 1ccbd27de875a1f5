//! `completions`: a script for a shell, by which the shell asks this program itself, so that it can offer the names of live sessions.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use crate::cli::{Shell, help};
use crate::registry::Registry;

/// Whoever pressed Tab waits.
const MODELS_DEADLINE: Duration = Duration::from_secs(2);
/// By this variable the scripts ask.
const VARIABLE: &str = "COPILOT_REMOTE_COMPLETE";
const NAME: &str = "copilot-remote";

/// The script.
pub(crate) fn run(shell: Shell) -> anyhow::Result<String> {
    let shell = match shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Zsh => "zsh",
    };
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(shell) {
        shell.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    }
    Ok(String::from_utf8(script)?)
}

/// Answers a shell that asks; None: it is an ordinary run.
pub(crate) fn complete(arguments: &[OsString]) -> Option<ExitCode> {
    crate::os::env::get_os(VARIABLE)?;
    let directory = std::env::current_dir().ok();
    match CompleteEnv::with_factory(command).var(VARIABLE).try_complete(arguments.iter().cloned(), directory.as_deref()) {
        Ok(true) => Some(ExitCode::SUCCESS),
        // A completion that fails offers nothing.
        _ => Some(ExitCode::FAILURE),
    }
}

/// The arguments, with what can stand for a session.
fn command() -> clap::Command {
    help::command().mut_subcommands(|mut command| {
        for name in ["session", "sessions"] {
            if command.get_arguments().any(|argument| argument.get_id() == name) {
                command = command.mut_arg(name, |argument| argument.add(ArgValueCandidates::new(session_names)));
            }
        }
        if command.get_arguments().any(|argument| argument.get_id() == "model") {
            command = command.mut_arg("model", |argument| argument.add(ArgValueCandidates::new(models)));
        }
        command
    })
}

/// The models of the account, as a live runtime says, or said when it was last asked.
fn models() -> Vec<CompletionCandidate> {
    let Ok(registry) = Registry::look() else { return Vec::new() };
    let live = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let asking = async {
            for entry in registry.runtimes().ok()? {
                if let Ok(runtime) = entry.server.connect().await
                    && let Ok(models) = runtime.models().await
                {
                    return Some(models.into_iter().map(|model| model.id).collect::<Vec<_>>());
                }
            }
            None
        };
        runtime.block_on(async { tokio::time::timeout(MODELS_DEADLINE, asking).await.ok().flatten() })
    };
    let models = live().inspect(|models| registry.keep_models(models)).or_else(|| registry.models()).unwrap_or_default();
    models.into_iter().map(CompletionCandidate::new).collect()
}

/// The names of the live sessions, and the ids of those without one.
fn session_names() -> Vec<CompletionCandidate> {
    let sessions = Registry::look().and_then(|registry| Ok(registry.sessions()?.sessions)).unwrap_or_default();
    let candidate = |entry: crate::registry::SessionEntry| {
        let about = format!("{}, remote {}", entry.repository.as_deref().unwrap_or("no repository"), entry.remote.word());
        CompletionCandidate::new(entry.label()).help(Some(about.into()))
    };
    sessions.into_iter().map(candidate).collect()
}
