//! One task: launched, shown, and perhaps followed.

use super::{NO_TIMEOUT, Run, look_up};
use crate::cli::config::Config;
use crate::cloud::launch::{Launcher, Live, Progress};
use crate::cloud::lookup::Lookup;
use crate::cloud::{Created, Order, Ready};
use crate::context::{Context, Deadline};
use crate::error::{Exit, Interrupted, WAITING};
use crate::output::{self, Update};
use crate::report::Report;
use crate::runtime::pool::{self, Joined};
use crate::text::line::{Line, Tone};
use crate::view::cloud as follow;

pub(super) async fn run(context: &mut Context<'_>, joined: &Joined, launcher: &Launcher, run: &Run) -> anyhow::Result<Exit> {
    context.tell(&Update::SignedIn(&run.login))?;
    let order = &run.orders[0];
    let mut live = start(context, joined, launcher, run, order).await?;
    let ready = run.ready(order, &live, joined);
    let done = stay(context, &mut live, &ready, run).await;
    let as_asked = matches!(&done, Ok(Exit::Done)) && !run.args.follow;
    if !as_asked && !live.ended {
        context.terminal.say(&Line::new(Tone::Strong, format!("the task goes on at GitHub: {}", ready.link.url)));
    }
    done
}

/// Launches it; where that fails, says what became of it.
async fn start(
    context: &mut Context<'_>,
    joined: &Joined,
    launcher: &Launcher,
    run: &Run,
    order: &Order,
) -> anyhow::Result<Live> {
    let progress = Progress::new();
    let mut lookup = Lookup::new();
    let outcome = context.steps(|| progress.step().words(), launcher.launch(order, &progress)).await;
    let mut failure = match outcome {
        Ok(Ok(live)) => return Ok(live),
        Ok(Err(failure)) => failure,
        Err(interrupted) => progress.failure(interrupted.into(), &launcher.host),
    };
    failure.error = pool::better_reason(&joined.entry.server, failure.error).await;
    if failure.created == Created::Unknown {
        let interrupted = failure.error.is::<Interrupted>();
        let signal = look_up(context, run, joined, &mut lookup, &[&order.target], interrupted).await;
        lookup.attribute(&launcher.host, [(&order.target, &mut failure)]);
        launcher.leave_pending(std::iter::once(&failure)).await;
        if let Some(signal) = signal.filter(|_| !interrupted) {
            failure.error = Interrupted(signal).into();
        }
    }
    for line in output::cloud::created_lines(&failure.created, &launcher.host) {
        context.terminal.say(&line);
    }
    if context.json {
        let report = Report::from(&failure.error);
        // What it failed with matters more than that nobody reads of it.
        let _ = context.terminal.data(&output::cloud::failed_document(order, &failure, &report));
    }
    Err(failure.error)
}

/// Shows it, and stays with it if that was asked for.
async fn stay(context: &mut Context<'_>, live: &mut Live, ready: &Ready, run: &Run) -> anyhow::Result<Exit> {
    show(context, ready, run)?;
    if run.args.follow {
        context.terminal.let_ring(run.args.bell.bell || Config::get()?.bell);
        return follow::follow(context, live, ready, &run.qr).await;
    }
    if !run.args.wait {
        return Ok(Exit::Done);
    }
    let waiting = async { anyhow::Ok(live.finish().await) };
    let (said, done) = context.step(WAITING, Deadline::new(NO_TIMEOUT), waiting).await?;
    if let Some(event) = &said {
        context.tell(&Update::Event(event))?;
    }
    done
}

/// As `start` does: the link on stdout, the rest is talk, the code comes last.
fn show(context: &mut Context<'_>, ready: &Ready, run: &Run) -> anyhow::Result<()> {
    context.terminal.say(&output::cloud::ready_line(ready));
    let url = &ready.link.url;
    if context.json {
        context.terminal.data(&output::cloud::ready_document(ready))?;
    } else {
        context.terminal.data(url)?;
    }
    let mut rows = context.terminal.rows_of(url);
    if context.terminal.is_interactive() && (context.json || !context.terminal.shows_stdout()) {
        context.terminal.say(&Line::new(Tone::Plain, url));
    }
    for line in output::cloud::task_notes(ready) {
        rows += context.terminal.rows_of(&line.text);
        context.terminal.say(&line);
    }
    crate::view::link::draw(context, url, &run.qr, rows);
    if run.args.open && !ready.demo && open::that_detached(url).is_err() {
        context.tell(&Update::Caution(format!("no browser could be started; the link: {url}")))?;
    }
    Ok(())
}
