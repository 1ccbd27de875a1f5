//! A Copilot CLI in server mode: how to reach it, and how to end it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::{Runtime, SdkError};
use crate::os::private_file;
use crate::os::process_id::{self, Identity};
use crate::os::state_dir::OUTPUT;
use crate::text::redact;

/// A runtime needs 0.1 to 0.4 s to tell Mission Control of every session and to exit (docs/copilot-cli.md, end-runtime). On a bad
/// link it needs longer.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
/// How long a runtime may take to exit between SIGTERM and SIGKILL.
const TERMINATE_DEADLINE: Duration = Duration::from_secs(2);
/// How long a killed process may take to be gone. It is gone at once, unless the kernel holds it.
const KILL_DEADLINE: Duration = Duration::from_secs(1);
/// Until it listens it prints some lines; what floods its log is not read to its end.
const MOST_PRINTED: u64 = 16 * 1024 * 1024;
/// How often a process is looked at until it is gone.
const POLL: Duration = Duration::from_millis(5);

/// A runtime that this program started, or an external one, which this program never ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    /// The process of the runtime; `None` for an external one.
    pub(super) process: Option<Identity>,
    pub(super) program: PathBuf,
    /// The address; `None` until the runtime has printed its port.
    pub(super) address: Option<SocketAddr>,
    pub(super) token: Option<Secret>,
    /// The folder of the runtime's logs; `None` for an external one.
    pub(super) log_dir: Option<PathBuf>,
}

/// A secret, such as the token that clients show to connect. It is written to files that only the user can read, and `Debug`
/// hides it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        // Whoever it is shown to may repeat it.
        redact::remember(&text);
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Server {
    /// A runtime that somebody else started and ends.
    pub(crate) fn external(address: SocketAddr, token: Option<Secret>) -> Self {
        Self { process: None, program: PathBuf::new(), address: Some(address), token, log_dir: None }
    }

    pub(crate) fn is_external(&self) -> bool {
        self.process.is_none()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.map(Identity::pid)
    }

    /// The file of the CLI; empty for an external runtime.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn log_dir(&self) -> Option<&Path> {
        self.log_dir.as_deref()
    }

    /// Whether the process of the runtime exists. Of an external runtime only a connection can tell, so this is true.
    pub(crate) fn is_running(&self) -> bool {
        self.process.is_none_or(Identity::is_running)
    }

    /// Looks in the output file for the port line. A pipe would bring the line at once, and break when the launcher leaves.
    pub(super) fn look_for_address(&mut self) -> Option<SocketAddr> {
        if self.address.is_none() {
            self.address = port_line(&self.printed()).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        self.address
    }

    /// Connects and shakes hands. Cancel-safe; the caller sets the deadline.
    pub(crate) async fn connect(&self) -> Result<Runtime, SdkError> {
        let Some(address) = self.clone().look_for_address() else {
            return Err(SdkError::Connection("it does not listen yet".to_owned()));
        };
        Runtime::connect(address, self.token.as_ref(), &self.program, self.process).await
    }

    /// Ends the runtime: by `runtime.shutdown` if there is a connection, then by SIGTERM, then by SIGKILL, each with a deadline.
    /// An external runtime is left alone.
    pub(crate) async fn end(&self, runtime: Option<&Runtime>) {
        let Some(process) = self.process else { return };
        if let Some(runtime) = runtime {
            let asked = async {
                match runtime.shutdown().await {
                    // The call did not reach the runtime.
                    Err(SdkError::Connection(_)) if process.is_running() => false,
                    // The answer may be lost with the connection. What counts is that the process goes.
                    _ => {
                        gone(process).await;
                        true
                    }
                }
            };
            if timeout(SHUTDOWN_DEADLINE, asked).await.unwrap_or(false) {
                return;
            }
        }
        if !process.is_running() {
            return;
        }
        // A runtime that is terminated while it cannot reach GitHub leaves its tools running, each in a process session of its
        // own (docs/copilot-cli.md, end-tools). So the tools are collected first.
        let tools = process_id::below(process.pid());
        #[cfg(unix)]
        process.signal_group(rustix::process::Signal::TERM);
        #[cfg(not(unix))]
        process.terminate();
        if timeout(TERMINATE_DEADLINE, gone(process)).await.is_err() {
            kill_group(process);
            let _ = timeout(KILL_DEADLINE, gone(process)).await;
        }
        tools.into_iter().for_each(Identity::kill);
    }

    /// Kills the runtime with all that it started, at once.
    pub(crate) fn kill(&self) {
        if let Some(process) = self.process.filter(|process| process.is_running()) {
            let tools = process_id::below(process.pid());
            kill_group(process);
            tools.into_iter().for_each(Identity::kill);
        }
    }

    /// Removes the logs. Nobody needs those of a run without trouble.
    pub(crate) fn forget_logs(&self) {
        if let Some(folder) = &self.log_dir {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// What the runtime printed so far.
    pub(super) fn printed(&self) -> String {
        let output = self.log_dir.as_ref().and_then(|folder| private_file::read_start(&folder.join(OUTPUT), MOST_PRINTED).ok());
        output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

/// Waits until a process and its group are gone. npm's loader goes at once, and the native process behind it takes longer
/// (docs/copilot-cli.md, launch-loader).
async fn gone(process: Identity) {
    while process.is_running() || process.group_exists() {
        sleep(POLL).await;
    }
}

fn kill_group(process: Identity) {
    #[cfg(unix)]
    process.signal_group(rustix::process::Signal::KILL);
    #[cfg(not(unix))]
    process.kill();
}

/// The port in the line "CLI server listening on port N", once the line is whole.
pub(super) fn port_line(output: &str) -> Option<u16> {
    let (_, rest) = output.split_once("CLI server listening on port ")?;
    rest.split_once('\n')?.0.trim().parse().ok()
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
