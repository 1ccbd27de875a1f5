//! Which session a command is about.

use crate::context::Context;
use crate::os::env;
use crate::output;
use crate::registry::{Found, Registry, SessionEntry};
use crate::repo::{self, Slug};
use crate::text::line::{Line, Tone};

/// Why no session is meant, or none that is known for sure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error("no live session has the name or id {wanted}")]
    NotFound { wanted: String },
    #[error("there is no live session")]
    NoneLive,
    #[error("none of the account's latest tasks has the id {wanted}")]
    NoTask { wanted: String },
    #[error("there is no session on disk that worked in this repository or folder")]
    NoneStored,
    #[error("no session on disk has the name or id {wanted}")]
    NotStored { wanted: String },
    #[error("several sessions are meant:{}", lines(candidates))]
    Ambiguous { candidates: Vec<String> },
}

fn lines(candidates: &[String]) -> String {
    candidates.iter().fold(String::new(), |text, candidate| text + "\n  " + candidate)
}

/// The session that `wanted` names; without it the only one of the current repository, or else of the machine.
pub(crate) async fn session(
    context: &mut Context<'_>,
    registry: &Registry,
    wanted: Option<&str>,
) -> anyhow::Result<SessionEntry> {
    let Found { sessions, notes } = registry.sessions()?;
    let chosen = match wanted {
        Some(wanted) => named(&sessions, wanted),
        None if sessions.len() < 2 => only(sessions, || ChooseError::NoneLive),
        None => {
            let here = of_this_repository(context, &sessions).await;
            only(if here.is_empty() { sessions } else { here }, || ChooseError::NoneLive)
        }
    };
    say_notes(context, &notes);
    Ok(chosen?)
}

/// Says what was strange about the rest.
pub(crate) fn say_notes(context: &mut Context<'_>, notes: &[String]) {
    for note in notes {
        context.terminal.say(&Line::new(Tone::Dim, format!("note: {note}")));
    }
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
            output::sanitised(&text)
        };
        return Err(ChooseError::Ambiguous { candidates: found.iter().map(candidate).collect() });
    }
    found.pop().ok_or_else(none)
}

/// Those that are attached to the repository of the current folder, or work in this very folder.
async fn of_this_repository(context: &mut Context<'_>, sessions: &[SessionEntry]) -> Vec<SessionEntry> {
    let slug = repo::find(&context.directory, &env::github_host()).await.ok().map(|repository| repository.slug);
    let here = |entry: &&SessionEntry| {
        let attached = entry.repository.as_deref().and_then(Slug::parse);
        entry.directory == context.directory || (attached.is_some() && attached == slug)
    };
    sessions.iter().filter(here).cloned().collect()
}
