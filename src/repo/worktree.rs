//! A git worktree for a session. It is in a predictable place next to the repository, made if it does not exist, and never
//! removed by this program.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{RepoError, first_line, git};

/// A worktree that is not the repository's first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worktree {
    pub(crate) path: PathBuf,
    /// The folder that stands for the repository: its first worktree, or the bare repository itself.
    pub(crate) repository: PathBuf,
    pub(crate) branch: String,
    /// Whether the worktree existed already.
    pub(crate) reused: bool,
    /// What went wrong as it was made, in a sentence: it may not be all that it is to be.
    #[serde(skip)]
    pub(crate) trouble: Option<String>,
}

/// A line of `git worktree list`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    path: PathBuf,
    branch: Option<String>,
}

/// The worktree in a folder, if it is one of those that [`add`] makes.
pub(crate) async fn of(directory: &Path) -> Option<Worktree> {
    let (repository, listed) = list(directory).await.ok()?;
    let here = listed.into_iter().find(|listed| directory.starts_with(&listed.path) && listed.path != repository)?;
    let branch = here.branch?;
    (here.path == place(&repository, &branch)).then_some(Worktree {
        path: here.path,
        repository,
        branch,
        reused: true,
        trouble: None,
    })
}

/// Where the repository is, and which worktrees it has.
async fn list(directory: &Path) -> Result<(PathBuf, Vec<Listed>), RepoError> {
    let output = git(directory, &["worktree", "list", "--porcelain", "-z"]).await?;
    if !output.status.success() {
        return Err(super::unreadable(directory, &output));
    }
    let listed = parse(&String::from_utf8_lossy(&output.stdout));
    let first = listed.first().map(|first| first.path.clone()).unwrap_or_default();
    // For a submodule, git lists a folder inside the repository around it first, so the submodule's own folder is taken.
    let inner = first.components().any(|part| part.as_os_str() == ".git");
    if !inner {
        return Ok((first, listed));
    }
    let root = git(directory, &["rev-parse", "--show-toplevel"]).await?;
    Ok((PathBuf::from(first_line(&root.stdout)), listed))
}

/// The worktree of `branch`. It is made if there is none; so is the branch, from a remote's branch of that name, else from HEAD.
/// This takes as long as git does. If it is dropped before its end, git removes the worktree, but not a new branch.
pub(crate) async fn add(directory: &Path, branch: &str) -> Result<Worktree, RepoError> {
    let (repository, listed) = list(directory).await?;
    let refused = |message: String| RepoError::Worktree { message };
    let checked = git(directory, &["check-ref-format", "--branch", branch]).await?;
    if !checked.status.success() {
        return Err(refused(format!("{branch} is no name for a branch")));
    }
    let branch = first_line(&checked.stdout);
    let worktree =
        |path, reused| Worktree { path, repository: repository.clone(), branch: branch.clone(), reused, trouble: None };
    if let Some(at) = listed.iter().position(|listed| listed.branch.as_ref() == Some(&branch)) {
        let path = listed[at].path.clone();
        if at == 0 {
            let path = &repository;
            return Err(refused(format!("{branch} is checked out in {} itself", path.display())));
        }
        if !path.is_dir() {
            return Err(refused(format!("the worktree of {branch} was at {}, and is gone: git worktree prune", path.display())));
        }
        return Ok(worktree(path, true));
    }
    let path = place(&repository, &branch);
    if path.exists() {
        return Err(refused(format!("{} is there already, and is no worktree of {branch}", path.display())));
    }
    let refs = git(directory, &["for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes"]).await?;
    let refs = String::from_utf8_lossy(&refs.stdout).into_owned();
    let of_a_remote =
        |name: &str| name.strip_prefix("refs/remotes/").and_then(|name| name.split_once('/')).map(|(_, name)| name.to_owned());
    let is_local = refs.lines().any(|name| name.strip_prefix("refs/heads/") == Some(&branch));
    if let Some(name) = refs.lines().find(|name| !is_local && name.strip_prefix("refs/remotes/") == Some(&branch)) {
        let own = of_a_remote(name).unwrap_or_default();
        return Err(refused(format!("{branch} is a remote's branch: the one of this repository that follows it is {own}")));
    }
    let known = is_local || refs.lines().any(|name| of_a_remote(name).as_deref() == Some(&branch));
    if !known && !git(directory, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await?.status.success() {
        return Err(refused(format!("there is no commit yet that {branch} could begin at: commit something first")));
    }
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).env("LC_ALL", "C").args(["worktree", "add"]);
    if known {
        command.arg(&path).arg(&branch);
    } else {
        command.args(["--no-track", "-b", &branch]).arg(&path);
    }
    let added = run_to_end(command).await.map_err(|error| refused(error.to_string()))?;
    let mut made = worktree(path, false);
    if !added.status.success() {
        // git's last line says why; the lines before it say what git was about to do.
        let said = String::from_utf8_lossy(&added.stderr);
        let why = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("git failed").to_owned();
        // A hook of the repository's is run when all is done, and git hands on how it ended. What failed before that git takes back.
        let (_, listed) = list(directory).await?;
        if !made.path.is_dir() || !listed.iter().any(|listed| listed.branch.as_ref() == Some(&made.branch)) {
            return Err(refused(why));
        }
        made.trouble = Some(format!("the worktree is there, but git's hook post-checkout failed in it: {}", why.trim()));
    }
    Ok(made)
}

/// The branch for a session that was given none, named after the session or else after the time.
pub(crate) fn branch_for(name: Option<&str>) -> String {
    let plain: String = name
        .unwrap_or_default()
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' })
        .collect();
    let plain: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    if plain.is_empty() {
        return jiff::Zoned::now().strftime("copilot/%Y-%m-%d-%H%M%S").to_string();
    }
    format!("copilot/{}", plain.join("-"))
}

/// The place of a worktree: `hello-world.worktrees/feature-x` next to `hello-world`.
fn place(repository: &Path, branch: &str) -> PathBuf {
    let name =
        if repository.extension().is_some_and(|kind| kind == "git") { repository.file_stem() } else { repository.file_name() };
    let name = name.unwrap_or_default().to_string_lossy();
    repository.with_file_name(format!("{name}.worktrees")).join(branch.replace('/', "-"))
}

/// Parses the list of worktrees. Records end with an empty field, fields with a NUL.
fn parse(text: &str) -> Vec<Listed> {
    let mut all = Vec::new();
    for record in text.split("\0\0") {
        let mut listed = Listed::default();
        for field in record.split('\0') {
            match field.split_once(' ') {
                Some(("worktree", path)) => listed.path = PathBuf::from(path),
                Some(("branch", name)) => listed.branch = name.strip_prefix("refs/heads/").map(ToOwned::to_owned),
                _ => {}
            }
        }
        if !listed.path.as_os_str().is_empty() {
            all.push(listed);
        }
    }
    all
}

/// Runs git. If this is dropped before its end, git and the processes that work for it are asked to end; git then removes what it
/// began, which a kill would leave behind.
async fn run_to_end(mut command: Command) -> std::io::Result<Output> {
    #[cfg(unix)]
    command.process_group(0);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(cfg!(windows)).spawn()?;
    let mut asked_to_end = AskToEnd(child.id());
    let errors = child.stderr.take();
    let reading = async {
        let mut said = Vec::new();
        if let Some(mut errors) = errors {
            tokio::io::AsyncReadExt::read_to_end(&mut errors, &mut said).await?;
        }
        Ok::<_, std::io::Error>(said)
    };
    let (status, stderr) = tokio::try_join!(child.wait(), reading)?;
    asked_to_end.0 = None;
    Ok(Output { status, stdout: Vec::new(), stderr })
}

/// A group of processes that is asked to end when this is dropped.
struct AskToEnd(Option<u32>);

impl Drop for AskToEnd {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.0.and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Listed, branch_for, parse, place};

    #[test]
    fn places_and_names_are_predictable() {
        assert_eq!(place(Path::new("/src/hello-world"), "feature/x"), Path::new("/src/hello-world.worktrees/feature-x"));
        assert_eq!(place(Path::new("/src/hello.git"), "main"), Path::new("/src/hello.worktrees/main"));
        assert_eq!(branch_for(Some("Fix: the Login!")), "copilot/fix-the-login");
        for name in [None, Some("日本"), Some("--")] {
            assert!(branch_for(name).starts_with("copilot/20"), "{name:?}");
        }
    }

    #[test]
    fn the_list_is_read() {
        let text = "worktree /a b\0HEAD 1\0branch refs/heads/main\0\0worktree /c\0HEAD 1\0detached\0\0worktree /d\0bare\0\0";
        let listed = |path: &str, branch: Option<&str>| Listed { path: path.into(), branch: branch.map(ToOwned::to_owned) };
        assert_eq!(parse(text), [listed("/a b", Some("main")), listed("/c", None), listed("/d", None)]);
    }
}
