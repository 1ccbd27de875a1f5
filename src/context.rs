//! What a command may use.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::error::{DeadlinePassed, Interrupted};
use crate::model::Activity;
use crate::os::signals::{Shutdown, Signal};
use crate::output::{self, Update};
use crate::registry::Journal;
use crate::terminal::Terminal;
use crate::text::line::{Line, Tone};
use crate::text::progress;

/// How often it is looked which step is under way.
const STEP_POLL: Duration = Duration::from_millis(100);

/// The streams, the signals, and where we are.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) terminal: &'a mut Terminal,
    pub(crate) shutdown: Shutdown,
    /// Absolute: `-C`, or the current folder.
    pub(crate) directory: PathBuf,
    pub(crate) json: bool,
    /// Of the session that this process is the host of.
    journal: Option<Journal>,
    /// What does not work as writing failed, and was said.
    troubles: HashSet<&'static str>,
}

/// Our own limit for getting ready, shared by all steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// The same limit, from now on.
    pub(crate) fn again(self) -> Self {
        Self::new(self.limit)
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(terminal: &'a mut Terminal, directory: PathBuf, json: bool) -> anyhow::Result<Self> {
        let shutdown = Shutdown::listen().context("signals cannot be listened to")?;
        Ok(Self { terminal, shutdown, directory, json, journal: None, troubles: HashSet::new() })
    }

    /// Tells people and programs, and writes it down. Fails only when nobody reads stdout any more.
    pub(crate) fn tell(&mut self, update: &Update<'_>) -> io::Result<()> {
        self.record(update);
        self.say_update(update)
    }

    /// Tells people and programs.
    pub(crate) fn say_update(&mut self, update: &Update<'_>) -> io::Result<()> {
        let at = jiff::Zoned::now().strftime("%H:%M").to_string();
        for line in output::human_lines(update, Some(&at)) {
            self.terminal.say(&line);
        }
        match output::json_line(update).filter(|_| self.json) {
            Some(line) => self.terminal.data(&line),
            None => Ok(()),
        }
    }

    /// Prints a text that is the data: for people, or with `--json` one document.
    pub(crate) fn print(&mut self, text: &str, document: &str) -> io::Result<()> {
        if self.json { self.terminal.data(document) } else { self.terminal.print(text) }
    }

    /// The same for a text of any length, as slowly as it is read; a signal that comes meanwhile.
    pub(crate) async fn deliver(&mut self, text: &str) -> anyhow::Result<Option<Signal>> {
        let told = self.terminal.begin_print(text);
        loop {
            match told.recv_timeout(Duration::from_millis(1)) {
                Ok(outcome) => return Ok(outcome.map(|()| None)?),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            tokio::select! {
                signal = self.shutdown.next() => return Ok(Some(signal)),
                () = sleep(Duration::from_millis(10)) => {}
            }
        }
    }

    /// From now on what is told is written down, too.
    pub(crate) fn keep_journal(&mut self, journal: Journal) {
        self.journal = Some(journal);
    }

    /// Another process goes on with the journal.
    pub(crate) fn leave_journal(&mut self) {
        self.journal = None;
    }

    /// Whether others find the journal, where there is one.
    pub(crate) fn has_journal_on_disk(&self) -> bool {
        self.journal.as_ref().is_none_or(Journal::is_on_disk)
    }

    /// The journal may have been removed: what is told from now on is written to a new one.
    pub(crate) fn restore_journal(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        if let Err(error) = journal.restore() {
            self.warn_once(Err(error), "logs and events have gaps");
        }
    }

    /// Removes the journal of a session that did not come about.
    pub(crate) fn discard_journal(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.remove();
        }
    }

    /// Writes down.
    pub(crate) fn record(&mut self, update: &Update<'_>) {
        let Some(journal) = &mut self.journal else { return };
        if let Some(written) = journal.add(output::human_lines(update, None), output::json_line(update).as_deref()) {
            self.warn_once(written, "logs and events have gaps");
        }
    }

    /// What is written down next happens while the session is at this.
    pub(crate) fn set_activity(&mut self, activity: Activity) {
        if let Some(journal) = &mut self.journal {
            journal.set_activity(activity);
        }
    }

    /// A session goes on where nothing can be written (a full disk); that, and what does not work then, is said once.
    pub(crate) fn warn_once(&mut self, written: Result<(), impl Into<anyhow::Error>>, consequence: &'static str) {
        match written {
            Ok(()) => drop(self.troubles.remove(consequence)),
            Err(error) if self.troubles.insert(consequence) => {
                let error: anyhow::Error = error.into();
                self.terminal
                    .say(&Line::new(Tone::Attention, format!("warning: {error:#}; the session goes on, but {consequence}")));
            }
            Err(_) => {}
        }
    }

    /// Waits for `work` as one step of getting ready: with a progress line, until the deadline or a signal.
    pub(crate) async fn step<T, E: Into<anyhow::Error>>(
        &mut self,
        step: &str,
        deadline: Deadline,
        work: impl Future<Output = Result<T, E>>,
    ) -> anyhow::Result<T> {
        self.terminal.progress(step);
        self.within(step, deadline, work).await
    }

    /// The same for what is a part of a step, or nearly always takes no time: without a word, where nothing is redrawn.
    pub(crate) async fn within<T, E: Into<anyhow::Error>>(
        &mut self,
        step: &str,
        deadline: Deadline,
        work: impl Future<Output = Result<T, E>>,
    ) -> anyhow::Result<T> {
        let mut work = std::pin::pin!(work);
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let result = loop {
            tokio::select! {
                result = &mut work => break result.map_err(Into::into),
                signal = self.shutdown.next() => break Err(Interrupted(signal).into()),
                () = sleep_until(deadline.started + deadline.limit) => {
                    break Err(DeadlinePassed { step: step.to_owned(), limit: deadline.limit }.into());
                }
                _ = seconds.tick() => self.terminal.status(Some(progress::progress(step, deadline.started.elapsed()))),
            }
        };
        self.terminal.status(None);
        result
    }

    /// Waits for `work`, which goes through steps of its own and minds their deadlines, or a signal.
    pub(crate) async fn steps<T>(
        &mut self,
        step: impl Fn() -> &'static str,
        work: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        let mut work = std::pin::pin!(work);
        let mut tick = interval(STEP_POLL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut shown = "";
        let mut since = Instant::now();
        let result = loop {
            tokio::select! {
                biased;
                result = &mut work => break Ok(result),
                signal = self.shutdown.next() => break Err(Interrupted(signal)),
                _ = tick.tick() => if step() == shown {
                    self.terminal.status(Some(progress::progress(shown, since.elapsed())));
                } else {
                    (shown, since) = (step(), Instant::now());
                    self.terminal.progress(shown);
                },
            }
        };
        self.terminal.status(None);
        result
    }
}
