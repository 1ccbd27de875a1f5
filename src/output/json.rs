//! The JSON contract: one object a line. Its types are its own, so that stored types can change without it; the README documents
//! it.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::json;

use super::{Ending, Update};
use crate::model::{HookEvent, Link, Remote};
use crate::registry::SessionEntry;
use crate::report::Report;
use crate::sdk::{Event, Field, Origin, Request, RequestKind, ServerState};
use crate::text::sanitise::is_harmless;

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{P}Line")]
struct Envelope<P> {
    #[schemars(extend("const" = 1))]
    schema_version: u32,
    /// In RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    #[serde(flatten)]
    payload: P,
}

/// What is told while something happens: a line each.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[schemars(rename = "update")]
enum Payload<'a> {
    SignedIn {
        login: &'a str,
        host: &'a str,
    },
    Warning {
        message: &'a str,
        /// `remote` for warnings about Mission Control.
        #[serde(skip_serializing_if = "str::is_empty")]
        about: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        remediation: Option<&'a str>,
    },
    Ready(Box<Session<'a>>),
    Remote {
        #[schemars(with = "Remote")]
        remote: &'static str,
        url: Option<&'a str>,
    },
    Prompt {
        id: &'a str,
        text: &'a str,
        #[schemars(extend("enum" = ["here", "missionControl"]))]
        from: &'static str,
    },
    Message {
        text: &'a str,
    },
    Tool {
        name: &'a str,
        what: &'a str,
    },
    Input(Input<'a>),
    /// The mode that the session changed to.
    Mode {
        mode: &'a str,
    },
    PermissionMode {
        permission_mode: &'a str,
    },
    Model {
        model: &'a str,
        effort: Option<&'a str>,
    },
    Agent {
        agent: Option<&'a str>,
    },
    Managed {
        managed: Option<&'a str>,
        settings: &'a [String],
    },
    McpServer {
        name: &'a str,
        #[schemars(extend("enum" = ["ready", "failed"]))]
        state: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        message: &'a str,
    },
    Link {
        #[schemars(with = "Link")]
        link: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        why: &'a str,
    },
    Allowed {
        id: &'a str,
        what: &'a str,
    },
    // The answer of the command `answer` has the same type; only that one names the session.
    #[schemars(extend("not" = { "required": ["sessionId"] }))]
    Answered {
        id: &'a str,
        outcome: &'a str,
    },
    Title {
        title: &'a str,
    },
    TurnFailed {
        message: &'a str,
    },
    TurnAborted {
        reason: &'a str,
    },
    Completed {
        success: bool,
        summary: &'a str,
    },
    Idle,
    Missed {
        count: u64,
    },
    Relaunched {
        interrupted: bool,
    },
    Detached,
    Ended {
        #[schemars(extend("enum" = ["stopped", "signal", "elsewhere", "output-closed", "failed"]))]
        reason: &'static str,
    },
    Error {
        code: u8,
        reason: &'static str,
        message: &'a str,
        hints: &'a [String],
    },
}

/// A request that waits for a person, in `input` and `waiting`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input<'a> {
    id: &'a str,
    #[schemars(with = "RequestKind")]
    kind: &'static str,
    what: &'a str,
    detail: &'a [String],
    choices: &'a [String],
    for_session: bool,
    freeform: bool,
    fields: &'a [Field],
}

/// Describes a request to programs.
pub(super) fn input(request: &Request) -> Input<'_> {
    Input {
        id: &request.id,
        kind: request.kind.word(),
        what: &request.what,
        detail: &request.detail,
        choices: &request.choices,
        for_session: request.for_session,
        freeform: request.freeform,
        fields: &request.fields,
    }
}

/// A session, in `ready`, `list`, `status` and hooks.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, clippy::struct_excessive_bools, reason = "the contract has the fields")]
pub(super) struct Session<'a> {
    session_id: &'a str,
    name: Option<&'a str>,
    title: Option<&'a str>,
    url: Option<&'a str>,
    #[schemars(with = "Remote")]
    remote: &'static str,
    /// Null while remote is off.
    #[schemars(with = "Option<Link>")]
    link: Option<&'static str>,
    #[schemars(extend("format" = "date-time"))]
    remote_until: Option<String>,
    kept_awake: Option<bool>,
    #[schemars(extend("enum" = ["working", "input", "idle"]))]
    activity: &'static str,
    waiting: usize,
    permission_mode: &'a str,
    allowed_tools: Vec<String>,
    denied_tools: Vec<String>,
    approved_tools: Vec<String>,
    mode: &'a str,
    model: Option<&'a str>,
    effort: Option<&'a str>,
    agent: Option<&'a str>,
    trusted: bool,
    sandboxed: bool,
    managed: Option<&'a str>,
    login: &'a str,
    host: &'a str,
    repository: Option<&'a str>,
    branch: Option<&'a str>,
    directory: String,
    worktree: Option<String>,
    demo: bool,
    detached: bool,
    #[schemars(extend("format" = "date-time"))]
    started_at: String,
    pid: u32,
    copilot_version: &'a str,
    copilot_program: String,
    copilot_pid: Option<u32>,
}

/// The JSON line of `update`; `None` if the update is for people only.
pub(crate) fn line(update: &Update<'_>) -> Option<String> {
    let message = match update {
        Update::SignedIn(login) => Payload::SignedIn { login: &login.login, host: &login.host },
        Update::Caution(message) => Payload::Warning { message, about: "", remediation: None },
        Update::Ready(entry) => Payload::Ready(Box::new(session(entry))),
        Update::Remote { remote, url } => Payload::Remote { remote: remote.word(), url: *url },
        Update::Event(event) => event_message(event)?,
        Update::Link { state, why } => Payload::Link { link: state.word(), why },
        // The fields of `ready`, `list` and `status` tell of it.
        Update::Awake => return None,
        Update::Allowed(request) => Payload::Allowed { id: &request.id, what: &request.what },
        Update::Relaunched { interrupted } => Payload::Relaunched { interrupted: *interrupted },
        Update::Detached => Payload::Detached,
        Update::Failed(report) => return Some(error_line(report)),
        Update::Ended(ending) => Payload::Ended {
            reason: match ending {
                Ending::Stopped => "stopped",
                Ending::Signal(_) => "signal",
                Ending::Elsewhere => "elsewhere",
                Ending::OutputClosed => "output-closed",
                Ending::Failed => "failed",
                // The line `detached` told of it already.
                Ending::Detached => return None,
            },
        },
    };
    Some(document(message))
}

/// The last line of a command that failed.
pub(crate) fn error_line(report: &Report) -> String {
    document(Payload::Error { code: report.exit.code(), reason: report.reason, message: &report.message, hints: &report.hints })
}

/// What a hook reads on its stdin.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "hook")]
struct HookCall<'a> {
    #[schemars(with = "HookEvent")]
    event: &'a str,
    message: &'a str,
    #[schemars(with = "Option<Envelope<Payload<'static>>>")]
    data: Option<serde_json::Value>,
    session: Session<'a>,
}

/// The document that a hook gets: the event, a message of a few words, the line of the contract that tells of the event (`None`
/// if there is none, or if the line is too long), and the session.
pub(crate) fn hook_document(event: &str, message: &str, data: Option<&str>, entry: &SessionEntry) -> String {
    let data = data.and_then(|line| serde_json::from_str(line).ok());
    document(HookCall { event, message, data, session: session(entry) })
}

/// The schema of a line that is one document. Its `type` is the name that serde writes; the derive has that as the name of the schema,
/// and leaves out the field.
pub(super) fn line_schema<P: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let reference = generator.subschema_for::<Envelope<P>>();
    let name = Envelope::<P>::schema_name();
    let line = generator.definitions_mut().get_mut(&*name).expect("the schema of a line is a definition");
    line["properties"]["type"] = json!({ "type": "string", "const": P::schema_name() });
    line["required"].as_array_mut().expect("every line has fields").push("type".into());
    reference
}

/// The schemas of the lines that are made here.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
    vec![generator.subschema_for::<Envelope<Payload<'_>>>(), line_schema::<HookCall<'_>>(generator)]
}

/// The time, also of a clock that is beyond all time: that error is told as well.
fn moment(clock: SystemTime) -> Timestamp {
    Timestamp::try_from(clock).unwrap_or(if clock < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX })
}

/// One line: the payload, and what every line has.
pub(super) fn document(payload: impl JsonSchema + Serialize) -> String {
    let envelope = Envelope { schema_version: 1, time: moment(SystemTime::now()).to_string(), payload };
    let line = serde_json::to_string(&envelope).expect("strings and numbers always serialise");
    // JSON leaves some characters bare that terminals obey. They are escaped, which keeps the JSON the same.
    line.chars().fold(String::with_capacity(line.len()), |mut safe, character| {
        if is_harmless(character) {
            safe.push(character);
        } else {
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        }
        safe
    })
}

/// Describes a session to programs.
pub(super) fn session(entry: &SessionEntry) -> Session<'_> {
    Session {
        session_id: &entry.session_id,
        name: entry.name.as_deref(),
        title: entry.title.as_deref(),
        url: entry.link(),
        remote: entry.remote.word(),
        link: (entry.remote != Remote::Off).then(|| entry.connection.word()),
        remote_until: entry.until.filter(|_| entry.remote != Remote::Off).map(|until| until.to_string()),
        kept_awake: entry.kept_awake,
        activity: entry.activity.word(),
        waiting: entry.activity.waiting(),
        permission_mode: &entry.permission_mode,
        allowed_tools: entry.allowed.iter().map(ToString::to_string).collect(),
        denied_tools: entry.denied.iter().map(ToString::to_string).collect(),
        approved_tools: entry.approved.iter().map(ToString::to_string).collect(),
        mode: &entry.mode,
        model: entry.model.as_deref(),
        effort: entry.effort.as_deref(),
        agent: entry.agent.as_deref(),
        trusted: entry.trusted,
        sandboxed: entry.sandboxed,
        managed: entry.managed.as_deref(),
        login: &entry.login.login,
        host: &entry.login.host,
        repository: entry.repository.as_deref(),
        branch: entry.branch.as_deref(),
        directory: entry.directory.to_string_lossy().into_owned(),
        worktree: entry.worktree.as_ref().map(|worktree| worktree.path.to_string_lossy().into_owned()),
        demo: entry.demo,
        detached: entry.detached,
        started_at: entry.started_at.to_string(),
        pid: entry.host.pid(),
        copilot_version: &entry.copilot_version,
        copilot_program: entry.copilot_program.to_string_lossy().into_owned(),
        copilot_pid: entry.copilot_pid,
    }
}

fn event_message(event: &Event) -> Option<Payload<'_>> {
    Some(match event {
        Event::Warning(warning) => {
            Payload::Warning { message: &warning.message, about: &warning.kind, remediation: warning.remediation.as_deref() }
        }
        Event::Failed { message } => Payload::TurnFailed { message },
        Event::Prompt { id, text, origin } => Payload::Prompt {
            id,
            text,
            from: match origin {
                Origin::Here => "here",
                Origin::MissionControl => "missionControl",
            },
        },
        Event::Said { text } => Payload::Message { text },
        Event::ToolStarted { name, what } => Payload::Tool { name, what },
        Event::Waiting(request) => Payload::Input(input(request)),
        Event::Mode(mode) => Payload::Mode { mode },
        Event::PermissionMode(mode) => Payload::PermissionMode { permission_mode: mode },
        Event::Model { model, effort } => Payload::Model { model, effort: effort.as_deref() },
        Event::Agent(agent) => Payload::Agent { agent: agent.as_deref() },
        Event::Managed(managed) if managed.by.is_some() => {
            Payload::Managed { managed: managed.by.as_deref(), settings: &managed.keys }
        }
        Event::Server { name, state } => {
            let (state, message) = match state {
                ServerState::Starting => return None,
                ServerState::Ready => ("ready", ""),
                ServerState::Failed(why) => ("failed", why.as_str()),
            };
            Payload::McpServer { name, state, message }
        }
        Event::Answered { id, outcome, .. } => Payload::Answered { id, outcome },
        Event::Title(title) => Payload::Title { title },
        Event::Aborted { reason } => Payload::TurnAborted { reason },
        Event::Completed { success, summary } => Payload::Completed { success: *success, summary },
        Event::Idle => Payload::Idle,
        Event::Missed(count) => Payload::Missed { count: *count },
        // The lines `remote` and `ended` tell of these, or a program has no use for them.
        Event::Started(_)
        | Event::Link { .. }
        | Event::Steerable(_)
        | Event::Managed(_)
        | Event::Queue
        | Event::Notice { .. }
        | Event::Working
        | Event::ToolFinished { .. }
        | Event::Ended
        | Event::Other => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use jiff::Timestamp;

    use super::moment;

    #[test]
    fn any_clock_is_a_moment() {
        let now = SystemTime::now();
        assert_eq!(moment(now), Timestamp::try_from(now).unwrap());
        assert_eq!(moment(SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_000)), Timestamp::MAX);
    }
}
