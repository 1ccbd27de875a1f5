//! What goes wrong while a session runs, one row each; and what is true afterwards: the session is as it was or has ended with its code, the
//! registry says so, nothing is left running, nothing is lost in silence.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply};
use crate::support::sandbox::{PATIENCE, Sandbox, files_below, kill};
use crate::support::together::{run_all, until, wait_for};

/// All is well again so long after GitHub is.
const BACK: Duration = Duration::from_mins(1);
const EVENTS: &str = "/agents/sessions/*/events";
const COMMANDS: &str = "/agents/sessions/*/commands";
/// How long GitHub is broken at most.
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

/// GitHub, broken at one endpoint while a session is shared: afterwards the session is steered as before, with the same link. The link
/// itself, lost and restored, is for `link.rs`.
fn github_breaks(method: &str, path: &str, fault: Fault) {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    let url = sandbox.run(&["start", "--detach"]).expect_code(0).stdout;
    github.model([Reply::text("said meanwhile")]);
    github.fault(method, path, fault, None);
    let broken = Instant::now();
    sandbox.run(&["send", "-p", "hello"]).expect_code(0);
    let met = || github.requests().iter().filter(|request| request.at > broken && request.is(method, path)).count();
    wait_for("the fault is met", PATIENCE, || met() > 0);
    until(OUTAGE, || met() > 2);
    let during = sandbox.run(&["status", "--json"]).expect_code(0);
    github.heal();
    let well = || {
        let sessions = sandbox.list();
        sessions.len() == 1
            && sessions[0]["remote"] == "on"
            && sessions[0]["link"] == "connected"
            && sessions[0]["url"] == url.trim()
    };
    assert!(until(BACK, well), "{:?}\n{}", sandbox.list(), sandbox.run(&["logs"]).stdout);
    // The turn goes on to its end, and what happened meanwhile is kept and uploaded.
    sandbox.run(&["wait"]).expect_code(0);
    assert!(sandbox.run(&["logs"]).stdout.contains("agent: said meanwhile"), "{}", sandbox.run(&["logs"]).stdout);
    wait_for("Mission Control has it", BACK, || {
        github.took("user.message", "hello") && github.took("assistant.message", "said meanwhile")
    });
    github.clear_model();
    github.model([Reply::text("steered")]);
    github.queue("user_message", "are you there?");
    let steered = || sandbox.run(&["logs"]).stdout.contains("agent: steered");
    assert!(until(BACK, steered), "not steered\n{}", sandbox.run(&["logs"]).stdout);
    sandbox.assert_token_unseen(&[&during.stdout, &during.stderr]);
    sandbox.stop_all();
}

fn oops() -> Fault {
    Fault::Status(500, json!({"message": "oops"}))
}

#[test]
fn uploads_are_unauthorised_for_a_while() {
    github_breaks("POST", EVENTS, Fault::Status(401, json!({"message": "Bad credentials"})));
}

/// Done, and then answered with what nobody understands: the CLI believes a 200, whatever it says (measured).
#[test]
fn uploads_are_answered_with_garbage_for_a_while() {
    github_breaks("POST", EVENTS, Fault::Raw(200, "<html>".to_owned()).after());
}

/// Longer than the CLI waits for Mission Control, which is 10 s.
#[test]
fn polls_are_very_slow_for_a_while() {
    github_breaks("GET", COMMANDS, Fault::Delay(Duration::from_secs(12)));
}

#[test]
fn polls_hang_for_a_while() {
    github_breaks("GET", COMMANDS, Fault::Hang);
}

#[test]
fn the_model_fails_for_a_while() {
    github_breaks("POST", "/chat/completions", oops());
}

#[test]
fn everything_fails_for_a_while() {
    github_breaks("*", "*", oops());
}

/// What the runtime does, to which call, to whom, who exits with what, and says what.
const MISBEHAVIOUR: &str = r#"
send hangs | session.send | {"hang": true} | send -p x --timeout 2s | 6 | error: not done after 2 s: sending the prompt took too long
send fails | session.send | {"error": {"code": -32603, "message": "no"}} | send -p x | 1 | error: session.send failed: no
send breaks | session.send | {"drop": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
half a frame | session.send | {"raw": "Content-Length: 99\r\n\r\n{", "drop": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
no JSON | session.send | {"raw": "Content-Length: 9\r\n\r\n{nonsense", "drop": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
no header | session.send | {"raw": "HTTP/1.1 400 Bad Request\r\n\r\n", "drop": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
another length | session.send | {"raw": "Content-Length: -1\r\n\r\n{}", "drop": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
not UTF-8 | session.send | {"bytes": [67, 111, 110, 116, 101, 110, 116, 45, 76, 101, 110, 103, 116, 104, 58, 32, 51, 13, 10, 13, 10, 34, 255, 34], "drop": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
it dies at a prompt | session.send | {"exit": 9, "once": true} | send -p x | 1 | error: the connection to the Copilot CLI broke
off hangs | session.remote.disable | {"hang": true} | off --timeout 2s | 6 | error: not done after 2 s: switching remote off took too long
off fails | session.remote.disable | {"error": {"code": -32603, "message": "no"}} | off | 1 | error: session.remote.disable failed: no
on hangs | session.remote.enable | {"hang": true} | on --timeout 2s | 6 | error: not done after 2 s: switching remote on took too long
on fails | session.remote.enable | {"error": {"code": -32603, "message": "no"}} | on | 1 | error: session.remote.enable failed: no
on is refused | session.remote.enable | {"result": {"remoteSteerable": false, "started": false}} | on | 7 | error: remote is off for this account
status hangs | session.visibility.get | {"hang": true} | status | 0 | connection: connected
status fails | session.visibility.get | {"error": {"code": -32603, "message": "no"}} | status | 0 | connection: connected
rename hangs | session.name.set | {"hang": true} | rename one two | 6 | error: not done after 30 s: renaming the session took too long
rename fails | session.name.set | {"error": {"code": -32603, "message": "no"}} | rename one two | 1 | error: session.name.set failed: no
share hangs | session.visibility.set | {"hang": true} | share --visibility repo | 6 | error: not done after 30 s: asking GitHub took too long
close hangs | sessions.close | {"hang": true} | stop | 0 | stopped one: its host had to be terminated
close fails | sessions.close | {"error": {"code": -32603, "message": "no"}} | stop | 0 | stopped one: its host had to be terminated
shutdown hangs | runtime.shutdown | {"hang": true} | stop | 0 | stopped one: the session was closed
shutdown fails | runtime.shutdown | {"error": {"code": -32603, "message": "no"}} | stop | 0 | stopped one: the session was closed
"#;

/// The runtime does not answer, answers nonsense, or breaks the connection, while a command of another terminal waits.
#[test]
fn the_runtime_misbehaves_towards_other_terminals() {
    let rows: Vec<&str> = MISBEHAVIOUR.trim().lines().collect();
    run_all(&rows, |row| {
        let [name, method, fault, arguments, code, words] = row.split(" | ").collect::<Vec<_>>()[..] else { panic!("{row}") };
        let fault: Value = serde_json::from_str(fault).unwrap();
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut sandbox = Sandbox::new();
        // The first enable is that of the start.
        let list = if method == "session.remote.enable" { json!([{}, fault]) } else { json!([fault]) };
        sandbox.play(&json!({"speed": 50, "faults": {method: list}, "store": sandbox.path("store.json")}));
        let cli = sandbox.stand_in_cli();
        sandbox.run(&["start", "--copilot", &cli, "--detach", "--name", "one"]).expect_code(0);
        if method == "session.remote.enable" {
            sandbox.run(&["off"]).expect_code(0);
        }
        let begun = Instant::now();
        let done = sandbox.run(&arguments);
        let said = format!("{}{}", done.stdout, done.stderr);
        let told = || format!("{name}: {} after {:?}: {said}", done.code, begun.elapsed());
        expect(done.code.to_string() == code && said.lines().any(|line| line.starts_with(words)), told);
        // Nothing but the visibility is missing where it cannot be told.
        expect(!said.contains("seen by:"), told);
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
        methods.split_whitespace().map(|method| (method.to_owned(), json!([{"delay": 0.3}]))).collect();
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

const TYPES: &str = "session.start session.info session.warning user.message assistant.message tool.execution_start \
     tool.execution_complete permission.requested user_input.requested exit_plan_mode.requested permission.completed \
     session.title_changed session.permissions_changed session.error abort";

/// What is sent, and the words that are said for it.
fn odd_events() -> Vec<(&'static str, Vec<Value>, &'static str)> {
    let event = |kind: &str, data: Value| json!({"event": {"type": kind, "data": data}});
    let permission = |id: &str| {
        event("permission.requested", json!({"requestId": id, "permissionRequest": {"kind": "shell", "fullCommandText": "x"}}))
    };
    vec![
        (
            "unknown kinds",
            vec![event("a.b", json!(null)), event("", json!([1])), event("session.\u{1b}[2J", json!("x"))],
            "last words",
        ),
        (
            "fields of other types",
            TYPES
                .split(' ')
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
    ]
}

/// Of a longer text no more than this is kept, in bytes; what stands here has one byte a character.
const LONGEST_TEXT: usize = 1024 * 1024;

/// What no runtime should send: too much, too big, in no order, of no known kind. The session goes on to its end.
#[test]
fn events_of_every_kind_harm_nothing() {
    run_all(&odd_events(), |(name, events, words)| {
        let mut sandbox = Sandbox::new();
        let mut timeline = vec![json!({"prompt": "go"})];
        timeline.extend(events.iter().cloned());
        timeline.extend([json!({"message": "last words"}), json!("idle")]);
        sandbox.play(&json!({"speed": 100, "timeline": timeline}));
        let cli = sandbox.stand_in_cli();
        let running = sandbox.spawn(&["start", "--copilot", &cli, "--json"]);
        running.stderr_line("agent: last words");
        sandbox.run(&["stop"]).expect_code(0);
        let done = running.finish();
        let tail: String = done.stderr.chars().rev().take(2000).collect::<Vec<_>>().into_iter().rev().collect();
        expect(done.code == 0, || format!("{name}: {}: {tail}", done.code));
        expect(done.stderr.contains(words) && done.stderr.contains("session ended, not from here"), || format!("{name}: {tail}"));
        // Every line is whole, and all that was said is there, once and in its order; of a text that nobody reads, the beginning.
        let beginning = |text: &str| text.chars().take(LONGEST_TEXT).collect::<String>();
        let lines = done.json();
        let said: Vec<_> =
            lines.iter().filter(|line| line["type"] == "message").map(|line| beginning(line["text"].as_str().unwrap())).collect();
        let sent: Vec<_> = timeline.iter().filter_map(|step| step["message"].as_str()).map(beginning).collect();
        expect(said == sent, || format!("{name}: {} messages of {}", said.len(), sent.len()));
        expect(!done.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), || format!("{name}: not sanitised"));
        ends_cleanly(name, &sandbox);
    });
}

/// A process dies or is stopped in the middle of a turn; whether the session goes on.
fn dies(whom: &str, signal: &str, goes_on: bool) {
    let cli = real_cli_or_return!();
    let cli = cli.to_str().unwrap();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli);
    github.model([Reply::bash("sleep 1234"), Reply::text("the end of it")]);
    let url = sandbox.run(&["start", "--detach", "--allow-all", "--name", "one"]).expect_code(0).stdout;
    let id = sandbox.list()[0]["sessionId"].clone();
    sandbox.run(&["send", "-p", "go"]).expect_code(0);
    let tool = || sandbox.processes().into_iter().find(|(_, command)| command.starts_with("sleep 1234"));
    expect(until(BACK, || tool().is_some()), || "the tool does not run".to_owned());
    let host = u32::try_from(sandbox.list()[0]["pid"].as_u64().unwrap()).unwrap();
    let runtime = |(pid, command): (u32, String)| command.contains("copilot-linux").then_some(pid);
    let those: Vec<u32> = match whom {
        "host" => vec![host],
        _ => sandbox.processes().into_iter().filter_map(runtime).collect(),
    };
    let mut since = Instant::now();
    for pid in &those {
        kill(*pid, signal);
    }
    let logs = || sandbox.run(&["logs"]).stdout;
    if goes_on && signal == "KILL" {
        // Until then the registry says what was before.
        let relaunched = || sandbox.run(&["events"]).stdout.contains("\"relaunched\"");
        expect(until(BACK, relaunched), || format!("not relaunched: {}", logs()));
        since = Instant::now();
    }
    if signal == "STOP" {
        std::thread::sleep(Duration::from_secs(3));
        for pid in &those {
            kill(*pid, "CONT");
        }
        since = Instant::now();
    }
    let same = |session: &Value| session["sessionId"] == id && session["url"] == url.trim() && session["remote"] == "on";
    let as_it_was = || sandbox.list().iter().any(same) == goes_on;
    // The same session, with the same link.
    expect(until(BACK, as_it_was), || format!("{:?} after {:?}", sandbox.list(), since.elapsed()));
    if goes_on {
        let polled = || github.requests().iter().any(|request| request.at > since && request.is("GET", COMMANDS));
        expect(until(BACK, polled), || "nobody asks for commands".to_owned());
        // The turn was broken off, or goes on to its end.
        let end = if signal == "KILL" { "the turn that was running was interrupted" } else { "agent: the end of it" };
        if let Some((pid, _)) = tool().filter(|_| signal == "STOP") {
            kill(pid, "TERM");
        }
        expect(until(BACK, || logs().contains(end)), || format!("no {end:?}: {}", logs()));
    }
    // Tools of a runtime that was killed can go on (see the README): they are not ours to find.
    for (pid, command) in sandbox.processes() {
        if signal == "KILL" && command.starts_with("sleep 1234") {
            kill(pid, "KILL");
        }
    }
    ends_cleanly(whom, &sandbox);
}

#[test]
fn the_runtime_is_killed_in_the_middle_of_a_turn() {
    dies("runtime", "KILL", true);
}

/// It ends its sessions first: that is an end, not a fault.
#[test]
fn the_runtime_is_terminated_in_the_middle_of_a_turn() {
    dies("runtime", "TERM", false);
}

#[test]
fn the_runtime_is_stopped_for_a_while_in_the_middle_of_a_turn() {
    dies("runtime", "STOP", true);
}

#[test]
fn the_host_is_stopped_for_a_while_in_the_middle_of_a_turn() {
    dies("host", "STOP", true);
}

#[test]
fn the_host_is_killed_in_the_middle_of_a_turn() {
    dies("host", "KILL", false);
}

#[test]
fn the_host_is_terminated_in_the_middle_of_a_turn() {
    dies("host", "TERM", false);
}
