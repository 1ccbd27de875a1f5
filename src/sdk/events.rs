//! The events of a session, in order, and without a gap.

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

/// How long reading the runtime's log may take. For 2,000 events the log takes 25 ms (docs/copilot-cli.md, event-log).
const LOG_DEADLINE: Duration = Duration::from_mins(1);
/// The most events that one read of the log gives (docs/copilot-cli.md, event-log).
const PAGE: u16 = 1000;
/// So many reads, and no more: a log that never ends is none.
const MOST_PAGES: usize = 1000;
/// So many events are remembered: one of them is in the log, where it goes on.
const LATEST: usize = 1024;

/// The events of a session, from its creation on.
pub(crate) struct Events {
    session: Session,
    subscription: EventSubscription,
    /// Events that were read and not yet given out.
    past: VecDeque<Event>,
    known: Known,
    /// Hashed ids of events that were read from the log and may still arrive in the subscription, whose queue has no end.
    read: HashSet<u64>,
    /// How many events are missing, and the search for them in the log.
    search: Option<(u64, BoxFuture<'static, Option<Vec<Entry>>>)>,
    /// The event that came after the gap, given out once the gap is filled.
    after: Option<Entry>,
    already_in_use: bool,
}

/// An event with its id.
struct Entry {
    id: u64,
    /// Whether the event is part of the session's history.
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
    /// The latest event of the session's history. The log may have any number of passing events behind it.
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

    /// The events of a session that this client attached to, beginning with the event that tells of the attaching.
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

    /// Takes in the events so far of a session in the cloud, as some of the first ones are never sent (docs/copilot-cli.md,
    /// cloud-events).
    pub(crate) async fn catch_up(&mut self) -> Result<(), SdkError> {
        let answer = self.session.call("session.getMessages", json!({})).await?;
        self.take_read(entries(&answer).collect());
        Ok(())
    }

    /// Returns the next event, or `None` when the connection is gone. Cancel-safe.
    ///
    /// Events that come faster than they are taken overflow the queues of the SDK. What was dropped is read from the runtime's
    /// log, and given out in its place. Only where the log cannot say, [`Event::Missed`] tells how many are gone.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.past.pop_front() {
                return Some(event);
            }
            if let Some((count, search)) = &mut self.search {
                let (count, found) = (*count, search.await);
                self.search = None;
                let after = self.after.take();
                // An event that the log no longer has is older than all events that it has.
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
                        // This event was given out already.
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

    /// Queues an event to be given out.
    fn take(&mut self, entry: Entry) {
        self.known.latest.truncate(LATEST - 1);
        self.known.latest.push_front(entry.id);
        if entry.lasting {
            self.known.lasting = Some(entry.id);
        }
        self.past.push_back(entry.event);
    }

    /// Queues events that were read from the log, and notes their ids: the same events may still arrive in the subscription.
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

/// The events that the runtime's log has behind the latest known one; `None` if the log cannot say.
///
/// The log has all of the session's history and the latest of the passing events, such as questions, in the order in which they
/// happened (docs/copilot-cli.md, event-log).
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
