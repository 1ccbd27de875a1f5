//! What the runtime knows of the account that it is signed in to.

use serde_json::{Value, json};

use super::runtime::call;
use super::{Runtime, SdkError};

/// An account, as GitHub describes it to the Copilot CLI. A flag that GitHub does not send is `None`, which counts as allowed
/// (docs/copilot-cli.md, sign-in-unknown-flags).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Where the sign-in comes from: the name of an environment variable, or a kind such as `user`.
    pub(crate) from: String,
    pub(crate) plan: Option<String>,
    /// Whether the account's sessions may be steered from elsewhere.
    pub(crate) remote_control: Option<bool>,
    /// Whether sessions on this machine may be stored at GitHub. Without this, no session can be shared.
    pub(crate) session_storage: Option<bool>,
}

impl Runtime {
    /// The account that the runtime is signed in to.
    pub(crate) async fn account(&self) -> Result<Account, SdkError> {
        let answer = call(&self.client, "account.getCurrentAuth", json!({})).await?;
        Ok(Account::parse(&answer["authInfo"]))
    }
}

impl Account {
    fn parse(info: &Value) -> Self {
        let user = &info["copilotUser"];
        let word = |value: &Value| value.as_str().map(ToOwned::to_owned);
        Self {
            from: word(&info["envVar"]).or_else(|| word(&info["type"])).unwrap_or_default(),
            plan: word(&user["copilot_plan"]),
            remote_control: user["cli_remote_control_enabled"].as_bool(),
            session_storage: user["cloud_session_storage_enabled"].as_bool(),
        }
    }
}
