//! The log of this program and of the SDK, on stderr, for those who ask with `-v`. It carries no tokens: what goes over the wire
//! is never logged here.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::sdk::Missed;
use crate::terminal::log_line;

/// `-v`: our own words; `-vv`: the SDK's too. What the SDK drops is counted in any case.
pub(crate) fn init(verbose: u8) {
    let filter = match verbose {
        0 => Targets::new(),
        1 => Targets::new().with_target("copilot_remote", Level::DEBUG),
        _ => Targets::new().with_target("copilot_remote", Level::DEBUG).with_target("github_copilot_sdk", Level::DEBUG),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(|| LogLines).with_ansi(false).with_filter(filter);
    let missed = Missed.with_filter(Targets::new().with_target("github_copilot_sdk::router", Level::WARN));
    let subscriber = tracing_subscriber::registry().with(lines).with(missed);
    // Fails only where a test process sets a second one.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct LogLines;

impl io::Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        log_line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
