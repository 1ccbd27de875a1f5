//! Sessions on GitHub's compute. GitHub calls what it runs there a task; the session is how a runtime sees one.
//!
//! A task has two ids (measured): its own, which is in its link, and that of the session, which is one or the other of two and names it in
//! this runtime alone. Nothing here ends a task: closing the session sends nothing, it only ends the runtime's reading of the task's events.

use std::path::Path;

use github_copilot_sdk::{CloudSessionOptions, CloudSessionRepository, SessionConfig};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::runtime::call;
use super::{Events, Runtime, SdkError, Session};

/// Who writes `session.start` when the worker is there; before that prompts are lost without a word (GitHub's documentation).
pub(crate) const WORKER: &str = "copilot-agent";

/// What a task is to work on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloudRepository<'a> {
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
    /// The CLI keeps it and sends it nowhere (measured).
    pub(crate) branch: Option<&'a str>,
}

/// A task of the account, as its list tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// `owner/name`.
    pub(crate) repository: Option<String>,
    /// GitHub's word for it: `queued`, `in_progress`, `completed`, …
    pub(crate) state: String,
    pub(crate) created_at: Option<Timestamp>,
}

impl Session {
    /// Creates a task, and waits until GitHub has something of it: at most 10 s for nothing at all, for ever where it was only requested
    /// (measured).
    ///
    /// None of the callbacks of a local session may be asked for, nor a name or an id: the CLI refuses those (measured). Requests for
    /// permission, questions and plans are raised all the same. What its events are to begin with, [`Events::catch_up`] brings.
    pub(crate) async fn create_cloud(
        runtime: &Runtime,
        directory: &Path,
        repository: Option<CloudRepository<'_>>,
    ) -> Result<(Self, Events), SdkError> {
        let repository = repository.map(|repository| {
            let cloud = CloudSessionRepository::new(repository.owner, repository.name);
            match repository.branch {
                Some(branch) => cloud.with_branch(branch),
                None => cloud,
            }
        });
        let config = SessionConfig::default()
            .with_working_directory(directory.to_owned())
            .with_client_name("copilot-remote")
            .with_streaming(true)
            .with_cloud(repository.map_or_else(CloudSessionOptions::default, CloudSessionOptions::with_repository));
        Box::pin(Self::begin(runtime, config)).await.map_err(SdkError::explain_cloud)
    }

    /// The id of the task behind this session.
    pub(crate) async fn task_id(&self) -> Result<String, SdkError> {
        let answer = self.call("session.metadata.snapshot", json!({})).await?;
        // Without it the session's own is the task's: so it is where the task was seen before its worker (measured).
        Ok(answer["remoteMetadata"]["resourceId"].as_str().unwrap_or(self.id()).to_owned())
    }
}

impl Runtime {
    /// The account's latest tasks, 50 that are not archived and 50 that are (measured), in GitHub's order.
    pub(crate) async fn tasks(&self) -> Result<Vec<Task>, SdkError> {
        // Without `throwOnError` a failure is an empty list (measured).
        let params = json!({ "source": "remote", "throwOnError": true });
        let answer = call(&self.client, "sessions.list", params).await.map_err(SdkError::explain_list)?;
        Ok(answer["sessions"].as_array().into_iter().flatten().filter_map(Task::parse).collect())
    }
}

impl Task {
    fn parse(task: &Value) -> Option<Self> {
        let field = |name: &str| task[name].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let repository = &task["repository"];
        let repository = match (repository["owner"].as_str(), repository["name"].as_str()) {
            (Some(owner), Some(name)) if !name.is_empty() => Some(format!("{owner}/{name}")),
            _ => None,
        };
        Some(Self {
            id: field("resourceId").or_else(|| field("sessionId"))?,
            name: field("name").or_else(|| field("summary")),
            repository,
            state: field("state").unwrap_or_else(|| "unknown".to_owned()),
            created_at: field("startTime").and_then(|time| time.parse().ok()),
        })
    }
}
