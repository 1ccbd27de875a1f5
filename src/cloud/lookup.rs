//! What became of tasks that were asked for, where the answer got lost: looked up among the account's own, so that none is created twice.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::{Created, Failure, Link, Target};
use crate::repo::Slug;
use crate::sdk::{Runtime, SdkError, Task};

/// How long one look may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);
/// A task may take so long to be in the list.
const LATE: Duration = Duration::from_secs(2);

/// The account's tasks since the start, by this machine's clock, and those of them that are accounted for.
pub(crate) struct Lookup {
    since: Timestamp,
    seen: BTreeMap<String, Task>,
    known: HashSet<String>,
    /// The last look was a success.
    looked: bool,
}

impl Lookup {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { since: Timestamp::now(), seen: BTreeMap::new(), known: HashSet::new(), looked: false }
    }

    /// This one is accounted for.
    pub(crate) fn know(&mut self, task: &str) {
        self.known.insert(task.to_owned());
    }

    /// Keeps what one look saw.
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

    /// Looks for tasks of `targets`, once more where some are not to be seen yet. What was seen stays, should this be given up.
    pub(crate) async fn gather(&mut self, runtime: &Runtime, targets: &[&Target]) {
        self.saw(look(runtime).await);
        if targets.iter().any(|target| self.unaccounted(target).len() < count(targets, target)) {
            sleep(LATE).await;
            self.saw(look(runtime).await);
        }
    }

    /// What became of those that failed at an unknown moment. As far as repositories are the same, so are their tasks: none of these has its
    /// prompt.
    pub(crate) fn attribute<'a>(&mut self, host: &str, lost: impl IntoIterator<Item = (&'a Target, &'a mut Failure)>) {
        let mut lost: Vec<_> = lost.into_iter().filter(|(_, failure)| failure.created == Created::Unknown).collect();
        let targets: Vec<&Target> = lost.iter().map(|(target, _)| *target).collect();
        for (index, (target, failure)) in lost.iter_mut().enumerate() {
            let candidates = self.unaccounted(target);
            let refused = matches!(failure.error.downcast_ref(), Some(SdkError::CloudRefused { .. }));
            failure.created = match candidates.as_slice() {
                // With more than were asked for, somebody else asks, too.
                [id, ..] if candidates.len() <= count(&targets[index..], target) => {
                    self.known.insert(id.clone());
                    Created::Found { id: id.clone(), link: Link::derived(host, id) }
                }
                [] if refused && self.looked => Created::No,
                _ => Created::Unknown,
            };
        }
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
