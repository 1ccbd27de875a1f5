//! What a session is asked for besides permissions: forms, rate limits, and what nobody knows yet.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{start, turn, world};
use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::sandbox::{PATIENCE, Sandbox};
use crate::support::together::wait_for;

#[test]
fn mcp_servers_delay_nothing_and_their_forms_are_filled_in() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let server = sandbox.write("server.js", include_str!("../support/form-server.js"));
    let local = |command: &str, argument: &str| json!({"type": "local", "command": command, "args": [argument], "tools": ["*"]});
    let servers = json!({
        "hangs": local("sleep", "600"),
        "fails": {"type": "local", "command": "sh", "args": ["-c", "exit 3"], "tools": ["*"]},
        "desk": local("node", server.to_str().unwrap()),
    });
    sandbox.write("copilot/mcp-config.json", json!({"mcpServers": servers}));
    let begun = Instant::now();
    start(&sandbox, &[]);
    github.model([Reply::text("done")]);
    sandbox.run(&["send", "-p", "go"]).expect_code(0);
    // A prompt that was taken and has not begun is work.
    let done = sandbox.run(&["wait", "--for", "idle"]).expect_code(0);
    assert!(begun.elapsed() < Duration::from_secs(50), "{}", done.stderr);
    let logs = sandbox.run(&["logs"]).expect_code(0).stdout;
    assert!(logs.contains("agent: done"), "{logs}");
    assert!(logs.contains("MCP servers still start (hangs): this turn goes on without their tools"), "{logs}");
    assert!(logs.contains("MCP server fails did not start: "), "{logs}");

    assert_eq!(turn(&sandbox, &github, [Reply::tool("desk-order", json!({}))]), 9, "the tool is asked for");
    sandbox.run(&["answer", "--allow"]).expect_code(0);
    sandbox.run(&["wait", "--for", "input"]).expect_code(0);
    let list = sandbox.run(&["answer", "--json"]).expect_code(0).json()[0]["requests"][0].clone();
    assert_eq!((&list["kind"], &list["fields"][0]["name"]), (&json!("form"), &json!("colour")), "{list}");
    let done = sandbox.run(&["answer", "--text", "colour=green"]).expect_code(2);
    assert!(done.stderr.contains("colour: expected one of red, blue"), "{}", done.stderr);
    sandbox.run(&["answer", "--text", "colour=blue; count=3"]).expect_code(0);
    sandbox.run(&["wait"]).expect_code(0);
    let asked = github.requests().into_iter().rfind(|request| request.path == "/chat/completions").unwrap();
    assert!(asked.body.to_string().contains(r#"ordered: {\"colour\":\"blue\",\"count\":3}"#), "{}", asked.body["messages"]);
    sandbox.stop_all();
}

#[test]
fn a_rate_limit_is_a_question_that_can_be_answered() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    start(&sandbox, &["--model", "gpt-5-mini"]);
    github.model([Reply::RateLimited(3600)]);
    let done = sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
    assert!(done.stderr.contains("the model's rate limit is reached (user_model_rate_limited), for 60 min"), "{}", done.stderr);
    assert_eq!(sandbox.list()[0]["activity"], "input");
    sandbox.run(&["answer", "--deny"]).expect_code(0);
    sandbox.run(&["wait"]).expect_code(0);
    // The session takes prompts again.
    assert_eq!(turn(&sandbox, &github, []), 0);
    github.model([Reply::RateLimited(3600)]);
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
    sandbox.run(&["answer", "--allow"]).expect_code(0);
    assert!(sandbox.run(&["logs"]).stdout.contains("answered: yes"));
    wait_for("the other model", PATIENCE, || sandbox.list()[0]["model"] == "auto");
    sandbox.stop_all();
}

/// The phone fills in a form that asks the same; nobody is asked twice here.
#[test]
fn a_rate_limit_is_a_question_on_the_phone_too() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    start(&sandbox, &["--model", "gpt-5-mini"]);
    for settled_here in [false, true] {
        github.model([Reply::RateLimited(3600)]);
        sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
        let form = github.wait_event("elicitation.requested", PATIENCE);
        assert!(form["data"]["message"].as_str().unwrap().starts_with("the model's rate limit is reached"), "{form}");
        let list = sandbox.run(&["answer", "--json"]).expect_code(0).json()[0]["requests"].clone();
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        if settled_here {
            sandbox.run(&["answer", "--deny"]).expect_code(0);
        } else {
            let id = &form["data"]["requestId"];
            let answer = json!({"promptId": id, "requestId": id, "action": "accept", "content": {"answer": "no"}});
            github.queue("elicitation_response", answer);
        }
        // Answered, or taken back.
        github.wait_event("elicitation.completed", PATIENCE);
        wait_for("the answer", PATIENCE, || sandbox.list()[0]["activity"] == "idle");
        assert!(sandbox.run(&["logs"]).stdout.contains("answered: no"));
    }
    sandbox.stop_all();
}

/// On the stand-in: nobody waits for an hour here, and for requests of kinds that there are not yet.
#[test]
fn every_request_can_be_answered_or_refused() {
    let mut sandbox = Sandbox::new();
    let event = |kind: &str, data: Value| json!({"event": {"type": kind, "data": data, "ephemeral": true}});
    let sign_in = event("session.mcp_server_status_changed", json!({"serverName": "desk", "status": "needs-auth"}));
    let unknown = event("brand_new.requested", json!({"requestId": "new-1", "message": "well?"}));
    let limit = json!({"rateLimit": 2});
    sandbox.play(&json!({"speed": 100, "timeline": [sign_in], "reply": [limit, {"message": "gone on"}, "idle"]}));
    let cli = sandbox.stand_in_cli();
    start(&sandbox, &["--copilot", &cli]);
    wait_for("the sign-in", PATIENCE, || sandbox.run(&["answer"]).stdout.contains("the MCP server desk wants you to sign in"));
    assert_eq!(sandbox.list()[0]["activity"], "idle", "it does not wait for that");
    assert_eq!(sandbox.run(&["answer", "--allow"]).expect_code(0).stdout, "https://auth.example.com/authorize?server=desk\n");
    // Nobody answers: once the limit is over the session goes on with the model that it has.
    let done = sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
    assert!(done.stderr.contains("go on with another model?"), "{}", done.stderr);
    wait_for("the end of the limit", PATIENCE, || {
        sandbox.run(&["logs"]).stdout.contains("the rate limit is over: the session goes on with its model")
    });
    wait_for("the prompt", PATIENCE, || sandbox.run(&["logs"]).stdout.contains("Please go on with what you were doing."));
    sandbox.stop_all();

    // Tools of other clients, which the SDK itself refuses, what MCP servers ask the model, and the session's own limit.
    let tool = event("external_tool.requested", json!({"requestId": "tool-1", "toolName": "lookup", "arguments": {"word": "x"}}));
    let sampling = event("sampling.requested", json!({"requestId": "sampling-1", "serverName": "desk", "mcpRequestId": 1}));
    let limit =
        event("session_limits_exhausted.requested", json!({"requestId": "limit-1", "usedAiCredits": 9, "maxAiCredits": 9}));
    sandbox.play(&json!({"speed": 100, "reply": [tool, sampling, limit, {"wait": 3000}, "idle"]}));
    start(&sandbox, &["--copilot", &cli]);
    sandbox.run(&["send", "-p", "go"]).expect_code(0);
    wait_for("the tool is refused", PATIENCE, || sandbox.run(&["logs"]).stdout.contains("answered: answered"));
    assert!(sandbox.run(&["logs"]).stdout.contains(r#"tool of another client wanted: lookup {"word":"x"}"#));
    wait_for("the others", PATIENCE, || sandbox.list()[0]["waiting"] == 2);
    let done = sandbox.run(&["answer", "--deny"]).expect_code(2);
    assert!(
        done.stderr.contains("several requests wait for an answer:\n  sampling-1  the MCP server desk asks"),
        "{}",
        done.stderr
    );
    for (request, answer, refused) in
        [("sampling", &["--deny"][..], &["--text", "well"][..]), ("limit", &["--text", "25"], &["--text", "many"])]
    {
        sandbox.run(&[&["answer", "--request", request], refused].concat()).expect_code(2);
        sandbox.run(&[&["answer", "--request", request], answer].concat()).expect_code(0);
    }
    wait_for("nothing waits", PATIENCE, || sandbox.list()[0]["waiting"] == 0);
    sandbox.stop_all();

    sandbox.play(&json!({"speed": 100, "reply": [unknown, {"wait": 3000}, "idle"]}));
    start(&sandbox, &["--copilot", &cli]);
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
    let list = sandbox.run(&["answer"]).expect_code(0).stdout;
    assert!(list.contains("something that this version does not know is asked: brand_new: well?"), "{list}");
    let done = sandbox.run(&["answer", "--allow"]).expect_code(2);
    assert!(done.stderr.contains("it can be denied here"), "{}", done.stderr);
    sandbox.run(&["answer", "--request", "new", "--deny"]).expect_code(0);
    wait_for("the end of the turn", PATIENCE, || sandbox.list()[0]["activity"] == "idle");
    sandbox.run(&["answer", "--deny"]).expect_code(3);
    let done = sandbox.run(&["answer", "it's well"]).expect_code(2);
    assert!(done.stderr.contains(r"hint: to answer with it: copilot-remote answer --text 'it'\''s well'"), "{}", done.stderr);
    sandbox.stop_all();
}

#[test]
fn a_cli_that_is_too_old_or_too_new_is_refused_in_one_sentence() {
    for (protocol, version, said, hint) in [
        (
            2,
            "1.0.20",
            "version 1.0.20, is too old: it speaks protocol 2, and this program 3",
            "hint: install or update it: npm install",
        ),
        (9, "2.0.0", "version 2.0.0, is too new: it speaks protocol 9, and this program 3", "hint: update copilot-remote"),
        (
            3,
            "1.0.85",
            "version 1.0.85, is too old: its sessions are not what copilot would make of them; 1.0.93 or newer is needed",
            "hint: install or update it",
        ),
    ] {
        let mut sandbox = Sandbox::new();
        let answer = json!({"ok": true, "protocolVersion": protocol, "version": version});
        sandbox.play(&json!({"faults": {"connect": [{"result": answer}]}}));
        let cli = sandbox.stand_in_cli();
        let done = sandbox.run(&["start", "--copilot", &cli]).expect_code(5);
        assert!(done.stderr.contains(said) && done.stderr.contains(hint), "{}", done.stderr);
        sandbox.wait_until_empty();
    }
}
