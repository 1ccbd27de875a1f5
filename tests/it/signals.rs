//! Signals: the first one asks, the second one hurries, and nothing is left.

use std::time::Duration;

use serde_json::json;

use crate::support::sandbox::{BINARY, PATIENCE, Running, Sandbox, kill};
use crate::support::together::wait_for;

fn ready(sandbox: &Sandbox) -> Running {
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stderr_line("opens no session");
    running
}

#[test]
fn each_signal_has_its_exit_code() {
    for (signal, code, words) in
        [("INT", 130, "Ctrl-C"), ("TERM", 143, "SIGTERM"), ("HUP", 129, "SIGHUP"), ("QUIT", 131, "SIGQUIT")]
    {
        let sandbox = Sandbox::new();
        let running = ready(&sandbox);
        running.signal(signal);
        let done = running.finish().expect_code(code);
        assert!(done.stderr.lines().last().unwrap().contains(&format!("session ended by {words}")), "{}", done.stderr);
        sandbox.wait_until_empty();
    }
}

/// The runtime does not answer the request to end: the first signal waits for it, the second does not.
#[test]
fn the_second_interrupt_kills() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"sessions.close": [{"hang": true}], "runtime.shutdown": [{"hang": true}]}}));
    let running = ready(&sandbox);
    running.signal("INT");
    running.stderr_line("ending the session");
    running.signal("INT");
    // The ladder takes 8 s to its first signal.
    running.finish_within(Duration::from_secs(6)).expect_code(130);
    sandbox.wait_until_empty();
}

/// Without a second signal, the ladder ends it: close, shutdown, SIGTERM.
#[test]
fn a_runtime_that_does_not_shut_down_is_terminated() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"sessions.close": [{"hang": true}], "runtime.shutdown": [{"hang": true}]}}));
    let running = ready(&sandbox);
    running.signal("TERM");
    running.finish().expect_code(143);
    sandbox.wait_until_empty();
}

#[test]
fn an_interrupt_at_any_moment_of_the_start_leaves_nothing() {
    for step in ["starting the stand-in runtime", "signing in", "creating the session", "waiting for Mission Control"] {
        let mut sandbox = Sandbox::new();
        // Each step hangs in turn.
        let method = match step {
            "signing in" => "account.getCurrentAuth",
            "creating the session" => "session.create",
            "waiting for Mission Control" => "session.remote.enable",
            _ => "connect",
        };
        sandbox.play(&json!({"faults": {method: [{"hang": true}]}}));
        let running = sandbox.spawn(&["start", "--demo"]);
        running.stderr_line(step);
        running.signal("INT");
        let done = running.finish().expect_code(130);
        assert_eq!(done.stdout, "");
        assert!(done.stderr.ends_with("error: ended by Ctrl-C\n"), "{}", done.stderr);
        sandbox.wait_until_empty();
        assert_eq!(std::fs::read_dir(sandbox.state().join("logs")).unwrap().count(), 0, "an interrupted start leaves no logs");
    }
}

/// Whoever reads stdout does not read on, and the pipe is full: signals count all the same.
#[test]
fn a_reader_that_stalls_does_not_hold_up_signals() {
    let mut sandbox = Sandbox::new();
    let mut messages: Vec<_> = (0..60).map(|_| json!({"message": "x".repeat(3000)})).collect();
    messages.insert(0, json!({"message": "x".repeat(300_000)}));
    sandbox.play(&json!({"speed": 1000, "timeline": messages}));
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = sandbox.command(&["start", "--demo", "--json"]);
    let mut child = command.stdout(writer).stderr(std::process::Stdio::null()).spawn().unwrap();
    drop(command);
    // The pipe holds 16 pages.
    let unread = || rustix::io::ioctl_fionread(&reader).unwrap();
    wait_for("45,000 bytes", PATIENCE, || unread() >= 45_000);
    kill(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    sandbox.wait_until_empty();
}

/// `nohup` starts a program with SIGHUP ignored, and means it.
#[test]
fn an_ignored_signal_stays_ignored() {
    let sandbox = Sandbox::new();
    let script = format!("trap '' HUP; exec {BINARY} start --demo");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
    let running = Running::spawn(command, None);
    running.stderr_line("opens no session");
    running.signal("HUP");
    running.stderr_line("prompt (Mission Control)");
    running.signal("TERM");
    running.finish().expect_code(143);
}

/// Whatever hangs, whoever interrupts what has not come about does not wait for it.
#[test]
fn an_interrupt_waits_for_nothing_that_hangs() {
    let hang = json!([{"hang": true}]);
    let faults = json!({
        "session.remote.enable": hang, "session.gitHubAuth.refreshCopilotUser": hang, "sessions.list": hang, "session.list": hang,
        "sessions.close": hang, "runtime.shutdown": hang,
    });
    for (arguments, step) in [
        (&["start"][..], "waiting for Mission Control"),
        (&["doctor", "--probe"], "asking GitHub"),
        (&["list", "--all"], "looking for sessions"),
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.play(&json!({ "faults": faults }));
        let cli = sandbox.stand_in_cli();
        let running = sandbox.spawn(&[arguments, &["--copilot", &cli]].concat());
        running.stderr_line(step);
        running.signal("INT");
        // An orderly end takes 11 s where nothing answers.
        running.finish_within(std::time::Duration::from_secs(5)).expect_code(130);
        sandbox.wait_until_empty();
    }
}
