//! Every argument, with its help text. Imports only clap, serde and std, so that it stays plain data.

pub(crate) mod config;
pub(crate) mod help;
pub(crate) mod input;
pub(crate) mod settings;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{Hook, HookEvent, KeepAwake, Remote, When};

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

    /// Answer what a session waits for
    ///
    /// A permission, a question, a plan, a form, another model after a rate limit, a sign-in of an MCP server. Without an answer, what waits
    /// is listed. Where several wait, --request says which one is meant. Ends with 3 where nothing waits.
    Answer(Answer),

    /// Break off what the agent is at; the session goes on
    ///
    /// Prompts that wait for their turn are dropped with it.
    Interrupt(Interrupt),

    /// Print what a session changed, as a patch
    ///
    /// Against the last commit, unless an option says otherwise.
    Diff(Diff),

    /// Show what a session used: tokens, requests, context, and what is left of the account's quota
    Usage(Target),

    /// Take back what was done since a prompt: the conversation, and the files that the agent changed
    ///
    /// Shows what would change and asks, unless --yes says so before. Files that somebody else changed since are left as they are.
    Undo(Undo),

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

    /// Print the JSON Schema of what --json prints
    ///
    /// Each line that a command prints with --json matches it, and so does what a hook gets. It is made from the types that are written,
    /// so it is the contract of this version of the program.
    Schema,

    /// Print a man page
    Man {
        /// The command whose page is printed; left out, the page of copilot-remote itself
        #[arg(value_parser = PAGES)]
        page: Option<String>,
    },
}

/// The commands that have a man page.
pub(crate) const PAGES: [&str; 29] = [
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
    "answer",
    "interrupt",
    "diff",
    "usage",
    "undo",
    "events",
    "wait",
    "stop",
    "doctor",
    "prune",
    "completions",
    "schema",
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

    /// Use this model instead of the one of your settings
    #[arg(long, value_name = "MODEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) model: Option<String>,

    /// The model's reasoning effort: low, medium, high, and what else it has
    #[arg(long, visible_alias = "reasoning-effort", value_name = "LEVEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) effort: Option<String>,

    /// Use this custom agent, of yours or of the repository
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) agent: Option<String>,

    /// What the agent is to do: answer and ask, plan first, or go on by itself
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    /// Let the session use this folder, too; again for more
    #[arg(long, value_name = "DIR")]
    pub(crate) add_dir: Vec<PathBuf>,

    /// Start the MCP servers of this file, too, which is written as ~/.copilot/mcp-config.json; again for more
    #[arg(long, alias = "additional-mcp-config", value_name = "FILE")]
    pub(crate) mcp_config: Vec<PathBuf>,

    /// Leave out custom instructions: AGENTS.md and the like, and your own
    #[arg(long)]
    pub(crate) no_custom_instructions: bool,

    /// Trust the folder for this session: hooks and MCP servers of its repository run, as you
    #[arg(long)]
    pub(crate) trust: bool,

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

/// `--mode`, in the Copilot CLI's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// It works, and asks
    Interactive,
    /// It makes a plan, which you approve
    Plan,
    /// It goes on by itself until it is done
    Autopilot,
}

impl Mode {
    /// The runtime's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Mode::Interactive => "interactive",
            Mode::Plan => "plan",
            Mode::Autopilot => "autopilot",
        }
    }
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

    /// Send this file or folder along: an image as an image; again for more
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,

    /// What the agent is to do with this prompt
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    /// Wait until the agent is done with it: 0 then, 1 if the turn failed, 9 if it needs input
    #[arg(long)]
    pub(crate) wait: bool,

    /// The longest time until it is sent, or with --wait until the agent is done; the default is 60s, with --wait none
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Arguments of `answer`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("said").args(["allow", "allow_session", "deny", "text", "words", "list"]))]
pub(crate) struct Answer {
    #[command(flatten)]
    pub(crate) target: Target,

    /// An answer in words, after the session: to a question, a choice or your own words; what is filled into a form
    #[arg(value_name = "TEXT")]
    pub(crate) words: Option<String>,

    /// Allow it once; approve a plan; switch to another model
    #[arg(long)]
    pub(crate) allow: bool,

    /// Allow it, and what is like it, for the rest of the session
    #[arg(long)]
    pub(crate) allow_session: bool,

    /// Deny it: the turn is broken off, or goes on where the agent is told why
    #[arg(long, value_name = "WHY", num_args = 0..=1, default_missing_value = "")]
    pub(crate) deny: Option<String>,

    /// An answer in words, where the only session is meant; `-` reads it from stdin
    #[arg(long, value_name = "TEXT|-", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) text: Option<String>,

    /// Only list what waits, with the ids
    #[arg(long)]
    pub(crate) list: bool,

    /// Which request is meant: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,

    /// The longest time until it is answered; the default is 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Arguments of `interrupt`.
#[derive(Debug, Args)]
pub(crate) struct Interrupt {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The longest time until the agent has stopped; the default is 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Against the repository's default branch
    #[arg(long, conflicts_with = "since_start")]
    pub(crate) branch: bool,

    /// What the session itself changed, since it began
    #[arg(long = "session")]
    pub(crate) since_start: bool,
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The prompt that is taken back, with all that came after it: its id, or the beginning of it; the default is the last one
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<String>,

    /// Only list the prompts that can be taken back
    #[arg(long, conflicts_with_all = ["to", "yes"])]
    pub(crate) list: bool,

    /// Leave the files as they are
    #[arg(long)]
    pub(crate) keep_files: bool,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
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
