//! A connection to a running CLI.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
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
use crate::env::host_of;

/// A client of one runtime, after the handshake.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(super) client: Client,
    version: String,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) login: String,
    /// The GitHub host, without scheme.
    pub(crate) host: String,
}

impl Runtime {
    /// Connects and shows `token`; a runtime without one refuses any that is shown.
    pub(super) async fn connect(address: SocketAddr, token: Option<&Secret>, program: &Path) -> Result<Self, SdkError> {
        let stream = TcpStream::connect(address).await.map_err(|error| SdkError::Connection(format!("{address}: {error}")))?;
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let client = Client::from_streams(Prompt(reader), writer, std::path::PathBuf::new())
            .map_err(|error| SdkError::Connection(error.to_string()))?;
        // The SDK's own handshake sends no token for streams that it did not open itself.
        let params = token.map_or_else(|| json!({}), |token| json!({ "token": token.expose() }));
        let answer = call(&client, "connect", params).await?;
        let found = &answer["protocolVersion"];
        if found.as_u64() != Some(SDK_PROTOCOL_VERSION.into()) {
            return Err(SdkError::Incompatible {
                program: program.to_owned(),
                found: found.to_string(),
                needed: SDK_PROTOCOL_VERSION,
            });
        }
        Ok(Self { client, version: answer["version"].as_str().unwrap_or("unknown").to_owned() })
    }

    /// The CLI's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Who the runtime is signed in as; an error if it is not.
    pub(crate) async fn login(&self) -> Result<Login, SdkError> {
        let answer = call(&self.client, "account.getCurrentAuth", json!({})).await?;
        if let Some(login) = Login::parse(&answer["authInfo"]) {
            return Ok(login);
        }
        // One text for each place where a token was found and refused; none when there was no token at all (measured).
        let errors: Vec<&str> = answer["authErrors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        Err(SdkError::explain_sign_in(errors.join("; ")))
    }

    /// Asks the runtime to end; every session tells Mission Control.
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

/// A stream that acknowledges what it reads at once.
///
/// The CLI sends an answer in two segments and holds the second back until the first is acknowledged (Nagle), which Linux delays by
/// 40 ms: so much for every call (measured: enable 48 ms, and 5 to 10 ms like this). The kernel forgets the option, so it is set anew
/// around each read.
struct Prompt(OwnedReadHalf);

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut task::Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.0).poll_read(context, buffer);
        #[cfg(target_os = "linux")]
        let _ = rustix::net::sockopt::set_tcp_quickack(self.0.as_ref(), true);
        result
    }
}

/// One request.
pub(super) async fn call(client: &Client, method: &'static str, params: Value) -> Result<Value, SdkError> {
    client.call(method, Some(params)).await.map_err(|error| SdkError::from_call(method, &error))
}
