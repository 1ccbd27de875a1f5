//! `cloud list` and `cloud open`: the account's tasks.

use jiff::Timestamp;

use super::{RUNTIME_TIMEOUT, leave, sign_in};
use crate::cli::settings::setting;
use crate::cli::{self, CloudList, CloudOpen};
use crate::cloud::Link;
use crate::context::{Context, Deadline};
use crate::error::{ChooseError, Exit};
use crate::os::env;
use crate::output::{self, Update};
use crate::registry::Registry;
use crate::runtime::choice::{self, Choice};
use crate::runtime::pool;
use crate::sdk::Task;

pub(super) async fn list(context: &mut Context<'_>, args: CloudList) -> anyhow::Result<Exit> {
    let tasks = find(context, args).await?;
    let now = Timestamp::now();
    let text = if context.json {
        output::cloud::tasks_document(&tasks, now) + "\n"
    } else {
        output::cloud::tasks_table(&tasks, now, context.terminal.stdout_columns())
    };
    Ok(context.deliver(&text).await?.map_or(Exit::Done, Exit::Signal))
}

pub(super) async fn open(context: &mut Context<'_>, args: CloudOpen) -> anyhow::Result<Exit> {
    let demo = args.list.runtime.demo;
    // Also of a link, the end is the id.
    let path = args.task.split(['?', '#']).next().unwrap_or_default();
    let wanted = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let tasks = find(context, args.list).await?;
    let exact: Vec<_> = tasks.iter().filter(|(task, _)| task.id == wanted).collect();
    let meant = if exact.is_empty() { tasks.iter().filter(|(task, _)| task.id.starts_with(&wanted)).collect() } else { exact };
    let (task, link) = match meant.as_slice() {
        [(task, Some(link))] if !wanted.is_empty() => (task, link),
        [] | [_] => return Err(ChooseError::NoTask { wanted }.into()),
        several => {
            let candidates = several.iter().map(|(task, _)| task.id.clone()).collect();
            return Err(ChooseError::Ambiguous { candidates }.into());
        }
    };
    context.print(&format!("{}\n", link.url), &output::cloud::task_document(&task.id, link))?;
    if !demo && open::that_detached(&link.url).is_err() {
        context.tell(&Update::Caution("no browser could be started".to_owned()))?;
    }
    Ok(Exit::Done)
}

/// The account's tasks, each with the link that it should be found by.
async fn find(context: &mut Context<'_>, args: CloudList) -> anyhow::Result<Vec<(Task, Option<Link>)>> {
    let server = args.runtime.server.as_deref().map(choice::loopback).transpose()?;
    let deadline = Deadline::new(
        setting(args.timeout, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?.unwrap_or(RUNTIME_TIMEOUT),
    );
    let choice = Choice::new(&args.runtime, server)?;
    let registry = Registry::create()?;
    let mut joined = pool::acquire(context, &registry, &choice, deadline, None).await?;
    let mut found = Vec::new();
    let listing = async {
        let login = sign_in(context, &mut joined, deadline).await?;
        let tasks = context.step("asking GitHub for the tasks", deadline, joined.runtime.tasks()).await?;
        found =
            tasks.into_iter().map(|task| (Link::derived(&login.host, &task.id), task)).map(|(link, task)| (task, link)).collect();
        found.sort_by_key(|(task, _)| std::cmp::Reverse(task.created_at));
        Ok(Exit::Done)
    };
    let listed = listing.await;
    leave(context, joined, listed).await?;
    Ok(found)
}
