//! Sessions on GitHub's compute. GitHub calls what it runs there a task; the session is how a runtime sees one.
//!
//! A task has two ids: its own, which is in its link, and that of its session, which names the session in this runtime alone
//! (docs/copilot-cli.md, cloud-ids). Nothing here ends a task: closing the session only ends the runtime's reading of the task's
//! events.

use std::path::Path;

use github_copilot_sdk::{CloudSessionOptions, CloudSessionRepository, SessionConfig};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::runtime::call;
use super::{Events, Runtime, SdkError, Session};

/// The producer of `session.start` once the task's worker runs. A prompt that is sent earlier is lost without an error (GitHub's
/// documentation).
pub(crate) const WORKER: &str = "copilot-agent";

/// The repository that a task works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloudRepository<'a> {
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
    /// The CLI keeps the branch and sends it nowhere (docs/copilot-cli.md, cloud-not-sent).
    pub(crate) branch: Option<&'a str>,
}

/// A task of the account, as the list of tasks shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// `owner/name`.
    pub(crate) repository: Option<String>,
    /// GitHub's word for the state: `queued`, `in_progress`, `completed`, …
    pub(crate) state: String,
    pub(crate) created_at: Option<Timestamp>,
}

impl Session {
    /// Creates a task, and waits until GitHub has its worker. Without any event of the task this fails after 10 s; where the task
    /// was only requested it waits for ever (docs/copilot-cli.md, cloud-wait), so the caller sets a deadline.
    ///
    /// The CLI refuses the callbacks of a local session, a name and an id (docs/copilot-cli.md, cloud-refused-flags), so none is
    /// asked for; the task raises permissions, questions and plans all the same. [`Events::catch_up`] brings the events that came
    /// first.
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
        // Without this field the session's id is the task's: that is so where the task was seen before its worker
        // (docs/copilot-cli.md, cloud-ids).
        Ok(answer["remoteMetadata"]["resourceId"].as_str().unwrap_or(self.id()).to_owned())
    }
}

impl Runtime {
    /// The account's latest tasks in GitHub's order: 50 that are not archived, and 50 that are (docs/copilot-cli.md, cloud-list).
    pub(crate) async fn tasks(&self) -> Result<Vec<Task>, SdkError> {
        // Without `throwOnError` the CLI answers a failure with an empty list (docs/copilot-cli.md, cloud-list).
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
