//! The only writer to stdout and stderr, and the only user of crossterm.
//!
//! stdout gets data, whole lines at a time. stderr gets talk: lines that are appended, and at most one status line at the end,
//! which is redrawn. All text is made harmless in this module, so that no caller can forget to.

mod editor;
mod keyboard;
mod writer;

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar;

use crate::model::When;
use crate::os::env;
use crate::qr;
use crate::text::line::{Line, Tone};
use crate::text::{progress, redact, sanitise};
use editor::{Edited, Editor};
use keyboard::{Keyboard, Typed};
use writer::{Stream, Writer};

/// Erases the line and moves the cursor to its start.
const ERASE_LINE: &str = "\r\x1b[K";
/// The size that is assumed where a terminal does not know its own (0×0 on some serial lines and in some containers).
const FALLBACK_SIZE: (u16, u16) = (80, 24);

/// What a person does at the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A single press; Enter is a new line.
    Key(char),
    /// The line that was being typed is finished.
    Line(String),
    /// The line that was being typed is given up; this is its text.
    Dropped(String),
    /// Nothing that a caller has to act on: the size changed, the program was continued, or a line is being typed.
    Redraw,
}

/// stdin, stdout and stderr, and what they can do.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the streams")]
pub(crate) struct Terminal {
    stdout_tty: bool,
    stderr_tty: bool,
    /// Whether stdout and stderr are the same terminal, so that data need not be repeated as talk.
    same: bool,
    /// Whether TERM is unset or `dumb`, so that there are no escape sequences.
    dumb: bool,
    colour: bool,
    /// The value of `--color`, which decides for stdout, too.
    wanted_colour: When,
    utf8: bool,
    talk: Talk,
    bell: bool,
    status: Option<String>,
    keyboard: Option<Keyboard>,
    /// The line that is being typed. It takes the place of the status.
    editor: Option<Editor>,
    writer: Writer,
}

/// How stderr is written to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Talk {
    /// Whether only errors are written.
    pub(crate) quiet: bool,
    /// Whether lines of the log are written between the others, so that nothing is redrawn.
    pub(crate) log: bool,
    /// Whether only whole lines are written and nothing is drawn, for screen readers.
    pub(crate) plain: bool,
}

impl Terminal {
    pub(crate) fn new(color: When, talk: Talk) -> Self {
        let stderr_tty = io::stderr().is_terminal();
        let stdout_tty = io::stdout().is_terminal();
        let dumb = env::get("TERM").is_none_or(|term| term == "dumb") && !cfg!(windows);
        Self {
            stdout_tty,
            stderr_tty,
            same: stdout_tty && stderr_tty && same_device(),
            dumb,
            colour: wants_colour(color, stderr_tty && !dumb),
            wanted_colour: color,
            utf8: is_utf8(),
            talk,
            bell: false,
            status: None,
            keyboard: None,
            editor: None,
            writer: Writer::start(),
        }
    }

    /// Whether a person watches stderr on a terminal that understands escape sequences.
    pub(crate) fn is_interactive(&self) -> bool {
        self.stderr_tty && !self.dumb && !self.talk.quiet
    }

    /// Whether the terminal shows more than ASCII.
    pub(crate) fn is_utf8(&self) -> bool {
        self.utf8
    }

    pub(crate) fn has_colours(&self) -> bool {
        self.colour
    }

    /// Whether there is a last line that changes. Without one, progress is told in a line a step.
    pub(crate) fn redraws(&self) -> bool {
        self.is_interactive() && !self.talk.log && !self.talk.plain
    }

    /// Whether a person who reads stderr also sees stdout.
    pub(crate) fn shows_stdout(&self) -> bool {
        self.same
    }

    /// Whether stdout is a terminal, which would obey escape sequences in what is written.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        self.stdout_tty
    }

    /// Whether the reader of our output has stopped reading.
    pub(crate) fn is_stalled(&self) -> bool {
        self.writer.is_stalled()
    }

    /// Writes one line of data to stdout. The error matters, as the reader may be gone.
    pub(crate) fn data(&mut self, text: &str) -> io::Result<()> {
        if self.stdout_tty {
            self.erase_status();
        }
        if self.is_stalled() {
            // A reader that stalled gets this line once it reads on. Nothing waits for that.
            self.writer.write(Stream::Stdout, format!("{text}\n"));
            return Ok(());
        }
        self.writer.write_data(format!("{text}\n"), false)?;
        if self.stdout_tty {
            self.draw_status();
        }
        Ok(())
    }

    /// Writes a whole text to stdout, however slowly it is read.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_data(text.to_owned(), true)
    }

    /// Begins to write a text to stdout. The receiver gets the outcome.
    pub(crate) fn begin_print(&mut self, text: &str) -> Receiver<io::Result<()>> {
        self.writer.send_and_hear(text.to_owned())
    }

    /// Writes a line of talk, unless the user wants quiet.
    pub(crate) fn say(&mut self, line: &Line) {
        if !self.talk.quiet || line.tone == Tone::Error {
            let text = self.styled(line);
            self.append(&text);
        }
    }

    /// Writes lines as they are: a drawing with its own escape sequences.
    pub(crate) fn draw(&mut self, lines: &[String]) {
        self.append(&lines.join("\n"));
    }

    /// Shows `text` as the last line until the next call; `None` removes it. Does nothing where nobody could see the line change.
    pub(crate) fn status(&mut self, text: Option<String>) {
        if !self.redraws() || self.status == text {
            return;
        }
        self.erase_status();
        self.status = text;
        self.draw_status();
    }

    /// Tells what the program waits for: in the last line, or in a line of its own where nothing is redrawn.
    pub(crate) fn progress(&mut self, step: &str) {
        if self.redraws() {
            self.status(Some(progress::progress(step, Duration::ZERO)));
        } else {
            self.say(&Line::new(Tone::Dim, step));
        }
    }

    /// The rows that a line of `text` takes.
    pub(crate) fn rows_of(&self, text: &str) -> usize {
        let width: usize = text.chars().filter_map(UnicodeWidthChar::width).sum();
        width.div_ceil(self.size().0.into()).max(1)
    }

    /// Columns and rows of the terminal behind stderr.
    pub(crate) fn size(&self) -> (u16, u16) {
        let size = if self.stderr_tty { size_of(&io::stderr()) } else { None };
        size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(FALLBACK_SIZE)
    }

    /// What a QR code on stderr can be drawn with, and whether it has to fit the size; `None` where nobody could see the code.
    pub(crate) fn surface(&self, when: When) -> Option<(qr::Surface, bool)> {
        let seen = self.is_interactive() && !self.talk.plain && env::get_os("CI").is_none();
        if when == When::Never || (when == When::Auto && !seen) {
            return None;
        }
        Some((self.surface_of(self.size(), self.stderr_tty, self.colour), self.stderr_tty))
    }

    /// What a QR code on stdout can be drawn with, where the code is the data.
    pub(crate) fn stdout_surface(&self) -> (qr::Surface, bool) {
        let size = if self.stdout_tty { size_of(&io::stdout()) } else { None };
        let colour = wants_colour(self.wanted_colour, self.stdout_tty && !self.dumb);
        (self.surface_of(size.unwrap_or(FALLBACK_SIZE), self.stdout_tty, colour), self.stdout_tty)
    }

    fn surface_of(&self, (columns, rows): (u16, u16), terminal: bool, colour: bool) -> qr::Surface {
        qr::Surface {
            columns,
            rows,
            utf8: self.utf8 || !terminal,
            colour,
            reverse: terminal && !self.dumb,
            palette: qr::Palette::for_term(&env::get("TERM").unwrap_or_default()),
            // Asking the terminal for its background is not reliable (tmux and urxvt never answer, screen answers late), so a
            // variable is read, which only urxvt sets.
            dark_background: env::get("COLORFGBG").is_none_or(|value| !matches!(value.rsplit(';').next(), Some("7" | "15"))),
        }
    }

    /// The width of the terminal behind stdout, if stdout is one.
    pub(crate) fn stdout_columns(&self) -> Option<u16> {
        let size = if self.stdout_tty { size_of(&io::stdout()) } else { None };
        size.map(|(columns, _)| columns).filter(|columns| *columns > 0)
    }

    /// Whether stdout is a terminal that can be drawn anew.
    pub(crate) fn redraws_stdout(&self) -> bool {
        self.stdout_tty && !self.dumb && !self.talk.plain
    }

    /// Prepares stdout for showing something again: clears the screen, or writes an empty line where there is none.
    pub(crate) fn clear_stdout(&mut self, again: bool) -> io::Result<()> {
        if self.redraws_stdout() {
            self.writer.write_data("\x1b[2J\x1b[H".to_owned(), true)
        } else if again && self.stdout_tty {
            self.data("")
        } else {
            Ok(())
        }
    }

    /// Lets [`Self::ring`] ring, or keeps it silent.
    pub(crate) fn let_ring(&mut self, bell: bool) {
        self.bell = bell && self.is_interactive();
    }

    /// Calls the person: by a notification, where the terminal knows OSC 9, and by the bell.
    pub(crate) fn ring(&self, text: &str) {
        const LENGTH: usize = 120;
        if self.bell {
            let text: String = self.clean(text).chars().take(LENGTH).collect();
            self.write(format!("\x1b]9;copilot-remote: {text}\x07\x07"));
        }
    }

    /// Asks the terminal to put `text` into the clipboard (OSC 52). A terminal does not say whether it did.
    pub(crate) fn copy(&mut self, text: &str) {
        use crossterm::Command as _;
        let mut sequence = String::new();
        if crossterm::clipboard::CopyToClipboard::to_clipboard_from(text).write_ansi(&mut sequence).is_ok() {
            self.write(sequence);
        }
    }

    /// Starts to read keys, if stdin and stderr are this job's terminal. What was typed ahead is dropped, as it was meant for
    /// something else.
    pub(crate) fn open_keyboard(&mut self) -> io::Result<bool> {
        if self.is_interactive() && io::stdin().is_terminal() {
            self.keyboard = Some(Keyboard::open()?);
        }
        Ok(self.keyboard.is_some())
    }

    /// Lets a person type a line, in the place of the status. The arrow keys bring back `earlier` lines.
    pub(crate) fn type_line(&mut self, label: &str, earlier: &[String]) {
        self.erase_status();
        self.editor = Some(Editor::new(label.to_owned(), earlier));
        self.draw_status();
    }

    /// Whether a line is being typed.
    pub(crate) fn is_typed_into(&self) -> bool {
        self.editor.is_some()
    }

    /// Takes away the line that is being typed, and returns its text.
    pub(crate) fn take_line(&mut self) -> Option<String> {
        self.erase_status();
        let editor = self.editor.take();
        self.draw_status();
        editor.map(|editor| editor.text().to_owned())
    }

    /// Waits for what the person does next; without a keyboard it waits for ever. Cancel-safe.
    pub(crate) async fn input(&mut self) -> Input {
        let Some(keyboard) = &mut self.keyboard else { return std::future::pending().await };
        match keyboard.next(self.editor.is_some()).await {
            Typed::Key(key) => return Input::Key(key),
            Typed::Edit(event, in_burst) => {
                let edited = self.editor.as_mut().map_or(Edited::GoesOn, |editor| editor.key(event, in_burst));
                match edited {
                    Edited::GoesOn => self.redraw_status(),
                    Edited::Done(text) => {
                        self.take_line();
                        return Input::Line(text);
                    }
                    Edited::Dropped(text) => {
                        self.take_line();
                        return Input::Dropped(text);
                    }
                }
            }
            Typed::Suspend => {
                self.erase_status();
                // Stopping the program stops the thread that writes, too, so all is written first.
                self.writer.drain();
                if let Some(keyboard) = &mut self.keyboard {
                    keyboard.suspend();
                }
            }
            Typed::Redraw => self.redraw_status(),
        }
        Input::Redraw
    }

    /// Restores the terminal as it was found.
    pub(crate) fn close_keyboard(&mut self) {
        self.take_line();
        self.writer.drain();
        self.keyboard = None;
    }

    fn append(&mut self, text: &str) {
        let erase = if self.shows_status() { ERASE_LINE } else { "" };
        self.write(format!("{erase}{text}\n{}", self.last_line()));
    }

    /// Writes to stderr. That the terminal went away is no error here, as a signal tells of it.
    fn write(&self, text: String) {
        self.writer.write(Stream::Stderr, text);
    }

    /// Whether the last line is shown. In the background it belongs to the shell.
    fn shows_status(&self) -> bool {
        (self.status.is_some() || self.editor.is_some()) && self.keyboard.as_ref().is_none_or(Keyboard::is_active)
    }

    fn erase_status(&self) {
        if self.shows_status() {
            self.write(ERASE_LINE.to_owned());
        }
    }

    fn draw_status(&self) {
        if self.shows_status() {
            self.write(self.last_line());
        }
    }

    fn redraw_status(&self) {
        if self.shows_status() {
            self.write(format!("{ERASE_LINE}{}", self.last_line()));
        }
    }

    /// The line that is being typed, or the status. It is cut to one row, because a line that wraps could not be erased.
    fn last_line(&self) -> String {
        if !self.shows_status() {
            return String::new();
        }
        let room = usize::from(self.size().0).saturating_sub(1);
        if let Some(editor) = &self.editor {
            let (row, column) = editor.row(room, |text| self.clean(text));
            // The cursor is moved from the start of the line, because text to its right may be of any width.
            return if column == 0 { format!("{row}\r") } else { format!("{row}\r\x1b[{column}C") };
        }
        let Some(status) = &self.status else { return String::new() };
        let mut width = 0;
        let clean = self.clean(status);
        let fitting = clean.chars().take_while(|character| {
            width += character.width().unwrap_or(0);
            width <= room
        });
        let text: String = fitting.collect();
        if self.colour { format!("{0}{text}{0:#}", Style::new().dimmed()) } else { text }
    }

    fn styled(&self, line: &Line) -> String {
        let text = self.clean(&line.text);
        let style = match line.tone {
            Tone::Plain => None,
            Tone::Dim => Some(Style::new().dimmed()),
            Tone::Strong => Some(Style::new().bold()),
            Tone::Good => Some(AnsiColor::Green.on_default()),
            Tone::Attention => Some(AnsiColor::Yellow.on_default().bold()),
            Tone::Error => Some(AnsiColor::Red.on_default().bold()),
        };
        let Some(style) = style.filter(|_| self.colour) else { return text };
        // The words before the colon are styled; long text stays in the terminal's own colours.
        match text.split_once(": ") {
            Some((head, rest)) if line.tone != Tone::Dim => format!("{style}{head}:{style:#} {rest}"),
            _ => format!("{style}{text}{style:#}"),
        }
    }

    fn clean(&self, text: &str) -> String {
        let clean = sanitise::sanitised(text);
        if self.utf8 {
            clean
        } else {
            clean.chars().map(|character| if character.is_ascii() { character } else { '?' }).collect()
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.erase_status();
    }
}

/// Where the log goes: to stderr, made harmless a line at a time. The SDK writes down errors in the words of others.
pub(crate) fn log_line(bytes: &[u8]) {
    use io::Write as _;
    for line in String::from_utf8_lossy(bytes).lines() {
        // A line is lost if nobody reads on, as the log must not hold up what it tells of.
        if !is_full() {
            let _ = writeln!(io::stderr(), "{}", sanitise::sanitised(&redact::redacted(line)));
        }
    }
}

/// Decides on colour: `--color`, then `NO_COLOR`, then `CLICOLOR_FORCE`, then whether the stream is a terminal (no-color.org).
fn wants_colour(color: When, terminal: bool) -> bool {
    match color {
        When::Always => true,
        When::Never => false,
        When::Auto if env::get_os("NO_COLOR").is_some() => false,
        When::Auto if env::get("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        When::Auto => terminal,
    }
}

/// Whether the first locale variable that is set names UTF-8. Windows consoles are Unicode through the API that std uses.
fn is_utf8() -> bool {
    if cfg!(windows) {
        return true;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(env::get).unwrap_or_default();
    let codeset = locale.split(['.', '@']).nth(1).unwrap_or_default();
    codeset.replace('-', "").eq_ignore_ascii_case("utf8")
}

/// Whether stderr takes nothing at the moment: it is a pipe that nobody empties, or a terminal that was stopped with Ctrl-S.
#[cfg(unix)]
fn is_full() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stderr = rustix::stdio::stderr();
    let mut streams = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut streams, Some(&at_once)).is_ok() && streams[0].revents().is_empty()
}

#[cfg(windows)]
fn is_full() -> bool {
    false
}

/// The size of the stream itself. crossterm would ask /dev/tty, and run `tput`.
#[cfg(unix)]
fn size_of(stream: &impl std::os::fd::AsFd) -> Option<(u16, u16)> {
    rustix::termios::tcgetwinsize(stream).ok().map(|size| (size.ws_col, size.ws_row))
}

#[cfg(windows)]
fn size_of<T>(_: &T) -> Option<(u16, u16)> {
    crossterm::terminal::size().ok()
}

#[cfg(unix)]
fn same_device() -> bool {
    let device = |stream: rustix::fd::BorrowedFd<'_>| rustix::fs::fstat(stream).ok().map(|found| found.st_rdev);
    device(rustix::stdio::stdout()) == device(rustix::stdio::stderr())
}

#[cfg(windows)]
fn same_device() -> bool {
    true
}
