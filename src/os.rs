//! What differs by platform: one concern a file, and one function to the outside.

pub(crate) mod env;
pub(crate) mod gate;
pub(crate) mod hook_command;
pub(crate) mod inhibit_sleep;
pub(crate) mod logind;
pub(crate) mod private_file;
pub(crate) mod process_id;
pub(crate) mod signals;
pub(crate) mod state_dir;
