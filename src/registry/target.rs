//! Which session a command is about.

use std::path::Path;

use crate::error::ChooseError;
use crate::os::env;
use crate::os::state_dir::StateError;
use crate::registry::{Found, Registry, SessionEntry};
use crate::repo::{self, Slug};
use crate::text::sanitise::sanitised;

/// The session that `wanted` names; without it the only one of the current repository, or else of the machine.
pub(crate) async fn session(
    registry: &Registry,
    directory: &Path,
    wanted: Option<&str>,
) -> Result<(Result<SessionEntry, ChooseError>, Vec<String>), StateError> {
    let Found { sessions, notes } = registry.sessions()?;
    let chosen = match wanted {
        Some(wanted) => named(&sessions, wanted),
        None if sessions.len() < 2 => only(sessions, || ChooseError::NoneLive),
        None => {
            let here = of_this_repository(directory, &sessions).await;
            only(if here.is_empty() { sessions } else { here }, || ChooseError::NoneLive)
        }
    };
    Ok((chosen, notes))
}

/// By name or id, or where that is none's, by the beginning of either.
pub(crate) fn named(sessions: &[SessionEntry], wanted: &str) -> Result<SessionEntry, ChooseError> {
    let all = |meant: &dyn Fn(&str) -> bool| -> Vec<SessionEntry> {
        let label = |entry: &SessionEntry| entry.name.as_ref().or(entry.title.as_ref()).is_some_and(|label| meant(label));
        let is_meant = |entry: &&SessionEntry| meant(&entry.session_id) || label(entry);
        sessions.iter().filter(is_meant).cloned().collect()
    };
    let exact = all(&|text| text == wanted);
    let found = if exact.is_empty() { all(&|text| !wanted.is_empty() && text.starts_with(wanted)) } else { exact };
    only(found, || ChooseError::NotFound { wanted: wanted.to_owned() })
}

fn only(mut found: Vec<SessionEntry>, none: impl Fn() -> ChooseError) -> Result<SessionEntry, ChooseError> {
    if found.len() > 1 {
        let candidate = |entry: &SessionEntry| {
            let name = entry.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
            let text = format!("{} ({name}{})", entry.session_id, entry.repository.as_deref().unwrap_or("no repository"));
            // A name of several lines is still one candidate.
            sanitised(&text)
        };
        return Err(ChooseError::Ambiguous { candidates: found.iter().map(candidate).collect() });
    }
    found.pop().ok_or_else(none)
}

/// Those that are attached to the repository of the current folder, or work in this very folder.
async fn of_this_repository(directory: &Path, sessions: &[SessionEntry]) -> Vec<SessionEntry> {
    let slug = repo::find(directory, &env::github_host()).await.ok().map(|repository| repository.slug);
    let here = |entry: &&SessionEntry| {
        let attached = entry.repository.as_deref().and_then(Slug::parse);
        entry.directory == directory || (attached.is_some() && attached == slug)
    };
    sessions.iter().filter(here).cloned().collect()
}
