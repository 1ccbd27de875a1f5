//! What the benchmarks share: a home, a repository and a loopback GitHub, with the real Copilot CLI.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::github::GitHub;
use super::support::rpc::Rpc;

pub const BINARY: &str = env!("CARGO_BIN_EXE_copilot-remote");

pub struct World {
    pub home: tempfile::TempDir,
    pub github: GitHub,
    pub cli: PathBuf,
}

impl World {
    pub fn new() -> Self {
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

    pub fn env(&self) -> Vec<(String, String)> {
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

    pub fn repo(&self) -> PathBuf {
        self.home.path().join("repo")
    }

    /// A folder of the program's state.
    pub fn state(&self, folder: &str) -> PathBuf {
        self.home.path().join("state/copilot-remote").join(folder)
    }

    /// The entries in it.
    pub fn entries(&self, folder: &str) -> Vec<Value> {
        let files = std::fs::read_dir(self.state(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
        let json = files.filter(|file| file.extension().is_some_and(|kind| kind == "json"));
        json.map(|file| serde_json::from_slice(&std::fs::read(file).expect("an entry")).expect("JSON")).collect()
    }

    /// Address and token of the live runtime.
    pub fn live_runtime(&self) -> (String, String) {
        let server = self.entries("runtimes").remove(0)["server"].clone();
        let text = |field: &str| server[field].as_str().expect("text").to_owned();
        (text("address"), text("token"))
    }

    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().envs(self.env()).env("COPILOT_CLI_PATH", &self.cli);
        command.current_dir(self.repo()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// From the start of `start` to its line on stdout.
    pub fn start(&self) -> Duration {
        let begun = Instant::now();
        let mut child = self.command(&["start"]).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let took = begun.elapsed();
        assert!(line.starts_with("https://github.com/"), "{line}");
        terminate(&mut child);
        took
    }

    /// The calls that make a session with a link, with nothing around them.
    pub fn create(&self, rpc: &Rpc, token: &str) -> Value {
        let call = |method: &str, params: Value| rpc.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"));
        call("connect", json!({"token": token}));
        call("account.getCurrentAuth", json!({}));
        call("user.settings.get", json!({}));
        call("permissions.folderTrust.checkTrust", json!({"path": self.repo()}));
        let create = json!({
            "workingDirectory": self.repo(), "streaming": true, "requestPermission": true, "requestUserInput": true,
            "requestExitPlanMode": true, "requestElicitation": true, "requestAutoModeSwitch": true, "enableConfigDiscovery": true,
            "enableSessionStore": true, "enableManagedSettings": true, "enableFileChangeTracking": true, "enableFileHooks": false,
        });
        let session = call("session.create", create)["sessionId"].clone();
        let configure = |method: &str, mut params: Value| {
            params["sessionId"] = session.clone();
            call(method, params)
        };
        configure("session.options.update", json!({"enableScriptSafety": true}));
        configure("session.permissions.configure", json!({"approveAllReadPermissionRequests": true}));
        configure("session.permissions.locations.apply", json!({"workingDirectory": self.repo()}));
        configure("session.permissions.getMode", json!({}));
        let answer = call("session.remote.enable", json!({"sessionId": session, "mode": "on"}));
        assert!(answer["url"].is_string(), "{answer}");
        session
    }
}

pub fn terminate(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let _ = child.wait();
}

pub fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Measures both in turn, as whoever goes first may find the machine in another state: the medians of each, and of the ratio pair by pair.
pub fn pairs(count: usize, mut ours: impl FnMut() -> Duration, mut bare: impl FnMut() -> Duration) -> (f64, f64, f64) {
    let figures: Vec<(f64, f64)> = (0..count)
        .map(|pair| {
            if pair % 2 == 0 {
                let ours = milliseconds(ours());
                (ours, milliseconds(bare()))
            } else {
                let bare = milliseconds(bare());
                (milliseconds(ours()), bare)
            }
        })
        .collect();
    let of = |key: fn(&(f64, f64)) -> f64| median(figures.iter().map(key).collect());
    (of(|pair| pair.0), of(|pair| pair.1), of(|pair| pair.0 / pair.1))
}
