//! Sessions from any terminal: found, switched, followed, prompted, waited for, ended. On the stand-in runtime.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::pty::Pty;
use crate::support::sandbox::{BINARY, Done, PATIENCE, Running, Sandbox, kill};
use crate::support::together::{until, wait_for};

mod runtimes;

/// A sandbox whose sessions do nothing by themselves.
fn calm() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    sandbox
}

fn detach(sandbox: &Sandbox, more: &[&str]) -> Done {
    sandbox.run(&[&["start", "--demo", "--detach"], more].concat()).expect_code(0)
}

fn id_of(sandbox: &Sandbox, name: &str) -> String {
    let sessions = sandbox.list();
    let found = sessions.iter().find(|session| session["name"] == name).unwrap_or_else(|| panic!("no {name}: {sessions:?}"));
    found["sessionId"].as_str().unwrap().to_owned()
}

/// Waits until the live sessions are as wanted.
fn wait_for_list(sandbox: &Sandbox, wanted: impl Fn(&[Value]) -> bool) {
    assert!(until(PATIENCE, || wanted(&sandbox.list())), "{:#?}", sandbox.list());
}

/// The runtimes that run in the sandbox, by their pids.
fn runtimes(sandbox: &Sandbox) -> BTreeSet<u32> {
    let is_runtime = |command: &str| command.contains("demo-runtime") && !command.starts_with("/bin/sh");
    sandbox.processes().into_iter().filter(|(_, command)| is_runtime(command)).map(|(pid, _)| pid).collect()
}

/// The host of the only session.
fn host(sandbox: &Sandbox) -> u32 {
    u32::try_from(sandbox.list()[0]["pid"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_detached_start_says_what_a_start_in_the_foreground_says() {
    let sandbox = calm();
    let running = sandbox.spawn(&["start", "--demo", "--name", "one"]);
    running.stderr_line("Ctrl-C ends the session");
    running.signal("INT");
    let foreground = running.finish().expect_code(130);
    let detached = detach(&sandbox, &["--name", "one"]);
    assert_eq!(detached.stdout.lines().count(), 1);
    assert!(detached.stdout.starts_with("https://github.com/octocat/hello-world/tasks/"), "{}", detached.stdout);
    let said = |done: &Done, end: &str| done.stderr.split(end).next().unwrap().to_owned();
    assert_eq!(said(&detached, "\u{0}"), said(&foreground, "Ctrl-C ends the session"));
    let session = &sandbox.list()[0];
    assert_eq!((&session["detached"], &session["remote"], &session["name"]), (&json!(true), &json!("on"), &json!("one")));
    assert_eq!(session["url"], detached.stdout.trim());
    sandbox.stop_all();
}

/// Whoever waits for the end of the streams of a detached start is not kept waiting by the session.
#[test]
fn a_detached_session_holds_no_stream() {
    let sandbox = calm();
    let script = format!("url=$({BINARY} start --demo --detach 2>errors); echo \"got $url\"");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
    let done = Running::spawn(command, None).finish().expect_code(0);
    assert!(done.stdout.starts_with("got https://"), "{}", done.stdout);
    sandbox.stop_all();
}

/// Waits until the next host of a session is there.
fn wait_for_next_host(sandbox: &Sandbox) {
    wait_for("the next host", PATIENCE, || sandbox.processes().iter().any(|(_, command)| command.contains("next-host")));
}

/// Interrupted or failed before it is ready, all is undone.
#[test]
fn a_detached_start_that_fails_leaves_nothing() {
    for method in ["session.remote.enable", "session.resume"] {
        let mut sandbox = Sandbox::new();
        sandbox.play(&json!({"faults": {method: [{"hang": true}]}}));
        let running = sandbox.spawn(&["start", "--demo", "--detach"]);
        running.stderr_line("waiting for Mission");
        if method == "session.resume" {
            wait_for_next_host(&sandbox);
        }
        running.signal("INT");
        let done = running.finish().expect_code(130);
        assert_eq!(done.stdout, "");
        sandbox.wait_until_empty();
        assert!(sandbox.list().is_empty());
    }
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"session.resume": [{"error": {"code": -32603, "message": "out of cheese"}}]}}));
    let done = sandbox.run(&["start", "--demo", "--detach"]).expect_code(1);
    assert!(done.stderr.contains("error: the next host failed"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    sandbox.wait_until_empty();
}

/// Killed while it hands over: the next host does not go on alone.
#[test]
fn a_start_that_is_killed_while_it_detaches_leaves_nothing_alive() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"session.resume": [{"delay": 1.0}]}}));
    let running = sandbox.spawn(&["start", "--demo", "--detach"]);
    wait_for_next_host(&sandbox);
    running.signal("KILL");
    running.finish().expect_code(137);
    wait_for_list(&sandbox, <[Value]>::is_empty);
    sandbox.stop_all();
}

/// Stopped from another terminal in the middle of it: stopped it is, whoever is the host by then.
#[test]
fn a_session_is_stopped_while_it_is_handed_over() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"session.resume": [{"delay": 1.0}]}}));
    let running = sandbox.spawn(&["start", "--demo", "--detach"]);
    wait_for_next_host(&sandbox);
    sandbox.run(&["stop", "--all"]).expect_code(0);
    let _ = running.finish();
    assert!(sandbox.list().is_empty());
    sandbox.wait_until_empty();
}

#[test]
fn remote_is_switched_from_another_terminal() {
    let sandbox = calm();
    let running = sandbox.spawn(&["start", "--demo", "--name", "one"]);
    let url = running.stdout_line("https://");
    let off = sandbox.run(&["off", "one"]).expect_code(0);
    assert_eq!(off.stdout, "");
    assert!(off.stderr.contains("remote off"), "{}", off.stderr);
    running.stderr_line("remote off: Mission Control cannot reach the session");
    assert_eq!((&sandbox.list()[0]["remote"], &sandbox.list()[0]["url"]), (&json!("off"), &Value::Null));
    let refused = sandbox.run(&["url"]).expect_code(1);
    assert!(refused.stderr.contains("hint: switch it on: copilot-remote on"), "{}", refused.stderr);
    sandbox.run(&["off"]).expect_code(0);

    let on = sandbox.run(&["on"]).expect_code(0);
    assert_eq!(on.stdout.trim(), url);
    running.stderr_line("remote on: Mission Control can steer the session");
    assert_eq!(sandbox.run(&["url"]).expect_code(0).stdout.trim(), url);
    assert_eq!(sandbox.run(&["on"]).expect_code(0).stdout.trim(), url, "already on");

    let export = sandbox.run(&["on", "--export"]).expect_code(0);
    assert!(export.stderr.contains("read-only: Mission Control shows the session"), "{}", export.stderr);
    running.stderr_line("remote export: Mission Control can read the session");
    assert_eq!(sandbox.list()[0]["remote"], "export");
    sandbox.run(&["on", "--json"]).expect_code(0);
    assert_eq!(sandbox.list()[0]["remote"], "on");
    sandbox.run(&["on", "--export"]).expect_code(0);
    sandbox.run(&["off"]).expect_code(0);
    assert_eq!(sandbox.list()[0]["remote"], "off");
    running.signal("INT");
    running.finish().expect_code(130);
}

/// Why remote was refused comes as an event to the host; whoever asked is told.
#[test]
fn a_refusal_is_explained_to_whoever_asked() {
    let mut sandbox = Sandbox::new();
    let message = "Remote sessions are not enabled for this repository. Contact your organization administrator.";
    let warning = json!({"type": "session.warning", "data": {"warningType": "remote", "message": message}});
    let error = json!({"code": -32603, "message": "Failed to set up remote session."});
    sandbox.play(&json!({"faults": {"session.remote.enable": [{"events": [warning], "error": error}]}}));
    sandbox.run(&["on-demand", "--demo", "--detach"]).expect_code(0);
    let refused = sandbox.run(&["on"]).expect_code(7);
    assert!(refused.stderr.contains(&format!("error: remote is off for this repository: {message}")), "{}", refused.stderr);
    assert_eq!(sandbox.list()[0]["remote"], "off");
    sandbox.stop_all();
}

#[test]
fn a_session_is_chosen_by_name_id_or_beginning() {
    let sandbox = calm();
    let none = sandbox.run(&["off"]).expect_code(3);
    assert!(none.stderr.contains("error: there is no live session\nhint: start one"), "{}", none.stderr);
    for name in ["login test", "logout test"] {
        detach(&sandbox, &["--name", name]);
    }
    let id = id_of(&sandbox, "login test");
    for wanted in ["login test", "logi", &id, &id[..10]] {
        let status = sandbox.run(&["status", wanted, "--json"]).expect_code(0).json();
        assert_eq!(status[0]["sessionId"], id.as_str(), "{wanted}");
    }
    for arguments in [&["status", "log"][..], &["status"]] {
        let several = sandbox.run(arguments).expect_code(2);
        assert!(several.stderr.contains("error: several sessions are meant:\n"), "{}", several.stderr);
        assert!(several.stderr.contains(&format!("  {id} (login test, octocat/hello-world)")), "{}", several.stderr);
    }
    let unknown = sandbox.run(&["stop", "login test", "nobody"]).expect_code(3);
    assert!(unknown.stderr.contains("no live session has the name or id nobody"), "{}", unknown.stderr);
    assert_eq!(sandbox.list().len(), 2, "nothing is stopped where one name is wrong");
    sandbox.run(&["stop", "login test"]).expect_code(0);
    // Now there is only one: it is meant.
    assert!(sandbox.run(&["status"]).expect_code(0).stdout.contains("logout test"));
    sandbox.stop_all();
}

/// The newest comes first; what people gave as names cannot harm the terminal.
#[test]
fn the_table_shows_every_session() {
    let sandbox = calm();
    assert_eq!(sandbox.run(&["list"]).expect_code(0).stdout, "no live sessions\n");
    detach(&sandbox, &["--name", "first"]);
    detach(&sandbox, &["--name", "evil \u{1b}[31m\u{202e}"]);
    let table = sandbox.run(&["list"]).expect_code(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME") && lines[0].ends_with("ID"), "{table}");
    assert!(lines[1].starts_with("evil ") && lines[2].starts_with("first "), "{table}");
    assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'), "{table:?}");
    assert!(lines[2].contains("octocat/hello-world (demo)  main    on      idle"), "{table}");
    sandbox.stop_all();
}

#[test]
fn the_list_is_watched() {
    let sandbox = calm();
    let watching = sandbox.spawn(&["list", "--watch", "--json"]);
    watching.stdout_line("\"sessions\":[]");
    detach(&sandbox, &["--name", "one"]);
    watching.stdout_line("\"name\":\"one\"");
    sandbox.run(&["off"]).expect_code(0);
    watching.stdout_line("\"remote\":\"off\"");
    watching.signal("INT");
    watching.finish().expect_code(130);
    sandbox.stop_all();
}

/// A script that answers a prompt after a moment; what it does is told by its text.
fn answering(steps: &Value) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"reply": steps}));
    sandbox
}

#[test]
fn a_prompt_is_sent_and_waited_for() {
    let sandbox = answering(&json!([{"wait": 0.2}, {"message": "All tests pass.\n\u{1b}[31mReally."}, "idle"]));
    detach(&sandbox, &[]);
    let done = sandbox.run(&["send", "-p", "run the tests", "--wait"]).expect_code(0);
    assert_eq!(done.stdout, "All tests pass.\n\\x1b[31mReally.\n");
    let from_stdin = sandbox.spawn_with_input(&["send", "-p", "-"], "again\n").finish().expect_code(0);
    assert_eq!(from_stdin.stdout, "");
    // What was sent before counts: it is not idle before that is done.
    sandbox.run(&["wait"]).expect_code(0);
    let logs = sandbox.run(&["logs"]).expect_code(0).stdout;
    assert_eq!(logs.matches("agent: All tests pass.").count(), 2, "{logs}");
    assert!(logs.contains("prompt (here): again"), "{logs}");
    sandbox.stop_all();
}

#[test]
fn whoever_waits_is_told_that_a_person_is_needed() {
    let sandbox = answering(&json!([{"wait": 0.2}, {"permission": {"command": "rm -r build"}}, {"message": "done"}, "idle"]));
    detach(&sandbox, &[]);
    let input = sandbox.spawn(&["wait", "--for", "input"]);
    let ended = sandbox.spawn(&["wait", "--for", "ended"]);
    let done = sandbox.run(&["send", "-p", "clean up", "--wait"]).expect_code(9);
    assert!(done.stderr.contains("error: the session waits for input: rm -r build"), "{}", done.stderr);
    input.finish().expect_code(0);
    ended.finish().expect_code(9);
    sandbox.run(&["wait"]).expect_code(9);
    let waiting = &sandbox.list()[0];
    assert_eq!((&waiting["activity"], &waiting["waiting"]), (&json!("input"), &json!(1)));
    sandbox.stop_all();
}

#[test]
fn whoever_waits_is_told_of_the_end() {
    let sandbox = answering(&json!([{"wait": 60.0}]));
    detach(&sandbox, &["--prompt", "go"]);
    let idle = sandbox.spawn(&["wait"]);
    let ended = sandbox.spawn(&["wait", "--for", "ended"]);
    let follow = sandbox.spawn(&["events", "--follow"]);
    follow.stdout_line("\"prompt\"");
    let late = sandbox.run(&["wait", "--timeout", "1s"]).expect_code(6);
    assert!(late.stderr.contains("not done after 1 s: waiting for the agent took too long"), "{}", late.stderr);
    sandbox.stop_all();
    idle.finish().expect_code(3);
    ended.finish().expect_code(0);
    let events = follow.finish().expect_code(0).json();
    assert_eq!((&events.last().unwrap()["type"], &events.last().unwrap()["reason"]), (&json!("ended"), &json!("elsewhere")));
}

#[test]
fn a_turn_that_fails_is_an_error_for_whoever_waits() {
    let failing = json!({"event": {"type": "session.error", "data": {"message": "the model is gone"}}});
    let sandbox = answering(&json!([{"wait": 0.1}, failing, "idle"]));
    detach(&sandbox, &[]);
    let done = sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(1);
    assert!(done.stderr.contains("error: the turn failed: the model is gone"), "{}", done.stderr);
    sandbox.stop_all();
}

/// What happened stays readable when the session is gone, and reading brings nothing back.
#[test]
fn an_ended_session_can_be_read_and_is_not_revived() {
    let sandbox = answering(&json!([{"message": "said"}, "idle"]));
    detach(&sandbox, &[]);
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(0);
    let id = sandbox.list()[0]["sessionId"].as_str().unwrap().to_owned();
    let from_now = sandbox.run(&["events", "--from", "now"]).expect_code(0);
    assert_eq!(from_now.stdout, "");
    sandbox.stop_all();
    let events = sandbox.run(&["events", &id[..12], "--follow"]).expect_code(0).json();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "signedIn");
    assert!(kinds.contains(&"prompt") && kinds.contains(&"message") && kinds.contains(&"idle"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"ended"));
    assert!(sandbox.run(&["logs", &id]).expect_code(0).stdout.contains("session ended, not from here"));
    // To wait for the end of it is over, to name all and none is not.
    sandbox.run(&["wait", "--for", "ended", &id]).expect_code(0);
    for arguments in [
        &["wait", "--for", "ended", ""][..],
        &["logs", ""],
        &["wait", &id],
        &["attach", &id],
        &["send", &id, "-p", "x"],
        &["on", &id],
        &["stop", &id],
    ] {
        sandbox.run(arguments).expect_code(3);
    }
    sandbox.wait_until_empty();
}

#[test]
fn the_code_is_printed_where_it_is_the_data() {
    let sandbox = calm();
    let url = detach(&sandbox, &[]).stdout.trim().to_owned();
    let pty = Pty::start(&sandbox, 80, 40, "qr");
    pty.shows("▄");
    assert_eq!(pty.qr(), url);
    assert_eq!(pty.finish(), 0);
    let piped = sandbox.run(&["qr", "--qr-file", sandbox.path("code.svg").to_str().unwrap()]).expect_code(0);
    assert!(piped.stdout.contains('▄') && sandbox.path("code.svg").exists(), "{}", piped.stdout);
    assert_eq!(sandbox.run(&["qr", "--json"]).expect_code(0).json()[0]["url"], url);
    sandbox.stop_all();
}

#[test]
fn a_session_is_attached_to_and_left() {
    let sandbox = answering(&json!([{"wait": 0.3}, {"message": "hello there"}, "idle"]));
    let url = detach(&sandbox, &["--name", "one"]).stdout.trim().to_owned();
    let mut pty = Pty::start(&sandbox, 90, 40, "attach");
    pty.shows("remote on | idle | r off, q QR, o open, c copy, d leave, ? help, xx stop");
    assert_eq!(pty.qr(), url);
    sandbox.run(&["send", "-p", "hi"]).expect_code(0);
    pty.shows("agent: hello there");
    pty.send("r");
    pty.shows("remote off: Mission Control cannot reach the session");
    pty.shows("remote off | idle");
    pty.send("r");
    pty.shows("remote on: Mission Control can steer the session");
    pty.send("d");
    pty.wrote("the session goes on");
    assert_eq!(pty.finish(), 0);
    let mut pty = Pty::start(&sandbox, 90, 40, "attach");
    pty.shows("xx stop");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    assert_eq!(sandbox.list().len(), 1);
    let mut pty = Pty::start(&sandbox, 90, 40, "attach");
    pty.shows("xx stop");
    pty.send("x");
    pty.shows("press x again");
    pty.send("x");
    pty.wrote("session ended, not from here");
    assert_eq!(pty.finish(), 0);
    sandbox.wait_until_empty();
}

/// "I forgot --detach and must leave."
#[test]
fn a_running_session_is_sent_to_the_background() {
    let sandbox = answering(&json!([{"wait": 0.3}, {"message": "hello there"}, "idle"]));
    let mut pty = Pty::start(&sandbox, 90, 40, "start --demo --name one");
    pty.shows("d detach");
    let before = host(&sandbox);
    pty.send("d");
    pty.wrote("the session goes on in the background");
    assert_eq!(pty.finish(), 0);
    let session = &sandbox.list()[0];
    assert_eq!((&session["name"], &session["detached"], &session["remote"]), (&json!("one"), &json!(true), &json!("on")));
    assert_ne!(host(&sandbox), before);
    assert_eq!(sandbox.run(&["send", "-p", "hi", "--wait"]).expect_code(0).stdout, "hello there\n");
    sandbox.stop_all();
}

/// A question is lost with the client that was asked (measured): detaching waits for the answer.
#[test]
fn an_open_question_is_not_lost_by_detaching() {
    let question = json!({"question": {"question": "Which colour?", "choices": ["red"], "answer": "red", "answeredAfter": 2.0}});
    let sandbox = answering(&json!([question, {"message": "red it is"}, "idle"]));
    let mut pty = Pty::start(&sandbox, 90, 50, "start --demo --prompt go");
    pty.shows("question: Which colour?");
    pty.send("d");
    pty.shows("a question is open and would be lost");
    pty.wrote("the session goes on in the background");
    assert_eq!(pty.finish(), 0);
    sandbox.run(&["wait"]).expect_code(0);
    assert!(sandbox.run(&["logs"]).stdout.contains("answered: red"));
    sandbox.stop_all();
}

/// Told that it detaches once the question is answered, the user closes the terminal: it does.
#[test]
fn a_terminal_that_goes_away_while_a_question_is_open_changes_nothing() {
    let question = json!({"question": {"question": "Which colour?", "choices": ["red"], "answer": "red", "answeredAfter": 2.0}});
    let sandbox = answering(&json!([question, {"message": "red it is"}, "idle"]));
    let mut pty = Pty::start(&sandbox, 90, 50, "start --demo --prompt go");
    pty.shows("question: Which colour?");
    pty.send("d");
    pty.shows("a question is open and would be lost");
    kill(host(&sandbox), "HUP");
    assert_eq!(pty.finish(), 0);
    wait_for_list(&sandbox, |sessions| sessions[0]["detached"] == true);
    sandbox.run(&["wait"]).expect_code(0);
    sandbox.stop_all();
}

#[test]
fn a_terminal_that_goes_away_ends_the_session_or_leaves_it() {
    let sandbox = calm();
    let running = sandbox.spawn(&["start", "--demo", "--on-hangup", "detach"]);
    running.stderr_line("Ctrl-C ends");
    running.signal("HUP");
    running.finish().expect_code(0);
    assert_eq!(sandbox.list()[0]["detached"], true);
    sandbox.stop_all();
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stderr_line("Ctrl-C ends");
    running.signal("HUP");
    running.finish().expect_code(129);
    sandbox.wait_until_empty();
}

/// Where logind kills what is left behind at logout, that is said, with what helps.
#[test]
fn a_session_that_will_not_outlive_the_login_is_told() {
    let mut sandbox = calm();
    let bin = sandbox.script("bin/loginctl", "echo yes").parent().unwrap().to_owned();
    let path = format!("{}:{}", bin.display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path);
    assert!(!detach(&sandbox, &[]).stderr.contains("log out"));
    sandbox.set("XDG_SESSION_ID", "7");
    let done = detach(&sandbox, &[]);
    assert!(done.stderr.contains("warning: the session ends when you log out (KillUserProcesses=yes"), "{}", done.stderr);
    assert!(done.stderr.contains("systemd-run --user --scope copilot-remote start --detach"), "{}", done.stderr);
    sandbox.stop_all();
}
