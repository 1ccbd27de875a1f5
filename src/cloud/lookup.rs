//! What became of tasks that were asked for, where the answer got lost: looked up among the account's own, so that none is created twice.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::{Created, Link, Target};
use crate::repo::Slug;
use crate::sdk::{Runtime, SdkError, Task};

/// How long one look may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);
/// A task may take so long to be in the list.
const LATE: Duration = Duration::from_secs(2);
/// Two looks, and the time between them.
pub(crate) const ALL_LOOKS: Duration = Duration::from_secs(23);

/// The account's tasks since then, as far as they were looked at, and those of them that are accounted for.
pub(crate) struct Lookup {
    since: Timestamp,
    seen: BTreeMap<String, Task>,
    known: HashSet<String>,
}

impl Lookup {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { since: Timestamp::now(), seen: BTreeMap::new(), known: HashSet::new() }
    }

    /// This one is accounted for.
    pub(crate) fn know(&mut self, task: &str) {
        self.known.insert(task.to_owned());
    }

    /// Keeps what one look saw.
    pub(crate) fn saw(&mut self, tasks: Result<Vec<Task>, SdkError>) {
        match tasks {
            Ok(tasks) => {
                for task in tasks {
                    if task.created_at.is_some_and(|at| self.is_since(at)) {
                        self.seen.insert(task.id.clone(), task);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the account's tasks could not be looked at"),
        }
    }

    /// What became of the orders for `targets`: tasks of the same repository are the same, as none of them has its prompt.
    pub(crate) async fn resolve(&mut self, runtime: &Runtime, host: &str, targets: &[&Target]) -> Vec<Created> {
        self.saw(look(runtime).await);
        if targets.iter().any(|target| self.unaccounted(target).len() < count(targets, target)) {
            sleep(LATE).await;
            self.saw(look(runtime).await);
        }
        let mut found = Vec::with_capacity(targets.len());
        for (index, target) in targets.iter().enumerate() {
            let candidates = self.unaccounted(target);
            found.push(match candidates.as_slice() {
                // With more than were asked for, somebody else asks, too.
                [id, ..] if candidates.len() <= count(&targets[index..], target) => {
                    self.known.insert(id.clone());
                    Created::Found { id: id.clone(), link: Link::derived(host, id) }
                }
                _ => Created::Unknown,
            });
        }
        found
    }

    /// Times may have whole seconds only.
    fn is_since(&self, at: Timestamp) -> bool {
        at >= self.since || (at.subsec_nanosecond() == 0 && at.as_second() == self.since.as_second())
    }

    fn unaccounted(&self, target: &Target) -> Vec<String> {
        let ours = |task: &&Task| {
            let slug = task.repository.as_deref().and_then(Slug::parse);
            !self.known.contains(&task.id) && slug == target.slug
        };
        self.seen.values().filter(ours).map(|task| task.id.clone()).collect()
    }
}

/// Looks at the latest tasks: soon after something got lost, or it is not among them any more.
pub(crate) async fn look(runtime: &Runtime) -> Result<Vec<Task>, SdkError> {
    let late = |_| Err(SdkError::Deadline { step: "looking for the task", limit: LOOK_DEADLINE });
    timeout(LOOK_DEADLINE, runtime.tasks()).await.unwrap_or_else(late)
}

/// How many of `targets` are of the same repository.
fn count(targets: &[&Target], target: &Target) -> usize {
    targets.iter().filter(|other| other.slug == target.slug).count()
}
