//! Which session is taken up again, and how it was shared.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::context::{Context, Deadline};
use crate::error::{ChooseError, Interrupted, UsageError};
use crate::model::Remote;
use crate::output;
use crate::registry::{Given, Registry};
use crate::repo::Slug;
use crate::sdk::{Events, Runtime, SdkError, Session, SessionOptions, Stage, Stored};
use crate::text::line::{Line, Tone};
use crate::view::question;

/// How long the account's tasks are looked for.
const TASKS_LIMIT: Duration = Duration::from_secs(10);
/// What the person is asked.
const QUESTION: &str = "which one? press its number; Ctrl-C ends";
/// So many can be chosen by one key.
const SHOWN: usize = 9;

/// Which one is meant.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// By its name, its id, or the beginning of one.
    Named(String),
    /// One of this repository, which the person says.
    Asked,
    /// The last one of this repository.
    Last,
}

/// What `start --resume` and `--continue` say.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) which: Which,
    pub(crate) repository: Option<Slug>,
    pub(crate) directory: PathBuf,
    /// What it was allowed and denied counts no longer.
    pub(crate) ask: bool,
    /// These are listed, and are not there: what was kept of them was lost.
    pub(crate) lost: Vec<String>,
}

/// The session that is resumed.
pub(super) struct Found {
    pub(super) stored: Stored,
    /// How it was shared; None: it never was.
    pub(super) remote: Option<Remote>,
    pub(super) given: Given,
}

/// Finds it, and refuses one that is open elsewhere.
pub(super) async fn find(
    context: &mut Context<'_>,
    registry: &Registry,
    runtime: &Runtime,
    wanted: &Wanted,
    deadline: Deadline,
) -> anyhow::Result<Found> {
    let all = context.step("looking for the session", deadline, runtime.stored()).await?;
    let stored = choose(context, registry, runtime, wanted, all).await?;
    // A person may have been asked.
    let deadline = deadline.again();
    if registry.session(&stored.id)?.is_some() || registry.is_held(&stored.id)? {
        let id = &stored.id;
        let hint = format!("look at it: copilot-remote attach {id}; share it: copilot-remote on {id}");
        return Err(UsageError::new(format!("the session {id} is live already"), hint).into());
    }
    if context.within("looking for the session", deadline, runtime.is_in_use(&stored.id)).await? {
        return Err(in_use(&stored.id).into());
    }
    let steerable = context.within("looking for the session", deadline, runtime.was_steerable(&stored.id)).await?;
    // The runtime does not tell read-only from off (docs/copilot-cli.md, remote-state); our journal does, as long as it is there.
    let mut told = None;
    if let Some(mut journal) = registry.read_journal(&stored.id)? {
        while let Ok(Some(record)) = journal.next() {
            told = record.told().remote.or(told);
        }
    }
    let remote = match (told, steerable) {
        // It was switched off since, by another Copilot CLI.
        (Some(Remote::On), Some(false)) => Some(Remote::Off),
        (Some(told), _) => Some(told),
        (None, steerable) => steerable.map(|steerable| if steerable { Remote::On } else { Remote::Off }),
    };
    let mut given = registry.given(&stored.id)?;
    if wanted.ask {
        (given.allowed, given.denied, given.approved) = Default::default();
    }
    Ok(Found { stored, remote, given })
}

/// Attaches to it, where it worked, and sets what the person wants otherwise than it was.
pub(super) async fn attach(
    context: &mut Context<'_>,
    runtime: &Runtime,
    stored: Stored,
    options: &mut SessionOptions,
    deadline: Deadline,
) -> anyhow::Result<(Session, Events)> {
    let resuming = Session::resume(runtime, &stored.id, options, Stage::Revived);
    let (session, events) = context.step("resuming the session", deadline, resuming).await?;
    if events.already_in_use() {
        // Another CLI has it open, which did not show before; this one leaves it.
        let _ = context.within("leaving the session", deadline, session.close()).await;
        return Err(in_use(&stored.id).into());
    }
    let setting = async {
        if let Some(name) = &options.name {
            session.set_name(name).await?;
        }
        if options.model.is_some() || options.effort.is_some() {
            session.set_model(options.model.as_deref(), options.effort.as_deref()).await?;
        }
        Ok::<_, SdkError>(())
    };
    context.within("resuming the session", deadline, setting).await?;
    options.name = options.name.take().or(stored.name);
    Ok((session, events))
}

/// That another Copilot CLI has the session open.
pub(super) fn in_use(id: &str) -> UsageError {
    UsageError::new(
        format!("the session {id} is in use by another Copilot CLI"),
        "end it there (/exit in its terminal), or share it from there: /remote",
    )
}

async fn choose(
    context: &mut Context<'_>,
    registry: &Registry,
    runtime: &Runtime,
    wanted: &Wanted,
    all: Vec<Stored>,
) -> anyhow::Result<Stored> {
    let name = match &wanted.which {
        Which::Named(name) => name,
        Which::Last | Which::Asked => {
            let mut here = of_this_repository(wanted, all);
            // Those that live are gone on with otherwise.
            here.retain(|stored| !wanted.lost.contains(&stored.id) && !matches!(registry.session(&stored.id), Ok(Some(_))));
            return match (&wanted.which, here.len()) {
                (_, 0) => Err(ChooseError::NoneStored.into()),
                (Which::Asked, 2..) => ask(context, here).await,
                _ => Ok(here.swap_remove(0)),
            };
        }
    };
    let is = |stored: &&Stored| stored.id == *name || stored.name.as_deref() == Some(name);
    let begins = |stored: &&Stored| stored.id.starts_with(name) || stored.name.as_ref().is_some_and(|own| own.starts_with(name));
    let exact: Vec<Stored> = all.iter().filter(is).cloned().collect();
    let mut found = if exact.is_empty() { all.iter().filter(begins).cloned().collect() } else { exact };
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => {
            // That it is a task of the account is worth a look, and no more.
            let looking = context.within("looking for the session", Deadline::new(TASKS_LIMIT), runtime.tasks());
            let tasks = match looking.await {
                Err(error) if error.is::<Interrupted>() => return Err(error),
                tasks => tasks.unwrap_or_default(),
            };
            match tasks.iter().find(|task| task.id == *name) {
                Some(task) => Err(UsageError::new(
                    format!("{} is a task at GitHub: it goes on there, and cannot be resumed here", task.id),
                    format!("look at it: copilot-remote cloud open {}", task.id),
                )
                .into()),
                None => Err(ChooseError::NotStored { wanted: name.clone() }.into()),
            }
        }
        _ => ask(context, found).await,
    }
}

/// Those that worked in the repository of this folder, or in this very folder.
fn of_this_repository(wanted: &Wanted, all: Vec<Stored>) -> Vec<Stored> {
    let here = |stored: &Stored| {
        let repository = stored.repository.as_deref().and_then(Slug::parse);
        stored.directory.as_ref() == Some(&wanted.directory) || (repository.is_some() && repository == wanted.repository)
    };
    all.into_iter().filter(here).collect()
}

/// Lets the person choose; an error with the list where nobody is there to ask.
async fn ask(context: &mut Context<'_>, found: Vec<Stored>) -> anyhow::Result<Stored> {
    let now = Timestamp::now();
    let several = || ChooseError::Ambiguous { candidates: found.iter().map(|stored| output::stored_line(stored, now)).collect() };
    if !question::may_ask(context)? {
        return Err(several().into());
    }
    for (index, stored) in found.iter().take(SHOWN).enumerate() {
        context.terminal.say(&Line::new(Tone::Plain, format!("{}  {}", index + 1, output::stored_line(stored, now))));
    }
    if found.len() > SHOWN {
        context.terminal.say(&Line::new(Tone::Dim, format!("   {} more: copilot-remote list --all", found.len() - SHOWN)));
    }
    question::ask(context, QUESTION, |key| {
        let index = key.to_digit(10).and_then(|digit| usize::try_from(digit).ok()?.checked_sub(1))?;
        found.get(index).cloned()
    })
    .await
}
