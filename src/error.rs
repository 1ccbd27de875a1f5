//! From an error to what the user is told: the exit code, the message, the hints.
//!
//! The only place that knows exit codes. Errors below it are typed where they matter ([`SdkError`], [`RepoError`], …) and
//! `anyhow` in between; [`Report::from`] maps each of them by an exhaustive match.

use std::fmt;
use std::time::Duration;

use crate::os::signals::Signal;
use crate::os::state_dir::StateError;
use crate::registry::target::ChooseError;
use crate::repo::RepoError;
use crate::sdk::SdkError;

/// How the program ends. The numbers are a contract: help, man pages and README print [`Exit::TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    NoSession,
    SignIn,
    NoCli,
    Deadline,
    Refused,
    Repository,
    Input,
    Signal(Signal),
}

impl Exit {
    /// Code and meaning, for people.
    pub(crate) const TABLE: [(&'static str, &'static str); 11] = [
        ("0", "done; also a session ended by x, or ended elsewhere, and nothing to do"),
        ("1", "failed: the service could not be reached, or anything unexpected"),
        ("2", "wrong usage, or a session that is not the only one meant"),
        ("3", "no such session, or it ended before what was waited for"),
        ("4", "not signed in, or a bad or expired token"),
        ("5", "no usable Copilot CLI"),
        ("6", "the deadline (--timeout) passed"),
        ("7", "refused by a policy, or not part of the account's plan"),
        ("8", "not a GitHub repository, or no access to it"),
        ("9", "the session waits for input"),
        ("128+n", "ended by signal n; Ctrl-C is 130"),
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NoSession => 3,
            Exit::SignIn => 4,
            Exit::NoCli => 5,
            Exit::Deadline => 6,
            Exit::Refused => 7,
            Exit::Repository => 8,
            Exit::Input => 9,
            Exit::Signal(signal) => 128 + signal.number(),
        }
    }
}

/// Arguments that parse but do not go together, or a value that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct UsageError {
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// There is no model, or no agent, of this name.
#[derive(Debug, thiserror::Error)]
#[error("{option} {wanted}: there is none of that name")]
pub(crate) struct UnknownName {
    pub(crate) option: &'static str,
    pub(crate) wanted: String,
    /// What there is instead.
    pub(crate) hint: String,
}

/// A signal asked for the end while something was under way.
#[derive(Debug, thiserror::Error)]
#[error("ended by {0}")]
pub(crate) struct Interrupted(pub(crate) Signal);

/// The step of those who wait for an agent, for as long as it takes.
pub(crate) const WAITING: &str = "waiting for the agent";

/// Our own deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("not done after {}: {step} took too long", Seconds(*.limit))]
pub(crate) struct DeadlinePassed {
    /// What was waited for, in the words of the progress line.
    pub(crate) step: String,
    pub(crate) limit: Duration,
}

/// Input is needed, and something else was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the session waits for input{what}")]
pub(crate) struct InputNeeded {
    pub(crate) what: String,
}

/// The turn that was waited for failed.
#[derive(Debug, thiserror::Error)]
#[error("the turn failed: {message}")]
pub(crate) struct TurnFailed {
    pub(crate) message: String,
}

/// Some of many tasks are not as they were to be; each was told.
#[derive(Debug, thiserror::Error)]
#[error("{summary}")]
pub(crate) struct TasksFailed {
    pub(crate) summary: String,
}

/// Nothing was asked of GitHub.
#[derive(Debug, thiserror::Error)]
#[error("the run ended before this was begun")]
pub(crate) struct NotBegun;

/// A task needs input, and something else was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the task waits for input{what}")]
pub(crate) struct TaskNeedsInput {
    pub(crate) what: String,
}

/// A task ended before what was waited for.
#[derive(Debug, thiserror::Error)]
#[error("the task ended before its agent was done")]
pub(crate) struct TaskEnded;

/// There is nothing that could be answered or undone.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct NothingWaits {
    pub(crate) what: String,
}

/// There is no link, as the session is not shared.
#[derive(Debug, thiserror::Error)]
#[error("remote is off for session {session}, so it has no link")]
pub(crate) struct NotShared {
    pub(crate) session: String,
}

/// A duration as people write it: `60 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 { write!(f, "{} s", self.0.as_secs()) } else { write!(f, "{:.1} s", self.0.as_secs_f64()) }
    }
}

/// What the user is told about an error.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) exit: Exit,
    /// A word that scripts can match on (the JSON field `reason`).
    pub(crate) reason: &'static str,
    /// What went wrong, with what value.
    pub(crate) message: String,
    /// What to do next; each is a `hint:` line.
    pub(crate) hints: Vec<String>,
}

impl Report {
    fn new(exit: Exit, reason: &'static str, error: &anyhow::Error) -> Self {
        Self { exit, reason, message: format!("{error:#}"), hints: Vec::new() }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Report {
    /// The check of `doctor` that looks into it, if one does.
    pub(crate) fn check(&self) -> Option<&'static str> {
        Some(match self.reason {
            "signed-out" | "bad-credentials" | "no-copilot" => "sign-in",
            "no-cli" | "unusable-cli" => "cli",
            "not-a-repository" | "no-github-remote" | "no-git" | "git" => "repository",
            "remote-off" | "repository-policy" | "repository-not-found" | "repository-forbidden" | "untrusted-url" => "sharing",
            // An agent takes its time.
            "deadline" if self.message.contains(WAITING) => return None,
            "service-unavailable" | "unexpected-answer" | "deadline" => "github",
            "state" => "state",
            _ => return None,
        })
    }
}

impl From<&anyhow::Error> for Report {
    fn from(error: &anyhow::Error) -> Self {
        if let Some(cause) = error.downcast_ref::<SdkError>() {
            return sdk(cause, error);
        }
        if let Some(cause) = error.downcast_ref::<RepoError>() {
            return repo(cause, error);
        }
        if let Some(usage) = error.downcast_ref::<UsageError>() {
            return Report::new(Exit::Usage, "usage", error).hint(usage.hint.clone());
        }
        if let Some(unknown) = error.downcast_ref::<UnknownName>() {
            let reason = if unknown.option == "--agent" { "unknown-agent" } else { "unknown-model" };
            let report = Report::new(Exit::Usage, reason, error).hint(unknown.hint.clone());
            return report.hint(format!("or leave {} out for the usual one", unknown.option));
        }
        if let Some(Interrupted(signal)) = error.downcast_ref::<Interrupted>() {
            return Report::new(Exit::Signal(*signal), "signal", error);
        }
        if let Some(cause) = error.downcast_ref::<StateError>() {
            let report = Report::new(Exit::Failed, "state", error);
            return match cause {
                StateError::Locks { .. } => report.hint(LOCKS),
                StateError::Folder { .. } | StateError::Write { .. } => report.hint(STATE),
            };
        }
        if let Some(cause) = error.downcast_ref::<ChooseError>() {
            return choose(cause, error);
        }
        if error.is::<InputNeeded>() {
            let report = Report::new(Exit::Input, "input", error);
            return report.hint("answer it in Mission Control, or here: copilot-remote answer; --list shows what is asked");
        }
        if error.is::<TurnFailed>() {
            return Report::new(Exit::Failed, "turn-failed", error);
        }
        if error.is::<NotBegun>() {
            return Report::new(Exit::Failed, "not-begun", error);
        }
        if error.is::<TaskNeedsInput>() {
            return Report::new(Exit::Input, "input", error).hint("answer it in Mission Control; with --follow, also here");
        }
        if error.is::<TaskEnded>() {
            return Report::new(Exit::NoSession, "task-ended", error);
        }
        if error.is::<TasksFailed>() {
            return Report::new(Exit::Failed, "tasks-failed", error);
        }
        if error.is::<NothingWaits>() {
            return Report::new(Exit::NoSession, "nothing-waits", error);
        }
        if error.is::<NotShared>() {
            return Report::new(Exit::Failed, "remote-is-off", error).hint("switch it on: copilot-remote on");
        }
        if let Some(passed) = error.downcast_ref::<DeadlinePassed>() {
            return deadline(passed, error);
        }
        Report::new(Exit::Failed, "failed", error)
    }
}

fn choose(cause: &ChooseError, error: &anyhow::Error) -> Report {
    match cause {
        ChooseError::NotFound { .. } => {
            Report::new(Exit::NoSession, "no-session", error).hint("the live sessions: copilot-remote list")
        }
        ChooseError::NoTask { .. } => {
            Report::new(Exit::NoSession, "no-task", error).hint("the account's tasks: copilot-remote cloud list")
        }
        ChooseError::NoneStored | ChooseError::NotStored { .. } => {
            Report::new(Exit::NoSession, "no-session", error).hint("those that can be resumed: copilot-remote list --all")
        }
        ChooseError::NoneLive => Report::new(Exit::NoSession, "no-session", error).hint("start one: copilot-remote start"),
        ChooseError::Ambiguous { .. } => {
            Report::new(Exit::Usage, "ambiguous-session", error).hint("name one of them; the beginning of its id is enough")
        }
    }
}

fn deadline(passed: &DeadlinePassed, error: &anyhow::Error) -> Report {
    let report = Report::new(Exit::Deadline, "deadline", error);
    // An agent takes its time.
    if passed.step == WAITING {
        return report.hint("what it is at: copilot-remote logs; more time: a longer --timeout, or none");
    }
    report
        .hint("check the network (a proxy? HTTPS_PROXY) and https://www.githubstatus.com, then try again")
        .hint("a slow link: allow more time with --timeout 3m")
}

const SIGN_IN: &str = "sign in: run `copilot` and type /login, or `gh auth login`";
const TOKEN: &str =
    "in scripts: set COPILOT_GITHUB_TOKEN, GH_TOKEN or GITHUB_TOKEN, or pipe a token into start with --token-stdin";
const ADMIN: &str = "ask the organisation's administrator for the policy \"Store local sessions in the Cloud\": View and control";
const CLOUD: &str =
    "ask the organisation's administrator for the policy of the Copilot cloud agent, and check that the token may use it";
const LATER: &str = "check the network (a proxy, its certificate? HTTPS_PROXY, NODE_EXTRA_CA_CERTS) and https://www.githubstatus.com; try again later";
const STATE: &str = "is the disk full, or the folder not yours? another one: COPILOT_REMOTE_STATE_DIR";
const LOCKS: &str = "a network file system without locks? name a folder on a local disk: COPILOT_REMOTE_STATE_DIR";
const INSTALL: &str = "install or update it: npm install -g @github/copilot";

fn sdk(cause: &SdkError, error: &anyhow::Error) -> Report {
    match cause {
        SdkError::CliNotFound { .. } => Report::new(Exit::NoCli, "no-cli", error)
            .hint(INSTALL)
            .hint("it is elsewhere: --copilot PATH, or COPILOT_CLI_PATH; without it: copilot-remote start --demo"),
        SdkError::Incompatible { new: true, .. } => Report::new(Exit::NoCli, "unusable-cli", error)
            .hint("update copilot-remote; until then, an older one does: npm install -g @github/copilot@1.0.102"),
        SdkError::CliUnusable { .. } | SdkError::CliExited { .. } | SdkError::Incompatible { .. } => {
            Report::new(Exit::NoCli, "unusable-cli", error).hint(INSTALL)
        }
        SdkError::SignedOut => Report::new(Exit::SignIn, "signed-out", error).hint(SIGN_IN).hint(TOKEN),
        SdkError::BadCredentials { .. } => Report::new(Exit::SignIn, "bad-credentials", error).hint(SIGN_IN).hint(TOKEN),
        SdkError::NoCopilot { .. } => Report::new(Exit::Refused, "no-copilot", error)
            .hint("check the plan at https://github.com/settings/copilot, or sign in with another account"),
        SdkError::RemoteOff { .. } => Report::new(Exit::Refused, "remote-off", error).hint(ADMIN),
        SdkError::RepositoryPolicy { .. } => Report::new(Exit::Refused, "repository-policy", error).hint(ADMIN),
        SdkError::RepositoryNotFound { .. } => Report::new(Exit::Repository, "repository-not-found", error)
            .hint("check `git remote -v`, and that this account may see the repository; another account: copilot, then /login"),
        SdkError::RepositoryForbidden { .. } => Report::new(Exit::Repository, "repository-forbidden", error)
            .hint("authorise the token for the organisation's single sign-on: https://github.com/settings/tokens"),
        SdkError::UnknownModel { .. } => {
            Report::new(Exit::Usage, "unknown-model", error).hint("leave --model out for the account's default")
        }
        SdkError::UnknownAgent { .. } => {
            Report::new(Exit::Usage, "unknown-agent", error).hint("leave --agent out for the usual one")
        }
        SdkError::McpServer { .. } => Report::new(Exit::Usage, "mcp-config", error)
            .hint("as in ~/.copilot/mcp-config.json: {\"mcpServers\":{\"NAME\":{\"command\":\"PROGRAM\",\"args\":[]}}}"),
        SdkError::Managed { .. } => Report::new(Exit::Refused, "managed", error)
            .hint("whoever administers them can change that; copilot-remote doctor shows what they say"),
        SdkError::NoAnswer { .. } => Report::new(Exit::Usage, "no-answer", error)
            .hint("what is asked, and how it is answered: copilot-remote answer --list"),
        SdkError::NotNow { .. } => Report::new(Exit::Failed, "not-now", error),
        SdkError::PolicyNotTaken { .. } => Report::new(Exit::Refused, "policy-not-taken", error)
            .hint("a policy of the organisation may forbid it; a newer Copilot CLI may help: npm install -g @github/copilot"),
        SdkError::VisibilityRefused { .. } => Report::new(Exit::Refused, "visibility-refused", error)
            .hint("change it in Mission Control, or ask the organisation's administrator whether sessions may be shared"),
        SdkError::CloudRefused { .. } => Report::new(Exit::Refused, "cloud-refused", error).hint(CLOUD),
        SdkError::RateLimited { .. } => Report::new(Exit::Failed, "rate-limited", error)
            .hint("nothing was created; try again later, or allow more time with --timeout"),
        SdkError::InvalidTask { .. } => Report::new(Exit::Failed, "invalid-task", error)
            .hint("check the repository and the branch, and that the cloud agent may work on it"),
        SdkError::NotStarted { .. } => Report::new(Exit::Failed, "not-started", error).hint(LATER),
        SdkError::Uncertain { .. } => Report::new(Exit::Failed, "uncertain", error),
        SdkError::ServiceUnavailable { .. } => Report::new(Exit::Failed, "service-unavailable", error).hint(LATER),
        SdkError::UnexpectedAnswer { .. } => Report::new(Exit::Failed, "unexpected-answer", error)
            .hint("does a proxy or a captive portal answer in GitHub's place? check HTTPS_PROXY"),
        SdkError::UntrustedUrl { .. } => {
            Report::new(Exit::Failed, "untrusted-url", error).hint("on another GitHub host: set GH_HOST, as for gh")
        }
        SdkError::Deadline { .. } => Report::new(Exit::Deadline, "deadline", error).hint(LATER),
        SdkError::RuntimeEnded { .. } => Report::new(Exit::Failed, "runtime-ended", error)
            .hint("was it killed, or out of memory? its log may tell; then start again"),
        SdkError::External { .. } => Report::new(Exit::Failed, "external-runtime", error)
            .hint("does it run? copilot --server --port PORT; its token, if it has one, goes into COPILOT_CONNECTION_TOKEN"),
        SdkError::SessionEnded => {
            Report::new(Exit::NoSession, "session-ended", error).hint("what happened in it: copilot-remote logs ID")
        }
        SdkError::Rpc { .. } | SdkError::Connection(_) => Report::new(Exit::Failed, "runtime", error)
            .hint("its log may tell why; a newer Copilot CLI may help: npm install -g @github/copilot"),
        SdkError::Io { .. } => Report::new(Exit::Failed, "io", error).hint(STATE),
    }
}

fn repo(cause: &RepoError, error: &anyhow::Error) -> Report {
    match cause {
        RepoError::NoGit { .. } => {
            Report::new(Exit::Repository, "no-git", error).hint("install git, or go without a repository: --no-repo")
        }
        RepoError::NotARepository { .. } => Report::new(Exit::Repository, "not-a-repository", error)
            .hint("change into one, name one with -C DIR, or go without: --no-repo; of cloud: --repo OWNER/NAME"),
        RepoError::NoGitHubRemote { host, other, .. } => {
            let report = Report::new(Exit::Repository, "no-github-remote", error);
            match other {
                Some(other) => report.hint(format!("is it a GitHub host? GH_HOST={other} copilot-remote start")),
                None => report.hint(format!("add one: git remote add origin https://{host}/OWNER/NAME.git")),
            }
            .hint("or go without a repository: --no-repo")
        }
        RepoError::NotAttached { .. } => {
            Report::new(Exit::Repository, "not-a-repository", error).hint("share it all the same: copilot-remote on --no-repo")
        }
        RepoError::Worktree { .. } => Report::new(Exit::Repository, "worktree", error)
            .hint("another branch: --worktree BRANCH; what there is: git worktree list"),
        RepoError::Git { .. } => Report::new(Exit::Repository, "git", error).hint("or go without a repository: --no-repo"),
    }
}
