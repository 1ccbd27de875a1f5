//! The person at the terminal answers: permissions, questions, plans; in the host's view and in an attached one. On the real Copilot CLI.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Sandbox};

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

fn create(sandbox: &Sandbox, name: &str) -> Reply {
    let path = sandbox.repo().join(name);
    Reply::tool("create", json!({"path": path, "file_text": "hello\nworld\n"}))
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "not done: {what}");
        std::thread::yield_now();
    }
}

/// Long enough that a key counts.
fn read() {
    std::thread::sleep(Duration::from_millis(700));
}

#[test]
fn a_permission_is_given_once_for_the_session_or_not() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::bash("touch once"), Reply::text("first"), create(&sandbox, "one.txt"), Reply::text("second")]);
    let mut pty = Pty::start(&sandbox, 100, 60, "start --qr never -p go");
    pty.shows("permission needed: touch once");
    pty.shows("or here: a allows it once, d denies it");
    pty.shows("a allow, d deny");
    // What was typed ahead or pasted answers nothing.
    pty.send("a");
    pty.send("axax");
    read();
    assert!(!sandbox.repo().join("once").exists());
    pty.send("a");
    pty.shows("answered: approved");
    pty.shows("agent: first");
    assert!(sandbox.repo().join("once").exists());

    // A file: its difference is shown, and more of them can be allowed.
    github.queue("user_message", "write");
    pty.shows("permission needed: write ");
    let screen = pty.shows("s for this session");
    assert!(screen.contains("+hello") && screen.contains("+world"), "{screen}");
    read();
    pty.send("s");
    pty.shows("answered: approved-for-session");
    pty.shows("agent: second");
    github.model([create(&sandbox, "two.txt"), Reply::text("third"), Reply::bash("touch denied"), Reply::text("never")]);
    github.queue("user_message", "write more");
    let screen = pty.shows("agent: third");
    assert_eq!(screen.matches("permission needed").count(), 2, "{screen}");
    assert!(sandbox.repo().join("two.txt").exists());

    github.queue("user_message", "one more");
    pty.shows("permission needed: touch denied");
    read();
    // While something waits, d denies it and leaves nothing.
    pty.send("d");
    pty.shows("answered: denied-interactively-by-user");
    pty.shows("the turn was broken off");
    assert!(!sandbox.repo().join("denied").exists());
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn questions_and_plans_are_answered_too() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let question = json!({"question": "Which colour?", "choices": ["red", "blue"]});
    github.model([Reply::tool("ask_user", question.clone()), Reply::text("blue it is")]);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
    pty.shows("or here: the number of a choice");
    pty.shows("1-9 choose");
    read();
    pty.send("2");
    pty.shows("answered: blue");
    pty.shows("agent: blue it is");

    let command = github.queue("mode_switch", json!({"mode": "plan"}));
    github.wait_completed(&command, PATIENCE);
    github.model([
        Reply::tool("exit_plan_mode", json!({"summary": "First this", "plan": "# Plan\n- then that"})),
        Reply::text("on it"),
    ]);
    github.queue("user_message", "make a plan");
    pty.shows("plan to approve: First this");
    pty.shows("a approve, d reject");
    read();
    pty.send("a");
    pty.shows("answered: approved");
    pty.shows("agent: on it");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn the_first_answer_wins() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::bash("touch phone"), Reply::text("done")]);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
    pty.shows("permission needed: touch phone");
    let asked = github.wait_event("permission.requested", PATIENCE);
    let call = &asked["data"]["permissionRequest"]["toolCallId"];
    github.queue("permission_response", json!({"promptId": call, "approved": true, "scope": "once"}));
    let screen = pty.shows("agent: done");
    assert!(screen.contains("answered: approved"), "{screen}");
    // The prompt is withdrawn: its keys are gone.
    let screen = pty.shows("remote on | idle | r off");
    assert!(!screen.contains("a allow, d deny"), "{screen}");
    assert!(sandbox.repo().join("phone").exists());
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn another_terminal_answers() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([
        Reply::bash("touch attached"),
        create(&sandbox, "attached.txt"),
        Reply::tool("ask_user", json!({"question": "Which colour?", "choices": ["red", "blue"]})),
        Reply::text("all answered"),
    ]);
    sandbox.run(&["start", "--detach", "-p", "go"]).expect_code(0);
    github.wait_event("permission.requested", PATIENCE);
    wait_for("the request is known", || sandbox.list()[0]["activity"] == "input");
    // It was asked before: it is shown all the same.
    let mut pty = Pty::start(&sandbox, 100, 60, "attach --qr never");
    pty.shows("permission needed: touch attached");
    pty.shows("or here: a allows it once, d denies it");
    read();
    pty.send("a");
    pty.shows("answered: approved");
    wait_for("it ran", || sandbox.repo().join("attached").exists());
    pty.shows("s for this session");
    read();
    pty.send("s");
    pty.shows("answered: approved-for-session");
    pty.shows("question: Which colour?");
    read();
    pty.send("1");
    pty.shows("answered: red");
    pty.shows("agent: all answered");
    read();
    pty.send("d");
    pty.shows("the session goes on");
    assert_eq!(pty.finish(), 0);
    sandbox.stop_all();
}

/// Of several, the first is answered first, and the next is shown again when it is its turn. On the stand-in, as the real CLI does not ask
/// for two things at once when told to.
#[test]
fn several_wait_in_line_and_none_is_answered_unseen() {
    let mut sandbox = Sandbox::new();
    let asked = |id: &str, command: &str| {
        let request = json!({"kind": "shell", "toolCallId": id, "fullCommandText": command, "canOfferSessionApproval": false});
        json!({"event": {"type": "permission.requested", "data": {"requestId": id, "permissionRequest": request}}})
    };
    let refused = json!({"error": {"code": -32603, "message": "GitHub is away"}});
    let taken = json!({"result": {"success": true}});
    sandbox.play(&json!({
        "speed": 100,
        "timeline": [{"prompt": "go"}, asked("1", "the first"), asked("2", "the second\nand its end")],
        "faults": {"session.permissions.handlePendingPermissionRequest": [taken, refused, taken]},
    }));
    let cli = sandbox.stand_in_cli();
    let mut pty = Pty::start(&sandbox, 100, 60, &format!("start --copilot {cli} --qr never"));
    pty.shows("it can be answered here after the one before it");
    read();
    pty.send("a");
    // Its turn: all of it is there again.
    let told = |screen: &str| screen.matches("permission needed: the second").count();
    wait_for("the second is shown again", || told(&pty.shows("the second")) == 2);
    let screen = pty.shows("a allow, d deny");
    assert_eq!(screen.matches("permission needed: the first").count(), 1, "{screen}");
    assert_eq!(screen.matches("and its end").count(), 2, "{screen}");
    // Pressed at once, it would be for something that nobody can have read.
    pty.send("d");
    read();
    pty.send("d");
    pty.shows("warning: the answer did not arrive: ");
    let screen = pty.shows("permission needed: the second");
    assert!(!screen.contains("the session goes on in the background"), "{screen}");
    read();
    pty.send("d");
    read();
    let screen = pty.shows("xx stop");
    assert_eq!(screen.matches("did not arrive").count(), 1, "{screen}");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}
