//! What can go wrong between us, the Copilot CLI and GitHub.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event::Warning;
use crate::text::redact::redacted;

/// The messages carry the runtime's own words where it has some. The forms of those words are matched as CLI 1.0.102 writes them
/// (docs/copilot-cli.md).
#[derive(Debug, thiserror::Error)]
pub(crate) enum SdkError {
    #[error("no usable GitHub Copilot CLI was found{}", list(tried))]
    CliNotFound { tried: Vec<String> },
    #[error("the Copilot CLI {} cannot be run: {reason}", program.display())]
    CliUnusable { program: PathBuf, reason: String },
    #[error("the Copilot CLI {} ended before it was ready ({status}){}", program.display(), quoted(output))]
    CliExited { program: PathBuf, status: String, output: String },
    #[error("the Copilot CLI cannot write to its own folder {}: {reason}", folder.display())]
    HomeUnusable { folder: PathBuf, reason: String },
    #[error("the Copilot CLI{}, version {version}, is too {}: {why}", at(program), if *new { "new" } else { "old" })]
    Incompatible { program: PathBuf, version: String, new: bool, why: String },

    #[error("not signed in to GitHub")]
    SignedOut,
    #[error("GitHub does not accept the sign-in: {message}")]
    BadCredentials { message: String },
    #[error("this account has no access to Copilot: {message}")]
    NoCopilot { message: String },
    #[error("remote is off for this account: {message}")]
    RemoteOff { message: String },
    #[error("remote is off for this repository: {message}")]
    RepositoryPolicy { message: String },
    #[error("the repository cannot be reached: {message}")]
    RepositoryNotFound { message: String },
    #[error("access to the repository is forbidden: {message}")]
    RepositoryForbidden { message: String },
    #[error("the model cannot be used: {message}")]
    UnknownModel { message: String },
    #[error("the Copilot CLI did not take {what}")]
    PolicyNotTaken { what: String },
    #[error("{what}: that is forbidden by {who}")]
    Managed { what: String, who: String },
    #[error("the custom agent cannot be used: {message}")]
    UnknownAgent { message: String },
    #[error("the MCP server {name} is not described as the Copilot CLI wants it")]
    McpServer { name: String },
    #[error("it cannot be answered like this: {why}")]
    NoAnswer { why: String },
    #[error("{what}: {why}")]
    NotNow { what: String, why: String },
    #[error("the session's visibility was not changed: {message}")]
    VisibilityRefused { message: String },
    #[error("cloud sessions are refused: {message}")]
    CloudRefused { message: String },
    #[error("GitHub limits how often it is asked: {message}")]
    RateLimited { message: String },
    #[error("GitHub did not take the task: {message}")]
    InvalidTask { message: String },
    #[error("the task was created, but its worker did not start: {message}")]
    NotStarted { task: String, message: String },
    /// It is not known whether this happened before or after the task was created.
    #[error("creating the task failed: {message}")]
    Uncertain { message: String },
    #[error("GitHub could not be reached: {message}")]
    ServiceUnavailable { message: String },
    #[error("an answer was not what GitHub sends: {message}")]
    UnexpectedAnswer { message: String },
    #[error("the runtime gave a link that is not on https://{host}, so it is not shown: {url}")]
    UntrustedUrl { url: String, host: String },

    #[error("{step}: no answer within {} s", limit.as_secs())]
    Deadline { step: &'static str, limit: Duration },
    #[error("the Copilot CLI ended unexpectedly{reason}")]
    RuntimeEnded { reason: &'static str },
    #[error("the session ended meanwhile")]
    SessionEnded,
    #[error("the connection to the Copilot CLI broke: {0}")]
    Connection(String),
    #[error("the runtime of --server cannot be used: {reason}")]
    External { reason: String },
    #[error("{method} failed: {message}")]
    Rpc { method: &'static str, code: i32, message: String },
    #[error("{what}")]
    Io { what: String, source: io::Error },
}

/// The program of a runtime that somebody else started is not known.
fn at(program: &Path) -> String {
    if program.as_os_str().is_empty() { String::new() } else { format!(" {}", program.display()) }
}

fn list(tried: &[String]) -> String {
    if tried.is_empty() { String::new() } else { format!("; tried:\n  {}", tried.join("\n  ")) }
}

fn quoted(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(":\n  {}", output.replace('\n', "\n  ")) }
}

impl SdkError {
    /// The runtime closed the connection.
    pub(crate) fn closed() -> Self {
        Self::Connection("it was closed".to_owned())
    }

    /// A call that failed, as the SDK reports it.
    pub(super) fn from_call(method: &'static str, error: &github_copilot_sdk::Error) -> Self {
        if error.is_transport_failure() {
            return Self::Connection(redacted(&error.to_string()));
        }
        let message = error.message().map_or_else(|| error.to_string(), ToOwned::to_owned);
        let message = message.strip_prefix(&format!("Request {method} failed with message: ")).unwrap_or(&message);
        Self::Rpc { method, code: error.rpc_code().unwrap_or_default(), message: redacted(message) }
    }

    /// Tells from the words of the runtime's error that the session does not exist any more.
    pub(crate) fn explain_ended(self) -> Self {
        match self {
            Self::Rpc { message, .. } if message.contains("ession not found") => Self::SessionEnded,
            other => other,
        }
    }

    /// Tells from the words of the runtime's error why a session could not be created.
    pub(super) fn explain_create(self) -> Self {
        let Self::Rpc { message, .. } = &self else { return self };
        let message = message.clone();
        let refused = ["Authentication failed: ", "GitHub token validation failed: "];
        if let Some(reason) = refused.iter().find_map(|start| message.strip_prefix(start)) {
            return Self::explain_sign_in(reason.to_owned());
        }
        if message.starts_with("Model \"") {
            return Self::UnknownModel { message };
        }
        if let Some((_, agent)) = message.split_once("Custom agent '") {
            return Self::UnknownAgent { message: format!("Custom agent '{agent}") };
        }
        self
    }

    /// Tells why a task could not be created. The CLI passes on the message of GitHub's answer without its status, or the whole
    /// answer where it has no message (docs/copilot-cli.md, cloud-errors), so the words are all that can be matched.
    pub(super) fn explain_cloud(self) -> Self {
        let Self::Rpc { message, .. } = &self else { return self };
        let message = shortened(message);
        let lower = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        // Only GitHub's own words count here, as they decide whether a task is asked for again.
        let is = |beginnings: &[&str]| beginnings.iter().any(|beginning| lower.starts_with(beginning));
        if let Some(task) = ["No events found for task ", "No session.start event found for task "]
            .iter()
            .find_map(|start| message.strip_prefix(start))
            .and_then(|rest| rest.split(['.', ' ']).next())
        {
            let (task, message) =
                (task.to_owned(), if says(&["no events"]) { "nothing was heard of it".to_owned() } else { message });
            return Self::NotStarted { task, message };
        }
        // A page of a proxy or a gateway, whatever its words: no JSON of GitHub's.
        if message.starts_with('<') {
            Self::Uncertain { message }
        } else if is(&["session.create cloud requires authentication", "requires authentication"]) {
            Self::SignedOut
        } else if is(&LIMITS) {
            Self::RateLimited { message }
        } else if is(&["bad credentials"]) {
            Self::BadCredentials { message }
        } else if is(&["resource protected by organization saml"]) {
            Self::RepositoryForbidden { message }
        } else if lower == "not found" {
            Self::RepositoryNotFound { message }
        } else if is(&["validation failed"]) {
            Self::InvalidTask { message }
        } else if says(&[
            "not accessible by",
            "policy",
            "not enabled",
            "disabled",
            "not allowed",
            "forbidden",
            "upgrade",
            "quota",
        ]) {
            Self::CloudRefused { message }
        } else {
            Self::Uncertain { message: if message == "{}" { "GitHub gave no reason".to_owned() } else { message } }
        }
    }

    /// Tells why the tasks could not be listed, by the status in "Remote session listing failed (401): …" (docs/copilot-cli.md,
    /// cloud-list).
    pub(super) fn explain_list(self) -> Self {
        let Self::Rpc { message, .. } = self else { return self };
        match http_status(&message) {
            Some(401) => Self::BadCredentials { message },
            Some(403) => Self::CloudRefused { message },
            _ => Self::ServiceUnavailable { message },
        }
    }

    /// Whether it is certain that no task was created. [`Self::CloudRefused`] is not: it is told from words that others may use,
    /// too.
    pub(crate) fn rules_out_a_task(&self) -> bool {
        matches!(
            self,
            Self::SignedOut
                | Self::RateLimited { .. }
                | Self::BadCredentials { .. }
                | Self::RepositoryForbidden { .. }
                | Self::RepositoryNotFound { .. }
                | Self::InvalidTask { .. }
        )
    }

    /// Tells why nobody is signed in, by the HTTP status in `reason`: "Failed to fetch PAT user login (401): …"
    /// (docs/copilot-cli.md, sign-in-none).
    pub(super) fn explain_sign_in(reason: String) -> Self {
        match http_status(&reason) {
            _ if reason.is_empty() => Self::SignedOut,
            // Without a status there was no answer: no network, no name service, or a proxy or certificate that is wrong
            // (docs/copilot-cli.md, sign-in-none).
            None if reason.contains("network fetch failed") => Self::ServiceUnavailable { message: reason },
            Some(403 | 404) => Self::NoCopilot { message: reason },
            Some(401) | None => Self::BadCredentials { message: reason },
            Some(_) => Self::ServiceUnavailable { message: reason },
        }
    }

    /// Tells why remote could not be switched on. The error itself is nearly always the same sentence; the reason is in the
    /// `session.warning` that came with it (docs/copilot-cli.md, remote-reason).
    pub(crate) fn explain_enable(self, warning: Option<Warning>) -> Self {
        let Self::Rpc { message: error, .. } = &self else { return self };
        if error.contains("no current authentication") {
            return Self::SignedOut;
        }
        let Some(Warning { message, remediation, .. }) = warning else {
            // The text of the runtime's JSON parser, for an answer that is not JSON: "expected ident at line 1 column 2".
            if error.contains(" at line ") && error.contains(" column ") {
                return Self::UnexpectedAnswer { message: error.clone() };
            }
            return self;
        };
        let says = |words: &str| message.contains(words);
        if says("not enabled for this repository") {
            Self::RepositoryPolicy { message }
        } else if says("are not enabled") {
            Self::RemoteOff { message }
        } else if says("is forbidden") {
            Self::RepositoryForbidden { message }
        } else if remediation.as_deref() == Some("sign_in") {
            Self::BadCredentials { message }
        } else if remediation.as_deref() == Some("switch_account") {
            Self::RepositoryNotFound { message }
        } else {
            // The rest: "server not accessible", "The cause is unknown", and what later versions may say.
            Self::ServiceUnavailable { message }
        }
    }
}

/// How GitHub's messages begin when it is asked too often.
const LIMITS: [&str; 4] = [
    "api rate limit exceeded",
    "you have exceeded a secondary rate limit",
    "you have triggered an abuse detection mechanism",
    "too many requests",
];

/// Shortens the runtime's words to one line, as they may be a whole page.
fn shortened(message: &str) -> String {
    const CHARACTERS: usize = 300;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The first number that can be the HTTP status of a failed call: "… login (401): …", "… info: 401 …".
fn http_status(message: &str) -> Option<u16> {
    let numbers = message.split(|character: char| !character.is_ascii_digit());
    numbers.filter_map(|digits| digits.parse().ok()).find(|number| (400..600).contains(number))
}

#[cfg(test)]
mod tests {
    use super::{SdkError, Warning, http_status};

    fn rpc(message: &str) -> SdkError {
        SdkError::Rpc { method: "session.remote.enable", code: -32603, message: message.to_owned() }
    }

    #[test]
    fn the_warning_tells_the_reason() {
        let general =
            "Failed to set up remote session. Ensure the working directory is a GitHub repository and you are authenticated.";
        let explain = |message: &str, remediation: &str| {
            let warning =
                Warning { message: message.to_owned(), kind: "remote".to_owned(), remediation: Some(remediation.to_owned()) };
            rpc(general).explain_enable(Some(warning))
        };
        assert!(matches!(
            explain("could not resolve \"o/r\". Your authentication token may be expired.", "sign_in"),
            SdkError::BadCredentials { .. }
        ));
        assert!(matches!(explain("could not resolve \"o/r\"", "switch_account"), SdkError::RepositoryNotFound { .. }));
        assert!(matches!(explain("access to \"o/r\" is forbidden", "switch_account"), SdkError::RepositoryForbidden { .. }));
        assert!(matches!(explain("something new", "something_new"), SdkError::ServiceUnavailable { .. }));
        assert!(matches!(rpc("expected ident at line 1 column 2").explain_enable(None), SdkError::UnexpectedAnswer { .. }));
        assert!(matches!(rpc(general).explain_enable(None), SdkError::Rpc { .. }));
    }

    #[test]
    fn the_words_of_a_failed_create_tell_the_reason() {
        let explain = |message: &str| rpc(message).explain_cloud();
        assert!(matches!(explain("upstream failed: rate limit exceeded"), SdkError::Uncertain { .. }));
        assert!(matches!(explain("<html>JavaScript is disabled</html>"), SdkError::Uncertain { .. }));
        assert!(matches!(explain("Bad credentials"), SdkError::BadCredentials { .. }));
        assert!(matches!(explain("session.create cloud requires authentication"), SdkError::SignedOut));
        assert!(matches!(explain("You have exceeded a secondary rate limit. Please wait."), SdkError::RateLimited { .. }));
        assert!(matches!(explain("Too Many Requests\n"), SdkError::RateLimited { .. }));
        assert!(matches!(explain("Resource not accessible by personal access token"), SdkError::CloudRefused { .. }));
        assert!(matches!(explain(r#"{"error":{"code":"policy_blocked"}}"#), SdkError::CloudRefused { .. }));
        assert!(matches!(explain("Resource protected by organization SAML enforcement."), SdkError::RepositoryForbidden { .. }));
        assert!(matches!(explain("Not Found"), SdkError::RepositoryNotFound { .. }));
        assert!(matches!(explain("Validation Failed"), SdkError::InvalidTask { .. }));
        let not_started = |message: &str| match explain(message) {
            SdkError::NotStarted { task, .. } => task,
            other => panic!("{other}"),
        };
        assert_eq!(not_started("No events found for task 1b4e-28"), "1b4e-28");
        assert_eq!(not_started("No session.start event found for task 1b4e-28. Event types: [session.error]"), "1b4e-28");
        for unclear in
            ["{}", "Internal Server Error", "error sending request for url (https://api.githubcopilot.com/agents/tasks)"]
        {
            assert!(matches!(explain(unclear), SdkError::Uncertain { .. }), "{unclear}");
        }
    }

    #[test]
    fn the_status_is_found_in_the_message() {
        assert_eq!(http_status("Failed to fetch PAT user login (401): GitHub returned: Bad credentials"), Some(401));
        assert_eq!(http_status("Failed to fetch Copilot user info: 403 Forbidden: {}"), Some(403));
        assert_eq!(http_status("2 things, 1000 words, no status"), None);
    }
}
