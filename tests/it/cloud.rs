//! Sessions on GitHub's compute: on the real Copilot CLI, proven at the loopback GitHub.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Request, worker_link, worker_starts};
use crate::support::pty::Pty;
use crate::support::sandbox::{Done, PATIENCE, Running, Sandbox};
use crate::support::together::wait_for;

const TASKS: &str = "/agents/tasks";

/// A sandbox in which `copilot` is the real CLI, and what the worker of a task does at once.
fn world(cli: &Path) -> (GitHub, Sandbox) {
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    github.worker_begins([("session.requested", json!({})), ("session.start", worker_starts()), ("session.info", worker_link())]);
    (github, sandbox)
}

/// Keeps a runtime alive, so that each command need not start its own.
fn keep_runtime(sandbox: &Sandbox) {
    sandbox.run(&["on-demand", "--detach"]).expect_code(0);
}

fn done_after_a_while() -> [(&'static str, Value); 4] {
    [
        ("assistant.turn_start", json!({"turnId": "0"})),
        ("assistant.message", json!({"content": "I looked at it.", "messageId": "m"})),
        ("session.task_complete", json!({"summary": "All tests pass.", "success": true})),
        ("session.idle", json!({})),
    ]
}

/// What was asked of GitHub about tasks, but for looking at them.
fn changes(github: &GitHub) -> Vec<Request> {
    let mut requests = github.requests();
    requests.retain(|request| request.path.starts_with(TASKS) && request.method != "GET");
    requests
}

fn creates(github: &GitHub) -> usize {
    github.requests().iter().filter(|request| request.is("POST", TASKS)).count()
}

#[test]
fn a_task_from_request_to_completion() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    github.worker_replies(done_after_a_while());
    let file = sandbox.path("code.svg");
    let arguments = [
        "cloud",
        "--repo",
        "octocat/hello-world@feature/x",
        "-p",
        "run the tests",
        "--wait",
        "--qr-file",
        file.to_str().unwrap(),
    ];
    let done = sandbox.run(&arguments).expect_code(0);

    let (task, repository) = github.tasks().remove(0);
    let url = format!("https://github.com/octocat/hello-world/tasks/{task}");
    assert_eq!(repository, "octocat/hello-world");
    assert_eq!(done.stdout, format!("{url}\n"));
    let svg = fs::read_to_string(file).unwrap();
    assert!(svg.starts_with("<svg"), "{svg}");
    for line in [
        "requested: waiting for GitHub to create the task",
        &format!("cloud task: {task} (octocat/hello-world, branch feature/x)"),
        "phone: sign in as octocat",
        "task complete: All tests pass.",
    ] {
        assert!(done.stderr.contains(line), "no {line:?} in {}", done.stderr);
    }
    // The branch goes to GitHub in the prompt, and nowhere else.
    let changes = changes(&github);
    assert_eq!(changes[0].body, json!({"repositories": [{"owner": "octocat", "name": "hello-world"}]}));
    let steer = changes.iter().find(|request| request.path.ends_with("/steer")).expect("a prompt");
    assert_eq!(steer.body["content"], "Work on the branch feature/x of octocat/hello-world.\n\nrun the tests");
    let sent: Vec<&str> = changes.iter().map(|request| request.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(sent, ["tasks", "rpc", "steer"], "nothing else is sent, also when it leaves");
    sandbox.wait_until_empty();
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    assert_eq!(sandbox.state_files(), [""; 0], "it is nothing of this machine's");
}

#[test]
fn json_tells_what_was_created() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let lines = sandbox.run(&["cloud", "--repo", "octocat/hello-world@main", "--json"]).expect_code(0).json();
    let task = github.tasks().remove(0).0;
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["signedIn", "ready"]);
    for (field, value) in [
        ("schemaVersion", json!(1)),
        ("sessionId", json!(format!("session-of-{task}"))),
        ("taskId", json!(task)),
        ("url", json!(format!("https://github.com/octocat/hello-world/tasks/{task}"))),
        ("urlDerived", json!(false)),
        ("repository", json!("octocat/hello-world")),
        ("branch", json!("main")),
        ("branchDelivered", json!(false)),
        ("promptDelivered", Value::Null),
        ("login", json!("octocat")),
    ] {
        assert_eq!(lines[1][field], value, "{field} in {}", lines[1]);
    }
    // With a prompt the branch is told, and the default is this folder's.
    let done = sandbox.run(&["cloud", "--prompt", "go", "--json"]).expect_code(0);
    let ready = done.json().pop().unwrap();
    assert_eq!((&ready["branchDelivered"], &ready["promptDelivered"]), (&json!(true), &json!(true)));
    assert_eq!((&ready["repository"], &ready["branch"]), (&json!("octocat/hello-world"), &json!("main")));
    assert!(done.stderr.contains("warning: the branch main: it was never pushed"), "{}", done.stderr);
    // Without a repository there is none in the request either.
    let ready = sandbox.run(&["cloud", "--no-repo", "--json"]).expect_code(0).json().pop().unwrap();
    assert_eq!((&ready["repository"], &ready["branchDelivered"]), (&Value::Null, &Value::Null));
    assert_eq!(changes(&github).last().unwrap().body, json!({}));
    sandbox.stop_all();
}

#[test]
fn a_link_that_nobody_gave_is_made_and_marked() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    github.worker_begins([("session.start", worker_starts())]);
    let done = sandbox.run(&["cloud", "--repo", "octocat/hello-world"]).expect_code(0);
    let task = github.tasks().remove(0).0;
    assert_eq!(done.stdout, format!("https://github.com/copilot/tasks/{task}\n"));
    assert!(done.stderr.contains("the link was made from the task's id"), "{}", done.stderr);
    // One that leads elsewhere is not shown either.
    let evil = json!({"infoType": "remote", "message": "", "url": "https://evil.example/octocat/hello-world/tasks/TASK"});
    github.worker_begins([("session.start", worker_starts()), ("session.info", evil)]);
    let ready = sandbox.run(&["cloud", "--repo", "octocat/hello-world", "--json"]).expect_code(0).json().pop().unwrap();
    let task = github.tasks().pop().unwrap().0;
    assert_eq!(ready["url"], format!("https://github.com/copilot/tasks/{task}"));
    assert_eq!(ready["urlDerived"], true);
    sandbox.stop_all();
}

/// A prompt before the worker is there would be lost without a word.
#[test]
fn the_prompt_waits_for_the_worker() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let mut early = worker_starts();
    early["producer"] = "mission-control".into();
    github.worker_begins([("session.requested", json!({})), ("session.start", early)]);
    let running = sandbox.spawn(&["cloud", "--repo", "octocat/hello-world", "-p", "go"]);
    running.stderr_line("starting: waiting for the task's worker");
    let task = github.tasks().remove(0).0;
    let begun = Instant::now();
    github.worker_reports(&task, "session.start", &worker_starts());
    running.finish().expect_code(0);
    let steer = github.requests().into_iter().find(|request| request.path.ends_with("/steer")).expect("a prompt");
    assert_eq!(steer.body["content"], "go");
    assert!(steer.at > begun, "the prompt came too early");
    sandbox.stop_all();
}

#[test]
fn deadlines_say_what_became_of_the_task() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let run = |more: &[&str]| sandbox.run(&[&["cloud", "--repo", "octocat/hello-world", "--json"], more].concat());
    let failed = |done: &Done| done.json().into_iter().find(|line| line["type"] == "failed").expect("a line for it");

    // Only requested: the list tells that there is one.
    github.worker_begins([("session.requested", json!({}))]);
    let done = run(&["--timeout", "2"]).expect_code(6);
    let line = failed(&done);
    let task = github.tasks().pop().unwrap().0;
    assert_eq!((&line["created"], &line["taskId"]), (&json!("found"), &json!(task)));
    assert!(done.stderr.contains("requested: waiting for GitHub to create the task took too long"), "{}", done.stderr);

    // Nothing is heard of it: the CLI gives up after 10 s, and names it. A limit there is none to its creation.
    let before = creates(&github);
    let limit = Fault::Status(429, json!({"message": "API rate limit exceeded for user ID 583231."}));
    github.fault("GET", "/agents/tasks/*/events", limit, None);
    let done = run(&[]).expect_code(1);
    github.heal();
    assert_eq!(creates(&github), before + 1);
    let line = failed(&done);
    let task = github.tasks().pop().unwrap().0;
    assert_eq!((&line["created"], &line["taskId"], &line["reason"]), (&json!("yes"), &json!(task), &json!("not-started")));
    assert!(done.stderr.contains(&format!("the task {task} exists all the same: https://github.com/copilot/tasks/{task}")));

    // No worker.
    let mut early = worker_starts();
    early["producer"] = "mission-control".into();
    github.worker_begins([("session.start", early)]);
    let done = run(&["--timeout", "2"]).expect_code(6);
    assert_eq!(failed(&done)["created"], "yes");
    assert!(done.stderr.contains("waiting for the task's worker took too long"), "{}", done.stderr);

    // A prompt that GitHub does not take: the CLI says nothing of it.
    github.worker_begins([("session.start", worker_starts()), ("session.info", worker_link())]);
    github.fault("POST", "/agents/tasks/*/steer", Fault::Status(500, json!({"message": "boom"})), Some(1));
    let done = run(&["--timeout", "3", "-p", "go"]).expect_code(6);
    let line = failed(&done);
    assert_eq!((&line["created"], &line["promptDelivered"]), (&json!("yes"), &Value::Null), "it may have arrived");
    assert!(done.stderr.contains("sending the prompt took too long"), "{}", done.stderr);
    github.fault("POST", "/agents/tasks/*/rpc", Fault::Status(500, json!({"message": "boom"})), Some(1));
    assert_eq!(failed(&run(&["-p", "go"]).expect_code(1))["created"], "yes");

    // No answer: nobody knows.
    let before = github.tasks().len();
    github.fault("POST", TASKS, Fault::Hang, Some(1));
    let done = run(&["--timeout", "2"]).expect_code(6);
    assert_eq!(failed(&done)["created"], "unknown");
    assert!(done.stderr.contains("whether a task was created is not known; see https://github.com/copilot/agents"));
    assert_eq!(github.tasks().len(), before);
    sandbox.stop_all();
}

struct Refusal {
    fault: Fault,
    code: i32,
    reason: &'static str,
    created: &'static str,
    says: &'static str,
}

fn refusals() -> Vec<Refusal> {
    let message = |status: u16, message: &str| {
        Fault::Status(status, json!({"message": message, "documentation_url": "https://docs.github.com/rest"}))
    };
    let row = |fault, code, reason, created, says| Refusal { fault, code, reason, created, says };
    vec![
        row(message(401, "Bad credentials"), 4, "bad-credentials", "no", "Bad credentials"),
        row(Fault::Status(401, json!({})), 1, "uncertain", "unknown", "GitHub gave no reason"),
        row(
            message(403, "Resource not accessible by personal access token"),
            7,
            "cloud-refused",
            "no",
            "policy of the Copilot cloud agent",
        ),
        row(
            Fault::Status(403, json!({"error": {"code": "policy_blocked", "message": "The agent is off"}})),
            7,
            "cloud-refused",
            "no",
            "policy_blocked",
        ),
        row(
            message(403, "Resource protected by organization SAML enforcement. You must grant your token access."),
            8,
            "repository-forbidden",
            "no",
            "single sign-on",
        ),
        row(message(404, "Not Found"), 8, "repository-not-found", "no", "may see the repository"),
        row(Fault::Status(404, json!({})), 1, "uncertain", "unknown", "is not known"),
        row(message(422, "Validation Failed"), 1, "invalid-task", "no", "check the repository and the branch"),
        row(message(500, "Internal Server Error"), 1, "uncertain", "unknown", "Internal Server Error"),
        row(
            Fault::Raw(502, "<html><h1>502 Bad Gateway</h1> is JavaScript disabled?</html>".to_owned()),
            1,
            "uncertain",
            "unknown",
            "502 Bad Gateway",
        ),
        row(Fault::Raw(503, String::new()), 1, "uncertain", "unknown", "provision the sandbox"),
        row(Fault::Raw(200, "hello".to_owned()), 1, "uncertain", "unknown", "at line 1 column"),
        row(Fault::Drop, 1, "uncertain", "unknown", "error sending request"),
        row(
            message(500, "Internal Server Error").after(),
            1,
            "uncertain",
            "found",
            "a task of this repository was created meanwhile",
        ),
        row(Fault::Drop.after(), 1, "uncertain", "found", "a task of this repository was created meanwhile"),
    ]
}

#[test]
fn every_refusal_is_told_and_nothing_is_asked_for_twice() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let rows = refusals();
    // Side by side, as each that is unclear is looked up twice; each in a repository of its own.
    let running: Vec<(Refusal, Running, usize)> = rows
        .into_iter()
        .enumerate()
        .map(|(number, row)| {
            github.fault_where("POST", TASKS, &format!("\"row-{number}\""), row.fault.clone(), Some(1));
            let running = sandbox.spawn(&["cloud", "--repo", &format!("octocat/row-{number}"), "--json"]);
            (row, running, number)
        })
        .collect();
    for (row, running, number) in running {
        let what = format!("row {number}: {:?}", row.fault);
        let done = running.finish();
        assert_eq!(done.code, row.code, "{what}: {}", done.stderr);
        let lines = done.json();
        let failed = lines.iter().find(|line| line["type"] == "failed").unwrap_or_else(|| panic!("{what}: {lines:?}"));
        assert_eq!((&failed["reason"], &failed["created"]), (&json!(row.reason), &json!(row.created)), "{what}");
        assert_eq!(lines.last().unwrap()["reason"], row.reason, "{what}");
        assert!(done.stderr.contains(row.says), "{what}: no {:?} in {}", row.says, done.stderr);
        let asked = github
            .requests()
            .iter()
            .filter(|request| request.is("POST", TASKS) && request.body["repositories"][0]["name"] == format!("row-{number}"))
            .count();
        assert_eq!(asked, 1, "{what}");
    }
    sandbox.stop_all();
}

#[test]
fn a_rate_limit_is_waited_out() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    let limit = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    github.fault("POST", TASKS, Fault::Status(403, json!({"message": limit})), Some(1));
    let done = sandbox.run(&["cloud", "--repo", "octocat/hello-world"]).expect_code(0);
    assert!(done.stderr.contains("GitHub limits how often it is asked: trying again"), "{}", done.stderr);
    assert_eq!((creates(&github), github.tasks().len()), (2, 1));
    // As long as it is allowed to.
    github.fault("POST", TASKS, Fault::Status(429, json!({"message": "too many requests"})), None);
    let done = sandbox.run(&["cloud", "--repo", "octocat/hello-world", "--timeout", "3", "--json"]).expect_code(1);
    let failed = done.json().into_iter().find(|line| line["type"] == "failed").unwrap();
    assert_eq!((&failed["reason"], &failed["created"]), (&json!("rate-limited"), &json!("no")));
    assert_eq!(github.tasks().len(), 1);
}

#[test]
fn signed_out_and_wrong_names_are_said_before_anything_is_sent() {
    let cli = real_cli_or_return!();
    let (github, mut sandbox) = world(&cli);
    let binary = sandbox.path("binary");
    fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
    for (arguments, says) in [
        (&["--repo", "octocat/hello-world@a..b"][..], "\"a..b\" is no branch: it has \"..\""),
        (&["--repo", "https://gitlab.com/octocat/hello-world"], "this link is not on github.com"),
        (&["--repo", "octocat/x", "--repo", "octocat/y", "--follow"], "--follow is for a single task"),
        (&["--repos-from", "-", "--prompt", "-"], "both read stdin"),
        (&["--repos-from", "nothing.txt"], "nothing.txt: No such file"),
        (&["--repos-from", binary.to_str().unwrap()], "stream did not contain valid UTF-8"),
        (&["--repos-from", "-"], "it names no repository"),
        (&["--repo", "octocat/x", "--no-repo"], "cannot be used with"),
        (&["--repo", "octocat/x", "--wait"], "without a prompt there is nothing to wait for"),
        (
            &["--repo", "https://octocat:secret@github.com/octocat/x"],
            "--repo https://…@github.com/octocat/x: expected a link without user",
        ),
        (&["--repo", "octocat/x", "--repo", "octocat/y", "--qr-file", "x.svg"], "--qr-file is for a single task"),
    ] {
        let done = sandbox.run(&[&["cloud"], arguments].concat()).expect_code(2);
        assert!(done.stderr.contains(says), "{arguments:?}: {}", done.stderr);
        assert_eq!(done.stdout, "");
    }
    fs::create_dir(sandbox.path("plain")).unwrap();
    let plain = sandbox.path("plain");
    let done = sandbox.run(&["cloud", "-C", plain.to_str().unwrap()]).expect_code(8);
    assert!(done.stderr.contains("is not in a git repository"), "{}", done.stderr);
    assert_eq!(github.requests().len(), 0);
    sandbox.unset("GH_TOKEN");
    sandbox.run(&["cloud"]).expect_code(4);
    // A branch that only a fork has.
    for (name, value) in [("merge", "refs/heads/main"), ("remote", "https://octocat:secret@github.com/fork/hello-world")] {
        sandbox.git(&sandbox.repo(), &["config", &format!("branch.main.{name}"), value]);
    }
    let done = sandbox.run(&["cloud"]).expect_code(4);
    assert!(done.stderr.contains("the branch main: it is pushed to another remote than origin"), "{}", done.stderr);
    assert!(!done.stderr.contains("secret"), "{}", done.stderr);
    assert!(done.stderr.contains("pipe a token into start"), "{}", done.stderr);
    assert_eq!(creates(&github), 0);
}

#[test]
fn waiting_ends_with_what_the_agent_does() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let wait = || sandbox.run(&["cloud", "--repo", "octocat/hello-world", "-p", "go", "--wait"]);
    let permission = json!({"requestId": "p", "permissionRequest": {"kind": "shell", "toolCallId": "c", "fullCommandText": "rm x", "commands": []}});
    let shutdown = json!({"shutdownType": "error", "errorReason": "gone"});
    for (replies, code, says) in [
        (("session.idle", json!({})), 0, "waiting for the agent\n"),
        (
            ("session.task_complete", json!({"summary": "it does not build", "success": false})),
            1,
            "the turn failed: it does not build",
        ),
        (("permission.requested", permission), 9, "the task waits for input: rm x"),
        (("session.shutdown", shutdown), 3, "the task ended before its agent was done"),
    ] {
        github.worker_replies([("assistant.turn_start", json!({})), replies]);
        let done = wait().expect_code(code);
        // Where all is well, there is nothing more to say.
        let said = if code == 0 { done.stderr.ends_with(says) } else { done.stderr.contains(&format!("error: {says}")) };
        assert!(said, "{code}: {}", done.stderr);
        assert!(done.stdout.starts_with("https://github.com/octocat/hello-world/tasks/"), "{}", done.stdout);
        assert_eq!([1, 9].contains(&code), done.stderr.contains("the task goes on at GitHub"), "{}", done.stderr);
    }
    sandbox.stop_all();
}

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

#[test]
fn requests_are_answered_from_here() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    github.worker_replies([
        ("assistant.turn_start", json!({"turnId": "0"})),
        (
            "permission.requested",
            json!({"requestId": "p1", "permissionRequest": {"kind": "shell", "toolCallId": "c1", "fullCommandText": "cargo test", "commands": []}, "promptRequest": {"kind": "commands"}}),
        ),
    ]);
    let mut pty = Pty::start(&sandbox, 80, 40, "cloud --repo octocat/hello-world -p go --follow --qr never");
    pty.shows("permission needed: cargo test");
    pty.shows("or here: a allows it once, d denies it");
    pty.shows("a allow, d deny");
    let task = github.tasks().pop().unwrap().0;
    // A key that was pressed before one can have read it, and a paste, answer nothing.
    pty.send("axax");
    std::thread::sleep(Duration::from_millis(700));
    assert!(!github.requests().iter().any(|request| request.body["type"] == "permission_response"), "the paste answered");
    pty.send("a");
    let steer = github.wait_for_request("the answer", |request| request.body["type"] == "permission_response", PATIENCE);
    assert_eq!(steer.body["content"], json!({"promptId": "c1", "approved": true, "scope": "once"}).to_string());
    github.worker_reports(
        &task,
        "permission.completed",
        &json!({"requestId": "p1", "toolCallId": "c1", "result": {"kind": "approved"}}),
    );
    pty.shows("answered: approved");

    github.worker_reports(
        &task,
        "user_input.requested",
        &json!({"requestId": "q1", "question": "Which one?", "choices": ["red", "blue"], "allowFreeform": true}),
    );
    pty.shows("question: Which one?");
    std::thread::sleep(Duration::from_millis(700));
    pty.send("2");
    let answered = |request: &Request| request.body["rpc_method"] == "session.ui.handlePendingUserInput";
    let answer = github.wait_for_request("the answer", answered, PATIENCE);
    assert_eq!(answer.body["params"]["response"], json!({"answer": "blue", "wasFreeform": false}));
    github.worker_reports(&task, "user_input.completed", &json!({"requestId": "q1", "answer": "blue"}));
    pty.shows("answered: blue");

    // What is answered on the phone is withdrawn here.
    github.worker_reports(&task, "permission.requested", &json!({"requestId": "p2", "permissionRequest": {"kind": "shell", "toolCallId": "c2", "fullCommandText": "rm x", "commands": []}}));
    pty.shows("permission needed: rm x");
    github.worker_reports(
        &task,
        "permission.completed",
        &json!({"requestId": "p2", "toolCallId": "c2", "result": {"kind": "denied-interactively-by-user"}}),
    );
    pty.shows("answered: denied-interactively-by-user");
    pty.shows("d leave, q QR");
    // Pressed at once, it would have been meant for what just went.
    std::thread::sleep(Duration::from_millis(700));
    pty.send("d");
    pty.shows("the task goes on at GitHub");
    assert_eq!(pty.finish(), 0);
    sandbox.stop_all();
}

#[test]
fn the_view_shows_the_code_and_each_prompt_once() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    github.worker_replies(done_after_a_while());
    let pty = Pty::start(&sandbox, 80, 50, "cloud --repo octocat/hello-world@main -p 'run the tests' --follow");
    let screen = pty.shows("task complete: All tests pass.");
    let task = github.tasks().pop().unwrap().0;
    assert_eq!(pty.qr(), format!("https://github.com/octocat/hello-world/tasks/{task}"));
    assert_eq!(screen.matches("run the tests").count(), 1, "{screen}");
    // The end of the task ends the view.
    github.worker_reports(&task, "session.shutdown", &json!({"shutdownType": "routine"}));
    pty.shows("session ended, not from here");
    assert_eq!(pty.finish(), 0);
}

/// The README's pipeline.
#[test]
fn a_pipeline_gets_the_links() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let line = r"printf 'octocat/hello-world@main\n' | copilot-remote cloud --repos-from - --json | jq -r .url";
    assert!(readme.contains(line), "the README lacks: {line}");
    let program = crate::support::sandbox::BINARY;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line.replace("copilot-remote", program)]).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
    let output = command.output().unwrap();
    let task = github.tasks().remove(0).0;
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("https://github.com/octocat/hello-world/tasks/{task}\n"));
    assert_eq!(github.tasks().len(), 1);
}

/// Two hundred tasks, and everything that can go wrong with some of them.
#[test]
fn two_hundred_tasks_and_none_is_created_twice() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let boom = || Fault::Status(500, json!({"message": "Internal Server Error"}));
    let limit = || Fault::Status(429, json!({"message": "API rate limit exceeded for user ID 583231."}));
    for (fault, repositories) in [(limit(), 1..=12), (boom(), 13..=17), (boom().after(), 18..=22), (Fault::Drop.after(), 23..=27)]
    {
        for number in repositories {
            github.fault_where("POST", TASKS, &format!("\"repo-{number}\""), fault.clone(), Some(1));
        }
    }
    let lines = (1..=200).map(|number| format!("octocat/repo-{}@main\tprompt {number}", number % 60));
    let list = lines.collect::<Vec<_>>().join("\n");
    let memory = || resident(&sandbox);
    let before = memory();
    let done = sandbox
        .spawn_with_input(&["cloud", "--repos-from", "-", "--json"], &list)
        .finish_within(Duration::from_mins(2))
        .expect_code(1);
    let grown = memory() - before;
    assert!(grown < 60.0, "the runtime grew by {grown:.0} MB");

    let lines = done.json();
    let mut told: BTreeMap<u64, &Value> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["type"] != "error") {
        let number = line["line"].as_u64().unwrap();
        assert!(told.insert(number, line).is_none(), "line {number} was told twice");
    }
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>(), "every line is accounted for");
    let count = |created: &str| told.values().filter(|line| line["created"] == created).count();
    let ready = told.values().filter(|line| line["type"] == "ready").count();
    assert_eq!((ready, count("found"), count("unknown"), count("no")), (185, 10, 5, 0), "{}", done.stderr);
    // Each task that GitHub has is told of once, and each prompt arrived once.
    let ids: BTreeSet<&str> = told.values().filter_map(|line| line["taskId"].as_str()).collect();
    assert_eq!((ids.len(), github.tasks().len()), (195, 195));
    let requests = github.requests();
    let prompts: BTreeSet<&str> = requests
        .iter()
        .filter(|request| request.path.ends_with("/steer"))
        .filter_map(|request| request.body["content"].as_str())
        .collect();
    let steers = requests.iter().filter(|request| request.path.ends_with("/steer")).count();
    assert_eq!((prompts.len(), steers), (185, 185));
    assert!(done.stderr.contains("185 of 200 tasks ready; created but not ready: 10 ("), "{}", done.stderr);
    assert!(done.stderr.contains("not known whether created: 5 ("), "{}", done.stderr);

    // Another two hundred cost next to nothing more: none stays open in the runtime, and none in the program.
    let before = resident(&sandbox);
    let running = sandbox.spawn_with_input(&["cloud", "--repos-from", "-"], &list);
    let mut most = 0.0_f64;
    while github.tasks().len() < 395 {
        most = most.max(megabytes(running.pid()));
        std::thread::yield_now();
    }
    running.finish_within(Duration::from_mins(2)).expect_code(0);
    let grown = resident(&sandbox) - before;
    assert!(grown < 40.0, "the runtime grew by {grown:.0} MB");
    assert!(most < 60.0, "the program took {most:.0} MB");
    sandbox.stop_all();
}

/// Megabytes of resident memory of all that runs.
fn resident(sandbox: &Sandbox) -> f64 {
    sandbox.processes().into_iter().map(|(pid, _)| megabytes(pid)).sum()
}

fn megabytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}

#[test]
fn lines_for_people_have_their_numbers() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    let list = "# ours\noctocat/a\n\nOctocat/A\noctocat/b@main\tfix it\n";
    fs::write(sandbox.path("list.txt"), list).unwrap();
    let file = sandbox.path("list.txt");
    let done = sandbox.run(&["cloud", "--repos-from", file.to_str().unwrap(), "--jobs", "1"]).expect_code(0);
    let ids: Vec<String> = github.tasks().into_iter().map(|(id, _)| id).collect();
    let link = |id: &str| format!("https://github.com/octocat/hello-world/tasks/{id}");
    assert_eq!(done.stdout, format!("2\t{}\n5\t{}\n", link(&ids[0]), link(&ids[1])));
    assert!(done.stderr.contains("line 2, octocat/a: the same as in 4: launched once"), "{}", done.stderr);
    assert!(done.stderr.contains("2 of 2 tasks ready"), "{}", done.stderr);
    let done = sandbox.run(&["cloud", "--repos-from", file.to_str().unwrap(), "--allow-duplicates"]).expect_code(0);
    assert_eq!(done.stdout.lines().count(), 3);
    // Each is waited for where that was asked for.
    github.worker_replies([
        ("assistant.turn_start", json!({})),
        ("session.task_complete", json!({"summary": "no", "success": false})),
    ]);
    let done =
        sandbox.run(&["cloud", "--repo", "octocat/a", "--repo", "octocat/b", "-p", "go", "--wait", "--json"]).expect_code(1);
    let finished: Vec<Value> = done.json().into_iter().filter(|line| line["type"] == "finished").collect();
    assert_eq!(finished.len(), 2);
    assert!(finished.iter().all(|line| line["code"] == 1 && line["message"] == "the turn failed: no"), "{finished:?}");
    assert!(done.stderr.contains("2 of 2 tasks ready; not done: 2 (lines 1-2)"), "{}", done.stderr);
    sandbox.stop_all();
}

#[test]
fn an_interrupted_run_says_what_was_created() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    // One is ready; one was created and its answer is late; the third is not begun.
    let running = |name: &str| {
        github.wait_for_request(
            name,
            |request| request.is("POST", TASKS) && request.body["repositories"][0]["name"] == name,
            PATIENCE,
        )
    };
    github.fault_where("POST", TASKS, "\"b\"", Fault::Hang.after(), Some(1));
    let child = sandbox.spawn(&["cloud", "--repo", "octocat/a", "--repo", "octocat/b", "--repo", "octocat/c", "--jobs", "1"]);
    child.stdout_line("1\thttps://github.com/");
    running("b");
    child.signal("INT");
    // The answer never comes.
    let done = child.finish_within(Duration::from_secs(40)).expect_code(130);
    let created = github.tasks().pop().unwrap().0;
    assert!(done.stderr.contains(&format!("a task of this repository was created meanwhile, {created}")), "{}", done.stderr);
    assert!(
        done.stderr
            .contains("error: 1 of 3 tasks ready; created but not ready: 1 (line 2); not begun: 1 (line 3): ended by Ctrl-C"),
        "{}",
        done.stderr
    );
    assert_eq!(creates(&github), 2);
    sandbox.stop_all();
}

#[test]
fn tasks_are_listed_and_opened() {
    let cli = real_cli_or_return!();
    let (github, sandbox) = world(&cli);
    keep_runtime(&sandbox);
    assert_eq!(sandbox.run(&["cloud", "list"]).expect_code(0).stdout, "no tasks\n");
    sandbox.run(&["cloud", "--repo", "octocat/a", "--repo", "octocat/b"]).expect_code(0);
    let tasks = sandbox.run(&["cloud", "list", "--json"]).expect_code(0).json().remove(0);
    let tasks = tasks["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    for (task, (id, repository)) in tasks.iter().zip(github.tasks().into_iter().rev()) {
        assert_eq!((&task["taskId"], &task["repository"]), (&json!(id), &json!(repository)));
        assert_eq!(
            (&task["state"], &task["url"]),
            (&json!("in_progress"), &json!(format!("https://github.com/copilot/tasks/{id}")))
        );
        assert!(task["ageSeconds"].as_u64().unwrap() < 60, "{task}");
    }
    let table = sandbox.run(&["cloud", "list"]).expect_code(0).stdout;
    assert!(table.starts_with("REPOSITORY  STATE        AGE"), "{table}");

    // A browser of our own.
    let id = github.tasks().remove(0).0;
    let opened = sandbox.path("opened");
    sandbox.script("bin/xdg-open", &format!("echo \"$1\" > {}", opened.display()));
    let path = format!("{}:{}", sandbox.path("bin").display(), sandbox.env["PATH"]);
    let mut command = sandbox.command(&["cloud", "open", &id]);
    command.env("PATH", path);
    let url = format!("https://github.com/copilot/tasks/{id}\n");
    assert_eq!(Running::spawn(command, None).finish().expect_code(0).stdout, url);
    wait_for("the browser", PATIENCE, || fs::read_to_string(&opened).is_ok_and(|opened| opened == url));
    let done = sandbox.run(&["cloud", "open", "nothing"]).expect_code(3);
    assert!(done.stderr.contains("none of the account's latest tasks has the id nothing"), "{}", done.stderr);
    github.fault("GET", TASKS, Fault::Status(500, json!({"message": "boom"})), None);
    sandbox.run(&["cloud", "list"]).expect_code(1);
    github.heal();
    sandbox.stop_all();
}

/// Without an account, a network or the CLI.
#[test]
fn the_demo_shows_it() {
    let sandbox = Sandbox::new();
    let ready = sandbox.run(&["cloud", "--demo", "-p", "go", "--json"]).expect_code(0).json().pop().unwrap();
    assert_eq!((&ready["demo"], &ready["promptDelivered"]), (&json!(true), &json!(true)));
    assert_ne!(ready["sessionId"], ready["taskId"]);
    let done =
        sandbox.spawn_with_input(&["cloud", "--demo", "--repos-from", "-"], "octocat/a\noctocat/b\n").finish().expect_code(0);
    assert_eq!(done.stdout.lines().count(), 2);
    assert_eq!(sandbox.run(&["cloud", "list", "--demo"]).expect_code(0).stdout, "no tasks\n");
    // Global options stand anywhere; those of a launch do not belong to the list.
    assert_eq!(sandbox.run(&["cloud", "--json", "list", "--demo"]).expect_code(0).json()[0]["tasks"], json!([]));
    for option in [&["--repo", "octocat/a"][..], &["--demo"]] {
        let done = sandbox.run(&[&["cloud"], option, &["list"]].concat()).expect_code(2);
        assert!(done.stderr.contains("before list or open is for launching a task"), "{}", done.stderr);
    }
}

#[test]
fn a_list_on_a_terminal_has_a_bar() {
    let mut sandbox = Sandbox::new();
    // Slow enough to be seen.
    sandbox.play(&json!({"timeline": [], "faults": {"session.create": [{"delay": 0.5}]}}));
    let cli = sandbox.stand_in_cli();
    let arguments = format!("cloud --copilot {cli} --repo octocat/a --repo octocat/b --repo octocat/c --jobs 1");
    for columns in [40, 80, 200] {
        let pty = Pty::start(&sandbox, columns, 24, &arguments);
        let screen = pty.shows("1/3 1 under way");
        assert_eq!(screen.contains('['), columns >= 60, "{screen}");
        let screen = pty.shows("3 of 3 tasks ready");
        assert_eq!(screen.matches("under way").count(), 0, "the bar is left: {screen}");
        assert_eq!(pty.finish(), 0);
    }
    // The links go elsewhere: the bar is one line all the same.
    let mut shell = Pty::shell(&sandbox, 80, 24);
    shell.send(&format!("{} {arguments} > links\r", crate::support::sandbox::BINARY));
    let screen = shell.shows("2/3 1 under way");
    assert_eq!(screen.matches("under way").count(), 1, "{screen}");
    shell.shows("3 of 3 tasks ready");
    shell.send("exit\r");
    assert_eq!(fs::read_to_string(sandbox.repo().join("links")).unwrap().lines().count(), 3);
}
