//! The player: acts out the person with the phone and the agent, step by step.

use std::future;
use std::rc::Rc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Died;
use super::hub::{Hub, State};
use super::script::{Event, Form, Permission, Plan, Question, Step, Tool};
use super::session::{Asked, Pending, Prompt, Remote, Session, Turn, uuid};

/// Plays the agenda of a session. The end of the session stops this wherever it is.
pub(super) async fn play(hub: Rc<Hub>, session: String) {
    let stage = Stage { hub, session };
    loop {
        match stage.next().await {
            Cue::Sent(prompt) => stage.prompt(prompt, None),
            Cue::Step(step) => stage.step(step).await,
        }
    }
}

/// What the player does next.
enum Cue {
    Sent(Prompt),
    Step(Step),
}

/// A session, as its player sees it.
struct Stage {
    hub: Rc<Hub>,
    session: String,
}

impl Stage {
    /// Waits for what comes next. Prompts that a client sent are played between turns; the phone's prompts wait until remote is
    /// on.
    async fn next(&self) -> Cue {
        let cue = self.hub.until(|state| {
            let session = state.sessions.get_mut(&self.session)?;
            if (session.live.turn.is_none() || session.agenda.is_empty())
                && let Some(prompt) = session.live.prompts.pop_front()
            {
                for step in self.hub.script.reply.iter().rev() {
                    session.agenda.push_front(step.clone());
                }
                return Some(Cue::Sent(prompt));
            }
            let blocked = matches!(session.agenda.front()?, Step::Prompt(_)) && session.live.remote != Remote::On;
            if blocked { None } else { session.agenda.pop_front().map(Cue::Step) }
        });
        let cue = cue.await;
        self.hub.save();
        cue
    }

    async fn step(&self, step: Step) {
        match step {
            Step::Wait(seconds) => self.wait(seconds).await,
            Step::Prompt(text) => {
                self.emit(&Event::passing("pending_messages.modified", json!({})));
                let source = format!("command-{}", uuid());
                self.prompt(Prompt { text, message_id: uuid(), queued: false }, Some(&source));
            }
            Step::Tool(tool) => {
                let call = self.begin_tool(&tool);
                self.hub.pause(tool.seconds).await;
                self.end_tool(&tool, &call, None);
            }
            Step::Permission(permission) => self.permission(permission).await,
            Step::Question(question) => self.question(question).await,
            Step::Plan(plan) => self.plan(plan).await,
            Step::Form(form) => self.form(&form).await,
            Step::RateLimit(seconds) => self.rate_limit(seconds).await,
            Step::Message(text) => self.message(&text),
            Step::Idle => self.idle(),
            Step::Event(event) => {
                self.emit(&event);
            }
            Step::CloseSession => self.hub.close(&self.session),
            Step::Exit(code) => {
                self.hub.end(Err(Died(code).into()));
                future::pending::<()>().await;
            }
        }
    }

    /// Waits for some seconds. Between turns a prompt interrupts the wait, which begins anew after the prompt's turn.
    async fn wait(&self, seconds: f64) {
        let interrupted = self.hub.until(|state| {
            let session = state.sessions.get_mut(&self.session)?;
            let interrupted = session.live.turn.is_none() && !session.live.prompts.is_empty();
            interrupted.then(|| session.agenda.push_front(Step::Wait(seconds)))
        });
        tokio::select! {
            () = self.hub.pause(seconds) => {}
            () = interrupted => {}
        }
    }

    /// Begins a turn with a prompt.
    fn prompt(&self, prompt: Prompt, source: Option<&str>) {
        self.emit(&Event::passing("pending_messages.modified", json!({})));
        let unnamed = self.with(|session| session.name.is_none());
        if unnamed {
            self.with(|session| session.name = Some(prompt.text.clone()));
            self.emit(&Event::passing("session.title_changed", json!({"title": prompt.text})));
        }
        let turn = Turn { message_id: prompt.message_id, ..Turn::new() };
        let mut message = json!({
            "content": prompt.text,
            "transformedContent": format!("<current_datetime>{:.3}</current_datetime>\n\n{}", Timestamp::now(), prompt.text),
            "messageId": turn.message_id, "supportedNativeDocumentMimeTypes": [],
            "delivery": if prompt.queued { "queued" } else { "idle" },
            "interactionId": turn.interaction_id, "turnId": "0", "parentAgentTaskId": uuid(),
        });
        if let Some(source) = source {
            message["source"] = source.into();
        }
        self.with(|session| session.live.turn = Some(turn));
        self.emit(&Event::lasting("user.message", message));
        self.open_turn();
    }

    /// The agent calls its model, which chooses a tool. Returns the id of the tool call.
    fn begin_tool(&self, tool: &Tool) -> String {
        let turn = self.open_turn();
        let call = format!("call_{}", uuid());
        let model = self.model();
        let title = match tool.name.as_str() {
            "bash" => "Running command",
            "view" => "Viewing file",
            "edit" => "Editing file",
            "ask_user" => "Asking user",
            other => other,
        };
        let intention = &tool.arguments["description"];
        self.assistant_message(
            &uuid(),
            "",
            &json!([{
                "toolCallId": call, "name": tool.name, "arguments": tool.arguments, "type": "function",
                "intentionSummary": if intention.is_string() { intention.clone() } else { title.into() }, "toolTitle": title,
            }]),
        );
        let mut start = json!({
            "toolCallId": call, "toolName": tool.name, "arguments": tool.arguments, "turnId": turn.number.to_string(),
            "model": model, "toolTitle": title,
        });
        if tool.name == "bash" {
            start["shellToolInfo"] = json!({"possiblePaths": [], "hasWriteFileRedirection": false});
        }
        self.emit(&Event::lasting("tool.execution_start", start));
        call
    }

    /// Ends a tool call, well or with a message and a code. The model's next call is another part of the turn.
    fn end_tool(&self, tool: &Tool, call: &str, failure: Option<(&str, &str)>) {
        let turn = self.open_turn();
        let mut complete = json!({
            "toolCallId": call, "model": self.model(), "interactionId": turn.interaction_id,
            "turnId": turn.number.to_string(), "rte": false, "success": failure.is_none(), "toolTelemetry": {},
        });
        if let Some((message, code)) = failure {
            complete["error"] = json!({"message": message, "code": code});
        } else if tool.name == "bash" {
            let output = format!("{}\n<shellId: 0 completed with exit code {}>", tool.output, tool.exit_code);
            let exit = json!({"type": "shell_exit", "shellId": "0", "exitCode": tool.exit_code, "cwd": self.with(|session| session.cwd.clone())});
            complete["shellExecution"] = json!({"exitCode": tool.exit_code});
            complete["result"] = json!({"content": output, "detailedContent": output, "contents": [exit]});
        } else {
            complete["result"] = json!({"content": tool.output, "detailedContent": tool.output});
        }
        self.emit(&Event::lasting("tool.execution_complete", complete));
        self.close_turn();
    }

    async fn permission(&self, wanted: Permission) {
        let Permission { command, intention, output, exit_code, seconds, answered_after, approved } = wanted;
        let arguments = json!({"command": command, "description": intention, "mode": "sync", "initial_wait": 5});
        let tool = Tool { name: "bash".to_owned(), arguments, output, exit_code, seconds };
        let call = self.begin_tool(&tool);
        let (mode, can_ask) = self.with(|session| (session.permission_mode.clone(), session.live.wishes.request_permission));
        let decision = if mode == "allow-all" {
            json!({"kind": "approved"})
        } else if can_ask {
            // With script safety, the identifier is the command without its arguments, so that an approval holds for other
            // arguments, too.
            let safety = self.with(|session| session.live.script_safety);
            let identifier = if safety { command.split(' ').next().unwrap_or_default() } else { command.as_str() };
            let prompt = json!({
                "kind": "commands", "fullCommandText": command, "intention": intention, "commandIdentifiers": [identifier],
                "canOfferSessionApproval": safety, "toolCallId": call,
            });
            let by_phone = if approved { "approved" } else { "denied-interactively-by-user" };
            let request = self.expect(Asked::Permission { tool_call_id: call.clone(), prompt: prompt.clone() });
            let segment = json!({
                "identifier": command.split(' ').next(), "fullCommandText": command, "allowMatchIdentifier": null,
                "staticTokens": null, "hasUnboundExecutableContent": false, "workingDirectory": null,
            });
            self.emit(&Event::lasting("permission.requested", json!({
                "requestId": request,
                "permissionRequest": {
                    "kind": "shell", "toolCallId": call, "fullCommandText": command, "shellType": "bash", "intention": intention,
                    "commands": [{"identifier": command, "readOnly": false}], "commandSegments": [segment], "possiblePaths": [],
                    "canOfferSessionApproval": false, "hasWriteFileRedirection": false, "possibleUrls": [],
                },
                "promptRequest": prompt, "agentMode": self.with(|session| session.mode.clone()), "permissionMode": mode,
                "ownerSessionId": self.session,
            })));
            self.answered(&request, answered_after, json!({"kind": by_phone})).await
        } else {
            json!({"kind": "denied-no-approval-rule-and-could-not-request-from-user"})
        };

        let kind = decision["kind"].as_str().unwrap_or_default();
        if kind.starts_with("approved") {
            self.hub.pause(seconds).await;
            self.end_tool(&tool, &call, None);
        } else if let Some(feedback) = decision["feedback"].as_str() {
            let message = format!("The user rejected this tool call. User feedback: {feedback}");
            self.end_tool(&tool, &call, Some((&message, "denied")));
        } else if kind == "denied-interactively-by-user" {
            self.end_tool(&tool, &call, Some(("The user rejected this tool call.", "rejected")));
            self.emit(&Event::lasting("abort", json!({"reason": "user_initiated"})));
            let cancelled = json!({"infoType": "cancellation", "message": "Operation cancelled by user"});
            self.emit(&Event::passing("session.info", cancelled));
            self.emit(&Event::passing("pending_messages.modified", json!({})));
            self.with(Session::drop_turn);
            self.idle();
        } else {
            let message = "Permission denied and could not request permission from user. Copilot needed the user's approval and no one could answer.";
            self.end_tool(&tool, &call, Some((message, "denied")));
        }
    }

    async fn question(&self, asked: Question) {
        let Question { question, choices, allow_freeform, answered_after, answer } = asked;
        let mut tool = Tool {
            name: "ask_user".to_owned(),
            arguments: json!({"question": question, "choices": choices}),
            output: String::new(),
            exit_code: 0,
            seconds: 0.0,
        };
        let call = self.begin_tool(&tool);
        if !self.with(|session| session.live.wishes.request_user_input) {
            return self.end_tool(&tool, &call, Some(("Tool 'ask_user' does not exist.", "failure")));
        }
        let request = self.expect(Asked::Question);
        let mut details = json!({"question": question, "choices": choices, "allowFreeform": allow_freeform});
        let mut event = details.clone();
        event["requestId"] = request.as_str().into();
        event["toolCallId"] = call.as_str().into();
        self.emit(&Event::passing("user_input.requested", event));
        details["sessionId"] = self.session.as_str().into();
        self.call_back("userInput.request", &details);
        let answer = self.answered(&request, answered_after, json!({"promptId": request, "answer": answer})).await;
        tool.output = format!("User selected: {}", answer["answer"].as_str().unwrap_or_default());
        self.end_tool(&tool, &call, None);
    }

    async fn form(&self, form: &Form) {
        let request = self.expect(Asked::Form);
        self.emit(&Event::passing(
            "elicitation.requested",
            json!({
                "requestId": request, "message": form.message, "mode": "form", "requestedSchema": form.schema,
            }),
        ));
        self.answered(&request, None, Value::Null).await;
    }

    /// Asks whether another model is to go on after a rate limit. If not, the turn fails.
    async fn rate_limit(&self, seconds: u64) {
        let message = "You've hit the rate limit for this model. Please switch models or wait for your limit to reset.";
        let error = json!({
            "errorType": "rate_limit", "message": message, "statusCode": 429, "errorCode": "user_model_rate_limited", "eligibleForAutoSwitch": true,
        });
        self.emit(&Event::lasting("session.error", error));
        let request = self.expect(Asked::Limit);
        let asked = json!({"requestId": request, "errorCode": "user_model_rate_limited", "retryAfterSeconds": seconds});
        self.emit(&Event::passing("auto_mode_switch.requested", asked));
        let answer = self.answered(&request, None, Value::Null).await;
        if answer["response"] == "no" {
            let dropped: Vec<Step> = self.with(|session| {
                let end = session.agenda.iter().position(|step| matches!(step, Step::Idle)).map_or(0, |at| at + 1);
                session.agenda.drain(..end).collect()
            });
            drop(dropped);
            self.idle();
        }
    }

    async fn plan(&self, shown: Plan) {
        let Plan { summary, content, answered_after, approved } = shown;
        let mut tool = Tool {
            name: "exit_plan_mode".to_owned(),
            arguments: json!({"summary": summary}),
            output: String::new(),
            exit_code: 0,
            seconds: 0.0,
        };
        let call = self.begin_tool(&tool);
        if !self.with(|session| session.live.wishes.request_exit_plan_mode) {
            return self.end_tool(&tool, &call, Some(("Tool 'exit_plan_mode' does not exist.", "failure")));
        }
        let request = self.expect(Asked::Plan);
        let mut details = json!({
            "summary": summary, "actions": ["interactive", "autopilot", "exit_only"], "recommendedAction": "interactive",
            "planContent": content,
        });
        let mut event = details.clone();
        event["requestId"] = request.as_str().into();
        event["toolCallId"] = call.as_str().into();
        event["model"] = self.model().into();
        self.emit(&Event::passing("exit_plan_mode.requested", event));
        details["sessionId"] = self.session.as_str().into();
        self.call_back("exitPlanMode.request", &details);
        let by_phone = json!({"promptId": request, "approved": approved, "selectedAction": "interactive"});
        let answer = self.answered(&request, answered_after, by_phone).await;
        tool.output.push_str(if answer["approved"] == true { "Plan approved." } else { "Plan rejected." });
        self.end_tool(&tool, &call, None);
    }

    fn message(&self, text: &str) {
        self.open_turn();
        let id = uuid();
        if self.with(|session| session.live.wishes.streaming) {
            self.emit(&Event::passing("assistant.message_start", json!({"messageId": id})));
            let mut total = 0;
            for part in text.split_inclusive(' ') {
                total += part.len();
                self.emit(&Event::passing("assistant.streaming_delta", json!({"totalResponseSizeBytes": total})));
                self.emit(&Event::passing("assistant.message_delta", json!({"messageId": id, "deltaContent": part})));
            }
        }
        self.assistant_message(&id, text, &json!([]));
        self.close_turn();
    }

    /// Ends the turn. If a prompt waits, its turn follows without a pause.
    fn idle(&self) {
        if self.with(|session| session.live.turn.as_ref().is_some_and(|turn| turn.open)) {
            self.close_turn();
        }
        let (mode, rest) = self.with(|session| {
            session.live.turn = None;
            (session.mode.clone(), session.live.prompts.is_empty())
        });
        if rest {
            self.emit(&Event::passing("assistant.idle", json!({})));
            self.emit(&Event::passing("session.idle", json!({"mode": mode})));
        }
    }

    fn assistant_message(&self, id: &str, content: &str, tools: &Value) {
        let turn = self.open_turn();
        self.emit(&Event::lasting(
            "assistant.message",
            json!({
                "messageId": id, "originatingMessageId": turn.message_id, "model": self.model(), "providerId": "copilot",
                "content": content, "toolRequests": tools, "interactionId": turn.interaction_id,
                "turnId": turn.number.to_string(), "rte": false, "apiCallId": "c1",
            }),
        ));
    }

    /// Begins a part of the turn with a call to the model, unless one is under way.
    fn open_turn(&self) -> Turn {
        let turn = self.with(|session| session.turn().clone());
        if !turn.open {
            self.with(|session| session.turn().open = true);
            let start = json!({"turnId": turn.number.to_string(), "interactionId": turn.interaction_id});
            self.emit(&Event::lasting("assistant.turn_start", start));
        }
        turn
    }

    fn close_turn(&self) {
        let number = self.with(|session| {
            let turn = session.turn();
            turn.open = false;
            turn.number += 1;
            turn.number - 1
        });
        self.emit(&Event::lasting("assistant.turn_end", json!({"turnId": number.to_string()})));
    }

    /// Notes that an answer is waited for. Returns the id by which it is given.
    fn expect(&self, asked: Asked) -> String {
        let request_id = uuid();
        let pending = Pending { request_id: request_id.clone(), asked, callbacks: Vec::new(), answer: None };
        self.with(|session| session.live.pending = Some(pending));
        request_id
    }

    /// Asks the attached clients by a call, too. They may leave it open.
    fn call_back(&self, method: &str, params: &Value) {
        let callbacks = self.hub.ask(&self.session, method, params);
        self.with(|session| session.live.pending.as_mut().map(|pending| pending.callbacks = callbacks));
    }

    /// Waits for the first answer: a client's, or the phone's if the script has one.
    async fn answered(&self, request: &str, after: Option<f64>, by_phone: Value) -> Value {
        let phone = async {
            let Some(after) = after else { return future::pending().await };
            self.hub.pause(after).await;
            self.look(|session| (session.live.remote == Remote::On).then_some(())).await;
            self.hub.settle(&self.session, request, by_phone);
        };
        tokio::select! {
            () = self.look(|session| session.live.pending.as_ref()?.answer.as_ref().map(|_| ())) => {}
            () = phone => {}
        }
        self.look(|session| session.live.pending.take_if(|pending| pending.answer.is_some())?.answer).await
    }

    fn model(&self) -> String {
        self.with(|session| session.model.clone()).unwrap_or_else(|| "claude-sonnet-4".to_owned())
    }

    fn emit(&self, event: &Event) {
        self.hub.emit(&self.session, event);
    }

    /// Waits until `look` finds something in the session.
    async fn look<T>(&self, mut look: impl FnMut(&mut Session) -> Option<T>) -> T {
        self.hub.until(|state| look(state.sessions.get_mut(&self.session)?)).await
    }

    /// Changes the session. If the session is gone, this returns a default, and the player is about to be stopped.
    fn with<T: Default>(&self, change: impl FnOnce(&mut Session) -> T) -> T {
        self.hub.with(|state: &mut State| state.sessions.get_mut(&self.session).map(change)).unwrap_or_default()
    }
}
