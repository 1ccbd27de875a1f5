//! Sessions on GitHub's compute. A task is GitHub's: it is launched, looked at, and left to go on. Nothing here ends a task, and
//! no task is in the registry.

pub(crate) mod launch;
pub(crate) mod lookup;
pub(crate) mod order;

use crate::sdk::{self, Login};
pub(crate) use order::{Order, Target};

/// The link of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) url: String,
    /// Whether the link was made from the task's id, because the worker named none. It may differ from the one in Mission
    /// Control.
    pub(crate) derived: bool,
}

impl Link {
    /// The link under which GitHub should show any task; `None` for an id that does not belong in a link.
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

/// A task that did not become ready.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) created: Created,
    /// Whether the agent has the prompt; `None` if that is not known.
    pub(crate) delivered: Option<bool>,
}

/// Whether the task exists all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Created {
    No,
    /// It is not known, because the failure came at some moment after GitHub was asked.
    Unknown,
    /// It exists for certain.
    Task {
        id: String,
        link: Option<Link>,
    },
    /// A task of this repository was created meanwhile, as the list of tasks shows.
    Found {
        id: String,
        link: Option<Link>,
    },
}
