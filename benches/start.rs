//! How long it takes from nothing to the link, against a bare protocol client that makes the same calls on the same CLI.
//!
//! `cargo bench` prints medians and the ratio pair by pair; the budget is a ratio of 1.05. Both run in turn, each pair in its own warm
//! home, on the real Copilot CLI and the loopback GitHub of the tests. Arguments: the number of pairs (default 15).

#[expect(dead_code, unreachable_pub, reason = "the tests use the rest of it")]
#[path = "../tests/it/support"]
mod support {
    pub mod github;
    pub mod rpc;
}

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::github::GitHub;
use support::rpc::{self, Rpc};

const BINARY: &str = env!("CARGO_BIN_EXE_copilot-remote");

struct World {
    home: tempfile::TempDir,
    github: GitHub,
    cli: PathBuf,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let repo = home.path().join("repo");
        std::fs::create_dir(&repo).expect("a folder");
        for arguments in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["remote", "add", "origin", "https://github.com/octocat/hello-world"],
        ] {
            let done = Command::new("git").arg("-C").arg(&repo).args(arguments).status().expect("git");
            assert!(done.success());
        }
        let cli = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtime/node_modules/.bin/copilot");
        assert!(cli.exists(), "{} is missing: npm ci --prefix tests/runtime", cli.display());
        Self { home, github: GitHub::start(), cli }
    }

    fn env(&self) -> Vec<(String, String)> {
        let mut env = self.github.env();
        let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
        let at = |folder: &str| self.home.path().join(folder).to_string_lossy().into_owned();
        set("PATH", std::env::var("PATH").expect("PATH"));
        set("HOME", at("home"));
        set("COPILOT_HOME", at("copilot"));
        for (name, folder) in [("CONFIG", "config"), ("STATE", "state"), ("CACHE", "cache"), ("DATA", "data")] {
            set(&format!("XDG_{name}_HOME"), at(folder));
        }
        set("GH_TOKEN", "gho_bench".to_owned());
        env
    }

    /// From the start of the program to its line on stdout.
    fn ours(&self) -> Duration {
        let begun = Instant::now();
        let mut child = Command::new(BINARY)
            .args(["start", "--copilot"])
            .arg(&self.cli)
            .env_clear()
            .envs(self.env())
            .current_dir(self.home.path().join("repo"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let took = begun.elapsed();
        assert!(line.starts_with("https://github.com/"), "{line}");
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let _ = child.wait();
        took
    }

    /// The same calls, with nothing around them.
    fn bare(&self) -> Duration {
        let begun = Instant::now();
        let repo = self.home.path().join("repo");
        let server = rpc::spawn_server(&self.cli, &[], &self.env(), self.home.path(), &repo);
        let rpc = Rpc::connect(("127.0.0.1", server.port)).expect("it listens");
        let call = |method: &str, params: Value| rpc.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"));
        call("connect", json!({"token": server.token}));
        call("account.getCurrentAuth", json!({}));
        let create = json!({"workingDirectory": repo, "streaming": true, "requestPermission": true, "requestUserInput": true, "requestExitPlanMode": true});
        let session = call("session.create", create)["sessionId"].clone();
        let answer = call("session.remote.enable", json!({"sessionId": session, "mode": "on"}));
        let took = begun.elapsed();
        assert!(answer["url"].is_string(), "{answer}");
        let _ = rpc.call("runtime.shutdown", json!({}));
        took
    }
}

fn main() {
    let pairs: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(15);
    let world = World::new();
    // The CLI fills its caches.
    world.bare();
    world.ours();
    let mut figures: Vec<(f64, f64)> = (0..pairs)
        .map(|pair| {
            // Whoever goes first may find the machine in another state.
            let milliseconds = |took: Duration| took.as_secs_f64() * 1000.0;
            if pair % 2 == 0 {
                let ours = milliseconds(world.ours());
                (ours, milliseconds(world.bare()))
            } else {
                let bare = milliseconds(world.bare());
                (milliseconds(world.ours()), bare)
            }
        })
        .collect();
    let mut median = |key: fn(&(f64, f64)) -> f64| {
        figures.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&figures[figures.len() / 2])
    };
    let (ours, bare, ratio) = (median(|pair| pair.0), median(|pair| pair.1), median(|pair| pair.0 / pair.1));
    let report = format!(
        "cold start to link, {pairs} pairs: copilot-remote {ours:.0} ms, bare client {bare:.0} ms (medians); ratio pair by pair {ratio:.3} (median), budget 1.05\n"
    );
    let _ = std::io::stdout().write_all(report.as_bytes());
}
