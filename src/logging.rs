//! The log of this program and of the SDK, on stderr, for those who ask with `-v`. It carries no tokens: what goes over the wire
//! is never logged here.

use tracing_subscriber::EnvFilter;

/// `-v`: our own words; `-vv`: the SDK's too.
pub(crate) fn init(verbose: u8) {
    let filter = match verbose {
        0 => return,
        1 => "copilot_remote=debug",
        _ => "copilot_remote=debug,github_copilot_sdk=debug",
    };
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr).with_ansi(false).finish();
    // Fails only where a test process sets a second one.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
