//! The stand-in against itself and against what the real CLI was recorded to say (`real-shapes.json`).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::{self, JoinHandle, LocalSet};
use tokio::time;

use super::{Died, Script, serve, wire};

/// Long before this, all that a test waits for has happened.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running stand-in.
struct Server {
    port: u16,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    async fn start(script: &Value) -> Self {
        let script = Script::parse(&script.to_string()).unwrap();
        let (announce, port) = oneshot::channel();
        let announce = move |port| {
            let _ = announce.send(port);
            Ok(())
        };
        let serving = task::spawn_local(serve(Some("secret".to_owned()), script, announce));
        Self { port: port.await.unwrap(), serving }
    }

    async fn stranger(&self) -> Client {
        let (reader, writer) = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap().into_split();
        Client { reader: BufReader::new(reader), writer, calls: 0, heard: Vec::new() }
    }

    async fn client(&self) -> Client {
        let mut client = self.stranger().await;
        client.call("connect", json!({"token": "secret"})).await.unwrap();
        client
    }

    async fn ended(self) -> anyhow::Result<()> {
        time::timeout(PATIENCE, self.serving).await.unwrap().unwrap()
    }
}

/// A client that keeps whatever it hears.
struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    calls: u64,
    heard: Vec<Value>,
}

impl Client {
    async fn next(&mut self) -> Option<Value> {
        let body = time::timeout(PATIENCE, wire::read(&mut self.reader)).await.expect("silence").unwrap()?;
        let message: Value = serde_json::from_slice(&body).unwrap();
        self.heard.push(message.clone());
        Some(message)
    }

    async fn start(&mut self, method: &str, params: Value) -> u64 {
        self.calls += 1;
        self.writer.write_all(&wire::request(self.calls, method, &params)).await.unwrap();
        self.calls
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.start(method, params).await;
        loop {
            let message = self.next().await.expect("the end");
            if message["id"] == id && message.get("method").is_none() {
                return message.get("error").map_or(Ok(message["result"].clone()), |error| Err(error.clone()));
            }
        }
    }

    /// A session with all questions wanted.
    async fn create(&mut self) -> String {
        let wishes = json!({"requestPermission": true, "requestUserInput": true, "requestExitPlanMode": true, "streaming": true});
        self.call("session.create", wishes).await.unwrap()["sessionId"].as_str().unwrap().to_owned()
    }

    /// The data of the next event of this type.
    async fn event(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.expect("the end");
            if message["params"]["event"]["type"] == kind {
                return message["params"]["event"]["data"].clone();
            }
        }
    }

    /// What was heard, in words: types of events and of lifecycle changes, `=` for an answer. Forgets it.
    fn recall(&mut self) -> Vec<String> {
        let word = |message: Value| match message["method"].as_str() {
            Some("session.event") => message["params"]["event"]["type"].as_str().unwrap().to_owned(),
            Some("session.lifecycle") => format!("({})", message["params"]["type"].as_str().unwrap()),
            Some(method) => format!("{method}?"),
            None => "=".to_owned(),
        };
        self.heard.drain(..).map(word).collect()
    }
}

/// Runs a test where tasks may be local.
async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Checks the keys of an object against those that the real one always and sometimes has.
fn assert_shape(what: &str, shape: &Value, ours: &Value) {
    if ours.is_null() {
        return assert!(shape.is_null(), "{what} answers something");
    }
    let names = |list: &Value| {
        list.as_array()
            .unwrap_or_else(|| panic!("{what} was never recorded"))
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let (always, sometimes) = (names(&shape["always"]), names(&shape["sometimes"]));
    let ours: BTreeSet<_> = keys(ours).into_iter().map(str::to_owned).collect();
    // Accounts of money and tokens say nothing in a demo.
    let left_out = ["accountingSnapshot", "currentModel", "eventsFileSizeBytes", "usageAccountingWatermarks", "url"];
    let missing: Vec<_> = always.difference(&ours).filter(|key| !left_out.contains(&key.as_str())).collect();
    let invented: Vec<_> = ours.iter().filter(|key| !always.contains(*key) && !sometimes.contains(*key)).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{what}: missing {missing:?}, invented {invented:?}");
}

fn real_shapes() -> Value {
    serde_json::from_str(include_str!("real-shapes.json")).unwrap()
}

#[tokio::test]
async fn frames_survive_any_split_and_refuse_nonsense() {
    let bytes = [wire::frame(&json!({"a": "ä"})), wire::frame(&json!(2))].concat();
    let (mut near, far) = tokio::io::duplex(3);
    tokio::spawn(async move { near.write_all(&bytes).await });
    let mut far = BufReader::new(far);
    assert_eq!(wire::read(&mut far).await.unwrap().unwrap(), r#"{"a":"ä"}"#.as_bytes());
    assert_eq!(wire::read(&mut far).await.unwrap().unwrap(), b"2");
    assert!(wire::read(&mut far).await.unwrap().is_none());

    for (nonsense, complaint) in [
        ("garbage\r\n\r\n", "Message header must separate key and value using ':'"),
        ("Content-Type: x\r\n\r\n", "Header must provide a Content-Length property."),
        ("Content-Length: 99999999999\r\n\r\n", "Header must provide a Content-Length property."),
    ] {
        let error = wire::read(&mut nonsense.as_bytes()).await.unwrap_err();
        assert_eq!(error.to_string(), complaint);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_token() {
    local(async {
        let server = Server::start(&json!({})).await;
        let mut client = server.stranger().await;
        let refused = |code: i64, message: &str| Err(json!({"code": code, "message": message}));
        assert_eq!(client.call("ping", json!({})).await, refused(-32001, "AUTHENTICATION_REQUIRED"));
        assert_eq!(client.call("nonsense", json!({})).await, refused(-32001, "AUTHENTICATION_REQUIRED"));
        assert_eq!(client.call("connect", json!({})).await, refused(-32002, "AUTHENTICATION_FAILED"));
        assert_eq!(client.call("connect", json!({"token": "no"})).await, refused(-32002, "AUTHENTICATION_FAILED"));
        client.call("connect", json!({"token": "secret"})).await.unwrap();
        assert_eq!(client.call("ping", json!({"message": "hi"})).await.unwrap()["message"], "pong: hi");
        assert_eq!(client.call("foo.bar", json!({})).await, refused(-32601, "Unhandled method foo.bar"));
        client.writer.write_all(b"garbage\r\n\r\n").await.unwrap();
        assert_eq!(client.next().await.unwrap()["error"]["code"], -32700);
        assert!(client.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_session_is_created_shared_and_closed_in_the_real_order() {
    local(async {
        let server = Server::start(&json!({})).await;
        let mut client = server.client().await;
        client.recall();
        let session = client.create().await;
        let on = json!({"sessionId": session});
        let first = client.call("session.remote.enable", on.clone()).await.unwrap();
        assert_eq!(
            client.recall(),
            [
                "(session.created)",
                "=",
                "session.start",
                "(session.updated)",
                "session.managed_settings_resolved",
                "session.info",
                "(session.updated)",
                "session.remote_steerable_changed",
                "(session.updated)",
                "=",
            ]
        );
        assert!(first["url"].as_str().unwrap().starts_with("https://github.com/octocat/hello-world/tasks/"));
        assert_eq!(client.call("session.remote.enable", on.clone()).await.unwrap(), first, "enabling twice changes nothing");
        client.call("session.remote.enable", json!({"sessionId": session, "mode": "export"})).await.unwrap();
        assert_eq!(client.recall(), ["=", "="], "from on to export leads no way");
        assert_eq!(client.call("session.remote.disable", on.clone()).await.unwrap(), json!({}));
        client.call("session.remote.disable", on.clone()).await.unwrap();
        assert_eq!(client.recall(), ["session.remote_steerable_changed", "(session.updated)", "=", "="]);
        let export = client.call("session.remote.enable", json!({"sessionId": session, "mode": "export"})).await.unwrap();
        assert_eq!(export, json!({"remoteSteerable": false, "started": true, "url": first["url"]}));
        assert_eq!(client.recall(), ["session.info", "(session.updated)", "="]);

        assert_eq!(client.call("sessions.close", on.clone()).await.unwrap(), json!({}));
        assert_eq!(client.recall(), ["="], "closing is silent");
        let gone = json!({
            "code": -32603,
            "message": format!("Request session.name.get failed with message: Session not found for sessionId: {session}"),
        });
        assert_eq!(client.call("session.name.get", on.clone()).await, Err(gone));
        client.call("session.resume", on.clone()).await.unwrap();
        client.call("session.name.get", on.clone()).await.unwrap();
        assert_eq!(client.call("runtime.shutdown", json!({})).await.unwrap(), Value::Null);
        assert!(client.next().await.is_none());
        server.ended().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_built_in_demo_has_the_shapes_of_the_real_cli() {
    local(async {
        let mut script: Value = serde_json::from_str(include_str!("demo.json")).unwrap();
        Script::demo().unwrap();
        script["speed"] = 100.into();
        let server = Server::start(&script).await;
        let mut client = server.client().await;
        let session = client.create().await;
        client.call("session.remote.enable", json!({"sessionId": session})).await.unwrap();
        client.recall();
        client.event("session.idle").await;
        let heard = client.heard.clone();
        let turn: Vec<_> =
            client.recall().into_iter().filter(|word| !word.starts_with('(') && !word.contains("_delta")).collect();
        let tool = |inner: &[&str]| {
            let mut words = vec!["assistant.turn_start", "assistant.message", "tool.execution_start"];
            words.extend(inner);
            words.extend(["tool.execution_complete", "assistant.turn_end"]);
            words.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let plain = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = [
            plain(&["pending_messages.modified", "pending_messages.modified", "session.title_changed", "user.message"]),
            tool(&[]),
            tool(&[]),
            tool(&["permission.requested", "permission.completed"]),
            tool(&["user_input.requested", "userInput.request?", "user_input.completed"]),
            tool(&[]),
            plain(&["assistant.turn_start", "assistant.message_start", "assistant.message", "assistant.turn_end"]),
            plain(&["assistant.idle", "session.idle"]),
        ];
        assert_eq!(turn, expected.concat());

        client.heard = heard;
        let on = || json!({"sessionId": session});
        for method in
            ["session.send", "session.getMessages", "session.getMetadata", "session.abort", "session.list", "sessions.list"]
        {
            let result = client.call(method, on()).await.unwrap();
            assert_shape(method, &real_shapes()["results"][method], &result);
        }
        for method in [
            "ping",
            "auth.getStatus",
            "account.getCurrentAuth",
            "session.create",
            "session.resume",
            "session.gitHubAuth.getStatus",
            "session.gitHubAuth.refreshCopilotUser",
            "session.remote.enable",
            "session.remote.disable",
            "session.permissions.getMode",
            "session.permissions.pendingRequests",
            "session.skills.reload",
            "session.options.update",
            "session.name.get",
            "session.detach",
        ] {
            let result = client.call(method, on()).await.unwrap();
            assert_shape(method, &real_shapes()["results"][method], &result);
        }
        client.call("session.resume", on()).await.unwrap();
        for (method, field, value) in [
            ("session.name.set", "name", "new"),
            ("session.log", "message", "hello"),
            ("session.permissions.setMode", "mode", "allow-all"),
            ("session.mode.set", "mode", "plan"),
            ("session.model.switchTo", "modelId", "gpt-4.1"),
        ] {
            let result = client.call(method, json!({"sessionId": session, field: value})).await.unwrap();
            assert_shape(method, &real_shapes()["results"][method], &result);
        }
        client.call("session.destroy", on()).await.unwrap();

        let mut seen = BTreeSet::new();
        for event in
            client.heard.iter().filter(|message| message["method"] == "session.event").map(|message| &message["params"]["event"])
        {
            let kind = event["type"].as_str().unwrap();
            assert_shape(kind, &real_shapes()["events"][kind], &event["data"]);
            seen.insert(kind);
        }
        assert!(seen.len() > 20, "{seen:?}");
    })
    .await;
}

#[tokio::test]
async fn the_first_answer_to_a_permission_counts() {
    local(async {
        let permission = json!({"permission": {"command": "touch a", "seconds": 0.1}});
        let server = Server::start(&json!({"timeline": [permission, {"message": "done"}, "idle"]})).await;
        let (mut one, mut two) = (server.client().await, server.client().await);
        let session = one.create().await;
        two.call("session.resume", json!({"sessionId": session, "requestPermission": true})).await.unwrap();
        one.call("session.remote.enable", json!({"sessionId": session})).await.unwrap();
        let asked = two.event("permission.requested").await;
        let answer = |kind: &str| json!({"sessionId": session, "requestId": asked["requestId"], "result": {"kind": kind}});
        let method = "session.permissions.handlePendingPermissionRequest";
        let pending = one.call("session.permissions.pendingRequests", json!({"sessionId": session})).await.unwrap();
        assert_eq!(pending["items"][0], json!({"requestId": asked["requestId"], "request": asked["promptRequest"]}));
        assert_eq!(one.call(method, answer("approve-once")).await.unwrap(), json!({"success": true}));
        assert_eq!(two.call(method, answer("reject")).await.unwrap(), json!({"success": false}));
        let completed = one.heard.iter().find(|message| message["params"]["event"]["type"] == "permission.completed").unwrap();
        assert_eq!(completed["params"]["event"]["data"]["result"], json!({"kind": "approved"}));
        assert_eq!(two.event("assistant.message").await["content"], "done");
    })
    .await;
}

#[tokio::test]
async fn a_rejection_ends_the_turn_and_one_with_feedback_does_not() {
    local(async {
        let permission = json!({"permission": {"command": "touch a", "seconds": 0}});
        let server = Server::start(&json!({"reply": [permission, {"message": "done"}, "idle"]})).await;
        let mut client = server.client().await;
        let session = client.create().await;
        for (result, ending) in
            [(json!({"kind": "reject"}), "abort"), (json!({"kind": "reject", "feedback": "no"}), "assistant.turn_start")]
        {
            client.call("session.send", json!({"sessionId": session, "prompt": "go"})).await.unwrap();
            let request = client.event("permission.requested").await["requestId"].clone();
            let answer = json!({"sessionId": session, "requestId": request, "result": result});
            client.call("session.permissions.handlePendingPermissionRequest", answer).await.unwrap();
            client.event("assistant.turn_end").await;
            client.recall();
            client.event("session.idle").await;
            let rest: Vec<_> = client.recall().into_iter().filter(|word| !word.starts_with('(')).collect();
            assert_eq!(rest[0], ending, "{rest:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_abort_drops_the_turn_and_what_waits_and_nothing_else() {
    local(async {
        let timeline = json!([{"prompt": "one"}, {"permission": {"command": "x"}}, {"message": "never"}, "idle", {"message": "later"}, "idle"]);
        let server = Server::start(&json!({"timeline": timeline})).await;
        let mut client = server.client().await;
        let session = client.create().await;
        client.call("session.remote.enable", json!({"sessionId": session})).await.unwrap();
        client.event("permission.requested").await;
        client.call("session.send", json!({"sessionId": session, "prompt": "waits"})).await.unwrap();
        client.recall();
        client.call("session.abort", json!({"sessionId": session})).await.unwrap();
        let words: Vec<_> = client.recall().into_iter().filter(|word| !word.starts_with('(')).collect();
        assert_eq!(
            words,
            [
                "abort", "pending_messages.modified", "agent.interrupted", "permission.completed", "assistant.turn_end",
                "pending_messages.modified", "assistant.idle", "session.idle", "=",
            ]
        );
        assert_eq!(client.event("assistant.message").await["content"], "later");
    })
    .await;
}

#[tokio::test]
async fn the_phone_waits_while_remote_is_off() {
    local(async {
        let question = json!({"question": {"question": "?", "choices": ["a"], "answer": "a", "answeredAfter": 0.01}});
        let timeline = json!([question, "idle", {"prompt": "from the phone"}, {"message": "done"}, "idle"]);
        let server = Server::start(&json!({"timeline": timeline})).await;
        let mut client = server.client().await;
        let session = client.create().await;
        let on = || json!({"sessionId": session});
        client.call("session.remote.enable", on()).await.unwrap();
        client.call("session.remote.disable", on()).await.unwrap();
        time::sleep(Duration::from_millis(50)).await;
        client.call("ping", on()).await.unwrap();
        assert!(!client.recall().contains(&"user_input.completed".to_owned()));
        client.call("session.remote.enable", on()).await.unwrap();
        assert_eq!(client.event("user_input.completed").await["answer"], "a");
        assert!(client.event("user.message").await["source"].as_str().unwrap().starts_with("command-"));
    })
    .await;
}

#[tokio::test]
async fn questions_can_be_answered_through_the_callback_too() {
    local(async {
        let server =
            Server::start(&json!({"timeline": [{"question": {"question": "?"}}, {"plan": {"summary": "s"}}, "idle"]})).await;
        let mut client = server.client().await;
        let session = client.create().await;
        client.call("session.remote.enable", json!({"sessionId": session})).await.unwrap();
        while client.next().await.unwrap()["method"] != "userInput.request" {}
        client.writer.write_all(&wire::response(&json!(1), Ok(json!({"answer": "yes", "wasFreeform": true})))).await.unwrap();
        assert_eq!(client.event("user_input.completed").await["answer"], "yes");
        let request = client.event("exit_plan_mode.requested").await["requestId"].clone();
        let answer = json!({"sessionId": session, "requestId": request, "response": {"approved": true}});
        assert_eq!(client.call("session.ui.handlePendingExitPlanMode", answer.clone()).await.unwrap(), json!({"success": true}));
        assert_eq!(client.call("session.ui.handlePendingExitPlanMode", answer).await.unwrap(), json!({"success": false}));
    })
    .await;
}

#[tokio::test]
async fn a_session_lives_while_somebody_is_attached() {
    local(async {
        let server = Server::start(&json!({})).await;
        let (mut one, mut two, mut three) = (server.client().await, server.client().await, server.client().await);
        let session = one.create().await;
        let on = json!({"sessionId": session});
        two.call("session.resume", on.clone()).await.unwrap();
        drop(one);
        two.call("session.name.get", on.clone()).await.unwrap();
        three.call("session.log", json!({"sessionId": session, "message": "x"})).await.unwrap();
        assert!(!three.recall().contains(&"session.info".to_owned()), "events are for those attached");
        assert_eq!(three.call("session.destroy", on.clone()).await.unwrap(), json!({"success": false}));
        two.call("ping", json!({})).await.unwrap();
        two.recall();
        assert_eq!(two.call("session.destroy", on.clone()).await.unwrap(), json!({"success": true}));
        assert_eq!(two.recall(), ["session.shutdown", "(session.updated)", "="]);
        assert!(three.call("session.name.get", on.clone()).await.is_err());
        assert!(three.call("session.getMetadata", on).await.unwrap()["session"].is_object(), "it is still on record");
    })
    .await;
}

#[tokio::test]
async fn faults_come_in_their_order_and_the_last_one_stays() {
    local(async {
        let no = json!({"code": -32603, "message": "no"});
        let warning = json!({"type": "session.warning", "data": {"warningType": "remote", "message": "why"}});
        let server = Server::start(&json!({"faults": {
            "session.remote.enable": [{"error": no, "events": [warning]}, {}, {"result": {"started": false}}],
            "ping": [{"error": no, "once": true}],
            "status.get": [{"hang": true}, {"raw": "Content-Length: 10\r\n\r\n{", "drop": true}],
            "session.list": [{"delay": 0.2}],
        }}))
        .await;
        let mut client = server.client().await;
        let session = client.create().await;
        client.recall();
        let on = json!({"sessionId": session});
        assert_eq!(client.call("session.remote.enable", on.clone()).await, Err(no.clone()));
        assert_eq!(
            client.recall(),
            [
                "session.start",
                "(session.updated)",
                "session.managed_settings_resolved",
                "session.warning",
                "(session.updated)",
                "="
            ]
        );
        assert_eq!(client.call("session.remote.enable", on.clone()).await.unwrap()["started"], true);
        for _ in 0..2 {
            assert_eq!(client.call("session.remote.enable", on.clone()).await.unwrap(), json!({"started": false}));
        }
        assert_eq!(client.call("ping", on.clone()).await, Err(no));
        client.call("ping", on.clone()).await.unwrap();
        let slow = client.start("session.list", on.clone()).await;
        client.start("status.get", on.clone()).await;
        client.call("ping", on.clone()).await.unwrap();
        assert!(!client.heard.iter().any(|message| message["id"] == slow), "a slow answer holds up no other");
        client.start("status.get", on).await;
        let mut rest = Vec::new();
        time::timeout(PATIENCE, client.reader.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.ends_with(b"Content-Length: 10\r\n\r\n{"));
    })
    .await;
}

#[tokio::test]
async fn the_runtime_dies_and_a_relaunched_one_resumes() {
    local(async {
        let store = std::env::temp_dir().join(format!("copilot-remote-demo-test-{}.json", super::session::uuid()));
        let script = json!({"store": store, "timeline": [{"exit": 7}, {"message": "after"}, "idle"], "faults": {"ping": [{"exit": 9, "once": true}]}});
        let server = Server::start(&script).await;
        let mut client = server.client().await;
        let session = client.create().await;
        let on = json!({"sessionId": session});
        client.call("session.remote.enable", on.clone()).await.unwrap();
        assert_eq!(server.ended().await.unwrap_err().downcast::<Died>().unwrap().0, 7);
        while client.next().await.is_some() {}

        let server = Server::start(&script).await;
        let mut client = server.client().await;
        client.call("session.resume", on.clone()).await.unwrap();
        assert_eq!(client.event("assistant.message").await["content"], "after");
        let steerable = client.call("sessions.getPersistedRemoteSteerable", on.clone()).await.unwrap();
        assert_eq!(steerable, json!({"remoteSteerable": true}));
        client.start("ping", on.clone()).await;
        assert_eq!(server.ended().await.unwrap_err().downcast::<Died>().unwrap().0, 9);

        let server = Server::start(&script).await;
        server.client().await.call("ping", on).await.unwrap();
        std::fs::remove_file(store).unwrap();
    })
    .await;
}

#[tokio::test]
async fn launches_can_fail() {
    local(async {
        let script = |launch: Value| Script::parse(&json!({"startup": [launch]}).to_string()).unwrap();
        let died = serve(None, script(json!({"exit": 3})), |_| panic!("announced")).await.unwrap_err();
        assert_eq!(died.downcast::<Died>().unwrap().0, 3);
        let silent = serve(None, script(json!({"silent": true})), |_| panic!("announced"));
        assert!(time::timeout(Duration::from_millis(50), silent).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_test_can_play_steps_and_hostile_events_while_it_runs() {
    local(async {
        let server = Server::start(&json!({})).await;
        let mut client = server.client().await;
        let session = client.create().await;
        let hostile =
            json!({"event": {"type": "session.info", "data": {"message": "\u{1b}]0;x\u{7}\u{202e}"}, "ephemeral": true}});
        let steps = json!([hostile, {"wait": 0.01}, "closeSession"]);
        client.call("demo.play", json!({"sessionId": session, "steps": steps})).await.unwrap();
        assert_eq!(client.event("session.info").await["message"], "\u{1b}]0;x\u{7}\u{202e}");
        time::sleep(Duration::from_millis(50)).await;
        assert!(client.call("session.name.get", json!({"sessionId": session})).await.is_err());
    })
    .await;
}

#[test]
fn a_script_with_a_mistake_is_refused() {
    for mistake in [r#"{"timeline": [{"wiat": 1}]}"#, r#"{"speedy": 1}"#, r#"{"faults": {"ping": [{"err": 1}]}}"#] {
        Script::parse(mistake).unwrap_err();
    }
    assert!(Script::load(std::path::Path::new("/nonexistent/script.json")).is_err());
}

#[test]
fn ids_are_uuids_of_version_4() {
    let id = super::session::uuid();
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
    assert!("89ab".contains(&id[19..20]), "{id}");
    assert_ne!(id, super::session::uuid());
}
