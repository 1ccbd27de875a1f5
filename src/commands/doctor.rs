//! `doctor`: looks at everything that makes remote fail, and says what to do.

mod probe;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use crate::cli::config::Config;
use crate::cli::settings::{setting, word};
use crate::cli::{self, Doctor, QrArgs};
use crate::context::{Context, Deadline};
use crate::error::Exit;
use crate::model::KeepAwake;
use crate::os::{env, inhibit_sleep, state_dir};
use crate::output::{self, Check, Finding};
use crate::qr;
use crate::registry::Registry;
use crate::repo::{self, Repository};
use crate::report::Report;
use crate::runtime::choice::{self, Choice};
use crate::runtime::pool::{self, Joined};
use crate::view::link::QrOptions;

/// For each check, where nothing else is said. Longer than the 10 s after which the Copilot CLI itself gives GitHub up.
const LIMIT: Duration = Duration::from_secs(30);
/// A link as long as they are.
const LINK: &str = "https://github.com/octocat-organisation/hello-world-repository/tasks/00000000-0000-4000-8000-000000000000";

/// What was found so far. A check that needs one that failed is left out.
struct Examination {
    checks: Vec<Check>,
    /// The exit code of the first failure.
    exit: Exit,
    /// For each.
    limit: Duration,
}

pub(crate) async fn run(context: &mut Context<'_>, args: Doctor) -> anyhow::Result<Exit> {
    let server = args.runtime.server.as_deref().map(choice::loopback).transpose()?;
    let mut found = Examination { checks: Vec::new(), exit: Exit::Done, limit: args.timeout.unwrap_or(LIMIT) };
    let examined = examine(context, &mut found, &args, server).await;
    context.terminal.status(None);
    if let Err(error) = examined {
        // A signal; what was found by then is told all the same.
        found.exit = Report::from(&error).exit;
        found.tell(context)?;
        return Err(error);
    }
    found.tell(context)?;
    Ok(found.exit)
}

async fn examine(
    context: &mut Context<'_>,
    found: &mut Examination,
    args: &Doctor,
    server: Option<std::net::SocketAddr>,
) -> anyhow::Result<()> {
    found.settings()?;
    let registry = found.state(args.fix)?;
    found.loopback();
    found.terminal(context);
    found.sleep(context).await?;
    let repository = found.repository(context).await?;
    let Some(registry) = registry else { return Ok(()) };
    found.orphans(context, &registry, args.fix).await?;
    let choice = Choice::new(&args.runtime, server).map_err(Into::into);
    let Some(mut choice) = found.keep("cli", choice)? else { return Ok(()) };
    // One of its own: others are looked at, not joined and ended.
    if let Choice::Cli { isolated, .. } = &mut choice {
        *isolated = true;
    }
    let joined = pool::acquire(context, &registry, &choice, found.deadline(), None).await;
    let Some(joined) = found.keep("cli", joined)? else { return Ok(()) };
    if args.runtime.demo {
        found.warn(
            "cli",
            "the embedded stand-in: what it says of GitHub is made up",
            "without --demo the Copilot CLI is looked at",
        );
    } else {
        found.add("cli", Finding::Ok, cli(&joined));
    }
    let examined = found.runtime(context, &joined, repository.as_ref(), args).await;
    joined.leave(context, true, examined.as_ref().err()).await;
    examined
}

/// Which CLI it is.
fn cli(joined: &Joined) -> String {
    let version = joined.runtime.version();
    match joined.entry.server.program() {
        program if program.as_os_str().is_empty() => format!("version {version}, protocol 3, not started by this program"),
        program => format!("{}, version {version}, protocol 3", program.display()),
    }
}

impl Examination {
    fn deadline(&self) -> Deadline {
        Deadline::new(self.limit)
    }

    fn add(&mut self, name: &'static str, finding: Finding, seen: impl Into<String>) {
        self.checks.push(Check { name, finding, seen: seen.into(), hints: Vec::new() });
    }

    fn warn(&mut self, name: &'static str, seen: impl Into<String>, hint: &str) {
        self.checks.push(Check { name, finding: Finding::Warning, seen: seen.into(), hints: vec![hint.to_owned()] });
    }

    /// The outcome of a check, if it is well; a signal ends the examination.
    fn keep<T>(&mut self, name: &'static str, outcome: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        let error = match outcome {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(error) => error,
        };
        let report = Report::from(&error);
        if matches!(report.exit, Exit::Signal(_)) {
            return Err(error);
        }
        if self.exit == Exit::Done {
            self.exit = report.exit;
        }
        self.checks.push(Check { name, finding: Finding::Failure, seen: report.message, hints: report.hints });
        Ok(None)
    }

    /// What the config file and the variables say can be read.
    fn settings(&mut self) -> anyhow::Result<()> {
        let look = || {
            Config::get()?;
            setting(None, env::TIMEOUT, |config| config.timeout.as_ref(), cli::duration)?;
            setting(None, env::KEEP_AWAKE, |config| config.keep_awake.as_ref(), word::<KeepAwake>)?;
            QrOptions::new(QrArgs::default())?;
            anyhow::Ok(())
        };
        if self.keep("settings", look())?.is_some() {
            self.add("settings", Finding::Ok, "the config file and the variables are understood");
        }
        Ok(())
    }

    /// The folder for state: private, writable, and with locks.
    fn state(&mut self, fix: bool) -> anyhow::Result<Option<Registry>> {
        let look = || {
            let folder = state_dir::state_dir()?;
            let mut fixed = false;
            for folder in state_dir::state_folders(&folder).iter().filter(|_| fix) {
                fixed |= state_dir::restrict(folder).unwrap_or(false);
            }
            let registry = Registry::create()?;
            registry.check()?;
            anyhow::Ok((registry, fixed))
        };
        let Some((registry, fixed)) = self.keep("state", look())? else { return Ok(None) };
        let folder = registry.folder();
        if state_dir::state_folders(folder).iter().any(|folder| state_dir::is_open_to_others(folder)) {
            self.warn("state", format!("{}: others can look into it", folder.display()), "doctor --fix takes that away");
        } else {
            let done = if fixed { ", made private" } else { "" };
            self.add("state", Finding::Ok, format!("{}, with locks{done}", folder.display()));
        }
        Ok(Some(registry))
    }

    /// The CLI listens on 127.0.0.1.
    fn loopback(&mut self) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
            Ok(_) => self.add("loopback", Finding::Ok, "127.0.0.1 can be listened on"),
            Err(error) => {
                let error = anyhow::Error::from(error).context("127.0.0.1 cannot be listened on");
                drop(self.keep::<()>("loopback", Err(error)));
            }
        }
    }

    /// Whether a QR code can be shown here.
    fn terminal(&mut self, context: &Context<'_>) {
        let (columns, rows) = context.terminal.size();
        if !context.terminal.is_interactive() {
            self.add("terminal", Finding::Ok, "stderr is no terminal: no keys, no QR code, a line a step");
            return;
        }
        let surface = context.terminal.surface(crate::model::When::Always);
        let request = qr::Request::default();
        let fits = surface.and_then(|(surface, _)| qr::Code::new(LINK).ok().map(|code| code.fit(request, surface, 2).is_ok()));
        let utf8 = if context.terminal.is_utf8() { "UTF-8" } else { "no UTF-8" };
        let colours = if context.terminal.has_colours() { "colours" } else { "no colours" };
        let seen = format!("{columns}x{rows}, {utf8}, {colours}");
        if fits == Some(true) {
            self.add("terminal", Finding::Ok, format!("{seen}, with room for a QR code"));
        } else {
            self.warn(
                "terminal",
                format!("{seen}: a QR code has no room"),
                "make it larger, or save the code: --qr-file code.svg",
            );
        }
    }

    /// Whether the machine can be kept awake.
    async fn sleep(&mut self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let keeping = async { anyhow::Ok(inhibit_sleep::keep().await) };
        match context.step("keeping the machine awake", self.deadline(), keeping).await? {
            Ok(_) => self.add("keep-awake", Finding::Ok, "the machine can be kept awake"),
            Err(why) => self.warn("keep-awake", why, "set it so that it does not go to sleep while you are away"),
        }
        Ok(())
    }

    async fn repository(&mut self, context: &mut Context<'_>) -> anyhow::Result<Option<Repository>> {
        let (host, directory) = (env::github_host(), context.directory.clone());
        let looking = context.step("looking for the repository", self.deadline(), repo::find(&directory, &host)).await;
        let found = self.keep("repository", looking)?;
        if let Some(found) = &found {
            let branch = found.branch.as_deref().map_or_else(String::new, |branch| format!(", branch {branch}"));
            self.add("repository", Finding::Ok, format!("{}{branch}, by the remote {}", found.slug, found.remote));
        }
        Ok(found)
    }

    /// What dead hosts and runtimes left.
    async fn orphans(&mut self, context: &mut Context<'_>, registry: &Registry, fix: bool) -> anyhow::Result<()> {
        let Some(entries) = self.keep("orphans", registry.runtimes().map_err(Into::into))? else { return Ok(()) };
        // While somebody launches one, nothing is known.
        let unused = registry.launches_now().map_or(0, |turn| {
            entries.iter().filter(|entry| entry.server.is_running() && matches!(turn.is_used(&entry.id), Ok(false))).count()
        });
        if unused == 0 {
            self.add("orphans", Finding::Ok, "no Copilot CLI that nobody uses");
        } else if fix {
            let ending = context.step("ending the Copilot CLI", self.deadline(), pool::end_unused(registry)).await;
            if let Some(ended) = self.keep("orphans", ending)? {
                self.add("orphans", Finding::Ok, format!("{ended} that nobody used were ended"));
            }
        } else {
            self.warn("orphans", format!("{unused} that nobody uses"), "end them: copilot-remote prune, or doctor --fix");
        }
        Ok(())
    }

    fn tell(&self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let text = output::checks_text(&self.checks);
        Ok(context.print(&text, &output::checks_document(&self.checks, self.exit.code()))?)
    }
}
