//! `copilot-remote`: start a GitHub Copilot remote session and steer it from the phone.
//!
//! [`run`] is the whole program. Modules import downward: `commands` → `host` → `sdk`, `output`, `qr`, `repo` → `error`.

mod cli;
mod commands;
mod context;
mod demo;
mod env;
mod error;
mod help;
mod host;
mod link;
mod logging;
mod output;
mod paths;
mod qr;
mod repo;
mod sdk;
mod settings;
mod shutdown;
mod terminal;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::FromArgMatches as _;

use cli::{Cli, Command};
use context::Context;
use error::{Exit, Report, UsageError};
use output::{Line, Tone};
use shutdown::Shutdown;
use terminal::Terminal;

/// Runs the program with its arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_some_and(|argument| argument == sdk::DEMO_RUNTIME) {
        return demo_runtime();
    }
    let asked_for_json = arguments.iter().any(|argument| argument == "--json");
    let parsed = help::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_parsed(&error, asked_for_json)),
    };
    logging::init(cli.global.verbose);
    let json = cli.global.json;
    let color = settings::setting(cli.global.color, env::COLOR, settings::word);
    let color_or_auto = color.as_ref().ok().copied().flatten().unwrap_or(cli::When::Auto);
    let mut terminal = Terminal::new(color_or_auto, cli.global.quiet, cli.global.verbose > 0);
    if let Err(error) = color {
        return ExitCode::from(fail(&mut terminal, json, &error.into()).code());
    }
    let code = dispatch(cli, &mut terminal).unwrap_or_else(|error| fail(&mut terminal, json, &error).code());
    ExitCode::from(code)
}

/// Help and version, which go to stdout with 0, and arguments that are wrong.
fn not_parsed(error: &clap::Error, json: bool) -> u8 {
    let _ = error.print();
    let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code());
    if json && error.use_stderr() {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let report = Report { exit: Exit::Usage, reason: "usage", message, hints: vec!["see --help".to_owned()] };
        let _ = Terminal::new(cli::When::Never, false, false).data(&output::error_line(&report));
    }
    code
}

/// Not a command that people type, so no completion and no help may show it: `--demo` starts it, with the real CLI's arguments.
fn demo_runtime() -> ExitCode {
    let mut terminal = Terminal::new(cli::When::Never, false, false);
    let code =
        block_on(commands::demo_runtime::run(&mut terminal)).unwrap_or_else(|error| fail(&mut terminal, false, &error).code());
    ExitCode::from(code)
}

/// The exit code of the command.
fn dispatch(cli: Cli, terminal: &mut Terminal) -> anyhow::Result<u8> {
    match cli.command {
        // Without an asynchronous runtime: shells run these at every start.
        Command::Completions { shell } => print(terminal, &commands::completions::run(shell)),
        Command::Man { page } => print(terminal, &commands::man::run(page.as_deref())?),
        Command::Start(args) => {
            let directory = enter(cli.global.directory.as_deref())?;
            block_on(async {
                let shutdown = Shutdown::listen().context("signals cannot be listened to")?;
                let mut context = Context { terminal, shutdown, directory, json: cli.global.json };
                Ok(commands::start::run(&mut context, *args).await?.code())
            })
        }
    }
}

/// Goes to the folder of `-C`: relative paths in other arguments then start there, as with git.
fn enter(folder: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = folder {
        std::env::set_current_dir(folder)
            .map_err(|error| UsageError::new(format!("-C {}: {error}", folder.display()), "it takes an existing folder"))?;
    }
    std::env::current_dir().context("the current folder cannot be told")
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
    if host::is_closed_output(error) {
        return Exit::Done;
    }
    let report = Report::from(error);
    let mut lines = report.message.lines();
    terminal.say(&Line::new(Tone::Error, format!("error: {}", lines.next().unwrap_or_default())));
    for line in lines {
        terminal.say(&Line::new(Tone::Plain, line));
    }
    for hint in &report.hints {
        terminal.say(&Line::new(Tone::Plain, format!("hint: {hint}")));
    }
    if json {
        let _ = terminal.data(&output::error_line(&report));
    }
    report.exit
}
