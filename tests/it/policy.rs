//! What the agent may do without asking, and what it may not do at all: on the real Copilot CLI.

use std::path::Path;

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::sandbox::{PATIENCE, Sandbox, kill};
use crate::support::together::wait_for;

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

/// Lets the agent run this, and returns the exit code: 9 if it asks.
fn run(sandbox: &Sandbox, github: &GitHub, command: &str) -> i32 {
    github.model([Reply::bash(command), Reply::text("done")]);
    sandbox.run(&["send", "-p", "go", "--wait"]).code
}

#[test]
fn what_is_denied_does_not_run_whoever_allows_it() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let arguments = [
        "start",
        "--detach",
        "--json",
        "--name",
        "strict",
        "--allow-all",
        "--deny-tool",
        "shell(touch:*)",
        "--deny-tool",
        "write",
    ];
    let done = sandbox.run(&arguments).expect_code(0);
    let ready = done.json().pop().unwrap();
    assert_eq!((&ready["permissionMode"], &ready["deniedTools"]), (&json!("allow-all"), &json!(["shell(touch:*)", "write"])));
    assert!(done.stderr.contains("everything is allowed: the agent uses tools without asking"), "{}", done.stderr);
    assert!(done.stderr.contains("denied: shell(touch:*), write"), "{}", done.stderr);
    // Mission Control is told.
    assert_eq!(github.wait_event("session.permissions_changed", PATIENCE)["data"]["mode"], "allow-all");

    let ran = |name: &str| sandbox.repo().join(name).exists();
    assert_eq!(run(&sandbox, &github, "echo x > allowed"), 0);
    assert!(ran("allowed"), "everything else is allowed");
    for (name, command) in [("a", "touch a"), ("b", "true && touch b"), ("c", "echo $(touch c)"), ("d", "X=1 touch d")] {
        assert_eq!(run(&sandbox, &github, command), 0, "nobody is asked");
        assert!(!ran(name), "{command}");
    }
    let path = sandbox.repo().join("e");
    github.model([Reply::tool("create", json!({"path": path, "file_text": "x"})), Reply::text("done")]);
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(0);
    assert!(!ran("e"));
    let status = sandbox.run(&["status"]).expect_code(0).stdout;
    assert!(status.contains("tools:      allow-all\n") && status.contains("denied:     shell(touch:*), write\n"), "{status}");

    // Not after a relaunch of the runtime either …
    for (pid, command) in sandbox.processes() {
        if command.contains("copilot-linux") {
            kill(pid, "KILL");
        }
    }
    sandbox.run(&["wait"]);
    assert_eq!(run(&sandbox, &github, "touch f; echo x > again"), 0);
    assert!(!ran("f") && !ran("again"));
    // … nor when the session is resumed.
    sandbox.stop_all();
    let done = sandbox.run(&["start", "--detach", "--json", "--resume", "strict"]).expect_code(0);
    let ready = done.json().pop().unwrap();
    assert_eq!((&ready["permissionMode"], &ready["deniedTools"]), (&json!("allow-all"), &json!(["shell(touch:*)", "write"])));
    assert_eq!(run(&sandbox, &github, "touch g"), 0);
    assert!(!ran("g"));
    sandbox.stop_all();
}

/// Lets the agent want to run this, which has to ask, and breaks the turn off.
fn asks(sandbox: &Sandbox, github: &GitHub, reply: Reply) {
    github.model([reply]);
    sandbox.run(&["send", "-p", "go"]).expect_code(0);
    let waited = sandbox.run(&["wait", "--for", "input", "--timeout", "10s"]);
    assert_eq!(waited.code, 0, "{}{}", waited.stderr, sandbox.run(&["logs"]).stdout);
    github.queue("abort", "");
    wait_for("the end of the turn", PATIENCE, || sandbox.list()[0]["activity"] == "idle");
}

#[test]
fn what_is_allowed_runs_unasked_and_nothing_else_does() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let arguments =
        ["start", "--detach", "--json", "--name", "lenient", "--allow-tool", "shell(touch:*)", "--allow-tool", "write"];
    let done = sandbox.run(&arguments).expect_code(0);
    let rules = json!(["shell(touch:*)", "write"]);
    let ready = done.json().pop().unwrap();
    assert_eq!((&ready["permissionMode"], &ready["allowedTools"]), (&json!("manual"), &rules));
    assert!(done.stderr.contains("allowed: shell(touch:*), write"), "{}", done.stderr);
    let ran = |name: &str| sandbox.repo().join(name).exists();
    assert_eq!(run(&sandbox, &github, "touch a 'b c' && touch d"), 0);
    assert!(ran("a") && ran("b c") && ran("d"));
    let create = |path: &Path| Reply::tool("create", json!({"path": path, "file_text": "x"}));
    github.model([create(&sandbox.repo().join("e")), Reply::text("done")]);
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(0);
    assert!(ran("e"));
    let said = sandbox.run(&["logs"]).expect_code(0).stdout;
    assert!(said.contains("allowed by a rule: touch a 'b c' && touch d") && !said.contains("permission needed"), "{said}");
    let status = sandbox.run(&["status"]).expect_code(0).stdout;
    assert!(status.contains("allowed:    shell(touch:*), write\n"), "{status}");

    std::fs::write(sandbox.repo().join("keep"), "").unwrap();
    for command in ["touch x; rm keep", "touch x $(rm keep)", "./touch x", "touch ../x"] {
        asks(&sandbox, &github, Reply::bash(command));
        assert!(ran("keep") && !ran("x") && !sandbox.repo().join("../x").exists(), "{command}");
    }
    let elsewhere = sandbox.repo().parent().unwrap().join("elsewhere");
    asks(&sandbox, &github, create(&elsewhere));
    assert!(!elsewhere.exists());

    // As before in another runtime, and when the session is resumed.
    for (pid, command) in sandbox.processes() {
        if command.contains("copilot-linux") {
            kill(pid, "KILL");
        }
    }
    sandbox.run(&["wait"]);
    assert_eq!(run(&sandbox, &github, "touch f"), 0);
    assert!(ran("f"));
    sandbox.stop_all();
    let done = sandbox.run(&["start", "--detach", "--json", "--resume", "lenient"]).expect_code(0);
    assert_eq!(done.json().pop().unwrap()["allowedTools"], rules);
    assert_eq!(run(&sandbox, &github, "touch g"), 0);
    assert!(ran("g"));
    sandbox.stop_all();
}

#[test]
fn what_cannot_be_a_rule_is_said_before_anything_starts() {
    let sandbox = Sandbox::new();
    for option in ["--allow-tool", "--deny-tool"] {
        for tool in ["url(example.com)", "github-mcp(create_issue)", "shell()", "Write"] {
            let done = sandbox.run(&["start", "--demo", option, tool]).expect_code(2);
            assert!(done.stderr.contains(&format!("{option} {tool}: expected shell, shell(COMMAND)")), "{}", done.stderr);
        }
    }
    // With these, what is quoted is run.
    for tool in ["shell(printf:*)", "shell(cd:*)", "shell(eval)"] {
        let done = sandbox.run(&["start", "--demo", "--allow-tool", tool]).expect_code(2);
        assert!(done.stderr.contains("words can run other commands, or change what is run"), "{}", done.stderr);
    }
}
