//! What a session was given that the runtime forgets when the session ends: here it outlives the session, and its journal, for the day on
//! which the session is resumed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Registry, SCHEMA, is_plain, read, remove, write};
use crate::os::state_dir::StateError;
use crate::sdk::{INTERACTIVE, Rule, SessionOptions};

/// What one session was given.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    schema: u32,
    pub(crate) allowed: Vec<Rule>,
    pub(crate) denied: Vec<Rule>,
    /// Allowed for the session when that was asked.
    pub(crate) approved: Vec<Rule>,
    /// What the agent is to do.
    pub(crate) mode: Option<String>,
    pub(crate) directories: Vec<PathBuf>,
    /// Files with MCP servers: what is in them may be secret, and stays there.
    pub(crate) mcp_configs: Vec<PathBuf>,
    pub(crate) no_instructions: bool,
}

/// The account's models.
#[derive(Debug, Serialize, Deserialize)]
struct Models {
    schema: u32,
    models: Vec<String>,
}

impl Given {
    /// What a session is given by now.
    pub(crate) fn of(options: &SessionOptions) -> Self {
        Self {
            schema: 0,
            allowed: options.allowed.clone(),
            denied: options.denied.clone(),
            approved: options.approved.clone(),
            mode: options.mode.clone().filter(|mode| mode != INTERACTIVE),
            directories: options.directories.clone(),
            mcp_configs: options.mcp_configs.clone(),
            no_instructions: options.no_instructions,
        }
    }
}

impl Registry {
    /// The name is from a time when there were rules alone.
    fn given_file(&self, session: &str) -> PathBuf {
        debug_assert!(is_plain(session));
        self.folder.join("logs").join(format!("session-{session}.rules"))
    }

    /// What a session was given.
    pub(crate) fn given(&self, session: &str) -> anyhow::Result<Given> {
        let file = self.given_file(session);
        // A rule that is left out would let a tool be used.
        read(&file).transpose().map(Option::unwrap_or_default).map_err(|why| {
            anyhow::anyhow!(
                "the rules of the session cannot be read ({}: {why}); remove the file to go on without them",
                file.display()
            )
        })
    }

    fn models_file(&self) -> PathBuf {
        self.folder.join("logs").join("models.json")
    }

    /// The account's models, as they were last told: shells offer them.
    pub(crate) fn models(&self) -> Option<Vec<String>> {
        Some(read::<Models>(&self.models_file())?.ok()?.models)
    }

    /// Keeps them. That they are not offered is no harm.
    pub(crate) fn keep_models(&self, models: &[String]) {
        let _ = write(&self.models_file(), &Models { schema: SCHEMA, models: models.to_owned() });
    }

    /// Keeps it; a session that was given nothing has no file.
    pub(crate) fn keep_given(&self, session: &str, given: &Given) -> Result<(), StateError> {
        let file = self.given_file(session);
        if *given == Given::default() {
            remove(&file);
            return Ok(());
        }
        write(&file, &Given { schema: SCHEMA, ..given.clone() })
    }
}
