//! The calls about the person, about the managed settings that bind them, and about the work of a session.

use serde_json::{Value, json};

use super::hub::Hub;
use super::methods::{Refusal, text};
use super::script::Event;
use super::session::Session;

/// The models of the account. Only one of them has reasoning efforts.
const MODELS: [(&str, &[&str]); 4] =
    [("auto", &[]), ("claude-sonnet-4.5", &[]), ("gpt-4.1", &[]), ("gpt-5-mini", &["low", "medium", "high"])];
/// The custom agent of the repository.
const AGENT: &str = "reviewer";

impl Hub {
    /// Carries out a call about the person, before there is a session; `None` if the call is about something else.
    pub(super) fn ask_person(&self, method: &str) -> Option<Value> {
        Some(match method {
            "permissions.folderTrust.checkTrust" => json!({"trusted": self.script.trusted || self.with(|state| state.trusted)}),
            "user.settings.get" => {
                let settings = self.script.settings.as_object().into_iter().flatten();
                let setting = |(name, value): (&String, &Value)| {
                    (name.clone(), json!({"value": value, "default": null, "isDefault": false}))
                };
                json!({"settings": settings.map(setting).collect::<serde_json::Map<_, _>>()})
            }
            "managedSettings.resolve" => json!({"resolved": self.managed(), "layers": [], "diagnostics": []}),
            "models.list" => {
                let model = |(id, efforts): (&str, &[&str])| {
                    let mut model = json!({"id": id, "name": id, "capabilities": {}});
                    if !efforts.is_empty() {
                        model["supportedReasoningEfforts"] = json!(efforts);
                    }
                    model
                };
                json!({"models": MODELS.map(model)})
            }
            "agents.discover" => json!({"agents": [agent()]}),
            _ => return None,
        })
    }

    /// The managed settings of the script.
    pub(super) fn managed(&self) -> Value {
        let settings = &self.script.managed;
        let keys: Vec<&String> = settings.as_object().into_iter().flatten().map(|(key, _)| key).collect();
        let is_managed = !keys.is_empty();
        let mut resolved = json!({
            "source": if is_managed { "server" } else { "none" }, "serverManaged": is_managed, "deviceManaged": false, "clientManaged": false,
            "policyHelperManaged": false, "failClosed": false, "sandboxEnabledByUndeterminedPolicy": false,
            "bypassPermissionsDisabled": settings["permissions"]["disableBypassPermissionsMode"] == "disable", "managedKeys": keys,
            "permissionsContext": {"failClosed": false},
        });
        if is_managed {
            resolved["settings"] = settings.clone();
        }
        resolved
    }

    /// The event that tells of managed settings.
    pub(super) fn managed_settings(&self) -> Event {
        Event::passing("session.managed_settings_resolved", self.managed())
    }

    /// The event that tells that managed settings forbid allow-all.
    pub(super) fn forbid_allow_all(&self, id: &str) -> bool {
        let forbidden = self.managed()["bypassPermissionsDisabled"] == true;
        if forbidden {
            self.emit(id, &Event::passing("session.managed_settings_enforced", json!({
                "action": "bypass_permissions_blocked", "escalation": "allow_all",
                "setting": "permissions.disableBypassPermissionsMode", "failClosed": false,
                "message": "Enterprise policy disables bypass-permissions mode, so allow-all permissions cannot be enabled. Contact your administrator for more information.",
            })));
        }
        forbidden
    }

    /// Checks the model and the agent that a session is to have; an error if there is none of that name.
    pub(super) fn check_wishes(&self, params: &Value) -> Result<(), Refusal> {
        if let Some(model) = params["model"].as_str()
            && !MODELS.iter().any(|(id, _)| *id == model)
        {
            return Err(format!("Model \"{model}\" is not available.").into());
        }
        if let Some(name) = params["agent"].as_str()
            && name != AGENT
        {
            return Err(format!("session construction failed: Custom agent '{name}' not found").into());
        }
        if params["trustWorkingDirectory"] == "user" {
            self.with(|state| state.trusted = true);
        }
        Ok(())
    }

    /// Carries out a call about the work of a session.
    pub(super) fn use_work(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let nothing = json!({
            "totalPremiumRequestCost": 0.0, "totalUserRequests": 0, "totalApiDurationMs": 0, "modelMetrics": {},
            "codeChanges": {"linesAdded": 0, "linesRemoved": 0, "filesModifiedCount": 0, "filesModified": []},
        });
        let answer = match method {
            "session.permissions.locations.apply" => {
                json!({"locationKey": params["workingDirectory"], "locationType": "repo", "changed": false, "appliedRuleCount": 0, "appliedDirectoryCount": 0, "appliedRules": []})
            }
            "session.agent.reload" => json!({"agents": [agent()]}),
            "session.agent.getCurrent" => return self.alive(method, params, |session| match &session.agent {
                Some(_) => json!({"agent": agent()}),
                None => json!({}),
            }),
            "session.metadata.activity" => {
                return self.alive(method, params, |session| {
                    let busy = session.live.turn.is_some() || !session.live.prompts.is_empty();
                    json!({"abortable": busy, "hasActiveWork": busy})
                });
            }
            "session.queue.pendingItems" => return self.alive(method, params, |session| {
                let item = |prompt: &super::session::Prompt| {
                    json!({"id": prompt.message_id, "messageId": prompt.message_id, "kind": "message", "displayText": prompt.text, "agentMode": "interactive"})
                };
                json!({"items": session.live.prompts.iter().map(item).collect::<Vec<_>>(), "steeringMessages": [], "inFlightSteeringCount": 0})
            }),
            "session.mcp.moveLoadingToBackground" => json!({"movedToBackground": true}),
            "session.mcp.oauth.login" => {
                json!({"authorizationUrl": format!("https://auth.example.com/authorize?server={}", text(params, "serverName")?)})
            }
            // Requests of these kinds come from an event of a script, and no step waits for their answers.
            "session.tools.handlePendingToolCall" => return self.complete("external_tool.completed", method, params),
            "session.ui.handlePendingSampling" => return self.complete("sampling.completed", method, params),
            "session.ui.handlePendingSessionLimitsExhausted" => {
                return self.complete("session_limits_exhausted.completed", method, params);
            }
            "session.workspaces.diff" => json!({
                "requestedMode": params["mode"], "mode": params["mode"], "baseBranch": "main", "isFallback": false,
                "changes": [{
                    "path": "README.md", "changeType": "modified",
                    "diff": "diff --git a/README.md b/README.md\n--- a/README.md\n+++ b/README.md\n@@ -1,1 +1,2 @@\n # Hello World\n+A demo.",
                }],
            }),
            "session.usage.getMetrics" => nothing,
            "session.metadata.contextInfo" => json!({"contextInfo": {"totalTokens": 12_000, "limit": 100_000}}),
            "session.quota.get" => json!({"snapshots": {}}),
            "session.history.listRewindPoints" => return self.alive(method, params, rewind_points),
            "session.history.previewRewind" => json!({"available": true, "fileCount": 0, "files": []}),
            "session.history.rewind" => return self.rewind(method, params),
            _ => return Err(Refusal::Unhandled),
        };
        self.alive(method, params, |_| answer)
    }

    /// Emits the event that a request was answered.
    fn complete(&self, kind: &str, method: &str, params: &Value) -> Result<Value, Refusal> {
        let id = self.alive(method, params, |session| session.id.clone())?;
        let completed = json!({"requestId": text(params, "requestId")?, "response": params["response"]});
        self.emit(&id, &Event::passing(kind, completed));
        Ok(json!({"success": true}))
    }

    /// Removes the history from a prompt on. A demo changes no files.
    fn rewind(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let point = text(params, "eventId")?;
        let (id, removed) = self.alive(method, params, |session| {
            let at = session.history.iter().position(|event| event["id"] == point).unwrap_or(session.history.len());
            let removed = session.history.len() - at;
            session.history.truncate(at);
            (session.id.clone(), removed)
        })?;
        self.emit(&id, &Event::lasting("session.snapshot_rewind", json!({"upToEventId": point, "eventsRemoved": removed})));
        Ok(json!({"outcome": "success", "eventsRemoved": removed, "restoredFiles": [], "skippedFiles": []}))
    }
}

fn agent() -> Value {
    json!({"id": AGENT, "name": AGENT, "displayName": AGENT, "description": "Reads changes", "source": "project", "tools": ["*"]})
}

fn rewind_points(session: &mut Session) -> Value {
    let prompts = session.history.iter().filter(|event| event["type"] == "user.message");
    let point = |event: &Value| {
        json!({
            "eventId": event["id"], "userMessage": event["data"]["content"], "timestamp": event["timestamp"], "canRestoreFiles": true,
            "fileCount": 0, "turnChangedFiles": false, "linesAdded": 0, "linesRemoved": 0, "isAutopilotContinuation": false,
        })
    };
    json!({"fileChangeTrackingEnabled": true, "points": prompts.map(point).collect::<Vec<_>>()})
}
