//! The live view in a terminal: the code, the keys, and a terminal that is always given back.

use std::time::Duration;

use serde_json::json;

use crate::support::pty::Pty;
use crate::support::sandbox::{BINARY, PATIENCE, Sandbox, kill};
use crate::support::together::wait_for;

/// A session in which nothing happens by itself.
fn calm() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    sandbox
}

fn start(sandbox: &Sandbox, columns: u16, rows: u16, more: &str) -> Pty {
    Pty::start(sandbox, columns, rows, &format!("start --demo {more}"))
}

/// The pid of the program, behind the shell that started it.
fn program(sandbox: &Sandbox) -> u32 {
    let found = |(_, command): &(u32, String)| command.contains("start --demo") && !command.contains("stty");
    sandbox.processes().into_iter().find(found).expect("the program runs").0
}

/// Presses `x` twice, as a person does.
fn stop(mut pty: Pty) {
    // Before its last line is there, keys are type-ahead, which is dropped.
    pty.wrote("remote o");
    pty.send("x");
    pty.wrote("press x again within 3 s to end the session");
    pty.send("x");
    pty.wrote("session ended");
    assert_eq!(pty.finish(), 0);
}

#[test]
fn the_code_decodes_to_the_link_in_every_form() {
    for (columns, rows, more) in [
        (80, 30, ""),
        (45, 28, ""),
        (42, 27, ""),
        (200, 60, "--qr-style wide"),
        (80, 60, "--qr-style tall"),
        (80, 30, "--color never"),
        (80, 30, "--qr-style mono"),
    ] {
        let sandbox = calm();
        let pty = start(&sandbox, columns, rows, more);
        pty.wrote("opens no session");
        let link = pty.qr();
        assert!(link.starts_with("https://github.com/octocat/hello-world/tasks/"), "{link}");
        assert!(pty.raw().contains(&format!("{link}\r\n")), "the link stands alone on its line");
        stop(pty);
    }
}

/// By the locale, `TERM` and `NO_COLOR`; a code that cannot be read there is not drawn.
#[test]
fn the_code_suits_the_terminal() {
    // What it is, the variable that says so, whether a code is drawn, what is written.
    let cases = [
        ("Latin-1: coloured spaces alone", ("LANG", "en_GB.ISO-8859-1"), true, "\u{1b}[48;5;16m"),
        ("no colour", ("NO_COLOR", "1"), true, "does not scan? --qr-invert, or --color=always"),
        ("eight colours", ("TERM", "linux"), true, ";47m"),
        ("dumb", ("TERM", "dumb"), false, "opens no session"),
        ("CI", ("CI", "true"), false, "opens no session"),
    ];
    for (name, (variable, value), drawn, written) in cases {
        let mut sandbox = calm();
        sandbox.set(variable, value);
        let mut pty = start(&sandbox, 120, 60, "");
        pty.wrote(if name == "dumb" { "Ctrl-C ends the session" } else { "xx stop" });
        if written.starts_with('\u{1b}') || written.starts_with(';') {
            assert!(pty.raw().contains(written), "{name}");
        } else {
            pty.wrote(written);
        }
        if drawn {
            pty.qr();
        } else {
            assert!(!pty.has_qr(), "{name}");
        }
        if name.starts_with("Latin-1") {
            assert!(pty.raw().is_ascii(), "{name}: {}", pty.raw());
        }
        if name == "no colour" {
            assert!(!pty.raw().contains("[38;") && !pty.raw().contains("[48;") && !pty.raw().contains("[3"), "{name}");
        }
        if name == "dumb" {
            assert!(!pty.raw().contains('\u{1b}'), "{name}: {:?}", pty.raw());
        }
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130, "{name}");
    }
}

#[test]
fn a_code_that_does_not_fit_is_not_drawn_and_says_what_it_needs() {
    // The link has a random id: one with many digits makes a code of 37 columns, and others one of 41.
    for (columns, rows) in [(36, 60), (80, 12), (20, 5), (2, 2)] {
        let sandbox = calm();
        let mut pty = start(&sandbox, columns, rows, "");
        pty.wrote("no QR code: the QR code needs ");
        pty.wrote("--qr-file code.svg");
        assert!(!pty.has_qr());
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130, "{columns}x{rows}");
    }
}

/// Some serial lines and containers say 0×0: taken for 80×24.
#[test]
fn an_unknown_size_is_taken_for_80_by_24() {
    let sandbox = calm();
    let mut pty = start(&sandbox, 0, 0, "");
    pty.wrote("opens no session");
    pty.qr();
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

#[test]
fn the_flags_decide_over_the_terminal() {
    let sandbox = calm();
    let mut pty = start(&sandbox, 80, 40, "--qr never");
    pty.shows("? help");
    assert!(!pty.has_qr());
    pty.send("q");
    pty.qr();
    stop(pty);

    // Not a terminal, and drawn all the same.
    let running = sandbox.spawn(&["start", "--demo", "--qr", "always", "--color", "always"]);
    running.stderr_line("opens no session");
    running.signal("INT");
    let done = running.finish().expect_code(130);
    assert!(done.stderr.contains("\u{1b}[48;5;231m"), "{}", done.stderr);
    let running = sandbox.spawn(&["start", "--demo"]);
    running.stderr_line("opens no session");
    running.signal("INT");
    assert!(!running.finish().expect_code(130).stderr.contains('\u{1b}'));
}

#[test]
fn the_link_is_shown_once_on_one_terminal_and_twice_on_two() {
    let sandbox = calm();
    let pty = start(&sandbox, 80, 40, "");
    pty.shows("? help");
    let link = pty.qr();
    assert_eq!(pty.raw().matches(link.as_str()).count(), 1);
    stop(pty);

    let pty = start(&sandbox, 80, 40, "> ../stdout");
    pty.shows("? help");
    let link = pty.qr();
    assert_eq!(pty.raw().matches(link.as_str()).count(), 1, "also where stdout is a file");
    stop(pty);
    assert_eq!(std::fs::read_to_string(sandbox.path("stdout")).unwrap(), format!("{link}\n"));
}

#[test]
fn keys_do_what_the_help_says() {
    // With 36 columns no code fits; with 40 the code of a link fits whose random id has many digits.
    for columns in [36, 80, 200] {
        let sandbox = calm();
        let mut pty = start(&sandbox, columns, 60, "--qr never");
        let keys = if columns < 80 { "? help" } else { "r off, q QR, o open, c copy, d detach, ? help, xx stop" };
        pty.shows(&format!("remote on | idle | {keys}"));
        let link = sandbox.list()[0]["url"].as_str().unwrap().to_owned();
        pty.send("?");
        pty.shows("c  copy the link");
        pty.send("c");
        pty.wrote("asked the terminal to copy the link");
        pty.wrote("\u{1b}]52;c;aHR0cHM6Ly9naXRodWIuY29t");
        pty.send("o");
        pty.shows("this is a demo: the link opens no session");
        pty.send("r");
        pty.shows("remote off: Mission Control cannot reach the session");
        pty.shows("remote off | idle");
        pty.send("q");
        pty.shows("remote is off, so there is no link; r switches it on");
        pty.send("r");
        pty.shows(&format!("remote on: Mission Control can steer the session\n{link}"));
        pty.shows("remote on | idle");
        pty.send("q");
        if columns < 80 {
            pty.wrote("no QR code: the QR code needs ");
        } else {
            assert_eq!(pty.qr(), link);
        }
        pty.send(if columns == 80 { "d" } else { "l" });
        pty.wrote("the session goes on in the background");
        assert_eq!(pty.finish(), 0);
        // The same keys, for whoever attaches.
        let mut pty = Pty::start(&sandbox, columns, 60, "attach --qr never");
        pty.shows("? help");
        pty.send("?");
        pty.shows("c  copy the link");
        stop(pty);
    }
}

/// Text that was not typed at the view triggers nothing.
#[test]
fn pastes_and_typed_ahead_text_trigger_nothing() {
    let sandbox = calm();
    let mut pty = start(&sandbox, 100, 45, "");
    // While it starts.
    pty.send("xxr");
    pty.shows("? help");
    // A paste that the terminal brackets, and one that it does not.
    pty.send("\u{1b}[200~xxrx\u{1b}[201~");
    pty.send("xxrxrx");
    // Keys that are more than one byte.
    pty.send("\u{1b}Ox\u{1b}[1;5r");
    let screen = pty.nothing_happens(Duration::from_millis(400));
    assert!(
        !screen.contains("press x again") && !screen.contains("remote off:") && !screen.contains("session ended"),
        "{screen}"
    );
    assert!(screen.contains("remote on | idle"), "{screen}");
    stop(pty);
}

/// Two presses, one after the other and soon: not with another key between them, nor after the time is up.
#[test]
fn only_two_presses_in_a_row_end_the_session() {
    let sandbox = calm();
    let mut pty = start(&sandbox, 100, 45, "");
    pty.shows("? help");
    pty.send("x");
    pty.shows("press x again");
    pty.send("?");
    pty.shows("c  copy the link");
    pty.send("x");
    let screen = pty.nothing_happens(Duration::from_millis(3200));
    assert!(!screen.contains("session ended"), "{screen}");
    assert_eq!(screen.matches("press x again").count(), 2, "{screen}");
    pty.send("x");
    let screen = pty.nothing_happens(Duration::from_millis(300));
    assert!(!screen.contains("session ended"), "{screen}");
    pty.send("x");
    pty.wrote("session ended");
    assert_eq!(pty.finish(), 0);
}

/// The smallest common terminal: the code stays whole whatever else is said, also of a session with a long name.
#[test]
fn the_code_is_whole_at_80_by_24() {
    let sandbox = calm();
    let cli = sandbox.stand_in_cli();
    let name = "Find out why the login test of the web front end fails now and then, and mend it";
    let mut pty = Pty::start(&sandbox, 80, 24, &format!("start --copilot {cli} --name '{name}'"));
    pty.wrote("xx stop");
    pty.qr();
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

/// Switching on again may give another link: its code is drawn.
#[test]
fn another_link_is_drawn() {
    let mut sandbox = Sandbox::new();
    let second = "https://github.com/octocat/hello-world/tasks/second";
    let event = json!({"type": "session.info", "data": {"infoType": "remote", "url": second}});
    let answer = json!({"url": second, "remoteSteerable": true, "started": true});
    sandbox.play(&json!({"faults": {"session.remote.enable": [{}, {"events": [event], "result": answer}]}}));
    let mut pty = start(&sandbox, 100, 70, "");
    pty.shows("? help");
    assert_ne!(pty.qr(), second);
    pty.send("r");
    pty.shows("remote off: ");
    pty.send("r");
    pty.shows(&format!("remote on: Mission Control can steer the session\n{second}"));
    pty.shows("remote on | idle");
    assert_eq!(pty.last_qr(), second);
    stop(pty);
}

#[test]
fn resize_suspend_and_continue_keep_the_view() {
    let sandbox = calm();
    let mut pty = Pty::shell(&sandbox, 100, 45);
    pty.shows("ready>");
    pty.send(&format!("{BINARY} start --demo\r"));
    pty.shows("? help, xx stop");
    pty.resize(40, 45);
    pty.wrote("remote on | idle | ? help");
    pty.resize(100, 45);
    pty.send("\u{1a}");
    pty.shows("Stopped");
    // The shell has its terminal back: echo, and lines.
    pty.send("stty -a | grep -o '[-]*icanon'; echo back=$((40+2))\r");
    pty.shows("back=42");
    pty.send("bg\r");
    pty.send("echo in-the=$((40+3))\r");
    let screen = pty.shows("in-the=43");
    assert!(!screen.contains("remote on | idle"), "the last line belongs to the shell: {screen}");
    pty.send("fg\r");
    pty.shows("remote on | idle");
    pty.send("?");
    pty.shows("c  copy the link");
    pty.send("x");
    pty.shows("press x again");
    pty.send("x");
    pty.shows("session ended");
    pty.send("exit\r");
}

/// Every way out gives the terminal back: `finish` compares its mode with the one before.
#[test]
fn the_terminal_is_restored_on_every_way_out() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", 131)] {
        let sandbox = calm();
        let pty = start(&sandbox, 80, 40, "");
        pty.shows("? help");
        let pid = program(&sandbox);
        kill(pid, signal);
        assert_eq!(pty.finish(), code);
    }
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({"timeline": [{"wait": 0.5}, {"exit": 3}]}));
    let pty = start(&sandbox, 80, 40, "");
    pty.wrote("ended unexpectedly, for the fourth time");
    assert_eq!(pty.finish(), 1);
}

/// Stopped with Ctrl-S: signals count, and nothing waits for Ctrl-Q.
#[test]
fn a_stopped_terminal_does_not_hold_up_the_end() {
    let sandbox = calm();
    let mut pty = start(&sandbox, 80, 40, "");
    pty.shows("? help");
    let pid = program(&sandbox);
    pty.send("\u{13}??");
    pty.nothing_happens(Duration::from_millis(200));
    kill(pid, "TERM");
    wait_for("the end, without a Ctrl-Q", PATIENCE, || !sandbox.processes().iter().any(|(other, _)| *other == pid));
    pty.send("\u{11}");
    assert_eq!(pty.finish(), 143);
}

/// Without a terminal on stdin there are no keys, and the view says nothing of them.
#[test]
fn without_keys_nothing_is_said_of_them() {
    let sandbox = calm();
    let mut pty = start(&sandbox, 80, 40, "< /dev/null");
    let screen = pty.shows("remote on | idle");
    assert!(!screen.contains("help"), "{screen}");
    pty.send("\u{3}");
    assert_eq!(pty.finish(), 130);
}

/// One line at a time, and only the last one changes: 40 columns and 200 look alike.
#[test]
fn the_view_only_appends() {
    for columns in [40, 80, 200] {
        let mut sandbox = Sandbox::new();
        sandbox.play(&json!({"speed": 20, "timeline": [
            {"prompt": "hello"}, {"wait": 5}, {"permission": {"command": "rm -rf build", "answeredAfter": 10}}, {"message": "done"}, "idle"]}));
        let mut pty = start(&sandbox, columns, 50, "");
        pty.wrote(if columns < 60 { "a allow, s session, d deny" } else { "waits for an answer" });
        pty.shows("idle: waits for a prompt");
        let screen = pty.shows("remote on | idle");
        for line in ["prompt (Mission Control): hello", "permission needed: rm -rf build", "answered: approved", "agent: done"] {
            assert!(screen.contains(line), "{columns}: {screen}");
        }
        assert!(!screen.contains("working"), "{columns}: an old status is left: {screen}");
        assert!(!pty.raw().contains("\u{1b}[2J") && !pty.raw().contains("\u{1b}[H"), "the screen was cleared");
        pty.send("\u{3}");
        assert_eq!(pty.finish(), 130);
    }
}
