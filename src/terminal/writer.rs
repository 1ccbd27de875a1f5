//! Writes without waiting, because a reader that stops reading must hold up neither signals nor the session.
//!
//! One thread writes to both streams, in order. A caller waits for the outcome for a moment at most; the number of unwritten
//! texts tells whether the reader has stalled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::time::Duration;
use std::{io, thread};

/// How long a line of data waits for its outcome. A pipe without a reader reports that at once.
const OUTCOME: Duration = Duration::from_millis(200);
/// How long the end of the program waits for a reader that is only slow.
const DRAIN: Duration = Duration::from_millis(500);
/// This many unwritten texts make a reader a stalled one. No burst of our own has so many.
const STALLED: usize = 64;

/// The stream that a text goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

struct Job {
    stream: Stream,
    text: String,
    /// Where the outcome is sent, if somebody waits for it.
    outcome: Option<Sender<io::Result<()>>>,
}

/// The thread that writes. Dropping this waits until all is written, but not for ever.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Sender<Job>,
    /// How many texts are not written yet.
    waiting: Arc<AtomicUsize>,
    /// Whether the last line of data was not written in time.
    late: AtomicBool,
}

impl Writer {
    pub(super) fn start() -> Self {
        let (jobs, todo) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = waiting.clone();
        // Where there is no room for a thread, whoever writes does so itself.
        drop(thread::Builder::new().spawn(move || write_all(&todo, &left)));
        Self { jobs, waiting, late: AtomicBool::new(false) }
    }

    /// Writes a text once the reader lets it through.
    pub(super) fn write(&self, stream: Stream, text: String) {
        self.send(stream, text, None);
    }

    /// Writes a text and returns the outcome. An outcome that takes longer than a moment counts as success, and shows as a stall;
    /// `patient` waits for it instead.
    pub(super) fn write_data(&self, text: String, patient: bool) -> io::Result<()> {
        let told = self.send_and_hear(text);
        if patient {
            return told.recv().unwrap_or(Ok(()));
        }
        let outcome = told.recv_timeout(OUTCOME);
        self.late.store(outcome.is_err(), Ordering::Relaxed);
        outcome.unwrap_or(Ok(()))
    }

    pub(super) fn send_and_hear(&self, text: String) -> Receiver<io::Result<()>> {
        let (outcome, told) = channel();
        self.send(Stream::Stdout, text, Some(outcome));
        told
    }

    fn send(&self, stream: Stream, text: String, outcome: Option<Sender<io::Result<()>>>) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(SendError(job)) = self.jobs.send(Job { stream, text, outcome }) {
            write_job(job, &mut None, &self.waiting);
        }
    }

    /// Whether the reader of our output has stopped reading.
    pub(super) fn is_stalled(&self) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        waiting > STALLED || (waiting > 0 && self.late.load(Ordering::Relaxed))
    }

    /// Waits until all is written, or the reader has had its time.
    pub(super) fn drain(&self) {
        // Texts are written in order, so once this empty one is written, all others are.
        let _ = self.send_and_hear(String::new()).recv_timeout(DRAIN);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.drain();
    }
}

fn write_all(todo: &Receiver<Job>, waiting: &AtomicUsize) {
    // Why stdout takes no more. It is kept because nobody may have heard of it, and writing an empty text would seem to succeed.
    let mut gone: Option<io::ErrorKind> = None;
    for job in todo {
        write_job(job, &mut gone, waiting);
    }
}

fn write_job(Job { stream, text, outcome }: Job, gone: &mut Option<io::ErrorKind>, waiting: &AtomicUsize) {
    let written = match (stream, &gone) {
        (Stream::Stdout, Some(kind)) => Err((*kind).into()),
        (Stream::Stdout, None) => write(&mut io::stdout().lock(), &text).inspect_err(|error| *gone = Some(error.kind())),
        (Stream::Stderr, _) => write(&mut io::stderr().lock(), &text),
    };
    waiting.fetch_sub(1, Ordering::Relaxed);
    if let Some(outcome) = outcome {
        // Who asked may have stopped waiting.
        let _ = outcome.send(written);
    }
}

/// Writes a text in one call, so that lines of several processes do not mix.
fn write(stream: &mut impl io::Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::sync::mpsc::channel;

    use super::{Stream, Writer};

    /// Where memory is short, no thread may start.
    #[test]
    fn without_a_thread_it_writes_itself() {
        let writer = Writer { jobs: channel().0, waiting: Arc::new(AtomicUsize::new(0)), late: AtomicBool::new(false) };
        writer.write(Stream::Stderr, String::new());
        assert!(writer.write_data(String::new(), true).is_ok() && !writer.is_stalled());
    }
}
