//! Keeps the machine from going to sleep, by the platform's own tool: `systemd-inhibit`, `caffeinate`. They run a command for as long as
//! they hold the lock; ours is `cat`, which echoes once it runs, and ends with the pipe that we hold: also where we are killed.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The tools answer at once, or wait for a bus that is not there.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// As long as it lives, the machine does not go to sleep by itself.
#[derive(Debug)]
pub(crate) struct Awake(Child);

impl Awake {
    /// Whether the tool holds it still.
    pub(crate) fn is_held(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

/// Takes the lock; or why it is not granted.
pub(crate) async fn keep() -> Result<Awake, String> {
    if let Some(why) = elsewhere() {
        return Err(why.to_owned());
    }
    timeout(DEADLINE, take()).await.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())))
}

/// Where a lock would be granted and mean nothing.
fn elsewhere() -> Option<&'static str> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().to_ascii_lowercase();
    kernel.contains("microsoft").then_some("in WSL the sleep of Windows cannot be kept off")
}

async fn take() -> Result<Awake, String> {
    const SYSTEMD: [&str; 6] =
        ["systemd-inhibit", "--what=sleep:idle", "--mode=block", "--who=copilot-remote", "--why=a Copilot remote session", "cat"];
    const CAFFEINATE: [&str; 3] = ["caffeinate", "-i", "cat"];
    let words: &[&str] = match std::env::consts::OS {
        "linux" => &SYSTEMD,
        "macos" => &CAFFEINATE,
        other => return Err(format!("this program knows no way on {other}")),
    };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A Ctrl-C in the terminal is not for it.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
    let (Some(input), Some(output)) = (&mut child.stdin, &mut child.stdout) else { return Err("no pipes".to_owned()) };
    let mut echo = [0];
    // Where it is refused, the tool ends without having run anything.
    let granted = input.write_all(b".").await.is_ok() && output.read_exact(&mut echo).await.is_ok();
    if granted {
        return Ok(Awake(child));
    }
    let mut said = String::new();
    if let Some(errors) = &mut child.stderr {
        let _ = errors.take(2048).read_to_string(&mut said).await;
    }
    Err(format!("{}: {}", words[0], said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it was refused").trim()))
}
