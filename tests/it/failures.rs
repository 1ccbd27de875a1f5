//! Every failure that `start` can meet on the real Copilot CLI: its exit code, one clear message, and what to do next.

use std::time::Duration;

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::{Fault, GitHub};
use crate::support::sandbox::{PATIENCE, Sandbox, TOKEN};
use crate::support::together::run_all;

/// What is broken.
enum Broken {
    /// This endpoint answers this status.
    Status(&'static str, &'static str, u16),
    Endpoint(&'static str, &'static str, Fault),
    /// This is not enabled for the account.
    Account(&'static str),
    /// These variables are missing.
    Missing(&'static [&'static str]),
    Proxy(&'static str),
    /// What the user asked for.
    Nothing,
}

struct Case {
    name: String,
    broken: Broken,
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

impl Broken {
    fn apply(&self, github: &GitHub, sandbox: &mut Sandbox) {
        match self {
            Self::Status(method, path, code) => status(github, method, path, *code),
            Self::Endpoint(method, path, fault) => github.fault(method, path, fault.clone(), None),
            Self::Account(field) => github.set_user(json!({*field: false})),
            Self::Missing(names) => names.iter().for_each(|name| _ = sandbox.unset(name)),
            Self::Proxy(address) => _ = sandbox.set("HTTPS_PROXY", address).set("https_proxy", address),
            Self::Nothing => {}
        }
    }
}

fn case(
    name: &str,
    broken: Broken,
    (code, reason): (i32, &'static str),
    words: &'static str,
    hint: &'static str,
    arguments: &'static [&'static str],
) -> Case {
    Case { name: name.to_owned(), broken, arguments, code, reason, words, hint }
}

/// Who is signed in, and what that account may do: the CLI remembers it, so each needs a CLI and a home of its own.
fn of_the_account() -> Vec<Case> {
    let user = |code| Broken::Status("GET", USER, code);
    let off = (7, "remote-off");
    let remote = "remote is off for this account";
    let away = (1, "service-unavailable");
    vec![
        case("signed out", Broken::Missing(&["GH_TOKEN"]), (4, "signed-out"), "not signed in to GitHub", "/login", &[]),
        case("bad token", user(401), (4, "bad-credentials"), "(401)", "gh auth login", &[]),
        case("no Copilot, 403", user(403), (7, "no-copilot"), "(403)", "github.com/settings/copilot", &[]),
        case("no Copilot, 404", user(404), (7, "no-copilot"), "(404)", "another account", &[]),
        case("user endpoint down", user(500), away, "(500)", "githubstatus.com", &[]),
        case("no network", Broken::Proxy("http://127.0.0.1:9"), away, "network fetch failed", "HTTPS_PROXY", &[]),
        case(
            "unknown certificate",
            Broken::Missing(&["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]),
            away,
            "network fetch failed",
            "certificate",
            &[],
        ),
        case("remote control off", Broken::Account("cli_remote_control_enabled"), off, remote, "administrator", &[]),
        case("session storage off", Broken::Account("cloud_session_storage_enabled"), off, remote, "View and control", &[]),
        // No answer at all: our own deadline.
        case(
            "user hangs",
            Broken::Endpoint("GET", USER, Fault::Hang),
            (6, "deadline"),
            "not done after 5 s",
            "--timeout",
            &["--timeout", "5s"],
        ),
    ]
}

/// The repository: one CLI meets them all.
fn of_the_repository() -> Vec<Case> {
    let repository = |code| Broken::Status("GET", REPO, code);
    let away = (1, "service-unavailable");
    let name = "octocat/hello-world";
    vec![
        case("repository 404", repository(404), (8, "repository-not-found"), name, "git remote -v", &[]),
        case("repository 403", repository(403), (8, "repository-forbidden"), "SSO", "single sign-on", &[]),
        case("repository 401", repository(401), (4, "bad-credentials"), "expired", "/login", &[]),
        case("repository 500", repository(500), away, name, "githubstatus.com", &[]),
        case(
            "repository policy",
            Broken::Status("POST", SESSIONS, 403),
            (7, "repository-policy"),
            "not enabled for this repository",
            "administrator",
            &[],
        ),
        case(
            "repository hangs",
            Broken::Endpoint("GET", REPO, Fault::Hang),
            (6, "deadline"),
            "waiting for Mission Control took too long",
            "--timeout",
            &["--timeout", "3s"],
        ),
        case("unknown model", Broken::Nothing, (2, "unknown-model"), "no-such-model", "--model", &["--model", "no-such-model"]),
    ]
}

/// Mission Control: one CLI meets them all, too.
fn of_mission_control() -> Vec<Case> {
    let sessions = |fault| Broken::Endpoint("POST", SESSIONS, fault);
    let away = (1, "service-unavailable");
    let mut cases = vec![case(
        "sessions not JSON",
        sessions(Fault::Raw(200, "<html>".to_owned())),
        (1, "unexpected-answer"),
        "not what GitHub sends",
        "proxy",
        &[],
    )];
    let refused = |code: u16| (format!("sessions {code}"), Fault::Status(code, json!({"message": "broken on purpose"})));
    let mut faults: Vec<(String, Fault)> = [401, 404, 409, 422, 429, 500].map(refused).into();
    faults.push(("sessions {}".to_owned(), Fault::Status(200, json!({}))));
    faults.push(("sessions hang".to_owned(), Fault::Hang));
    faults.push(("sessions drop".to_owned(), Fault::Drop));
    let away =
        |(name, fault): (String, Fault)| case(&name, sessions(fault), away, "server not accessible", "try again later", &[]);
    cases.extend(faults.into_iter().map(away));
    cases
}

/// What is said to a start.
fn start_says(case: &Case, sandbox: &Sandbox) -> Result<(), String> {
    let done = sandbox.run(&[&["start", "--json"], case.arguments].concat());
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

/// What `doctor` says of the same.
fn doctor_says(case: &Case, sandbox: &Sandbox) -> Result<(), String> {
    // Each check has its deadline, and ending a CLI that waits for GitHub has more: together more than usual.
    let arguments = [&["doctor", "--probe", "--json"], case.arguments].concat();
    let done = sandbox.spawn(&arguments).finish_within(2 * PATIENCE);
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

type Says = fn(&Case, &Sandbox) -> Result<(), String>;

/// Each in a world of its own, on a CLI of its own.
fn alone(says: Says) {
    let cli = real_cli_or_return!();
    run_all(&of_the_account(), |case| {
        let github = GitHub::start();
        let mut sandbox = Sandbox::on(&github);
        sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
        case.broken.apply(&github, &mut sandbox);
        says(case, &sandbox).unwrap_or_else(|why| panic!("{why}"));
        sandbox.wait_until_empty();
    });
}

/// One after the other, on the CLI of a session that goes on.
fn in_turn(cases: &[Case], says: Says) {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    sandbox.run(&["on-demand", "--detach"]).expect_code(0);
    let mut wrong = Vec::new();
    for case in cases {
        github.heal();
        case.broken.apply(&github, &mut sandbox);
        wrong.extend(says(case, &sandbox).err());
        assert_eq!(sandbox.list().len(), 1, "{}", case.name);
    }
    github.heal();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    sandbox.stop_all();
}

#[test]
fn a_start_names_what_is_wrong_with_the_account() {
    alone(start_says);
}

#[test]
fn a_start_names_what_is_wrong_with_the_repository() {
    in_turn(&of_the_repository(), start_says);
}

#[test]
fn a_start_names_what_is_wrong_with_mission_control() {
    in_turn(&of_mission_control(), start_says);
}

#[test]
fn the_doctor_names_what_is_wrong_with_the_account() {
    alone(doctor_says);
}

#[test]
fn the_doctor_names_what_is_wrong_with_the_repository() {
    let mut cases = of_the_repository();
    cases.retain(|case| case.reason != "unknown-model");
    in_turn(&cases, doctor_says);
}

/// It starts a CLI of its own each time: of what is one to it, one is enough.
#[test]
fn the_doctor_names_what_is_wrong_with_mission_control() {
    let mut cases = of_mission_control();
    cases.retain(|case| ["sessions not JSON", "sessions 401", "sessions 500", "sessions hang"].contains(&case.name.as_str()));
    assert_eq!(cases.len(), 4);
    in_turn(&cases, doctor_says);
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
