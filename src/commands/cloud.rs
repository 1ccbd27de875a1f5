//! `cloud`: sessions on GitHub's compute, one or hundreds.

mod many;
mod one;
mod tasks;

use std::time::Duration;

use tokio::time::timeout;

use crate::cli::{Cloud, CloudCommand, CloudLaunch, QrArgs, input};
use crate::cloud::Ready;
use crate::cloud::launch::{Launcher, Live};
use crate::cloud::lookup::Lookup;
use crate::cloud::order::{Order, Target, merged, read_list, without_secrets};
use crate::context::{Context, Deadline};
use crate::error::{DeadlinePassed, Exit, Interrupted, UsageError};
use crate::os::env;
use crate::os::signals::Signal;
use crate::output::Update;
use crate::registry::Registry;
use crate::repo;
use crate::runtime::choice::{self, Choice};
use crate::runtime::pool::{self, Joined};
use crate::sdk::Login;
use crate::text::line::{Line, Tone};
use crate::view::link::QrOptions;

/// Until a runtime answers and somebody is signed in.
const RUNTIME_TIMEOUT: Duration = Duration::from_mins(1);
/// A list comes from another program, which takes its time.
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);
/// Two looks at the account's tasks, and the time between them …
const ALL_LOOKS: Duration = Duration::from_secs(23);
/// … and after an interruption: a second Ctrl-C does not wait at all.
const LAST_LOOK: Duration = Duration::from_secs(3);

pub(crate) async fn run(context: &mut Context<'_>, args: Cloud) -> anyhow::Result<Exit> {
    if args.command.is_some()
        && let Some(option) = given(&args.launch)
    {
        // clap's own check would also refuse the global options there.
        let hint = "options of list and open stand after these words: copilot-remote cloud list --demo";
        return Err(UsageError::new(format!("{option} before list or open is for launching a task"), hint).into());
    }
    match args.command {
        Some(CloudCommand::List(list)) => tasks::list(context, list).await,
        Some(CloudCommand::Open(open)) => tasks::open(context, open).await,
        None => Box::pin(launch(context, args.launch)).await,
    }
}

/// What is launched, and how.
struct Run {
    registry: Registry,
    choice: Choice,
    orders: Vec<Order>,
    qr: QrOptions,
    args: CloudLaunch,
    login: Login,
}

async fn launch(context: &mut Context<'_>, mut args: CloudLaunch) -> anyhow::Result<Exit> {
    let many = args.repos_from.is_some() || args.repo.len() > 1;
    check(&args, many)?;
    let qr = QrOptions::new(std::mem::take(&mut args.qr))?;
    let server = args.runtime.server.as_deref().map(choice::loopback).transpose()?;
    let orders = orders(context, &args).await?;
    let deadline = Deadline::new(RUNTIME_TIMEOUT);
    let choice = Choice::new(&args.runtime, server)?;
    let registry = Registry::create()?;
    let mut joined = pool::acquire(context, &registry, &choice, deadline, None).await?;
    let launched = async {
        let login = sign_in(context, &mut joined, deadline).await?;
        let launcher = Launcher::new(joined.runtime.clone(), context.directory.clone(), login.host.clone(), args.timeout);
        let run = Run { registry, choice, orders, qr, args, login };
        let done = if many {
            many::run(context, &joined, &launcher, &run).await
        } else {
            one::run(context, &joined, &launcher, &run).await
        };
        launcher.leave_all().await;
        done
    };
    let launched = Box::pin(launched).await;
    leave(context, joined, launched).await
}

/// Who is signed in, as every command tells.
async fn sign_in(context: &mut Context<'_>, joined: &mut Joined, deadline: Deadline) -> anyhow::Result<Login> {
    let login = context.step("signing in", deadline, joined.runtime.login()).await?;
    joined.signed_in(&login)?;
    Ok(login)
}

/// Uses the runtime no longer.
async fn leave(context: &mut Context<'_>, joined: Joined, done: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let done = match done {
        Ok(done) => Ok(done),
        Err(error) => Err(pool::better_reason(&joined.entry.server, error).await),
    };
    let ask = !done.as_ref().is_err_and(anyhow::Error::is::<DeadlinePassed>);
    joined.leave(context, ask, done.as_ref().err()).await;
    done
}

/// Looks up what may have been created; the signal that ended that. A runtime that died is replaced for it.
async fn look_up(
    context: &mut Context<'_>,
    run: &Run,
    joined: &Joined,
    lookup: &mut Lookup,
    targets: &[&Target],
    interrupted: bool,
) -> Option<Signal> {
    const WORDS: &str = "looking for what was created";
    let gone = !joined.entry.server.is_external() && !joined.entry.server.is_running();
    if !gone {
        let limit = if interrupted { LAST_LOOK } else { ALL_LOOKS };
        let looking = timeout(limit, lookup.gather(&joined.runtime, targets));
        return context.steps(|| WORDS, looking).await.err().map(|Interrupted(signal)| signal);
    }
    if interrupted {
        return None;
    }
    let looking = async {
        let again = pool::acquire(context, &run.registry, &run.choice, Deadline::new(RUNTIME_TIMEOUT), None).await?;
        let looked = context.steps(|| WORDS, timeout(ALL_LOOKS, lookup.gather(&again.runtime, targets))).await;
        again.leave(context, true, None).await;
        anyhow::Ok(looked.map(drop)?)
    };
    looking.await.err().and_then(|error| error.downcast_ref().map(|Interrupted(signal)| *signal))
}

impl Run {
    fn ready(&self, order: &Order, live: &Live, joined: &Joined) -> Ready {
        Ready {
            order: order.clone(),
            session_id: live.session.id().to_owned(),
            task: live.task.clone(),
            link: live.link.clone(),
            login: self.login.clone(),
            copilot_version: joined.runtime.version().to_owned(),
            demo: self.args.runtime.demo,
        }
    }
}

/// An option that was given for a launch.
fn given(args: &CloudLaunch) -> Option<&'static str> {
    let runtime = &args.runtime;
    [
        ("--repo", !args.repo.is_empty()),
        ("--repos-from", args.repos_from.is_some()),
        ("--no-repo", args.no_repo),
        ("--prompt", args.prompt.is_some()),
        ("--follow", args.follow),
        ("--bell", args.bell.bell),
        ("--wait", args.wait),
        ("--open", args.open),
        ("--allow-duplicates", args.allow_duplicates),
        ("--timeout", args.timeout.is_some()),
        ("--jobs", args.jobs.is_some()),
        ("an option of the QR code", args.qr != QrArgs::default()),
        ("an option of the runtime", runtime.copilot.is_some() || runtime.demo || runtime.isolated || runtime.server.is_some()),
    ]
    .into_iter()
    .find_map(|(name, given)| given.then_some(name))
}

/// Refuses what does not go together.
fn check(args: &CloudLaunch, many: bool) -> Result<(), UsageError> {
    let from_stdin = args.repos_from.as_deref().is_some_and(|file| file.as_os_str() == "-");
    if from_stdin && args.prompt.as_deref() == Some("-") {
        return Err(UsageError::new(
            "--repos-from - and --prompt - both read stdin",
            "give the prompt as an argument, or after a tab in each line",
        ));
    }
    if args.bell.bell && !args.follow {
        return Err(UsageError::new("--bell rings in the live view", "add --follow, or leave it out"));
    }
    let qr = args.qr.qr_file.is_some();
    for (name, given) in [("--follow", args.follow), ("--open", args.open), ("--qr-file", qr)] {
        if many && given {
            return Err(UsageError::new(format!("{name} is for a single task"), "launch the tasks without it, then look at one"));
        }
    }
    Ok(())
}

/// What is to be launched; all of it is checked before anything is sent.
async fn orders(context: &mut Context<'_>, args: &CloudLaunch) -> anyhow::Result<Vec<Order>> {
    let host = env::github_host();
    let reading = Deadline::new(NO_TIMEOUT);
    let prompt = match args.prompt.as_deref() {
        Some("-") => Some(input::text(context, reading, "prompt").await?),
        other => other.map(ToOwned::to_owned),
    };
    let orders = if let Some(file) = &args.repos_from {
        let text = if file.as_os_str() == "-" {
            input::all(context, reading, "repositories").await?
        } else {
            input::file(context, reading, file, "repositories").await?
        };
        let orders = read_list(&text, &host, prompt.as_deref())
            .map_err(|wrong| UsageError::new(format!("--repos-from: nothing was launched\n{}", wrong.join("\n")), LIST))?;
        if orders.is_empty() {
            return Err(UsageError::new(format!("--repos-from {}: it names no repository", file.display()), LIST).into());
        }
        orders
    } else if args.repo.is_empty() {
        let target = if args.no_repo || args.runtime.demo { demo_or_none(args) } else { here(context, &host).await? };
        vec![Order { lines: vec![1], target, prompt }]
    } else {
        let mut orders = Vec::with_capacity(args.repo.len());
        for (index, text) in args.repo.iter().enumerate() {
            let target = Target::parse(text, &host).map_err(|why| {
                let shown = without_secrets(text);
                UsageError::new(format!("--repo {shown}: {why}"), "for example: --repo octocat/hello-world@main")
            })?;
            orders.push(Order { lines: vec![index + 1], target, prompt: prompt.clone() });
        }
        orders
    };
    if args.wait && orders.iter().any(|order| order.prompt.is_none()) {
        let hint = "tell the agent what to do: --prompt TEXT, or after a tab in each line";
        return Err(UsageError::new("--wait: without a prompt there is nothing to wait for", hint).into());
    }
    if args.allow_duplicates {
        return Ok(orders);
    }
    let orders = merged(orders);
    for order in orders.iter().filter(|order| order.lines.len() > 1) {
        let more = order.lines[1..].iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let text =
            format!("line {}, {}: the same as in {more}: launched once (--allow-duplicates)", order.lines[0], order.target);
        context.terminal.say(&Line::new(Tone::Dim, text));
    }
    Ok(orders)
}

const LIST: &str = "a line each: octocat/hello-world, or octocat/hello-world@main, and after a tab its own prompt";

fn demo_or_none(args: &CloudLaunch) -> Target {
    if args.no_repo {
        return Target::NO_REPOSITORY;
    }
    Target::parse("octocat/hello-world@main", "github.com").unwrap_or(Target::NO_REPOSITORY)
}

/// This folder's repository and branch, as far as GitHub has them.
async fn here(context: &mut Context<'_>, host: &str) -> anyhow::Result<Target> {
    let directory = context.directory.clone();
    let deadline = Deadline::new(RUNTIME_TIMEOUT);
    let found = context.step("looking for the repository", deadline, repo::find(&directory, host)).await?;
    if let Some(branch) = &found.branch {
        let unpushed = context.within("looking for the repository", deadline, async {
            anyhow::Ok(repo::unpushed(&directory, branch, &found.remote).await)
        });
        if let Some(why) = unpushed.await? {
            context.tell(&Update::Caution(format!("the branch {branch}: {why}; the agent sees what is on GitHub")))?;
        }
    }
    Ok(Target { slug: Some(found.slug), branch: found.branch })
}
