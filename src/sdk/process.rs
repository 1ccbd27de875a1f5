//! A Copilot CLI that is being started. It waits at a gate until its entry is written, and until it listens, ending it is up to this process.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::server::Secret;
use super::{Cli, DEMO_RUNTIME, SdkError, Server, home};
use crate::os::env;
use crate::os::gate;
use crate::os::private_file::Private;
use crate::os::process_id::Identity;
use crate::os::state_dir::OUTPUT;
use crate::text::redact::redacted;

/// How often the output file is searched for the port line.
const PORT_POLL: Duration = Duration::from_millis(5);

/// A CLI that is being started. If this is dropped before [`Self::release`], the CLI is killed with all that it started.
#[derive(Debug)]
pub(crate) struct Process {
    /// The child process; `None` once it was released.
    child: Option<Box<dyn ChildWrapper>>,
    server: Server,
    /// It has no home.
    demo: bool,
}

impl Process {
    /// Starts `cli` in a process session of its own (setsid), so that a terminal's Ctrl-C and hangup do not reach it, and its
    /// tools have no terminal.
    ///
    /// The CLI's output goes to a file in `logs`, a private folder that is removed again if the CLI cannot be started.
    pub(crate) fn spawn(cli: &Cli, logs: TempDir) -> Result<Self, SdkError> {
        let log_dir = logs.path();
        let output = log_dir.join(OUTPUT);
        let log = Private::fresh()
            .open(&output)
            .map_err(|source| SdkError::Io { what: format!("{} cannot be written", output.display()), source })?;
        // The lock lasts as long as anybody has the file open, so as long as the runtime lives. It keeps the logs from being
        // removed as old. Where files cannot be locked, they may be removed.
        let _ = log.try_lock();
        let token = connection_token()?;
        let unusable = |error: io::Error| SdkError::CliUnusable { program: cli.program.clone(), reason: error.to_string() };
        #[cfg(unix)]
        gate::may_run(&cli.program).map_err(unusable)?;
        let launcher = if cfg!(unix) { env::own_program().map_err(unusable)? } else { cli.program.clone() };
        let mut command = CommandWrap::with_new(launcher, |command| {
            // The CLI begins once it was written down, so that it is never left behind unknown.
            #[cfg(unix)]
            command.arg(gate::GATE).arg(&cli.program);
            for name in env::not_for_runtimes() {
                command.env_remove(name);
            }
            command
                .args(cli.demo.then_some(DEMO_RUNTIME))
                .args(["--server", "--port", "0", "--no-auto-update", "--log-level", "info", "--log-dir"])
                .arg(log_dir)
                .env(env::CONNECTION_TOKEN, token.expose())
                // The current folder has to stay for as long as the runtime lives, which a repository or the runtime's own logs
                // may not.
                .current_dir(log_dir.parent().unwrap_or(log_dir))
                .stdin(if cfg!(unix) { Stdio::piped() } else { Stdio::null() });
        });
        let streams = log.try_clone().map(|copy| (Stdio::from(log), Stdio::from(copy)));
        let (stdout, stderr) = streams.map_err(|source| SdkError::Io { what: "the log cannot be shared".to_owned(), source })?;
        command.command_mut().stdout(stdout).stderr(stderr);
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessSession);
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);
        let child = command.spawn().map_err(unusable)?;
        tracing::debug!(program = %cli.program.display(), pid = child.id(), logs = %log_dir.display(), "started the runtime");
        let server = Server {
            process: child.id().map(Identity::of),
            program: cli.program.clone(),
            address: None,
            token: Some(token),
            log_dir: Some(logs.keep()),
        };
        Ok(Self { child: Some(child), server, demo: cli.demo })
    }

    /// How to reach and end the CLI, as far as that is known already.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Waits until the CLI listens. Cancel-safe; the caller sets the deadline.
    ///
    /// The caller has written the process down by now: only from here on the CLI runs.
    pub(crate) async fn listening(&mut self) -> Result<(), SdkError> {
        if let Some(mut gate) = self.child.as_mut().and_then(|child| child.stdin().take()) {
            // A process that is gone already is told below.
            let _ = gate.write_all(b"\n").await;
        }
        while self.server.look_for_address().is_none() {
            let Some(child) = &mut self.child else { break };
            if let Ok(status) = timeout(PORT_POLL, child.inner_mut().wait()).await {
                // It ends without a word then (docs/copilot-cli.md, launch-home).
                if let (false, Err((folder, reason))) = (self.demo, home::check()) {
                    return Err(SdkError::HomeUnusable { folder, reason });
                }
                return Err(SdkError::CliExited {
                    program: self.server.program.clone(),
                    status: describe(&status),
                    output: tail(&self.server.printed()),
                });
            }
        }
        tracing::debug!(address = ?self.server.address, "the runtime listens");
        Ok(())
    }

    /// Lets the CLI live on by itself.
    pub(crate) fn release(mut self) {
        self.child = None;
    }
}

impl Drop for Process {
    /// Kills the CLI and its children, so that nothing keeps running when a panic or a cancelled wait drops this.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            self.server.kill();
            let _ = child.start_kill();
        }
    }
}

/// 128 random bits in hexadecimal.
fn connection_token() -> Result<Secret, SdkError> {
    use std::fmt::Write as _;

    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| SdkError::Io {
        what: "no random numbers for the connection token".to_owned(),
        source: io::Error::other(error),
    })?;
    Ok(Secret::new(bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    })))
}

/// The last lines of the output, for an error message.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    redacted(&lines[lines.len().saturating_sub(5)..].join("\n"))
}

fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
