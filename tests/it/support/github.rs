//! A loopback GitHub: what the real Copilot CLI talks to in our tests.
//!
//! The CLI finds it as its `HTTPS_PROXY`. It answers `CONNECT`, ends the TLS itself with a throw-away
//! certificate authority (which the CLI is told to trust), and plays `api.github.com`, `api.githubcopilot.com`
//! and any other host by the path alone. Nothing leaves the machine: what it does not know is a 404.
//!
//! It runs in a thread of its own, so that tests stay ordinary blocking functions: they start it, hand
//! [`GitHub::env`] to the CLI, and then ask what came ([`GitHub::wait_event`]), steer as the phone would
//! ([`GitHub::queue`]), break things ([`GitHub::fault`]) and script the model ([`GitHub::model`]).
//!
//! The shapes are those that CLI 1.0.102 sends and accepts, found by experiment. What the real service
//! answers beyond them is not known here.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use answers::NOW;
pub use exchange::{Fault, Reply, Request};
use proxy::{Authority, serve};

mod answers;
mod exchange;
mod proxy;

/// The account that is signed in, unless [`GitHub::set_user`] says otherwise.
pub const LOGIN: &str = "octocat";
/// The models on offer. The CLI drops from the list what it does not know by name.
pub const MODELS: [&str; 2] = ["claude-sonnet-4.5", "gpt-5-mini"];
/// What the model says when [`GitHub::model`] has nothing left.
pub const UNSCRIPTED: &str = "Nothing more to say.";

/// The running stand-in. Dropping it closes every connection and ends its thread.
pub struct GitHub {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// The certificate that the CLI has to trust, as a file.
    authority: tempfile::NamedTempFile,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl GitHub {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let (authority, certificate) = Authority::new();
        let file = tempfile::NamedTempFile::new().expect("a file for the certificate");
        std::fs::write(file.path(), certificate).expect("write the certificate");

        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a loopback port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("the address just bound");

        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || serve(listener, &shared, &Arc::new(authority), stopped)
        });
        Self { shared, address, authority: file, stop: Some(stop), thread: Some(thread) }
    }

    /// The environment that sends the CLI here. Both its native half and its Node half have to be told.
    pub fn env(&self) -> Vec<(String, String)> {
        let proxy = format!("http://{}", self.address);
        let authority = self.authority.path().to_str().expect("a temporary path is UTF-8").to_owned();
        let mut env: Vec<_> =
            ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].map(|name| (name.to_owned(), proxy.clone())).into();
        env.extend(["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].map(|name| (name.to_owned(), authority.clone())));
        // The defaults would let loopback and local names past the proxy.
        env.extend(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), String::new())));
        env
    }

    // What came.

    /// Everything so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// The first request that satisfies `predicate`, past or future.
    ///
    /// # Panics
    /// When none comes in time, with everything that did come; so do all the waits here.
    pub fn wait_for_request(&self, what: &str, predicate: impl Fn(&Request) -> bool, deadline: Duration) -> Request {
        self.wait(what, deadline, |state| state.requests.iter().find(|request| predicate(request)).cloned())
    }

    /// The next event of this type: each call goes on after the one that the last call returned.
    pub fn wait_event(&self, kind: &str, deadline: Duration) -> Value {
        self.wait(&format!("event {kind}"), deadline, |state| {
            let from = state.taken.get(kind).copied().unwrap_or(0);
            let at = from + state.events[from..].iter().position(|(_, event)| event["type"] == kind)?;
            state.taken.insert(kind.to_owned(), at + 1);
            Some(state.events[at].1.clone())
        })
    }

    /// Whether an event of this type with these words in it was taken.
    pub fn took(&self, kind: &str, words: &str) -> bool {
        let state = self.shared.lock();
        state.events.iter().any(|(_, event)| event["type"] == kind && event["data"].to_string().contains(words))
    }

    /// How often commands have been asked for, over all sessions, answered or not.
    pub fn polls(&self) -> usize {
        self.shared.lock().requests.iter().filter(|request| request.is("GET", "/agents/sessions/*/commands")).count()
    }

    // Steering.

    /// Hands a command to whichever session polls next, and returns its id.
    ///
    /// `content` is the prompt of a `user_message`; for the other types it is JSON, written as text on the wire.
    pub fn queue(&self, kind: &str, content: impl Into<Value>) -> String {
        self.enqueue(None, kind, content.into())
    }

    fn enqueue(&self, control: Option<String>, kind: &str, content: Value) -> String {
        let content = match content {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut state = self.shared.lock();
        let id = state.fresh("command");
        // Commands in any other state than this one are ignored without a word.
        let command = json!({"id": id, "type": kind, "content": content, "state": "in_progress"});
        state.commands.push((control, command));
        id
    }

    /// Waits until the CLI has reported this command as completed.
    pub fn wait_completed(&self, id: &str, deadline: Duration) {
        let what = format!("completion of {id}");
        self.wait(&what, deadline, |state| state.completed.iter().any(|done| done == id).then_some(()));
    }

    /// Adds to what the model will say, one reply a request.
    pub fn model(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().script.extend(replies);
    }

    /// Takes back what it has not said yet.
    pub fn clear_model(&self) {
        self.shared.lock().script.clear();
    }

    // Tasks in the cloud.

    /// What the worker of each task that is created from now on reports at once. `TASK` in the data stands for the task's id.
    pub fn worker_begins<'a>(&self, events: impl IntoIterator<Item = (&'a str, Value)>) {
        self.shared.lock().begins = events.into_iter().map(|(kind, data)| (kind.to_owned(), data)).collect();
    }

    /// What it reports when it is told a prompt, after the prompt itself.
    pub fn worker_replies<'a>(&self, events: impl IntoIterator<Item = (&'a str, Value)>) {
        self.shared.lock().replies = events.into_iter().map(|(kind, data)| (kind.to_owned(), data)).collect();
    }

    /// What it reports now.
    pub fn worker_reports(&self, task: &str, kind: &str, data: &Value) {
        self.shared.lock().cloud_event(task, kind, data);
    }

    /// The tasks that were created: id and `owner/name`.
    pub fn tasks(&self) -> Vec<(String, String)> {
        self.shared.lock().tasks.iter().map(|task| (task.id.clone(), task.repository())).collect()
    }

    // The account, and trouble.

    /// Merges `patch` into the answer about the account; null takes a field away.
    ///
    /// The CLI keeps this answer on disk: only a runtime with a fresh home, or one that is told to refresh, sees it.
    pub fn set_user(&self, patch: Value) {
        let Value::Object(patch) = patch else { panic!("{patch} is not an object") };
        let mut state = self.shared.lock();
        for (key, value) in patch {
            if value.is_null() {
                state.user.remove(&key);
            } else {
                state.user.insert(key, value);
            }
        }
    }

    /// What the organisation decided, as its settings have it.
    pub fn manage(&self, settings: Value) {
        self.shared.lock().managed = settings;
    }

    /// Breaks what matches `method` (or `*`) and `path`, where `*` stands for anything: `times` times, or until [`Self::heal`].
    /// The latest fault comes first; it is the whole path that has to match.
    pub fn fault(&self, method: &str, path: &str, fault: Fault, times: Option<usize>) {
        self.fault_where(method, path, "", fault, times);
    }

    /// The same, of requests with these words in the body alone.
    pub fn fault_where(&self, method: &str, path: &str, words: &str, fault: Fault, times: Option<usize>) {
        let [method, path, words] = [method, path, words].map(str::to_owned);
        let rule = FaultRule { method, path, words, fault, left: times.unwrap_or(usize::MAX) };
        self.shared.lock().faults.insert(0, rule);
    }

    /// Ends all faults. A request that already hangs goes on hanging.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    fn wait<T>(&self, what: &str, deadline: Duration, mut found: impl FnMut(&mut State) -> Option<T>) -> T {
        let end = Instant::now() + deadline;
        let mut state = self.shared.lock();
        loop {
            if let Some(value) = found(&mut state) {
                return value;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let record = state.record();
                drop(state);
                panic!("no {what} within {deadline:?}; the stand-in GitHub saw:\n{record}");
            }
            state = self.shared.changed.wait_timeout(state, left).expect("not poisoned").0;
        }
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// What the thread and the test share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Mutex::new(State::new()), changed: Condvar::new() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }
}

struct State {
    started: Instant,
    requests: Vec<Request>,
    /// Accepted events, each with the id of its Mission Control session.
    events: Vec<(String, Value)>,
    /// For each type of event, where the next wait goes on.
    taken: HashMap<String, usize>,
    /// Commands not yet handed out, each for one session or for any.
    commands: Vec<(Option<String>, Value)>,
    completed: Vec<String>,
    /// Sessions in the cloud.
    tasks: Vec<Task>,
    /// What a worker reports at first, and when it is told a prompt.
    begins: Vec<(String, Value)>,
    replies: Vec<(String, Value)>,
    /// The milliseconds of the last event: the CLI sorts by them.
    last_event: i64,
    /// How each task is shared, once that was set.
    sharing: HashMap<String, Value>,
    script: VecDeque<Reply>,
    faults: Vec<FaultRule>,
    /// What `/copilot_internal/user` answers.
    user: Map<String, Value>,
    /// What `/copilot_internal/managed_settings` answers; null: there is nothing.
    managed: Value,
    ids: usize,
}

/// A session in the cloud.
struct Task {
    id: String,
    owner: Option<String>,
    name: Option<String>,
    created: String,
    /// What its worker has reported.
    events: Vec<Value>,
}

impl Task {
    fn repository(&self) -> String {
        format!("{}/{}", self.owner.as_deref().unwrap_or_default(), self.name.as_deref().unwrap_or_default())
    }
}

/// The worker is there, and takes prompts.
pub fn worker_starts() -> Value {
    json!({"sessionId": "session-of-TASK", "version": 1, "producer": "copilot-agent", "startTime": NOW, "copilotVersion": "1.0.102"})
}

/// Where the worker says that it can be seen.
pub fn worker_link() -> Value {
    json!({"infoType": "remote", "message": "Remote session", "url": "https://github.com/octocat/hello-world/tasks/TASK"})
}

struct FaultRule {
    method: String,
    path: String,
    words: String,
    fault: Fault,
    left: usize,
}

impl State {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            requests: Vec::new(),
            events: Vec::new(),
            taken: HashMap::new(),
            commands: Vec::new(),
            completed: Vec::new(),
            tasks: Vec::new(),
            begins: vec![("session.requested".to_owned(), json!({})), ("session.start".to_owned(), worker_starts())],
            replies: Vec::new(),
            last_event: 0,
            sharing: HashMap::new(),
            script: VecDeque::new(),
            faults: Vec::new(),
            user: user(),
            managed: Value::Null,
            ids: 0,
        }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}-{}", self.ids)
    }

    /// Creates a task, in a repository or none.
    fn create_task(&mut self, repository: &Value) -> String {
        let id = self.fresh("cloud");
        let name = |field: &str| repository[field].as_str().map(str::to_owned);
        let created = jiff::Timestamp::now().to_string();
        self.tasks.push(Task { id: id.clone(), owner: name("owner"), name: name("name"), created, events: Vec::new() });
        for (kind, data) in self.begins.clone() {
            self.cloud_event(&id, &kind, &data);
        }
        id
    }

    fn cloud_event(&mut self, task: &str, kind: &str, data: &Value) {
        let id = self.fresh("event");
        self.last_event = jiff::Timestamp::now().as_millisecond().max(self.last_event + 1);
        // With all three digits: the CLI sorts them as text.
        let at = format!("{:.3}", jiff::Timestamp::from_millisecond(self.last_event).expect("a time"));
        let data: Value = serde_json::from_str(&data.to_string().replace("TASK", task)).expect("still JSON");
        let event = json!({"id": id, "type": kind, "timestamp": at, "parentId": null, "data": data});
        let found = self.tasks.iter_mut().find(|known| known.id == task).expect("a task that was created");
        found.events.push(event);
    }

    /// Uses up one of the faults that match.
    fn take_fault(&mut self, request: &Request) -> Option<Fault> {
        let applies = |rule: &&mut FaultRule| {
            rule.left > 0 && request.is(&rule.method, &rule.path) && request.body.to_string().contains(&rule.words)
        };
        let rule = self.faults.iter_mut().find(applies)?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }

    /// Everything that came, one line each, for the message of a wait that failed.
    fn record(&self) -> String {
        let mut record = String::new();
        for request in &self.requests {
            let at = request.at.duration_since(self.started).as_secs_f64();
            let Request { method, host, path, body, .. } = request;
            let detail = match body["events"].as_array() {
                Some(events) => events.iter().filter_map(|event| event["type"].as_str()).collect::<Vec<_>>().join(" "),
                None if body.is_null() => String::new(),
                None => body.to_string().chars().take(200).collect(),
            };
            _ = writeln!(record, "{at:8.3} {method} {host}{path} {detail}");
        }
        record
    }
}

/// An account that may do everything.
fn user() -> Map<String, Value> {
    let user = json!({
        "login": LOGIN,
        "copilot_plan": "individual",
        "access_type_sku": "copilot_for_individual",
        "chat_enabled": true,
        "cli_enabled": true,
        "is_mcp_enabled": true,
        // Remote needs these two to be true or absent.
        "cli_remote_control_enabled": true,
        "cloud_session_storage_enabled": true,
        "organization_list": [],
        "organization_login_list": [],
    });
    user.as_object().cloned().unwrap_or_default()
}

/// The id that a session has at Mission Control here: known from the session's own, but never equal to it.
fn control_id(session: &str) -> String {
    format!("mc-{session}")
}

/// Whether `path` is `pattern`, in which each `*` stands for any characters.
fn glob(pattern: &str, path: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(rest) = path.strip_prefix(head) else {
        return false;
    };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| glob(tail, &rest[at..]))
}
