//! The person at the terminal answers: permissions, questions, plans; in the host's view and in an attached one. On the real Copilot CLI.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Sandbox, kill};
use crate::support::together::{run_all, wait_for};

mod typing;

fn world(github: &GitHub, cli: &Path) -> Sandbox {
    let mut sandbox = Sandbox::on(github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox
}

fn create(sandbox: &Sandbox, name: &str) -> Reply {
    let path = sandbox.repo().join(name);
    Reply::tool("create", json!({"path": path, "file_text": "hello\nworld\n"}))
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
    let send = |prompt: &str| sandbox.run(&["send", "-p", prompt]).expect_code(0);
    // What writes to a file is asked for each time.
    github.model([Reply::bash("echo once > once"), Reply::text("first"), create(&sandbox, "one.txt"), Reply::text("second")]);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
    pty.shows("permission needed: echo once > once");
    pty.wrote("or here: a allows it once, d denies it");
    pty.shows("a allow, d deny");
    // What was typed ahead answers nothing; nor does what is pasted, whether the terminal says that it is or not.
    pty.send("a");
    for pasted in ["axax", "\u{1b}[200~axax\u{1b}[201~", "axax"] {
        pty.send(pasted);
        read();
    }
    let screen = pty.shows("a allow, d deny");
    assert!(!screen.contains("answered") && !screen.contains("press x again"), "{screen}");
    assert!(!sandbox.repo().join("once").exists());
    pty.send("a");
    pty.shows("answered: approved");
    pty.shows("agent: first");
    assert!(sandbox.repo().join("once").exists());

    // A file: its difference is shown, and more of them can be allowed.
    send("write");
    pty.shows("permission needed: write ");
    pty.wrote("s for this session");
    let screen = pty.shows("a allow, s session, d deny");
    assert!(screen.contains("+hello") && screen.contains("+world"), "{screen}");
    read();
    pty.send("s");
    pty.shows("answered: approved-for-session");
    pty.shows("agent: second");
    github.model([create(&sandbox, "two.txt"), Reply::text("third"), Reply::bash("touch denied"), Reply::text("never")]);
    send("write more");
    let screen = pty.shows("agent: third");
    assert_eq!(screen.matches("permission needed").count(), 2, "{screen}");
    assert!(sandbox.repo().join("two.txt").exists());

    send("one more");
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
    pty.wrote("or here: the number of a choice");
    pty.shows("1-9 or Enter");
    read();
    pty.send("2");
    pty.shows("answered: blue");
    pty.shows("agent: blue it is");

    let command = github.queue("mode_switch", json!({"mode": "plan"}));
    github.wait_completed(&command, PATIENCE);
    let plan = |summary: &str| Reply::tool("exit_plan_mode", json!({"summary": summary, "plan": "# Plan\n- then that"}));
    github.model([plan("Not this")]);
    let send = || sandbox.run(&["send", "-p", "make a plan"]).expect_code(0);
    send();
    pty.shows("plan to approve: Not this");
    pty.shows("a approve, d reject");
    read();
    pty.send("d");
    pty.shows("answered: rejected");
    pty.shows("the turn was broken off");
    github.model([plan("First this"), Reply::text("on it")]);
    send();
    pty.shows("plan to approve: First this");
    pty.shows("a approve, d reject");
    read();
    pty.send("a");
    pty.shows("answered: approved");
    pty.shows("agent: on it");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

/// Each number is its choice. On the stand-in, which asks faster.
#[test]
fn every_number_is_its_choice() {
    run_all(&[40, 80, 200], |columns| {
        let mut sandbox = Sandbox::new();
        let choices: Vec<String> = (1..=9).map(|number| format!("choice {number}")).collect();
        let questions =
            choices.iter().map(|choice| json!({"question": {"question": format!("Is it {choice}?"), "choices": choices}}));
        let timeline: Vec<Value> = [json!({"prompt": "go"})].into_iter().chain(questions).collect();
        sandbox.play(&json!({"speed": 100, "timeline": timeline}));
        let cli = sandbox.stand_in_cli();
        let mut pty = Pty::start(&sandbox, *columns, 60, &format!("start --copilot {cli} --qr never"));
        for (index, choice) in choices.iter().enumerate() {
            pty.wrote(&format!("question: Is it {choice}?"));
            pty.shows("1-9 or Enter");
            read();
            pty.send(&(index + 1).to_string());
            pty.wrote(&format!("answered: {choice}"));
        }
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130);
    });
}

#[test]
fn the_first_answer_wins() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::bash("echo x > phone"), Reply::text("done")]);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
    pty.shows("permission needed: echo x > phone");
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

/// The phone approves a plan, and says what comes then.
#[test]
fn a_plan_is_answered_in_mission_control() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never");
    let command = github.queue("mode_switch", json!({"mode": "plan"}));
    github.wait_completed(&command, PATIENCE);
    let plan = |summary: &str| Reply::tool("exit_plan_mode", json!({"summary": summary, "plan": "# Plan\n- then that"}));
    // A plan that is rejected ends the turn, as it does here.
    for (approved, answered, then) in [(false, "rejected", "the turn was broken off"), (true, "approved", "agent: on it")] {
        github.model([plan("First this"), Reply::text("on it")]);
        sandbox.run(&["send", "-p", "make a plan"]).expect_code(0);
        pty.shows("a approve, d reject");
        let asked = github.wait_event("exit_plan_mode.requested", PATIENCE);
        let answer = json!({"promptId": asked["data"]["requestId"], "approved": approved, "selectedAction": "interactive"});
        let command = github.queue("plan_approval_response", answer);
        github.wait_completed(&command, PATIENCE);
        pty.wrote(&format!("answered: {answered}"));
        pty.wrote(then);
        // The prompt is withdrawn: its keys are gone.
        let screen = pty.shows("remote on | idle | r off");
        assert!(!screen.contains("a approve, d reject"), "{screen}");
        github.clear_model();
    }
    wait_for("what comes then", PATIENCE, || github.took("session.mode_changed", r#""newMode":"interactive""#));
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn another_terminal_answers() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([
        Reply::bash("echo x > attached"),
        create(&sandbox, "attached.txt"),
        Reply::tool("ask_user", json!({"question": "Which colour?", "choices": ["red", "blue"]})),
        Reply::text("all answered"),
    ]);
    sandbox.run(&["start", "--detach", "-p", "go"]).expect_code(0);
    github.wait_event("permission.requested", PATIENCE);
    wait_for("the request is known", PATIENCE, || sandbox.list()[0]["activity"] == "input");
    // It was asked before: it is shown all the same.
    let mut pty = Pty::start(&sandbox, 100, 60, "attach --qr never");
    pty.shows("permission needed: echo x > attached");
    pty.shows("or here: a allows it once, d denies it");
    read();
    pty.send("a");
    pty.shows("answered: approved");
    wait_for("it ran", PATIENCE, || sandbox.repo().join("attached").exists());
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
    let told = |screen: &str| screen.matches("or here: a allows it once").count();
    wait_for("the second is shown again", PATIENCE, || told(&pty.shows("the second")) == 2);
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

/// Answers on the phone, and with a key that is pressed so many milliseconds before that is fetched: commands are every 3 s. A key is held
/// back for 25 ms, to see whether it is part of a paste. The command's id.
fn both(github: &GitHub, pty: &mut Pty, (kind, answer): (&str, Value), key: &str, lead: u64) -> String {
    let polls = github.polls();
    wait_for("a poll", PATIENCE, || github.polls() > polls);
    let next = Instant::now() + Duration::from_millis(3000 - lead);
    let command = github.queue(kind, answer);
    std::thread::sleep(next.saturating_duration_since(Instant::now()));
    pty.send(key);
    command
}

/// Both sides answer at once: one wins, and what is told is what happened.
#[test]
fn a_race_of_both_sides_has_one_outcome() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    for (round, (local, lead)) in [("a", 60), ("d", 30), ("a", 0)].into_iter().enumerate() {
        let name = format!("race{round}");
        github.model([Reply::bash(&format!("echo x > {name}")), Reply::text("done")]);
        let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
        pty.shows("a allow, d deny");
        let asked = github.wait_event("permission.requested", PATIENCE);
        let call = &asked["data"]["permissionRequest"]["toolCallId"];
        read();
        let answer = json!({"promptId": call, "approved": local == "d", "scope": "once"});
        let command = both(&github, &mut pty, ("permission_response", answer), local, lead);
        pty.shows("answered: ");
        let screen = pty.shows("idle: waits for a prompt");
        github.wait_completed(&command, PATIENCE);
        assert_eq!(screen.matches("answered: ").count(), 1, "{screen}");
        assert!(!screen.contains("did not arrive"), "{screen}");
        assert_eq!(screen.contains("answered: approved"), sandbox.repo().join(&name).exists(), "{screen}");
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130);
        sandbox.wait_until_empty();
        github.clear_model();
    }
}

/// The same for a question: the agent is told what is told here.
#[test]
fn a_race_for_a_question_has_one_outcome() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never");
    pty.shows("remote on | idle");
    for (round, lead) in [60, 30, 0].into_iter().enumerate() {
        let question = json!({"question": format!("Which colour, {round}?"), "choices": ["red", "blue"]});
        github.model([Reply::tool("ask_user", question), Reply::text(&format!("done {round}"))]);
        sandbox.run(&["send", "-p", "go"]).expect_code(0);
        let asked = github.wait_event("user_input.requested", PATIENCE);
        pty.shows(&format!("Which colour, {round}?"));
        pty.shows("1-9 or Enter");
        read();
        let answer = json!({"promptId": asked["data"]["requestId"], "answer": "red"});
        let command = both(&github, &mut pty, ("ask_user_response", answer), "2", lead);
        pty.shows(&format!("agent: done {round}"));
        github.wait_completed(&command, PATIENCE);
        let screen = pty.shows("remote on | idle");
        let said = screen.rsplit_once(&format!("Which colour, {round}?")).unwrap().1;
        assert_eq!(said.matches("answered: ").count(), 1, "{screen}");
        assert!(!said.contains("did not arrive"), "{screen}");
        let answer = if said.contains("answered: blue") { "blue" } else { "red" };
        let told = github.wait_event("tool.execution_complete", PATIENCE);
        assert_eq!(told["data"]["result"]["content"], format!("User selected: {answer}"), "{screen}");
    }
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

/// A signal while something waits, and while a line is typed about it: the session ends, and the terminal is as it was. On the stand-in.
#[test]
fn the_end_comes_while_something_waits() {
    let rows = [(false, "TERM", 143), (false, "HUP", 129), (true, "TERM", 143), (true, "HUP", 129)];
    run_all(&rows, |(typing, signal, code)| {
        let mut sandbox = Sandbox::new();
        sandbox.play(&json!({"speed": 100, "timeline": [{"prompt": "go"}, {"question": {"question": "Which colour?"}}]}));
        let cli = sandbox.stand_in_cli();
        let mut pty = Pty::start(&sandbox, 80, 60, &format!("start --copilot {cli} --qr never"));
        pty.shows("Enter answers");
        read();
        if *typing {
            pty.send("\r");
            pty.shows("answer> ");
            pty.send("half of it");
            pty.shows("half of it");
        }
        let host = sandbox.list()[0]["pid"].as_u64().unwrap();
        kill(u32::try_from(host).unwrap(), signal);
        assert_eq!(pty.finish(), *code);
        sandbox.wait_until_empty();
    });
}

#[test]
fn a_session_is_stopped_while_something_waits() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::tool("ask_user", json!({"question": "Which colour?"}))]);
    sandbox.run(&["start", "--detach", "-p", "go"]).expect_code(0);
    sandbox.run(&["wait", "--for", "input"]).expect_code(0);
    sandbox.run(&["stop"]).expect_code(0);
    sandbox.wait_until_empty();
}
