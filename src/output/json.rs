//! The JSON contract: one object a line, with a schema of its own that the README documents.

use std::fmt::Write as _;

use serde::Serialize;

use super::sanitise::is_harmless;
use super::{Ending, Facts, Update};
use crate::error::Report;
use crate::sdk::{Event, Origin, RequestKind};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    schema_version: u32,
    /// RFC 3339, UTC.
    time: String,
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Payload<'a> {
    SignedIn {
        login: &'a str,
        host: &'a str,
    },
    Warning {
        message: &'a str,
    },
    Ready {
        session_id: &'a str,
        name: Option<&'a str>,
        url: Option<&'a str>,
        remote: &'static str,
        login: &'a str,
        host: &'a str,
        repository: Option<&'a str>,
        branch: Option<&'a str>,
        directory: String,
        demo: bool,
        copilot_version: &'a str,
        copilot_program: String,
        copilot_pid: Option<u32>,
    },
    Remote {
        remote: &'static str,
        url: Option<&'a str>,
    },
    Prompt {
        text: &'a str,
        from: &'static str,
    },
    Message {
        text: &'a str,
    },
    Tool {
        name: &'a str,
        what: &'a str,
    },
    Input {
        id: &'a str,
        kind: &'static str,
        what: &'a str,
        choices: &'a [String],
    },
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
    Idle,
    Missed {
        count: u64,
    },
    Ended {
        reason: &'static str,
    },
    Error {
        code: u8,
        reason: &'static str,
        message: &'a str,
        hints: &'a [String],
    },
}

/// The line of `update`; None: it is for people only.
pub(crate) fn line(update: &Update<'_>) -> Option<String> {
    let message = match update {
        Update::SignedIn(login) => Payload::SignedIn { login: &login.login, host: &login.host },
        Update::Caution(message) => Payload::Warning { message },
        Update::Ready(facts) => ready(facts),
        Update::Remote { remote, url } => Payload::Remote { remote: remote.word(), url: *url },
        Update::Event(event) => event_message(event)?,
        Update::Ended(ending) => Payload::Ended {
            reason: match ending {
                Ending::Stopped => "stopped",
                Ending::Signal(_) => "signal",
                Ending::Elsewhere => "elsewhere",
                Ending::OutputClosed => "output-closed",
            },
        },
    };
    Some(render(message))
}

/// The last line of a command that failed.
pub(crate) fn error_line(report: &Report) -> String {
    render(Payload::Error { code: report.exit.code(), reason: report.reason, message: &report.message, hints: &report.hints })
}

fn render(payload: Payload<'_>) -> String {
    let envelope = Envelope { schema_version: 1, time: jiff::Timestamp::now().to_string(), payload };
    let line = serde_json::to_string(&envelope).expect("strings and numbers always serialise");
    // JSON leaves characters bare that some terminals obey; escaped, it is the same JSON.
    line.chars().fold(String::with_capacity(line.len()), |mut safe, character| {
        if is_harmless(character) {
            safe.push(character);
        } else {
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        }
        safe
    })
}

fn ready(facts: &Facts) -> Payload<'_> {
    Payload::Ready {
        session_id: &facts.session_id,
        name: facts.name.as_deref(),
        url: facts.url.as_deref(),
        remote: facts.remote.word(),
        login: &facts.login.login,
        host: &facts.login.host,
        repository: facts.repository.as_deref(),
        branch: facts.branch.as_deref(),
        directory: facts.directory.to_string_lossy().into_owned(),
        demo: facts.demo,
        copilot_version: &facts.copilot_version,
        copilot_program: facts.copilot_program.to_string_lossy().into_owned(),
        copilot_pid: facts.pid,
    }
}

fn event_message(event: &Event) -> Option<Payload<'_>> {
    Some(match event {
        Event::Warning(warning) => Payload::Warning { message: &warning.message },
        Event::Failed { message } => Payload::TurnFailed { message },
        Event::Prompt { text, origin } => Payload::Prompt {
            text,
            from: match origin {
                Origin::Here => "here",
                Origin::MissionControl => "missionControl",
            },
        },
        Event::Said { text } => Payload::Message { text },
        Event::ToolStarted { name, what } => Payload::Tool { name, what },
        Event::Waiting(request) => Payload::Input {
            id: &request.id,
            kind: match request.kind {
                RequestKind::Permission => "permission",
                RequestKind::Question => "question",
                RequestKind::Plan => "plan",
                RequestKind::Form => "form",
            },
            what: &request.what,
            choices: &request.choices,
        },
        Event::Answered { id, outcome } => Payload::Answered { id, outcome },
        Event::Title(title) => Payload::Title { title },
        Event::Aborted { reason } => Payload::TurnAborted { reason },
        Event::Idle => Payload::Idle,
        Event::Missed(count) => Payload::Missed { count: *count },
        // Told as `remote` and `ended`, or of no use to a program.
        Event::Started(_)
        | Event::Link { .. }
        | Event::Steerable(_)
        | Event::Notice { .. }
        | Event::Working
        | Event::ToolFinished { .. }
        | Event::Ended
        | Event::Other => return None,
    })
}
