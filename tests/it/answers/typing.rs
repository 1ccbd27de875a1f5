//! What is typed: words for an answer, and prompts.

use std::time::Duration;

use serde_json::json;

use super::{read, world};
use crate::real_cli_or_return;
use crate::support::github::{GitHub, Reply, Request};
use crate::support::pty::Pty;
use crate::support::sandbox::{PATIENCE, Sandbox};
use crate::support::together::{run_all, wait_for};

/// A word to a denial reaches the agent, and its turn goes on; so do own words for a question, and what a plan is to be instead.
#[test]
fn words_are_answers_too() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    let question = json!({"question": "Which colour?", "choices": ["red", "blue"]});
    github.model([
        Reply::bash("echo x > denied"),
        Reply::tool("ask_user", question.clone()),
        Reply::tool("ask_user", question.clone()),
        Reply::text("so be it"),
    ]);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
    pty.shows("a allow, d deny");
    read();
    pty.send("D");
    pty.shows("Enter sends what you type, Esc drops it");
    type_line(&mut pty, "use mktemp instead");
    // The turn goes on: the agent was told, and asks.
    pty.shows("question: Which colour?");
    assert!(!sandbox.repo().join("denied").exists());
    github.wait_event("permission.completed", PATIENCE);
    let told = github.wait_event("tool.execution_complete", PATIENCE);
    assert!(told.to_string().contains("use mktemp instead"), "{told}");
    pty.shows("1-9 or Enter");
    read();
    pty.send("\r");
    pty.shows("answer> ");
    type_line(&mut pty, "green, with dots");
    pty.shows("answered: green, with dots");
    // A number that is typed is the choice.
    pty.shows("1-9 or Enter");
    read();
    pty.send("\r");
    pty.shows("answer> ");
    type_line(&mut pty, "2");
    pty.shows("answered: blue");
    pty.shows("agent: so be it");

    a_plan_is_changed(&github, &mut pty);
    // So does a prompt.
    github.model([Reply::text("gone on")]);
    pty.shows("? help");
    read();
    pty.send("p");
    pty.shows("prompt> ");
    type_line(&mut pty, "go on, then");
    pty.shows("agent: gone on");
    wait_for("the prompt", PATIENCE, || github.took("user.message", "go on, then"));
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

/// What a plan is to be instead is said in words.
fn a_plan_is_changed(github: &GitHub, pty: &mut Pty) {
    let command = github.queue("mode_switch", json!({"mode": "plan"}));
    github.wait_completed(&command, PATIENCE);
    let plan = |summary: &str| Reply::tool("exit_plan_mode", json!({"summary": summary, "plan": "# Plan\n- then that"}));
    github.model([plan("First this"), plan("Then that"), Reply::text("on it")]);
    github.queue("user_message", "make a plan");
    pty.shows("plan to approve: First this");
    pty.shows("a approve, d reject");
    read();
    pty.send("D");
    pty.shows("change> ");
    type_line(pty, "the other way round");
    pty.shows("plan to approve: Then that");
    let screen = pty.shows("a approve, d reject");
    assert!(screen.contains("implement it, with"), "{screen}");
    read();
    pty.send("a");
    pty.shows("agent: on it");
    let told =
        |request: &Request| request.path == "/chat/completions" && request.body.to_string().contains("the other way round");
    github.wait_for_request("what is to be changed", told, PATIENCE);
}

/// Types as a person does: nobody is as fast as a program.
fn type_line(pty: &mut Pty, text: &str) {
    pty.send(text);
    // What was typed stands there.
    pty.shows(&text[text.len().saturating_sub(20)..]);
    std::thread::sleep(Duration::from_millis(100));
    pty.send("\r");
}

fn prompts_are_typed_edited_and_had_again_at(columns: u16) {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 100, "reply": [{"message": "taken"}, "idle"]}));
    let cli = sandbox.stand_in_cli();
    let mut pty = Pty::start(&sandbox, columns, 60, &format!("start --copilot {cli} --qr never"));
    pty.shows("? help");
    read();
    pty.send("p");
    pty.shows("prompt> ");
    // Keys that mean something elsewhere are text here.
    type_line(&mut pty, "fix xx and run the quick tests, daily");
    wait_for("the first prompt", PATIENCE, || prompts(&sandbox) == ["fix xx and run the quick tests, daily"]);
    pty.shows("agent: taken");

    read();
    pty.send("\r");
    pty.shows("prompt> ");
    // Up has the prompt before; Ctrl-W and Ctrl-U take away, Home goes to the start; a paste of lines ends nothing.
    pty.send("\u{1b}[A");
    pty.shows("tests, daily");
    std::thread::sleep(Duration::from_millis(100));
    pty.send("\u{17}");
    std::thread::sleep(Duration::from_millis(100));
    pty.send("\u{15}");
    std::thread::sleep(Duration::from_millis(100));
    pty.send("\u{1b}[200~naïve 日本語\nsecond line\n\u{1b}[201~");
    pty.shows("second line↵");
    // Alt-Enter is a new line, too.
    std::thread::sleep(Duration::from_millis(100));
    pty.send("\u{1b}\r");
    pty.shows("second line↵↵");
    pty.send("\u{1b}[H");
    std::thread::sleep(Duration::from_millis(100));
    type_line(&mut pty, "say: ");
    wait_for("the second prompt", PATIENCE, || {
        prompts(&sandbox).get(1).is_some_and(|text| text == "say: naïve 日本語\nsecond line")
    });

    // A paste that is not bracketed neither.
    read();
    pty.send("p");
    pty.shows("prompt> ");
    pty.send("three\rfour\r");
    pty.shows("three↵four↵");
    std::thread::sleep(Duration::from_millis(100));
    pty.send("\u{1b}");
    pty.shows("? help");
    // What is dropped can be had again, and nothing was sent.
    read();
    pty.send("p");
    pty.shows("prompt> ");
    pty.send("\u{1b}[A");
    pty.shows("three↵four↵");
    pty.send("\u{3}");
    pty.shows("dropped what was typed");
    assert_eq!(prompts(&sandbox).len(), 2);
    pty.shows("? help");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

/// On the stand-in: what is typed is the same to every runtime.
#[test]
fn prompts_are_typed_edited_and_had_again() {
    run_all(&[40, 80, 200], |columns| prompts_are_typed_edited_and_had_again_at(*columns));
}

/// The prompts that the session took.
fn prompts(sandbox: &Sandbox) -> Vec<String> {
    let events = sandbox.run(&["events"]).expect_code(0).json();
    let prompts = events.iter().filter(|event| event["type"] == "prompt");
    prompts.filter_map(|event| event["text"].as_str().map(ToOwned::to_owned)).collect()
}

/// The words for each kind of request, and the lines that are typed for it, on screens of every width. On the stand-in.
#[test]
fn every_request_has_its_words_on_every_screen() {
    let diff = "--- a/one.txt\n+++ b/one.txt\n@@ -0,0 +1,2 @@\n+hello\n+world\n";
    let create = json!({"event": {"type": "permission.requested", "data": {
        "requestId": "w", "permissionRequest": {"kind": "write", "toolCallId": "w", "fileName": "one.txt", "diff": diff},
        "promptRequest": {"kind": "write", "canOfferSessionApproval": true}}}});
    let question = json!({"question": {"question": "Which colour?", "choices": ["red", "blue"]}});
    let plan = json!({"plan": {"summary": "First this", "content": "# Plan\n- then that"}});
    let script = json!({"speed": 100, "timeline": [
        {"prompt": "go"}, {"permission": {"command": "echo x > denied"}}, question, plan, create]});
    run_all(&[40, 80, 200], |columns| {
        let mut sandbox = Sandbox::new();
        sandbox.play(&script);
        let cli = sandbox.stand_in_cli();
        let mut pty = Pty::start(&sandbox, *columns, 60, &format!("start --copilot {cli} --qr never"));
        pty.shows("permission needed: echo x > denied");
        pty.wrote("or here: a allows it once, s for this session, d denies it");
        pty.shows("a allow, s session, d deny");
        read();
        pty.send("D");
        pty.shows(if *columns < 60 { "why not> " } else { "Enter sends what you type, Esc drops it" });
        type_line(&mut pty, "use mktemp instead");
        pty.shows("question: Which colour?");
        pty.wrote("or here: the number of a choice");
        pty.shows("1-9 or Enter");
        read();
        pty.send("\r");
        pty.shows("answer> ");
        type_line(&mut pty, "green, with dots");
        pty.shows("answered: green, with dots");
        pty.shows("plan to approve: First this");
        pty.shows("a approve, d reject");
        read();
        pty.send("D");
        pty.shows("change> ");
        type_line(&mut pty, "the other way round");
        pty.shows("permission needed: write ");
        pty.wrote("s for this session");
        let screen = pty.shows("+world");
        assert!(screen.contains("+hello"), "{screen}");
        pty.shows("a allow, s session, d deny");
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130);
    });
}

/// Somebody else answers while a reason is typed: the line is taken back, what was typed is kept, and nothing of it becomes a key.
#[test]
fn what_is_typed_for_an_answer_that_was_given_elsewhere_is_kept() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = world(&github, &cli);
    github.model([Reply::bash("echo x > phone"), Reply::text("done")]);
    let mut pty = Pty::start(&sandbox, 80, 60, "start --qr never -p go");
    pty.shows("a allow, d deny");
    read();
    pty.send("D");
    pty.shows("why not> ");
    pty.send("because of xx");
    pty.shows("because of xx");
    let asked = github.wait_event("permission.requested", PATIENCE);
    let call = &asked["data"]["permissionRequest"]["toolCallId"];
    github.queue("permission_response", json!({"promptId": call, "approved": true, "scope": "once"}));
    pty.shows("it waits for no answer any more; what you typed is kept");
    // Nobody stops typing at once.
    for key in ["r", "l", "p", "a", "x", "x"] {
        std::thread::sleep(Duration::from_millis(200));
        pty.send(key);
    }
    pty.shows("agent: done");
    let screen = pty.shows("remote on | idle | r off");
    assert!(
        !screen.contains("why not>") && !screen.contains("switching remote") && !screen.contains("press x again"),
        "{screen}"
    );
    std::thread::sleep(Duration::from_millis(1300));
    pty.send("p");
    pty.shows("prompt> ");
    pty.send("\u{1b}[A");
    pty.shows("prompt> because of xx");
    pty.send("\u{3}");
    pty.shows("dropped what was typed");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}
