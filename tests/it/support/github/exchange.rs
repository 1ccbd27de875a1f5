//! What comes, what goes wrong with it, and what the model does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::glob;

/// One request as it came, whether it was answered or broken by a [`Fault`].
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was complete.
    pub at: Instant,
    /// `GET`, `POST`, …
    pub method: String,
    /// The host that the CLI believed to talk to.
    pub host: String,
    /// Without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The JSON body; text where it is not JSON, null where there is none.
    pub body: Value,
    /// The whole `authorization` header. See [`Request::token`].
    pub authorization: Option<String>,
}

impl Request {
    /// The credential without its scheme: the CLI writes `Bearer`, `bearer` and `token`, depending on the endpoint.
    pub fn token(&self) -> Option<&str> {
        let header = self.authorization.as_deref()?;
        Some(header.split_once(' ').map_or(header, |(_, token)| token))
    }

    /// Whether it has this method (or `*`) and a path like this, where `*` stands for anything.
    pub fn is(&self, method: &str, path: &str) -> bool {
        (method == "*" || self.method == method) && glob(path, &self.path)
    }
}

/// How an endpoint misbehaves.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this status with a JSON body.
    Status(u16, Value),
    /// Answers this status with a body that need not be JSON.
    Raw(u16, String),
    /// Takes the request and never answers.
    Hang,
    /// Answers as usual, but late.
    Delay(Duration),
    /// Closes the connection instead of answering.
    Drop,
    /// Does what was asked for, and only then goes wrong like this.
    After(Box<Fault>),
}

impl Fault {
    /// [`Fault::After`].
    pub fn after(self) -> Self {
        Self::After(Box::new(self))
    }
}

/// What the model does when it is next asked.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It says this and ends the turn.
    Text(String),
    /// It calls a tool, and is asked again when that is done.
    Tool {
        /// As the CLI offers it: `bash`, `create`, `ask_user`, …
        name: String,
        /// What the tool takes.
        arguments: Value,
    },
    /// Its rate limit is reached, for so many seconds.
    RateLimited(u64),
}

impl Reply {
    /// [`Reply::Text`].
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// [`Reply::Tool`].
    pub fn tool(name: &str, arguments: Value) -> Self {
        Self::Tool { name: name.to_owned(), arguments }
    }

    /// A call of the CLI's shell tool.
    pub fn bash(command: &str) -> Self {
        Self::tool("bash", json!({"command": command, "description": command, "mode": "sync", "initial_wait": 10}))
    }
}
