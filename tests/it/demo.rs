//! `--demo`, and what the real runtime will not do on demand: scripted on the stand-in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::pty::Pty;
use crate::support::sandbox::{Done, Sandbox};

fn demo(sandbox: &Sandbox, more: &[&str]) -> Done {
    sandbox.run(&[&["start", "--demo"], more].concat())
}

/// Nothing is needed: no repository, no network, no account, no CLI.
#[test]
fn the_demo_shows_the_whole_thing() {
    let mut sandbox = Sandbox::new();
    sandbox.set("PATH", "/nowhere");
    let plain = sandbox.path("plain");
    std::fs::create_dir(&plain).unwrap();
    let mut command = sandbox.command(&["start", "--demo"]);
    command.current_dir(&plain);
    let running = crate::support::sandbox::Running::spawn(command, None);
    running.stdout_line("https://github.com/octocat/hello-world/tasks/");
    running.stderr_line("demo: nothing runs, nothing is shared, the link opens no session");
    running.stderr_line("prompt (Mission Control): Why does the login test fail?");
    running.stderr_line("permission needed: ");
    running.stderr_line("answered: approved");
    running.stderr_line("idle: waits for a prompt");
    running.signal("INT");
    let done = running.finish().expect_code(130);
    assert_eq!(done.stdout.lines().count(), 1);
}

#[test]
fn every_event_has_its_words() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 1000, "timeline": [
        {"prompt": "hello"},
        {"tool": {"name": "bash", "arguments": {"command": "false"}, "exitCode": 3}},
        {"plan": {"summary": "first this", "content": "then that", "answeredAfter": 1}},
        {"event": {"type": "session.warning", "data": {"warningType": "x", "message": "take care"}}},
        {"event": {"type": "session.error", "data": {"message": "the model is gone"}}},
        {"event": {"type": "abort", "data": {"reason": "remote_command"}}},
        {"event": {"type": "a.new.one", "data": {"unknown": [1, 2]}}},
        {"message": "one\ntwo"}, "idle", "closeSession"]}));
    let done = demo(&sandbox, &[]).expect_code(0);
    let (_, told) = done.stderr.split_once("opens no session\n").expect("the demo says what it is");
    let told = crate::support::sandbox::normal(told, &sandbox);
    let expected = "Ctrl-C ends the session\n\
        HH:MM prompt (Mission Control): hello\n\
        HH:MM tool bash: false\n\
        HH:MM tool ended: exit code 3\n\
        HH:MM plan to approve: first this\n\
        \u{20}         then that\n\
        \u{20}       1. interactive: approve and implement it, with questions as usual\n\
        \u{20}       2. autopilot: approve and implement it, without questions\n\
        \u{20}       3. exit_only: approve it, and do nothing yet\n\
        \u{20}       answer it in Mission Control\n\
        HH:MM answered: approved\n\
        HH:MM warning: take care\n\
        HH:MM error: the model is gone\n\
        HH:MM the turn was broken off\n\
        HH:MM agent: one\n      \u{20}\u{20}two\n\
        HH:MM idle: waits for a prompt\n\
        ending the session\n\
        ending the Copilot CLI\n\
        HH:MM session ended, not from here";
    assert_eq!(told, expected);
}

/// Escape sequences and direction overrides from a session never reach the terminal; JSON carries them as data.
#[test]
fn hostile_text_is_shown_harmless() {
    let mut sandbox = Sandbox::new();
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2Jred\u{202e}txt\u{9b}31m\rover";
    sandbox.play(&json!({"speed": 1000, "timeline": [
        {"prompt": hostile}, {"permission": {"command": hostile, "answeredAfter": 1}}, {"message": hostile},
        {"event": {"type": "session.title_changed", "data": {"title": hostile}}},
        {"event": {"type": "session.warning", "data": {"message": hostile}}}, "idle", "closeSession"]}));
    let done = demo(&sandbox, &[]).expect_code(0);
    assert!(
        done.stderr.contains("prompt (Mission Control): \\x1b]0;owned\\x07\\x1b[2Jred\\u{202e}txt\\u{9b}31m"),
        "{}",
        done.stderr
    );
    assert!(!done.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}', '\r']), "{:?}", done.stderr);
    let done = demo(&sandbox, &["--json"]).expect_code(0);
    assert!(done.json().iter().any(|line| line["type"] == "prompt" && line["text"] == hostile));
    assert!(!done.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{:?}", done.stdout);
    // An event's type is text too, and the log shows it.
    sandbox.play(&json!({"speed": 1000, "timeline": [{"event": {"type": "evil\u{1b}[31m", "data": {}}}, "closeSession"]}));
    let done = demo(&sandbox, &["-vv"]).expect_code(0);
    assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
}

/// Only an https link on the expected host is ever shown.
#[test]
fn a_link_elsewhere_is_refused() {
    for url in [
        "https://evil.example/x",
        "http://github.com/x",
        "https://github.com/\u{1b}[31m",
        "https://github.com@evil.example/",
        "https://github.com\\@evil.example/",
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.play(
            &json!({"faults": {"session.remote.enable": [{"result": {"remoteSteerable": true, "started": true, "url": url}}]}}),
        );
        let done = demo(&sandbox, &["--json"]).expect_code(1);
        assert_eq!(done.json().last().unwrap()["reason"], "untrusted-url");
        assert!(!done.json().iter().any(|line| line["type"] == "ready"));
        assert!(done.stderr.contains("error: the runtime gave a link that is not on https://github.com"), "{}", done.stderr);
        assert!(!done.stderr.contains('\u{1b}'));
    }
}

/// The link may come as an event alone.
#[test]
fn a_link_that_comes_as_an_event_is_taken() {
    let mut sandbox = Sandbox::new();
    let url = "https://github.com/octocat/hello-world/tasks/1";
    sandbox.play(&json!({"speed": 100, "timeline": ["closeSession"], "faults": {"session.remote.enable": [{
        "events": [{"type": "session.info", "data": {"infoType": "remote", "url": url, "message": "x"}}],
        "result": {"remoteSteerable": true, "started": true}}]}}));
    let running = sandbox.spawn(&["start", "--demo"]);
    assert_eq!(running.stdout_line("https://"), url);
    running.signal("INT");
    running.finish().expect_code(130);
}

/// Faults of the runtime itself, each within the deadline, with nothing left running.
#[test]
fn runtime_faults_end_in_time_with_their_code() {
    let cases: [(&str, Value, i32, &str); 9] = [
        ("silent", json!({"startup": [{"silent": true}]}), 6, "not done after 3 s: starting the stand-in runtime took too long"),
        ("exits", json!({"startup": [{"exit": 9}]}), 5, "ended before it was ready (exit status: 9)"),
        ("connect hangs", json!({"faults": {"connect": [{"hang": true}]}}), 6, "starting the stand-in runtime took too long"),
        ("create hangs", json!({"faults": {"session.create": [{"hang": true}]}}), 6, "creating the session took too long"),
        (
            "enable hangs",
            json!({"faults": {"session.remote.enable": [{"hang": true}]}}),
            6,
            "waiting for Mission Control took too long",
        ),
        ("dies in create", json!({"faults": {"session.create": [{"exit": 7}]}}), 1, "the Copilot CLI ended unexpectedly"),
        (
            "drops in enable",
            json!({"faults": {"session.remote.enable": [{"drop": true}]}}),
            1,
            "the connection to the Copilot CLI broke",
        ),
        (
            "garbage",
            json!({"faults": {"session.create": [{"raw": "Content-Length: 9\r\n\r\n{nonsense", "drop": true}]}}),
            1,
            "error: ",
        ),
        (
            "unknown error",
            json!({"faults": {"session.create": [{"error": {"code": -32603, "message": "out of cheese"}}]}}),
            1,
            "session.create failed: out of cheese",
        ),
    ];
    for (name, script, code, words) in cases {
        let mut sandbox = Sandbox::new();
        sandbox.play(&script);
        let done = demo(&sandbox, &["--timeout", "3s"]);
        assert!(done.code == code && done.stderr.contains(words), "{name}: {} {}", done.code, done.stderr);
        assert_eq!(done.stdout, "", "{name}");
        assert!(code == 5 || done.stderr.contains("log of the Copilot CLI: "), "{name}: {}", done.stderr);
        sandbox.wait_until_empty();
    }
}

/// A runtime that does not react to anything is killed.
#[test]
fn a_runtime_that_ignores_everything_is_killed() {
    let sandbox = Sandbox::new();
    let stubborn = sandbox.script("stubborn", "trap '' TERM INT HUP; echo still here; while :; do sleep 1; done");
    let done = sandbox.run(&["start", "--copilot", stubborn.to_str().unwrap(), "--timeout", "1s"]).expect_code(6);
    assert!(done.stderr.contains("took too long"), "{}", done.stderr);
    sandbox.wait_until_empty();
}

/// A runtime that dies again and again is not started for ever.
#[test]
fn a_runtime_is_relaunched_three_times() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 100, "timeline": [{"prompt": "x"}, {"exit": 7}]}));
    let done = demo(&sandbox, &["--json"]).expect_code(1);
    let error = "error: the Copilot CLI ended unexpectedly, for the fourth time in 5 minutes: it is not started again\n";
    assert!(done.stderr.contains(error), "{}", done.stderr);
    let lines = done.json();
    assert_eq!(lines.iter().filter(|line| line["type"] == "relaunched").count(), 3, "{}", done.stdout);
    assert_eq!(lines.last().unwrap()["reason"], "runtime-ended");
}

/// A link that changes is told and drawn; one that may not be shown is told, and the session goes on.
#[test]
fn a_later_link_is_told_and_an_odd_one_is_no_end() {
    let link = |url: &str| json!({"event": {"type": "session.info", "data": {"infoType": "remote", "url": url}}});
    let second = "https://github.com/octocat/hello-world/tasks/second";
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 1000, "timeline": [link("https://octo.ghe.com/x"), link(second), {"message": "still here"}, "idle", "closeSession"]}));
    let done = demo(&sandbox, &["--json"]).expect_code(0);
    let lines = done.json();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    assert!(of("warning")[0]["message"].as_str().unwrap().contains("octo.ghe.com"), "{}", done.stdout);
    assert_eq!(of("remote")[0]["url"], second);
    assert_eq!(of("message")[0]["text"], "still here");
}

/// Whoever read stdout is gone: no error, and nothing is left running.
#[test]
fn a_closed_stdout_ends_quietly() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"timeline": [{"prompt": "x"}, "idle"]}));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = sandbox.command(&["start", "--demo", "--json"]);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(!talk.contains("error") && !talk.contains("log of"), "{talk}");
    assert_eq!(std::fs::read_dir(sandbox.state().join("logs")).unwrap().count(), 0);
}

#[test]
fn quiet_says_only_errors() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 1000, "timeline": [{"prompt": "x"}, "idle", "closeSession"]}));
    let done = demo(&sandbox, &["--quiet"]).expect_code(0);
    assert_eq!(done.stderr, "");
    assert_eq!(done.stdout.lines().count(), 1);
    sandbox.play(&json!({"startup": [{"exit": 9}]}));
    let done = demo(&sandbox, &["--quiet"]).expect_code(5);
    assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
}

/// Files: pictures that decode to the link, private state, refusals that name the folder.
#[test]
fn the_code_is_saved_as_svg_and_png() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 100, "timeline": ["closeSession"]}));
    let png = sandbox.path("code.png");
    let link = demo(&sandbox, &["--qr-file", png.to_str().unwrap()]).expect_code(0).stdout;
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&png).unwrap())).read_info().unwrap();
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let row = width.div_ceil(8);
    let grey = |x: usize, y: usize| if pixels[y * row + x / 8] >> (7 - x % 8) & 1 == 1 { 255 } else { 0 };
    assert_eq!(format!("{}\n", crate::support::pty::decode_grey(width, height, grey)), link);

    let svg = sandbox.path("code.SVG");
    demo(&sandbox, &["--qr-file", svg.to_str().unwrap()]).expect_code(0);
    assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<svg "));
}

#[test]
fn state_is_private_and_links_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 100, "timeline": [{"exit": 7}]}));
    demo(&sandbox, &[]).expect_code(1);
    let state = sandbox.state();
    for path in [state.clone(), state.join("logs")] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
    }
    let files = crate::support::sandbox::files_below(&state);
    assert!(!files.is_empty(), "the logs of a failure are kept");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }

    let target = sandbox.path("target");
    std::fs::create_dir(&target).unwrap();
    let link = sandbox.path("linked");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    sandbox.set("COPILOT_REMOTE_STATE_DIR", link.to_str().unwrap());
    let done = demo(&sandbox, &[]).expect_code(1);
    let expected = format!("error: the state folder {} cannot be used: it is a symbolic link\nhint: ", link.display());
    assert!(done.stderr.contains(&expected), "{}", done.stderr);
    // A folder that is others' as well is not made ours.
    let shared = sandbox.path("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    sandbox.set("COPILOT_REMOTE_STATE_DIR", shared.to_str().unwrap());
    let done = demo(&sandbox, &[]).expect_code(1);
    assert!(done.stderr.contains("/shared cannot be used: others can write to it"), "{}", done.stderr);
    assert_eq!(shared.metadata().unwrap().permissions().mode() & 0o7777, 0o1777);
    sandbox.set("COPILOT_REMOTE_STATE_DIR", "/proc/nowhere");
    let done = demo(&sandbox, &["--json"]).expect_code(1);
    assert_eq!(done.json()[0]["reason"], "state", "{}", done.stderr);
    assert_eq!(target.read_dir().unwrap().count(), 0);
}

/// Old logs go, but never those of a runtime that lives: it writes there.
#[test]
fn old_logs_go_and_live_ones_stay() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    let logs = sandbox.state().join("logs");
    let age = |folder: &std::path::Path| {
        let eight_days_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(8 * 24);
        std::fs::File::open(folder).unwrap().set_modified(eight_days_ago).unwrap();
    };
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stdout_line("https://");
    let is_runtime = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("runtime-");
    let live = std::fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().path()).find(is_runtime).unwrap();
    let old = logs.join("runtime-of-a-failure");
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("output.log"), "").unwrap();
    age(&live);
    age(&old);
    sandbox.play(&json!({"speed": 100, "timeline": ["closeSession"]}));
    demo(&sandbox, &["--isolated"]).expect_code(0);
    assert!(live.exists() && !old.exists());
    running.signal("INT");
    running.finish().expect_code(130);
    assert!(!live.exists());
}

/// What the agent writes has the permissions that the user's umask gives, not ours.
#[test]
fn the_umask_is_left_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let cli = sandbox.script("touching", "touch \"$HOME/touched\"; exit 1");
    sandbox.run(&["start", "--copilot", cli.to_str().unwrap()]).expect_code(5);
    let mode = |name: &str| sandbox.path(name).metadata().unwrap().permissions().mode() & 0o777;
    std::fs::write(sandbox.path("home/by-the-test"), "").unwrap();
    assert_eq!(mode("home/touched"), mode("home/by-the-test"));
}

/// A screen reader gets whole lines, and the keys work.
#[test]
fn plain_lines_are_never_drawn_over() {
    let sandbox = Sandbox::new();
    let mut pty = Pty::start(&sandbox, 80, 40, "start --demo --plain");
    pty.shows("Ctrl-C ends the session; ? tells the other keys");
    pty.shows("permission needed: ");
    std::thread::sleep(Duration::from_millis(700));
    pty.send("a");
    pty.shows("answered: approved");
    pty.send("?");
    pty.shows("x  twice: end the session");
    assert!(!pty.has_qr());
    // Up, to the start of the line, or erasing: none of it.
    let raw = pty.raw();
    for drawn_over in ["\u{1b}[K", "\u{1b}[2K", "\u{1b}[J", "\u{1b}[A", "\u{1b}[1A", "\r\u{1b}"] {
        assert!(!raw.contains(drawn_over), "{drawn_over:?} in {raw:?}");
    }
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}
