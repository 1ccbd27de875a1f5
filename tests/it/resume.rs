//! Sessions that ended and are gone on with, on the real Copilot CLI.

use std::path::Path;

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::rpc::{Rpc, spawn_server};
use crate::support::sandbox::{PATIENCE, Sandbox, files_below};

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

/// A session with one turn behind it; `switch`: what was said of remote before it ended. Its `ready`.
fn ended(sandbox: &Sandbox, github: &GitHub, name: &str, switch: &[&[&str]]) -> Value {
    github.model([Reply::text("done")]);
    let ready = sandbox.run(&["start", "--detach", "--json", "--name", name]).expect_code(0).json().pop().unwrap();
    let id = ready["sessionId"].as_str().unwrap();
    sandbox.run(&["send", id, "-p", "go", "--wait"]).expect_code(0);
    for words in switch {
        sandbox.run(&[&words[..1], &[id], &words[1..]].concat()).expect_code(0);
    }
    sandbox.run(&["stop", id]).expect_code(0);
    ready
}

fn resume(sandbox: &Sandbox, more: &[&str]) -> Value {
    sandbox.run(&[&["start", "--detach", "--json"], more].concat()).expect_code(0).json().pop().unwrap()
}

#[test]
fn a_session_goes_on_as_it_was() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let before = ended(&sandbox, &github, "login test", &[]);
    let id = before["sessionId"].as_str().unwrap();
    let elsewhere = sandbox.path("home");
    let after = resume(&sandbox, &["--resume", "login", "-C", elsewhere.to_str().unwrap()]);
    for field in ["sessionId", "url", "name", "remote", "repository", "branch", "directory"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["remote"], "on");
    // It works: prompts go on where it was.
    github.model([Reply::text("again")]);
    assert_eq!(sandbox.run(&["send", id, "-p", "more", "--wait"]).expect_code(0).stdout, "again\n");
    let asked = github.requests().into_iter().rfind(|request| request.path == "/chat/completions").unwrap();
    assert!(asked.body.to_string().contains("done"), "the model is told what was before");
    // It is live now.
    let done = sandbox.run(&["start", "--resume", id]).expect_code(2);
    assert!(done.stderr.contains(&format!("the session {id} is live already")), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("copilot-remote attach {id}")), "{}", done.stderr);
    sandbox.run(&["stop", id]).expect_code(0);

    // Told otherwise, it is otherwise.
    let after = resume(&sandbox, &["--continue", "--remote", "off", "--name", "other"]);
    assert_eq!((&after["sessionId"], &after["remote"], &after["name"]), (&json!(id), &json!("off"), &json!("other")));
    sandbox.stop_all();
}

/// Nothing but the person turns on what the person turned off.
#[test]
fn off_stays_off_and_export_stays_export() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    for (switch, remote) in [(&[&["off"][..]][..], "off"), (&[&["off"][..], &["on", "--export"]], "export")] {
        let before = ended(&sandbox, &github, remote, switch);
        let id = before["sessionId"].as_str().unwrap();
        let polls = |github: &GitHub| {
            let path = format!("/agents/sessions/mc-{id}/commands");
            github.requests().iter().filter(|request| request.path == path).count()
        };
        let polled = polls(&github);
        let after = resume(&sandbox, &["--resume", remote]);
        assert_eq!((&after["sessionId"], &after["remote"]), (&json!(id), &json!(remote)));
        assert_eq!(after["url"], if remote == "off" { Value::Null } else { before["url"].clone() });
        std::thread::sleep(std::time::Duration::from_secs(4));
        assert_eq!(polls(&github), polled, "{remote}: it is steered");
        if remote == "off" {
            // The link is the same when the person says on.
            assert_eq!(sandbox.run(&["on", id]).expect_code(0).stdout.trim(), before["url"]);
        }
        sandbox.run(&["stop", id]).expect_code(0);
    }
    sandbox.stop_all();
}

#[test]
fn which_one_is_asked_or_told() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let done = sandbox.run(&["start", "--continue"]).expect_code(3);
    assert!(done.stderr.contains("there is no session on disk"), "{}", done.stderr);
    let first = ended(&sandbox, &github, "first", &[]);
    let second = ended(&sandbox, &github, "second", &[]);

    let document = sandbox.run(&["list", "--all", "--json"]).expect_code(0).json().remove(0);
    let names: Vec<&str> =
        document["resumable"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["second", "first"]);
    assert_eq!(document["resumable"][0]["branch"], "main");
    assert_eq!(document["sessions"], json!([]));
    let table = sandbox.run(&["list", "--all"]).expect_code(0).stdout;
    assert!(table.contains("no live sessions\n\nRESUMABLE  REPOSITORY           BRANCH  AGE"), "{table}");

    // Where nobody can be asked, the candidates are listed.
    let done = sandbox.run(&["start", "--resume"]).expect_code(2);
    for session in [&first, &second] {
        let line = format!(
            "{} ({}, octocat/hello-world, branch main, ",
            session["sessionId"].as_str().unwrap(),
            session["name"].as_str().unwrap()
        );
        assert!(done.stderr.contains(&line), "no {line} in {}", done.stderr);
    }
    assert_eq!(resume(&sandbox, &["--continue"])["sessionId"], second["sessionId"]);
    // The one that lives is no candidate any more.
    assert_eq!(resume(&sandbox, &["--resume"])["sessionId"], first["sessionId"]);
    sandbox.run(&["stop", "--all"]).expect_code(0);

    let mut pty = Pty::start(&sandbox, 100, 40, "start --resume --qr never --remote off");
    pty.shows("which one? press its number");
    let screen = pty.shows("2  ");
    let wanted = if screen.find("first") < screen.find("second") { &second } else { &first };
    pty.send("2");
    pty.shows(&format!("session: {}", wanted["name"].as_str().unwrap()));
    pty.shows("xx stop");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    let mut pty = Pty::start(&sandbox, 100, 40, "start --resume");
    pty.shows("which one? press its number");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);

    let done = sandbox.run(&["start", "--resume", "third"]).expect_code(3);
    assert!(done.stderr.contains("no session on disk has the name or id third"), "{}", done.stderr);
}

#[test]
fn what_is_open_elsewhere_or_in_the_cloud_is_not_resumed() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    // Another Copilot CLI, such as one in a terminal.
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let server = spawn_server(&cli, &[], &env, &sandbox.path("home"), &sandbox.repo());
    let rpc = Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
    rpc.call("connect", json!({"token": server.token})).unwrap();
    github.model([Reply::text("done")]);
    let create = json!({"workingDirectory": sandbox.repo(), "streaming": true, "name": "theirs"});
    let session = rpc.call("session.create", create).unwrap()["sessionId"].as_str().unwrap().to_owned();
    rpc.call("session.send", json!({"sessionId": session, "prompt": "go"})).unwrap();
    rpc.events_until(0, "session.idle", PATIENCE).expect("a turn");
    let done = sandbox.run(&["start", "--resume", "theirs"]).expect_code(2);
    assert!(done.stderr.contains(&format!("the session {session} is in use by another Copilot CLI")), "{}", done.stderr);
    // It is theirs still.
    assert!(rpc.call("session.name.get", json!({"sessionId": session})).is_ok());

    sandbox.run(&["cloud", "--repo", "octocat/hello-world"]).expect_code(0);
    let task = github.tasks().remove(0).0;
    let done = sandbox.run(&["start", "--resume", &task]).expect_code(2);
    assert!(done.stderr.contains(&format!("{task} is a task at GitHub: it goes on there")), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("hint: look at it: copilot-remote cloud open {task}")), "{}", done.stderr);
    assert_eq!(github.tasks().len(), 1);
    drop(server);
}

#[test]
fn a_session_is_renamed_and_made_visible_from_another_terminal() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox.run(&["start", "--detach", "--name", "first"]).expect_code(0);
    let url = sandbox.run(&["url", "first"]).expect_code(0).stdout;
    let done = sandbox.run(&["rename", "first", "login test"]).expect_code(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", "renaming the session\n"));
    assert_eq!(sandbox.list()[0]["name"], "login test");
    sandbox.run(&["url", "login"]).expect_code(0);
    sandbox.run(&["url", "first"]).expect_code(3);
    assert_eq!(sandbox.run(&["rename", "login test", "third", "--json"]).expect_code(0).json()[0]["name"], "third");
    sandbox.run(&["rename", "third", ""]).expect_code(2);

    let status = |field: &str| sandbox.run(&["status", "--json"]).expect_code(0).json().remove(0)[field].clone();
    assert_eq!(status("visibility"), "unshared");
    let done = sandbox.run(&["share", "--visibility", "repo"]).expect_code(0);
    assert_eq!(done.stdout, format!("whoever can read the repository can see the session: {url}"));
    assert_eq!(status("visibility"), "repo");
    assert!(sandbox.run(&["status"]).expect_code(0).stdout.contains("seen by:    whoever can read the repository"));
    assert_eq!(sandbox.run(&["share", "--visibility", "unshared", "--json"]).expect_code(0).json()[0]["visibility"], "unshared");
    // An answer without a word for it is a refusal.
    github.fault("PATCH", "/agents/tasks/*", Fault::Status(403, json!({"message": "Forbidden"})), None);
    let done = sandbox.run(&["share", "--visibility", "repo"]).expect_code(7);
    assert!(done.stderr.contains("the session's visibility was not changed"), "{}", done.stderr);
    github.heal();
    // GitHub that does not answer holds up nothing.
    github.fault("GET", "/agents/tasks/*", Fault::Hang, None);
    assert_eq!(status("visibility"), Value::Null);
    github.heal();
    sandbox.run(&["off"]).expect_code(0);
    let done = sandbox.run(&["share", "--visibility", "repo"]).expect_code(1);
    assert!(done.stderr.contains("remote is off for session third"), "{}", done.stderr);
    sandbox.stop_all();
    // The name is the session's: it comes back with it.
    assert_eq!(resume(&sandbox, &["--resume", "third"])["name"], "third");
    sandbox.stop_all();
}

/// What the person allowed and denied outlives the logs of the session, and is taken back with `--ask`.
#[test]
fn rules_outlive_the_logs_until_they_are_taken_back() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::text("done")]);
    let rules = ["--allow-tool", "shell(touch:*)", "--deny-tool", "shell(rm:*)", "--allow-all"];
    let ready = resume(&sandbox, &rules[..4]);
    let id = ready["sessionId"].as_str().unwrap();
    sandbox.run(&["send", id, "-p", "go", "--wait"]).expect_code(0);
    sandbox.run(&["stop", id]).expect_code(0);
    for file in files_below(&sandbox.state().join("logs")) {
        if file.extension().is_some_and(|kind| kind == "jsonl") {
            std::fs::remove_file(file).unwrap();
        }
    }
    let of = |ready: &Value| [ready["allowedTools"].clone(), ready["deniedTools"].clone(), ready["permissionMode"].clone()];
    // A start that fails takes nothing back.
    github.fault("*", "/agents/sessions*", Fault::Status(403, json!({"message": "no"})), None);
    sandbox.run(&["start", "--resume", id, "--ask"]).expect_code(7);
    github.heal();
    let after = resume(&sandbox, &["--resume", id, "--allow-all"]);
    assert_eq!(of(&after), [json!(["shell(touch:*)"]), json!(["shell(rm:*)"]), json!("allow-all")]);
    let kept = sandbox.write("repo/kept", "");
    github.model([Reply::bash("rm -f kept"), Reply::text("not run")]);
    // Nobody is asked, and it does not run.
    assert_eq!(sandbox.run(&["send", id, "-p", "go", "--wait"]).expect_code(0).stdout, "not run\n");
    assert!(kept.exists(), "what is denied ran");
    sandbox.run(&["stop", id]).expect_code(0);
    assert_eq!(of(&resume(&sandbox, &["--resume", id]))[2], "allow-all");
    sandbox.run(&["stop", id]).expect_code(0);

    let after = resume(&sandbox, &["--resume", id, "--ask", "--allow-tool", "write"]);
    assert_eq!(of(&after), [json!(["write"]), json!([]), json!("manual")]);
    github.model([Reply::bash("touch x")]);
    sandbox.run(&["send", id, "-p", "go"]).expect_code(0);
    sandbox.run(&["wait", id, "--for", "input", "--timeout", "30s"]).expect_code(0);
    sandbox.run(&["off", id]).expect_code(0);
    sandbox.run(&["stop", id]).expect_code(0);

    // It was not shared: a limit would be for nothing.
    let done = sandbox.run(&["start", "--resume", id, "--time-limit", "1h"]).expect_code(2);
    assert!(done.stderr.contains("--time-limit is for a session that is shared, and this one was not"), "{}", done.stderr);
    let done = sandbox.run(&["start", "--ask"]).expect_code(2);
    assert!(done.stderr.contains("--resume"), "{}", done.stderr);
    sandbox.stop_all();
}

/// A power cut may leave the file of the newest session empty: the CLI lists it, and cannot resume it.
#[test]
fn an_emptied_session_is_passed_over() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let older = ended(&sandbox, &github, "older", &[]);
    let newer = ended(&sandbox, &github, "newer", &[]);
    let id = newer["sessionId"].as_str().unwrap();
    let events = sandbox.path("copilot/session-state").join(id).join("events.jsonl");
    std::fs::write(&events, "").unwrap();
    let done = sandbox.run(&["start", "--continue", "-d", "--json"]).expect_code(0);
    assert!(done.stderr.contains(&format!("the session {id} is listed, but the Copilot CLI cannot read it")), "{}", done.stderr);
    assert_eq!(done.json().pop().unwrap()["sessionId"], older["sessionId"]);
    sandbox.stop_all();
}
