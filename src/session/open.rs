//! Opening a session: from a plan to one that is shared and can be found.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::timeout;

use super::clock::Clock;
use super::{CLOSE_DEADLINE, core, resume, trust, wishes};
use crate::context::{Context, Deadline};
use crate::error::{DeadlinePassed, Interrupted, UsageError};
use crate::model::{Hook, KeepAwake, Remote};
use crate::output::Update;
use crate::registry::{self, Given, Registry, SessionEntry};
use crate::repo::worktree::{self, Worktree};
use crate::repo::{Repository, Slug};
use crate::runtime::choice::Choice;
use crate::runtime::pool::{self, Joined};
use crate::sdk::{self, ASK, Attached, Event, Events, Login, McpServers, Runtime, SdkError, Session, SessionOptions};
use crate::session::switch::remote_mode;
use crate::view::link::QrOptions;

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

/// Creates the session, or attaches to the one that is gone on with; sharing it is the next step.
pub(super) async fn create(
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
        Box::pin(go_on(context, registry, &runtime, plan, wanted)).await
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

/// Attaches to the session that is gone on with. Of the last one, where nothing is left of it (a power cut may leave an empty file), to the one
/// before it.
async fn go_on(
    context: &mut Context<'_>,
    registry: &Registry,
    runtime: &Runtime,
    plan: &mut Plan,
    mut wanted: resume::Wanted,
) -> anyhow::Result<(Session, Events)> {
    let (options, remote) = (plan.options.clone(), plan.remote);
    loop {
        let found = resume::find(context, registry, runtime, &wanted, plan.deadline).await?;
        let id = found.stored.id.clone();
        let error = match go_on_with(context, runtime, plan, &wanted, found).await {
            Err(error) if matches!(wanted.which, resume::Which::Last) => error,
            done => return done,
        };
        if !matches!(error.downcast_ref(), Some(SdkError::SessionEnded)) {
            return Err(error);
        }
        context.tell(&Update::Caution(format!(
            "the session {id} is listed, but the Copilot CLI cannot read it any more: it is passed over"
        )))?;
        wanted.lost.push(id);
        (plan.options, plan.remote) = (options.clone(), remote);
    }
}

/// Attaches to a session that was found, as it was.
async fn go_on_with(
    context: &mut Context<'_>,
    runtime: &Runtime,
    plan: &mut Plan,
    wanted: &resume::Wanted,
    found: resume::Found,
) -> anyhow::Result<(Session, Events)> {
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
    trust_folder(context, runtime, plan).await?;
    resume::attach(context, runtime, found.stored, &mut plan.options, plan.deadline).await
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
pub(super) async fn undo(
    context: &mut Context<'_>,
    joined: Joined,
    session: Option<&Session>,
    error: anyhow::Error,
) -> anyhow::Error {
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
pub(super) async fn close(context: &mut Context<'_>, session: &Session, error: &anyhow::Error) {
    let limit = if error.is::<Interrupted>() { pool::HURRY } else { CLOSE_DEADLINE };
    tokio::select! {
        _ = timeout(limit, session.close()) => {}
        _ = context.shutdown.next() => {}
    }
}

/// The CLI that turned out to be usable is the one to relaunch.
pub(super) fn chosen(choice: &Choice, joined: &Joined) -> Choice {
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
pub(super) struct Opening<'a> {
    pub(super) registry: &'a Registry,
    pub(super) session: &'a Session,
    pub(super) events: Events,
    pub(super) early: VecDeque<Event>,
    pub(super) login: Login,
}

impl Opening<'_> {
    /// From a session to an entry in the registry, with a link where it is to be shared.
    pub(super) async fn share(
        &mut self,
        context: &mut Context<'_>,
        joined: &Joined,
        plan: &Plan,
        has_log: bool,
    ) -> anyhow::Result<(SessionEntry, registry::Host, core::State, Clock)> {
        let deadline = plan.deadline;
        let id = self.session.id().to_owned();
        registry::check_id(&id)?;
        let taking = registry::Host::acquire(self.registry, &id);
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
            sdk::check_link(&url, &entry.login.host)?;
            entry.url = Some(url);
            entry.remote = remote;
        }
        let clock = Clock::start();
        let core = core::State::new(entry.remote, entry.until, has_log, clock.now());
        entry.connection = core.link();
        entry.kept_awake = (plan.keep_awake != KeepAwake::Never).then_some(false);
        // A start that fails leaves them as they were.
        self.registry.keep_given(&entry.session_id, &Given::of(&plan.options))?;
        hold.publish(&entry)?;
        context.record(&Update::Ready(&entry));
        Ok((entry, hold, core, clock))
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

/// What the user is told before anything is shared, where the runtime attached something else than git says.
fn attached_elsewhere(repository: Option<&Repository>, attached: &Attached, login: &Login) -> Option<String> {
    if let Some(host) = attached.host.as_ref().filter(|host| **host != login.host) {
        // The CLI looks it up by owner and name alone (docs/copilot-cli.md, create-repository).
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
