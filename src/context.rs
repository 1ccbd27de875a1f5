//! What a command may use.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::error::{DeadlinePassed, Interrupted};
use crate::output::{self, Update};
use crate::shutdown::Shutdown;
use crate::terminal::Terminal;

/// The streams, the signals, and where we are.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) terminal: &'a mut Terminal,
    pub(crate) shutdown: Shutdown,
    /// Absolute: `-C`, or the current folder.
    pub(crate) directory: PathBuf,
    pub(crate) json: bool,
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
}

impl Context<'_> {
    /// Tells people and programs. Fails only when nobody reads stdout any more.
    pub(crate) fn tell(&mut self, update: &Update<'_>) -> io::Result<()> {
        let at = jiff::Zoned::now().strftime("%H:%M").to_string();
        for line in output::human_lines(update, &at) {
            self.terminal.say(&line);
        }
        match output::json_line(update).filter(|_| self.json) {
            Some(line) => self.terminal.data(&line),
            None => Ok(()),
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
                _ = seconds.tick() => self.terminal.status(Some(output::progress(step, deadline.started.elapsed()))),
            }
        };
        self.terminal.status(None);
        result
    }
}
