//! The link to Mission Control, watched: what is shared is to be so, and it is said where it is not.
//!
//! The runtime stops uploading without a word to its clients. Its log tells, of all its sessions alike and mostly without their names
//! (measured): so each host that could be meant acts for its own session, in a way that does no harm to a healthy one. After the runtime gave up,
//! something new in the session makes it try again; where Mission Control refused the session, it is shared anew, with the same link as long as
//! that is known there.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::Host;
use super::driver::View;
use crate::context::Context;
use crate::model::{Link, Remote};
use crate::output::Update;
use crate::runtime::pool;
use crate::sdk::{LinkLog, Server, Sign, Trouble};

/// How often the log is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// So many failures in a row, of uploads or of polls, are no hiccup. Where GitHub hangs they are 10 to 13 s apart.
const FAILURES: usize = 3;
/// … and over this time at least.
const LASTING: Duration = Duration::from_secs(5);
/// Without a sign of trouble for so long, all is well: longer than any two signs are apart.
const WELL: Duration = Duration::from_secs(16);
/// Events that were not taken are not older than this.
const RECENT: Duration = Duration::from_secs(15);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Without a log of the runtime's: how often something is uploaded, so that it goes on at least.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A nudge is a local call.
const NUDGE: Duration = Duration::from_secs(10);
/// How often the runtime is asked whether it is there …
const PING: Duration = Duration::from_secs(15);
/// … and how long it may take to say so.
const HANGS: Duration = Duration::from_mins(1);
/// The clock of the wall ran on by so much more than ours: the machine slept.
const SLEPT: Duration = Duration::from_secs(5);

/// What one host hands to the next.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    log: Option<LinkLog>,
    cure: Option<Cure>,
}

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Cure {
    /// Something new in the session.
    Nudge,
    /// To share it anew.
    Renew,
}

#[derive(Debug)]
pub(super) struct Watchdog {
    /// None: the runtime is not ours.
    log: Option<LinkLog>,
    tick: Interval,
    control_id: Option<String>,
    /// How many failures there were since when.
    uploads_failed: usize,
    polls_failed: usize,
    failing: Option<Instant>,
    /// When there was a sign of trouble last …
    sign: Option<Instant>,
    /// … and when something was done about it last.
    tried: Option<Instant>,
    /// What is to be done, and when; None: nothing is lost.
    cure: Option<(Cure, Instant)>,
    tries: u32,
    /// When something happened in the session last.
    pub(super) touched: Instant,
    /// When something was uploaded for the sake of the link last.
    nudged: Instant,
    naming: Option<JoinHandle<Option<String>>>,
    /// When that was asked last.
    asked: Option<Instant>,
    ping: Option<(Instant, JoinHandle<()>)>,
    /// None: it is to be asked now.
    pinged: Option<Instant>,
    /// When it was switched off last, as its time was up.
    off_at: Option<Instant>,
    /// That it does not answer was said.
    hangs: bool,
    clocks: (Instant, SystemTime),
}

impl Watchdog {
    /// From now on. Made before a session is shared: its first uploads may be refused.
    pub(super) fn new(server: &Server) -> Self {
        Self::with(server.log_dir().map(LinkLog::new))
    }

    /// Goes on with what another host has seen.
    pub(super) fn again(seen: Seen) -> Self {
        let mut dog = Self::with(seen.log);
        let now = Instant::now();
        dog.cure = seen.cure.map(|cure| (cure, now));
        dog.sign = dog.cure.map(|_| now);
        dog
    }

    /// For the next host.
    pub(super) fn seen(&self) -> Seen {
        Seen { log: self.log.clone(), cure: self.cure.map(|(cure, _)| cure) }
    }

    fn with(log: Option<LinkLog>) -> Self {
        let now = Instant::now();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            log,
            tick,
            control_id: None,
            uploads_failed: 0,
            polls_failed: 0,
            failing: None,
            sign: None,
            tried: None,
            cure: None,
            tries: 0,
            touched: now,
            nudged: now,
            naming: None,
            asked: None,
            ping: None,
            pinged: Some(now),
            off_at: None,
            hangs: false,
            clocks: (now, SystemTime::now()),
        }
    }

    /// Waits until it is time to look. Cancel-safe.
    pub(super) async fn is_due(&mut self) {
        self.tick.tick().await;
    }

    /// How the link of a session is that is shared, as far as is known when that begins.
    pub(super) fn first_state(&self) -> Link {
        if self.log.as_ref().is_some_and(LinkLog::is_there) { Link::Connected } else { Link::Unverified }
    }

    /// It is not shared, or shared anew: what was before counts for nothing.
    pub(super) fn reset(&mut self) {
        self.uploads_failed = 0;
        self.polls_failed = 0;
        self.failing = None;
        self.sign = None;
        self.tried = None;
        self.cure = None;
        self.tries = 0;
    }

    /// Shared anew, it may be called something else.
    fn forget_name(&mut self) {
        self.control_id = None;
        self.asked = None;
        if let Some(naming) = self.naming.take() {
            naming.abort();
        }
    }

    /// What was to share it anew is over: that may have helped, or is to be done again.
    pub(super) fn renewed(&mut self, done: bool) {
        self.forget_name();
        if done {
            self.tried = Some(Instant::now());
        } else if let Some((cure, _)) = &mut self.cure {
            *cure = Cure::Renew;
            self.sign = Some(Instant::now());
        }
    }

    /// Whether a sign may be about this session.
    fn concerns_us(&self, sign: &Sign) -> bool {
        if let (Some(theirs), Some(ours)) = (&sign.control_id, &self.control_id) {
            return theirs == ours;
        }
        sign.events.is_none_or(|events| events == 0 || self.touched.elapsed() < RECENT)
    }

    /// Reads the log: why the link is lost, where that is new.
    fn read(&mut self) -> Option<String> {
        let signs = self.log.as_mut().map(LinkLog::signs).unwrap_or_default();
        let mut lost = None;
        let was_lost = self.cure.is_some();
        for sign in signs {
            if !self.concerns_us(&sign) {
                continue;
            }
            let now = Instant::now();
            self.sign = Some(now);
            // One hiccup of several sessions is one hiccup.
            let lasting = self.failing.get_or_insert(now).elapsed() >= LASTING;
            let cure = match sign.trouble {
                Trouble::UploadFailed => {
                    self.uploads_failed += 1;
                    (lasting && self.uploads_failed >= FAILURES).then_some(Cure::Nudge)
                }
                Trouble::PollFailed => {
                    self.polls_failed += 1;
                    (lasting && self.polls_failed >= FAILURES).then_some(Cure::Nudge)
                }
                Trouble::UploadsStopped => Some(Cure::Nudge),
                Trouble::Refused => Some(Cure::Renew),
            };
            let Some(cure) = cure else { continue };
            let why = match sign.trouble {
                Trouble::PollFailed => format!("it could not be asked for commands: {}", sign.why),
                Trouble::Refused => format!("it refused the session's events: {}", sign.why),
                Trouble::UploadFailed => format!("it did not take events: {}", sign.why),
                Trouble::UploadsStopped => "it did not take events, and the Copilot CLI gave up".to_owned(),
            };
            match &mut self.cure {
                None => {
                    self.cure = Some((cure, now + jitter()));
                    lost = Some(why);
                }
                // The stronger one, at its time.
                Some((known, _)) if cure == Cure::Renew => *known = Cure::Renew,
                Some(_) => {}
            }
        }
        lost.filter(|_| !was_lost)
    }

    /// Whether it was lost, and is well by now.
    fn is_well_again(&mut self) -> bool {
        let since = match (self.cure, self.sign, self.tried) {
            (None, sign, _) => sign,
            // Where the runtime gave up, it is quiet until something is done about it.
            (Some(_), Some(sign), Some(tried)) if tried >= sign => Some(tried),
            _ => None,
        };
        let well = since.is_some_and(|at| at.elapsed() >= WELL);
        let was_lost = self.cure.is_some();
        if well {
            self.reset();
        }
        well && was_lost
    }

    /// What is to be done now.
    fn due(&mut self, may_switch: bool) -> Option<Cure> {
        let (cure, at) = self.cure.filter(|(cure, _)| may_switch || *cure == Cure::Nudge)?;
        let now = Instant::now();
        // Without a sign since the last attempt, that may have helped.
        if now < at || (self.tried.is_some() && self.sign <= self.tried) {
            return None;
        }
        self.tries += 1;
        let pause = Duration::from_secs(1 << self.tries.min(6)).min(LONGEST_PAUSE) + jitter();
        self.cure = Some((Cure::Nudge, now + pause));
        self.tried = Some(now);
        Some(cure)
    }

    /// How long the machine slept since the last look, if it did.
    fn slept(&mut self) -> Option<Duration> {
        let now = (Instant::now(), SystemTime::now());
        let (before, wall) = std::mem::replace(&mut self.clocks, now);
        let ran = now.1.duration_since(wall).unwrap_or_default();
        ran.checked_sub(now.0 - before).filter(|slept| *slept > SLEPT)
    }
}

impl Drop for Watchdog {
    /// What is not waited for is not to go on behind our back.
    fn drop(&mut self) {
        if let Some(naming) = &self.naming {
            naming.abort();
        }
        if let Some((_, ping)) = &self.ping {
            ping.abort();
        }
    }
}

impl Host {
    /// Looks at the link and the runtime, and does what is due.
    pub(super) async fn look_after(&mut self, context: &mut Context<'_>, view: &mut View) -> anyhow::Result<()> {
        if let Some(slept) = self.watchdog.slept() {
            let text = format!("the machine slept for {} s: the link is checked", slept.as_secs());
            context.tell(&Update::Caution(text))?;
            self.nudge();
            self.watchdog.pinged = None;
        }
        self.ping(context)?;
        self.mind_the_limit(context, view)?;
        self.mind_sleep(context).await?;
        if self.entry.remote == Remote::Off {
            // What is said meanwhile is about others, or about what was.
            self.watchdog.read();
            self.watchdog.reset();
            self.watchdog.forget_name();
            self.entry.connection = self.watchdog.first_state();
            return Ok(());
        }
        // While it is shared anew, it may get another name, and the log is quiet.
        let settled = view.may_switch();
        if settled {
            self.learn_control_id().await;
        }
        if let Some(why) = self.watchdog.read() {
            self.lose_link(context, &why)?;
        }
        if settled && self.watchdog.is_well_again() {
            self.entry.connection = self.watchdog.first_state();
            self.publish(context);
            self.look_at_link(context)?;
        }
        match self.watchdog.due(settled) {
            Some(Cure::Renew) => view.renew(&self.registry, &self.session),
            Some(Cure::Nudge) => self.nudge(),
            None if self.entry.connection == Link::Unverified && self.watchdog.nudged.elapsed() >= KEEPALIVE => self.nudge(),
            None => {}
        }
        Ok(())
    }

    /// Switches remote off when its time is up.
    fn mind_the_limit(&mut self, context: &mut Context<'_>, view: &mut View) -> anyhow::Result<()> {
        let limit = self.registry.limit(&self.entry.session_id);
        let wanted = self.registry.wanted(&self.entry.session_id);
        if self.entry.remote == Remote::Off && wanted.get() == Remote::Off {
            // It was for what is over.
            limit.set(None)?;
        }
        let until = limit.get();
        let shown = until.filter(|_| self.entry.remote != Remote::Off);
        if self.entry.until != shown {
            self.entry.until = shown;
            self.publish(context);
        }
        if !limit.is_over() {
            return Ok(());
        }
        // At once: what is under way stops at this word, and what is to be shared again is not.
        if wanted.get() != Remote::Off {
            wanted.set(Remote::Off)?;
            context.tell(&Update::Caution("the time limit is up: remote is switched off".to_owned()))?;
            self.watchdog.off_at = None;
        }
        if self.entry.remote != Remote::Off && view.may_switch() && self.watchdog.off_at.is_none_or(|at| at.elapsed() >= PING) {
            self.watchdog.off_at = Some(Instant::now());
            view.switch_off(self);
        }
        Ok(())
    }

    /// Uploads something that nobody sees: what the runtime gave up it tries again.
    fn nudge(&mut self) {
        self.watchdog.nudged = Instant::now();
        // Where it is refused, that is about this session.
        self.watchdog.touched = Instant::now();
        let session = self.session.clone();
        tokio::spawn(async move {
            // That it did not work shows in the log.
            let _ = timeout(NUDGE, session.nudge()).await;
        });
    }

    /// Asks what Mission Control calls the session: some lines of the log name it.
    async fn learn_control_id(&mut self) {
        let dog = &mut self.watchdog;
        if let Some(naming) = dog.naming.take_if(|naming| naming.is_finished()) {
            dog.control_id = naming.await.ok().flatten();
        } else if dog.naming.is_none() && dog.control_id.is_none() && dog.asked.is_none_or(|at| at.elapsed() >= PING) {
            dog.asked = Some(Instant::now());
            let session = self.session.clone();
            dog.naming = Some(tokio::spawn(async move { timeout(NUDGE, session.control_id()).await.ok()?.ok()? }));
        }
    }

    /// Asks the runtime whether it is there. One that does not answer for a minute is ended, by one of its hosts: the others see that, too.
    fn ping(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let dog = &mut self.watchdog;
        match &dog.ping {
            Some((_, ping)) if ping.is_finished() => {
                dog.ping = None;
                dog.pinged = Some(Instant::now());
                dog.hangs = false;
            }
            Some((since, _)) if since.elapsed() >= HANGS => {
                if let Some((_, ping)) = dog.ping.take() {
                    ping.abort();
                }
                dog.pinged = Some(Instant::now());
                if !std::mem::replace(&mut dog.hangs, true) {
                    context.tell(&Update::Caution("the Copilot CLI does not answer any more".to_owned()))?;
                }
                let (registry, entry) = (self.registry.clone(), self.joined.entry.clone());
                tokio::spawn(async move { pool::replace_hanging(&registry, &entry).await });
            }
            None if dog.pinged.is_none_or(|at| at.elapsed() >= PING) => {
                let session = self.session.clone();
                let ping = tokio::spawn(async move {
                    // Any answer will do.
                    let _ = session.permission_mode().await;
                });
                dog.ping = Some((Instant::now(), ping));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Hosts of one runtime do not act at the same instant.
fn jitter() -> Duration {
    let mut byte = [0];
    // Without randomness they do.
    let _ = getrandom::fill(&mut byte);
    Duration::from_millis(u64::from(byte[0]) * 4)
}
