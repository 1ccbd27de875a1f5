//! A hook: a command of the user that is run when something happens.
//!
//! It is run by this program again, in a process session of its own: so it has its deadline also where the session, and its host with it,
//! ends meanwhile, and nobody waits for it.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use process_wrap::std::{ChildWrapper, CommandWrap};
use serde::{Deserialize, Serialize};

use crate::os::env;

/// The first argument that makes this program run a hook.
pub(crate) const RUN_HOOK: &str = "run-hook";

/// How long a hook may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How often it is looked whether it is done.
const POLL: Duration = Duration::from_millis(20);
/// How long the last of what it says is waited for, once it is done.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// So much of what it says besides is read for the message.
const SAID: u64 = 2048;

/// What is to be run. Small, so that whoever writes it hardly ever waits for whoever reads it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// For the shell; nothing of what happened is put into it.
    pub(crate) command: String,
    pub(crate) directory: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
    /// The event, as a line of JSON.
    pub(crate) input: String,
}

/// Starts it; what comes back is to be waited for with [`outcome`], by somebody who has time.
pub(crate) fn start(job: &Job) -> io::Result<Box<dyn ChildWrapper>> {
    let mut child = CommandWrap::with_new(env::own_program()?, |command| {
        command.arg(RUN_HOOK).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(windows)]
        std::os::windows::process::CommandExt::creation_flags(command, 0x0000_0008);
    });
    #[cfg(unix)]
    child.wrap(process_wrap::std::ProcessSession);
    let mut child = child.spawn()?;
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    if let Some(mut input) = child.stdin().take() {
        input.write_all(&line)?;
    }
    Ok(child)
}

/// Waits until it is done; what went wrong with it.
pub(crate) fn outcome(mut child: Box<dyn ChildWrapper>) -> Option<String> {
    let mut said = String::new();
    if let Some(output) = child.stdout().take() {
        let _ = output.take(SAID * 2).read_to_string(&mut said);
    }
    let _ = child.wait();
    Some(said.trim().to_owned()).filter(|said| !said.is_empty())
}

/// Runs the hook that stdin has, as [`start`] wrote it; what went wrong, for stdout.
pub(crate) fn run() -> Option<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).ok()?;
    let job: Job = serde_json::from_str(&line).ok()?;
    match run_to_end(job) {
        Ok(wrong) => wrong,
        Err(error) => Some(format!("it cannot be run: {error}")),
    }
}

fn run_to_end(job: Job) -> io::Result<Option<String>> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = CommandWrap::with_new(shell, |command| {
        command
            .args([flag, &job.command])
            .envs(&job.variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // A worktree may be gone.
        if job.directory.is_dir() {
            command.current_dir(&job.directory);
        }
    });
    // What it starts in turn is killed with it.
    #[cfg(unix)]
    command.wrap(process_wrap::std::ProcessGroup::leader());
    #[cfg(windows)]
    command.wrap(process_wrap::std::JobObject);
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin().take() {
        // One that does not read it has no need of it.
        std::thread::Builder::new().spawn(move || drop(input.write_all(job.input.as_bytes())))?;
    }
    let (tell, said) = channel();
    if let Some(mut errors) = child.stderr().take() {
        std::thread::Builder::new().spawn(move || {
            let mut said = Vec::new();
            let _ = errors.by_ref().take(SAID).read_to_end(&mut said);
            let _ = tell.send(said);
            // One that says more is not held up.
            let _ = io::copy(&mut errors, &mut io::sink());
        })?;
    }
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() >= DEADLINE {
            child.start_kill()?;
            let _ = child.wait();
            return Ok(Some(format!("it was killed after {} s", DEADLINE.as_secs())));
        }
        std::thread::sleep(POLL);
    };
    if status.success() {
        return Ok(None);
    }
    // Where it left something running that holds its stderr, that is not waited for.
    let said = said.recv_timeout(LAST_WORDS).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().next().map_or_else(String::new, |line| format!(": {line}"));
    Ok(Some(match status.code() {
        Some(code) => format!("exit code {code}{said}"),
        None => format!("it was killed{said}"),
    }))
}
