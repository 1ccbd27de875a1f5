//! Takes an order to a task that works on it: requested, starting, ready, prompted.

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

/// How long the worker's link is waited for. It comes with the worker's first events or never; the CLI looks once a second
/// (docs/copilot-cli.md, cloud-link).
const LINK_WAIT: Duration = Duration::from_secs(2);
/// How long closing a session may take. It sends nothing to GitHub (docs/copilot-cli.md, cloud-close), so it is quick.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// The step that a launch is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// GitHub was asked for a task.
    Requested,
    /// GitHub refused for now, and is asked again later.
    Limited,
    /// The task exists, and its worker does not run yet.
    Starting,
    /// The worker runs, and gets the prompt.
    Prompting,
    /// The worker may still name the link of the task.
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

    /// How long the step may take, if the whole launch has no limit.
    fn limit(self) -> Duration {
        match self {
            // GitHub provisions a machine in this time.
            Step::Requested | Step::Limited => Duration::from_mins(2),
            Step::Starting => Duration::from_mins(1),
            Step::Prompting => Duration::from_secs(30),
            Step::Linking => LINK_WAIT,
        }
    }
}

/// How far a launch has come. It is shared, so that it can be read after the launch was given up.
#[derive(Debug)]
pub(crate) struct Progress {
    step: Cell<Step>,
    /// The id of the task, once it is certain that the task exists.
    task: OnceCell<String>,
    /// Whether the agent has the prompt; `None` while it was sent and nothing came back yet.
    delivered: Cell<Option<bool>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { step: Cell::new(Step::Requested), task: OnceCell::new(), delivered: Cell::new(Some(false)) }
    }

    pub(crate) fn step(&self) -> Step {
        self.step.get()
    }

    /// What became of a launch that ended with `error` at this point.
    pub(crate) fn failure(&self, error: anyhow::Error, host: &str) -> Failure {
        let created = match (self.task.get(), error.downcast_ref()) {
            (Some(task), _) => Created::Task { id: task.clone(), link: Link::derived(host, task) },
            (None, Some(SdkError::NotStarted { task, .. })) => {
                Created::Task { id: task.clone(), link: Link::derived(host, task) }
            }
            (None, Some(error)) if error.rules_out_a_task() => Created::No,
            // Between two attempts, no task is being created.
            (None, _) if self.step.get() == Step::Limited => Created::No,
            // The connection may break, or a deadline pass, while GitHub creates the task.
            (None, _) => Created::Unknown,
        };
        Failure { error, created, delivered: self.delivered.get() }
    }
}

/// What all launches of one command share.
pub(crate) struct Launcher {
    pub(crate) runtime: Runtime,
    pub(crate) directory: PathBuf,
    /// The GitHub host that links are on.
    pub(crate) host: String,
    /// The limit of one whole launch; `None` gives each step a limit of its own.
    pub(crate) timeout: Option<Duration>,
    /// The sessions by which the runtime looks at tasks for this process.
    open: RefCell<HashMap<String, Session>>,
}

/// A task whose worker runs, and the session that shows it.
pub(crate) struct Live {
    pub(crate) session: Session,
    events: Events,
    /// Events that came while another one was waited for.
    early: VecDeque<Event>,
    pub(crate) task: String,
    pub(crate) link: Link,
    /// The text that the agent got.
    pub(crate) message: Option<String>,
    /// Whether the task said that it ended.
    pub(crate) ended: bool,
}

/// The time limits of a launch.
struct Clock<'a> {
    progress: &'a Progress,
    /// The end of the whole launch, and how long it may take.
    until: Option<(Instant, Duration)>,
}

impl Clock<'_> {
    /// Runs one step, until its deadline.
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

    /// Launches one task. A task that was created stays, whatever fails later, because it is GitHub's.
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
        // The runtime knows the task's id without asking GitHub.
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
                // The id in the answer proves nothing, as GitHub may still refuse the prompt. A prompt that GitHub took comes
                // back without an id (docs/copilot-cli.md, cloud-prompt).
                opening.until(|event| matches!(event, Event::Prompt { id, text, .. } if id.is_empty() || text == message)).await
            };
            clock.limit(Step::Prompting, sending).await?;
            progress.delivered.set(Some(true));
        }
        if !opening.early.iter().any(is_link) {
            progress.step.set(Step::Linking);
            // Whoever follows the task finds out that it ended.
            let _ = timeout_at(link_until, opening.until(is_link)).await;
        }
        let link = opening.link(&self.host).or_else(|| Link::derived(&self.host, &task));
        let link = link.ok_or_else(|| SdkError::UnexpectedAnswer { message: format!("the id of the task is {task:?}") })?;
        Ok((opening, link))
    }

    /// Asks for a task. It is asked for again only after a failure that surely created none.
    async fn create(&self, order: &Order, clock: &Clock<'_>) -> anyhow::Result<(Session, Events)> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_mins(1))
            .without_max_times()
            .with_jitter();
        // Why GitHub is not being asked just now.
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

    /// Asks for a task once. If this launch is given up meanwhile, the session of a task that still comes is closed at once.
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

    /// Stops looking at a task.
    pub(crate) async fn leave(&self, session: &Session) {
        self.open.borrow_mut().remove(session.id());
        close(session).await;
    }

    /// The runtime goes on waiting for a task's worker when nobody waits with it. Until the worker is there, the session has the
    /// id of the task (docs/copilot-cli.md, cloud-wait).
    pub(crate) async fn leave_pending<'a>(&self, failures: impl Iterator<Item = &'a Failure>) {
        let pending: Vec<Session> = failures
            .filter_map(|failure| match &failure.created {
                Created::Found { id, .. } => Some(Session::of(&self.runtime, id)),
                _ => None,
            })
            .collect();
        join_all(pending.iter().map(close)).await;
    }

    /// Stops looking at all tasks.
    pub(crate) async fn leave_all(&self) {
        let open: Vec<Session> = self.open.borrow_mut().drain().map(|(_, session)| session).collect();
        join_all(open.iter().map(close)).await;
    }
}

/// Closes a session, so that the runtime stops looking at its task. The task goes on.
async fn close(session: &Session) {
    let _ = timeout(CLOSE_DEADLINE, session.close()).await;
}

/// A session whose worker runs, before it has its link and prompt.
struct Opening {
    session: Session,
    events: Events,
    early: VecDeque<Event>,
}

impl Opening {
    /// Waits for an event. All events that come meanwhile are kept.
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

    /// The link that the worker named, if it may be shown.
    fn link(&self, host: &str) -> Option<Link> {
        self.early.iter().find_map(|event| match event {
            Event::Link { url } if sdk::check_link(url, host).is_ok() => Some(Link { url: url.clone(), derived: false }),
            _ => None,
        })
    }
}

impl Live {
    /// The next event; an error if the runtime is gone. Cancel-safe.
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
