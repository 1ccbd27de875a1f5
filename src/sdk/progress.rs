//! What a session is at, derived from its events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, RequestKind};
use crate::model::Activity;

/// The activity of a session, and the requests that wait in it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Requests that wait for a person, by their ids.
    pub(crate) waiting: BTreeMap<String, RequestKind>,
    pub(crate) working: bool,
}

impl Progress {
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Waiting(request) if request.kind.holds_up() => drop(self.waiting.insert(request.id.clone(), request.kind)),
            Event::Answered { id, .. } => drop(self.waiting.remove(id)),
            // A prompt that was accepted and has not begun is work, too. Whether there still is one, the runtime is asked later.
            Event::Working | Event::Prompt { .. } | Event::Queue => self.working = true,
            Event::Idle | Event::Aborted { .. } => self.stop(),
            _ => {}
        }
    }

    /// Notes that nothing is under way any more.
    pub(crate) fn stop(&mut self) {
        self.working = false;
        self.waiting.clear();
    }

    pub(crate) fn activity(&self) -> Activity {
        match self.waiting.len() {
            0 if self.working => Activity::Working,
            0 => Activity::Idle,
            count => Activity::Input(count),
        }
    }

    /// Whether a request waits that is lost when the client that was asked goes away. A question or a plan is lost, a permission
    /// is not (docs/copilot-cli.md, end-requests).
    pub(crate) fn holds_on_to_us(&self) -> bool {
        self.waiting.values().any(|kind| *kind != RequestKind::Permission)
    }
}
