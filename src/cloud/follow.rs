//! A task that is launched, watched: until the agent is done, or in the live view until somebody leaves. Leaving says so and sends nothing.

use super::Ready;
use super::launch::Live;
use crate::context::Context;
use crate::error::{Exit, TaskEnded, TaskNeedsInput, TurnFailed};
use crate::host::Progress;
use crate::host::answers::{self, Answering, Asked, Press};
use crate::line::{Line, Tone};
use crate::link::{self, QrOptions};
use crate::output::{self, Update};
use crate::sdk::Event;
use crate::terminal::Input;

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
            // What the runtime tells of our own prompt has no id (measured): the worker may still be idle from its start.
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
    let mut asked = Asked::default();
    let mut answering = Answering::default();
    // The worker repeats the prompt that the runtime told of when it was accepted (measured).
    let mut own = live.message.clone();
    let mut repeated = None;
    if !keys {
        context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C leaves; the task goes on"));
    }
    loop {
        if !context.terminal.is_stalled() {
            let status = output::cloud::status_line(progress.activity(), keys, asked.keys(), context.terminal.size().0);
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
                asked.see(&event);
                context.tell(&Update::Event(&event))?;
                if keys {
                    let shown = if let Event::Waiting(request) = &event { Some(request) } else { None };
                    answers::keep_up(context, &mut asked, shown);
                }
                if event == Event::Ended {
                    context.say_update(&Update::Ended(output::Ending::Elsewhere))?;
                    return Ok(Exit::Done);
                }
            }
            signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
            input = context.terminal.input() => if let Input::Key(key) = input {
                match asked.press(key) {
                    Press::Answer(request, answer) => {
                        let (session, about) = (live.session.clone(), request.clone());
                        let answer = async move { session.answer(&about, &answer).await };
                        answering.send(context, &mut asked, request, answer);
                        answers::keep_up(context, &mut asked, None);
                    }
                    Press::TooEarly => {}
                    Press::Other if matches!(key, 'd' | 'l') => {
                        answering.finish(context, &mut asked).await?;
                        return Ok(Exit::Done);
                    }
                    Press::Other if key == '?' => {
                        for line in output::cloud::help_lines() {
                            context.terminal.say(&line);
                        }
                    }
                    Press::Other if key == 'x' => {
                        context.terminal.say(&Line::new(Tone::Dim, "a task ends in Mission Control, not here; d leaves"));
                    }
                    Press::Other => link::key(context, &ready.link.url, ready.demo, qr, key),
                }
            },
            settled = answering.settled() => answers::say_settled(context, &mut asked, settled)?,
        }
    }
}
