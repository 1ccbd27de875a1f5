//! The life of one session: opened, followed (see [`driver`]), handed over (see [`handover`]) or closed.

mod clock;
mod core;
pub(crate) mod driver;
pub(crate) mod handover;
mod hooks;
mod keep_awake;
mod link_watch;
pub(crate) mod open;
mod permits;
mod queue;
mod recovery;
pub(crate) mod resume;
pub(crate) mod switch;
mod trust;
mod wishes;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::timeout;

use self::open::{Opening, Plan, chosen, create, undo};
use crate::context::{Context, Deadline};
use crate::error::{Exit, is_closed_output};
use crate::model::HookEvent;
use crate::output::{self, Ending, Update};
use crate::registry::{self, Registry, SessionEntry};
use crate::report::Report;
use crate::runtime::choice::Choice;
use crate::runtime::pool::{self, Joined};
use crate::sdk::{Event, Events, Progress, Prompt, Session, SessionOptions};
use crate::view::dialogue::Dialogue;
use crate::view::journal::Follower;
use crate::view::link::QrOptions;
use crate::view::notices;
use clock::Clock;
use hooks::Hooks;
use keep_awake::Sleep;
use link_watch::Watch;
use permits::Permits;
use queue::Queue;

/// The session is asked to end before its runtime is, so that Mission Control hears of it in any case.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// An idle agent accepts a prompt at once.
const ACCEPTED_DEADLINE: Duration = Duration::from_secs(2);

/// One session, the runtime that it lives in, and our hold on both.
pub(crate) struct Host {
    registry: Registry,
    joined: Joined,
    hold: registry::Host,
    session: Session,
    events: Events,
    /// Came while something else was waited for; told first.
    early: VecDeque<Event>,
    entry: SessionEntry,
    progress: Progress,
    /// What the rules remember.
    core: core::State,
    clock: Clock,
    dialogue: Dialogue,
    permits: Permits,
    queue: Queue,
    watch: Watch,
    sleep: Sleep,
    hooks: Hooks,
    /// What the agent said last.
    last_said: String,
    /// The hooks for a session that is ready were run.
    told_ready: bool,
    options: SessionOptions,
    choice: Choice,
    qr: QrOptions,
}

impl Host {
    /// Joins or starts a runtime, and opens a session in it that is shared as planned. What fails or is interrupted is undone.
    pub(crate) async fn open(context: &mut Context<'_>, mut plan: Plan) -> anyhow::Result<Self> {
        let registry = Registry::create()?;
        let mut joined = pool::acquire(context, &registry, &plan.runtime, plan.deadline, None).await?;
        let watch = Watch::new(&joined.entry.server);
        let created = Box::pin(create(context, &registry, &mut joined, &mut plan)).await;
        let (session, events, login) = match created {
            Ok(created) => created,
            Err(error) => return Err(undo(context, joined, None, error).await),
        };
        let mut opening = Opening { registry: &registry, session: &session, events, early: VecDeque::new(), login };
        match opening.share(context, &joined, &plan, watch.has_log()).await {
            Ok((entry, hold, core, clock)) => Ok(Self {
                choice: chosen(&plan.runtime, &joined),
                registry: registry.clone(),
                hold,
                events: opening.events,
                early: opening.early,
                session,
                entry,
                progress: Progress::default(),
                core,
                clock,
                dialogue: Dialogue::default(),
                permits: Permits::default(),
                queue: Queue::default(),
                watch,
                sleep: Sleep::new(plan.keep_awake),
                hooks: Hooks::new(plan.hooks),
                last_said: String::new(),
                told_ready: false,
                options: plan.options,
                qr: plan.qr,
                joined,
            }),
            Err(error) => {
                if plan.resume.is_some() {
                    context.leave_journal();
                } else {
                    context.discard_journal();
                }
                Err(undo(context, joined, Some(&session), error).await)
            }
        }
    }

    /// Shows the session, see [`notices::show`]: it is ready.
    pub(crate) fn show(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        notices::show(context, &self.entry, &self.qr)?;
        // In the background it has told already.
        if !self.entry.detached {
            self.ready(context);
        }
        Ok(())
    }

    /// Runs the hooks for that.
    fn ready(&mut self, context: &mut Context<'_>) {
        self.told_ready = true;
        let entry = self.entry.clone();
        self.hook(context, HookEvent::Ready, "", Some(&Update::Ready(&entry)));
    }

    /// Sends the first prompt; to a session that has another host by now, waits until it is part of the session: whoever waits for its
    /// end next is not told that the agent is idle.
    pub(crate) async fn prompt(
        &self,
        context: &mut Context<'_>,
        deadline: Deadline,
        prompt: Option<Prompt>,
    ) -> anyhow::Result<()> {
        let Some(prompt) = prompt else { return Ok(()) };
        let mut follower = Follower::open(&self.registry, &self.entry.session_id)?;
        if let Some(follower) = &mut follower {
            follower.skip()?;
        }
        let id = context.step("sending the prompt", deadline, self.session.send(&prompt)).await?;
        if let Some(follower) = follower.as_mut().filter(|_| self.entry.detached) {
            let accepting = async { Ok::<_, anyhow::Error>(timeout(ACCEPTED_DEADLINE, follower.accepted(&id)).await) };
            // One that is late is accepted all the same.
            let _ = context.within("sending the prompt", deadline, accepting).await?;
        }
        Ok(())
    }

    /// Stays with the session until it ends, and closes it; or until another host has it, where a terminal that goes away is to leave it
    /// running.
    pub(crate) async fn follow(mut self, context: &mut Context<'_>, detach_on_hangup: bool) -> anyhow::Result<Exit> {
        let ending = match context.terminal.open_keyboard() {
            Ok(keys) => self.watch(context, keys, detach_on_hangup).await,
            Err(error) => Err(error.into()),
        };
        context.terminal.close_keyboard();
        let ending = match ending {
            Err(error) if is_closed_output(&error) => Ok(Ending::OutputClosed),
            other => other,
        };
        self.end(context, ending).await
    }

    /// Closes a session that has another host by now, which hears of it.
    pub(crate) async fn close(&self) {
        // One that does not answer is left to `stop`.
        let _ = timeout(CLOSE_DEADLINE, self.session.close()).await;
    }

    /// Closes the session, unless it has another host or is gone already.
    pub(crate) async fn end(mut self, context: &mut Context<'_>, ending: anyhow::Result<Ending>) -> anyhow::Result<Exit> {
        if let Ok(Ending::Detached) = ending {
            context.terminal.status(None);
            return Ok(Exit::Done);
        }
        context.terminal.progress("ending the session");
        let closed = matches!(ending, Ok(Ending::Elsewhere))
            || tokio::select! {
                _ = timeout(CLOSE_DEADLINE, self.session.close()) => true,
                _ = context.shutdown.next() => false,
            };
        if let Err(error) = &ending {
            let report = Report::from(error);
            context.record(&Update::Failed(&report));
            self.hook(context, HookEvent::Error, &report.message, Some(&Update::Failed(&report)));
        }
        let ended = Update::Ended(*ending.as_ref().unwrap_or(&Ending::Failed));
        context.record(&ended);
        self.hook(context, HookEvent::Ended, "", Some(&ended));
        self.registry.forget_host_log(&self.entry.session_id);
        drop(self.hold);
        // After a second signal nothing is waited for.
        self.joined.leave(context, closed, ending.as_ref().err()).await;
        if let Ok(ending) = ending {
            // Nobody may be there to read it.
            let _ = context.say_update(&Update::Ended(ending));
        }
        if let Some(worktree) = &self.entry.worktree {
            context.terminal.say(&output::worktree_line(worktree));
        }
        let ending = ending?;
        Ok(match ending {
            Ending::Signal(signal) => Exit::Signal(signal),
            Ending::Stopped | Ending::Elsewhere | Ending::OutputClosed | Ending::Detached | Ending::Failed => Exit::Done,
        })
    }

    /// The next event; None when the connection is gone. Cancel-safe.
    async fn next_event(&mut self) -> Option<Event> {
        next(&mut self.early, &mut self.events).await
    }

    /// Puts into the entry what the rules and the events say.
    fn describe(&mut self) {
        self.entry.activity = self.progress.activity();
        self.entry.remote = self.core.remote();
        self.entry.connection = self.core.link();
        self.entry.until = self.core.until();
    }

    /// Lets other terminals see how things are.
    fn publish(&mut self, context: &mut Context<'_>) {
        self.describe();
        context.set_activity(self.entry.activity);
        if self.hold.is_published(&self.entry) {
            return;
        }
        let published = self.hold.publish(&self.entry);
        context.warn_once(published, "other terminals do not see what changes");
    }
}

/// The next event: first of those that came while something else was waited for.
async fn next(early: &mut VecDeque<Event>, events: &mut Events) -> Option<Event> {
    match early.pop_front() {
        Some(event) => Some(event),
        None => events.next().await,
    }
}
