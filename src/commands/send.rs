//! `send`: a prompt for a session, from any terminal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::cli::settings::setting;
use crate::cli::{self, Send, input};
use crate::context::{Context, Deadline};
use crate::error::{Exit, InputNeeded, TurnFailed, UsageError, WAITING};
use crate::model::Activity;
use crate::os::env;
use crate::os::private_file;
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::{Prompt, SdkError};
use crate::text::line::{Line, Tone};
use crate::text::sanitise;
use crate::view::journal::Follower;
use crate::view::notices;

const TIMEOUT: Duration = Duration::from_mins(1);
/// As long as a day is no deadline.
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);
/// An idle agent accepts a prompt at once; a busy one when it is done.
const ACCEPTED_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: &mut Context<'_>, args: Send) -> anyhow::Result<Exit> {
    let limit = match args.timeout {
        Some(limit) => limit,
        None if args.wait => NO_TIMEOUT,
        None => setting(None, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?.unwrap_or(TIMEOUT),
    };
    let deadline = Deadline::new(limit);
    let files = args.file.iter().map(|file| attachment(file)).collect::<Result<_, _>>()?;
    let text = if args.prompt == "-" { input::text(context, deadline, "prompt").await? } else { args.prompt };
    let prompt = Prompt { text, files, mode: args.mode.map(|mode| mode.word().to_owned()) };
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let mut follower = Follower::open(&registry, &entry.session_id)?.ok_or(SdkError::SessionEnded)?;
    follower.skip()?;
    let sending = pool::in_session(&registry, &entry.session_id, async |session| session.send(&prompt).await);
    let id = context.step("sending the prompt", deadline, sending).await?;
    let accepting = timeout(ACCEPTED_DEADLINE, follower.accepted(&id));
    let accepted_at_once = context.within("sending the prompt", deadline, async { anyhow::Ok(accepting.await.ok()) }).await?;
    let began = accepted_at_once.is_some();
    match accepted_at_once {
        Some(accepted) => accepted?,
        None if follower.activity == Activity::Idle => {}
        None => context.terminal.say(&Line::new(Tone::Dim, "the agent is busy: it takes the prompt when it is done")),
    }
    if context.json {
        context.terminal.data(&output::sent_document(&entry, &id))?;
    }
    if !args.wait {
        return Ok(Exit::Done);
    }
    let answer = context.step(WAITING, deadline, turn(&mut follower, &id, began)).await?;
    if context.json {
        context.terminal.data(&output::answer_document(&entry, answer.as_deref()))?;
    } else if let Some(answer) = answer {
        let lines: Vec<String> = answer.lines().map(sanitise::sanitised).collect();
        context.terminal.print(&(lines.join("\n") + "\n"))?;
    }
    Ok(Exit::Done)
}

/// The whole path: the runtime works in another folder.
fn attachment(file: &Path) -> Result<PathBuf, UsageError> {
    // Not a pipe, on which the agent would wait for ever.
    let readable = std::fs::metadata(file)
        .and_then(|found| if found.is_dir() { Ok(()) } else { private_file::open_followed(file).map(drop) });
    readable.and_then(|()| file.canonicalize()).map_err(|error| {
        UsageError::new(format!("--file {}: {error}", file.display()), "name an existing file or folder that you may read")
    })
}

/// Waits until the agent is done with the prompt: what it said last.
async fn turn(follower: &mut Follower, id: &str, mut began: bool) -> anyhow::Result<Option<String>> {
    let failed = |message: &str| Err(TurnFailed { message: message.to_owned() }.into());
    let mut said = None;
    let mut trouble = None;
    let mut asked = String::new();
    let mut busy = false;
    loop {
        if let Activity::Input(_) = follower.activity {
            return Err(InputNeeded { what: asked }.into());
        }
        busy |= follower.activity != Activity::Idle;
        if !began && busy && follower.activity == Activity::Idle {
            // It was queued behind a turn that is over: now it is its turn, or it was thrown away with that one
            // (docs/copilot-cli.md, event-abort).
            match timeout(ACCEPTED_DEADLINE, follower.accepted(id)).await {
                Ok(accepted) => accepted?,
                Err(_) => return failed("the prompt was dropped with the turn before it"),
            }
            began = true;
        }
        let Some(record) = follower.next().await? else { return Err(SdkError::SessionEnded.into()) };
        let told = record.told();
        match told.kind.as_str() {
            "relaunched" => return failed("the Copilot CLI died, and was started again"),
            "prompt" if told.id == id => began = true,
            "input" => asked = format!(": {}", told.what),
            "message" if began => said = Some(told.text),
            "turnFailed" if began => trouble = Some(told.message),
            "turnAborted" if began => trouble = Some("it was broken off".to_owned()),
            _ => {}
        }
        if began && record.activity == Activity::Idle {
            return match trouble {
                Some(message) => failed(&message),
                None => Ok(said),
            };
        }
    }
}
