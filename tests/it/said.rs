//! What is said is so: wishes are carried out whoever wrote them, files that were removed come back, and a link is not said to be well
//! without a sign.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::GitHub;
use crate::support::pty::Pty;
use crate::support::sandbox::{BINARY, PATIENCE, Sandbox, kill};
use crate::support::together::wait_for;

/// What a look of the host's mends is mended within this time.
const MENDED: Duration = Duration::from_secs(10);

/// A shared session in the background, at the stand-in: its id.
fn shared(sandbox: &Sandbox) -> String {
    sandbox.run(&["start", "--demo", "--detach", "--qr", "never", "--name", "one"]).expect_code(0);
    sandbox.list()[0]["sessionId"].as_str().unwrap().to_owned()
}

fn is_listed(sandbox: &Sandbox) -> bool {
    sandbox.list().iter().any(|session| session["name"] == "one" && session["remote"] == "on")
}

/// Sends a signal to the CLI itself, which a loader of Node.js started.
fn signals(sandbox: &Sandbox) -> impl Fn(&str) {
    let native = sandbox.processes().into_iter().filter(|(_, command)| command.contains("copilot-linux"));
    let processes: Vec<u32> = native.map(|(pid, _)| pid).collect();
    assert!(!processes.is_empty());
    move |signal| processes.iter().for_each(|pid| kill(*pid, signal))
}

/// A command that was killed right after it wrote its wish down: the host carries it out.
#[test]
fn a_wish_is_carried_out_whoever_wrote_it() {
    let sandbox = Sandbox::new();
    let id = shared(&sandbox);
    let word = sandbox.state().join(format!("sessions/{id}.wanted"));
    assert_eq!(fs::read_to_string(&word).unwrap(), "on      ");
    fs::write(&word, "off     ").unwrap();
    wait_for("off", MENDED, || sandbox.list()[0]["remote"] == "off");
    fs::write(&word, "on      ").unwrap();
    wait_for("on", MENDED, || sandbox.list()[0]["remote"] == "on");
    let logs = sandbox.run(&["logs", "one"]).expect_code(0).stdout;
    assert!(logs.contains("remote on was asked for and is not so: it is switched now"), "{logs}");
    sandbox.stop_all();
}

/// What stands in the place of the word, and cannot be written, keeps nobody from switching off.
#[test]
fn off_needs_no_file() {
    let sandbox = Sandbox::new();
    let id = shared(&sandbox);
    let word = sandbox.state().join(format!("sessions/{id}.wanted"));
    fs::remove_file(&word).unwrap();
    std::os::unix::fs::symlink("/dev/full", &word).unwrap();
    wait_for("off", MENDED, || sandbox.list()[0]["remote"] == "off");
    fs::remove_file(&word).unwrap();
    wait_for("the word", MENDED, || fs::read_to_string(&word).is_ok_and(|word| word == "off     "));
    sandbox.stop_all();
}

#[test]
fn files_that_are_removed_come_back() {
    let sandbox = Sandbox::new();
    let id = shared(&sandbox);
    let state = sandbox.state();
    fs::remove_file(state.join(format!("sessions/{id}.json"))).unwrap();
    wait_for("the entry", MENDED, || is_listed(&sandbox));
    fs::write(state.join(format!("sessions/{id}.json")), "{").unwrap();
    wait_for("a whole entry", MENDED, || is_listed(&sandbox));
    fs::remove_dir_all(state.join("logs")).unwrap();
    wait_for("the journal", MENDED, || state.join(format!("logs/session-{id}.jsonl")).exists());
    fs::remove_dir_all(state.join("sessions")).unwrap();
    wait_for("the folder of entries", MENDED, || is_listed(&sandbox));
    // A word that is missing is no wish to end sharing, and the lock is held again.
    assert_eq!(fs::read_to_string(state.join(format!("sessions/{id}.wanted"))).unwrap(), "on      ");
    fs::remove_dir_all(&state).unwrap();
    wait_for("the state folder", MENDED, || is_listed(&sandbox));
    sandbox.run(&["send", "one", "-p", "hello"]).expect_code(0);
    wait_for("the journal", MENDED, || !sandbox.run(&["logs", "one"]).stdout.is_empty());
    sandbox.run(&["off", "one"]).expect_code(0);
    sandbox.run(&["stop", "--all"]).expect_code(0);
    sandbox.wait_until_empty();
}

/// A CLI that is stopped answers nobody; what was wanted meanwhile is so once it goes on.
#[test]
fn off_is_off_once_a_stopped_cli_goes_on() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox.run(&["start", "--detach", "--qr", "never", "--name", "one"]).expect_code(0);
    github.wait_for_request("a poll", |request| request.is("GET", "/agents/sessions/*/commands"), PATIENCE);
    let stop_or_go_on = signals(&sandbox);
    stop_or_go_on("STOP");
    sandbox.run(&["off", "one", "--timeout", "2"]).expect_code(6);
    assert_eq!(sandbox.list()[0]["remote"], "on", "nothing answered yet");
    // Asked while it hangs, the answer is not the link of before.
    sandbox.run(&["status", "one"]).expect_code(0);
    stop_or_go_on("CONT");
    wait_for("off", Duration::from_secs(5), || sandbox.list()[0]["remote"] == "off");
    let polls = github.polls();
    let command = github.queue("user_message", json!("are you there?"));
    sandbox.run(&["on", "one"]).expect_code(0);
    github.wait_completed(&command, PATIENCE);
    assert!(github.polls() > polls);
    sandbox.stop_all();
}

/// While the CLI hangs, `on` does not give out the link of before as if somebody had been asked.
#[test]
fn on_asks_before_it_gives_out_a_link() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox.run(&["start", "--detach", "--qr", "never", "--name", "one"]).expect_code(0);
    let stop_or_go_on = signals(&sandbox);
    stop_or_go_on("STOP");
    let on = sandbox.run(&["on", "one", "--timeout", "7"]).expect_code(6);
    assert_eq!(on.stdout, "");
    stop_or_go_on("CONT");
    sandbox.run(&["on", "one"]).expect_code(0);
    sandbox.stop_all();
}

/// Whoever cannot be given the link is not left with a session that is shared.
#[test]
fn a_link_that_cannot_be_written_leaves_no_session() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["start", "--demo", "--detach", "--qr", "never"]);
    command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let status = command.stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    wait_for("the end of the session", MENDED, || sandbox.list().is_empty());
    sandbox.wait_until_empty();
}

/// A program that ignores SIGHUP outlives its terminal, and does not look for keys there for ever.
#[test]
fn without_its_terminal_a_session_burns_nothing() {
    let sandbox = Sandbox::new();
    // The shell is killed together with its terminal; the program that it started is not.
    let line = format!("sh -c \"trap '' HUP; {BINARY} start --demo --qr never --name one; true\"");
    let pty = Pty::run(&sandbox, 100, 40, &line);
    pty.shows("remote on");
    let host = sandbox.list()[0]["pid"].as_u64().unwrap();
    drop(pty);
    let ticks = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{host}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // A spinning thread burns its 50 ticks in this time.
    wait_for("a time without work", MENDED, || {
        let before = ticks();
        std::thread::sleep(Duration::from_millis(500));
        ticks() - before < 10
    });
    assert!(is_listed(&sandbox));
    sandbox.stop_all();
}

/// A start that is killed at any moment leaves no runtime that nobody knows of.
#[test]
fn a_start_that_is_killed_leaves_no_unknown_runtime() {
    let sandbox = Sandbox::new();
    for _ in 0..20 {
        let start = sandbox.spawn(&["start", "--demo", "--qr", "never"]);
        // Right when it is there, before anything is written down.
        wait_for("a runtime", PATIENCE, || sandbox.processes().iter().any(|(pid, _)| *pid != start.pid()));
        start.signal("KILL");
        start.finish().expect_code(128 + 9);
        sandbox.run(&["prune"]).expect_code(0);
        sandbox.wait_until_empty();
    }
}
