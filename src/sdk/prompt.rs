//! A prompt, and the files and folders that go along with it.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A prompt for the agent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) text: String,
    /// Files and folders that go along, as whole paths. The runtime reads them, and shows images to the model as images
    /// (docs/copilot-cli.md, prompt-attachments).
    pub(crate) files: Vec<PathBuf>,
    /// The agent's mode for this one prompt: `interactive`, `plan`, `autopilot`.
    pub(crate) mode: Option<String>,
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

impl Prompt {
    pub(super) fn to_json(&self) -> Value {
        let mut params = json!({ "prompt": self.text });
        if !self.files.is_empty() {
            let attachment = |file: &PathBuf| {
                let kind = if file.is_dir() { "directory" } else { "file" };
                let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
                json!({ "type": kind, "path": file, "displayName": name })
            };
            params["attachments"] = self.files.iter().map(attachment).collect();
        }
        if let Some(mode) = &self.mode {
            params["agentMode"] = json!(mode);
        }
        params
    }
}
