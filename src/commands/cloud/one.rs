//! One task: launched, shown, and perhaps followed.

use std::cell::Cell;
use std::time::Duration;

use super::Run;
use crate::cloud::launch::{self, Live, Step};
use crate::cloud::lookup::Lookup;
use crate::cloud::{Created, Failure, Order, Ready, follow};
use crate::context::{Context, Deadline};
use crate::error::{Exit, Interrupted, Report, WAITING};
use crate::host::runtimes::Joined;
use crate::line::{Line, Tone};
use crate::output::{self, Update};

/// An interrupted launch is looked up for so long; a second Ctrl-C does not wait.
const LAST_LOOK: Duration = Duration::from_secs(3);
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);

pub(super) async fn run(context: &mut Context<'_>, joined: &Joined, run: Run) -> anyhow::Result<Exit> {
    context.tell(&Update::SignedIn(&run.login))?;
    let order = &run.orders[0];
    let mut live = start(context, joined, &run, order).await?;
    let ready = run.ready(order, &live, joined);
    let done = stay(context, &mut live, &ready, &run).await;
    launch::close(&live.session).await;
    let ended = matches!(&done, Ok(Exit::Done)) && !run.args.follow;
    if !ended {
        context.terminal.say(&Line::new(Tone::Strong, format!("the task goes on at GitHub: {}", ready.link.url)));
    }
    done
}

/// Launches it; where that fails, says what became of it.
async fn start(context: &mut Context<'_>, joined: &Joined, run: &Run, order: &Order) -> anyhow::Result<Live> {
    let directory = context.directory.clone();
    let launcher = run.launcher(&directory, joined);
    let step = Cell::new(Step::Requested);
    let mut lookup = Lookup::new();
    let outcome = context.steps(|| step.get().words(), launcher.launch(order, &step)).await;
    let mut failure = match outcome {
        Ok(Ok(live)) => return Ok(live),
        Ok(Err(failure)) => failure,
        // Whatever step it was at: looking it up tells.
        Err(interrupted) => {
            let created = if step.get() == Step::Limited { Created::No } else { Created::Unknown };
            Failure { error: interrupted.into(), created }
        }
    };
    if failure.created == Created::Unknown {
        let targets = [&order.target];
        let looking = lookup.resolve(&joined.runtime, &run.login.host, &targets);
        let looked = if failure.error.is::<Interrupted>() {
            let deadline = Deadline::new(LAST_LOOK);
            context.step("looking for what was created", deadline, async { anyhow::Ok(looking.await) }).await.ok()
        } else {
            context.steps(|| "looking for what was created", looking).await.ok()
        };
        if let Some(created) = looked.and_then(|found| found.into_iter().next()) {
            failure.created = created;
        }
    }
    for line in output::cloud::created_lines(&failure.created, &run.login.host) {
        context.terminal.say(&line);
    }
    if context.json {
        let report = Report::from(&failure.error);
        context.terminal.data(&output::cloud::failed_document(order, &failure.created, &report))?;
    }
    Err(failure.error)
}

/// Shows it, and stays with it if that was asked for.
async fn stay(context: &mut Context<'_>, live: &mut Live, ready: &Ready, run: &Run) -> anyhow::Result<Exit> {
    show(context, ready, run)?;
    if run.args.follow {
        return follow::follow(context, live, ready, &run.qr, run.args.wait).await;
    }
    if !run.args.wait {
        return Ok(Exit::Done);
    }
    let (said, done) = context.step(WAITING, Deadline::new(NO_TIMEOUT), async { anyhow::Ok(live.finish().await) }).await?;
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
    crate::link::draw(context, url, &run.qr, rows);
    if run.args.open && !ready.demo && open::that_detached(url).is_err() {
        context.tell(&Update::Caution(format!("no browser could be started; the link: {url}")))?;
    }
    Ok(())
}
