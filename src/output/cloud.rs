//! Tasks on GitHub's compute, in words for people and as JSON for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::columns::{age, aligned, one_line};
use super::human::activity_words;
use super::json::{document, line_schema};
use crate::cloud::{Created, Failure, Link, Order, Ready};
use crate::model::{Activity, Remote};
use crate::report::Report;
use crate::sdk::Task;
use crate::text::line::{Line, Tone};

/// The JSON line of a task that is ready.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "ready", rename_all = "camelCase")]
struct ReadyTask<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    session_id: &'a str,
    #[schemars(with = "Remote")]
    remote: &'static str,
    login: &'a str,
    host: &'a str,
    demo: bool,
    copilot_version: &'a str,
}

/// The JSON line of a task that did not become ready.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "failed", rename_all = "camelCase")]
struct FailedTask<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    /// Whether the task exists: `no`, `yes`, `found`, `unknown`.
    #[schemars(extend("enum" = ["no", "yes", "found", "unknown"]))]
    created: &'static str,
    code: u8,
    reason: &'static str,
    message: &'a str,
    hints: &'a [String],
}

/// What was asked for, and where the task is.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place<'a> {
    line: usize,
    #[serde(skip_serializing_if = "<[usize]>::is_empty")]
    same_lines: &'a [usize],
    repository: Option<String>,
    branch: Option<&'a str>,
    /// Whether the agent was told of the branch; null if there is no branch, or if that is not known.
    branch_delivered: Option<bool>,
    prompt_delivered: Option<bool>,
    task_id: Option<&'a str>,
    url: Option<&'a str>,
    /// Whether the link was made from the task's id.
    url_derived: bool,
}

impl<'a> Place<'a> {
    fn new(order: &'a Order, task: Option<&'a str>, link: Option<&'a Link>, delivered: Option<bool>) -> Self {
        let (first, same_lines) = order.lines.split_first().unwrap_or((&0, &[]));
        Self {
            line: *first,
            same_lines,
            repository: order.target.slug.as_ref().map(ToString::to_string),
            branch: order.target.branch.as_deref(),
            branch_delivered: order.target.branch.as_ref().and(if order.prompt.is_some() { delivered } else { Some(false) }),
            prompt_delivered: order.prompt.as_ref().and(delivered),
            task_id: task,
            url: link.map(|link| link.url.as_str()),
            url_derived: link.is_some_and(|link| link.derived),
        }
    }
}

/// The JSON line of a task that is ready.
pub(crate) fn ready_document(ready: &Ready) -> String {
    document(ReadyTask {
        place: Place::new(&ready.order, Some(&ready.task), Some(&ready.link), Some(true)),
        session_id: &ready.session_id,
        remote: "on",
        login: &ready.login.login,
        host: &ready.login.host,
        demo: ready.demo,
        copilot_version: &ready.copilot_version,
    })
}

/// The JSON line of a task that did not become ready.
pub(crate) fn failed_document(order: &Order, failure: &Failure, report: &Report) -> String {
    let (word, task, link) = match &failure.created {
        Created::No => ("no", None, None),
        Created::Unknown => ("unknown", None, None),
        Created::Task { id, link } => ("yes", Some(id.as_str()), link.as_ref()),
        Created::Found { id, link } => ("found", Some(id.as_str()), link.as_ref()),
    };
    document(FailedTask {
        place: Place::new(order, task, link, failure.delivered),
        created: word,
        code: report.exit.code(),
        reason: report.reason,
        message: &report.message,
        hints: &report.hints,
    })
}

/// A task of a list that `cloud --wait` waited for.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "finished", rename_all = "camelCase")]
struct FinishedTask<'a> {
    line: usize,
    task_id: &'a str,
    url: &'a str,
    code: u8,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    summary: Option<&'a str>,
}

/// The JSON line of a task that was waited for.
pub(crate) fn finished_document(ready: &Ready, summary: Option<&str>, report: Option<&Report>) -> String {
    document(FinishedTask {
        line: ready.order.lines[0],
        task_id: &ready.task,
        url: &ready.link.url,
        code: report.map_or(0, |report| report.exit.code()),
        reason: report.map(|report| report.reason),
        message: report.map(|report| report.message.as_str()),
        summary,
    })
}

/// The line of a task that was waited for, for people.
pub(crate) fn finished_line(ready: &Ready, summary: Option<&str>, report: Option<&Report>) -> Line {
    let head = format!("line {}, {}: ", ready.order.lines[0], ready.order.target);
    match report {
        Some(report) => Line::new(Tone::Attention, head + first_line(&report.message)),
        None => {
            Line::new(Tone::Good, head + "done" + &summary.map_or_else(String::new, |text| format!(": {}", first_line(text))))
        }
    }
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

/// The line that names a task that is ready.
pub(crate) fn ready_line(ready: &Ready) -> Line {
    let target = &ready.order.target;
    let place = match (&target.slug, &target.branch) {
        (Some(slug), Some(branch)) => format!("{slug}, branch {branch}"),
        (Some(slug), None) => slug.to_string(),
        (None, _) => "no repository".to_owned(),
    };
    Line::new(Tone::Strong, format!("cloud task: {} ({place})", ready.task))
}

/// What a person has to know of the task's link and branch.
pub(crate) fn task_notes(ready: &Ready) -> Vec<Line> {
    let mut lines = Vec::new();
    if ready.demo {
        lines.push(Line::new(Tone::Attention, "demo: nothing runs, nothing is shared, the link opens no session"));
    } else {
        let host = if ready.login.host == "github.com" { "" } else { &format!(" on {}", ready.login.host) };
        let login = &ready.login.login;
        lines.push(Line::new(Tone::Plain, format!("phone: sign in{host} as {login}; for other accounts the link is a 404")));
    }
    if ready.link.derived && !ready.demo {
        let host = &ready.login.host;
        let text =
            format!("the link was made from the task's id; if it opens nothing, the task is on https://{host}/copilot/agents");
        lines.push(Line::new(Tone::Attention, text));
    }
    if let Some(branch) = ready.order.target.branch.as_ref().filter(|_| ready.order.prompt.is_none()) {
        let text = format!("the agent does not know of the branch {branch}: say it in your first prompt, or use --prompt");
        lines.push(Line::new(Tone::Attention, text));
    }
    lines
}

/// Whether a task that failed exists all the same, and where.
pub(crate) fn created_lines(created: &Created, host: &str) -> Vec<Line> {
    let at = |link: &Option<Link>| link.as_ref().map_or_else(String::new, |link| format!(": {}", link.url));
    let text = match created {
        Created::No => return Vec::new(),
        Created::Task { id, link } => format!("the task {id} exists all the same{}", at(link)),
        Created::Found { id, link } => format!("a task of this repository was created meanwhile, {id}{}", at(link)),
        Created::Unknown => {
            format!("whether a task was created is not known; see https://{host}/copilot/agents before trying again")
        }
    };
    // This is an error, so that it is shown with --quiet, too: it keeps a person from asking for the task twice.
    vec![Line::new(Tone::Error, text)]
}

/// The lines of one order of a list that failed.
pub(crate) fn failed_lines(failure: &Failure, order: &Order, report: &Report, host: &str) -> Vec<Line> {
    let text = format!("line {}, {}: {}", order.lines[0], order.target, first_line(&report.message));
    let mut lines = vec![Line::new(Tone::Error, text)];
    lines.extend(created_lines(&failure.created, host));
    lines
}

/// The last line of the live view, in the longest form that fits. `keys` says that keys are read; `answer` names those that
/// answer what waits.
pub(crate) fn status_line(activity: Activity, keys: bool, answer: Option<&str>, columns: u16) -> String {
    let state = format!("cloud | {}", activity_words(activity));
    if !keys {
        return state;
    }
    let leave = answer.unwrap_or("d leave");
    let forms = [
        format!("{state} | {leave}, q QR, o open, c copy, ? help"),
        format!("{state} | {leave}, ? help"),
        format!("{state} | ? help"),
    ];
    let fits = |form: &&String| form.chars().count() < usize::from(columns);
    forms.iter().find(fits).cloned().unwrap_or(state)
}

/// The keys, as `?` shows them.
pub(crate) fn help_lines() -> Vec<Line> {
    [
        "q  draw the QR code again",
        "o  open the link in this machine's browser",
        "c  copy the link (the terminal has to allow it: OSC 52)",
        "a  allow or approve what waits; d denies it, D says why; a number chooses an answer",
        "p  type a prompt; Enter too, or your answer to a question",
        "d  leave: the task goes on at GitHub; l while something waits, or Ctrl-C",
        "?  this help",
    ]
    .map(|text| Line::new(Tone::Plain, text))
    .into()
}

/// The account's tasks as a table, for people.
pub(crate) fn tasks_table(tasks: &[(Task, Option<Link>)], now: Timestamp, width: Option<u16>) -> String {
    if tasks.is_empty() {
        return "no tasks\n".to_owned();
    }
    let header = ["REPOSITORY", "STATE", "AGE", "NAME", "ID", "URL"].map(ToOwned::to_owned);
    let rows = tasks.iter().map(|(task, link)| {
        [
            one_line(task.repository.as_deref().unwrap_or("-")),
            one_line(&task.state),
            task.created_at.map_or_else(|| "-".to_owned(), |at| age(at, now)),
            one_line(task.name.as_deref().unwrap_or("-")),
            one_line(&task.id),
            link.as_ref().map_or_else(|| "-".to_owned(), |link| link.url.clone()),
        ]
    });
    // On a narrow screen the link is left out first, then the name, because `cloud open` takes the id.
    aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>(), &[5, 3, 0], width)
}

/// A task of the account.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskEntry<'a> {
    task_id: &'a str,
    name: Option<&'a str>,
    repository: Option<&'a str>,
    state: &'a str,
    url: Option<&'a str>,
    url_derived: bool,
    #[schemars(extend("format" = "date-time"))]
    created_at: Option<String>,
    age_seconds: Option<i64>,
}

/// The account's tasks, in `cloud list`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "tasks")]
struct TaskList<'a> {
    tasks: Vec<TaskEntry<'a>>,
}

/// The account's tasks, for programs.
pub(crate) fn tasks_document(tasks: &[(Task, Option<Link>)], now: Timestamp) -> String {
    let tasks = tasks.iter().map(|(task, link)| TaskEntry {
        task_id: &task.id,
        name: task.name.as_deref(),
        repository: task.repository.as_deref(),
        state: &task.state,
        url: link.as_ref().map(|link| link.url.as_str()),
        url_derived: link.is_some(),
        created_at: task.created_at.map(|at| at.to_string()),
        age_seconds: task.created_at.map(|at| now.duration_since(at).as_secs().max(0)),
    });
    document(TaskList { tasks: tasks.collect() })
}

/// The link of a task, in `cloud open`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "task", rename_all = "camelCase")]
struct TaskLink<'a> {
    task_id: &'a str,
    url: &'a str,
    url_derived: bool,
}

/// The JSON line of `cloud open`, with the task's link.
pub(crate) fn task_document(task: &str, link: &Link) -> String {
    document(TaskLink { task_id: task, url: &link.url, url_derived: link.derived })
}

/// The result of a run over a list of orders.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    all: usize,
    pub(crate) ready: usize,
    not_created: Group,
    created: Group,
    unknown: Group,
    pub(crate) not_begun: Group,
    /// Tasks that were waited for, and did not end well.
    pub(crate) unfinished: Group,
}

/// A number of tasks, and the numbers of the lines that asked for them.
#[derive(Debug, Default)]
pub(crate) struct Group {
    tasks: usize,
    lines: Vec<usize>,
}

impl Group {
    pub(crate) fn add(&mut self, order: &Order) {
        self.tasks += 1;
        self.lines.extend(&order.lines);
    }
}

impl Summary {
    pub(crate) fn new(all: usize) -> Self {
        Self { all, ..Self::default() }
    }

    /// The group of a task that failed.
    pub(crate) fn group(&mut self, created: &Created) -> &mut Group {
        match created {
            Created::No => &mut self.not_created,
            Created::Unknown => &mut self.unknown,
            Created::Task { .. } | Created::Found { .. } => &mut self.created,
        }
    }

    pub(crate) fn failed(&self) -> usize {
        self.not_created.tasks + self.created.tasks + self.unknown.tasks
    }

    pub(crate) fn is_good(&self) -> bool {
        self.ready == self.all && self.unfinished.tasks == 0
    }

    /// The result in one sentence.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} of {} tasks ready", self.ready, self.all);
        for (what, group) in [
            ("not created", &self.not_created),
            ("created but not ready", &self.created),
            ("not known whether created", &self.unknown),
            ("not begun", &self.not_begun),
            ("not done", &self.unfinished),
        ] {
            if group.tasks > 0 {
                let _ = write!(text, "; {what}: {} ({})", group.tasks, ranges(&group.lines));
            }
        }
        text
    }
}

/// Line numbers in words: `line 3`, `lines 1-4, 7`.
fn ranges(lines: &[usize]) -> String {
    let mut sorted = lines.to_vec();
    sorted.sort_unstable();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for line in sorted {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == line => *end = line,
            _ => ranges.push((line, line)),
        }
    }
    let shown: Vec<String> =
        ranges.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") }).collect();
    format!("line{} {}", if lines.len() == 1 { "" } else { "s" }, shown.join(", "))
}

/// The schemas of the documents that are made here.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
    vec![
        line_schema::<ReadyTask<'_>>(generator),
        line_schema::<FailedTask<'_>>(generator),
        line_schema::<FinishedTask<'_>>(generator),
        line_schema::<TaskList<'_>>(generator),
        line_schema::<TaskLink<'_>>(generator),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Summary, ranges};
    use crate::cloud::{Created, Order, Target};

    #[test]
    fn lines_are_named_shortly() {
        assert_eq!(ranges(&[7]), "line 7");
        assert_eq!(ranges(&[4, 2, 1, 3, 9]), "lines 1-4, 9");
        let order = |lines: &[usize]| Order { lines: lines.to_vec(), target: Target::NO_REPOSITORY, prompt: None };
        let mut summary = Summary::new(5);
        summary.ready = 3;
        summary.group(&Created::No).add(&order(&[2, 4]));
        summary.group(&Created::Unknown).add(&order(&[6]));
        let text = "3 of 5 tasks ready; not created: 1 (lines 2, 4); not known whether created: 1 (line 6)";
        assert_eq!(summary.text(), text);
    }
}
