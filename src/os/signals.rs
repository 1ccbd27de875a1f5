//! The signals that end the program, as values that commands can wait for.
//!
//! Nothing exits from within a handler: the first signal asks (the session is closed, Mission Control hears of it), a second
//! one hurries (no more waiting, the runtime is killed). Windows has only Ctrl-C.

use tokio::sync::mpsc;

/// A signal that asks for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Interrupt,
    /// Ctrl-\\.
    Quit,
    Terminate,
    Hangup,
}

impl Signal {
    /// The number in `128+n`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Signal::Hangup => 1,
            Signal::Interrupt => 2,
            Signal::Quit => 3,
            Signal::Terminate => 15,
        }
    }
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "Ctrl-C",
            Signal::Quit => "SIGQUIT",
            Signal::Terminate => "SIGTERM",
            Signal::Hangup => "SIGHUP (the terminal went away)",
        })
    }
}

/// The stream of ending signals. Dropping it does not restore the default actions: tokio keeps its handlers.
#[derive(Debug)]
pub(crate) struct Shutdown {
    signals: mpsc::UnboundedReceiver<Signal>,
}

impl Shutdown {
    /// Starts to listen. Needs a tokio runtime.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (sender, signals) = mpsc::unbounded_channel();
        listen_to_all(&sender)?;
        Ok(Self { signals })
    }

    /// Waits for the next signal; cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            // Every listener ended, which tokio's do not: nothing will ever be heard.
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
fn listen_to_all(sender: &mpsc::UnboundedSender<Signal>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let ignored = ignored_signals();
    for which in [Signal::Interrupt, Signal::Quit, Signal::Terminate, Signal::Hangup] {
        // `nohup`, and `&` in a script, start a program with signals ignored, and mean it.
        if ignored & (1 << (which.number() - 1)) != 0 {
            continue;
        }
        let mut stream = signal(SignalKind::from_raw(which.number().into()))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(which).is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

/// The mask of ignored signals that this process was started with; bit n-1 is signal n.
///
/// From `/proc`, since asking sigaction takes unsafe code; elsewhere than on Linux nothing counts as ignored.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(windows)]
fn listen_to_all(sender: &mpsc::UnboundedSender<Signal>) -> std::io::Result<()> {
    let mut stream = tokio::signal::windows::ctrl_c()?;
    let sender = sender.clone();
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            if sender.send(Signal::Interrupt).is_err() {
                break;
            }
        }
    });
    Ok(())
}
