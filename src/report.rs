//! From an error to what the user is told: the exit code, the message, the hints.

use std::fmt::Write as _;

use crate::error::{
    ChooseError, DeadlinePassed, Exit, InputNeeded, Interrupted, NotBegun, NotShared, NothingWaits, TaskEnded, TaskNeedsInput,
    TasksFailed, TurnFailed, UnknownName, UsageError, WAITING,
};
use crate::os::env;
use crate::os::state_dir::StateError;
use crate::repo::RepoError;
use crate::sdk::SdkError;
use crate::text::redact::redacted;

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
        Self { exit, reason, message: redacted(&format!("{error:#}")), hints: Vec::new() }
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
            "no-cli" | "unusable-cli" | "unusable-home" => "cli",
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
const KINDS: &str = "put a fine-grained token (github_pat_…) with the permission \"Copilot Requests\" there, or that of an app (gho_…, ghu_…): `gh auth token`";
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
        SdkError::HomeUnusable { .. } => Report::new(Exit::NoCli, "unusable-home", error)
            .hint("make the folder yours, and writable, or name another one: COPILOT_HOME"),
        SdkError::SignedOut => signed_out(error, &env::passed_over()),
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

/// `passed_over`: the variables with tokens that are not taken, without which whoever set one looks for the fault elsewhere.
fn signed_out(error: &anyhow::Error, passed_over: &[&str]) -> Report {
    let mut report = Report::new(Exit::SignIn, "signed-out", error);
    if passed_over.is_empty() {
        return report.hint(SIGN_IN).hint(TOKEN);
    }
    let verb = if passed_over.len() == 1 { "holds" } else { "hold" };
    let names = passed_over.join(" and ");
    let _ = write!(report.message, ": {names} {verb} a token of a kind that the Copilot CLI does not take (ghp_…, ghs_…)");
    report.hint(KINDS).hint(SIGN_IN)
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

#[cfg(test)]
mod tests {
    use super::{Report, signed_out};
    use crate::sdk::SdkError;

    #[test]
    fn a_token_that_is_not_taken_is_named_by_its_variable() {
        let error = anyhow::Error::from(SdkError::SignedOut);
        let Report { message, hints, .. } = signed_out(&error, &["GH_TOKEN"]);
        assert_eq!(
            message,
            "not signed in to GitHub: GH_TOKEN holds a token of a kind that the Copilot CLI does not take (ghp_…, ghs_…)"
        );
        assert!(hints[0].contains("github_pat_…"), "{hints:?}");
        assert_eq!(signed_out(&error, &[]).message, "not signed in to GitHub");
    }
}
