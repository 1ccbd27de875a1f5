//! The rules of a session, as one pure function: [`update`] takes what happened and decides what is to be done about it. It reads no clock,
//! does no input or output, and waits for nothing; `driver` does what it decides.
//!
//! What is desired is compared with what is at every look, `off` before everything else: it does not matter who wrote a wish down, whether
//! that process lives, and whether an answer came. A deadline that passed is no proof that something did not happen.

pub(crate) mod link_health;
mod remote;
mod runtime;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::link_health::{LinkHealth, Remedy};
use self::remote::{read_wishes, reconcile, switched, wished};
use self::runtime::{disconnected, mind_runtime, mind_sleep, relaunch_failed};
use crate::model::{Activity, KeepAwake, Link, Remote};
use crate::sdk::Sign;

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
    /// What is desired could not be written down yet; what stands there is of before.
    unwritten: bool,
    /// What the runtime does, as far as it told.
    actual: Remote,
    /// The session was shared, and is to be shared again: until then others see it as shared, with its link lost.
    restoring: bool,
    /// Since when what is desired is not so.
    differs_since: Option<Duration>,
    switching: Option<Switch>,
    /// What events told last while the host was switching.
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
    clocks: (Duration, Timestamp),
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
    /// The runtime has a log that tells of trouble.
    pub(crate) has_log: bool,
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
    /// What was desired is written down.
    Written,
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
    /// Write down that this is desired, in place of that, unless something else is by now.
    TakeBack {
        from: Remote,
        to: Remote,
    },
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
    pub(crate) fn new(remote: Remote, until: Option<Timestamp>, has_log: bool, now: Now) -> Self {
        let Now { at, wall } = now;
        Self {
            desired: remote,
            unwritten: false,
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
            clocks: (at, wall),
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
            state.desired = desired.filter(|_| !state.unwritten).unwrap_or(state.desired);
            // Nothing but this tells of a session that can be seen and not steered. What comes on although nobody wants it by now was
            // begun before, and is switched off.
            if !state.may_switch() {
                state.told_meanwhile = state.told_meanwhile.filter(|told| *told == Remote::On).or(Some(Remote::Export));
            } else if state.actual == Remote::Off && state.desired != Remote::On {
                state.set_actual(Remote::Export, now);
            }
        }
        Input::Switched(outcome) => switched(state, outcome, now, &mut effects),
        Input::Written => state.unwritten = false,
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
    state.link.set_log(look.has_log);
    mind_link(state, look, now, effects);
    mind_runtime(state, now, effects);
    if !look.is_published {
        effects.push(Effect::Publish);
    }
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
        state.link.recover(now.at);
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
