//! A task that is launched, watched: until the agent is done, or in the live view until somebody leaves. Leaving says so and sends nothing.

use crate::cloud::Ready;
use crate::cloud::launch::Live;
use crate::context::Context;
use crate::error::{Exit, TaskEnded, TaskNeedsInput, TurnFailed};
use crate::output::{self, Update};
use crate::sdk::{Event, Progress};
use crate::text::line::{Line, Tone};
use crate::view::dialogue::{Act, Dialogue, Heard};
use crate::view::link::{self, QrOptions};

/// How far the agent is with what it was told, from the events.
#[derive(Debug, Default)]
struct Course {
    /// It has something to do, or had.
    began: bool,
    trouble: Option<String>,
}

/// The agent is done, in one way or another.
enum Finish {
    Done,
    Failed(String),
    Input(String),
    Ended,
}

impl Course {
    fn see(&mut self, event: &Event) -> Option<Finish> {
        match event {
            // What the runtime tells of our own prompt has no id (docs/copilot-cli.md, cloud-prompt): the worker
            // may still be idle from its start.
            Event::Prompt { id, .. } if id.is_empty() => {}
            Event::Prompt { .. } | Event::Working => {
                self.began = true;
                self.trouble = None;
            }
            Event::Failed { message } => self.trouble = Some(message.clone()),
            Event::Aborted { .. } => self.trouble = Some("it was broken off".to_owned()),
            Event::Waiting(request) => return Some(Finish::Input(format!(": {}", request.what))),
            Event::Completed { success: true, .. } => return Some(Finish::Done),
            Event::Completed { success: false, summary } => return Some(Finish::Failed(summary.clone())),
            Event::Idle if self.began => return Some(self.trouble.take().map_or(Finish::Done, Finish::Failed)),
            Event::Ended => return Some(Finish::Ended),
            _ => {}
        }
        None
    }
}

impl Finish {
    fn result(self) -> anyhow::Result<Exit> {
        match self {
            Finish::Done => Ok(Exit::Done),
            Finish::Failed(message) => Err(TurnFailed { message }.into()),
            Finish::Input(what) => Err(TaskNeedsInput { what }.into()),
            Finish::Ended => Err(TaskEnded.into()),
        }
    }
}

impl Live {
    /// Waits until the agent is done: what it says of that, or said last, and the exit code.
    pub(crate) async fn finish(&mut self) -> (Option<Event>, anyhow::Result<Exit>) {
        let mut course = Course::default();
        let mut said = None;
        loop {
            let event = match self.next().await {
                Ok(event) => event,
                Err(error) => return (said, Err(error.into())),
            };
            let finish = course.see(&event);
            if matches!(event, Event::Completed { .. } | Event::Said { .. }) {
                said = Some(event);
            }
            if let Some(finish) = finish {
                return (said, finish.result());
            }
        }
    }
}

/// The live view of a task until it has ended: what its worker tells, and keys.
pub(crate) async fn follow(context: &mut Context<'_>, live: &mut Live, ready: &Ready, qr: &QrOptions) -> anyhow::Result<Exit> {
    let keys = context.terminal.open_keyboard()?;
    let followed = watch(context, live, ready, qr, keys).await;
    context.terminal.close_keyboard();
    context.terminal.status(None);
    followed
}

async fn watch(context: &mut Context<'_>, live: &mut Live, ready: &Ready, qr: &QrOptions, keys: bool) -> anyhow::Result<Exit> {
    let mut progress = Progress::default();
    let mut dialogue = Dialogue::default();
    // The worker repeats the prompt that the runtime told of when it was accepted (docs/copilot-cli.md, cloud-prompt).
    let mut own = live.message.clone();
    let mut repeated = None;
    if !keys {
        context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C leaves; the task goes on"));
    }
    loop {
        if !context.terminal.is_stalled() {
            let status = output::cloud::status_line(progress.activity(), keys, dialogue.keys(), context.terminal.size().0);
            context.terminal.status(Some(status));
        }
        tokio::select! {
            event = live.next() => {
                let event = event?;
                if let Event::Prompt { text, .. } = &event {
                    if repeated.as_ref() == Some(text) {
                        repeated = None;
                        continue;
                    }
                    repeated = own.take_if(|own| own == text);
                }
                progress.see(&event);
                dialogue.see(&event);
                context.tell(&Update::Event(&event))?;
                dialogue.call(context);
                if keys {
                    let shown = if let Event::Waiting(request) = &event { Some(request.as_ref()) } else { None };
                    dialogue.keep_up(context, shown);
                }
                if event == Event::Ended {
                    context.say_update(&Update::Ended(output::Ending::Elsewhere))?;
                    return Ok(Exit::Done);
                }
            }
            signal = context.shutdown.next() => if !dialogue.interrupted(context, signal) {
                return Ok(Exit::Signal(signal));
            },
            input = context.terminal.input() => match dialogue.hear(context, input) {
                Heard::Nothing => {}
                Heard::Act(act) => {
                    if let Act::Prompt(text) = &act {
                        own = Some(text.clone());
                    }
                    let (session, doing) = (live.session.clone(), act.clone());
                    dialogue.begin(context, act, async move { doing.perform(&session).await });
                }
                Heard::Key('d' | 'l') => {
                    let signal = dialogue.finish(context).await?;
                    return Ok(signal.map_or(Exit::Done, Exit::Signal));
                }
                Heard::Key('?') => output::cloud::help_lines().iter().for_each(|line| context.terminal.say(line)),
                Heard::Key('x') => {
                    context.terminal.say(&Line::new(Tone::Dim, "a task ends in Mission Control, not here; d leaves"));
                }
                Heard::Key(key) => link::key(context, &ready.link.url, ready.demo, qr, key),
            },
            settled = dialogue.settled() => dialogue.say_settled(context, settled)?,
        }
    }
}
