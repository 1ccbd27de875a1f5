//! Following a session from outside: by its journal, never as a client of it.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::error::{ChooseError, Exit};
use crate::model::Activity;
use crate::registry::{Reader, Record, Registry};
use crate::sdk::{Request, SdkError};
use crate::view::notices;

/// How often it is looked for something new …
const POLL: Duration = Duration::from_millis(20);
/// … and whether the session lives.
const LIVENESS_POLL: Duration = Duration::from_millis(200);

/// The journal of the session that is meant, or of the one that has ended whose id starts so.
pub(crate) async fn choose(context: &mut Context<'_>, registry: &Registry, wanted: Option<&str>) -> anyhow::Result<Follower> {
    let id = match (notices::target(context, registry, wanted).await, wanted) {
        (Ok(entry), _) => entry.session_id,
        (Err(error), Some(wanted)) if matches!(error.downcast_ref(), Some(ChooseError::NotFound { .. })) => {
            match registry.journals(wanted).as_slice() {
                [id] => id.clone(),
                [] => return Err(error),
                several => return Err(ChooseError::Ambiguous { candidates: several.to_vec() }.into()),
            }
        }
        (Err(error), _) => return Err(error),
    };
    Ok(Follower::open(registry, &id)?.ok_or(SdkError::SessionEnded)?)
}

/// Prints what is there, or also what comes until the session ends; as slowly as it is read.
pub(crate) async fn print(
    context: &mut Context<'_>,
    mut follower: Follower,
    go_on: bool,
    text: impl Fn(&Record) -> Option<String>,
) -> anyhow::Result<Exit> {
    loop {
        let record = if go_on {
            tokio::select! {
                record = follower.next() => record?,
                signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
            }
        } else {
            follower.there()?
        };
        let Some(record) = record else { return Ok(Exit::Done) };
        if let Some(text) = text(&record)
            && let Some(signal) = context.deliver(&text).await?
        {
            return Ok(Exit::Signal(signal));
        }
    }
}

/// What waits for a person, by all that a journal has so far.
pub(crate) fn waiting(follower: &mut Follower) -> io::Result<Vec<Request>> {
    let mut waiting: Vec<Request> = Vec::new();
    while let Some(record) = follower.there()? {
        let told = record.told();
        match told.kind.as_str() {
            "input" => waiting.extend(told.request()),
            "answered" => waiting.retain(|request| request.id != told.id),
            "idle" | "turnAborted" => waiting.retain(|request| !request.kind.holds_up()),
            "ready" | "relaunched" | "ended" => waiting.clear(),
            _ => {}
        }
    }
    Ok(waiting)
}

/// Waits until a request waits no longer; the caller sets the deadline.
pub(crate) async fn answered(follower: &mut Follower, id: &str) -> anyhow::Result<()> {
    while let Some(record) = follower.next().await? {
        let told = record.told();
        if told.id == id && told.kind == "answered" || record.activity == Activity::Idle {
            break;
        }
    }
    Ok(())
}

/// One line of JSON, where there is something for programs.
pub(crate) fn event_line(record: &Record) -> Option<String> {
    record.event.as_ref().map(|event| format!("{event}\n"))
}

/// The journal of a session as it grows.
pub(crate) struct Follower {
    registry: Registry,
    session: String,
    reader: Reader,
    /// What the session is at.
    pub(crate) activity: Activity,
    live: bool,
    look_again: Instant,
}

impl Follower {
    /// Of a session that lives, or has ended; None if there is no journal.
    pub(crate) fn open(registry: &Registry, session: &str) -> anyhow::Result<Option<Self>> {
        let live = registry.session(session)?.is_some();
        Ok(registry.read_journal(session)?.map(|reader| Self {
            registry: registry.clone(),
            session: session.to_owned(),
            reader,
            activity: Activity::Idle,
            live,
            look_again: Instant::now() + LIVENESS_POLL,
        }))
    }

    /// What is there already, without waiting.
    pub(crate) fn there(&mut self) -> io::Result<Option<Record>> {
        let record = self.reader.next()?;
        if let Some(record) = &record {
            self.activity = record.activity;
        }
        Ok(record)
    }

    /// Goes to the end of what is there.
    pub(crate) fn skip(&mut self) -> io::Result<()> {
        while self.there()?.is_some() {}
        Ok(())
    }

    /// Waits until a prompt is part of the session; the caller sets the deadline.
    pub(crate) async fn accepted(&mut self, id: &str) -> anyhow::Result<()> {
        loop {
            let Some(record) = self.next().await? else { return Err(SdkError::SessionEnded.into()) };
            let told = record.told();
            if told.kind == "prompt" && told.id == id {
                return Ok(());
            }
        }
    }

    /// What comes next; None: nothing, as the session has ended. Cancel-safe.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Record>> {
        loop {
            // Looked at first: what was written before the end is read after it was seen.
            let live = self.live;
            if let Some(record) = self.there()? {
                return Ok(Some(record));
            }
            if !live {
                return Ok(None);
            }
            if Instant::now() >= self.look_again {
                self.live = self.registry.session(&self.session)?.is_some();
                self.look_again = Instant::now() + LIVENESS_POLL;
            } else {
                sleep(POLL).await;
            }
        }
    }
}
