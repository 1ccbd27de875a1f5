//! From one host to the next: how a session leaves the terminal that started it, with `--detach`, with the key `d`, or when the terminal
//! goes away.
//!
//! The next host is this program again, in a process session of its own, with pipes to the one before:
//!
//! ```text
//! one → next   what the session is                       (a line of JSON)
//! next → one   "attached": it is a client of the session, too
//! one → next   how the session is, up to that moment     (a line of JSON)
//! next → one   "ready": the registry says that it is the host
//! ```
//!
//! Both streams of events have the next one's arrival in them (`session.resume`): the one before tells what came before it, the next one
//! what comes after. A pipe that closes too early undoes it.

use crate::sdk::LinkLog;
use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::FutureExt as _;
use process_wrap::tokio::{ChildWrapper, CommandWrap};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout, timeout_at};

use super::clock::{Clock, Reading};
use super::driver::View;
use super::link_watch::Watch;
use super::queue::{Queue, Servers};
use super::{Host, core};
use crate::context::{Context, Deadline};
use crate::model::{Hook, KeepAwake};
use crate::os::private_file::Private;
use crate::os::process_id::Identity;
use crate::os::{env, state_dir};
use crate::output::Update;
use crate::registry::{self, Registry, SessionEntry};
use crate::runtime::choice::Choice;
use crate::runtime::pool::Joined;
use crate::sdk::{Event, Events, Progress, Session, SessionOptions, Stage};
use crate::view::link::QrOptions;

/// The first argument that makes this program the next host of a session.
pub(crate) const NEXT_HOST: &str = "next-host";

const ATTACHED: &str = "attached";
const READY: &str = "ready";
/// Each side waits so long for the other, once both are there.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The events of a burst are told before the next host takes over.
const CUT_DEADLINE: Duration = Duration::from_secs(5);

/// What the session is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    entry: SessionEntry,
    options: SessionOptions,
    choice: Choice,
    hooks: Vec<Hook>,
    /// Hooks were run for that it is ready.
    told_ready: bool,
    keep_awake: KeepAwake,
}

/// How the session is.
#[derive(Serialize, Deserialize)]
pub(crate) struct State {
    entry: SessionEntry,
    progress: Progress,
    /// As it came to be since.
    options: SessionOptions,
    servers: Servers,
    last_said: String,
    /// What the rules remember.
    core: core::State,
    clock: Reading,
    /// How far the runtime's log was read.
    log: Option<LinkLog>,
}

/// The next host, as the one before sees it. Dropped before it is ready, it is killed.
struct Next {
    process: Option<Box<dyn ChildWrapper>>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Host {
    /// Gives the session to a process in the background. Where that fails, it is ours still.
    pub(crate) async fn hand_over(&mut self, context: &mut Context<'_>, deadline: Deadline) -> anyhow::Result<()> {
        // Of an attempt before this one, its arrival may be among them.
        let mut view = View::new(&self.entry);
        while let Some(Some(event)) = self.next_event().now_or_never() {
            self.on_event(context, &mut view, &event)?;
        }
        let mut next = Next::start(&self.registry, &self.entry.session_id)?;
        let handed = self.hand_over_to(context, &mut next, deadline).await;
        if handed.is_err() {
            // Waited for: as long as it lives it uses the runtime.
            next.kill().await;
            let taking = self.hold.reacquire(&self.entry);
            let taken = context.within("taking the session back", Deadline::new(ANSWER_DEADLINE), taking).await;
            context.warn_once(taken, "other terminals do not see what changes");
        }
        handed
    }

    async fn hand_over_to(&mut self, context: &mut Context<'_>, next: &mut Next, deadline: Deadline) -> anyhow::Result<()> {
        let order = Order {
            entry: self.entry.clone(),
            options: self.options.clone(),
            choice: self.choice.clone(),
            hooks: self.hooks.all().to_vec(),
            told_ready: self.told_ready,
            keep_awake: self.sleep.wanted(),
        };
        let arriving = async {
            next.tell(&order).await?;
            next.hear(ATTACHED).await
        };
        context.within("sending the session to the background", deadline, arriving).await?;
        // What came before the next host did is ours to tell.
        let mut view = View::new(&self.entry);
        let cut = Instant::now() + CUT_DEADLINE;
        let mut arrived = false;
        while !arrived && let Ok(Some(event)) = timeout_at(cut, self.next_event()).await {
            arrived = matches!(event, Event::Started(_));
            if !arrived {
                self.on_event(context, &mut view, &event)?;
            }
        }
        // What lies between would be told by nobody.
        anyhow::ensure!(arrived, "too much is happening in the session just now");
        while !self.permits.are_settled() {
            let settling = async { anyhow::Ok(self.permits.settled().await) };
            let settled = context.within("answering what rules allow", Deadline::new(ANSWER_DEADLINE), settling).await?;
            self.on_permitted(context, settled)?;
        }
        anyhow::ensure!(!self.progress.holds_on_to_us(), "a question was asked meanwhile, and would be lost");
        let state = State {
            entry: self.entry.clone(),
            progress: self.progress.clone(),
            options: self.options.clone(),
            servers: self.queue.servers.clone(),
            last_said: self.last_said.clone(),
            core: self.core.clone().handed_over(),
            clock: self.clock.reading(),
            log: self.watch.log(),
        };
        self.hold.release();
        let taking = async {
            next.tell(&state).await?;
            next.hear(READY).await
        };
        context.within("waiting for the next host", Deadline::new(ANSWER_DEADLINE), taking).await?;
        next.process = None;
        context.leave_journal();
        if let Some(entry) = self.registry.entry(&self.entry.session_id) {
            self.entry = entry;
        }
        Ok(())
    }

    /// Becomes the host of a session that another process hands over; None if that one went away first, and all is undone.
    pub(crate) async fn take_over(context: &mut Context<'_>) -> anyhow::Result<Option<Self>> {
        let order: Order = serde_json::from_str(&read_line().await?).context("the order cannot be read")?;
        let id = order.entry.session_id.clone();
        let registry = Registry::create()?;
        let joined = Joined::again(&registry, &order.entry.runtime).await?;
        let (session, events, state) = match arrive(context, &joined, &order).await {
            Ok(arrived) => arrived,
            Err(error) => {
                joined.leave(context, true, Some(&error)).await;
                return Err(error);
            }
        };
        let Some(State { mut entry, progress, options, servers, last_said, core, clock, log }) = state else {
            // Whoever started us is gone, and the session with it.
            let _ = timeout(ANSWER_DEADLINE, session.close()).await;
            joined.leave(context, true, None).await;
            return Ok(None);
        };
        let taking = registry::Host::acquire(&registry, &id);
        let taken = timeout(ANSWER_DEADLINE, taking).await.context("the session is not let go");
        let mut hold = match taken.and_then(|taken| Ok(taken?)) {
            Ok(hold) => hold,
            Err(error) => {
                joined.leave(context, true, Some(&error)).await;
                return Err(error);
            }
        };
        entry.host = Identity::own();
        entry.detached = true;
        let mut begin = || {
            hold.publish(&entry)?;
            context.keep_journal(registry.journal(&id)?);
            context.set_activity(progress.activity());
            context.record(&Update::Detached);
            anyhow::Ok(())
        };
        if let Err(error) = begin() {
            // It is still the session of whoever hands it over.
            hold.release();
            joined.leave(context, true, Some(&error)).await;
            return Err(error);
        }
        // Whoever does not hear this is gone, and the session is ours; one that does not want to hear it ends this process.
        let _ = context.terminal.data(READY);
        let queue = Queue::with(servers, &session);
        let mut host = Self {
            registry,
            joined,
            hold,
            session,
            events,
            early: VecDeque::new(),
            entry,
            progress,
            core,
            clock: Clock::go_on(clock),
            dialogue: crate::view::dialogue::Dialogue::default(),
            permits: super::permits::Permits::default(),
            queue,
            watch: Watch::of(log),
            sleep: super::keep_awake::Sleep::new(order.keep_awake),
            hooks: super::hooks::Hooks::new(order.hooks),
            last_said,
            told_ready: true,
            options,
            choice: order.choice,
            qr: QrOptions::none(),
        };
        if !order.told_ready {
            host.ready(context);
        }
        Ok(Some(host))
    }
}

/// Becomes a client of the session, and hears how it is; None: whoever handed it over is gone.
async fn arrive(context: &mut Context<'_>, joined: &Joined, order: &Order) -> anyhow::Result<(Session, Events, Option<State>)> {
    let (session, events) = Session::resume(&joined.runtime, &order.entry.session_id, &order.options, Stage::Joined).await?;
    let told = context.terminal.data(ATTACHED).is_ok();
    let line = if told { read_line().await? } else { String::new() };
    let state = if line.is_empty() { None } else { Some(serde_json::from_str(&line).context("the state cannot be read")?) };
    Ok((session, events, state))
}

impl Next {
    /// Starts this very program again, without a terminal; what it has to say besides goes to a file next to the session's journal.
    fn start(registry: &Registry, session: &str) -> anyhow::Result<Self> {
        state_dir::log_dir()?;
        let errors = registry.host_log(session);
        let errors = Private::appending().open(&errors).with_context(|| format!("{} cannot be written", errors.display()))?;
        let mut command = CommandWrap::with_new(env::own_program()?, |command| {
            command
                .arg(NEXT_HOST)
                .env(env::STATE_DIR, registry.folder())
                // Not a folder that may go away.
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(errors);
            // Without a console, so that closing one does not end it.
            #[cfg(windows)]
            command.creation_flags(0x0000_0008);
        });
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessSession);
        let mut process = command.spawn().context("the next host cannot be started")?;
        let (Some(input), Some(output)) = (process.stdin().take(), process.stdout().take()) else {
            bail!("the next host has no pipes");
        };
        Ok(Self { process: Some(process), input, output: BufReader::new(output) })
    }

    async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.start_kill();
            let _ = timeout(ANSWER_DEADLINE, process.wait()).await;
        }
    }

    async fn tell(&mut self, what: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.input.write_all(&line).await.context("the next host is gone")?;
        Ok(self.input.flush().await?)
    }

    async fn hear(&mut self, word: &str) -> anyhow::Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        anyhow::ensure!(line.trim_end() == word, "the next host failed; its log: logs/session-*.host.log in the state folder");
        Ok(())
    }
}

impl Drop for Next {
    /// Also where the wait for it is dropped.
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.start_kill();
        }
    }
}

/// A line of stdin; empty at its end. On a thread: a read that blocks must not keep signals waiting.
async fn read_line() -> anyhow::Result<String> {
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    };
    Ok(tokio::task::spawn_blocking(read).await??)
}
