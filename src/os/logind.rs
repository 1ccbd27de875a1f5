//! Whether a process in the background outlives the user's login.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::os::env;

/// logind answers at once, where it is there.
const DEADLINE: Duration = Duration::from_secs(1);

/// Whether logind kills what this process leaves behind at logout (`KillUserProcesses=yes`). Not what was started with
/// `systemd-run --user --scope`, as that belongs to the user and not to the login.
pub(crate) async fn kills() -> bool {
    let of_a_login = env::get_os("XDG_SESSION_ID").is_some()
        && !fs::read_to_string("/proc/self/cgroup").unwrap_or_default().contains("/user@");
    if !of_a_login {
        return false;
    }
    let mut command = Command::new("loginctl");
    command.args(["show-session", "--property=KillUserProcesses", "--value"]).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(DEADLINE, command.output()).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).trim() == "yes",
        _ => false,
    }
}
