//! Keys: single presses only, and the terminal as it was when we leave.
//!
//! On Unix the terminal is in cbreak mode (no echo, no line buffer) and not in raw mode: Ctrl-C and Ctrl-Z stay signals, and a line
//! feed stays a new line for whoever prints.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};

/// Keys closer together than this were not typed by a person: a paste into a terminal without bracketed paste.
const BURST: Duration = Duration::from_millis(25);

/// How often it is looked whether the terminal is still there.
const TERMINAL_POLL: Duration = Duration::from_secs(1);
/// How often a job in the background looks whether it is in the foreground again: `fg` of a running job is not signalled.
const FOREGROUND_POLL: Duration = Duration::from_millis(300);

/// What a keyboard reports.
#[derive(Debug)]
pub(super) enum Typed {
    /// A single press; Enter is a new line.
    Key(char),
    /// For the line that is being typed; whether it came faster than a person presses keys.
    Edit(Event, bool),
    /// The size changed, or the program was continued: draw again.
    Redraw,
    /// Ctrl-Z: the terminal is to be given back, and the program stops.
    Suspend,
}

/// The keyboard of this job's terminal, for as long as this lives.
#[derive(Debug)]
pub(super) struct Keyboard {
    /// None while the job is in the background: reading there would stop it.
    keys: Option<Keys>,
    /// The terminal went away: there will be no keys any more.
    gone: bool,
    jobs: jobs::Jobs,
}

#[derive(Debug)]
struct Keys {
    events: EventStream,
    /// A press that counts unless another follows at once.
    pressed: Option<(char, Instant)>,
    /// Presses before this belong to a burst.
    burst_until: Instant,
    // Last, so that the terminal is restored after the reader is gone.
    _mode: mode::Mode,
}

impl Keyboard {
    pub(super) fn open() -> io::Result<Self> {
        let mut keyboard = Self { keys: None, gone: false, jobs: jobs::Jobs::listen()? };
        keyboard.take()?;
        Ok(keyboard)
    }

    fn take(&mut self) -> io::Result<()> {
        if self.keys.is_none() && jobs::in_foreground() {
            let mode = mode::Mode::enter()?;
            self.keys = Some(Keys { events: EventStream::new(), pressed: None, burst_until: Instant::now(), _mode: mode });
        }
        Ok(())
    }

    /// Whether keys are read: not while the job is in the background.
    pub(super) fn is_active(&self) -> bool {
        self.keys.is_some()
    }

    /// Gives the terminal back and stops the program until it is continued.
    pub(super) fn suspend(&mut self) {
        self.keys = None;
        jobs::stop();
    }

    /// `line`: a line is being typed, to which every key belongs.
    pub(super) async fn next(&mut self, line: bool) -> Typed {
        let typed = async {
            if self.gone {
                return std::future::pending().await;
            }
            if let Some(keys) = &mut self.keys {
                return if line { keys.edit().await } else { keys.press().await };
            }
            while !jobs::in_foreground() {
                sleep(FOREGROUND_POLL).await;
            }
            Some(Typed::Redraw)
        };
        let input = tokio::select! {
            input = typed => input,
            // The library that reads keys spins where nothing can be read any more, and tells nobody.
            () = jobs::terminal_goes_away(), if !self.gone => None,
            input = self.jobs.next() => Some(input),
        };
        match input {
            Some(Typed::Redraw) => {
                // Continued, maybe in the foreground now; a terminal that cannot be taken has no keys.
                let _ = self.take();
                Typed::Redraw
            }
            Some(input) => input,
            None => {
                // A signal is to follow, unless it is ignored (`nohup`).
                self.keys = None;
                self.gone = jobs::terminal_is_gone();
                sleep(FOREGROUND_POLL).await;
                Typed::Redraw
            }
        }
    }
}

impl Keys {
    /// A key for the line that is being typed; None: there will be no more.
    async fn edit(&mut self) -> Option<Typed> {
        loop {
            match self.events.next().await?.ok()? {
                Event::Resize(..) => return Some(Typed::Redraw),
                event @ (Event::Key(_) | Event::Paste(_)) => {
                    let now = Instant::now();
                    let in_burst = now < self.burst_until;
                    self.burst_until = now + BURST;
                    return Some(Typed::Edit(event, in_burst));
                }
                _ => {}
            }
        }
    }

    /// A press of a single key; None: there will be no more.
    async fn press(&mut self) -> Option<Typed> {
        loop {
            let event = match self.pressed {
                Some((key, until)) => tokio::select! {
                    biased;
                    event = self.events.next() => event,
                    () = sleep_until(until) => {
                        self.pressed = None;
                        return Some(Typed::Key(key));
                    }
                },
                None => self.events.next().await,
            };
            match event?.ok()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let now = Instant::now();
                    let burst = self.pressed.take().is_some() || now < self.burst_until;
                    if burst {
                        self.burst_until = now + BURST;
                    } else if let Some(character) = character(&key) {
                        self.pressed = Some((character, now + BURST));
                    } else {
                        // An arrow, a function key: counts for the burst alone.
                        self.burst_until = now + BURST;
                    }
                }
                Event::Resize(..) => return Some(Typed::Redraw),
                // Pasted text is a `Paste` event, where the terminal brackets it.
                _ => {}
            }
        }
    }
}

/// The character that a key stands for, if it does something.
fn character(key: &KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(character) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => Some(character),
        KeyCode::Enter => Some('\n'),
        _ => None,
    }
}

#[cfg(unix)]
mod mode {
    //! The terminal's mode, restored on drop: also when a panic unwinds.

    use std::io;

    use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
    use rustix::termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};

    use super::super::is_full;

    #[derive(Debug)]
    pub(super) struct Mode {
        found: Termios,
    }

    impl Mode {
        pub(super) fn enter() -> io::Result<Self> {
            let stdin = rustix::stdio::stdin();
            let found = rustix::termios::tcgetattr(stdin)?;
            let mut wanted = found.clone();
            wanted.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            wanted.special_codes[SpecialCodeIndex::VMIN] = 1;
            wanted.special_codes[SpecialCodeIndex::VTIME] = 0;
            rustix::termios::tcsetattr(stdin, OptionalActions::Now, &wanted)?;
            let mode = Self { found };
            // Typed before the keys were shown: meant for something else.
            rustix::termios::tcflush(stdin, QueueSelector::IFlush)?;
            if !is_full() {
                let _ = crossterm::execute!(io::stderr(), EnableBracketedPaste);
            }
            Ok(mode)
        }
    }

    impl Drop for Mode {
        fn drop(&mut self) {
            // In the background this would stop the program.
            if super::jobs::in_foreground() {
                let stdin = rustix::stdio::stdin();
                let _ = rustix::termios::tcflush(stdin, QueueSelector::IFlush);
                let _ = rustix::termios::tcsetattr(stdin, OptionalActions::Now, &self.found);
            }
            // A terminal that was stopped (Ctrl-S) would keep us for ever.
            if !is_full() {
                let _ = crossterm::execute!(io::stderr(), DisableBracketedPaste);
            }
        }
    }
}

#[cfg(unix)]
mod jobs {
    //! Job control: Ctrl-Z, `fg`, `bg`.

    use std::io;

    use rustix::process::{Signal, getpgrp, getpid, getsid, kill_process};
    use tokio::signal::unix::{SignalKind, signal};

    use super::Typed;

    #[derive(Debug)]
    pub(super) struct Jobs {
        stop: tokio::signal::unix::Signal,
        go_on: tokio::signal::unix::Signal,
    }

    impl Jobs {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                stop: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
                go_on: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
            })
        }

        pub(super) async fn next(&mut self) -> Typed {
            tokio::select! {
                _ = self.stop.recv() => Typed::Suspend,
                _ = self.go_on.recv() => Typed::Redraw,
            }
        }
    }

    /// Whether the terminal went away: then nothing can be asked of it any more.
    pub(super) fn terminal_is_gone() -> bool {
        rustix::termios::tcgetattr(rustix::stdio::stdin()).is_err()
    }

    /// Waits until the terminal goes away.
    pub(super) async fn terminal_goes_away() {
        while !terminal_is_gone() {
            tokio::time::sleep(super::TERMINAL_POLL).await;
        }
    }

    pub(super) fn in_foreground() -> bool {
        rustix::termios::tcgetpgrp(rustix::stdio::stdin()).is_ok_and(|group| group == getpgrp())
    }

    /// Returns when the program was continued. Without a shell that could continue it (no job control: the process group is the
    /// session's first) it does not stop.
    pub(super) fn stop() {
        if getsid(None).is_ok_and(|session| session != getpgrp()) {
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }
}

#[cfg(windows)]
mod mode {
    //! Console input is read as key records, which no mode stands between; Ctrl-C stays a signal.

    #[derive(Debug)]
    pub(super) struct Mode;

    impl Mode {
        #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix, where it can fail")]
        pub(super) fn enter() -> std::io::Result<Self> {
            Ok(Self)
        }
    }
}

#[cfg(windows)]
mod jobs {
    //! Windows has no job control.

    use super::Typed;

    #[derive(Debug)]
    pub(super) struct Jobs;

    impl Jobs {
        #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix, where it can fail")]
        pub(super) fn listen() -> std::io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> Typed {
            std::future::pending().await
        }
    }

    pub(super) fn terminal_is_gone() -> bool {
        false
    }

    pub(super) async fn terminal_goes_away() {
        std::future::pending().await
    }

    pub(super) fn in_foreground() -> bool {
        true
    }

    pub(super) fn stop() {}
}
