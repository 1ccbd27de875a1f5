//! The main job on the real Copilot CLI, against the loopback GitHub.

use std::time::Duration;

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Running, Sandbox, TOKEN};
use crate::support::together::{run_all, wait_for};

fn start(sandbox: &Sandbox, cli: &std::path::Path, more: &[&str]) -> Running {
    sandbox.spawn(&[&["start", "--copilot", cli.to_str().unwrap()], more].concat())
}

/// Approves on the phone what the agent asks for next; the id of the answer.
fn approve(github: &GitHub) -> String {
    let asked = github.wait_event("permission.requested", PATIENCE);
    let call = &asked["data"]["permissionRequest"]["toolCallId"];
    github.queue("permission_response", json!({"promptId": call, "approved": true, "scope": "once"}))
}

#[test]
fn start_prints_exactly_the_link_and_ends_cleanly() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let running = start(&sandbox, &cli, &[]);
    let link = running.stdout_line("https://");
    running.stderr_line("phone: sign in");
    sandbox.assert_token_unseen(&[]);
    running.signal("INT");
    let done = running.finish().expect_code(130);

    assert_eq!(done.stdout, format!("{link}\n"));
    assert!(link.starts_with("https://github.com/octocat/hello-world/tasks/"), "{link}");
    let id = github.wait_event("session.start", PATIENCE)["data"]["sessionId"].as_str().unwrap().to_owned();
    let expected = format!(
        "looking for the repository\n\
         starting the Copilot CLI (PROJECT/tests/runtime/node_modules/.bin/copilot)\n\
         signing in\n\
         creating the session\n\
         waiting for the session\n\
         signed in as octocat on github.com\n\
         waiting for Mission Control\n\
         session: {id} (octocat/hello-world, branch main)\n\
         phone: sign in as octocat; for other accounts the link is a 404\n\
         Ctrl-C ends the session\n\
         ending the session\n\
         ending the Copilot CLI\n\
         HH:MM session ended by Ctrl-C"
    );
    assert_eq!(done.talk(&sandbox), expected);
    github.wait_event("session.shutdown", PATIENCE);
    sandbox.wait_until_empty();
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    assert_eq!(sandbox.state_files(), [format!("logs/session-{id}.jsonl")], "of a clean run only its journal is kept");
}

#[test]
fn json_lines_tell_the_whole_session() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    github.model([Reply::text("All tests pass.")]);
    let running = start(&sandbox, &cli, &["--json", "--name", "my session", "--prompt", "run the tests"]);
    running.stdout_line("\"type\":\"idle\"");
    running.signal("TERM");
    let done = running.finish().expect_code(143);

    let lines = done.json();
    assert!(lines.iter().all(|line| line["schemaVersion"] == 1 && line["time"].as_str().is_some_and(|time| time.ends_with('Z'))));
    let one = |kind: &str| lines.iter().find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {}", done.stdout));
    assert_eq!(lines[0]["type"], "signedIn");
    assert_eq!(lines[1]["type"], "ready");
    let ready = one("ready");
    for (field, value) in [
        ("name", json!("my session")),
        ("remote", json!("on")),
        ("login", json!("octocat")),
        ("host", json!("github.com")),
        ("repository", json!("octocat/hello-world")),
        ("branch", json!("main")),
        ("demo", json!(false)),
        ("copilotVersion", json!("1.0.102")),
        ("directory", json!(sandbox.repo())),
    ] {
        assert_eq!(ready[field], value, "{field}");
    }
    assert!(ready["url"].as_str().unwrap().starts_with("https://github.com/octocat/hello-world/tasks/"));
    assert_eq!((&one("prompt")["text"], &one("prompt")["from"]), (&json!("run the tests"), &json!("here")));
    assert_eq!(one("message")["text"], "All tests pass.");
    assert_eq!(one("ended")["reason"], "signal");
    assert_eq!(lines.last().unwrap()["type"], "ended");
    github.wait_event("session.shutdown", PATIENCE);
}

/// The phone's prompt reaches the agent, and the phone answers what the agent asks for.
#[test]
fn mission_control_steers() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let running = start(&sandbox, &cli, &[]);
    running.stderr_line("phone: sign in");
    github.model([
        Reply::bash("touch made-from-the-phone"),
        Reply::tool("ask_user", json!({"question": "Which colour?", "choices": ["red", "blue"]})),
        Reply::text("Red it is."),
    ]);
    github.queue("user_message", "make a file");
    running.stderr_line("prompt (Mission Control): make a file");
    running.stderr_line("permission needed: touch made-from-the-phone");
    assert!(!sandbox.repo().join("made-from-the-phone").exists(), "it ran unasked");
    let answer = approve(&github);
    running.stderr_line("answered: approved");
    github.wait_completed(&answer, PATIENCE);
    running.stderr_line("question: Which colour?");
    let question = github.wait_event("user_input.requested", PATIENCE);
    github.queue("ask_user_response", json!({"promptId": question["data"]["requestId"], "answer": "red"}));
    running.stderr_line("agent: Red it is.");
    running.stderr_line("idle: waits for a prompt");
    assert!(sandbox.repo().join("made-from-the-phone").exists());
    running.signal("INT");
    running.finish().expect_code(130);
}

#[test]
fn the_screen_shows_a_code_that_decodes_to_the_link() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let mut pty = Pty::start(&sandbox, 80, 40, &format!("start --copilot {}", cli.display()));
    pty.shows("? help");
    let link = pty.qr();
    assert_eq!(pty.raw().matches(link.as_str()).count(), 1, "the link is shown once");
    pty.send("r");
    pty.shows("remote off: Mission Control cannot reach the session");
    let switched = std::time::Instant::now();
    pty.send("r");
    pty.shows("remote on: Mission Control can steer the session");
    github.wait_for_request("a poll", |request| request.at > switched && request.path.ends_with("/commands"), PATIENCE);
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
    github.wait_event("session.shutdown", PATIENCE);
}

#[test]
fn export_is_read_only_and_off_is_off() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let running = start(&sandbox, &cli, &["--remote", "export", "--json"]);
    let ready: Value = serde_json::from_str(&running.stdout_line("\"ready\"")).unwrap();
    assert_eq!(ready["remote"], "export");
    assert!(ready["url"].is_string());
    running.stderr_line("read-only");
    running.signal("INT");
    running.finish().expect_code(130);
    assert_eq!(github.polls(), 0);

    let running = start(&sandbox, &cli, &["--remote", "off"]);
    let id = running.stdout_line("-");
    running.stderr_line("remote is off: Mission Control does not have this session");
    running.signal("INT");
    let done = running.finish().expect_code(130);
    assert_eq!(done.stdout, format!("{id}\n"));
    assert!(!done.stdout.contains("https"));
    assert_eq!(
        github.requests().iter().filter(|request| request.is("POST", "/agents/sessions")).count(),
        1,
        "only the first one"
    );
}

/// The token signs in one session, and is in no environment, file or argument.
#[test]
fn a_token_from_stdin_signs_in_unseen() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.unset("GH_TOKEN");
    github.model([Reply::bash("env > seen-by-tools; true"), Reply::text("done")]);
    let running =
        sandbox.spawn_with_input(&["start", "--token-stdin", "--copilot", cli.to_str().unwrap()], &format!("{TOKEN}\n"));
    running.stderr_line("signed in as octocat on github.com");
    running.stderr_line("phone: sign in");
    github.queue("user_message", "go");
    approve(&github);
    running.stderr_line("agent: done");
    let seen = std::fs::read_to_string(sandbox.repo().join("seen-by-tools")).unwrap();
    assert!(seen.contains("HOME=") && !seen.contains(TOKEN) && !seen.contains("COPILOT_CONNECTION_TOKEN"), "{seen}");
    sandbox.assert_token_unseen(&[]);
    running.signal("INT");
    let done = running.finish().expect_code(130);
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    assert!(github.requests().iter().any(|request| request.token() == Some(TOKEN)));
}

/// The most talkative log has no token in it, neither GitHub's nor the runtime's.
#[test]
fn the_log_has_no_token() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.unset("GH_TOKEN");
    let running = sandbox.spawn_with_input(&["start", "-vv", "--token-stdin", "--copilot", cli.to_str().unwrap()], TOKEN);
    running.stderr_line("phone: sign in");
    let (runtime, _) =
        sandbox.processes().into_iter().find(|(_, command)| command.contains("copilot-linux")).expect("the runtime");
    let environment = std::fs::read(format!("/proc/{runtime}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    let secret =
        environment.split('\0').find_map(|pair| pair.strip_prefix("COPILOT_CONNECTION_TOKEN=")).expect("the connection token");
    assert_eq!(secret.len(), 32);
    running.signal("INT");
    let done = running.finish().expect_code(130);
    assert!(done.stderr.contains("started the runtime") && done.stderr.contains("github_copilot_sdk"), "{}", done.stderr);
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    assert!(!done.stderr.contains(secret) && !done.stdout.contains(secret));
}

/// A session's tools must not act on the terminal of whoever started the runtime.
#[test]
fn tools_do_not_see_the_terminal() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("TMUX_PANE", "%1").set("SSH_CONNECTION", "1 2 3 4").set("KEPT", "yes");
    github.model([Reply::bash("env > seen-by-tools; true"), Reply::text("done")]);
    let running = start(&sandbox, &cli, &["--prompt", "go"]);
    approve(&github);
    running.stderr_line("agent: done");
    let seen = std::fs::read_to_string(sandbox.repo().join("seen-by-tools")).unwrap();
    assert!(seen.contains("KEPT=yes") && !seen.contains("TMUX_PANE") && !seen.contains("SSH_CONNECTION"), "{seen}");
    running.signal("INT");
    running.finish().expect_code(130);
}

/// A session without a repository is not refused by the CLI: it is by us, unless asked for.
#[test]
fn without_a_repository_only_when_asked() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let plain = sandbox.path("plain");
    std::fs::create_dir(&plain).unwrap();
    let running = start(&sandbox, &cli, &["--no-repo", "-C", plain.to_str().unwrap()]);
    let link = running.stdout_line("https://");
    assert!(link.starts_with("https://github.com/copilot/tasks/"), "{link}");
    running.stderr_line("(no repository, in ");
    running.signal("INT");
    running.finish().expect_code(130);

    let alias = sandbox.git_init("alias", &[("origin", "https://www.github.com/octocat/hello-world")]);
    let done = sandbox.run(&["start", "-C", alias.to_str().unwrap()]).expect_code(8);
    assert!(done.stderr.contains("www.github.com/octocat/hello-world"), "{}", done.stderr);
}

/// The CLI goes without a repository for an ssh alias, silently: we say so before anything is shared.
#[test]
fn what_the_cli_does_not_attach_is_told_before_sharing() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let folder = sandbox.git_init("port", &[("origin", "ssh://git@ssh.github.com:443/octocat/hello-world.git")]);
    let running = start(&sandbox, &cli, &["-C", folder.to_str().unwrap()]);
    running.stdout_line("https://github.com/copilot/tasks/");
    running.signal("INT");
    let done = running.finish().expect_code(130);
    let warning = "warning: the Copilot CLI attaches no repository, while git says octocat/hello-world";
    let (_, after) = done.stderr.split_once(warning).unwrap_or_else(|| panic!("{}", done.stderr));
    assert!(after.contains("waiting for Mission Control"), "{}", done.stderr);
}

/// A GitHub that is slow, and for a moment away: the session comes, and its prompts too.
#[test]
fn a_slow_and_flaky_github_is_waited_for() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    github.fault("*", "*", Fault::Delay(Duration::from_millis(700)), None);
    let running = start(&sandbox, &cli, &[]);
    running.stdout_line("https://");
    github.heal();
    github.fault("GET", "/agents/sessions/*/commands", Fault::Status(500, json!({})), Some(2));
    github.queue("user_message", "still there?");
    running.stderr_line("prompt (Mission Control): still there?");
    running.signal("INT");
    running.finish().expect_code(130);
    github.wait_event("session.shutdown", PATIENCE);
}

#[test]
fn the_first_interrupt_while_starting_undoes_everything() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    github.fault("GET", "/repos/*/*", Fault::Hang, None);
    let sandbox = Sandbox::on(&github);
    let running = start(&sandbox, &cli, &[]);
    running.stderr_line("waiting for Mission Control");
    github.wait_for_request("the repository", |request| request.path.starts_with("/repos/"), PATIENCE);
    running.signal("INT");
    // The start would go on for a minute.
    let done = running.finish_within(Duration::from_secs(30)).expect_code(130);
    assert_eq!(done.stdout, "");
    assert!(done.stderr.ends_with("error: ended by Ctrl-C\n"), "{}", done.stderr);
    sandbox.wait_until_empty();
}

/// A session whose agent runs a tool that does not end; the tool is in a process session of its own.
fn with_a_running_tool(github: &GitHub, sandbox: &Sandbox, cli: &std::path::Path) -> Running {
    github.model([Reply::bash("sleep 300")]);
    let running = start(sandbox, cli, &["--prompt", "go"]);
    approve(github);
    wait_for("the tool", PATIENCE, || sandbox.processes().iter().any(|(_, command)| command.starts_with("sleep 300")));
    running
}

/// However the session ends, no tool goes on.
#[test]
fn no_tool_outlives_the_session() {
    let cli = real_cli_or_return!();
    run_all(&[(false, 1), (true, 1), (true, 2)], |(hanging, interrupts)| {
        let github = GitHub::start();
        let sandbox = Sandbox::on(&github);
        let running = with_a_running_tool(&github, &sandbox, &cli);
        if *hanging {
            github.fault("*", "/agents/*", Fault::Hang, None);
        }
        running.signal("INT");
        if *interrupts == 2 {
            running.stderr_line("ending the session");
            running.try_signal("INT");
        }
        running.finish().expect_code(130);
        sandbox.wait_until_empty();
    });
}
