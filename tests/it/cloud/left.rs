//! Tasks that are left, and readers that leave: nothing ends them, and nothing is read on for nobody.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{TASKS, changes, creates, keep_runtime, world};
use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, worker_starts};
use crate::support::sandbox::{PATIENCE, Running, Sandbox};
use crate::support::together::wait_for;

/// Nobody reads the events of this task any more: they are read every second otherwise.
fn assert_unread(github: &GitHub, task: &str) {
    let events = format!("{TASKS}/{task}/events");
    let reads = || github.requests().iter().filter(|request| request.path == events).count();
    let read = reads();
    std::thread::sleep(Duration::from_millis(3500));
    assert!(reads() <= read + 1, "the events of {task} are still read");
}

/// Also one that is given up while it is launched is known by its id, and not looked at by the runtime for nobody.
#[test]
fn a_launch_that_is_given_up_leaves_nothing_behind() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let mut early = worker_starts();
    early["producer"] = "mission-control".into();
    github.worker_begins([("session.start", early)]);
    for many in [false, true] {
        let more: &[&str] = if many { &["--repo", "octocat/other"] } else { &[] };
        let running = sandbox.spawn(&[&["cloud", "--json", "--quiet", "--repo", "octocat/hello-world"], more].concat());
        let before = github.tasks().len();
        // The worker does not come; the session is there: its events have been read for some seconds.
        let reads = |task: &str| {
            let path = format!("{TASKS}/{task}/events");
            github.requests().iter().filter(|request| request.path == path).count()
        };
        wait_for("the tasks", PATIENCE, || {
            let tasks = github.tasks();
            tasks.len() > before + usize::from(many) && tasks[before..].iter().all(|(task, _)| reads(task) >= 4)
        });
        running.signal("INT");
        let done = running.finish().expect_code(130);
        let tasks = &github.tasks()[before..];
        for (task, _) in tasks {
            let line = done
                .json()
                .into_iter()
                .find(|line| line["taskId"] == **task)
                .unwrap_or_else(|| panic!("no {task}: {}", done.stdout));
            assert_eq!((&line["type"], &line["created"]), (&json!("failed"), &json!("yes")));
            // Also for those who want it quiet.
            assert!(done.stderr.contains(&format!("the task {task} exists all the same")), "{}", done.stderr);
        }
        assert_unread(&github, &tasks[0].0);
    }
    // A task that comes too late is left alone.
    github.worker_begins([("session.requested", json!({}))]);
    let running = sandbox.spawn(&[
        "cloud",
        "--repo",
        "octocat/hello-world",
        "--repo",
        "octocat/slow",
        "--timeout",
        "2",
        "--wait",
        "-p",
        "go",
    ]);
    running.stderr_line("looking for what was created");
    let (first, second) = (github.tasks().pop().unwrap().0, github.tasks().iter().rev().nth(1).unwrap().0.clone());
    running.finish().expect_code(1);
    for task in [&first, &second] {
        github.worker_reports(task, "session.start", &worker_starts());
    }
    assert_unread(&github, &first);
    assert_unread(&github, &second);
    sandbox.stop_all();
}

#[test]
fn a_second_signal_waits_for_nothing() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    github.fault("POST", TASKS, Fault::Hang, None);
    github.fault("GET", TASKS, Fault::Hang, None);
    for more in [&[][..], &["--repo", "octocat/other"]] {
        let asked = creates(&github);
        let running = sandbox.spawn(&[&["cloud", "--repo", "octocat/hello-world"], more].concat());
        wait_for("the request", PATIENCE, || creates(&github) > asked);
        running.signal("INT");
        running.stderr_line("looking for what was created");
        running.signal("INT");
        let done = running.finish().expect_code(130);
        assert!(done.stderr.contains("whether a task was created is not known"), "{}", done.stderr);
    }
    sandbox.stop_all();
}

#[test]
fn a_runtime_that_dies_takes_no_line_with_it() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    github.fault_where("POST", TASKS, "\"b\"", Fault::Hang.after(), Some(1));
    let list = ["a", "b", "c", "d"].map(|name| format!("octocat/{name}")).join("\n");
    let running = sandbox.spawn_with_input(&["cloud", "--repos-from", "-", "--jobs", "1", "--json"], &list);
    github.wait_for_request(
        "the second",
        |request| request.is("POST", TASKS) && request.body["repositories"][0]["name"] == "b",
        PATIENCE,
    );
    for (pid, command) in sandbox.processes() {
        if command.contains("copilot-linux") {
            crate::support::sandbox::kill(pid, "KILL");
        }
    }
    let done = running.finish().expect_code(1);
    let created = github.tasks().pop().unwrap().0;
    let told: Vec<(u64, String, String)> = done
        .json()
        .into_iter()
        .filter(|line| line["type"] != "error")
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["type"].as_str().unwrap().to_owned(),
                line["created"].as_str().unwrap_or("-").to_owned(),
            )
        })
        .collect();
    let wanted = [(1, "ready", "-"), (2, "failed", "found"), (3, "failed", "no"), (4, "failed", "no")];
    let wanted: Vec<_> = wanted.map(|(line, kind, created)| (line, kind.to_owned(), created.to_owned())).into();
    assert_eq!(told, wanted, "{}", done.stderr);
    // Looked up with another runtime.
    assert!(done.stderr.contains(&format!("a task of this repository was created meanwhile, {created}")), "{}", done.stderr);
    assert!(done.stderr.contains("the Copilot CLI ended unexpectedly"), "{}", done.stderr);
    assert!(done.stderr.contains("not begun: 2 (lines 3-4)"), "{}", done.stderr);
    assert_eq!(creates(&github), 2);
}

/// Readers that leave, and readers that are slow.
#[test]
fn a_list_is_told_to_whoever_reads() {
    let sandbox = Sandbox::new();
    let list: String = (1..=200).fold(String::new(), |list, number| list + "octocat/repo-" + &number.to_string() + "\n");
    fs::write(sandbox.repo().join("list"), list).unwrap();
    let shell = |script: &str| {
        let script = format!("{} cloud --demo --repos-from list {script}", crate::support::sandbox::BINARY);
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &script]).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
        Running::spawn(command, None).finish()
    };
    let done = shell("--jobs 1 | head -1; exit ${PIPESTATUS[0]}").expect_code(1);
    assert!(done.stderr.contains("nobody reads stdout any more: nothing more is begun"), "{}", done.stderr);
    assert!(done.stderr.contains("of 200 tasks ready; not begun: "), "{}", done.stderr);
    let done = shell("--json | (sleep 2; cat); exit ${PIPESTATUS[0]}").expect_code(0);
    assert_eq!(done.json().len(), 200);
}

#[test]
fn a_listening_runtime_launches_tasks_too() {
    let cli = real_cli_or_return!();
    let (github, mut sandbox) = world(&cli);
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let server = crate::support::rpc::spawn_server(&cli, &[], &env, &sandbox.path("home"), &sandbox.repo());
    let token = server.token.to_owned();
    sandbox.set("COPILOT_CONNECTION_TOKEN", &token);
    let address = format!("127.0.0.1:{}", server.port);
    let done = sandbox.run(&["cloud", "--server", &address, "--repo", "octocat/hello-world", "-p", "go"]).expect_code(0);
    let task = github.tasks().remove(0).0;
    assert_eq!(done.stdout, format!("https://github.com/octocat/hello-world/tasks/{task}\n"));
    assert_unread(&github, &task);
    drop(server);
}

/// What comes from GitHub is shown, and obeyed by no terminal.
#[test]
fn hostile_names_harm_nothing() {
    let mut sandbox = Sandbox::new();
    let tasks = json!({"sessions": [
        {"sessionId": "1", "resourceId": "1", "name": "\u{1b}]0;owned\u{7}\nnext", "state": "\u{202e}x", "startTime": "soon", "repository": {"owner": "o\u{1b}[2J", "name": "n"}},
        {"resourceId": "../../evil?", "repository": {}},
        {"name": "nothing"},
    ]});
    sandbox.play(&json!({"faults": {"sessions.list": [{"result": tasks}]}}));
    let cli = sandbox.stand_in_cli();
    let table = sandbox.run(&["cloud", "list", "--copilot", &cli]).expect_code(0).stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.chars().all(|character| character == '\n' || !character.is_control()), "{table:?}");
    assert!(!table.contains('\u{202e}'), "{table:?}");
    let tasks = sandbox.run(&["cloud", "list", "--copilot", &cli, "--json"]).expect_code(0).json().remove(0);
    assert_eq!(tasks["tasks"][1]["url"], Value::Null, "an id that does not belong in a link");
    sandbox.run(&["cloud", "open", "../../evil?", "--copilot", &cli]).expect_code(3);
}

/// Nothing is sent that could end the task, however it is left.
#[test]
fn leaving_never_ends_the_task() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    for (arguments, ready) in [(&["--follow"][..], "agent: working on it"), (&["--wait"], "waiting for the agent")] {
        let signals = [("INT", 130), ("TERM", 143), ("HUP", 129), ("KILL", 137)];
        let signals = if arguments == ["--wait"] { &signals[..1] } else { &signals[..] };
        for &(signal, code) in signals {
            github.worker_replies([
                ("assistant.turn_start", json!({"turnId": "0"})),
                ("assistant.message", json!({"content": "working on it", "messageId": "m"})),
            ]);
            let running = sandbox.spawn(&[&["cloud", "--repo", "octocat/hello-world", "-p", "go"], arguments].concat());
            running.stderr_line(ready);
            let before = changes(&github).len();
            let task = github.tasks().pop().unwrap().0;
            running.signal(signal);
            let done = running.finish();
            assert_eq!(done.code, code, "{arguments:?} {signal}: {}", done.stderr);
            let said =
                done.stderr.contains(&format!("the task goes on at GitHub: https://github.com/octocat/hello-world/tasks/{task}"));
            assert_eq!(said, signal != "KILL", "{}", done.stderr);
            assert_eq!(changes(&github).len(), before, "{:?}", &changes(&github)[before..]);
            if signal == "KILL" {
                continue;
            }
            assert_unread(&github, &task);
        }
    }
    // The end of the runtime sends nothing either.
    let before = changes(&github).len();
    sandbox.stop_all();
    assert_eq!(changes(&github).len(), before);
}
