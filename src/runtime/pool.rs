//! One runtime, many sessions: joins a live runtime with the same sharing key, or launches one, and decides who ends it.

use crate::os::state_dir::StateError;
use crate::sdk::Session;
use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::choice::Choice;
use super::circumstances;
use crate::context::{Context, Deadline};
use crate::error::{Exit, Interrupted};
use crate::os::state_dir;
use crate::registry::{Circumstances, Launches, Lease, Registry, RuntimeEntry, SessionEntry};
use crate::report::Report;
use crate::sdk::{Cli, Login, Process, Runtime, SdkError, Server};
use crate::text::line::{Line, Tone};

/// How long a live runtime may take to answer. It answers at once; one that does not is left to the hosts that use it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// How long the launch lock is waited for at the end of a session. Another process holds it for milliseconds, or is launching; in
/// that case the runtime is left to that process.
const TURN_DEADLINE: Duration = Duration::from_secs(10);
/// How long each step of closing may take after an interrupt during the start. It takes 0.1 to 0.4 s (docs/copilot-cli.md,
/// end-runtime).
pub(crate) const HURRY: Duration = Duration::from_millis(450);

/// How often it is looked whether a session is back.
const RESUME_POLL: Duration = Duration::from_millis(50);

/// A runtime that this process uses, with the lease that keeps the runtime alive.
pub(crate) struct Joined {
    registry: Registry,
    pub(crate) entry: RuntimeEntry,
    pub(crate) runtime: Runtime,
    lease: Lease,
}

/// Joins or launches a runtime. `dead` is the runtime that the new one replaces.
pub(crate) async fn acquire(
    context: &mut Context<'_>,
    registry: &Registry,
    choice: &Choice,
    deadline: Deadline,
    dead: Option<&RuntimeEntry>,
) -> anyhow::Result<Joined> {
    let (candidates, isolated) = match choice {
        Choice::Cli { candidates, isolated } => (candidates, *isolated),
        Choice::External(server) => return external(context, registry, server, deadline).await,
    };
    let mut tried = Vec::new();
    for cli in candidates {
        let error = match acquire_of(context, registry, cli, isolated, deadline, dead).await {
            Ok(joined) => return Ok(joined),
            Err(error) => error,
        };
        let unusable = matches!(
            error.downcast_ref(),
            Some(SdkError::CliUnusable { .. } | SdkError::CliExited { .. } | SdkError::Incompatible { .. })
        );
        if !unusable || candidates.len() == 1 {
            return Err(error);
        }
        tried.push(error.to_string());
    }
    Err(SdkError::CliNotFound { tried }.into())
}

async fn external(context: &mut Context<'_>, registry: &Registry, server: &Server, deadline: Deadline) -> anyhow::Result<Joined> {
    let entry = RuntimeEntry::new(server.clone(), true, registry.circumstances([])?);
    let connecting = async {
        server.connect().await.map_err(|error| match error {
            SdkError::Connection(reason) => SdkError::External { reason },
            SdkError::Rpc { message, .. } => SdkError::External { reason: message },
            other => other,
        })
    };
    let runtime = context.step("connecting to the runtime", deadline, connecting).await?;
    let turn = context.within("waiting for another start", deadline, registry.launches()).await?;
    let lease = turn.lease(&entry.id).await?;
    registry.publish_runtime(&entry)?;
    Ok(Joined { registry: registry.clone(), entry, runtime, lease })
}

/// Joins a runtime of one CLI, or launches one.
async fn acquire_of(
    context: &mut Context<'_>,
    registry: &Registry,
    cli: &Cli,
    isolated: bool,
    deadline: Deadline,
    dead: Option<&RuntimeEntry>,
) -> anyhow::Result<Joined> {
    let ours = registry.circumstances(circumstances::subjects(cli))?;
    // The runtimes that turned out to be unusable.
    let mut avoid = HashSet::new();
    loop {
        let turn = context.within("waiting for another start", deadline, registry.launches()).await?;
        let shared = if isolated { None } else { shared_runtime(registry, &turn, &ours, &avoid)? };
        let Some(entry) = shared else {
            let relaunches = match dead {
                Some(dead) => dead.relaunches_and_one().ok_or(SdkError::RuntimeEnded { reason: TOO_OFTEN })?,
                None => Vec::new(),
            };
            let mut process = Process::spawn(cli, state_dir::new_log_dir()?)?;
            let mut entry = RuntimeEntry::new(process.server().clone(), isolated, ours);
            entry.relaunches = relaunches;
            let joined = launch(context, registry, &mut process, entry, cli, turn, deadline).await?;
            process.release();
            return Ok(joined);
        };
        let lease = turn.lease(&entry.id).await?;
        drop(turn);
        let joining = async { anyhow::Ok(join(registry, entry, lease).await) };
        match context.within("joining a runtime", deadline, joining).await? {
            Ok(joined) => return Ok(joined),
            Err(id) => avoid.insert(id),
        };
    }
}

pub(crate) const TOO_OFTEN: &str = ", for the fourth time in 5 minutes: it is not started again";

/// A live runtime with the same sharing key. Entries of dead runtimes are removed on the way.
fn shared_runtime(
    registry: &Registry,
    turn: &Launches,
    ours: &Circumstances,
    avoid: &HashSet<String>,
) -> anyhow::Result<Option<RuntimeEntry>> {
    for entry in registry.runtimes()? {
        if entry.server.is_external() || avoid.contains(&entry.id) {
            continue;
        }
        if !entry.server.is_running() {
            if !turn.is_used(&entry.id)? {
                turn.forget(&entry.id);
            }
            continue;
        }
        let differences = ours.differences(&entry.circumstances);
        let pid = entry.server.pid().unwrap_or_default();
        if entry.isolated {
            tracing::debug!(pid, "this runtime is not shared: it was started with --isolated");
        } else if differences.is_empty() {
            return Ok(Some(entry));
        } else {
            tracing::debug!(pid, differs = differences.join(", "), "this runtime is not shared");
        }
    }
    Ok(None)
}

/// Connects to a live runtime. Returns the runtime's id as an error if the runtime does not answer, or if its account changed. A
/// runtime that does not answer and that nobody uses is ended.
async fn join(registry: &Registry, entry: RuntimeEntry, lease: Lease) -> Result<Joined, String> {
    let connected = timeout(ANSWER_DEADLINE, async {
        let runtime = entry.server.connect().await?;
        if let Some(before) = &entry.login {
            let login = runtime.login().await?;
            if login != *before {
                tracing::debug!(login = login.login, before = before.login, "the runtime's account changed: it is not shared");
                return Ok(None);
            }
        }
        Ok::<_, SdkError>(Some(runtime))
    });
    match connected.await {
        Ok(Ok(Some(runtime))) => {
            tracing::debug!(pid = entry.server.pid(), "joined a runtime that was there");
            Ok(Joined { registry: registry.clone(), entry, runtime, lease })
        }
        Ok(Ok(None)) => Err(entry.id),
        Ok(Err(error)) => {
            tracing::debug!(pid = entry.server.pid(), %error, "this runtime is of no use");
            Err(entry.id)
        }
        Err(_) => {
            tracing::debug!(pid = entry.server.pid(), "this runtime does not answer");
            drop(lease);
            if let Ok(turn) = registry.launches().await
                && matches!(turn.is_used(&entry.id), Ok(false))
            {
                entry.server.end(None).await;
                turn.forget(&entry.id);
            }
            Err(entry.id)
        }
    }
}

/// Makes a started process a runtime that others can join. It is published at once, so that the next start finds it if this
/// process is killed.
async fn launch(
    context: &mut Context<'_>,
    registry: &Registry,
    process: &mut Process,
    mut entry: RuntimeEntry,
    cli: &Cli,
    turn: Launches,
    deadline: Deadline,
) -> anyhow::Result<Joined> {
    let step = if cli.demo {
        "starting the stand-in runtime".to_owned()
    } else {
        format!("starting the Copilot CLI ({})", cli.program.display())
    };
    let lease = turn.lease(&entry.id).await?;
    let listening = async {
        registry.publish_runtime(&entry)?;
        context.step(&step, deadline, process.listening()).await?;
        entry.server = process.server().clone();
        registry.publish_runtime(&entry)?;
        anyhow::Ok(())
    };
    if let Err(error) = listening.await {
        drop(lease);
        end(context, process.server(), None, Some(&error)).await;
        turn.forget(&entry.id);
        return Err(error);
    }
    drop(turn);
    let connected = async { context.within(&step, deadline, process.server().connect()).await };
    match connected.await {
        Ok(runtime) => Ok(Joined { registry: registry.clone(), entry, runtime, lease }),
        Err(error) => {
            let error = better_reason(process.server(), error).await;
            give_up(context, registry, &entry, None, lease, Some(&error)).await;
            Err(error)
        }
    }
}

impl Joined {
    /// Joins the runtime of a session that another process handed over to this one.
    pub(crate) async fn again(registry: &Registry, id: &str) -> anyhow::Result<Self> {
        let gone = || SdkError::RuntimeEnded { reason: "" };
        let turn = registry.launches().await?;
        let entry = registry.runtime(id).ok_or_else(gone)?;
        let lease = turn.lease(id).await?;
        drop(turn);
        let runtime = entry.server.connect().await?;
        Ok(Self { registry: registry.clone(), entry, runtime, lease })
    }

    /// Whether others find the runtime.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.registry.is_on_disk(&self.entry.id, &self.lease)
    }

    /// Makes what was removed of its files anew.
    pub(crate) fn restore(&mut self) -> Result<(), StateError> {
        self.registry.restore_runtime(&self.entry, &mut self.lease)
    }

    /// Notes who the runtime is signed in as, so that whoever joins the runtime later can compare.
    pub(crate) fn signed_in(&mut self, login: &Login) -> anyhow::Result<()> {
        if self.entry.login.is_none() {
            self.entry.login = Some(login.clone());
            self.registry.publish_runtime(&self.entry)?;
        }
        Ok(())
    }

    /// Gives up the lease; the last host that does so ends the runtime. `ask` says whether the runtime can be expected to answer.
    pub(crate) async fn leave(self, context: &mut Context<'_>, ask: bool, error: Option<&anyhow::Error>) {
        let runtime = ask.then_some(&self.runtime);
        give_up(context, &self.registry, &self.entry, runtime, self.lease, error).await;
    }

    /// Gives up the lease of a runtime that is dead or unusable. The last host that does so ends what is left of the runtime.
    pub(crate) async fn forget(self) {
        drop(self.lease);
        if let Ok(Ok(turn)) = timeout(TURN_DEADLINE, self.registry.launches()).await
            && matches!(turn.is_used(&self.entry.id), Ok(false))
        {
            self.entry.server.end(None).await;
            turn.forget(&self.entry.id);
        }
    }
}

async fn give_up(
    context: &mut Context<'_>,
    registry: &Registry,
    entry: &RuntimeEntry,
    runtime: Option<&Runtime>,
    lease: Lease,
    error: Option<&anyhow::Error>,
) {
    drop(lease);
    let turn = tokio::select! {
        biased;
        turn = timeout(TURN_DEADLINE, registry.launches()) => turn.ok().and_then(Result::ok),
        _ = context.shutdown.next() => registry.launches_now(),
    };
    let turn = turn.filter(|turn| matches!(turn.is_used(&entry.id), Ok(false)));
    match turn {
        Some(turn) if entry.server.is_external() => {
            context.terminal.status(None);
            turn.forget(&entry.id);
        }
        Some(turn) => {
            end(context, &entry.server, runtime, error).await;
            turn.forget(&entry.id);
        }
        None => drop(name_logs(context, &entry.server, error)),
    }
}

/// Kills a runtime of ours that does not answer. Of several hosts that want to, only one does: the others find that it is gone,
/// as their connections break, too.
///
/// Asked is what needs neither GitHub nor a session, over the connection that is there: what hangs with GitHub (docs/copilot-cli.md,
/// sign-in-hangs) is no sign of a runtime that does.
pub(crate) async fn replace_hanging(registry: &Registry, entry: &RuntimeEntry, runtime: &Runtime) {
    let Ok(Ok(turn)) = timeout(TURN_DEADLINE, registry.launches()).await else { return };
    if !entry.server.is_external() && timeout(ANSWER_DEADLINE, runtime.ping()).await.is_err() {
        entry.server.kill();
    }
    drop(turn);
}

/// Connects to the runtime of a session from a process that is not its host.
pub(crate) async fn reach(registry: &Registry, session: &SessionEntry) -> Result<Runtime, SdkError> {
    let entry = registry.runtime(&session.runtime).ok_or_else(SdkError::closed)?;
    let late = |_| SdkError::Connection(format!("no answer within {} s", ANSWER_DEADLINE.as_secs()));
    timeout(ANSWER_DEADLINE, entry.server.connect()).await.map_err(late)?
}

/// Does something in a session from another terminal than its host's. A host that is just bringing the session to another runtime is waited
/// for; the caller sets the deadline.
pub(crate) async fn in_session<T>(
    registry: &Registry,
    id: &str,
    act: impl AsyncFn(Session) -> Result<T, SdkError>,
) -> anyhow::Result<T> {
    loop {
        let entry = registry.session(id)?.ok_or(SdkError::SessionEnded)?;
        match reach(registry, &entry).await {
            // Nothing was asked yet: the runtime died, and the host is about to see that.
            Err(SdkError::Connection(_)) if !entry.runtime_is_external() => {}
            Err(error) => return Err(error.into()),
            Ok(runtime) => match act(Session::of(&runtime, id)).await {
                // It is just being resumed in another runtime, if it lives.
                Err(SdkError::SessionEnded) => {}
                done => return Ok(done?),
            },
        }
        sleep(RESUME_POLL).await;
    }
}

/// Ends every runtime that nobody uses, and forgets the dead ones. Returns how many were ended.
pub(crate) async fn end_unused(registry: &Registry) -> anyhow::Result<usize> {
    let entries = registry.runtimes()?;
    if entries.is_empty() {
        return Ok(0);
    }
    let turn = timeout(TURN_DEADLINE, registry.launches()).await;
    let turn = turn.map_err(|_| anyhow::anyhow!("another start is under way and does not end: try again later"))??;
    let mut ended = 0;
    for entry in entries {
        if turn.is_used(&entry.id)? {
            continue;
        }
        if !entry.server.is_external() && entry.server.is_running() {
            let runtime = timeout(ANSWER_DEADLINE, entry.server.connect()).await.ok().and_then(Result::ok);
            entry.server.end(runtime.as_ref()).await;
            entry.server.forget_logs();
            ended += 1;
        }
        turn.forget(&entry.id);
    }
    Ok(ended)
}

/// Ends a runtime; a signal in the meantime kills it. Its logs are kept only if they may explain `error`.
async fn end(context: &mut Context<'_>, server: &Server, runtime: Option<&Runtime>, error: Option<&anyhow::Error>) {
    context.terminal.progress("ending the Copilot CLI");
    let interrupted = error.is_some_and(anyhow::Error::is::<Interrupted>);
    tokio::select! {
        () = server.end(runtime) => {}
        () = sleep(HURRY), if interrupted => server.kill(),
        _ = context.shutdown.next() => server.kill(),
    }
    context.terminal.status(None);
    if !name_logs(context, server, error) {
        server.forget_logs();
    }
}

/// Says where the logs are, if they may explain `error`.
fn name_logs(context: &mut Context<'_>, server: &Server, error: Option<&anyhow::Error>) -> bool {
    let unexplained = error.is_some_and(|error| {
        !crate::error::is_closed_output(error) && matches!(Report::from(error).exit, Exit::Failed | Exit::Deadline)
    });
    if let Some(logs) = server.log_dir().filter(|_| unexplained) {
        context.terminal.say(&Line::new(Tone::Dim, format!("log of the Copilot CLI: {}", logs.display())));
    }
    unexplained
}

/// Replaces a broken connection by the end of the process, if that is why the connection broke, because it says more. Else
/// returns `error`.
pub(crate) async fn better_reason(server: &Server, error: anyhow::Error) -> anyhow::Error {
    if !matches!(error.downcast_ref(), Some(SdkError::Connection(_))) || server.is_external() {
        return error;
    }
    // The connection of a dying runtime breaks a moment before the process is gone.
    let gone = async {
        while server.is_running() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match timeout(Duration::from_secs(1), gone).await {
        Ok(()) => SdkError::RuntimeEnded { reason: "" }.into(),
        Err(_) => error,
    }
}
