//! Arguments and variables, as far as `transcripts.rs` does not have them: what is wrong is said, with the value, and nothing is started.

use crate::support::sandbox::{Sandbox, TOKEN};

#[test]
fn stdin_is_read_once() {
    let sandbox = Sandbox::new();
    let done = sandbox.spawn_with_input(&["start", "--prompt", "-", "--token-stdin"], TOKEN).finish().expect_code(2);
    assert!(done.stderr.starts_with("error: --prompt - and --token-stdin both read stdin\nhint: "), "{}", done.stderr);
    let done = sandbox.spawn_with_input(&["start", "--demo", "--prompt", "-"], " \n").finish().expect_code(2);
    assert!(done.stderr.contains("error: stdin was to have the prompt, and is empty\n"), "{}", done.stderr);
    let done = sandbox.spawn_with_input(&["start", "--demo", "--token-stdin"], "two words").finish().expect_code(2);
    assert!(done.stderr.contains("no token") && !done.stderr.contains("two words"), "{}", done.stderr);
}

#[test]
fn wrong_variables_are_named_and_empty_ones_do_not_count() {
    for (name, value, wanted) in [
        ("COPILOT_REMOTE_QR", "no", "expected auto, always, never"),
        ("COPILOT_REMOTE_QR_STYLE", "big", "expected auto, half, wide, tall, mono"),
        ("COPILOT_REMOTE_COLOR", "yes", "expected auto, always, never"),
        ("COPILOT_REMOTE_TIMEOUT", "soon", "such as 90s or 2m"),
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.play(&serde_json::json!({}));
        sandbox.set(name, value);
        let done = sandbox.run(&["start", "--demo"]).expect_code(2);
        assert!(done.stderr.starts_with(&format!("error: {name}={value}: ")) && done.stderr.contains(wanted), "{}", done.stderr);
        sandbox.set(name, "");
        let running = sandbox.spawn(&["start", "--demo"]);
        running.stdout_line("https://");
        running.signal("INT");
        running.finish().expect_code(130);
    }
}

/// Before anything is read, signals and the deadline count.
#[test]
fn an_open_stdin_does_not_hold_up_signals_or_the_deadline() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["start", "--demo", "--prompt", "-"]);
    let (reader, _writer) = std::io::pipe().unwrap();
    command.stdin(reader.try_clone().unwrap());
    let running = crate::support::sandbox::Running::spawn(command, None);
    running.stderr_line("reading the prompt from stdin");
    running.signal("INT");
    running.finish().expect_code(130);
    let mut command = sandbox.command(&["start", "--demo", "--token-stdin", "--timeout", "1s"]);
    command.stdin(reader);
    let done = crate::support::sandbox::Running::spawn(command, None).finish().expect_code(6);
    assert!(done.stderr.contains("reading the token from stdin took too long"), "{}", done.stderr);
}

#[test]
fn help_goes_to_stdout() {
    let sandbox = Sandbox::new();
    let done = sandbox.run(&["start", "--help"]).expect_code(0);
    assert!(done.stdout.contains("--token-stdin") && done.stderr.is_empty());
    assert!(!sandbox.state().exists());
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["man"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
