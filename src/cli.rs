//! Every argument, with its help text. Imports only clap, serde and std, so that it stays plain data.

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

    /// Whole lines only, for screen readers: nothing is drawn over but what you type, and no QR code without --qr always
    #[arg(long, global = true)]
    pub(crate) plain: bool,
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

    /// Start a session that Mission Control gets only on demand
    ///
    /// The same as start, with remote off until somebody says `on`: the key r in its view, or `copilot-remote on` in any other terminal.
    /// Prints the session's id on stdout.
    OnDemand(Box<OnDemand>),

    /// Start sessions on GitHub's compute
    ///
    /// GitHub runs the session, on the repository as GitHub has it and not in this folder; this machine may be switched off. Prints its
    /// Mission Control URL on stdout and its QR code on stderr, and returns once the agent has the prompt. What is launched is GitHub's:
    /// leaving never ends it.
    Cloud(Box<Cloud>),

    /// Switch remote on for a running session
    ///
    /// Prints the Mission Control URL on stdout and its QR code on stderr, as start does.
    On(On),

    /// Switch remote off for a running session
    Off(Off),

    /// Give a running session another name
    Rename(Rename),

    /// Say who else may see a session in Mission Control
    Share(Share),

    /// List the live sessions
    List(List),

    /// Show one session
    Status(Target),

    /// Print the link of a session
    Url(Target),

    /// Print the QR code of a session's link
    Qr(Qr),

    /// Print what happened in a session, in words
    Logs(Logs),

    /// Follow a session in a live view; leaving it does not end the session
    ///
    /// Works for sessions in the background and for those in other terminals. Ctrl-C and the key d leave, x twice ends the session.
    Attach(Attach),

    /// Send a prompt to a session
    ///
    /// With --wait, stdout gets what the agent said last, once it waits for a prompt again.
    Send(Send),

    /// Print what happened in a session, as JSON Lines
    Events(Events),

    /// Wait until a session is idle, needs input, or has ended
    ///
    /// Counts from the last prompt that was accepted. Ends with 9 where input is needed and something else was waited for, and with 3
    /// where the session ended before.
    Wait(Wait),

    /// End sessions
    Stop(Stop),

    /// Check everything that makes remote fail, and say what to do
    ///
    /// Changes nothing, but that it starts a Copilot CLI of its own, and ends it again; with --probe or --fix also a session. Ends with the
    /// exit code of the first check that failed.
    Doctor(Doctor),

    /// Remove what dead sessions and runtimes left, and end runtimes that nobody uses
    Prune,

    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print a man page
    Man {
        /// The command whose page is printed; left out, the page of copilot-remote itself
        #[arg(value_parser = PAGES)]
        page: Option<String>,
    },
}

/// The commands that have a man page.
pub(crate) const PAGES: [&str; 23] = [
    "start",
    "on-demand",
    "cloud",
    "cloud-list",
    "cloud-open",
    "on",
    "off",
    "rename",
    "share",
    "list",
    "status",
    "url",
    "qr",
    "logs",
    "attach",
    "send",
    "events",
    "wait",
    "stop",
    "doctor",
    "prune",
    "completions",
    "man",
];

/// The shells that there are completion scripts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// Arguments of `start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// What Mission Control may do: steer, only read, or nothing yet; the default is on, and of a session that is resumed what it was
    #[arg(long, value_name = "MODE")]
    pub(crate) remote: Option<Remote>,

    /// Go on with a session that ended: its name, its id, or the beginning of one; left out, you are asked which of this repository's
    #[arg(long, value_name = "SESSION", num_args = 0..=1, default_missing_value = "", group = "again", conflicts_with = "worktree")]
    pub(crate) resume: Option<String>,

    /// Go on with the last session of this repository
    #[arg(long = "continue", group = "again", conflicts_with = "worktree")]
    pub(crate) continue_last: bool,

    /// Of a session that is resumed: ask for every tool again, whatever it was allowed or denied before
    #[arg(long, requires = "again", conflicts_with = "allow_all")]
    pub(crate) ask: bool,

    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// Arguments of `on-demand`.
#[derive(Debug, Args)]
pub(crate) struct OnDemand {
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// `cloud` and its own commands.
#[derive(Debug, Args)]
pub(crate) struct Cloud {
    #[command(subcommand)]
    pub(crate) command: Option<CloudCommand>,

    #[command(flatten)]
    pub(crate) launch: CloudLaunch,
}

/// What there is to do with what was launched.
#[derive(Debug, Subcommand)]
pub(crate) enum CloudCommand {
    /// List the account's tasks at GitHub
    List(CloudList),

    /// Open a task in the browser
    ///
    /// Prints its link on stdout.
    Open(CloudOpen),
}

/// Arguments of `cloud list`.
#[derive(Debug, Args)]
pub(crate) struct CloudList {
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,

    /// The longest time it may take: 90, 90s, 2m; the default is 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Arguments of `cloud open`.
#[derive(Debug, Args)]
pub(crate) struct CloudOpen {
    /// Its id, or the beginning of it, as `cloud list` shows them
    pub(crate) task: String,

    #[command(flatten)]
    pub(crate) list: CloudList,
}

/// What is to be launched.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct CloudLaunch {
    /// The repository, and its branch: owner/name, owner/name@branch, or a link; again for more tasks. The default is this folder's
    #[arg(long, value_name = "REPO", conflicts_with = "no_repo")]
    pub(crate) repo: Vec<String>,

    /// A task for each line of a file, or of stdin: owner/name, owner/name@branch, and after a tab a prompt of its own
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["repo", "no_repo"])]
    pub(crate) repos_from: Option<PathBuf>,

    /// A task without a repository
    #[arg(long)]
    pub(crate) no_repo: bool,

    /// Tell the agent what to do; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT|-", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) prompt: Option<String>,

    /// Stay, and show what happens
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Wait until the agent is done: 0 then, 1 if it failed, 9 if it needs input
    #[arg(long, conflicts_with = "follow")]
    pub(crate) wait: bool,

    #[command(flatten)]
    pub(crate) bell: BellArgs,

    /// Open the link in this machine's browser
    #[arg(long)]
    pub(crate) open: bool,

    /// How many tasks are launched at once; with --wait, how many are under way; the default is 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) jobs: Option<u8>,

    /// Launch lines that say the same as often as they do
    #[arg(long)]
    pub(crate) allow_duplicates: bool,

    /// The longest time for each task, from asking for it until it is ready: 90, 90s, 5m; the default is 2m for GitHub to create it, 1m for
    /// it to start, and 30s for the prompt
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,

    #[command(flatten)]
    pub(crate) qr: QrArgs,
}

/// What a new session is to be.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct SessionArgs {
    /// Name the session
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,

    /// Use this model instead of the account's default
    #[arg(long, value_name = "MODEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) model: Option<String>,

    /// Send a first prompt; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT|-", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) prompt: Option<String>,

    /// Let the agent use every tool without asking, but for those that are denied
    #[arg(long)]
    pub(crate) allow_all: bool,

    /// Let it use this tool without asking: shell, shell(COMMAND), shell(COMMAND:*), write; again for more
    #[arg(long, value_name = "TOOL")]
    pub(crate) allow_tool: Vec<String>,

    /// Never let it use this tool: shell, shell(COMMAND), shell(COMMAND:*), write; again for more
    #[arg(long, value_name = "TOOL")]
    pub(crate) deny_tool: Vec<String>,

    /// Run a command of the shell when something happens: ready, input, idle, ended, link-lost, link-restored, error; again for more
    ///
    /// The event is on the command's stdin, as a line of JSON, and in variables that begin with `COPILOT_REMOTE_HOOK_`. A
    /// command has 30 s, and at most 8 of an event run at once.
    #[arg(long, value_name = "EVENT=COMMAND", value_parser = hook)]
    pub(crate) hook: Vec<Hook>,

    #[command(flatten)]
    pub(crate) bell: BellArgs,

    #[command(flatten)]
    pub(crate) limit: LimitArgs,

    /// Keep the machine from going to sleep; the default is never
    #[arg(long, value_name = "WHEN")]
    pub(crate) keep_awake: Option<KeepAwake>,

    /// Work in a git worktree of this branch, next to the repository; both are made if they are not there. Left out, the branch is
    /// copilot/NAME
    #[arg(long, value_name = "BRANCH", num_args = 0..=1, default_missing_value = "", conflicts_with = "demo")]
    pub(crate) worktree: Option<String>,

    /// Return once the session is ready, and leave it running in the background
    #[arg(short, long)]
    pub(crate) detach: bool,

    /// What happens when the terminal goes away
    #[arg(long, value_name = "WHAT", default_value = "end")]
    pub(crate) on_hangup: OnHangup,

    /// Start without a GitHub repository
    #[arg(long)]
    pub(crate) no_repo: bool,

    /// Read a GitHub token from stdin; it signs in this session only and is stored nowhere
    #[arg(long, conflicts_with = "server")]
    pub(crate) token_stdin: bool,

    /// The longest time until the session is ready: 90, 90s, 2m; the default is 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,

    #[command(flatten)]
    pub(crate) qr: QrArgs,
}

/// `--keep-awake`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeepAwake {
    /// It goes to sleep as it is set to
    #[default]
    Never,
    /// While the agent works
    Busy,
    /// While remote is on, or read-only
    Remote,
}

/// For how long a session is shared.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LimitArgs {
    /// Switch remote off after this time: 90s, 30m, 2h; `on --time-limit` says another one
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) time_limit: Option<Duration>,
}

/// How a view calls for a person.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BellArgs {
    /// Ring the terminal's bell, and let it notify, when input is needed and when the agent is idle
    #[arg(long)]
    pub(crate) bell: bool,
}

/// `--hook`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Hook {
    pub(crate) event: HookEvent,
    pub(crate) command: String,
}

/// What hooks are run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HookEvent {
    /// The session is there, and shared as it was to be
    Ready,
    /// A permission, question or plan waits for a person
    Input,
    /// The agent has nothing to do any more
    Idle,
    /// The session has ended
    Ended,
    /// Mission Control does not have the session any more, against what is wanted
    LinkLost,
    /// It has it again
    LinkRestored,
    /// A turn failed, or the session
    Error,
}

impl HookEvent {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            HookEvent::Ready => "ready",
            HookEvent::Input => "input",
            HookEvent::Idle => "idle",
            HookEvent::Ended => "ended",
            HookEvent::LinkLost => "link-lost",
            HookEvent::LinkRestored => "link-restored",
            HookEvent::Error => "error",
        }
    }
}

/// `--on-hangup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnHangup {
    /// The session ends
    End,
    /// The session goes on in the background
    Detach,
}

/// Which runtime the session lives in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Runtime")]
pub(crate) struct RuntimeArgs {
    /// The Copilot CLI to run; also `COPILOT_CLI_PATH`
    #[arg(long, value_name = "PATH", conflicts_with = "demo")]
    pub(crate) copilot: Option<PathBuf>,

    /// Run against an embedded stand-in: no account, no network, no Copilot CLI
    #[arg(long)]
    pub(crate) demo: bool,

    /// Start a Copilot CLI for this session alone, also where a live one could be shared
    #[arg(long)]
    pub(crate) isolated: bool,

    /// Use a Copilot CLI that listens already (`copilot --server`), on this machine only; its token: `COPILOT_CONNECTION_TOKEN`
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["copilot", "demo", "isolated"])]
    pub(crate) server: Option<String>,
}

/// How long switching may take.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TimeoutArgs {
    /// The longest time until it is switched: 90, 90s, 2m; the default is 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Which session.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Its name, its id, or the beginning of one; left out, the only live session of this repository, or of this machine
    pub(crate) session: Option<String>,
}

/// Arguments of `on`.
#[derive(Debug, Args)]
pub(crate) struct On {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Mission Control shows the session and cannot steer it
    #[arg(long)]
    pub(crate) export: bool,

    /// Share a session that has no GitHub repository
    #[arg(long)]
    pub(crate) no_repo: bool,

    #[command(flatten)]
    pub(crate) limit: LimitArgs,

    #[command(flatten)]
    pub(crate) timeout: TimeoutArgs,

    #[command(flatten)]
    pub(crate) qr: QrArgs,
}

/// Arguments of `off`.
#[derive(Debug, Args)]
pub(crate) struct Off {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) timeout: TimeoutArgs,
}

/// Arguments of `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// Its name, its id, or the beginning of one
    pub(crate) session: String,

    /// The new name
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: String,
}

/// Arguments of `share`.
#[derive(Debug, Args)]
pub(crate) struct Share {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Who
    #[arg(long, value_name = "WHO")]
    pub(crate) visibility: Visible,
}

/// `--visibility`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Visible {
    /// Whoever can read the repository
    Repo,
    /// You, and those who work on it
    Unshared,
}

impl Visible {
    /// The runtime's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Visible::Repo => "repo",
            Visible::Unshared => "unshared",
        }
    }
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Show it again whenever it changes
    #[arg(long)]
    pub(crate) watch: bool,

    /// Also those that ended and can be resumed, of all repositories
    #[arg(long, conflicts_with = "watch")]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
}

/// Arguments of `qr`.
#[derive(Debug, Args)]
pub(crate) struct Qr {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) qr: QrArgs,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Go on until the session ends
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// Arguments of `attach`.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) bell: BellArgs,

    #[command(flatten)]
    pub(crate) qr: QrArgs,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The prompt; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT|-", required = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) prompt: String,

    /// Wait until the agent is done with it: 0 then, 1 if the turn failed, 9 if it needs input
    #[arg(long)]
    pub(crate) wait: bool,

    /// The longest time until it is sent, or with --wait until the agent is done; the default is 60s, with --wait none
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Arguments of `events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Go on until the session ends
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Where to begin
    #[arg(long, value_name = "WHEN", default_value = "start")]
    pub(crate) from: From,
}

/// `--from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// At the session's start
    Start,
    /// With what happens from now on
    Now,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) target: Target,

    /// What to wait for
    #[arg(long = "for", value_name = "WHAT", default_value = "idle")]
    pub(crate) what: Awaited,

    /// The longest time to wait: 90, 90s, 2m; left out, as long as it takes
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// `--for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Awaited {
    /// The agent has nothing to do
    Idle,
    /// A permission, question or plan waits for a person
    Input,
    /// The session has ended
    Ended,
}

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Names, ids, or beginnings of them; left out, the only live session of this repository, or of this machine
    #[arg(conflicts_with = "all")]
    pub(crate) sessions: Vec<String>,

    /// End all of them, and the runtimes that nobody uses
    #[arg(long)]
    pub(crate) all: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Create a session, share it, and close it: some refusals show only there
    #[arg(long)]
    pub(crate) probe: bool,

    /// Mend what is safe to mend: ask GitHub for the account anew, end what nobody uses, take access to the state folder from others
    #[arg(long)]
    pub(crate) fix: bool,

    /// The longest time for each check: 90, 90s, 2m; the default is 30s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
}

/// How the QR code is drawn.
#[derive(Debug, Default, PartialEq, Eq, Args)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// `input=COMMAND`.
fn hook(text: &str) -> Result<Hook, String> {
    let events = || HookEvent::value_variants().iter().map(|event| event.word()).collect::<Vec<_>>().join(", ");
    let (event, command) = text.split_once('=').unwrap_or((text, ""));
    let event =
        HookEvent::from_str(event, false).map_err(|_| format!("expected EVENT=COMMAND, with an event of {}", events()))?;
    check_command(command).map_err(|why| format!("{why}; expected {}=COMMAND", event.word()))?;
    Ok(Hook { event, command: command.to_owned() })
}

/// Whether a hook can be run.
pub(crate) fn check_command(command: &str) -> Result<(), &'static str> {
    match command.trim() {
        "" => Err("there is no command"),
        _ if command.len() > 16 * 1024 => Err("the command is too long: put it into a script"),
        _ => Ok(()),
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
