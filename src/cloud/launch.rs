//! From an order to a task that works on it: requested, starting, ready, prompted.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Created, Failure, Link, Order};
use crate::error::DeadlinePassed;
use crate::link;
use crate::sdk::{Event, Events, Runtime, SdkError, Session, WORKER};

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

/// What all launches have in common.
pub(crate) struct Launcher<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) directory: &'a Path,
    /// The GitHub host that links are on.
    pub(crate) host: &'a str,
    /// For all of it; None: each step has its own limit.
    pub(crate) timeout: Option<Duration>,
}

/// A task that works, and our sight of it.
pub(crate) struct Live {
    pub(crate) session: Session,
    pub(crate) events: Events,
    /// Came while something else was waited for.
    pub(crate) early: VecDeque<Event>,
    pub(crate) task: String,
    pub(crate) link: Link,
    /// What it was told.
    pub(crate) message: Option<String>,
}

/// How long what is under way may take.
struct Clock<'a> {
    step: &'a Cell<Step>,
    /// When all of it has to be done, and how long that is.
    until: Option<(Instant, Duration)>,
}

impl Clock<'_> {
    /// Does one step, until its deadline.
    async fn limit<T>(&self, step: Step, work: impl Future<Output = Result<T, SdkError>>) -> anyhow::Result<T> {
        self.step.set(step);
        let (until, limit) = self.until.unwrap_or_else(|| (Instant::now() + step.limit(), step.limit()));
        match timeout_at(until, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(DeadlinePassed { step: step.words().to_owned(), limit }.into()),
        }
    }
}

impl Launcher<'_> {
    /// Launches one task. `step` tells what it is at.
    ///
    /// What is created stays, whatever fails after it: a task is GitHub's.
    pub(crate) async fn launch(&self, order: &Order, step: &Cell<Step>) -> Result<Live, Failure> {
        let clock = Clock { step, until: self.timeout.map(|limit| (Instant::now() + limit, limit)) };
        let (session, events) = self.create(order, &clock).await?;
        let mut opening = Opening { session, events, early: VecDeque::new() };
        // The runtime knows the id by now, without asking GitHub.
        let task = match timeout(CLOSE_DEADLINE, opening.session.task_id()).await {
            Ok(Ok(task)) => task,
            _ => opening.session.id().to_owned(),
        };
        let message = order.message();
        match opening.get_ready(&clock, message.as_deref()).await {
            Ok(()) => {}
            Err(error) => {
                let created = opening.link(self.host).or_else(|| Link::derived(self.host, &task));
                opening.close().await;
                return Err(Failure { error, created: Created::Task { id: task, link: created } });
            }
        }
        let Some(link) = opening.link(self.host).or_else(|| Link::derived(self.host, &task)) else {
            opening.close().await;
            let error = SdkError::UnexpectedAnswer { message: format!("the id of the task is {task:?}") };
            return Err(Failure { error: error.into(), created: Created::Task { id: task, link: None } });
        };
        let Opening { session, events, early } = opening;
        Ok(Live { session, events, early, task, link, message })
    }

    /// Asks for a task, again only after what surely created none.
    async fn create(&self, order: &Order, clock: &Clock<'_>) -> Result<(Session, Events), Failure> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_mins(1))
            .without_max_times()
            .with_jitter();
        // What went wrong last, while nothing is under way.
        let refused = Cell::new(None);
        let asking = (|| {
            refused.set(None);
            clock.step.set(Step::Requested);
            Session::create_cloud(self.runtime, self.directory, order.target.repository())
        })
        .retry(pauses)
        .when(SdkError::is_passing)
        .notify(|error: &SdkError, pause| {
            tracing::debug!(target = %order.target, %error, ?pause, "no task was created: trying again");
            clock.step.set(Step::Limited);
            refused.set(Some(SdkError::RateLimited { message: error.to_string() }));
        });
        clock.limit(Step::Requested, asking).await.map_err(|error| match (refused.take(), error.downcast_ref()) {
            (Some(refused), _) => Failure { error: refused.into(), created: Created::No },
            (None, Some(SdkError::NotStarted { task, .. })) => {
                let task = task.clone();
                let link = Link::derived(self.host, &task);
                Failure { error, created: Created::Task { id: task, link } }
            }
            // The connection may break, and a deadline pass, while GitHub creates it.
            (None, None | Some(SdkError::Uncertain { .. } | SdkError::Connection(_) | SdkError::RuntimeEnded { .. })) => {
                Failure { error, created: Created::Unknown }
            }
            (None, Some(_)) => Failure { error, created: Created::No },
        })
    }
}

/// A session that exists, on its way to being useful.
struct Opening {
    session: Session,
    events: Events,
    early: VecDeque<Event>,
}

impl Opening {
    async fn get_ready(&mut self, clock: &Clock<'_>, message: Option<&str>) -> anyhow::Result<()> {
        clock.limit(Step::Starting, self.until(|event| matches!(event, Event::Started(by) if by.producer == WORKER))).await?;
        let link_until = Instant::now() + LINK_WAIT;
        if let Some(message) = message {
            let sending = async {
                self.session.send(message).await?;
                // Also a prompt that GitHub does not take is answered with an id; the one that it took comes back (measured).
                self.until(|event| matches!(event, Event::Prompt { text, .. } if text == message)).await
            };
            clock.limit(Step::Prompting, sending).await?;
        }
        if !self.early.iter().any(is_link) {
            clock.step.set(Step::Linking);
            tokio::select! {
                told = self.until(is_link) => told?,
                () = sleep_until(link_until) => {}
            }
        }
        Ok(())
    }

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
            Event::Link { url } if link::check(url, host).is_ok() => Some(Link { url: url.clone(), derived: false }),
            _ => None,
        })
    }

    async fn close(self) {
        close(&self.session).await;
    }
}

/// Ends the runtime's sight of a task, which the runtime keeps up otherwise; the task goes on.
pub(crate) async fn close(session: &Session) {
    let _ = timeout(CLOSE_DEADLINE, session.close()).await;
}

fn is_link(event: &Event) -> bool {
    matches!(event, Event::Link { .. })
}
