//! A Copilot CLI in server mode, as a process: started, watched, ended.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{Cli, Runtime, SdkError, tree};
use crate::env;
use crate::paths::OUTPUT;

/// How often the log is looked at for the port line. A pipe would say it at once, and break when the launcher leaves.
const PORT_POLL: Duration = Duration::from_millis(5);
/// The runtime needs 0.1 to 0.4 s to tell Mission Control of every session and to exit (measured); on a bad link longer.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
/// From SIGTERM to SIGKILL.
const TERMINATE_DEADLINE: Duration = Duration::from_secs(2);
/// A runtime that died takes its connection along, a moment earlier.
const GONE_DEADLINE: Duration = Duration::from_secs(1);
/// How often a group of processes is looked at until it is empty.
const GROUP_POLL: Duration = Duration::from_millis(10);
/// A killed process is gone at once, unless the kernel holds it.
const KILL_DEADLINE: Duration = Duration::from_secs(1);

/// A running CLI. Dropped without [`Process::end`], it is killed with all that it started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Box<dyn ChildWrapper>,
    /// Its process group: its pid, as it leads a session of its own.
    group: Option<u32>,
    program: PathBuf,
    /// What clients show to connect.
    token: String,
    log_dir: PathBuf,
    output: PathBuf,
}

impl Process {
    /// Starts `cli` in a session of its own (setsid): a terminal's Ctrl-C and hangup do not reach it, and its tools have no terminal.
    ///
    /// Its output goes to a file in `logs`, a private folder that goes away if it cannot be started.
    pub(crate) fn spawn(cli: &Cli, logs: TempDir) -> Result<Self, SdkError> {
        let log_dir = logs.path();
        let output = log_dir.join(OUTPUT);
        let log = create_private(&output)
            .map_err(|source| SdkError::Io { what: format!("{} cannot be written", output.display()), source })?;
        // Lasts as long as anybody has the file open, so as long as the runtime lives: its logs are then not removed as old. Where files
        // cannot be locked, they may be.
        let _ = log.try_lock();
        let token = connection_token()?;
        let mut command = CommandWrap::with_new(&cli.program, |command| {
            for name in env::per_terminal() {
                command.env_remove(name);
            }
            command
                .args(&cli.prefix)
                .args(["--server", "--port", "0", "--no-auto-update", "--log-level", "info", "--log-dir"])
                .arg(log_dir)
                .env(env::CONNECTION_TOKEN, &token)
                // Not a folder that may go away, as a repository or the logs may.
                .current_dir(log_dir.parent().unwrap_or(log_dir))
                .stdin(Stdio::null());
        });
        let streams = log.try_clone().map(|copy| (Stdio::from(log), Stdio::from(copy)));
        let (stdout, stderr) = streams.map_err(|source| SdkError::Io { what: "the log cannot be shared".to_owned(), source })?;
        command.command_mut().stdout(stdout).stderr(stderr);
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessSession);
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);
        let child =
            command.spawn().map_err(|error| SdkError::CliUnusable { program: cli.program.clone(), reason: error.to_string() })?;
        tracing::debug!(program = %cli.program.display(), pid = child.id(), logs = %log_dir.display(), "started the runtime");
        Ok(Self { group: child.id(), child, program: cli.program.clone(), token, log_dir: logs.keep(), output })
    }

    /// The program's file.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Where its logs are.
    pub(crate) fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it listens, then connects and shakes hands. Cancel-safe; the caller sets the deadline.
    pub(crate) async fn connect(&mut self) -> Result<Runtime, SdkError> {
        let port = loop {
            if let Some(port) = port_line(&printed(&self.output)) {
                break port;
            }
            if let Ok(status) = timeout(PORT_POLL, self.child.inner_mut().wait()).await {
                return Err(exited_early(&self.program, &self.output, &status));
            }
        };
        tracing::debug!(port, "the runtime listens");
        tokio::select! {
            runtime = Runtime::connect(port, &self.token, &self.program) => runtime,
            status = self.child.inner_mut().wait() => Err(exited_early(&self.program, &self.output, &status)),
        }
    }

    /// Waits until the process is gone. Cancel-safe.
    pub(crate) async fn gone(&mut self) -> SdkError {
        let status = self.child.inner_mut().wait().await;
        SdkError::RuntimeEnded { status: describe(&status) }
    }

    /// `error`, or that the process is gone if that is why the connection broke: its status says more.
    pub(crate) async fn better_reason(&mut self, error: anyhow::Error) -> anyhow::Error {
        if !matches!(error.downcast_ref(), Some(SdkError::Connection(_))) {
            return error;
        }
        timeout(GONE_DEADLINE, self.gone()).await.map_or(error, Into::into)
    }

    /// Ends it: `runtime.shutdown` where there is a connection, then SIGTERM, then SIGKILL, each with its deadline.
    pub(crate) async fn end(&mut self, runtime: Option<&Runtime>) {
        if let Some(runtime) = runtime {
            let asked = async {
                match runtime.shutdown().await {
                    // Nobody heard it.
                    Err(SdkError::Connection(_)) if self.is_running() => false,
                    // The answer may be lost with the connection: what counts is that the process goes.
                    _ => self.child.inner_mut().wait().await.is_ok(),
                }
            };
            if timeout(SHUTDOWN_DEADLINE, asked).await.unwrap_or(false) {
                return;
            }
        }
        // A runtime that is terminated while it cannot reach GitHub leaves its tools behind (measured), each in a session of its own.
        let tools = self.child.id().map(tree::below).unwrap_or_default();
        #[cfg(unix)]
        let _ = self.child.signal(rustix::process::Signal::TERM.as_raw());
        let gone = async {
            let _ = self.child.inner_mut().wait().await;
            // The launcher that npm installs goes at once, and the runtime behind it takes its time.
            while tree::group_exists(self.group) {
                sleep(GROUP_POLL).await;
            }
        };
        if timeout(TERMINATE_DEADLINE, gone).await.is_err() {
            let _ = self.child.start_kill();
            let _ = timeout(KILL_DEADLINE, self.child.inner_mut().wait()).await;
        }
        tree::kill(&tools);
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.inner_mut().try_wait(), Ok(None))
    }

    /// Removes the logs: of a run without trouble nobody needs them.
    pub(crate) fn forget_logs(&self) {
        let _ = fs::remove_dir_all(&self.log_dir);
    }
}

impl Drop for Process {
    /// Nothing is left running, also when a panic or a cancelled wait drops this; of a group that is gone, nothing is killed.
    fn drop(&mut self) {
        let tools = self.child.id().map(tree::below).unwrap_or_default();
        let _ = self.child.start_kill();
        tree::kill(&tools);
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn exited_early(program: &Path, output: &Path, status: &io::Result<ExitStatus>) -> SdkError {
    SdkError::CliExited { program: program.to_owned(), status: describe(status), output: tail(&printed(output)) }
}

/// What was printed so far.
fn printed(output: &Path) -> String {
    fs::read(output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// 128 random bits in hexadecimal.
fn connection_token() -> Result<String, SdkError> {
    use std::fmt::Write as _;

    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| SdkError::Io {
        what: "no random numbers for the connection token".to_owned(),
        source: io::Error::other(error),
    })?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

/// The port in the line "CLI server listening on port N", once the line is whole.
fn port_line(output: &str) -> Option<u16> {
    let (_, rest) = output.split_once("CLI server listening on port ")?;
    rest.split_once('\n')?.0.trim().parse().ok()
}

/// The last lines, for an error message.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::port_line;

    #[test]
    fn the_port_counts_once_its_line_is_whole() {
        assert_eq!(port_line("Warning: x\nCLI server listening on port 3733"), None);
        assert_eq!(port_line("Warning: x\nCLI server listening on port 37335\n"), Some(37335));
        assert_eq!(port_line("CLI server listening on port 99999\n"), None);
    }
}
