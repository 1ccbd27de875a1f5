//! Answering from a terminal: what waits for a person, and the keys that say yes, no, or which. Used by every live view.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::line::{Line, Tone};
use crate::output::Update;
use crate::sdk::{Answer, Event, Request, RequestKind, SdkError};

/// A key that was pressed before one could have read what it answers does not count.
const READ: Duration = Duration::from_millis(500);
/// An answer to a task in the cloud goes over GitHub to its worker.
const DEADLINE: Duration = Duration::from_secs(30);

/// What waits for an answer; the one that came first is answered first.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    requests: VecDeque<Request>,
    /// Since when the first is to be seen.
    since: Option<Instant>,
}

/// What a key is to the request that waits.
pub(crate) enum Press {
    /// It answers it.
    Answer(Request, Answer),
    /// It would, had there been time to read.
    TooEarly,
    /// It is for something else.
    Other,
}

impl Asked {
    /// Follows what happens.
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Waiting(request) => self.add(request.clone()),
            Event::Answered { id, .. } => self.remove(id),
            Event::Idle | Event::Aborted { .. } | Event::Ended => self.clear(),
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, request: Request) {
        self.requests.push_back(request);
        if self.requests.len() == 1 {
            self.since = Some(Instant::now());
        }
    }

    /// It was answered, here or elsewhere.
    pub(crate) fn remove(&mut self, id: &str) {
        let first = self.requests.front().is_some_and(|request| request.id == id);
        self.requests.retain(|request| request.id != id);
        if first {
            self.since = Some(Instant::now());
        }
    }

    /// Nothing waits any more.
    pub(crate) fn clear(&mut self) {
        self.requests.clear();
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter()
    }

    /// What a key says to the first request.
    pub(crate) fn press(&self, key: char) -> Press {
        let Some(request) = self.requests.front() else { return Press::Other };
        let choice = || {
            let index = usize::try_from(key.to_digit(10)?).ok()?.checked_sub(1)?;
            request.choices.get(index).cloned().map(Answer::Choice)
        };
        let answer = match (request.kind, key) {
            (RequestKind::Permission | RequestKind::Plan, 'a') => Some(Answer::Yes),
            (RequestKind::Permission | RequestKind::Plan, 'd') => Some(Answer::No),
            (RequestKind::Permission, 's') if request.for_session => Some(Answer::ForSession),
            (RequestKind::Question | RequestKind::Plan, _) => choice(),
            (RequestKind::Permission | RequestKind::Form, _) => None,
        };
        match answer {
            None => Press::Other,
            Some(_) if self.since.is_none_or(|since| since.elapsed() < READ) => Press::TooEarly,
            Some(answer) => Press::Answer(request.clone(), answer),
        }
    }

    /// The keys that answer the first request, for the last line.
    pub(crate) fn keys(&self) -> Option<&'static str> {
        self.requests.front().and_then(|request| match request.kind {
            RequestKind::Permission if request.for_session => Some("a allow, s session, d deny"),
            RequestKind::Permission => Some("a allow, d deny"),
            RequestKind::Plan => Some("a approve, d reject"),
            RequestKind::Question if !request.choices.is_empty() => Some("1-9 choose"),
            RequestKind::Question | RequestKind::Form => None,
        })
    }
}

/// Says which keys answer a request.
pub(crate) fn say_how(context: &mut Context<'_>, request: &Request) {
    let how = match request.kind {
        RequestKind::Permission if request.for_session => "a allows it once, s for this session, d denies it",
        RequestKind::Permission => "a allows it once, d denies it",
        RequestKind::Plan if request.choices.len() > 1 => "a approves it, or a number says what comes then, d rejects it",
        RequestKind::Plan => "a approves it, d rejects it",
        RequestKind::Question if !request.choices.is_empty() => "the number of a choice",
        RequestKind::Question | RequestKind::Form => return,
    };
    context.terminal.say(&Line::new(Tone::Plain, format!("        or here: {how}")));
}

/// An answer on its way, at most one.
#[derive(Debug, Default)]
pub(crate) struct Answering(Option<JoinHandle<Result<bool, SdkError>>>);

impl Answering {
    /// Sends an answer, unless one is on its way.
    pub(crate) fn send(
        &mut self,
        asked: &mut Asked,
        request: &Request,
        answer: impl Future<Output = Result<bool, SdkError>> + Send + 'static,
    ) {
        if self.0.is_some() {
            return;
        }
        // It is answered, here: that it arrived is told later, and a second press is for the next one.
        asked.remove(&request.id);
        let late = |_| Err(SdkError::Deadline { step: "answering", limit: DEADLINE });
        self.0 = Some(tokio::spawn(async move { timeout(DEADLINE, answer).await.unwrap_or_else(late) }));
    }

    /// Waits until it has arrived, for ever without one. Cancel-safe.
    pub(crate) async fn settled(&mut self) -> Result<bool, SdkError> {
        let Some(task) = &mut self.0 else { return pending().await };
        let done = task.await;
        self.0 = None;
        match done {
            Ok(answered) => answered,
            // It panicked, which the panic's own message tells.
            Err(_) => pending().await,
        }
    }
}

/// Says what became of an answer, where that is not what one would think.
pub(crate) fn say_settled(context: &mut Context<'_>, settled: Result<bool, SdkError>) -> std::io::Result<()> {
    match settled {
        Ok(true) => Ok(()),
        Ok(false) => {
            context.terminal.say(&Line::new(Tone::Dim, "somebody else answered it first"));
            Ok(())
        }
        Err(error) => context.tell(&Update::Caution(format!("the answer did not arrive: {error}"))),
    }
}
