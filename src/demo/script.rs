//! The scripts that the stand-in plays, as data. Every number of seconds is divided by [`Script::speed`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A script for the stand-in. All parts may be left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Script {
    /// How many times faster than real time everything happens.
    #[serde(default = "real_time")]
    pub(super) speed: f64,
    /// What happens in each session once its remote is on for the first time.
    #[serde(default)]
    pub(super) timeline: Vec<Step>,
    /// What the agent does with a prompt that came by `session.send`.
    #[serde(default = "reply")]
    pub(super) reply: Vec<Step>,
    /// The faults of each method. Its first call meets the first fault, and so on; the last fault stays.
    #[serde(default)]
    pub(super) faults: BTreeMap<String, Vec<Fault>>,
    /// The faults of launches, counted like those of methods. The count goes on from one launch to the next with
    /// [`Script::store`] only.
    #[serde(default)]
    pub(super) startup: Vec<Launch>,
    /// Whether the person trusts the folder of a session.
    #[serde(default = "yes")]
    pub(super) trusted: bool,
    /// The person's settings, by their names.
    #[serde(default)]
    pub(super) settings: Value,
    /// The managed settings of the organisation.
    #[serde(default)]
    pub(super) managed: Value,
    /// A file that outlives the process, so that a relaunched stand-in can resume its sessions.
    pub(super) store: Option<PathBuf>,
}

/// A step of a script.
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
    /// The agent shows a form to fill in. The phone does not answer it.
    Form(Form),
    /// The model's rate limit is reached, for this many seconds. The phone does not answer the request.
    RateLimit(u64),
    /// The agent says something.
    Message(String),
    /// The turn ends.
    Idle,
    /// An event, exactly as written.
    Event(Event),
    /// The session ends, as if another client had closed it.
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

/// A shell command that needs permission. Without `answered_after` the phone does not answer.
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

/// A question to the person. Without `answered_after` the phone does not answer.
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

/// A plan to approve. Without `answered_after` the phone does not answer.
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
    /// The JSON schema of the form's fields.
    pub(super) schema: Value,
}

/// An event of a session, before it gets an id and a time.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) data: Value,
    /// Whether the event is not part of the session's history.
    #[serde(default)]
    pub(super) ephemeral: bool,
}

/// A fault of one call. Its parts happen in the order of the fields; a fault without any part is a call that goes well.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Fault {
    /// Seconds before anything happens.
    pub(super) delay: f64,
    /// Events that are emitted to the session that the call names.
    pub(super) events: Vec<Event>,
    /// Text that is sent in the place of an answer.
    pub(super) raw: Option<String>,
    /// Bytes that are sent in the place of an answer, and need not be text.
    pub(super) bytes: Option<Vec<u8>>,
    /// The connection is closed.
    pub(super) drop: bool,
    /// The process dies with this exit code.
    pub(super) exit: Option<i32>,
    /// The call is never answered.
    pub(super) hang: bool,
    /// The error that is sent in the place of the true answer.
    pub(super) error: Option<RpcError>,
    /// The result that is sent in the place of the true answer.
    pub(super) result: Option<Value>,
    /// Whether this fault, as the last of its list, happens only once, and all later calls go well.
    pub(super) once: bool,
}

/// An error as JSON-RPC has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
}

/// A fault of one launch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Launch {
    /// The seconds before the process listens.
    pub(super) delay: f64,
    /// The process ends with this code and never listens.
    pub(super) exit: Option<i32>,
    /// The process listens, but prints no port line.
    pub(super) silent: bool,
}

impl Script {
    /// The session that `--demo` shows.
    pub(crate) fn demo() -> Result<Self> {
        Self::parse(include_str!("demo.json")).context("the built-in demo does not parse")
    }

    /// Reads the script in a file.
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
    /// The steps up to and including the end of the turn, which an abort throws away.
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
