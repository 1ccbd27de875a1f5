//! `attach`: the live view of a session whose host is elsewhere. It is no client of the session: it reads the journal, and so can neither keep
//! the session alive nor bring it back.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::cli::Attach;
use crate::cli::config::Config;
use crate::context::Context;
use crate::error::Exit;
use crate::output::{self, Leave};
use crate::registry::{Record, Registry, SessionEntry};
use crate::runtime::pool;
use crate::sdk::{Request, SdkError, Session};
use crate::session::switch::{self, Switch, TimeLimit};
use crate::text::line::{Line, Tone};
use crate::view::dialogue::{Dialogue, Heard};
use crate::view::journal::Follower;
use crate::view::keys::{Action, Keys};
use crate::view::link::QrOptions;
use crate::view::notices::{self, say_refusal};

/// Longer than GitHub may take.
const SWITCH_DEADLINE: Duration = Duration::from_mins(1);
/// How long closing may take; the host sees the end in any case.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);
/// How often the status is looked at, of which the journal does not tell all: how much time is left.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &mut Context<'_>, args: Attach) -> anyhow::Result<Exit> {
    let qr = QrOptions::new(args.qr)?;
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let mut follower = Follower::open(&registry, &entry.session_id)?.ok_or(SdkError::SessionEnded)?;
    let mut dialogue = Dialogue::default();
    while let Some(record) = follower.there()? {
        see(&mut dialogue, &record);
    }
    dialogue.calm();
    context.terminal.let_ring(args.bell.bell || Config::get()?.bell);
    notices::show(context, &entry, &qr)?;
    let keys = context.terminal.open_keyboard()?;
    if keys {
        dialogue.keep_up(context, None);
    }
    let exit = follow(context, &registry, entry, &mut follower, dialogue, &qr, keys).await;
    context.terminal.close_keyboard();
    context.terminal.status(None);
    exit
}

async fn follow(
    context: &mut Context<'_>,
    registry: &Registry,
    mut entry: SessionEntry,
    follower: &mut Follower,
    mut dialogue: Dialogue,
    qr: &QrOptions,
    can_press: bool,
) -> anyhow::Result<Exit> {
    let mut keys = Keys::new(Leave::Leave, entry.remote);
    let mut switch: Switch<(SessionEntry, bool)> = Switch::idle();
    if !can_press {
        context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C leaves; the session goes on"));
    } else if !context.terminal.redraws() {
        context.terminal.say(&Line::new(Tone::Dim, "Ctrl-C leaves, and the session goes on; ? tells the other keys"));
    }
    let mut looked = Instant::now();
    loop {
        let leave = can_press.then_some(Leave::Leave);
        let columns = context.terminal.size().0;
        let status = output::status_line(&entry, follower.activity, leave, dialogue.keys(), columns);
        context.terminal.status(Some(status));
        tokio::select! {
            record = follower.next() => match record? {
                Some(record) => {
                    entry = registry.entry(&entry.session_id).unwrap_or(entry);
                    tell(context, &record)?;
                    let shown = see(&mut dialogue, &record);
                    dialogue.call(context);
                    if can_press {
                        dialogue.keep_up(context, shown.as_ref());
                    }
                }
                None => return Ok(Exit::Done),
            },
            () = sleep_until(looked + LOOK) => {
                looked = Instant::now();
                entry = registry.entry(&entry.session_id).unwrap_or(entry);
            }
            signal = context.shutdown.next() => if !dialogue.interrupted(context, signal) {
                return Ok(Exit::Signal(signal));
            },
            input = context.terminal.input() => match dialogue.hear(context, input) {
                Heard::Nothing => {}
                Heard::Act(act) => {
                    let (registry, entry, doing) = (registry.clone(), entry.clone(), act.clone());
                    let work = async move {
                        let runtime = pool::reach(&registry, &entry).await?;
                        doing.perform(&Session::of(&runtime, &entry.session_id)).await
                    };
                    dialogue.begin(context, act, work);
                }
                Heard::Key(key) => match keys.press(context, &entry, qr, key) {
                    Action::None => {}
                    Action::Leave => {
                        if let Some(signal) = dialogue.finish(context).await? {
                            return Ok(Exit::Signal(signal));
                        }
                        context.terminal.say(&Line::new(Tone::Strong, "the session goes on"));
                        return Ok(Exit::Done);
                    }
                    Action::Stop => {
                        let closing = async { Session::of(&pool::reach(registry, &entry).await?, &entry.session_id).close().await };
                        let closing = async { closing.await.map_err(SdkError::explain_ended) };
                        let closed = tokio::select! {
                            closed = timeout(CLOSE_DEADLINE, closing) => closed,
                            signal = context.shutdown.next() => return Ok(Exit::Signal(signal)),
                        };
                        if let Ok(Err(error)) = closed
                            && !matches!(error, SdkError::SessionEnded)
                        {
                            let text = format!("warning: {error}; copilot-remote stop ends it");
                            context.terminal.say(&Line::new(Tone::Attention, text));
                        }
                    }
                    Action::Switch(remote) => {
                        let (registry, id) = (registry.clone(), entry.session_id.clone());
                        let switching = async move {
                            let switched = timeout(SWITCH_DEADLINE, switch::switch_from_outside(&registry, &id, remote, TimeLimit::Keep)).await;
                            switched.unwrap_or_else(|_| Err(SdkError::Deadline { step: "switching remote", limit: SWITCH_DEADLINE }.into()))
                        };
                        if switch.allows(context, &entry, remote) {
                            switch.start(switching);
                        }
                    }
                },
            },
            settled = dialogue.settled() => dialogue.say_settled(context, settled)?,
            // How it is then is in the journal, too.
            switched = switch.done() => match switched {
                Ok((after, _)) => entry = after,
                Err(error) => say_refusal(context, entry.remote, &error)?,
            },
        }
    }
}

/// Follows what waits for an answer, as the host told: a request that is new.
fn see(dialogue: &mut Dialogue, record: &Record) -> Option<Request> {
    let told = record.told();
    match told.kind.as_str() {
        "input" => {
            let request = told.request()?;
            dialogue.add(request.clone());
            return Some(request);
        }
        "answered" => dialogue.remove(&told.id),
        "prompt" => dialogue.keep(&told.text),
        "idle" => dialogue.idle(),
        "turnFailed" => dialogue.failed(&told.message),
        "ready" | "turnAborted" | "relaunched" | "ended" => dialogue.clear(),
        _ => {}
    }
    None
}

/// Tells what the host told.
fn tell(context: &mut Context<'_>, record: &Record) -> anyhow::Result<()> {
    let at = record.time.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string();
    for line in output::stamped(record.lines.clone(), &at) {
        context.terminal.say(&line);
    }
    if let Some(event) = record.event.as_ref().filter(|_| context.json) {
        context.terminal.data(event)?;
    }
    Ok(())
}
