//! Answering from a terminal: what waits for a person, and the keys that say yes, no, or which. Used by every live view.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::line::{Line, Tone};
use crate::output::{self, Update};
use crate::sdk::{Answer, Event, Request, RequestKind, SdkError};

/// A key that was pressed before one could have read what it answers does not count.
const READ: Duration = Duration::from_millis(500);
/// An answer to a task in the cloud goes over GitHub to its worker.
const DEADLINE: Duration = Duration::from_secs(30);

/// What waits for an answer; the one that came first is answered first.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    requests: VecDeque<Request>,
    /// When something about them was last to be read.
    changed: Option<Instant>,
    /// The first one is to be shown, with its keys.
    to_show: bool,
    /// The one whose answer is on its way, as long as it waits.
    in_flight: Option<String>,
}

/// What a key is to the request that waits.
pub(crate) enum Press {
    /// It answers it.
    Answer(Request, Answer),
    /// It would, had there been time to read; or what it would have answered is just gone.
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
        self.to_show |= self.requests.len() == 1;
        self.changed = Some(Instant::now());
    }

    /// It was answered, here or elsewhere.
    pub(crate) fn remove(&mut self, id: &str) {
        if self.requests.front().is_some_and(|request| request.id == id) {
            self.changed = Some(Instant::now());
            self.to_show = true;
        }
        self.requests.retain(|request| request.id != id);
        self.in_flight.take_if(|flying| flying == id);
    }

    /// The answer to it did not arrive. Meanwhile somebody else may have given one.
    fn put_back(&mut self, request: Request) {
        if self.in_flight.take().as_ref() != Some(&request.id) {
            return;
        }
        self.requests.push_front(request);
        self.changed = Some(Instant::now());
        self.to_show = true;
    }

    /// Nothing waits any more.
    pub(crate) fn clear(&mut self) {
        if !self.requests.is_empty() {
            self.changed = Some(Instant::now());
        }
        self.requests.clear();
        self.in_flight = None;
    }

    /// What a key says to the first request.
    pub(crate) fn press(&self, key: char) -> Press {
        let early = self.changed.is_some_and(|changed| changed.elapsed() < READ);
        let Some(request) = self.requests.front() else {
            let answers = matches!(key, 'a' | 's' | 'd' | '1'..='9');
            return if early && answers { Press::TooEarly } else { Press::Other };
        };
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
            Some(_) if early => Press::TooEarly,
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

/// Says which keys answer the request that is the first now. `shown`: the one that was just told in full; another is told again.
pub(crate) fn keep_up(context: &mut Context<'_>, asked: &mut Asked, shown: Option<&Request>) {
    if !std::mem::take(&mut asked.to_show) {
        if shown.is_some() && asked.requests.len() > 1 {
            context.terminal.say(&Line::new(Tone::Dim, "        it can be answered here after the one before it"));
        }
        return;
    }
    let Some(request) = asked.requests.front() else { return };
    if shown.is_none_or(|shown| shown.id != request.id) {
        let at = jiff::Zoned::now().strftime("%H:%M").to_string();
        for line in output::stamped(output::request_lines(request), &at) {
            context.terminal.say(&line);
        }
    }
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
pub(crate) struct Answering(Option<(Request, JoinHandle<Result<bool, SdkError>>)>);

impl Answering {
    /// Sends an answer, unless one is on its way.
    pub(crate) fn send(
        &mut self,
        context: &mut Context<'_>,
        asked: &mut Asked,
        request: Request,
        answer: impl Future<Output = Result<bool, SdkError>> + Send + 'static,
    ) {
        if self.0.is_some() {
            context.terminal.say(&Line::new(Tone::Dim, "the answer before is on its way still"));
            return;
        }
        // It is answered, here: that it arrived is told later, and a second press is for the next one.
        asked.remove(&request.id);
        asked.in_flight = Some(request.id.clone());
        let late = |_| Err(SdkError::Deadline { step: "answering", limit: DEADLINE });
        self.0 = Some((request, tokio::spawn(async move { timeout(DEADLINE, answer).await.unwrap_or_else(late) })));
    }

    /// Waits until it has arrived, for ever without one. Cancel-safe.
    pub(crate) async fn settled(&mut self) -> (Request, Result<bool, SdkError>) {
        let Some((_, task)) = &mut self.0 else { return pending().await };
        let done = task.await;
        match (self.0.take(), done) {
            (Some((request, _)), Ok(answered)) => (request, answered),
            // It panicked, which the panic's own message tells.
            _ => pending().await,
        }
    }

    /// Before one leaves: what is on its way is to arrive. A signal does not wait.
    pub(crate) async fn finish(&mut self, context: &mut Context<'_>, asked: &mut Asked) -> std::io::Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        tokio::select! {
            settled = self.settled() => say_settled(context, asked, settled),
            _ = context.shutdown.next() => Ok(()),
        }
    }
}

/// Says what became of an answer, where that is not what one would think. One that did not arrive can be given again.
pub(crate) fn say_settled(
    context: &mut Context<'_>,
    asked: &mut Asked,
    (request, settled): (Request, Result<bool, SdkError>),
) -> std::io::Result<()> {
    match settled {
        Ok(true) => Ok(()),
        Ok(false) => {
            context.terminal.say(&Line::new(Tone::Dim, "somebody else answered it first"));
            Ok(())
        }
        Err(error) => {
            context.tell(&Update::Caution(format!("the answer did not arrive: {error}")))?;
            asked.put_back(request);
            keep_up(context, asked, None);
            Ok(())
        }
    }
}
