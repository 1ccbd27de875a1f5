//! Every argument, with its help text. Imports only clap, its shells, and std, so that it stays plain data.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Start a GitHub Copilot remote session and steer it from GitHub web or mobile
///
/// A session runs here, in the current GitHub repository, and is steered through Mission Control:
/// scan the QR code with the phone, or open the link in any browser.
#[derive(Debug, Parser)]
#[command(name = "copilot-remote", version, max_term_width = 100, propagate_version = false, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Run as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,

    /// Print JSON Lines on stdout (no QR code, no colour)
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say more on stderr; twice: the SDK's log too
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// When to use colour; the default is auto
    #[arg(long, value_name = "WHEN", global = true)]
    pub(crate) color: Option<When>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a session in the current repository, with remote on
    ///
    /// Starts a Copilot session on this machine, turns remote on, prints the Mission Control URL on stdout and its QR code on
    /// stderr, and stays with the session until it ends. Permissions and questions wait for an answer in Mission Control.
    #[command(visible_alias = "local")]
    Start(Box<Start>),

    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Print a man page
    Man {
        /// The command whose page is printed; left out, the page of copilot-remote itself
        #[arg(value_parser = PAGES)]
        page: Option<String>,
    },
}

/// The commands that have a man page.
const PAGES: [&str; 3] = ["start", "completions", "man"];

/// Arguments of `start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Name the session
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,

    /// Use this model instead of the account's default
    #[arg(long, value_name = "MODEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) model: Option<String>,

    /// Send a first prompt; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT|-", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) prompt: Option<String>,

    /// What Mission Control may do: steer, only read, or nothing yet
    #[arg(long, value_name = "MODE", default_value = "on")]
    pub(crate) remote: Remote,

    /// Start without a GitHub repository
    #[arg(long)]
    pub(crate) no_repo: bool,

    /// Read a GitHub token from stdin; it signs in this session only and is stored nowhere
    #[arg(long)]
    pub(crate) token_stdin: bool,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,

    #[command(flatten)]
    pub(crate) qr: QrArgs,
}

/// Which runtime is started, and how long it may take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Runtime")]
pub(crate) struct RuntimeArgs {
    /// The Copilot CLI to run; also `COPILOT_CLI_PATH`
    #[arg(long, value_name = "PATH", conflicts_with = "demo")]
    pub(crate) copilot: Option<PathBuf>,

    /// Run against an embedded stand-in: no account, no network, no Copilot CLI
    #[arg(long)]
    pub(crate) demo: bool,

    /// The longest time until the session is ready: 90, 90s, 2m; the default is 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// How the QR code is drawn.
#[derive(Debug, Args)]
#[command(next_help_heading = "QR code")]
pub(crate) struct QrArgs {
    /// When to draw it on stderr; `always`: also where stderr is no terminal. The default is auto
    #[arg(long, value_name = "WHEN")]
    pub(crate) qr: Option<When>,

    /// The drawing: half blocks, wide or tall cells without special characters, or without colour; the default is auto
    #[arg(long, value_name = "STYLE")]
    pub(crate) qr_style: Option<QrStyle>,

    /// Swap dark and light
    #[arg(long)]
    pub(crate) qr_invert: bool,

    /// Also write it to a file: .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) qr_file: Option<PathBuf>,
}

/// auto, always or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// Decide by what the stream is
    Auto,
    /// In any case
    Always,
    /// Not at all
    Never,
}

/// The drawing forms of `--qr-style`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QrStyle {
    /// The best that fits and is readable here
    Auto,
    /// Half blocks: two modules a cell
    Half,
    /// Coloured spaces, two cells a module
    Wide,
    /// Coloured spaces, one cell a module
    Tall,
    /// Half blocks without colour
    Mono,
}

/// `--remote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Remote {
    /// Steerable: prompts and answers come from Mission Control
    On,
    /// Mission Control shows the session and cannot steer it
    Export,
    /// Not shared
    Off,
}

impl Remote {
    /// The word for it, on the command line and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Remote::On => "on",
            Remote::Export => "export",
            Remote::Off => "off",
        }
    }
}

/// `90`, `90s`, `2m`, `1h`; a plain number counts seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds: u64 = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(seconds))
        .filter(|seconds| (1..=24 * 3600).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a time from 1s to 24h, such as 90s or 2m".to_owned())
}
