//! Everything that is told: the same updates as lines for people and as JSON for programs. Pure, so that tests compare text.

mod bar;
mod checks;
pub(crate) mod cloud;
mod columns;
mod human;
mod json;
mod schema;
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
pub(crate) use schema::schema;
pub(crate) use table::{
    Stopped, Unshared, answer_document, details, list_document, prune_document, renamed_document, sent_document, status_document,
    stop_document, stored_table, table, url_document, visibility_document,
};
pub(crate) use work::{
    answered_document, diff_document, interrupted_document, patch, points_document, points_text, preview_lines, undone_document,
    undone_lines, usage_document, usage_text, waiting_document, waiting_text,
};

/// Something that people and programs are told about a session.
#[derive(Debug, Clone)]
pub(crate) enum Update<'a> {
    /// The account that is signed in. It is told before anything is shared.
    SignedIn(&'a Login),
    /// Something that the user should know before or while a session is shared.
    Caution(String),
    Ready(&'a SessionEntry),
    /// Remote was switched.
    Remote {
        remote: Remote,
        url: Option<&'a str>,
    },
    Event(&'a Event),
    /// Link health changed: the link was lost, or Mission Control has the session again.
    Link {
        state: Link,
        why: &'a str,
    },
    /// The machine is kept awake from now on.
    Awake,
    /// A permission that a rule of `--allow-tool` gave.
    Allowed(&'a Request),
    /// The runtime died, and the session goes on in another runtime.
    Relaunched {
        /// Whether a turn was running, which is not run again.
        interrupted: bool,
    },
    /// The session goes on without this terminal.
    Detached,
    /// The error that ended the session.
    Failed(&'a Report),
    Ended(Ending),
}

/// Why a session that was ready ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `x` was pressed.
    Stopped,
    /// A signal to this program ended the session.
    Signal(crate::os::signals::Signal),
    /// Mission Control or another client ended the session.
    Elsewhere,
    /// Nobody reads stdout any more.
    OutputClosed,
    /// The session did not end: another process is its host now.
    Detached,
    /// Something went wrong, of which an error tells.
    Failed,
}

/// Rules in the words in which they are typed.
fn rules(rules: &[Rule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The lines of `update` for people. Lines of events begin with the time `at`, if there is one.
pub(crate) fn human_lines(update: &Update<'_>, at: Option<&str>) -> Vec<Line> {
    human::lines(update, at)
}

/// Lines of one moment: the time stands before the first one, and the others are indented below it.
pub(crate) fn stamped(lines: Vec<Line>, at: &str) -> Vec<Line> {
    human::stamped(lines, Some(at))
}
