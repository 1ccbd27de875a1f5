//! Finding the Copilot CLI.

use crate::support::sandbox::{BINARY, Sandbox};

/// A CLI that works: the stand-in behind a script.
fn stand_in(sandbox: &Sandbox, name: &str) -> String {
    let script = sandbox.script(name, &format!("exec {BINARY} demo-runtime \"$@\""));
    script.to_str().unwrap().to_owned()
}

/// A PATH without any Copilot CLI of this machine, and with `git`.
fn bare_path(sandbox: &mut Sandbox) {
    std::fs::create_dir(sandbox.path("bin")).unwrap();
    for tool in ["git", "sh", "ssh", "cat", "sleep"] {
        if let Ok(found) = which::which(tool) {
            std::os::unix::fs::symlink(found, sandbox.path("bin").join(tool)).unwrap();
        }
    }
    let path = sandbox.path("bin").to_str().unwrap().to_owned();
    sandbox.set("PATH", &path);
}

fn program_used(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let running = sandbox.spawn(&[&["start", "--json"], arguments].concat());
    let ready = running.stdout_line("\"type\":\"ready\"");
    running.signal("INT");
    running.finish().expect_code(130);
    serde_json::from_str::<serde_json::Value>(&ready).unwrap()["copilotProgram"].as_str().unwrap().to_owned()
}

#[test]
fn the_flag_wins_over_the_variable_over_path_over_the_usual_places() {
    let mut sandbox = Sandbox::new();
    bare_path(&mut sandbox);
    let usual = stand_in(&sandbox, "home/.local/bin/copilot");
    assert_eq!(program_used(&sandbox, &[]), usual);
    let on_path = stand_in(&sandbox, "bin/copilot");
    assert_eq!(program_used(&sandbox, &[]), on_path);
    let by_variable = stand_in(&sandbox, "elsewhere/variable");
    sandbox.set("COPILOT_CLI_PATH", &by_variable);
    assert_eq!(program_used(&sandbox, &[]), by_variable);
    let by_flag = stand_in(&sandbox, "elsewhere/flag");
    assert_eq!(program_used(&sandbox, &["--copilot", &by_flag]), by_flag);
}

#[test]
fn none_at_all_says_what_was_tried_and_how_to_install() {
    let mut sandbox = Sandbox::new();
    bare_path(&mut sandbox);
    let done = sandbox.run(&["start"]).expect_code(5);
    assert_eq!(done.stdout, "");
    assert!(
        done.stderr.contains("error: no usable GitHub Copilot CLI was found; tried:\n  copilot on PATH\n"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("/home/.local/bin/copilot\n"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: install or update it: npm install -g @github/copilot\n"), "{}", done.stderr);
    assert!(done.stderr.contains("start --demo"), "{}", done.stderr);
}

/// `copilot` is also the name of another tool, and of old versions.
#[test]
fn an_unusable_one_on_path_is_passed_over() {
    let mut sandbox = Sandbox::new();
    bare_path(&mut sandbox);
    sandbox.script("bin/copilot", "echo 'unknown flag: --server' >&2; exit 1");
    let usual = stand_in(&sandbox, "home/.local/bin/copilot");
    assert_eq!(program_used(&sandbox, &[]), usual);

    std::fs::remove_file(&usual).unwrap();
    let done = sandbox.run(&["start"]).expect_code(5);
    assert!(done.stderr.contains("ended before it was ready (exit status: 1):\n  unknown flag: --server"), "{}", done.stderr);
}

#[test]
fn an_explicit_path_does_not_fall_through() {
    let mut sandbox = Sandbox::new();
    bare_path(&mut sandbox);
    stand_in(&sandbox, "bin/copilot");
    let broken = sandbox.script("elsewhere/broken", "echo broken; exit 3");
    let done = sandbox.run(&["start", "--copilot", broken.to_str().unwrap()]).expect_code(5);
    assert!(done.stderr.contains("/elsewhere/broken ended before it was ready (exit status: 3):\n  broken\n"), "{}", done.stderr);
    sandbox.set("COPILOT_CLI_PATH", broken.to_str().unwrap());
    sandbox.run(&["start"]).expect_code(5);

    for (path, reason) in
        [("/nowhere/copilot", "there is no such file"), ("/etc", "it is a folder"), ("/etc/passwd", "it is not executable")]
    {
        let done = sandbox.run(&["start", "--copilot", path]).expect_code(5);
        assert!(done.stderr.contains(&format!("error: the Copilot CLI {path} cannot be run: {reason}\n")), "{}", done.stderr);
    }
}

#[test]
fn another_protocol_is_refused() {
    let mut sandbox = Sandbox::new();
    let script = sandbox.path("script.json");
    std::fs::write(&script, r#"{"faults": {"connect": [{"result": {"ok": true, "protocolVersion": 4, "version": "2.0.0"}}]}}"#)
        .unwrap();
    sandbox.set("COPILOT_REMOTE_DEMO_SCRIPT", script.to_str().unwrap());
    let cli = stand_in(&sandbox, "elsewhere/copilot");
    let done = sandbox.run(&["start", "--copilot", &cli]).expect_code(5);
    assert!(done.stderr.contains("it speaks protocol 4, and this program 3"), "{}", done.stderr);
}
