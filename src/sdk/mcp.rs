//! MCP servers that a session is given, as the Copilot CLI's own files write them: `{"mcpServers":{NAME:{…}}}`.

use std::path::Path;

use github_copilot_sdk::McpServerConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SdkError;

/// MCP servers by their names. Their environment and headers may hold secrets, so `Debug` shows the names alone.
#[derive(Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct McpServers(Map<String, Value>);

impl std::fmt::Debug for McpServers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl McpServers {
    /// Reads the servers of a file. An error says in words what is wrong, and shows no secret.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let document: Value = serde_json::from_str(&text)
            .map_err(|error| format!("it is no JSON: line {}, column {}", error.line(), error.column()))?;
        let Some(servers) = document["mcpServers"].as_object() else {
            return Err("it has no \"mcpServers\"".to_owned());
        };
        let servers = Self(servers.clone());
        servers.typed::<Value>().map_err(|error| error.to_string())?;
        Ok(servers)
    }

    /// Adds those servers whose names are not there yet.
    pub(crate) fn add_missing(&mut self, more: Self) {
        for (name, server) in more.0 {
            self.0.entry(name).or_insert(server);
        }
    }

    /// Converts to the map that the crate wants, whose type the crate does not name itself.
    pub(super) fn typed<T: DeserializeOwned>(&self) -> Result<Option<T>, SdkError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let mut servers = self.0.clone();
        for (name, server) in &mut servers {
            // The CLI's files may leave the type out: a server with a URL is asked over HTTP, and one with a command is run
            // (docs/copilot-cli.md, mcp-files).
            if server["type"].is_null() && server.is_object() {
                server["type"] = if server["url"].is_string() { "http" } else { "stdio" }.into();
            }
            McpServerConfig::deserialize(&*server).map_err(|_| SdkError::McpServer { name: name.clone() })?;
        }
        let servers = serde_json::from_value(Value::Object(servers));
        servers.map(Some).map_err(|error| SdkError::McpServer { name: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::McpServers;

    #[test]
    fn a_file_that_is_wrong_is_told_by_the_name_of_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = folder.path().join("mcp.json");
            std::fs::write(&file, text).unwrap();
            McpServers::read(&file)
        };
        assert_eq!(read("{").unwrap_err(), "it is no JSON: line 1, column 1");
        assert_eq!(read("{}").unwrap_err(), "it has no \"mcpServers\"");
        let wrong = read(r#"{"mcpServers":{"desk":{"command":["5ecret"]}}}"#).unwrap_err();
        assert!(wrong.contains("desk") && !wrong.contains("5ecret"), "{wrong}");
        let servers = read(r#"{"mcpServers":{"desk":{"command":"desk"},"web":{"url":"https://example.com/mcp"}}}"#).unwrap();
        assert_eq!(format!("{servers:?}"), r#"["desk", "web"]"#);
    }
}
