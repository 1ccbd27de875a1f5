//! Many tasks: so many at once, each told as soon as it is ready; none is created twice, and none is forgotten.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::interval;

use super::{Run, look_up};
use crate::cloud::launch::{Launcher, Progress, Step};
use crate::cloud::lookup::{self, Lookup};
use crate::cloud::{Created, Failure, Order, Ready};
use crate::context::Context;
use crate::error::{Exit, Interrupted, NotBegun, TasksFailed};
use crate::os::signals::Signal;
use crate::output::Bar;
use crate::output::cloud::{self, Summary};
use crate::report::Report;
use crate::runtime::pool::{self, Joined};
use crate::sdk::{Event, SdkError, Task};
use crate::text::line::{Line, Tone};

/// So many at once, unless somebody says otherwise.
const JOBS: u8 = 8;
/// How often the bar is drawn where nothing happens.
const TICK: Duration = Duration::from_millis(250);

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

pub(super) async fn run(context: &mut Context<'_>, joined: &Joined, launcher: &Launcher, run: &Run) -> anyhow::Result<Exit> {
    context.terminal.say(&Line::new(Tone::Dim, format!("signed in as {} on {}", run.login.login, run.login.host)));
    let (tell, mut told) = unbounded_channel();
    let mut ledger = Ledger::new(run);
    let mut waiting = run.orders.iter();
    let mut running = FuturesUnordered::new();
    let mut tick = interval(TICK);
    let signal = loop {
        while running.len() < usize::from(run.args.jobs.unwrap_or(JOBS)) && !ledger.stops {
            let Some(order) = waiting.next() else { break };
            let progress = Rc::new(Progress::new());
            ledger.begun.push((order, progress.clone()));
            running.push(one(launcher, order, progress, run, joined, tell.clone()));
        }
        if running.is_empty() && told.is_empty() {
            break None;
        }
        ledger.show(context, running.len());
        tokio::select! {
            biased;
            Some(told) = told.recv() => ledger.hear(context, told),
            signal = context.shutdown.next() => break Some(signal),
            Some(outcome) = running.next() => ledger.settle(context, outcome),
            _ = tick.tick() => {}
        }
    };
    // What was under way goes no further; what it told before counts.
    drop(running);
    while let Ok(told) = told.try_recv() {
        ledger.hear(context, told);
    }
    ledger.close(context, joined, launcher, waiting, signal).await
}

/// Launches one and, if that was asked for, waits until its agent is done.
async fn one<'a>(
    launcher: &Launcher,
    order: &'a Order,
    progress: Rc<Progress>,
    run: &Run,
    joined: &Joined,
    tell: UnboundedSender<Told>,
) -> Outcome<'a> {
    let mut live = match launcher.launch(order, &progress).await {
        Ok(live) => live,
        Err(mut failure) => {
            failure.error = pool::better_reason(&joined.entry.server, failure.error).await;
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
    launcher.leave(&live.session).await;
    Outcome { order, failure: None, seen: None }
}

/// What was begun, and what became of it.
struct Ledger<'a> {
    run: &'a Run,
    bar: Bar,
    summary: Summary,
    lookup: Lookup,
    /// Not settled yet, with how far they are.
    begun: Vec<(&'a Order, Rc<Progress>)>,
    /// Ready, and their agents not done.
    awaited: Vec<Order>,
    /// Failed at an unknown moment: looked up when all else is settled.
    lost: Vec<(&'a Order, Failure)>,
    /// Nothing more is begun: the runtime is gone, or nobody reads stdout any more.
    stops: bool,
    deaf: bool,
    /// It was said that GitHub limits us.
    limited: bool,
}

impl<'a> Ledger<'a> {
    fn new(run: &'a Run) -> Self {
        let all = run.orders.len();
        Self {
            run,
            bar: Bar::new(all),
            summary: Summary::new(all),
            lookup: Lookup::new(),
            begun: Vec::new(),
            awaited: Vec::new(),
            lost: Vec::new(),
            stops: false,
            deaf: false,
            limited: false,
        }
    }

    fn show(&mut self, context: &mut Context<'_>, running: usize) {
        let limited = self.begun.iter().filter(|(_, progress)| progress.step() == Step::Limited).count();
        if limited > 0 && !self.limited && !context.terminal.redraws() {
            self.limited = true;
            context.terminal.say(&Line::new(Tone::Dim, Step::Limited.words()));
        }
        if !context.terminal.redraws() {
            return;
        }
        let failed = self.summary.failed() + self.lost.len();
        let waiting = if limited == 0 { String::new() } else { format!(", {limited} of them told to wait") };
        let troubled = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        let message = format!("{running} under way{waiting}{troubled}");
        let text = self.bar.text(self.summary.ready + failed, &message, context.terminal.size().0);
        context.terminal.status(Some(text));
    }

    /// Prints a line of data; where nobody reads stdout any more, those at stderr get `text`.
    fn print(&mut self, context: &mut Context<'_>, data: &str, text: &str) {
        if !self.deaf && context.terminal.data(data).is_ok() {
            return;
        }
        if !std::mem::replace(&mut self.deaf, true) {
            self.stops = true;
            context.terminal.say(&Line::new(Tone::Error, "nobody reads stdout any more: nothing more is begun"));
        }
        if !text.is_empty() {
            // Also for those who want quiet: it is named nowhere else.
            context.terminal.say(&Line::new(Tone::Error, text));
        }
    }

    fn hear(&mut self, context: &mut Context<'_>, told: Told) {
        match told {
            Told::Ready(ready) => {
                self.begun.retain(|(order, _)| order.lines != ready.order.lines);
                self.lookup.know(&ready.task);
                self.summary.ready += 1;
                if self.run.args.wait {
                    self.awaited.push(ready.order.clone());
                }
                let text = format!("{}\t{}", ready.order.lines[0], ready.link.url);
                let data = if context.json { &cloud::ready_document(&ready) } else { &text };
                self.print(context, data, &text);
            }
            Told::Finished { ready, said, done } => {
                self.awaited.retain(|order| order.lines != ready.order.lines);
                let report = done.as_ref().err().map(Report::from);
                let summary = match &said {
                    Some(Event::Completed { summary: text, .. } | Event::Said { text }) => Some(text.as_str()),
                    _ => None,
                };
                context.terminal.say(&cloud::finished_line(&ready, summary, report.as_ref()));
                if report.is_some() {
                    self.summary.unfinished.add(&ready.order);
                }
                if context.json {
                    self.print(context, &cloud::finished_document(&ready, summary, report.as_ref()), "");
                }
            }
        }
    }

    fn settle(&mut self, context: &mut Context<'_>, outcome: Outcome<'a>) {
        let Outcome { order, failure, seen } = outcome;
        if let Some(seen) = seen {
            self.lookup.saw(seen);
        }
        let Some(failure) = failure else { return };
        self.begun.retain(|(begun, _)| begun.lines != order.lines);
        self.stops |= matches!(failure.error.downcast_ref(), Some(SdkError::Connection(_) | SdkError::RuntimeEnded { .. }));
        if let Created::Task { id, .. } = &failure.created {
            self.lookup.know(id);
        }
        if failure.created == Created::Unknown {
            self.lost.push((order, failure));
        } else {
            self.fail(context, order, &failure);
        }
    }

    /// Tells of one that is not ready, now that all is known of it.
    fn fail(&mut self, context: &mut Context<'_>, order: &Order, failure: &Failure) {
        self.summary.group(&failure.created).add(order);
        let report = Report::from(&failure.error);
        for line in cloud::failed_lines(failure, order, &report, &self.run.login.host) {
            context.terminal.say(&line);
        }
        if context.json {
            self.print(context, &cloud::failed_document(order, failure, &report), "");
        }
    }

    /// Looks up what got lost, and says what all of it came to.
    async fn close(
        mut self,
        context: &mut Context<'_>,
        joined: &Joined,
        launcher: &Launcher,
        waiting: impl Iterator<Item = &'a Order>,
        mut signal: Option<Signal>,
    ) -> anyhow::Result<Exit> {
        context.terminal.status(None);
        for order in &self.awaited {
            self.summary.unfinished.add(order);
        }
        for (order, progress) in std::mem::take(&mut self.begun) {
            let error = Interrupted(signal.unwrap_or(Signal::Interrupt)).into();
            self.settle(context, Outcome { order, failure: Some(progress.failure(error, &launcher.host)), seen: None });
        }
        let mut lost = std::mem::take(&mut self.lost);
        if !lost.is_empty() {
            let targets: Vec<_> = lost.iter().map(|(order, _)| &order.target).collect();
            let interrupted = look_up(context, self.run, joined, &mut self.lookup, &targets, signal.is_some()).await;
            signal = signal.or(interrupted);
            let host = &self.run.login.host;
            self.lookup.attribute(host, lost.iter_mut().map(|(order, failure)| (&order.target, failure)));
            launcher.leave_pending(lost.iter().map(|(_, failure)| failure)).await;
            for (order, failure) in &lost {
                self.fail(context, order, failure);
            }
        }
        for order in waiting {
            self.summary.not_begun.add(order);
            if context.json {
                let failure = Failure { error: NotBegun.into(), created: Created::No, delivered: Some(false) };
                let report = Report::from(&failure.error);
                self.print(context, &cloud::failed_document(order, &failure, &report), "");
            }
        }
        // As slowly as it is read.
        match context.deliver("").await {
            Ok(interrupted) => signal = signal.or(interrupted),
            Err(error) if error.is::<io::Error>() => self.deaf = true,
            Err(error) => return Err(error),
        }
        let mut text = self.summary.text();
        if self.deaf {
            text += "; not all that was told on stdout was read, see: copilot-remote cloud list";
        }
        match signal {
            Some(signal) => Err(Interrupted(signal)).context(text),
            None if self.summary.is_good() && !self.deaf => {
                context.terminal.say(&Line::new(Tone::Good, text));
                Ok(Exit::Done)
            }
            None => Err(TasksFailed { summary: text }.into()),
        }
    }
}
