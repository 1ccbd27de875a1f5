//! A task that is launched, watched: until the agent is done, or in the live view until somebody leaves. Leaving says so and sends nothing.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::Ready;
use super::launch::Live;
use crate::context::Context;
use crate::error::{Exit, TaskEnded, TaskNeedsInput, TurnFailed};
use crate::line::{Line, Tone};
use crate::link::{self, QrOptions};
use crate::output::{self, Update};
use crate::registry::Activity;
use crate::sdk::{Answer, Event, Request, RequestKind, SdkError, Session};
use crate::terminal::Input;

/// A key that was pressed before one could have read what it answers does not count.
const READ: Duration = Duration::from_millis(500);
/// An answer goes over GitHub to the worker.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// What the agent is at, told from the events.
#[derive(Debug, Default)]
struct Course {
    /// It has something to do, or had.
    began: bool,
    working: bool,
    waiting: usize,
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
            Event::Prompt { id, .. } if id.is_empty() => self.working = true,
            Event::Prompt { .. } | Event::Working => {
                self.began = true;
                self.working = true;
                self.trouble = None;
            }
            Event::Failed { message } => self.trouble = Some(message.clone()),
            Event::Aborted { .. } => {
                self.working = false;
                self.trouble = Some("it was broken off".to_owned());
            }
            Event::Waiting(request) => {
                self.waiting += 1;
                return Some(Finish::Input(format!(": {}", request.what)));
            }
            Event::Answered { .. } => self.waiting = self.waiting.saturating_sub(1),
            Event::Completed { success: true, .. } => return Some(Finish::Done),
            Event::Completed { success: false, summary } => return Some(Finish::Failed(summary.clone())),
            Event::Idle => {
                self.working = false;
                self.waiting = 0;
                if self.began {
                    return Some(self.trouble.take().map_or(Finish::Done, Finish::Failed));
                }
            }
            Event::Ended => return Some(Finish::Ended),
            _ => {}
        }
        None
    }

    fn activity(&self) -> Activity {
        match self.waiting {
            0 if self.working => Activity::Working,
            0 => Activity::Idle,
            count => Activity::Input(count),
        }
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

/// The live view of a task: what its worker tells, and keys. `wait`: until the agent is done; otherwise until the task has ended.
pub(crate) async fn follow(
    context: &mut Context<'_>,
    live: &mut Live,
    ready: &Ready,
    qr: &QrOptions,
    wait: bool,
) -> anyhow::Result<Exit> {
    let keys = context.terminal.open_keyboard()?;
    let followed = watch(context, live, ready, qr, wait, keys).await;
    context.terminal.close_keyboard();
    context.terminal.status(None);
    followed
}

async fn watch(
    context: &mut Context<'_>,
    live: &mut Live,
    ready: &Ready,
    qr: &QrOptions,
    wait: bool,
    keys: bool,
) -> anyhow::Result<Exit> {
    let mut course = Course::default();
    let mut asked = Asked::default();
    let mut answering: Option<JoinHandle<Result<bool, SdkError>>> = None;
    // The worker repeats the prompt that the runtime told of when it was accepted (measured).
    let mut own = live.message.clone();
    let mut repeated = None;
    if !keys {
        context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C leaves; the task goes on"));
    }
    loop {
        if !context.terminal.is_stalled() {
            let status = output::cloud::status_line(course.activity(), keys, asked.keys(), context.terminal.size().0);
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
                let finish = course.see(&event);
                asked.see(&event);
                context.tell(&Update::Event(&event))?;
                if keys && let Event::Waiting(request) = &event && let Some(how) = how_to_answer(request) {
                    context.terminal.say(&Line::new(Tone::Plain, format!("        or here: {how}")));
                }
                match finish {
                    Some(Finish::Ended) if !wait => {
                        context.say_update(&Update::Ended(output::Ending::Elsewhere))?;
                        return Ok(Exit::Done);
                    }
                    Some(finish) if wait => return finish.result(),
                    _ => {}
                }
            }
            signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
            input = context.terminal.input() => if let Input::Key(key) = input {
                if let Some((request, answer)) = asked.answer(key) {
                    if answering.is_none() {
                        // Answered once, here: that it arrived comes later.
                        asked.drop_first();
                        answering = Some(tokio::spawn(send_answer(live.session.clone(), request, answer)));
                    }
                } else if key == 'd' && asked.keys().is_none() {
                    return Ok(Exit::Done);
                } else if key == '?' {
                    for line in output::cloud::help_lines() {
                        context.terminal.say(&line);
                    }
                } else if key == 'x' {
                    context.terminal.say(&Line::new(Tone::Dim, "a task ends in Mission Control, not here; d leaves"));
                } else {
                    link::key(context, &ready.link.url, ready.demo, qr, key);
                }
            },
            answered = settled(&mut answering) => match answered {
                Ok(true) => {}
                Ok(false) => context.terminal.say(&Line::new(Tone::Dim, "it was answered elsewhere")),
                Err(error) => context.tell(&Update::Caution(format!("the answer did not arrive: {error}")))?,
            },
        }
    }
}

async fn send_answer(session: Session, request: Request, answer: Answer) -> Result<bool, SdkError> {
    let sent = timeout(ANSWER_DEADLINE, session.answer(&request, &answer)).await;
    sent.unwrap_or(Err(SdkError::Deadline { step: "answering", limit: ANSWER_DEADLINE }))
}

/// Waits for the end of what is being answered, for ever without it. Cancel-safe.
async fn settled(answering: &mut Option<JoinHandle<Result<bool, SdkError>>>) -> Result<bool, SdkError> {
    let Some(task) = answering else { return pending().await };
    let done = task.await;
    *answering = None;
    match done {
        Ok(answered) => answered,
        // It panicked, which the panic's own message tells.
        Err(_) => pending().await,
    }
}

/// What waits for an answer; the first that came is answered first.
#[derive(Debug, Default)]
struct Asked {
    requests: VecDeque<Request>,
    /// Since when the first is to be seen.
    since: Option<Instant>,
}

impl Asked {
    fn see(&mut self, event: &Event) {
        let first = self.requests.front().map(|request| request.id.clone());
        match event {
            Event::Waiting(request) => self.requests.push_back(request.clone()),
            Event::Answered { id, .. } => self.requests.retain(|request| request.id != *id),
            Event::Idle | Event::Aborted { .. } => self.requests.clear(),
            _ => {}
        }
        if self.requests.front().map(|request| &request.id) != first.as_ref() {
            self.since = Some(Instant::now());
        }
    }

    fn drop_first(&mut self) {
        self.requests.pop_front();
        self.since = Some(Instant::now());
    }

    /// What a key says to the first request.
    fn answer(&self, key: char) -> Option<(Request, Answer)> {
        let request = self.requests.front().filter(|_| self.since.is_some_and(|since| since.elapsed() >= READ))?;
        let answer = match (request.kind, key) {
            (RequestKind::Permission | RequestKind::Plan, 'a') => Answer::Yes,
            (RequestKind::Permission | RequestKind::Plan, 'd') => Answer::No,
            (RequestKind::Question, '1'..='9') => {
                let index = usize::try_from(key.to_digit(10)?).ok()?.checked_sub(1)?;
                Answer::Choice(request.choices.get(index)?.clone())
            }
            _ => return None,
        };
        Some((request.clone(), answer))
    }

    /// The keys that answer it, for the last line.
    fn keys(&self) -> Option<&'static str> {
        self.requests.front().and_then(|request| match request.kind {
            RequestKind::Permission => Some("a allow, d deny"),
            RequestKind::Plan => Some("a approve, d reject"),
            RequestKind::Question if !request.choices.is_empty() => Some("1-9 choose"),
            RequestKind::Question | RequestKind::Form => None,
        })
    }
}

/// How a request is answered with a key.
fn how_to_answer(request: &Request) -> Option<&'static str> {
    match request.kind {
        RequestKind::Permission => Some("a allows it once, d denies it"),
        RequestKind::Plan => Some("a approves it, d rejects it"),
        RequestKind::Question if !request.choices.is_empty() => Some("the number of a choice"),
        RequestKind::Question | RequestKind::Form => None,
    }
}
