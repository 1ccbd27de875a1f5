//! One story, told to the real Copilot CLI and to the stand-in: what we rely on must come out the same, so that the stand-in cannot
//! drift from the truth, nor the truth from what we know of it.

use std::path::Path;

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply, worker_link, worker_starts};
use crate::support::rpc::{Rpc, RpcError, Server, spawn_server};
use crate::support::sandbox::{BINARY, PATIENCE, Sandbox, files_below};
use crate::support::together::until;

/// The kinds of events that the program reads.
const KINDS: [&str; 22] = [
    "session.start",
    "session.info",
    "session.remote_steerable_changed",
    "session.warning",
    "session.error",
    "user.message",
    "assistant.turn_start",
    "assistant.message",
    "tool.execution_start",
    "tool.execution_complete",
    "permission.requested",
    "permission.completed",
    "user_input.requested",
    "user_input.completed",
    "session.managed_settings_resolved",
    "session.managed_settings_enforced",
    "session.mode_changed",
    "auto_mode_switch.requested",
    "auto_mode_switch.completed",
    "abort",
    "session.idle",
    "session.shutdown",
];

/// Whether it is one of them.
fn is_read(event: &Value) -> bool {
    KINDS.contains(&event["type"].as_str().unwrap_or_default())
}

/// What the agent does with the prompt.
const COMMAND: &str = "touch made-by-the-agent";
const SAYS: &str = "done";

/// What was asked and what came back, in the parts that we rely on.
struct Story<'a> {
    rpc: &'a Rpc,
    told: Vec<String>,
    seen: usize,
}

impl Story<'_> {
    /// Calls, and tells of the fields in `fields`; of an error, its code.
    fn call(&mut self, method: &str, params: Value, fields: &[&str]) -> Value {
        let answer = self.rpc.call(method, params);
        self.told.push(match &answer {
            Ok(result) => {
                let fields: Vec<String> = fields.iter().map(|field| format!("{field}={}", shape(&result[*field]))).collect();
                format!("{method} -> {}", fields.join(" "))
            }
            Err(RpcError { code, message, .. }) => {
                format!("{method} -> {code} {}", message.split(':').next().unwrap_or_default())
            }
        });
        answer.unwrap_or_default()
    }

    /// Waits for an event, and tells of all that came since the last one.
    fn until(&mut self, kind: &str) -> Value {
        let Some(events) = self.rpc.events_until(self.seen, kind, PATIENCE) else {
            let since: Vec<String> = self.rpc.events()[self.seen..].iter().map(tell).collect();
            panic!("no {kind} after:\n{}\nbut:\n{}", self.told.join("\n"), since.join("\n"));
        };
        self.seen += events.len();
        self.told.extend(events.iter().filter(|event| is_read(event)).map(tell));
        events.into_iter().next_back().expect("the last one is of this kind")
    }
}

/// Text that differs from run to run as its kind, the rest as it is.
fn shape(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.starts_with("https://github.com/octocat/hello-world/tasks/") => "LINK".to_owned(),
        Some(text) if text.len() == 36 && text.matches('-').count() == 4 => "ID".to_owned(),
        _ => value.to_string(),
    }
}

/// An event in the fields that the program reads.
fn tell(event: &Value) -> String {
    let data = &event["data"];
    let of =
        |fields: &[&str]| fields.iter().map(|field| format!(" {field}={}", shape(&data[*field]))).collect::<Vec<_>>().concat();
    let kind = event["type"].as_str().unwrap_or_default();
    let fields = match kind {
        "session.start" => ["repository", "repositoryHost", "branch"]
            .map(|field| format!(" {field}={}", shape(&data["context"][field])))
            .concat(),
        "session.info" => of(&["infoType", "url"]),
        "session.remote_steerable_changed" => of(&["remoteSteerable"]),
        "user.message" => format!("{} from-phone={}", of(&["content"]), data["source"].is_string()),
        "assistant.message" => of(&["content"]),
        "tool.execution_start" => of(&["toolName"]),
        "tool.execution_complete" => format!("{} exitCode={}", of(&["success"]), data["shellExecution"]["exitCode"]),
        "permission.requested" => format!(
            "{} kind={} command={}",
            of(&["requestId"]),
            data["permissionRequest"]["kind"],
            data["permissionRequest"]["fullCommandText"]
        ),
        "user_input.requested" => of(&["requestId", "question", "choices"]),
        "user_input.completed" => of(&["requestId", "answer"]),
        "session.managed_settings_resolved" => of(&["source", "bypassPermissionsDisabled", "managedKeys"]),
        "session.managed_settings_enforced" => of(&["action", "message"]),
        "session.mode_changed" => of(&["newMode"]),
        "session.error" => of(&["errorType", "errorCode"]),
        "auto_mode_switch.requested" => of(&["requestId", "errorCode", "retryAfterSeconds"]),
        "auto_mode_switch.completed" => of(&["requestId", "response"]),
        "permission.completed" => format!("{} result={}", of(&["requestId"]), data["result"]["kind"]),
        _ => String::new(),
    };
    format!("  {kind}{fields}")
}

fn tell_all(server: &Server, folder: &Path) -> Vec<String> {
    let rpc = Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
    let rpc = &rpc;
    let mut story = Story { rpc, told: Vec::new(), seen: 0 };
    story.call("session.list", json!({}), &[]);
    story.call("connect", json!({}), &[]);
    story.call("connect", json!({"token": "wrong"}), &[]);
    story.call("connect", json!({"token": server.token}), &["protocolVersion", "ok", "version"]);
    story.call("no.such.method", json!({}), &[]);
    let auth = story.call("account.getCurrentAuth", json!({}), &[]);
    story.told.push(format!("  login={} host={}", auth["authInfo"]["login"], auth["authInfo"]["host"]));

    let create = json!({"workingDirectory": folder, "requestPermission": true, "requestUserInput": true, "requestExitPlanMode": true, "streaming": true});
    let session = story.call("session.create", create, &["sessionId"])["sessionId"].as_str().expect("an id").to_owned();
    let about = |more: Value| {
        let mut params = json!({"sessionId": session});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    story.until("session.start");
    story.call("session.gitHubAuth.getStatus", about(json!({})), &["login", "host", "isAuthenticated"]);

    let sharing = ["url", "remoteSteerable", "started"];
    story.call("session.remote.enable", about(json!({"mode": "on"})), &sharing);
    story.until("session.remote_steerable_changed");
    story.call("session.remote.enable", about(json!({"mode": "on"})), &sharing);
    story.call("session.remote.disable", about(json!({})), &[]);
    story.until("session.remote_steerable_changed");
    story.call("session.remote.enable", about(json!({"mode": "export"})), &sharing);
    story.call("session.remote.disable", about(json!({})), &[]);
    story.call("session.name.set", about(json!({"name": "a name"})), &[]);
    story.call("session.name.get", about(json!({})), &["name"]);

    story.call("session.send", about(json!({"prompt": "go"})), &["messageId"]);
    let asked = story.until("permission.requested");
    let answer = about(json!({"requestId": asked["data"]["requestId"], "result": {"kind": "approve-once"}}));
    story.call("session.permissions.handlePendingPermissionRequest", answer.clone(), &["success"]);
    story.until("permission.completed");
    story.call("session.permissions.handlePendingPermissionRequest", answer, &["success"]);
    let question = story.until("user_input.requested");
    let answer = about(json!({"requestId": question["data"]["requestId"], "response": {"answer": "red", "wasFreeform": false}}));
    story.call("session.ui.handlePendingUserInput", answer.clone(), &["success"]);
    story.until("user_input.completed");
    story.call("session.ui.handlePendingUserInput", answer, &["success"]);
    story.until("session.idle");

    // The log has all of it, also what is no part of the session's history, in the order in which it came.
    let mut logged = Vec::new();
    let mut params = json!({"max": 3});
    loop {
        let page = rpc.call("session.eventLog.read", about(params)).expect("a page");
        let events = page["events"].as_array().expect("events").clone();
        assert!(events.len() <= 3, "{page}");
        logged.extend(events);
        if page["hasMore"] != true {
            break;
        }
        params = json!({"max": 3, "cursor": page["cursor"]});
    }
    let came = rpc.events();
    let known = |events: &[Value]| -> Vec<(Value, Value)> {
        events.iter().filter(|event| is_read(event)).map(|event| (event["type"].clone(), event["id"].clone())).collect()
    };
    assert_eq!(known(&logged), known(&came));
    for event in logged.iter().filter(|event| is_read(event)) {
        story.told.push(format!("  logged: {} ephemeral={}", event["type"], event["ephemeral"]));
    }

    // Another client, which is not attached, ends it: nobody is told, but who waits for that in the log.
    let other = Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
    other.call("connect", json!({"token": server.token})).expect("the handshake");
    // It may attach, too: everybody is told.
    let flags = json!({"requestPermission": true, "requestUserInput": true, "requestExitPlanMode": true, "streaming": true});
    other.call("session.resume", about(flags)).expect("it is attached");
    story.until("session.resume");
    story.told.push("  a second client is attached".to_owned());
    other.call("session.detach", about(json!({}))).expect("it is detached");
    let cursor = story.call("session.eventLog.tail", about(json!({})), &[])["cursor"].clone();
    let end = |wait: u64| about(json!({"cursor": cursor, "types": ["session.shutdown"], "waitMs": wait}));
    story.call("session.eventLog.read", end(1), &["events"]);
    let waiting = rpc.begin("session.eventLog.read", end(20_000)).expect("it is sent");
    // Asked for on the same connection: it is answered while the read waits.
    rpc.call("session.name.get", about(json!({}))).expect("an answer");
    other.call("sessions.close", about(json!({}))).expect("it is ended");
    let last = rpc.answer_within(waiting, PATIENCE).expect("an answer");
    story.told.push(format!("  read: {}", last["events"][0]["type"]));
    story.call("session.eventLog.read", end(1), &[]);
    story.call("session.name.get", about(json!({})), &[]);
    story.call("session.remote.enable", about(json!({})), &[]);
    story.call("sessions.close", about(json!({})), &[]);
    let _ = rpc.call("runtime.shutdown", json!({}));
    story.told.push(format!("closed={}", rpc.wait_closed(PATIENCE)));
    story.told
}

#[test]
fn the_stand_in_tells_the_story_of_the_real_cli() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let question = json!({"question": "Which colour?", "choices": ["red", "blue"]});
    github.model([Reply::bash(COMMAND), Reply::tool("ask_user", question.clone()), Reply::text(SAYS)]);
    let mut sandbox = Sandbox::on(&github);
    let step = json!({"permission": {"command": COMMAND, "intention": "x", "seconds": 0.1}});
    sandbox.play(&json!({"reply": [step, {"question": question}, {"message": SAYS}, "idle"]}));
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let tell = |program: &Path, prefix: &[&str]| {
        tell_all(&spawn_server(program, prefix, &env, &sandbox.path("home"), &sandbox.repo()), &sandbox.repo())
    };
    let truth = tell(&cli, &[]);
    let told = tell(Path::new(BINARY), &["demo-runtime"]);

    assert!(truth.len() > 35, "{}", truth.join("\n"));
    assert_alike(&truth, &told);
}

fn assert_alike(truth: &[String], told: &[String]) {
    let missing = String::new();
    let different: Vec<String> = (0..truth.len().max(told.len()))
        .map(|index| (truth.get(index).unwrap_or(&missing), told.get(index).unwrap_or(&missing)))
        .filter(|(truth, told)| truth != told)
        .map(|(truth, told)| format!("real:     {truth}\nstand-in: {told}"))
        .collect();
    assert!(different.is_empty(), "{}\n\nreal:\n{}", different.join("\n"), truth.join("\n"));
}

/// The same of whose session it is, and of its work.
fn tell_own(server: &Server, folder: &Path) -> Vec<String> {
    let rpc = &Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
    let mut story = Story { rpc, told: Vec::new(), seen: 0 };
    story.call("connect", json!({"token": server.token}), &[]);
    story.call("permissions.folderTrust.checkTrust", json!({"path": folder}), &["trusted"]);
    let settings = story.call("user.settings.get", json!({}), &[])["settings"].clone();
    story.told.push(format!("  {} {}", settings["deniedUrls"]["value"], settings["deniedUrls"]["isDefault"]));
    let models = story.call("models.list", json!({}), &[])["models"].clone();
    let model = models.as_array().unwrap().iter().find(|model| model["id"] == "gpt-5-mini").expect("it is there");
    story.told.push(format!("  efforts {}", model["supportedReasoningEfforts"]));
    let managed = story.call("managedSettings.resolve", json!({}), &[])["resolved"].clone();
    story.told.push(format!("  {} {} {}", managed["source"], managed["bypassPermissionsDisabled"], managed["settings"]));
    let config = |more: Value| {
        let mut params = json!({
            "workingDirectory": folder, "streaming": true, "requestPermission": true, "requestUserInput": true,
            "requestExitPlanMode": true, "requestElicitation": true, "enableConfigDiscovery": true, "enableSessionStore": true,
            "enableManagedSettings": true, "enableFileChangeTracking": true,
        });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    for wrong in [json!({"model": "nope"}), json!({"agent": "nope"})] {
        story.call("session.create", config(wrong), &[]);
    }
    let wanted = config(json!({"model": "gpt-5-mini", "reasoningEffort": "low", "agent": "reviewer"}));
    story.seen = rpc.events().len();
    let session = story.call("session.create", wanted, &["sessionId"])["sessionId"].clone();
    let about = |more: Value| {
        let mut params = json!({"sessionId": session});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    story.until("session.start");
    story.call("session.options.update", about(json!({"enableScriptSafety": true})), &["success"]);
    story.call("session.permissions.configure", about(json!({"approveAllReadPermissionRequests": true})), &["success"]);
    let rule = json!({"kind": "shell", "argument": "npm run"});
    story.call("session.permissions.modifyRules", about(json!({"scope": "session", "add": [rule]})), &["success"]);
    story.call("session.permissions.locations.apply", about(json!({"workingDirectory": folder})), &["locationType"]);
    story.call("session.model.getCurrent", about(json!({})), &["modelId", "reasoningEffort"]);
    let agent = story.call("session.agent.getCurrent", about(json!({})), &[])["agent"]["id"].clone();
    story.told.push(format!("  agent {agent}"));
    story.call("session.permissions.setMode", about(json!({"mode": "allow-all"})), &["success", "mode"]);
    story.until("session.managed_settings_enforced");
    story.call("session.mode.set", about(json!({"mode": "plan"})), &["modeApplied"]);
    story.until("session.mode_changed");
    story.call("session.metadata.activity", about(json!({})), &["hasActiveWork"]);
    story.call("session.queue.pendingItems", about(json!({})), &["items", "steeringMessages"]);

    story.call("session.send", about(json!({"prompt": "go"})), &["messageId"]);
    let asked = story.until("auto_mode_switch.requested");
    story.call("session.metadata.activity", about(json!({})), &["hasActiveWork"]);
    let answer = about(json!({"requestId": asked["data"]["requestId"], "response": "no"}));
    story.call("session.ui.handlePendingAutoModeSwitch", answer.clone(), &["success"]);
    story.until("session.idle");
    story.call("session.ui.handlePendingAutoModeSwitch", answer, &["success"]);
    let points =
        story.call("session.history.listRewindPoints", about(json!({})), &["fileChangeTrackingEnabled"])["points"].clone();
    story.told.push(format!("  {} {}", points[0]["userMessage"], points[0]["eventId"].is_string()));
    let point = about(json!({"eventId": points[0]["eventId"]}));
    story.call("session.history.previewRewind", point.clone(), &["available", "files"]);
    let mut rewind = point;
    rewind["mode"] = json!("conversation");
    story.call("session.history.rewind", rewind, &["outcome", "restoredFiles", "skippedFiles"]);
    let usage = story.call("session.usage.getMetrics", about(json!({})), &["totalPremiumRequestCost"]);
    story.told.push(format!("  {} {}", usage["modelMetrics"].is_object(), usage["codeChanges"]["linesAdded"]));
    story.call("session.quota.get", about(json!({})), &["snapshots"]);
    let diff = story.call("session.workspaces.diff", about(json!({"mode": "unstaged"})), &["isFallback"]);
    story.told.push(format!("  changes {}", diff["changes"].is_array()));
    story.call("session.abort", about(json!({"reason": "user_initiated"})), &["success"]);
    let _ = rpc.call("runtime.shutdown", json!({}));
    story.told
}

#[test]
fn the_stand_in_tells_whose_session_it_is() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let managed = json!({"permissions": {"disableBypassPermissionsMode": "disable"}});
    github.manage(managed.clone());
    github.model([Reply::RateLimited(3600)]);
    let mut sandbox = Sandbox::on(&github);
    let denied = json!(["https://denied.example.com"]);
    sandbox.write("copilot/settings.json", json!({"deniedUrls": denied}));
    sandbox.write("repo/.github/agents/reviewer.agent.md", "---\nname: reviewer\ndescription: Reads changes\n---\nYou are it.\n");
    sandbox.play(&json!({"settings": {"deniedUrls": denied}, "managed": managed, "reply": [{"rateLimit": 3600}, "idle"]}));
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let tell = |program: &Path, prefix: &[&str]| {
        tell_own(&spawn_server(program, prefix, &env, &sandbox.path("home"), &sandbox.repo()), &sandbox.repo())
    };
    let truth = tell(&cli, &[]);
    let told = tell(Path::new(BINARY), &["demo-runtime"]);
    assert!(truth.len() > 35, "{}", truth.join("\n"));
    assert_alike(&truth, &told);
}

/// The same for a session in the cloud.
fn tell_cloud(server: &Server, folder: &Path) -> Vec<String> {
    let rpc = &Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
    let mut story = Story { rpc, told: Vec::new(), seen: 0 };
    story.call("connect", json!({"token": server.token}), &[]);
    let cloud = json!({"repository": {"owner": "octocat", "name": "hello-world", "branch": "main"}});
    let create = |field: &str, value: Value| {
        let mut params = json!({"workingDirectory": folder, "streaming": true, "cloud": cloud});
        params[field] = value;
        params
    };
    for field in ["requestPermission", "requestUserInput", "requestExitPlanMode", "requestElicitation", "hooks"] {
        story.call("session.create", create(field, json!(true)), &[]);
    }
    for field in ["name", "sessionId"] {
        story.call("session.create", create(field, json!("chosen")), &[]);
    }
    let session = story.call("session.create", create("requestPermission", json!(false)), &["modelState"])["sessionId"].clone();
    let about = |more: Value| {
        let mut params = json!({"sessionId": session});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    // Its history has what came before the first event could be understood.
    let first = story.call("session.getMessages", about(json!({})), &[])["events"].clone();
    let worker = first.as_array().unwrap().iter().find(|event| event["type"] == "session.start").expect("a start");
    story.told.push(format!("  begun by {}", worker["data"]["producer"]));
    let link = first.as_array().unwrap().iter().find(|event| event["type"] == "session.info").expect("a link");
    story.told.push(tell(link));
    let task = story.call("session.metadata.snapshot", about(json!({})), &[])["remoteMetadata"]["resourceId"].clone();
    story.told.push(format!("  the task is another: {}", task.is_string() && task != session));
    let listed = story.call("sessions.list", json!({"source": "remote", "throwOnError": true}), &[])["sessions"].clone();
    let listed = listed.as_array().unwrap().iter().find(|entry| entry["resourceId"] == task).expect("the task is listed").clone();
    story.told.push(format!("  {} {} {}", listed["repository"], listed["name"], listed["state"]));
    story.told.push(format!("  has a time: {}", listed["startTime"].is_string()));

    // That GitHub took a prompt shows in its coming back, without the id that the answer had; then the worker repeats it.
    let id = story.call("session.send", about(json!({"prompt": "go"})), &[])["messageId"].clone();
    // What came before may have come as events, or not.
    let before = rpc.events_until(0, "user.message", PATIENCE).expect("it comes back");
    story.seen = before.len();
    let echo = before.last().expect("the prompt");
    story.told.push(tell(echo));
    story.told.push(format!("  id={} in the answer {}", echo["data"]["messageId"], id.is_string()));
    let repeated = story.until("user.message");
    story.told.push(format!("  repeated with an id: {}", repeated["data"]["messageId"].is_string()));
    story.until("session.idle");

    // Closing it is the end here, and there is no way back.
    story.call("sessions.close", about(json!({})), &[]);
    story.call("session.send", about(json!({"prompt": "more"})), &[]);
    story.call("session.resume", about(json!({})), &[]);
    let _ = rpc.call("runtime.shutdown", json!({}));
    story.told
}

#[test]
fn and_the_one_of_the_cloud() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    github.worker_begins([("session.requested", json!({})), ("session.start", worker_starts()), ("session.info", worker_link())]);
    github.worker_replies([
        ("assistant.turn_start", json!({"turnId": "0"})),
        ("assistant.message", json!({"content": SAYS, "messageId": "m"})),
        ("session.idle", json!({})),
    ]);
    let mut sandbox = Sandbox::on(&github);
    sandbox.play(&json!({"timeline": [], "reply": [{"message": SAYS}, "idle"]}));
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let tell = |program: &Path, prefix: &[&str]| {
        tell_cloud(&spawn_server(program, prefix, &env, &sandbox.path("home"), &sandbox.repo()), &sandbox.repo())
    };
    let truth = tell(&cli, &[]);
    let told = tell(Path::new(BINARY), &["demo-runtime"]);
    assert!(truth.len() > 20, "{}", truth.join("\n"));
    assert_alike(&truth, &told);
}

/// A line of the CLI's log without what differs from run to run: the time, the session, how many events there were.
fn form(line: &str, control: &str) -> Option<String> {
    let (time, said) = line.split_once(' ')?;
    time.parse::<jiff::Timestamp>().ok()?;
    let mut parts = said.split("\":");
    let mut form = parts.next()?.to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        form += if rest.len() < part.len() { "\":N" } else { "\":" };
        form += rest;
    }
    Some(form.replace(control, "SESSION"))
}

/// Nothing but these lines tells that the link is broken. They are read in `src/sdk/link_log.rs`: where the CLI words them differently, that
/// has to be taught anew, or links die unseen.
#[test]
fn the_log_of_the_real_cli_tells_of_the_link() {
    const POLLER: &str = "[WARNING] [rust:remote::api_command_poller] CommandPoller: ";
    const EXPORTER: &str = "[WARNING] [rust:remote::api_session_exporter] ";
    const COMMANDS: &str = "/agents/sessions/*/commands";
    const EVENTS: &str = "/agents/sessions/*/events";
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox.run(&["start", "--detach"]).expect_code(0);
    let control = format!("mc-{}", sandbox.list()[0]["sessionId"].as_str().unwrap());
    let lines = || {
        let files = files_below(&sandbox.state().join("logs"));
        let logs = files.iter().filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("process-"));
        logs.map(|log| String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()).collect::<String>()
    };
    let status = |status: u16, message: &str| Fault::Status(status, json!({"message": message}));
    let address =
        |of: &str| format!("error sending request for url (https://api.githubcopilot.com/agents/sessions/SESSION/{of})");
    let failed = |why: &str| {
        format!(
            r#"{EXPORTER}remote session batch flush failed {{"error":"{why}","event_count":N,"completed_command_id_count":N}}"#
        )
    };
    let unasked = |why: &str| format!(r#"{POLLER}failed to list session commands {{"error":"{why}"}}"#);
    let gave_up = format!("{EXPORTER}remote session exporter circuit opened after batch flush failure");
    let refused = format!(
        r#"{EXPORTER}Mission Control rejected events with a permanent client error; disabling further event submission for this session {{"status":"Some(404)","dropped_events":N,"dropped_command_ids":N}}"#
    );
    for (method, path, fault, told) in [
        ("GET", COMMANDS, status(500, "why"), vec![unasked("why")]),
        ("GET", COMMANDS, Fault::Drop, vec![unasked(&address("commands"))]),
        ("POST", EVENTS, status(500, "why"), vec![failed("why"), gave_up]),
        ("POST", EVENTS, Fault::Drop, vec![failed(&address("events"))]),
        ("POST", EVENTS, status(404, "gone"), vec![refused]),
    ] {
        github.fault(method, path, fault, None);
        // Something to upload, which also ends the pause after the CLI gave up.
        sandbox.run(&["send", "-p", "hello"]).expect_code(0);
        let as_told = || {
            let forms: Vec<String> = lines().lines().filter_map(|line| form(line, &control)).collect();
            told.iter().all(|told| forms.contains(told))
        };
        assert!(until(PATIENCE, as_told), "not all of {told:#?} in:\n{}", lines());
    }
    sandbox.stop_all();
}
