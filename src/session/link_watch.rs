//! The driver's eyes and hands for the rules about the link and the runtime: looks once a second, asks, and carries out what [`core`] decides.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::Host;
use super::core::{Effect, Input, Look, Notice};
use super::driver::View;
use super::switch;
use crate::context::Context;
use crate::model::{HookEvent, Link};
use crate::output::Update;
use crate::runtime::pool;
use crate::sdk::{LinkLog, Server, Session};

/// How often everything is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Questions to the runtime and nudges are local calls.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How often it is asked what Mission Control calls the session, until that is known.
const NAME_INTERVAL: Duration = Duration::from_secs(15);

/// What is being watched, and the questions that are under way.
#[derive(Debug)]
pub(super) struct Watch {
    /// None: the runtime is not ours, and its log is not here.
    log: Option<LinkLog>,
    tick: Interval,
    naming: Option<JoinHandle<Option<String>>>,
    asked_name: Option<Instant>,
    ping: Option<JoinHandle<()>>,
}

impl Watch {
    /// From now on. Made before a session is shared: its first uploads may be refused.
    pub(super) fn new(server: &Server) -> Self {
        Self::of(server.log_dir().map(LinkLog::new))
    }

    /// Goes on where another host stopped reading.
    pub(super) fn of(log: Option<LinkLog>) -> Self {
        let mut tick = interval(LOOK_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { log, tick, naming: None, asked_name: None, ping: None }
    }

    /// How far the log was read, for the next host.
    pub(super) fn log(&self) -> Option<LinkLog> {
        self.log.clone()
    }

    /// Whether the runtime has a log that tells of trouble.
    pub(super) fn has_log(&self) -> bool {
        self.log.as_ref().is_some_and(LinkLog::is_there)
    }

    /// Waits until it is time to look. Cancel-safe.
    pub(super) async fn is_due(&mut self) {
        self.tick.tick().await;
    }

    /// Something happened that should not wait for the next look.
    pub(super) fn look_soon(&mut self) {
        self.tick.reset_immediately();
    }

    fn ping(&mut self, session: Session) {
        if let Some(ping) = self.ping.take() {
            ping.abort();
        }
        self.ping = Some(tokio::spawn(async move {
            // Any answer will do.
            let _ = session.permission_mode().await;
        }));
    }

    fn ask_name(&mut self, session: Session) {
        if self.naming.is_some() || self.asked_name.is_some_and(|at| at.elapsed() < NAME_INTERVAL) {
            return;
        }
        self.asked_name = Some(Instant::now());
        self.naming = Some(tokio::spawn(async move { timeout(CALL_LIMIT, session.control_id()).await.ok()?.ok()? }));
    }
}

impl Drop for Watch {
    /// What is not waited for is not to go on behind our back.
    fn drop(&mut self) {
        let naming = self.naming.iter().map(JoinHandle::abort_handle);
        naming.chain(self.ping.iter().map(JoinHandle::abort_handle)).for_each(|task| task.abort());
    }
}

impl Host {
    /// Looks at the files, the log and the runtime, and does what the rules say.
    pub(super) async fn look(&mut self, context: &mut Context<'_>, view: &mut View) -> anyhow::Result<()> {
        if self.watch.ping.as_ref().is_some_and(JoinHandle::is_finished) {
            self.watch.ping = None;
            self.decide(context, view, Input::Answered)?;
        }
        if let Some(naming) = self.watch.naming.take_if(|naming| naming.is_finished()) {
            let id = naming.await.ok().flatten();
            self.decide(context, view, Input::Named(id))?;
        }
        let id = self.entry.session_id.clone();
        let desired = self.registry.wanted(&id);
        let signs = self.watch.log.as_mut().map(LinkLog::signs).unwrap_or_default();
        self.describe();
        let look = Look {
            desired: desired.read(),
            turn_is_free: desired.is_free(),
            until: self.registry.limit(&id).get(),
            signs: &signs,
            has_log: self.watch.has_log(),
            is_published: self.hold.is_on_disk(&self.entry) && self.joined.is_on_disk() && context.has_journal_on_disk(),
            jitter: jitter(),
        };
        self.decide(context, view, Input::Looked(look))?;
        self.keep_awake(context).await
    }

    /// Takes in what happened, and does what the rules say about it. What is left to the caller is a relaunch, and giving up.
    pub(super) fn decide(&mut self, context: &mut Context<'_>, view: &mut View, input: Input<'_>) -> anyhow::Result<Vec<Effect>> {
        let effects = super::core::update(&mut self.core, input, self.clock.now());
        let mut left = Vec::new();
        for effect in effects {
            match effect {
                Effect::Relaunch(_) | Effect::GiveUp(_) => left.push(effect),
                effect => self.carry_out(context, view, effect)?,
            }
        }
        self.publish(context);
        Ok(left)
    }

    fn carry_out(&mut self, context: &mut Context<'_>, view: &mut View, effect: Effect) -> anyhow::Result<()> {
        let id = &self.entry.session_id;
        match effect {
            Effect::WriteDesired(remote) => {
                let written = self.registry.make_folders().and_then(|()| self.registry.wanted(id).set(remote));
                if written.is_ok() {
                    super::core::update(&mut self.core, Input::Written, self.clock.now());
                }
                context.warn_once(written, "other terminals cannot switch remote");
            }
            Effect::TakeBack { from, to } => {
                let written = switch::refused(&self.registry.wanted(id), from, to);
                context.warn_once(written, "remote may be tried again");
            }
            Effect::WriteLimit(until) => {
                let written = self.registry.limit(id).set(until);
                context.warn_once(written, "the time limit may be forgotten");
            }
            Effect::Switch(switch) => view.begin_switch(self, switch),
            Effect::DropSwitch => view.drop_switch(),
            Effect::Nudge => {
                let session = self.session.clone();
                // That it did not work shows in the log.
                tokio::spawn(async move { drop(timeout(CALL_LIMIT, session.nudge()).await) });
            }
            Effect::AskName => self.watch.ask_name(self.session.clone()),
            Effect::Ping => self.watch.ping(self.session.clone()),
            Effect::ReplaceRuntime => {
                let (registry, entry, runtime) = (self.registry.clone(), self.joined.entry.clone(), self.joined.runtime.clone());
                tokio::spawn(async move { pool::replace_hanging(&registry, &entry, &runtime).await });
            }
            Effect::Publish => {
                let restored = self.joined.restore().and_then(|()| self.hold.restore());
                context.warn_once(restored, "other terminals may not find the session");
                context.restore_journal();
            }
            Effect::LinkLost(why) => {
                self.publish(context);
                self.tell_of_link(context, Link::Lost, &why)?;
            }
            Effect::LinkRestored(state) => self.tell_of_link(context, state, "")?,
            Effect::Tell(notice) => context.tell(&Update::Caution(words(&notice)))?,
            Effect::Relaunch(_) | Effect::GiveUp(_) => {}
        }
        Ok(())
    }

    fn tell_of_link(&mut self, context: &mut Context<'_>, state: Link, why: &str) -> anyhow::Result<()> {
        let update = Update::Link { state, why };
        context.tell(&update)?;
        let event = if state == Link::Lost { HookEvent::LinkLost } else { HookEvent::LinkRestored };
        self.hook(context, event, why, Some(&update));
        Ok(())
    }
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::LimitOver => "the time limit is up: remote is switched off".to_owned(),
        Notice::Hangs => "the Copilot CLI does not answer any more".to_owned(),
        Notice::Slept(slept) => format!("the machine slept for {} s: the link is checked", slept.as_secs()),
        Notice::RelaunchAgain => "the Copilot CLI cannot be started again now: that is tried again for 2 minutes".to_owned(),
        Notice::TakingOver(remote) => format!("remote {} was asked for and is not so: it is switched now", remote.word()),
    }
}

/// Hosts of one runtime do not act at the same instant.
fn jitter() -> Duration {
    let mut byte = [0];
    // Without randomness they do.
    let _ = getrandom::fill(&mut byte);
    Duration::from_millis(u64::from(byte[0]) * 4)
}
