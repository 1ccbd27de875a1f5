//! The embedded stand-in runtime: it speaks the protocol of `copilot --server` without account, network or CLI.
//!
//! `--demo` shows the tool with it, and the integration tests put it in the place of the real CLI, with faults from a
//! file. Shapes, orders, codes and messages are those that the real CLI 1.0.102 was seen to use; what is played is a
//! [`Script`]. It reads like this:
//!
//! - [`script`]: what a script can say, as data
//! - [`wire`]: frames of JSON-RPC on a stream
//! - [`session`]: the state of one session
//! - [`hub`]: the connections, the sessions, and the events that clients get
//! - [`methods`]: the answer to each method
//! - [`person`]: the answers to methods about the person, and about the work of a session
//! - [`player`]: the person with the phone and the agent, acted out

mod hub;
mod methods;
mod person;
mod player;
mod script;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio::time;

use self::hub::Hub;
pub(crate) use self::script::Script;

/// How long connections may take, at the end, to send what was written to them.
const FLUSH: Duration = Duration::from_secs(1);

/// The script made the runtime die. The process has to exit with this code.
#[derive(Debug)]
pub(crate) struct Died(pub(crate) i32);

impl fmt::Display for Died {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stand-in runtime died with exit code {}, as its script says", self.0)
    }
}

impl std::error::Error for Died {}

/// Serves on a loopback port of its own until a client sends `runtime.shutdown`. If the script makes the runtime die, the error is
/// [`Died`].
///
/// All tasks belong to this future, so dropping it ends all connections and sessions.
pub(crate) async fn serve(token: Option<String>, script: Script, announce: impl FnOnce(u16) -> io::Result<()>) -> Result<()> {
    LocalSet::new().run_until(listen(token, script, announce)).await
}

/// Accepts clients until something ends the runtime.
async fn listen(token: Option<String>, script: Script, announce: impl FnOnce(u16) -> io::Result<()>) -> Result<()> {
    let (end, mut ended) = mpsc::unbounded_channel();
    let hub = Rc::new(Hub::open(token, script, end)?);
    let launch = hub.launch();
    hub.pause(launch.delay).await;
    if let Some(code) = launch.exit {
        return Err(Died(code).into());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen on 127.0.0.1")?;
    if !launch.silent {
        announce(listener.local_addr()?.port()).context("cannot announce the port")?;
    }

    let mut connections = JoinSet::new();
    let ending = loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("cannot accept a client")?;
                connections.spawn_local(hub.clone().converse(stream));
            }
            Some(_) = connections.join_next() => {}
            Some(ending) = ended.recv() => break ending,
        }
    };
    hub.hang_up();
    // A client that does not read must not keep the runtime from ending.
    let _ = time::timeout(FLUSH, async { while connections.join_next().await.is_some() {} }).await;
    ending
}
