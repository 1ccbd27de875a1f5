//! `interrupt`: breaks off what the agent is at, from any terminal.

use std::time::Duration;

use tokio::time::timeout;

use crate::cli::settings::setting;
use crate::cli::{self, Interrupt};
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::model::Activity;
use crate::os::env;
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::{SdkError, Session};
use crate::text::line::{Line, Tone};
use crate::view::journal::Follower;
use crate::view::notices;

const TIMEOUT: Duration = Duration::from_mins(1);
/// The runtime stops at once, and may not say so (docs/copilot-cli.md, event-abort): the session's journal does.
const ANSWER: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: &mut Context<'_>, args: Interrupt) -> anyhow::Result<Exit> {
    let limit = setting(args.timeout, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?.unwrap_or(TIMEOUT);
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let mut follower = Follower::open(&registry, &entry.session_id)?.ok_or(SdkError::SessionEnded)?;
    follower.skip()?;
    let was_busy = follower.activity != Activity::Idle;
    let interrupting = async {
        let runtime = pool::reach(&registry, &entry).await?;
        if let Ok(interrupted) = timeout(ANSWER, Session::of(&runtime, &entry.session_id).interrupt()).await {
            interrupted?;
        }
        while follower.activity != Activity::Idle {
            follower.next().await?.ok_or(SdkError::SessionEnded)?;
        }
        anyhow::Ok(())
    };
    context.step("interrupting the agent", Deadline::new(limit), interrupting).await?;
    if context.json {
        context.terminal.data(&output::interrupted_document(&entry, was_busy))?;
    } else {
        let text = if was_busy { "interrupted: the session waits for a prompt" } else { "the agent had nothing to do" };
        context.terminal.say(&Line::new(Tone::Plain, text));
    }
    Ok(Exit::Done)
}
