//! The JSON contract: what commands print with `--json`, and what hooks get, matches the schema that `schema` prints.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::sandbox::{Done, PATIENCE, Sandbox};
use crate::support::schema::Contract;
use crate::support::together::wait_for;

fn contract(sandbox: &Sandbox) -> Contract {
    Contract::new(&sandbox.run(&["schema"]).expect_code(0).stdout)
}

/// Checks every line of a run, and returns their types.
#[track_caller]
fn types(contract: &Contract, done: &Done) -> Vec<String> {
    let lines = done.json();
    assert!(!lines.is_empty(), "nothing was printed: {}", done.stderr);
    for line in &lines {
        contract.expect(line);
    }
    lines.iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect()
}

/// Runs a command: its lines match, and the last one is of the type that is wanted.
#[track_caller]
fn answers(sandbox: &Sandbox, contract: &Contract, arguments: &[&str], code: i32, wanted: &str) {
    let done = sandbox.run(&[arguments, &["--json"]].concat()).expect_code(code);
    let told = types(contract, &done);
    assert_eq!(told.last().map(String::as_str), Some(wanted), "{arguments:?}: {}", done.stdout);
}

#[test]
fn what_happens_in_a_session_matches() {
    let mut sandbox = Sandbox::new();
    let contract = contract(&sandbox);
    sandbox.play(&json!({"speed": 1000, "timeline": [
        {"prompt": "hello"},
        {"tool": {"name": "bash", "arguments": {"command": "false"}, "exitCode": 3}},
        {"permission": {"command": "cargo test", "answeredAfter": 1}},
        {"question": {"question": "Which colour?", "choices": ["red"], "answer": "red", "answeredAfter": 1}},
        {"plan": {"summary": "first this", "content": "then that", "answeredAfter": 1}},
        {"event": {"type": "session.title_changed", "data": {"title": "a title"}}},
        {"event": {"type": "session.warning", "data": {"warningType": "x", "message": "take care"}}},
        {"event": {"type": "session.error", "data": {"message": "the model is gone"}}},
        {"event": {"type": "abort", "data": {"reason": "remote_command"}}},
        {"message": "one\ntwo"}, "idle", "closeSession"]}));
    let told = types(&contract, &sandbox.run(&["start", "--demo", "--json"]).expect_code(0));
    let wanted = [
        "signedIn",
        "ready",
        "prompt",
        "tool",
        "input",
        "answered",
        "title",
        "warning",
        "turnFailed",
        "turnAborted",
        "message",
        "idle",
        "ended",
    ];
    for wanted in wanted {
        assert!(told.iter().any(|told| told == wanted), "no {wanted} in {told:?}");
    }
}

#[test]
fn the_answers_of_commands_match() {
    let mut sandbox = Sandbox::new();
    let contract = contract(&sandbox);
    sandbox.play(&json!({"speed": 1000, "timeline": [], "reply": [{"message": "done"}, "idle"]}));
    let check = |arguments: &[&str], code: i32, wanted: &str| answers(&sandbox, &contract, arguments, code, wanted);
    check(&["url"], 3, "error");
    check(&["start", "--remote", "ond"], 2, "error");
    check(&["start", "--demo", "--detach", "--name", "one"], 0, "ready");
    check(&["list"], 0, "list");
    check(&["status"], 0, "status");
    check(&["url"], 0, "url");
    check(&["qr"], 0, "url");
    check(&["send", "-p", "go"], 0, "sent");
    // Where it does not fail, its exit code says everything.
    assert_eq!(sandbox.run(&["wait", "--json"]).expect_code(0).stdout, "");
    check(&["wait", "--for", "ended", "--timeout", "1s"], 6, "error");
    check(&["send", "-p", "go", "--wait"], 0, "answer");
    check(&["answer"], 3, "waiting");
    check(&["interrupt"], 0, "interrupted");
    check(&["usage"], 0, "usage");
    check(&["diff"], 0, "diff");
    check(&["undo", "--list"], 0, "undoPoints");
    check(&["undo", "--yes"], 0, "undone");
    check(&["share", "--visibility", "repo"], 0, "visibility");
    check(&["off"], 0, "remote");
    check(&["status"], 0, "status");
    check(&["on"], 0, "ready");
    check(&["rename", "one", "two"], 0, "renamed");
    types(&contract, &sandbox.run(&["events"]).expect_code(0));
    check(&["stop", "--all"], 0, "stopped");
    check(&["url"], 3, "error");
    check(&["prune"], 0, "pruned");
    let doctor = sandbox.run(&["doctor", "--json"]);
    assert_eq!(types(&contract, &doctor), ["doctor"]);
    check(&["cloud", "--demo", "-p", "go"], 0, "ready");
    check(&["cloud", "list", "--demo"], 0, "tasks");
    let list = sandbox.write("repos", "octocat/a\noctocat/b\n");
    check(&["cloud", "--demo", "--repos-from", list.to_str().unwrap(), "-p", "go", "--wait"], 0, "finished");
}

/// A line of an event and the answer of a command have the same type, `answered`.
#[test]
fn what_waits_and_its_answer_match() {
    let mut sandbox = Sandbox::new();
    let contract = contract(&sandbox);
    sandbox.play(&json!({"speed": 1000, "timeline": [], "reply": [{"permission": {"command": "cargo test"}}, "idle"]}));
    let check = |arguments: &[&str], code: i32, wanted: &str| answers(&sandbox, &contract, arguments, code, wanted);
    check(&["start", "--demo", "--detach"], 0, "ready");
    check(&["send", "-p", "go", "--wait"], 9, "error");
    check(&["answer"], 0, "waiting");
    check(&["answer", "--allow"], 0, "answered");
    let told = types(&contract, &sandbox.run(&["events"]).expect_code(0));
    assert!(["input", "answered"].iter().all(|wanted| told.iter().any(|told| told == wanted)), "{told:?}");
    check(&["stop"], 0, "stopped");
}

#[test]
fn what_hooks_get_matches() {
    let mut sandbox = Sandbox::new();
    let contract = contract(&sandbox);
    sandbox.play(&json!({"speed": 1000, "timeline": [{"message": "one"}, "idle", "closeSession"]}));
    let folder = sandbox.path("told");
    fs::create_dir(&folder).unwrap();
    let at = folder.display();
    let script = format!("at={at}/$COPILOT_REMOTE_HOOK_EVENT; cat > $at.new; mv $at.new $at.json");
    let recorder = sandbox.script("recorder", &script);
    let cli = sandbox.stand_in_cli();
    let hook = |event: &str| format!("{event}={}", recorder.display());
    sandbox.run(&["start", "--copilot", &cli, "--hook", &hook("ready"), "--hook", &hook("idle")]).expect_code(0);
    for event in ["ready", "idle"] {
        let file = folder.join(format!("{event}.json"));
        wait_for(event, PATIENCE, || file.exists());
        contract.expect(&serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap());
    }
}

/// A schema that everything matches would hold nothing.
#[test]
fn other_lines_do_not_match() {
    let contract = contract(&Sandbox::new());
    let good = json!({"schemaVersion": 1, "time": "2026-01-01T00:00:00Z", "type": "tool", "name": "bash", "what": "true"});
    contract.expect(&good);
    for (field, value) in [
        ("schemaVersion", json!(2)),
        ("schemaVersion", Value::Null),
        ("time", json!(0)),
        ("type", json!("tools")),
        ("type", json!("ready")),
        ("name", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(contract.check(&bad).is_err(), "{bad}");
        bad.as_object_mut().unwrap().remove(field);
        assert!(contract.check(&bad).is_err(), "{bad}");
    }
}

/// The README's table and the schema have the same types of lines.
#[test]
fn the_readme_has_every_type() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, table) = readme.split_once("| type | fields |\n|---|---|\n").expect("the README has the table");
    let heads = table.lines().map_while(|row| row.strip_prefix("| ")?.split(" |").next());
    let mut told: Vec<&str> = heads.flat_map(|head| head.split('`').skip(1).step_by(2)).collect();
    // The command in brackets behind a type is no type.
    told.retain(|word| !word.starts_with("cloud"));
    let contract = contract(&Sandbox::new());
    let mut types = contract.types();
    types.retain(|word| *word != "hook");
    for list in [&mut told, &mut types] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(types, told);
}
