//! `copilot-remote`: start a GitHub Copilot remote session and steer it from the phone.
//!
//! [`run`] is the whole program: it parses the arguments, makes the context, dispatches to one command, and reports how that ended. Modules
//! import downward only; `docs/architecture.md` draws the layers.

mod cli;
mod cloud;
mod commands;
mod context;
mod demo;
mod error;
#[cfg(test)]
mod fuzz_tests;
mod logging;
mod model;
mod os;
mod output;
mod qr;
mod registry;
mod repo;
mod report;
mod runtime;
mod sdk;
mod session;
mod terminal;
mod text;
mod view;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::FromArgMatches as _;

use cli::{Cli, Command, help, settings};
use context::Context;
use error::{Exit, UsageError};
use os::{env, gate, hook_command};
use report::Report;
use session::handover;
use terminal::{Talk, Terminal};
use text::redact;

/// Runs the program with its arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Not commands that people type, so no completion and no help may show them.
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some(sdk::DEMO_RUNTIME) => return hidden(async |terminal| commands::demo_runtime::run(terminal).await),
        Some(handover::NEXT_HOST) => return hidden(next_host),
        Some(gate::GATE) => return hidden(async |_| gate::pass(&arguments[2..])),
        Some(hook_command::RUN_HOOK) => return hidden(async |terminal| Ok(commands::run_hook::run(terminal))),
        _ => {}
    }
    if let Some(code) = commands::completions::complete(&arguments) {
        return code;
    }
    let asked_for_json = arguments.iter().any(|argument| argument == "--json");
    let parsed = help::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_parsed(&error, asked_for_json)),
    };
    logging::init(cli.global.verbose);
    remember_secrets();
    let json = cli.global.json;
    let color = settings::without_config(cli.global.color, env::COLOR, settings::word);
    let color_or_auto = color.as_ref().ok().copied().flatten().unwrap_or(model::When::Auto);
    let talk = Talk {
        quiet: cli.global.quiet,
        log: cli.global.verbose > 0,
        plain: cli.global.plain || env::get(env::PLAIN).is_some_and(|value| value != "0"),
    };
    let mut terminal = Terminal::new(color_or_auto, talk);
    if let Err(error) = check_clock(SystemTime::now()) {
        return ExitCode::from(fail(&mut terminal, json, &error).code());
    }
    if let Err(error) = color {
        return ExitCode::from(fail(&mut terminal, json, &error.into()).code());
    }
    let code = dispatch(cli, &mut terminal).unwrap_or_else(|error| fail(&mut terminal, json, &error).code());
    ExitCode::from(code)
}

/// Whether the time can be told at all: asking for it would be a panic otherwise. A moment of room is left for what is yet to come.
fn check_clock(now: SystemTime) -> anyhow::Result<()> {
    const ROOM: Duration = Duration::from_hours(24);
    let in_range = now.checked_add(ROOM).is_some_and(|then| jiff::Timestamp::try_from(then).is_ok());
    anyhow::ensure!(in_range, "the system's clock is beyond the year 9999: set it");
    Ok(())
}

/// What the Copilot CLI shows to GitHub, and others may repeat.
fn remember_secrets() {
    env::TOKENS.into_iter().filter_map(env::get).for_each(|token| redact::remember(&token));
}

/// Help and version, which go to stdout with 0, and arguments that are wrong.
fn not_parsed(error: &clap::Error, json: bool) -> u8 {
    let _ = error.print();
    let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code());
    if json && error.use_stderr() {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let report = Report { exit: Exit::Usage, reason: "usage", message, hints: vec!["see --help".to_owned()] };
        let _ = Terminal::new(model::When::Never, Talk::default()).data(&output::error_line(&report));
    }
    code
}

fn hidden(run: impl AsyncFnOnce(&mut Terminal) -> anyhow::Result<u8>) -> ExitCode {
    logging::init(0);
    remember_secrets();
    let mut terminal = Terminal::new(model::When::Never, Talk { quiet: true, ..Talk::default() });
    let checked = check_clock(SystemTime::now());
    let code =
        checked.and_then(|()| block_on(run(&mut terminal))).unwrap_or_else(|error| fail(&mut terminal, false, &error).code());
    ExitCode::from(code)
}

/// The next host of a session that leaves its terminal.
async fn next_host(terminal: &mut Terminal) -> anyhow::Result<u8> {
    let directory = std::env::current_dir().context("the current folder cannot be told")?;
    let mut context = Context::new(terminal, directory, false)?;
    Ok(Box::pin(commands::next_host::run(&mut context)).await?.code())
}

/// The exit code of the command.
fn dispatch(cli: Cli, terminal: &mut Terminal) -> anyhow::Result<u8> {
    match cli.command {
        // Without an asynchronous runtime: shells run the first at every start, and none of them waits for anything.
        Command::Completions { shell } => print(terminal, &commands::completions::run(shell)?),
        Command::Schema => print(terminal, &commands::schema::run()),
        Command::Man { page } => print(terminal, &commands::man::run(page.as_deref())?),
        command => {
            let entered = enter(cli.global.directory.as_deref());
            // One that was removed under us is no reason not to find, or end, a session elsewhere.
            let gone = entered.as_ref().is_err_and(|error| !error.is::<UsageError>());
            let directory = if gone && !needs_folder(&command) { PathBuf::new() } else { entered? };
            block_on(async {
                let mut context = Context::new(terminal, directory, cli.global.json)?;
                Ok(Box::pin(run_command(&mut context, command)).await?.code())
            })
        }
    }
}

async fn run_command(context: &mut Context<'_>, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Start(args) => Box::pin(commands::start::run(context, *args)).await,
        Command::OnDemand(args) => Box::pin(commands::start::on_demand(context, *args)).await,
        Command::Cloud(args) => Box::pin(commands::cloud::run(context, *args)).await,
        Command::On(args) => commands::remote::on(context, args).await,
        Command::Off(args) => commands::remote::off(context, args).await,
        Command::Rename(args) => commands::rename::run(context, args).await,
        Command::Share(args) => commands::share::run(context, args).await,
        Command::List(args) => commands::list::run(context, args).await,
        Command::Status(target) => commands::status::run(context, target).await,
        Command::Url(target) => commands::url::run(context, target).await,
        Command::Qr(args) => commands::qr::run(context, args).await,
        Command::Logs(args) => commands::logs::run(context, args).await,
        Command::Attach(args) => commands::attach::run(context, args).await,
        Command::Send(args) => commands::send::run(context, args).await,
        Command::Answer(args) => commands::answer::run(context, args).await,
        Command::Interrupt(args) => commands::interrupt::run(context, args).await,
        Command::Diff(args) => commands::diff::run(context, args).await,
        Command::Usage(target) => commands::usage::run(context, target).await,
        Command::Undo(args) => commands::undo::run(context, args).await,
        Command::Events(args) => commands::events::run(context, args).await,
        Command::Wait(args) => commands::wait::run(context, args).await,
        Command::Stop(args) => commands::stop::run(context, args).await,
        Command::Doctor(args) => Box::pin(commands::doctor::run(context, args)).await,
        Command::Prune => commands::prune::run(context).await,
        Command::Completions { .. } | Command::Schema | Command::Man { .. } => {
            unreachable!("these run without an asynchronous runtime")
        }
    }
}

/// Goes to the folder of `-C`: relative paths in other arguments then start there, as with git.
fn enter(folder: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = folder {
        std::env::set_current_dir(folder)
            .map_err(|error| UsageError::new(format!("-C {}: {error}", folder.display()), "it takes an existing folder"))?;
    }
    std::env::current_dir()
        .context("the current folder cannot be told: was it removed? go to another one, or name one with -C DIR")
}

/// Whether a command is about the folder in which it is run; the others only look there for whose session is meant.
fn needs_folder(command: &Command) -> bool {
    match command {
        Command::Start(_) | Command::OnDemand(_) | Command::Doctor(_) => true,
        Command::Cloud(args) => args.command.is_none(),
        _ => false,
    }
}

/// Prints a text that is the data.
fn print(terminal: &mut Terminal, text: &str) -> anyhow::Result<u8> {
    terminal.print(text)?;
    Ok(Exit::Done.code())
}

fn block_on(work: impl Future<Output = anyhow::Result<u8>>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no asynchronous runtime")?;
    let result = runtime.block_on(work);
    // A stray task or a blocked read must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Says what went wrong, to people and programs.
fn fail(terminal: &mut Terminal, json: bool, error: &anyhow::Error) -> Exit {
    if error::is_closed_output(error) {
        return Exit::Done;
    }
    let mut report = Report::from(error);
    if let Some(check) = report.check() {
        report.hints.push(format!("copilot-remote doctor --probe looks into it, under {check}"));
    }
    for line in output::report_lines(&report) {
        terminal.say(&line);
    }
    if json {
        let _ = terminal.data(&output::error_line(&report));
    }
    report.exit
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::check_clock;

    #[test]
    fn a_clock_beyond_all_time_is_an_error() {
        assert!(check_clock(SystemTime::now()).is_ok());
        let at = |seconds| check_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert!(at(0).is_ok() && at(253_402_000_000).is_ok());
        for seconds in [253_402_200_000, 253_402_300_000, u64::MAX / 4] {
            assert_eq!(at(seconds).unwrap_err().to_string(), "the system's clock is beyond the year 9999: set it");
        }
    }
}
