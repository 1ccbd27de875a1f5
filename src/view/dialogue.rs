//! The person at the terminal: answers to what waits, and prompts, by keys and by lines that are typed. Used by every live view.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::os::signals::Signal;
use crate::output::{self, Update};
use crate::sdk::{Answer, Answered, Event, Prompt, Request, RequestKind, SdkError, Session};
use crate::terminal::Input;
use crate::text::line::{Line, Tone};

/// A key that was pressed before one could have read what it answers does not count.
const READ: Duration = Duration::from_millis(500);
/// So long without a key, and whoever typed into a line that was taken back has seen that.
const STOP_TYPING: Duration = Duration::from_secs(1);
/// An answer to a task in the cloud goes over GitHub to its worker.
const DEADLINE: Duration = Duration::from_secs(30);
/// So many lines can be had again.
const EARLIER: usize = 100;

/// What a person does to the session.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Answer(Box<Request>, Answer),
    Prompt(String),
}

impl Act {
    /// Does it.
    pub(crate) async fn perform(&self, session: &Session) -> Result<Answered, SdkError> {
        match self {
            Act::Answer(request, answer) => session.answer(request, answer).await,
            Act::Prompt(text) => session.send(&Prompt::from(text.as_str())).await.map(|_| Answered::Taken),
        }
    }
}

/// What a person's input came to.
pub(crate) enum Heard {
    /// This is to be done.
    Act(Act),
    /// A key that means nothing here.
    Key(char),
    Nothing,
}

/// What the line that is typed is for.
#[derive(Debug)]
enum Typing {
    Prompt,
    Answer(Request),
    /// Why something is denied, or what a plan is to be instead.
    Denial(Request),
}

impl Typing {
    /// The request that it is about.
    fn request(&self) -> Option<&Request> {
        match self {
            Typing::Prompt => None,
            Typing::Answer(request) | Typing::Denial(request) => Some(request),
        }
    }
}

/// What waits for a person, what the person is typing, and what is on its way.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    asked: Asked,
    typing: Option<Typing>,
    under_way: Option<(Act, JoinHandle<Result<Answered, SdkError>>)>,
    /// The prompts of the session, and what was typed here, the last one at the end.
    earlier: Vec<String>,
    /// What a person is to be called for.
    alert: Option<String>,
    /// Whoever typed when a line was taken back goes on for a moment.
    deaf_until: Option<Instant>,
    /// How a line is ended was said.
    explained: bool,
}

/// What waits for an answer; the one that came first is answered first.
#[derive(Debug, Default)]
struct Asked {
    requests: VecDeque<Request>,
    /// When something about them was last to be read.
    changed: Option<Instant>,
    /// The first one is to be shown, with its keys.
    to_show: bool,
    /// The one whose answer is on its way, as long as it waits.
    in_flight: Option<String>,
}

impl Dialogue {
    /// Follows what happens.
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Waiting(request) => self.add(request.as_ref().clone()),
            Event::Answered { id, .. } => self.remove(id),
            Event::Idle => self.idle(),
            Event::Failed { message } => self.failed(message),
            Event::Aborted { .. } | Event::Ended => self.clear(),
            Event::Prompt { text, .. } => self.keep(text),
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, request: Request) {
        self.alert = Some(format!("an answer is needed: {}", request.what));
        self.asked.add(request);
    }

    /// The agent has nothing to do.
    pub(crate) fn idle(&mut self) {
        self.alert = Some("the agent is idle".to_owned());
        self.clear();
    }

    pub(crate) fn failed(&mut self, message: &str) {
        self.alert = Some(format!("a turn failed: {message}"));
    }

    /// What happened so far calls for nobody.
    pub(crate) fn calm(&mut self) {
        self.alert = None;
    }

    /// It was answered, here or elsewhere.
    pub(crate) fn remove(&mut self, id: &str) {
        self.asked.remove(id);
    }

    /// Whether this waits for an answer.
    pub(crate) fn waits(&self, id: &str) -> bool {
        self.asked.requests.iter().any(|request| request.id == id)
    }

    /// Nothing waits any more.
    pub(crate) fn clear(&mut self) {
        self.asked.clear();
    }

    /// A line that can be had again.
    pub(crate) fn keep(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.earlier.retain(|earlier| earlier != text);
            self.earlier.push(text.to_owned());
            let too_many = self.earlier.len().saturating_sub(EARLIER);
            self.earlier.drain(..too_many);
        }
    }

    /// The keys that answer the first request, for the last line.
    pub(crate) fn keys(&self) -> Option<&'static str> {
        self.asked.requests.front().map(|request| match request.kind {
            RequestKind::Permission if request.for_session => "a allow, s session, d deny",
            RequestKind::Permission => "a allow, d deny",
            RequestKind::Plan => "a approve, d reject",
            RequestKind::Question if request.choices.is_empty() => "Enter answers",
            RequestKind::Question if takes_a_line(request) => "1-9 or Enter",
            RequestKind::Question => "1-9 choose",
            RequestKind::Form if request.fields.is_empty() => "a accept, d decline",
            RequestKind::Form => "Enter fills in, d declines",
            RequestKind::ModelSwitch => "a switch, s always, d stay",
            RequestKind::Limit => "a lift it, d cancel",
            RequestKind::SignIn => "a link, d dismiss",
            RequestKind::Tool | RequestKind::Sampling | RequestKind::Unknown => "d refuse",
        })
    }

    /// What a person's input means.
    pub(crate) fn hear(&mut self, context: &mut Context<'_>, input: Input) -> Heard {
        match input {
            Input::Key(_) if self.deaf_until.is_some_and(|until| Instant::now() < until) => {
                self.deaf_until = Some(Instant::now() + STOP_TYPING);
                Heard::Nothing
            }
            Input::Key(key) => self.key(context, key),
            Input::Line(text) => self.line(context, &text),
            Input::Dropped(text) => {
                self.end_line(&text);
                Heard::Nothing
            }
            Input::Redraw => Heard::Nothing,
        }
    }

    fn key(&mut self, context: &mut Context<'_>, key: char) -> Heard {
        let typing = match (self.asked.press(key), self.asked.requests.front()) {
            (Press::Answer(request, answer), _) => return Heard::Act(Act::Answer(request, answer)),
            (Press::TooEarly, _) => return Heard::Nothing,
            (Press::Type, Some(request)) if key == 'D' => Typing::Denial(request.clone()),
            (Press::Type, Some(request)) => Typing::Answer(request.clone()),
            _ if matches!(key, 'p' | '\n') => Typing::Prompt,
            _ => return Heard::Key(key),
        };
        if !std::mem::replace(&mut self.explained, true) {
            let how = "Enter sends what you type, Esc drops it, Up brings back earlier lines";
            context.terminal.say(&Line::new(Tone::Dim, how));
        }
        let label = match &typing {
            Typing::Prompt => "prompt",
            Typing::Answer(_) => "answer",
            Typing::Denial(request) if request.kind == RequestKind::Plan => "change",
            Typing::Denial(_) => "why not",
        };
        context.terminal.type_line(label, &self.earlier);
        self.typing = Some(typing);
        Heard::Nothing
    }

    /// What the line that was typed comes to.
    fn line(&mut self, context: &mut Context<'_>, text: &str) -> Heard {
        let Some(typing) = self.end_line(text) else { return Heard::Nothing };
        let text = text.trim().to_owned();
        if text.is_empty() {
            context.terminal.say(&Line::new(Tone::Dim, "nothing was typed, so nothing is sent"));
            return Heard::Nothing;
        }
        match typing {
            Typing::Prompt => Heard::Act(Act::Prompt(text)),
            Typing::Denial(request) => Heard::Act(Act::Answer(Box::new(request), Answer::NoBecause(text))),
            Typing::Answer(request) => {
                let number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let number = number.filter(|_| request.kind == RequestKind::Question);
                if let Some(choice) = number.and_then(|index| request.choices.get(index)).cloned() {
                    return Heard::Act(Act::Answer(Box::new(request), Answer::Choice(choice)));
                }
                if request.kind == RequestKind::Question && !request.freeform {
                    let text = format!("it takes a number from 1 to {}, and no other answer", request.choices.len());
                    context.terminal.say(&Line::new(Tone::Attention, text));
                    return Heard::Nothing;
                }
                let answer = Answer::Words(text);
                if let Some(why) = request.refuses(&answer) {
                    context.terminal.say(&Line::new(Tone::Attention, format!("{why}; what you typed is kept: Enter, then Up")));
                    return Heard::Nothing;
                }
                Heard::Act(Act::Answer(Box::new(request), answer))
            }
        }
    }

    /// Nothing is typed any more; keys that were pressed meanwhile answer nothing.
    fn end_line(&mut self, text: &str) -> Option<Typing> {
        self.keep(text);
        self.asked.changed = Some(Instant::now());
        self.typing.take()
    }

    /// Ctrl-C: drops the line that is being typed. Whether it did; elsewhere the signal means what it always does.
    pub(crate) fn interrupted(&mut self, context: &mut Context<'_>, signal: Signal) -> bool {
        if signal != Signal::Interrupt {
            return false;
        }
        let line = context.terminal.take_line();
        if let Some(text) = &line {
            self.end_line(text);
            context.terminal.say(&Line::new(Tone::Dim, "dropped what was typed; Ctrl-C once more is for the session"));
        }
        line.is_some()
    }

    /// Calls for the person, where something is to be done.
    pub(crate) fn call(&mut self, context: &Context<'_>) {
        if let Some(alert) = self.alert.take() {
            context.terminal.ring(&alert);
        }
    }

    /// Takes back a line whose request waits no longer, and says which keys answer the one that is the first now. `shown`: the one that
    /// was just told in full; another is told again.
    pub(crate) fn keep_up(&mut self, context: &mut Context<'_>, shown: Option<&Request>) {
        let about = self.typing.as_ref().and_then(Typing::request);
        if about.is_some_and(|about| self.asked.requests.iter().all(|request| request.id != about.id))
            && let Some(text) = context.terminal.take_line()
        {
            self.end_line(&text);
            self.deaf_until = Some(Instant::now() + STOP_TYPING);
            let kept = if text.trim().is_empty() { "" } else { "; what you typed is kept: p, then Up" };
            context.terminal.say(&Line::new(Tone::Attention, format!("it waits for no answer any more{kept}")));
        }
        if !std::mem::take(&mut self.asked.to_show) {
            if shown.is_some() && self.asked.requests.len() > 1 {
                context.terminal.say(&Line::new(Tone::Dim, "        it can be answered here after the one before it"));
            }
            return;
        }
        let Some(request) = self.asked.requests.front() else { return };
        if shown.is_none_or(|shown| shown.id != request.id) {
            let at = jiff::Zoned::now().strftime("%H:%M").to_string();
            for line in output::stamped(output::request_lines(request), &at) {
                context.terminal.say(&line);
            }
        }
        let how = match request.kind {
            RequestKind::Permission if request.for_session => {
                "a allows it once, s for this session, d denies it, D denies it and says why"
            }
            RequestKind::Permission => "a allows it once, d denies it, D denies it and says why",
            RequestKind::Plan if request.choices.len() > 1 => {
                "a approves it, or a number says what comes then; d rejects it, D says what to change"
            }
            RequestKind::Plan => "a approves it, d rejects it, D says what to change",
            RequestKind::Question if request.choices.is_empty() => "Enter, and your answer",
            RequestKind::Question if request.freeform => "the number of a choice, or Enter and your own answer",
            RequestKind::Question if takes_a_line(request) => "the number of a choice, above 9 after Enter",
            RequestKind::Question => "the number of a choice",
            RequestKind::Form if request.fields.is_empty() => "a once it is done, d declines it",
            RequestKind::Form if request.fields.len() == 1 => "Enter, and the answer; d declines it",
            RequestKind::Form => "Enter, and NAME=VALUE; NAME=VALUE …; d declines it",
            RequestKind::ModelSwitch => "a goes on with another model, s does so from now on, d stays with this one",
            RequestKind::Limit => "a lifts the limit, Enter and a number adds as many credits, d cancels the request",
            RequestKind::SignIn => "a shows the link to open in this machine's browser, d dismisses it",
            RequestKind::Tool | RequestKind::Sampling | RequestKind::Unknown => "d refuses it; it can be answered elsewhere",
        };
        context.terminal.say(&Line::new(Tone::Plain, format!("        or here: {how}")));
    }

    /// Starts to do something, unless something is on its way.
    pub(crate) fn begin(
        &mut self,
        context: &mut Context<'_>,
        act: Act,
        work: impl Future<Output = Result<Answered, SdkError>> + Send + 'static,
    ) {
        if self.under_way.is_some() {
            let kept = if let Act::Prompt(_) = act { "; this one is kept: p, then Up" } else { "" };
            context.terminal.say(&Line::new(Tone::Dim, format!("what was sent before is on its way still{kept}")));
            return;
        }
        if let Act::Answer(request, _) = &act {
            // It is answered, here: that it arrived is told later, and a second press is for the next one.
            self.asked.remove(&request.id);
            self.asked.in_flight = Some(request.id.clone());
        }
        let late = |_| Err(SdkError::Deadline { step: "sending it", limit: DEADLINE });
        self.under_way = Some((act, tokio::spawn(async move { timeout(DEADLINE, work).await.unwrap_or_else(late) })));
        self.keep_up(context, None);
    }

    /// Waits until what is on its way has arrived, for ever without anything. Cancel-safe.
    pub(crate) async fn settled(&mut self) -> (Act, Result<Answered, SdkError>) {
        let Some((_, task)) = &mut self.under_way else { return pending().await };
        let done = task.await;
        match (self.under_way.take(), done) {
            (Some((act, _)), Ok(settled)) => (act, settled),
            // It panicked, which the panic's own message tells.
            _ => pending().await,
        }
    }

    /// Before one leaves: what is on its way is to arrive. A signal that came meanwhile.
    pub(crate) async fn finish(&mut self, context: &mut Context<'_>) -> std::io::Result<Option<Signal>> {
        if self.under_way.is_none() {
            return Ok(None);
        }
        tokio::select! {
            settled = self.settled() => self.say_settled(context, settled).map(|()| None),
            signal = context.shutdown.next() => Ok(Some(signal)),
        }
    }

    /// Says what became of something, where that is not what one would think. An answer that did not arrive can be given again.
    pub(crate) fn say_settled(
        &mut self,
        context: &mut Context<'_>,
        (act, settled): (Act, Result<Answered, SdkError>),
    ) -> std::io::Result<()> {
        match (act, settled) {
            // An agent that works takes it later.
            (Act::Prompt(_), Ok(_)) => context.terminal.say(&Line::new(Tone::Dim, "prompt sent")),
            (Act::Answer(..), Ok(Answered::Taken)) => {}
            (Act::Answer(..), Ok(Answered::TooLate)) => {
                context.terminal.say(&Line::new(Tone::Dim, "somebody else answered it first"));
            }
            (Act::Answer(..), Ok(Answered::Open(url))) => {
                for line in output::sign_in_lines(&url) {
                    context.terminal.say(&line);
                }
            }
            (Act::Prompt(text), Err(error)) => {
                self.keep(&text);
                let text = format!("the prompt was not sent: {error}; it is kept: p, then Up");
                context.tell(&Update::Caution(text))?;
            }
            (Act::Answer(request, _), Err(error)) => {
                context.tell(&Update::Caution(format!("the answer did not arrive: {error}")))?;
                self.asked.put_back(*request);
                self.keep_up(context, None);
            }
        }
        Ok(())
    }
}

/// There is more to answer than a key can say.
fn takes_a_line(request: &Request) -> bool {
    request.freeform || request.choices.len() > 9
}

/// What a key is to the request that waits.
enum Press {
    /// It answers it.
    Answer(Box<Request>, Answer),
    /// Words are to follow.
    Type,
    /// It would, had there been time to read; or what it would have answered is just gone.
    TooEarly,
    /// It is for something else.
    Other,
}

impl Asked {
    fn add(&mut self, request: Request) {
        // The session waits for some, and those come first.
        let place = if request.kind.holds_up() {
            self.requests.iter().position(|other| !other.kind.holds_up()).unwrap_or(self.requests.len())
        } else {
            self.requests.len()
        };
        self.requests.insert(place, request);
        self.to_show |= place == 0;
        self.changed = Some(Instant::now());
    }

    fn remove(&mut self, id: &str) {
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

    /// What held up the turn does so no longer.
    fn clear(&mut self) {
        if !self.requests.is_empty() {
            self.changed = Some(Instant::now());
        }
        self.requests.retain(|request| !request.kind.holds_up());
        self.in_flight = None;
    }

    /// What a key says to the first request.
    fn press(&self, key: char) -> Press {
        let early = self.changed.is_some_and(|changed| changed.elapsed() < READ);
        let Some(request) = self.requests.front() else {
            let answers = matches!(key, 'a' | 's' | 'd' | 'D' | '1'..='9');
            return if early && answers { Press::TooEarly } else { Press::Other };
        };
        let choice = || {
            let index = usize::try_from(key.to_digit(10)?).ok()?.checked_sub(1)?;
            let choice = request.choices.get(index)?.clone();
            Some(Press::Answer(Box::new(request.clone()), Answer::Choice(choice)))
        };
        let answer = |answer| Some(Press::Answer(Box::new(request.clone()), answer));
        let press = match (request.kind, key) {
            (RequestKind::Question, '\n') if takes_a_line(request) => Some(Press::Type),
            (RequestKind::Form | RequestKind::Limit, '\n') if request.freeform => Some(Press::Type),
            (RequestKind::Question, _) => choice(),
            (RequestKind::Permission | RequestKind::Plan, 'D') => Some(Press::Type),
            (RequestKind::Permission, 's') if request.for_session => answer(Answer::ForSession),
            (RequestKind::ModelSwitch, 's') => answer(Answer::ForSession),
            (_, 'a') if request.refuses(&Answer::Yes).is_none() => answer(Answer::Yes),
            (_, 'd') => answer(Answer::No),
            (RequestKind::Plan | RequestKind::ModelSwitch | RequestKind::Limit, _) => choice(),
            _ => None,
        };
        match press {
            None => Press::Other,
            Some(_) if early => Press::TooEarly,
            Some(press) => press,
        }
    }
}
