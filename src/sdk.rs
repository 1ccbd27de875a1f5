//! The internal SDK: runtimes and sessions, on top of `github-copilot-sdk`, which nothing else names.
//!
//! This module knows nothing of the terminal, the registry or exit codes. Its callers bound every wait; [`SdkError::Deadline`] is for
//! waits that have a shorter limit of their own.

mod account;
mod answer;
mod cloud;
mod error;
mod event;
mod events;
mod form;
mod home;
mod link;
mod link_log;
mod locate;
mod mcp;
mod missed;
mod person;
mod process;
mod profile;
mod progress;
mod prompt;
mod rule;
mod runtime;
mod sed;
mod server;
mod session;
mod shell;
mod stored;
mod work;

pub(crate) use account::Account;
pub(crate) use answer::{Answer, Answered};
pub(crate) use cloud::{CloudRepository, Task, WORKER};
pub(crate) use error::SdkError;
pub(crate) use event::{Attached, Event, Origin, Request, RequestKind, ServerState, Tool, Warning};
pub(crate) use events::Events;
pub(crate) use form::Field;
pub(crate) use link::check as check_link;
pub(crate) use link_log::{LinkLog, Sign, Trouble};
pub(crate) use locate::{Cli, DEMO_RUNTIME, candidates};
pub(crate) use mcp::McpServers;
pub(crate) use missed::Missed;
pub(crate) use person::{Managed, Model, Person};
pub(crate) use process::Process;
pub(crate) use profile::{ALLOW_ALL, ASK, INTERACTIVE, SessionOptions, Stage, Trust};
pub(crate) use progress::Progress;
pub(crate) use prompt::Prompt;
pub(crate) use rule::{Rule, allows};
pub(crate) use runtime::{Login, Runtime};
pub(crate) use server::{Secret, Server};
pub(crate) use session::{RemoteMode, Session, Visibility};
pub(crate) use stored::Stored;
pub(crate) use work::{Against, Change, Changes, Restored, RewindPoint, Rewound, Usage};

/// What reads the words of others, for tests that make those up.
#[cfg(test)]
pub(crate) mod readers {
    use super::Tool;

    pub(crate) fn port_line(output: &str) -> Option<u16> {
        super::server::port_line(output)
    }

    pub(crate) fn commands(line: &str) -> Option<Vec<Vec<String>>> {
        super::shell::commands(line)
    }

    pub(crate) fn allows_shell(rules: &[super::Rule], line: &str, folder: &std::path::Path) -> bool {
        super::allows(rules, &Tool::Shell(line.to_owned()), folder)
    }
}
