//! The methods of the protocol: what each call does and answers.

use std::env;
use std::path::PathBuf;
use std::rc::Rc;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::hub::Hub;
use super::script::{Event, RpcError, Step};
use super::session::{Asked, ClientId, LOGIN, Pending, Prompt, Remote, Session, VERSION, Wishes, now, uuid};

/// The answer to a call that succeeded.
pub(super) struct Answer {
    pub(super) result: Value,
    pub(super) after: After,
}

/// What happens once the answer is sent.
pub(super) enum After {
    Nothing,
    /// A session that was created or resumed raises its first events.
    Tell {
        session: String,
        events: Vec<Event>,
    },
    /// The runtime ends.
    End,
}

impl From<Value> for Answer {
    fn from(result: Value) -> Self {
        Self { result, after: After::Nothing }
    }
}

/// The reason of a call that failed.
pub(super) enum Refusal {
    /// The method does not exist.
    Unhandled,
    /// The call failed, for this reason in words.
    Failed(String),
    /// The call failed with an error that the script names.
    Error(RpcError),
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Failed(reason.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl Hub {
    /// Carries out a call.
    pub(super) fn call(self: &Rc<Self>, client: ClientId, method: &str, params: &Value) -> Result<Answer, RpcError> {
        self.perform(client, method, params).map_err(|refusal| match refusal {
            Refusal::Unhandled => RpcError { code: -32601, message: format!("Unhandled method {method}") },
            Refusal::Failed(reason) => {
                RpcError { code: -32603, message: format!("Request {method} failed with message: {reason}") }
            }
            Refusal::Error(error) => error,
        })
    }

    fn perform(self: &Rc<Self>, client: ClientId, method: &str, params: &Value) -> Result<Answer, Refusal> {
        if let Some(answer) = self.ask_person(method) {
            return Ok(answer.into());
        }
        let result = match method {
            "connect" => self.connect(client, params)?,
            "ping" => {
                let message = params["message"].as_str().map_or_else(|| "pong".to_owned(), |text| format!("pong: {text}"));
                json!({"message": message, "timestamp": Timestamp::now().to_string(), "protocolVersion": 3})
            }
            "status.get" => json!({"version": VERSION, "protocolVersion": 3}),
            "runtime.shutdown" => return Ok(Answer { result: Value::Null, after: After::End }),
            "auth.getStatus" => auth_status(),
            "session.gitHubAuth.getStatus" => self.alive(method, params, |_| {
                let mut status = auth_status();
                status["copilotPlan"] = "individual".into();
                status
            })?,
            "account.getCurrentAuth" => json!({"authInfo": account()}),
            "session.gitHubAuth.refreshCopilotUser" => self.alive(method, params, |_| account())?,

            "session.create" => return self.create(client, params),
            "session.resume" => return self.resume(client, params),
            "session.detach" => {
                self.detach(client, named(params)?);
                json!({"success": true})
            }
            "session.destroy" => json!({"success": self.destroy(client, named(params)?)}),
            "sessions.close" => {
                self.close(named(params)?);
                json!({})
            }
            "session.shutdown" => {
                let id = self.alive(method, params, |session| session.id.clone())?;
                self.say_shutdown(&id);
                self.with(|state| state.sessions.get_mut(&id).map(|session| session.live.remote = Remote::Off));
                Value::Null
            }
            "sessions.list" if params["source"] == "remote" => json!({"sessions": self.with(|state| state.tasks.clone())}),
            "session.list" | "sessions.list" => {
                let sessions: Vec<_> = self.with(|state| state.sessions.values().map(Session::metadata).collect());
                json!({"sessions": sessions})
            }
            "sessions.checkInUse" => json!({"inUse": []}),
            "sessions.getPersistedRemoteSteerable" => {
                self.look_up(params, |session| json!({"remoteSteerable": session.steerable}))?
            }
            "session.getMetadata" => self.look_up(params, |session| json!({"session": session.metadata()}))?,
            _ => self.use_session(method, params)?,
        };
        Ok(result.into())
    }

    /// Carries out a call about a session.
    fn use_session(self: &Rc<Self>, method: &str, params: &Value) -> Result<Value, Refusal> {
        let result = match method {
            "session.getMessages" => self.alive(method, params, |session| json!({"events": session.history}))?,
            "session.eventLog.tail" => {
                self.alive(method, params, |session| json!({"cursor": session.live.log.len().to_string()}))?
            }
            // [`Hub::wait_for_log`] waits before this.
            "session.eventLog.read" => self.alive(method, params, |session| session.read_log(params))?,
            "session.eventLog.registerInterest" => json!({"handle": "interest-1"}),
            // For a session in the cloud this says which task it is. Nothing else is asked for here.
            "session.metadata.snapshot" => {
                self.alive(method, params, |session| json!({"sessionId": session.id, "remoteMetadata": session.task()}))?
            }
            "session.name.get" => self.alive(method, params, |session| json!({"name": session.name}))?,
            "session.name.set" => self.rename(method, params)?,
            "session.mode.get" => self.alive(method, params, |session| json!(session.mode))?,
            "session.mode.set" => {
                let mode = text(params, "mode")?;
                let id = self.alive(method, params, |session| session.id.clone())?;
                let previous = self.alive(method, params, |session| std::mem::replace(&mut session.mode, mode.to_owned()))?;
                self.emit(&id, &Event::lasting("session.mode_changed", json!({"previousMode": previous, "newMode": mode})));
                json!({"status": "unchanged", "modelChanged": false, "modeApplied": true})
            }
            "session.model.getCurrent" => self.alive(method, params, |session| match (&session.model, &session.effort) {
                (None, _) => json!({}),
                (Some(model), None) => json!({"modelId": model}),
                (Some(model), Some(effort)) => json!({"modelId": model, "reasoningEffort": effort}),
            })?,
            "session.model.switchTo" => {
                let model = text(params, "modelId")?;
                self.check_wishes(&json!({"model": model}))?;
                let effort = &params["reasoningEffort"];
                let id = self.alive(method, params, |session| {
                    session.model = Some(model.to_owned());
                    session.effort = effort.as_str().map(str::to_owned);
                    session.id.clone()
                })?;
                let change = json!({"source": "sdk", "contextTier": null, "newModel": model, "reasoningEffort": effort});
                self.emit(&id, &Event::lasting("session.model_change", change));
                json!({
                    "status": "applied", "deferred": false, "modelId": model, "message": format!("Model changed to: {model}"),
                    "deprecationWarnings": [], "modelState": {"modelId": model},
                })
            }
            "session.options.update" => self.alive(method, params, |session| {
                session.live.script_safety |= params["enableScriptSafety"] == true;
                json!({"success": true, "pluginHookCount": 0})
            })?,
            "session.skills.reload" => self.alive(method, params, |_| json!({"warnings": [], "errors": []}))?,
            "session.log" => self.log(method, params)?,
            "session.send" => self.send_prompt(method, params)?,
            "session.abort" => {
                let id = self.alive(method, params, |session| session.id.clone())?;
                self.abort(&id);
                json!({"success": true})
            }
            _ => self.steer_session(method, params)?,
        };
        Ok(result)
    }

    /// Calls about who else may see and steer a session, and about what it may do.
    fn steer_session(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let result = match method {
            "session.remote.enable" => {
                if self.managed()["settings"]["remoteControl"]["mode"] == "disabled" {
                    return self.alive(method, params, |_| json!({"remoteSteerable": false, "started": false}));
                }
                let wanted = match params["mode"].as_str() {
                    None | Some("on") => Remote::On,
                    Some("export") => Remote::Export,
                    Some("off") => Remote::Off,
                    Some(other) => return Err(format!("invalid remote session mode '{other}'").into()),
                };
                let (url, remote) = self.switch_remote(method, params, wanted)?;
                match remote {
                    Remote::Off => json!({"remoteSteerable": false, "started": false}),
                    _ => json!({"remoteSteerable": remote == Remote::On, "started": true, "url": url}),
                }
            }
            "session.remote.disable" => {
                self.switch_remote(method, params, Remote::Off)?;
                json!({})
            }

            "session.visibility.get" => self.alive(method, params, visibility)?,
            "session.visibility.set" => {
                let status = text(params, "status")?;
                self.alive(method, params, |session| {
                    session.visibility = Some(status.to_owned()).filter(|_| session.timeline_begun);
                    visibility(session)
                })?
            }

            "session.permissions.getMode" => self.alive(method, params, |session| json!({"mode": session.permission_mode}))?,
            "session.permissions.setMode" => self.set_permission_mode(method, params)?,
            "session.permissions.configure" => self.alive(method, params, |_| json!({"success": true}))?,
            "session.permissions.modifyRules" => self.alive(method, params, |_| json!({"success": true}))?,
            "session.permissions.setRequired" => self.alive(method, params, |session| {
                session.live.wishes.request_permission = params["required"] == true;
                json!({"success": true})
            })?,
            "session.permissions.pendingRequests" => self.alive(method, params, |session| {
                let open = session.live.pending.iter().filter(|pending| pending.answer.is_none());
                let items = open.filter_map(|pending| match &pending.asked {
                    Asked::Permission { prompt, .. } => Some(json!({"requestId": pending.request_id, "request": prompt})),
                    Asked::Question | Asked::Plan | Asked::Form | Asked::Limit => None,
                });
                json!({"items": items.collect::<Vec<_>>()})
            })?,
            "session.permissions.handlePendingPermissionRequest" => {
                let mut decision = json!({"kind": match params["result"]["kind"].as_str() {
                    Some("approve-for-session") => "approved-for-session",
                    Some("approve-for-location") => "approved-for-location",
                    Some("approve-once" | "approve-permanently" | "approved") => "approved",
                    Some("reject") => "denied-interactively-by-user",
                    _ => "denied-no-approval-rule-and-could-not-request-from-user",
                }});
                if params["result"]["feedback"].is_string() {
                    decision["feedback"] = params["result"]["feedback"].clone();
                }
                self.take_answer(method, params, decision)?
            }
            "session.ui.handlePendingUserInput" | "session.ui.handlePendingExitPlanMode" => {
                self.take_answer(method, params, params["response"].clone())?
            }
            "session.ui.handlePendingAutoModeSwitch" => {
                self.take_answer(method, params, json!({"response": params["response"]}))?
            }
            "session.ui.handlePendingElicitation" => self.take_answer(method, params, params["result"].clone())?,

            // This method is not one of the real CLI. It lets a test act as the phone and the agent while the session goes on.
            "demo.play" => {
                let steps = Vec::<Step>::deserialize(&params["steps"]).map_err(|error| error.to_string())?;
                self.alive(method, params, |session| session.agenda.extend(steps))?;
                json!({})
            }
            _ => self.use_work(method, params)?,
        };
        Ok(result)
    }

    fn connect(&self, client: ClientId, params: &Value) -> Result<Value, Refusal> {
        let given = params["token"].as_str();
        let (code, message) = match &self.token {
            None if given.is_some() => (-32003, "AUTHENTICATION_NOT_CONFIGURED"),
            Some(token) if given != Some(token) => (-32002, "AUTHENTICATION_FAILED"),
            _ => {
                self.with(|state| state.clients.get_mut(&client).map(|client| client.admitted = true));
                return Ok(json!({"ok": true, "protocolVersion": 3, "version": VERSION, "taskKinds": ["agent", "shell"]}));
            }
        };
        Err(Refusal::Error(RpcError { code, message: message.to_owned() }))
    }

    fn create(self: &Rc<Self>, client: ClientId, params: &Value) -> Result<Answer, Refusal> {
        let cloud = params["cloud"].is_object();
        let wishes = Wishes::deserialize(params).unwrap_or_default();
        let callbacks = ["requestPermission", "requestUserInput", "requestExitPlanMode", "requestElicitation", "hooks"];
        if cloud && callbacks.iter().any(|field| params[*field] == true) {
            return Err(Refusal::Unhandled);
        }
        if let Some(field) = ["name", "sessionId"].iter().find(|field| cloud && params[**field].is_string()) {
            return Err(format!("Cannot specify {field} when creating a remote session in the cloud.").into());
        }
        let cwd = params["workingDirectory"].as_str().map_or_else(|| env::current_dir().unwrap_or_default(), PathBuf::from);
        if !cwd.is_dir() {
            let reason = format!("Directory does not exist or cannot be accessed: {}", cwd.display());
            return Err(format!("session construction failed: {reason}").into());
        }

        self.check_wishes(params)?;
        let word = |name: &str| params[name].as_str().map(str::to_owned);
        let id = params["sessionId"].as_str().map_or_else(uuid, str::to_owned);
        let known = self.with(|state| {
            let known = state.sessions.contains_key(&id);
            let session = state.sessions.entry(id.clone()).or_insert_with(|| Session::new(id.clone(), cwd, cloud));
            session.name = params["name"].as_str().map(str::to_owned).or(session.name.take());
            session.model = word("model").or(session.model.take());
            session.effort = word("reasoningEffort").or(session.effort.take());
            session.agent = word("agent").or(session.agent.take());
            session.live.wishes = wishes;
            known
        });
        self.attach(client, &id);
        self.tell_of(&id, "session.created");
        let (result, start) = self.known(&id, |session| (session.introduction(), session.start()))?;
        if known {
            return Ok(result.into());
        }
        let mut events = vec![Event::lasting("session.start", start)];
        if !cloud {
            // Managed settings that the client asked for are resolved before the session starts; others are only told of.
            let place = usize::from(params["enableManagedSettings"] != true);
            events.insert(place, self.managed_settings());
        }
        if cloud {
            // A session in the cloud is remote from its first moment, and its worker names the link.
            self.begin_timeline(&id, Remote::On);
            let repository = &params["cloud"]["repository"];
            let (url, task) = self.known(&id, |session| (session.url.clone(), session.list_entry(repository)))?;
            events.push(Event::lasting("session.requested", json!({})));
            events.push(remote_info("Remote session", &url));
            self.with(|state| state.tasks.insert(0, task));
        }
        Ok(Answer { result, after: After::Tell { session: id, events } })
    }

    /// Attaches to a session, and brings an ended one back to life.
    fn resume(self: &Rc<Self>, client: ClientId, params: &Value) -> Result<Answer, Refusal> {
        let id = named(params)?;
        let missing = || Refusal::Failed(format!("Failed to load session events: Session not found: {id}"));
        let revived = self.known(id, |session| {
            session.live.wishes = Wishes::deserialize(params).unwrap_or_default();
            !session.is_alive()
        });
        let revived = revived.map_err(|_| missing())?;
        self.check_wishes(&json!({"agent": params["agent"]}))?;
        let managed = self.managed_settings();
        self.attach(client, id);
        self.known(id, |session| {
            session.agent = params["agent"].as_str().map(str::to_owned).or(session.agent.take());
            if revived {
                // The agent's mode lives as long as the session does.
                "interactive".clone_into(&mut session.mode);
            }
            let mut resume = json!({
                "resumeTime": now(), "contextTier": null, "sessionLimits": null, "context": session.context(),
                "remoteSteerable": false, "eventCount": session.history.len(), "alreadyInUse": false, "sessionWasActive": false,
            });
            if let Some(model) = &session.model {
                resume["selectedModel"] = model.clone().into();
            }
            let mut events = vec![Event::lasting("session.resume", resume)];
            if revived && let Some(name) = &session.name {
                events.push(Event::passing("session.title_changed", json!({"title": name})));
            }
            events.push(managed);
            Answer { result: session.introduction(), after: After::Tell { session: id.to_owned(), events } }
        })
    }

    /// Detaches the caller. If it is the last client, it gets the event of the end, which a client that uses `session.detach`
    /// does not.
    fn destroy(&self, client: ClientId, id: &str) -> bool {
        let last = self.known(id, |session| session.live.attached.len() == 1 && session.live.attached.contains(&client));
        if last.unwrap_or_default() {
            self.say_shutdown(id);
        }
        self.detach(client, id)
    }

    fn say_shutdown(&self, id: &str) {
        self.emit(id, &Event::lasting("session.shutdown", json!({
            "shutdownType": "routine", "totalPremiumRequests": 0, "totalNanoAiu": 0, "totalApiDurationMs": 0,
            "sessionStartTime": Timestamp::now().as_millisecond(), "codeChanges": {"linesAdded": 0, "linesRemoved": 0, "filesModifiedCount": 0, "filesModified": []},
            "modelMetrics": {}, "agentMetrics": {}, "providerModelMetrics": [],
        })));
    }

    fn rename(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let name = text(params, "name")?;
        if name.is_empty() {
            return Err("Session name cannot be empty".into());
        }
        let id = self.alive(method, params, |session| {
            session.name = Some(name.to_owned());
            session.id.clone()
        })?;
        self.emit(&id, &Event::passing("session.title_changed", json!({"title": name})));
        Ok(Value::Null)
    }

    fn log(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let message = text(params, "message")?;
        let id = self.alive(method, params, |session| session.id.clone())?;
        let (kind, type_field) = match params["level"].as_str() {
            Some("warning") => ("session.warning", "warningType"),
            Some("error") => ("session.error", "errorType"),
            _ => ("session.info", "infoType"),
        };
        let mut data = json!({type_field: "notification", "message": message});
        if params["url"].is_string() {
            data["url"] = params["url"].clone();
        }
        let event = Event { kind: kind.to_owned(), data, ephemeral: params["ephemeral"] == true };
        Ok(json!({"eventId": self.emit(&id, &event)}))
    }

    fn send_prompt(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let message_id = uuid();
        let text = params["prompt"].as_str().unwrap_or_default().to_owned();
        let id = self.alive(method, params, |session| {
            let queued = session.live.turn.is_some();
            session.live.prompts.push_back(Prompt { text, message_id: message_id.clone(), queued });
            session.id.clone()
        })?;
        if self.known(&id, |session| session.cloud)? {
            // This event says that GitHub took the prompt; the worker repeats it later. Neither has the id of the answer
            // (docs/copilot-cli.md, cloud-prompt).
            self.emit(&id, &Event::lasting("user.message", json!({"content": params["prompt"]})));
        } else {
            self.emit(&id, &Event::passing("pending_messages.modified", json!({})));
        }
        Ok(json!({"messageId": message_id}))
    }

    /// Aborts the running turn, and drops the prompts that wait behind it.
    fn abort(self: &Rc<Self>, id: &str) {
        let stopped = self.known(id, |session| {
            let turn = session.live.turn.clone()?;
            let pending = session.live.pending.take();
            session.drop_turn();
            Some((turn, pending, session.mode.clone()))
        });
        let Ok(Some((turn, pending, mode))) = stopped else { return };
        self.emit(id, &Event::lasting("abort", json!({"reason": "user_initiated"})));
        self.emit(id, &Event::passing("pending_messages.modified", json!({})));
        self.emit(id, &Event::passing("agent.interrupted", json!({
            "activity": "tool_call", "turn": turn.number, "elapsedMs": 0, "toolCallIds": [], "toolNames": [], "safeToolNames": [],
        })));
        if let Some((request_id, Asked::Permission { tool_call_id, .. })) =
            pending.map(|pending| (pending.request_id, pending.asked))
        {
            let result = json!({"kind": "cancelled", "reason": "Session aborted"});
            let completed = json!({"requestId": request_id, "toolCallId": tool_call_id, "result": result});
            self.emit(id, &Event::lasting("permission.completed", completed));
        }
        if turn.open {
            self.emit(id, &Event::lasting("assistant.turn_end", json!({"turnId": turn.number.to_string()})));
        }
        self.emit(id, &Event::passing("pending_messages.modified", json!({})));
        self.emit(id, &Event::passing("assistant.idle", json!({"aborted": true})));
        self.emit(id, &Event::passing("session.idle", json!({"aborted": true, "mode": mode})));
        self.restart_player(id);
    }

    /// Switches remote, and returns the link and the new state. From `on`, `export` can be reached through `off` only
    /// (docs/copilot-cli.md, remote-export).
    fn switch_remote(&self, method: &str, params: &Value, wanted: Remote) -> Result<(String, Remote), Refusal> {
        let (id, url, before) =
            self.alive(method, params, |session| (session.id.clone(), session.url.clone(), session.live.remote))?;
        let after = if before == Remote::On && wanted == Remote::Export { before } else { wanted };
        if before == after {
            return Ok((url, after));
        }
        self.begin_timeline(&id, after);
        if before == Remote::Off {
            let kind = if after == Remote::On { "Remote control connected" } else { "Read-only remote session" };
            self.emit(&id, &remote_info(&format!("{kind} as {LOGIN}"), &url));
        }
        if after != Remote::Export {
            let steerable = json!({"remoteSteerable": after == Remote::On});
            self.emit(&id, &Event::lasting("session.remote_steerable_changed", steerable));
        }
        Ok((url, after))
    }

    /// Notes the state of remote. The first state begins the script's timeline.
    fn begin_timeline(&self, id: &str, remote: Remote) {
        self.with(|state| {
            let Some(session) = state.sessions.get_mut(id) else { return };
            session.live.remote = remote;
            session.steerable = remote == Remote::On;
            if remote != Remote::Off && !session.timeline_begun {
                session.timeline_begun = true;
                session.agenda.extend(self.script.timeline.iter().cloned());
            }
        });
    }

    fn set_permission_mode(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let mode = text(params, "mode")?;
        let (id, previous) = self.alive(method, params, |session| (session.id.clone(), session.permission_mode.clone()))?;
        match mode {
            "allow-all" if self.forbid_allow_all(&id) => return Ok(json!({"success": false, "mode": previous})),
            "allow-all" | "manual" => {}
            "assisted" => return Ok(json!({"success": false, "mode": previous})),
            _ => return Err(format!("Unsupported permission mode `{mode}`.").into()),
        }
        if mode != previous {
            self.known(&id, |session| mode.clone_into(&mut session.permission_mode))?;
            let change = json!({"previousMode": previous, "mode": mode});
            self.emit(&id, &Event::lasting("session.permissions_changed", change));
        }
        Ok(json!({"success": true, "mode": mode}))
    }

    fn take_answer(&self, method: &str, params: &Value, answer: Value) -> Result<Value, Refusal> {
        let id = self.alive(method, params, |session| session.id.clone())?;
        let request = params["requestId"].as_str().unwrap_or_default();
        Ok(json!({"success": self.settle(&id, request, answer)}))
    }

    /// Takes an answer to the pending request, if it is the first one.
    pub(super) fn settle(&self, id: &str, request: &str, mut answer: Value) -> bool {
        let asked = self.known(id, |session| {
            let open = |pending: &&mut Pending| pending.request_id == request && pending.answer.is_none();
            let pending = session.live.pending.as_mut().filter(open)?;
            pending.answer = Some(answer.clone());
            Some(pending.asked.clone())
        });
        let Ok(Some(asked)) = asked else { return false };
        let event = match asked {
            Asked::Permission { tool_call_id, .. } => {
                let completed = json!({"requestId": request, "toolCallId": tool_call_id, "result": answer});
                Event::lasting("permission.completed", completed)
            }
            Asked::Question | Asked::Plan | Asked::Form | Asked::Limit => {
                answer["requestId"] = request.into();
                let kind = match asked {
                    Asked::Plan => "exit_plan_mode.completed",
                    Asked::Form => "elicitation.completed",
                    Asked::Limit => "auto_mode_switch.completed",
                    _ => "user_input.completed",
                };
                Event::passing(kind, answer)
            }
        };
        self.emit(id, &event);
        true
    }

    /// Takes a client's reply to a call of the runtime. An error is an answer, too.
    pub(super) fn hear(&self, client: ClientId, message: &Value) {
        let Some(call) = message["id"].as_u64() else { return };
        let found = self.with(|state| {
            state.sessions.values().find_map(|session| {
                let pending = session.live.pending.as_ref()?;
                pending.callbacks.contains(&(client, call)).then(|| (session.id.clone(), pending.request_id.clone()))
            })
        });
        if let Some((session, request)) = found {
            let answer = message.get("result").filter(|result| result.is_object()).cloned();
            let unable = json!({"answer": "The user was unable to respond due to an error", "wasFreeform": true});
            self.settle(&session, &request, answer.unwrap_or(unable));
        }
    }

    /// Does something with a session that lives; fails for any other.
    pub(super) fn alive<T>(&self, method: &str, params: &Value, job: impl FnOnce(&mut Session) -> T) -> Result<T, Refusal> {
        let id = params["sessionId"].as_str().ok_or_else(|| format!("Missing sessionId in {method} request"))?;
        self.with(|state| state.sessions.get_mut(id).filter(|session| session.is_alive()).map(job)).ok_or_else(|| not_found(id))
    }

    /// Does something with a session, alive or not.
    fn known<T>(&self, id: &str, job: impl FnOnce(&mut Session) -> T) -> Result<T, Refusal> {
        self.with(|state| state.sessions.get_mut(id).map(job)).ok_or_else(|| not_found(id))
    }

    /// Reads something of a session. An unknown session gives an empty answer, and no error.
    fn look_up(&self, params: &Value, read: impl FnOnce(&mut Session) -> Value) -> Result<Value, Refusal> {
        let id = named(params)?;
        Ok(self.known(id, read).unwrap_or_else(|_| json!({})))
    }
}

fn not_found(id: &str) -> Refusal {
    Refusal::Failed(format!("Session not found for sessionId: {id}"))
}

fn named(params: &Value) -> Result<&str, Refusal> {
    params["sessionId"].as_str().ok_or_else(|| "Missing sessionId parameter".into())
}

pub(super) fn text<'a>(params: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    params[name].as_str().ok_or_else(|| format!("missing parameter '{name}'").into())
}

/// Who may see the session. A session that was never shared is not synced, and has no status.
fn visibility(session: &mut Session) -> Value {
    if session.timeline_begun {
        json!({"synced": true, "status": session.visibility.as_deref().unwrap_or("unshared"), "shareUrl": session.url})
    } else {
        json!({"synced": false})
    }
}

fn remote_info(message: &str, url: &str) -> Event {
    Event::lasting("session.info", json!({"message": message, "url": url, "infoType": "remote"}))
}

fn auth_status() -> Value {
    json!({
        "isAuthenticated": true, "authType": "env", "host": "https://github.com", "login": LOGIN,
        "statusMessage": format!("{LOGIN} (demo)"),
    })
}

/// The account that a demo is signed in to.
fn account() -> Value {
    json!({
        "type": "env", "host": "https://github.com", "login": LOGIN, "envVar": "GH_TOKEN",
        "copilotUser": {
            "login": LOGIN, "access_type_sku": "copilot_for_individual", "analytics_tracking_id": "x", "assigned_date": "2024-01-01T00:00:00Z",
            "can_signup_for_limited": false, "chat_enabled": true, "copilot_plan": "individual",
            "endpoints": {"api": "https://api.githubcopilot.com"}, "organization_login_list": [], "organization_list": [],
            "is_mcp_enabled": true, "cloud_session_storage_enabled": true, "cli_remote_control_enabled": true,
        },
    })
}
