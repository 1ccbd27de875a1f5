//! Says what a session is: one place for a session that is created, made anew after its runtime died, resumed, or handed over.
//!
//! A client of the runtime gets a lesser session than `copilot` in a terminal, unless it asks for the rest (docs/copilot-cli.md,
//! create-lesser). What is asked for here makes the two alike.

use std::path::PathBuf;
use std::sync::Arc;

use github_copilot_sdk::{ResumeSessionConfig, SessionConfig, SessionId, WorkingDirectoryTrust};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::session::LeavePending;
use super::{McpServers, Person, Rule, SdkError, Secret, Session};

/// The permission mode in which nobody is asked.
pub(crate) const ALLOW_ALL: &str = "allow-all";
/// The permission mode in which a person is asked.
pub(crate) const ASK: &str = "manual";
/// The agent's mode where nobody chose another one.
pub(crate) const INTERACTIVE: &str = "interactive";

/// The capabilities of `copilot` in a terminal. Tools and parts of the system prompt depend on them.
const CAPABILITIES: [&str; 8] = [
    "plan-mode",
    "memory",
    "cli-documentation",
    "ask-user",
    "interactive-mode",
    "system-notifications",
    "elicitation",
    "session-store",
];

/// The file in which a repository names the MCP servers that it wants.
const REPOSITORY_SERVERS: &str = ".mcp.json";

/// Everything that a session is given when it is created or resumed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionOptions {
    pub(crate) directory: PathBuf,
    pub(crate) name: Option<String>,
    /// The model that was asked for. The runtime keeps it with the session, and also the one that the session is switched to
    /// later.
    pub(crate) model: Option<String>,
    /// The reasoning effort. The runtime keeps it like the model.
    pub(crate) effort: Option<String>,
    /// The custom agent. The runtime keeps it like the model.
    pub(crate) agent: Option<String>,
    /// The agent's mode: `interactive`, `plan`, `autopilot`. The runtime forgets it when the session ends, so it is set again.
    pub(crate) mode: Option<String>,
    /// Whether the session begins in allow-all. If that is refused, creating the session fails.
    pub(crate) allow_all: bool,
    /// The permission mode; `None` leaves it as the runtime has it.
    pub(crate) permission_mode: Option<String>,
    /// Tools that are used without asking.
    pub(crate) allowed: Vec<Rule>,
    /// Tools that may not be used, whoever allows them.
    pub(crate) denied: Vec<Rule>,
    /// What a person allowed for the rest of the session when a permission was asked for.
    pub(crate) approved: Vec<Rule>,
    /// Folders that the session may use besides its own.
    pub(crate) directories: Vec<PathBuf>,
    /// Files with MCP servers besides those that the person has configured, and the servers in them.
    pub(crate) mcp_configs: Vec<PathBuf>,
    pub(crate) servers: McpServers,
    /// Whether the instructions of the repository and of the person are left out.
    pub(crate) no_instructions: bool,
    pub(crate) trust: Trust,
    /// The person's settings that the runtime does not apply by itself.
    pub(crate) person: Person,
    /// A token that signs in this session alone. It is given by a call, as every tool would see it in the environment.
    pub(crate) token: Option<Secret>,
}

/// Whether the hooks and MCP servers that the repository brings along may run. They run as the person, without being asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Trust {
    /// Nobody said yes, so none of them runs.
    #[default]
    No,
    /// The person said yes for this session.
    Session,
    /// The person said yes for good. The runtime writes that down with the session that it creates.
    Always,
    /// The runtime knows that the person trusts the folder.
    Known,
}

impl Trust {
    pub(crate) fn is_given(self) -> bool {
        self != Trust::No
    }
}

/// What a session is before it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does not exist yet.
    Created,
    /// It was on disk, and is brought back to life.
    Revived,
    /// It lives, and another client of ours has configured it.
    Joined,
}

/// Sets what the configurations of a new and of a resumed session have in common. The crate has two types with the same fields.
macro_rules! configure {
    ($config:ident, $options:ident) => {
        $config.working_directory = Some($options.directory.clone());
        $config.client_name = Some("copilot-remote".to_owned());
        $config.streaming = Some(true);
        $config.github_token = $options.token.as_ref().map(|token| token.expose().to_owned());
        $config.enable_session_store = Some(true);
        $config.enable_managed_settings = Some(true);
        $config.enable_file_change_tracking = Some(true);
        $config.enable_file_hooks = Some($options.trust.is_given());
        $config.agent.clone_from(&$options.agent);
        $config.skip_custom_instructions = $options.no_instructions.then_some(true);
        $config.coauthor_enabled = $options.person.no_co_author.then_some(false);
        if !$options.directories.is_empty() {
            $config.additional_directories = Some($options.directories.clone());
        }
        $config.permission_handler = Some(Arc::new(LeavePending));
        $config.user_input_handler = Some(Arc::new(LeavePending));
        $config.exit_plan_mode_handler = Some(Arc::new(LeavePending));
        $config.elicitation_handler = Some(Arc::new(LeavePending));
        $config.auto_mode_switch_handler = Some(Arc::new(LeavePending));
    };
}

impl SessionOptions {
    /// The configuration of a session that begins.
    pub(super) fn to_create(&self, id: Option<&str>) -> Result<SessionConfig, SdkError> {
        let mut config = SessionConfig::default();
        configure!(config, self);
        config.enable_config_discovery = Some(true);
        config.mcp_servers = self.servers.typed()?;
        config.session_id = id.map(|id| SessionId::from(id.to_owned()));
        config.name.clone_from(&self.name);
        config.model.clone_from(&self.model);
        config.reasoning_effort.clone_from(&self.effort);
        config.trust_working_directory = match self.trust {
            Trust::No | Trust::Known => None,
            Trust::Session => Some(WorkingDirectoryTrust::Session),
            Trust::Always => Some(WorkingDirectoryTrust::User),
        };
        Ok(config)
    }

    /// The configuration of a session that goes on. It has a model of its own by then.
    ///
    /// A session that lives has its MCP servers and what was discovered for it. Asked for them again, it would start the servers
    /// anew, and answer nobody until the last one is ready (docs/copilot-cli.md, resume-live-servers).
    pub(super) fn to_resume(&self, id: &str, stage: Stage) -> Result<ResumeSessionConfig, SdkError> {
        let mut config = ResumeSessionConfig::new(SessionId::from(id.to_owned()));
        configure!(config, self);
        if stage == Stage::Revived {
            config.enable_config_discovery = Some(true);
            config.mcp_servers = self.servers_to_resume().typed()?;
            // While GitHub does not say which agents an organisation has, a session that is resumed with them answers nobody, for
            // minutes (docs/copilot-cli.md, resume-agents).
            config.custom_agents_local_only = self.agent.is_none().then_some(true);
        }
        Ok(config)
    }

    /// A session cannot be resumed with trust for one session, and without trust it starts none of the repository's MCP servers
    /// (docs/copilot-cli.md, resume-trust). So the servers are named to it.
    fn servers_to_resume(&self) -> McpServers {
        let mut servers = self.servers.clone();
        if self.trust == Trust::Session {
            servers.add_missing(McpServers::read(&self.directory.join(REPOSITORY_SERVERS)).unwrap_or_default());
        }
        servers
    }
}

impl Session {
    /// Sets the rest, for which the crate's configuration has no field. Happens before anybody can send a prompt.
    pub(super) async fn apply(&self, options: &SessionOptions, stage: Stage) -> Result<(), SdkError> {
        tokio::try_join!(
            self.set_options(options, stage),
            self.set_rules(options),
            self.settle_mode(options, stage),
            self.settle_permission_mode(options, stage),
            // The answers that the person had kept for the project in `copilot`.
            async {
                let params = json!({ "workingDirectory": options.directory });
                self.call("session.permissions.locations.apply", params).await.map(drop)
            },
        )?;
        if stage == Stage::Revived {
            // Now that the session answers, the agents of the organisation may take as long as GitHub needs.
            let session = self.clone();
            tokio::spawn(async move { session.call("session.agent.reload", json!({})).await });
        }
        Ok(())
    }

    async fn set_options(&self, profile: &SessionOptions, stage: Stage) -> Result<(), SdkError> {
        // With script safety, the runtime tells reads from the rest, and one command from another, so that fewer permissions are
        // asked for.
        let mut options = json!({ "enableScriptSafety": true, "sessionCapabilities": CAPABILITIES });
        if stage == Stage::Revived {
            options["customAgentsLocalOnly"] = false.into();
        }
        if let Some(sandbox) = &profile.person.sandbox {
            options["sandboxConfig"] = sandbox.clone();
        }
        taken(&self.call("session.options.update", options).await?, "the options of the session")
    }

    async fn set_rules(&self, profile: &SessionOptions) -> Result<(), SdkError> {
        // `paths` is left out: with the folder of the session in it, files are written unasked (docs/copilot-cli.md,
        // permission-paths).
        let urls = |urls: &[String]| urls.iter().map(|url| json!({ "kind": "url", "argument": url })).collect::<Vec<_>>();
        let denied = profile.denied.iter().map(Rule::to_json).chain(urls(&profile.person.denied_urls));
        let params = json!({
            "approveAllReadPermissionRequests": true,
            "urls": { "initialAllowed": profile.person.allowed_urls },
            "rules": { "approved": urls(&profile.person.allowed_urls), "denied": denied.collect::<Vec<_>>() },
        });
        taken(&self.call("session.permissions.configure", params).await?, "what is allowed and denied")?;
        if profile.approved.is_empty() {
            return Ok(());
        }
        let add: Vec<Value> = profile.approved.iter().map(Rule::to_json).collect();
        let params = json!({ "scope": "session", "add": add });
        taken(&self.call("session.permissions.modifyRules", params).await?, "what was allowed for the session")
    }

    async fn settle_mode(&self, profile: &SessionOptions, stage: Stage) -> Result<(), SdkError> {
        let Some(mode) = profile.mode.as_deref().filter(|_| stage != Stage::Joined) else { return Ok(()) };
        if stage == Stage::Revived && self.mode().await? == mode || stage == Stage::Created && mode == INTERACTIVE {
            return Ok(());
        }
        self.set_mode(mode).await
    }

    /// Sets the permission mode. What the person asked for is set or fails. What only their settings say, or what was so before,
    /// an organisation may have forbidden since; then a person is asked, as in `copilot`.
    async fn settle_permission_mode(&self, profile: &SessionOptions, stage: Stage) -> Result<(), SdkError> {
        let wanted = if profile.allow_all { Some(ALLOW_ALL) } else { profile.permission_mode.as_deref() };
        let Some(mode) = wanted.filter(|mode| stage != Stage::Joined && !mode.is_empty()) else { return Ok(()) };
        if stage == Stage::Revived && self.permission_mode().await? == mode || stage == Stage::Created && mode == ASK {
            return Ok(());
        }
        match self.set_permission_mode(mode).await {
            Err(SdkError::Managed { .. } | SdkError::PolicyNotTaken { .. }) if !profile.allow_all => Ok(()),
            set => set,
        }
    }
}

/// Refuses an answer of the runtime that is no success: a session without what was to make it safe may not go on.
fn taken(answer: &Value, what: &str) -> Result<(), SdkError> {
    if answer["success"] == true { Ok(()) } else { Err(SdkError::PolicyNotTaken { what: what.to_owned() }) }
}
