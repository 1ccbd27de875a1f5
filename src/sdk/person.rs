//! The person whose session it is: their settings, what they trust, and which managed settings bind them.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Runtime, SdkError};

/// The person's settings that the runtime does not apply to a client's session by itself (docs/copilot-cli.md,
/// settings-not-applied).
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Person {
    /// The sandbox settings as they are stored, so that fields of a later CLI are not lost.
    pub(crate) sandbox: Option<Value>,
    pub(crate) allowed_urls: Vec<String>,
    pub(crate) denied_urls: Vec<String>,
    /// Whether commits are not to name Copilot as a co-author.
    pub(crate) no_co_author: bool,
    /// The agent's mode: `interactive`, `plan`, `autopilot`.
    pub(crate) mode: Option<String>,
    /// The permission mode.
    pub(crate) permission_mode: Option<String>,
    pub(crate) effort: Option<String>,
}

impl Person {
    fn parse(settings: &Value) -> Self {
        let set = |name: &str| Some(&settings[name]).filter(|setting| setting["isDefault"] == false).map(|it| &it["value"]);
        let word = |name: &str| set(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let words = |name: &str| {
            let words = set(name).and_then(Value::as_array).into_iter().flatten();
            words.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        };
        Self {
            sandbox: set("sandbox").filter(|sandbox| sandbox.is_object()).cloned(),
            allowed_urls: words("allowedUrls"),
            denied_urls: words("deniedUrls"),
            no_co_author: set("includeCoAuthoredBy").is_some_and(|value| *value == false),
            mode: word("defaultMode"),
            permission_mode: word("defaultPermissionMode"),
            effort: word("effortLevel"),
        }
    }

    /// Whether shell commands are to run in a sandbox.
    pub(crate) fn is_sandboxed(&self) -> bool {
        self.sandbox.as_ref().is_some_and(|sandbox| sandbox["enabled"] == true)
    }
}

/// Settings that an organisation or the owner of the machine enforces.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Managed {
    /// Who enforces them: `server`, `device`, …; `None` if nobody does.
    pub(crate) by: Option<String>,
    /// Whether allow-all is forbidden.
    pub(crate) no_allow_all: bool,
    /// Whether sharing sessions is forbidden.
    pub(crate) no_remote: bool,
    /// Shell commands run in a sandbox.
    pub(crate) sandboxed: bool,
    /// The names of the settings that are enforced.
    pub(crate) keys: Vec<String>,
}

impl Managed {
    /// Reads the event that tells of managed settings, or the answer to [`Runtime::managed`], which has the same form.
    pub(super) fn parse(resolved: &Value) -> Self {
        let settings = &resolved["settings"];
        let keys = resolved["managedKeys"].as_array().into_iter().flatten();
        Self {
            by: resolved["source"].as_str().filter(|source| *source != "none").map(ToOwned::to_owned),
            no_allow_all: resolved["bypassPermissionsDisabled"] == true,
            no_remote: settings["remoteControl"]["mode"] == "disabled",
            sandboxed: settings["sandbox"]["enabled"] == true || resolved["sandboxEnabledByUndeterminedPolicy"] == true,
            keys: keys.filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        }
    }

    /// Who enforces the settings, in words that a person can act on.
    pub(crate) fn who(&self) -> String {
        match self.by.as_deref() {
            Some("server") => "your organisation's managed settings at GitHub".to_owned(),
            Some("device") => format!("this machine's managed settings ({})", device_file()),
            Some("mixed") => format!("the managed settings of your organisation and of this machine ({})", device_file()),
            Some(other) => format!("managed settings ({other})"),
            None => "managed settings".to_owned(),
        }
    }
}

/// Where the machine's managed settings are, for messages.
fn device_file() -> &'static str {
    if cfg!(target_os = "macos") {
        "/Library/Application Support/GitHubCopilot/managed-settings.json, or a profile"
    } else if cfg!(windows) {
        "ProgramData, or a policy"
    } else {
        "/etc/github-copilot/managed-settings.json"
    }
}

/// A model that the account may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) id: String,
    /// The reasoning efforts that the model knows; empty if it has none.
    pub(crate) efforts: Vec<String>,
}

impl Runtime {
    /// Reads the person's settings.
    pub(crate) async fn person(&self) -> Result<Person, SdkError> {
        Ok(Person::parse(&self.ask("user.settings.get", json!({})).await?["settings"]))
    }

    /// Whether the person trusts a folder, as the CLI remembers it.
    pub(crate) async fn trusts(&self, folder: &Path) -> Result<bool, SdkError> {
        Ok(self.ask("permissions.folderTrust.checkTrust", json!({ "path": folder })).await?["trusted"] == true)
    }

    /// Reads the managed settings of GitHub and of the machine.
    pub(crate) async fn managed(&self) -> Result<Managed, SdkError> {
        Ok(Managed::parse(&self.ask("managedSettings.resolve", json!({})).await?["resolved"]))
    }

    /// The models of the account.
    pub(crate) async fn models(&self) -> Result<Vec<Model>, SdkError> {
        let answer = self.ask("models.list", json!({})).await?;
        let model = |model: &Value| {
            let efforts = model["supportedReasoningEfforts"].as_array().into_iter().flatten();
            let efforts = efforts.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
            Some(Model { id: model["id"].as_str()?.to_owned(), efforts })
        };
        Ok(answer["models"].as_array().into_iter().flatten().filter_map(model).collect())
    }

    /// The custom agents that a session in this folder could use, in the folder's repository and in the person's own settings.
    pub(crate) async fn agents(&self, folder: &Path) -> Result<Vec<String>, SdkError> {
        let answer = self.ask("agents.discover", json!({ "projectPaths": [folder] })).await?;
        let id = |agent: &Value| agent["id"].as_str().or(agent["name"].as_str()).map(ToOwned::to_owned);
        Ok(answer["agents"].as_array().into_iter().flatten().filter_map(id).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Person;

    #[test]
    fn only_what_was_set_counts() {
        let settings = json!({
            "sandbox": {"value": {"enabled": true, "new": 1}, "default": null, "isDefault": false},
            "deniedUrls": {"value": ["https://a.example"], "default": null, "isDefault": false},
            "defaultMode": {"value": "interactive", "default": "interactive", "isDefault": true},
            "includeCoAuthoredBy": {"value": false, "default": true, "isDefault": false},
        });
        let person = Person::parse(&settings);
        assert!(person.is_sandboxed() && person.no_co_author && person.mode.is_none());
        assert_eq!(person.denied_urls, ["https://a.example"]);
        assert_eq!(Person::parse(&json!({})), Person::default());
    }
}
