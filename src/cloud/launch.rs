//! From an order to a task that works on it: requested, starting, ready, prompted.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Created, Failure, Link, Order};
use crate::error::{DeadlinePassed, TaskEnded};
use crate::sdk::{self, Event, Events, Runtime, SdkError, Session, WORKER};

/// The worker's own link comes with its first events or never; the CLI looks once a second (measured).
const LINK_WAIT: Duration = Duration::from_secs(2);
/// Nothing is sent to GitHub when a session is closed (measured), so this takes no time.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// What a launch is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// GitHub was asked for a task.
    Requested,
    /// It said no for now, and is asked again.
    Limited,
    /// There is a task, and no worker yet.
    Starting,
    /// The worker is there, and is told the prompt.
    Prompting,
    /// The worker may say where it can be seen.
    Linking,
}

impl Step {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Step::Requested => "requested: waiting for GitHub to create the task",
            Step::Limited => "GitHub limits how often it is asked: trying again in a while",
            Step::Starting => "starting: waiting for the task's worker",
            Step::Prompting => "ready: sending the prompt",
            Step::Linking => "ready: waiting for the link",
        }
    }

    /// How long it may take, where nobody said how long all of it may.
    fn limit(self) -> Duration {
        match self {
            // GitHub provisions a machine meanwhile.
            Step::Requested | Step::Limited => Duration::from_mins(2),
            Step::Starting => Duration::from_mins(1),
            Step::Prompting => Duration::from_secs(30),
            Step::Linking => LINK_WAIT,
        }
    }
}

/// How far a launch has come: also one that is given up has got there.
#[derive(Debug)]
pub(crate) struct Progress {
    step: Cell<Step>,
    /// The id of the task, once there is one for sure.
    task: OnceCell<String>,
    /// Whether the agent has the prompt; None: it was sent, and nothing came back yet.
    delivered: Cell<Option<bool>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { step: Cell::new(Step::Requested), task: OnceCell::new(), delivered: Cell::new(Some(false)) }
    }

    pub(crate) fn step(&self) -> Step {
        self.step.get()
    }

    /// What became of a launch that ended like this at this point.
    pub(crate) fn failure(&self, error: anyhow::Error, host: &str) -> Failure {
        let created = match (self.task.get(), error.downcast_ref()) {
            (Some(task), _) => Created::Task { id: task.clone(), link: Link::derived(host, task) },
            (None, Some(SdkError::NotStarted { task, .. })) => {
                Created::Task { id: task.clone(), link: Link::derived(host, task) }
            }
            (None, Some(error)) if error.rules_out_a_task() => Created::No,
            // Between two attempts nothing is under way.
            (None, _) if self.step.get() == Step::Limited => Created::No,
            // The connection may break, and a deadline pass, while GitHub creates it.
            (None, _) => Created::Unknown,
        };
        Failure { error, created, delivered: self.delivered.get() }
    }
}

/// What all launches have in common.
pub(crate) struct Launcher {
    pub(crate) runtime: Runtime,
    pub(crate) directory: PathBuf,
    /// The GitHub host that links are on.
    pub(crate) host: String,
    /// For all of one launch; None: each step has its own limit.
    pub(crate) timeout: Option<Duration>,
    /// What the runtime looks at for us.
    open: RefCell<HashMap<String, Session>>,
}

/// A task that works, and our sight of it.
pub(crate) struct Live {
    pub(crate) session: Session,
    events: Events,
    /// Came while something else was waited for.
    early: VecDeque<Event>,
    pub(crate) task: String,
    pub(crate) link: Link,
    /// What it was told.
    pub(crate) message: Option<String>,
    /// It said that it ended.
    pub(crate) ended: bool,
}

/// How long what is under way may take.
struct Clock<'a> {
    progress: &'a Progress,
    /// When all of it has to be done, and how long that is.
    until: Option<(Instant, Duration)>,
}

impl Clock<'_> {
    /// Does one step, until its deadline.
    async fn limit<T>(&self, step: Step, work: impl Future<Output = Result<T, SdkError>>) -> anyhow::Result<T> {
        self.progress.step.set(step);
        let (until, limit) = self.until.unwrap_or_else(|| (Instant::now() + step.limit(), step.limit()));
        match timeout_at(until, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(DeadlinePassed { step: step.words().to_owned(), limit }.into()),
        }
    }
}

impl Launcher {
    pub(crate) fn new(runtime: Runtime, directory: PathBuf, host: String, timeout: Option<Duration>) -> Self {
        Self { runtime, directory, host, timeout, open: RefCell::default() }
    }

    /// Launches one task. What is created stays, whatever fails after it: a task is GitHub's.
    pub(crate) async fn launch(&self, order: &Order, progress: &Progress) -> Result<Live, Failure> {
        let message = order.message();
        let launched = self.get_ready(order, message.as_deref(), progress).await;
        let (opening, link) = launched.map_err(|error| {
            let ended = matches!(error.downcast_ref(), Some(SdkError::SessionEnded));
            progress.failure(if ended { TaskEnded.into() } else { error }, &self.host)
        })?;
        let task = progress.task.get().cloned().unwrap_or_default();
        Ok(Live { session: opening.session, events: opening.events, early: opening.early, task, link, message, ended: false })
    }

    async fn get_ready(&self, order: &Order, message: Option<&str>, progress: &Progress) -> anyhow::Result<(Opening, Link)> {
        let clock = Clock { progress, until: self.timeout.map(|limit| (Instant::now() + limit, limit)) };
        let (session, events) = self.create(order, &clock).await?;
        self.open.borrow_mut().insert(session.id().to_owned(), session.clone());
        // The runtime knows it, without asking GitHub.
        let task = clock.limit(Step::Starting, session.task_id()).await?;
        let _ = progress.task.set(task.clone());
        let mut opening = Opening { session, events, early: VecDeque::new() };
        let begun = async {
            opening.events.catch_up().await?;
            opening.until(|event| matches!(event, Event::Started(by) if by.producer == WORKER)).await
        };
        clock.limit(Step::Starting, begun).await?;
        let link_until = Instant::now() + LINK_WAIT;
        if let Some(message) = message {
            let sending = async {
                progress.delivered.set(None);
                opening.session.send(&message.into()).await?;
                // Also a prompt that GitHub does not take is answered with an id; the one that it took comes back without (measured).
                opening.until(|event| matches!(event, Event::Prompt { id, text, .. } if id.is_empty() || text == message)).await
            };
            clock.limit(Step::Prompting, sending).await?;
            progress.delivered.set(Some(true));
        }
        if !opening.early.iter().any(is_link) {
            progress.step.set(Step::Linking);
            // That the task ended is for those who follow it.
            let _ = timeout_at(link_until, opening.until(is_link)).await;
        }
        let link = opening.link(&self.host).or_else(|| Link::derived(&self.host, &task));
        let link = link.ok_or_else(|| SdkError::UnexpectedAnswer { message: format!("the id of the task is {task:?}") })?;
        Ok((opening, link))
    }

    /// Asks for a task, again only after what surely created none.
    async fn create(&self, order: &Order, clock: &Clock<'_>) -> anyhow::Result<(Session, Events)> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_mins(1))
            .without_max_times()
            .with_jitter();
        // Why nothing is under way just now.
        let refused = Cell::new(None);
        let asking = (|| {
            refused.set(None);
            clock.progress.step.set(Step::Requested);
            self.ask(order)
        })
        .retry(pauses)
        .when(|error| matches!(error, SdkError::RateLimited { .. }))
        .notify(|error: &SdkError, pause| {
            tracing::debug!(target = %order.target, %error, ?pause, "no task was created: trying again");
            clock.progress.step.set(Step::Limited);
            if let SdkError::RateLimited { message } = error {
                refused.set(Some(SdkError::RateLimited { message: message.clone() }));
            }
        });
        let asked = clock.limit(Step::Requested, asking).await;
        asked.map_err(|error| refused.take().map_or(error, anyhow::Error::from))
    }

    /// Asks once. A task that comes when this launch is given up is left at once.
    async fn ask(&self, order: &Order) -> Result<(Session, Events), SdkError> {
        let (runtime, directory, target) = (self.runtime.clone(), self.directory.clone(), order.target.clone());
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let created = Session::create_cloud(&runtime, &directory, target.repository()).await;
            if let Err(Ok((session, _))) = tell.send(created) {
                close(&session).await;
            }
        });
        told.await.unwrap_or_else(|_| Err(SdkError::closed()))
    }

    /// Looks at a task no longer.
    pub(crate) async fn leave(&self, session: &Session) {
        self.open.borrow_mut().remove(session.id());
        close(session).await;
    }

    /// The runtime goes on to wait for the worker of a task, also when nobody waits with it; until then the session has the id of the task
    /// (measured).
    pub(crate) async fn leave_pending<'a>(&self, failures: impl Iterator<Item = &'a Failure>) {
        let pending: Vec<Session> = failures
            .filter_map(|failure| match &failure.created {
                Created::Found { id, .. } => Some(Session::of(&self.runtime, id)),
                _ => None,
            })
            .collect();
        join_all(pending.iter().map(close)).await;
    }

    /// Looks at none any more.
    pub(crate) async fn leave_all(&self) {
        let open: Vec<Session> = self.open.borrow_mut().drain().map(|(_, session)| session).collect();
        join_all(open.iter().map(close)).await;
    }
}

/// Ends the runtime's sight of a task, which it keeps up otherwise; the task goes on.
async fn close(session: &Session) {
    let _ = timeout(CLOSE_DEADLINE, session.close()).await;
}

/// A session that exists, on its way to being useful.
struct Opening {
    session: Session,
    events: Events,
    early: VecDeque<Event>,
}

impl Opening {
    /// Waits for an event; all that come are kept.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<(), SdkError> {
        loop {
            let event = self.events.next().await.ok_or_else(SdkError::closed)?;
            let found = wanted(&event);
            let ended = event == Event::Ended;
            self.early.push_back(event);
            if found {
                return Ok(());
            }
            if ended {
                return Err(SdkError::SessionEnded);
            }
        }
    }

    /// The link that the worker gave, if it is one that may be shown.
    fn link(&self, host: &str) -> Option<Link> {
        self.early.iter().find_map(|event| match event {
            Event::Link { url } if sdk::check_link(url, host).is_ok() => Some(Link { url: url.clone(), derived: false }),
            _ => None,
        })
    }
}

impl Live {
    /// The next event; an error where the runtime is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Event, SdkError> {
        let event = match self.early.pop_front() {
            Some(event) => event,
            None => self.events.next().await.ok_or(SdkError::RuntimeEnded { reason: ": the task goes on at GitHub" })?,
        };
        self.ended |= event == Event::Ended;
        Ok(event)
    }
}

fn is_link(event: &Event) -> bool {
    matches!(event, Event::Link { .. })
}
