//! Sessions in a table, one session in words, and both as documents for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::columns::{age, aligned, one_line};
use super::human::{model_words, time_left};
use super::json::{self, document, line_schema};
use super::rules;
use crate::model::{Link, Remote};
use crate::registry::{RuntimeEntry, SessionEntry};
use crate::sdk::Stored;
use crate::text::sanitise::sanitised;

/// This many characters of an id tell sessions apart, and are enough to name one.
const SHORT_ID: usize = 8;

/// The sessions in a table, a line each, for people. On a screen of this many columns, ids are shortened, and columns that do not
/// fit are left out, because lines that wrap make no table.
pub(crate) fn table(sessions: &[SessionEntry], now: Timestamp, columns: Option<u16>) -> String {
    const HEADER: [&str; 7] = ["NAME", "REPOSITORY", "BRANCH", "REMOTE", "ACTIVITY", "AGE", "ID"];
    /// The columns that may be left out, the first one to go first.
    const DISPENSABLE: [usize; 3] = [2, 1, 5];
    if sessions.is_empty() {
        return "no live sessions\n".to_owned();
    }
    let mut rows = vec![HEADER.map(ToOwned::to_owned)];
    rows.extend(sessions.iter().map(|entry| row(entry, now, columns.is_some())));
    aligned(&rows, &DISPENSABLE, columns)
}

fn row(entry: &SessionEntry, now: Timestamp, short_id: bool) -> [String; 7] {
    let name = entry.name.as_deref().or(entry.title.as_deref()).unwrap_or("-");
    let activity = match entry.activity.waiting() {
        0 | 1 => entry.activity.word().to_owned(),
        count => format!("{} ({count})", entry.activity.word()),
    };
    let lost = entry.remote != Remote::Off && entry.connection == Link::Lost;
    let remote = format!("{}{}", entry.remote.word(), if lost { ", lost" } else { "" });
    let demo = if entry.demo { " (demo)" } else { "" };
    let id = if short_id { entry.session_id.chars().take(SHORT_ID).collect() } else { entry.session_id.clone() };
    [
        one_line(name),
        one_line(&format!("{}{demo}", entry.repository.as_deref().unwrap_or("-"))),
        one_line(entry.branch.as_deref().unwrap_or("-")),
        remote,
        activity,
        age(entry.started_at, now),
        id,
    ]
}

/// The sessions that ended and can be resumed, for people.
pub(crate) fn stored_table(stored: &[Stored], now: Timestamp, columns: Option<u16>) -> String {
    if stored.is_empty() {
        return "none can be resumed\n".to_owned();
    }
    let mut rows = vec![["RESUMABLE", "REPOSITORY", "BRANCH", "AGE", "ID"].map(ToOwned::to_owned)];
    rows.extend(stored.iter().map(|stored| {
        [
            one_line(stored.name.as_deref().unwrap_or("-")),
            one_line(stored.repository.as_deref().unwrap_or("-")),
            one_line(stored.branch.as_deref().unwrap_or("-")),
            age(stored.modified, now),
            stored.id.chars().take(if columns.is_some() { SHORT_ID } else { usize::MAX }).collect(),
        ]
    }));
    aligned(&rows, &[2, 1], columns)
}

/// A session on disk, in `list --all`, for programs.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resumable<'a> {
    session_id: &'a str,
    name: Option<&'a str>,
    repository: Option<&'a str>,
    branch: Option<&'a str>,
    directory: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    modified_at: String,
}

fn resumable(stored: &Stored) -> Resumable<'_> {
    Resumable {
        session_id: &stored.id,
        name: stored.name.as_deref(),
        repository: stored.repository.as_deref(),
        branch: stored.branch.as_deref(),
        directory: stored.directory.as_ref().map(|directory| directory.to_string_lossy().into_owned()),
        modified_at: stored.modified.to_string(),
    }
}

/// The live sessions, in `list`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "list")]
struct SessionList<'a> {
    sessions: Vec<json::Session<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumable: Option<Vec<Resumable<'a>>>,
    notes: &'a [String],
}

/// The sessions, for programs. `stored` has those that ended, if they were asked for.
pub(crate) fn list_document(sessions: &[SessionEntry], stored: Option<&[Stored]>, notes: &[String]) -> String {
    document(SessionList {
        sessions: sessions.iter().map(json::session).collect(),
        resumable: stored.map(|stored| stored.iter().map(resumable).collect()),
        notes,
    })
}

/// Another runtime, with the reasons why this session does not share it.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Unshared {
    pub(crate) pid: u32,
    pub(crate) because: Vec<String>,
}

/// One session in words, for `status`.
pub(crate) fn details(
    entry: &SessionEntry,
    visibility: Option<&str>,
    runtime: Option<&RuntimeEntry>,
    unshared: &[Unshared],
    now: Timestamp,
) -> String {
    let mut text = String::new();
    let mut say = |what: &str, value: &str| {
        let _ = writeln!(text, "{:<12}{}", format!("{what}:"), sanitised(value));
    };
    say("session", &entry.session_id);
    if let Some(name) = entry.name.as_deref().or(entry.title.as_deref()) {
        say("name", name);
    }
    say("remote", entry.remote.word());
    if entry.remote != Remote::Off {
        say("connection", entry.connection.word());
        if let Some(until) = entry.until {
            say("time left", &time_left(until, now));
        }
    }
    match entry.kept_awake {
        Some(true) => say("sleep", "kept off"),
        Some(false) => say("sleep", "not kept off"),
        None => {}
    }
    if let Some(link) = entry.link() {
        say("url", link);
    }
    match visibility {
        Some("repo") => say("seen by", "whoever can read the repository"),
        Some("unshared") => say("seen by", "you, and those who work on it"),
        Some(other) => say("seen by", other),
        None => {}
    }
    match entry.activity.waiting() {
        0 | 1 => say("activity", entry.activity.word()),
        count => say("activity", &format!("{} ({count} requests)", entry.activity.word())),
    }
    say("tools", &entry.permission_mode);
    if !entry.allowed.is_empty() {
        say("allowed", &rules(&entry.allowed));
    }
    if !entry.denied.is_empty() {
        say("denied", &rules(&entry.denied));
    }
    if !entry.approved.is_empty() {
        say("approved", &rules(&entry.approved));
    }
    say("mode", &entry.mode);
    if let Some(model) = model_words(entry) {
        say("model", &model);
    }
    if let Some(agent) = &entry.agent {
        say("agent", agent);
    }
    say("trusted", if entry.trusted { "yes" } else { "no: hooks and MCP servers of its repository stay off" });
    if entry.sandboxed {
        say("sandboxed", "yes");
    }
    if let Some(by) = &entry.managed {
        say("managed", &format!("by {by}"));
    }
    say("repository", entry.repository.as_deref().unwrap_or("none"));
    if let Some(branch) = &entry.branch {
        say("branch", branch);
    }
    say("folder", &entry.directory.to_string_lossy());
    say("account", &format!("{} on {}", entry.login.login, entry.login.host));
    say("started", &format!("{} ago", age(entry.started_at, now)));
    say("host", &format!("process {}{}", entry.host.pid(), if entry.detached { ", detached" } else { ", in a terminal" }));
    let program = entry.copilot_program.to_string_lossy();
    match entry.copilot_pid {
        Some(pid) => say("runtime", &format!("process {pid}, {program} {}", entry.copilot_version)),
        None => say("runtime", &format!("external, version {}", entry.copilot_version)),
    }
    if runtime.is_some_and(|runtime| runtime.isolated && entry.copilot_pid.is_some()) {
        say("shared", "no: --isolated");
    }
    for other in unshared {
        say("not shared", &format!("runtime {} differs in {}", other.pid, other.because.join(", ")));
    }
    if entry.demo {
        say("demo", "nothing runs, nothing is shared, the link opens no session");
    }
    text
}

/// One session, in `status`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "status", rename_all = "camelCase")]
struct SessionStatus<'a> {
    #[serde(flatten)]
    session: json::Session<'a>,
    /// Null if the session is not shared, or if GitHub does not say.
    visibility: Option<&'a str>,
    isolated: bool,
    not_shared_with: &'a [Unshared],
}

/// One session, for programs, in `status`.
pub(crate) fn status_document(
    entry: &SessionEntry,
    visibility: Option<&str>,
    runtime: Option<&RuntimeEntry>,
    unshared: &[Unshared],
) -> String {
    let isolated = runtime.is_some_and(|runtime| runtime.isolated);
    document(SessionStatus { session: json::session(entry), visibility, isolated, not_shared_with: unshared })
}

/// How much force it took to end the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stopped {
    Closed,
    Terminated,
    Killed,
}

impl Stopped {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Stopped::Closed => "the session was closed",
            Stopped::Terminated => "its host had to be terminated",
            Stopped::Killed => "its host had to be killed",
        }
    }
}

/// A session that `stop` ended.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoppedSession<'a> {
    session_id: &'a str,
    name: Option<&'a str>,
    how: Stopped,
    /// The worktree of the session, which is not removed.
    worktree: Option<String>,
}

/// The sessions that `stop` ended.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "stopped")]
struct StoppedSessions<'a> {
    sessions: Vec<StoppedSession<'a>>,
}

/// The sessions that `stop` ended, for programs.
pub(crate) fn stop_document(stopped: &[(SessionEntry, Stopped)]) -> String {
    let sessions = stopped
        .iter()
        .map(|(entry, how)| {
            let worktree = entry.worktree.as_ref().map(|worktree| worktree.path.to_string_lossy().into_owned());
            StoppedSession { session_id: &entry.session_id, name: entry.name.as_deref(), how: *how, worktree }
        })
        .collect();
    document(StoppedSessions { sessions })
}

/// The link of a session, in `url` and `qr`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "url", rename_all = "camelCase")]
struct SessionLink<'a> {
    session_id: &'a str,
    url: Option<&'a str>,
    #[schemars(with = "Remote")]
    remote: &'static str,
}

/// The link of a session, for programs.
pub(crate) fn url_document(entry: &SessionEntry) -> String {
    document(SessionLink { session_id: &entry.session_id, url: entry.link(), remote: entry.remote.word() })
}

/// The new name of a session.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "renamed", rename_all = "camelCase")]
struct Renamed<'a> {
    session_id: &'a str,
    name: &'a str,
}

/// The new name of a session, for programs.
pub(crate) fn renamed_document(entry: &SessionEntry, name: &str) -> String {
    document(Renamed { session_id: &entry.session_id, name })
}

/// Who may see a session, in `share`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "visibility", rename_all = "camelCase")]
struct Visible<'a> {
    session_id: &'a str,
    visibility: &'a str,
    url: Option<&'a str>,
}

/// Who may see a session, for programs.
pub(crate) fn visibility_document(entry: &SessionEntry, visibility: &str) -> String {
    document(Visible { session_id: &entry.session_id, visibility, url: entry.link() })
}

/// The id of a prompt that `send` sent.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "sent", rename_all = "camelCase")]
struct Sent<'a> {
    session_id: &'a str,
    id: &'a str,
}

/// The id of a prompt that was sent, for programs.
pub(crate) fn sent_document(entry: &SessionEntry, id: &str) -> String {
    document(Sent { session_id: &entry.session_id, id })
}

/// What the agent said last, in `send --wait`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "answer", rename_all = "camelCase")]
struct Answer<'a> {
    session_id: &'a str,
    text: Option<&'a str>,
}

/// The last message of the agent, for programs.
pub(crate) fn answer_document(entry: &SessionEntry, text: Option<&str>) -> String {
    document(Answer { session_id: &entry.session_id, text })
}

/// What `prune` removed, and how many runtimes it ended.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "pruned")]
struct Pruned<'a> {
    notes: &'a [String],
    runtimes: usize,
}

/// The outcome of `prune`, for programs.
pub(crate) fn prune_document(notes: &[String], runtimes: usize) -> String {
    document(Pruned { notes, runtimes })
}

/// The schemas of the documents that are made here.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
    vec![
        line_schema::<SessionList<'_>>(generator),
        line_schema::<SessionStatus<'_>>(generator),
        line_schema::<StoppedSessions<'_>>(generator),
        line_schema::<SessionLink<'_>>(generator),
        line_schema::<Renamed<'_>>(generator),
        line_schema::<Visible<'_>>(generator),
        line_schema::<Sent<'_>>(generator),
        line_schema::<Answer<'_>>(generator),
        line_schema::<Pruned<'_>>(generator),
    ]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use unicode_width::UnicodeWidthStr as _;

    use super::table;
    use crate::registry::SessionEntry;
    use crate::sdk::Login;

    #[test]
    fn the_table_fits_the_screen() {
        let login = Login { login: "octocat".to_owned(), host: "github.com".to_owned() };
        let mut entry = SessionEntry::new("0d5e9f1c-7b3a-4c6e".to_owned(), login, "/".into(), "r".to_owned());
        entry.name = Some("a name 漢字 that is \u{1b}[31m longer than anybody would give".to_owned());
        entry.repository = Some("octocat/hello-world".to_owned());
        entry.branch = Some("main".to_owned());
        let entries = [entry];
        for columns in [20, 40, 60, 80, 100, 140, 200] {
            let text = table(&entries, Timestamp::now(), Some(columns));
            assert!(text.lines().all(|line| line.width() <= usize::from(columns)), "{columns}:\n{text}");
            assert!(columns < 80 || text.contains("0d5e9f1c"), "{text}");
        }
        let text = table(&entries, Timestamp::now(), None);
        assert!(text.contains("main") && text.contains("0d5e9f1c-7b3a-4c6e") && !text.contains('\u{1b}'), "{text}");
    }
}
