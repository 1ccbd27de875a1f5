//! `diff`: what a session changed, as a patch.

use std::time::Duration;

use crate::cli::Diff;
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::output::{self, Update};
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::{Against, Session};
use crate::text::line::{Line, Tone};
use crate::text::sanitise;
use crate::view::notices;

/// A big repository is looked through.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) async fn run(context: &mut Context<'_>, args: Diff) -> anyhow::Result<Exit> {
    let against = match (args.branch, args.since_start) {
        (true, _) => Against::Branch,
        (_, true) => Against::Start,
        _ => Against::Commit,
    };
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let looking = async {
        let runtime = pool::reach(&registry, &entry).await?;
        Session::of(&runtime, &entry.session_id).changes(against).await
    };
    let changes = context.step("looking at the changes", Deadline::new(TIMEOUT), looking).await?;
    for cut in changes.files.iter().filter(|change| change.is_truncated) {
        let text = format!("{}: it is too long, and not all of it is here", sanitise::sanitised(&cut.path));
        context.tell(&Update::Caution(text))?;
    }
    if context.json {
        context.terminal.data(&output::diff_document(&entry, against, &changes))?;
        return Ok(Exit::Done);
    }
    if changes.files.is_empty() {
        context.terminal.say(&Line::new(Tone::Dim, "there are no changes"));
    }
    let patch = output::patch(&changes);
    // A patch is as it is; on a terminal it is only looked at.
    let text = if context.terminal.stdout_is_terminal() {
        patch.lines().map(|line| sanitise::sanitised(line) + "\n").collect()
    } else {
        patch
    };
    Ok(context.deliver(&text).await?.map_or(Exit::Done, Exit::Signal))
}
