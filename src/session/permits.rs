//! Permissions that are given here without asking anybody: those that `--allow-tool` names.
//!
//! Mission Control sees such a request for the moment until it is answered; whoever is faster there decides.

use std::collections::HashSet;
use std::future::pending;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Host;
use crate::context::Context;
use crate::output::Update;
use crate::sdk::{self, Answer, Answered, Event, Request, SdkError};

/// The runtime answers at once.
const DEADLINE: Duration = Duration::from_secs(10);

/// Answers that are on their way.
#[derive(Debug, Default)]
pub(super) struct Permits {
    answers: JoinSet<(Request, Result<Answered, SdkError>)>,
    /// Those of them that are answered already.
    answered: HashSet<String>,
}

impl Permits {
    /// The next one that has arrived, for ever without any. Cancel-safe.
    pub(super) async fn settled(&mut self) -> (Request, Result<Answered, SdkError>) {
        loop {
            match self.answers.join_next().await {
                Some(Ok(settled)) => return settled,
                // It panicked, which the panic's own message tells.
                Some(Err(_)) => {}
                None => return pending().await,
            }
        }
    }

    /// An answer may be told before we know that ours arrived.
    pub(super) fn see(&mut self, event: &Event) {
        if let Event::Answered { id, .. } = event
            && !self.answers.is_empty()
        {
            self.answered.insert(id.clone());
        }
    }

    pub(super) fn are_settled(&self) -> bool {
        self.answers.is_empty()
    }

    /// The connection they were on is gone.
    pub(super) fn forget(&mut self) {
        self.answers.abort_all();
        self.answers.detach_all();
        self.answered.clear();
    }
}

impl Host {
    /// Gives the permission that an event asks for, where the rules say so; whether they do.
    pub(super) fn permit(&mut self, context: &mut Context<'_>, event: &Event) -> anyhow::Result<bool> {
        let Event::Waiting(request) = event else { return Ok(false) };
        if !sdk::allows(&self.options.allowed, &request.tool, &self.entry.directory) {
            return Ok(false);
        }
        context.tell(&Update::Allowed(request))?;
        let (session, request) = (self.session.clone(), request.as_ref().clone());
        self.permits.answers.spawn(async move {
            let answered = timeout(DEADLINE, session.answer(&request, &Answer::Yes)).await;
            let late = |_| Err(SdkError::Deadline { step: "answering", limit: DEADLINE });
            let settled = answered.unwrap_or_else(late);
            (request, settled)
        });
        Ok(true)
    }

    /// A request whose answer did not arrive is one for a person: it is told, and given back.
    pub(super) fn on_permitted(
        &mut self,
        context: &mut Context<'_>,
        (request, settled): (Request, Result<Answered, SdkError>),
    ) -> anyhow::Result<Option<Event>> {
        let answered = self.permits.answered.remove(&request.id);
        match settled {
            // Where somebody in Mission Control was faster, their answer is told. Where the connection broke, nothing waits any more.
            Ok(_) | Err(SdkError::Connection(_)) => Ok(None),
            Err(_) if answered => Ok(None),
            Err(_) => {
                let event = Event::Waiting(Box::new(request));
                self.on_waiting(context, &event)?;
                Ok(Some(event))
            }
        }
    }
}
