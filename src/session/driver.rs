//! The live view: what happens in the session, told as it happens, and the keys.

use super::core::{self, Effect, Input, Outcome, Reason};
use super::recovery;
use crate::report::Report;
use crate::runtime::pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

use tokio::time::timeout;

use super::switch::{self, Switched};
use super::{Host, hooks};
use crate::context::{Context, Deadline};
use crate::error::Interrupted;
use crate::model::Remote;
use crate::os::logind;
use crate::os::signals::Signal;
use crate::output::{self, Ending, Leave, Update};
use crate::registry::{Given, SessionEntry};
use crate::sdk::{self, Event, INTERACTIVE, SdkError, Session};
use crate::session::switch::Switch;
use crate::text::line::{Line, Tone};
use crate::view::dialogue::Heard;
use crate::view::keys::{Action, Keys};
use crate::view::link;
use crate::view::notices::{self, say_refusal};

/// The events of a session that has ended are on their way to us, if they are not here.
const LAST_EVENTS: Duration = Duration::from_millis(50);
/// Starting the next host and attaching it takes a tenth of a second; on a busy machine more.
const HAND_OVER: Duration = Duration::from_secs(20);

/// What the live view has to remember.
pub(super) struct View {
    keys: Keys,
    switch: Switch<Switched>,
    /// The link whose code was drawn last.
    drawn: Option<String>,
    /// The session is to go on without this process, as soon as nothing is lost by that.
    leaving: bool,
    /// The switch that is under way is what a person at this terminal asked for; a refusal is told, and is final.
    asked_here: bool,
    /// A refusal of what the host tries by itself was told; it is not told again until something changes.
    refusal_told: bool,
    /// The switch that is under way is to share the session anew: whether it was switched off for that.
    renewing: Option<Arc<AtomicBool>>,
}

impl View {
    /// The code of the link is there already.
    pub(super) fn new(entry: &SessionEntry) -> Self {
        Self {
            keys: Keys::new(Leave::Detach, entry.remote),
            switch: Switch::idle(),
            drawn: entry.link().map(ToOwned::to_owned),
            leaving: false,
            asked_here: false,
            refusal_told: false,
            renewing: None,
        }
    }

    /// Nothing waits for what is being switched.
    pub(super) fn drop_switch(&mut self) {
        self.switch = Switch::idle();
        self.renewing = None;
        self.asked_here = false;
    }

    /// Begins a switch that the rules decided on.
    pub(super) fn begin_switch(&mut self, host: &Host, how: core::Switch) {
        let (registry, session, actual) = (host.registry.clone(), host.session.clone(), host.core.actual());
        match how {
            core::Switch::Off => self.switch.start(async move { switch::off(&registry, &session).await }),
            core::Switch::AsDesired => {
                self.switch.start(async move { switch::as_desired(&registry, &session, actual, None).await });
            }
            core::Switch::Anew => {
                let off = Arc::new(AtomicBool::new(false));
                self.renewing = Some(off.clone());
                self.switch.start(async move { switch::as_desired(&registry, &session, actual, Some(&off)).await });
            }
        }
    }

    /// The terminal went away: nobody presses keys or reads any more, and the session leaves as soon as it can.
    fn lose_terminal(&mut self, context: &mut Context<'_>) {
        context.terminal.close_keyboard();
        context.json = false;
        self.leaving = true;
    }
}

impl Host {
    /// Tells what happens, and obeys keys, until the session ends for whatever reason, or has another host.
    pub(super) async fn watch(
        &mut self,
        context: &mut Context<'_>,
        keys: bool,
        detach_on_hangup: bool,
    ) -> anyhow::Result<Ending> {
        let mut view = View::new(&self.entry);
        let mut ended = Box::pin(ended(self.session.clone()));
        if !keys {
            context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C ends the session"));
        } else if !context.terminal.redraws() {
            context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C ends the session; ? tells the other keys"));
        }
        loop {
            if view.leaving && view.switch.is_idle() && !self.progress.holds_on_to_us() && !context.terminal.is_typed_into() {
                match self.dialogue.finish(context).await? {
                    None | Some(Signal::Hangup) => {}
                    Some(signal) => return Ok(Ending::Signal(signal)),
                }
                match self.hand_over(context, Deadline::new(HAND_OVER)).await {
                    Ok(()) => {
                        // The session is another's by now, also where nobody reads this.
                        let _ = context.say_update(&Update::Detached);
                        notices::caution(context, logind::kills().await);
                        return Ok(Ending::Detached);
                    }
                    Err(error) => {
                        match error.downcast_ref() {
                            // A terminal that goes away may say so twice.
                            Some(Interrupted(Signal::Hangup)) => continue,
                            Some(Interrupted(signal)) => return Ok(Ending::Signal(*signal)),
                            // Asked meanwhile: once it is answered.
                            None if self.progress.holds_on_to_us() => continue,
                            None => view.leaving = false,
                        }
                        context.tell(&Update::Caution(format!("the session stays here: {error:#}")))?;
                    }
                }
            }
            if !context.terminal.is_stalled() {
                let (leave, columns) = (keys.then_some(Leave::Detach), context.terminal.size().0);
                let activity = self.progress.activity();
                let status = output::status_line(&self.entry, activity, leave, self.dialogue.keys(), columns);
                context.terminal.status(Some(status));
            }
            tokio::select! {
                event = super::next(&mut self.early, &mut self.events) => match event {
                    Some(Event::Ended) => return Ok(Ending::Elsewhere),
                    Some(event) => {
                        self.on_event(context, &mut view, &event)?;
                        self.ask(context, &event, keys);
                    }
                    None => {
                        if let Some(ending) = self.mend(context, &mut view, detach_on_hangup).await? {
                            return Ok(ending);
                        }
                        ended.set(self::ended(self.session.clone()));
                    }
                },
                () = &mut ended => {
                    // What happened before that is told first.
                    while let Ok(Some(event)) = timeout(LAST_EVENTS, self.next_event()).await {
                        self.on_event(context, &mut view, &event)?;
                    }
                    return Ok(Ending::Elsewhere);
                }
                signal = context.shutdown.next() => {
                    if self.dialogue.interrupted(context, signal) {
                        continue;
                    }
                    if signal != Signal::Hangup || !(detach_on_hangup || view.leaving) {
                        return Ok(Ending::Signal(signal));
                    }
                    view.lose_terminal(context);
                }
                input = context.terminal.input() => match self.dialogue.hear(context, input) {
                    Heard::Act(act) => {
                        let (session, doing) = (self.session.clone(), act.clone());
                        self.dialogue.begin(context, act, async move { doing.perform(&session).await });
                    }
                    Heard::Key(key) => if let Some(ending) = self.on_key(context, &mut view, key) {
                        return Ok(ending);
                    },
                    Heard::Nothing => {}
                },
                settled = self.dialogue.settled() => self.dialogue.say_settled(context, settled)?,
                settled = self.permits.settled() => if let Some(event) = self.on_permitted(context, settled)? {
                    self.ask(context, &event, keys);
                },
                (event, wrong) = self.hooks.done() => if let Some(wrong) = wrong {
                    hooks::say_failed(context, event, &wrong);
                },
                due = self.queue.due() => self.on_due(context, &due)?,
                () = self.watch.is_due() => self.look(context, &mut view).await?,
                switched = view.switch.done() => self.on_switched(context, &mut view, switched)?,
            }
        }
    }

    /// After an event was told: calls for the person, and says which keys answer.
    fn ask(&mut self, context: &mut Context<'_>, event: &Event, keys: bool) {
        self.dialogue.call(context);
        if keys {
            let shown = if let Event::Waiting(request) = event { Some(request.as_ref()) } else { None };
            let shown = shown.filter(|request| self.dialogue.waits(&request.id));
            self.dialogue.keep_up(context, shown);
        }
    }

    /// The connection broke: goes on in another runtime, or ends.
    async fn mend(
        &mut self,
        context: &mut Context<'_>,
        view: &mut View,
        detach_on_hangup: bool,
    ) -> anyhow::Result<Option<Ending>> {
        self.dialogue.clear();
        self.dialogue.keep_up(context, None);
        let interrupted = self.progress.working || !self.progress.waiting.is_empty();
        let shared = self.core.remote() != Remote::Off;
        let mut left = self.decide(context, view, Input::Disconnected)?;
        if !shared {
            context.terminal.say(&Line::new(Tone::Attention, "the connection to the Copilot CLI broke"));
        }
        let dead = self.joined.entry.id.clone();
        let mut last: Option<anyhow::Error> = None;
        loop {
            let pause = match left.pop() {
                Some(Effect::Relaunch(pause)) => pause,
                Some(Effect::GiveUp(Reason::TooOften)) => {
                    return Err(SdkError::RuntimeEnded { reason: pool::TOO_OFTEN }.into());
                }
                _ => return Err(last.unwrap_or_else(|| SdkError::RuntimeEnded { reason: "" }.into())),
            };
            // Of an attempt before this one there may be another runtime already.
            let broke = last.as_ref().is_some_and(|error| matches!(error.downcast_ref(), Some(SdkError::Connection(_))));
            let has_other = self.joined.entry.id != dead && self.joined.entry.server.is_running() && !broke;
            let recovering = async {
                if !pause.is_zero() {
                    let waiting = async {
                        sleep(pause).await;
                        anyhow::Ok(())
                    };
                    context.within("waiting to start the Copilot CLI again", Deadline::new(HAND_OVER), waiting).await?;
                }
                self.recover(context, interrupted, has_other).await
            };
            let Err(error) = recovering.await else { break };
            match error.downcast() {
                Ok(Interrupted(Signal::Hangup)) if detach_on_hangup || view.leaving => {
                    view.lose_terminal(context);
                    left = vec![Effect::Relaunch(Duration::ZERO)];
                }
                Ok(Interrupted(signal)) => return Ok(Some(Ending::Signal(signal))),
                Err(error) => {
                    left = self.decide(context, view, Input::RelaunchFailed { may_pass: recovery::may_pass(&error) })?;
                    last = Some(error);
                }
            }
        }
        let has_log = self.watch.has_log();
        self.decide(context, view, Input::Relaunched { has_log })?;
        self.watch.look_soon();
        Ok(None)
    }

    /// Does what a key is for.
    fn on_key(&mut self, context: &mut Context<'_>, view: &mut View, key: char) -> Option<Ending> {
        match view.keys.press(context, &self.entry, &self.qr, key) {
            Action::Stop => return Some(Ending::Stopped),
            Action::Leave => {
                view.leaving = true;
                if self.progress.holds_on_to_us() {
                    let why = "a question is open and would be lost: detaching once it is answered";
                    context.terminal.say(&Line::new(Tone::Attention, why));
                }
            }
            Action::Switch(remote) => {
                // Off does not wait for what is under way; what comes on late of it is switched off.
                if remote == Remote::Off {
                    view.drop_switch();
                }
                if view.switch.allows(context, &self.entry, remote) {
                    if let Err(error) = self.decide(context, view, Input::Wished(remote)) {
                        tracing::debug!(%error, "nobody reads what is told");
                    }
                    view.asked_here = true;
                }
            }
            Action::None => {}
        }
        None
    }

    pub(super) fn on_event(&mut self, context: &mut Context<'_>, view: &mut View, event: &Event) -> anyhow::Result<()> {
        if *event != Event::Other {
            self.decide(context, view, Input::Touched)?;
        }
        if self.is_so_already(event) || self.permit(context, event)? || !self.queue.see(&self.session, event) {
            return Ok(());
        }
        if let Some(signed_in) = self.queue.signed_in(event) {
            self.on_event(context, view, &signed_in)?;
        }
        self.permits.see(event);
        self.progress.see(event);
        self.keep(context, event);
        self.hook_on(context, event);
        self.dialogue.see(event);
        let before = (self.entry.remote, self.entry.url.clone());
        match event {
            Event::Link { url } => {
                if let Err(error) = sdk::check_link(url, &self.entry.login.host) {
                    // One that may not be shown is no reason to end the session.
                    context.tell(&Update::Caution(error.to_string()))?;
                } else {
                    self.entry.url = Some(url.clone());
                    let desired = self.registry.wanted(&self.entry.session_id).read();
                    self.decide(context, view, Input::LinkTold { desired })?;
                    self.watch.look_soon();
                }
            }
            Event::Steerable(steerable) => {
                self.decide(context, view, Input::Steerable(*steerable))?;
                self.watch.look_soon();
            }
            _ => self.publish(context),
        }
        let after = (self.entry.remote, self.entry.url.clone());
        // While remote is off or being switched, a link is told when that is on.
        if before != after && view.switch.is_idle() && (after.0 != Remote::Off || before.0 != Remote::Off) {
            self.tell_remote(context, view)?;
        }
        Ok(context.tell(&Update::Event(event))?)
    }

    /// Whether the session is what it is said to be changed to: the runtime tells of what it was started with, too.
    fn is_so_already(&self, event: &Event) -> bool {
        let options = &self.options;
        match event {
            Event::Mode(mode) => options.mode.as_deref().unwrap_or(INTERACTIVE) == mode,
            Event::Model { model, effort } => options.model.as_ref() == Some(model) && options.effort == *effort,
            Event::Agent(agent) => options.agent == *agent,
            _ => false,
        }
    }

    /// Follows what the session is, for other terminals, and for the day on which its runtime is another one.
    fn keep(&mut self, context: &mut Context<'_>, event: &Event) {
        let options = &mut self.options;
        match event {
            Event::Mode(mode) => options.mode = Some(mode.clone()),
            Event::PermissionMode(mode) => options.permission_mode = Some(mode.clone()),
            Event::Model { model, effort } => {
                options.model = Some(model.clone());
                options.effort.clone_from(effort);
            }
            Event::Agent(agent) => options.agent.clone_from(agent),
            Event::Answered { approved, .. } => {
                for rule in approved.iter().filter(|rule| !options.approved.contains(rule)).cloned().collect::<Vec<_>>() {
                    options.approved.push(rule);
                }
            }
            // The runtime gives no title to a session that has a name: then it is a new name.
            Event::Title(title) if options.name.is_some() => options.name = Some(title.clone()),
            Event::Title(title) => self.entry.title = Some(title.clone()),
            Event::Managed(managed) => self.entry.manage(managed),
            _ => return,
        }
        self.entry.describe(&self.options);
        let kept = self.registry.keep_given(&self.entry.session_id, &Given::of(&self.options));
        context.warn_once(kept, "it may not be resumed as it is");
    }

    /// Something waits for a person.
    pub(super) fn on_waiting(&mut self, context: &mut Context<'_>, event: &Event) -> anyhow::Result<()> {
        self.progress.see(event);
        self.dialogue.see(event);
        self.hook_on(context, event);
        self.publish(context);
        Ok(context.tell(&Update::Event(event))?)
    }

    /// Tells how remote is now, with the link and its code where it is shared.
    fn tell_remote(&self, context: &mut Context<'_>, view: &mut View) -> anyhow::Result<()> {
        context.tell(&Update::Remote { remote: self.entry.remote, url: self.entry.link() })?;
        self.draw(context, view);
        Ok(())
    }

    /// Draws the code of the link, unless it was drawn before.
    fn draw(&self, context: &mut Context<'_>, view: &mut View) {
        if let Some(url) = self.entry.link().filter(|url| view.drawn.as_deref() != Some(url)) {
            link::draw(context, url, &self.qr, context.terminal.rows_of(url));
            view.drawn = Some(url.to_owned());
        }
    }

    fn on_switched(
        &mut self,
        context: &mut Context<'_>,
        view: &mut View,
        switched: anyhow::Result<Switched>,
    ) -> anyhow::Result<()> {
        let asked_here = std::mem::take(&mut view.asked_here);
        let off = view.renewing.take().is_some_and(|off| off.load(Ordering::Relaxed));
        let before = (self.core.actual(), self.entry.url.clone());
        let switched = match switched {
            Ok(switched) => switched,
            Err(error) => return self.on_refused(context, view, &error, asked_here, off),
        };
        view.refusal_told = false;
        if let Some(url) = switched.url {
            match sdk::check_link(&url, &self.entry.login.host) {
                Ok(()) => self.entry.url = Some(url),
                Err(error) => context.tell(&Update::Caution(error.to_string()))?,
            }
        }
        self.decide(context, view, Input::Switched(Outcome::Done(switched.remote)))?;
        drop(switched.turn);
        if before == (self.core.actual(), self.entry.url.clone()) { Ok(()) } else { self.tell_remote(context, view) }
    }

    /// A switch of the host's did not come about.
    fn on_refused(
        &mut self,
        context: &mut Context<'_>,
        view: &mut View,
        error: &anyhow::Error,
        asked_here: bool,
        off: bool,
    ) -> anyhow::Result<()> {
        let outcome = match error.downcast_ref() {
            // The connection broke: that is told, and mended, when its end shows.
            Some(SdkError::Connection(_)) => Outcome::Unknown,
            _ if asked_here || !switch::is_passing(error) => Outcome::Refused { off },
            _ => Outcome::Passing { off },
        };
        self.decide(context, view, Input::Switched(outcome))?;
        // What is tried again by itself is told once.
        let told = !asked_here && std::mem::replace(&mut view.refusal_told, true);
        if outcome == Outcome::Unknown || told {
            return Ok(());
        }
        if let Outcome::Passing { .. } = outcome {
            let text = format!("the session is not shared yet, which is tried again: {}", Report::from(error).message);
            return Ok(context.tell(&Update::Caution(text))?);
        }
        Ok(say_refusal(context, self.entry.remote, error)?)
    }
}

async fn ended(session: Session) {
    session.ended().await;
}
