//! A program that begins only once it was written down: whoever starts it is handed the process first, and lets it go then. Should they be
//! killed in between, the program ends before it began, and no process is left that nobody knows of.

use std::ffi::OsString;

/// The first argument that makes this program wait at the gate, and become what the others name.
pub(crate) const GATE: &str = "gate";

/// Waits for a byte on stdin, and becomes the program of these arguments.
#[cfg(unix)]
pub(crate) fn pass(line: &[OsString]) -> anyhow::Result<u8> {
    use std::io::Read as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    let [program, arguments @ ..] = line else { anyhow::bail!("there is no program to run") };
    let mut word = [0];
    if std::io::stdin().read(&mut word)? == 0 {
        return Ok(1);
    }
    let error = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
    anyhow::bail!("{} cannot be run: {error}", program.display())
}

/// Nothing can become another program there.
#[cfg(windows)]
pub(crate) fn pass(_line: &[OsString]) -> anyhow::Result<u8> {
    anyhow::bail!("there is no gate on Windows")
}

/// Whether the system lets this user run a file: what fails here would fail behind the gate, where nobody is told why.
#[cfg(unix)]
pub(crate) fn may_run(program: &std::path::Path) -> std::io::Result<()> {
    if program.is_dir() {
        return Err(rustix::io::Errno::ACCESS.into());
    }
    Ok(rustix::fs::access(program, rustix::fs::Access::EXEC_OK)?)
}
