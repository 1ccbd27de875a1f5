//! Switching remote, from any terminal: what is wanted is written down first, and the last word wins (see [`Wanted`]).

use crate::model::Link;
use jiff::Timestamp;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::context::Context;
use crate::error::DeadlinePassed;
use crate::model::Remote;
use crate::os::state_dir::StateError;
use crate::registry::{Registry, SessionEntry, Switching, Wanted};
use crate::repo::RepoError;
use crate::runtime::pool;
use crate::sdk::{self, RemoteMode, SdkError, Session, Warning};
use crate::text::line::{Line, Tone};
use crate::view::notices::say_refusal;

/// Enable answers within 10 s when GitHub hangs on the session, and never when it hangs on the repository
/// (docs/copilot-cli.md, remote-hangs).
const DEADLINE: Duration = Duration::from_secs(45);
/// How often it is looked whether something else is wanted by now, while GitHub is slow.
const CHANGE_POLL: Duration = Duration::from_millis(50);
/// How long off waits for a switch that is under way.
const OFF_DEADLINE: Duration = Duration::from_secs(2);
/// How long the host gets to see a change that was made …
const SHOWN_DEADLINE: Duration = Duration::from_secs(2);
/// … and how often it is looked whether it did: it takes a millisecond.
const SHOWN_POLL: Duration = Duration::from_millis(1);

/// A switch that the host made itself.
#[derive(Debug)]
pub(crate) struct Switched {
    pub(crate) remote: Remote,
    /// The link, where the answer had one.
    pub(crate) url: Option<String>,
    /// Nobody else switches until the registry shows it.
    /// None: somebody has it and does not let go, which off does not wait for.
    pub(crate) turn: Option<Switching>,
}

/// The turn, which somebody may have who was stopped (Ctrl-Z).
async fn turn(wanted: &Wanted) -> anyhow::Result<Switching> {
    Ok(timeout(DEADLINE, wanted.turn()).await.map_err(|_| late())??)
}

fn late() -> SdkError {
    SdkError::Deadline { step: "switching remote", limit: DEADLINE }
}

/// Switches off, as the host of the session. No file is in the way of that: neither a word that cannot be written, nor a lock that
/// somebody who was stopped (Ctrl-Z) holds.
pub(super) async fn off(registry: &Registry, session: &Session) -> anyhow::Result<Switched> {
    let turn = timeout(OFF_DEADLINE, registry.wanted(session.id()).turn()).await.ok().and_then(Result::ok);
    disable(session).await?;
    Ok(Switched { remote: Remote::Off, url: None, turn })
}

async fn disable(session: &Session) -> Result<(), SdkError> {
    let late = |_| Err(late());
    timeout(DEADLINE, session.disable_remote()).await.unwrap_or_else(late).map_err(SdkError::explain_ended)
}

/// Makes remote what is desired by now; a refusal leaves the word, so that it can be tried again. `actual`: how it is.
///
/// `off`: Mission Control does not take the session as it is, and enabling alone does nothing then, so it is switched off first;
/// whether it was.
pub(super) async fn as_desired(
    registry: &Registry,
    session: &Session,
    actual: Remote,
    off: Option<&AtomicBool>,
) -> anyhow::Result<Switched> {
    let wanted = registry.wanted(session.id());
    let turn = Some(turn(&wanted).await?);
    let mut before = actual;
    // What came on while the turn was waited for is switched off as well.
    let unwanted = wanted.get() == Remote::Off || registry.limit(session.id()).is_over();
    if unwanted || off.is_some() {
        disable(session).await?;
        if let Some(off) = off {
            off.store(true, Ordering::Relaxed);
        }
        before = Remote::Off;
    }
    if unwanted {
        return Ok(Switched { remote: Remote::Off, url: None, turn });
    }
    let (remote, url) = settle(session, &wanted, before).await?;
    Ok(Switched { remote, url, turn })
}

/// Whether GitHub may only be out of reach for a while.
pub(super) fn is_passing(error: &anyhow::Error) -> bool {
    let passing = matches!(
        error.downcast_ref(),
        Some(SdkError::ServiceUnavailable { .. } | SdkError::UnexpectedAnswer { .. } | SdkError::Deadline { .. })
    );
    passing || error.is::<DeadlinePassed>()
}

/// After a switch that failed the word is again what remote is. Somebody's off stays, and so does what another one wants by now.
pub(super) fn refused(wanted: &Wanted, remote: Remote, before: Remote) -> Result<(), StateError> {
    if remote == Remote::Off || remote == before || wanted.get() != remote {
        return Ok(());
    }
    // It was switched off on the way.
    let now = if (before, remote) == (Remote::On, Remote::Export) { Remote::Off } else { before };
    wanted.set(now)
}

/// What becomes of the time limit with a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    Keep,
    /// Until then; none: without a limit.
    Change(Option<Timestamp>),
}

/// Takes a wish back where whoever had it does not wait for the outcome: as it was before is as it is to be. Somebody's off stays.
struct TakenBack<'a> {
    registry: &'a Registry,
    session: &'a str,
    remote: Remote,
    before: Remote,
    /// The limit of before, where the wish has one of its own.
    limit: TimeLimit,
    done: bool,
}

impl TakenBack<'_> {
    fn take_back(&self) {
        let wanted = self.registry.wanted(self.session);
        if self.done || self.remote == Remote::Off || wanted.get() != self.remote {
            return;
        }
        let _ = wanted.set(self.before);
        self.restore_limit();
    }

    fn restore_limit(&self) {
        if let TimeLimit::Change(limit) = self.limit {
            let _ = self.registry.limit(self.session).set(limit);
        }
    }
}

impl Drop for TakenBack<'_> {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Switches, from any other terminal: the entry as it is then, and whether the session's host has seen it in time.
///
/// `until`: the time limit of what is shared. It is written down together with the wish, so that whoever carries the wish
/// out obeys it.
pub(crate) async fn switch_from_outside(
    registry: &Registry,
    id: &str,
    remote: Remote,
    until: TimeLimit,
) -> anyhow::Result<(SessionEntry, bool)> {
    // The reason of a refusal is an event, which comes to those who are attached.
    let mut journal = registry.read_journal(id)?;
    if let Some(journal) = &mut journal {
        journal.skip_to_end()?;
    }
    let wanted = registry.wanted(id);
    let limit = registry.limit(id);
    let before = wanted.get();
    let old_limit = if until == TimeLimit::Keep { until } else { TimeLimit::Change(limit.get()) };
    let mut word = TakenBack { registry, session: id, remote, before, limit: old_limit, done: false };
    wanted.set(remote)?;
    if let TimeLimit::Change(until) = until {
        limit.set(until)?;
    }
    // Whoever has the turn may have been stopped (Ctrl-Z): off does not wait for that one, and can do no harm without.
    let turn = match remote {
        Remote::Off => timeout(OFF_DEADLINE, wanted.turn()).await.ok().transpose()?,
        Remote::On | Remote::Export => Some(wanted.turn().await?),
    };
    // Read now: the runtime may be another one than before.
    let entry = registry.session(id)?.ok_or(SdkError::SessionEnded)?;
    let settled = async {
        let runtime = pool::reach(registry, &entry).await?;
        settle(&Session::of(&runtime, id), &wanted, entry.remote).await
    };
    match settled.await {
        Ok((remote, url)) => {
            word.done = true;
            let seen = timeout(SHOWN_DEADLINE, shown(registry, id, remote)).await;
            drop(turn);
            if let Ok(entry) = seen {
                return Ok((entry?, true));
            }
            let mut entry = registry.session(id)?.ok_or(SdkError::SessionEnded)?;
            entry.remote = remote;
            if let Some(url) = url {
                sdk::check_link(&url, &entry.login.host)?;
                entry.url = Some(url);
            }
            Ok((entry, false))
        }
        // The runtime died, or does not answer. The host makes it so: when the runtime answers, or in another one.
        Err(SdkError::Connection(_) | SdkError::SessionEnded) => {
            drop(turn);
            let entry = made_so(registry, id, remote, &entry).await?;
            word.done = true;
            Ok((entry, true))
        }
        Err(error) => {
            word.done = true;
            refused(&wanted, remote, entry.remote)?;
            word.restore_limit();
            let reason = match journal {
                Some(mut journal) => timeout(Duration::from_millis(500), reason(&mut journal)).await.ok(),
                None => None,
            };
            Err(error.explain_enable(reason).into())
        }
    }
}

/// Waits until the entry says so, or something else is wanted by now; the caller sets the deadline.
async fn shown(registry: &Registry, id: &str, remote: Remote) -> anyhow::Result<SessionEntry> {
    let begun = Instant::now();
    loop {
        if let Some(entry) = registry.entry(id)
            && (registry.wanted(id).get() != remote || entry.remote == remote && (remote == Remote::Off || entry.url.is_some()))
        {
            return Ok(entry);
        }
        if registry.session(id)?.is_none() {
            return Err(SdkError::SessionEnded.into());
        }
        sleep(if begun.elapsed() < SHOWN_DEADLINE { SHOWN_POLL } else { CHANGE_POLL }).await;
    }
}

/// Waits until the host has made it so after this command could not: what the entry said before proves nothing.
async fn made_so(registry: &Registry, id: &str, remote: Remote, before: &SessionEntry) -> anyhow::Result<SessionEntry> {
    loop {
        let entry = shown(registry, id, remote).await?;
        let anew = entry.runtime != before.runtime || before.remote != remote;
        let well = entry.connection != Link::Lost;
        let overruled = registry.wanted(id).get() != remote;
        // Off is what the host says to be off: late answers are its affair.
        if overruled || remote == Remote::Off || anew && well {
            return Ok(entry);
        }
        if !anew && answers(registry, &entry).await {
            return Ok(entry);
        }
        sleep(CHANGE_POLL).await;
    }
}

/// Whether the runtime of a session answers.
async fn answers(registry: &Registry, entry: &SessionEntry) -> bool {
    let asking = async {
        let runtime = pool::reach(registry, entry).await?;
        Session::of(&runtime, &entry.session_id).permission_mode().await
    };
    matches!(timeout(OFF_DEADLINE, asking).await, Ok(Ok(_)))
}

/// The warning about remote that comes next.
async fn reason(journal: &mut crate::registry::Reader) -> Warning {
    loop {
        match journal.next() {
            Ok(Some(record)) => {
                if let Some(warning) = record.remote_warning() {
                    return warning;
                }
            }
            _ => sleep(SHOWN_POLL).await,
        }
    }
}

/// Makes remote what is wanted by now, and looks again at the end: the caller has the turn.
pub(super) async fn settle(session: &Session, wanted: &Wanted, before: Remote) -> Result<(Remote, Option<String>), SdkError> {
    let mut now = before;
    loop {
        let remote = wanted.get();
        let result = tokio::select! {
            result = timeout(DEADLINE, make(session, now, remote)) => {
                result.unwrap_or_else(|_| Err(late()))
            }
            () = changed(wanted, remote) => Ok(None),
        };
        if wanted.get() == remote {
            return result.map_err(SdkError::explain_ended).map(|url| (remote, url));
        }
        now = remote;
    }
}

async fn make(session: &Session, now: Remote, remote: Remote) -> Result<Option<String>, SdkError> {
    let Some(mode) = remote_mode(remote) else {
        session.disable_remote().await?;
        return Ok(None);
    };
    if (now, remote) == (Remote::On, Remote::Export) {
        // Enabling export does nothing where it is on (docs/copilot-cli.md, remote-export).
        session.disable_remote().await?;
    }
    session.enable_remote(mode).await
}

async fn changed(wanted: &Wanted, from: Remote) {
    while wanted.get() == from {
        sleep(CHANGE_POLL).await;
    }
}

/// Refuses to share a session without a repository, unless that is all right with the user.
pub(crate) fn may_share(entry: &SessionEntry, no_repo: bool) -> Result<(), RepoError> {
    if entry.repository.is_some() || entry.no_repo || no_repo {
        Ok(())
    } else {
        Err(RepoError::NotAttached { path: entry.directory.clone() })
    }
}

/// A switch of remote that is under way, at most one.
pub(crate) struct Switch<T>(Option<JoinHandle<anyhow::Result<T>>>);

impl<T: Send + 'static> Switch<T> {
    pub(crate) fn idle() -> Self {
        Self(None)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it may be switched to this now; says so, or why not.
    pub(crate) fn allows(&self, context: &mut Context<'_>, entry: &SessionEntry, remote: Remote) -> bool {
        let say = |context: &mut Context<'_>, text: &str| context.terminal.say(&Line::new(Tone::Dim, text));
        if !self.is_idle() {
            say(context, "remote is being switched already");
            return false;
        }
        if remote != Remote::Off
            && let Err(error) = may_share(entry, false)
        {
            let _ = say_refusal(context, entry.remote, &error.into());
            return false;
        }
        say(context, &format!("switching remote {}…", remote.word()));
        true
    }

    pub(crate) fn start(&mut self, switch: impl Future<Output = anyhow::Result<T>> + Send + 'static) {
        *self = Self(Some(tokio::spawn(switch)));
    }

    /// Waits for the end of the switch, for ever without one. Cancel-safe.
    pub(crate) async fn done(&mut self) -> anyhow::Result<T> {
        if let Some(task) = &mut self.0
            && let Ok(switched) = task.await
        {
            self.0 = None;
            return switched;
        }
        // There is none, or it panicked.
        if self.0.take().is_some() { Err(anyhow::anyhow!("the switch broke off")) } else { pending().await }
    }
}

impl<T> Drop for Switch<T> {
    /// What is not waited for is not to go on behind our back.
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

pub(super) fn remote_mode(remote: Remote) -> Option<RemoteMode> {
    match remote {
        Remote::On => Some(RemoteMode::On),
        Remote::Export => Some(RemoteMode::Export),
        Remote::Off => None,
    }
}
