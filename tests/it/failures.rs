//! Every failure that `start` can meet on the real Copilot CLI: its exit code, one clear message, and what to do next.

use std::time::Duration;

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub};
use crate::support::sandbox::{PATIENCE, Sandbox, TOKEN};
use crate::support::together::run_all;

struct Case {
    name: &'static str,
    broken: fn(&GitHub, &mut Sandbox),
    arguments: &'static [&'static str],
    code: i32,
    reason: &'static str,
    /// In the message.
    words: &'static str,
    /// In the hints.
    hint: &'static str,
}

fn status(github: &GitHub, method: &str, path: &str, status: u16) {
    github.fault(method, path, Fault::Status(status, json!({"message": "broken on purpose"})), None);
}

const USER: &str = "/copilot_internal/user";
const SESSIONS: &str = "/agents/sessions";
const REPO: &str = "/repos/*/*";

macro_rules! case {
    ($name:literal, $broken:expr, $code:literal, $reason:literal, $words:literal, $hint:literal) => {
        case!($name, $broken, &[], $code, $reason, $words, $hint)
    };
    ($name:literal, $broken:expr, $arguments:expr, $code:literal, $reason:literal, $words:literal, $hint:literal) => {
        Case { name: $name, broken: $broken, arguments: $arguments, code: $code, reason: $reason, words: $words, hint: $hint }
    };
}

const CASES: &[Case] = &[
    // Who is signed in.
    case!(
        "signed out",
        |_, s| {
            s.unset("GH_TOKEN");
        },
        4,
        "signed-out",
        "not signed in to GitHub",
        "/login"
    ),
    case!("bad token", |g, _| status(g, "GET", USER, 401), 4, "bad-credentials", "(401)", "gh auth login"),
    case!("no Copilot, 403", |g, _| status(g, "GET", USER, 403), 7, "no-copilot", "(403)", "github.com/settings/copilot"),
    case!("no Copilot, 404", |g, _| status(g, "GET", USER, 404), 7, "no-copilot", "(404)", "another account"),
    case!("user endpoint down", |g, _| status(g, "GET", USER, 500), 1, "service-unavailable", "(500)", "githubstatus.com"),
    case!(
        "no network",
        |_, s| {
            s.set("HTTPS_PROXY", "http://127.0.0.1:9").set("https_proxy", "http://127.0.0.1:9");
        },
        1,
        "service-unavailable",
        "network fetch failed",
        "HTTPS_PROXY"
    ),
    case!(
        "unknown certificate",
        |_, s| {
            s.unset("NODE_EXTRA_CA_CERTS").unset("SSL_CERT_FILE");
        },
        1,
        "service-unavailable",
        "network fetch failed",
        "certificate"
    ),
    // The account's and the repository's policies.
    case!(
        "remote control off",
        |g, _| g.set_user(json!({"cli_remote_control_enabled": false})),
        7,
        "remote-off",
        "remote is off for this account",
        "administrator"
    ),
    case!(
        "session storage off",
        |g, _| g.set_user(json!({"cloud_session_storage_enabled": false})),
        7,
        "remote-off",
        "remote is off for this account",
        "View and control"
    ),
    case!(
        "repository policy",
        |g, _| status(g, "POST", SESSIONS, 403),
        7,
        "repository-policy",
        "not enabled for this repository",
        "administrator"
    ),
    // The repository.
    case!(
        "repository 404",
        |g, _| status(g, "GET", REPO, 404),
        8,
        "repository-not-found",
        "octocat/hello-world",
        "git remote -v"
    ),
    case!("repository 403", |g, _| status(g, "GET", REPO, 403), 8, "repository-forbidden", "SSO", "single sign-on"),
    case!("repository 401", |g, _| status(g, "GET", REPO, 401), 4, "bad-credentials", "expired", "/login"),
    case!(
        "repository 500",
        |g, _| status(g, "GET", REPO, 500),
        1,
        "service-unavailable",
        "octocat/hello-world",
        "githubstatus.com"
    ),
    // Mission Control.
    case!(
        "sessions 401",
        |g, _| status(g, "POST", SESSIONS, 401),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions 404",
        |g, _| status(g, "POST", SESSIONS, 404),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions 409",
        |g, _| status(g, "POST", SESSIONS, 409),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions 422",
        |g, _| status(g, "POST", SESSIONS, 422),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions 429",
        |g, _| status(g, "POST", SESSIONS, 429),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions 500",
        |g, _| status(g, "POST", SESSIONS, 500),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions {}",
        |g, _| g.fault("POST", SESSIONS, Fault::Status(200, json!({})), None),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions not JSON",
        |g, _| g.fault("POST", SESSIONS, Fault::Raw(200, "<html>".to_owned()), None),
        1,
        "unexpected-answer",
        "not what GitHub sends",
        "proxy"
    ),
    case!(
        "sessions hang",
        |g, _| g.fault("POST", SESSIONS, Fault::Hang, None),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    case!(
        "sessions drop",
        |g, _| g.fault("POST", SESSIONS, Fault::Drop, None),
        1,
        "service-unavailable",
        "server not accessible",
        "try again later"
    ),
    // No answer at all: our own deadline.
    case!(
        "user hangs",
        |g, _| g.fault("GET", USER, Fault::Hang, None),
        &["--timeout", "5s"],
        6,
        "deadline",
        "not done after 5 s",
        "--timeout"
    ),
    case!(
        "repository hangs",
        |g, _| g.fault("GET", REPO, Fault::Hang, None),
        // The CLI has to be there by then, also on a busy machine.
        &["--timeout", "25s"],
        6,
        "deadline",
        "waiting for Mission Control took too long",
        "--timeout"
    ),
    // What the user asked for.
    case!("unknown model", |_, _| {}, &["--model", "no-such-model"], 2, "unknown-model", "no-such-model", "--model"),
];

fn wrong(case: &Case, cli: &str) -> Result<(), String> {
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    (case.broken)(&github, &mut sandbox);
    let done = sandbox.run(&[&["start", "--json", "--copilot", cli], case.arguments].concat());
    sandbox.wait_until_empty();
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    let told = format!("{}: {}\n{}", case.name, done.stdout, done.stderr);
    let check = |good: bool, what: &str| if good { Ok(()) } else { Err(format!("{what}: {told}")) };
    check(done.code == case.code, &format!("exit code {} is not {}", done.code, case.code))?;
    let errors: Vec<_> = done.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    check(errors.len() == 1, "not one error line")?;
    check(errors[0].contains(case.words), "the message lacks its words")?;
    check(done.stderr.lines().any(|line| line.starts_with("hint: ") && line.contains(case.hint)), "the hint is missing")?;
    let asks_the_doctor = done.stderr.contains("hint: copilot-remote doctor --probe looks into it, under ");
    check(asks_the_doctor == !matches!(case.reason, "unknown-model"), "the doctor is missing, or is none")?;
    let lines = done.json();
    let last = lines.last().ok_or("no JSON")?;
    check(last["type"] == "error" && last["code"] == case.code && last["reason"] == case.reason, "the JSON is another")?;
    check(!lines.iter().any(|line| line["type"] == "ready"), "ready was said")
}

#[test]
fn each_has_its_code_message_and_hint() {
    let cli = real_cli_or_return!();
    let cli = cli.to_str().unwrap();
    run_all(CASES, |case| wrong(case, cli).unwrap_or_else(|why| panic!("{why}")));
}

/// What `doctor` says of the same.
fn undiagnosed(case: &Case, cli: &str) -> Result<(), String> {
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    (case.broken)(&github, &mut sandbox);
    // Each check has its deadline, and ending a CLI that waits for GitHub has more: together more than usual.
    let arguments = [&["doctor", "--probe", "--json", "--copilot", cli], case.arguments].concat();
    let done = sandbox.spawn(&arguments).finish_within(2 * PATIENCE);
    sandbox.wait_until_empty();
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
    let told = format!("{}: {}\n{}", case.name, done.stdout, done.stderr);
    if done.code != case.code {
        return Err(format!("exit code {} is not {}: {told}", done.code, case.code));
    }
    let document = done.json().pop().ok_or_else(|| format!("no JSON: {told}"))?;
    let checks = document["checks"].as_array().ok_or_else(|| format!("no checks: {told}"))?;
    let first = checks.iter().find(|check| check["finding"] == "failure").ok_or_else(|| format!("no failure: {told}"))?;
    let words = if case.reason == "deadline" { "took too long" } else { case.words };
    let hints = first["hints"].to_string();
    let named = first["seen"].as_str().is_some_and(|seen| seen.contains(words)) && hints.contains(case.hint);
    if named { Ok(()) } else { Err(format!("the cause is not named: {told}")) }
}

#[test]
fn the_doctor_names_the_cause_of_each() {
    let cli = real_cli_or_return!();
    let cli = cli.to_str().unwrap();
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.reason != "unknown-model").collect();
    run_all(&cases, |case| undiagnosed(case, cli).unwrap_or_else(|why| panic!("{why}")));
}

/// Where all is well it says so, and leaves nothing; what is safe to mend it mends.
#[test]
fn the_doctor_finds_nothing_wrong_where_nothing_is() {
    use std::os::unix::fs::PermissionsExt as _;

    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    let done = sandbox.run(&["doctor", "--probe"]).expect_code(0);
    for line in [
        "ok       settings: the config file and the variables are understood",
        "ok       state: ",
        "ok       loopback: 127.0.0.1 can be listened on",
        "ok       terminal: stderr is no terminal",
        "ok       repository: octocat/hello-world, branch main, by the remote origin",
        "ok       orphans: no Copilot CLI that nobody uses",
        "ok       cli: ",
        "ok       sign-in: octocat on github.com, by GH_TOKEN, plan individual",
        "ok       account: remote control and the storage of sessions are enabled",
        "ok       github: reached through the proxy 127.0.0.1:",
        "ok       session: created, attached to octocat/hello-world",
        "ok       sharing: Mission Control took the session",
        "ok       link: events are taken, and commands are asked for",
    ] {
        assert!(done.stdout.contains(line), "no {line:?}: {}", done.stdout);
    }
    // What it created is closed, and it says so to Mission Control.
    github.wait_event("session.shutdown", Duration::from_secs(5));
    sandbox.wait_until_empty();
    let left: Vec<String> = sandbox.state_files().into_iter().filter(|file| !file.starts_with("logs/")).collect();
    assert!(left.is_empty(), "left: {left:?}");

    // Without a probe no session is created.
    let before = github.requests().len();
    sandbox.run(&["doctor"]).expect_code(0);
    let requests = github.requests().split_off(before);
    assert!(!requests.iter().any(|request| request.path.starts_with("/agents/sessions")), "{requests:?}");

    // A runtime that nobody uses, and a folder that others can look into.
    let host = sandbox.spawn(&["start"]);
    host.stdout_line("https://github.com/");
    host.signal("KILL");
    host.finish();
    std::fs::set_permissions(sandbox.state(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = sandbox.run(&["doctor"]).expect_code(0);
    assert!(done.stdout.contains("warning  orphans: 1 that nobody uses\n         hint: end them"), "{}", done.stdout);
    assert!(done.stdout.contains("warning  state: "), "{}", done.stdout);
    let done = sandbox.run(&["doctor", "--fix"]).expect_code(0);
    assert!(done.stdout.contains("ok       orphans: 1 that nobody used were ended"), "{}", done.stdout);
    assert!(done.stdout.contains(", made private\n"), "{}", done.stdout);
    assert!(done.stdout.contains("ok       account: what the Copilot CLI remembers of it was refreshed"), "{}", done.stdout);
    assert_eq!(std::fs::metadata(sandbox.state()).unwrap().permissions().mode() & 0o777, 0o700);
    sandbox.wait_until_empty();
}

/// What fails only after Mission Control took the session, of which the CLI tells nobody but its log.
#[test]
fn the_doctor_watches_the_link() {
    let cli = real_cli_or_return!();
    let cli = cli.to_str().unwrap();
    let (events, commands) = ("/agents/sessions/*/events", "/agents/sessions/*/commands");
    let rows = [
        ("POST", events, 404, "Mission Control does not take the session's events"),
        ("POST", events, 500, "Mission Control does not take the session's events"),
        ("GET", commands, 401, "Mission Control cannot be asked for commands"),
        ("GET", commands, 500, "Mission Control cannot be asked for commands"),
    ];
    run_all(&rows, |(method, path, code, words)| {
        let github = GitHub::start();
        status(&github, method, path, *code);
        let sandbox = Sandbox::on(&github);
        let done = sandbox.run(&["doctor", "--probe", "--copilot", cli]);
        let named = done.stdout.contains(&format!("failure  link: GitHub could not be reached: {words}"));
        assert!(done.code == 1 && named, "{path} {code}: {}\n{}", done.code, done.stdout);
    });
}

/// A policy that the CLI remembers from earlier is no verdict: GitHub is asked.
#[test]
fn the_doctor_looks_at_the_policy_of_today() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    github.set_user(json!({"cli_remote_control_enabled": false}));
    sandbox.run(&["start"]).expect_code(7);
    github.set_user(json!({"cli_remote_control_enabled": true}));
    let done = sandbox.run(&["doctor"]).expect_code(0);
    let remembered = "warning  account: remote control is not enabled, as the Copilot CLI remembers it";
    assert!(done.stdout.contains(remembered), "{}", done.stdout);
    let done = sandbox.run(&["doctor", "--probe"]).expect_code(0);
    assert!(done.stdout.contains("ok       sharing: Mission Control took the session"), "{}", done.stdout);
}

/// What keeps every command from working is a finding, too.
#[test]
fn the_doctor_reads_the_settings() {
    let mut sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("config/copilot-remote")).unwrap();
    std::fs::write(sandbox.path("config/copilot-remote/config.toml"), "timeuot = \"2m\"\n").unwrap();
    let done = sandbox.run(&["doctor", "--demo"]).expect_code(2);
    assert!(done.stdout.contains("failure  settings: ") && done.stdout.contains("timeuot"), "{}", done.stdout);
    std::fs::write(sandbox.path("config/copilot-remote/config.toml"), "").unwrap();
    sandbox.set("COPILOT_REMOTE_TIMEOUT", "soon");
    let done = sandbox.run(&["doctor", "--demo"]).expect_code(2);
    assert!(done.stdout.contains("failure  settings: COPILOT_REMOTE_TIMEOUT=soon"), "{}", done.stdout);
    // However short the checks are to be, the link is watched for as long as that takes.
    sandbox.unset("COPILOT_REMOTE_TIMEOUT");
    let done = sandbox.run(&["doctor", "--demo", "--probe", "--timeout", "4s"]).expect_code(0);
    assert!(done.stdout.contains("ok       link: events are taken"), "{}", done.stdout);
}

/// The CLI remembers a policy across runs: it is made to look again, once.
#[test]
fn a_remembered_policy_is_refreshed() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let start = ["start", "--copilot", cli.to_str().unwrap()];
    github.set_user(json!({"cli_remote_control_enabled": false}));
    sandbox.run(&start).expect_code(7);
    github.set_user(json!({"cli_remote_control_enabled": true}));
    let running = sandbox.spawn(&start);
    running.stdout_line("https://github.com/");
    running.signal("INT");
    running.finish().expect_code(130);
}

#[test]
fn a_refused_token_from_stdin_is_told() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    status(&github, "GET", USER, 401);
    let mut sandbox = Sandbox::on(&github);
    sandbox.unset("GH_TOKEN");
    let done =
        sandbox.spawn_with_input(&["start", "--token-stdin", "--copilot", cli.to_str().unwrap()], TOKEN).finish().expect_code(4);
    assert!(done.stderr.contains("error: GitHub does not accept the sign-in: "), "{}", done.stderr);
    sandbox.assert_token_unseen(&[&done.stdout, &done.stderr]);
}

/// The token expired after the CLI had remembered the account: only switching remote on shows it.
#[test]
fn an_expired_token_of_a_remembered_account_is_told() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let sandbox = Sandbox::on(&github);
    let start = ["start", "--copilot", cli.to_str().unwrap()];
    let running = sandbox.spawn(&start);
    running.stdout_line("https://github.com/");
    running.signal("INT");
    running.finish().expect_code(130);
    status(&github, "*", "/*", 401);
    let done = sandbox.run(&start).expect_code(4);
    assert!(done.stderr.contains("error: GitHub does not accept the sign-in: "), "{}", done.stderr);
}
