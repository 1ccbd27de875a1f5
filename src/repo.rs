//! Finds out whether a folder is in a GitHub repository, and in which. git is asked, because it knows of worktrees, submodules
//! and `insteadOf`.
//!
//! The answer only decides early whether to refuse, and what to show. Which repository a session is attached to, the runtime
//! says.

pub(crate) mod worktree;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use std::{fmt, io};

use tokio::process::Command;
use url::Url;

/// How long `git` and `ssh -G` may take. They only read local files, but may hang on a dead network file system.
const GIT_DEADLINE: Duration = Duration::from_secs(10);

/// A repository on a GitHub host, as a remote of the work tree names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) slug: Slug,
    /// The current branch; `None` for a detached HEAD.
    pub(crate) branch: Option<String>,
    /// The name that git has for the remote.
    pub(crate) remote: String,
}

/// `owner/name`. Two are compared without case, as GitHub does.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Slug {
    pub(crate) owner: String,
    pub(crate) name: String,
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl PartialEq for Slug {
    fn eq(&self, other: &Self) -> bool {
        self.owner.eq_ignore_ascii_case(&other.owner) && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Slug {
    /// Reads `owner/name`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let good = |part: &str| {
            !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        (good(owner) && good(name)).then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }
}

/// Why there is no repository.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RepoError {
    #[error("git is not to be found, so the repository cannot be told")]
    NoGit { source: io::Error },
    #[error("{} is not in a git repository", path.display())]
    NotARepository { path: PathBuf },
    #[error("no remote of {} is on {host}{found}", path.display())]
    NoGitHubRemote { path: PathBuf, host: String, found: String, other: Option<String> },
    #[error("the session in {} has no GitHub repository", path.display())]
    NotAttached { path: PathBuf },
    #[error("git cannot read the repository: {message}")]
    Git { message: String },
    #[error("there is no worktree for the session: {message}")]
    Worktree { message: String },
}

/// Finds the repository of `directory` on the GitHub host `host`.
///
/// Of several remotes it is `origin`, else the first one on the host. The Copilot CLI takes `origin`, else the first one of all
/// (docs/copilot-cli.md, create-repository).
pub(crate) async fn find(directory: &Path, host: &str) -> Result<Repository, RepoError> {
    let root = git(directory, &["rev-parse", "--show-toplevel"]).await?;
    if !root.status.success() {
        return Err(unreadable(directory, &root));
    }
    let (remotes, head) =
        tokio::join!(git(directory, &["remote", "-v"]), git(directory, &["symbolic-ref", "--quiet", "--short", "HEAD"]));
    let remotes = remotes?;
    if !remotes.status.success() {
        return Err(RepoError::Git { message: first_line(&remotes.stderr) });
    }
    let branch = Some(first_line(&head?.stdout)).filter(|branch| !branch.is_empty());
    let mut remotes = fetch_remotes(&String::from_utf8_lossy(&remotes.stdout));
    remotes.sort_by_key(|(name, _)| name != "origin");

    let mut locations = Vec::new();
    for (name, url) in remotes {
        let Some(mut location) = Location::parse(&url) else { continue };
        if location.ssh && location.host != host {
            location.host = ssh_host(&location.host).await;
        }
        if location.host == host
            && let Some(slug) = Slug::parse(&location.path)
        {
            tracing::debug!(%slug, remote = name, "repository");
            return Ok(Repository { slug, branch, remote: name });
        }
        locations.push((name, location));
    }
    let found: Vec<String> = locations.iter().map(|(name, at)| format!("{name} is {}", at.shown())).collect();
    Err(RepoError::NoGitHubRemote {
        path: directory.to_owned(),
        host: host.to_owned(),
        found: if found.is_empty() { String::new() } else { format!(" ({})", found.join(", ")) },
        // The text goes into a command that is offered for typing.
        other: locations.into_iter().map(|(_, at)| at.host).find(|host| {
            let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
            plain && (host.contains("github") || host.ends_with(".ghe.com"))
        }),
    })
}

/// The reason why git could tell nothing of `directory`.
fn unreadable(directory: &Path, output: &Output) -> RepoError {
    let message = Some(first_line(&output.stderr)).filter(|said| !said.is_empty()).unwrap_or_else(|| output.status.to_string());
    if message.contains("not a git repository") {
        RepoError::NotARepository { path: directory.to_owned() }
    } else {
        RepoError::Git { message }
    }
}

/// What the current branch has that this repository on GitHub does not; `None` if GitHub has all of it, or if that cannot be
/// told.
pub(crate) async fn unpushed(directory: &Path, branch: &str, remote: &str) -> Option<String> {
    let merge = git(directory, &["config", &format!("branch.{branch}.merge")]).await.ok()?;
    match first_line(&merge.stdout).trim_start_matches("refs/heads/") {
        "" => return Some("it was never pushed, as far as git knows".to_owned()),
        upstream if upstream != branch => return Some(format!("it was never pushed under this name, and follows {upstream}")),
        _ => {}
    }
    let follows = git(directory, &["config", &format!("branch.{branch}.remote")]).await.ok()?;
    let follows = first_line(&follows.stdout);
    if follows != remote {
        // The remote may be a link with a password instead of a name.
        return Some(format!("it is pushed to another remote than {remote}, which the task works on"));
    }
    let count = git(directory, &["rev-list", "--count", "@{upstream}..HEAD"]).await.ok()?;
    match first_line(&count.stdout).as_str() {
        "" | "0" => None,
        "1" => Some("1 commit is not pushed".to_owned()),
        count => Some(format!("{count} commits are not pushed")),
    }
}

/// Runs git in a way in which it neither asks nor writes.
async fn git(directory: &Path, arguments: &[&str]) -> Result<Output, RepoError> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(arguments).env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    match run(command).await {
        Ok(output) => Ok(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RepoError::NoGit { source: error }),
        Err(error) => Err(RepoError::Git { message: error.to_string() }),
    }
}

async fn run(mut command: Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(GIT_DEADLINE, command.output()).await {
        Ok(output) => output,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", GIT_DEADLINE.as_secs()))),
    }
}

/// The part of a remote's URL that may be shown, if it is a URL.
#[cfg(test)]
pub(crate) fn shown(url: &str) -> Option<String> {
    Location::parse(url).map(|at| at.shown())
}

/// The name and URL of each remote from `git remote -v`, which applies `insteadOf`.
fn fetch_remotes(listing: &str) -> Vec<(String, String)> {
    listing
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once(" (fetch)")?.0.to_owned())))
        .collect()
}

/// The host that an ssh alias stands for, by the user's ssh configuration; the alias itself if ssh cannot tell.
async fn ssh_host(alias: &str) -> String {
    if alias == "ssh.github.com" {
        // GitHub serves ssh over the https port under this name.
        return "github.com".to_owned();
    }
    let mut command = Command::new("ssh");
    command.args(["-G", "--", alias]);
    let answer = run(command).await.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let host = answer.lines().find_map(|line| line.strip_prefix("hostname ")).unwrap_or(alias).to_ascii_lowercase();
    if host == "ssh.github.com" { "github.com".to_owned() } else { host }
}

/// Where a remote's URL points to. User and password are left out, because this is printed.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    host: String,
    path: String,
    ssh: bool,
}

impl Location {
    /// A path for messages. One that is no `owner/name` may hold anything.
    fn shown(&self) -> String {
        Slug::parse(&self.path).map_or_else(|| format!("on {}", self.host), |slug| format!("{}/{slug}", self.host))
    }

    /// Reads a URL; `None` for a local path and for text that is no URL.
    fn parse(url: &str) -> Option<Self> {
        let (host, path, ssh) = if url.contains("://") {
            let url = Url::parse(url).ok()?;
            let ssh = matches!(url.scheme(), "ssh" | "git+ssh");
            if !ssh && !matches!(url.scheme(), "https" | "http" | "git") {
                return None;
            }
            (url.host_str()?.to_ascii_lowercase(), url.path().to_owned(), ssh)
        } else {
            // The form of scp: [user@]host:path. A slash before the colon makes it a local path.
            let (host, path) = url.split_once(':')?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            // With an `@` behind the colon it is a URL that lost its scheme, and may hold a secret.
            if host.is_empty() || host.contains('/') || path.contains('@') || cfg!(windows) && host.len() == 1 {
                return None;
            }
            (host.to_ascii_lowercase(), path.to_owned(), true)
        };
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path).to_owned();
        Some(Self { host, path, ssh })
    }
}

fn first_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Location, Slug};

    #[test]
    fn remote_urls_name_host_and_path() {
        for (url, host, path, ssh) in [
            ("https://github.com/octocat/hello-world.git", "github.com", "octocat/hello-world", false),
            ("https://octocat:secret@GitHub.com/octocat/hello-world", "github.com", "octocat/hello-world", false),
            ("git@github.com:octocat/hello-world.git", "github.com", "octocat/hello-world", true),
            ("github-work:octocat/hello-world", "github-work", "octocat/hello-world", true),
            ("ssh://git@ssh.github.com:443/octocat/hello-world.git", "ssh.github.com", "octocat/hello-world", true),
            ("git@github.com:/octocat/hello-world/", "github.com", "octocat/hello-world", true),
            ("https://octo.ghe.com/octocat/.github", "octo.ghe.com", "octocat/.github", false),
        ] {
            let expected = Location { host: host.to_owned(), path: path.to_owned(), ssh };
            assert_eq!(Location::parse(url), Some(expected), "{url}");
        }
        for url in [
            "octocat:ghp_secret@github.com/octocat/hello-world",
            "/srv/git/hello.git",
            "../hello",
            "file:///srv/hello",
            "./odd:name",
            ":",
        ] {
            assert_eq!(Location::parse(url), None, "{url}");
        }
    }

    #[test]
    fn slugs_are_two_plain_names() {
        assert_eq!(Slug::parse("Octocat/Hello-World"), Slug::parse("octocat/hello-world"));
        for text in ["octocat", "octocat/", "a/b/c", "../x", "a/..", "a b/c", "a/b\u{202e}c", "o/\x1b[31m"] {
            assert_eq!(Slug::parse(text), None, "{text}");
        }
    }
}
