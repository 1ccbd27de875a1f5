//! The state folder in trouble: nothing is lost that could be kept, nothing hangs, and the message says what happened.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::sandbox::{Done, PATIENCE, Running, Sandbox, kill};
use crate::support::together::wait_for;

fn calm() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    sandbox
}

fn detach(sandbox: &Sandbox, more: &[&str]) -> Done {
    sandbox.run(&[&["start", "--demo", "--detach"], more].concat()).expect_code(0)
}

/// Makes libc fail in the sandbox; see `support/shim.c`.
fn with_shim(sandbox: &mut Sandbox, fault: &str) {
    let library = sandbox.path("shim.so");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/shim.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().expect("a C compiler");
    assert!(built.success());
    sandbox.set("LD_PRELOAD", library.to_str().unwrap()).set("SHIM", fault);
}

fn entry_file(sandbox: &Sandbox) -> PathBuf {
    let id = sandbox.list()[0]["sessionId"].as_str().unwrap().to_owned();
    sandbox.state().join(format!("sessions/{id}.json"))
}

#[test]
fn a_folder_without_locks_is_named() {
    let mut sandbox = calm();
    with_shim(&mut sandbox, "nolocks");
    let done = sandbox.run(&["start", "--demo"]).expect_code(1);
    let folder = sandbox.state().join("runtimes");
    let error = format!("error: files cannot be locked in the state folder {}: No locks available", folder.display());
    assert!(done.stderr.contains(&error), "{}", done.stderr);
    assert!(done.stderr.contains("hint: a network file system without locks?"), "{}", done.stderr);
    sandbox.wait_until_empty();
}

/// The wall clock ran on and ours did not: the machine slept. The link is looked at, and a time limit has passed by the clock on the wall.
#[test]
fn a_sleep_is_noticed_and_the_time_limit_goes_on_in_it() {
    let mut sandbox = calm();
    with_shim(&mut sandbox, "slept");
    let slept = sandbox.path("slept");
    sandbox.set("SHIM_WHILE", slept.to_str().unwrap());
    let running = sandbox.spawn(&["start", "--demo", "--time-limit", "30m"]);
    running.stderr_line("remote goes off in ");
    running.stderr_line("Ctrl-C ends");
    std::fs::write(&slept, "").unwrap();
    let line = running.stderr_line("warning: the machine slept for ");
    assert!(line.contains("slept for 3600 s") || line.contains("slept for 3599 s"), "{line}");
    running.stderr_line("warning: the time limit is up: remote is switched off");
    running.stderr_line("remote off: Mission Control cannot reach the session");
    running.signal("TERM");
    running.finish().expect_code(143);
}

/// A disk that is full from the start: refused, and nothing is left. One that fills up: the session goes on, and says once what does not work.
#[test]
fn a_full_disk_ends_no_session() {
    let mut sandbox = calm();
    with_shim(&mut sandbox, "full");
    let done = sandbox.run(&["start", "--demo"]).expect_code(1);
    assert!(done.stderr.contains("cannot be written: No space left on device"), "{}", done.stderr);
    sandbox.wait_until_empty();

    let full = sandbox.path("full");
    sandbox.set("SHIM_WHILE", full.to_str().unwrap());
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stderr_line("Ctrl-C ends");
    std::fs::write(&full, "").unwrap();
    // Another terminal can still switch it: a word is replaced in place. Here not even that works, and it is said.
    let off = sandbox.run(&["off"]).expect_code(1);
    assert!(off.stderr.contains(".wanted cannot be written: No space left on device"), "{}", off.stderr);
    assert_eq!(sandbox.list().len(), 1);
    sandbox.run(&["send", "-p", "still there?"]);
    let warning = "No space left on device (os error 28); the session goes on, but";
    running.stderr_line(warning);
    running.stderr_line("idle: waits for a prompt");
    std::fs::remove_file(&full).unwrap();
    sandbox.run(&["off"]).expect_code(0);
    assert_eq!(sandbox.list()[0]["remote"], "off");
    running.signal("INT");
    let done = running.finish().expect_code(130);
    assert!((1..=2).contains(&done.stderr.matches(warning).count()), "{}", done.stderr);
}

#[test]
fn a_state_folder_that_cannot_be_used_is_refused_by_every_command() {
    let mut sandbox = calm();
    // A file in its place.
    let file = sandbox.path("file");
    std::fs::write(&file, "").unwrap();
    // One that others could aim elsewhere.
    let target = sandbox.path("target");
    std::fs::create_dir(&target).unwrap();
    let link = sandbox.path("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    // One that others can write to.
    let open = sandbox.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    // Somebody else's: two users on one machine.
    let theirs = sandbox.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    let other = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
        theirs
    } else {
        PathBuf::from("/usr")
    };
    for (folder, why) in [
        (&file, "not a directory"),
        (&link, "it is a symbolic link"),
        (&open, "others can write to it"),
        (&other, "it belongs to another user"),
    ] {
        sandbox.set("COPILOT_REMOTE_STATE_DIR", folder.to_str().unwrap());
        for arguments in [&["start", "--demo"][..], &["list"], &["stop", "--all"]] {
            let done = sandbox.run(arguments).expect_code(1);
            // Whoever would make the folder is told by the system.
            let made = folder == &file && arguments[0] == "start";
            let why = if made { "File exists (os error 17)" } else { why };
            let said = format!("error: the state folder {} cannot be used: {why}\n", folder.display());
            assert!(done.stderr.contains(&said), "{arguments:?} {why}: {}", done.stderr);
            assert!(done.stderr.contains("COPILOT_REMOTE_STATE_DIR"), "{}", done.stderr);
        }
    }
    assert_eq!(target.read_dir().unwrap().count(), 0);
    // A link inside of it is no better.
    let inside = sandbox.path("inside");
    std::fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink(&target, inside.join("sessions")).unwrap();
    sandbox.set("COPILOT_REMOTE_STATE_DIR", inside.to_str().unwrap());
    let done = sandbox.run(&["list"]).expect_code(1);
    assert!(done.stderr.contains("it is a symbolic link"), "{}", done.stderr);
    // One that is missing holds nothing, and reading does not make it.
    let missing = sandbox.path("missing");
    sandbox.set("COPILOT_REMOTE_STATE_DIR", missing.to_str().unwrap());
    assert_eq!(sandbox.run(&["list"]).expect_code(0).stdout, "no live sessions\n");
    sandbox.run(&["stop", "--all"]).expect_code(0);
    sandbox.run(&["prune"]).expect_code(0);
    assert!(!missing.exists());
}

/// Root may write anywhere, so there it proves nothing.
#[test]
fn an_unwritable_state_folder_is_named() {
    let mut sandbox = calm();
    let folder = sandbox.path("readonly");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    let folder = if rustix::process::geteuid().is_root() { PathBuf::from("/proc/copilot-remote") } else { folder };
    sandbox.set("COPILOT_REMOTE_STATE_DIR", folder.to_str().unwrap());
    let done = sandbox.run(&["start", "--demo"]).expect_code(1);
    assert!(done.stderr.contains(folder.to_str().unwrap()) && done.stderr.contains("cannot be used"), "{}", done.stderr);
}

/// What is not understood is left alone, and said; the rest works.
#[test]
fn a_broken_entry_is_left_alone() {
    let sandbox = calm();
    detach(&sandbox, &["--name", "good"]);
    let folder = sandbox.state().join("sessions");
    let good = entry_file(&sandbox);
    std::fs::write(folder.join("broken.json"), "{\"schema\": 1, \"sess").unwrap();
    std::fs::write(folder.join("foreign.json"), "[1, 2]").unwrap();
    let mut later: Value = serde_json::from_slice(&std::fs::read(&good).unwrap()).unwrap();
    later["schema"] = json!(7);
    std::fs::write(folder.join("later.json"), later.to_string()).unwrap();
    later["schema"] = json!(1);
    later["sessionId"] = json!("../../somewhere");
    std::fs::write(folder.join("another.json"), later.to_string()).unwrap();
    // A lock that is none.
    std::os::unix::fs::symlink("/dev/null", folder.join("odd.lock")).unwrap();
    let list = sandbox.run(&["list"]).expect_code(0);
    assert_eq!(list.stdout.lines().count(), 2, "{}", list.stdout);
    assert!(list.stderr.contains("odd.json: its lock cannot be opened"), "{}", list.stderr);
    for (name, why) in [
        ("broken", "not JSON"),
        ("foreign", "of another version"),
        ("later", "of another version"),
        ("another", "about another session"),
    ] {
        let line = list.stderr.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}: {}", list.stderr));
        assert!(line.starts_with("note: ") && line.contains(why) && line.ends_with("it is left alone"), "{line}");
    }
    sandbox.run(&["off", "good"]).expect_code(0);
    sandbox.run(&["stop", "--all"]).expect_code(0);
    assert!(folder.join("broken.json").exists() && folder.join("later.json").exists());
    sandbox.wait_until_empty();
}

/// The entry of a live session is broken: it lives on, and its host writes it anew when something happens.
#[test]
fn a_broken_entry_of_a_live_session_is_written_anew() {
    let mut sandbox = Sandbox::new();
    // So long that the entry can be broken before that.
    sandbox.play(&json!({"timeline": [{"wait": 2.0}, {"prompt": "go"}, {"message": "done"}, "idle"]}));
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stderr_line("Ctrl-C ends");
    let before = sandbox.list();
    let id = before[0]["sessionId"].as_str().unwrap();
    std::fs::write(entry_file(&sandbox), "{").unwrap();
    assert!(sandbox.list().is_empty());
    let lock = sandbox.state().join("sessions").join(format!("{id}.lock"));
    assert!(lock.exists(), "the lock of a live session is not touched");
    running.stderr_line("idle: waits for a prompt");
    let facts = |sessions: &[Value]| {
        sessions.iter().map(|one| [&one["sessionId"], &one["url"], &one["remote"]].map(Value::to_string)).collect::<Vec<_>>()
    };
    wait_for("the entry, anew", Duration::from_secs(5), || facts(&sandbox.list()) == facts(&before));
    running.signal("INT");
    running.finish().expect_code(130);
}

/// A host that was killed, and whose pid another process has by now: that one is left alone.
#[test]
fn a_reused_pid_is_not_taken_for_the_host() {
    let sandbox = calm();
    let running = sandbox.spawn(&["start", "--demo", "--name", "one"]);
    running.stderr_line("Ctrl-C ends");
    let file = entry_file(&sandbox);
    let mut entry: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    running.signal("KILL");
    running.finish().expect_code(137);
    let mut innocent = Command::new("sleep").arg("60").spawn().unwrap();
    entry["host"]["pid"] = json!(innocent.id());
    std::fs::write(&file, entry.to_string()).unwrap();
    sandbox.run(&["stop", "one"]).expect_code(3);
    let list = sandbox.run(&["list"]).expect_code(0);
    assert_eq!(list.stdout, "no live sessions\n");
    assert!(!file.exists());
    assert!(innocent.try_wait().unwrap().is_none(), "a stranger was killed");
    innocent.kill().unwrap();
    innocent.wait().unwrap();
    sandbox.stop_all();
}

/// The clock was set back: sessions seem to come from the future, and everything goes on.
#[test]
fn a_clock_that_was_set_back_confuses_nobody() {
    let sandbox = calm();
    detach(&sandbox, &["--name", "one"]);
    let file = entry_file(&sandbox);
    let mut entry: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    entry["startedAt"] = json!("2099-01-01T00:00:00Z");
    std::fs::write(&file, entry.to_string()).unwrap();
    detach(&sandbox, &["--name", "two"]);
    let table = sandbox.run(&["list"]).expect_code(0).stdout;
    assert!(table.lines().nth(1).unwrap().starts_with("one ") && table.contains(" 0s "), "{table}");
    sandbox.run(&["status", "one"]).expect_code(0);
    sandbox.stop_all();
}

/// Host and runtime are killed at any moment: the next start works, and `prune` leaves nothing.
#[test]
fn what_was_killed_is_pruned() {
    let sandbox = calm();
    for victims in ["host", "runtime", "both"] {
        let running = sandbox.spawn(&["start", "--demo", "--name", "one"]);
        running.stderr_line("Ctrl-C ends");
        let session = sandbox.list().remove(0);
        let pid = |field: &str| u32::try_from(session[field].as_u64().unwrap()).unwrap();
        if victims == "runtime" {
            // The stand-in forgets its sessions with it: it is created anew, under the same id.
            kill(pid("copilotPid"), "KILL");
            running.stderr_line("was started again; the session goes on");
            assert_eq!(sandbox.list()[0]["sessionId"], session["sessionId"]);
            running.signal("INT");
            running.finish().expect_code(130);
            sandbox.wait_until_empty();
            continue;
        }
        kill(pid("pid"), "KILL");
        if victims == "both" {
            kill(pid("copilotPid"), "KILL");
        }
        running.finish().expect_code(137);
        let ended = || victims == "host" || !sandbox.processes().iter().any(|(other, _)| *other == pid("copilotPid"));
        wait_for("the end of the runtime", PATIENCE, ended);
        let pruned = sandbox.run(&["prune", "--json"]).expect_code(0);
        let document = &pruned.json()[0];
        assert_eq!(document["runtimes"], i32::from(victims == "host"), "{}", pruned.stdout);
        assert!(document["notes"][0].as_str().unwrap().starts_with("session one is gone: its host (pid "), "{}", pruned.stdout);
        sandbox.wait_until_empty();
        let left: Vec<String> = sandbox.state_files().into_iter().filter(|file| !file.starts_with("logs/")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Killed while it launches: what it published is enough for the next one to go on with.
#[test]
fn a_start_that_is_killed_while_it_launches_is_no_obstacle() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"startup": [{"delay": 1.0}, {}]}));
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stderr_line("starting the stand-in runtime");
    running.signal("KILL");
    running.finish().expect_code(137);
    detach(&sandbox, &[]);
    sandbox.stop_all();
}

/// The README's lines for scripts are run as they stand there.
#[test]
fn the_readmes_lines_for_scripts_work() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"reply": [{"message": "All tests pass."}, "idle"]}));
    let bin = sandbox.script("bin/notify", "echo notified").parent().unwrap().to_owned();
    let program = std::path::Path::new(crate::support::sandbox::BINARY).parent().unwrap().to_owned();
    let cli = sandbox.stand_in_cli();
    let path = format!("{}:{}:{}", bin.display(), program.display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path).set("COPILOT_CLI_PATH", &cli);
    let readme = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut script = String::from("set -e\ncd ..\n");
    for line in [
        "url=$(copilot-remote start -d -C repo)",
        "copilot-remote list --json | jq -r '.sessions[].url // empty'",
        "copilot-remote send -p 'run the tests' --wait && notify",
        "copilot-remote stop --all",
    ] {
        assert!(readme.lines().any(|there| there.split("  #").next().unwrap().trim() == line), "README.md lacks: {line}");
        script += line;
        script += "\n";
    }
    script += "echo \"url was $url\"\n";
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
    let done = Running::spawn(command, None).finish().expect_code(0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines[1..3], ["All tests pass.", "notified"], "{}", done.stdout);
    assert_eq!(lines[3], format!("url was {}", lines[0]));
    sandbox.wait_until_empty();
}
