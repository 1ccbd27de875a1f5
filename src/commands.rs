//! One file a command, one function each.

pub(crate) mod attach;
pub(crate) mod cloud;
pub(crate) mod completions;
pub(crate) mod demo_runtime;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod next_host;
pub(crate) mod prune;
pub(crate) mod qr;
pub(crate) mod remote;
pub(crate) mod rename;
pub(crate) mod run_hook;
pub(crate) mod send;
pub(crate) mod share;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod url;
pub(crate) mod wait;
