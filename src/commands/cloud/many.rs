//! Many tasks: so many at once, each told as soon as it is ready; none is created twice, and none is forgotten.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::Run;
use crate::cloud::launch::{self, Launcher, Step};
use crate::cloud::lookup::{self, Lookup};
use crate::cloud::{Created, Failure, Order, Ready};
use crate::context::Context;
use crate::error::{Exit, Interrupted, Report, TasksFailed};
use crate::host::runtimes::Joined;
use crate::line::{Line, Tone};
use crate::output::cloud::{self, Summary};
use crate::output::{Bar, Update};
use crate::sdk::{Event, SdkError, Task};
use crate::shutdown::Signal;

/// An interrupted run is looked up for so long; a second Ctrl-C does not wait.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// One launch, when it is over.
struct Outcome<'a> {
    order: &'a Order,
    failure: Option<Failure>,
    /// The account's tasks just after it failed at an unknown moment.
    seen: Option<Result<Vec<Task>, SdkError>>,
}

/// What is told while launches go on.
enum Told {
    Ready(Ready),
    Finished { ready: Ready, said: Option<Event>, done: anyhow::Result<Exit> },
}

pub(super) async fn run(context: &mut Context<'_>, joined: &Joined, run: Run) -> anyhow::Result<Exit> {
    context.terminal.say(&Line::new(Tone::Dim, format!("signed in as {} on {}", run.login.login, run.login.host)));
    let directory = context.directory.clone();
    let launcher = run.launcher(&directory, joined);
    let (tell, mut told) = unbounded_channel();
    let mut ledger = Ledger::new(&run);
    let mut waiting = run.orders.iter();
    let mut running = FuturesUnordered::new();
    let signal = loop {
        while running.len() < usize::from(run.args.jobs) {
            let Some(order) = waiting.next() else { break };
            let step = Rc::new(Cell::new(Step::Requested));
            ledger.begun.push((order, step.clone()));
            running.push(one(&launcher, order, step, &run, joined, tell.clone()));
        }
        if running.is_empty() && told.is_empty() {
            break None;
        }
        ledger.show(context, running.len());
        tokio::select! {
            biased;
            Some(told) = told.recv() => ledger.hear(context, told)?,
            signal = context.shutdown.next() => break Some(signal),
            Some(outcome) = running.next() => ledger.settle(context, outcome)?,
        }
    };
    // What was under way goes no further; what it told before counts.
    drop(running);
    while let Ok(told) = told.try_recv() {
        ledger.hear(context, told)?;
    }
    ledger.summary.not_begun = waiting.flat_map(|order| order.lines.iter().copied()).collect();
    ledger.close(context, joined, signal).await
}

/// Launches one and, if that was asked for, waits until its agent is done.
async fn one<'a>(
    launcher: &Launcher<'_>,
    order: &'a Order,
    step: Rc<Cell<Step>>,
    run: &Run,
    joined: &Joined,
    tell: UnboundedSender<Told>,
) -> Outcome<'a> {
    let mut live = match launcher.launch(order, &step).await {
        Ok(live) => live,
        Err(failure) => {
            let seen = if failure.created == Created::Unknown { Some(lookup::look(&joined.runtime).await) } else { None };
            return Outcome { order, failure: Some(failure), seen };
        }
    };
    let ready = run.ready(order, &live, joined);
    let _ = tell.send(Told::Ready(ready.clone()));
    if run.args.wait {
        let (said, done) = live.finish().await;
        let _ = tell.send(Told::Finished { ready, said, done });
    }
    // Otherwise the runtime goes on to read the task's events.
    launch::close(&live.session).await;
    Outcome { order, failure: None, seen: None }
}

/// What was begun, and what became of it.
struct Ledger<'a> {
    run: &'a Run,
    bar: Bar,
    summary: Summary,
    lookup: Lookup,
    /// Not settled yet, with what they are at.
    begun: Vec<(&'a Order, Rc<Cell<Step>>)>,
    /// Failed at an unknown moment: looked up when all else is settled.
    lost: Vec<(&'a Order, Failure)>,
}

impl<'a> Ledger<'a> {
    fn new(run: &'a Run) -> Self {
        let all = run.orders.len();
        Self {
            run,
            bar: Bar::new(all),
            summary: Summary { all, ..Summary::default() },
            lookup: Lookup::new(),
            begun: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn show(&mut self, context: &mut Context<'_>, running: usize) {
        let failed = self.summary.failed.len() + self.summary.created.len() + self.lost.len();
        let troubled = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        let text =
            self.bar.text(self.summary.ready + failed, &format!("{running} under way{troubled}"), context.terminal.size().0);
        context.terminal.status(Some(text));
    }

    fn hear(&mut self, context: &mut Context<'_>, told: Told) -> anyhow::Result<()> {
        match told {
            Told::Ready(ready) => {
                self.begun.retain(|(order, _)| order.lines != ready.order.lines);
                self.lookup.know(&ready.task);
                self.summary.ready += 1;
                let text = if context.json {
                    cloud::ready_document(&ready)
                } else {
                    format!("{}\t{}", ready.order.lines[0], ready.link.url)
                };
                context.terminal.data(&text)?;
            }
            Told::Finished { ready, said, done } => {
                let report = done.as_ref().err().map(Report::from);
                let summary = match &said {
                    Some(Event::Completed { summary: text, .. } | Event::Said { text }) => Some(text.as_str()),
                    _ => None,
                };
                context.terminal.say(&cloud::finished_line(&ready, summary, report.as_ref()));
                if report.is_some() {
                    self.summary.unfinished.extend(&ready.order.lines);
                }
                if context.json {
                    context.terminal.data(&cloud::finished_document(&ready, summary, report.as_ref()))?;
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, context: &mut Context<'_>, outcome: Outcome<'a>) -> anyhow::Result<()> {
        let Outcome { order, failure, seen } = outcome;
        if let Some(seen) = seen {
            self.lookup.saw(seen);
        }
        let Some(failure) = failure else { return Ok(()) };
        self.begun.retain(|(begun, _)| begun.lines != order.lines);
        if failure.created == Created::Unknown {
            self.lost.push((order, failure));
            return Ok(());
        }
        self.fail(context, order, &failure)
    }

    /// Tells of one that is not ready, now that all is known of it.
    fn fail(&mut self, context: &mut Context<'_>, order: &Order, failure: &Failure) -> anyhow::Result<()> {
        let lines = match &failure.created {
            Created::No => &mut self.summary.failed,
            Created::Unknown => &mut self.summary.unknown,
            Created::Task { id, .. } | Created::Found { id, .. } => {
                self.lookup.know(id);
                &mut self.summary.created
            }
        };
        lines.extend(&order.lines);
        let report = Report::from(&failure.error);
        for line in cloud::failed_lines(failure, order, &report, &self.run.login.host) {
            context.terminal.say(&line);
        }
        if context.json {
            context.terminal.data(&cloud::failed_document(order, &failure.created, &report))?;
        }
        Ok(())
    }

    /// Looks up what got lost, and says what all of it came to.
    async fn close(mut self, context: &mut Context<'_>, joined: &Joined, signal: Option<Signal>) -> anyhow::Result<Exit> {
        for (order, step) in std::mem::take(&mut self.begun) {
            let error = Interrupted(signal.unwrap_or(Signal::Interrupt)).into();
            if step.get() == Step::Limited {
                self.fail(context, order, &Failure { error, created: Created::No })?;
            } else {
                self.lost.push((order, Failure { error, created: Created::Unknown }));
            }
        }
        let mut lost = std::mem::take(&mut self.lost);
        if !lost.is_empty() {
            let targets: Vec<_> = lost.iter().map(|(order, _)| &order.target).collect();
            let looking = self.lookup.resolve(&joined.runtime, &self.run.login.host, &targets);
            let limit = if signal.is_some() { LAST_LOOK } else { lookup::ALL_LOOKS };
            if let Ok(Ok(found)) = context.steps(|| "looking for what was created", timeout(limit, looking)).await {
                for ((_, failure), created) in lost.iter_mut().zip(found) {
                    failure.created = created;
                }
            }
            for (order, failure) in &lost {
                self.fail(context, order, failure)?;
            }
        }
        context.terminal.status(None);
        let text = self.summary.text();
        match signal {
            Some(signal) => {
                context.tell(&Update::Caution(format!("interrupted: {text}")))?;
                Err(Interrupted(signal).into())
            }
            None if self.summary.is_good() => {
                context.terminal.say(&Line::new(Tone::Good, text));
                Ok(Exit::Done)
            }
            None => Err(TasksFailed { summary: text }.into()),
        }
    }
}
