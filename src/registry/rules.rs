//! The rules of a session: which tools are used without asking, and which cannot be used. The runtime forgets them when the session ends;
//! here they outlive it, and its journal, for the day on which it is resumed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Registry, SCHEMA, is_plain, read, remove, write};
use crate::paths::StateError;
use crate::sdk::Rule;

/// The rules of one session.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    schema: u32,
    pub(crate) allowed: Vec<Rule>,
    pub(crate) denied: Vec<Rule>,
}

impl Rules {
    pub(crate) fn new(allowed: Vec<Rule>, denied: Vec<Rule>) -> Self {
        Self { schema: SCHEMA, allowed, denied }
    }
}

impl Registry {
    fn rules_file(&self, session: &str) -> PathBuf {
        debug_assert!(is_plain(session));
        self.folder.join("logs").join(format!("session-{session}.rules"))
    }

    /// The rules that a session had.
    pub(crate) fn rules(&self, session: &str) -> anyhow::Result<Rules> {
        let file = self.rules_file(session);
        // A rule that is left out would let a tool be used.
        read(&file).transpose().map(Option::unwrap_or_default).map_err(|why| {
            anyhow::anyhow!(
                "the rules of the session cannot be read ({}: {why}); remove the file to go on without them",
                file.display()
            )
        })
    }

    /// Keeps them; a session without any has no file.
    pub(crate) fn keep_rules(&self, session: &str, rules: &Rules) -> Result<(), StateError> {
        let file = self.rules_file(session);
        if rules.allowed.is_empty() && rules.denied.is_empty() {
            remove(&file);
            return Ok(());
        }
        write(&file, rules)
    }
}
