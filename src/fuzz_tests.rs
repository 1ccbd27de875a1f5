//! Odd input by the thousand, for whatever reads what others wrote: it may be refused, and must never panic, leak or run away. Each failure
//! prints its seed.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::model::Remote;
use crate::registry::{Registry, SessionEntry};
use crate::sdk::{Event, LinkLog, Login, readers};
use crate::text::redact::redacted;

/// Made of these, texts come near to what is meant, and beside it.
const PIECES: [&str; 44] = [
    "github.com",
    "https://",
    "ssh://",
    "git@",
    ":",
    "/",
    "//",
    "@",
    "octocat",
    "hello-world",
    ".git",
    "s3cret",
    "..",
    ".",
    "-",
    "_",
    "?",
    "#",
    "%2f",
    "%00",
    "\0",
    "\n",
    "\r",
    "\t",
    " ",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{9b}",
    "日本",
    "👍🏽",
    "\u{301}",
    "'",
    "\"",
    "\\",
    "$(touch x)",
    "`touch x`",
    ";",
    "&&",
    "|",
    ">",
    "{a,b}",
    "*",
    "touch",
    "\u{feff}",
];

fn text(rng: &mut Rng, most: usize) -> String {
    (0..rng.usize(..most)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect()
}

/// Many times, each with a seed of its own.
fn often(times: u64, mut run: impl FnMut(&mut Rng)) {
    for seed in 0..times {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut Rng::with_seed(seed))));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn what_is_shown_is_harmless_and_stays_as_it_is() {
    often(5_000, |rng| {
        let clean = crate::text::sanitise::sanitised(&text(rng, 20));
        assert!(!clean.chars().any(|character| character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')), "{clean:?}");
        assert_eq!(crate::text::sanitise::sanitised(&clean), clean);
    });
}

#[test]
fn repositories_are_read_or_refused() {
    often(5_000, |rng| {
        let text = text(rng, 8);
        if let Ok(target) = crate::cloud::order::Target::parse(&text, "github.com") {
            let shown = target.to_string();
            assert!(!shown.chars().any(char::is_control) && shown.contains('/'), "{text:?}: {shown:?}");
            // What is shown means the same.
            assert_eq!(
                crate::cloud::order::Target::parse(&shown, "github.com").map(|again| again.to_string()).as_deref(),
                Ok(shown.as_str())
            );
        }
        if let Some(slug) = crate::repo::Slug::parse(&text) {
            assert_eq!(slug.to_string(), text);
        }
    });
}

/// A password in a remote's URL is in no message, whatever the URL looks like.
#[test]
fn urls_of_remotes_keep_their_passwords() {
    often(5_000, |rng| {
        let url = format!("https://octocat:s3cret@{}", text(rng, 6).replace("s3cret", ""));
        assert!(crate::repo::shown(&url).is_none_or(|shown| !shown.contains("s3cret")), "{url:?}");
    });
}

/// Some bytes of `bytes` are other ones, are gone, or come in between.
fn mutated(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.usize(..6) {
        let at = rng.usize(..bytes.len());
        match rng.u8(..4) {
            0 => bytes[at] = rng.u8(..),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, rng.u8(..)),
            _ => bytes.insert(at, b'\n'),
        }
    }
    bytes
}

/// A token that somebody repeats is in nothing that is left, wherever it stands.
#[test]
fn tokens_are_struck_out_of_any_text() {
    often(5_000, |rng| {
        let before = text(rng, 10);
        let clean = redacted(&format!("{before}gho_5ecret0f7he7est5{}", text(rng, 10)));
        assert!(!clean.contains("5ecret0f7he7est5"), "{clean:?}");
        assert_eq!(redacted(&clean), clean);
    });
}

#[test]
fn entries_are_read_or_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    let login = Login { login: "x".to_owned(), host: "github.com".to_owned() };
    let entry = SessionEntry::new("a".to_owned(), login, "/".into(), "r".to_owned());
    let entry = serde_json::to_vec(&entry).unwrap();
    std::fs::write(&file, &entry).unwrap();
    assert!(matches!(crate::registry::read_any(&file), Some(Ok(_))), "what is changed is one to begin with");
    often(2_000, |rng| {
        std::fs::write(&file, mutated(rng, &entry)).unwrap();
        let _ = crate::registry::read_any(&file);
    });
}

#[test]
fn a_word_is_one_of_three_or_off() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sessions")).unwrap();
    let wanted = Registry::at(folder.path()).wanted("a");
    wanted.set(Remote::On).unwrap();
    assert_eq!(wanted.get(), Remote::On);
    let file = folder.path().join("sessions/a.wanted");
    let word = std::fs::read(&file).unwrap();
    often(2_000, |rng| {
        let bytes = mutated(rng, &word);
        std::fs::write(&file, &bytes).unwrap();
        let is_on = wanted.get() != Remote::Off;
        assert!(!is_on || bytes.trim_ascii_end() == b"on", "{bytes:?}");
    });
}

/// Records that are broken are left out, and those around them are not.
#[test]
fn journals_are_read_to_their_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let registry = Registry::at(folder.path());
    let file = folder.path().join("logs/session-a.jsonl");
    let record = r#"{"time":"2026-01-01T00:00:00Z","activity":"idle","lines":[{"tone":"plain","text":"x"}],"event":"{\"type\":\"input\",\"kind\":\"permission\",\"id\":\"1\"}"}"#;
    often(2_000, |rng| {
        let broken = mutated(rng, record.as_bytes());
        std::fs::write(&file, [record.as_bytes(), &broken, record.as_bytes(), b""].join(&b'\n')).unwrap();
        let mut reader = registry.read_journal("a").unwrap().unwrap();
        let mut read = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            let _ = record.remote_warning();
            read.push(record.told().request().map(|request| request.id));
        }
        let whole = Some("1".to_owned());
        assert!(read.len() >= 2 && read.first() == Some(&whole) && read.last() == Some(&whole), "{read:?}");
    });
}

/// The line that a runtime says its port in, with whatever else it prints.
#[test]
fn a_port_is_read_of_a_whole_line_alone() {
    often(5_000, |rng| {
        let printed = format!("{}CLI server listening on port {}", text(rng, 6), rng.u32(..100_000));
        assert_eq!(readers::port_line(&printed), None, "the line may go on");
        let line = format!("{printed}\n{}", text(rng, 6));
        let said = printed.rsplit(' ').next().and_then(|port| port.parse::<u16>().ok());
        assert_eq!(readers::port_line(&line), said, "{line:?}");
        let _ = readers::port_line(&String::from_utf8_lossy(&mutated(rng, line.as_bytes())));
    });
}

/// The log of the link: some signs are lost where it is broken, and those around them are not.
#[test]
fn the_log_of_the_link_is_read_past_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("process-1.log");
    let line = r#"2026-01-01T00:00:00.000Z [WARNING] [rust:remote::api_session_exporter] remote session batch flush failed {"error":"error sending request for url (https://api.githubcopilot.com/agents/sessions/mc-1/events)","event_count":3}"#;
    often(2_000, |rng| {
        let _ = std::fs::remove_file(&file);
        let mut log = LinkLog::new(folder.path());
        let broken = mutated(rng, line.as_bytes());
        std::fs::write(&file, [line.as_bytes(), &broken, line.as_bytes(), b""].join(&b'\n')).unwrap();
        let signs = log.signs();
        assert!(signs.len() >= 2 && [&signs[0], &signs[signs.len() - 1]].iter().all(|sign| sign.events == Some(3)), "{signs:?}");
        assert_eq!(log.signs(), [], "once");
    });
}

/// Words that are read of a line are read again, in quotes, as the same words.
#[test]
fn a_line_of_shell_is_read_as_words_or_not_at_all() {
    let quoted = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    let mut read = 0;
    often(20_000, |rng| {
        let line = text(rng, 8);
        let Some(commands) = readers::commands(&line) else { return };
        let again = commands.iter().map(|words| words.iter().map(quoted).collect::<Vec<_>>().join(" "));
        let again = again.collect::<Vec<_>>().join("; ");
        if again.is_ascii() || !again.contains('\\') {
            read += 1;
            assert_eq!(readers::commands(&again).as_ref(), Some(&commands), "{line:?}");
        }
    });
    assert!(read > 1_000, "only {read} lines were read, which proves nothing");
}

/// Events of any shape: fields that are missing, of another kind, or somebody's words.
#[test]
fn events_of_any_shape_are_read() {
    const KINDS: [&str; 16] = [
        "session.start",
        "session.info",
        "session.warning",
        "session.error",
        "user.message",
        "assistant.message",
        "tool.execution_start",
        "tool.execution_complete",
        "session.managed_settings_resolved",
        "session.mcp_server_status_changed",
        "permission.requested",
        "user_input.requested",
        "exit_plan_mode.requested",
        "elicitation.requested",
        "auto_mode_switch.requested",
        "permission.completed",
    ];
    const FIELDS: [&str; 16] = [
        "requestId",
        "message",
        "content",
        "permissionRequest",
        "promptRequest",
        "kind",
        "fullCommandText",
        "diff",
        "choices",
        "url",
        "requestedSchema",
        "properties",
        "result",
        "approval",
        "commandIdentifiers",
        "retryAfterSeconds",
    ];
    fn value(rng: &mut Rng, depth: u8) -> Value {
        match rng.u8(..if depth == 0 { 4 } else { 7 }) {
            0 => Value::Null,
            1 => json!(rng.bool()),
            2 => json!(rng.i64(..)),
            3 => json!(text(rng, 6)),
            4 => (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect(),
            _ => {
                let field = |rng: &mut Rng| (FIELDS[rng.usize(..FIELDS.len())].to_owned(), value(rng, depth - 1));
                Value::Object((0..rng.usize(..6)).map(|_| field(rng)).collect())
            }
        }
    }
    often(20_000, |rng| {
        let kind = KINDS[rng.usize(..KINDS.len())];
        let _ = Event::parse(kind, &value(rng, 3));
    });
}

/// Whatever a rule for `touch` allows, bash does with it nothing but `touch`: in a folder with a file that must not go, and no other program.
#[cfg(unix)]
#[test]
fn a_rule_for_touch_allows_touch_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    const WORDS: [&str; 30] = [
        "touch", "touch", "touch", " ", " ", " ", "a", "b", "rm", "x", ";", "&&", "||", "|", "&", "'", "\"", "\\", "\n", "#",
        "$(rm a)", "`x`", ">", "<", "(", ")", "{", "}", "$x", "!",
    ];

    let folder = tempfile::tempdir().unwrap();
    let (bin, work) = (folder.path().join("bin"), folder.path().join("work"));
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(&work).unwrap();
    for (name, body) in [
        ("touch", ":"),
        ("rm", "echo ran > ../ran"),
        ("x", "echo ran > ../ran"),
        ("a", "echo ran > ../ran"),
        ("b", "echo ran > ../ran"),
    ] {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let rules = vec!["shell(touch:*)".parse().unwrap()];
    let bash = which::which("bash").expect("bash");
    let (mut allowed, mut seed) = (0, 0);
    while allowed < 150 && seed < 200_000 {
        seed += 1;
        let mut rng = Rng::with_seed(seed);
        let line: String = (0..rng.usize(2..10)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
        if !readers::allows_shell(&rules, &line, Path::new(&work)) {
            continue;
        }
        allowed += 1;
        let done = Command::new(&bash)
            .args(["--norc", "--noprofile", "-c", &line])
            .env_clear()
            .env("PATH", &bin)
            .current_dir(&work)
            .output();
        assert!(done.is_ok(), "bash runs");
        assert!(!folder.path().join("ran").exists(), "{line:?} ran something else");
        assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0, "{line:?} wrote a file");
    }
    assert!(allowed >= 150, "only {allowed} lines were allowed, which proves nothing");
}
