//! A runtime that dies: it is started again, once for all its sessions, and each host resumes its own.

use std::time::Duration;

use tokio::time::timeout;

use super::Host;
use super::link_watch::Watch;
use crate::context::{Context, Deadline};
use crate::error::DeadlinePassed;
use crate::os::state_dir::StateError;
use crate::output::Update;
use crate::runtime::pool;
use crate::sdk::{SdkError, Session, Stage};

/// A relaunch and a resume take a second (docs/copilot-cli.md, resume-time).
const DEADLINE: Duration = Duration::from_mins(1);
/// For those who look at the session in Mission Control.
const TOLD_LIMIT: Duration = Duration::from_secs(2);

impl Host {
    /// Resumes the session in another runtime, with everything that was set at its start or since: most of it the CLI has in its own files only
    /// once there was a turn, and some of it never (docs/copilot-cli.md, resume-forgets). A turn that was running is not run
    /// again: that is said, here and in Mission Control.
    ///
    /// `interrupted`: a turn was running. `has_other`: the other runtime is there, and the session is not in it yet.
    pub(super) async fn recover(&mut self, context: &mut Context<'_>, interrupted: bool, has_other: bool) -> anyhow::Result<()> {
        let deadline = Deadline::new(DEADLINE);
        if !has_other {
            self.join_other(context, deadline).await?;
        }
        self.resume(context, deadline).await?;
        context.tell(&Update::Relaunched { interrupted })?;
        let message = if interrupted {
            "copilot-remote: the Copilot CLI died and was started again. The turn that was running was interrupted; send a prompt to go on."
        } else {
            "copilot-remote: the Copilot CLI died and was started again."
        };
        // What they are not told they see.
        let session = self.session.clone();
        tokio::spawn(async move { drop(timeout(TOLD_LIMIT, session.log(message)).await) });
        Ok(())
    }

    /// Joins or launches a runtime in place of the one that is dead.
    async fn join_other(&mut self, context: &mut Context<'_>, deadline: Deadline) -> anyhow::Result<()> {
        let joined = pool::acquire(context, &self.registry, &self.choice, deadline, Some(&self.joined.entry)).await?;
        let dead = std::mem::replace(&mut self.joined, joined);
        // Nobody waits for what is left of it.
        tokio::spawn(dead.forget());
        self.progress.stop();
        self.permits.forget();
        self.queue.forget();
        self.watch = Watch::new(&self.joined.entry.server);
        self.entry.runtime.clone_from(&self.joined.entry.id);
        self.joined.runtime.version().clone_into(&mut self.entry.copilot_version);
        self.entry.copilot_pid = self.joined.entry.server.pid();
        // From here on other terminals talk to the new runtime.
        self.publish(context);
        Ok(())
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
}

/// Whether the cause of a relaunch that failed may pass: no room on the disk, a CLI that is just being replaced, GitHub out of reach.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    let passing = matches!(
        error.downcast_ref(),
        Some(
            SdkError::CliNotFound { .. }
                | SdkError::CliUnusable { .. }
                | SdkError::CliExited { .. }
                | SdkError::Io { .. }
                | SdkError::Connection(_)
                | SdkError::Deadline { .. }
                | SdkError::ServiceUnavailable { .. }
                | SdkError::UnexpectedAnswer { .. }
        )
    );
    passing || error.is::<StateError>() || error.is::<DeadlinePassed>() || error.is::<std::io::Error>()
}
