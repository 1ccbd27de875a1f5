//! The rules of a session, as one pure function: [`update`] takes what happened and decides what is to be done about it. It reads no clock,
//! does no input or output, and waits for nothing; `driver` does what it decides.
//!
//! What is desired is compared with what is at every look, `off` before everything else: it does not matter who wrote a wish down, whether
//! that process lives, and whether an answer came. A deadline that passed is no proof that something did not happen.

pub(crate) mod link_health;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::link_health::{LinkHealth, Remedy};
use crate::model::{Activity, KeepAwake, Link, Remote};
use crate::sdk::Sign;

/// Whoever switches from another terminal gets this time before the host does it in their place.
const OTHERS_TURN: Duration = Duration::from_secs(2);
/// How long a wish to share may be unfulfilled before the host takes it over: GitHub answers within 10 s, mostly.
const TAKE_OVER_AFTER: Duration = Duration::from_secs(3);
/// The pauses between attempts to share begin with this one, and double up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often the runtime is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A runtime that did not answer for so long may not upload either.
const SILENT_AFTER: Duration = Duration::from_secs(10);
/// A runtime that did not answer for so long hangs.
const HANGS_AFTER: Duration = Duration::from_mins(1);
/// The wall's clock ran on by so much more than ours: the machine slept.
const SLEPT: Duration = Duration::from_secs(5);
/// A connection that breaks again and again is not mended for ever: so many times …
const RELAUNCHES: usize = 3;
/// … within this time.
const RELAUNCH_WINDOW: Duration = Duration::from_mins(5);
/// A cause that may pass (no disk, a CLI that is being replaced) is tried again for so long.
const RELAUNCH_PATIENCE: Duration = Duration::from_mins(2);

/// The moment of an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The time since the session's first host began, by a clock that never jumps. It stands still while the machine sleeps.
    pub(crate) at: Duration,
    /// By the clock on the wall, which may be set and which sleep does not stop.
    pub(crate) wall: Timestamp,
}

/// All that the rules remember of a session. A hand-over is this state, serialised: nothing can be forgotten.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct State {
    /// What remote control is to be: the word on disk, as it was read or written last.
    desired: Remote,
    /// What the runtime does, as far as it told.
    actual: Remote,
    /// The session was shared, and is to be shared again: until then others see it as shared, with its link lost.
    restoring: bool,
    /// Since when what is desired is not so.
    differs_since: Option<Duration>,
    switching: Option<Switch>,
    /// What events told while the host was switching. The answer to a switch that came about says more.
    told_meanwhile: Option<Remote>,
    /// When the next attempt is made, and how many came before it; none: no attempt failed.
    retry: Option<(Duration, u32)>,
    /// Until when the session is shared.
    until: Option<Timestamp>,
    link: LinkHealth,
    /// That the link was lost was told, and not yet that it is back.
    lost_told: bool,
    relaunches: Vec<Duration>,
    /// Since when a relaunch fails.
    relaunch_fails_since: Option<Duration>,
    /// When the runtime was asked last that has not answered yet.
    ping_since: Option<Duration>,
    /// When the runtime answered last.
    answered_at: Duration,
    /// The runtime has not answered for a while.
    is_silent: bool,
    hangs_told: bool,
    /// The two clocks at the last look.
    clocks: Option<(Duration, Timestamp)>,
}

/// How remote control is switched by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Switch {
    /// Off, in any case.
    Off,
    /// To what is desired by the time that it is done.
    AsDesired,
    /// Off, and then to what is desired: Mission Control does not take the session as it is, and enabling alone does nothing then.
    Anew,
}

/// What was found on looking at the files, the runtime's log and the person's wishes.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    /// The word on disk; none: there is no file.
    pub(crate) desired: Option<Remote>,
    /// Nobody else is switching.
    pub(crate) turn_is_free: bool,
    pub(crate) until: Option<Timestamp>,
    /// The new signs of trouble with the link.
    pub(crate) signs: &'a [Sign],
    /// What is on disk is what was to be published.
    pub(crate) is_published: bool,
    /// Hosts of one runtime do not act at the same instant.
    pub(crate) jitter: Duration,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A look, once a second.
    Looked(Look<'a>),
    /// A person at this terminal wants remote control to be so.
    Wished(Remote),
    /// An event of the session, which the runtime uploads.
    Touched,
    /// The runtime told that the session can be steered, or not any more.
    Steerable(bool),
    /// The runtime told a link, while this was the word on disk.
    LinkTold { desired: Option<Remote> },
    /// A switch of the host's is over.
    Switched(Outcome),
    /// What Mission Control calls the session.
    Named(Option<String>),
    /// The runtime answered.
    Answered,
    /// The connection to the runtime broke.
    Disconnected,
    /// The session lives in another runtime; whether that has a log.
    Relaunched { has_log: bool },
    /// The session could not be brought to another runtime; whether the cause may pass.
    RelaunchFailed { may_pass: bool },
    /// Somebody interrupted the relaunch, which is no fault of the runtime's.
    RelaunchInterrupted,
}

/// How a switch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Remote control is so now.
    Done(Remote),
    /// GitHub was out of reach; whether the session was switched off on the way.
    Passing { off: bool },
    /// It was refused for good; whether the session was switched off on the way.
    Refused { off: bool },
    /// The connection broke: what became of it is not known.
    Unknown,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Write down what is desired.
    WriteDesired(Remote),
    /// Write down, or forget, until when the session is shared.
    WriteLimit(Option<Timestamp>),
    Switch(Switch),
    /// A switch that is under way is given up.
    DropSwitch,
    /// Upload something that nobody sees.
    Nudge,
    /// Ask what Mission Control calls the session.
    AskName,
    Ping,
    /// End a runtime that hangs, so that it is relaunched.
    ReplaceRuntime,
    /// Bring the session to another runtime, after this time.
    Relaunch(Duration),
    /// The session ends: its runtime died too often, or cannot be replaced.
    GiveUp(Reason),
    /// Write the entry, and what belongs to it, anew.
    Publish,
    LinkLost(String),
    LinkRestored(Link),
    /// Something that people are told.
    Tell(Notice),
}

/// Why a session is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The runtime died again and again.
    TooOften,
    /// The relaunch failed for a cause that does not pass, or for too long.
    RelaunchFailed,
}

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    LimitOver,
    Hangs,
    Slept(Duration),
    /// The relaunch failed, and is tried again.
    RelaunchAgain,
    /// What somebody switched elsewhere did not come about there; the host does it.
    TakingOver(Remote),
}

impl State {
    /// Of a session that was just opened.
    pub(crate) fn new(remote: Remote, until: Option<Timestamp>, has_log: bool, at: Duration) -> Self {
        Self {
            desired: remote,
            actual: remote,
            restoring: false,
            differs_since: None,
            switching: None,
            told_meanwhile: None,
            retry: None,
            until,
            link: LinkHealth::new(has_log, at),
            lost_told: false,
            relaunches: Vec::new(),
            relaunch_fails_since: None,
            ping_since: None,
            answered_at: at,
            is_silent: false,
            hangs_told: false,
            clocks: None,
        }
    }

    /// What others see of remote control. A session that is being shared again is still shared, with its link lost.
    pub(crate) fn remote(&self) -> Remote {
        if self.restoring && self.actual == Remote::Off { self.desired } else { self.actual }
    }

    /// What others see of the link.
    pub(crate) fn link(&self) -> Link {
        match self.link.state() {
            _ if self.restoring && self.actual == Remote::Off => Link::Lost,
            // Silence proves nothing.
            Link::Connected if self.is_silent => Link::Unverified,
            state => state,
        }
    }

    /// Until when the session is shared, as others see it.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until.filter(|_| self.remote() != Remote::Off)
    }

    /// What the runtime does, as far as it told.
    pub(crate) fn actual(&self) -> Remote {
        self.actual
    }

    /// Nothing is being switched by the host.
    pub(crate) fn may_switch(&self) -> bool {
        self.switching.is_none()
    }

    /// The next host does what this one was doing.
    pub(crate) fn handed_over(mut self) -> Self {
        self.switching = None;
        self.ping_since = None;
        self.clocks = None;
        self
    }

    /// Whether the machine is to be kept awake.
    pub(crate) fn keeps_awake(&self, wish: KeepAwake, activity: Activity) -> bool {
        match wish {
            KeepAwake::Never => false,
            KeepAwake::Busy => activity == Activity::Working,
            KeepAwake::Remote => self.remote() != Remote::Off,
        }
    }

    fn set_actual(&mut self, remote: Remote, now: Now) {
        if remote != self.actual && remote != Remote::Off {
            self.link.reset(now.at);
        }
        self.actual = remote;
        if remote != Remote::Off {
            self.restoring = false;
        }
        if remote == self.desired {
            self.retry = None;
            self.differs_since = None;
        }
    }

    /// Gives up a switch that is under way. What events told meanwhile counts.
    fn drop_switch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.switching.take().is_none() {
            return;
        }
        effects.push(Effect::DropSwitch);
        if let Some(told) = self.told_meanwhile.take() {
            self.set_actual(told, now);
        }
    }

    fn start(&mut self, switch: Switch, effects: &mut Vec<Effect>) {
        self.switching = Some(switch);
        self.told_meanwhile = None;
        effects.push(Effect::Switch(switch));
    }

    fn retry_later(&mut self, now: Now) {
        let attempts = self.retry.map_or(0, |(_, attempts)| attempts);
        let pause = (FIRST_PAUSE * (1 << attempts.min(4))).min(LONGEST_PAUSE);
        self.retry = Some((now.at + pause, attempts + 1));
    }
}

/// Takes in what happened, and decides what is to be done.
pub(crate) fn update(state: &mut State, input: Input<'_>, now: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    match input {
        Input::Looked(look) => looked(state, &look, now, &mut effects),
        Input::Wished(remote) => wished(state, remote, now, &mut effects),
        Input::Touched => state.link.touch(now.at),
        Input::Steerable(steerable) => {
            let told = if steerable { Remote::On } else { Remote::Off };
            if state.may_switch() {
                state.set_actual(told, now);
            } else {
                state.told_meanwhile = Some(told);
            }
        }
        Input::LinkTold { desired } => {
            state.desired = desired.unwrap_or(state.desired);
            // Nothing but this tells of a session that can be seen and not steered. What comes on although nobody wants it by now was
            // begun before, and is switched off.
            if !state.may_switch() {
                state.told_meanwhile = state.told_meanwhile.filter(|told| *told == Remote::On).or(Some(Remote::Export));
            } else if state.actual == Remote::Off && state.desired != Remote::On {
                state.set_actual(Remote::Export, now);
            }
        }
        Input::Switched(outcome) => switched(state, outcome, now, &mut effects),
        Input::Named(id) => state.link.name(id),
        Input::Answered => {
            state.ping_since = None;
            state.answered_at = now.at;
            (state.is_silent, state.hangs_told) = (false, false);
        }
        Input::Disconnected => disconnected(state, now, &mut effects),
        Input::Relaunched { has_log } => {
            state.relaunch_fails_since = None;
            state.ping_since = None;
            state.is_silent = false;
            state.answered_at = now.at;
            state.link = LinkHealth::new(has_log, now.at);
        }
        Input::RelaunchFailed { may_pass } => relaunch_failed(state, may_pass, now, &mut effects),
        Input::RelaunchInterrupted => {
            state.relaunches.pop();
        }
    }
    // The limit was for what is over; whoever shares the session next, at once, is not to meet it.
    if state.desired == Remote::Off && state.actual == Remote::Off && state.until.take().is_some() {
        effects.push(Effect::WriteLimit(None));
    }
    tell_link(state, &mut effects);
    effects
}

/// A link that was lost is back once others may see it as well.
fn tell_link(state: &mut State, effects: &mut Vec<Effect>) {
    if state.lost_told && state.remote() != Remote::Off && state.link() != Link::Lost {
        state.lost_told = false;
        effects.push(Effect::LinkRestored(state.link()));
    }
}

fn lose_link(state: &mut State, why: String, effects: &mut Vec<Effect>) {
    if !std::mem::replace(&mut state.lost_told, true) {
        effects.push(Effect::LinkLost(why));
    }
}

fn looked(state: &mut State, look: &Look<'_>, now: Now, effects: &mut Vec<Effect>) {
    mind_sleep(state, now, effects);
    read_wishes(state, look, now, effects);
    reconcile(state, look, now, effects);
    mind_link(state, look, now, effects);
    mind_runtime(state, now, effects);
    if !look.is_published {
        effects.push(Effect::Publish);
    }
}

fn mind_sleep(state: &mut State, now: Now, effects: &mut Vec<Effect>) {
    let Some((at, wall)) = state.clocks.replace((now.at, now.wall)) else { return };
    let ran = Duration::try_from(now.wall.duration_since(wall)).unwrap_or_default();
    if let Some(slept) = ran.checked_sub(now.at.saturating_sub(at)).filter(|slept| *slept > SLEPT) {
        effects.push(Effect::Tell(Notice::Slept(slept)));
        effects.push(Effect::Nudge);
        state.link.nudge(now.at);
        // Asked at once.
        state.answered_at = Duration::ZERO;
    }
}

/// Takes over what the files say; what is missing there is written anew.
fn read_wishes(state: &mut State, look: &Look<'_>, now: Now, effects: &mut Vec<Effect>) {
    if let Some(desired) = look.desired {
        state.desired = desired;
        state.until = look.until;
    } else {
        effects.push(Effect::WriteDesired(state.desired));
        // The whole folder was removed, so that nobody took the time limit away either.
        if state.until.is_some() {
            effects.push(Effect::WriteLimit(state.until));
        }
    }
    if state.until.is_some_and(|until| until <= now.wall) && state.desired != Remote::Off {
        // At once: what is under way stops at this word, and what is to be shared again is not.
        state.desired = Remote::Off;
        effects.push(Effect::WriteDesired(Remote::Off));
        effects.push(Effect::Tell(Notice::LimitOver));
    }
    if state.desired == Remote::Off {
        state.restoring = false;
        if state.actual == Remote::Off {
            state.retry = None;
        }
    }
}

/// Makes what is so what is desired.
fn reconcile(state: &mut State, look: &Look<'_>, now: Now, effects: &mut Vec<Effect>) {
    // What came on while a switch hangs that nobody wants any more is not waited for.
    if state.desired == Remote::Off && state.told_meanwhile.is_some_and(|told| told != Remote::Off) {
        state.drop_switch(now, effects);
    }
    if state.desired == state.actual {
        state.differs_since = None;
        state.retry = None;
        return;
    }
    let since = now.at.saturating_sub(*state.differs_since.get_or_insert(now.at));
    let may_try = state.retry.is_none_or(|(at, _)| now.at >= at);
    if state.desired == Remote::Off {
        // What is being switched on stops by itself at the word; a switch that hangs is not waited for.
        let hangs = state.switching.is_some_and(|switch| switch != Switch::Off) && since >= OTHERS_TURN;
        if hangs {
            state.drop_switch(now, effects);
        }
        if state.may_switch() && may_try && (look.turn_is_free || since >= OTHERS_TURN) {
            state.start(Switch::Off, effects);
        }
        return;
    }
    let own = state.restoring || state.retry.is_some();
    if !state.may_switch() || !may_try || !own && (!look.turn_is_free || since < TAKE_OVER_AFTER) {
        return;
    }
    if !own {
        effects.push(Effect::Tell(Notice::TakingOver(state.desired)));
    }
    state.start(Switch::AsDesired, effects);
}

fn mind_link(state: &mut State, look: &Look<'_>, now: Now, effects: &mut Vec<Effect>) {
    if state.actual == Remote::Off {
        // What is said meanwhile is about other sessions, or about what was.
        if !state.restoring {
            state.link.reset(now.at);
        }
        return;
    }
    if let Some(why) = state.link.read(look.signs, look.jitter, now.at) {
        lose_link(state, why, effects);
    }
    // While the session is shared anew, it may get another name, and the log is quiet.
    if state.may_switch() {
        state.link.recovers(now.at);
        if !state.link.is_named() {
            effects.push(Effect::AskName);
        }
    }
    match state.link.due(state.may_switch() && state.desired != Remote::Off, look.jitter, now.at) {
        Some(Remedy::Renew) => state.start(Switch::Anew, effects),
        Some(Remedy::Nudge) => {
            state.link.nudge(now.at);
            effects.push(Effect::Nudge);
        }
        None => {}
    }
}

/// Asks the runtime whether it is there. One that does not answer for a minute is ended, by one of its hosts: the others see that, too.
fn mind_runtime(state: &mut State, now: Now, effects: &mut Vec<Effect>) {
    state.is_silent |= state.ping_since.is_some_and(|since| now.at.saturating_sub(since) >= SILENT_AFTER);
    match state.ping_since {
        Some(since) if now.at.saturating_sub(since) >= HANGS_AFTER => {
            state.ping_since = None;
            state.answered_at = now.at;
            if !std::mem::replace(&mut state.hangs_told, true) {
                effects.push(Effect::Tell(Notice::Hangs));
            }
            effects.push(Effect::ReplaceRuntime);
        }
        None if now.at.saturating_sub(state.answered_at) >= PING_INTERVAL || state.answered_at.is_zero() => {
            state.ping_since = Some(now.at);
            effects.push(Effect::Ping);
        }
        _ => {}
    }
}

/// A person at this terminal switches. `off` does not wait for what is under way.
fn wished(state: &mut State, remote: Remote, now: Now, effects: &mut Vec<Effect>) {
    state.drop_switch(now, effects);
    state.desired = remote;
    state.retry = None;
    state.differs_since = Some(now.at);
    effects.push(Effect::WriteDesired(remote));
    state.start(if remote == Remote::Off { Switch::Off } else { Switch::AsDesired }, effects);
}

fn switched(state: &mut State, outcome: Outcome, now: Now, effects: &mut Vec<Effect>) {
    let Some(switch) = state.switching.take() else { return };
    let renewing = switch == Switch::Anew;
    if renewing {
        state.link.on_renewed(matches!(outcome, Outcome::Done(_)), now.at);
    }
    match outcome {
        Outcome::Done(remote) => {
            state.told_meanwhile = None;
            // One that was shared anew is not told to be well until that shows.
            if renewing && remote != Remote::Off {
                state.actual = remote;
                state.restoring = false;
                state.retry = None;
            } else {
                state.set_actual(remote, now);
            }
            if remote != state.desired && state.desired == Remote::Off {
                state.differs_since = Some(now.at);
            }
        }
        Outcome::Passing { off } => {
            went_off(state, off, now);
            state.retry_later(now);
        }
        Outcome::Refused { off } => {
            went_off(state, off, now);
            if switch == Switch::Off {
                state.retry_later(now);
            } else if state.desired != Remote::Off {
                // It would be refused again: what is desired is what is.
                state.restoring = false;
                state.retry = None;
                state.desired = state.actual;
                effects.push(Effect::WriteDesired(state.actual));
            }
        }
        // It is settled by the relaunch, or by the next look.
        Outcome::Unknown => state.retry_later(now),
    }
}

/// A switch did not come about. The session may have been switched off on the way to being shared anew, and what somebody else asked for
/// may have come on.
fn went_off(state: &mut State, off: bool, now: Now) {
    if off {
        state.actual = Remote::Off;
        state.restoring = state.desired != Remote::Off;
    }
    if let Some(told) = state.told_meanwhile.take() {
        state.set_actual(told, now);
    }
}

fn disconnected(state: &mut State, now: Now, effects: &mut Vec<Effect>) {
    state.drop_switch(now, effects);
    state.ping_since = None;
    state.relaunches.retain(|at| now.at.saturating_sub(*at) < RELAUNCH_WINDOW);
    if state.relaunches.len() >= RELAUNCHES {
        effects.push(Effect::GiveUp(Reason::TooOften));
        return;
    }
    state.relaunches.push(now.at);
    if state.remote() != Remote::Off {
        lose_link(state, "the connection to the Copilot CLI broke".to_owned(), effects);
    }
    state.restoring = state.desired != Remote::Off;
    state.actual = Remote::Off;
    state.retry = None;
    effects.push(Effect::Relaunch(Duration::ZERO));
}

fn relaunch_failed(state: &mut State, may_pass: bool, now: Now, effects: &mut Vec<Effect>) {
    let since = *state.relaunch_fails_since.get_or_insert(now.at);
    let failed_for = now.at.saturating_sub(since);
    if !may_pass || failed_for >= RELAUNCH_PATIENCE {
        effects.push(Effect::GiveUp(Reason::RelaunchFailed));
        return;
    }
    if failed_for.is_zero() {
        effects.push(Effect::Tell(Notice::RelaunchAgain));
    }
    effects.push(Effect::Relaunch(failed_for.clamp(Duration::from_secs(1), LONGEST_PAUSE)));
}
