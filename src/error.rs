//! Exit codes, and the errors that belong to no other module. Errors are typed where they matter and `anyhow` in between; `report` maps
//! each of them to what the user is told.

use std::time::Duration;
use std::{fmt, io};

use crate::os::signals::Signal;

/// How the program ends. The numbers are a contract: help, man pages and README print [`Exit::TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    NoSession,
    SignIn,
    NoCli,
    Deadline,
    Refused,
    Repository,
    Input,
    Signal(Signal),
}

impl Exit {
    /// Code and meaning, for people.
    pub(crate) const TABLE: [(&'static str, &'static str); 11] = [
        ("0", "done; also a session ended by x, or ended elsewhere, and nothing to do"),
        ("1", "failed: the service could not be reached, or anything unexpected"),
        ("2", "wrong usage, or a session that is not the only one meant"),
        ("3", "no such session, or it ended before what was waited for"),
        ("4", "not signed in, or a bad or expired token"),
        ("5", "no usable Copilot CLI"),
        ("6", "the deadline (--timeout) passed"),
        ("7", "refused by a policy, or not part of the account's plan"),
        ("8", "not a GitHub repository, or no access to it"),
        ("9", "the session waits for input"),
        ("128+n", "ended by signal n; Ctrl-C is 130"),
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NoSession => 3,
            Exit::SignIn => 4,
            Exit::NoCli => 5,
            Exit::Deadline => 6,
            Exit::Refused => 7,
            Exit::Repository => 8,
            Exit::Input => 9,
            Exit::Signal(signal) => 128 + signal.number(),
        }
    }
}

/// Arguments that parse but do not go together, or a value that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct UsageError {
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// There is no model, or no agent, of this name.
#[derive(Debug, thiserror::Error)]
#[error("{option} {wanted}: there is none of that name")]
pub(crate) struct UnknownName {
    pub(crate) option: &'static str,
    pub(crate) wanted: String,
    /// What there is instead.
    pub(crate) hint: String,
}

/// A signal asked for the end while something was under way.
#[derive(Debug, thiserror::Error)]
#[error("ended by {0}")]
pub(crate) struct Interrupted(pub(crate) Signal);

/// The step of those who wait for an agent, for as long as it takes.
pub(crate) const WAITING: &str = "waiting for the agent";

/// Our own deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("not done after {}: {step} took too long", Seconds(*.limit))]
pub(crate) struct DeadlinePassed {
    /// What was waited for, in the words of the progress line.
    pub(crate) step: String,
    pub(crate) limit: Duration,
}

/// Input is needed, and something else was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the session waits for input{what}")]
pub(crate) struct InputNeeded {
    pub(crate) what: String,
}

/// The turn that was waited for failed.
#[derive(Debug, thiserror::Error)]
#[error("the turn failed: {message}")]
pub(crate) struct TurnFailed {
    pub(crate) message: String,
}

/// Some of many tasks are not as they were to be; each was told.
#[derive(Debug, thiserror::Error)]
#[error("{summary}")]
pub(crate) struct TasksFailed {
    pub(crate) summary: String,
}

/// Nothing was asked of GitHub.
#[derive(Debug, thiserror::Error)]
#[error("the run ended before this was begun")]
pub(crate) struct NotBegun;

/// A task needs input, and something else was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the task waits for input{what}")]
pub(crate) struct TaskNeedsInput {
    pub(crate) what: String,
}

/// A task ended before what was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the task ended before its agent was done")]
pub(crate) struct TaskEnded;

/// There is nothing that could be answered or undone.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct NothingWaits {
    pub(crate) what: String,
}

/// There is no link, as the session is not shared.
#[derive(Debug, thiserror::Error)]
#[error("remote is off for session {session}, so it has no link")]
pub(crate) struct NotShared {
    pub(crate) session: String,
}

/// A duration as people write it: `60 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 { write!(f, "{} s", self.0.as_secs()) } else { write!(f, "{:.1} s", self.0.as_secs_f64()) }
    }
}

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

/// Whether `error` says that nobody reads stdout any more.
pub(crate) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
