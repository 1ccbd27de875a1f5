//! Whether the person trusts the folder of a session: what its repository brings along and what runs by itself, runs as them.

use std::path::Path;

use crate::context::{Context, Deadline};
use crate::output::Update;
use crate::repo::worktree::Worktree;
use crate::sdk::{Runtime, Trust};
use crate::text::line::{Line, Tone};
use crate::view::question;

const QUESTION: &str = "trust it? 1 this time, 2 always, 3 no; Ctrl-C ends";

/// Settles it before the session is there. `given`: the person said so for this session already.
pub(super) async fn settle(
    context: &mut Context<'_>,
    runtime: &Runtime,
    folder: &Path,
    worktree: Option<&Worktree>,
    given: bool,
    deadline: &mut Deadline,
) -> anyhow::Result<Trust> {
    // A worktree that we made is as trusted as what it was made of.
    let of = worktree.map(|worktree| worktree.repository.as_path());
    let looking = async {
        let of = async {
            match of {
                Some(repository) => runtime.trusts(repository).await,
                None => Ok(false),
            }
        };
        tokio::try_join!(runtime.trusts(folder), of)
    };
    match context.within("looking whether the folder is trusted", *deadline, looking).await? {
        (true, _) => return Ok(Trust::Known),
        (false, true) => return Ok(Trust::Session),
        (false, false) if given => return Ok(Trust::Session),
        (false, false) => {}
    }
    if !question::may_ask(context)? {
        let text = format!(
            "{} is not trusted: its own hooks and MCP servers stay off; --trust lets them run in this session",
            folder.display()
        );
        context.tell(&Update::Caution(text))?;
        return Ok(Trust::No);
    }
    for line in explanation(folder) {
        context.terminal.say(&line);
    }
    let trust = question::ask(context, QUESTION, |key| match key {
        '1' | 'y' => Some(Trust::Session),
        '2' | 'a' => Some(Trust::Always),
        '3' | 'n' => Some(Trust::No),
        _ => None,
    })
    .await?;
    // For as long as that took.
    *deadline = deadline.again();
    let answer = match trust {
        Trust::No => "not trusted: its own hooks and MCP servers stay off",
        Trust::Always => "trusted from now on, here and in copilot",
        Trust::Session | Trust::Known => "trusted for this session",
    };
    context.terminal.say(&Line::new(Tone::Dim, answer));
    Ok(trust)
}

fn explanation(folder: &Path) -> [Line; 5] {
    [
        Line::new(Tone::Attention, format!("Copilot does not know yet whether you trust {}", folder.display())),
        Line::new(Tone::Plain, "a repository can bring hooks, MCP servers and agents: they run as you, and the agent obeys them"),
        Line::new(Tone::Plain, "1  trust it this time"),
        Line::new(Tone::Plain, "2  trust it always, as copilot would remember it"),
        Line::new(Tone::Plain, "3  no: the session starts, and its hooks and MCP servers stay off"),
    ]
}
