//! One file a command, one function each.

pub(crate) mod completions;
pub(crate) mod demo_runtime;
pub(crate) mod man;
pub(crate) mod start;
