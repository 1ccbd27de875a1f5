//! What the stand-in is to do, as data. Every number of seconds is divided by [`Script::speed`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A play for the stand-in. All parts may be left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Script {
    /// How many times faster than life everything happens.
    #[serde(default = "real_time")]
    pub(super) speed: f64,
    /// What happens in each session once its remote is on for the first time.
    #[serde(default)]
    pub(super) timeline: Vec<Step>,
    /// What the agent does with a prompt that came by `session.send`.
    #[serde(default = "reply")]
    pub(super) reply: Vec<Step>,
    /// What goes wrong with a method: its first call meets the first entry, and so on; the last one stays.
    #[serde(default)]
    pub(super) faults: BTreeMap<String, Vec<Fault>>,
    /// What goes wrong with a launch, counted like faults (from one launch to the next with [`Script::store`] only).
    #[serde(default)]
    pub(super) startup: Vec<Launch>,
    /// Whether the person trusts the folder of a session.
    #[serde(default = "yes")]
    pub(super) trusted: bool,
    /// What the person's settings say, by their names.
    #[serde(default)]
    pub(super) settings: Value,
    /// What the organisation decided, as its settings have it.
    #[serde(default)]
    pub(super) managed: Value,
    /// A file that outlives the process, so that a relaunched stand-in can resume its sessions.
    pub(super) store: Option<PathBuf>,
}

/// One thing that happens.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Step {
    /// Nothing, for some seconds.
    Wait(f64),
    /// A prompt from the phone; waits until remote is on.
    Prompt(String),
    /// The agent uses a tool.
    Tool(Tool),
    /// The agent wants to run a shell command and asks for permission.
    Permission(Permission),
    /// The agent asks a question.
    Question(Question),
    /// The agent shows a plan and asks for approval.
    Plan(Plan),
    /// A form to fill in. Nobody answers on the phone.
    Form(Form),
    /// The model's rate limit is reached, for so many seconds. Nobody answers on the phone.
    RateLimit(u64),
    /// The agent says something.
    Message(String),
    /// The turn ends.
    Idle,
    /// An event as it is.
    Event(Event),
    /// The session ends, as if somebody had closed it elsewhere.
    CloseSession,
    /// The process dies with this exit code.
    Exit(i32),
}

/// The use of a tool.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tool {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Value,
    #[serde(default)]
    pub(super) output: String,
    #[serde(default)]
    pub(super) exit_code: i32,
    #[serde(default = "a_second")]
    pub(super) seconds: f64,
}

/// A shell command that needs permission. Without `answered_after` nobody answers on the phone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Permission {
    pub(super) command: String,
    #[serde(default)]
    pub(super) intention: String,
    #[serde(default)]
    pub(super) output: String,
    #[serde(default)]
    pub(super) exit_code: i32,
    #[serde(default = "a_second")]
    pub(super) seconds: f64,
    pub(super) answered_after: Option<f64>,
    #[serde(default = "yes")]
    pub(super) approved: bool,
}

/// A question to the person. Without `answered_after` nobody answers on the phone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the protocol's names")]
pub(super) struct Question {
    pub(super) question: String,
    #[serde(default)]
    pub(super) choices: Vec<String>,
    #[serde(default = "yes")]
    pub(super) allow_freeform: bool,
    pub(super) answered_after: Option<f64>,
    #[serde(default)]
    pub(super) answer: String,
}

/// A plan to approve. Without `answered_after` nobody answers on the phone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) summary: String,
    #[serde(default)]
    pub(super) content: String,
    pub(super) answered_after: Option<f64>,
    #[serde(default = "yes")]
    pub(super) approved: bool,
}

/// A form to fill in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Form {
    pub(super) message: String,
    /// A JSON schema of its fields.
    pub(super) schema: Value,
}

/// An event of a session, before it has an id and a time.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) data: Value,
    /// Not part of the session's history.
    #[serde(default)]
    pub(super) ephemeral: bool,
}

/// What goes wrong with one call. The parts happen in the order of the fields; an empty one is a call that goes well.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Fault {
    /// Seconds before anything happens.
    pub(super) delay: f64,
    /// Emitted to the session that the call names.
    pub(super) events: Vec<Event>,
    /// Bytes in the place of an answer.
    pub(super) raw: Option<String>,
    /// The same, of what is no text.
    pub(super) bytes: Option<Vec<u8>>,
    /// The connection is closed.
    pub(super) drop: bool,
    /// The process dies with this exit code.
    pub(super) exit: Option<i32>,
    /// No answer, ever.
    pub(super) hang: bool,
    /// This error in the place of the true answer.
    pub(super) error: Option<RpcError>,
    /// This result in the place of the true answer.
    pub(super) result: Option<Value>,
    /// As the last of its list: does not stay, all is well after it.
    pub(super) once: bool,
}

/// An error as JSON-RPC has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
}

/// What goes wrong with one launch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Launch {
    /// Seconds before it listens.
    pub(super) delay: f64,
    /// It leaves with this code and never listens.
    pub(super) exit: Option<i32>,
    /// It listens, but does not say where.
    pub(super) silent: bool,
}

impl Script {
    /// The session that `--demo` shows.
    pub(crate) fn demo() -> Result<Self> {
        Self::parse(include_str!("demo.json")).context("the built-in demo does not parse")
    }

    /// The script in a file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("cannot use {} as a script", path.display()))
    }

    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

impl Event {
    /// An event that becomes part of the session's history.
    pub(super) fn lasting(kind: &str, data: Value) -> Self {
        Self { kind: kind.to_owned(), data, ephemeral: false }
    }

    /// An event for those who listen now.
    pub(super) fn passing(kind: &str, data: Value) -> Self {
        Self { kind: kind.to_owned(), data, ephemeral: true }
    }
}

impl Step {
    /// Everything up to and including the end of the turn: what an abort throws away.
    pub(super) fn skip_turn(steps: &mut impl Iterator<Item = Self>) {
        iter::from_fn(|| steps.next()).find(|step| matches!(step, Self::Idle));
    }
}

fn real_time() -> f64 {
    1.0
}

fn a_second() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

fn reply() -> Vec<Step> {
    let view = Tool {
        name: "view".to_owned(),
        arguments: json!({"path": "README.md"}),
        output: "# Hello World\n".to_owned(),
        exit_code: 0,
        seconds: 1.0,
    };
    vec![
        Step::Wait(0.5),
        Step::Tool(view),
        Step::Wait(0.5),
        Step::Message("This is a demo: I have read the README and done nothing.".to_owned()),
        Step::Idle,
    ]
}
