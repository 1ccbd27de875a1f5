//! The progress line.

use std::time::Duration;

/// The progress line while something is waited for.
pub(crate) fn progress(step: &str, elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0 => format!("{step}…"),
        seconds => format!("{step}… {seconds} s"),
    }
}
