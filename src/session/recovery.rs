//! A runtime that dies: it is started again, once for all its sessions, and each host resumes its own.

use std::time::{Duration, Instant};

use super::link_watchdog::Watchdog;
use super::{Host, switch};
use crate::context::{Context, Deadline};
use crate::model::Remote;
use crate::output::Update;
use crate::runtime::pool;
use crate::sdk::{self, SdkError, Session, Stage};
use crate::text::line::{Line, Tone};

/// A relaunch and a resume take a second (measured).
const DEADLINE: Duration = Duration::from_mins(1);
/// Until sharing is tried again.
const AGAIN: Duration = Duration::from_secs(15);
/// A connection that breaks again and again is not mended for ever, also where the runtime itself lives on.
const RECOVERIES: usize = 3;
/// Over this time they are counted.
const WINDOW: Duration = Duration::from_mins(5);

impl Host {
    /// Resumes the session in another runtime, with everything that was set at its start or since: most of it the CLI has in its own files only
    /// once there was a turn, and some of it never (measured). A turn that was running is not run
    /// again: that is said, here and in Mission Control.
    pub(super) async fn recover(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        self.recoveries.retain(|at| at.elapsed() < WINDOW);
        if self.recoveries.len() >= RECOVERIES {
            return Err(SdkError::RuntimeEnded { reason: crate::runtime::pool::TOO_OFTEN }.into());
        }
        self.recoveries.push(Instant::now());
        let deadline = Deadline::new(DEADLINE);
        let interrupted = self.progress.working || !self.progress.waiting.is_empty();
        let broke = "the connection to the Copilot CLI broke";
        if self.entry.remote == Remote::Off {
            context.terminal.say(&Line::new(Tone::Attention, broke));
        } else {
            self.lose_link(context, broke)?;
        }
        let joined = pool::acquire(context, &self.registry, &self.choice, deadline, Some(&self.joined.entry)).await?;
        let dead = std::mem::replace(&mut self.joined, joined);

        self.progress.stop();
        self.permits.forget();
        self.queue.forget();
        self.watchdog = Watchdog::new(&self.joined.entry.server);
        self.entry.connection = self.watchdog.first_state();
        self.entry.runtime.clone_from(&self.joined.entry.id);
        self.joined.runtime.version().clone_into(&mut self.entry.copilot_version);
        self.entry.copilot_pid = self.joined.entry.server.pid();
        self.entry.remote = Remote::Off;
        // From here on other terminals talk to the new runtime.
        self.publish(context);

        self.resume(context, deadline).await?;
        // Nobody waits for what is left of it.
        tokio::spawn(dead.forget());
        context.tell(&Update::Relaunched { interrupted })?;
        if let Err(error) = self.share_again(context, deadline).await {
            if error.is::<crate::error::Interrupted>() {
                return Err(error);
            }
            crate::view::notices::say_refusal(context, Remote::Off, &error)?;
            self.share_later(context, &error);
        }
        self.publish(context);
        context.tell(&Update::Remote { remote: self.entry.remote, url: self.entry.link() })?;
        self.look_at_link(context)?;
        let message = if interrupted {
            "copilot-remote: the Copilot CLI died and was started again. The turn that was running was interrupted; send a prompt to go on."
        } else {
            "copilot-remote: the Copilot CLI died and was started again."
        };
        // For those who look at it in Mission Control; what they are not told they see.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.session.log(message)).await;
        Ok(())
    }

    /// What was not shared again: where GitHub is out of reach it is tried again, until it works or somebody says off.
    pub(super) fn share_later(&mut self, context: &mut Context<'_>, error: &anyhow::Error) {
        let wanted = self.registry.wanted(&self.entry.session_id);
        if switch::is_passing(error) {
            self.share_at = Some(tokio::time::Instant::now() + AGAIN);
        } else if wanted.get() != Remote::Off {
            let written = wanted.set(Remote::Off);
            context.told_once(written, "remote may come on again");
        }
    }

    async fn resume(&mut self, context: &mut Context<'_>, deadline: Deadline) -> anyhow::Result<()> {
        let id = self.entry.session_id.clone();
        let runtime = &self.joined.runtime;
        let resuming = async {
            match Session::resume(runtime, &id, &self.options, Stage::Revived).await {
                Err(SdkError::SessionEnded) => Session::recreate(runtime, &id, &self.options).await,
                resumed => resumed,
            }
        };
        let (session, events) = context.step("resuming the session", deadline, resuming).await?;
        self.session = session;
        self.events = events;
        self.early.clear();
        Ok(())
    }

    /// Shares it as it is wanted by now: a user's off wins.
    async fn share_again(&mut self, context: &mut Context<'_>, deadline: Deadline) -> anyhow::Result<()> {
        let (registry, session) = (self.registry.clone(), self.session.clone());
        let sharing = switch::again(&registry, &session, None);
        let switched = context.step("waiting for Mission Control", deadline, sharing).await?;
        if let Some(url) = switched.url {
            sdk::check_link(&url, &self.entry.login.host)?;
            self.entry.url = Some(url);
        }
        self.entry.remote = switched.remote;
        self.publish(context);
        drop(switched.turn);
        Ok(())
    }
}
