//! What remote control is to be, compared with what it is.

use std::time::Duration;

use super::{Effect, Look, Notice, Now, Outcome, State, Switch};
use crate::model::Remote;

/// Whoever switches from another terminal gets this time before the host does it in their place.
const OTHERS_TURN: Duration = Duration::from_secs(2);
/// How long a wish to share may be unfulfilled before the host takes it over: GitHub answers within 10 s, mostly.
const TAKE_OVER_AFTER: Duration = Duration::from_secs(3);
/// The pauses between attempts to share begin with this one, and double up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

impl State {
    /// Until that is written down, it counts all the same.
    fn write_desired(&mut self, remote: Remote, effects: &mut Vec<Effect>) {
        self.desired = remote;
        self.unwritten = true;
        effects.push(Effect::WriteDesired(remote));
    }

    fn retry_later(&mut self, now: Now) {
        let attempts = self.retry.map_or(0, |(_, attempts)| attempts);
        let pause = (FIRST_PAUSE * (1 << attempts.min(4))).min(LONGEST_PAUSE);
        self.retry = Some((now.at + pause, attempts + 1));
    }
}

/// Takes over what the files say; what is missing there is written anew.
pub(super) fn read_wishes(state: &mut State, look: &Look<'_>, now: Now, effects: &mut Vec<Effect>) {
    if state.unwritten {
        effects.push(Effect::WriteDesired(state.desired));
    } else if let Some(desired) = look.desired {
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
        state.write_desired(Remote::Off, effects);
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
pub(super) fn reconcile(state: &mut State, look: &Look<'_>, now: Now, effects: &mut Vec<Effect>) {
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

/// A person at this terminal switches. `off` does not wait for what is under way.
pub(super) fn wished(state: &mut State, remote: Remote, now: Now, effects: &mut Vec<Effect>) {
    state.drop_switch(now, effects);
    state.retry = None;
    state.differs_since = Some(now.at);
    state.write_desired(remote, effects);
    state.start(if remote == Remote::Off { Switch::Off } else { Switch::AsDesired }, effects);
}

pub(super) fn switched(state: &mut State, outcome: Outcome, now: Now, effects: &mut Vec<Effect>) {
    let Some(switch) = state.switching.take() else { return };
    let renewing = switch == Switch::Anew;
    if renewing {
        state.link.on_renewed(matches!(outcome, Outcome::Done(_)), now.at);
    }
    match outcome {
        Outcome::Done(remote) => {
            // Somebody else's answer may have come later than this one, which is read only now.
            let remote = match (remote, state.told_meanwhile.take()) {
                (Remote::On, Some(Remote::Off)) => Remote::Off,
                (Remote::Off, Some(told)) => told,
                (done, _) => done,
            };
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
                effects.push(Effect::TakeBack { from: state.desired, to: state.actual });
                state.desired = state.actual;
            }
        }
        // It is settled by the relaunch, or by the next look.
        Outcome::Unknown => state.retry_later(now),
    }
}

/// A switch did not come about. The session may have been switched off on the way to being shared anew, and what somebody else asked for
/// may have come on.
pub(super) fn went_off(state: &mut State, off: bool, now: Now) {
    if off {
        state.actual = Remote::Off;
        state.restoring = state.desired != Remote::Off;
    }
    if let Some(told) = state.told_meanwhile.take() {
        state.set_actual(told, now);
    }
}
