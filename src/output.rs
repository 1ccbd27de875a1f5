//! What is said: the same updates as lines for people and as JSON for programs. Pure.

mod human;
mod json;
mod sanitise;

use std::path::PathBuf;

use crate::cli::Remote;
use crate::sdk::{Event, Login};

pub(crate) use human::{account_lines, help_lines, progress, status_line};
pub(crate) use json::{error_line, line as json_line};
pub(crate) use sanitise::sanitised;

/// One line of talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) tone: Tone,
    /// Any text: the terminal makes it harmless.
    pub(crate) text: String,
}

/// What a line is for; the terminal gives it a colour, and no meaning hangs on the colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Dim,
    Strong,
    Good,
    Attention,
    Error,
}

impl Line {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

/// What the session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Working,
    /// So many requests wait for a person.
    Input(usize),
    Idle,
}

/// All that is known of a session once it is ready.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) session_id: String,
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) remote: Remote,
    pub(crate) login: Login,
    /// `owner/name` that the runtime attached; None: none.
    pub(crate) repository: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) directory: PathBuf,
    pub(crate) demo: bool,
    pub(crate) copilot_version: String,
    pub(crate) copilot_program: PathBuf,
    pub(crate) pid: Option<u32>,
}

/// Something to tell.
#[derive(Debug, Clone)]
pub(crate) enum Update<'a> {
    /// Who is signed in, before anything is shared.
    SignedIn(&'a Login),
    /// Something that the user should know before or while sharing.
    Caution(String),
    Ready(&'a Facts),
    /// Remote was switched.
    Remote {
        remote: Remote,
        url: Option<&'a str>,
    },
    Event(&'a Event),
    Ended(Ending),
}

/// Why a session that was ready ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `x` was pressed.
    Stopped,
    /// By a signal to this program.
    Signal(crate::shutdown::Signal),
    /// Not by us: in Mission Control, or by another client.
    Elsewhere,
    /// Nobody reads stdout any more.
    OutputClosed,
}

/// The lines of `update` for people; each event line starts with the time `at`.
pub(crate) fn human_lines(update: &Update<'_>, at: &str) -> Vec<Line> {
    human::lines(update, at)
}
