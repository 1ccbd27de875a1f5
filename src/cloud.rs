//! Sessions on GitHub's compute. A task is GitHub's: it is launched, looked at, and left to go on; nothing here ends one, and none is in the
//! registry.

pub(crate) mod launch;
pub(crate) mod lookup;
pub(crate) mod order;

use crate::sdk::{self, Login};
pub(crate) use order::{Order, Target};

/// Where a task is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) url: String,
    /// Made from the task's id, as the worker gave none: it may be another one than Mission Control's.
    pub(crate) derived: bool,
}

impl Link {
    /// The link that every task should be found by; None for an id that does not belong in a link.
    pub(crate) fn derived(host: &str, task: &str) -> Option<Self> {
        let plain = !task.is_empty() && task.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let url = format!("https://{host}/copilot/tasks/{task}");
        (plain && sdk::check_link(&url, host).is_ok()).then_some(Self { url, derived: true })
    }
}

/// A task that is ready.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) order: Order,
    pub(crate) session_id: String,
    pub(crate) task: String,
    pub(crate) link: Link,
    pub(crate) login: Login,
    pub(crate) copilot_version: String,
    pub(crate) demo: bool,
}

/// What did not become ready.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) created: Created,
    /// Whether the agent has the prompt; None: that is not known.
    pub(crate) delivered: Option<bool>,
}

/// Whether there is a task all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Created {
    No,
    /// It failed after it was asked for, at an unknown moment.
    Unknown,
    /// So much is sure.
    Task {
        id: String,
        link: Option<Link>,
    },
    /// Looked up: a task of this repository was created meanwhile.
    Found {
        id: String,
        link: Option<Link>,
    },
}
