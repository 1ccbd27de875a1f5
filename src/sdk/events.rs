//! What happens in a session, event by event, and nothing left out.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use github_copilot_sdk::subscription::RecvErrorKind;
use github_copilot_sdk::{EventSubscription, SessionEvent};
use serde_json::json;
use tokio::time::timeout;

use super::{Event, SdkError, Session, missed};

/// How long reading the runtime's log may take; 2,000 events take it 25 ms (measured).
const LOG_DEADLINE: Duration = Duration::from_secs(20);
/// As many events as one read may give.
const PAGE: u16 = 1000;
/// More than the SDK's two queues hold together: what is known already comes again from no farther back.
const LATEST: usize = 2048;

/// What happens in a session, from its creation on.
pub(crate) struct Events {
    session: Session,
    subscription: EventSubscription,
    /// Known, and still to be given out.
    past: VecDeque<Event>,
    known: Known,
    /// So many are missing, and are looked for.
    search: Option<(u64, BoxFuture<'static, Option<Vec<Entry>>>)>,
    /// What came while they were missing.
    after: Option<Entry>,
    already_in_use: bool,
}

/// An event with its id.
struct Entry {
    id: String,
    event: Event,
}

impl From<SessionEvent> for Entry {
    fn from(event: SessionEvent) -> Self {
        Self { event: Event::parse(&event.event_type, &event.data), id: event.id }
    }
}

/// The ids of the latest events, hashed.
#[derive(Clone, Default)]
struct Known(VecDeque<u64>);

impl Events {
    pub(super) fn new(session: Session, subscription: EventSubscription) -> Self {
        Self {
            session,
            subscription,
            past: VecDeque::new(),
            known: Known::default(),
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
        entries(&answer).for_each(|entry| self.take(entry));
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
                match search.await {
                    Some(found) => found.into_iter().for_each(|entry| self.take(entry)),
                    None => self.past.push_back(Event::Missed(*count)),
                }
                self.search = None;
                if let Some(after) = self.after.take() {
                    self.take(after);
                }
                continue;
            }
            let received = self.subscription.recv().await;
            let mut dropped = missed::take();
            match received {
                Ok(event) => {
                    let event = Entry::from(event);
                    if dropped > 0 {
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

    /// What is known comes once.
    fn take(&mut self, entry: Entry) {
        if entry.id.is_empty() || self.known.add(&entry.id) {
            self.past.push_back(entry.event);
        }
    }
}

impl Known {
    fn hash(id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish()
    }

    fn has(&self, id: &str) -> bool {
        self.0.contains(&Self::hash(id))
    }

    /// Whether it is new.
    fn add(&mut self, id: &str) -> bool {
        let new = !self.has(id);
        if new {
            self.0.truncate(LATEST - 1);
            self.0.push_front(Self::hash(id));
        }
        new
    }
}

/// What the runtime's log has after the latest event that is known; None: it does not say.
///
/// The log has all that is part of the session and the latest of what is not, such as questions, in the order in which it happened
/// (measured).
async fn after(session: Session, known: Known) -> Option<Vec<Entry>> {
    let mut found: Option<Vec<Entry>> = None;
    let mut params = json!({ "max": PAGE });
    loop {
        let page = session.call("session.eventLog.read", params).await.ok()?;
        for entry in entries(&page) {
            if known.has(&entry.id) {
                found = Some(Vec::new());
            } else if let Some(found) = &mut found {
                found.push(entry);
            }
        }
        if page["hasMore"] != true {
            return found;
        }
        params = json!({ "max": PAGE, "cursor": page["cursor"] });
    }
}

/// The events of an answer.
fn entries(answer: &serde_json::Value) -> impl Iterator<Item = Entry> {
    answer["events"].as_array().into_iter().flatten().map(|event| Entry {
        id: event["id"].as_str().unwrap_or_default().to_owned(),
        event: Event::parse(event["type"].as_str().unwrap_or_default(), &event["data"]),
    })
}
