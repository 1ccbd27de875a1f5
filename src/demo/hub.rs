//! The hub: the connections, the sessions, and the events that clients get.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task;
use tokio_util::sync::CancellationToken;

use super::methods::{After, Answer};
use super::script::{Event, Fault, Launch, RpcError, Script};
use super::session::{ClientId, Live, Session};
use super::{Died, player, wire};

/// All that the stand-in knows. Its tasks share it, and take turns on one thread.
pub(super) struct Hub {
    pub(super) script: Script,
    pub(super) token: Option<String>,
    state: RefCell<State>,
    /// Notified whenever the state changes.
    changed: Notify,
    end: mpsc::UnboundedSender<Result<()>>,
}

/// The state that changes. The part that is serialised is what [`Script::store`] keeps.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct State {
    pub(super) sessions: BTreeMap<String, Session>,
    /// The account's tasks at GitHub, the latest first. They stay when their sessions end here.
    #[serde(default)]
    pub(super) tasks: Vec<Value>,
    /// How often each method with faults was called, so that the next fault can be taken.
    calls: BTreeMap<String, usize>,
    /// Whether the person trusts all folders by now.
    #[serde(default)]
    pub(super) trusted: bool,
    launches: usize,
    #[serde(skip)]
    pub(super) clients: BTreeMap<ClientId, Client>,
    #[serde(skip)]
    arrivals: ClientId,
}

/// A connection, as the tasks see it that send something to its client.
pub(super) struct Client {
    out: mpsc::UnboundedSender<Vec<u8>>,
    /// Cancelled when the runtime is to close the connection.
    gone: CancellationToken,
    pub(super) admitted: bool,
    /// How many calls the runtime made to the client, for their ids.
    asked: u64,
}

impl Client {
    fn send(&self, frame: Vec<u8>) {
        // The receiver ends with the connection, and then nobody is left to get the frame.
        let _ = self.out.send(frame);
    }
}

impl Hub {
    pub(super) fn open(token: Option<String>, script: Script, end: mpsc::UnboundedSender<Result<()>>) -> Result<Self> {
        let state = script.store.as_deref().map(load).transpose()?.unwrap_or_default();
        Ok(Self { script, token, state: RefCell::new(state), changed: Notify::new(), end })
    }

    /// The fault of this launch.
    pub(super) fn launch(&self) -> Launch {
        let (launch, _) = self.with(|state| take_turn(&self.script.startup, &mut state.launches));
        self.save();
        launch
    }

    /// The fault of this call.
    fn fault(&self, method: &str) -> Fault {
        let Some(faults) = self.script.faults.get(method) else {
            return Fault::default();
        };
        let (fault, again) = self.with(|state| take_turn(faults, state.calls.entry(method.to_owned()).or_default()));
        self.save();
        if again && fault.once { Fault::default() } else { fault }
    }

    /// Waits for some of the script's seconds, divided by its speed.
    pub(super) async fn pause(&self, seconds: f64) {
        if seconds > 0.0 {
            let real = Duration::try_from_secs_f64(seconds / self.script.speed).unwrap_or(Duration::MAX);
            tokio::time::sleep(real).await;
        }
    }

    /// Changes the state, and wakes the tasks that wait for a change.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.state.borrow_mut());
        self.changed.notify_waiters();
        outcome
    }

    /// Waits until `look` finds something in the state, and returns it.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // The notification is made before looking, so that a change in between is not missed.
            let changed = self.changed.notified();
            if let Some(found) = look(&mut self.state.borrow_mut()) {
                return found;
            }
            changed.await;
        }
    }

    /// Ends the runtime.
    pub(super) fn end(&self, ending: Result<()>) {
        // If the runtime is ending already, the receiver is gone.
        let _ = self.end.send(ending);
    }

    /// Closes all connections, once they have sent what was written to them.
    pub(super) fn hang_up(&self) {
        self.with(|state| state.clients.values().for_each(|client| client.gone.cancel()));
    }

    /// Stores what a relaunched stand-in has to know.
    pub(super) fn save(&self) {
        let Some(path) = &self.script.store else { return };
        let write = || -> io::Result<()> {
            let draft = path.with_extension("new");
            fs::write(&draft, serde_json::to_vec(&*self.state.borrow())?)?;
            fs::rename(&draft, path)
        };
        if let Err(error) = write() {
            self.end(Err(error).with_context(|| format!("cannot write {}", path.display())));
        }
    }

    /// Serves one connection until it ends.
    pub(super) async fn converse(self: Rc<Self>, stream: TcpStream) {
        // Frames are small, and a client waits for each of them, so none may be held back.
        let _ = stream.set_nodelay(true);
        let (reader, mut writer) = stream.into_split();
        let (out, mut frames) = mpsc::unbounded_channel::<Vec<u8>>();
        let gone = CancellationToken::new();
        let client = self.with(|state| {
            state.arrivals += 1;
            let client = Client { out, gone: gone.clone(), admitted: self.token.is_none(), asked: 0 };
            state.clients.insert(state.arrivals, client);
            state.arrivals
        });
        let listening = async {
            gone.run_until_cancelled(self.listen(client, reader)).await;
            self.leave(client);
        };
        let speaking = async {
            while let Some(frame) = frames.recv().await {
                if writer.write_all(&frame).await.is_err() {
                    gone.cancel();
                    break;
                }
            }
        };
        // Leaving drops the sender of the frames, so that the writing side ends with the last frame.
        tokio::join!(listening, speaking);
    }

    /// Reads the client's messages until the connection ends.
    async fn listen(self: &Rc<Self>, client: ClientId, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::new(stream);
        let complain = |message: String| {
            self.send(client, wire::response(&Value::Null, Err(RpcError { code: -32700, message })));
        };
        loop {
            match wire::read(&mut stream).await {
                Ok(Some(body)) => match serde_json::from_slice::<Value>(&body) {
                    // Each call has a task of its own, so that a delayed answer does not hold up the next one. The tasks start in
                    // order.
                    Ok(message) if message["method"].is_string() => {
                        task::spawn_local(self.clone().answer(client, message));
                    }
                    Ok(answer) => self.hear(client, &answer),
                    Err(error) => complain(error.to_string()),
                },
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return complain(error.to_string()),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Answers a call, or does what the script wants in the place of an answer.
    async fn answer(self: Rc<Self>, client: ClientId, request: Value) {
        let (Some(id), Some(method)) = (request.get("id"), request["method"].as_str()) else {
            return;
        };
        let params = &request["params"];
        let admitted = self.with(|state| state.clients.get(&client).is_some_and(|client| client.admitted));
        if !admitted && method != "connect" {
            let error = RpcError { code: -32001, message: "AUTHENTICATION_REQUIRED".to_owned() };
            return self.send(client, wire::response(id, Err(error)));
        }

        let fault = self.fault(method);
        self.pause(fault.delay).await;
        for event in &fault.events {
            self.emit(params["sessionId"].as_str().unwrap_or_default(), event);
        }
        if let Some(raw) = fault.raw.clone().map(String::into_bytes).or_else(|| fault.bytes.clone()) {
            self.send(client, raw);
        }
        if fault.drop {
            self.with(|state| state.clients.get(&client).inspect(|client| client.gone.cancel()).is_some());
        }
        if let Some(code) = fault.exit {
            self.end(Err(Died(code).into()));
        }
        if fault.hang || fault.drop || fault.raw.is_some() || fault.bytes.is_some() || fault.exit.is_some() {
            return;
        }

        let answer = match (fault.error, fault.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => Ok(result.into()),
            (None, None) => match self.call(client, method, params) {
                Ok(answer) if method == "session.eventLog.read" => Ok(self.wait_for_log(params, answer).await),
                answer => answer,
            },
        };
        let (answer, after) = match answer {
            Ok(Answer { result, after }) => (Ok(result), after),
            Err(error) => (Err(error), After::Nothing),
        };
        self.send(client, wire::response(id, answer));
        match after {
            After::Nothing => {}
            After::Tell { session, events } => {
                for event in &events {
                    self.emit(&session, event);
                }
            }
            After::End => self.end(Ok(())),
        }
        self.save();
    }

    /// Delays the answer to a read of the event log until there is something to read, or the wait is over. The end of the session
    /// counts as something.
    async fn wait_for_log(&self, params: &Value, empty: Answer) -> Answer {
        let id = params["sessionId"].as_str().unwrap_or_default();
        let something = self.until(|state| {
            let Some(session) = state.sessions.get(id).filter(|session| session.is_alive()) else {
                let end = json!({"type": "session.shutdown", "data": {"shutdownType": "routine"}});
                return Some(json!({"events": [end], "cursor": params["cursor"], "hasMore": false, "cursorStatus": "ok"}));
            };
            let answer = session.read_log(params);
            (answer["hasMore"] == true || answer["events"].as_array().is_some_and(|events| !events.is_empty())).then_some(answer)
        });
        let wait = Duration::from_millis(params["waitMs"].as_u64().unwrap_or(0));
        tokio::time::timeout(wait, something).await.map_or(empty, Answer::from)
    }

    /// Sends a frame to one client, if its connection is still there.
    fn send(&self, client: ClientId, frame: Vec<u8>) {
        self.with(|state| state.clients.get(&client).map(|client| client.send(frame)));
    }

    /// Sends an event to the attached clients, and tells all clients that the session changed. Returns the event's id.
    pub(super) fn emit(&self, session: &str, event: &Event) -> Value {
        let id = self.with(|state| {
            let session = state.sessions.get_mut(session)?;
            let params = json!({"sessionId": session.id, "event": session.record(event)});
            for client in session.live.attached.iter().filter_map(|client| state.clients.get(client)) {
                client.send(wire::notification("session.event", &params));
            }
            Some(params["event"]["id"].clone())
        });
        if !event.ephemeral {
            self.tell_of(session, "session.updated");
        }
        id.unwrap_or_default()
    }

    /// Tells every client, attached or not, of a change in a session's life.
    pub(super) fn tell_of(&self, session: &str, change: &str) {
        self.with(|state| {
            let Some(session) = state.sessions.get(session) else { return };
            let metadata = json!({"startTime": session.started, "modifiedTime": session.modified});
            let params = json!({"type": change, "sessionId": session.id, "metadata": metadata});
            for client in state.clients.values().filter(|client| client.admitted) {
                client.send(wire::notification("session.lifecycle", &params));
            }
        });
    }

    /// Makes a call to each attached client, and returns the ids of the calls.
    pub(super) fn ask(&self, session: &str, method: &str, params: &Value) -> Vec<(ClientId, u64)> {
        self.with(|state| {
            let attached = state.sessions.get(session).map(|session| session.live.attached.clone()).unwrap_or_default();
            let ask = |id: ClientId| {
                let client = state.clients.get_mut(&id)?;
                client.asked += 1;
                client.send(wire::request(client.asked, method, params));
                Some((id, client.asked))
            };
            attached.into_iter().filter_map(ask).collect()
        })
    }

    /// Attaches a client. The first one brings the session to life.
    pub(super) fn attach(self: &Rc<Self>, client: ClientId, session: &str) {
        let first = self.with(|state| {
            // A client whose connection has ended meanwhile would keep the session alive for ever.
            let session = state.sessions.get_mut(session).filter(|_| state.clients.contains_key(&client))?;
            let first = !session.is_alive();
            session.live.attached.insert(client);
            Some(first)
        });
        if first == Some(true) {
            self.restart_player(session);
        }
    }

    /// Stops the session's player, and starts one with what is left on the agenda.
    pub(super) fn restart_player(self: &Rc<Self>, session: &str) {
        let playing = player::play(self.clone(), session.to_owned());
        self.with(|state| {
            if let Some(session) = state.sessions.get_mut(session) {
                session.live.player.abort_all();
                session.live.player.spawn_local(playing);
            }
        });
    }

    /// Detaches a client; the last one ends the session. Returns whether the client was attached.
    pub(super) fn detach(&self, client: ClientId, session: &str) -> bool {
        let left = self.with(|state| {
            let attached = &mut state.sessions.get_mut(session)?.live.attached;
            attached.remove(&client).then_some(attached.is_empty())
        });
        if left == Some(true) {
            self.close(session);
        }
        left.is_some()
    }

    /// Ends a session without an event to its attached clients, as the real CLI does (docs/copilot-cli.md, end-close).
    pub(super) fn close(&self, session: &str) {
        self.with(|state| {
            let Some(ended) = state.sessions.get_mut(session) else { return };
            ended.drop_turn();
            ended.live = Live::default();
            if ended.cloud {
                // A session in the cloud is not stored here, so this runtime cannot resume it.
                state.sessions.remove(session);
            }
        });
        self.save();
    }

    /// Removes a client whose connection has ended.
    fn leave(&self, client: ClientId) {
        let sessions: Vec<_> = self.with(|state| {
            state.clients.remove(&client);
            state.sessions.keys().cloned().collect()
        });
        for session in sessions {
            self.detach(client, &session);
        }
    }
}

/// The next entry of a list, and whether it was used before. The last entry is used again and again; an empty list means that
/// nothing goes wrong.
fn take_turn<T: Clone + Default>(list: &[T], used: &mut usize) -> (T, bool) {
    let again = *used >= list.len();
    let entry = list.get(*used).or(list.last()).cloned().unwrap_or_default();
    *used += 1;
    (entry, again)
}

/// Reads what an earlier launch stored.
fn load(store: &Path) -> Result<State> {
    match fs::read(store) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("cannot use {}", store.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", store.display())),
    }
}
