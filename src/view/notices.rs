//! What a person is told about a session in several places.

use super::link::{self, QrOptions};
use crate::context::Context;
use crate::model::Remote;
use crate::output::{self, Update};
use crate::registry::{Registry, SessionEntry, target};
use crate::report::Report;
use crate::sdk;
use crate::text::line::{Line, Tone};

/// The session that `wanted` names; without it the only one of the current repository, or else of the machine. What is strange about the
/// rest is said.
pub(crate) async fn target(context: &mut Context<'_>, registry: &Registry, wanted: Option<&str>) -> anyhow::Result<SessionEntry> {
    let (chosen, notes) = target::session(registry, &context.directory, wanted).await?;
    say_notes(context, &notes);
    Ok(chosen?)
}

/// Says what was strange about the rest.
pub(crate) fn say_notes(context: &mut Context<'_>, notes: &[String]) {
    for note in notes {
        context.terminal.say(&Line::new(Tone::Dim, format!("note: {note}")));
    }
}

/// The session goes on as it was.
pub(crate) fn say_refusal(context: &mut Context<'_>, remote: Remote, error: &anyhow::Error) -> std::io::Result<()> {
    let report = Report::from(error);
    context.tell(&Update::Caution(format!("remote is {} still: {}", remote.word(), report.message)))?;
    for hint in report.hints {
        context.terminal.say(&Line::new(Tone::Plain, format!("hint: {hint}")));
    }
    Ok(())
}

/// Says where a session in the background does not outlive the login, and what helps.
pub(crate) fn caution(context: &mut Context<'_>, killed_at_logout: bool) {
    if killed_at_logout {
        let text = "warning: the session ends when you log out (KillUserProcesses=yes in logind.conf)";
        context.terminal.say(&Line::new(Tone::Attention, text));
        let hint = "hint: to keep it, start it like this: systemd-run --user --scope copilot-remote start --detach";
        context.terminal.say(&Line::new(Tone::Plain, hint));
    }
}

/// The contract: one line on stdout, the link or (not shared) the session's id; with `--json` the `ready` object. The rest is talk, in
/// an order in which the code comes last: what is printed below it would push it off a small terminal.
pub(crate) fn show(context: &mut Context<'_>, entry: &SessionEntry, qr: &QrOptions) -> anyhow::Result<()> {
    if let Some(url) = entry.link() {
        sdk::check_link(url, &entry.login.host)?;
    }
    context.say_update(&Update::Ready(entry))?;
    if !context.json {
        context.terminal.data(entry.link().unwrap_or(&entry.session_id))?;
    }
    let mut rows = 0;
    if let Some(url) = entry.link() {
        rows += context.terminal.rows_of(url);
        if context.terminal.is_interactive() && (context.json || !context.terminal.shows_stdout()) {
            context.terminal.say(&Line::new(Tone::Plain, url));
        }
    }
    for line in output::account_lines(entry) {
        rows += context.terminal.rows_of(&line.text);
        context.terminal.say(&line);
    }
    if let Some(url) = entry.link() {
        link::draw(context, url, qr, rows);
    }
    Ok(())
}
