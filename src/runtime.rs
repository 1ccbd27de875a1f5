//! The runtimes of this machine: which one a session joins, who launches one, and who ends it.

pub(crate) mod choice;
mod circumstances;
pub(crate) mod pool;
