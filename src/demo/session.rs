//! A session of the stand-in: the part that would be on disk, and the part that lives only while a client is attached.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::script::{Event, Step};

/// The version of the CLI that the stand-in replaces.
pub(super) const VERSION: &str = "1.0.102";
/// The login that is signed in.
pub(super) const LOGIN: &str = "octocat";
/// The repository of every session, whatever its folder: a demo must not seem to act on a real one.
const REPOSITORY: &str = "octocat/hello-world";

/// The number of a connection, in the order in which they came.
pub(super) type ClientId = u64;

/// One session. It lives while a client is attached.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) cwd: PathBuf,
    pub(super) cloud: bool,
    pub(super) started: String,
    pub(super) modified: String,
    pub(super) name: Option<String>,
    pub(super) mode: String,
    pub(super) permission_mode: String,
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) effort: Option<String>,
    #[serde(default)]
    pub(super) agent: Option<String>,
    /// Whether the session was steerable when remote last changed.
    pub(super) steerable: bool,
    /// Who else may see the session, once a client has set that.
    #[serde(default)]
    pub(super) visibility: Option<String>,
    /// The link. It stays the same however often remote is switched.
    pub(super) url: String,
    pub(super) history: Vec<Value>,
    /// The steps that are still to be played. The timeline is added once remote was on.
    pub(super) agenda: VecDeque<Step>,
    pub(super) timeline_begun: bool,
    #[serde(skip)]
    pub(super) live: Live,
}

/// The part of a session that its end takes away. Dropping it stops the player.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) attached: BTreeSet<ClientId>,
    pub(super) remote: Remote,
    pub(super) wishes: Wishes,
    /// Whether script safety is on.
    pub(super) script_safety: bool,
    pub(super) turn: Option<Turn>,
    pub(super) pending: Option<Pending>,
    pub(super) prompts: VecDeque<Prompt>,
    pub(super) player: JoinSet<()>,
    /// All events, also those that are not part of the history.
    pub(super) log: Vec<Value>,
}

/// How a session is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Remote {
    #[default]
    Off,
    Export,
    On,
}

/// What the client that attached last said that it can handle (docs/copilot-cli.md, resume-last-client).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol has them")]
pub(super) struct Wishes {
    pub(super) request_permission: bool,
    pub(super) request_user_input: bool,
    pub(super) request_exit_plan_mode: bool,
    pub(super) streaming: bool,
}

/// A prompt of `session.send` that waits for its turn.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) message_id: String,
    /// Whether the prompt came while another turn was running.
    pub(super) queued: bool,
}

/// The turn that is running.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) message_id: String,
    pub(super) interaction_id: String,
    /// How many calls to the model came before.
    pub(super) number: u32,
    /// Whether `assistant.turn_start` was emitted and `assistant.turn_end` was not.
    pub(super) open: bool,
}

/// The request that waits for an answer. The first answer counts.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request_id: String,
    pub(super) asked: Asked,
    /// The calls to clients that ask the same. A reply to one of them is an answer.
    pub(super) callbacks: Vec<(ClientId, u64)>,
    pub(super) answer: Option<Value>,
}

/// The kind of a request.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// A permission to run something, with the tool call and the prompt that clients are shown.
    Permission {
        tool_call_id: String,
        prompt: Value,
    },
    Question,
    Plan,
    Form,
    /// A rate limit of the model, with the question whether another model goes on.
    Limit,
}

impl Session {
    pub(super) fn new(id: String, cwd: PathBuf, cloud: bool) -> Self {
        Self {
            id,
            cwd,
            cloud,
            started: now(),
            modified: now(),
            name: None,
            mode: "interactive".to_owned(),
            permission_mode: "manual".to_owned(),
            model: None,
            effort: None,
            agent: None,
            steerable: false,
            visibility: None,
            url: format!("https://github.com/{REPOSITORY}/tasks/{}", uuid()),
            history: Vec::new(),
            agenda: VecDeque::new(),
            timeline_begun: false,
            live: Live::default(),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.live.attached.is_empty()
    }

    /// Records an event, with an id and a time.
    pub(super) fn record(&mut self, event: &Event) -> Value {
        let parent = self.history.last().map(|event| event["id"].clone());
        let mut recorded = json!({"type": event.kind, "data": event.data, "id": uuid(), "timestamp": now(), "parentId": parent});
        if event.ephemeral {
            recorded["ephemeral"] = true.into();
        } else {
            self.modified = now();
            self.history.push(recorded.clone());
        }
        self.live.log.push(recorded.clone());
        recorded
    }

    /// The answer to a read of the event log: one page, without waiting.
    pub(super) fn read_log(&self, params: &Value) -> Value {
        let cursor: usize = params["cursor"].as_str().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let max = params["max"].as_u64().and_then(|max| max.try_into().ok()).unwrap_or(200);
        let types = params["types"].as_array();
        let wanted = |event: &&Value| types.is_none_or(|types| types.contains(&event["type"]));
        let rest = self.live.log.get(cursor..).unwrap_or_default();
        let page = &rest[..rest.len().min(max)];
        let events: Vec<_> = page.iter().filter(wanted).collect();
        json!({
            "events": events, "cursor": (cursor + page.len()).to_string(), "hasMore": page.len() < rest.len(), "cursorStatus": "ok",
        })
    }

    /// The running turn. Where a script has steps without a prompt, this begins one.
    pub(super) fn turn(&mut self) -> &mut Turn {
        self.live.turn.get_or_insert_with(Turn::new)
    }

    /// Drops the rest of the turn.
    pub(super) fn drop_turn(&mut self) {
        if self.live.turn.take().is_some() {
            let agenda = &mut self.agenda;
            Step::skip_turn(&mut std::iter::from_fn(|| agenda.pop_front()));
        }
        self.live.pending = None;
        self.live.prompts.clear();
    }

    /// The answer to `session.create` and `session.resume`.
    pub(super) fn introduction(&self) -> Value {
        if self.cloud {
            let capabilities = json!({"ui": {"elicitation": false, "mcpApps": false, "canvases": false}, "extensions": false});
            return json!({"sessionId": self.id, "capabilities": capabilities, "modelState": {}});
        }
        let model = self.model.as_ref().map_or_else(|| json!({}), |model| json!({"modelId": model}));
        json!({
            "sessionId": self.id, "nativeSessionId": self.id, "startTime": self.started, "isRemote": self.cloud, "mode": self.mode,
            "workspacePath": std::env::temp_dir().join("copilot-remote-demo").join(&self.id),
            "capabilities": {"ui": {"elicitation": false, "mcpApps": false, "canvases": false}, "extensions": false},
            "modelState": model,
        })
    }

    /// The data of `session.start`.
    pub(super) fn start(&self) -> Value {
        if self.cloud {
            // The worker writes this, and knows nothing of this machine.
            return json!({
                "sessionId": self.id, "version": 1, "producer": "copilot-agent", "copilotVersion": VERSION, "startTime": self.started,
            });
        }
        json!({
            "sessionId": self.id, "version": 1, "producer": "copilot-agent", "copilotVersion": VERSION, "startTime": self.started,
            "contextTier": null, "context": self.context(), "remoteSteerable": false, "alreadyInUse": false,
        })
    }

    /// The folder and repository of the session, as in `session.start`.
    pub(super) fn context(&self) -> Value {
        json!({
            "cwd": self.cwd, "gitRoot": self.cwd, "repository": REPOSITORY, "hostType": "github",
            "repositoryHost": "github.com", "branch": "main", "headCommit": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
        })
    }

    /// The id of the session's task at GitHub, which is not the session's own.
    fn task_id(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// What a runtime knows of the task behind a session in the cloud.
    pub(super) fn task(&self) -> Value {
        json!({"resourceId": self.task_id(), "remoteSessionIds": [], "taskType": "cli", "state": "queued"})
    }

    /// The task in the list of the account's tasks.
    pub(super) fn list_entry(&self, repository: &Value) -> Value {
        let id = self.task_id();
        json!({
            "sessionId": id, "resourceId": id, "startTime": self.started, "modifiedTime": self.modified, "isRemote": true,
            "name": "A cloud task", "summary": "A cloud task", "remoteSessionIds": [], "taskType": "cca", "state": "in_progress",
            "repository": {"owner": repository["owner"], "name": repository["name"], "branch": ""},
        })
    }

    /// The session in lists of sessions.
    pub(super) fn metadata(&self) -> Value {
        let mut metadata = json!({
            "sessionId": self.id, "startTime": self.started, "modifiedTime": self.modified, "isRemote": self.cloud,
            "isDetached": false, "clientName": "sdk",
            "context": {"cwd": self.cwd, "gitRoot": self.cwd, "repository": REPOSITORY, "branch": "main"},
        });
        if let Some(name) = &self.name {
            metadata["name"] = name.clone().into();
            metadata["summary"] = name.clone().into();
        }
        if self.timeline_begun {
            metadata["mcTaskId"] = self.url.rsplit('/').next().into();
        }
        metadata
    }
}

impl Turn {
    pub(super) fn new() -> Self {
        Self { message_id: uuid(), interaction_id: uuid(), number: 0, open: false }
    }
}

/// The present time, in the form of events.
pub(super) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// A new UUID of version 4. The hash seeds of the standard library are random enough for a demo, and getting them cannot fail.
pub(super) fn uuid() -> String {
    let random = || u128::from(RandomState::new().hash_one(0));
    let bits = (random() << 64 | random()) & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
