//! A hook, run by a process of its own: started by this program, never typed.

use crate::os::hook_command;
use crate::terminal::Terminal;

/// Runs it, and tells on stdout what went wrong. Whoever started it may be gone.
pub(crate) fn run(terminal: &mut Terminal) -> u8 {
    if let Some(wrong) = hook_command::run() {
        let _ = terminal.data(&wrong);
    }
    0
}
