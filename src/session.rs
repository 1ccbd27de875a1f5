//! The life of one session: opened, followed (see [`view`]), handed over (see [`handover`]) or closed.

pub(crate) mod driver;
pub(crate) mod handover;
mod hooks;
mod keep_awake;
mod link_watchdog;
pub(crate) mod open;
mod permits;
mod queue;
mod recovery;
pub(crate) mod resume;
pub(crate) mod switch;
mod trust;
mod wishes;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use self::open::{Opening, Plan, chosen, create, undo};
use crate::context::{Context, Deadline};
use crate::error::{Exit, is_closed_output};
use crate::model::{HookEvent, Remote};
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
use hooks::Hooks;
use keep_awake::Sleep;
use link_watchdog::Watchdog;
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
    /// When the connection to the runtime was mended.
    recoveries: Vec<Instant>,
    dialogue: Dialogue,
    permits: Permits,
    queue: Queue,
    watchdog: Watchdog,
    sleep: Sleep,
    hooks: Hooks,
    /// What the agent said last.
    last_said: String,
    /// The hooks for a session that is ready were run.
    told_ready: bool,
    /// Mission Control lost the session, and does not have it again.
    link_lost: bool,
    /// When sharing is tried again that failed after a recovery.
    share_at: Option<tokio::time::Instant>,
    options: SessionOptions,
    choice: Choice,
    qr: QrOptions,
}

impl Host {
    /// Joins or starts a runtime, and opens a session in it that is shared as planned. What fails or is interrupted is undone.
    pub(crate) async fn open(context: &mut Context<'_>, mut plan: Plan) -> anyhow::Result<Self> {
        let registry = Registry::create()?;
        let mut joined = pool::acquire(context, &registry, &plan.runtime, plan.deadline, None).await?;
        let watchdog = Watchdog::new(&joined.entry.server);
        let created = Box::pin(create(context, &registry, &mut joined, &mut plan)).await;
        let (session, events, login) = match created {
            Ok(created) => created,
            Err(error) => return Err(undo(context, joined, None, error).await),
        };
        let mut opening = Opening { registry: &registry, session: &session, events, early: VecDeque::new(), login };
        let connection = watchdog.first_state();
        match opening.share(context, &joined, &plan, connection).await {
            Ok((entry, hold)) => Ok(Self {
                choice: chosen(&plan.runtime, &joined),
                registry: registry.clone(),
                hold,
                events: opening.events,
                early: opening.early,
                session,
                entry,
                progress: Progress::default(),
                recoveries: Vec::new(),
                dialogue: Dialogue::default(),
                permits: Permits::default(),
                queue: Queue::default(),
                watchdog,
                sleep: Sleep::new(plan.keep_awake),
                hooks: Hooks::new(plan.hooks),
                last_said: String::new(),
                told_ready: false,
                link_lost: false,
                share_at: None,
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

    /// Shows the session, see [`show`]: it is ready.
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

    /// Lets other terminals see how things are.
    fn publish(&mut self, context: &mut Context<'_>) {
        self.entry.activity = self.progress.activity();
        self.entry.until = self.entry.until.filter(|_| self.entry.remote != Remote::Off);
        context.at(self.entry.activity);
        if self.hold.shows(&self.entry) {
            return;
        }
        let published = self.hold.publish(&self.entry);
        context.told_once(published, "other terminals do not see what changes");
    }
}

/// The next event: first of those that came while something else was waited for.
async fn next(early: &mut VecDeque<Event>, events: &mut Events) -> Option<Event> {
    match early.pop_front() {
        Some(event) => Some(event),
        None => events.next().await,
    }
}
