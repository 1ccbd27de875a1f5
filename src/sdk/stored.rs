//! Sessions that the runtime keeps on disk. Those that have ended can be resumed.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::runtime::call;
use super::{Runtime, SdkError};

/// A session on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    /// The name that the user gave, or the title that the runtime made of the first prompt.
    pub(crate) name: Option<String>,
    /// The folder in which the session worked.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) repository: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) modified: Timestamp,
}

impl Runtime {
    /// All sessions on disk, the latest first.
    pub(crate) async fn stored(&self) -> Result<Vec<Stored>, SdkError> {
        let answer = call(&self.client, "sessions.list", json!({ "source": "local" })).await?;
        let mut stored: Vec<Stored> = answer["sessions"].as_array().into_iter().flatten().filter_map(Stored::parse).collect();
        stored.sort_by_key(|stored| std::cmp::Reverse(stored.modified));
        Ok(stored)
    }

    /// Whether another Copilot CLI has the session open. The one that is asked does not count itself (docs/copilot-cli.md,
    /// resume-in-use).
    pub(crate) async fn is_in_use(&self, id: &str) -> Result<bool, SdkError> {
        let answer = call(&self.client, "sessions.checkInUse", json!({ "sessionIds": [id] })).await?;
        Ok(answer["inUse"].as_array().is_some_and(|ids| ids.iter().any(|other| *other == id)))
    }

    /// Whether the session was steerable when it last was open; `None` if it never was shared.
    pub(crate) async fn was_steerable(&self, id: &str) -> Result<Option<bool>, SdkError> {
        let answer = call(&self.client, "sessions.getPersistedRemoteSteerable", json!({ "sessionId": id })).await?;
        Ok(answer["remoteSteerable"].as_bool())
    }
}

impl Stored {
    fn parse(session: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let context = &session["context"];
        // The id becomes part of file names here, so one with other characters is left out.
        let plain = |id: &String| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        Some(Self {
            id: text(&session["sessionId"]).filter(plain)?,
            name: text(&session["name"]).or_else(|| text(&session["summary"])),
            directory: text(&context["cwd"]).map(PathBuf::from),
            repository: text(&context["repository"]),
            branch: text(&context["branch"]),
            modified: text(&session["modifiedTime"])?.parse().ok()?,
        })
    }
}
