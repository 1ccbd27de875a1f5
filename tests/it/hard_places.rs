//! Where people are, and what lies about there: folders that are gone, hooks that fail, files that are none, words that are not what they look
//! like. On the stand-in.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use serde_json::json;

use crate::support::sandbox::{BINARY, Running, Sandbox, TOKEN};

/// A folder that was removed under whoever is in it, as by `git worktree remove` elsewhere.
#[test]
fn sessions_are_found_and_ended_from_a_folder_that_is_gone() {
    let sandbox = Sandbox::new();
    for name in ["one", "two"] {
        sandbox.run(&["start", "--demo", "-d", "--name", name]).expect_code(0);
    }
    let from_nowhere = |arguments: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("mkdir gone && cd gone && rmdir ../gone && exec {BINARY} {arguments}")]);
        command.env_clear().envs(&sandbox.env).current_dir(sandbox.path("home"));
        Running::spawn(command, None).finish()
    };
    let listed = from_nowhere("list").expect_code(0);
    assert!(listed.stdout.contains("one") && listed.stdout.contains("two"), "{}", listed.stdout);
    from_nowhere("off one").expect_code(0);
    from_nowhere("status one").expect_code(0);
    from_nowhere("cloud list --demo").expect_code(0);
    let done = from_nowhere("start --demo").expect_code(1);
    assert!(done.stderr.contains("the current folder cannot be told: was it removed?"), "{}", done.stderr);
    from_nowhere(&format!("-C {} start --demo -d", sandbox.repo().display())).expect_code(0);
    from_nowhere("stop --all").expect_code(0);
    assert_eq!(sandbox.list(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_worktree_whose_hook_fails_is_taken_with_a_word() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    let cli = sandbox.stand_in_cli();
    let start = |arguments: &[&str]| sandbox.run(&[&["start", "--copilot", &cli, "-d"][..], arguments].concat());
    let hook = sandbox.script("repo/.git/hooks/post-checkout", "echo git-lfs is not to be found >&2; exit 2");
    let done = start(&["--worktree", "topic"]).expect_code(0);
    let made = sandbox.path("repo.worktrees/topic");
    for said in [
        format!("new worktree: {}, branch topic", made.display()),
        "git's hook post-checkout failed in it: git-lfs is not to be found".to_owned(),
    ] {
        assert!(done.stderr.contains(&said), "no {said:?} in {}", done.stderr);
    }
    fs::remove_file(hook).unwrap();
    sandbox.stop_all();

    let empty = sandbox.path("empty");
    sandbox.git(&sandbox.path("home"), &["init", "--quiet", empty.to_str().unwrap()]);
    sandbox.git(&empty, &["remote", "add", "origin", "https://github.com/octocat/empty.git"]);
    let done =
        sandbox.run(&["-C", empty.to_str().unwrap(), "start", "--copilot", &cli, "-d", "--worktree", "topic"]).expect_code(8);
    assert!(done.stderr.contains("there is no commit yet that topic could begin at: commit something first"), "{}", done.stderr);
}

#[test]
fn a_token_that_is_not_taken_is_named_and_not_shown() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"account.getCurrentAuth": [{"result": {"authErrors": []}}]}}));
    sandbox.set("GH_TOKEN", "ghp_c1a551c0f7he7est5");
    let cli = sandbox.stand_in_cli();
    let done = sandbox.run(&["start", "--copilot", &cli, "--json"]).expect_code(4);
    assert!(done.stderr.contains("GH_TOKEN holds a token of a kind that the Copilot CLI does not take"), "{}", done.stderr);
    assert!(!done.stderr.contains("c1a551c") && !done.stdout.contains("c1a551c"), "{}{}", done.stderr, done.stdout);
}

/// A proxy that repeats what it was sent, whichever way its words come.
#[test]
fn an_echoed_token_is_in_no_error() {
    let mut sandbox = Sandbox::new();
    sandbox.set("GH_TOKEN", TOKEN);
    let echo = format!("502 Bad Gateway: Authorization: Bearer {TOKEN}, in short {TOKEN}");
    let error = json!([{"error": {"code": -32603, "message": echo}}]);
    let warning = json!({"type": "session.warning", "data": {"message": echo, "warningType": "remote"}, "ephemeral": true});
    let auth = json!([{"result": {"authErrors": [echo]}}]);
    for faults in [
        json!({"account.getCurrentAuth": auth}),
        json!({"session.create": error}),
        json!({"session.remote.enable": error}),
        json!({"session.remote.enable": [{"events": [warning], "error": {"code": -32603, "message": "Failed"}}]}),
    ] {
        sandbox.play(&json!({"faults": faults, "timeline": [{"event": {"type": "session.error", "data": {"message": echo}}}]}));
        let cli = sandbox.stand_in_cli();
        let done = sandbox.run(&["start", "--copilot", &cli, "--json", "-vv"]);
        assert!(done.code != 0 && done.stderr.contains("502 Bad Gateway"), "{}", done.stderr);
        let doctor = sandbox.run(&["doctor", "--copilot", &cli, "--json", "--probe"]);
        assert!(doctor.code != 0 && doctor.stdout.contains("502 Bad Gateway"), "{}", doctor.stdout);
        sandbox.assert_token_unseen(&[&done.stdout, &done.stderr, &doctor.stdout, &doctor.stderr]);
    }
}

#[test]
fn a_home_that_cannot_be_written_is_told_and_output_keeps_its_lines() {
    let mut sandbox = Sandbox::new();
    let cli = sandbox.script("dies", "echo one; echo two; exit 1").to_str().unwrap().to_owned();
    let done = sandbox.run(&["doctor", "--copilot", &cli]).expect_code(5);
    assert!(done.stdout.contains("(exit status: 1):\n") && done.stdout.contains("\n           two\n"), "{}", done.stdout);
    let file = sandbox.write("file", "");
    sandbox.set("COPILOT_HOME", file.to_str().unwrap());
    let done = sandbox.run(&["start", "--copilot", &cli, "--json"]).expect_code(5);
    assert!(done.stderr.contains("the Copilot CLI cannot write to its own folder"), "{}", done.stderr);
    assert!(!done.stderr.contains("install or update it"), "{}", done.stderr);
    assert_eq!(done.json().pop().unwrap()["reason"], "unusable-home");
}

/// A power cut leaves an empty file of the newest session: the CLI lists it, and does not find it.
#[test]
fn a_session_of_which_nothing_is_left_is_passed_over() {
    let mut sandbox = Sandbox::new();
    let store = sandbox.path("store.json");
    sandbox.play(&json!({"store": store}));
    let cli = sandbox.stand_in_cli();
    let start = |sandbox: &Sandbox, arguments: &[&str]| {
        sandbox.run(&[&["start", "--copilot", &cli, "-d", "--json", "--isolated"][..], arguments].concat())
    };
    let mut ids = Vec::new();
    for name in ["older", "newer"] {
        let done = start(&sandbox, &["--name", name]).expect_code(0);
        ids.push(done.json().pop().unwrap()["sessionId"].as_str().unwrap().to_owned());
        sandbox.run(&["send", name, "-p", "hello", "--wait"]).expect_code(0);
        sandbox.stop_all();
    }
    let lost = json!({"error": {"code": -32603, "message": format!("Session not found: {}", ids[1])}, "once": true});
    sandbox.play(&json!({"store": store, "faults": {"session.resume": [lost]}}));
    let done = start(&sandbox, &["--continue"]).expect_code(0);
    let note = format!("the session {} is listed, but the Copilot CLI cannot read it any more", ids[1]);
    assert!(done.stderr.contains(&note), "{}", done.stderr);
    assert_eq!(done.json().pop().unwrap()["sessionId"], ids[0].as_str());
    sandbox.stop_all();
}

/// Neither hangs, nor fills the memory, nor is believed.
#[test]
fn what_lies_in_the_place_of_a_file_holds_nobody_up() {
    let mut sandbox = Sandbox::new();
    sandbox.run(&["start", "--demo", "-d", "--name", "one"]).expect_code(0);
    let fifo = |name: &str| {
        let file = sandbox.path(name);
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        file
    };
    let state = sandbox.state();
    for name in ["fifo.json", "fifo.lock", "fifo.wanted", "fifo.limit"] {
        fs::rename(fifo(name), state.join("sessions").join(name)).unwrap();
    }
    fs::File::create(state.join("sessions/giant.json")).unwrap().set_len(1 << 40).unwrap();
    let listed = sandbox.run(&["list"]).expect_code(0);
    for note in ["fifo.json: it is no regular file", "giant.json: it has more than 1048576 bytes"] {
        assert!(listed.stderr.contains(note), "no {note:?} in {}", listed.stderr);
    }
    assert!(listed.stdout.contains("one"), "{}", listed.stdout);
    for name in ["fifo.json", "fifo.lock", "fifo.wanted", "fifo.limit", "giant.json"] {
        fs::remove_file(state.join("sessions").join(name)).unwrap();
    }
    let done = sandbox.run(&["send", "one", "-p", "look", "--file", fifo("pipe").to_str().unwrap()]).expect_code(2);
    assert!(done.stderr.contains("it is no regular file"), "{}", done.stderr);
    sandbox.stop_all();

    // A config file has commands.
    let own = sandbox.write("own/config.toml", "[hooks]\nready = [\"touch pwned\"]\n");
    let open = sandbox.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    symlink(&own, open.join("config.toml")).unwrap();
    for (file, why) in [
        (open.join("config.toml"), "it is behind a link in a folder that others can write to"),
        (fifo("config-pipe"), "it is no regular file"),
    ] {
        sandbox.set("COPILOT_REMOTE_CONFIG", file.to_str().unwrap());
        let done = sandbox.run(&["start", "--demo", "-d"]).expect_code(2);
        assert!(done.stderr.contains(why), "{}", done.stderr);
    }
    assert!(!sandbox.repo().join("pwned").exists());
}

#[test]
fn what_nobody_sees_in_a_name_is_shown() {
    let sandbox = Sandbox::new();
    let piled = "\u{301}".repeat(300);
    let name = format!("a\u{200b}b\u{e0041}c\u{3164} 👩\u{200d}💻 e{piled}");
    let done = sandbox.run(&["start", "--demo", "-d", "--name", &name]).expect_code(0);
    let listed = sandbox.run(&["list"]).expect_code(0);
    for text in [&done.stderr, &listed.stdout] {
        assert!(text.contains("a\\u{200b}b\\u{e0041}c\\u{3164} 👩\u{200d}💻 e"), "{text}");
        assert!(text.matches('\u{301}').count() < 20, "{text}");
    }
    sandbox.stop_all();
}
