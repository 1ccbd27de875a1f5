//! The life of one session: opened, followed (see [`view`]), closed.

mod view;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use crate::cli::Remote;
use crate::context::{Context, Deadline};
use crate::error::{DeadlinePassed, Exit, Report};
use crate::link::{self, QrOptions};
use crate::output::{self, Ending, Facts, Line, Tone, Update};
use crate::paths;
use crate::repo::{Repository, Slug};
use crate::sdk::{Attached, Cli, Event, Events, Login, Process, RemoteMode, Runtime, SdkError, Session, SessionOptions};

/// The session is asked to end before its runtime is, so that Mission Control hears of it in any case.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// What is to be opened.
#[derive(Debug)]
pub(crate) struct Plan {
    /// For all of it, until the session is ready.
    pub(crate) deadline: Deadline,
    /// The CLIs to try, best first.
    pub(crate) candidates: Vec<Cli>,
    pub(crate) demo: bool,
    pub(crate) options: SessionOptions,
    pub(crate) remote: Remote,
    pub(crate) prompt: Option<String>,
    /// What git says; None with `--no-repo`.
    pub(crate) repository: Option<Repository>,
    pub(crate) qr: QrOptions,
}

/// One session, and the runtime that it lives in.
pub(crate) struct Host {
    process: Process,
    runtime: Runtime,
    live: Live,
    qr: QrOptions,
}

/// A session that is ready.
struct Live {
    session: Session,
    events: Events,
    /// Came while something else was waited for; told first.
    early: VecDeque<Event>,
    facts: Facts,
}

impl Host {
    /// Starts a runtime and a session in it, shares it and shows the link. What fails or is interrupted is undone.
    pub(crate) async fn open(context: &mut Context<'_>, plan: Plan) -> anyhow::Result<Self> {
        let (mut process, runtime) = launch(context, &plan).await?;
        let started = Started { program: process.program().to_owned(), pid: process.pid() };
        let opened = tokio::select! {
            opened = open_session(context, started, &runtime, &plan) => opened,
            error = process.gone() => Err(error.into()),
        };
        match opened {
            Ok(live) => Ok(Self { process, runtime, live, qr: plan.qr }),
            Err(error) => {
                let error = process.better_reason(error).await;
                // Where GitHub does not answer, the runtime could not tell it of the end either.
                let asked = (!error.is::<DeadlinePassed>()).then_some(&runtime);
                end(context, process, asked, Some(&error)).await;
                Err(error)
            }
        }
    }

    /// Stays with the session until it ends, and closes it.
    pub(crate) async fn follow(mut self, context: &mut Context<'_>) -> anyhow::Result<Exit> {
        let ending = match context.terminal.open_keyboard() {
            Ok(keys) => self.watch(context, keys).await,
            Err(error) => Err(error.into()),
        };
        context.terminal.close_keyboard();
        let ending = match ending {
            Err(error) if is_closed_output(&error) => Ok(Ending::OutputClosed),
            other => other,
        };
        context.terminal.progress("ending the session");
        let closed = matches!(ending, Ok(Ending::Elsewhere))
            || tokio::select! {
                _ = timeout(CLOSE_DEADLINE, self.live.session.close()) => true,
                _ = context.shutdown.next() => false,
            };
        if closed {
            end(context, self.process, Some(&self.runtime), ending.as_ref().err()).await;
        } else {
            // A second signal: dropping the process kills it.
            drop(self.process);
            context.terminal.status(None);
        }
        let ending = ending?;
        // Nobody may be there to read it.
        let _ = context.tell(&Update::Ended(ending));
        Ok(match ending {
            Ending::Stopped | Ending::Elsewhere | Ending::OutputClosed => Exit::Done,
            Ending::Signal(signal) => Exit::Signal(signal),
        })
    }
}

impl Live {
    /// The next event; None when the connection is gone. Cancel-safe.
    async fn next_event(&mut self) -> Option<Event> {
        match self.early.pop_front() {
            Some(event) => Some(event),
            None => self.events.next().await,
        }
    }
}

/// Starts the first CLI that turns out to be usable.
async fn launch(context: &mut Context<'_>, plan: &Plan) -> anyhow::Result<(Process, Runtime)> {
    let mut tried = Vec::new();
    for cli in &plan.candidates {
        let step = if plan.demo {
            "starting the stand-in runtime".to_owned()
        } else {
            format!("starting the Copilot CLI ({})", cli.program.display())
        };
        let error = match Process::spawn(cli, paths::new_log_dir()?) {
            Ok(mut process) => match context.step(&step, plan.deadline, process.connect()).await {
                Ok(runtime) => return Ok((process, runtime)),
                Err(error) => {
                    end(context, process, None, Some(&error)).await;
                    error
                }
            },
            Err(error) => error.into(),
        };
        let unusable = matches!(
            error.downcast_ref(),
            Some(SdkError::CliUnusable { .. } | SdkError::CliExited { .. } | SdkError::Incompatible { .. })
        );
        if !unusable || plan.candidates.len() == 1 {
            return Err(error);
        }
        tried.push(error.to_string());
    }
    Err(SdkError::CliNotFound { tried }.into())
}

/// What is known of a runtime's process.
struct Started {
    program: PathBuf,
    pid: Option<u32>,
}

/// From a runtime to a session whose link is on stdout.
async fn open_session(context: &mut Context<'_>, started: Started, runtime: &Runtime, plan: &Plan) -> anyhow::Result<Live> {
    let deadline = plan.deadline;
    let options = &plan.options;
    let mut login = None;
    if options.token.is_none() {
        login = Some(context.step("signing in", deadline, runtime.login()).await?);
    }
    let created = context.step("creating the session", deadline, Session::create(runtime, options)).await?;
    let (session, mut events) = created;
    let login = match login {
        Some(login) => login,
        None => context.step("signing in", deadline, session.login()).await?,
    };
    let mut early = VecDeque::new();
    let start_event = first(&mut events, &mut early, |event| match event {
        Event::Started(attached) => Ok(attached),
        other => Err(other),
    });
    let attached = context.step("waiting for the session", deadline, start_event).await?;
    context.tell(&Update::SignedIn(&login))?;
    if !plan.demo
        && let Some(caution) = attached_elsewhere(plan.repository.as_ref(), &attached, &login)
    {
        context.tell(&Update::Caution(caution))?;
    }
    let mut facts = Facts {
        session_id: session.id().to_owned(),
        name: options.name.clone(),
        url: None,
        remote: plan.remote,
        login,
        repository: attached.repository,
        branch: attached.branch,
        directory: options.directory.clone(),
        demo: plan.demo,
        copilot_version: runtime.version().to_owned(),
        copilot_program: started.program,
        pid: started.pid,
    };
    if let Some(mode) = remote_mode(plan.remote) {
        let link = context.step("waiting for Mission Control", deadline, session.enable_remote(mode)).await?;
        let url = if let Some(url) = link {
            url
        } else {
            let told = first(&mut events, &mut early, |event| match event {
                Event::Link { url } => Ok(url),
                other => Err(other),
            });
            context.step("waiting for the link", deadline, told).await?
        };
        link::check(&url, &facts.login.host)?;
        facts.url = Some(url);
    }
    publish(context, &facts, &plan.qr)?;
    if let Some(prompt) = &plan.prompt {
        context.step("sending the prompt", deadline, session.send(prompt)).await?;
    }
    Ok(Live { session, events, early, facts })
}

/// The contract: one line on stdout, the link or (not shared) the session's id; with `--json` the `ready` object. The rest is talk, in
/// an order in which the code comes last: what is printed below it would push it off a small terminal.
fn publish(context: &mut Context<'_>, facts: &Facts, qr: &QrOptions) -> anyhow::Result<()> {
    context.tell(&Update::Ready(facts))?;
    if !context.json {
        context.terminal.data(facts.url.as_ref().unwrap_or(&facts.session_id))?;
    }
    let mut rows = 0;
    if let Some(url) = &facts.url {
        rows += context.terminal.rows_of(url);
        if context.terminal.is_interactive() && (context.json || !context.terminal.shows_stdout()) {
            context.terminal.say(&Line::new(Tone::Plain, url));
        }
    }
    for line in output::account_lines(facts) {
        rows += context.terminal.rows_of(&line.text);
        context.terminal.say(&line);
    }
    if let Some(url) = &facts.url {
        link::draw(context, url, qr, rows);
    }
    Ok(())
}

/// The first event that `wanted` takes; the others are kept for later. The caller sets the deadline.
async fn first<T>(
    events: &mut Events,
    early: &mut VecDeque<Event>,
    wanted: impl Fn(Event) -> Result<T, Event>,
) -> Result<T, SdkError> {
    loop {
        match wanted(events.next().await.ok_or_else(SdkError::closed)?) {
            Ok(found) => return Ok(found),
            Err(other) => early.push_back(other),
        }
    }
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

/// Ends a runtime; a signal meanwhile kills it, as does a drop. Its logs stay only where they may explain `error`.
async fn end(context: &mut Context<'_>, mut process: Process, runtime: Option<&Runtime>, error: Option<&anyhow::Error>) {
    context.terminal.progress("ending the Copilot CLI");
    tokio::select! {
        () = process.end(runtime) => {}
        _ = context.shutdown.next() => {}
    }
    context.terminal.status(None);
    let unexplained =
        error.is_some_and(|error| !is_closed_output(error) && matches!(Report::from(error).exit, Exit::Failed | Exit::Deadline));
    if unexplained {
        context.terminal.say(&Line::new(Tone::Dim, format!("log of the Copilot CLI: {}", process.log_dir().display())));
    } else {
        process.forget_logs();
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
