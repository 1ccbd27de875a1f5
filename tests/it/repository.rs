//! In which repository: what git says, who is refused, and what is told before anything is shared.

use std::path::Path;

use crate::support::sandbox::{Done, Sandbox};

/// Starts on the stand-in, which attaches every session to octocat/hello-world as a real CLI would in its clone; ends it when ready.
fn start(sandbox: &Sandbox, folder: &Path, more: &[&str]) -> Done {
    let cli = sandbox.stand_in_cli();
    let arguments = [&["start", "-C", folder.to_str().unwrap(), "--copilot", &cli], more].concat();
    let running = sandbox.spawn(&arguments);
    if running.try_stdout_line("https://") {
        running.signal("INT");
    }
    running.finish()
}

fn accepted(sandbox: &Sandbox, folder: &Path) {
    let done = start(sandbox, folder, &[]).expect_code(130);
    assert!(!done.stderr.contains("warning"), "{}: {}", folder.display(), done.stderr);
}

#[test]
fn every_way_to_name_the_repository_is_understood() {
    let sandbox = Sandbox::new();
    for (name, url) in [
        ("https", "https://github.com/octocat/hello-world"),
        ("user", "https://octocat@github.com/octocat/hello-world.git"),
        ("scp", "git@github.com:octocat/hello-world.git"),
        ("ssh", "ssh://git@github.com/octocat/hello-world.git"),
        ("port", "ssh://git@ssh.github.com:443/octocat/hello-world.git"),
        ("case", "https://GitHub.com/Octocat/Hello-World"),
    ] {
        accepted(&sandbox, &sandbox.git_init(name, &[("origin", url)]));
    }
}

#[test]
fn worktree_submodule_subfolder_detached_and_empty_are_repositories() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    std::fs::create_dir(repo.join("deep")).unwrap();
    accepted(&sandbox, &repo.join("deep"));
    sandbox.git(&repo, &["worktree", "add", "--quiet", "../tree", "-b", "side"]);
    accepted(&sandbox, &sandbox.path("tree"));
    sandbox.git(&repo, &["checkout", "--quiet", "--detach"]);
    accepted(&sandbox, &repo);
    let outer = sandbox.git_init("outer", &[]);
    let inner = repo.to_str().unwrap();
    sandbox.git(&outer, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "inner"]);
    sandbox.git(&outer.join("inner"), &["remote", "set-url", "origin", "https://github.com/octocat/hello-world"]);
    accepted(&sandbox, &outer.join("inner"));
    let empty = sandbox.path("empty");
    std::fs::create_dir(&empty).unwrap();
    sandbox.git(&empty, &["init", "--quiet"]);
    sandbox.git(&empty, &["remote", "add", "origin", "https://github.com/octocat/hello-world"]);
    accepted(&sandbox, &empty);
}

#[test]
fn instead_of_and_ssh_aliases_are_resolved() {
    let sandbox = Sandbox::new();
    let folder = sandbox.git_init("instead", &[("origin", "work:hello-world")]);
    sandbox.git(&folder, &["config", "url.https://github.com/octocat/.insteadOf", "work:"]);
    accepted(&sandbox, &folder);
    // What ssh says of an alias; the real one reads the home that the password database names.
    let bin = sandbox.script("bin/ssh", "[ \"$3\" = github-work ] && echo 'hostname github.com' || echo \"hostname $3\"");
    let mut sandbox = sandbox;
    let path = format!("{}:{}", bin.parent().unwrap().display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path);
    accepted(&sandbox, &sandbox.git_init("alias", &[("origin", "git@github-work:octocat/hello-world.git")]));
}

#[test]
fn origin_counts_first() {
    let sandbox = Sandbox::new();
    let folder = sandbox
        .git_init("two", &[("a", "https://github.com/other/parent"), ("origin", "https://github.com/octocat/hello-world")]);
    accepted(&sandbox, &folder);
}

#[test]
fn a_difference_is_told_before_anything_is_shared() {
    let sandbox = Sandbox::new();
    let folder = sandbox.git_init("fork", &[("origin", "https://github.com/hubot/hello-world")]);
    let done = start(&sandbox, &folder, &[]).expect_code(130);
    let warning = "warning: the Copilot CLI attaches the session to octocat/hello-world, while git says hubot/hello-world\n";
    let (before, after) = done.stderr.split_once(warning).unwrap_or_else(|| panic!("{}", done.stderr));
    assert!(before.contains("creating the session\n") && !before.contains("Mission Control\n"), "{before}");
    assert!(after.contains("waiting for Mission Control\n"), "{after}");
}

#[test]
fn what_is_no_github_repository_is_refused() {
    let sandbox = Sandbox::new();
    let plain = sandbox.path("plain");
    std::fs::create_dir(&plain).unwrap();
    let refused = |folder: &Path, words: &[&str]| {
        let done = start(&sandbox, folder, &[]).expect_code(8);
        assert_eq!(done.stdout, "");
        for word in words.iter().chain(&["hint: ", "--no-repo"]) {
            assert!(done.stderr.contains(word), "no {word:?}: {}", done.stderr);
        }
        assert!(!sandbox.state().exists(), "something was started");
        done
    };
    refused(&plain, &["/plain is not in a git repository"]);
    refused(&sandbox.git_init("none", &[]), &["no remote of", "is on github.com", "git remote add origin"]);
    refused(&sandbox.git_init("local", &[("origin", "/srv/hello.git")]), &["is on github.com\n"]);
    refused(&sandbox.git_init("lab", &[("origin", "https://gitlab.com/a/b")]), &["(origin is gitlab.com/a/b)"]);
    refused(&sandbox.git_init("ghe", &[("origin", "https://octo.ghe.com/a/b")]), &["GH_HOST=octo.ghe.com copilot-remote start"]);
    let done = refused(&sandbox.git_init("secret", &[("origin", "https://me:s3cret@gitlab.com/a/b")]), &["gitlab.com/a/b"]);
    assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
    let done = refused(
        &sandbox.git_init("typo", &[("origin", "x-access-token:ghp_s3cret@github.com/a/b.git")]),
        &["is on github.com\n"],
    );
    assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
    let evil = sandbox.git_init("evil", &[("origin", "https://gitlab.com/\u{1b}]0;x\u{7}/b")]);
    assert!(!refused(&evil, &[]).stderr.contains(['\u{1b}', '\u{7}']));
}

#[test]
fn no_repo_goes_on_without() {
    let sandbox = Sandbox::new();
    let plain = sandbox.path("plain");
    std::fs::create_dir(&plain).unwrap();
    start(&sandbox, &plain, &["--no-repo"]).expect_code(130);
}

#[test]
fn another_github_host_is_named_by_the_environment() {
    let mut sandbox = Sandbox::new();
    let folder = sandbox.git_init("ghe", &[("origin", "https://octo.ghe.com/octocat/hello-world")]);
    for value in ["octo.ghe.com", "https://octo.ghe.com/"] {
        sandbox.set("GH_HOST", value);
        accepted(&sandbox, &folder);
    }
    sandbox.set("GH_HOST", "github.com").set("COPILOT_GH_HOST", "octo.ghe.com");
    accepted(&sandbox, &folder);
}

/// A file system that does not answer: signals and the deadline count.
#[test]
fn a_git_that_hangs_is_not_waited_for() {
    let mut sandbox = Sandbox::new();
    let git = sandbox.script("bin/git", "exec sleep 60");
    let path = format!("{}:{}", git.parent().unwrap().display(), sandbox.env["PATH"]);
    sandbox.set("PATH", &path);
    let done = sandbox.run(&["start", "--timeout", "1s"]).expect_code(6);
    assert!(done.stderr.contains("looking for the repository took too long"), "{}", done.stderr);
    let running = sandbox.spawn(&["start"]);
    running.stderr_line("looking for the repository");
    running.signal("TERM");
    running.finish().expect_code(143);
}

#[test]
fn without_git_it_says_so() {
    let mut sandbox = Sandbox::new();
    let empty = sandbox.path("bin");
    std::fs::create_dir(&empty).unwrap();
    sandbox.set("PATH", empty.to_str().unwrap());
    let done = sandbox.run(&["start"]).expect_code(8);
    assert!(done.stderr.contains("error: git is not to be found"), "{}", done.stderr);
}
