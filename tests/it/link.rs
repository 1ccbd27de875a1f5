//! The link to Mission Control breaks and comes back; remote ends when its time is up. On the real Copilot CLI, at the loopback GitHub.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::rpc::spawn_server;
use crate::support::sandbox::{PATIENCE, Sandbox, kill};
use crate::support::together::wait_for;

const EVENTS: &str = "/agents/sessions/*/events";
const COMMANDS: &str = "/agents/sessions/*/commands";
/// Until a loss is known.
const KNOWN: Duration = Duration::from_secs(45);
/// Until all is well again, after GitHub is.
const BACK: Duration = Duration::from_mins(1);

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

/// A hook that notes the events of the link.
fn hooks(sandbox: &Sandbox) -> (String, impl Fn() -> Vec<String>) {
    let told = sandbox.path("told");
    let note = |event: &str| format!("--hook '{event}=cat >/dev/null; echo {event} >> {}'", told.display());
    let arguments = format!("{} {}", note("link-lost"), note("link-restored"));
    let read = move || fs::read_to_string(&told).unwrap_or_default().lines().map(ToOwned::to_owned).collect();
    (arguments, read)
}

/// The uploads and the polls that were answered well since then.
fn served(github: &GitHub, since: Instant) -> (usize, usize) {
    let requests = github.requests();
    let count =
        |method: &str, path: &str| requests.iter().filter(|request| request.at > since && request.is(method, path)).count();
    (count("POST", EVENTS), count("GET", COMMANDS))
}

/// Breaks the link for some time, and looks that all is as it was within a minute, without anybody's doing. `why`: what is told of it.
fn breaks_and_heals(github: &GitHub, sandbox: &Sandbox, outage: Duration, busy: bool, why: &str, break_it: impl Fn()) {
    let (arguments, told) = hooks(sandbox);
    let mut pty = Pty::start(sandbox, 100, 60, &format!("start --qr never {arguments}"));
    pty.shows("remote on | idle");
    let before = sandbox.list()[0].clone();
    assert_eq!(before["link"], "connected");
    github.wait_for_request("a poll", |request| request.is("GET", COMMANDS), PATIENCE);
    let broken = Instant::now();
    break_it();
    if busy {
        // Something happens that is to be uploaded; of an idle session it is only that it is there.
        let send = sandbox.run(&["send", "-p", "hello"]);
        assert!(matches!(send.code, 0 | 1), "{}", send.stderr);
    }
    wait_for("the loss is told", KNOWN.saturating_sub(broken.elapsed()), || pty.raw().contains("link lost"));
    let screen = pty.shows("remote on, link lost");
    assert!(screen.contains(why), "{screen}");
    assert_eq!(sandbox.list()[0]["link"], "lost");
    std::thread::sleep(outage.saturating_sub(broken.elapsed()));
    github.heal();
    let healed = Instant::now();
    assert!(!pty.raw().contains("link restored"), "it was not yet");
    wait_for("the link is restored", BACK, || pty.raw().contains("link restored"));
    let after = sandbox.list()[0].clone();
    assert_eq!((&after["link"], &after["url"], &after["remote"]), (&json!("connected"), &before["url"], &json!("on")));
    wait_for("uploads and polls", BACK.saturating_sub(healed.elapsed()), || {
        let (uploads, polls) = served(github, healed);
        uploads > 0 && polls > 1
    });
    wait_for("the hooks", PATIENCE, || told() == ["link-lost", "link-restored"]);
    // Commands are fetched once, by one poller.
    github.model([Reply::text("steered")]);
    let command = github.queue("user_message", "are you there?");
    github.wait_completed(&command, PATIENCE);
    pty.shows("agent: steered");
    let since = Instant::now();
    std::thread::sleep(Duration::from_secs(7));
    let (_, polls) = served(github, since);
    assert!(polls <= 3, "{polls} polls in 7 s: there are two pollers");
    let logged: Vec<Value> =
        sandbox.run(&["events"]).expect_code(0).json().into_iter().filter(|event| event["type"] == "link").collect();
    assert_eq!(logged.iter().map(|event| &event["link"]).collect::<Vec<_>>(), ["lost", "connected"]);
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn uploads_that_fail_for_a_while() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    breaks_and_heals(&github, &sandbox, Duration::from_secs(10), true, "and the Copilot CLI gave up", || {
        github.fault("POST", EVENTS, Fault::Status(500, json!({"message": "later"})), None);
    });
}

#[test]
fn uploads_that_are_refused_for_good() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    breaks_and_heals(&github, &sandbox, Duration::from_secs(3), true, "it refused the session's events", || {
        github.fault("POST", EVENTS, Fault::Status(404, json!({"message": "Not Found"})), None);
    });
}

#[test]
fn a_network_that_is_gone_for_a_minute() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    breaks_and_heals(&github, &sandbox, Duration::from_mins(1), false, "Mission Control does not follow the session", || {
        github.fault("*", "*", Fault::Drop, None);
    });
}

/// It takes events, and says nothing of its commands: who steers is not heard.
#[test]
fn commands_that_cannot_be_fetched() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    breaks_and_heals(&github, &sandbox, Duration::ZERO, false, "it could not be asked for commands: later", || {
        github.fault("GET", COMMANDS, Fault::Status(500, json!({"message": "later"})), None);
    });
}

/// Nothing is refused, and nothing comes back.
#[test]
fn uploads_that_hang() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    breaks_and_heals(&github, &sandbox, Duration::ZERO, true, "it did not take events: error sending request", || {
        github.fault("POST", EVENTS, Fault::Hang, None);
    });
}

/// Nothing happens in it, and when GitHub is back it knows the session no longer: what is uploaded to look after the link is refused, and the
/// session shared anew.
#[test]
fn an_idle_session_that_is_forgotten_during_an_outage() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let url = sandbox.run(&["start", "--detach"]).expect_code(0).stdout;
    let link = || sandbox.list()[0]["link"].clone();
    // Until what comes is no longer about the events of its start.
    std::thread::sleep(Duration::from_secs(16));
    github.fault("POST", EVENTS, Fault::Status(500, json!({"message": "later"})), None);
    wait_for("the loss", KNOWN, || link() == "lost");
    github.heal();
    github.fault("POST", EVENTS, Fault::Status(404, json!({"message": "Not Found"})), Some(1));
    wait_for("the refusal", BACK, || {
        let logs = sandbox.run(&["logs"]).stdout;
        link() == "connected" && logs.contains("link restored")
    });
    let restored = Instant::now();
    github.model([Reply::text("still there")]);
    sandbox.run(&["send", "-p", "hello", "--wait"]).expect_code(0);
    wait_for("uploads and polls", PATIENCE, || {
        let (uploads, polls) = served(&github, restored);
        uploads > 0 && polls > 1
    });
    assert_eq!(sandbox.run(&["url"]).expect_code(0).stdout, url);
    sandbox.stop_all();
}

/// Of a CLI that somebody else started there is no log to read: nobody says that it is connected, and something is uploaded twice a minute.
#[test]
fn a_link_that_cannot_be_verified_is_kept_alive() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    let env: Vec<(String, String)> = sandbox.env.clone().into_iter().collect();
    let server = spawn_server(&cli, &[], &env, &sandbox.path("home"), &sandbox.repo());
    sandbox.set("COPILOT_CONNECTION_TOKEN", server.token);
    let mut pty = Pty::start(&sandbox, 100, 60, &format!("start --qr never --server 127.0.0.1:{}", server.port));
    pty.shows("remote on, link unverified | idle");
    while github.wait_event("session.info", KNOWN)["data"]["message"] != "copilot-remote looks after the link" {}
    assert!(!pty.raw().contains("looks after the link"), "nobody is to see it");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    drop(server);
}

/// It is handed over while it is lost: the next host goes on where the one before was.
#[test]
fn a_lost_link_is_restored_by_the_next_host() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let mut pty = Pty::start(&sandbox, 100, 60, "start --qr never");
    pty.shows("remote on | idle");
    github.fault("POST", EVENTS, Fault::Status(500, json!({"message": "later"})), None);
    sandbox.run(&["send", "-p", "hello"]).expect_code(0);
    pty.shows("remote on, link lost");
    std::thread::sleep(Duration::from_millis(700));
    pty.send("d");
    assert_eq!(pty.finish(), 0);
    assert_eq!(sandbox.list()[0]["link"], "lost");
    github.heal();
    wait_for("the link is restored", BACK, || sandbox.list()[0]["link"] == "connected");
    sandbox.stop_all();
}

/// Whoever switched it off meanwhile wins: nothing brings it back, be an attempt to restore it under way at that moment or about to begin.
fn a_link_that_is_switched_off_is_not_restored(under_way: bool) {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox.run(&["start", "--detach"]).expect_code(0);
    let session = format!("/agents/sessions/mc-{}", sandbox.list()[0]["sessionId"].as_str().unwrap());
    // What sharing it anew begins with.
    let renewals = || github.requests().iter().filter(|request| request.is("GET", &session)).count();
    github.fault("POST", EVENTS, Fault::Status(404, json!({"message": "Not Found"})), None);
    if under_way {
        github.fault("GET", &session, Fault::Delay(Duration::from_secs(3)), None);
    }
    sandbox.run(&["send", "-p", "hello"]).expect_code(0);
    wait_for("the loss", KNOWN, || sandbox.list()[0]["link"] == "lost");
    if under_way {
        wait_for("an attempt", PATIENCE, || renewals() > 0);
    }
    sandbox.run(&["off"]).expect_code(0);
    github.heal();
    let before = renewals();
    // The next attempts would come after 2 to 3 s and after 4 to 5 more; what was under way ends before that.
    std::thread::sleep(Duration::from_secs(4));
    let quiet = Instant::now();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(renewals(), before, "it was shared again");
    assert_eq!(served(&github, quiet), (0, 0));
    let entry = &sandbox.list()[0];
    assert_eq!((&entry["remote"], &entry["link"]), (&json!("off"), &Value::Null));
    sandbox.stop_all();
}

#[test]
fn a_link_that_is_switched_off_before_an_attempt_is_not_restored() {
    a_link_that_is_switched_off_is_not_restored(false);
}

#[test]
fn a_link_that_is_switched_off_during_an_attempt_is_not_restored() {
    a_link_that_is_switched_off_is_not_restored(true);
}

/// A runtime that does not answer for a minute is replaced, and the session goes on.
#[test]
fn a_runtime_that_hangs_is_replaced() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let url = sandbox.run(&["start", "--detach"]).expect_code(0).stdout;
    let runtimes = || {
        let native = sandbox.processes().into_iter().filter(|(_, command)| command.contains("copilot-linux"));
        native.map(|(pid, _)| pid).collect::<Vec<_>>()
    };
    let hanging = runtimes();
    for pid in &hanging {
        kill(*pid, "STOP");
    }
    wait_for("it is replaced", Duration::from_mins(3), || {
        let logs = sandbox.run(&["logs"]).stdout;
        logs.contains("the Copilot CLI does not answer any more") && logs.contains("was started again")
    });
    assert!(runtimes().iter().all(|pid| !hanging.contains(pid)));
    wait_for("it is shared again", PATIENCE, || sandbox.list()[0]["url"] == url.trim());
    sandbox.stop_all();
}

/// The lock is held while remote is on, and only then; where it is not granted, that is said.
#[test]
fn the_machine_is_kept_awake() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    let cli = sandbox.stand_in_cli();
    let inhibitors = |sandbox: &Sandbox| sandbox.processes().iter().filter(|(_, command)| command.starts_with("cat ")).count();
    let tool = sandbox.script("bin/systemd-inhibit", "echo \"$@\" > \"$HOME/asked\"; exec cat");
    let path = format!("{}:{}", tool.parent().unwrap().display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path);
    sandbox.run(&["start", "--copilot", &cli, "-d", "--keep-awake", "remote"]).expect_code(0);
    wait_for("the lock", PATIENCE, || sandbox.list()[0]["keptAwake"] == true);
    wait_for("the tool", PATIENCE, || inhibitors(&sandbox) == 1);
    let asked = fs::read_to_string(sandbox.path("home/asked")).unwrap();
    assert!(asked.starts_with("--what=sleep:idle --mode=block --who=copilot-remote "), "{asked}");
    assert!(sandbox.run(&["status"]).stdout.contains("sleep:      kept off\n"));
    sandbox.run(&["off"]).expect_code(0);
    wait_for("the end of the lock", PATIENCE, || inhibitors(&sandbox) == 0 && sandbox.list()[0]["keptAwake"] == false);
    sandbox.run(&["on"]).expect_code(0);
    wait_for("the lock again", PATIENCE, || sandbox.list()[0]["keptAwake"] == true);
    // It goes with the host, however that goes.
    for (pid, command) in sandbox.processes() {
        if command.contains("next-host") {
            kill(pid, "KILL");
        }
    }
    wait_for("the end of the lock", PATIENCE, || inhibitors(&sandbox) == 0);
    sandbox.stop_all();

    sandbox.script("bin/systemd-inhibit", "echo 'Failed to inhibit: Access denied' >&2; exit 1");
    let running = sandbox.spawn(&["start", "--copilot", &cli, "--keep-awake", "remote"]);
    running.stderr_line("warning: this machine cannot be kept awake: systemd-inhibit: Failed to inhibit: Access denied");
    assert_eq!(sandbox.list()[0]["keptAwake"], false);
    running.signal("TERM");
    running.finish().expect_code(143);
}

#[test]
fn a_limit_without_sharing_is_refused() {
    let sandbox = Sandbox::new();
    for arguments in [&["on-demand"][..], &["start", "--remote", "off"]] {
        let done = sandbox.run(&[arguments, &["--demo", "--time-limit", "1h"]].concat()).expect_code(2);
        assert!(done.stderr.contains("hint: when it is to be: copilot-remote on --time-limit TIME"), "{}", done.stderr);
    }
}

#[test]
fn remote_ends_when_its_time_is_up() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let mut pty = Pty::start(&sandbox, 100, 60, "start --qr never --time-limit 60s");
    pty.shows("remote goes off in ");
    pty.shows("s left | idle");
    assert!(sandbox.list()[0]["remoteUntil"].is_string());
    assert!(sandbox.run(&["status"]).stdout.contains("time left:"));
    // Another limit says more.
    sandbox.run(&["on", "--time-limit", "2h"]).expect_code(0);
    pty.shows("remote on, 1 h 59 m left | idle");
    sandbox.run(&["on", "--time-limit", "2s"]).expect_code(0);
    pty.wrote("the time limit is up: remote is switched off");
    pty.shows("remote off | idle");
    let entry = &sandbox.list()[0];
    assert_eq!((&entry["remote"], &entry["remoteUntil"]), (&json!("off"), &Value::Null));
    // What is shared anew has no limit, by whatever it was ended.
    sandbox.run(&["on"]).expect_code(0);
    let screen = pty.shows("remote on | idle");
    assert!(!screen.contains("left | idle"), "{screen}");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}
