//! What each command prints, word for word, on the stand-in: stdout as it is, stderr after `! `, then the exit status after `= `.
//!
//! Ids, times, ages, pids and folders differ from run to run: they stand as `ID1`, `TIME`, `Ns`, `PID`, `~`. In a command they stand for the
//! same ids. A transcript that is no longer true is written anew, and the test fails: what changed is to be looked at, and committed.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::sandbox::{Done, Sandbox, normal};

/// Plays the commands of a transcript, and compares all that they print.
fn plays(sandbox: &Sandbox, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/transcripts/{name}.txt"));
    let transcript = std::fs::read_to_string(&file).unwrap();
    let mut ids = Vec::new();
    let mut played = String::new();
    for line in transcript.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let (arguments, input) = line.split_once(" <<< ").map_or((line, None), |(arguments, input)| (arguments, Some(input)));
        let mut arguments = words(arguments);
        for (number, id) in ids.iter().enumerate() {
            arguments.iter_mut().filter(|word| **word == format!("ID{}", number + 1)).for_each(|word| word.clone_from(id));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = match input {
            Some(input) => sandbox.spawn_with_input(&arguments, input).finish(),
            None => sandbox.run(&arguments),
        };
        played += "$ ";
        played += line;
        played += "\n";
        played += &told(&done, sandbox, &mut ids);
    }
    if played == transcript {
        return;
    }
    let first = transcript.lines().zip(played.lines()).find(|(before, now)| before != now);
    std::fs::write(&file, &played).unwrap();
    panic!("{} was out of date; it is written anew: look at it, and commit it; the first difference: {first:#?}", file.display());
}

/// The words of a command, as a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    quoted
        .flat_map(
            |(number, part)| if number % 2 == 1 { vec![part] } else { part.split(' ').filter(|word| !word.is_empty()).collect() },
        )
        .map(ToOwned::to_owned)
        .collect()
}

fn told(done: &Done, sandbox: &Sandbox, ids: &mut Vec<String>) -> String {
    let mut plain = |text: &str| without_pids(&without_ages(&without_times(&without_ids(&normal(text, sandbox), ids))));
    let mut told = String::new();
    for (output, mark) in [(&done.stdout, ""), (&done.stderr, "! ")] {
        for line in plain(output).lines() {
            told += if line.is_empty() { mark.trim_end() } else { mark };
            told += line;
            told += "\n";
        }
    }
    told + "= " + &done.code.to_string() + "\n"
}

/// Replaces what begins at a place and matches; `found`: how long it is, and by what it is replaced.
fn replace(text: &str, mut found: impl FnMut(&str) -> Option<(usize, String)>) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let (length, new) = found(rest).unwrap_or_else(|| (first.len_utf8(), first.to_string()));
        plain += &new;
        rest = &rest[length..];
    }
    plain
}

/// Whether it begins like this, where `0` is a digit and `x` a hexadecimal one.
fn begins(text: &str, form: &str) -> bool {
    let text = text.as_bytes();
    form.bytes().enumerate().all(|(at, wanted)| {
        text.get(at).is_some_and(|byte| match wanted {
            b'0' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_hexdigit(),
            _ => *byte == wanted,
        })
    })
}

fn without_ids(text: &str, ids: &mut Vec<String>) -> String {
    const FORM: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    replace(text, |rest| {
        if !begins(rest, FORM) {
            return None;
        }
        let id = rest[..FORM.len()].to_owned();
        let number = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            ids.push(id);
            ids.len() - 1
        });
        Some((FORM.len(), format!("ID{}", number + 1)))
    })
}

fn without_times(text: &str) -> String {
    replace(text, |rest| {
        const LOCAL: &str = "0000-00-00 00:00:00";
        let length = begins(rest, "0000-00-00T00:00:00").then(|| rest.find('Z').map(|end| end + 1)).flatten();
        let length = length.or_else(|| begins(rest, LOCAL).then_some(LOCAL.len()))?;
        Some((length, "TIME".to_owned()))
    })
}

/// How many digits it begins with.
fn digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len()
}

/// Seconds that are ago, or stand in the column before an id, which stays where it is.
fn without_ages(text: &str) -> String {
    replace(text, |rest| {
        let digits = digits(rest);
        let after = rest[digits..].strip_prefix('s').filter(|_| digits > 0)?;
        let column = after.trim_start_matches(' ').starts_with("ID");
        let padding = if column { " ".repeat(digits - 1) } else { String::new() };
        (column || after.starts_with(" ago")).then(|| (digits + 1, format!("Ns{padding}")))
    })
}

fn without_pids(text: &str) -> String {
    ["pid\":", "Pid\":", "process "].iter().fold(text.to_owned(), |text, words| {
        replace(&text, |rest| {
            let number = rest.strip_prefix(words)?;
            let digits = digits(number);
            (digits > 0).then(|| (words.len() + digits, format!("{words}PID")))
        })
    })
}

/// A sandbox in which the machine has what it takes, and the stand-in answers each prompt like this.
fn answering(reply: &Value) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"speed": 1000, "reply": reply}));
    let tool = sandbox.script("bin/systemd-inhibit", "exec cat");
    let path = format!("{}:{}", tool.parent().unwrap().display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path);
    sandbox
}

/// One that says the same to each.
fn calm() -> Sandbox {
    answering(&json!([{"message": "All tests pass."}, "idle"]))
}

#[test]
fn a_session_in_the_foreground() {
    let reply = json!([{"tool": {"name": "bash", "arguments": {"command": "make"}}}, {"message": "All tests pass."}, "idle", "closeSession"]);
    plays(&answering(&reply), "foreground");
}

#[test]
fn a_session_in_the_background() {
    plays(&calm(), "background");
}

/// With a link that is always the same.
#[test]
fn a_code() {
    let mut sandbox = Sandbox::new();
    let url = "https://github.com/octocat/hello-world/tasks/0d5e9f1c-7b3a-4c6e-9a41-5f2b8c07d6e3";
    let enabled = json!({"result": {"url": url, "remoteSteerable": true, "started": true}});
    sandbox.play(&json!({"faults": {"session.remote.enable": [enabled]}}));
    plays(&sandbox, "qr");
}

#[test]
fn remote_is_switched() {
    plays(&calm(), "remote");
}

#[test]
fn requests_are_answered() {
    plays(&answering(&json!([{"permission": {"command": "make install"}}, {"message": "Installed."}, "idle"])), "answers");
}

#[test]
fn its_work_is_looked_at_and_taken_back() {
    plays(&calm(), "work");
}

#[test]
fn the_machine_and_the_cloud() {
    plays(&calm(), "machine");
}

#[test]
fn what_is_wrong_is_said() {
    plays(&calm(), "errors");
}

/// Nothing is started, and nothing written.
#[test]
fn wrong_arguments_are_named() {
    let sandbox = calm();
    plays(&sandbox, "usage");
    assert!(!sandbox.state().exists(), "state was written");
}
