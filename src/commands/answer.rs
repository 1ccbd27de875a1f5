//! `answer`: what a session waits for is answered, from any terminal, script or hook.

use std::time::Duration;

use tokio::time::timeout;

use crate::cli::settings::setting;
use crate::cli::{self, Answer as Args, input};
use crate::context::{Context, Deadline};
use crate::error::{ChooseError, Exit, NothingWaits, UsageError};
use crate::os::env;
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::{Answer, Answered, Request, SdkError, Session};
use crate::text::line::{Line, Tone};
use crate::text::sanitise;
use crate::view::journal::{self, Follower};
use crate::view::notices;

const TIMEOUT: Duration = Duration::from_mins(1);
/// The host hears of it by an event.
const SEEN: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: &mut Context<'_>, args: Args) -> anyhow::Result<Exit> {
    let limit = setting(args.timeout, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?.unwrap_or(TIMEOUT);
    let deadline = Deadline::new(limit);
    let registry = Registry::look()?;
    let wanted = args.target.session.as_deref();
    let entry = match notices::target(context, &registry, wanted).await {
        Err(error) if says_nothing(&args) => return Err(mistaken(wanted, error)),
        chosen => chosen?,
    };
    let mut follower = Follower::open(&registry, &entry.session_id)?.ok_or(SdkError::SessionEnded)?;
    let waiting = journal::waiting(&mut follower)?;
    let Some(answer) = said(context, &args, deadline).await? else {
        context.print(&output::waiting_text(&waiting), &output::waiting_document(&entry, &waiting))?;
        return Ok(if waiting.is_empty() { Exit::NoSession } else { Exit::Done });
    };
    let request = chosen(waiting, args.request.as_deref())?;
    if let Some(why) = request.refuses(&answer) {
        return Err(SdkError::NoAnswer { why }.into());
    }
    let answering = async {
        let runtime = pool::reach(&registry, &entry).await?;
        Session::of(&runtime, &entry.session_id).answer(&request, &answer).await.map_err(SdkError::explain_ended)
    };
    // What comes next is told after that.
    let told = async { anyhow::Ok(timeout(SEEN, journal::answered(&mut follower, &request.id)).await) };
    let (outcome, url) = match context.step("answering", deadline, answering).await? {
        Answered::Taken => {
            if request.kind.holds_up() {
                let _ = context.within("answering", deadline, told).await?;
            }
            ("taken", None)
        }
        Answered::TooLate => return Err(NothingWaits { what: "somebody else answered it first".to_owned() }.into()),
        Answered::Open(url) => ("open", Some(url)),
    };
    if context.json {
        context.terminal.data(&output::answered_document(&entry, &request.id, outcome, url.as_deref()))?;
    } else if let Some(url) = &url {
        context.terminal.data(url)?;
    } else {
        context.terminal.say(&Line::new(Tone::Good, format!("answered: {}", sanitise::sanitised(&request.what))));
    }
    Ok(Exit::Done)
}

/// Whether nothing is answered with.
fn says_nothing(args: &Args) -> bool {
    let said = args.allow || args.allow_session || args.list;
    !said && args.deny.is_none() && args.text.is_none() && args.words.is_none()
}

/// One word alone is the session; it may have been meant as the answer.
fn mistaken(wanted: Option<&str>, error: anyhow::Error) -> anyhow::Error {
    match (wanted, error.downcast_ref()) {
        (Some(wanted), Some(ChooseError::NotFound { .. })) => {
            let hint = format!("to answer with it: copilot-remote answer --text '{}'", wanted.replace('\'', "'\\''"));
            UsageError::new(format!("{error}, and no answer is given"), hint).into()
        }
        _ => error,
    }
}

/// The answer; None: what waits is to be listed.
async fn said(context: &mut Context<'_>, args: &Args, deadline: Deadline) -> anyhow::Result<Option<Answer>> {
    Ok(Some(match (&args.deny, args.text.as_deref().or(args.words.as_deref())) {
        _ if args.allow => Answer::Yes,
        _ if args.allow_session => Answer::ForSession,
        (Some(why), _) if why.trim().is_empty() => Answer::No,
        (Some(why), _) => Answer::NoBecause(why.clone()),
        (None, Some("-")) if args.text.is_some() => Answer::Words(input::text(context, deadline, "answer").await?),
        (None, Some(text)) => Answer::Words(text.to_owned()),
        (None, None) => return Ok(None),
    }))
}

/// The request that is meant. Of several none is guessed: who answers has to know what.
fn chosen(waiting: Vec<Request>, wanted: Option<&str>) -> anyhow::Result<Request> {
    let nothing = |what: String| NothingWaits { what }.into();
    let list = |requests: &[Request]| {
        let lines = requests.iter().map(|request| sanitise::sanitised(&format!("{}  {}", request.id, request.what)));
        lines.collect::<Vec<_>>().join("\n  ")
    };
    let mut meant: Vec<Request> = match wanted {
        Some(wanted) => waiting.into_iter().filter(|request| !wanted.is_empty() && request.id.starts_with(wanted)).collect(),
        // The session goes on without these: they are named, where something else waits.
        None if waiting.iter().any(|request| request.kind.holds_up()) => {
            waiting.into_iter().filter(|request| request.kind.holds_up()).collect()
        }
        None => waiting,
    };
    match (meant.len(), wanted) {
        (0, Some(wanted)) => Err(nothing(format!("no request with the id {wanted} waits for an answer"))),
        (0, None) => Err(nothing("the session waits for no answer".to_owned())),
        (1, _) => Ok(meant.swap_remove(0)),
        _ => Err(UsageError::new(
            format!("several requests wait for an answer:\n  {}", list(&meant)),
            "name one of them: --request ID; the beginning of it is enough",
        )
        .into()),
    }
}
