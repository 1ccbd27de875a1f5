//! The life of one session: opened, followed, closed.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::cli::QrArgs;
use crate::context::{Context, Deadline};
use crate::error::{DeadlinePassed, Exit, Interrupted, Seconds};
use crate::link;
use crate::output::{self, Activity, Ending, Facts, Line, Remote, Tone, Update};
use crate::paths;
use crate::repo::{Repository, Slug};
use crate::sdk::{Attached, Cli, Event, Events, Login, Process, RemoteMode, Runtime, SdkError, Session, SessionOptions, Sharing};
use crate::terminal::Input;

/// How long `x` waits for its second press.
const CONFIRM: Duration = Duration::from_secs(3);
/// `session.start` comes with the answer to create (measured); a later version may be slower.
const ATTACHED_DEADLINE: Duration = Duration::from_secs(2);
/// The session is asked to end before its runtime is, so that Mission Control hears of it in any case.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);
/// A runtime that died takes its connection along: the exit status says more than the broken connection.
const GONE_DEADLINE: Duration = Duration::from_secs(1);

/// How often it is asked whether the session still exists: nothing tells when another client ended it.
const PING_EVERY: Duration = Duration::from_secs(5);

/// What is to be opened.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The CLIs to try, best first.
    pub(crate) candidates: Vec<Cli>,
    pub(crate) demo: bool,
    pub(crate) options: SessionOptions,
    pub(crate) remote: Remote,
    pub(crate) prompt: Option<String>,
    /// What git says; None with `--no-repo`.
    pub(crate) repository: Option<Repository>,
    pub(crate) timeout: Duration,
    pub(crate) qr: QrArgs,
}

/// One session, and the runtime that it lives in.
pub(crate) struct Host {
    process: Process,
    runtime: Runtime,
    live: Live,
    qr: QrArgs,
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
        let deadline = Deadline::new(plan.timeout);
        let (process, runtime) = launch(context, deadline, &plan.candidates).await?;
        let qr = plan.qr.clone();
        match open_session(context, deadline, &process, &runtime, plan).await {
            Ok(live) => Ok(Self { process, runtime, live, qr }),
            Err(error) => {
                // Where GitHub does not answer, the runtime could not tell it of the end either.
                let asked = (!error.is::<DeadlinePassed>()).then_some(&runtime);
                end(context, process, asked, error.is::<Interrupted>()).await;
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
        context.terminal.status(Some("ending the session…".to_owned()));
        if !matches!(ending, Ok(Ending::Elsewhere)) {
            tokio::select! {
                _ = timeout(CLOSE_DEADLINE, self.live.session.close()) => {}
                _ = context.shutdown.next() => {}
            }
        }
        end(context, self.process, Some(&self.runtime), ending.is_ok()).await;
        let ending = match ending {
            Err(error) if is_closed_output(&error) => Ending::OutputClosed,
            other => other?,
        };
        // Nobody may be there to read it.
        let _ = context.tell(&Update::Ended(ending));
        Ok(match ending {
            Ending::Stopped | Ending::Elsewhere | Ending::OutputClosed => Exit::Done,
            Ending::Signal(signal) => Exit::Signal(signal),
        })
    }

    async fn watch(&mut self, context: &mut Context<'_>, keys: bool) -> anyhow::Result<Ending> {
        let mut view = View::new(self.live.facts.remote);
        let session = self.live.session.clone();
        let mut ended_elsewhere = std::pin::pin!(ended(&session));
        loop {
            let facts = &self.live.facts;
            let status = output::status_line(facts.remote, view.activity(), keys, context.terminal.size().0);
            context.terminal.status(Some(status));
            tokio::select! {
                event = self.live.next_event() => match event {
                    Some(Event::Ended) => return Ok(Ending::Elsewhere),
                    Some(event) => self.on_event(context, &mut view, &event)?,
                    None => {
                        let gone = timeout(GONE_DEADLINE, self.process.gone()).await;
                        return Err(gone.unwrap_or_else(|_| SdkError::Connection("it was closed".to_owned())).into());
                    }
                },
                error = self.process.gone() => return Err(error.into()),
                () = &mut ended_elsewhere => return Ok(Ending::Elsewhere),
                signal = context.shutdown.next() => return Ok(Ending::Signal(signal)),
                input = context.terminal.input() => match input {
                    Input::Key('x') if view.confirmed() => return Ok(Ending::Stopped),
                    Input::Key(key) => self.on_key(context, &mut view, key),
                    Input::Redraw | Input::Suspend => {}
                },
                switched = view.switch.done() => self.on_switched(context, &mut view, switched)?,
            }
        }
    }

    fn on_event(&mut self, context: &mut Context<'_>, view: &mut View, event: &Event) -> anyhow::Result<()> {
        view.see(event);
        match event {
            Event::Link { url } => {
                link::check(url, &self.live.facts.login.host)?;
                self.live.facts.url = Some(url.clone());
            }
            // Switched by somebody else; of our own switches the answer tells.
            Event::Steerable(steerable) if view.switch.is_idle() => {
                let facts = &mut self.live.facts;
                let remote = match (*steerable, facts.remote) {
                    (true, _) => Remote::On,
                    (false, Remote::On) => Remote::Off,
                    (false, other) => other,
                };
                if remote != facts.remote {
                    facts.remote = remote;
                    context.tell(&Update::Remote { remote, url: None })?;
                }
            }
            _ => {}
        }
        Ok(context.tell(&Update::Event(event))?)
    }

    fn on_key(&mut self, context: &mut Context<'_>, view: &mut View, key: char) {
        let say = |context: &mut Context<'_>, text: &str| context.terminal.say(&Line::new(Tone::Dim, text));
        let facts = &self.live.facts;
        let link = facts.url.clone().filter(|_| facts.remote != Remote::Off);
        match (key, link) {
            ('x', _) => say(context, &format!("press x again within {} to end the session", Seconds(CONFIRM))),
            ('?', _) => output::help_lines().iter().for_each(|line| context.terminal.say(line)),
            ('r', _) if !view.switch.is_idle() => say(context, "remote is being switched already"),
            ('r', _) => {
                let wanted = if facts.remote == Remote::Off { view.mode } else { Remote::Off };
                say(context, &format!("switching remote {}…", wanted.word()));
                view.switch = Switch::start(self.live.session.clone(), wanted);
            }
            ('q' | 'o' | 'c', None) => say(context, "remote is off, so there is no link; r switches it on"),
            ('q', Some(link)) => link::draw_again(context, &link, &self.qr),
            ('o', Some(_)) if facts.demo => say(context, "this is a demo: the link opens no session"),
            ('o', Some(link)) => match open::that_detached(&link) {
                Ok(()) => say(context, "opened in the browser"),
                Err(error) => say(context, &format!("no browser could be started: {error}")),
            },
            ('c', Some(link)) => {
                context.terminal.copy(&link);
                say(context, "the link was given to the terminal's clipboard");
            }
            _ => {}
        }
    }

    fn on_switched(&mut self, context: &mut Context<'_>, view: &mut View, switched: Switched) -> anyhow::Result<()> {
        view.switch = Switch::idle();
        let Switched { wanted, result } = switched;
        let facts = &mut self.live.facts;
        let before = facts.url.clone();
        let shared = match result {
            Ok(shared) => shared,
            Err(error) => {
                // The session goes on as it was.
                let report = crate::error::Report::from(&error.into());
                context
                    .terminal
                    .say(&Line::new(Tone::Error, format!("error: remote is {} still: {}", facts.remote.word(), report.message)));
                for hint in report.hints {
                    context.terminal.say(&Line::new(Tone::Plain, format!("hint: {hint}")));
                }
                return Ok(());
            }
        };
        facts.remote = wanted;
        if let Some(url) = shared.and_then(|sharing| sharing.url) {
            link::check(&url, &facts.login.host)?;
            facts.url = Some(url);
        }
        let url = facts.url.clone().filter(|_| wanted != Remote::Off);
        context.tell(&Update::Remote { remote: wanted, url: url.as_deref() })?;
        if let Some(url) = url.filter(|url| before.as_ref() != Some(url)) {
            link::draw(context, &url, &self.qr);
        }
        Ok(())
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
async fn launch(context: &mut Context<'_>, deadline: Deadline, candidates: &[Cli]) -> anyhow::Result<(Process, Runtime)> {
    let mut tried = Vec::new();
    for cli in candidates {
        let step = if cli.is_demo() {
            "starting the stand-in runtime".to_owned()
        } else {
            format!("starting the Copilot CLI ({})", cli.program.display())
        };
        let error = match Process::spawn(cli, &paths::new_log_dir()?) {
            Ok(mut process) => match context.step(&step, deadline, process.connect()).await {
                Ok(runtime) => return Ok((process, runtime)),
                Err(error) => {
                    end(context, process, None, error.is::<Interrupted>()).await;
                    error
                }
            },
            Err(error) => error.into(),
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

/// From a runtime to a session whose link is on stdout.
async fn open_session(
    context: &mut Context<'_>,
    deadline: Deadline,
    process: &Process,
    runtime: &Runtime,
    plan: Plan,
) -> anyhow::Result<Live> {
    let own_token = plan.options.token.is_some();
    let directory = plan.options.directory.clone();
    let name = plan.options.name.clone();
    let mut login = None;
    if !own_token {
        login = Some(context.step("signing in", deadline, runtime.login()).await?);
    }
    let created = context.step("creating the session", deadline, Session::create(runtime, plan.options)).await?;
    let (session, mut events) = created;
    let login = match login {
        Some(login) => login,
        None => context.step("signing in", deadline, session.login()).await?,
    };
    let mut early = VecDeque::new();
    let attached = context.step("waiting for the session", deadline, attached(&mut events, &mut early)).await?;
    context.tell(&Update::SignedIn(&login))?;
    if !plan.demo
        && let Some(caution) = attached_elsewhere(plan.repository.as_ref(), &attached, &login)
    {
        context.tell(&Update::Caution(caution))?;
    }
    let mut facts = Facts {
        session_id: session.id().to_owned(),
        name,
        url: None,
        remote: plan.remote,
        login,
        repository: attached.repository,
        branch: attached.branch,
        directory,
        demo: plan.demo,
        copilot_version: runtime.version().to_owned(),
        copilot_program: process.program().to_owned(),
        pid: process.pid(),
    };
    if let Some(mode) = remote_mode(plan.remote) {
        let sharing = context.step("waiting for Mission Control", deadline, session.enable_remote(mode)).await?;
        let url = match sharing.url {
            Some(url) => url,
            None => context.step("waiting for the link", deadline, link_event(&mut events, &mut early)).await?,
        };
        link::check(&url, &facts.login.host)?;
        facts.url = Some(url);
    }
    publish(context, &facts, &plan.qr)?;
    if let Some(prompt) = plan.prompt {
        context.step("sending the prompt", deadline, session.send(&prompt)).await?;
    }
    Ok(Live { session, events, early, facts })
}

/// The contract: one line on stdout, the link or (not shared) the session's id; with `--json` the `ready` object. The rest is talk.
fn publish(context: &mut Context<'_>, facts: &Facts, qr: &QrArgs) -> anyhow::Result<()> {
    if !context.json {
        context.terminal.data(facts.url.as_ref().unwrap_or(&facts.session_id))?;
    }
    if let Some(url) = &facts.url {
        if context.terminal.is_interactive() && (context.json || !context.terminal.shows_stdout()) {
            context.terminal.say(&Line::new(Tone::Plain, url));
        }
        link::draw(context, url, qr);
        if let Some(file) = &qr.qr_file {
            link::save(url, file)?;
        }
    }
    Ok(context.tell(&Update::Ready(facts))?)
}

/// Waits until the session does not exist any more, in a runtime that does.
async fn ended(session: &Session) {
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ping.tick().await;
        // An error is no answer: that the runtime is gone shows elsewhere.
        if let Ok(false) = session.exists().await {
            return;
        }
    }
}

/// What the runtime attached the session to.
async fn attached(events: &mut Events, early: &mut VecDeque<Event>) -> Result<Attached, SdkError> {
    let found = async {
        loop {
            match events.next().await {
                Some(Event::Started(attached)) => return Ok(attached),
                Some(event) => early.push_back(event),
                None => return Err(SdkError::Connection("it was closed".to_owned())),
            }
        }
    };
    let limit = ATTACHED_DEADLINE;
    timeout(limit, found).await.unwrap_or(Err(SdkError::Deadline { step: "waiting for session.start", limit }))
}

/// The link, where the answer to enable had none. The caller sets the deadline.
async fn link_event(events: &mut Events, early: &mut VecDeque<Event>) -> Result<String, SdkError> {
    loop {
        match events.next().await {
            Some(Event::Link { url }) => return Ok(url),
            Some(event) => early.push_back(event),
            None => return Err(SdkError::Connection("it was closed".to_owned())),
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
    let found =
        attached.repository.as_deref().map(|text| Slug::parse(text).map_or_else(|| text.to_owned(), |slug| slug.to_string()));
    match (repository, found) {
        (Some(repository), Some(found)) if Slug::parse(&found).as_ref() == Some(&repository.slug) => None,
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

/// Ends a runtime; a signal meanwhile kills it, as does a drop.
async fn end(context: &mut Context<'_>, mut process: Process, runtime: Option<&Runtime>, clean: bool) {
    context.terminal.status(Some("ending the Copilot CLI…".to_owned()));
    tokio::select! {
        () = process.end(runtime) => {}
        _ = context.shutdown.next() => {}
    }
    context.terminal.status(None);
    if clean {
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

/// What the live view has to remember.
struct View {
    /// Requests that wait for a person.
    waiting: HashSet<String>,
    working: bool,
    /// Until when a second `x` ends the session.
    armed_until: Option<Instant>,
    /// What `r` switches on.
    mode: Remote,
    switch: Switch,
}

impl View {
    fn new(remote: Remote) -> Self {
        let mode = if remote == Remote::Off { Remote::On } else { remote };
        Self { waiting: HashSet::new(), working: false, armed_until: None, mode, switch: Switch::idle() }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Waiting(request) => {
                self.waiting.insert(request.id.clone());
            }
            Event::Answered { id, .. } => {
                self.waiting.remove(id);
            }
            Event::Working | Event::Prompt { .. } => self.working = true,
            Event::Idle | Event::Aborted { .. } => {
                self.working = false;
                self.waiting.clear();
            }
            _ => {}
        }
    }

    fn activity(&self) -> Activity {
        match self.waiting.len() {
            0 if self.working => Activity::Working,
            0 => Activity::Idle,
            count => Activity::Input(count),
        }
    }

    /// Whether this `x` is the second one; if not, the next may be.
    fn confirmed(&mut self) -> bool {
        let now = Instant::now();
        self.armed_until.replace(now + CONFIRM).is_some_and(|until| now < until)
    }
}

/// A switch of remote that is under way, at most one.
struct Switch(Option<tokio::task::JoinHandle<Switched>>);

struct Switched {
    wanted: Remote,
    result: Result<Option<Sharing>, SdkError>,
}

impl Switch {
    fn idle() -> Self {
        Self(None)
    }

    fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    fn start(session: Session, wanted: Remote) -> Self {
        Self(Some(tokio::spawn(async move {
            let result = match remote_mode(wanted) {
                Some(mode) => session.enable_remote(mode).await.map(Some),
                None => session.disable_remote().await.map(|()| None),
            };
            Switched { wanted, result }
        })))
    }

    /// Waits for the end of the switch, for ever without one. Cancel-safe.
    async fn done(&mut self) -> Switched {
        if let Some(task) = &mut self.0
            && let Ok(switched) = task.await
        {
            return switched;
        }
        std::future::pending().await
    }
}
