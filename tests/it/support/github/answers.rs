//! What the endpoints of GitHub and Copilot say: one function from a request to its answer.

use serde_json::{Value, json};

use super::{MODELS, Reply, Request, State, Task, UNSCRIPTED, control_id};

/// What goes back, before it is HTTP.
pub(super) enum Answer {
    Json(u16, Value),
    Raw(u16, &'static str, String),
    /// Too many requests; when it can be tried again.
    Limited(u64, Value),
}

/// What each endpoint says. The host does not matter: no path means two things.
pub(super) fn route(state: &mut State, request: &Request) -> Answer {
    let ok = |body| Answer::Json(200, body);
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let body = &request.body;
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["copilot_internal", "user"]) => {
            let mut user = state.user.clone();
            user.entry("endpoints").or_insert_with(|| json!({"api": copilot_api(&request.host)}));
            ok(user.into())
        }
        ("GET", ["copilot_internal", "managed_settings"]) if !state.managed.is_null() => ok(state.managed.clone()),
        ("GET", ["user"]) => ok(json!({"login": state.user["login"], "id": 583_231, "type": "User"})),
        ("GET", ["repos", owner, name]) => ok(json!({
            "id": 1_296_269,
            "name": name,
            "full_name": format!("{owner}/{name}"),
            "owner": {"login": owner, "id": 583_231, "type": "User"},
            "private": false,
            "default_branch": "main",
            "permissions": {"admin": true, "push": true, "pull": true},
        })),
        ("GET", ["models"]) => ok(json!({"data": MODELS.map(model)})),
        ("POST", ["chat", "completions"]) => complete(state, body),

        // Mission Control.
        ("POST", ["agents", "sessions"]) => {
            let id = body["id"].as_str().unwrap_or_default();
            // The URL that the CLI shows ends in this task id.
            ok(json!({"id": control_id(id), "task_id": format!("task-{id}"), "state": "in_progress"}))
        }
        // Asked when remote is turned on again; anything but 200 makes the CLI open a new one.
        ("GET", ["agents", "sessions", id]) => {
            let task = id.replacen("mc-", "task-", 1);
            ok(json!({"id": id, "task_id": task, "state": "in_progress"}))
        }
        ("POST", ["agents", "sessions", id, "events"]) => {
            let strings = |value: &Value| value.as_array().cloned().unwrap_or_default();
            state.events.extend(strings(&body["events"]).into_iter().map(|event| ((*id).to_owned(), event)));
            let completed = strings(&body["completed_command_ids"]);
            state.completed.extend(completed.iter().filter_map(|id| id.as_str().map(str::to_owned)));
            ok(json!({}))
        }
        ("GET", ["agents", "sessions", id, "commands"]) => {
            let mine = |control: &Option<String>| control.as_deref().is_none_or(|control| control == *id);
            let (due, kept) = std::mem::take(&mut state.commands).into_iter().partition(|(control, _)| mine(control));
            state.commands = kept;
            let due: Vec<(Option<String>, Value)> = due;
            ok(json!({"commands": due.into_iter().map(|(_, command)| command).collect::<Vec<_>>()}))
        }

        // Tasks: how a session is shared, and sessions in the cloud.
        ("POST", ["agents", "tasks"]) => {
            let id = state.create_task(&body["repositories"][0]);
            ok(json!({"id": id, "state": "queued", "name": "A cloud task", "created_at": NOW, "updated_at": NOW}))
        }
        // Archived ones are asked for as well, and there are none.
        ("GET", ["agents", "tasks"]) if request.query.contains("is_archived=true") => ok(json!({"tasks": []})),
        ("GET", ["agents", "tasks"]) => {
            let entry = |(index, task): (usize, &Task)| {
                let repository = json!({"id": index + 1, "owner": {"login": task.owner}, "name": task.name});
                json!({
                    "id": task.id, "name": "A cloud task", "state": "in_progress",
                    "created_at": task.created, "updated_at": task.created,
                    "repository": if task.owner.is_some() { repository } else { Value::Null },
                })
            };
            // The latest first, as many as a page has.
            let tasks: Vec<Value> = state.tasks.iter().enumerate().rev().take(50).map(entry).collect();
            ok(json!({"tasks": tasks}))
        }
        // By the number of its task: without an answer the CLI leaves a task out of the list.
        ("GET", ["repositories", id]) => match id.parse().ok().and_then(|id: usize| state.tasks.get(id.checked_sub(1)?)) {
            Some(task) => ok(json!({
                "id": id.parse::<u64>().unwrap_or_default(), "name": task.name, "full_name": task.repository(),
                "owner": {"login": task.owner, "id": 583_231, "type": "User"},
            })),
            None => Answer::Json(404, json!({"message": "Not Found"})),
        },
        ("GET" | "PATCH", ["agents", "tasks", id]) => {
            if let Some(status) = body.get("sharing_status") {
                state.sharing.insert((*id).to_owned(), status.clone());
            }
            let sharing = state.sharing.get(*id).cloned().unwrap_or_else(|| json!("unshared"));
            ok(json!({"id": id, "state": "in_progress", "sharing_status": sharing, "created_at": NOW, "updated_at": NOW}))
        }
        ("GET", ["agents", "tasks", id, "events"]) => {
            let events = state.tasks.iter().find(|task| task.id == *id).map(|task| task.events.clone()).unwrap_or_default();
            ok(json!({"events": events, "total": events.len()}))
        }
        // The client asks the worker whether it may steer, and fetches the answer later.
        ("POST", ["agents", "tasks", _, "rpc"]) => ok(json!({"id": state.fresh("call")})),
        ("GET", ["agents", "tasks", _, "rpc", call]) => {
            ok(json!({"id": call, "state": "completed", "result": {"blocked": false, "required": false}}))
        }
        ("POST", ["agents", "tasks", id, "steer"]) => {
            if body["type"] == "user_message" {
                let data = json!({"content": body["content"], "messageId": state.fresh("message")});
                state.cloud_event(id, "user.message", &data);
                for (kind, data) in state.replies.clone() {
                    state.cloud_event(id, &kind, &data);
                }
            }
            ok(json!({}))
        }
        _ => Answer::Json(404, json!({"message": "Not Found"})),
    }
}

/// When everything here happens.
pub(super) const NOW: &str = "2026-01-02T03:04:05Z";

/// Where the Copilot API of a GitHub is: `api.` belongs to GitHub itself.
fn copilot_api(host: &str) -> String {
    match host.strip_prefix("api.") {
        Some("github.com") | None => "https://api.githubcopilot.com".to_owned(),
        Some(enterprise) => format!("https://copilot-api.{enterprise}"),
    }
}

fn model(id: &str) -> Value {
    json!({
        "id": id,
        "name": id,
        "version": id,
        "vendor": "stand-in",
        "object": "model",
        "preview": false,
        "model_picker_enabled": true,
        "policy": {"state": "enabled", "terms": ""},
        "supported_endpoints": ["/chat/completions"],
        "capabilities": {
            "family": id,
            "object": "model_capabilities",
            "type": "chat",
            "tokenizer": "o200k_base",
            "limits": {"max_context_window_tokens": 128_000, "max_output_tokens": 16_000, "max_prompt_tokens": 100_000},
            "supports": {
                "streaming": true, "tool_calls": true, "parallel_tool_calls": true, "vision": true,
                "reasoning_effort": if id.starts_with("gpt") { json!(["low", "medium", "high"]) } else { json!([]) },
            },
        },
    })
}

/// The model's answer: a stream of chunks for a streaming session, else one document.
fn complete(state: &mut State, request: &Value) -> Answer {
    let (message, reason) = match state.script.pop_front().unwrap_or_else(|| Reply::text(UNSCRIPTED)) {
        Reply::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Reply::Tool { name, arguments } => {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            let call = json!({"index": 0, "id": state.fresh("call"), "type": "function", "function": function});
            (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
        }
        Reply::RateLimited(seconds) => {
            let error = json!({"error": {"code": "user_model_rate_limited", "message": "rate limited"}});
            return Answer::Limited(seconds, error);
        }
    };
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let document = |object: &str, choice: Value, usage: Value| json!({"id": "completion", "object": object, "created": 1, "model": request["model"], "choices": [choice], "usage": usage});
    if request["stream"] != true {
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        return Answer::Json(200, document("chat.completion", choice, usage));
    }
    let delta = |delta: Value, reason: Value, usage: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        format!("data: {}\n\n", document("chat.completion.chunk", choice, usage))
    };
    let mut stream = delta(message, Value::Null, Value::Null);
    stream += &delta(json!({}), json!(reason), usage);
    stream += "data: [DONE]\n\n";
    Answer::Raw(200, "text/event-stream", stream)
}
