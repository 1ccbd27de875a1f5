//! A world of its own for each test: home, repository, state folder, environment; and the program run in it.
//!
//! Nothing of the machine's environment reaches the program but `PATH`. When a sandbox is dropped, no process that was started in it
//! may be left: that is checked for every test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::github::GitHub;
use super::together::until;

/// Longer than anything takes on a busy machine: a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The token that the tests sign in with. It must never be seen anywhere.
pub const TOKEN: &str = "gho_5ecret0f7he7est5";

pub const BINARY: &str = env!("CARGO_BIN_EXE_copilot-remote");

/// The pinned Copilot CLI, installed when it is missing; None: the tests that need it are switched off.
///
/// # Panics
/// When it cannot be installed, and when it is switched off in CI.
pub fn real_cli() -> Option<PathBuf> {
    static CLI: OnceLock<Option<PathBuf>> = OnceLock::new();
    CLI.get_or_init(|| {
        if std::env::var_os("COPILOT_REMOTE_TEST_REAL").is_some_and(|value| value == "0") {
            assert!(std::env::var_os("CI").is_none(), "COPILOT_REMOTE_TEST_REAL=0 is not for CI");
            return None;
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtime");
        let program = folder.join("node_modules/.bin/copilot");
        if !program.exists() {
            let installed = Command::new("npm").arg("ci").current_dir(&folder).stdout(Stdio::null()).status();
            assert!(
                installed.is_ok_and(|status| status.success()) && program.exists(),
                "the Copilot CLI is not in {}: run `npm ci` there, or leave its tests out with COPILOT_REMOTE_TEST_REAL=0",
                folder.display()
            );
        }
        unpack(&program);
        Some(program)
    })
    .clone()
}

/// What the CLI unpacks at its first start, 235 MB in two seconds: once for all sandboxes, as on a machine where it has run before.
fn unpacked() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("unpacked")
}

fn unpack(program: &Path) {
    let home = unpacked();
    let mut version = Command::new(program);
    version.arg("--version").env_clear().env("PATH", std::env::var_os("PATH").expect("PATH"));
    version.env("HOME", &home).env("XDG_CACHE_HOME", &home).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(version.status().is_ok_and(|status| status.success()), "{} does not run", program.display());
}

/// For tests that need the real CLI: its path, or a return with a word that the test was not run. The word goes past the capture of
/// the test runner, so that no summary hides it.
#[macro_export]
macro_rules! real_cli_or_return {
    () => {
        match $crate::support::sandbox::real_cli() {
            Some(program) => program,
            None => {
                use std::io::Write as _;
                let name = std::thread::current().name().unwrap_or("a test").to_owned();
                let _ = writeln!(std::io::stderr(), "NOT RUN (COPILOT_REMOTE_TEST_REAL=0): {name}");
                return;
            }
        }
    };
}

pub struct Sandbox {
    root: tempfile::TempDir,
    pub env: BTreeMap<String, String>,
}

impl Sandbox {
    /// A home and a clone of octocat/hello-world; no GitHub and nobody signed in.
    pub fn new() -> Self {
        // Resolved: macOS keeps its temporary folder behind a link.
        let root = tempfile::Builder::new().prefix("copilot-remote-test-").tempdir().expect("a temporary folder");
        let at = |name: &str| root.path().join(name).to_str().expect("UTF-8").to_owned();
        let mut env: BTreeMap<String, String> = [
            ("HOME", at("home")),
            ("COPILOT_HOME", at("copilot")),
            ("XDG_CONFIG_HOME", at("config")),
            ("XDG_STATE_HOME", at("state")),
            ("XDG_CACHE_HOME", at("cache")),
            ("GH_CONFIG_DIR", at("gh")),
            ("GIT_CONFIG_GLOBAL", at("gitconfig")),
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        env.insert("PATH".to_owned(), std::env::var("PATH").expect("PATH"));
        for folder in ["home", "repo"] {
            fs::create_dir(root.path().join(folder)).expect("a folder in the sandbox");
        }
        fs::write(
            root.path().join("gitconfig"),
            "[user]\nname = octocat\nemail = octocat@example.com\n[init]\ndefaultBranch = main\n",
        )
        .unwrap();
        let sandbox = Self { root, env };
        sandbox.git_init("repo", &[("origin", "https://github.com/octocat/hello-world.git")]);
        sandbox.trust(&[&sandbox.repo()]);
        sandbox
    }

    /// Writes a file, and the folders above it.
    #[expect(clippy::needless_pass_by_value, reason = "JSON that is written is made for it")]
    pub fn write(&self, name: &str, text: impl ToString) -> PathBuf {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text.to_string()).unwrap();
        file
    }

    /// Makes these the only folders that the person trusts, in the Copilot CLI's own file.
    pub fn trust(&self, folders: &[&Path]) {
        fs::create_dir_all(self.path("copilot")).unwrap();
        fs::write(self.path("copilot/config.json"), serde_json::json!({"trustedFolders": folders}).to_string()).unwrap();
    }

    /// The same, signed in to `github` with [`TOKEN`].
    pub fn on(github: &GitHub) -> Self {
        let mut sandbox = Self::new();
        sandbox.env.extend(github.env());
        sandbox.set("GH_TOKEN", TOKEN);
        // Of the CLI's cache this alone: what it remembers of the account is the sandbox's own.
        fs::create_dir_all(sandbox.path("cache/copilot")).unwrap();
        std::os::unix::fs::symlink(unpacked().join("copilot/pkg"), sandbox.path("cache/copilot/pkg")).unwrap();
        sandbox
    }

    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.env.remove(name);
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// Where the program keeps its state.
    pub fn state(&self) -> PathBuf {
        self.path("state/copilot-remote")
    }

    /// The files there, but for the key and the locks that stay.
    pub fn state_files(&self) -> Vec<String> {
        let mut files: Vec<String> = files_below(&self.state())
            .iter()
            .map(|file| file.strip_prefix(self.state()).unwrap().to_str().unwrap().to_owned())
            .filter(|file| !["key", "runtimes/launch.lock"].contains(&file.as_str()))
            .collect();
        files.sort();
        files
    }

    pub fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).env_clear().envs(&self.env).output().expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes a repository with one commit and these remotes.
    pub fn git_init(&self, name: &str, remotes: &[(&str, &str)]) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        self.git(&folder, &["init", "--quiet"]);
        for (remote, url) in remotes {
            self.git(&folder, &["remote", "add", remote, url]);
        }
        self.git(&folder, &["commit", "--quiet", "--allow-empty", "-m", "first"]);
        folder
    }

    /// Writes an executable shell script.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// The program, in the repository, with nothing on stdin.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().envs(&self.env).current_dir(self.repo()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.spawn(arguments).finish()
    }

    pub fn spawn(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.command(arguments), None)
    }

    pub fn spawn_with_input(&self, arguments: &[&str], input: &str) -> Running {
        Running::spawn(self.command(arguments), Some(input))
    }

    /// Ends what runs in the background, and checks that nothing is left of it but logs.
    pub fn stop_all(&self) {
        self.run(&["stop", "--all"]).expect_code(0);
        self.wait_until_empty();
        let left: Vec<String> = self.state_files().into_iter().filter(|file| !file.starts_with("logs/")).collect();
        assert!(left.is_empty(), "left: {left:?}");
    }

    /// The live sessions, as `list` tells.
    pub fn list(&self) -> Vec<serde_json::Value> {
        let document = self.run(&["list", "--json"]).expect_code(0).json().remove(0);
        document["sessions"].as_array().expect("a list").clone()
    }

    /// The processes that were started in this sandbox, but zombies: their environment names it.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let root = self.root.path().to_str().unwrap().as_bytes().to_vec();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if pid != std::process::id() && environment.windows(root.len()).any(|window| window == root) {
                let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        found
    }

    /// Waits until no process is left.
    pub fn wait_until_empty(&self) {
        assert!(until(PATIENCE, || self.processes().is_empty()), "still running: {:#?}", self.processes());
    }

    /// Fails if [`TOKEN`] is in a file of ours or in the arguments of a process.
    pub fn assert_token_unseen(&self, outputs: &[&str]) {
        for output in outputs {
            assert!(!output.contains(TOKEN), "the token was printed: {output}");
        }
        for (pid, command) in self.processes() {
            assert!(!command.contains(TOKEN), "the token is in the arguments of {pid}: {command}");
        }
        for file in files_below(&self.state()) {
            let content = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
            assert!(!content.contains(TOKEN), "the token is in {}", file.display());
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.wait_until_empty();
        }
        for (pid, _) in self.processes() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// What a stream has said so far.
#[derive(Default)]
struct Stream {
    said: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Stream {
    fn read(source: impl Read + Send + 'static) -> (Arc<Self>, JoinHandle<()>) {
        let stream = Arc::new(Self::default());
        let copy = stream.clone();
        let thread = std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            while source.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                copy.said.lock().unwrap().0.push_str(&String::from_utf8_lossy(&bytes));
                copy.changed.notify_all();
                bytes.clear();
            }
            copy.said.lock().unwrap().1 = true;
            copy.changed.notify_all();
        });
        (stream, thread)
    }

    fn text(&self) -> String {
        self.said.lock().unwrap().0.clone()
    }

    /// The first line with `words` in it.
    fn line_with(&self, words: &str) -> Result<String, String> {
        let until = Instant::now() + PATIENCE;
        let mut said = self.said.lock().unwrap();
        let mut read = 0;
        loop {
            if let Some(line) = said.0[read..].lines().find(|line| line.contains(words)) {
                return Ok(line.to_owned());
            }
            // What was read stays as it is: only whole lines are added.
            read = said.0.len();
            let left = until.saturating_duration_since(Instant::now());
            if said.1 || left.is_zero() {
                return Err(said.0.clone());
            }
            said = self.changed.wait_timeout(said, left).unwrap().0;
        }
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    stdout: Arc<Stream>,
    stderr: Arc<Stream>,
    readers: Vec<JoinHandle<()>>,
}

/// The program after its end.
#[derive(Debug)]
pub struct Done {
    /// The exit code, or 128 and the signal that killed it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    pub fn spawn(mut command: Command, input: Option<&str>) -> Self {
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        if let Some(input) = input {
            // A program that does not read it may be gone already.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        }
        let (stdout, out) = Stream::read(child.stdout.take().unwrap());
        let (stderr, err) = Stream::read(child.stderr.take().unwrap());
        Self { child, stdout, stderr, readers: vec![out, err] }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with `words` on stdout.
    pub fn stdout_line(&self, words: &str) -> String {
        self.stdout
            .line_with(words)
            .unwrap_or_else(|said| panic!("no {words:?} on stdout: {said}\nstderr: {}", self.stderr.text()))
    }

    /// Waits for a line with `words` on stdout, or the end of stdout: whether it came.
    pub fn try_stdout_line(&self, words: &str) -> bool {
        self.stdout.line_with(words).is_ok()
    }

    /// Waits for a line with `words` on stderr.
    pub fn stderr_line(&self, words: &str) -> String {
        self.stderr
            .line_with(words)
            .unwrap_or_else(|said| panic!("no {words:?} on stderr: {said}\nstdout: {}", self.stdout.text()))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        kill(self.pid(), name);
    }

    /// The same, where it may be gone already.
    pub fn try_signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).stderr(Stdio::null()).status();
    }

    /// Waits for the end.
    pub fn finish(self) -> Done {
        self.finish_within(PATIENCE)
    }

    /// The same for what takes longer.
    pub fn finish_within(mut self, limit: Duration) -> Done {
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the program can be waited for") {
                break status;
            }
            if Instant::now() > until {
                let _ = self.child.kill();
                panic!("the program did not end\nstdout: {}\nstderr: {}", self.stdout.text(), self.stderr.text());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Done { code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

pub fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().expect("kill");
    assert!(status.success(), "kill -{signal} {pid}");
}

impl Done {
    /// Fails unless it ended with this code; then gives itself back for more.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// stderr with what changes from run to run replaced: times, ids, paths of the sandbox.
    pub fn talk(&self, sandbox: &Sandbox) -> String {
        normal(&self.stderr, sandbox)
    }

    /// The JSON objects on stdout.
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

pub fn normal(text: &str, sandbox: &Sandbox) -> String {
    let root = sandbox.root.path().to_str().unwrap();
    let text = text.replace(root, "~").replace(BINARY, "PROGRAM").replace(env!("CARGO_MANIFEST_DIR"), "PROJECT");
    let lines = text.lines().map(|line| {
        let stamped = line.len() > 5 && line.as_bytes()[2] == b':' && line[..2].bytes().all(|byte| byte.is_ascii_digit());
        if stamped { format!("HH:MM{}", &line[5..]) } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}
