//! The program in a terminal: a pty, and a model of what its screen shows.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rexpect::process::PtyProcess;

use super::sandbox::{BINARY, PATIENCE, Sandbox};

/// Rows of scrollback that the model keeps.
const SCROLLBACK: usize = 1000;

struct Screen {
    parser: Mutex<(vt100::Parser, Vec<u8>)>,
    changed: Condvar,
}

pub struct Pty {
    screen: Arc<Screen>,
    keyboard: File,
    /// Dropped last: kills what is left.
    _process: PtyProcess,
}

fn size(columns: u16, rows: u16) -> (NonZero<u16>, NonZero<u16>) {
    let not_zero = |number: u16| NonZero::new(number).unwrap_or(NonZero::new(if number == columns { 80 } else { 24 }).unwrap());
    (not_zero(rows), not_zero(columns))
}

impl Pty {
    /// Runs the program in a terminal of this size; afterwards the terminal says `EXIT=` with its code, and whether its mode is as it was.
    pub fn start(sandbox: &Sandbox, columns: u16, rows: u16, arguments: &str) -> Self {
        let script = format!(
            "stty cols {columns} rows {rows}; trap : INT; before=$(stty -g); {BINARY} {arguments}; code=$?; \
             [ \"$before\" = \"$(stty -g)\" ] && mode=SAME || mode=CHANGED; echo MODE=$mode EXIT=$code"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        Self::spawn(sandbox, columns, rows, command)
    }

    /// Runs another program in a terminal.
    pub fn run(sandbox: &Sandbox, columns: u16, rows: u16, line: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("stty cols {columns} rows {rows}; exec {line}")]);
        Self::spawn(sandbox, columns, rows, command)
    }

    /// An interactive shell, with job control.
    pub fn shell(sandbox: &Sandbox, columns: u16, rows: u16) -> Self {
        let mut command = Command::new("bash");
        command.args(["--norc", "--noprofile", "-i"]).env("PS1", "ready> ");
        let mut pty = Self::spawn(sandbox, columns, rows, command);
        pty.send(&format!("stty cols {columns} rows {rows}\r"));
        pty
    }

    fn spawn(sandbox: &Sandbox, columns: u16, rows: u16, mut command: Command) -> Self {
        let prompt = command.get_envs().find_map(|(name, value)| (name == "PS1").then(|| value.map(ToOwned::to_owned)).flatten());
        command.env_clear().envs(&sandbox.env).current_dir(sandbox.repo());
        if let Some(prompt) = prompt {
            command.env("PS1", prompt);
        }
        let mut process = PtyProcess::new(command).expect("a pty");
        // Of a shell that ignores SIGTERM, dropping it would wait for ever.
        process.set_kill_timeout(Some(500));
        let keyboard = process.get_file_handle().expect("the pty");
        let mut output = process.get_file_handle().expect("the pty");
        let (rows, columns) = size(columns, rows);
        let parser = vt100::Parser::new(rows, columns, SCROLLBACK);
        let screen = Arc::new(Screen { parser: Mutex::new((parser, Vec::new())), changed: Condvar::new() });
        let copy = screen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A pty whose other end is closed is an error, not an end of file.
            while let Ok(count) = output.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                let mut state = copy.parser.lock().unwrap();
                state.0.process(&buffer[..count]);
                state.1.extend_from_slice(&buffer[..count]);
                drop(state);
                copy.changed.notify_all();
            }
        });
        Self { screen, keyboard, _process: process }
    }

    pub fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keyboard.flush().unwrap();
    }

    /// Waits until `wanted` of the state of the screen is something.
    fn wait<T>(&self, what: &str, wanted: impl Fn(&vt100::Screen, &[u8]) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut state = self.screen.parser.lock().unwrap();
        loop {
            if let Some(found) = wanted(state.0.screen(), &state.1) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} on the screen:\n{}", state.0.screen().contents());
            state = self.screen.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the screen shows `text`, and gives what it shows.
    pub fn shows(&self, text: &str) -> String {
        self.wait(text, |screen, _| Some(screen.contents()).filter(|contents| contents.contains(text)))
    }

    /// Waits until `text` was written, wherever it is by now; colours do not count.
    pub fn wrote(&self, text: &str) {
        self.wait(text, |_, raw| without_colours(&String::from_utf8_lossy(raw)).contains(text).then_some(()));
    }

    /// Waits until the screen shows a QR code, and reads it.
    pub fn qr(&self) -> String {
        self.wait("QR code", |screen, _| decode(screen))
    }

    /// The lowest code that the screen shows.
    pub fn last_qr(&self) -> String {
        decode_all(self.screen.parser.lock().unwrap().0.screen()).pop().expect("a code")
    }

    /// Whether there is one now.
    pub fn has_qr(&self) -> bool {
        decode(self.screen.parser.lock().unwrap().0.screen()).is_some()
    }

    /// What the screen shows now, drawn as a picture.
    pub fn picture(&self) -> String {
        super::picture::svg(self.screen.parser.lock().unwrap().0.screen())
    }

    /// Everything that was written so far.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.screen.parser.lock().unwrap().1).into_owned()
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        let (high, wide) = size(columns, rows);
        self.screen.parser.lock().unwrap().0.screen_mut().set_size(high, wide);
        let winsize = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.keyboard, winsize).expect("a new size");
    }

    /// Waits for the end: the exit code. Fails if the terminal was left in another mode.
    pub fn finish(self) -> i32 {
        let found = self.wait("EXIT=", |_, raw| {
            let raw = String::from_utf8_lossy(raw).into_owned();
            let (before, code) = raw.rsplit_once("EXIT=")?;
            let code = code.split_once(['\r', '\n'])?.0.parse::<i32>().ok()?;
            Some((code, before.ends_with("MODE=SAME ")))
        });
        assert!(found.1, "the terminal's mode was not restored");
        found.0
    }

    /// Leaves time for what must not happen.
    pub fn nothing_happens(&self, duration: Duration) -> String {
        std::thread::sleep(duration);
        self.screen.parser.lock().unwrap().0.screen().contents()
    }
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('m') {
            Some((numbers, rest)) if numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') => plain.push_str(rest),
            _ => {
                plain.push_str("\u{1b}[");
                plain.push_str(part);
            }
        }
    }
    plain
}

/// Reads the QR code off the cells' colours, on a terminal with a black background.
fn decode(screen: &vt100::Screen) -> Option<String> {
    decode_all(screen).into_iter().next()
}

/// All of them, from top to bottom.
fn decode_all(screen: &vt100::Screen) -> Vec<String> {
    const SCALE: usize = 4;
    let (rows, columns) = screen.size();
    let light = |colour: vt100::Color, default: bool| match colour {
        vt100::Color::Default => default,
        vt100::Color::Idx(index) => !matches!(index, 0 | 16),
        vt100::Color::Rgb(red, ..) => red > 127,
    };
    // Two modules a cell: one above the other.
    let module = |column: usize, half: usize| {
        let Some(cell) = screen.cell(u16::try_from(half / 2).ok()?, u16::try_from(column).ok()?) else { return Some(false) };
        let ink = match cell.contents() {
            "█" => true,
            "▀" => half.is_multiple_of(2),
            "▄" => !half.is_multiple_of(2),
            _ => false,
        };
        let shown = if ink { light(cell.fgcolor(), true) } else { light(cell.bgcolor(), false) };
        Some(shown != cell.inverse())
    };
    let (width, height) = (usize::from(columns.get()), usize::from(rows.get()) * 2);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width * SCALE, height * SCALE, |x, y| {
        if module(x / SCALE, y / SCALE).unwrap_or(false) { 255 } else { 0 }
    });
    let mut grids = image.detect_grids();
    grids.sort_by_key(|grid| grid.bounds[0].y);
    grids.into_iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect()
}

/// The file's content as a QR code reader sees it, for PNG files of ours: decoded to greyscale by the caller.
pub fn decode_grey(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    let mut text = String::new();
    for grid in image.detect_grids() {
        write!(text, "{}", grid.decode().expect("a readable code").1).unwrap();
    }
    text
}
