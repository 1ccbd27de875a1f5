//! What is said: the same updates as lines for people and as JSON for programs. Pure.

mod bar;
mod checks;
pub(crate) mod cloud;
mod columns;
mod human;
mod json;
mod table;
mod work;

use crate::model::{Link, Remote};
use crate::registry::SessionEntry;
use crate::report::Report;
use crate::sdk::{Event, Login, Request, Rule};
use crate::text::line::Line;

pub(crate) use bar::Bar;
pub(crate) use checks::{Check, Finding, checks_document, checks_text};
pub(crate) use columns::stored_line;
pub(crate) use human::{
    Leave, account_lines, help_lines, report_lines, sign_in_lines, status_line, waiting as request_lines, worktree_line,
};
pub(crate) use json::{error_line, hook_document, line as json_line};
pub(crate) use table::{
    Stopped, Unshared, answer_document, details, list_document, prune_document, renamed_document, sent_document, status_document,
    stop_document, stored_table, table, url_document, visibility_document,
};
pub(crate) use work::{
    answered_document, diff_document, interrupted_document, patch, points_document, points_text, preview_lines, undone_document,
    undone_lines, usage_document, usage_text, waiting_document, waiting_text,
};

/// Something to tell.
#[derive(Debug, Clone)]
pub(crate) enum Update<'a> {
    /// Who is signed in, before anything is shared.
    SignedIn(&'a Login),
    /// Something that the user should know before or while sharing.
    Caution(String),
    Ready(&'a SessionEntry),
    /// Remote was switched.
    Remote {
        remote: Remote,
        url: Option<&'a str>,
    },
    Event(&'a Event),
    /// The link was lost, or is there again.
    Link {
        state: Link,
        why: &'a str,
    },
    /// The machine does not go to sleep from now on.
    Awake,
    /// A permission that a rule gave.
    Allowed(&'a Request),
    /// The runtime died, and the session goes on in another one.
    Relaunched {
        /// A turn was running.
        interrupted: bool,
    },
    /// The session goes on without this terminal.
    Detached,
    /// What ended it.
    Failed(&'a Report),
    Ended(Ending),
}

/// Why a session that was ready ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `x` was pressed.
    Stopped,
    /// By a signal to this program.
    Signal(crate::os::signals::Signal),
    /// Not by us: in Mission Control, or by another client.
    Elsewhere,
    /// Nobody reads stdout any more.
    OutputClosed,
    /// It did not end: another process is its host now.
    Detached,
    /// Something went wrong, which an error tells.
    Failed,
}

/// Rules, as they are typed.
fn rules(rules: &[Rule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The lines of `update` for people; each event line starts with the time `at`, if it is to.
pub(crate) fn human_lines(update: &Update<'_>, at: Option<&str>) -> Vec<Line> {
    human::lines(update, at)
}

/// Lines that happened at one time: it stands before the first, and the others are below it.
pub(crate) fn stamped(lines: Vec<Line>, at: &str) -> Vec<Line> {
    human::stamped(lines, Some(at))
}
