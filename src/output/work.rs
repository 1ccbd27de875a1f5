//! What waits in a session, what the session changed and what it used, for people and for programs.

use std::fmt::Write as _;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::human::waiting as request_lines;
use super::json::{Input, document, input, line_schema};
use crate::registry::SessionEntry;
use crate::sdk::{Against, Change, Changes, Request, Restored, RewindPoint, Rewound, Usage};
use crate::text::line::{Line, Tone};
use crate::text::sanitise::sanitised;

/// The requests that wait for an answer, with the ids by which they are answered.
pub(crate) fn waiting_text(waiting: &[Request]) -> String {
    if waiting.is_empty() {
        return "nothing waits for an answer\n".to_owned();
    }
    let mut text = String::new();
    for request in waiting {
        let _ = writeln!(text, "{}", sanitised(&request.id));
        let mut lines = request_lines(request);
        // The last line says how to answer, which the reader is about to do anyway.
        lines.pop();
        for line in lines {
            let _ = writeln!(text, "  {}", sanitised(&line.text));
        }
    }
    text
}

/// The requests that wait for an answer, in `answer` without one.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "waiting", rename_all = "camelCase")]
struct Waiting<'a> {
    session_id: &'a str,
    requests: Vec<Input<'a>>,
}

/// The requests that wait for an answer, for programs.
pub(crate) fn waiting_document(entry: &SessionEntry, waiting: &[Request]) -> String {
    document(Waiting { session_id: &entry.session_id, requests: waiting.iter().map(input).collect() })
}

/// The outcome of `answer`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "answered", rename_all = "camelCase")]
struct AnswerTaken<'a> {
    session_id: &'a str,
    id: &'a str,
    /// `taken`, or `open`: the link is to be opened.
    outcome: &'a str,
    url: Option<&'a str>,
}

/// The outcome of an answer, for programs.
pub(crate) fn answered_document(entry: &SessionEntry, id: &str, outcome: &str, url: Option<&str>) -> String {
    document(AnswerTaken { session_id: &entry.session_id, id, outcome, url })
}

/// The outcome of `interrupt`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "interrupted", rename_all = "camelCase")]
struct Interrupted<'a> {
    session_id: &'a str,
    was_busy: bool,
}

/// The outcome of an interrupt, for programs.
pub(crate) fn interrupted_document(entry: &SessionEntry, was_busy: bool) -> String {
    document(Interrupted { session_id: &entry.session_id, was_busy })
}

/// Changes as a patch that `git apply` takes.
pub(crate) fn patch(changes: &Changes) -> String {
    let mut patch = String::new();
    for change in &changes.files {
        let mut lines = change.diff.lines().peekable();
        while let Some(line) = lines.next() {
            let _ = writeln!(patch, "{line}");
            // The runtime leaves out the lines by which git learns of a new or deleted file.
            if line.starts_with("diff --git ") && lines.peek().is_some_and(|next| next.starts_with("--- ")) {
                match change.kind.as_str() {
                    "added" => patch.push_str("new file mode 100644\n"),
                    "deleted" => patch.push_str("deleted file mode 100644\n"),
                    _ => {}
                }
            }
        }
    }
    patch
}

/// What a session changed.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "diff", rename_all = "camelCase")]
struct Diff<'a> {
    session_id: &'a str,
    #[schemars(extend("enum" = ["commit", "branch", "session"]))]
    against: &'static str,
    base_branch: Option<&'a str>,
    files: &'a [Change],
}

/// Changes, for programs.
pub(crate) fn diff_document(entry: &SessionEntry, against: Against, changes: &Changes) -> String {
    let against = match against {
        Against::Commit => "commit",
        Against::Branch => "branch",
        Against::Start => "session",
    };
    document(Diff { session_id: &entry.session_id, against, base_branch: changes.base.as_deref(), files: &changes.files })
}

/// What a session used, for people.
pub(crate) fn usage_text(usage: &Usage) -> String {
    let mut text = String::new();
    let mut say = |what: &str, value: String| {
        let _ = writeln!(text, "{:<12}{}", format!("{what}:"), sanitised(&value));
    };
    say("prompts", usage.prompts.to_string());
    say("premium", format!("{} requests", usage.premium_requests));
    for model in &usage.models {
        let tokens =
            format!("{} tokens in, {} from the cache, {} out", model.input_tokens, model.cached_tokens, model.output_tokens);
        say("model", format!("{}, {} requests, {tokens}", model.model, model.requests));
    }
    if let Some(context) = &usage.context {
        let percent = (100 * context.tokens).checked_div(context.limit).unwrap_or_default();
        say("context", format!("{} of {} tokens, {percent} %", context.tokens, context.limit));
    }
    say("changes", format!("{} files, +{} -{} lines", usage.files_modified, usage.lines_added, usage.lines_removed));
    for quota in &usage.quotas {
        let left = if quota.unlimited {
            "unlimited".to_owned()
        } else {
            format!("{} of {} used, {:.0} % left", quota.used, quota.entitlement, quota.remaining_percent)
        };
        let until = quota.resets_at.as_ref().map_or_else(String::new, |at| format!(", until {at}"));
        say("quota", format!("{}: {left}{until}", quota.name));
    }
    text
}

/// What a session used.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "usage", rename_all = "camelCase")]
struct Used<'a> {
    session_id: &'a str,
    #[serde(flatten)]
    usage: &'a Usage,
}

/// What a session used, for programs.
pub(crate) fn usage_document(entry: &SessionEntry, usage: &Usage) -> String {
    document(Used { session_id: &entry.session_id, usage })
}

/// The prompts before which a session can be rewound, for people.
pub(crate) fn points_text(points: &[RewindPoint]) -> String {
    if points.is_empty() {
        return "no prompt can be undone\n".to_owned();
    }
    points.iter().map(|point| point_line(point) + "\n").collect()
}

fn point_line(point: &RewindPoint) -> String {
    let prompt: String = point.prompt.lines().next().unwrap_or_default().chars().take(60).collect();
    let files = if point.can_restore_files {
        format!("{} files, +{} -{}", point.file_count, point.lines_added, point.lines_removed)
    } else {
        "without files".to_owned()
    };
    sanitised(&format!("{}  {}  {files}  {prompt}", point.id, point.timestamp))
}

/// The prompts before which a session can be rewound, in `undo --list`.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "undoPoints", rename_all = "camelCase")]
struct UndoPoints<'a> {
    session_id: &'a str,
    points: &'a [RewindPoint],
}

/// The prompts before which a session can be rewound, for programs.
pub(crate) fn points_document(entry: &SessionEntry, points: &[RewindPoint]) -> String {
    document(UndoPoints { session_id: &entry.session_id, points })
}

/// What rewinding would change, for people.
pub(crate) fn preview_lines(point: &RewindPoint, files: &[Restored], keep_files: bool) -> Vec<Line> {
    let mut lines = vec![
        Line::new(Tone::Attention, "taken back, with all that came after it:"),
        Line::new(Tone::Plain, format!("  {}", point_line(point))),
    ];
    for file in files {
        let what = match file.change_type.as_str() {
            "created" => "removed again",
            "deleted" => "brought back",
            _ => "as it was before",
        };
        let text = format!("  {}: {what} (+{} -{})", file.path, file.lines_added, file.lines_removed);
        lines.push(Line::new(Tone::Plain, sanitised(&text)));
    }
    if keep_files || !point.can_restore_files {
        lines.push(Line::new(Tone::Plain, "  the files stay as they are"));
    }
    lines
}

/// What rewinding did, for people.
pub(crate) fn undone_lines(done: &Rewound) -> Vec<Line> {
    let mut lines = vec![Line::new(Tone::Good, format!("undone: {} files are as they were", done.restored.len()))];
    let left = |file: &String| Line::new(Tone::Attention, format!("left as it is: {}", sanitised(file)));
    lines.extend(done.skipped.iter().map(left));
    lines
}

/// What `undo` did.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "undone", rename_all = "camelCase")]
struct Undone<'a> {
    session_id: &'a str,
    id: &'a str,
    #[serde(flatten)]
    done: &'a Rewound,
}

/// What rewinding did, for programs.
pub(crate) fn undone_document(entry: &SessionEntry, point: &RewindPoint, done: &Rewound) -> String {
    document(Undone { session_id: &entry.session_id, id: &point.id, done })
}

/// The schemas of the documents that are made here.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
    vec![
        line_schema::<Waiting<'_>>(generator),
        line_schema::<AnswerTaken<'_>>(generator),
        line_schema::<Interrupted<'_>>(generator),
        line_schema::<Diff<'_>>(generator),
        line_schema::<Used<'_>>(generator),
        line_schema::<UndoPoints<'_>>(generator),
        line_schema::<Undone<'_>>(generator),
    ]
}
