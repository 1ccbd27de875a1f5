//! What happens in a session, event by event, and nothing left out.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use github_copilot_sdk::subscription::RecvErrorKind;
use github_copilot_sdk::{EventSubscription, SessionEvent};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Event, SdkError, Session, missed};

/// How long reading the runtime's log may take; 2,000 events take it 25 ms (measured).
const LOG_DEADLINE: Duration = Duration::from_secs(20);
/// As many events as one read may give.
const PAGE: u16 = 1000;
/// So many reads, and no more: a log that never ends is none.
const MOST_PAGES: usize = 1000;
/// So many events are remembered: one of them is in the log, where it goes on.
const LATEST: usize = 1024;

/// What happens in a session, from its creation on.
pub(crate) struct Events {
    session: Session,
    subscription: EventSubscription,
    /// Known, and still to be given out.
    past: VecDeque<Event>,
    known: Known,
    /// What was read of the log, and may still come, hashed ids as well: the queues of the SDK have no end.
    read: HashSet<u64>,
    /// So many are missing, and are looked for.
    search: Option<(u64, BoxFuture<'static, Option<Vec<Entry>>>)>,
    /// What came while they were missing.
    after: Option<Entry>,
    already_in_use: bool,
}

/// An event with its id.
struct Entry {
    id: u64,
    /// It is part of the session.
    lasting: bool,
    event: Event,
}

impl From<SessionEvent> for Entry {
    fn from(event: SessionEvent) -> Self {
        let lasting = event.ephemeral != Some(true);
        Self { event: Event::parse(&event.event_type, &event.data), id: hash(&event.id), lasting }
    }
}

/// The hashed ids of the latest events that were given out.
#[derive(Clone, Default)]
struct Known {
    latest: VecDeque<u64>,
    /// The latest that is part of the session: behind it there may be any number of others.
    lasting: Option<u64>,
}

impl Events {
    pub(super) fn new(session: Session, subscription: EventSubscription) -> Self {
        Self {
            session,
            subscription,
            past: VecDeque::new(),
            known: Known::default(),
            read: HashSet::new(),
            search: None,
            after: None,
            already_in_use: false,
        }
    }

    /// The same of a session that this client attached to: from the event that tells of it on.
    pub(super) fn resumed(session: Session, subscription: EventSubscription, resumed: SessionEvent) -> Self {
        let mut events = Self::new(session, subscription);
        events.already_in_use = resumed.data["alreadyInUse"] == true;
        events.take(resumed.into());
        events
    }

    /// Whether another Copilot CLI had the session open when this client attached to it.
    pub(crate) fn already_in_use(&self) -> bool {
        self.already_in_use
    }

    /// Takes in what happened so far in a session in the cloud: of the first events of one, some are never sent (measured).
    pub(crate) async fn catch_up(&mut self) -> Result<(), SdkError> {
        let answer = self.session.call("session.getMessages", json!({})).await?;
        self.take_read(entries(&answer).collect());
        Ok(())
    }

    /// The next event; None when the connection is gone. Cancel-safe.
    ///
    /// Events that come faster than they are taken overflow the queues of the SDK: what was dropped is read from the runtime's log, and
    /// given out in its place. Only where that says nothing, [`Event::Missed`] tells of it.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.past.pop_front() {
                return Some(event);
            }
            if let Some((count, search)) = &mut self.search {
                let (count, found) = (*count, search.await);
                self.search = None;
                let after = self.after.take();
                // What the log does not have any more is older than all that it has.
                let is_found = |after: &Entry| found.iter().flatten().any(|entry| entry.id == after.id);
                let is_read = after.as_ref().is_some_and(is_found);
                if found.is_none() {
                    self.past.push_back(Event::Missed(count));
                }
                if let Some(after) = after.filter(|_| !is_read) {
                    self.take(after);
                }
                self.take_read(found.unwrap_or_default());
                continue;
            }
            let received = self.subscription.recv().await;
            let mut dropped = missed::take();
            match received {
                Ok(event) => {
                    let event = Entry::from(event);
                    if self.read.remove(&event.id) {
                        // It was given out.
                    } else if dropped > 0 {
                        self.after = Some(event);
                    } else {
                        self.take(event);
                    }
                }
                Err(error) => match error.kind() {
                    RecvErrorKind::Lagged(skipped) => dropped += skipped.skipped(),
                    _ => return None,
                },
            }
            if dropped > 0 {
                let search = after(self.session.clone(), self.known.clone());
                let search = timeout(LOG_DEADLINE, search).map(|found| found.ok().flatten());
                self.search = Some((dropped, search.boxed()));
            }
        }
    }

    /// To be given out.
    fn take(&mut self, entry: Entry) {
        self.known.latest.truncate(LATEST - 1);
        self.known.latest.push_front(entry.id);
        if entry.lasting {
            self.known.lasting = Some(entry.id);
        }
        self.past.push_back(entry.event);
    }

    /// The same of what may still come.
    fn take_read(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.read.insert(entry.id);
            self.take(entry);
        }
    }
}

impl Known {
    fn has(&self, id: u64) -> bool {
        self.lasting == Some(id) || self.latest.contains(&id)
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What the runtime's log has after the latest event that is known; None: it does not say.
///
/// The log has all that is part of the session and the latest of what is not, such as questions, in the order in which it happened
/// (measured).
async fn after(session: Session, known: Known) -> Option<Vec<Entry>> {
    let mut found: Option<Vec<Entry>> = None;
    let mut params = json!({ "max": PAGE });
    for _ in 0..MOST_PAGES {
        let page = session.call("session.eventLog.read", params.clone()).await.ok()?;
        for entry in entries(&page) {
            if known.has(entry.id) {
                found = Some(Vec::new());
            } else if let Some(found) = &mut found {
                found.push(entry);
            }
        }
        if page["hasMore"] != true {
            return found;
        }
        let next = json!({ "max": PAGE, "cursor": page["cursor"] });
        if !gets_on(&page, &params, &next) {
            break;
        }
        params = next;
    }
    // What was found by then is not all: that something is missing is to be told.
    None
}

/// Whether a page that says that there are more is not the last one all the same: it has events, and leads to another place.
fn gets_on(page: &Value, asked: &Value, next: &Value) -> bool {
    page["events"].as_array().is_some_and(|events| !events.is_empty()) && !next["cursor"].is_null() && next != asked
}

/// The events of an answer.
fn entries(answer: &Value) -> impl Iterator<Item = Entry> {
    answer["events"].as_array().into_iter().flatten().map(|event| Entry {
        id: hash(event["id"].as_str().unwrap_or_default()),
        lasting: event["ephemeral"] != true,
        event: Event::parse(event["type"].as_str().unwrap_or_default(), &event["data"]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::gets_on;

    #[test]
    fn a_log_that_stands_still_is_not_read_again_and_again() {
        let asked = json!({ "max": 1000, "cursor": "a" });
        let on = |events: &[&str], cursor: serde_json::Value| {
            gets_on(&json!({ "events": events, "hasMore": true }), &asked, &json!({ "max": 1000, "cursor": cursor }))
        };
        assert!(on(&["x"], json!("b")));
        assert!(!on(&["x"], json!("a")), "the same place");
        assert!(!on(&[], json!("b")), "nothing in it");
        assert!(!on(&["x"], json!(null)), "nowhere");
    }
}
