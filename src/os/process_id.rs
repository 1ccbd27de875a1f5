//! Processes, told from later ones with the same pid; and those below them. On Linux from `/proc`; elsewhere a pid is all that is known.

use std::collections::HashMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// A process, told from a later one with the same pid by when it started (in clock ticks since boot; 0: the platform does not tell).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pid: i32,
    started: u64,
}

impl Identity {
    /// This very process.
    pub(crate) fn own() -> Self {
        Self::of(std::process::id())
    }

    /// The process that has this pid now.
    pub(crate) fn of(pid: u32) -> Self {
        let pid = i32::try_from(pid).unwrap_or(0);
        Self { pid, started: look(pid).map_or(0, |found| found.identity.started) }
    }

    pub(crate) fn pid(self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Whether it still runs. One that ended and waits for its parent does not.
    pub(crate) fn is_running(self) -> bool {
        if cfg!(target_os = "linux") {
            return look(self.pid).is_some_and(|found| found.identity == self);
        }
        #[cfg(unix)]
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid) {
            return rustix::process::test_kill_process(pid).is_ok();
        }
        false
    }

    /// Asks it to end (SIGTERM), if it still runs.
    pub(crate) fn terminate(self) {
        #[cfg(unix)]
        {
            self.signal(rustix::process::Signal::TERM);
            // One that was stopped (Ctrl-Z) hears it only when it goes on.
            self.signal(rustix::process::Signal::CONT);
        }
    }

    /// Kills it, if it still runs.
    pub(crate) fn kill(self) {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::KILL);
    }

    #[cfg(unix)]
    fn signal(self, signal: rustix::process::Signal) {
        if self.is_running()
            && let Some(pid) = rustix::process::Pid::from_raw(self.pid)
        {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The same for the process group that it leads, also where it has gone itself; a group lives as long as anything in it.
    #[cfg(unix)]
    pub(crate) fn signal_group(self, signal: rustix::process::Signal) {
        if let Some(group) = rustix::process::Pid::from_raw(self.pid) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Whether anything still runs of the process group that it leads.
    pub(crate) fn group_exists(self) -> bool {
        #[cfg(unix)]
        if let Some(group) = rustix::process::Pid::from_raw(self.pid)
            && rustix::process::test_kill_process_group(group).is_ok()
        {
            // One that ended counts until somebody reaps it, which in many containers nobody does.
            return !cfg!(target_os = "linux") || processes().any(|found| found.group == self.pid);
        }
        false
    }
}

/// All that `pid` started, directly or not.
pub(crate) fn below(pid: u32) -> Vec<Identity> {
    let mut children: HashMap<i32, Vec<Identity>> = HashMap::new();
    for found in processes() {
        children.entry(found.parent).or_default().push(found.identity);
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

/// A process that runs.
struct Found {
    identity: Identity,
    parent: i32,
    group: i32,
}

fn processes() -> impl Iterator<Item = Found> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| look(entry.file_name().to_str()?.parse().ok()?))
}

fn look(pid: i32) -> Option<Found> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; behind it: state, parent, process group, …, the start as the 22nd of all.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Found { identity: Identity { pid, started }, parent, group })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::Identity;

    #[test]
    fn a_child_is_found_and_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let found = super::below(std::process::id());
        let ours: Vec<_> = found.into_iter().filter(|process| process.pid() == child.id()).collect();
        assert_eq!(ours, [Identity::of(child.id())]);
        let later = Identity { pid: ours[0].pid, started: ours[0].started + 1 };
        assert!(!later.is_running());
        later.kill();
        assert!(child.try_wait().unwrap().is_none(), "another process of the same pid was killed");
        ours[0].kill();
        assert!(!child.wait().unwrap().success());
        assert!(!ours[0].is_running());
    }
}
