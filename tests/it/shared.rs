//! Several sessions in one runtime, from several terminals: on the real Copilot CLI, proven at the loopback GitHub.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{BINARY, PATIENCE, Running, Sandbox, kill};
use crate::support::together::{run_all, until, wait_for};

/// Everything that tells Mission Control of a session stops within this time.
const STOP: Duration = Duration::from_secs(2);

/// A session whose runtime was killed is steered again.
const RELAUNCHED: Duration = Duration::from_secs(10);

/// A sandbox in which `copilot` on the PATH is the real CLI.
fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

/// The real runtimes that run in the sandbox: the native program, behind the loader that npm installs.
fn runtimes(sandbox: &Sandbox) -> Vec<u32> {
    let native = |command: &String| command.contains("copilot-linux");
    sandbox.processes().into_iter().filter(|(_, command)| native(command)).map(|(pid, _)| pid).collect()
}

/// The id at Mission Control of the session behind a link.
fn control_id(sandbox: &Sandbox, url: &str) -> String {
    let sessions = sandbox.list();
    let found = sessions.iter().find(|session| session["url"] == url.trim()).unwrap_or_else(|| panic!("no {url}: {sessions:?}"));
    format!("mc-{}", found["sessionId"].as_str().unwrap())
}

/// Waits until a session is polled for commands.
fn wait_for_poll(github: &GitHub, session: &str, after: Instant) {
    let path = format!("/agents/sessions/{session}/commands");
    github.wait_for_request("a poll", |request| request.path == path && request.at > after, PATIENCE);
}

/// Whether anything of this session came to GitHub after this moment.
fn heard_of(github: &GitHub, session: &str, after: Instant) -> Vec<String> {
    let about = format!("/agents/sessions/{session}");
    let requests = github.requests();
    let later = requests.iter().filter(|request| request.at > after && request.path.starts_with(&about));
    later.map(|request| format!("{} {} {}", request.method, request.path, request.body)).collect()
}

/// Nothing of this session comes to GitHub any more: polls come every 3 s, heartbeats every 10.
fn assert_silent(github: &GitHub, session: &str, since: Instant) {
    let from = since + STOP;
    std::thread::sleep((from + Duration::from_secs(4)).saturating_duration_since(Instant::now()));
    let heard = heard_of(github, session, from);
    assert!(heard.is_empty(), "{heard:#?}");
}

#[test]
fn two_terminals_and_two_repositories_share_one_runtime() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let other = sandbox.git_init("other", &[("origin", "https://github.com/octocat/other")]);
    sandbox.trust(&[&sandbox.repo(), &other]);
    // Each in a terminal of its own, of another size.
    let mut one = Pty::start(&sandbox, 100, 45, "start --name one");
    one.shows("xx stop");
    let mut two = Pty::start(&sandbox, 80, 30, &format!("start --name two -C {}", other.display()));
    two.shows("xx stop");
    assert_eq!(runtimes(&sandbox).len(), 1);
    let sessions = sandbox.list();
    let repositories: Vec<&Value> = sessions.iter().map(|session| &session["repository"]).collect();
    assert_eq!(repositories, ["octocat/other", "octocat/hello-world"]);
    let url = sandbox.run(&["url", "one"]).expect_code(0).stdout;
    let session = control_id(&sandbox, &url);
    wait_for_poll(&github, &session, Instant::now());

    // Off from the second terminal's side: uploads and polling of the first stop, and the same link comes back.
    sandbox.run(&["off", "one"]).expect_code(0);
    let off = Instant::now();
    one.shows("remote off: Mission Control cannot reach the session");
    assert_silent(&github, &session, off);
    assert_eq!(sandbox.run(&["on", "one"]).expect_code(0).stdout, url);
    wait_for_poll(&github, &session, off + STOP);

    one.send("\u{3}");
    assert_eq!(one.finish(), 130);
    assert_eq!(runtimes(&sandbox).len(), 1, "the other session needs it");
    two.send("\u{3}");
    assert_eq!(two.finish(), 130);
    sandbox.wait_until_empty();
}

/// The environments of two login shells differ in what belongs to a terminal, and in nothing else.
#[test]
fn two_fresh_login_shells_in_tmux_share_one_runtime() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let socket = sandbox.path("tmux");
    let tmux = |arguments: &[&str]| {
        let mut command = std::process::Command::new("tmux");
        command.arg("-S").arg(&socket).args(arguments).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
        assert!(command.status().expect("tmux").success(), "tmux {arguments:?}");
    };
    tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", "bash -l"]);
    tmux(&["split-window", "-h", "bash -l"]);
    for (pane, name) in [("0.0", "one"), ("0.1", "two")] {
        let line = format!("cd {}; {BINARY} start --name {name}", sandbox.repo().display());
        tmux(&["send-keys", "-t", pane, &line, "Enter"]);
    }
    wait_for("two sessions", PATIENCE, || sandbox.list().len() == 2);
    assert_eq!(runtimes(&sandbox).len(), 1);
    // The terminals go away, and the sessions with them.
    tmux(&["kill-server"]);
    sandbox.wait_until_empty();
    assert!(sandbox.list().is_empty());
}

/// Without a repository it starts all the same, and is not shared by accident.
#[test]
fn an_on_demand_session_without_a_repository_is_shared_only_when_that_is_meant() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let plain = sandbox.path("plain");
    std::fs::create_dir(&plain).unwrap();
    let plain = plain.to_str().unwrap();
    sandbox.run(&["start", "-C", plain]).expect_code(8);
    sandbox.run(&["on-demand", "--detach", "-C", plain]).expect_code(0);
    assert_eq!(sandbox.list()[0]["repository"], Value::Null);
    let refused = sandbox.run(&["on"]).expect_code(8);
    assert!(refused.stderr.contains("has no GitHub repository\nhint: share it all the same"), "{}", refused.stderr);
    assert!(github.requests().iter().all(|request| !request.path.starts_with("/agents/")), "something was shared");
    assert!(sandbox.run(&["on", "--no-repo"]).expect_code(0).stdout.starts_with("https://github.com/copilot/tasks/"));
    sandbox.stop_all();
}

#[test]
fn ten_detached_starts_share_one_runtime_and_all_are_polled() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let starts: Vec<Running> = (0..10).map(|_| sandbox.spawn(&["start", "--detach"])).collect();
    let urls: BTreeSet<String> = starts.into_iter().map(|start| start.finish().expect_code(0).stdout).collect();
    assert_eq!(urls.len(), 10);
    assert_eq!(runtimes(&sandbox).len(), 1);
    let begun = Instant::now();
    for url in &urls {
        wait_for_poll(&github, &control_id(&sandbox, url), begun);
    }
    sandbox.stop_all();
    for _ in 0..10 {
        github.wait_event("session.shutdown", PATIENCE);
    }
}

/// So many sessions; their runtime is killed again and again while off is said to each at a random moment. They end off, whatever the hosts were
/// doing. `silent` looks that nothing is shared of these sessions since then.
fn off_wins(sandbox: &Sandbox, start: &[&str], sessions: usize, relaunches: usize, silent: impl Fn(&[String], Instant)) {
    let mut seed: u64 = 0x2545_f491_4f6c_dd1d;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let starts: Vec<Running> = (0..sessions).map(|_| sandbox.spawn(&[&["start", "--detach"], start].concat())).collect();
    for start in starts {
        start.finish().expect_code(0);
    }
    let ids: Vec<String> = sandbox.list().iter().map(|session| session["sessionId"].as_str().unwrap().to_owned()).collect();
    for relaunch in 0..relaunches {
        if relaunch > 0 {
            for id in &ids {
                sandbox.run(&["on", id]).expect_code(0);
            }
        }
        let follows: Vec<Running> = ids.iter().map(|id| sandbox.spawn(&["events", id, "--follow", "--from", "now"])).collect();
        let runtime = u32::try_from(sandbox.list()[0]["copilotPid"].as_u64().unwrap()).unwrap();
        let native: Vec<u32> = runtimes(sandbox);
        for pid in if native.is_empty() { vec![runtime] } else { native } {
            kill(pid, "KILL");
        }
        // A relaunch takes a second or two.
        let mut moments: Vec<u64> = ids.iter().map(|_| random(2500)).collect();
        moments.sort_unstable();
        let killed = Instant::now();
        let off = |(id, moment): (&String, u64)| {
            std::thread::sleep((killed + Duration::from_millis(moment)).saturating_duration_since(Instant::now()));
            sandbox.spawn(&["off", id])
        };
        let offs: Vec<Running> = ids.iter().zip(moments).map(off).collect();
        for off in offs {
            off.finish().expect_code(0);
        }
        let off = Instant::now();
        // Every host has its session back, and none is shared.
        for follow in &follows {
            follow.stdout_line("\"relaunched\"");
        }
        assert!(sandbox.list().iter().all(|session| session["remote"] == "off"), "{:#?}", sandbox.list());
        silent(&ids, off);
    }
    sandbox.stop_all();
}

#[test]
fn a_users_off_wins_over_every_relaunch() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    off_wins(&world(&github, &cli), &[], 6, 2, |ids, off| {
        assert_silent(&github, &format!("mc-{}", ids[0]), off);
        for id in ids {
            let heard = heard_of(&github, &format!("mc-{id}"), off + STOP);
            assert!(heard.is_empty(), "{heard:#?}");
        }
    });
}

/// The same a hundred times, on the stand-in. A runtime is relaunched three times at most, so each world gets three.
#[test]
fn a_users_off_wins_a_hundred_times() {
    run_all(&[0, 1, 2], |_| {
        let mut sandbox = Sandbox::new();
        sandbox.play(&json!({"startup": [{"delay": 0.8}], "store": sandbox.path("store.json")}));
        let cli = sandbox.stand_in_cli();
        off_wins(&sandbox, &["--copilot", &cli], 12, 3, |ids, _| {
            // What a late relaunch would share is seen by then.
            std::thread::sleep(STOP);
            assert_eq!(sandbox.list().iter().filter(|session| session["remote"] == "off").count(), ids.len());
        });
    });
}

/// Somebody begins to share it and gives up, while GitHub is slow: what comes on late is switched off.
#[test]
fn an_on_that_was_given_up_leaves_nothing_shared() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let id = sandbox.run(&["on-demand", "--detach"]).expect_code(0).stdout;
    let session = format!("mc-{}", id.trim());
    for more in [&[][..], &["--export"]] {
        let begun = Instant::now();
        github.fault("*", "/agents/sessions*", Fault::Delay(Duration::from_secs(2)), Some(1));
        let on = sandbox.spawn(&[&["on"], more].concat());
        let asked =
            |request: &crate::support::github::Request| request.at > begun && request.path.starts_with("/agents/sessions");
        github.wait_for_request("the session", asked, PATIENCE);
        on.signal("INT");
        on.finish().expect_code(130);
        assert_silent(&github, &session, Instant::now() + Duration::from_secs(2));
        assert_eq!(sandbox.list()[0]["remote"], "off");
    }
    sandbox.stop_all();
}

/// Off is said while GitHub does not answer to on: it ends off.
#[test]
fn off_wins_over_an_on_that_hangs() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let id = sandbox.run(&["on-demand", "--detach"]).expect_code(0).stdout;
    let session = format!("mc-{}", id.trim());
    github.fault("POST", "/agents/sessions", Fault::Delay(Duration::from_secs(4)), Some(1));
    let on = sandbox.spawn(&["on"]);
    github.wait_for_request("the session", |request| request.path == "/agents/sessions", PATIENCE);
    sandbox.run(&["off"]).expect_code(0);
    let said = on.finish().expect_code(0);
    assert!(said.stdout.is_empty() && said.stderr.contains("remote off"), "{said:?}");
    assert_silent(&github, &session, Instant::now());
    assert_eq!(sandbox.list()[0]["remote"], "off");
    sandbox.stop_all();
}

/// The host is the session's life, also while somebody else looks at it.
#[test]
fn an_interrupted_start_ends_the_session_for_whoever_is_attached() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let running = sandbox.spawn(&["start"]);
    let session = control_id(&sandbox, &running.stdout_line("https://"));
    running.stderr_line("Ctrl-C ends");
    let attached = sandbox.spawn(&["attach"]);
    attached.stderr_line("Ctrl-C leaves");
    wait_for_poll(&github, &session, Instant::now());
    running.signal("INT");
    let stopped = Instant::now();
    running.finish().expect_code(130);
    let attached = attached.finish().expect_code(0);
    assert!(attached.stderr.contains("session ended by Ctrl-C"), "{}", attached.stderr);
    assert_silent(&github, &session, stopped);
    for arguments in [&["events", &session["mc-".len()..], "--follow"][..], &["logs", &session["mc-".len()..]]] {
        sandbox.run(arguments).expect_code(0);
    }
    sandbox.run(&["attach", &session["mc-".len()..]]).expect_code(3);
    sandbox.run(&["wait", &session["mc-".len()..]]).expect_code(3);
    sandbox.wait_until_empty();
}

/// Killed in the middle of a turn: the sessions go on with the same links, and the interrupted turn is told, here and in Mission Control.
#[test]
fn a_runtime_that_is_killed_is_relaunched_once_for_all() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::text("first"), Reply::bash("sleep 300"), Reply::text("second")]);
    let running = sandbox.spawn(&["start", "--name", "one", "--model", "claude-sonnet-4.5", "--json"]);
    running.stdout_line("\"ready\"");
    let other = sandbox.run(&["on-demand", "--name", "two", "--detach"]).expect_code(0).stdout;
    let url = sandbox.run(&["url", "one"]).expect_code(0).stdout;
    assert_eq!(sandbox.run(&["send", "one", "-p", "hello", "--wait"]).expect_code(0).stdout, "first\n");
    sandbox.run(&["send", "one", "-p", "go"]).expect_code(0);
    running.stdout_line("\"input\"");
    let before = runtimes(&sandbox);
    let session = control_id(&sandbox, &url);
    let killed = Instant::now();
    kill(before[0], "KILL");
    let relaunched: Value = serde_json::from_str(&running.stdout_line("\"relaunched\"")).unwrap();
    let back = Instant::now();
    assert_eq!(relaunched["interrupted"], true);
    wait_for_poll(&github, &session, back);
    assert!(killed.elapsed() < RELAUNCHED, "it took {:?}", killed.elapsed());
    github.wait_for_request(
        "the word in Mission Control",
        |request| request.body.to_string().contains("The turn that was running was interrupted"),
        PATIENCE,
    );
    let after = runtimes(&sandbox);
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    let one = sandbox.list().into_iter().find(|session| session["name"] == "one").unwrap();
    assert_eq!(one["sessionId"], session["mc-".len()..]);
    assert_eq!((&one["url"], &one["remote"]), (&json!(url.trim()), &json!("on")));
    // The other one, which had no turn yet and was never shared, is there as well, and still not shared.
    wait_for("the second session", PATIENCE, || sandbox.run(&["events", "two"]).stdout.contains("\"relaunched\""));
    let two = sandbox.list().into_iter().find(|session| session["name"] == "two").unwrap();
    assert_eq!((&two["sessionId"], &two["remote"]), (&json!(other.trim()), &json!("off")));
    assert_eq!(sandbox.run(&["send", "one", "-p", "again", "--wait"]).expect_code(0).stdout, "second\n");
    sandbox.run(&["stop", "--all"]).expect_code(0);
    let done = running.finish().expect_code(0);
    assert_eq!(done.json().last().unwrap()["reason"], "elsewhere");
    sandbox.wait_until_empty();
}

/// GitHub is out of reach while the runtime is relaunched: the session goes on, and is shared again when GitHub is back.
#[test]
fn a_session_is_shared_again_when_github_is_back() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::text("first")]);
    let url = sandbox.run(&["start", "--detach"]).expect_code(0).stdout;
    sandbox.run(&["send", "-p", "hello", "--wait"]).expect_code(0);
    let session = control_id(&sandbox, &url);
    github.fault("*", "/agents/*", Fault::Status(503, json!({})), None);
    kill(runtimes(&sandbox)[0], "KILL");
    let said = || sandbox.run(&["logs"]).stdout;
    assert!(
        until(PATIENCE, || said().contains("the session is not shared yet, which is tried again: GitHub could not be reached")),
        "{}",
        said()
    );
    // It is not off, which would be somebody's wish: it is to be shared.
    let entry = &sandbox.list()[0];
    assert_eq!((&entry["remote"], &entry["link"]), (&json!("on"), &json!("lost")));
    github.heal();
    let healed = Instant::now();
    wait_for_poll(&github, &session, healed);
    assert_eq!(sandbox.run(&["url"]).expect_code(0).stdout, url);
    sandbox.stop_all();
}

/// A host that is killed takes its session along, and Mission Control hears of it; its runtime is used by the next one.
#[test]
fn the_runtime_of_a_killed_host_is_reused() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let running = sandbox.spawn(&["start", "--name", "one"]);
    running.stdout_line("https://");
    let before = runtimes(&sandbox);
    running.signal("KILL");
    running.finish().expect_code(137);
    github.wait_event("session.shutdown", PATIENCE);
    let list = sandbox.run(&["list"]).expect_code(0);
    assert!(list.stdout.contains("no live sessions"), "{}", list.stdout);
    assert!(list.stderr.contains("note: session one is gone: its host (pid"), "{}", list.stderr);
    sandbox.run(&["start", "--detach"]).expect_code(0);
    assert_eq!(runtimes(&sandbox), before, "the orphan was reused");
    sandbox.stop_all();
}

/// Host and runtime at once: nothing is left that a later start would trip on.
#[test]
fn host_and_runtime_are_killed_together() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let running = sandbox.spawn(&["start"]);
    running.stdout_line("https://");
    let processes: Vec<u32> = sandbox.processes().into_iter().map(|(pid, _)| pid).collect();
    for pid in processes {
        kill(pid, "KILL");
    }
    running.finish().expect_code(137);
    sandbox.run(&["start", "--detach"]).expect_code(0);
    assert_eq!(sandbox.list().len(), 1);
    sandbox.stop_all();
}

/// What waits for a person survives the change of hosts: the phone answers, and the agent goes on.
#[test]
fn a_pending_permission_survives_detaching() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::bash("touch made-by-the-agent"), Reply::text("done")]);
    let mut pty = Pty::start(&sandbox, 100, 45, "start --prompt go");
    pty.shows("permission needed: touch made-by-the-agent");
    pty.send("l");
    pty.wrote("the session goes on in the background");
    assert_eq!(pty.finish(), 0);
    assert_eq!(sandbox.list()[0]["activity"], "input");
    let asked = github.wait_event("permission.requested", PATIENCE);
    let call = &asked["data"]["permissionRequest"]["toolCallId"];
    github.queue("permission_response", json!({"promptId": call, "approved": true, "scope": "once"}));
    wait_for("the end of the turn", PATIENCE, || sandbox.run(&["wait"]).code != 9);
    assert!(sandbox.repo().join("made-by-the-agent").exists());
    sandbox.stop_all();
}

/// GitHub hangs: stop does not, and the host is gone in time.
#[test]
fn a_session_is_stopped_while_github_hangs() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox.run(&["start", "--detach"]).expect_code(0);
    github.fault("*", "/agents/*", Fault::Hang, None);
    sandbox.spawn(&["stop", "--all"]).finish_within(Duration::from_secs(40)).expect_code(0);
    sandbox.wait_until_empty();
    assert!(sandbox.list().is_empty());
}

/// A token for one session reaches the next host too, and no file.
#[test]
fn a_token_of_one_session_is_handed_over_unseen() {
    use crate::support::sandbox::TOKEN;
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = world(&github, &cli);
    sandbox.unset("GH_TOKEN");
    let done = sandbox.spawn_with_input(&["start", "--token-stdin", "--detach"], TOKEN).finish().expect_code(0);
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    let session = control_id(&sandbox, &done.stdout);
    kill(runtimes(&sandbox)[0], "KILL");
    wait_for("the session, resumed", PATIENCE, || {
        sandbox.run(&["events"]).stdout.contains("\"relaunched\"") && sandbox.list()[0]["remote"] == "on"
    });
    wait_for_poll(&github, &session, Instant::now());
    sandbox.assert_token_unseen(&[]);
    sandbox.stop_all();
}
