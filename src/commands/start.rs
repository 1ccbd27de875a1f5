//! `start` and `on-demand`: a session here, in the current repository.

use crate::error::is_closed_output;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::config::Config;
use crate::cli::settings::{setting, word};
use crate::cli::{self, OnDemand, OnHangup, SessionArgs, Start, input};
use crate::context::{Context, Deadline};
use crate::error::{Exit, UsageError};
use crate::model::Remote;
use crate::os::{env, logind};
use crate::output::{self, Update};
use crate::repo::worktree::{self, Worktree};
use crate::repo::{self, RepoError};
use crate::runtime::choice::{self, Choice};
use crate::sdk::{McpServers, Prompt, Rule, Secret, SessionOptions};
use crate::session::Host;
use crate::session::open::Plan;
use crate::session::resume::{self, Which};
use crate::text::line::{Line, Tone};
use crate::view::link::QrOptions;
use crate::view::notices;

/// From nothing to a link takes about a second (docs/copilot-cli.md, launch-time); on a train, longer.
const TIMEOUT: Duration = Duration::from_mins(1);
/// A big repository is checked out.
const WORKTREE: Duration = Duration::from_mins(10);

pub(crate) async fn run(context: &mut Context<'_>, args: Start) -> anyhow::Result<Exit> {
    let which = match (args.resume, args.continue_last) {
        (Some(name), _) if name.is_empty() => Some(Which::Asked),
        (Some(name), _) => Some(Which::Named(name)),
        (None, true) => Some(Which::Last),
        (None, false) => None,
    };
    let again = which.map(|which| Again { which, ask: args.ask });
    Box::pin(open(context, args.remote, again, args.session, false)).await
}

pub(crate) async fn on_demand(context: &mut Context<'_>, args: OnDemand) -> anyhow::Result<Exit> {
    Box::pin(open(context, Some(Remote::Off), None, args.session, true)).await
}

/// A session that is gone on with.
struct Again {
    which: Which,
    /// For every tool.
    ask: bool,
}

/// `on_demand`: it starts anywhere, as it is not shared yet.
async fn open(
    context: &mut Context<'_>,
    remote: Option<Remote>,
    again: Option<Again>,
    args: SessionArgs,
    on_demand: bool,
) -> anyhow::Result<Exit> {
    check(&args, remote)?;
    let mut options = options(&args)?;
    let qr = QrOptions::new(args.qr)?;
    let server = args.runtime.server.as_deref().map(choice::loopback).transpose()?;
    let deadline =
        Deadline::new(setting(args.timeout, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?.unwrap_or(TIMEOUT));
    let (prompt, token) = read_inputs(context, deadline, args.prompt, args.token_stdin).await?;
    let prompt = prompt.as_deref().map(Prompt::from);
    options.token = token;
    let demo = args.runtime.demo;
    let repository = if args.no_repo || demo {
        None
    } else {
        let host = env::github_host();
        let directory = context.directory.clone();
        match context.step("looking for the repository", deadline, repo::find(&directory, &host)).await {
            Ok(repository) => Some(repository),
            // One that is resumed works where it worked.
            Err(error) if (on_demand || again.is_some()) && error.is::<RepoError>() => None,
            Err(error) => return Err(error),
        }
    };
    let runtime = Choice::new(&args.runtime, server)?;
    let config = Config::get()?;
    context.terminal.let_ring(args.bell.bell || config.bell);
    let mut hooks = config.hooks();
    hooks.extend(args.hook);
    let keep_awake = setting(args.keep_awake, env::KEEP_AWAKE, |config| config.keep_awake.as_ref(), word)?.unwrap_or_default();
    // Last of all, so that nothing is made for a session that cannot come about.
    let (deadline, worktree) = match &args.worktree {
        None => (deadline, None),
        Some(branch) => {
            let worktree = enter_worktree(context, branch, args.name.as_deref()).await?;
            (deadline.again(), Some(worktree))
        }
    };
    let made = worktree.clone().filter(|worktree| !worktree.reused);
    options.directory.clone_from(&context.directory);
    let no_repo = args.no_repo || demo;
    let time_limit = args.limit.time_limit;
    let slug = repository.as_ref().map(|repository| repository.slug.clone());
    let directory = context.directory.clone();
    let resume = again.map(|Again { which, ask }| resume::Wanted { which, repository: slug, directory, ask, lost: Vec::new() });
    let plan = Plan {
        deadline,
        runtime,
        demo,
        options,
        resume,
        remote,
        trust: args.trust,
        repository,
        no_repo,
        qr,
        hooks,
        worktree,
        time_limit,
        keep_awake,
    };
    let mut host = match Box::pin(Host::open(context, plan)).await {
        Ok(host) => host,
        Err(error) => {
            if let Some(worktree) = made {
                context.terminal.say(&output::worktree_line(&worktree));
            }
            return Err(error);
        }
    };
    // A person may have been asked, for as long as that took.
    let deadline = deadline.again();
    if !args.detach {
        let shown = async {
            host.stay_awake(context).await?;
            host.show(context)?;
            host.prompt(context, deadline, prompt).await
        };
        if let Err(error) = shown.await {
            return host.end(context, Err(error)).await;
        }
        return Box::pin(host.follow(context, args.on_hangup == OnHangup::Detach)).await;
    }
    // A question that the prompt leads to must find the next host there.
    let detached = async {
        host.stay_awake(context).await?;
        host.hand_over(context, deadline).await?;
        host.prompt(context, deadline, prompt).await
    };
    if let Err(error) = detached.await {
        return host.end(context, Err(error)).await;
    }
    if let Err(error) = host.show(context) {
        // Whoever cannot be given the link (a full disk) is not left with a session that is shared.
        if !is_closed_output(&error) {
            host.close().await;
        }
        return Err(error);
    }
    notices::caution(context, logind::kills().await);
    Ok(Exit::Done)
}

/// What the session is to be, but for its folder.
fn options(args: &SessionArgs) -> Result<SessionOptions, UsageError> {
    let (mcp_configs, servers) = mcp_servers(&args.mcp_config)?;
    Ok(SessionOptions {
        name: args.name.clone(),
        model: args.model.clone(),
        effort: args.effort.clone(),
        agent: args.agent.clone(),
        mode: args.mode.map(|mode| mode.word().to_owned()),
        allow_all: args.allow_all,
        allowed: rules("--allow-tool", &args.allow_tool)?,
        denied: rules("--deny-tool", &args.deny_tool)?,
        directories: args.add_dir.iter().map(|folder| existing("--add-dir", folder, Path::is_dir)).collect::<Result<_, _>>()?,
        mcp_configs,
        servers,
        no_instructions: args.no_custom_instructions,
        ..SessionOptions::default()
    })
}

/// Refuses what does not go together.
fn check(args: &SessionArgs, remote: Option<Remote>) -> Result<(), UsageError> {
    if args.bell.bell && args.detach {
        return Err(UsageError::new("--bell rings in the live view, which --detach leaves", "a hook is run in any case: --hook"));
    }
    if args.limit.time_limit.is_some() && remote == Some(Remote::Off) {
        let why = "--time-limit is for a session that is shared, and this one is not yet";
        return Err(UsageError::new(why, "when it is to be: copilot-remote on --time-limit TIME"));
    }
    Ok(())
}

/// The whole path of what an option names, if there is such a thing.
fn existing(option: &str, path: &Path, suits: fn(&Path) -> bool) -> Result<PathBuf, UsageError> {
    match path.canonicalize() {
        Ok(path) if suits(&path) => Ok(path),
        Ok(_) => Err(UsageError::new(format!("{option} {}: it is no folder", path.display()), "name an existing folder")),
        Err(error) => Err(UsageError::new(format!("{option} {}: {error}", path.display()), "name an existing folder or file")),
    }
}

/// The MCP servers of files, and the files. The CLI marks a file with `@`, as it also takes the text itself.
fn mcp_servers(files: &[PathBuf]) -> Result<(Vec<PathBuf>, McpServers), UsageError> {
    let (mut paths, mut servers) = (Vec::new(), McpServers::default());
    for file in files {
        let file = file.to_str().and_then(|file| file.strip_prefix('@')).map_or_else(|| file.clone(), PathBuf::from);
        let path = existing("--mcp-config", &file, |_| true)?;
        let read = McpServers::read(&path).map_err(|why| {
            let hint = "as in ~/.copilot/mcp-config.json: {\"mcpServers\":{\"NAME\":{\"command\":\"PROGRAM\",\"args\":[]}}}";
            UsageError::new(format!("--mcp-config {}: {why}", file.display()), hint)
        })?;
        servers.add_missing(read);
        paths.push(path);
    }
    Ok((paths, servers))
}

/// Makes a worktree, or finds it, and goes there.
async fn enter_worktree(context: &mut Context<'_>, branch: &str, name: Option<&str>) -> anyhow::Result<Worktree> {
    let branch = if branch.is_empty() { worktree::branch_for(name) } else { branch.to_owned() };
    let directory = context.directory.clone();
    let adding = worktree::add(&directory, &branch);
    let worktree = context.step("making the worktree", Deadline::new(WORKTREE), adding).await?;
    let what = if worktree.reused { "worktree, as it was" } else { "new worktree" };
    let text = format!("{what}: {}, branch {}", worktree.path.display(), worktree.branch);
    context.terminal.say(&Line::new(Tone::Plain, text));
    if let Some(trouble) = &worktree.trouble {
        context.tell(&Update::Caution(trouble.clone()))?;
    }
    context.directory.clone_from(&worktree.path);
    Ok(worktree)
}

/// What is not understood is refused: a rule that is left out would let a tool be used, or ask for ever.
fn rules(option: &str, tools: &[String]) -> Result<Vec<Rule>, UsageError> {
    let rule = |text: &String| {
        text.parse().map_err(|why| {
            UsageError::new(
                format!("{option} {text}: {why}"),
                format!("for example: {option} 'shell({}:*)'", if option == "--allow-tool" { "git" } else { "rm" }),
            )
        })
    };
    let rules = tools.iter().map(rule).collect::<Result<Vec<Rule>, _>>()?;
    let refused = |rule: &Rule| Some((rule.to_string(), rule.cannot_be_allowed()?));
    if let Some((rule, why)) = rules.iter().filter(|_| option == "--allow-tool").find_map(refused) {
        return Err(UsageError::new(format!("{option} {rule}: {why}"), "all commands: --allow-tool shell"));
    }
    Ok(rules)
}

/// The prompt and the token; at most one of them comes from stdin.
async fn read_inputs(
    context: &mut Context<'_>,
    deadline: Deadline,
    prompt: Option<String>,
    token_stdin: bool,
) -> anyhow::Result<(Option<String>, Option<Secret>)> {
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
    if !token_stdin {
        return Ok((Some(input::text(context, deadline, "prompt").await?), None));
    }
    let token = input::text(context, deadline, "token").await?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UsageError::new(
            "what stdin has is no token: it holds spaces or control characters",
            "pipe in the token alone",
        )
        .into());
    }
    Ok((prompt, Some(Secret::new(token))))
}
