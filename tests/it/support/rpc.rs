//! A bare client of the runtime's protocol, and a runtime to talk to.
//!
//! JSON-RPC with `Content-Length` framing over TCP, blocking, with nothing of the SDK in between: the conformance
//! tests hold the real CLI and our stand-in against it, and the benchmark takes it as the least that can be done.
//! Requests that the runtime sends (`userInput.request`, …) are recorded and never answered: that leaves the
//! question open for the remote user.
//!
//! The CLI leaves Nagle's algorithm on, so answers that follow an event wait for our kernel's delayed
//! acknowledgement, 40 ms. This client does nothing about that.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

/// How long [`Rpc::call`] waits. [`Rpc::call_within`] takes another.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// What a [`Server`] asks of its clients.
pub const TOKEN: &str = "the-connection-token";

/// One connection. Calls may be made from several threads.
pub struct Rpc {
    stream: TcpStream,
    /// A frame is written whole, so writers take turns.
    writing: Mutex<()>,
    shared: Arc<Shared>,
    last_id: AtomicU64,
}

/// The error of a response, or one of ours: [`RpcError::NO_ANSWER`], [`RpcError::CLOSED`].
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// Negative when it is the runtime's.
    pub code: i64,
    /// For people.
    pub message: String,
    /// Null when there is none.
    pub data: Value,
}

impl RpcError {
    /// The deadline passed.
    pub const NO_ANSWER: i64 = 1;
    /// The connection ended first.
    pub const CLOSED: i64 = 2;
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("not poisoned")
    }
}

#[derive(Default)]
struct Inbox {
    answers: HashMap<u64, Result<Value, RpcError>>,
    events: Vec<Value>,
    closed: bool,
}

/// A stream that acknowledges what it reads at once, as the program's own does: otherwise each call takes 40 ms more (see `sdk/runtime.rs`), and
/// no comparison with the program is fair.
struct Prompt(TcpStream);

impl io::Read for Prompt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The kernel forgets it with each read.
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
        self.0.read(buffer)
    }
}

impl Rpc {
    /// Opens the connection, without the handshake: for that call `connect`.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let shared = Arc::new(Shared::default());
        let reader = BufReader::new(Prompt(stream.try_clone()?));
        std::thread::spawn({
            let shared = shared.clone();
            move || read(reader, &shared)
        });
        Ok(Self { stream, writing: Mutex::default(), shared, last_id: AtomicU64::new(0) })
    }

    /// Calls and waits for the answer, at most [`DEADLINE`].
    pub fn call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.call_within(method, params, DEADLINE)
    }

    /// Calls and waits for the answer, at most `deadline`.
    pub fn call_within(&self, method: &str, params: Value, deadline: Duration) -> Result<Value, RpcError> {
        self.answer_within(self.begin(method, params)?, deadline)
    }

    /// Calls, and waits for nothing: [`Self::answer_within`] takes the answer of this id.
    pub fn begin(&self, method: &str, params: Value) -> Result<u64, RpcError> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut frame = json!({"jsonrpc": "2.0", "id": id, "method": method});
        frame["params"] = params;
        self.send(&frame).map_err(|error| failed(RpcError::CLOSED, format!("{method} was not sent: {error}")))?;
        Ok(id)
    }

    pub fn answer_within(&self, id: u64, deadline: Duration) -> Result<Value, RpcError> {
        self.wait(deadline, |inbox| match inbox.answers.remove(&id) {
            None if inbox.closed => Some(Err(failed(RpcError::CLOSED, format!("connection closed in call {id}")))),
            answer => answer,
        })
        .unwrap_or_else(|| Err(failed(RpcError::NO_ANSWER, format!("no answer to call {id} within {deadline:?}"))))
    }

    fn send(&self, frame: &Value) -> io::Result<()> {
        let body = frame.to_string();
        let frame = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let _turn = self.writing.lock().expect("not poisoned");
        (&self.stream).write_all(frame.as_bytes())
    }

    /// The session events after the first `from`, up to the next of this type; none if that does not come in time.
    ///
    /// Each is as the runtime sent it, with the `sessionId` of its notification added.
    pub fn events_until(&self, from: usize, kind: &str, deadline: Duration) -> Option<Vec<Value>> {
        self.wait(deadline, |inbox| {
            let end = from + inbox.events[from..].iter().position(|event| event["type"] == kind)?;
            Some(inbox.events[from..=end].to_vec())
        })
    }

    /// Whether the runtime closes the connection in time.
    pub fn wait_closed(&self, deadline: Duration) -> bool {
        self.wait(deadline, |inbox| inbox.closed.then_some(())).is_some()
    }

    /// All session events so far.
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().events.clone()
    }

    fn wait<T>(&self, deadline: Duration, mut found: impl FnMut(&mut Inbox) -> Option<T>) -> Option<T> {
        let end = Instant::now() + deadline;
        let mut inbox = self.shared.lock();
        loop {
            if let Some(value) = found(&mut inbox) {
                return Some(value);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            inbox = self.shared.changed.wait_timeout(inbox, left).expect("not poisoned").0;
        }
    }
}

fn failed(code: i64, message: String) -> RpcError {
    RpcError { code, message, data: Value::Null }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        // Ends the reader, which holds a clone of the socket.
        _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The reader thread: files every frame until the connection ends.
fn read(mut reader: BufReader<Prompt>, shared: &Shared) {
    while let Ok(frame) = read_frame(&mut reader) {
        let mut inbox = shared.lock();
        match (frame["id"].as_u64(), frame["method"].as_str()) {
            (_, Some("session.event")) => {
                let mut event = frame["params"]["event"].clone();
                event["sessionId"] = frame["params"]["sessionId"].clone();
                inbox.events.push(event);
            }
            // A request of the runtime's: left unanswered, as the program does.
            (_, Some(_)) if frame.get("id").is_some() => {}
            (Some(id), None) => _ = inbox.answers.insert(id, answer(&frame)),
            // Other notifications (`session.lifecycle`) say nothing that the events do not.
            _ => {}
        }
        drop(inbox);
        shared.changed.notify_all();
    }
    shared.lock().closed = true;
    shared.changed.notify_all();
}

fn answer(frame: &Value) -> Result<Value, RpcError> {
    let Some(error) = frame.get("error") else {
        return Ok(frame["result"].clone());
    };
    Err(RpcError {
        code: error["code"].as_i64().unwrap_or_default(),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
        data: error["data"].clone(),
    })
}

fn read_frame(reader: &mut BufReader<Prompt>) -> io::Result<Value> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    reader.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(io::Error::from)
}

/// A runtime in server mode: the real CLI, or whatever speaks like it. Dropping it kills its process group.
pub struct Server {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// What `connect` has to say.
    pub token: &'static str,
    /// The process, which leads its own group.
    pub child: Child,
}

/// Starts `program prefix_args… --server --port 0 --no-auto-update` and waits for the line with its port.
///
/// Of our environment it gets only `PATH`; all its folders are in `home`; `env` comes last, so it may say otherwise.
///
/// # Panics
/// When the line does not come within [`DEADLINE`], with what came instead.
pub fn spawn_server(program: &Path, prefix_args: &[&str], env: &[(String, String)], home: &Path, cwd: &Path) -> Server {
    let mut command = Command::new(program);
    command.args(prefix_args).args(["--server", "--port", "0", "--no-auto-update"]);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("HOME", home).env("COPILOT_HOME", home.join(".copilot")).env("GH_CONFIG_DIR", home.join(".config/gh"));
    let folders = [("CACHE", ".cache"), ("CONFIG", ".config"), ("DATA", ".local/share"), ("STATE", ".local/state")];
    command.envs(folders.map(|(name, folder)| (format!("XDG_{name}_HOME"), home.join(folder))));
    command.env("COPILOT_CONNECTION_TOKEN", TOKEN).envs(env.iter().cloned());
    // A group of its own, so that a loader in front of it dies with it. Its tools are in groups of their own.
    command.current_dir(cwd).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));

    let (sender, lines) = mpsc::channel();
    let pipes: [Box<dyn io::Read + Send>; 2] =
        [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
    for pipe in pipes {
        let sender = sender.clone();
        // It reads to the end even when nobody listens any more: a full pipe would block the server.
        std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| _ = sender.send(line)));
    }
    drop(sender);

    let mut server = Server { port: 0, token: TOKEN, child };
    let end = Instant::now() + DEADLINE;
    let mut output = Vec::new();
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if let Some(port) = line.strip_prefix("CLI server listening on port ") {
            server.port = port.trim().parse().expect("a port number");
            return server;
        }
        output.push(line);
    }
    panic!("{} did not start to listen; it said: {output:#?}", program.display())
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also when the child has ended: the group lives as long as anything in it.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            _ = kill_process_group(group, Signal::KILL);
        }
        _ = self.child.wait();
    }
}
