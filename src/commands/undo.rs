//! `undo`: takes back what was done since a prompt.

use std::time::Duration;

use crate::cli::Undo;
use crate::context::{Context, Deadline};
use crate::error::{Exit, NothingWaits, UsageError};
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::{RewindPoint, Session};
use crate::text::line::{Line, Tone};
use crate::view::{notices, question};

const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) async fn run(context: &mut Context<'_>, args: Undo) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let looking = async {
        let runtime = pool::reach(&registry, &entry).await?;
        let session = Session::of(&runtime, &entry.session_id);
        let points = session.rewind_points().await?;
        anyhow::Ok((session, points))
    };
    let (session, points) = context.step("looking at what can be undone", Deadline::new(TIMEOUT), looking).await?;
    if args.list {
        context.print(&output::points_text(&points), &output::points_document(&entry, &points))?;
        return Ok(Exit::Done);
    }
    let point = chosen(points, args.to.as_deref())?;
    let files = !args.keep_files && point.can_restore_files;
    let previewing = async { if files { session.preview_rewind(&point.id).await } else { Ok(Vec::new()) } };
    let changes = context.step("looking at what would change", Deadline::new(TIMEOUT), previewing).await?;
    for line in output::preview_lines(&point, &changes, args.keep_files) {
        context.terminal.say(&line);
    }
    if !args.yes && !confirmed(context).await? {
        context.terminal.say(&Line::new(Tone::Dim, "nothing was undone"));
        return Ok(Exit::Done);
    }
    let undoing = session.rewind(&point.id, files);
    let done = context.step("undoing", Deadline::new(TIMEOUT), undoing).await?;
    if context.json {
        context.terminal.data(&output::undone_document(&entry, &point, &done))?;
    } else {
        for line in output::undone_lines(&done) {
            context.terminal.say(&line);
        }
    }
    Ok(Exit::Done)
}

/// The prompt that is taken back.
fn chosen(mut points: Vec<RewindPoint>, wanted: Option<&str>) -> anyhow::Result<RewindPoint> {
    let nothing = |what: String| NothingWaits { what }.into();
    let Some(wanted) = wanted else {
        return points.pop().ok_or_else(|| nothing("there is no prompt that could be undone".to_owned()));
    };
    points.retain(|point| !wanted.is_empty() && point.id.starts_with(wanted));
    match points.len() {
        0 => Err(nothing(format!("no prompt that could be undone has the id {wanted}"))),
        1 => Ok(points.swap_remove(0)),
        count => {
            Err(UsageError::new(format!("{count} prompts have an id that begins with {wanted}"), "which: undo --list").into())
        }
    }
}

async fn confirmed(context: &mut Context<'_>) -> anyhow::Result<bool> {
    if !question::may_ask(context)? {
        return Err(UsageError::new("nobody is here to be asked whether this is to be undone", "say so: --yes").into());
    }
    question::ask(context, "undo this? y yes, n no", |key| match key {
        'y' => Some(true),
        'n' | '\u{1b}' => Some(false),
        _ => None,
    })
    .await
}
