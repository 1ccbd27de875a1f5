//! The `copilot-remote` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    copilot_remote::run(std::env::args_os())
}
