//! What goes wrong while a session runs, one row each; and what is true afterwards: the session is as it was or has ended with its code, the
//! registry says so, nothing is left running, nothing is lost in silence.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply};
use crate::support::sandbox::{Sandbox, files_below, kill};
use crate::support::together::{run_all, until};

/// All is well again so long after GitHub is.
const BACK: Duration = Duration::from_mins(1);
const EVENTS: &str = "/agents/sessions/*/events";
const COMMANDS: &str = "/agents/sessions/*/commands";
/// How long GitHub is broken.
const OUTAGE: Duration = Duration::from_secs(6);

/// Fails at once, so that what is left of the row is cleared away and not waited for.
fn expect(good: bool, what: impl FnOnce() -> String) {
    assert!(good, "{}", what());
}

/// Whatever happened, everything can be ended, and then nothing is left.
fn ends_cleanly(name: &str, sandbox: &Sandbox) {
    let done = sandbox.run(&["stop", "--all"]);
    expect(done.code == 0, || format!("{name}: stop: {} {}", done.code, done.stderr));
    expect(until(Duration::from_secs(10), || sandbox.processes().is_empty()), || {
        format!("{name}: left: {:#?}", sandbox.processes())
    });
    let left: Vec<String> = sandbox.state_files().into_iter().filter(|file| !file.starts_with("logs/")).collect();
    expect(left.is_empty(), || format!("{name}: left: {left:?}"));
}

/// GitHub, broken at one endpoint while a session is shared: afterwards the session is steered as before, with the same link.
#[test]
fn github_breaks_while_a_session_runs() {
    let cli = real_cli_or_return!();
    let cli = cli.to_str().unwrap();
    let faults = [
        ("401", Fault::Status(401, json!({"message": "Bad credentials"}))),
        ("403", Fault::Status(403, json!({"message": "Forbidden"}))),
        ("404", Fault::Status(404, json!({"message": "Not Found"}))),
        ("429", Fault::Status(429, json!({"message": "slow down"}))),
        ("500", Fault::Status(500, json!({"message": "oops"}))),
        // Done, and then answered with what nobody understands: the CLI believes a 200, whatever it says (measured).
        ("garbage", Fault::Raw(200, "<html>".to_owned()).after()),
        ("slow", Fault::Delay(Duration::from_secs(3))),
        // Longer than the CLI waits for Mission Control, which is 10 s.
        ("very slow", Fault::Delay(Duration::from_secs(12))),
        ("drop", Fault::Drop),
    ];
    let endpoints = [("POST", EVENTS), ("GET", COMMANDS), ("POST", "/chat/completions")];
    let mut rows: Vec<(String, &str, &str, Fault)> = endpoints
        .iter()
        .flat_map(|(method, path)| {
            faults.iter().map(move |(name, fault)| (format!("{path} {name}"), *method, *path, fault.clone()))
        })
        .collect();
    rows.push(("uploads hang".to_owned(), "POST", EVENTS, Fault::Hang));
    rows.push(("polls hang".to_owned(), "GET", COMMANDS, Fault::Hang));
    rows.push(("everything 500".to_owned(), "*", "*", Fault::Status(500, json!({"message": "oops"}))));
    rows.push((
        "the account 401".to_owned(),
        "GET",
        "/copilot_internal/user",
        Fault::Status(401, json!({"message": "Bad credentials"})),
    ));
    run_all(&rows, |(name, method, path, fault)| {
        let github = GitHub::start();
        let mut sandbox = Sandbox::on(&github);
        sandbox.set("COPILOT_CLI_PATH", cli);
        let url = sandbox.run(&["start", "--detach"]).expect_code(0).stdout;
        github.model([Reply::text("said meanwhile")]);
        github.fault(method, path, fault.clone(), None);
        // Whether the turn fails is the CLI's affair.
        sandbox.run(&["send", "-p", "hello"]);
        std::thread::sleep(OUTAGE);
        let during = sandbox.run(&["status", "--json"]);
        expect(during.code == 0, || format!("{name}: status: {} {}", during.code, during.stderr));
        github.heal();
        let healed = Instant::now();
        let well = || {
            let sessions = sandbox.list();
            sessions.len() == 1
                && sessions[0]["remote"] == "on"
                && sessions[0]["link"] == "connected"
                && sessions[0]["url"] == url.trim()
        };
        expect(until(BACK, well), || format!("{name}: {:?}\n{}", sandbox.list(), sandbox.run(&["logs"]).stdout));
        sandbox.spawn(&["wait", "--timeout", "60s"]).finish_within(Duration::from_mins(2));
        // What happened meanwhile is kept and uploaded.
        let answered = sandbox.run(&["logs"]).stdout.contains("agent: said meanwhile");
        let nothing_lost =
            || github.took("user.message", "hello") && (!answered || github.took("assistant.message", "said meanwhile"));
        expect(until(BACK, nothing_lost), || {
            format!("{name}: Mission Control does not have it: {}", sandbox.run(&["logs"]).stdout)
        });
        github.clear_model();
        github.model([Reply::text("steered")]);
        github.queue("user_message", "are you there?");
        let steered = || sandbox.run(&["logs"]).stdout.contains("agent: steered");
        expect(until(BACK.saturating_sub(healed.elapsed()).max(Duration::from_secs(15)), steered), || {
            format!("{name}: not steered\n{}", sandbox.run(&["logs"]).stdout)
        });
        sandbox.assert_token_unseen(&[&during.stdout, &during.stderr]);
        ends_cleanly(name, &sandbox);
    });
}

/// The runtime does not answer, answers nonsense, or breaks the connection, while a command of another terminal waits.
#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn the_runtime_misbehaves_towards_other_terminals() {
    type Row = (&'static str, &'static str, Value, &'static [&'static str], &'static [i32], &'static str);
    let rows: Vec<Row> = vec![
        (
            "send hangs",
            "session.send",
            json!({"hang": true}),
            &["send", "-p", "x", "--timeout", "2s"],
            &[6],
            "not done after 2 s",
        ),
        (
            "send fails",
            "session.send",
            json!({"error": {"code": -32603, "message": "no"}}),
            &["send", "-p", "x"],
            &[1],
            "session.send failed: no",
        ),
        ("send breaks", "session.send", json!({"drop": true}), &["send", "-p", "x", "--timeout", "5s"], &[1, 6], "error: "),
        (
            "send answers half a frame",
            "session.send",
            json!({"raw": "Content-Length: 99\r\n\r\n{", "drop": true}),
            &["send", "-p", "x", "--timeout", "5s"],
            &[1, 6],
            "error: ",
        ),
        (
            "send answers no JSON",
            "session.send",
            json!({"raw": "Content-Length: 9\r\n\r\n{nonsense", "drop": true}),
            &["send", "-p", "x", "--timeout", "5s"],
            &[1, 6],
            "error: ",
        ),
        (
            "send answers no header",
            "session.send",
            json!({"raw": "HTTP/1.1 400 Bad Request\r\n\r\n", "drop": true}),
            &["send", "-p", "x", "--timeout", "5s"],
            &[1, 6],
            "error: ",
        ),
        (
            "send answers another length",
            "session.send",
            json!({"raw": "Content-Length: -1\r\n\r\n{}", "drop": true}),
            &["send", "-p", "x", "--timeout", "5s"],
            &[1, 6],
            "error: ",
        ),
        (
            "send answers not UTF-8",
            "session.send",
            json!({"bytes": [67, 111, 110, 116, 101, 110, 116, 45, 76, 101, 110, 103, 116, 104, 58, 32, 51, 13, 10, 13, 10, 34, 255, 34], "drop": true}),
            &["send", "-p", "x", "--timeout", "5s"],
            &[1, 6],
            "error: ",
        ),
        (
            "the runtime dies at a prompt",
            "session.send",
            json!({"exit": 9, "once": true}),
            &["send", "-p", "x", "--timeout", "10s"],
            &[1, 3, 6],
            "error: ",
        ),
        ("off hangs", "session.remote.disable", json!({"hang": true}), &["off", "--timeout", "2s"], &[6], "not done after 2 s"),
        (
            "off fails",
            "session.remote.disable",
            json!({"error": {"code": -32603, "message": "no"}}),
            &["off"],
            &[1],
            "session.remote.disable failed: no",
        ),
        ("on hangs", "session.remote.enable", json!({"hang": true}), &["on", "--timeout", "2s"], &[6], "not done after 2 s"),
        ("on fails", "session.remote.enable", json!({"error": {"code": -32603, "message": "no"}}), &["on"], &[1], "no"),
        (
            "on is refused",
            "session.remote.enable",
            json!({"result": {"remoteSteerable": false, "started": false}}),
            &["on"],
            &[7],
            "remote is off for this account",
        ),
        ("status hangs", "session.visibility.get", json!({"hang": true}), &["status"], &[0], ""),
        ("status fails", "session.visibility.get", json!({"error": {"code": -32603, "message": "no"}}), &["status"], &[0], ""),
        ("rename hangs", "session.name.set", json!({"hang": true}), &["rename", "one", "two"], &[6], "took too long"),
        (
            "rename fails",
            "session.name.set",
            json!({"error": {"code": -32603, "message": "no"}}),
            &["rename", "one", "two"],
            &[1],
            "session.name.set failed: no",
        ),
        (
            "share hangs",
            "session.visibility.set",
            json!({"hang": true}),
            &["share", "--visibility", "repo"],
            &[6],
            "took too long",
        ),
        ("close hangs", "sessions.close", json!({"hang": true}), &["stop"], &[0], ""),
        ("close fails", "sessions.close", json!({"error": {"code": -32603, "message": "no"}}), &["stop"], &[0], ""),
        ("shutdown hangs", "runtime.shutdown", json!({"hang": true}), &["stop"], &[0], ""),
        ("shutdown fails", "runtime.shutdown", json!({"error": {"code": -32603, "message": "no"}}), &["stop"], &[0], ""),
    ];
    run_all(&rows, |(name, method, fault, arguments, codes, words)| {
        let mut sandbox = Sandbox::new();
        // The first enable is that of the start.
        let list = if *method == "session.remote.enable" { json!([{}, fault]) } else { json!([fault]) };
        sandbox.play(&json!({"speed": 50, "faults": {*method: list}, "store": sandbox.path("store.json")}));
        let cli = sandbox.stand_in_cli();
        let start = ["start", "--copilot", &cli, "--detach", "--name", "one"];
        sandbox.run(&start).expect_code(0);
        if *method == "session.remote.enable" {
            sandbox.run(&["off"]).expect_code(0);
        }
        let begun = Instant::now();
        let done = sandbox.spawn(arguments).finish_within(BACK);
        let told = || format!("{name}: {} after {:?}: {}{}", done.code, begun.elapsed(), done.stdout, done.stderr);
        expect(codes.contains(&done.code) && done.stderr.contains(words), told);
        // It is there still, with its host, or has gone as a whole.
        let sessions = sandbox.list();
        expect(sessions.len() == usize::from(arguments[0] != "stop"), || format!("{name}: {sessions:?}"));
        ends_cleanly(name, &sandbox);
    });
}

/// Each answer takes its time: all is done all the same, once, and later.
#[test]
fn a_slow_runtime_is_waited_for() {
    let mut sandbox = Sandbox::new();
    let methods = "connect account.getCurrentAuth session.create session.resume session.gitHubAuth.getStatus session.getMessages \
         session.eventLog.tail session.eventLog.read session.log session.mode.get session.name.get session.name.set \
         session.permissions.getMode session.permissions.setMode session.remote.disable session.remote.enable session.send \
         session.visibility.get session.workspaces.getWorkspace sessions.close runtime.shutdown";
    let faults: serde_json::Map<String, Value> =
        methods.split_whitespace().map(|method| (method.to_owned(), json!([{"delay": 0.8}]))).collect();
    sandbox.play(&json!({"reply": [{"message": "done"}, "idle"], "faults": faults}));
    let cli = sandbox.stand_in_cli();
    let done = sandbox.run(&["start", "--copilot", &cli, "--detach", "--name", "one", "--allow-all"]).expect_code(0);
    let link = done.stdout;
    assert_eq!(sandbox.run(&["send", "-p", "x", "--wait"]).expect_code(0).stdout, "done\n");
    let sent = sandbox.run(&["logs"]).stdout.matches("prompt (here): x").count();
    assert_eq!(sent, 1);
    sandbox.run(&["off"]).expect_code(0);
    assert_eq!(sandbox.list()[0]["remote"], "off");
    assert_eq!(sandbox.run(&["on"]).expect_code(0).stdout, link);
    assert_eq!(sandbox.list()[0]["remote"], "on");
    sandbox.run(&["rename", "one", "two"]).expect_code(0);
    sandbox.run(&["status", "two"]).expect_code(0);
    sandbox.stop_all();
}

/// More in the runtime's own log than is read at once: what it says of the link is found all the same, in time, and nothing else is taken
/// for it. On the stand-in, which has no such log of its own.
#[test]
fn a_flood_of_the_runtimes_log_hides_nothing() {
    const SIGN: &str = r#"2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_session_exporter] Mission Control rejected events with a permanent client error; disabling further event submission for this session {"status":"Some(404)","dropped_events":0,"dropped_command_ids":0}"#;
    const QUOTED: &str = "2026-01-01T00:00:00.000Z [INFO] somebody says: 2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_session_exporter] remote session exporter circuit opened after batch flush failure\n";
    const MB: usize = 1024 * 1024;
    let rows = [
        ("lines", b"2026-01-01T00:00:00.000Z [INFO] nothing that is of any interest\n".repeat(12 * MB / 64)),
        ("one endless line", b"x".repeat(12 * MB)),
        ("words of others", QUOTED.as_bytes().repeat(12 * MB / QUOTED.len())),
        ("not UTF-8", b"\xff\xfe\n".repeat(4 * MB)),
    ];
    run_all(&rows, |(name, flood)| {
        let mut sandbox = Sandbox::new();
        sandbox.play(&json!({}));
        let cli = sandbox.stand_in_cli();
        sandbox.run(&["start", "--copilot", &cli, "--detach"]).expect_code(0);
        let (host, _) = sandbox.processes().into_iter().find(|(_, command)| command.contains("next-host")).unwrap();
        let peak = || {
            let status = fs::read_to_string(format!("/proc/{host}/status")).unwrap();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
        };
        let before = peak();
        let output = files_below(&sandbox.state().join("logs")).into_iter().find(|file| file.ends_with("output.log"));
        let log = output.unwrap().with_file_name("process-1.log");
        fs::write(log, [flood, "\n".as_bytes(), SIGN.as_bytes(), b"\n"].concat()).unwrap();
        let link = || sandbox.list()[0]["link"].clone();
        expect(until(Duration::from_secs(45), || link() == "lost"), || format!("{name}: {}", link()));
        expect(until(BACK, || link() == "connected"), || format!("{name}: {}", link()));
        let logs = sandbox.run(&["logs"]).stdout;
        let lost: Vec<&str> = logs.lines().filter(|line| line.contains("link lost")).collect();
        expect(lost.len() == 1 && lost[0].contains("refused the session's events"), || format!("{name}: {logs}"));
        expect(peak() - before < 8 * MB, || format!("{name}: {} bytes more", peak() - before));
        ends_cleanly(name, &sandbox);
    });
}

/// What no runtime should send: too much, too big, in no order, of no known kind. The session goes on to its end.
#[test]
fn events_of_every_kind_harm_nothing() {
    let event = |kind: &str, data: Value| json!({"event": {"type": kind, "data": data}});
    let permission = |id: &str| {
        event("permission.requested", json!({"requestId": id, "permissionRequest": {"kind": "shell", "fullCommandText": "x"}}))
    };
    let rows: Vec<(&str, Vec<Value>, &str)> = vec![
        (
            "unknown kinds",
            vec![event("a.b", json!(null)), event("", json!([1])), event("session.\u{1b}[2J", json!("x"))],
            "last words",
        ),
        (
            "fields of other types",
            [
                "session.start",
                "session.info",
                "session.warning",
                "user.message",
                "assistant.message",
                "tool.execution_start",
                "tool.execution_complete",
                "permission.requested",
                "user_input.requested",
                "exit_plan_mode.requested",
                "permission.completed",
                "session.title_changed",
                "session.permissions_changed",
                "session.error",
                "abort",
            ]
            .into_iter()
            .flat_map(|kind| {
                [
                    json!(null),
                    json!([]),
                    json!({"requestId": 7, "message": {}, "title": [], "choices": 1, "permissionRequest": "x", "content": 1}),
                ]
                .map(|data| event(kind, data))
            })
            .collect(),
            "last words",
        ),
        (
            "no order",
            vec![
                event("session.idle", json!({})),
                event("permission.completed", json!({"requestId": "never", "result": {"kind": "approved"}})),
                event("tool.execution_complete", json!({"success": false})),
                event("assistant.turn_end", json!({})),
                event("session.remote_steerable_changed", json!({"remoteSteerable": true})),
            ],
            "last words",
        ),
        ("the same request again and again", (0..50).map(|_| permission("1")).collect(), "last words"),
        ("a hundred requests", (0..100).map(|id| permission(&id.to_string())).collect(), "last words"),
        ("5 MB in one event", vec![json!({"message": "y".repeat(5 * 1024 * 1024)})], "last words"),
        ("a million lines in one event", vec![json!({"message": "y\n".repeat(1_000_000)})], "more lines"),
        (
            "10,000 events in a burst",
            (0..10_000).map(|number| json!({"message": format!("message {number}")})).collect(),
            "agent: message 0",
        ),
        (
            "control characters everywhere",
            vec![event(
                "session.warning",
                json!({"warningType": "\u{7}", "message": "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}", "remediation": "\u{0}"}),
            )],
            "last words",
        ),
    ];
    run_all(&rows, |(name, events, words)| {
        let mut sandbox = Sandbox::new();
        let mut timeline = vec![json!({"prompt": "go"})];
        timeline.extend(events.iter().cloned());
        timeline.extend([json!({"message": "last words"}), json!("idle")]);
        sandbox.play(&json!({"speed": 100, "timeline": timeline}));
        let cli = sandbox.stand_in_cli();
        let running = sandbox.spawn(&["start", "--copilot", &cli, "--json"]);
        running.stderr_line("agent: last words");
        sandbox.run(&["stop"]);
        let done = running.finish();
        let tail: String = done.stderr.chars().rev().take(2000).collect::<Vec<_>>().into_iter().rev().collect();
        expect(done.code == 0, || format!("{name}: {}: {tail}", done.code));
        expect(done.stderr.contains(words) && done.stderr.contains("session ended, not from here"), || format!("{name}: {tail}"));
        // Every line is whole, and all that was said is there, once and in its order.
        let lines = done.json();
        let said = lines.iter().filter(|line| line["type"] == "message").map(|line| &line["text"]);
        let sent = timeline.iter().map(|step| &step["message"]).filter(|text| text.is_string());
        expect(said.clone().eq(sent.clone()), || format!("{name}: {} messages of {}", said.count(), sent.count()));
        expect(!done.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), || format!("{name}: not sanitised"));
        ends_cleanly(name, &sandbox);
    });
}

/// Processes that are killed, stopped or starved, in the middle of a turn.
#[test]
fn processes_die_in_the_middle_of_a_turn() {
    let cli = real_cli_or_return!();
    let cli = cli.to_str().unwrap();
    // Whom, with what, and whether the session goes on.
    let rows = [
        ("the runtime is killed", "copilot-linux", "KILL", true),
        // It ends its sessions first: that is an end, not a fault.
        ("the runtime is terminated", "copilot-linux", "TERM", false),
        ("the runtime is stopped for a while", "copilot-linux", "STOP", true),
        ("the host is stopped for a while", "next-host", "STOP", true),
        ("the host is killed", "next-host", "KILL", false),
        ("the host is terminated", "next-host", "TERM", false),
    ];
    run_all(&rows, |(name, whom, signal, goes_on)| {
        let github = GitHub::start();
        let mut sandbox = Sandbox::on(&github);
        sandbox.set("COPILOT_CLI_PATH", cli);
        github.model([Reply::bash("sleep 1234"), Reply::text("the end of it")]);
        let url = sandbox.run(&["start", "--detach", "--allow-all", "--name", "one"]).expect_code(0).stdout;
        let id = sandbox.list()[0]["sessionId"].clone();
        sandbox.run(&["send", "-p", "go"]).expect_code(0);
        let tool = || sandbox.processes().into_iter().find(|(_, command)| command.starts_with("sleep 1234"));
        expect(until(BACK, || tool().is_some()), || format!("{name}: the tool does not run"));
        let those: Vec<u32> =
            sandbox.processes().into_iter().filter(|(_, command)| command.contains(whom)).map(|(pid, _)| pid).collect();
        let mut since = Instant::now();
        for pid in &those {
            kill(*pid, signal);
        }
        let logs = || sandbox.run(&["logs"]).stdout;
        if *goes_on && *signal == "KILL" {
            // Until then the registry says what was before.
            let relaunched = || sandbox.run(&["events"]).stdout.contains("\"relaunched\"");
            expect(until(BACK, relaunched), || format!("{name}: not relaunched: {}", logs()));
            since = Instant::now();
        }
        if *signal == "STOP" {
            std::thread::sleep(Duration::from_secs(3));
            for pid in &those {
                kill(*pid, "CONT");
            }
            since = Instant::now();
        }
        let as_it_was = || {
            let sessions = sandbox.list();
            let there = sessions
                .iter()
                .any(|session| session["sessionId"] == id && session["url"] == url.trim() && session["remote"] == "on");
            there == *goes_on
        };
        // The same session, with the same link.
        expect(until(BACK, as_it_was), || format!("{name}: {:?} after {:?}", sandbox.list(), since.elapsed()));
        if *goes_on {
            let polled = || github.requests().iter().any(|request| request.at > since && request.is("GET", COMMANDS));
            expect(until(BACK, polled), || format!("{name}: nobody asks for commands"));
            // The turn was broken off, or goes on to its end.
            let end = if *signal == "KILL" { "the turn that was running was interrupted" } else { "agent: the end of it" };
            if let Some((pid, _)) = tool().filter(|_| *signal == "STOP") {
                kill(pid, "TERM");
            }
            expect(until(BACK, || logs().contains(end)), || format!("{name}: no {end:?}: {}", logs()));
        }
        // Tools of a runtime that was killed can go on (see the README): they are not ours to find.
        for (pid, command) in sandbox.processes() {
            if *signal == "KILL" && command.starts_with("sleep 1234") {
                kill(pid, "KILL");
            }
        }
        ends_cleanly(name, &sandbox);
    });
}
