//! Prompts that were taken and have not begun, and what they wait for: MCP servers that start, and a model's rate limit. A session is not handed
//! over while it waits for that limit; what is known of the servers goes along.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Host;
use crate::context::Context;
use crate::output::Update;
use crate::sdk::{Answer, Answered, Event, Prompt, Request, RequestKind, ServerState, Session};

/// A prompt waits so long for MCP servers; the runtime itself would wait a minute (docs/copilot-cli.md, mcp-wait).
const SERVERS_LIMIT: Duration = Duration::from_secs(10);
/// What the agent is told once the limit is over.
const GO_ON: &str = "The rate limit is over. Please go on with what you were doing.";

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) servers: Servers,
    /// Since when a prompt waits that could go on without them.
    waits_since: Option<Instant>,
    limit: Option<Limit>,
    /// What the form says that asks the same on the phone, as long as that is there.
    asked: Option<String>,
    /// Its id, once the runtime told.
    form: Option<String>,
    /// What is chosen there.
    chosen: JoinSet<Option<String>>,
    /// Whether there is work, as the runtime says, and since which moment in the session that holds.
    looks: JoinSet<(u64, Option<(bool, bool)>)>,
    moment: u64,
    /// A turn has begun. How that ends its own events tell, in their place.
    in_turn: bool,
    /// What is told to the runtime, of which nobody waits for the answer.
    told: JoinSet<()>,
}

/// How MCP servers are.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Servers {
    starting: BTreeSet<String>,
    /// Those of which it was told that they want a sign-in, by the ids of these requests.
    signed_out: BTreeSet<String>,
}

/// A rate limit that the session waits for.
#[derive(Debug)]
struct Limit {
    request: Box<Request>,
    /// None: nobody knows.
    over: Option<Timestamp>,
}

/// What is due.
pub(super) enum Due {
    /// There is work that has not begun, or there is none.
    Looked(bool),
    /// They go on without MCP servers that still start.
    WithoutServers,
    /// The rate limit is over.
    LimitOver,
    /// This was chosen on the phone, of what a rate limit leaves.
    Chosen(String),
}

impl Queue {
    /// Of a session that was handed over.
    pub(super) fn with(servers: Servers, session: &Session) -> Self {
        let mut queue = Self { servers, ..Self::default() };
        queue.look(session);
        queue
    }

    /// Asks the runtime whether there is work.
    fn look(&mut self, session: &Session) {
        self.looks.abort_all();
        let (moment, session) = (self.moment, session.clone());
        self.looks.spawn(async move { (moment, session.is_at_work().await.ok()) });
    }

    /// Mission Control cannot answer such a request (docs/copilot-cli.md, mission-control-answers), and can fill in a form.
    fn ask_phone(&mut self, session: &Session) {
        self.chosen.abort_all();
        let Some(request) = self.limit.as_ref().map(|limit| limit.request.clone()) else { return };
        self.asked = Some(request.what.clone());
        let session = session.clone();
        self.chosen.spawn(async move { session.ask_by_form(&request).await.ok().flatten() });
    }

    /// Follows what happens; false: it was told before.
    pub(super) fn see(&mut self, session: &Session, event: &Event) -> bool {
        match event {
            Event::Queue => self.look(session),
            Event::Prompt { .. } | Event::Working => self.turn(true),
            Event::Idle | Event::Aborted { .. } => {
                self.turn(false);
                // What is broken off asks nothing any more, without a word for it (docs/copilot-cli.md, event-abort).
                self.settle(session, None);
            }
            Event::Server { name, state } => {
                if *state == ServerState::Starting {
                    self.servers.starting.insert(name.clone());
                } else {
                    self.servers.starting.remove(name);
                }
            }
            Event::Waiting(request) if request.kind == RequestKind::SignIn => {
                self.servers.starting.remove(request.server());
                return self.servers.signed_out.insert(request.id.clone());
            }
            Event::Waiting(request) if request.kind == RequestKind::ModelSwitch => {
                let over = request.retry_after.map(Duration::from_secs).and_then(|wait| Timestamp::now().checked_add(wait).ok());
                self.limit = Some(Limit { request: request.clone(), over });
                self.ask_phone(session);
            }
            // The form is for the phone: here the request itself is answered.
            Event::Waiting(request) if request.kind == RequestKind::Form && self.asked.as_ref() == Some(&request.what) => {
                self.form = Some(request.id.clone());
                if self.limit.is_none() {
                    self.withdraw(session);
                }
                return false;
            }
            Event::Answered { id, .. } if self.form.as_ref() == Some(id) => {
                (self.form, self.asked) = (None, None);
                return false;
            }
            Event::Answered { id, .. } => self.settle(session, Some(id)),
            _ => {}
        }
        true
    }

    /// What was waited for has begun, or it is over.
    fn turn(&mut self, begun: bool) {
        self.moment += 1;
        self.in_turn = begun;
        self.waits_since = None;
    }

    /// A rate limit is not waited for any more: this one, or any. The form that asks the same goes with it.
    fn settle(&mut self, session: &Session, id: Option<&str>) {
        if self.limit.take_if(|limit| id.is_none_or(|id| limit.request.id == id)).is_some() {
            self.withdraw(session);
        }
    }

    /// Takes the form back, if it is there by now.
    fn withdraw(&mut self, session: &Session) {
        if let Some(form) = self.form.clone() {
            let session = session.clone();
            self.told.spawn(async move { drop(session.withdraw_form(&form).await) });
        }
    }

    /// That an MCP server has what it needs answers its request for a sign-in.
    pub(super) fn signed_in(&mut self, event: &Event) -> Option<Event> {
        let Event::Server { name, state: ServerState::Ready } = event else { return None };
        let id = Request::sign_in_id(name);
        let outcome = "connected".to_owned();
        self.servers.signed_out.remove(&id).then_some(Event::Answered { id, outcome, approved: Vec::new() })
    }

    /// The runtime is another one.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The next thing that is due, for ever without any. Cancel-safe.
    pub(super) async fn due(&mut self) -> Due {
        loop {
            let without_servers =
                self.waits_since.filter(|_| !self.servers.starting.is_empty()).map(|since| since + SERVERS_LIMIT);
            let over = self.limit.as_ref().and_then(|limit| limit.over);
            let limit = over.map(|over| Instant::now() + left(over));
            tokio::select! {
                Some(looked) = self.looks.join_next() => if let Ok((moment, looked)) = looked && moment == self.moment {
                    // Without an answer nothing is known to wait: what begins all the same is told.
                    let (busy, waits) = looked.unwrap_or_default();
                    self.waits_since = waits.then(|| self.waits_since.unwrap_or_else(Instant::now));
                    if !self.in_turn {
                        return Due::Looked(busy);
                    }
                },
                Some(chosen) = self.chosen.join_next() => if let Ok(Some(choice)) = chosen {
                    return Due::Chosen(choice);
                },
                Some(_) = self.told.join_next() => {}
                () = at(without_servers) => {
                    self.waits_since = None;
                    return Due::WithoutServers;
                }
                () = at(limit) => return Due::LimitOver,
            }
        }
    }
}

fn left(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default()
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

impl Host {
    /// Does what is due for prompts that have not begun.
    pub(super) fn on_due(&mut self, context: &mut Context<'_>, due: &Due) -> anyhow::Result<()> {
        let session = self.session.clone();
        match due {
            Due::Looked(busy) => {
                self.progress.working = *busy;
                self.publish(context);
                context.record(&Update::Event(&Event::Queue));
            }
            Due::WithoutServers => {
                let names: Vec<&str> = self.queue.servers.starting.iter().map(String::as_str).collect();
                let text = format!("MCP servers still start ({}): this turn goes on without their tools", names.join(", "));
                context.tell(&Update::Caution(text))?;
                self.queue.told.spawn(async move { drop(session.do_without_servers().await) });
            }
            Due::Chosen(choice) => {
                let Some(request) = self.queue.limit.as_ref().map(|limit| limit.request.clone()) else { return Ok(()) };
                let answer = Answer::Choice(choice.clone());
                self.queue.told.spawn(async move { drop(session.answer(&request, &answer).await) });
            }
            Due::LimitOver => {
                let Some(limit) = &mut self.queue.limit else { return Ok(()) };
                limit.over = None;
                let request = limit.request.clone();
                context.tell(&Update::Caution("the rate limit is over: the session goes on with its model".to_owned()))?;
                self.queue.told.spawn(async move {
                    let queued = session.queued().await.unwrap_or_default();
                    // With the model that the person chose. The turn is over by that; where no other prompt waits, it is begun again.
                    if matches!(session.answer(&request, &Answer::No).await, Ok(Answered::Taken)) && queued == 0 {
                        let _ = session.send(&Prompt::from(GO_ON)).await;
                    }
                });
            }
        }
        Ok(())
    }
}
