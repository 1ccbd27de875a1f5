//! Odd input by the thousand, for whatever reads what others wrote: it may be refused, and must never panic, leak or run away. Each failure
//! prints its seed.

use std::path::Path;
use std::process::Command;

use fastrand::Rng;

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

#[test]
fn entries_are_read_or_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let entry = r#"{"schema":1,"sessionId":"a","name":null,"title":null,"url":null,"remote":"on","activity":"idle","login":{"login":"x","host":"github.com"},"repository":null,"branch":null,"directory":"/","noRepo":false,"demo":false,"detached":false,"startedAt":"2026-01-01T00:00:00Z","copilotVersion":"1","copilotProgram":"/","copilotPid":1,"runtime":"r","host":{"pid":1,"started":1}}"#;
    often(2_000, |rng| {
        let mut bytes = entry.as_bytes().to_vec();
        for _ in 0..rng.usize(..6) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..3) {
                0 => bytes[at] = rng.u8(..),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, rng.u8(..)),
            }
        }
        let file = folder.path().join("a.json");
        std::fs::write(&file, &bytes).unwrap();
        let _ = crate::registry::read_any(&file);
    });
}

#[test]
fn frames_are_read_or_end_the_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    often(5_000, |rng| {
        let mut bytes: Vec<u8> = format!("Content-Length: {}\r\n\r\n{{}}", rng.i64(-5..40)).into_bytes();
        for _ in 0..rng.usize(..8) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        runtime.block_on(async {
            let mut stream = tokio::io::BufReader::new(bytes.as_slice());
            while let Ok(Some(body)) = crate::demo::read_frame(&mut stream).await {
                assert!(body.len() <= bytes.len());
            }
        });
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
        if !crate::sdk::allows(&rules, &crate::sdk::Tool::Shell(line.clone()), Path::new(&work)) {
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
