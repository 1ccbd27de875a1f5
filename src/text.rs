//! Text that is safe to show, and its styles.

pub(crate) mod line;
pub(crate) mod progress;
pub(crate) mod redact;
pub(crate) mod sanitise;
