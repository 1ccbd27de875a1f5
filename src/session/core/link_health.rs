//! Whether Mission Control gets what happens in the session, by the signs of trouble in the runtime's log.
//!
//! The runtime stops uploading without a word to its clients, and its log tells of all its sessions alike, mostly without their names. So each
//! host that could be meant acts for its own session, in a way that does no harm to a healthy one: something new in the session makes the
//! runtime try again; where Mission Control refused the session, it is shared anew. No line of the log tells that an upload went well: the
//! sign of health is an attempt that was due after the last trouble and brought no new one (docs/copilot-cli.md, mission-control-failures).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Link;
use crate::sdk::{Sign, Trouble};

/// So many failures in a row, of uploads or of polls, are no hiccup. Where GitHub hangs they are 10 to 13 s apart.
const FAILURES: usize = 3;
/// The failures have to go on for this time at least.
const LASTING: Duration = Duration::from_secs(5);
/// Polls are made again after some seconds, at most 13 s where GitHub hangs: silence for this time means that one went well.
const POLLS_HEALTHY_AFTER: Duration = Duration::from_secs(16);
/// After uploads failed the runtime tries none for up to 30 s, and a try that hangs is told after 13 s: silence for this time means that
/// one went well.
const UPLOADS_HEALTHY_AFTER: Duration = Duration::from_secs(45);
/// Events that were refused are not older than this.
const RECENT: Duration = Duration::from_secs(15);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Without a log of the runtime's: how often something is uploaded, so that uploading goes on at least.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What may bring the link back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Remedy {
    /// Something new in the session, which the runtime uploads.
    Nudge,
    /// To share the session anew.
    Renew,
}

/// The health of the link of one session. Moments are those of [`super::Now::at`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LinkHealth {
    /// Whether the runtime has a log that tells of trouble; without one nobody can say that the link is well.
    has_log: bool,
    /// The session's id at Mission Control, which some lines of the log name.
    control_id: Option<String>,
    uploads_failed: usize,
    polls_failed: usize,
    /// Since when there were failures.
    failing_since: Option<Duration>,
    /// When there was a sign of trouble last, and for how long silence after it proves nothing.
    last_trouble: Option<(Duration, Duration)>,
    /// When something was done about the trouble last.
    last_attempt: Option<Duration>,
    /// What is to be done next, and when; none while the link is not lost.
    next: Option<(Remedy, Duration)>,
    attempts: u32,
    /// The last attempt was to share the session anew, and it went well: a sign of health by itself.
    renewed: bool,
    /// When something happened in the session last.
    touched: Duration,
    /// When something was uploaded for the sake of the link last.
    nudged: Duration,
}

impl LinkHealth {
    /// Of a session that is shared from now on: that it was is a sign of health.
    pub(crate) fn new(has_log: bool, at: Duration) -> Self {
        Self { has_log, touched: at, nudged: at, ..Self::default() }
    }

    /// Whether there is a log: it may be removed under a runtime that lives.
    pub(crate) fn set_log(&mut self, has_log: bool) {
        self.has_log = has_log;
    }

    /// The state of the link, as others see it.
    pub(crate) fn state(&self) -> Link {
        match (self.next, self.has_log) {
            (Some(_), _) => Link::Lost,
            (None, true) => Link::Connected,
            (None, false) => Link::Unverified,
        }
    }

    /// The session is not shared, or shared anew: what was before counts for nothing.
    pub(crate) fn reset(&mut self, at: Duration) {
        *self = Self::new(self.has_log, at);
    }

    /// What Mission Control calls the session.
    pub(crate) fn name(&mut self, control_id: Option<String>) {
        self.control_id = control_id;
    }

    pub(crate) fn is_named(&self) -> bool {
        self.control_id.is_some()
    }

    /// Something happened in the session, which the runtime uploads.
    pub(crate) fn touch(&mut self, at: Duration) {
        self.touched = at;
    }

    /// Something was uploaded for the sake of the link.
    pub(crate) fn nudge(&mut self, at: Duration) {
        self.nudged = at;
        self.touched = at;
    }

    /// The link is lost for a cause that no log tells: the runtime is gone, or the session is being shared anew.
    pub(crate) fn lose(&mut self, remedy: Remedy, at: Duration) {
        self.last_trouble = Some((at, POLLS_HEALTHY_AFTER));
        self.next = Some((remedy, at));
        self.renewed = false;
    }

    /// What was to share the session anew is over: it helped, or is to be done again.
    pub(crate) fn on_renewed(&mut self, done: bool, at: Duration) {
        self.control_id = None;
        // A session whose events were refused is not uploaded, so that it cannot be refused again before it is shared anew: what was read
        // meanwhile is about the new one.
        let refused_again = matches!(self.next, Some((Remedy::Renew, _)));
        self.renewed = done && !refused_again;
        if self.renewed {
            self.last_attempt = Some(at);
        } else {
            self.lose(Remedy::Renew, at + self.pause());
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(1 << self.attempts.min(6)).min(LONGEST_PAUSE)
    }

    /// Whether a sign may be about this session.
    fn is_ours(&self, sign: &Sign, at: Duration) -> bool {
        if let (Some(theirs), Some(ours)) = (&sign.control_id, &self.control_id) {
            return theirs == ours;
        }
        sign.events.is_none_or(|events| events == 0 || at.saturating_sub(self.touched) < RECENT)
    }

    /// Takes in what the log says: why the link is lost, where that is new. `jitter`: hosts of one runtime do not act at the same instant.
    pub(crate) fn read(&mut self, signs: &[Sign], jitter: Duration, at: Duration) -> Option<String> {
        let mut lost = None;
        for sign in signs {
            if !self.is_ours(sign, at) {
                continue;
            }
            let silence = if sign.trouble == Trouble::PollFailed { POLLS_HEALTHY_AFTER } else { UPLOADS_HEALTHY_AFTER };
            // The longer silence counts as long as it lasts.
            let until = self.last_trouble.map_or(Duration::ZERO, |(since, silence)| since + silence);
            self.last_trouble = Some((at, silence.max(until.saturating_sub(at))));
            self.renewed = false;
            // One hiccup of several sessions is one hiccup.
            let lasting = at.saturating_sub(*self.failing_since.get_or_insert(at)) >= LASTING;
            let remedy = match sign.trouble {
                Trouble::UploadFailed => {
                    self.uploads_failed += 1;
                    (lasting && self.uploads_failed >= FAILURES).then_some(Remedy::Nudge)
                }
                Trouble::PollFailed => {
                    self.polls_failed += 1;
                    (lasting && self.polls_failed >= FAILURES).then_some(Remedy::Nudge)
                }
                Trouble::UploadsStopped => Some(Remedy::Nudge),
                Trouble::Refused => Some(Remedy::Renew),
            };
            let Some(remedy) = remedy else { continue };
            match &mut self.next {
                None => {
                    self.next = Some((remedy, at + jitter));
                    lost = Some(reason(sign));
                }
                // The stronger remedy, at the time of the weaker one.
                Some((known, _)) if remedy == Remedy::Renew => *known = Remedy::Renew,
                Some(_) => {}
            }
        }
        lost
    }

    /// Forgets the trouble once it is over.
    pub(crate) fn recover(&mut self, at: Duration) {
        let Some((trouble, silence)) = self.last_trouble else { return };
        let attempted = self.last_attempt.is_some_and(|attempt| attempt >= trouble);
        // Where the runtime gave up, it is quiet until something is done about it.
        if self.next.is_some() && !attempted {
            return;
        }
        let healthy = if self.renewed {
            self.last_attempt.is_some_and(|attempt| at.saturating_sub(attempt) >= POLLS_HEALTHY_AFTER)
        } else {
            at.saturating_sub(trouble) >= silence
        };
        if healthy {
            let control_id = self.control_id.take();
            let (touched, nudged) = (self.touched, self.nudged);
            *self = Self { control_id, touched, nudged, ..Self::new(self.has_log, at) };
        }
    }

    /// What is to be done now. `may_switch`: nothing is being switched.
    pub(crate) fn due(&mut self, may_switch: bool, jitter: Duration, at: Duration) -> Option<Remedy> {
        let Some((remedy, when)) = self.next else {
            return (!self.has_log && at.saturating_sub(self.nudged) >= KEEPALIVE).then_some(Remedy::Nudge);
        };
        // An attempt to share it anew that went well gets the time to show.
        if at < when || self.renewed || remedy == Remedy::Renew && !may_switch {
            return None;
        }
        self.attempts += 1;
        // The runtime tries again by itself after 30 s: something new now and then sees to it that there is something to try with.
        self.next = Some((Remedy::Nudge, at + self.pause() + jitter));
        self.last_attempt = Some(at);
        Some(remedy)
    }
}

fn reason(sign: &Sign) -> String {
    match sign.trouble {
        Trouble::PollFailed => format!("it could not be asked for commands: {}", sign.why),
        Trouble::Refused => format!("it refused the session's events: {}", sign.why),
        Trouble::UploadFailed => format!("it did not take events: {}", sign.why),
        Trouble::UploadsStopped => "it did not take events, and the Copilot CLI gave up".to_owned(),
    }
}
