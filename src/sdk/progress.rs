//! What the agent is at, by the events of its session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, RequestKind};
use crate::model::Activity;

/// What the agent is at.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Requests that wait for a person.
    pub(crate) waiting: BTreeMap<String, RequestKind>,
    pub(crate) working: bool,
}

impl Progress {
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Waiting(request) if request.kind.holds_up() => drop(self.waiting.insert(request.id.clone(), request.kind)),
            Event::Answered { id, .. } => drop(self.waiting.remove(id)),
            // One that was taken and has not begun is work, too: whether there is any, the runtime is asked then.
            Event::Working | Event::Prompt { .. } | Event::Queue => self.working = true,
            Event::Idle | Event::Aborted { .. } => self.stop(),
            _ => {}
        }
    }

    /// Nothing is under way any more.
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

    /// Whether something waits that is lost when the client that was asked goes away: a question or a plan (measured), no permission.
    pub(crate) fn holds_on_to_us(&self) -> bool {
        self.waiting.values().any(|kind| *kind != RequestKind::Permission)
    }
}
