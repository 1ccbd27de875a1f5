//! Which runtime the arguments ask for.

use std::net::{SocketAddr, ToSocketAddrs as _};

use serde::{Deserialize, Serialize};

use crate::cli::RuntimeArgs;
use crate::error::UsageError;
use crate::os::env;
use crate::sdk::{self, Cli, SdkError, Secret, Server};

/// The runtime that a session is to live in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Choice {
    /// A runtime of one of these CLIs, the best one first.
    Cli {
        candidates: Vec<Cli>,
        /// Whether the runtime is shared with no other session.
        isolated: bool,
    },
    /// A runtime that somebody else started.
    External(Server),
}

impl Choice {
    /// Reads the choice from the arguments. `server` is what [`loopback`] made of the address in them.
    pub(crate) fn new(args: &RuntimeArgs, server: Option<SocketAddr>) -> Result<Self, SdkError> {
        if let Some(address) = server {
            let token = env::get(env::CONNECTION_TOKEN).map(Secret::new);
            return Ok(Self::External(Server::external(address, token)));
        }
        let candidates = if args.demo { vec![Cli::demo()?] } else { sdk::candidates(args.copilot.as_deref())? };
        Ok(Self::Cli { candidates, isolated: args.isolated })
    }
}

/// Reads an address, and refuses one that is not on this machine. A runtime takes every client that has its token, and can do all
/// that its user can, so it must not be reached over a network.
pub(crate) fn loopback(text: &str) -> Result<SocketAddr, UsageError> {
    let wrong = |why: &str, hint: String| Err(UsageError::new(format!("--server {text}: {why}"), hint));
    let Some((host, port)) = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) else {
        return wrong("expected HOST:PORT", "for example: --server 127.0.0.1:3000".to_owned());
    };
    let found = (host.trim_matches(['[', ']']), port).to_socket_addrs();
    let mut found: Vec<SocketAddr> = found.into_iter().flatten().collect();
    // The CLI listens on 127.0.0.1, while localhost often is ::1 first.
    found.sort_by_key(|address| (!address.ip().is_loopback(), !address.is_ipv4()));
    match found.into_iter().next() {
        Some(address) if address.ip().is_loopback() => Ok(address),
        Some(_) => wrong(
            "only a runtime on this machine can be used",
            format!("bring it here: ssh -N -L 127.0.0.1:{port}:127.0.0.1:{port} {host}; then --server 127.0.0.1:{port}"),
        ),
        None => wrong("the host is unknown", "for example: --server 127.0.0.1:3000".to_owned()),
    }
}
