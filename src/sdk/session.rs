//! One session in a runtime.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use github_copilot_sdk::handler::{
    AutoModeSwitchHandler, AutoModeSwitchResponse, ElicitationHandler, ExitPlanModeHandler, ExitPlanModeResult,
    PermissionHandler, PermissionResult, UserInputHandler, UserInputResponse,
};
use github_copilot_sdk::subscription::RecvErrorKind;
use github_copilot_sdk::{
    Client, ElicitationRequest, ElicitationResult, EventSubscription, ExitPlanModeData, PermissionRequestData, RequestId,
    SessionConfig, SessionEvent, SessionId,
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::event::{NUDGE, Warning};
use super::profile::{ALLOW_ALL, Stage};
use super::runtime::{Login, call};
use super::{Event, Events, Managed, Prompt, Runtime, SdkError, SessionOptions};

/// How long the warning that explains a refusal may come after the refusal. Events and answers share one connection, and pass
/// through two queues of the SDK.
const WARNING_DEADLINE: Duration = Duration::from_millis(300);

/// The event that tells all clients that one more is attached.
const RESUMED: &str = "session.resume";
/// How long one read of the event log waits. It is short because nobody else can attach meanwhile (docs/copilot-cli.md,
/// event-log).
const LOG_WAIT: Duration = Duration::from_secs(1);
/// How often a CLI without an event log is asked whether the session still exists.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long closing a session may take whose configuration failed.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// What Mission Control may do with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteMode {
    /// Show it and steer it.
    On,
    /// Only show it.
    Export,
}

/// Who may see a session in Mission Control besides its owner and those who work on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// The runtime's word: `repo` or `unshared`.
    Is(String),
    /// Mission Control does not have the session, or GitHub does not say.
    Unknown,
}

impl Visibility {
    fn parse(answer: &serde_json::Value) -> Self {
        answer["status"].as_str().map_or(Self::Unknown, |status| Self::Is(status.to_owned()))
    }
}

/// The answer of `session.remote.enable`.
enum Enabled {
    Shared(Option<String>),
    /// The runtime refused without a reason.
    Refused,
}

/// A session of a runtime. Clones are handles of the same session.
#[derive(Clone)]
pub(crate) struct Session {
    client: Client,
    id: String,
    /// The attachment; `None` if this client is not attached, and so gets no events.
    attached: Option<Arc<github_copilot_sdk::session::Session>>,
}

impl Session {
    /// Creates a session whose requests stay pending until somebody answers them, here or in Mission Control.
    pub(crate) async fn create(runtime: &Runtime, options: &SessionOptions) -> Result<(Self, Events), SdkError> {
        Box::pin(Self::create_as(runtime, None, options)).await
    }

    async fn create_as(runtime: &Runtime, id: Option<&str>, options: &SessionOptions) -> Result<(Self, Events), SdkError> {
        let beginning = Box::pin(Self::begin(runtime, options.to_create(id)?));
        let (session, events) = beginning.await.map_err(SdkError::explain_create)?;
        session.keep_or_close(session.apply(options, Stage::Created).await).await?;
        Ok((session, events))
    }

    /// Closes a session whose configuration failed: it would be less safe than it was meant to be.
    async fn keep_or_close(&self, applied: Result<(), SdkError>) -> Result<(), SdkError> {
        if applied.is_err() {
            let _ = timeout(CLOSE_DEADLINE, self.close()).await;
        }
        applied
    }

    /// Creates the session that `config` describes.
    pub(super) async fn begin(runtime: &Runtime, config: SessionConfig) -> Result<(Self, Events), SdkError> {
        let explain = |error| SdkError::from_call("session.create", &error);
        let prepared = runtime.client.prepare_session(config).map_err(explain)?;
        // Events can come before the answer, and a later subscription would never see them (docs/copilot-cli.md,
        // create-early-events).
        let subscription = prepared.subscribe();
        let inner = prepared.start().await.map_err(explain)?;
        tracing::debug!(session = %inner.id(), "created the session");
        let id = inner.id().to_string();
        let session = Self { client: runtime.client.clone(), id, attached: Some(Arc::new(inner)) };
        let events = Events::new(session.unattached(), subscription);
        Ok((session, events))
    }

    /// Creates a session anew whose runtime died before its first turn. Until then nothing of it is on disk that could be
    /// resumed, and Mission Control keeps its place for the same id (docs/copilot-cli.md, create-disk).
    pub(crate) async fn recreate(runtime: &Runtime, id: &str, options: &SessionOptions) -> Result<(Self, Events), SdkError> {
        Box::pin(Self::create_as(runtime, Some(id), options)).await
    }

    /// Attaches to a session, with the same handlers as at its creation, because the last client that attaches decides what is
    /// asked (docs/copilot-cli.md, resume-last-client). Brings a session that has ended back to life, if `stage` says so.
    pub(crate) async fn resume(
        runtime: &Runtime,
        id: &str,
        options: &SessionOptions,
        stage: Stage,
    ) -> Result<(Self, Events), SdkError> {
        Box::pin(Self::resume_as(runtime, id, options, stage)).await
    }

    async fn resume_as(runtime: &Runtime, id: &str, options: &SessionOptions, stage: Stage) -> Result<(Self, Events), SdkError> {
        let config = options.to_resume(id, stage)?;
        let explain = |error| SdkError::from_call("session.resume", &error).explain_create().explain_ended();
        let prepared = runtime.client.prepare_resume_session(config).map_err(explain)?;
        let mut subscription = prepared.subscribe();
        let inner = prepared.start().await.map_err(explain)?;
        // Events before this one happened while this client was not attached yet, so they are not its own (docs/copilot-cli.md,
        // resume-events).
        let resumed = resumed(&mut subscription).await?;
        tracing::debug!(session = id, "attached to the session");
        let session = Self { client: runtime.client.clone(), id: id.to_owned(), attached: Some(Arc::new(inner)) };
        let events = Events::resumed(session.unattached(), subscription, resumed);
        // A session that another Copilot CLI has open is left as it is.
        if !events.already_in_use() {
            let applied = session.apply(options, stage).await;
            // If the configuration of a live session fails, the session is not closed: it belongs to the client that created it.
            if stage == Stage::Revived { session.keep_or_close(applied).await? } else { applied? }
        }
        Ok((session, events))
    }

    /// A handle of a session to which this client is not attached. It is enough to ask and tell the session something, and does
    /// not keep it alive.
    pub(crate) fn of(runtime: &Runtime, id: &str) -> Self {
        Self { client: runtime.client.clone(), id: id.to_owned(), attached: None }
    }

    fn unattached(&self) -> Self {
        Self { attached: None, ..self.clone() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The account that this session is signed in to.
    pub(crate) async fn login(&self) -> Result<Login, SdkError> {
        let answer = self.call("session.gitHubAuth.getStatus", json!({})).await?;
        Login::parse(&answer).ok_or(SdkError::SignedOut)
    }

    /// Shares the session with Mission Control. Returns its URL, or `None` if the URL comes as [`Event::Link`]. May wait for ever
    /// (docs/copilot-cli.md, remote-hangs).
    ///
    /// A refusal that looks like success (`started: false`) may come from a policy that the CLI remembers from earlier
    /// (docs/copilot-cli.md, sign-in-cache). So the CLI is made to ask GitHub again, once.
    pub(crate) async fn enable_remote(&self, mode: RemoteMode) -> Result<Option<String>, SdkError> {
        if let Enabled::Shared(url) = self.try_enable(mode).await? {
            return Ok(url);
        }
        let _ = self.refresh_account().await;
        match self.try_enable(mode).await? {
            Enabled::Shared(url) => Ok(url),
            Enabled::Refused => Err(self.why_refused().await),
        }
    }

    /// Explains a refusal for which the runtime gives no reason. Managed settings are one that can be found out.
    async fn why_refused(&self) -> SdkError {
        let managed = call(&self.client, "managedSettings.resolve", json!({})).await.unwrap_or_default();
        let managed = Managed::parse(&managed["resolved"]);
        if managed.no_remote {
            return SdkError::Managed { what: "remote control is disabled".to_owned(), who: managed.who() };
        }
        SdkError::RemoteOff {
            message: "remote control is not enabled for it, or its sessions may not be stored in the cloud".to_owned(),
        }
    }

    async fn try_enable(&self, mode: RemoteMode) -> Result<Enabled, SdkError> {
        let mut events = self.attached.as_ref().map(|session| session.subscribe());
        let mode = match mode {
            RemoteMode::On => "on",
            RemoteMode::Export => "export",
        };
        match self.call("session.remote.enable", json!({ "mode": mode })).await {
            Ok(answer) => {
                let url = answer["url"].as_str().map(ToOwned::to_owned);
                let refused = answer["started"] == false || (url.is_none() && answer["remoteSteerable"] != true);
                Ok(if refused { Enabled::Refused } else { Enabled::Shared(url) })
            }
            Err(error) => {
                // Only an attached client gets the event with the reason. Others find it in the journal.
                let Some(events) = &mut events else { return Err(error) };
                let warning = timeout(WARNING_DEADLINE, remote_warning(events)).await.ok();
                Err(error.explain_enable(warning))
            }
        }
    }

    /// Stops sharing the session.
    pub(crate) async fn disable_remote(&self) -> Result<(), SdkError> {
        self.call("session.remote.disable", json!({})).await.map(drop)
    }

    /// Waits until the session has ended, by whichever client, in a runtime that goes on. If the connection breaks this waits for
    /// ever, as the events tell of that.
    ///
    /// An attached client gets no event of such an end, but a waiting read of the event log is answered at once, and does not
    /// keep the session alive (docs/copilot-cli.md, end-event-log).
    pub(crate) async fn ended(&self) {
        const TYPE: &str = "session.shutdown";
        let mut cursor = None;
        loop {
            let answer = match &cursor {
                None => self.call("session.eventLog.tail", json!({})).await,
                Some(cursor) => {
                    let wait = u64::try_from(LOG_WAIT.as_millis()).unwrap_or(u64::MAX);
                    self.call("session.eventLog.read", json!({ "cursor": cursor, "types": [TYPE], "waitMs": wait })).await
                }
            };
            match answer.map_err(SdkError::explain_ended) {
                Ok(answer)
                    if answer["events"].as_array().is_some_and(|events| events.iter().any(|event| event["type"] == TYPE)) =>
                {
                    return;
                }
                Ok(answer) => {
                    cursor = Some(answer["cursor"].clone());
                    // The pause gives other clients a chance to attach, and keeps a runtime that does not wait from being asked
                    // all the time.
                    sleep(Duration::from_millis(20)).await;
                }
                Err(SdkError::SessionEnded) => return,
                Err(SdkError::Connection(_)) => pending().await,
                // An older CLI has no event log, so it is asked whether the session still exists.
                Err(_) => {
                    sleep(PING_EVERY).await;
                    if matches!(
                        self.call("session.name.get", json!({})).await.map_err(SdkError::explain_ended),
                        Err(SdkError::SessionEnded)
                    ) {
                        return;
                    }
                }
            }
        }
    }

    /// Sends a prompt. Returns its id, which the event of its acceptance has, too.
    pub(crate) async fn send(&self, prompt: &Prompt) -> Result<String, SdkError> {
        let answer = self.call("session.send", prompt.to_json()).await.map_err(SdkError::explain_ended)?;
        Ok(answer["messageId"].as_str().unwrap_or_default().to_owned())
    }

    /// Writes a message into the session, for those who look at it in Mission Control.
    pub(crate) async fn log(&self, message: &str) -> Result<(), SdkError> {
        self.call("session.log", json!({ "message": message, "level": "warning" })).await.map(drop)
    }

    /// Makes the runtime ask GitHub again for what it remembers of the account.
    pub(crate) async fn refresh_account(&self) -> Result<(), SdkError> {
        self.call("session.gitHubAuth.refreshCopilotUser", json!({})).await.map(drop)
    }

    /// Raises an event in the session that is uploaded and not kept, so that the runtime tries to upload again.
    pub(crate) async fn nudge(&self) -> Result<(), SdkError> {
        let params = json!({ "message": NUDGE, "level": "info", "ephemeral": true });
        self.call("session.log", params).await.map(drop)
    }

    /// The session's id at Mission Control; `None` if it never was shared.
    pub(crate) async fn control_id(&self) -> Result<Option<String>, SdkError> {
        let answer = self.call("session.workspaces.getWorkspace", json!({})).await?;
        let found =
            [&answer["workspace"]["mc_session_id"], &answer["mc_session_id"]].into_iter().find_map(serde_json::Value::as_str);
        Ok(found.map(ToOwned::to_owned))
    }

    /// The permission mode: `manual`, `allow-all`, …
    pub(crate) async fn permission_mode(&self) -> Result<String, SdkError> {
        Ok(self.call("session.permissions.getMode", json!({})).await?["mode"].as_str().unwrap_or_default().to_owned())
    }

    /// Sets the permission mode. Where an organisation forbids it, the runtime answers without success and without an error
    /// (docs/copilot-cli.md, sign-in-managed).
    pub(crate) async fn set_permission_mode(&self, mode: &str) -> Result<(), SdkError> {
        let answer = self.call("session.permissions.setMode", json!({ "mode": mode })).await?;
        if answer["success"] == true {
            return Ok(());
        }
        let managed =
            Managed::parse(&call(&self.client, "managedSettings.resolve", json!({})).await.unwrap_or_default()["resolved"]);
        let what =
            if mode == ALLOW_ALL { "not everything can be allowed".to_owned() } else { format!("permissions cannot be {mode}") };
        Err(if managed.no_allow_all { SdkError::Managed { what, who: managed.who() } } else { SdkError::PolicyNotTaken { what } })
    }

    /// The agent's mode: `interactive`, `plan`, `autopilot`.
    pub(crate) async fn mode(&self) -> Result<String, SdkError> {
        Ok(self.call("session.mode.get", json!({})).await?.as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn set_mode(&self, mode: &str) -> Result<(), SdkError> {
        self.call("session.mode.set", json!({ "mode": mode })).await.map(drop)
    }

    pub(crate) async fn set_name(&self, name: &str) -> Result<(), SdkError> {
        self.call("session.name.set", json!({ "name": name })).await.map(drop)
    }

    /// Who else may see the session in Mission Control.
    pub(crate) async fn visibility(&self) -> Result<Visibility, SdkError> {
        Ok(Visibility::parse(&self.call("session.visibility.get", json!({})).await?))
    }

    /// Changes who else may see the session, to `repo` or `unshared`, and returns who may see it then. A refusal is an answer
    /// without a status (docs/copilot-cli.md, remote-visibility).
    pub(crate) async fn set_visibility(&self, status: &str) -> Result<Visibility, SdkError> {
        Ok(Visibility::parse(&self.call("session.visibility.set", json!({ "status": status })).await?))
    }

    /// Switches to a model, or to another reasoning effort of the present model.
    pub(crate) async fn set_model(&self, model: Option<&str>, effort: Option<&str>) -> Result<(), SdkError> {
        let mut params = match model {
            Some(model) => json!({ "modelId": model }),
            None => json!({ "modelId": self.call("session.model.getCurrent", json!({})).await?["modelId"] }),
        };
        if let Some(effort) = effort {
            params["reasoningEffort"] = json!(effort);
        }
        self.call("session.model.switchTo", params).await.map(drop).map_err(SdkError::explain_create)
    }

    /// The session's model and reasoning effort. Before the first turn the runtime may not know them (docs/copilot-cli.md,
    /// model-before-turn).
    pub(crate) async fn model(&self) -> Result<(Option<String>, Option<String>), SdkError> {
        let answer = self.call("session.model.getCurrent", json!({})).await?;
        let word = |field: &str| answer[field].as_str().map(ToOwned::to_owned);
        Ok((word("modelId"), word("reasoningEffort")))
    }

    /// The session's custom agent; `None` is the usual one.
    pub(crate) async fn agent(&self) -> Result<Option<String>, SdkError> {
        let answer = self.call("session.agent.getCurrent", json!({})).await?;
        Ok([&answer["agent"]["id"], &answer["agent"]["name"]]
            .into_iter()
            .find_map(serde_json::Value::as_str)
            .map(ToOwned::to_owned))
    }

    /// Ends the session. The runtime tells Mission Control.
    pub(crate) async fn close(&self) -> Result<(), SdkError> {
        self.call("sessions.close", json!({})).await.map(drop)
    }

    /// Makes one call about this session.
    pub(super) async fn call(&self, method: &'static str, mut params: serde_json::Value) -> Result<serde_json::Value, SdkError> {
        params["sessionId"] = json!(self.id);
        call(&self.client, method, params).await
    }
}

/// Waits for the event that tells of this client's attachment.
async fn resumed(events: &mut EventSubscription) -> Result<SessionEvent, SdkError> {
    loop {
        match events.recv().await {
            Ok(event) if event.event_type == RESUMED => return Ok(event),
            Err(error) if matches!(error.kind(), RecvErrorKind::Closed) => return Err(SdkError::closed()),
            _ => {}
        }
    }
}

/// Waits for the warning that explains why remote was refused.
async fn remote_warning(events: &mut EventSubscription) -> Warning {
    loop {
        match events.recv().await {
            Ok(event) => {
                if let Event::Warning(warning) = Event::parse(&event.event_type, &event.data)
                    && warning.kind == "remote"
                {
                    return warning;
                }
            }
            Err(error) if matches!(error.kind(), RecvErrorKind::Closed) => pending().await,
            Err(_) => {}
        }
    }
}

/// Handlers that never answer. The runtime then offers each request to Mission Control, too, and the first answer wins
/// (docs/copilot-cli.md, permission-pending). An error or a default would answer in the place of the person.
pub(super) struct LeavePending;

#[async_trait]
impl PermissionHandler for LeavePending {
    async fn handle(&self, _: SessionId, _: RequestId, _: PermissionRequestData) -> PermissionResult {
        pending().await
    }
}

#[async_trait]
impl UserInputHandler for LeavePending {
    async fn handle(
        &self,
        _: SessionId,
        _: Option<RequestId>,
        _: String,
        _: Option<Vec<String>>,
        _: Option<bool>,
    ) -> Option<UserInputResponse> {
        pending().await
    }
}

#[async_trait]
impl ExitPlanModeHandler for LeavePending {
    async fn handle(&self, _: SessionId, _: Option<RequestId>, _: ExitPlanModeData) -> ExitPlanModeResult {
        pending().await
    }
}

#[async_trait]
impl ElicitationHandler for LeavePending {
    async fn handle(&self, _: SessionId, _: RequestId, _: ElicitationRequest) -> ElicitationResult {
        pending().await
    }
}

#[async_trait]
impl AutoModeSwitchHandler for LeavePending {
    async fn handle(&self, _: SessionId, _: Option<String>, _: Option<f64>) -> AutoModeSwitchResponse {
        pending().await
    }
}
