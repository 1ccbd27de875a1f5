//! Being told: hooks, the config file, the bell.

use serde_json::{Value, json};
use std::fs;

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{BINARY, PATIENCE, Sandbox, kill};
use crate::support::together::wait_for;

/// A hook that writes down what it gets: its stdin in one file, its variables in another, named by the event.
fn recorder(sandbox: &Sandbox) -> String {
    let folder = sandbox.path("told");
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "at={}/$COPILOT_REMOTE_HOOK_EVENT.$$; cat > $at.new; env -0 > $at.env; pwd > $at.pwd; mv $at.new $at.json",
        folder.display()
    );
    sandbox.script("recorder", &script).to_str().unwrap().to_owned()
}

/// What a recorder got of an event, the first time: the document, and the variables.
fn told(sandbox: &Sandbox, event: &str) -> (Value, Vec<String>) {
    let first = || {
        let files = fs::read_dir(sandbox.path("told")).unwrap().flatten();
        let mut files: Vec<_> =
            files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
        files.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
        files.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(event))
    };
    wait_for(event, PATIENCE, || first().is_some());
    let file = first().unwrap();
    let environment = fs::read_to_string(file.with_extension("env")).unwrap();
    let document = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    (document, environment.split('\0').map(ToOwned::to_owned).collect())
}

/// Quotes, new lines, expansions, escape sequences: all of it is data.
#[test]
fn what_happens_arrives_as_data() {
    const HOSTILE: &str = "'\"; touch pwned; $(touch pwned) `touch pwned`\n\u{1b}]0;owned\u{7}\u{202e}%s %n \\n";
    // The same in a variable, which scripts print.
    const SHOWN: &str = "'\"; touch pwned; $(touch pwned) `touch pwned`\n\\x1b]0;owned\\x07\\u{202e}%s %n \\n";
    let mut sandbox = Sandbox::new();
    let hook = recorder(&sandbox);
    sandbox.play(&json!({
        "speed": 100,
        "timeline": [
            {"prompt": HOSTILE},
            {"event": {"type": "session.title_changed", "data": {"title": HOSTILE}}},
            {"permission": {"command": HOSTILE, "answeredAfter": 1}},
            {"message": HOSTILE},
            {"event": {"type": "session.error", "data": {"message": HOSTILE}}},
            "idle"
        ],
    }));
    let cli = sandbox.stand_in_cli();
    let mut arguments = vec!["start".to_owned(), "--copilot".to_owned(), cli];
    for event in ["ready", "input", "idle", "error", "ended"] {
        arguments.extend(["--hook".to_owned(), format!("{event}={hook}")]);
    }
    let running = sandbox.spawn(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let url = running.stdout_line("https://");
    for event in ["ready", "input", "error", "idle"] {
        let (document, environment) = told(&sandbox, event);
        assert_eq!(
            (&document["type"], &document["event"], &document["schemaVersion"]),
            (&json!("hook"), &json!(event), &json!(1))
        );
        assert_eq!(document["session"]["url"], url, "{document}");
        let (message, shown) = if event == "ready" { ("", "") } else { (HOSTILE, SHOWN) };
        assert_eq!(document["message"], message, "{event}");
        for variable in [
            format!("COPILOT_REMOTE_HOOK_EVENT={event}"),
            format!("COPILOT_REMOTE_HOOK_MESSAGE={shown}"),
            format!("COPILOT_REMOTE_HOOK_URL={url}"),
            format!("COPILOT_REMOTE_HOOK_SESSION={}", document["session"]["sessionId"].as_str().unwrap()),
            "COPILOT_REMOTE_HOOK_REPOSITORY=octocat/hello-world".to_owned(),
        ] {
            assert!(environment.contains(&variable), "{event}: no {variable:?} in {environment:?}");
        }
    }
    let (input, _) = told(&sandbox, "input");
    assert_eq!((&input["data"]["type"], &input["data"]["kind"]), (&json!("input"), &json!("permission")));
    // The session is as it is by this event.
    assert_eq!((&input["session"]["activity"], &input["session"]["waiting"]), (&json!("input"), &json!(1)));
    let (_, environment) = told(&sandbox, "idle");
    assert!(environment.contains(&format!("COPILOT_REMOTE_HOOK_NAME={SHOWN}")), "{environment:?}");
    running.signal("TERM");
    running.finish().expect_code(143);
    assert_eq!(told(&sandbox, "ended").0["data"]["reason"], "signal");
    assert!(!sandbox.repo().join("pwned").exists());
}

/// A hook that fails is told; one that hangs, floods or is one of too many holds up nothing, and is killed in the end, with what it started.
#[test]
fn bad_hooks_harm_nothing() {
    let mut sandbox = Sandbox::new();
    let asks = |id: usize| {
        let request = json!({"kind": "shell", "toolCallId": id.to_string(), "fullCommandText": format!("command {id}")});
        json!({"event": {"type": "permission.requested", "data": {"requestId": id.to_string(), "permissionRequest": request}}})
    };
    let mut timeline = vec![json!({"prompt": "go"}), json!({"wait": 200})];
    timeline.extend((0..12).map(asks));
    sandbox.play(&json!({"speed": 100, "timeline": timeline}));
    let cli = sandbox.stand_in_cli();
    let running = sandbox.spawn(&[
        "start",
        "--copilot",
        &cli,
        "--hook",
        "ready=no-such-command",
        "--hook",
        "ready=echo why >&2; echo more >&2; exit 3",
        "--hook",
        "ready=cat >/dev/null; head -c 50000000 /dev/zero >&2; sleep 1234",
        "--hook",
        "ready=head -c 50000000 /dev/zero; sleep 1234",
        "--hook",
        "ready=exec <&- >&- 2>&-; sleep 1234",
        "--hook",
        "ready=sleep 1234 & wait",
        "--hook",
        "input=sleep 1234",
    ]);
    running.stdout_line("https://");
    running.stderr_line("warning: the hook for ready failed: exit code 127");
    running.stderr_line("warning: the hook for ready failed: exit code 3: why");
    running.stderr_line("warning: 8 hooks for input are running still: others are left out");
    running.stderr_line("permission needed: command 11");
    let hooks = || sandbox.processes().iter().filter(|(_, command)| command.contains("run-hook")).count();
    // Four of ready run on.
    wait_for("twelve hooks", PATIENCE, || hooks() == 12);
    running.signal("TERM");
    running.finish().expect_code(143);
    assert!(hooks() > 0, "the end waited for hooks");
    // Nobody is there any more to kill them, and they are.
    wait_for("the end of the hooks", PATIENCE, || sandbox.processes().is_empty());
}

/// A hook calls the program itself; what the next host sees runs hooks too; those of the end outlive it.
#[test]
fn hooks_go_with_the_session() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    let hook = recorder(&sandbox);
    let status = sandbox.path("status.json");
    let late = sandbox.path("late");
    github.model([Reply::bash("touch a"), Reply::text("done")]);
    sandbox
        .run(&[
            "start",
            "--detach",
            "--hook",
            &format!("ready={hook}"),
            "--hook",
            &format!("input={BINARY} status \"$COPILOT_REMOTE_HOOK_SESSION\" --json > {0}.new; mv {0}.new {0}", status.display()),
            "--hook",
            &format!("link-lost={hook}"),
            "--hook",
            &format!("link-restored={hook}"),
            "--hook",
            &format!("ended=sleep 1; touch {}", late.display()),
            "-p",
            "go",
        ])
        .expect_code(0);
    assert_eq!(told(&sandbox, "ready").0["session"]["detached"], true);
    wait_for("status", PATIENCE, || status.exists());
    let status: Value = serde_json::from_str(&fs::read_to_string(&status).unwrap()).unwrap();
    assert_eq!(status["activity"], "input", "{status}");

    for (pid, command) in sandbox.processes() {
        if command.contains("copilot-linux") {
            kill(pid, "KILL");
        }
    }
    let (lost, _) = told(&sandbox, "link-lost");
    assert_eq!(lost["message"], "the connection to the Copilot CLI broke");
    let (restored, _) = told(&sandbox, "link-restored");
    assert_eq!(restored["session"]["url"], status["url"]);
    sandbox.run(&["stop"]).expect_code(0);
    assert!(!late.exists());
    wait_for("the hook of the end", PATIENCE, || late.exists());
    sandbox.stop_all();
}

#[test]
fn the_config_file_has_defaults_and_hooks() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 100, "timeline": [{"prompt": "hi"}, {"message": "hello"}, "idle"]}));
    let cli = sandbox.stand_in_cli();
    let hook = recorder(&sandbox);
    let file = sandbox.path("config/copilot-remote/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let write = |text: &str| fs::write(&file, text).unwrap();

    // A session that a hook starts runs none of these: else there would be no end of it.
    let nested = sandbox.path("nested");
    let start = format!("{BINARY} start --demo --name nested -d && touch {}", nested.display());
    write(&format!(
        "timeout = '2m'\nqr = 'always'\nqr-style = 'wide'\n[hooks]\nready = ['{hook}', '{start}']\nidle = ['{hook}']\n"
    ));
    sandbox.run(&["start", "--copilot", &cli, "--name", "outer", "-d"]).expect_code(0);
    assert_eq!(told(&sandbox, "idle").0["message"], "hello");
    wait_for("the session of the hook", PATIENCE, || nested.exists());
    let mut names: Vec<_> = sandbox.list().iter().map(|session| session["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["nested", "outer"]);
    // The flag is above the file.
    sandbox.run(&["qr", "outer", "--qr-style", "auto"]).expect_code(0);
    let done = sandbox.run(&["qr", "outer"]).expect_code(1);
    assert!(done.stderr.contains("cannot be drawn without colour"), "{}", done.stderr);
    sandbox.stop_all();

    for (text, wrong) in [
        ("timout = '2m'", "unknown field `timout`, expected one of"),
        ("timeout = 'soon'", "\"soon\": expected a time from 1s to 24h"),
        ("[hooks]\nready = 'one'", "invalid type: string \"one\", expected a sequence"),
        ("[hooks]\nreddy = ['one']", "unknown variant `reddy`, expected one of `ready`"),
        ("[hooks]\nready = ['']", "hooks: there is no command"),
        ("qr = ", "TOML parse error at line 1"),
    ] {
        write(text);
        let done = sandbox.run(&["start", "--demo", "-d"]).expect_code(2);
        assert!(done.stderr.contains(file.to_str().unwrap()) && done.stderr.contains(wrong), "{text}: {}", done.stderr);
        assert!(done.stderr.contains("hint: mend the file; COPILOT_REMOTE_CONFIG names another one"), "{}", done.stderr);
    }
    write("");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let done = sandbox.run(&["start", "--demo", "-d"]).expect_code(2);
    assert!(done.stderr.contains("config.toml: others can write to it"), "{}", done.stderr);
    sandbox.set("COPILOT_REMOTE_CONFIG", "/no/such/file");
    let done = sandbox.run(&["start", "--demo", "-d"]).expect_code(2);
    assert!(done.stderr.contains("/no/such/file: No such file"), "{}", done.stderr);
}

#[test]
fn what_is_no_hook_is_refused() {
    let sandbox = Sandbox::new();
    for (hook, wrong) in [
        ("input", "there is no command; expected input=COMMAND"),
        ("input= ", "there is no command; expected input=COMMAND"),
        ("output=ls", "expected EVENT=COMMAND, with an event of ready, input, idle, ended, link-lost, link-restored, error"),
    ] {
        let done = sandbox.run(&["start", "--demo", "--hook", hook]).expect_code(2);
        assert!(done.stderr.contains(wrong), "{}", done.stderr);
    }
}

#[test]
fn a_bell_that_nobody_hears_is_refused() {
    let sandbox = Sandbox::new();
    let done = sandbox.run(&["start", "--demo", "--detach", "--bell"]).expect_code(2);
    assert!(done.stderr.contains("--bell rings in the live view"), "{}", done.stderr);
    let done = sandbox.run(&["cloud", "--demo", "-p", "go", "--repo", "octocat/hello-world", "--bell"]).expect_code(2);
    assert!(done.stderr.contains("add --follow, or leave it out"), "{}", done.stderr);
}

/// Rung when a person is needed, and only where that is wanted; what is told is harmless.
#[test]
fn the_bell_calls_for_a_person() {
    for (flag, config) in [("--bell", ""), ("", "bell = true\n"), ("", "")] {
        let mut sandbox = Sandbox::new();
        let file = sandbox.path("config.toml");
        fs::write(&file, config).unwrap();
        sandbox.set("COPILOT_REMOTE_CONFIG", file.to_str().unwrap());
        sandbox.play(&json!({"speed": 20, "timeline": [
            {"prompt": "hi"}, {"permission": {"command": "rm \u{7}\u{1b}]0;x", "answeredAfter": 2}}, {"message": "done"}, "idle"]}));
        let cli = sandbox.stand_in_cli();
        let mut pty = Pty::start(&sandbox, 80, 40, &format!("start --copilot {cli} --qr never {flag}"));
        pty.wrote("idle: waits for a prompt");
        pty.shows("remote on | idle | r off");
        let raw = pty.raw();
        let rung = raw.contains("\u{1b}]9;copilot-remote: an answer is needed: rm \\x07\\x1b]0;x\u{7}\u{7}")
            && raw.contains("\u{1b}]9;copilot-remote: the agent is idle\u{7}\u{7}");
        assert_eq!(rung, !(flag.is_empty() && config.is_empty()), "{raw:?}");
        assert!(rung || !raw.contains('\u{7}'), "{raw:?}");
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130);
    }
}
