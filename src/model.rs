//! The words of the program: what a session may be at, and what people choose. Plain data, for every layer.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `--remote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "What Mission Control may do with a session.")]
pub(crate) enum Remote {
    /// Steerable: prompts and answers come from Mission Control
    On,
    /// Mission Control shows the session and cannot steer it
    Export,
    /// Not shared
    Off,
}

impl Remote {
    /// The word for it, on the command line and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Remote::On => "on",
            Remote::Export => "export",
            Remote::Off => "off",
        }
    }
}

/// `--keep-awake`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeepAwake {
    /// It goes to sleep as it is set to
    #[default]
    Never,
    /// While the agent works
    Busy,
    /// While remote is on, or read-only
    Remote,
}

/// `--hook`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) event: HookEvent,
    pub(crate) command: String,
}

/// What hooks are run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[schemars(description = "The event that a hook is run for.")]
pub(crate) enum HookEvent {
    /// The session is there, and shared as it was to be
    Ready,
    /// A permission, question or plan waits for a person
    Input,
    /// The agent has nothing to do any more
    Idle,
    /// The session has ended
    Ended,
    /// Mission Control does not have the session any more, against what is wanted
    LinkLost,
    /// It has it again
    LinkRestored,
    /// A turn failed, or the session
    Error,
}

impl HookEvent {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            HookEvent::Ready => "ready",
            HookEvent::Input => "input",
            HookEvent::Idle => "idle",
            HookEvent::Ended => "ended",
            HookEvent::LinkLost => "link-lost",
            HookEvent::LinkRestored => "link-restored",
            HookEvent::Error => "error",
        }
    }
}

/// auto, always or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// Decide by what the stream is
    Auto,
    /// In any case
    Always,
    /// Not at all
    Never,
}

/// Whether Mission Control gets what happens in a session, and is asked for commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Link {
    #[default]
    Connected,
    /// Nobody can tell: the runtime is not ours.
    Unverified,
    Lost,
}

impl Link {
    /// The word for it, in the status and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Link::Connected => "connected",
            Link::Unverified => "unverified",
            Link::Lost => "lost",
        }
    }
}

/// What a session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Activity {
    Working,
    /// So many requests wait for a person.
    Input(usize),
    Idle,
}

impl Activity {
    /// The word for it, in tables and JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Activity::Working => "working",
            Activity::Input(_) => "input",
            Activity::Idle => "idle",
        }
    }

    /// How many requests wait for a person.
    pub(crate) fn waiting(self) -> usize {
        if let Activity::Input(count) = self { count } else { 0 }
    }
}
