//! The user's hooks: which are run when, and how many at once.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::Host;
use crate::context::Context;
use crate::model::{Hook, HookEvent};
use crate::os::env;
use crate::os::hook_command::{self, Job};
use crate::output::{self, Update};
use crate::registry::SessionEntry;
use crate::sdk::Event;
use crate::text::sanitise::sanitised;

/// So many of one event run at once; an agent that asks for a thousand things does not start a thousand processes.
const AT_ONCE: usize = 8;
/// Longer texts are cut, so that a job fits into a pipe; all of it is in `events`.
const TEXT: usize = 4000;
/// An event that is longer is left out.
const EVENT: usize = 24 * 1024;

/// The hooks of a session, and those that run.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    all: Vec<Hook>,
    running: JoinSet<(HookEvent, Option<String>)>,
    /// How many of each event run.
    counts: BTreeMap<HookEvent, usize>,
    /// That there are too many was said.
    warned: bool,
}

impl Hooks {
    pub(super) fn new(all: Vec<Hook>) -> Self {
        Self { all, ..Self::default() }
    }

    /// For the next host.
    pub(super) fn all(&self) -> &[Hook] {
        &self.all
    }

    /// The next one that is done, and what went wrong with it; for ever without any. Cancel-safe.
    pub(super) async fn done(&mut self) -> (HookEvent, Option<String>) {
        loop {
            match self.running.join_next().await {
                Some(Ok(done)) => {
                    self.counts.entry(done.0).and_modify(|count| *count -= 1);
                    return done;
                }
                Some(Err(_)) => {}
                None => return std::future::pending().await,
            }
        }
    }
}

impl Host {
    /// Runs the hooks for what happens in the session.
    pub(super) fn hook_on(&mut self, context: &mut Context<'_>, event: &Event) {
        let update = Some(&Update::Event(event));
        match event {
            Event::Said { text } => self.last_said.clone_from(text),
            Event::Waiting(request) if request.kind.holds_up() => self.hook(context, HookEvent::Input, &request.what, update),
            Event::Failed { message } => self.hook(context, HookEvent::Error, message, update),
            Event::Idle => {
                let said = std::mem::take(&mut self.last_said);
                self.hook(context, HookEvent::Idle, &said, update);
            }
            _ => {}
        }
    }

    /// Runs the hooks for an event. `message`: what a person is to know; `update`: what is told of it otherwise.
    pub(super) fn hook(&mut self, context: &mut Context<'_>, event: HookEvent, message: &str, update: Option<&Update<'_>>) {
        // As it is by this event.
        self.entry.activity = self.progress.activity();
        let commands: Vec<String> =
            self.hooks.all.iter().filter(|hook| hook.event == event).map(|hook| hook.command.clone()).collect();
        for command in commands {
            let running = self.hooks.counts.entry(event).or_default();
            if *running >= AT_ONCE {
                if !std::mem::replace(&mut self.hooks.warned, true) {
                    let text = format!("{AT_ONCE} hooks for {} are running still: others are left out", event.word());
                    let _ = context.tell(&Update::Caution(text));
                }
                return;
            }
            self.hooks.warned = false;
            match hook_command::start(&job(command, event, message, update, &self.entry)) {
                Ok(child) => {
                    *running += 1;
                    self.hooks.running.spawn_blocking(move || (event, hook_command::outcome(child)));
                }
                Err(error) => say_failed(context, event, &error.to_string()),
            }
        }
    }
}

/// Says what went wrong with a hook, here and in the journal: nothing else depends on it.
pub(super) fn say_failed(context: &mut Context<'_>, event: HookEvent, why: &str) {
    // Nobody may be there to read it.
    let _ = context.tell(&Update::Caution(format!("the hook for {} failed: {}", event.word(), why)));
}

fn job(command: String, event: HookEvent, message: &str, update: Option<&Update<'_>>, entry: &SessionEntry) -> Job {
    let message = cut(message);
    let data = update.and_then(output::json_line).filter(|line| line.len() <= EVENT);
    let input = output::hook_document(event.word(), &message, data.as_deref(), entry);
    let variables = [
        (env::HOOK_EVENT, event.word()),
        ("COPILOT_REMOTE_HOOK_SESSION", &entry.session_id),
        ("COPILOT_REMOTE_HOOK_NAME", entry.name.as_deref().or(entry.title.as_deref()).unwrap_or_default()),
        ("COPILOT_REMOTE_HOOK_URL", entry.link().unwrap_or_default()),
        ("COPILOT_REMOTE_HOOK_REPOSITORY", entry.repository.as_deref().unwrap_or_default()),
        ("COPILOT_REMOTE_HOOK_MESSAGE", &message),
    ];
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), cut(&harmless(value)))).collect();
    Job { command, directory: entry.directory.clone(), variables, input }
}

/// A value as a terminal may show it: most hooks print it, or hand it on to what does. The lines stay; stdin has all as it is.
fn harmless(value: &str) -> String {
    value.split('\n').map(sanitised).collect::<Vec<_>>().join("\n")
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn variables_hold_nothing_that_a_terminal_obeys() {
        assert_eq!(
            harmless("one\r\n\x1b]0;x\x07\u{9b}2J\u{202e}\0\u{200b}two"),
            "one\\x0d\n\\x1b]0;x\\x07\\u{9b}2J\\u{202e}\\x00\\u{200b}two"
        );
    }
}
