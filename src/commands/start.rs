//! `start`: a session here, in the current repository.

use std::io::Read as _;

use anyhow::Context as _;

use crate::cli::{self, Start};
use crate::context::Context;
use crate::error::{Exit, UsageError};
use crate::host::{Host, Plan};
use crate::output::Remote;
use crate::sdk::{self, Cli, SessionOptions};
use crate::{env, link, repo};

pub(crate) async fn run(context: &mut Context<'_>, args: Start) -> anyhow::Result<Exit> {
    if let Some(file) = &args.qr.qr_file {
        link::check_file(file)?;
    }
    let (prompt, token) = read_inputs(args.prompt, args.token_stdin)?;
    let repository =
        if args.no_repo || args.runtime.demo { None } else { Some(repo::find(&context.directory, &env::github_host()).await?) };
    let candidates = if args.runtime.demo { vec![Cli::demo()?] } else { sdk::candidates(args.runtime.copilot.as_deref())? };
    let plan = Plan {
        candidates,
        demo: args.runtime.demo,
        options: SessionOptions { directory: context.directory.clone(), name: args.name, model: args.model, token },
        remote: match args.remote {
            cli::Remote::On => Remote::On,
            cli::Remote::Export => Remote::Export,
            cli::Remote::Off => Remote::Off,
        },
        prompt,
        repository,
        timeout: args.runtime.timeout,
        qr: args.qr,
    };
    Host::open(context, plan).await?.follow(context).await
}

/// The prompt and the token; at most one of them comes from stdin.
fn read_inputs(prompt: Option<String>, token_stdin: bool) -> anyhow::Result<(Option<String>, Option<String>)> {
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
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("stdin cannot be read as UTF-8 text")?;
    let text = text.trim();
    let what = if token_stdin { "token" } else { "prompt" };
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
