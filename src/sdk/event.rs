//! The events of sessions, in the few kinds that matter here. They are read leniently, because fields come and go between CLI versions.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::form::{self, Field};
use super::{Managed, Rule};
use crate::text::redact::redacted;

/// The text of log messages that only keep the link alive. No view shows them.
pub(super) const NUDGE: &str = "copilot-remote looks after the link";

/// An event of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The session exists, and this is the repository that it is attached to.
    Started(Attached),
    /// Mission Control has the session, under this URL.
    Link {
        url: String,
    },
    /// Whether Mission Control may steer from now on.
    Steerable(bool),
    Warning(Warning),
    /// A notice, such as a retried model call.
    Notice {
        message: String,
    },
    /// A turn failed.
    Failed {
        message: String,
    },
    /// A prompt was accepted.
    Prompt {
        /// The id that the answer to [`super::Session::send`] has, too.
        id: String,
        text: String,
        origin: Origin,
    },
    /// The agent began to work on a turn.
    Working,
    /// The agent said something.
    Said {
        text: String,
    },
    ToolStarted {
        name: String,
        what: String,
    },
    /// A tool ended. `trouble` says how it failed: "failed", "exit code 101".
    ToolFinished {
        trouble: Option<String>,
    },
    /// The session waits for a person.
    Waiting(Box<Request>),
    /// A request was answered, here or elsewhere, or withdrawn.
    Answered {
        id: String,
        outcome: String,
        /// What the answer allows for the rest of the session.
        approved: Vec<Rule>,
    },
    Title(String),
    /// The agent's mode changed: `interactive`, `plan`, `autopilot`.
    Mode(String),
    /// The permission mode changed: `manual`, `allow-all`, …
    PermissionMode(String),
    /// The session changed to this model, with this reasoning effort.
    Model {
        model: String,
        effort: Option<String>,
    },
    /// The session changed to this custom agent; `None` is the usual one.
    Agent(Option<String>),
    /// The settings that an organisation or the owner of the machine enforces.
    Managed(Managed),
    /// The queue of accepted prompts changed: one came, or one became part of the session.
    Queue,
    /// An MCP server starts, is ready, or failed.
    Server {
        name: String,
        state: ServerState,
    },
    /// The turn was aborted.
    Aborted {
        reason: String,
    },
    /// The agent has nothing left to do, and waits for a prompt.
    Idle,
    /// The agent says that its task is done, or that it cannot be done.
    Completed {
        success: bool,
        summary: String,
    },
    /// The session ended.
    Ended,
    /// This many events are missing, because they came faster than they were taken.
    Missed(u64),
    /// An event that nothing here needs.
    Other,
}

/// The repository that the runtime attached a session to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attached {
    /// `owner/name`; `None` for a session without a repository.
    pub(crate) repository: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) branch: Option<String>,
    /// The producer of the session's first event.
    pub(crate) producer: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) message: String,
    /// `remote` for warnings about Mission Control.
    pub(crate) kind: String,
    /// What the runtime suggests, as a word such as `sign_in`.
    pub(crate) remediation: Option<String>,
}

/// Where a prompt came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Here,
    MissionControl,
}

/// The state of an MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerState {
    Starting,
    Ready,
    /// The reason of the failure.
    Failed(String),
}

/// What a permission is asked for, as far as rules can match it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Tool {
    /// A line of bash.
    Shell(String),
    /// A line of another shell.
    OtherShell,
    /// Writing to these files.
    Write(Vec<PathBuf>),
    #[default]
    Other,
}

impl Tool {
    fn parse(request: &Value) -> Self {
        // Rules may not answer these: the organisation's policy wants a person to decide, the command leaves the sandbox, or one
        // of the CLI's own hooks has decided.
        let reserved = ["managedApprovalRequired", "requestSandboxBypass", "resolvedByHook"].map(|name| request[name] == true);
        if reserved.contains(&true) {
            return Self::Other;
        }
        match (request["kind"].as_str(), request["fullCommandText"].as_str()) {
            (Some("shell"), Some(line)) if request["shellType"] == "bash" => Self::Shell(line.to_owned()),
            (Some("shell"), _) => Self::OtherShell,
            (Some("write"), _) => {
                // A move has two paths.
                let edits = request["fileEdits"].as_array().into_iter().flatten();
                let edited = edits.flat_map(|edit| [&edit["before"]["path"], &edit["after"]["path"]]);
                let files = [&request["fileName"], &request["resolvedPath"]].into_iter().chain(edited);
                Self::Write(files.filter_map(Value::as_str).map(PathBuf::from).collect())
            }
            _ => Self::Other,
        }
    }
}

/// A request that only a person can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) kind: RequestKind,
    /// What is asked, in the runtime's words: the command, the path, the question, …
    pub(crate) what: String,
    /// Lines that show more: the diff of a file that would be written, or the text of a plan.
    pub(crate) detail: Vec<String>,
    /// The answers to a question, or the ways to go on after a plan.
    pub(crate) choices: Vec<String>,
    /// Whether the permission can be given for the rest of the session.
    pub(crate) for_session: bool,
    /// Whether a question takes an answer in other words than its choices.
    pub(crate) freeform: bool,
    /// The fields of a form.
    pub(crate) fields: Vec<Field>,
    /// The seconds until the limit that this request is about is over.
    pub(crate) retry_after: Option<u64>,
    /// The use of a tool that a permission is asked for.
    pub(crate) tool: Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RequestKind {
    Permission,
    Question,
    Plan,
    /// A form to fill in, or a link to open, for the agent or an MCP server.
    Form,
    /// A model's rate limit is reached: may another model go on?
    ModelSwitch,
    /// The session's own limit of credits is reached.
    Limit,
    /// An MCP server wants the person to sign in. The session does not wait for the answer.
    SignIn,
    /// A tool that another client provides is called.
    Tool,
    /// An MCP server wants to ask the model something.
    Sampling,
    /// A kind that this version does not know. It can be shown by name, and refused.
    Unknown,
}

impl RequestKind {
    /// The word for the kind in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            RequestKind::Permission => "permission",
            RequestKind::Question => "question",
            RequestKind::Plan => "plan",
            RequestKind::Form => "form",
            RequestKind::ModelSwitch => "modelSwitch",
            RequestKind::Limit => "limit",
            RequestKind::SignIn => "signIn",
            RequestKind::Tool => "tool",
            RequestKind::Sampling => "sampling",
            RequestKind::Unknown => "unknown",
        }
    }

    /// Whether the session does nothing until the request is answered.
    pub(crate) fn holds_up(self) -> bool {
        self != RequestKind::SignIn
    }
}

/// The prefix of the ids that this program gives to requests for which the runtime has none.
const SIGN_IN: &str = "sign-in-";

impl Request {
    /// The MCP server that wants a sign-in, if this is the id of such a request.
    pub(crate) fn server(&self) -> &str {
        self.id.strip_prefix(SIGN_IN).unwrap_or_default()
    }

    /// The id of the request to sign in to this MCP server.
    pub(crate) fn sign_in_id(server: &str) -> String {
        format!("{SIGN_IN}{server}")
    }
}

impl Event {
    /// Reads an event as the runtime sends it.
    pub(crate) fn parse(kind: &str, data: &Value) -> Self {
        match kind {
            "session.start" | "session.resume" => Self::Started(Attached::parse(data)),
            "session.info" => match data["url"].as_str() {
                Some(url) if data["infoType"] == "remote" => Self::Link { url: url.to_owned() },
                None if data["message"] == NUDGE => Self::Other,
                _ => Self::Notice { message: reason(data, "message") },
            },
            "session.remote_steerable_changed" => Self::Steerable(data["remoteSteerable"] == true),
            "session.warning" => Self::Warning(Warning {
                message: reason(data, "message"),
                kind: text(data, "warningType"),
                remediation: remediation(&data["remediation"]),
            }),
            "session.error" => Self::Failed { message: reason(data, "message") },
            "user.message" => Self::Prompt {
                id: text(data, "messageId"),
                text: bounded(text(data, "content")),
                // Prompts of Mission Control carry `source: "command-<id>"` (docs/copilot-cli.md, mission-control-poll).
                origin: match data["source"].as_str() {
                    Some(source) if source.starts_with("command-") => Origin::MissionControl,
                    _ => Origin::Here,
                },
            },
            "assistant.turn_start" => Self::Working,
            "assistant.message" => match text(data, "content") {
                // A message that only calls tools has no text.
                said if said.trim().is_empty() => Self::Other,
                said => Self::Said { text: bounded(said) },
            },
            "tool.execution_start" => tool(data),
            "tool.execution_complete" => {
                // A shell that exits with another code than 0 counts as a success of its tool (docs/copilot-cli.md,
                // event-tool-success).
                let trouble = match data["shellExecution"]["exitCode"].as_i64() {
                    _ if data["success"] == false => Some("failed".to_owned()),
                    Some(code) if code != 0 => Some(format!("exit code {code}")),
                    _ => None,
                };
                Self::ToolFinished { trouble }
            }
            "session.title_changed" => Self::Title(text(data, "title")),
            "session.mode_changed" => Self::Mode(text(data, "newMode")),
            "session.permissions_changed" => Self::PermissionMode(text(data, "mode")),
            "session.model_change" => {
                Self::Model { model: text(data, "newModel"), effort: data["reasoningEffort"].as_str().map(ToOwned::to_owned) }
            }
            // These two tell of the session's own agent alone. Subagents, which come and go, raise other events, which nothing
            // here needs.
            "subagent.selected" => Self::Agent(Some(text(data, "agentName"))),
            "subagent.deselected" => Self::Agent(None),
            "session.managed_settings_resolved" => Self::Managed(Managed::parse(data)),
            "session.managed_settings_enforced" => {
                Self::Warning(Warning { message: reason(data, "message"), kind: "managed".to_owned(), remediation: None })
            }
            "pending_messages.modified" => Self::Queue,
            "session.mcp_server_status_changed" => server(data),
            "abort" => Self::Aborted { reason: text(data, "reason") },
            "session.idle" => Self::Idle,
            "session.task_complete" => Self::Completed { success: data["success"] != false, summary: text(data, "summary") },
            "session.shutdown" => Self::Ended,
            kind => Self::asked(kind, data),
        }
    }

    /// Events that begin or end a request.
    fn asked(kind: &str, data: &Value) -> Self {
        let mut request = match kind.split_once('.') {
            Some((_, "completed")) if data["requestId"].is_string() => {
                let approval = &data["result"]["approval"];
                return Self::Answered {
                    id: text(data, "requestId"),
                    outcome: outcome(data),
                    approved: Rule::approved(approval),
                };
            }
            Some((name, "requested")) if data["requestId"].is_string() => request(data, RequestKind::Unknown, name.to_owned()),
            _ => return Self::Other,
        };
        match kind {
            "permission.requested" => ask_permission(&mut request, data),
            "user_input.requested" => {
                (request.kind, request.what) = (RequestKind::Question, text(data, "question"));
                request.freeform = data["allowFreeform"] != false || request.choices.is_empty();
            }
            "exit_plan_mode.requested" => {
                (request.kind, request.what) = (RequestKind::Plan, text(data, "summary"));
                request.detail = lines(&text(data, "planContent"));
                // The ways to go on after the plan, with the runtime's own choice first.
                let recommended = &data["recommendedAction"];
                let actions = data["actions"].as_array().into_iter().flatten();
                request.choices = [recommended]
                    .into_iter()
                    .chain(actions.filter(|action| *action != recommended))
                    .filter_map(|action| action.as_str().map(ToOwned::to_owned))
                    .collect();
            }
            "elicitation.requested" => {
                let source = data["elicitationSource"].as_str().map_or_else(String::new, |source| format!("{source}: "));
                (request.kind, request.what) = (RequestKind::Form, source + &text(data, "message"));
                request.fields = form::fields(&data["requestedSchema"]);
                request.detail.extend(data["url"].as_str().map(|url| format!("open {url}")));
                request.freeform = !request.fields.is_empty();
            }
            "auto_mode_switch.requested" => {
                request.kind = RequestKind::ModelSwitch;
                request.retry_after = data["retryAfterSeconds"].as_u64();
                let code = data["errorCode"].as_str().map_or_else(String::new, |code| format!(" ({code})"));
                let until = request.retry_after.map_or_else(String::new, |seconds| format!(", for {}", minutes(seconds)));
                request.what = format!("the model's rate limit is reached{code}{until}: go on with another model?");
                request.choices = ["yes", "yes_always", "no"].map(ToOwned::to_owned).into();
            }
            "session_limits_exhausted.requested" => {
                request.kind = RequestKind::Limit;
                request.what = format!(
                    "the session's limit of AI credits is reached: {} of {} are used",
                    data["usedAiCredits"], data["maxAiCredits"]
                );
                request.choices = ["unset", "cancel"].map(ToOwned::to_owned).into();
                request.freeform = true;
            }
            "external_tool.requested" => {
                request.kind = RequestKind::Tool;
                request.what = format!("{} {}", text(data, "toolName"), data["arguments"]).replace(" null", "");
            }
            "sampling.requested" => {
                request.kind = RequestKind::Sampling;
                request.what = format!("the MCP server {} asks the model something", text(data, "serverName"));
            }
            _ => {
                let more = ["message", "question", "summary", "description"].into_iter().find_map(|field| data[field].as_str());
                request.what.extend(more.map(|more| format!(": {more}")));
            }
        }
        Self::Waiting(Box::new(request))
    }
}

/// The state of an MCP server. That it wants a sign-in is a request, and no state.
fn server(data: &Value) -> Event {
    let name = text(data, "serverName");
    let state = match data["status"].as_str() {
        Some("pending") => ServerState::Starting,
        // The CLI brings one of its own, which goes without saying.
        Some("failed") if data["configSource"] != "builtin" => ServerState::Failed(reason(data, "error")),
        Some("needs-auth") => {
            let what = format!("the MCP server {name} wants you to sign in");
            let mut wanted = request(data, RequestKind::SignIn, what);
            wanted.id = Request::sign_in_id(&name);
            return Event::Waiting(Box::new(wanted));
        }
        _ => ServerState::Ready,
    };
    Event::Server { name, state }
}

fn ask_permission(request: &mut Request, data: &Value) {
    let (asked, prompt) = (&data["permissionRequest"], &data["promptRequest"]);
    (request.kind, request.what) = (RequestKind::Permission, permission(asked));
    // For these kinds it is known how to allow more for the session. `promptRequest`, which is what a person is shown, decides:
    // for a redirection it and `permissionRequest` differ (docs/copilot-cli.md, permission-shown).
    let known = matches!(prompt["kind"].as_str(), Some("commands" | "write" | "read" | "mcp" | "memory"));
    request.for_session = known && prompt["canOfferSessionApproval"] == true;
    request.detail = diff(&text(asked, "diff"));
    let identifiers = prompt["commandIdentifiers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let identifiers: Vec<&str> = identifiers.collect();
    if request.for_session && !identifiers.is_empty() {
        request.detail.push(format!("for the session: every {}", identifiers.join(", ")));
    }
    let managed = prompt["managedApprovalRequired"] == true || data["resolvedByHook"] == true;
    request.tool = if managed { Tool::Other } else { Tool::parse(asked) };
}

/// `90 s`, `60 min`.
fn minutes(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

fn lines(text: &str) -> Vec<String> {
    text.trim().lines().map(ToOwned::to_owned).collect()
}

impl Attached {
    fn parse(data: &Value) -> Self {
        let context = &data["context"];
        let field = |name: &str| context[name].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        Self {
            repository: field("repository"),
            host: field("repositoryHost"),
            branch: field("branch"),
            producer: text(data, "producer"),
        }
    }
}

fn text(data: &Value, field: &str) -> String {
    data[field].as_str().unwrap_or_default().to_owned()
}

/// The beginning of a text that no person reads to its end: it is kept in several places, each as long as the session.
fn bounded(mut text: String) -> String {
    const MOST: usize = 1024 * 1024;
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.shrink_to_fit();
        text.push_str("… (it goes on; all of it is in the Copilot CLI's own log)");
    }
    text
}

/// What went wrong, in words that may be those of GitHub, a proxy or a server of tools.
fn reason(data: &Value, field: &str) -> String {
    redacted(data[field].as_str().unwrap_or_default())
}

/// A word, or an object with the word in `type` or `action`.
fn remediation(value: &Value) -> Option<String> {
    [value, &value["type"], &value["action"], &value["kind"]].into_iter().find_map(Value::as_str).map(ToOwned::to_owned)
}

fn tool(data: &Value) -> Event {
    let name = text(data, "toolName");
    // Tools that ask a question or show a plan are left out, as each raises a request of its own.
    if matches!(name.as_str(), "ask_user" | "exit_plan_mode" | "report_intent") {
        return Event::Other;
    }
    let arguments = &data["arguments"];
    let what = ["command", "path", "pattern", "url", "query", "description"]
        .into_iter()
        .find_map(|field| arguments[field].as_str())
        .unwrap_or_default()
        .to_owned();
    Event::ToolStarted { name, what }
}

fn request(data: &Value, kind: RequestKind, what: String) -> Request {
    let choices = data["choices"].as_array().into_iter().flatten();
    let choices = choices.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    Request {
        id: text(data, "requestId"),
        kind,
        what,
        detail: Vec::new(),
        choices,
        for_session: false,
        freeform: false,
        fields: Vec::new(),
        retry_after: None,
        tool: Tool::Other,
    }
}

/// The diff of what would be written, without its head, which only repeats the file's name.
fn diff(text: &str) -> Vec<String> {
    text.lines().skip_while(|line| !line.starts_with("@@")).map(ToOwned::to_owned).collect()
}

/// What a permission is asked for: the command, the file, the URL, …
fn permission(request: &Value) -> String {
    let field = |name: &str| request[name].as_str().filter(|text| !text.is_empty());
    let what = field("fullCommandText").or_else(|| field("fileName")).or_else(|| field("path")).or_else(|| field("url"));
    let what = what.or_else(|| field("toolName")).or_else(|| field("fact")).or_else(|| field("intention")).unwrap_or_default();
    match field("kind").unwrap_or("permission") {
        "shell" => what.to_owned(),
        "mcp" => format!("mcp {} {what} {}", field("serverName").unwrap_or_default(), request["args"]).replace(" null", ""),
        kind => format!("{kind} {what}").trim_end().to_owned(),
    }
}

/// The outcome of a request: `approved`, `denied-interactively-by-user`, an answer, …
fn outcome(data: &Value) -> String {
    if let Some(kind) =
        [&data["result"]["kind"], &data["response"], &data["response"]["action"]].into_iter().find_map(Value::as_str)
    {
        return kind.to_owned();
    }
    match (data["answer"].as_str(), data["approved"].as_bool(), data["action"].as_str()) {
        (Some(answer), _, _) => answer.to_owned(),
        (_, Some(true), _) => "approved".to_owned(),
        (_, Some(false), _) => "rejected".to_owned(),
        (_, _, Some(action)) => action.to_owned(),
        _ => "answered".to_owned(),
    }
}
