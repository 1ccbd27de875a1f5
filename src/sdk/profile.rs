//! What a session is to be: one place, for a session that is created, made anew after its runtime died, resumed, or handed over.
//!
//! A client of the runtime gets a lesser session than `copilot` in a terminal does, unless it asks for the rest. What is asked for here makes
//! the two alike, and each part was seen to be needed (CLI 1.0.102).

use std::path::PathBuf;
use std::sync::Arc;

use github_copilot_sdk::{ResumeSessionConfig, SessionConfig, SessionId, WorkingDirectoryTrust};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::session::LeavePending;
use super::{McpServers, Person, Rule, SdkError, Secret, Session};

/// The mode in which nobody is asked.
pub(crate) const ALLOW_ALL: &str = "allow-all";
/// The mode in which a person is asked.
pub(crate) const ASK: &str = "manual";
/// What the agent is to do, where nobody says otherwise.
pub(crate) const INTERACTIVE: &str = "interactive";

/// What `copilot` in a terminal is capable of: tools and parts of the system prompt come with it.
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

/// Where a repository says which MCP servers it wants.
const REPOSITORY_SERVERS: &str = ".mcp.json";

/// What a session is to be, when it is created and when it is resumed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionOptions {
    pub(crate) directory: PathBuf,
    pub(crate) name: Option<String>,
    /// Asked for. The session keeps it, and what it is switched to.
    pub(crate) model: Option<String>,
    /// The reasoning effort, kept like the model.
    pub(crate) effort: Option<String>,
    /// The custom agent, kept like the model.
    pub(crate) agent: Option<String>,
    /// What the agent is to do: `interactive`, `plan`, `autopilot`. The runtime forgets it when the session ends.
    pub(crate) mode: Option<String>,
    /// Every tool may be used without asking, from the start, or it is an error.
    pub(crate) allow_all: bool,
    /// How requests for permission are to be answered; None: as the runtime has it.
    pub(crate) permission_mode: Option<String>,
    /// Tools that are used without asking.
    pub(crate) allowed: Vec<Rule>,
    /// Tools that may not be used, whoever allows them.
    pub(crate) denied: Vec<Rule>,
    /// What a person allowed for the session since.
    pub(crate) approved: Vec<Rule>,
    /// Folders besides its own that the session may use.
    pub(crate) directories: Vec<PathBuf>,
    /// Files with MCP servers besides those that are configured, and what is in them.
    pub(crate) mcp_configs: Vec<PathBuf>,
    pub(crate) servers: McpServers,
    /// Neither the repository's instructions nor the person's own.
    pub(crate) no_instructions: bool,
    pub(crate) trust: Trust,
    /// What the person's settings say.
    pub(crate) person: Person,
    /// Signs in this session alone. Given by RPC: in the environment, every tool would see it.
    pub(crate) token: Option<Secret>,
}

/// Whether what the repository brings along and what runs by itself may run: hooks and MCP servers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Trust {
    /// Nobody said so: nothing of it runs.
    #[default]
    No,
    /// The person said so for this session.
    Session,
    /// The person says so for good; the runtime writes that down with the session that it creates.
    Always,
    /// The runtime knows that the person trusts the folder.
    Known,
}

impl Trust {
    pub(crate) fn is_given(self) -> bool {
        self != Trust::No
    }
}

/// How far a session is there already, when it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It begins.
    Created,
    /// It was on disk, and is alive again.
    Revived,
    /// It lives: another client of ours gave it all of this.
    Joined,
}

/// What the configurations of a new and of a resumed session have in common: the crate has two types with the same fields.
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
    /// Of a session that begins.
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

    /// Of one that goes on. The model is the session's own by then.
    ///
    /// One that lives has what was discovered, and its MCP servers; asked for them again, it would start them anew, and answer nobody until
    /// the last of them is there (measured).
    pub(super) fn to_resume(&self, id: &str, stage: Stage) -> Result<ResumeSessionConfig, SdkError> {
        let mut config = ResumeSessionConfig::new(SessionId::from(id.to_owned()));
        configure!(config, self);
        if stage == Stage::Revived {
            config.enable_config_discovery = Some(true);
            config.mcp_servers = self.servers_to_resume().typed()?;
            // While GitHub cannot say which agents an organisation has, a session that is resumed answers nobody, for minutes (measured).
            config.custom_agents_local_only = self.agent.is_none().then_some(true);
        }
        Ok(config)
    }

    /// A session cannot be resumed with the trust of one session (measured), and starts no MCP server of the repository without it: they are
    /// named to it.
    fn servers_to_resume(&self) -> McpServers {
        let mut servers = self.servers.clone();
        if self.trust == Trust::Session {
            servers.add_missing(McpServers::read(&self.directory.join(REPOSITORY_SERVERS)).unwrap_or_default());
        }
        servers
    }
}

impl Session {
    /// The rest, which the crate's configuration has no field for. Before anybody can send a prompt.
    pub(super) async fn apply(&self, options: &SessionOptions, stage: Stage) -> Result<(), SdkError> {
        tokio::try_join!(
            self.set_options(options, stage),
            self.set_rules(options),
            self.settle_mode(options, stage),
            self.settle_permission_mode(options, stage),
            // The answers that the person had kept for the project.
            async {
                let params = json!({ "workingDirectory": options.directory });
                self.call("session.permissions.locations.apply", params).await.map(drop)
            },
        )?;
        if stage == Stage::Revived {
            // The agents of an organisation come when GitHub says them.
            let session = self.clone();
            tokio::spawn(async move { session.call("session.agent.reload", json!({})).await });
        }
        Ok(())
    }

    async fn set_options(&self, profile: &SessionOptions, stage: Stage) -> Result<(), SdkError> {
        // With script safety, reads and what only reads are told from the rest, and commands from each other.
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
        // Nothing is said of `paths`: with the folder of the session there, files are written unasked (measured).
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

    /// What the person asked for is done or fails. What only their settings say, or was so before, an organisation may have forbidden since:
    /// then somebody is asked, as in `copilot`.
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

/// Refuses what the runtime did not take: what was to be safe would not be.
fn taken(answer: &Value, what: &str) -> Result<(), SdkError> {
    if answer["success"] == true { Ok(()) } else { Err(SdkError::PolicyNotTaken { what: what.to_owned() }) }
}
