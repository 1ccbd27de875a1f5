//! The live view: what happens in the session, told as it happens, and the keys.

use std::collections::HashSet;
use std::future::pending;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::{Host, remote_mode};
use crate::cli::Remote;
use crate::context::Context;
use crate::error::{Report, Seconds};
use crate::link;
use crate::output::{self, Activity, Ending, Line, Tone, Update};
use crate::sdk::{Event, SdkError, Session};
use crate::terminal::Input;

/// How long `x` waits for its second press.
const CONFIRM: Duration = Duration::from_secs(3);
/// How often it is asked whether the session still exists: nothing tells when another client ended it.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether whoever did not read our output reads on.
const STALL_POLL: Duration = Duration::from_millis(50);
/// Enable answers within 10 s when GitHub hangs on the session, and never when it hangs on the repository (measured).
const SWITCH_DEADLINE: Duration = Duration::from_secs(45);

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
    /// The link whose code was drawn last.
    drawn: Option<String>,
}

impl Host {
    /// Tells what happens, and obeys keys, until the session ends for whatever reason.
    pub(super) async fn watch(&mut self, context: &mut Context<'_>, keys: bool) -> anyhow::Result<Ending> {
        let mut view = View::new(self.live.facts.remote, self.live.facts.url.clone());
        let session = self.live.session.clone();
        let mut ended = std::pin::pin!(ended(&session));
        if !keys {
            context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C ends the session"));
        }
        loop {
            // Where nobody reads on, events wait, and everything else goes on.
            let stalled = context.terminal.is_stalled();
            if !stalled {
                let facts = &self.live.facts;
                let status = output::status_line(facts.remote, view.activity(), keys, context.terminal.size().0);
                context.terminal.status(Some(status));
            }
            tokio::select! {
                () = sleep(STALL_POLL), if stalled => {}
                event = self.live.next_event(), if !stalled => match event {
                    Some(Event::Ended) => return Ok(Ending::Elsewhere),
                    Some(event) => self.on_event(context, &mut view, &event)?,
                    None => return Err(self.process.better_reason(SdkError::closed().into()).await),
                },
                error = self.process.gone() => return Err(error.into()),
                () = &mut ended => return Ok(Ending::Elsewhere),
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
            Event::Link { url } => self.on_link(context, view, url)?,
            // Of our own switches the answer tells.
            Event::Steerable(steerable) if view.switch.is_idle() => {
                let facts = &mut self.live.facts;
                let remote = match (*steerable, facts.remote) {
                    (true, _) => Remote::On,
                    (false, Remote::On) => Remote::Off,
                    (false, other) => other,
                };
                if remote != facts.remote {
                    facts.remote = remote;
                    self.tell_remote(context, view)?;
                }
            }
            _ => {}
        }
        Ok(context.tell(&Update::Event(event))?)
    }

    /// Takes a link that came while the session runs. One that may not be shown is no reason to end it.
    fn on_link(&mut self, context: &mut Context<'_>, view: &mut View, url: &str) -> anyhow::Result<()> {
        let facts = &mut self.live.facts;
        if facts.url.as_deref() == Some(url) {
            return Ok(());
        }
        if let Err(error) = link::check(url, &facts.login.host) {
            return Ok(context.tell(&Update::Caution(error.to_string()))?);
        }
        facts.url = Some(url.to_owned());
        // While remote is off or being switched, it is told when that is on.
        if facts.remote != Remote::Off && view.switch.is_idle() {
            self.tell_remote(context, view)?;
        }
        Ok(())
    }

    /// Tells how remote is now, with the link and its code where it is shared.
    fn tell_remote(&self, context: &mut Context<'_>, view: &mut View) -> anyhow::Result<()> {
        let facts = &self.live.facts;
        let url = facts.url.as_deref().filter(|_| facts.remote != Remote::Off);
        context.tell(&Update::Remote { remote: facts.remote, url })?;
        if url.is_some() {
            self.draw(context, view);
        }
        Ok(())
    }

    /// Draws the code of the link, unless it was drawn before.
    fn draw(&self, context: &mut Context<'_>, view: &mut View) {
        if let Some(url) = self.live.facts.url.as_ref().filter(|url| view.drawn.as_ref() != Some(url)) {
            link::draw(context, url, &self.qr, context.terminal.rows_of(url));
            view.drawn = Some(url.clone());
        }
    }

    fn on_key(&mut self, context: &mut Context<'_>, view: &mut View, key: char) {
        let say = |context: &mut Context<'_>, text: &str| context.terminal.say(&Line::new(Tone::Dim, text));
        let facts = &self.live.facts;
        let link = facts.url.clone().filter(|_| facts.remote != Remote::Off);
        view.armed_until = (key == 'x').then(|| Instant::now() + CONFIRM);
        match (key, link) {
            ('x', _) => say(context, &format!("press x again within {} to end the session", Seconds(CONFIRM))),
            ('?', _) => output::help_lines().iter().for_each(|line| context.terminal.say(line)),
            ('r', _) if !view.switch.is_idle() => say(context, "remote is being switched already"),
            ('r', _) => {
                let wanted = if facts.remote == Remote::Off { view.mode } else { Remote::Off };
                say(context, &format!("switching remote {}…", wanted.word()));
                view.switch = Switch::start(self.live.session.clone(), wanted);
            }
            ('q' | 'o' | 'c', None) if facts.remote != Remote::Off => say(context, "there is no link yet"),
            ('q' | 'o' | 'c', None) => say(context, "remote is off, so there is no link; r switches it on"),
            ('q', Some(link)) => link::draw_again(context, &link, &self.qr),
            ('o', Some(_)) if facts.demo => say(context, "this is a demo: the link opens no session"),
            ('o', Some(link)) => match open::that_detached(&link) {
                Ok(()) => say(context, "opened in the browser"),
                Err(_) => say(context, &format!("no browser could be started; the link: {link}")),
            },
            ('c', Some(link)) => {
                context.terminal.copy(&link);
                say(context, "asked the terminal to copy the link (OSC 52; in tmux: set -g set-clipboard on)");
            }
            _ => {}
        }
    }

    fn on_switched(&mut self, context: &mut Context<'_>, view: &mut View, switched: Switched) -> anyhow::Result<()> {
        view.switch = Switch::idle();
        let facts = &mut self.live.facts;
        let link = match switched.result {
            Ok(link) => link,
            Err(error) => {
                // The session goes on as it was.
                let report = Report::from(&error.into());
                context.tell(&Update::Caution(format!("remote is {} still: {}", facts.remote.word(), report.message)))?;
                for hint in report.hints {
                    context.terminal.say(&Line::new(Tone::Plain, format!("hint: {hint}")));
                }
                return Ok(());
            }
        };
        facts.remote = switched.wanted;
        if let Some(url) = link {
            match link::check(&url, &facts.login.host) {
                Ok(()) => facts.url = Some(url),
                Err(error) => context.tell(&Update::Caution(error.to_string()))?,
            }
        }
        self.tell_remote(context, view)
    }
}

/// Waits until the session does not exist any more, in a runtime that does.
async fn ended(session: &Session) {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ping.tick().await;
        // An error is no answer: that the runtime is gone shows elsewhere.
        if let Ok(false) = session.exists().await {
            return;
        }
    }
}

impl View {
    fn new(remote: Remote, drawn: Option<String>) -> Self {
        let mode = if remote == Remote::Off { Remote::On } else { remote };
        Self { waiting: HashSet::new(), working: false, armed_until: None, mode, switch: Switch::idle(), drawn }
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

    /// Whether an `x` now is the second one.
    fn confirmed(&self) -> bool {
        self.armed_until.is_some_and(|until| Instant::now() < until)
    }
}

/// A switch of remote that is under way, at most one.
struct Switch(Option<JoinHandle<Switched>>);

struct Switched {
    wanted: Remote,
    /// The link, where the answer had one.
    result: Result<Option<String>, SdkError>,
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
            let switched = async {
                match remote_mode(wanted) {
                    Some(mode) => session.enable_remote(mode).await,
                    None => session.disable_remote().await.map(|()| None),
                }
            };
            let late = SdkError::Deadline { step: "switching remote", limit: SWITCH_DEADLINE };
            let result = timeout(SWITCH_DEADLINE, switched).await.unwrap_or(Err(late));
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
        // There is none, or it panicked, which the panic's own message tells.
        self.0 = None;
        pending().await
    }
}
