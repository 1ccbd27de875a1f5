//! The hub: who is connected, which sessions there are, and what everybody is told.

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

/// All that the stand-in knows, shared by its tasks, which take turns on one thread.
pub(super) struct Hub {
    pub(super) script: Script,
    pub(super) token: Option<String>,
    state: RefCell<State>,
    /// Somebody changed the state.
    changed: Notify,
    end: mpsc::UnboundedSender<Result<()>>,
}

/// What changes. The serialised part is what a [`Script::store`] keeps.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct State {
    pub(super) sessions: BTreeMap<String, Session>,
    /// The account's tasks at GitHub, the latest first; they stay when their sessions here end.
    #[serde(default)]
    pub(super) tasks: Vec<Value>,
    /// How often each method with faults was called.
    calls: BTreeMap<String, usize>,
    /// The person trusts all folders by now.
    #[serde(default)]
    pub(super) trusted: bool,
    launches: usize,
    #[serde(skip)]
    pub(super) clients: BTreeMap<ClientId, Client>,
    #[serde(skip)]
    arrivals: ClientId,
}

/// A connection, as seen by those who have something to say to it.
pub(super) struct Client {
    out: mpsc::UnboundedSender<Vec<u8>>,
    /// Cancelled when the runtime is to hang up.
    gone: CancellationToken,
    pub(super) admitted: bool,
    /// How often the runtime asked it something.
    asked: u64,
}

impl Client {
    fn send(&self, frame: Vec<u8>) {
        // The receiver ends with the connection, and then nobody is left to be told.
        let _ = self.out.send(frame);
    }
}

impl Hub {
    pub(super) fn open(token: Option<String>, script: Script, end: mpsc::UnboundedSender<Result<()>>) -> Result<Self> {
        let state = script.store.as_deref().map(load).transpose()?.unwrap_or_default();
        Ok(Self { script, token, state: RefCell::new(state), changed: Notify::new(), end })
    }

    /// What is wrong with this launch.
    pub(super) fn launch(&self) -> Launch {
        let (launch, _) = self.with(|state| take_turn(&self.script.startup, &mut state.launches));
        self.save();
        launch
    }

    /// What is wrong with this call.
    fn fault(&self, method: &str) -> Fault {
        let Some(faults) = self.script.faults.get(method) else {
            return Fault::default();
        };
        let (fault, again) = self.with(|state| take_turn(faults, state.calls.entry(method.to_owned()).or_default()));
        self.save();
        if again && fault.once { Fault::default() } else { fault }
    }

    /// Lets some of the script's seconds pass.
    pub(super) async fn pause(&self, seconds: f64) {
        if seconds > 0.0 {
            let real = Duration::try_from_secs_f64(seconds / self.script.speed).unwrap_or(Duration::MAX);
            tokio::time::sleep(real).await;
        }
    }

    /// Changes the state and wakes those who wait for a change.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.state.borrow_mut());
        self.changed.notify_waiters();
        outcome
    }

    /// Waits until the state has what is looked for, and takes it.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // Made before looking: a change in between is not missed.
            let changed = self.changed.notified();
            if let Some(found) = look(&mut self.state.borrow_mut()) {
                return found;
            }
            changed.await;
        }
    }

    /// Ends the runtime.
    pub(super) fn end(&self, ending: Result<()>) {
        // The receiver is gone when it is ending already.
        let _ = self.end.send(ending);
    }

    /// Closes all connections, after what they were sent.
    pub(super) fn hang_up(&self) {
        self.with(|state| state.clients.values().for_each(|client| client.gone.cancel()));
    }

    /// Keeps what a relaunched runtime is to know.
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

    /// The life of one connection.
    pub(super) async fn converse(self: Rc<Self>, stream: TcpStream) {
        // Small frames, each of which somebody waits for.
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
        // Leaving drops the sender of the frames, so that speaking ends with the last of them.
        tokio::join!(listening, speaking);
    }

    /// Takes what a client says until it says no more.
    async fn listen(self: &Rc<Self>, client: ClientId, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::new(stream);
        let complain = |message: String| {
            self.send(client, wire::response(&Value::Null, Err(RpcError { code: -32700, message })));
        };
        loop {
            match wire::read(&mut stream).await {
                Ok(Some(body)) => match serde_json::from_slice::<Value>(&body) {
                    // A task each, so that a delayed answer does not hold up the next one; they start in order.
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

    /// Answers a request, or does what the script wants done in its place.
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

    /// Answers a read of the event log once there is something to read, or the wait is over. The end of a session is an event, too.
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

    /// Sends to one client, if it is still there.
    fn send(&self, client: ClientId, frame: Vec<u8>) {
        self.with(|state| state.clients.get(&client).map(|client| client.send(frame)));
    }

    /// Tells those attached that something happened, and everybody that the session has changed. The event's id.
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

    /// Sends a request to each client attached; returns which requests these were.
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

    /// Attaches a client; the first one brings the session to life.
    pub(super) fn attach(self: &Rc<Self>, client: ClientId, session: &str) {
        let first = self.with(|state| {
            // A client that has left meanwhile would keep the session alive for ever.
            let session = state.sessions.get_mut(session).filter(|_| state.clients.contains_key(&client))?;
            let first = !session.is_alive();
            session.live.attached.insert(client);
            Some(first)
        });
        if first == Some(true) {
            self.restart_player(session);
        }
    }

    /// Stops what the player is at, and starts it with what is left.
    pub(super) fn restart_player(self: &Rc<Self>, session: &str) {
        let playing = player::play(self.clone(), session.to_owned());
        self.with(|state| {
            if let Some(session) = state.sessions.get_mut(session) {
                session.live.player.abort_all();
                session.live.player.spawn_local(playing);
            }
        });
    }

    /// Detaches a client; the last one ends the session. Whether it was attached.
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

    /// Ends a session without a word to those attached, as the real one does.
    pub(super) fn close(&self, session: &str) {
        self.with(|state| {
            let Some(ended) = state.sessions.get_mut(session) else { return };
            ended.drop_turn();
            ended.live = Live::default();
            if ended.cloud {
                // Its memory is in the cloud: this runtime cannot resume it.
                state.sessions.remove(session);
            }
        });
        self.save();
    }

    /// Forgets a client.
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

/// The entry whose turn it is, and whether it was there before. The last one stays; without any, all is well.
fn take_turn<T: Clone + Default>(list: &[T], used: &mut usize) -> (T, bool) {
    let again = *used >= list.len();
    let entry = list.get(*used).or(list.last()).cloned().unwrap_or_default();
    *used += 1;
    (entry, again)
}

/// What an earlier launch left.
fn load(store: &Path) -> Result<State> {
    match fs::read(store) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("cannot use {}", store.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", store.display())),
    }
}
