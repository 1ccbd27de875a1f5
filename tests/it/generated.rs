//! Files that are made from the code and committed: each test rewrites its file and fails if it changed.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::pty::Pty;
use crate::support::sandbox::{BINARY, Sandbox};

fn check(file: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if fs::read_to_string(&path).unwrap_or_default() == content {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    panic!("{file} was out of date; it is written anew: commit it");
}

#[test]
fn completions_are_those_of_the_arguments() {
    let sandbox = Sandbox::new();
    for (shell, file) in [
        ("bash", "completions/copilot-remote.bash"),
        ("zsh", "completions/_copilot-remote"),
        ("fish", "completions/copilot-remote.fish"),
        ("powershell", "completions/_copilot-remote.ps1"),
        ("elvish", "completions/copilot-remote.elv"),
    ] {
        let done = sandbox.run(&["completions", shell]).expect_code(0);
        assert_eq!(done.stderr, "");
        assert!(done.stdout.contains("COPILOT_REMOTE_COMPLETE"), "{shell}");
        check(file, &done.stdout);
    }
}

/// The script is run: what bash would offer.
#[test]
fn bash_completes_options_and_names_of_sessions() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    sandbox.run(&["start", "--demo", "--detach", "--name", "login test"]).expect_code(0);
    let script = sandbox.path("completion.bash");
    fs::write(&script, sandbox.run(&["completions", "bash"]).stdout).unwrap();
    for (words, wanted) in [
        ("start --qr-st", "--qr-style"),
        ("start --qr-style w", "wide"),
        ("sta", "start status"),
        ("man co", "completions"),
        ("dem", ""),
        ("next", ""),
        ("off log", "login test"),
        ("stop log", "login test"),
        ("start --model gpt-5", "gpt-5-mini"),
        ("start --mode p", "plan"),
    ] {
        let program = format!(
            "source '{}'; COMP_WORDS=(copilot-remote {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _clap_complete_copilot_remote copilot-remote \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let mut command = std::process::Command::new("bash");
        command.args(["--norc", "-c", &program]).env_clear().envs(&sandbox.env);
        let folder = Path::new(BINARY).parent().unwrap().to_str().unwrap();
        command.env("PATH", format!("{folder}:{}", sandbox.env["PATH"]));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), wanted, "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }
    sandbox.run(&["stop", "--all"]).expect_code(0);
}

#[test]
fn man_pages_are_those_of_the_arguments() {
    let sandbox = Sandbox::new();
    let list = sandbox.run(&["man", "nothing"]).expect_code(2).stderr;
    let (_, pages) = list.split_once("[possible values: ").expect("the pages");
    let pages = pages.split(']').next().unwrap().split(", ");
    for page in std::iter::once("").chain(pages) {
        let arguments: Vec<&str> = ["man", page].into_iter().filter(|word| !word.is_empty()).collect();
        let file = format!("man/copilot-remote{}{page}.1", if page.is_empty() { "" } else { "-" });
        let done = sandbox.run(&arguments).expect_code(0);
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
            assert!(done.stdout.contains(section), "{file} lacks {section}");
        }
        assert!(!done.stdout.contains("demo\\-runtime") && !done.stdout.contains("next\\-host"), "{file} shows a hidden command");
        check(&file, &done.stdout);
    }
}

#[test]
fn the_schema_is_that_of_the_types() {
    let done = Sandbox::new().run(&["schema"]).expect_code(0);
    assert_eq!(done.stderr, "");
    check("docs/schema/v1.json", &done.stdout);
}

/// The README's picture is what a terminal shows: the program's own output, with the times of day and the id made the same.
#[test]
fn the_picture_is_real_output() {
    let mut sandbox = Sandbox::new();
    let url = "https://github.com/octocat/hello-world/tasks/0d5e9f1c-7b3a-4c6e-9a41-5f2b8c07d6e3";
    sandbox.play(&json!({
        "faults": {"session.remote.enable": [{"result": {"url": url, "remoteSteerable": true, "started": true}}]},
        "reply": [
            {"tool": {"name": "bash", "arguments": {"command": "cargo test login"}, "exitCode": 101, "seconds": 0.1}},
            {"permission": {"command": "TZ=UTC cargo test login"}},
        ],
    }));
    let cli = sandbox.stand_in_cli();
    let arguments = format!("start --copilot {cli} --name 'login test' --prompt 'Why does the login test fail?'");
    let mut pty = Pty::start(&sandbox, 90, 34, &arguments);
    pty.shows("waits for an answer");
    let picture = pty.picture();
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    check("docs/terminal.svg", &picture);
}

/// The README's tables are the program's own.
#[test]
fn the_readme_has_every_exit_code() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["--help"]).expect_code(0).stdout;
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, codes) = help.split_once("Exit codes:\n").expect("the help lists exit codes");
    for line in codes.lines().take_while(|line| !line.is_empty()) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "README.md lacks the row: {row}");
    }
}
