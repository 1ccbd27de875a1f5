//! The stand-in runtime as a process, behind `--demo`: started with the arguments that the real CLI gets.

use std::path::PathBuf;

use crate::demo::{self, Died, Script};
use crate::os::env;
use crate::os::private_file::Private;
use crate::os::signals::Shutdown;
use crate::terminal::Terminal;

/// A log with nothing in it, in the folder that the arguments say: of a link nothing is lost here.
fn keep_log() -> anyhow::Result<()> {
    let folder = std::env::args_os().skip_while(|argument| argument != "--log-dir").nth(1);
    let Some(folder) = folder else { return Ok(()) };
    Private::appending().open(&PathBuf::from(folder).join("process-stand-in.log"))?;
    Ok(())
}

/// Serves until it is asked to end; returns the exit code that the script, or the real CLI, would give.
pub(crate) async fn run(terminal: &mut Terminal) -> anyhow::Result<u8> {
    let script = match env::get_os(env::DEMO_SCRIPT) {
        Some(file) => Script::load(&PathBuf::from(file))?,
        None => Script::demo()?,
    };
    let mut shutdown = Shutdown::listen()?;
    keep_log()?;
    let announce = |port| terminal.data(&format!("CLI server listening on port {port}"));
    tokio::select! {
        served = demo::serve(env::get(env::CONNECTION_TOKEN), script, announce) => match served {
            Ok(()) => Ok(0),
            Err(error) => match error.downcast_ref() {
                Some(Died(code)) => Ok(u8::try_from(*code).unwrap_or(1)),
                None => Err(error),
            },
        },
        // The real CLI ends with 0 on any of them (docs/copilot-cli.md, end-runtime).
        _ = shutdown.next() => Ok(0),
    }
}
