//! One session in a runtime.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use github_copilot_sdk::handler::{
    ExitPlanModeHandler, ExitPlanModeResult, PermissionHandler, PermissionResult, UserInputHandler, UserInputResponse,
};
use github_copilot_sdk::subscription::RecvErrorKind;
use github_copilot_sdk::{EventSubscription, ExitPlanModeData, PermissionRequestData, RequestId, SessionConfig, SessionId};
use serde_json::json;
use tokio::time::timeout;

use super::event::Warning;
use super::runtime::{Login, call};
use super::{Event, Runtime, SdkError};

/// Events and answers come over one connection, through two queues of the SDK.
const WARNING_DEADLINE: Duration = Duration::from_millis(300);

/// What a new session is to be.
#[derive(Debug, Default)]
pub(crate) struct SessionOptions {
    pub(crate) directory: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) model: Option<String>,
    /// Signs in this session alone. Given by RPC: in the environment, every tool would see it.
    pub(crate) token: Option<String>,
}

/// What Mission Control may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteMode {
    /// See and steer.
    On,
    /// See.
    Export,
}

/// An answer to enable.
enum Enabled {
    Shared(Option<String>),
    /// Without a reason.
    Refused,
}

/// A session; clones are handles of the same one.
#[derive(Clone)]
pub(crate) struct Session {
    inner: Arc<github_copilot_sdk::session::Session>,
}

/// What happens in a session, from its creation on.
pub(crate) struct Events {
    subscription: EventSubscription,
}

impl Session {
    /// Creates a session whose requests stay pending until somebody answers, here or in Mission Control.
    pub(crate) async fn create(runtime: &Runtime, options: &SessionOptions) -> Result<(Self, Events), SdkError> {
        let mut config = SessionConfig::default()
            .with_working_directory(options.directory.clone())
            .with_client_name("copilot-remote")
            .with_streaming(true)
            .with_permission_handler(Arc::new(LeavePending))
            .with_user_input_handler(Arc::new(LeavePending))
            .with_exit_plan_mode_handler(Arc::new(LeavePending));
        config.name.clone_from(&options.name);
        config.model.clone_from(&options.model);
        config.github_token.clone_from(&options.token);
        let explain = |error| SdkError::from_call("session.create", &error).explain_create();
        // Events can come before the answer: a subscription made later never sees them (measured).
        let prepared = runtime.client.prepare_session(config).map_err(explain)?;
        let subscription = prepared.subscribe();
        let inner = prepared.start().await.map_err(explain)?;
        tracing::debug!(session = %inner.id(), "created the session");
        Ok((Self { inner: Arc::new(inner) }, Events { subscription }))
    }

    pub(crate) fn id(&self) -> &str {
        self.inner.id()
    }

    /// Who this session is signed in as.
    pub(crate) async fn login(&self) -> Result<Login, SdkError> {
        let answer = self.call("session.gitHubAuth.getStatus", json!({})).await?;
        Login::parse(&answer).ok_or(SdkError::SignedOut)
    }

    /// Shares the session with Mission Control: its URL, or None where that comes as [`Event::Link`]. May wait for ever.
    ///
    /// A refusal that looks like success (`started: false`) may come from a policy that the CLI remembers from earlier: it is asked
    /// to look again, once.
    pub(crate) async fn enable_remote(&self, mode: RemoteMode) -> Result<Option<String>, SdkError> {
        if let Enabled::Shared(url) = self.try_enable(mode).await? {
            return Ok(url);
        }
        let _ = self.call("session.gitHubAuth.refreshCopilotUser", json!({})).await;
        match self.try_enable(mode).await? {
            Enabled::Shared(url) => Ok(url),
            Enabled::Refused => Err(SdkError::RemoteOff {
                message: "remote control is not enabled for it, or its sessions may not be stored in the cloud".to_owned(),
            }),
        }
    }

    async fn try_enable(&self, mode: RemoteMode) -> Result<Enabled, SdkError> {
        let mut events = self.inner.subscribe();
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
                let warning = timeout(WARNING_DEADLINE, remote_warning(&mut events)).await.ok();
                Err(error.explain_enable(warning))
            }
        }
    }

    /// Stops sharing.
    pub(crate) async fn disable_remote(&self) -> Result<(), SdkError> {
        self.call("session.remote.disable", json!({})).await.map(drop)
    }

    /// Whether the session still exists. A client that is attached is not told when another one ends it (measured).
    pub(crate) async fn exists(&self) -> Result<bool, SdkError> {
        match self.call("session.name.get", json!({})).await {
            Err(SdkError::Rpc { message, .. }) if message.contains("not found") => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    /// Sends a prompt.
    pub(crate) async fn send(&self, prompt: &str) -> Result<(), SdkError> {
        self.call("session.send", json!({ "prompt": prompt })).await.map(drop)
    }

    /// Ends the session; Mission Control is told.
    pub(crate) async fn close(&self) -> Result<(), SdkError> {
        self.call("sessions.close", json!({})).await.map(drop)
    }

    /// One request about this session.
    async fn call(&self, method: &'static str, mut params: serde_json::Value) -> Result<serde_json::Value, SdkError> {
        params["sessionId"] = json!(self.id());
        call(self.inner.client(), method, params).await
    }
}

/// Waits for the warning that explains a refusal.
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

impl Events {
    /// The next event; None when the connection is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        match self.subscription.recv().await {
            Ok(event) => Some(Event::parse(&event.event_type, &event.data)),
            Err(error) => match error.kind() {
                RecvErrorKind::Lagged(skipped) => Some(Event::Missed(skipped.skipped())),
                _ => None,
            },
        }
    }
}

/// Answers nothing, ever: the runtime then offers each request to Mission Control too, and the first answer wins. An error or a
/// default would answer for the person.
struct LeavePending;

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
