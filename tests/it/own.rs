//! A session is the person's own: what they trust, what their settings say, what rules over them, and what they are asked. On the real
//! Copilot CLI, and on the stand-in where that asks what the real one does not ask on demand.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Sandbox, files_below, kill};
use crate::support::together::wait_for;

mod requests;

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

/// Starts a session in the background: its `ready`.
fn start(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    sandbox.run(&[&["start", "--detach", "--json"], arguments].concat()).expect_code(0).json().pop().unwrap()
}

/// Lets the agent do this in the only session, and returns the exit code: 9 if it asks.
fn turn(sandbox: &Sandbox, github: &GitHub, replies: impl IntoIterator<Item = Reply>) -> i32 {
    github.clear_model();
    github.model(replies);
    github.model([Reply::text("done")]);
    sandbox.run(&["send", "-p", "go", "--wait"]).code
}

fn kill_runtime(sandbox: &Sandbox, session: &str) {
    let relaunches = || sandbox.run(&["events", session]).stdout.matches("\"relaunched\"").count();
    let before = relaunches();
    for (pid, _) in sandbox.processes().into_iter().filter(|(_, command)| command.contains("copilot-linux")) {
        kill(pid, "KILL");
    }
    wait_for("a relaunch", PATIENCE, || relaunches() > before);
}

/// What ran, by the marks that it left; they are taken away.
fn marks(sandbox: &Sandbox) -> Vec<String> {
    let mut marks = Vec::new();
    for file in files_below(&sandbox.path("marks")) {
        marks.push(file.file_name().unwrap().to_str().unwrap().to_owned());
        std::fs::remove_file(file).unwrap();
    }
    marks.sort();
    marks
}

/// Hooks of the repository and of the person, and an MCP server of the repository, which leave marks when they run.
fn bring_hooks(sandbox: &Sandbox) {
    std::fs::create_dir_all(sandbox.path("marks")).unwrap();
    let mark = |name: &str| format!("touch {}", sandbox.path("marks").join(name).display());
    let hook = |name: &str| json!([{"type": "command", "bash": mark(name), "timeoutSec": 10}]);
    let of_repository = ["sessionStart", "userPromptSubmitted", "preToolUse", "sessionEnd"];
    let hooks: Value = of_repository
        .iter()
        .map(|event| ((*event).to_owned(), hook(&format!("repository-{event}"))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    sandbox.write("repo/.github/hooks/hooks.json", json!({"version": 1, "hooks": hooks}));
    sandbox.write("copilot/hooks/hooks.json", json!({"version": 1, "hooks": {"userPromptSubmitted": hook("person")}}));
    let server = json!({"type": "local", "command": "sh", "args": ["-c", mark("repository-mcp")], "tools": ["*"]});
    sandbox.write("repo/.mcp.json", json!({"mcpServers": {"desk": server}}));
}

#[test]
fn nothing_of_a_repository_runs_that_is_not_trusted() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    bring_hooks(&sandbox);
    sandbox.trust(&[]);
    let person = ["person".to_owned()];
    let go = || turn(&sandbox, &github, [Reply::bash("git status")]);

    let done = sandbox.run(&["start", "--detach", "--json", "--name", "one"]).expect_code(0);
    assert_eq!(
        done.stderr.matches("is not trusted: its own hooks and MCP servers stay off; --trust ").count(),
        1,
        "{}",
        done.stderr
    );
    let ready = done.json().pop().unwrap();
    assert_eq!(ready["trusted"], false);
    let id = ready["sessionId"].as_str().unwrap();
    assert_eq!((go(), marks(&sandbox)), (0, person.to_vec()), "start");
    kill_runtime(&sandbox, id);
    assert_eq!((go(), marks(&sandbox)), (0, person.to_vec()), "a runtime that was killed");
    assert!(sandbox.run(&["status"]).stdout.contains("trusted:    no"), "{}", sandbox.run(&["status"]).stdout);
    sandbox.run(&["stop"]).expect_code(0);
    start(&sandbox, &["--resume", "one"]);
    assert_eq!((go(), marks(&sandbox)), (0, person.to_vec()), "--resume");
    sandbox.run(&["stop"]).expect_code(0);
    sandbox.run(&["on-demand", "--detach"]).expect_code(0);
    assert_eq!((go(), marks(&sandbox)), (0, person.to_vec()), "on-demand");
    sandbox.run(&["stop"]).expect_code(0);

    // In a terminal somebody is asked; the key d sends it to the background.
    let mut pty = Pty::start(&sandbox, 100, 40, "start --qr never --name two");
    pty.shows("trust it? 1 this time, 2 always, 3 no");
    pty.send("3");
    pty.shows("not trusted: its own hooks and MCP servers stay off");
    pty.shows("d detach");
    pty.send("d");
    assert_eq!(pty.finish(), 0);
    assert_eq!((go(), marks(&sandbox)), (0, person.to_vec()), "d");
    sandbox.run(&["stop"]).expect_code(0);
    assert!(marks(&sandbox).is_empty(), "its end");

    // With the person's yes all of it runs, also in another runtime.
    let all = ["person", "repository-mcp", "repository-preToolUse", "repository-sessionStart", "repository-userPromptSubmitted"];
    let ready = start(&sandbox, &["--trust"]);
    assert_eq!(ready["trusted"], true);
    assert_eq!((go(), marks(&sandbox)), (0, all.map(ToOwned::to_owned).to_vec()));
    kill_runtime(&sandbox, ready["sessionId"].as_str().unwrap());
    assert_eq!(go(), 0);
    let ran = marks(&sandbox);
    assert!(ran.contains(&"repository-mcp".to_owned()) && ran.contains(&"repository-preToolUse".to_owned()), "{ran:?}");
    let config = std::fs::read_to_string(sandbox.path("copilot/config.json")).unwrap();
    assert!(!config.contains(sandbox.repo().to_str().unwrap()), "it was for this session: {config}");
    sandbox.stop_all();
}

#[test]
fn trust_is_asked_for_with_the_three_answers_of_the_cli() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let trusted = || {
        let config = std::fs::read_to_string(sandbox.path("copilot/config.json")).unwrap();
        config.contains(&format!("\"{}\"", sandbox.repo().display()))
    };
    sandbox.trust(&[]);
    for (key, said, status, remembered) in [
        ("1", "trusted for this session", "trusted:    yes", false),
        ("3", "not trusted: its own hooks and MCP", "trusted:    no", false),
        ("2", "trusted from now on", "trusted:    yes", true),
    ] {
        let mut pty = Pty::start(&sandbox, 100, 40, "start --qr never");
        pty.wrote("1  trust it this time");
        pty.wrote("they run as you, and the agent obeys them");
        pty.shows("trust it?");
        // Nothing else answers.
        pty.send("x");
        std::thread::sleep(Duration::from_millis(200));
        pty.send(key);
        pty.wrote(said);
        pty.shows("idle");
        assert!(sandbox.run(&["status"]).stdout.contains(status), "{key}");
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130);
        assert_eq!(trusted(), remembered, "{key}");
    }
    // It is remembered: nobody is asked again.
    let mut pty = Pty::start(&sandbox, 100, 40, "start --qr never");
    let screen = pty.shows("idle");
    assert!(!screen.contains("trust it"), "{screen}");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    // Whoever leaves at the question starts nothing.
    sandbox.trust(&[]);
    let mut pty = Pty::start(&sandbox, 100, 40, "start --qr never");
    pty.shows("trust it?");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    assert!(sandbox.list().is_empty());
    // A worktree is as trusted as the repository that we made it of.
    assert_eq!(start(&sandbox, &["--worktree", "one"])["trusted"], false);
    sandbox.run(&["stop"]).expect_code(0);
    sandbox.trust(&[&sandbox.repo()]);
    assert_eq!(start(&sandbox, &["--worktree", "two"])["trusted"], true);
    sandbox.stop_all();
}

/// On the stand-in: the question on a narrow screen.
#[test]
fn trust_is_asked_for_on_a_narrow_screen_too() {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"trusted": false}));
    let cli = sandbox.stand_in_cli();
    let mut pty = Pty::start(&sandbox, 40, 40, &format!("start --copilot {cli} --qr never"));
    pty.wrote("1  trust it this time");
    pty.wrote("they run as you, and the agent obeys them");
    pty.shows("trust it?");
    pty.send("1");
    pty.wrote("trusted for this session");
    pty.shows("idle");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn reads_are_not_asked_for_and_writes_are() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox.write("repo/README.md", "# Hello World\n");
    let ready = start(&sandbox, &["--name", "one"]);
    let id = ready["sessionId"].as_str().unwrap();
    let readme = sandbox.repo().join("README.md");
    for unasked in [
        Reply::tool("view", json!({"path": readme})),
        Reply::tool("glob", json!({"pattern": "*.md"})),
        Reply::tool("grep", json!({"pattern": "Hello", "path": sandbox.repo()})),
        Reply::bash("git status"),
        Reply::bash("cat README.md && ls"),
    ] {
        assert_eq!(turn(&sandbox, &github, [unasked.clone()]), 0, "{unasked:?}");
    }
    let asked = |reply: Reply| {
        assert_eq!(turn(&sandbox, &github, [reply.clone()]), 9, "{reply:?}");
        let request = sandbox.run(&["answer", "--json"]).expect_code(0).json()[0]["requests"][0].clone();
        sandbox.run(&["answer", "--deny"]).expect_code(0);
        sandbox.run(&["wait"]).expect_code(0);
        request
    };
    let new = sandbox.repo().join("new.txt");
    asked(Reply::tool("create", json!({"path": new, "file_text": "x"})));
    assert!(!new.exists(), "a file is written when that was allowed");
    for command in ["echo x > new.txt", "cat /etc/passwd", "curl -s https://example.com"] {
        assert_eq!(asked(Reply::bash(command))["forSession"], false, "{command}");
    }
    asked(Reply::tool("view", json!({"path": "/etc/hostname"})));
    asked(Reply::tool("web_fetch", json!({"url": "https://example.com/"})));

    // For the session the command is allowed, and not the line.
    assert_eq!(turn(&sandbox, &github, [Reply::bash("npm run build")]), 9);
    let list = sandbox.run(&["answer"]).expect_code(0).stdout;
    assert!(list.contains("permission needed: npm run build") && list.contains("for the session: every npm run"), "{list}");
    sandbox.run(&["answer", "--allow-session"]).expect_code(0);
    sandbox.run(&["wait"]).expect_code(0);
    assert_eq!(turn(&sandbox, &github, [Reply::bash("npm run test")]), 0);
    assert!(sandbox.run(&["status"]).stdout.contains("approved:   shell(npm run)"));
    // The session remembers it, whatever becomes of its runtime.
    kill_runtime(&sandbox, id);
    assert_eq!(turn(&sandbox, &github, [Reply::bash("npm run lint")]), 0);
    asked(Reply::bash("npm run lint; touch new.txt"));
    sandbox.run(&["stop"]).expect_code(0);
    start(&sandbox, &["--resume", "one"]);
    assert_eq!(turn(&sandbox, &github, [Reply::tool("view", json!({"path": readme})), Reply::bash("npm run lint")]), 0);
    sandbox.run(&["stop"]).expect_code(0);
    start(&sandbox, &["--resume", "one", "--ask"]);
    asked(Reply::bash("npm run lint"));
    assert!(!new.exists());
    sandbox.stop_all();
}

#[test]
fn safety_that_was_set_holds() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    // Not in the folder for temporary files, which a session may use.
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    let file = outside.path().join("file");
    let write = || Reply::bash(&format!("echo x > {}", file.display()));
    let curl = |host: &str| Reply::bash(&format!("curl -s https://{host}/page"));
    let fetch = Reply::tool("web_fetch", json!({"url": "https://denied.example.com/page"}));
    let reached = |host: &str| github.requests().iter().any(|request| request.host == host);

    sandbox.write("copilot/settings.json", json!({"deniedUrls": ["https://denied.example.com"]}));
    let ready = start(&sandbox, &["--allow-all"]);
    assert_eq!(ready["sandboxed"], false);
    assert_eq!(turn(&sandbox, &github, [write(), curl("other.example.com")]), 0);
    assert!(file.exists() && reached("other.example.com"), "nothing forbids it");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(turn(&sandbox, &github, [fetch.clone(), curl("denied.example.com")]), 0, "nobody is asked");
    assert!(!reached("denied.example.com"));
    sandbox.run(&["stop"]).expect_code(0);

    let settings = json!({
        "sandbox": {"enabled": true}, "deniedUrls": ["https://denied.example.com"],
        "includeCoAuthoredBy": false, "defaultMode": "plan", "defaultPermissionMode": "allow-all",
    });
    sandbox.write("copilot/settings.json", &settings);
    for arguments in [&["--allow-all", "--name", "one"][..], &["--resume", "one"]] {
        let ready = start(&sandbox, arguments);
        let facts = ["sandboxed", "mode", "permissionMode"].map(|field| ready[field].clone());
        assert_eq!(facts, [json!(true), json!("plan"), json!("allow-all")], "{arguments:?}");
        turn(&sandbox, &github, [write(), fetch.clone(), curl("denied.example.com")]);
        assert!(!file.exists(), "{arguments:?}");
        assert!(!reached("denied.example.com"), "{arguments:?}");
        assert!(sandbox.run(&["status"]).stdout.contains("sandboxed:  yes"));
        sandbox.run(&["stop"]).expect_code(0);
    }
    // What the model is told of commits.
    let asked = github.requests().into_iter().rfind(|request| request.path == "/chat/completions").unwrap();
    assert!(!asked.body.to_string().contains("Co-authored-by"), "a trailer is asked for");
    sandbox.stop_all();
}

#[test]
fn what_an_organisation_forbids_is_refused_by_name() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.manage(json!({"permissions": {"disableBypassPermissionsMode": "disable"}}));
    let done = sandbox.run(&["start", "--allow-all", "--detach", "--json"]).expect_code(7);
    let error = done.json().pop().unwrap();
    assert_eq!(error["reason"], "managed");
    let message = error["message"].as_str().unwrap();
    assert_eq!(message, "not everything can be allowed: that is forbidden by your organisation's managed settings at GitHub");
    assert!(sandbox.list().is_empty());
    sandbox.wait_until_empty();
    // What only the person's settings say is not done, as in copilot; the rest is.
    sandbox.write("copilot/settings.json", json!({"defaultPermissionMode": "allow-all"}));
    let ready = start(&sandbox, &[]);
    assert_eq!((&ready["managed"], &ready["permissionMode"]), (&json!("server"), &json!("manual")));
    assert!(sandbox.run(&["status"]).stdout.contains("managed:    by server"));
    sandbox.stop_all();
}

/// The machine's policy is a file that only root writes: the CLI sees another one, in a mount namespace of its own.
#[test]
fn what_the_machine_forbids_is_refused_by_name() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = world(&github, &cli);
    let policy = json!({"remoteControl": {"mode": "disabled"}, "permissions": {"deny": ["shell(touch:*)"]}});
    sandbox.write("etc/github-copilot/managed-settings.json", policy);
    std::fs::create_dir(sandbox.path("work")).unwrap();
    let (upper, work) = (sandbox.path("etc"), sandbox.path("work"));
    let mount = format!("mount -t overlay overlay -o lowerdir=/etc,upperdir={},workdir={} /etc", upper.display(), work.display());
    let managed =
        sandbox.script("managed", &format!("exec unshare -rm sh -c '{mount} && exec \"$@\"' sh {} \"$@\"", cli.display()));
    sandbox.set("COPILOT_CLI_PATH", managed.to_str().unwrap());
    let why = "remote control is disabled: that is forbidden by this machine's managed settings (/etc/github-copilot/managed-settings.json)";
    let refused = |arguments: &[&str]| {
        let done = sandbox.run(arguments).expect_code(7);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains(why), "{arguments:?}: {said}");
    };
    refused(&["start", "--detach"]);
    refused(&["doctor"]);
    let done = sandbox.run(&["on-demand", "--detach", "--json", "--allow-all"]).expect_code(0);
    assert_eq!(done.json().pop().unwrap()["managed"], "device");
    refused(&["on"]);
    assert_eq!(turn(&sandbox, &github, [Reply::bash("touch denied; echo x > other")]), 0, "nobody is asked");
    assert!(!sandbox.repo().join("denied").exists());
    assert_eq!(sandbox.list()[0]["remote"], "off");
    sandbox.stop_all();
}

#[test]
fn what_there_is_not_is_refused_by_name() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox
        .write("repo/.github/agents/reviewer.agent.md", "---\nname: reviewer\ndescription: Reads\n---\nYou are the reviewer.\n");
    sandbox.write("repo/AGENTS.md", "Mind the gap.\n");
    // One CLI for all of them.
    sandbox.run(&["on-demand", "--detach"]).expect_code(0);
    for (option, wanted, hint) in [
        ("--model", "gtp-5-mini", "did you mean gpt-5-mini"),
        ("--agent", "reviewr", "did you mean reviewer?"),
        ("--agent", "xyz", "there is: "),
    ] {
        let done = sandbox.run(&["start", "--detach", option, wanted]).expect_code(2);
        let said = format!("error: {option} {wanted}: there is none of that name\nhint: {hint}");
        assert!(done.stderr.contains(&said), "{}", done.stderr);
    }
    let done = sandbox.run(&["start", "--detach", "--model", "gpt-5-mini", "--effort", "huge"]).expect_code(2);
    assert!(done.stderr.contains("hint: there is: high, low, medium"), "{}", done.stderr);
    for (option, value) in
        [("--add-dir", "nowhere"), ("--mcp-config", "nowhere"), ("--mcp-config", "AGENTS.md"), ("--mode", "fast")]
    {
        let done = sandbox.run(&["start", "--detach", option, value]).expect_code(2);
        assert!(done.stderr.contains(option) && done.stderr.contains(value), "{}", done.stderr);
    }
    assert_eq!(sandbox.list().len(), 1);
    sandbox.stop_all();
}

#[test]
fn what_is_asked_for_is_so_and_stays_so() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    sandbox
        .write("repo/.github/agents/reviewer.agent.md", "---\nname: reviewer\ndescription: Reads\n---\nYou are the reviewer.\n");
    sandbox.write("repo/AGENTS.md", "Mind the gap.\n");
    let more = sandbox.write("more/file.txt", "x").parent().unwrap().to_owned();
    let server = json!({"command": "sh", "args": ["-c", format!("touch {}", sandbox.path("started").display())]});
    let config = sandbox.write("mcp.json", json!({"mcpServers": {"desk": server}}));
    let arguments = [
        "--name",
        "one",
        "--agent",
        "reviewer",
        "--model",
        "gpt-5-mini",
        "--effort",
        "low",
        "--mode",
        "plan",
        "--add-dir",
        more.to_str().unwrap(),
        "--mcp-config",
        config.to_str().unwrap(),
        "--no-custom-instructions",
    ];
    let ready = start(&sandbox, &arguments);
    let id = ready["sessionId"].as_str().unwrap();
    let facts =
        |session: &Value| ["mode", "agent", "model", "effort"].map(|field| session[field].as_str().unwrap_or("-").to_owned());
    assert_eq!(facts(&ready), ["plan", "reviewer", "gpt-5-mini", "low"]);
    let file = more.join("file.txt");
    let look = || {
        assert_eq!(turn(&sandbox, &github, [Reply::tool("view", json!({"path": file}))]), 0, "the folder is the session's, too");
        std::fs::remove_file(sandbox.path("started")).expect("the MCP server is started");
        let asked = github.requests().into_iter().rfind(|request| request.path == "/chat/completions").unwrap();
        let text = asked.body.to_string();
        assert!(text.contains("You are the reviewer.") && !text.contains("Mind the gap."));
        assert_eq!((&asked.body["model"], &asked.body["reasoning_effort"]), (&json!("gpt-5-mini"), &json!("low")));
    };
    look();
    // What the phone changes is so here, too, and stays so.
    let command = github.queue("mode_switch", json!({"mode": "autopilot"}));
    github.wait_completed(&command, PATIENCE);
    wait_for("the mode", PATIENCE, || sandbox.list()[0]["mode"] == "autopilot");
    kill_runtime(&sandbox, id);
    assert_eq!(facts(&sandbox.list()[0]), ["autopilot", "reviewer", "gpt-5-mini", "low"]);
    look();
    sandbox.run(&["stop"]).expect_code(0);
    assert_eq!(facts(&start(&sandbox, &["--resume", "one"])), ["autopilot", "reviewer", "gpt-5-mini", "low"]);
    look();
    let status = sandbox.run(&["status"]).stdout;
    for line in ["mode:       autopilot", "model:      gpt-5-mini (low)", "agent:      reviewer"] {
        assert!(status.contains(line), "{status}");
    }
    sandbox.stop_all();
}
