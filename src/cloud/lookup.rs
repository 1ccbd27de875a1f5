//! Looks for tasks whose answer got lost, among the account's own tasks, so that none is created twice.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::{Created, Failure, Link, Target};
use crate::repo::Slug;
use crate::sdk::{Runtime, SdkError, Task};

/// How long one look at the list may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);
/// How long a new task may take to appear in the list.
const LATE: Duration = Duration::from_secs(2);

/// The account's tasks since the start, by this machine's clock, and the ids of those that belong to a known order.
pub(crate) struct Lookup {
    since: Timestamp,
    seen: BTreeMap<String, Task>,
    known: HashSet<String>,
    /// Whether the last look was a success.
    looked: bool,
}

impl Lookup {
    /// Begins now: older tasks are of no interest.
    pub(crate) fn new() -> Self {
        Self { since: Timestamp::now(), seen: BTreeMap::new(), known: HashSet::new(), looked: false }
    }

    /// Notes that this task belongs to a known order.
    pub(crate) fn know(&mut self, task: &str) {
        self.known.insert(task.to_owned());
    }

    /// Keeps the tasks of one look at the list.
    pub(crate) fn saw(&mut self, tasks: Result<Vec<Task>, SdkError>) {
        self.looked = tasks.is_ok();
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

    /// Looks for the tasks of `targets`, and once more if some do not appear yet. What was seen is kept, also if this is dropped.
    pub(crate) async fn gather(&mut self, runtime: &Runtime, targets: &[&Target]) {
        self.saw(look(runtime).await);
        if targets.iter().any(|target| self.unaccounted(target).len() < count(targets, target)) {
            sleep(LATE).await;
            self.saw(look(runtime).await);
        }
    }

    /// Decides what became of the orders that failed at an unknown moment. Tasks of one repository cannot be told apart, and need
    /// not be: none of these has its prompt.
    pub(crate) fn attribute<'a>(&mut self, host: &str, lost: impl IntoIterator<Item = (&'a Target, &'a mut Failure)>) {
        let mut lost: Vec<_> = lost.into_iter().filter(|(_, failure)| failure.created == Created::Unknown).collect();
        let targets: Vec<&Target> = lost.iter().map(|(target, _)| *target).collect();
        for (index, (target, failure)) in lost.iter_mut().enumerate() {
            let candidates = self.unaccounted(target);
            let refused = matches!(failure.error.downcast_ref(), Some(SdkError::CloudRefused { .. }));
            failure.created = match candidates.as_slice() {
                // With more tasks than orders, somebody else creates tasks, too, so none can be attributed.
                [id, ..] if candidates.len() <= count(&targets[index..], target) => {
                    self.known.insert(id.clone());
                    Created::Found { id: id.clone(), link: Link::derived(host, id) }
                }
                [] if refused && self.looked => Created::No,
                _ => Created::Unknown,
            };
        }
    }

    /// Whether a task is no older than the start. GitHub's times may have whole seconds only.
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

/// Looks at the latest tasks. It has to be soon after an answer got lost, while the task still is among them.
pub(crate) async fn look(runtime: &Runtime) -> Result<Vec<Task>, SdkError> {
    let late = |_| Err(SdkError::Deadline { step: "looking for the task", limit: LOOK_DEADLINE });
    timeout(LOOK_DEADLINE, runtime.tasks()).await.unwrap_or_else(late)
}

/// How many of `targets` name the same repository.
fn count(targets: &[&Target], target: &Target) -> usize {
    targets.iter().filter(|other| other.slug == target.slug).count()
}
