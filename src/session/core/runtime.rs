//! The runtime that the session lives in: whether it answers, and what is done where it died; and the machine's sleep.

use std::time::Duration;

use super::{Effect, Notice, Now, Reason, State, lose_link};
use crate::model::Remote;

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
/// The longest pause between two attempts to start a runtime.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub(super) fn mind_sleep(state: &mut State, now: Now, effects: &mut Vec<Effect>) {
    let (at, wall) = std::mem::replace(&mut state.clocks, (now.at, now.wall));
    let ran = Duration::try_from(now.wall.duration_since(wall)).unwrap_or_default();
    if let Some(slept) = ran.checked_sub(now.at.saturating_sub(at)).filter(|slept| *slept > SLEPT) {
        effects.push(Effect::Tell(Notice::Slept(slept)));
        effects.push(Effect::Nudge);
        state.link.nudge(now.at);
        // Asked at once.
        state.answered_at = Duration::ZERO;
    }
}

/// Asks the runtime whether it is there. One that does not answer for a minute is ended, by one of its hosts: the others see that, too.
pub(super) fn mind_runtime(state: &mut State, now: Now, effects: &mut Vec<Effect>) {
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

pub(super) fn disconnected(state: &mut State, now: Now, effects: &mut Vec<Effect>) {
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

pub(super) fn relaunch_failed(state: &mut State, may_pass: bool, now: Now, effects: &mut Vec<Effect>) {
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
