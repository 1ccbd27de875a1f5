//! `start`: a session here, in the current repository.

use std::io::{IsTerminal as _, Read as _};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::{self, Start};
use crate::context::{Context, Deadline};
use crate::error::{Exit, UsageError};
use crate::host::{Host, Plan};
use crate::link::QrOptions;
use crate::sdk::{self, Cli, SessionOptions};
use crate::settings::setting;
use crate::{env, repo};

/// From nothing to a link takes about a second (measured); on a train, longer.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) async fn run(context: &mut Context<'_>, args: Start) -> anyhow::Result<Exit> {
    let qr = QrOptions::new(args.qr)?;
    let deadline = Deadline::new(setting(args.runtime.timeout, env::TIMEOUT, cli::duration)?.unwrap_or(TIMEOUT));
    let (prompt, token) = read_inputs(context, deadline, args.prompt, args.token_stdin).await?;
    let demo = args.runtime.demo;
    let repository = if args.no_repo || demo {
        None
    } else {
        let host = env::github_host();
        let directory = context.directory.clone();
        Some(context.step("looking for the repository", deadline, repo::find(&directory, &host)).await?)
    };
    let candidates = if demo { vec![Cli::demo()?] } else { sdk::candidates(args.runtime.copilot.as_deref())? };
    let options = SessionOptions { directory: context.directory.clone(), name: args.name, model: args.model, token };
    let plan = Plan { deadline, candidates, demo, options, remote: args.remote, prompt, repository, qr };
    Host::open(context, plan).await?.follow(context).await
}

/// The prompt and the token; at most one of them comes from stdin.
async fn read_inputs(
    context: &mut Context<'_>,
    deadline: Deadline,
    prompt: Option<String>,
    token_stdin: bool,
) -> anyhow::Result<(Option<String>, Option<String>)> {
    let prompt_stdin = prompt.as_deref() == Some("-");
    if prompt_stdin && token_stdin {
        return Err(UsageError::new(
            "--prompt - and --token-stdin both read stdin",
            "give the prompt as an argument, or the token in COPILOT_GITHUB_TOKEN",
        )
        .into());
    }
    if !prompt_stdin && !token_stdin {
        return Ok((prompt, None));
    }
    if token_stdin && std::io::stdin().is_terminal() {
        return Err(UsageError::new(
            "--token-stdin: stdin is a terminal, which would show the token",
            "pipe it in: copilot-remote start --token-stdin < FILE",
        )
        .into());
    }
    let what = if token_stdin { "token" } else { "prompt" };
    let text = context.step(&format!("reading the {what} from stdin"), deadline, read_stdin()).await?;
    let text = text.trim();
    if text.is_empty() {
        return Err(UsageError::new(format!("stdin was to have the {what}, and is empty"), format!("pipe the {what} in")).into());
    }
    if token_stdin && !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UsageError::new(
            "what stdin has is no token: it holds spaces or control characters",
            "pipe in the token alone",
        )
        .into());
    }
    let text = Some(text.to_owned());
    Ok(if token_stdin { (prompt, text) } else { (text, None) })
}

/// On a thread of its own: a read that blocks must not keep signals waiting.
async fn read_stdin() -> anyhow::Result<String> {
    let read = || {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    };
    tokio::task::spawn_blocking(read).await?.context("stdin cannot be read as UTF-8 text")
}
