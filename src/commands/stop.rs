//! `stop`: ends sessions, with as much force as it takes.

use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cli::Stop;
use crate::context::Context;
use crate::error::Exit;
use crate::output::{self, Stopped};
use crate::registry::{Found, Registry, SessionEntry, target};
use crate::runtime::pool;
use crate::sdk::{SdkError, Session};
use crate::text::line::{Line, Tone};
use crate::view::notices;

/// How long a host gets to see that its session is closed, and to leave; the last one ends the runtime, too.
const CLOSE_DEADLINE: Duration = Duration::from_secs(8);
/// From SIGTERM to SIGKILL: it has its own ladder to climb, see `host`.
const TERMINATE_DEADLINE: Duration = Duration::from_secs(12);
/// A killed process is gone at once, unless the kernel holds it.
const KILL_DEADLINE: Duration = Duration::from_secs(2);
/// How often a process is looked at until it is gone.
const POLL: Duration = Duration::from_millis(5);

pub(crate) async fn run(context: &mut Context<'_>, args: Stop) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entries = if args.all {
        let Found { sessions, notes } = registry.sessions()?;
        notices::say_notes(context, &notes);
        sessions
    } else if args.sessions.is_empty() {
        vec![notices::target(context, &registry, None).await?]
    } else {
        let Found { sessions: live, notes } = registry.sessions()?;
        notices::say_notes(context, &notes);
        let mut entries = args.sessions.iter().map(|wanted| target::named(&live, wanted)).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|one, other| one.session_id.cmp(&other.session_id));
        entries.dedup_by(|one, other| one.session_id == other.session_id);
        entries
    };
    if !entries.is_empty() {
        context.terminal.progress("ending the session");
    }
    let stopping = stop_all(&registry, entries, args.all);
    let (stopped, ended) = tokio::select! {
        done = stopping => done,
        signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
    };
    context.terminal.status(None);
    for (entry, how) in &stopped {
        context.terminal.say(&Line::new(Tone::Strong, format!("stopped {}: {}", entry.label(), how.words())));
        if let Some(worktree) = &entry.worktree {
            context.terminal.say(&output::worktree_line(worktree));
        }
    }
    let ended = ended?;
    if args.all && stopped.is_empty() {
        context.terminal.say(&Line::new(Tone::Plain, "there is no live session"));
    }
    if ended > 0 {
        context.terminal.say(&Line::new(Tone::Plain, "a runtime without a session was ended, too"));
    }
    if context.json {
        context.terminal.data(&output::stop_document(&stopped))?;
    }
    Ok(Exit::Done)
}

/// All at once: each may have to wait for GitHub. What was stopped, and how many runtimes were ended with it; or what went wrong.
async fn stop_all(
    registry: &Registry,
    entries: Vec<SessionEntry>,
    all: bool,
) -> (Vec<(SessionEntry, Stopped)>, anyhow::Result<usize>) {
    let mut tasks = JoinSet::new();
    for entry in entries {
        let registry = registry.clone();
        tasks.spawn(async move {
            let how = stop(&registry, &entry).await?;
            anyhow::Ok((entry, how))
        });
    }
    let mut stopped = Vec::new();
    let mut failed = None;
    while let Some(done) = tasks.join_next().await {
        match done.map_err(Into::into).flatten() {
            Ok(done) => stopped.push(done),
            Err(error) => failed = Some(error),
        }
    }
    stopped.sort_by_key(|(entry, _)| entry.started_at);
    if let Some(error) = failed {
        return (stopped, Err(error));
    }
    // A host that was killed could not end its runtime; with --all nothing is to be left.
    let killed = stopped.iter().any(|(_, how)| *how == Stopped::Killed);
    let ended = if all || killed { pool::end_unused(registry).await } else { Ok(0) };
    (stopped, ended)
}

/// Climbs: close the session, terminate its host, kill it. A session that is just handed over has another host by then: the same for that one.
async fn stop(registry: &Registry, entry: &SessionEntry) -> anyhow::Result<Stopped> {
    let id = &entry.session_id;
    let mut how = Stopped::Closed;
    while let Some(entry) = registry.session(id)? {
        let closing = async {
            let runtime = pool::reach(registry, &entry).await?;
            Session::of(&runtime, id).close().await
        };
        let closed = async {
            // Where GitHub does not answer, neither does the call; the session is gone all the same (docs/copilot-cli.md, end-close-hangs).
            tokio::select! {
                closed = closing => match closed.map_err(SdkError::explain_ended) {
                    Ok(()) | Err(SdkError::SessionEnded) => {}
                    Err(_) => return false,
                },
                () = has_left(registry, &entry) => return true,
            }
            has_left(registry, &entry).await;
            true
        };
        if timeout(CLOSE_DEADLINE, closed).await.unwrap_or(false) {
            continue;
        }
        entry.host.terminate();
        how = Stopped::Terminated;
        if timeout(TERMINATE_DEADLINE, has_left(registry, &entry)).await.is_ok() {
            continue;
        }
        entry.host.kill();
        how = Stopped::Killed;
        timeout(KILL_DEADLINE, has_left(registry, &entry))
            .await
            .with_context(|| format!("process {} cannot be killed", entry.host.pid()))?;
    }
    registry.prune(id)?;
    Ok(how)
}

/// Waits until the session has no host, or another one.
async fn has_left(registry: &Registry, entry: &SessionEntry) {
    let is_there = || matches!(registry.session(&entry.session_id), Ok(Some(found)) if found.host == entry.host);
    while is_there() || entry.host.is_running() {
        sleep(POLL).await;
    }
}
