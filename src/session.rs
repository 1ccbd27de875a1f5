//! The life of one session: opened, followed (see [`view`]), handed over (see [`handover`]) or closed.

pub(crate) mod driver;
pub(crate) mod handover;
mod hooks;
mod keep_awake;
mod link_watchdog;
mod permits;
mod queue;
mod recovery;
pub(crate) mod resume;
pub(crate) mod switch;
mod trust;
mod wishes;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::cli::{Hook, HookEvent, KeepAwake, Remote};
use crate::context::{Context, Deadline};
use crate::error::{DeadlinePassed, Exit, Interrupted, Report, UsageError};
use crate::output::{self, Ending, Update};
use crate::registry::{self, Activity, Given, Link, Registry, SessionEntry};
use crate::repo::worktree::{self, Worktree};
use crate::repo::{Repository, Slug};
use crate::runtime::choice::Choice;
use crate::runtime::pool::{self, Joined};
use crate::sdk::{
    ASK, Attached, Event, Events, Login, McpServers, Prompt, RemoteMode, RequestKind, Runtime, SdkError, Session, SessionOptions,
};
use crate::text::line::{Line, Tone};
use crate::view::dialogue::Dialogue;
use crate::view::journal::Follower;
use crate::view::link::{self, QrOptions};
use hooks::Hooks;
use keep_awake::Sleep;
use link_watchdog::Watchdog;
use permits::Permits;
use queue::Queue;

/// The session is asked to end before its runtime is, so that Mission Control hears of it in any case.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// An idle agent accepts a prompt at once.
const ACCEPTED_DEADLINE: Duration = Duration::from_secs(2);

/// What is to be opened.
#[derive(Debug)]
pub(crate) struct Plan {
    /// For all of it, until the session is ready.
    pub(crate) deadline: Deadline,
    pub(crate) runtime: Choice,
    pub(crate) demo: bool,
    pub(crate) options: SessionOptions,
    /// A session that ended, to go on with.
    pub(crate) resume: Option<resume::Wanted>,
    /// None: as it was, or on.
    pub(crate) remote: Option<Remote>,
    /// The person trusts the folder, for this session.
    pub(crate) trust: bool,
    /// What git says; None with `--no-repo`.
    pub(crate) repository: Option<Repository>,
    pub(crate) no_repo: bool,
    pub(crate) qr: QrOptions,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) worktree: Option<Worktree>,
    /// How long it is shared.
    pub(crate) time_limit: Option<Duration>,
    pub(crate) keep_awake: KeepAwake,
}

/// One session, the runtime that it lives in, and our hold on both.
pub(crate) struct Host {
    registry: Registry,
    joined: Joined,
    hold: registry::Host,
    session: Session,
    events: Events,
    /// Came while something else was waited for; told first.
    early: VecDeque<Event>,
    entry: SessionEntry,
    progress: Progress,
    /// When the connection to the runtime was mended.
    recoveries: Vec<Instant>,
    dialogue: Dialogue,
    permits: Permits,
    queue: Queue,
    watchdog: Watchdog,
    sleep: Sleep,
    hooks: Hooks,
    /// What the agent said last.
    last_said: String,
    /// The hooks for a session that is ready were run.
    told_ready: bool,
    /// Mission Control lost the session, and does not have it again.
    link_lost: bool,
    /// When sharing is tried again that failed after a recovery.
    share_at: Option<tokio::time::Instant>,
    options: SessionOptions,
    choice: Choice,
    qr: QrOptions,
}

/// What the agent is at.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Requests that wait for a person.
    waiting: BTreeMap<String, RequestKind>,
    working: bool,
}

impl Host {
    /// Joins or starts a runtime, and opens a session in it that is shared as planned. What fails or is interrupted is undone.
    pub(crate) async fn open(context: &mut Context<'_>, mut plan: Plan) -> anyhow::Result<Self> {
        let registry = Registry::create()?;
        let mut joined = pool::acquire(context, &registry, &plan.runtime, plan.deadline, None).await?;
        let watchdog = Watchdog::new(&joined.entry.server);
        let created = Box::pin(create(context, &registry, &mut joined, &mut plan)).await;
        let (session, events, login) = match created {
            Ok(created) => created,
            Err(error) => return Err(undo(context, joined, None, error).await),
        };
        let mut opening = Opening { registry: &registry, session: &session, events, early: VecDeque::new(), login };
        let connection = watchdog.first_state();
        match opening.share(context, &joined, &plan, connection).await {
            Ok((entry, hold)) => Ok(Self {
                choice: chosen(&plan.runtime, &joined),
                registry: registry.clone(),
                hold,
                events: opening.events,
                early: opening.early,
                session,
                entry,
                progress: Progress::default(),
                recoveries: Vec::new(),
                dialogue: Dialogue::default(),
                permits: Permits::default(),
                queue: Queue::default(),
                watchdog,
                sleep: Sleep::new(plan.keep_awake),
                hooks: Hooks::new(plan.hooks),
                last_said: String::new(),
                told_ready: false,
                link_lost: false,
                share_at: None,
                options: plan.options,
                qr: plan.qr,
                joined,
            }),
            Err(error) => {
                if plan.resume.is_some() {
                    context.leave_journal();
                } else {
                    context.discard_journal();
                }
                Err(undo(context, joined, Some(&session), error).await)
            }
        }
    }

    /// Shows the session, see [`show`]: it is ready.
    pub(crate) fn show(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        show(context, &self.entry, &self.qr)?;
        // In the background it has told already.
        if !self.entry.detached {
            self.ready(context);
        }
        Ok(())
    }

    /// Runs the hooks for that.
    fn ready(&mut self, context: &mut Context<'_>) {
        self.told_ready = true;
        let entry = self.entry.clone();
        self.hook(context, HookEvent::Ready, "", Some(&Update::Ready(&entry)));
    }

    /// Sends the first prompt; to a session that has another host by now, waits until it is part of the session: whoever waits for its
    /// end next is not told that the agent is idle.
    pub(crate) async fn prompt(
        &self,
        context: &mut Context<'_>,
        deadline: Deadline,
        prompt: Option<Prompt>,
    ) -> anyhow::Result<()> {
        let Some(prompt) = prompt else { return Ok(()) };
        let mut follower = Follower::open(&self.registry, &self.entry.session_id)?;
        if let Some(follower) = &mut follower {
            follower.skip()?;
        }
        let id = context.step("sending the prompt", deadline, self.session.send(&prompt)).await?;
        if let Some(follower) = follower.as_mut().filter(|_| self.entry.detached) {
            let accepting = async { Ok::<_, anyhow::Error>(timeout(ACCEPTED_DEADLINE, follower.accepted(&id)).await) };
            // One that is late is accepted all the same.
            let _ = context.within("sending the prompt", deadline, accepting).await?;
        }
        Ok(())
    }

    /// Stays with the session until it ends, and closes it; or until another host has it, where a terminal that goes away is to leave it
    /// running.
    pub(crate) async fn follow(mut self, context: &mut Context<'_>, detach_on_hangup: bool) -> anyhow::Result<Exit> {
        let ending = match context.terminal.open_keyboard() {
            Ok(keys) => self.watch(context, keys, detach_on_hangup).await,
            Err(error) => Err(error.into()),
        };
        context.terminal.close_keyboard();
        let ending = match ending {
            Err(error) if is_closed_output(&error) => Ok(Ending::OutputClosed),
            other => other,
        };
        self.end(context, ending).await
    }

    /// Closes the session, unless it has another host or is gone already.
    pub(crate) async fn end(mut self, context: &mut Context<'_>, ending: anyhow::Result<Ending>) -> anyhow::Result<Exit> {
        if let Ok(Ending::Detached) = ending {
            context.terminal.status(None);
            return Ok(Exit::Done);
        }
        context.terminal.progress("ending the session");
        let closed = matches!(ending, Ok(Ending::Elsewhere))
            || tokio::select! {
                _ = timeout(CLOSE_DEADLINE, self.session.close()) => true,
                _ = context.shutdown.next() => false,
            };
        if let Err(error) = &ending {
            let report = Report::from(error);
            context.record(&Update::Failed(&report));
            self.hook(context, HookEvent::Error, &report.message, Some(&Update::Failed(&report)));
        }
        let ended = Update::Ended(*ending.as_ref().unwrap_or(&Ending::Failed));
        context.record(&ended);
        self.hook(context, HookEvent::Ended, "", Some(&ended));
        self.registry.forget_host_log(&self.entry.session_id);
        drop(self.hold);
        // After a second signal nothing is waited for.
        self.joined.leave(context, closed, ending.as_ref().err()).await;
        if let Ok(ending) = ending {
            // Nobody may be there to read it.
            let _ = context.say_update(&Update::Ended(ending));
        }
        if let Some(worktree) = &self.entry.worktree {
            context.terminal.say(&output::worktree_line(worktree));
        }
        let ending = ending?;
        Ok(match ending {
            Ending::Signal(signal) => Exit::Signal(signal),
            Ending::Stopped | Ending::Elsewhere | Ending::OutputClosed | Ending::Detached | Ending::Failed => Exit::Done,
        })
    }

    /// The next event; None when the connection is gone. Cancel-safe.
    async fn next_event(&mut self) -> Option<Event> {
        next(&mut self.early, &mut self.events).await
    }

    /// Lets other terminals see how things are.
    fn publish(&mut self, context: &mut Context<'_>) {
        self.entry.activity = self.progress.activity();
        self.entry.until = self.entry.until.filter(|_| self.entry.remote != Remote::Off);
        context.at(self.entry.activity);
        if self.hold.shows(&self.entry) {
            return;
        }
        let published = self.hold.publish(&self.entry);
        context.told_once(published, "other terminals do not see what changes");
    }
}

/// The next event: first of those that came while something else was waited for.
async fn next(early: &mut VecDeque<Event>, events: &mut Events) -> Option<Event> {
    match early.pop_front() {
        Some(event) => Some(event),
        None => events.next().await,
    }
}

impl Progress {
    pub(crate) fn see(&mut self, event: &Event) {
        match event {
            Event::Waiting(request) if request.kind.holds_up() => drop(self.waiting.insert(request.id.clone(), request.kind)),
            Event::Answered { id, .. } => drop(self.waiting.remove(id)),
            // One that was taken and has not begun is work, too: whether there is any, the runtime is asked then.
            Event::Working | Event::Prompt { .. } | Event::Queue => self.working = true,
            Event::Idle | Event::Aborted { .. } => self.stop(),
            _ => {}
        }
    }

    /// Nothing is under way any more.
    fn stop(&mut self) {
        self.working = false;
        self.waiting.clear();
    }

    pub(crate) fn activity(&self) -> Activity {
        match self.waiting.len() {
            0 if self.working => Activity::Working,
            0 => Activity::Idle,
            count => Activity::Input(count),
        }
    }

    /// Whether something waits that is lost when the client that was asked goes away: a question or a plan (measured), no permission.
    fn holds_on_to_us(&self) -> bool {
        self.waiting.values().any(|kind| *kind != RequestKind::Permission)
    }
}

/// Creates the session, or attaches to the one that is gone on with; sharing it is the next step.
async fn create(
    context: &mut Context<'_>,
    registry: &Registry,
    joined: &mut Joined,
    plan: &mut Plan,
) -> anyhow::Result<(Session, Events, Login)> {
    let runtime = joined.runtime.clone();
    let looking = async {
        let login = async { if plan.options.token.is_some() { Ok(None) } else { runtime.login().await.map(Some) } };
        let (login, person) = tokio::try_join!(login, runtime.person())?;
        // Only the person's own words are checked: the CLI takes its settings as they are, too.
        wishes::check_effort(&runtime, &plan.options).await?;
        anyhow::Ok((login, person))
    };
    let (login, person) = context.step("signing in", plan.deadline, looking).await?;
    if let Some(login) = &login {
        joined.signed_in(login)?;
    }
    plan.options.person = person;
    let opened = if let Some(wanted) = plan.resume.clone() {
        let found = resume::find(context, registry, &runtime, &wanted, plan.deadline).await?;
        // A person may have been asked, for as long as that took.
        plan.deadline = plan.deadline.again();
        plan.remote = plan.remote.or(found.remote);
        if plan.time_limit.is_some() && plan.remote == Some(Remote::Off) {
            return Err(UsageError::new(
                "--time-limit is for a session that is shared, and this one was not",
                "share it with it: --remote on",
            )
            .into());
        }
        give_again(context, &mut plan.options, found.given)?;
        if wanted.ask {
            plan.options.permission_mode = Some(ASK.to_owned());
        }
        match found.stored.directory.clone().filter(|directory| directory.is_dir()) {
            Some(directory) => plan.options.directory = directory,
            None => context.tell(&Update::Caution(format!(
                "the folder that the session worked in is gone: it goes on in {}",
                plan.options.directory.display()
            )))?,
        }
        let folder = plan.options.directory.clone();
        let finding = async { anyhow::Ok(worktree::of(&folder).await) };
        plan.worktree = context.within("looking for the worktree", plan.deadline, finding).await?;
        trust_folder(context, &runtime, plan).await?;
        resume::attach(context, &runtime, found.stored, &mut plan.options, plan.deadline).await
    } else {
        obey_settings(&mut plan.options);
        trust_folder(context, &runtime, plan).await?;
        context.step("creating the session", plan.deadline, Session::create(&runtime, &plan.options)).await
    };
    let (session, events) = match opened {
        Ok(opened) => opened,
        Err(error) if wishes::can_explain(&error) => {
            let explaining = async { Ok::<_, anyhow::Error>(wishes::explain(&runtime, &plan.options, error).await) };
            let explained = context.within("looking for the nearest names", plan.deadline, explaining).await;
            return Err(explained.unwrap_or_else(|failed| failed));
        }
        Err(error) => return Err(error),
    };
    let asking = async {
        let login = async {
            match login {
                Some(login) => Ok(login),
                None => session.login().await,
            }
        };
        let current = async {
            if plan.resume.is_none() {
                return Ok(None);
            }
            tokio::try_join!(session.mode(), session.model(), session.agent()).map(Some)
        };
        tokio::try_join!(login, session.permission_mode(), current)
    };
    match context.within("looking at the session", plan.deadline, asking).await {
        Ok((login, permission_mode, current)) => {
            plan.options.permission_mode = Some(permission_mode).filter(|mode| !mode.is_empty());
            // That was for the start: from here on it is as somebody says.
            plan.options.allow_all = false;
            if let Some((mode, (model, effort), agent)) = current {
                plan.options.mode = Some(mode).filter(|mode| !mode.is_empty());
                (plan.options.model, plan.options.effort, plan.options.agent) = (model, effort, agent);
            }
            Ok((session, events, login))
        }
        Err(error) => {
            close(context, &session, &error).await;
            Err(error)
        }
    }
}

/// What the person's settings say counts where nothing else is said.
fn obey_settings(options: &mut SessionOptions) {
    let person = &options.person;
    options.mode = options.mode.take().or_else(|| person.mode.clone());
    options.permission_mode = options.permission_mode.take().or_else(|| person.permission_mode.clone());
    // It is meant for the model of the settings.
    if options.model.is_none() {
        options.effort = options.effort.take().or_else(|| person.effort.clone());
    }
}

/// Gives a session again what it was given before, where nothing else is said.
fn give_again(context: &mut Context<'_>, options: &mut SessionOptions, given: Given) -> anyhow::Result<()> {
    if options.allowed.is_empty() {
        options.allowed = given.allowed;
    }
    // What was denied stays so: the runtime forgot it.
    for rule in given.denied {
        if !options.denied.contains(&rule) {
            options.denied.push(rule);
        }
    }
    options.approved = given.approved;
    options.mode = options.mode.take().or(given.mode);
    options.no_instructions |= given.no_instructions;
    for directory in given.directories {
        if !options.directories.contains(&directory) {
            options.directories.push(directory);
        }
    }
    for file in given.mcp_configs {
        if options.mcp_configs.contains(&file) {
            continue;
        }
        match McpServers::read(&file) {
            Ok(servers) => {
                options.servers.add_missing(servers);
                options.mcp_configs.push(file);
            }
            Err(why) => {
                let text = format!("the MCP servers of {} are left out: {why}", file.display());
                context.tell(&Update::Caution(text))?;
            }
        }
    }
    Ok(())
}

async fn trust_folder(context: &mut Context<'_>, runtime: &Runtime, plan: &mut Plan) -> anyhow::Result<()> {
    let (folder, worktree) = (plan.options.directory.clone(), plan.worktree.clone());
    plan.options.trust = trust::settle(context, runtime, &folder, worktree.as_ref(), plan.trust, &mut plan.deadline).await?;
    Ok(())
}

/// Closes what was begun, and gives back why.
async fn undo(context: &mut Context<'_>, joined: Joined, session: Option<&Session>, error: anyhow::Error) -> anyhow::Error {
    let error = pool::better_reason(&joined.entry.server, error).await;
    // Where GitHub does not answer, the runtime could not tell it of the end either.
    let ask = !error.is::<DeadlinePassed>();
    if let Some(session) = session.filter(|_| ask) {
        close(context, session, &error).await;
    }
    joined.leave(context, ask, Some(&error)).await;
    error
}

/// Closes a session that could not be opened as planned; whoever interrupted that does not wait long.
async fn close(context: &mut Context<'_>, session: &Session, error: &anyhow::Error) {
    let limit = if error.is::<Interrupted>() { pool::HURRY } else { CLOSE_DEADLINE };
    tokio::select! {
        _ = timeout(limit, session.close()) => {}
        _ = context.shutdown.next() => {}
    }
}

/// The CLI that turned out to be usable is the one to relaunch.
fn chosen(choice: &Choice, joined: &Joined) -> Choice {
    match choice {
        Choice::Cli { candidates, isolated } => {
            let program = joined.entry.server.program();
            let candidates = candidates.iter().filter(|cli| cli.program == program).cloned().collect();
            Choice::Cli { candidates, isolated: *isolated }
        }
        external @ Choice::External(_) => external.clone(),
    }
}

/// A session that exists, on its way to being known.
struct Opening<'a> {
    registry: &'a Registry,
    session: &'a Session,
    events: Events,
    early: VecDeque<Event>,
    login: Login,
}

impl Opening<'_> {
    /// From a session to an entry in the registry, with a link where it is to be shared.
    async fn share(
        &mut self,
        context: &mut Context<'_>,
        joined: &Joined,
        plan: &Plan,
        connection: Link,
    ) -> anyhow::Result<(SessionEntry, registry::Host)> {
        let deadline = plan.deadline;
        let id = self.session.id().to_owned();
        registry::check_id(&id)?;
        let taking = registry::Host::take(self.registry, &id);
        let mut hold = context.within("waiting for another host of the session", deadline, taking).await?;
        context.keep_journal(self.registry.journal(&id)?);
        let started = self.first(|event| match event {
            Event::Started(attached) => Ok(attached),
            other => Err(other),
        });
        let attached = context.step("waiting for the session", deadline, started).await?;
        context.tell(&Update::SignedIn(&self.login))?;
        if !plan.demo
            && plan.resume.is_none()
            && let Some(caution) = attached_elsewhere(plan.repository.as_ref(), &attached, &self.login)
        {
            context.tell(&Update::Caution(caution))?;
        }
        let directory = plan.options.directory.clone();
        let mut entry = SessionEntry::new(id, self.login.clone(), directory, joined.entry.id.clone());
        entry.describe(&plan.options);
        // They come before the session is told of.
        for event in &self.early {
            if let Event::Managed(managed) = event {
                entry.manage(managed);
            }
        }
        entry.repository = attached.repository;
        entry.branch = attached.branch;
        entry.worktree.clone_from(&plan.worktree);
        entry.no_repo = plan.no_repo;
        entry.demo = plan.demo;
        joined.runtime.version().clone_into(&mut entry.copilot_version);
        joined.entry.server.program().clone_into(&mut entry.copilot_program);
        entry.copilot_pid = joined.entry.server.pid();
        let wanted = self.registry.wanted(&entry.session_id);
        let remote = plan.remote.unwrap_or(Remote::On);
        wanted.set(remote)?;
        // Counted from here: waiting for GitHub is a part of it.
        let limit = plan.time_limit.filter(|_| remote != Remote::Off);
        entry.until = limit.and_then(|limit| jiff::Timestamp::now().checked_add(limit).ok());
        self.registry.limit(&entry.session_id).set(entry.until)?;
        if let Some(mode) = remote_mode(remote) {
            let link = context.step("waiting for Mission Control", deadline, self.session.enable_remote(mode)).await?;
            let url = if let Some(url) = link {
                url
            } else {
                let told = self.first(|event| match event {
                    Event::Link { url } => Ok(url),
                    other => Err(other),
                });
                context.step("waiting for the link", deadline, told).await?
            };
            link::check(&url, &entry.login.host)?;
            entry.url = Some(url);
            entry.remote = remote;
        }
        entry.connection = connection;
        entry.kept_awake = (plan.keep_awake != KeepAwake::Never).then_some(false);
        // A start that fails leaves them as they were.
        self.registry.keep_given(&entry.session_id, &Given::of(&plan.options))?;
        hold.publish(&entry)?;
        context.record(&Update::Ready(&entry));
        Ok((entry, hold))
    }

    /// The first event that `wanted` takes; the others are kept for later. The caller sets the deadline.
    async fn first<T>(&mut self, wanted: impl Fn(Event) -> Result<T, Event>) -> Result<T, SdkError> {
        loop {
            match wanted(self.events.next().await.ok_or_else(SdkError::closed)?) {
                Ok(found) => return Ok(found),
                Err(other) => self.early.push_back(other),
            }
        }
    }
}

/// The contract: one line on stdout, the link or (not shared) the session's id; with `--json` the `ready` object. The rest is talk, in
/// an order in which the code comes last: what is printed below it would push it off a small terminal.
pub(crate) fn show(context: &mut Context<'_>, entry: &SessionEntry, qr: &QrOptions) -> anyhow::Result<()> {
    if let Some(url) = entry.link() {
        link::check(url, &entry.login.host)?;
    }
    context.say_update(&Update::Ready(entry))?;
    if !context.json {
        context.terminal.data(entry.link().unwrap_or(&entry.session_id))?;
    }
    let mut rows = 0;
    if let Some(url) = entry.link() {
        rows += context.terminal.rows_of(url);
        if context.terminal.is_interactive() && (context.json || !context.terminal.shows_stdout()) {
            context.terminal.say(&Line::new(Tone::Plain, url));
        }
    }
    for line in output::account_lines(entry) {
        rows += context.terminal.rows_of(&line.text);
        context.terminal.say(&line);
    }
    if let Some(url) = entry.link() {
        link::draw(context, url, qr, rows);
    }
    Ok(())
}

/// What the user is told before anything is shared, where the runtime attached something else than git says.
fn attached_elsewhere(repository: Option<&Repository>, attached: &Attached, login: &Login) -> Option<String> {
    if let Some(host) = attached.host.as_ref().filter(|host| **host != login.host) {
        // The CLI looks it up by owner and name alone (measured).
        return Some(format!(
            "the repository is on {host}, and the account on {}: another repository may be attached",
            login.host
        ));
    }
    match (repository, &attached.repository) {
        (Some(repository), Some(found)) if Slug::parse(found).as_ref() == Some(&repository.slug) => None,
        (Some(repository), Some(found)) => {
            Some(format!("the Copilot CLI attaches the session to {found}, while git says {}", repository.slug))
        }
        (Some(repository), None) => Some(format!(
            "the Copilot CLI attaches no repository, while git says {}: it does not resolve ssh host aliases; an https remote helps",
            repository.slug
        )),
        (None, Some(found)) => Some(format!("the Copilot CLI attaches the session to {found} all the same")),
        (None, None) => None,
    }
}

/// Whether `error` says that nobody reads stdout any more.
pub(crate) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn remote_mode(remote: Remote) -> Option<RemoteMode> {
    match remote {
        Remote::On => Some(RemoteMode::On),
        Remote::Export => Some(RemoteMode::Export),
        Remote::Off => None,
    }
}
