//! Lines for people: words, no colour that carries meaning, readable in a log and by a screen reader.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;

use super::{Ending, Update, rules};
use crate::model::{Activity, Link, Remote};
use crate::registry::SessionEntry;
use crate::repo::worktree::Worktree;
use crate::report::Report;
use crate::sdk::{ALLOW_ALL, Event, INTERACTIVE, Origin, Request, RequestKind, ServerState};
use crate::text::line::{Line, Tone};

/// How many lines of a message are shown. All of it is in Mission Control.
const MESSAGE_LINES: usize = 20;
/// How many lines of a request are shown. There are more of them, as a person decides by what is shown.
const REQUEST_LINES: usize = 60;
/// How many characters of a line are shown. No terminal shows a longer line whole.
const LINE_CHARACTERS: usize = 2000;

pub(super) fn lines(update: &Update<'_>, at: Option<&str>) -> Vec<Line> {
    match update {
        Update::SignedIn(login) => vec![Line::new(Tone::Dim, format!("signed in as {} on {}", login.login, login.host))],
        Update::Caution(text) => vec![Line::new(Tone::Attention, format!("warning: {text}"))],
        Update::Ready(facts) => ready(facts),
        Update::Remote { remote, url } => remote_switched(*remote, *url, at),
        Update::Event(event) => stamped(event_lines(event), at),
        Update::Link { state: Link::Lost, why } => {
            let text = format!("link lost: Mission Control does not follow the session ({}); it is being restored", cut(why));
            stamped(vec![Line::new(Tone::Attention, text)], at)
        }
        Update::Link { .. } => stamped(vec![Line::new(Tone::Good, "link restored: Mission Control has the session again")], at),
        Update::Awake => stamped(vec![Line::new(Tone::Dim, "this machine is kept awake")], at),
        Update::Allowed(request) => stamped(message(Tone::Dim, "allowed by a rule: ", &request.what), at),
        Update::Relaunched { interrupted } => {
            let mut lines = vec![Line::new(Tone::Attention, "the Copilot CLI died and was started again; the session goes on")];
            if *interrupted {
                lines.push(Line::new(Tone::Attention, "the turn that was running was interrupted: send a prompt to go on"));
            }
            stamped(lines, at)
        }
        Update::Detached => stamped(vec![Line::new(Tone::Strong, "the session goes on in the background")], at),
        Update::Failed(report) => stamped(report_lines(report), at),
        Update::Ended(ending) => stamped(vec![Line::new(Tone::Strong, ended(*ending))], at),
    }
}

/// The lines of an error: what went wrong, and the hints.
pub(crate) fn report_lines(report: &Report) -> Vec<Line> {
    let mut message = report.message.lines();
    let mut lines = vec![Line::new(Tone::Error, format!("error: {}", message.next().unwrap_or_default()))];
    lines.extend(message.map(|line| Line::new(Tone::Plain, line)));
    lines.extend(report.hints.iter().map(|hint| Line::new(Tone::Plain, format!("hint: {hint}"))));
    lines
}

/// The lines that name a session that is ready.
fn ready(entry: &SessionEntry) -> Vec<Line> {
    let place = match (&entry.repository, &entry.branch) {
        (Some(repository), Some(branch)) => format!("{repository}, branch {branch}"),
        (Some(repository), None) => repository.clone(),
        (None, _) => format!("no repository, in {}", entry.directory.display()),
    };
    vec![Line::new(Tone::Strong, format!("session: {} ({place})", entry.label()))]
}

/// Says where the worktree of an ended session is, and how to remove it.
pub(crate) fn worktree_line(worktree: &Worktree) -> Line {
    let remove = format!("git -C {} worktree remove {}", quoted(&worktree.repository), quoted(&worktree.path));
    let text =
        format!("its worktree is left, with branch {}: {}; to remove it: {remove}", worktree.branch, worktree.path.display());
    Line::new(Tone::Plain, text)
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@,:".contains(&byte);
    if text.bytes().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What a person has to know of the link: as whom to open it. It is shown below the link, and is short because the QR code needs
/// the room.
pub(crate) fn account_lines(entry: &SessionEntry) -> Vec<Line> {
    let mut lines = Vec::new();
    if entry.demo {
        lines.push(Line::new(Tone::Attention, "demo: nothing runs, nothing is shared, the link opens no session"));
    } else if entry.remote != Remote::Off {
        let host = if entry.login.host == "github.com" { "" } else { &format!(" on {}", entry.login.host) };
        let login = &entry.login.login;
        lines.push(Line::new(Tone::Plain, format!("phone: sign in{host} as {login}; for other accounts the link is a 404")));
    }
    if let Some(until) = entry.until.filter(|_| entry.remote != Remote::Off) {
        lines.push(Line::new(Tone::Plain, format!("remote goes off in {}", time_left(until, Timestamp::now()))));
    }
    match entry.remote {
        Remote::Off => lines.push(Line::new(Tone::Plain, "remote is off: Mission Control does not have this session")),
        Remote::Export => {
            lines.push(Line::new(Tone::Plain, "read-only: Mission Control shows the session and cannot steer it"));
        }
        Remote::On => {}
    }
    lines.extend(profile_line(entry));
    if entry.permission_mode == ALLOW_ALL {
        lines.push(Line::new(Tone::Attention, "everything is allowed: the agent uses tools without asking"));
    }
    if !entry.allowed.is_empty() {
        lines.push(Line::new(Tone::Plain, format!("allowed: {}", rules(&entry.allowed))));
    }
    if !entry.denied.is_empty() {
        lines.push(Line::new(Tone::Plain, format!("denied: {}", rules(&entry.denied))));
    }
    lines
}

/// The mode, permissions and limits of the session, where they differ from the usual ones.
fn profile_line(entry: &SessionEntry) -> Option<Line> {
    let mut words = Vec::new();
    if entry.mode != INTERACTIVE && !entry.mode.is_empty() {
        words.push(format!("mode {}", entry.mode));
    }
    words.extend(entry.agent.as_ref().map(|agent| format!("agent {agent}")));
    words.extend(model_words(entry).map(|model| format!("model {model}")));
    if entry.sandboxed {
        words.push("sandboxed".to_owned());
    }
    words.extend(entry.managed.as_ref().map(|by| format!("managed ({by})")));
    (!words.is_empty()).then(|| Line::new(Tone::Plain, words.join(", ")))
}

/// The model, with its reasoning effort, in words.
pub(super) fn model_words(entry: &SessionEntry) -> Option<String> {
    match (&entry.model, &entry.effort) {
        (Some(model), Some(effort)) => Some(format!("{model} ({effort})")),
        (Some(model), None) => Some(model.clone()),
        (None, Some(effort)) => Some(format!("as set ({effort})")),
        (None, None) => None,
    }
}

/// The lines with the link by which a person signs in to an MCP server.
pub(crate) fn sign_in_lines(url: &str) -> Vec<Line> {
    vec![
        Line::new(
            Tone::Strong,
            "sign in with a browser on this machine, which is asked for the answer (from elsewhere: ssh -L):",
        ),
        Line::new(Tone::Plain, url),
    ]
}

fn remote_switched(remote: Remote, url: Option<&str>, at: Option<&str>) -> Vec<Line> {
    let mut lines = stamped(
        vec![match remote {
            Remote::On => Line::new(Tone::Good, "remote on: Mission Control can steer the session"),
            Remote::Export => Line::new(Tone::Good, "remote export: Mission Control can read the session"),
            Remote::Off => Line::new(Tone::Attention, "remote off: Mission Control cannot reach the session"),
        }],
        at,
    );
    lines.extend(url.map(|url| Line::new(Tone::Plain, url)));
    lines
}

fn event_lines(event: &Event) -> Vec<Line> {
    match event {
        Event::Prompt { text, origin, .. } => {
            let from = match origin {
                Origin::Here => "here",
                Origin::MissionControl => "Mission Control",
            };
            message(Tone::Strong, &format!("prompt ({from}): "), text)
        }
        Event::Said { text } => message(Tone::Plain, "agent: ", text),
        Event::ToolStarted { name, what } if what.is_empty() => vec![Line::new(Tone::Dim, format!("tool {name}"))],
        Event::ToolStarted { name, what } => message(Tone::Dim, &format!("tool {name}: "), what),
        Event::ToolFinished { trouble: Some(trouble) } => {
            vec![Line::new(Tone::Attention, format!("tool ended: {}", cut(trouble)))]
        }
        Event::Waiting(request) => waiting(request),
        Event::Answered { outcome, .. } => vec![Line::new(Tone::Good, format!("answered: {}", cut(outcome)))],
        Event::Warning(warning) => message(Tone::Attention, "warning: ", &warning.message),
        Event::Notice { message: text } => message(Tone::Dim, "note: ", text),
        Event::Failed { message: text } => message(Tone::Error, "error: ", text),
        Event::Aborted { .. } => vec![Line::new(Tone::Attention, "the turn was broken off")],
        Event::Completed { success: true, summary } => message(Tone::Good, "task complete: ", summary),
        Event::Completed { success: false, summary } => message(Tone::Attention, "task failed: ", summary),
        Event::PermissionMode(mode) if mode == ALLOW_ALL => {
            vec![Line::new(Tone::Attention, "everything is allowed from now on")]
        }
        Event::PermissionMode(mode) => vec![Line::new(Tone::Dim, format!("permissions: {}", cut(mode)))],
        Event::Mode(mode) => vec![Line::new(Tone::Dim, format!("mode: {}", cut(mode)))],
        Event::Model { model, effort } => {
            let effort = effort.as_ref().map_or_else(String::new, |effort| format!(", effort {}", cut(effort)));
            vec![Line::new(Tone::Dim, format!("model: {}{effort}", cut(model)))]
        }
        Event::Agent(agent) => vec![Line::new(Tone::Dim, format!("agent: {}", cut(agent.as_deref().unwrap_or("the usual one"))))],
        Event::Managed(managed) if managed.by.is_some() => {
            message(Tone::Plain, "managed settings hold: ", &format!("{} ({})", managed.keys.join(", "), managed.who()))
        }
        Event::Server { name, state: ServerState::Failed(why) } => {
            message(Tone::Attention, &format!("MCP server {name} did not start: "), why)
        }
        Event::Idle => vec![Line::new(Tone::Dim, "idle: waits for a prompt")],
        Event::Missed(count) => vec![Line::new(Tone::Attention, format!("{count} events came too fast and are not shown"))],
        // These are shown as a switch of remote, as the end, or not at all. A title only repeats the first prompt.
        Event::Started(_)
        | Event::Title(_)
        | Event::Link { .. }
        | Event::Steerable(_)
        | Event::Managed(_)
        | Event::Queue
        | Event::Server { .. }
        | Event::Working
        | Event::ToolFinished { trouble: None }
        | Event::Ended
        | Event::Other => Vec::new(),
    }
}

/// The lines of a request that waits for a person: what is asked, the choices and fields, and where to answer.
pub(crate) fn waiting(request: &Request) -> Vec<Line> {
    let head = match request.kind {
        RequestKind::Permission => "permission needed: ",
        RequestKind::Question => "question: ",
        RequestKind::Plan => "plan to approve: ",
        RequestKind::Form => "form to fill in: ",
        RequestKind::ModelSwitch | RequestKind::Limit => "limit reached: ",
        RequestKind::SignIn => "sign-in wanted: ",
        RequestKind::Tool => "tool of another client wanted: ",
        RequestKind::Sampling => "the model is wanted: ",
        RequestKind::Unknown => "something that this version does not know is asked: ",
    };
    // Lines are left out late, and a line says how many, because a person decides by what is read here.
    let mut what = request.what.trim().lines();
    let mut lines = vec![Line::new(Tone::Attention, format!("{head}{}", cut(what.next().unwrap_or_default())))];
    let rest: Vec<&str> = what.chain(request.detail.iter().map(String::as_str)).collect();
    lines.extend(rest.iter().take(REQUEST_LINES).map(|line| Line::new(Tone::Plain, format!("    {}", cut(line)))));
    if rest.len() > REQUEST_LINES {
        let more = rest.len() - REQUEST_LINES;
        lines.push(Line::new(
            Tone::Attention,
            format!("    … {more} more lines: read them in Mission Control before you say yes"),
        ));
    }
    for (index, choice) in request.choices.iter().enumerate() {
        let meaning = if request.kind == RequestKind::Plan { plan_choice(choice) } else { "" };
        lines.push(Line::new(Tone::Plain, format!("  {}. {}{meaning}", index + 1, cut(choice))));
    }
    for field in &request.fields {
        let title = if field.title.is_empty() { String::new() } else { format!(" ({})", cut(&field.title)) };
        lines.push(Line::new(Tone::Plain, format!("  {}{title}: {}", cut(&field.name), cut(&field.takes()))));
    }
    lines.push(Line::new(
        Tone::Plain,
        if answered_there(request.kind) { "  answer it in Mission Control" } else { "  answer it here" },
    ));
    lines
}

/// Whether Mission Control can answer a request of this kind, as far as is known (docs/copilot-cli.md, mission-control-answers).
fn answered_there(kind: RequestKind) -> bool {
    // It can answer the switch of a model, too, because a form asks there.
    matches!(
        kind,
        RequestKind::Permission | RequestKind::Question | RequestKind::Plan | RequestKind::Form | RequestKind::ModelSwitch
    )
}

/// What the runtime's word for a way to go on after a plan means.
fn plan_choice(choice: &str) -> &'static str {
    match choice {
        "interactive" => ": approve and implement it, with questions as usual",
        "autopilot" => ": approve and implement it, without questions",
        "autopilot_fleet" => ": approve and implement it, without questions, by several agents",
        "exit_only" => ": approve it, and do nothing yet",
        _ => "",
    }
}

/// `head` and the first line of `text`, and below them the other lines, indented, up to a limit.
fn message(tone: Tone, head: &str, text: &str) -> Vec<Line> {
    let mut rest = text.trim().lines();
    let mut lines = vec![Line::new(tone, format!("{head}{}", cut(rest.next().unwrap_or_default())))];
    let more = rest.clone().count();
    lines.extend(rest.take(MESSAGE_LINES).map(|line| Line::new(Tone::Plain, format!("  {}", cut(line)))));
    if more > MESSAGE_LINES {
        lines.push(Line::new(Tone::Dim, format!("  … {} more lines", more - MESSAGE_LINES)));
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Puts the time before the first line, and indents the others below it.
pub(super) fn stamped(lines: Vec<Line>, at: Option<&str>) -> Vec<Line> {
    let Some(at) = at else { return lines };
    let mut first = true;
    let stamp = |mut line: Line| {
        line.text = if std::mem::take(&mut first) {
            format!("{at} {}", line.text)
        } else {
            format!("{:width$} {}", "", line.text, width = at.len())
        };
        line
    };
    lines.into_iter().map(stamp).collect()
}

fn ended(ending: Ending) -> String {
    match ending {
        Ending::Stopped => "session ended".to_owned(),
        Ending::Signal(signal) => format!("session ended by {signal}"),
        Ending::Elsewhere => "session ended, not from here".to_owned(),
        Ending::OutputClosed => "session ended: nobody reads stdout any more".to_owned(),
        Ending::Detached => "the session goes on".to_owned(),
        Ending::Failed => "session ended by an error".to_owned(),
    }
}

/// The last line of the live view, in the longest form that fits: the state, then the keys.
///
/// `answer` names the keys that answer what waits.
pub(crate) fn status_line(
    entry: &SessionEntry,
    activity: Activity,
    keys: Option<Leave>,
    answer: Option<&str>,
    columns: u16,
) -> String {
    let remote = entry.remote;
    let state = format!("{} | {}", sharing_words(entry, Timestamp::now()), activity_words(activity));
    let Some(leave) = keys else { return state };
    let leave = match leave {
        Leave::Detach => "d detach",
        Leave::Leave => "d leave",
    };
    let switch = if remote == Remote::Off { "r on" } else { "r off" };
    if let Some(answer) = answer {
        let forms = [
            format!("{state} | {answer}, {switch}, ? help, xx stop"),
            format!("{state} | {answer}"),
            format!("{} | {answer}", activity_words(activity)),
            answer.to_owned(),
        ];
        let fits = |form: &&String| form.chars().count() < usize::from(columns);
        return forms.iter().find(fits).cloned().unwrap_or(state);
    }
    let forms = [
        format!("{state} | {switch}, q QR, o open, c copy, {leave}, ? help, xx stop"),
        format!("{state} | {switch}, {leave}, ? help, xx stop"),
        format!("{state} | {switch}, ? help, xx stop"),
        format!("{state} | ? help"),
    ];
    let fits = |form: &&String| form.chars().count() < usize::from(columns);
    forms.iter().find(fits).cloned().unwrap_or(state)
}

/// How the session is shared, in a few words.
fn sharing_words(entry: &SessionEntry, now: Timestamp) -> String {
    let mut words = format!("remote {}", entry.remote.word());
    if entry.remote == Remote::Off {
        return words;
    }
    if entry.connection != Link::Connected {
        let _ = write!(words, ", link {}", entry.connection.word());
    }
    if let Some(until) = entry.until {
        let _ = write!(words, ", {} left", time_left(until, now));
    }
    words
}

/// The time that is left: `1 h 59 m`, `12 m`, `45 s`.
pub(super) fn time_left(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.duration_since(now).as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0 | 1, _) => format!("{seconds} s"),
        (0, minutes, _) => format!("{minutes} m"),
        (hours, minutes, _) => format!("{hours} h {minutes} m"),
    }
}

pub(super) fn activity_words(activity: Activity) -> String {
    match activity {
        Activity::Working => "working".to_owned(),
        Activity::Idle => "idle".to_owned(),
        Activity::Input(1) => "waits for an answer".to_owned(),
        Activity::Input(count) => format!("{count} wait for an answer"),
    }
}

/// What the key `d` does in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It sends the session to the background.
    Detach,
    /// It leaves the view of the session.
    Leave,
}

/// The keys, as `?` shows them.
pub(crate) fn help_lines(leave: Leave) -> Vec<Line> {
    [
        "a  allow or approve what waits, s for the session; d denies it, D says why; a number chooses",
        "p  type a prompt; Enter too, or your answer to a question",
        "r  switch remote on or off",
        "q  draw the QR code again",
        "o  open the link in this machine's browser",
        "c  copy the link (the terminal has to allow it: OSC 52)",
        match leave {
            Leave::Detach => "d  detach: the session goes on in the background; l while something waits",
            Leave::Leave => "d  leave; the session goes on; l while something waits",
        },
        match leave {
            Leave::Detach => "x  twice: end the session; Ctrl-C ends it at once",
            Leave::Leave => "x  twice: end the session; Ctrl-C only leaves",
        },
        "?  this help",
    ]
    .map(|text| Line::new(Tone::Plain, text))
    .into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Activity, Leave, Link, Remote, SessionEntry, Tone, message, status_line};
    use crate::sdk::Login;

    #[test]
    fn the_status_line_fits() {
        let login = Login { login: "octocat".to_owned(), host: "github.com".to_owned() };
        let mut entry = SessionEntry::new("a".to_owned(), login, "/".into(), "r".to_owned());
        let in_two_hours = Timestamp::now() + Duration::from_hours(2);
        for columns in [10, 20, 40, 60, 80, 200] {
            for (remote, activity, until) in [
                (Remote::Off, Activity::Input(12), None),
                (Remote::Export, Activity::Working, None),
                (Remote::On, Activity::Idle, Some(in_two_hours)),
            ] {
                (entry.remote, entry.until) = (remote, until);
                let line = status_line(&entry, activity, Some(Leave::Detach), None, columns);
                assert!(line.starts_with("remote "), "{line}");
                assert!(columns < 40 || line.chars().count() < usize::from(columns), "{columns}: {line}");
                assert!(columns < 40 || until.is_none() || line.contains("1 h 59 m left"), "{columns}: {line}");
                let line = status_line(&entry, activity, Some(Leave::Detach), Some("a allow, s session, d deny"), columns);
                assert!(
                    columns < 40 || line.contains("d deny") && line.chars().count() < usize::from(columns),
                    "{columns}: {line}"
                );
            }
        }
        entry.until = None;
        assert!(status_line(&entry, Activity::Idle, Some(Leave::Detach), None, 80).ends_with("xx stop"));
        entry.connection = Link::Lost;
        let line = status_line(&entry, Activity::Idle, None, None, 200);
        assert!(!line.contains("help") && line.starts_with("remote on, link lost | "), "{line}");
    }

    #[test]
    fn long_messages_are_cut_and_say_so() {
        let text = (0..30).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n");
        let lines = message(Tone::Plain, "agent: ", &text);
        assert_eq!(lines.len(), 22);
        assert_eq!(lines.last().unwrap().text, "  … 9 more lines");
    }
}
