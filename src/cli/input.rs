//! What a command reads from stdin.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

use crate::context::{Context, Deadline};
use crate::error::UsageError;

/// All of stdin, without the space around it; an error where it is empty.
pub(crate) async fn text(context: &mut Context<'_>, deadline: Deadline, what: &str) -> anyhow::Result<String> {
    let text = all(context, deadline, what).await?;
    let text = text.trim();
    if text.is_empty() {
        return Err(UsageError::new(format!("stdin was to have the {what}, and is empty"), format!("pipe the {what} in")).into());
    }
    Ok(text.to_owned())
}

/// All of stdin as it is.
pub(crate) async fn all(context: &mut Context<'_>, deadline: Deadline, what: &str) -> anyhow::Result<String> {
    context.step(&format!("reading the {what} from stdin"), deadline, stdin()).await
}

/// A file as it is: it may be a pipe, on which one waits.
pub(crate) async fn file(context: &mut Context<'_>, deadline: Deadline, file: &Path, what: &str) -> anyhow::Result<String> {
    let path = file.to_owned();
    let reading = async { tokio::task::spawn_blocking(|| std::fs::read_to_string(path)).await?.map_err(anyhow::Error::from) };
    let read = context.step(&format!("reading the {what} from {}", file.display()), deadline, reading).await;
    read.map_err(|error| match error.downcast::<std::io::Error>() {
        Ok(error) => {
            UsageError::new(format!("{}: {error}", file.display()), format!("name a file of text with the {what}")).into()
        }
        Err(other) => other,
    })
}

/// On a thread of its own: a read that blocks must not keep signals waiting.
async fn stdin() -> anyhow::Result<String> {
    let read = || {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    };
    tokio::task::spawn_blocking(read).await?.context("stdin cannot be read as UTF-8 text")
}
