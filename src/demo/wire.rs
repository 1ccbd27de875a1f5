//! Frames of the protocol: JSON-RPC messages, each behind a `Content-Length` header, as in the Language Server Protocol.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::script::RpcError;

/// The longest body that is read. A longer one is a mistake and no message, and gets no buffer.
const LONGEST: usize = 16 * 1024 * 1024;

/// Reads the next body; `None` at the end of the stream. `InvalidData` means that the stream cannot be followed any further.
pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message);
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        let (key, value) =
            header.split_once(':').ok_or_else(|| invalid("Message header must separate key and value using ':'"))?;
        if key.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok().filter(|length| *length <= LONGEST);
        }
    }
    let length = length.ok_or_else(|| invalid("Header must provide a Content-Length property."))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(body))
}

/// A message in the form in which it is sent.
pub(super) fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The message that answers the call `id`.
pub(super) fn response(id: &Value, answer: Result<Value, RpcError>) -> Vec<u8> {
    frame(&match answer {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    })
}

/// A message that wants no answer.
pub(super) fn notification(method: &str, params: &Value) -> Vec<u8> {
    frame(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

/// A call of the runtime to a client.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    frame(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}
