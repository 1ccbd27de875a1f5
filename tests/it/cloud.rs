//! Sessions on GitHub's compute: on the real Copilot CLI, proven at the loopback GitHub.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Request, worker_link, worker_starts};
use crate::support::sandbox::{Done, Running, Sandbox};

mod left;
mod shown;

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
