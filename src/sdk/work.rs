//! The work of a session, seen from outside: what it changed, what it used, and how to undo it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Request, SdkError, Session};

/// What the changes of a session are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// The last commit.
    Commit,
    /// The repository's default branch.
    Branch,
    /// The files as they were before the session changed them.
    Start,
}

/// A file that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    pub(crate) path: String,
    /// `added`, `modified`, `deleted`, `renamed`.
    #[serde(rename = "changeType")]
    pub(crate) kind: String,
    /// The difference, in git's form.
    pub(crate) diff: String,
    /// Whether the runtime left out a part of the difference.
    #[serde(default)]
    pub(crate) is_truncated: bool,
}

/// The files that were changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) files: Vec<Change>,
    /// The branch that the changes are compared with.
    pub(crate) base: Option<String>,
}

/// What a session used. A number that the runtime does not give is 0 or `None`.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) models: Vec<ModelUsage>,
    /// Premium requests, which a model may count as more or less than one.
    pub(crate) premium_requests: f64,
    pub(crate) prompts: u64,
    pub(crate) api_milliseconds: u64,
    pub(crate) lines_added: u64,
    pub(crate) lines_removed: u64,
    pub(crate) files_modified: u64,
    pub(crate) context: Option<ContextUsage>,
    pub(crate) quotas: Vec<Quota>,
}

/// The tokens that went to a model and came from it.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelUsage {
    pub(crate) model: String,
    pub(crate) requests: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cached_tokens: u64,
}

/// How full the model's context is, in tokens.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContextUsage {
    pub(crate) tokens: u64,
    pub(crate) limit: u64,
}

/// One quota of the account.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quota {
    pub(crate) name: String,
    pub(crate) unlimited: bool,
    pub(crate) entitlement: f64,
    pub(crate) used: f64,
    pub(crate) remaining_percent: f64,
    /// In RFC 3339.
    pub(crate) resets_at: Option<String>,
}

/// A prompt before which the session can be rewound.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RewindPoint {
    #[serde(rename(deserialize = "eventId", serialize = "id"))]
    pub(crate) id: String,
    #[serde(rename(deserialize = "userMessage", serialize = "prompt"))]
    pub(crate) prompt: String,
    /// In RFC 3339.
    pub(crate) timestamp: String,
    /// Whether the files can be restored along with the conversation.
    pub(crate) can_restore_files: bool,
    pub(crate) file_count: u64,
    pub(crate) lines_added: u64,
    pub(crate) lines_removed: u64,
}

/// A file that rewinding would change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Restored {
    pub(crate) path: String,
    /// What the session did to it: `created`, `modified`, `deleted`.
    pub(crate) change_type: String,
    pub(crate) lines_added: u64,
    pub(crate) lines_removed: u64,
}

/// What rewinding did.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rewound {
    pub(crate) events_removed: u64,
    pub(crate) restored: Vec<String>,
    /// Files that were not restored, each with the reason: somebody else changed them.
    pub(crate) skipped: Vec<String>,
}

impl Session {
    /// Aborts the turn; the session goes on. While MCP servers start, the runtime aborts without saying so (docs/copilot-cli.md,
    /// event-abort).
    pub(crate) async fn interrupt(&self) -> Result<(), SdkError> {
        self.call("session.abort", json!({ "reason": "user_initiated" })).await.map(drop).map_err(SdkError::explain_ended)
    }

    /// Asks by a form what a request asks, because Mission Control can show a form. Returns the choice, if somebody makes one.
    pub(crate) async fn ask_by_form(&self, request: &Request) -> Result<Option<String>, SdkError> {
        let choice = json!({ "type": "string", "title": "Answer", "enum": request.choices });
        let schema = json!({ "type": "object", "properties": { "answer": choice }, "required": ["answer"] });
        let params = json!({ "message": request.what, "requestedSchema": schema });
        let answer = self.call("session.ui.elicitation", params).await?;
        Ok(answer["content"]["answer"].as_str().filter(|_| answer["action"] == "accept").map(ToOwned::to_owned))
    }

    /// Withdraws such a form.
    pub(crate) async fn withdraw_form(&self, id: &str) -> Result<(), SdkError> {
        let params = json!({ "requestId": id, "result": { "action": "cancel" } });
        self.call("session.ui.handlePendingElicitation", params).await.map(drop)
    }

    /// How many accepted prompts are not part of the session yet.
    pub(crate) async fn queued(&self) -> Result<usize, SdkError> {
        let answer = self.call("session.queue.pendingItems", json!({})).await?;
        let count = |field: &str| answer[field].as_array().map_or(0, Vec::len);
        Ok(count("items") + count("steeringMessages"))
    }

    /// Returns whether the session has something to do, and whether a prompt is in the queue. A prompt that left the queue and
    /// has not begun counts for the first only (docs/copilot-cli.md, event-begun).
    pub(crate) async fn is_at_work(&self) -> Result<(bool, bool), SdkError> {
        let activity = self.call("session.metadata.activity", json!({}));
        let (activity, queued) = tokio::try_join!(activity, self.queued())?;
        Ok((activity["hasActiveWork"] == true || queued > 0, queued > 0))
    }

    /// Lets the session go on without the MCP servers that still start; their tools come once they are ready. Returns whether
    /// there were any.
    pub(crate) async fn do_without_servers(&self) -> Result<bool, SdkError> {
        Ok(self.call("session.mcp.moveLoadingToBackground", json!({})).await?["movedToBackground"] == true)
    }

    /// The files that were changed, compared with `against`.
    pub(crate) async fn changes(&self, against: Against) -> Result<Changes, SdkError> {
        let mode = match against {
            Against::Commit => "unstaged",
            Against::Branch => "branch",
            Against::Start => "session",
        };
        let answer = self.call("session.workspaces.diff", json!({ "mode": mode })).await.map_err(SdkError::explain_ended)?;
        if answer["isFallback"] == true || answer["unavailableReason"].is_string() {
            let why = answer["unavailableReason"].as_str().unwrap_or("this is not known of the session");
            return Err(SdkError::NotNow { what: "the changes cannot be told".to_owned(), why: why.replace('-', " ") });
        }
        let files = serde_json::from_value(answer["changes"].clone());
        let files = files.map_err(|error| SdkError::UnexpectedAnswer { message: error.to_string() })?;
        Ok(Changes { files, base: answer["baseBranch"].as_str().map(ToOwned::to_owned) })
    }

    /// What the session used, and the quotas of the account.
    pub(crate) async fn usage(&self) -> Result<Usage, SdkError> {
        let context = json!({ "promptTokenLimit": 0, "outputTokenLimit": 0 });
        let (metrics, context, quota) = tokio::join!(
            self.call("session.usage.getMetrics", json!({})),
            self.call("session.metadata.contextInfo", context),
            self.call("session.quota.get", json!({})),
        );
        let metrics = metrics.map_err(SdkError::explain_ended)?;
        // GitHub may be out of reach, while what the session itself used is known here.
        let (context, quota) = (context.unwrap_or_default(), quota.unwrap_or_default());
        let models = metrics["modelMetrics"].as_object().into_iter().flatten();
        let model = |(model, metrics): (&String, &Value)| {
            let usage = &metrics["usage"];
            ModelUsage {
                model: model.clone(),
                requests: number(&metrics["requests"]["count"]),
                input_tokens: number(&usage["inputTokens"]),
                output_tokens: number(&usage["outputTokens"]),
                cached_tokens: number(&usage["cacheReadTokens"]),
            }
        };
        let info = &context["contextInfo"];
        let changes = &metrics["codeChanges"];
        let quotas = quota["snapshots"].as_object().into_iter().flatten();
        Ok(Usage {
            models: models.map(model).collect(),
            premium_requests: metrics["totalPremiumRequestCost"].as_f64().unwrap_or_default(),
            prompts: number(&metrics["totalUserRequests"]),
            api_milliseconds: number(&metrics["totalApiDurationMs"]),
            lines_added: number(&changes["linesAdded"]),
            lines_removed: number(&changes["linesRemoved"]),
            files_modified: number(&changes["filesModifiedCount"]),
            context: info["totalTokens"].as_u64().map(|tokens| ContextUsage { tokens, limit: number(&info["limit"]) }),
            quotas: quotas.map(|(name, quota)| Quota::parse(name, quota)).collect(),
        })
    }

    /// The prompts before which the session can be rewound, the first one first.
    pub(crate) async fn rewind_points(&self) -> Result<Vec<RewindPoint>, SdkError> {
        let answer = self.call("session.history.listRewindPoints", json!({})).await.map_err(SdkError::explain_ended)?;
        if let Some(why) = answer["unavailableReason"].as_str() {
            return Err(cannot_rewind(why));
        }
        let points = serde_json::from_value(answer["points"].clone());
        points.map_err(|error| SdkError::UnexpectedAnswer { message: error.to_string() })
    }

    /// The files that rewinding to this prompt would change.
    pub(crate) async fn preview_rewind(&self, point: &str) -> Result<Vec<Restored>, SdkError> {
        let answer = self.call("session.history.previewRewind", json!({ "eventId": point })).await?;
        if answer["available"] == false {
            return Err(cannot_rewind(answer["reason"].as_str().unwrap_or("unknown")));
        }
        let files = serde_json::from_value(answer["files"].clone());
        files.map_err(|error| SdkError::UnexpectedAnswer { message: error.to_string() })
    }

    /// Rewinds the session to before this prompt, with or without the files.
    pub(crate) async fn rewind(&self, point: &str, files: bool) -> Result<Rewound, SdkError> {
        let mode = if files { "conversation-and-files" } else { "conversation" };
        let answer = self.call("session.history.rewind", json!({ "eventId": point, "mode": mode })).await?;
        match answer["outcome"].as_str() {
            Some("success") => {}
            outcome => return Err(cannot_rewind(answer["error"].as_str().or(outcome).unwrap_or("unknown"))),
        }
        let list = |field: &str, name: &dyn Fn(&Value) -> Option<String>| {
            answer[field].as_array().into_iter().flatten().filter_map(name).collect::<Vec<_>>()
        };
        Ok(Rewound {
            events_removed: number(&answer["eventsRemoved"]),
            restored: list("restoredFiles", &|file| file.as_str().map(ToOwned::to_owned)),
            skipped: list("skippedFiles", &|file| Some(format!("{} ({})", file["path"].as_str()?, file["reason"].as_str()?))),
        })
    }
}

fn cannot_rewind(why: &str) -> SdkError {
    SdkError::NotNow { what: "the session cannot be taken back".to_owned(), why: why.replace('-', " ") }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

impl Quota {
    fn parse(name: &str, quota: &Value) -> Self {
        let number = |names: [&str; 2]| names.into_iter().find_map(|name| quota[name].as_f64()).unwrap_or_default();
        Self {
            name: name.to_owned(),
            unlimited: quota["isUnlimitedEntitlement"] == true || quota["unlimited"] == true,
            entitlement: number(["entitlementRequests", "entitlement"]),
            used: number(["usedRequests", "used"]),
            remaining_percent: number(["remainingPercentage", "percentRemaining"]),
            resets_at: quota["resetDate"].as_str().map(ToOwned::to_owned),
        }
    }
}
