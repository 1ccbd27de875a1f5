//! Reads keys as single presses, and leaves the terminal as it was found.
//!
//! On Unix the terminal is in cbreak mode (no echo, no line buffer) and not in raw mode, so that Ctrl-C and Ctrl-Z stay signals,
//! and a line feed stays a new line for every writer.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};

/// Keys that are closer together than this were not typed by a person, but pasted into a terminal without bracketed paste.
const BURST: Duration = Duration::from_millis(25);

/// How often it is looked whether the terminal is still there.
const TERMINAL_POLL: Duration = Duration::from_secs(1);
/// How often a job in the background checks whether it is in the foreground again. No signal tells of the `fg` of a running job.
const FOREGROUND_POLL: Duration = Duration::from_millis(300);

/// What a keyboard reports.
#[derive(Debug)]
pub(super) enum Typed {
    /// A single press; Enter is a new line.
    Key(char),
    /// A key for the line that is being typed, and whether it came faster than a person presses keys.
    Edit(Event, bool),
    /// The size changed, or the program was continued, so the screen is drawn again.
    Redraw,
    /// Ctrl-Z was pressed: the terminal is given back, and the program stops.
    Suspend,
}

/// The keyboard of this job's terminal. Dropping it restores the terminal.
#[derive(Debug)]
pub(super) struct Keyboard {
    /// `None` while the job is in the background, where reading keys would stop it.
    keys: Option<Keys>,
    /// The terminal went away: there will be no keys any more.
    gone: bool,
    jobs: jobs::Jobs,
}

#[derive(Debug)]
struct Keys {
    events: EventStream,
    /// A press that counts unless another one follows at once.
    pressed: Option<(char, Instant)>,
    /// A press before this moment belongs to a burst.
    burst_until: Instant,
    // The field is the last one, so that the terminal is restored after the reader is gone.
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

    /// Whether keys are read. They are not while the job is in the background.
    pub(super) fn is_active(&self) -> bool {
        self.keys.is_some()
    }

    /// Gives the terminal back and stops the program until it is continued.
    pub(super) fn suspend(&mut self) {
        self.keys = None;
        jobs::stop();
    }

    /// Waits for a key. `line` says that a line is being typed, to which every key belongs.
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
                // The program was continued, maybe in the foreground now. If the terminal cannot be taken, there are no keys.
                let _ = self.take();
                Typed::Redraw
            }
            Some(input) => input,
            None => {
                // The terminal went away. A signal should follow; if none does, this loop must not spin.
                self.keys = None;
                self.gone = jobs::terminal_is_gone();
                sleep(FOREGROUND_POLL).await;
                Typed::Redraw
            }
        }
    }
}

impl Keys {
    /// The next key for the line that is being typed; `None` if there will be no more.
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

    /// The next single press; `None` if there will be no more.
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
                        // An arrow or a function key does nothing here, but it counts as part of a burst.
                        self.burst_until = now + BURST;
                    }
                }
                Event::Resize(..) => return Some(Typed::Redraw),
                // A terminal that brackets pastes sends pasted text as a `Paste` event, so that none of it acts as a key.
                _ => {}
            }
        }
    }
}

/// The character that a key stands for, if that key does something.
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
            // What was typed before the keys were shown was meant for something else.
            rustix::termios::tcflush(stdin, QueueSelector::IFlush)?;
            if !is_full() {
                let _ = crossterm::execute!(io::stderr(), EnableBracketedPaste);
            }
            Ok(mode)
        }
    }

    impl Drop for Mode {
        fn drop(&mut self) {
            // In the background, changing the terminal's mode would stop the program.
            if super::jobs::in_foreground() {
                let stdin = rustix::stdio::stdin();
                let _ = rustix::termios::tcflush(stdin, QueueSelector::IFlush);
                let _ = rustix::termios::tcsetattr(stdin, OptionalActions::Now, &self.found);
            }
            // Waiting for output on a terminal that was stopped (Ctrl-S) would take for ever.
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

    /// Returns once the program was continued. Where no shell could continue it (the process group is the first one of its
    /// process session, so there is no job control), it does not stop.
    pub(super) fn stop() {
        if getsid(None).is_ok_and(|session| session != getpgrp()) {
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }
}

#[cfg(windows)]
mod mode {
    //! Console input is read as key records, which are the same in every mode. Ctrl-C stays a signal.

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
