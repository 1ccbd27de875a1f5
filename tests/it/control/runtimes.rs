//! Which runtime a session has, how it is ended, and how long it is shared.

use std::collections::BTreeSet;

use serde_json::json;

use super::{calm, detach, host, runtimes};
use crate::support::pty::Pty;
use crate::support::rpc::spawn_server;
use crate::support::sandbox::{BINARY, PATIENCE, Running, Sandbox, kill};
use crate::support::together::wait_for;

#[test]
fn a_session_has_a_runtime_of_its_own_where_asked() {
    let sandbox = calm();
    for more in [&[][..], &["--isolated"], &["--isolated"], &[]] {
        detach(&sandbox, more);
    }
    assert_eq!(runtimes(&sandbox).len(), 3);
    sandbox.stop_all();
}

/// A session with another environment has another runtime; what differs is named, and its value is nowhere.
#[test]
fn what_prevents_sharing_is_named() {
    let mut sandbox = calm();
    detach(&sandbox, &["--name", "one"]);
    sandbox.set("SECRET_PLACE", "5ecret").set("TMUX_PANE", "%7").set("COLUMNS", "40");
    let two = sandbox.run(&["-v", "start", "--demo", "--detach", "--name", "two"]).expect_code(0);
    assert!(two.stderr.contains("this runtime is not shared") && two.stderr.contains("SECRET_PLACE"), "{}", two.stderr);
    assert!(!two.stderr.contains("TMUX_PANE"), "{}", two.stderr);
    assert_eq!(runtimes(&sandbox).len(), 2);
    let status = sandbox.run(&["status", "two"]).expect_code(0).stdout;
    let pid = sandbox.list().iter().find(|session| session["name"] == "one").unwrap()["copilotPid"].clone();
    assert!(status.contains(&format!("not shared: runtime {pid} differs in SECRET_PLACE\n")), "{status}");
    for file in crate::support::sandbox::files_below(&sandbox.state()) {
        let content = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!content.contains("5ecret"), "{}", file.display());
    }
    sandbox.stop_all();
}

#[test]
fn a_runtime_that_is_there_already_is_used_and_never_ended() {
    let mut sandbox = calm();
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let mut server = spawn_server(std::path::Path::new(BINARY), &["demo-runtime"], &env, &sandbox.path("home"), &sandbox.repo());
    let address = format!("127.0.0.1:{}", server.port);
    let refused = sandbox.run(&["start", "--server", &address]).expect_code(1);
    let error = "error: the runtime of --server cannot be used: AUTHENTICATION_FAILED\nhint: does it run? copilot --server";
    assert!(refused.stderr.contains(error), "{}", refused.stderr);
    let nobody = sandbox.run(&["start", "--server", "localhost:1"]).expect_code(1);
    assert!(nobody.stderr.contains("cannot be used: 127.0.0.1:1: Connection refused"), "{}", nobody.stderr);
    sandbox.set("COPILOT_CONNECTION_TOKEN", server.token);
    let url = sandbox.run(&["start", "--server", &address, "--detach"]).expect_code(0).stdout;
    sandbox.unset("COPILOT_CONNECTION_TOKEN");
    // Another terminal needs no token of its own.
    sandbox.run(&["off"]).expect_code(0);
    assert_eq!(sandbox.run(&["on"]).expect_code(0).stdout, url);
    let status = sandbox.run(&["status"]).expect_code(0).stdout;
    assert!(status.contains("runtime:    external") && status.contains("connection: unverified"), "{status}");
    assert_eq!(sandbox.list()[0]["link"], "unverified");
    sandbox.run(&["stop", "--all"]).expect_code(0);
    assert!(sandbox.list().is_empty());
    assert!(server.child.try_wait().unwrap().is_none(), "the runtime was ended");
    drop(server);
    sandbox.wait_until_empty();
}

#[test]
fn an_external_runtime_is_on_this_machine_and_taken_as_it_is() {
    let sandbox = Sandbox::new();
    let start = |server: &str, more: &[&str]| sandbox.run(&[&["start", "--server", server], more].concat()).expect_code(2).stderr;
    assert!(start("192.0.2.1:3000", &[]).contains("hint: bring it here: ssh -N -L 127.0.0.1:3000:127.0.0.1:3000 192.0.2.1"));
    let wrong = start("3000", &[]);
    assert!(wrong.starts_with("error: --server 3000: expected HOST:PORT\n"), "nothing is done before that: {wrong}");
    for option in ["--demo", "--isolated", "--token-stdin", "--copilot=x"] {
        let said = start("127.0.0.1:3000", &[option]);
        assert!(said.contains("cannot be used with") && said.contains(&option[..6]), "{said}");
    }
}

/// Ten at once: one runtime, ten sessions.
#[test]
fn ten_starts_at_once_share_one_runtime() {
    let sandbox = calm();
    let starts: Vec<Running> = (0..10).map(|_| sandbox.spawn(&["start", "--demo", "--detach"])).collect();
    let urls: BTreeSet<String> = starts.into_iter().map(|start| start.finish().expect_code(0).stdout).collect();
    assert_eq!(urls.len(), 10);
    assert_eq!(sandbox.list().len(), 10);
    assert_eq!(runtimes(&sandbox).len(), 1);
    sandbox.stop_all();
}

/// Start and stop, interleaved: none fails, never two runtimes, none left.
#[test]
fn two_hundred_starts_and_stops_interleave() {
    let sandbox = calm();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    for round in 0..50 {
                        let name = format!("worker-{worker}-{round}");
                        detach(sandbox, &["--name", &name]);
                        let running = runtimes(sandbox);
                        // One that is ending is replaced before it is gone.
                        let live = sandbox.run(&["list", "--json"]).expect_code(0).json();
                        let used: BTreeSet<u64> = live[0]["sessions"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|session| session["copilotPid"].as_u64().unwrap())
                            .collect();
                        assert!(used.len() <= 1, "{used:?} {running:?}");
                        sandbox.run(&["stop", &name]).expect_code(0);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
    });
    sandbox.wait_until_empty();
    assert!(sandbox.list().is_empty());
}

/// The list is read while an entry is rewritten: the session is always there.
#[test]
fn a_session_is_never_missing_from_the_list() {
    let sandbox = calm();
    detach(&sandbox, &[]);
    std::thread::scope(|scope| {
        let switching = scope.spawn(|| {
            for round in 0..100 {
                sandbox.run(&[if round % 2 == 0 { "off" } else { "on" }]).expect_code(0);
            }
        });
        while !switching.is_finished() {
            assert_eq!(sandbox.list().len(), 1);
        }
        switching.join().unwrap();
    });
    sandbox.stop_all();
}

/// The ladder: what it took is told.
#[test]
fn stop_says_how_much_force_it_took() {
    let sandbox = calm();
    detach(&sandbox, &["--name", "one"]);
    let closed = sandbox.run(&["stop", "one"]).expect_code(0);
    assert!(closed.stderr.contains("stopped one: the session was closed"), "{}", closed.stderr);
    sandbox.wait_until_empty();

    // A host that was stopped (Ctrl-Z) does not see that its session is closed.
    detach(&sandbox, &["--name", "two"]);
    kill(host(&sandbox), "STOP");
    let terminated = sandbox.run(&["stop", "two", "--json"]).expect_code(0);
    assert_eq!(terminated.json()[0]["sessions"][0]["how"], "terminated", "{}", terminated.stderr);
    sandbox.wait_until_empty();
    assert!(sandbox.list().is_empty());
    assert_eq!(sandbox.run(&["stop", "--all"]).expect_code(0).stderr.lines().last().unwrap(), "there is no live session");
}

/// The runtime does not close the session, and the host was started to ignore SIGTERM.
#[test]
fn a_host_that_ignores_everything_is_killed() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"sessions.close": [{"hang": true}]}}));
    let script = format!("trap '' TERM; exec {BINARY} start --demo --name one");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
    let running = Running::spawn(command, None);
    running.stderr_line("Ctrl-C ends");
    let stopped = sandbox.run(&["stop", "one"]).expect_code(0);
    assert!(stopped.stderr.contains("stopped one: its host had to be killed"), "{}", stopped.stderr);
    running.finish().expect_code(137);
    sandbox.wait_until_empty();
    assert!(sandbox.list().is_empty());
}

#[test]
fn a_runtime_that_does_not_close_the_session_has_its_host_terminated() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"faults": {"sessions.close": [{"hang": true}]}}));
    detach(&sandbox, &["--name", "one"]);
    let stopped = sandbox.run(&["stop", "one"]).expect_code(0);
    assert!(stopped.stderr.contains("stopped one: its host had to be terminated"), "{}", stopped.stderr);
    sandbox.wait_until_empty();
}

/// Whoever sets a limit is told that one, not the one before.
#[test]
fn a_new_time_limit_is_told_at_once() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--demo", "-d", "--time-limit", "1h"]).expect_code(0);
    let done = sandbox.run(&["on", "--time-limit", "3h"]).expect_code(0);
    assert!(done.stderr.contains("remote goes off in 2 h 59 m"), "{}", done.stderr);
    sandbox.run(&["off"]).expect_code(0);
    let on = sandbox.run(&["on", "--time-limit", "2h", "--json"]).expect_code(0).json().pop().unwrap();
    let until: jiff::Timestamp = on["remoteUntil"].as_str().expect("a time").parse().unwrap();
    assert!(until.duration_since(jiff::Timestamp::now()).as_mins() > 115, "{on}");
    sandbox.stop_all();
}

/// Where the machine cannot be kept awake, that is said by whoever starts the session.
#[test]
fn a_refused_lock_is_told_before_the_terminal_is_left() {
    let mut sandbox = Sandbox::new();
    sandbox.script("bin/systemd-inhibit", "echo 'Access denied' >&2; exit 1");
    let path = format!("{}:{}", sandbox.path("bin").display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path);
    let done = sandbox.run(&["start", "--demo", "-d", "--json", "--keep-awake", "remote"]).expect_code(0);
    assert!(
        done.stderr.contains("warning: this machine cannot be kept awake: systemd-inhibit: Access denied"),
        "{}",
        done.stderr
    );
    assert_eq!(done.json().pop().unwrap()["keptAwake"], false);
    sandbox.stop_all();
}

/// Another terminal sees how much time is left, also while nothing happens.
#[test]
fn an_attached_view_counts_down() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--demo", "-d", "--time-limit", "110s"]).expect_code(0);
    let mut pty = Pty::start(&sandbox, 100, 40, "attach --qr never");
    let first = pty.shows(" s left");
    wait_for("another second", PATIENCE, || pty.shows(" s left") != first);
    sandbox.run(&["on", "--time-limit", "3h"]).expect_code(0);
    pty.shows("remote on, 2 h 59 m left");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    sandbox.stop_all();
}
