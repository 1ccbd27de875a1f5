//! The processes below a process, as far as the platform tells: on Linux, from `/proc`. Elsewhere nothing is known of them.

use std::collections::HashMap;
use std::fs;

/// A process, told from a later one with the same pid by when it started (in clock ticks since boot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pid: i32,
    started: u64,
}

/// All that `pid` started, directly or not.
pub(super) fn below(pid: u32) -> Vec<Identity> {
    let mut children: HashMap<i32, Vec<Identity>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some((parent, identity)) = look(pid)
        {
            children.entry(parent).or_default().push(identity);
        }
    }
    let mut found = Vec::new();
    let mut parents: Vec<i32> = i32::try_from(pid).into_iter().collect();
    while let Some(parent) = parents.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            parents.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// Kills those that still run.
pub(super) fn kill(processes: &[Identity]) {
    #[cfg(unix)]
    for process in processes {
        use rustix::process::{Pid, Signal, kill_process};
        if look(process.pid).is_some_and(|(_, found)| found == *process)
            && let Some(pid) = Pid::from_raw(process.pid)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    #[cfg(not(unix))]
    let _ = processes;
}

/// Whether anything is left of a process group.
pub(super) fn group_exists(group: Option<u32>) -> bool {
    #[cfg(unix)]
    if let Some(group) = group.and_then(|group| i32::try_from(group).ok()).and_then(rustix::process::Pid::from_raw) {
        return rustix::process::test_kill_process_group(group).is_ok();
    }
    let _ = group;
    false
}

/// The parent and the identity of a process.
fn look(pid: i32) -> Option<(i32, Identity)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; behind it the fields are numbers: state, parent, …, the start as the 22nd of all.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((parent, Identity { pid, started }))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    #[test]
    fn a_child_is_found_and_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let found = super::below(std::process::id());
        let ours: Vec<_> = found.into_iter().filter(|process| process.pid == pid).collect();
        assert_eq!(ours.len(), 1);
        let other = super::Identity { pid, started: ours[0].started + 1 };
        super::kill(&[other]);
        assert!(child.try_wait().unwrap().is_none(), "another process of the same pid was killed");
        super::kill(&ours);
        assert!(!child.wait().unwrap().success());
    }
}
