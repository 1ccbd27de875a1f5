//! What is shown of tasks, one and many, and answered from here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{TASKS, creates, done_after_a_while, keep_runtime, world};
use crate::real_cli_or_return;
use crate::support::github::{Fault, Request};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Running, Sandbox};
use crate::support::together::wait_for;

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
