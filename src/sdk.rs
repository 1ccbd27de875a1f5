//! The internal SDK: runtimes and sessions, on top of `github-copilot-sdk`, which nothing else names.
//!
//! It knows nothing of the terminal, the registry or exit codes. Every wait is bounded by its caller ([`SdkError::Deadline`] is for
//! those that have a shorter limit of their own).

mod account;
mod cloud;
mod error;
mod event;
mod events;
mod link_log;
mod locate;
mod missed;
mod process;
mod rule;
mod runtime;
mod server;
mod session;
mod shell;
mod stored;

pub(crate) use account::Account;
pub(crate) use cloud::{CloudRepository, Task, WORKER};
pub(crate) use error::SdkError;
pub(crate) use event::{Attached, Event, Origin, Request, RequestKind, Tool, Warning};
pub(crate) use events::Events;
pub(crate) use link_log::{LinkLog, Sign, Trouble};
pub(crate) use locate::{Cli, DEMO_RUNTIME, candidates};
pub(crate) use missed::Missed;
pub(crate) use process::Process;
pub(crate) use rule::{Rule, allows};
pub(crate) use runtime::{Login, Runtime};
pub(crate) use server::{Secret, Server};
pub(crate) use session::{ALLOW_ALL, ASK, Answer, RemoteMode, Session, SessionOptions, Visibility};
pub(crate) use stored::Stored;
