//! A connection to a runtime.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{self, Poll};

use github_copilot_sdk::{Client, SDK_PROTOCOL_VERSION};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::SdkError;
use super::server::Secret;
use crate::os::env::host_of;
use crate::os::process_id::Identity;
use crate::text::redact::redacted;

/// The oldest protocol that the SDK speaks. The newest one is the SDK's own.
const OLDEST_PROTOCOL: u32 = 3;
/// Older versions cannot say whether a folder is trusted, and much older ones take no answer to a permission from another client
/// (docs/copilot-cli.md, launch-oldest).
const OLDEST_VERSION: [u32; 3] = [1, 0, 93];

/// JSON-RPC's code for a method that does not exist.
const UNHANDLED: i32 = -32601;

/// Whether a runtime of this protocol and version can be used. The error says whether it is too new, and why it cannot.
fn suits(protocol: &Value, version: &str) -> Result<(), (bool, String)> {
    let number = protocol.as_u64().unwrap_or(0);
    let range = OLDEST_PROTOCOL.into()..=u64::from(SDK_PROTOCOL_VERSION);
    if !range.contains(&number) {
        let ours =
            if range.start() == range.end() { range.end().to_string() } else { format!("{} to {}", range.start(), range.end()) };
        return Err((number > *range.end(), format!("it speaks protocol {protocol}, and this program {ours}")));
    }
    let mut numbers = version.split(['.', '-', '+']).map_while(|number| number.parse::<u32>().ok());
    let found = [(); 3].map(|()| numbers.next());
    match found {
        [Some(major), Some(minor), Some(patch)] if [major, minor, patch] < OLDEST_VERSION => {
            let oldest = OLDEST_VERSION.map(|number| number.to_string()).join(".");
            Err((false, format!("its sessions are not what copilot would make of them; {oldest} or newer is needed")))
        }
        // A CLI that is built from source may have any version, so it is taken.
        _ => Ok(()),
    }
}

/// A client of one runtime, after the handshake.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(super) client: Client,
    version: String,
    /// The file of the CLI; empty if it is not known.
    program: PathBuf,
}

/// The account that is signed in, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) login: String,
    /// The GitHub host, without a scheme.
    pub(crate) host: String,
}

impl Runtime {
    /// Connects and shows `token`. A runtime without a token refuses a client that shows one (docs/copilot-cli.md, launch-token).
    ///
    /// `process`: whose port it is, where that is known. Whoever else listens there by now gets no token and no prompt: a process that runs
    /// after the connection was made still had its port when it was made.
    pub(super) async fn connect(
        address: SocketAddr,
        token: Option<&Secret>,
        program: &Path,
        process: Option<Identity>,
    ) -> Result<Self, SdkError> {
        let stream = TcpStream::connect(address).await.map_err(|error| SdkError::Connection(format!("{address}: {error}")))?;
        if process.is_some_and(|process| !process.is_running()) {
            return Err(SdkError::Connection("its process is gone".to_owned()));
        }
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let client = Client::from_streams(Prompt(reader), writer, std::path::PathBuf::new())
            .map_err(|error| SdkError::Connection(redacted(&error.to_string())))?;
        // The SDK's own handshake sends no token for streams that it did not open itself.
        let params = token.map_or_else(|| json!({}), |token| json!({ "token": token.expose() }));
        let answer = call(&client, "connect", params).await?;
        let version = answer["version"].as_str().unwrap_or("unknown").to_owned();
        if let Err((new, why)) = suits(&answer["protocolVersion"], &version) {
            return Err(SdkError::Incompatible { program: program.to_owned(), version, new, why });
        }
        Ok(Self { client, version, program: program.to_owned() })
    }

    /// Makes a call that is about no session. A CLI that does not know the method is too old, and the error says so.
    pub(super) async fn ask(&self, method: &'static str, params: Value) -> Result<Value, SdkError> {
        match call(&self.client, method, params).await {
            Err(SdkError::Rpc { code: UNHANDLED, .. }) => Err(SdkError::Incompatible {
                program: self.program.clone(),
                version: self.version.clone(),
                new: false,
                why: format!("it does not know {method}"),
            }),
            answer => answer,
        }
    }

    /// Whether it answers at all. Nobody but the CLI itself is asked for this.
    pub(crate) async fn ping(&self) -> Result<(), SdkError> {
        call(&self.client, "ping", json!({})).await.map(drop)
    }

    /// The CLI's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The account that the runtime is signed in to; an error if there is none.
    pub(crate) async fn login(&self) -> Result<Login, SdkError> {
        let answer = call(&self.client, "account.getCurrentAuth", json!({})).await?;
        if let Some(login) = Login::parse(&answer["authInfo"]) {
            return Ok(login);
        }
        // There is one text for each place where a token was found and refused, and none if there was no token at all
        // (docs/copilot-cli.md, sign-in-none).
        let errors: Vec<&str> = answer["authErrors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Err(SdkError::explain_sign_in(redacted(&errors.join("; "))))
    }

    /// Asks the runtime to end. It tells Mission Control of the end of every session.
    pub(super) async fn shutdown(&self) -> Result<(), SdkError> {
        call(&self.client, "runtime.shutdown", json!({})).await.map(drop)
    }
}

impl Login {
    pub(super) fn parse(answer: &Value) -> Option<Self> {
        let host = answer["host"].as_str().map_or_else(|| "github.com".to_owned(), host_of);
        Some(Self { login: answer["login"].as_str()?.to_owned(), host })
    }
}

/// A stream whose reads are acknowledged at once.
///
/// The CLI sends an answer in two segments and holds the second one back until the first is acknowledged, which Linux delays by
/// 40 ms at every call (docs/copilot-cli.md, launch-ack). The kernel forgets the option, so it is set anew after each read.
struct Prompt(OwnedReadHalf);

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut task::Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.0).poll_read(context, buffer);
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(self.0.as_ref(), true);
        result
    }
}

/// Makes one call.
pub(super) async fn call(client: &Client, method: &'static str, params: Value) -> Result<Value, SdkError> {
    client.call(method, Some(params)).await.map_err(|error| SdkError::from_call(method, &error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::suits;

    #[test]
    fn what_is_too_old_or_too_new_is_told_apart() {
        for version in ["1.0.93", "1.0.102", "1.1.0", "2.0.0-beta.1", "unknown"] {
            assert_eq!(suits(&json!(3), version), Ok(()), "{version}");
        }
        let (new, why) = suits(&json!(3), "1.0.85").unwrap_err();
        assert!(!new && why.contains("1.0.93 or newer"), "{why}");
        assert_eq!(suits(&json!(2), "1.0.102"), Err((false, "it speaks protocol 2, and this program 3".to_owned())));
        assert_eq!(suits(&json!(9), "2.0.0"), Err((true, "it speaks protocol 9, and this program 3".to_owned())));
        assert_eq!(suits(&json!(null), "1.0.102"), Err((false, "it speaks protocol null, and this program 3".to_owned())));
    }
}
