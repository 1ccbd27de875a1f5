//! A session for each worktree, on the stand-in; git is the real one.

use std::fs;

use serde_json::json;

use crate::real_cli_or_return;
use crate::support::github::GitHub;
use crate::support::sandbox::{PATIENCE, Sandbox, normal};
use crate::support::together::wait_for;

fn world() -> (Sandbox, String) {
    let mut sandbox = Sandbox::new();
    sandbox.play(&json!({}));
    let cli = sandbox.stand_in_cli();
    (sandbox, cli)
}

#[test]
fn a_session_gets_its_worktree_and_leaves_it() {
    let (sandbox, cli) = world();
    let start = |arguments: &[&str]| {
        let common = ["start", "--copilot", &cli, "-d"];
        sandbox.run(&[&common[..], arguments].concat())
    };
    let place = |name: &str| sandbox.path("repo.worktrees").join(name);

    let done = start(&["--worktree", "feature/x", "--name", "one", "--json"]).expect_code(0);
    let made = place("feature-x");
    assert!(done.stderr.contains(&format!("new worktree: {}, branch feature/x", made.display())), "{}", done.stderr);
    let ready = done.json().pop().unwrap();
    assert_eq!((&ready["directory"], &ready["worktree"]), (&json!(made), &json!(made)));
    assert_eq!(sandbox.git(&made, &["branch", "--show-current"]), "feature/x");
    // What is not committed stays where it is.
    fs::write(made.join("work"), "in progress").unwrap();
    let remove = format!("git -C {} worktree remove {}", sandbox.repo().display(), made.display());
    let left = format!("its worktree is left, with branch feature/x: {}; to remove it: {remove}\n", made.display());
    let done = sandbox.run(&["stop", "one", "--json"]).expect_code(0);
    assert!(done.stderr.ends_with(&left), "{}", done.stderr);
    assert_eq!(done.json()[0]["sessions"][0]["worktree"], json!(made));
    assert_eq!(fs::read_to_string(made.join("work")).unwrap(), "in progress");

    // Again: the same one.
    let done = start(&["--worktree", "feature/x", "--name", "two"]).expect_code(0);
    assert!(done.stderr.contains(&format!("worktree, as it was: {}, branch feature/x", made.display())), "{}", done.stderr);
    // From within, too: next to the repository, not to the worktree.
    let nested = sandbox.spawn(&["-C", made.to_str().unwrap(), "start", "--copilot", &cli, "-d", "--worktree", "other"]);
    nested.finish().expect_code(0);
    assert!(place("other").is_dir());
    // Without a branch, it is named like the session.
    start(&["--name", "Fix the login!", "--worktree"]).expect_code(0);
    assert_eq!(sandbox.git(&place("copilot-fix-the-login"), &["branch", "--show-current"]), "copilot/fix-the-login");
    start(&["--worktree"]).expect_code(0);
    assert_eq!(fs::read_dir(sandbox.path("repo.worktrees")).unwrap().count(), 4);
    sandbox.stop_all();
    // The command that is offered works.
    fs::remove_file(made.join("work")).unwrap();
    let status = std::process::Command::new("sh").args(["-c", &remove]).env_clear().envs(&sandbox.env).status().unwrap();
    assert!(status.success() && !made.exists());
}

#[test]
fn a_branch_of_a_remote_is_followed() {
    let (sandbox, cli) = world();
    let upstream = sandbox.git_init("upstream", &[]);
    sandbox.git(&upstream, &["branch", "theirs"]);
    sandbox.git(&sandbox.repo(), &["remote", "add", "local", upstream.to_str().unwrap()]);
    sandbox.git(&sandbox.repo(), &["fetch", "--quiet", "local"]);
    let done = sandbox.run(&["start", "--copilot", &cli, "-d", "--worktree", "local/theirs"]).expect_code(8);
    assert!(done.stderr.contains("local/theirs is a remote's branch: "), "{}", done.stderr);
    sandbox.run(&["start", "--copilot", &cli, "-d", "--worktree", "theirs"]).expect_code(0);
    let made = sandbox.path("repo.worktrees/theirs");
    assert_eq!(sandbox.git(&made, &["rev-parse", "--abbrev-ref", "@{upstream}"]), "local/theirs");
    sandbox.stop_all();
}

#[test]
fn what_cannot_be_a_worktree_is_refused() {
    let (sandbox, cli) = world();
    let start = |arguments: &[&str]| sandbox.run(&[&["start", "--copilot", &cli, "-d"][..], arguments].concat());
    let refused = |arguments: &[&str], why: &str| {
        let done = start(arguments).expect_code(8);
        assert!(normal(&done.stderr, &sandbox).contains(why), "{}", done.stderr);
        assert!(
            done.stderr.contains("hint: another branch: --worktree BRANCH; what there is: git worktree list"),
            "{}",
            done.stderr
        );
    };
    refused(&["--worktree", "main"], "there is no worktree for the session: main is checked out in ");
    refused(&["--worktree", "a..b"], "a..b is no name for a branch");
    refused(&["--worktree=-f"], "-f is no name for a branch");
    fs::create_dir_all(sandbox.path("repo.worktrees/taken")).unwrap();
    refused(&["--worktree", "taken"], "repo.worktrees/taken is there already, and is no worktree of taken");
    sandbox.git(&sandbox.repo(), &["worktree", "add", "--quiet", "-b", "gone", sandbox.path("gone").to_str().unwrap()]);
    fs::remove_dir_all(sandbox.path("gone")).unwrap();
    refused(&["--worktree", "gone"], "and is gone: git worktree prune");
    start(&["--worktree", "x", "--demo"]).expect_code(2);
    start(&["--worktree", "x", "--continue"]).expect_code(2);
    let outside = sandbox.path("home");
    let done = sandbox.run(&["-C", outside.to_str().unwrap(), "start", "--copilot", &cli, "--worktree", "x"]).expect_code(8);
    assert!(done.stderr.contains("is not in a git repository"), "{}", done.stderr);
    // Nothing is made for a session that cannot come about.
    start(&["--worktree", "early", "--deny-tool", "Write"]).expect_code(2);
    sandbox.run(&["start", "--copilot", "/no/such/cli", "--worktree", "early"]).expect_code(5);
    assert!(!sandbox.path("repo.worktrees/early").exists());
}

/// A submodule has a place of its own, not one within git's folder; a branch is not its prefix.
#[test]
fn a_submodule_has_worktrees_too() {
    let (sandbox, cli) = world();
    let inner = sandbox.git_init("inner", &[("origin", "https://github.com/octocat/inner.git")]);
    let outer = sandbox.repo();
    sandbox.git(&outer, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.to_str().unwrap(), "sub"]);
    let sub = outer.join("sub");
    sandbox.git(&sub, &["remote", "set-url", "origin", "https://github.com/octocat/inner.git"]);
    sandbox.git(&sub, &["branch", "topic/x"]);
    sandbox.run(&["-C", sub.to_str().unwrap(), "start", "--copilot", &cli, "-d", "--worktree", "other"]).expect_code(0);
    assert!(outer.join("sub.worktrees/other").is_dir());
    let done =
        sandbox.run(&["-C", sub.to_str().unwrap(), "start", "--copilot", &cli, "-d", "--worktree", "topic"]).expect_code(8);
    assert!(done.stderr.contains("there is no worktree for the session: "), "{}", done.stderr);
    sandbox.stop_all();
}

/// Ctrl-C while git checks out: git takes back what it began. While its own hook runs: the worktree is whole, and is found again. Nothing
/// is left running.
#[test]
fn an_interrupted_worktree_is_whole_or_gone() {
    let (sandbox, cli) = world();
    let filter = sandbox.script("filter", &format!("echo started > {}; sleep 1234", sandbox.path("filter-runs").display()));
    fs::write(sandbox.repo().join("file"), "content").unwrap();
    fs::write(sandbox.repo().join(".gitattributes"), "file filter=slow").unwrap();
    sandbox.git(&sandbox.repo(), &["add", "."]);
    sandbox.git(&sandbox.repo(), &["commit", "--quiet", "-m", "second"]);
    sandbox.git(&sandbox.repo(), &["config", "filter.slow.smudge", filter.to_str().unwrap()]);
    interrupt(&sandbox, &cli, "filter-runs");
    assert!(!sandbox.path("repo.worktrees/slow").exists());

    sandbox.git(&sandbox.repo(), &["config", "--unset", "filter.slow.smudge"]);
    let hook = format!("echo started > {}; sleep 1234", sandbox.path("hook-runs").display());
    let hook = sandbox.script("repo/.git/hooks/post-checkout", &hook);
    interrupt(&sandbox, &cli, "hook-runs");
    fs::remove_file(hook).unwrap();
    let done = sandbox.run(&["start", "--copilot", &cli, "-d", "--worktree", "slow"]).expect_code(0);
    assert!(done.stderr.contains("worktree, as it was: "), "{}", done.stderr);
    sandbox.stop_all();
}

/// Presses Ctrl-C once this file is there.
fn interrupt(sandbox: &Sandbox, cli: &str, file: &str) {
    let running = sandbox.spawn(&["start", "--copilot", cli, "-d", "--worktree", "slow"]);
    running.stderr_line("making the worktree");
    wait_for(file, PATIENCE, || sandbox.path(file).exists());
    running.signal("INT");
    running.finish().expect_code(130);
    sandbox.wait_until_empty();
}

/// On the real CLI: the session works there, on that branch; where it fails after the worktree was made, that is said.
#[test]
fn the_session_works_in_its_worktree() {
    let cli = real_cli_or_return!();
    let github = GitHub::start();
    let mut sandbox = Sandbox::on(&github);
    sandbox.set("COPILOT_CLI_PATH", cli.to_str().unwrap());
    github.model([crate::support::github::Reply::bash("pwd > where"), crate::support::github::Reply::text("done")]);
    let done = sandbox.run(&["start", "-d", "--json", "--worktree", "topic", "--allow-all"]).expect_code(0);
    let ready = done.json().pop().unwrap();
    assert_eq!((&ready["repository"], &ready["branch"]), (&json!("octocat/hello-world"), &json!("topic")));
    sandbox.run(&["send", "-p", "go", "--wait"]).expect_code(0);
    let made = sandbox.path("repo.worktrees/topic");
    assert_eq!(fs::read_to_string(made.join("where")).unwrap().trim(), made.to_str().unwrap());
    sandbox.stop_all();
    // Gone on with, it still has it.
    let done = sandbox.run(&["-C", made.to_str().unwrap(), "start", "-d", "--json", "--continue"]).expect_code(0);
    assert_eq!(done.json().pop().unwrap()["worktree"], json!(made));
    sandbox.stop_all();

    sandbox.unset("GH_TOKEN");
    let done = sandbox.run(&["start", "--worktree", "unlucky"]).expect_code(4);
    assert!(done.stderr.contains("its worktree is left, with branch unlucky: "), "{}", done.stderr);
}
