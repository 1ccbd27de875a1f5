//! What the agent may do without asking, and what it may not do at all: on the real Copilot CLI.

use std::path::Path;

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::sandbox::{PATIENCE, Sandbox, kill};

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

#[test]
fn what_cannot_be_denied_is_said_before_anything_starts() {
    let sandbox = Sandbox::new();
    for tool in ["url(example.com)", "github-mcp(create_issue)", "shell()", "Write"] {
        let done = sandbox.run(&["start", "--demo", "--deny-tool", tool]).expect_code(2);
        assert!(done.stderr.contains(&format!("--deny-tool {tool}: expected shell, shell(COMMAND)")), "{}", done.stderr);
    }
}
