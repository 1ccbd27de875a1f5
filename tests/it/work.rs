//! The plain calls about a session's work: files along with a prompt, an interruption, changes, usage, and what is taken back. On the real
//! Copilot CLI.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Sandbox};
use crate::support::together::wait_for;

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

#[test]
fn files_go_along_and_a_turn_is_broken_off() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox.run(&["start", "--detach"]).expect_code(0);
    let asked = || github.requests().into_iter().rfind(|request| request.path == "/chat/completions").unwrap().body;
    sandbox.write("notes.txt", "the brown fox\n");
    // The smallest PNG.
    let mut png = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10];
    png.extend(b"\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89");
    png.extend(b"\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82");
    std::fs::write(sandbox.path("picture.png"), png).unwrap();
    github.model([Reply::text("seen")]);
    // Paths are those of whoever sends.
    let mut send =
        sandbox.command(&["send", "-p", "look", "--file", "notes.txt", "--file", "picture.png", "--mode", "plan", "--wait"]);
    let done = send.current_dir(sandbox.path("home").parent().unwrap()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let body = asked().to_string();
    assert!(body.contains("notes.txt") && body.contains("data:image/png;base64,"), "{body}");
    for missing in ["nowhere.txt", "/root/nowhere"] {
        let done = sandbox.run(&["send", "-p", "look", "--file", missing]).expect_code(2);
        assert!(done.stderr.contains(&format!("--file {missing}: ")), "{}", done.stderr);
    }

    let interrupted = |was_busy: bool| {
        let done = sandbox.run(&["interrupt", "--json"]).expect_code(0);
        assert_eq!(done.json()[0]["wasBusy"], was_busy);
    };
    interrupted(false);
    github.model([Reply::bash("touch asked"), Reply::text("never")]);
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(9);
    interrupted(true);
    wait_for("it is idle", PATIENCE, || sandbox.list()[0]["activity"] == "idle");
    assert!(sandbox.run(&["logs"]).stdout.contains("the turn was broken off"));
    github.clear_model();
    github.model([Reply::text("on again")]);
    assert_eq!(sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(0).stdout, "on again\n");
    sandbox.stop_all();
}

/// The last prompt is taken back by a person at a terminal.
fn a_person_takes_back(sandbox: &Sandbox) {
    // Nobody is asked without a terminal; in one, no is no.
    let done = sandbox.run(&["undo"]).expect_code(2);
    assert!(done.stderr.contains("hint: say so: --yes"), "{}", done.stderr);
    let mut pty = Pty::start(sandbox, 100, 30, "undo");
    pty.shows("README.md: as it was before (+1 -0)");
    pty.shows("undo this? y yes, n no");
    pty.send("n");
    pty.shows("nothing was undone");
    assert_eq!(pty.finish(), 0);
    assert_eq!(std::fs::read_to_string(sandbox.repo().join("README.md")).unwrap(), "hello\nmore\n");
    let mut pty = Pty::start(sandbox, 100, 30, "undo");
    pty.shows("undo this?");
    pty.send("y");
    pty.shows("undone: 1 files are as they were");
    assert_eq!(pty.finish(), 0);
    assert_eq!(std::fs::read_to_string(sandbox.repo().join("README.md")).unwrap(), "hello\n");
}

#[test]
fn changes_are_a_patch_and_can_be_taken_back() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox.write("repo/README.md", "hello\n");
    sandbox.git(&sandbox.repo(), &["add", "."]);
    sandbox.git(&sandbox.repo(), &["commit", "--quiet", "-m", "second"]);
    sandbox.run(&["start", "--detach", "--allow-all"]).expect_code(0);
    assert_eq!(sandbox.run(&["diff"]).expect_code(0).stdout, "");
    assert_eq!(sandbox.run(&["undo", "--list"]).expect_code(0).stdout, "no prompt can be undone\n");
    sandbox.run(&["undo", "--yes"]).expect_code(3);
    let new = sandbox.repo().join("new.txt");
    for reply in [Reply::tool("create", json!({"path": new, "file_text": "one\ntwo\n"})), Reply::bash("echo more >> README.md")] {
        github.model([reply, Reply::text("done")]);
        sandbox.run(&["send", "-p", "change it", "--wait"]).expect_code(0);
    }
    // Each is a patch that git takes, in a clone of what was there before.
    sandbox.git(&sandbox.path(""), &["clone", "--quiet", "repo", "clone"]);
    for more in [&[][..], &["--branch"], &["--session"]] {
        let patch = sandbox.run(&[&["diff"], more].concat()).expect_code(0).stdout;
        let mut apply = Command::new("git");
        apply.args(["apply", "-"]).current_dir(sandbox.path("clone")).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut apply = apply.spawn().unwrap();
        std::io::Write::write_all(&mut apply.stdin.take().unwrap(), patch.as_bytes()).unwrap();
        let done = apply.wait_with_output().unwrap();
        assert!(done.status.success(), "{more:?}: {}\n{patch}", String::from_utf8_lossy(&done.stderr));
        let clone = sandbox.path("clone");
        assert_eq!(std::fs::read_to_string(clone.join("README.md")).unwrap(), "hello\nmore\n", "{more:?}");
        assert_eq!(std::fs::read_to_string(clone.join("new.txt")).unwrap(), "one\ntwo\n", "{more:?}");
        sandbox.git(&clone, &["checkout", "--quiet", "."]);
        sandbox.git(&clone, &["clean", "--quiet", "--force"]);
    }
    let document = sandbox.run(&["diff", "--session", "--json"]).expect_code(0).json().remove(0);
    assert_eq!((&document["against"], document["files"].as_array().unwrap().len()), (&json!("session"), 2));

    let usage = sandbox.run(&["usage", "--json"]).expect_code(0).json().remove(0);
    assert_eq!((&usage["prompts"], &usage["models"][0]["requests"]), (&json!(2), &json!(4)));
    assert!(usage["context"]["tokens"].as_u64().unwrap() > 100, "{usage}");
    let text = sandbox.run(&["usage"]).expect_code(0).stdout;
    assert!(text.contains("prompts:    2\n") && text.contains("context:    "), "{text}");

    a_person_takes_back(&sandbox);
    assert!(new.exists());
    // The rest by its id; a file that somebody else changed is left.
    let points = sandbox.run(&["undo", "--list", "--json"]).expect_code(0).json().remove(0);
    let id = points["points"][0]["id"].as_str().unwrap();
    std::fs::write(&new, "mine\n").unwrap();
    let done = sandbox.run(&["undo", "--to", &id[..8], "--yes", "--json"]).expect_code(0).json().remove(0);
    assert!(done["skipped"][0].as_str().unwrap().contains("new.txt"), "{done}");
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "mine\n");
    wait_for("no prompt is left", PATIENCE, || sandbox.run(&["undo", "--list"]).stdout == "no prompt can be undone\n");
    sandbox.stop_all();
}
