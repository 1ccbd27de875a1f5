//! The environment: every variable that is read, and those that a runtime must not inherit.

use std::ffi::OsString;
use std::path::PathBuf;

/// The names that this program reads, with their meaning; the man pages print this list.
pub(crate) const DOCUMENTED: [(&str, &str); 19] = [
    (COPILOT_CLI_PATH, "The Copilot CLI to run; --copilot wins over it."),
    (
        "COPILOT_GITHUB_TOKEN, GH_TOKEN, GITHUB_TOKEN",
        "Tokens, in the order in which the Copilot CLI takes them; without one it uses its stored login.",
    ),
    (
        "COPILOT_GH_HOST, GH_HOST",
        "The GitHub host, in this order; github.com without either. Links to another host are not shown.",
    ),
    (STATE_DIR, "The folder for the registry and logs, instead of the platform's state folder."),
    (CONFIG, "The config file, instead of config.toml in the platform's config folder."),
    (CONNECTION_TOKEN, "The token of the runtime that --server names."),
    (TIMEOUT, "Default of --timeout."),
    (QR, "Default of --qr."),
    (QR_STYLE, "Default of --qr-style."),
    (COLOR, "Default of --color."),
    (PLAIN, "Not empty and not 0: as --plain."),
    (KEEP_AWAKE, "Default of --keep-awake."),
    (
        "COPILOT_REMOTE_HOOK_EVENT, COPILOT_REMOTE_HOOK_SESSION, COPILOT_REMOTE_HOOK_NAME, COPILOT_REMOTE_HOOK_URL, \
         COPILOT_REMOTE_HOOK_REPOSITORY, COPILOT_REMOTE_HOOK_MESSAGE",
        "Are set for hooks. A session that a hook starts runs no hooks of the config file.",
    ),
    ("NO_COLOR", "Not empty: no colour, unless --color=always. The QR code is then drawn without colour."),
    ("CLICOLOR_FORCE", "Not empty and not 0: colour also where the stream is no terminal."),
    ("TERM", "dumb or unset: no colour, no QR code, no keys."),
    ("LC_ALL, LC_CTYPE, LANG", "The first that is set tells whether the terminal shows UTF-8."),
    ("HTTPS_PROXY, NO_PROXY, NODE_EXTRA_CA_CERTS, SSL_CERT_FILE", "Are the Copilot CLI's: how it reaches GitHub."),
    ("COPILOT_HOME", "Is the Copilot CLI's: where it keeps its login and sessions."),
];

pub(crate) const COPILOT_CLI_PATH: &str = "COPILOT_CLI_PATH";
pub(crate) const TIMEOUT: &str = "COPILOT_REMOTE_TIMEOUT";
pub(crate) const QR: &str = "COPILOT_REMOTE_QR";
pub(crate) const QR_STYLE: &str = "COPILOT_REMOTE_QR_STYLE";
pub(crate) const KEEP_AWAKE: &str = "COPILOT_REMOTE_KEEP_AWAKE";
pub(crate) const COLOR: &str = "COPILOT_REMOTE_COLOR";
pub(crate) const PLAIN: &str = "COPILOT_REMOTE_PLAIN";
pub(crate) const CONFIG: &str = "COPILOT_REMOTE_CONFIG";
/// Set for hooks: what happened.
pub(crate) const HOOK_EVENT: &str = "COPILOT_REMOTE_HOOK_EVENT";
pub(crate) const STATE_DIR: &str = "COPILOT_REMOTE_STATE_DIR";
/// The runtime's own: how a client shows that it may connect.
pub(crate) const CONNECTION_TOKEN: &str = "COPILOT_CONNECTION_TOKEN";
/// Tests only: what the stand-in runtime plays instead of the built-in demo.
pub(crate) const DEMO_SCRIPT: &str = "COPILOT_REMOTE_DEMO_SCRIPT";

/// Those that hold a token for GitHub, in the order in which the Copilot CLI takes them.
pub(crate) const TOKENS: [&str; 3] = ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"];

/// The variables that hold a token of a kind that the Copilot CLI passes over without a word: a classic one (`ghp_`), or that of a workflow
/// of Actions (`ghs_`).
pub(crate) fn passed_over() -> Vec<&'static str> {
    TOKENS.into_iter().filter(|name| get(name).is_some_and(|token| is_passed_over(&token))).collect()
}

fn is_passed_over(token: &str) -> bool {
    ["ghp_", "ghs_"].iter().any(|kind| token.starts_with(kind))
}

/// The value of a variable; an empty one counts as not set.
pub(crate) fn get_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The value of a variable, if it is Unicode and not empty.
pub(crate) fn get(name: &str) -> Option<String> {
    get_os(name).and_then(|value| value.into_string().ok())
}

/// This very program, also where its file was replaced meanwhile, by an update.
pub(crate) fn own_program() -> std::io::Result<PathBuf> {
    let itself = PathBuf::from("/proc/self/exe");
    if itself.exists() { Ok(itself) } else { std::env::current_exe() }
}

/// The host that links are expected on, in lower case: `github.com` or a GHE host.
pub(crate) fn github_host() -> String {
    get("COPILOT_GH_HOST").or_else(|| get("GH_HOST")).map_or_else(|| "github.com".to_owned(), |host| host_of(&host))
}

/// The host in `octo.ghe.com` or `https://octo.ghe.com/`: the Copilot CLI takes both (docs/copilot-cli.md, sign-in-host).
pub(crate) fn host_of(text: &str) -> String {
    let text = text.strip_prefix("https://").unwrap_or(text);
    text.split('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// The variables of this environment that a runtime does not get: our own, and those that belong to one terminal, pane, tab or desktop
/// session.
///
/// A runtime outlives the terminal that started it and serves sessions of others: a tool that acted on these would act on a
/// stranger's pane. Removed from the runtime's environment, where every tool of every session would see them.
pub(crate) fn not_for_runtimes() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(is_not_for_runtimes)
}

/// The variables that a runtime gets, with their values: what the tools of its sessions see.
pub(crate) fn for_runtimes() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !is_not_for_runtimes(name))
}

fn is_not_for_runtimes(name: &OsString) -> bool {
    let ours = |name: &str| (name.starts_with("COPILOT_REMOTE_") && name != DEMO_SCRIPT) || name == CONNECTION_TOKEN;
    name.to_str().is_some_and(|name| ours(name) || is_per_terminal(name))
}

fn is_per_terminal(name: &str) -> bool {
    const NAMES: [&str; 39] = [
        "_",
        "ALACRITTY_WINDOW_ID",
        "COLORTERM",
        "COLUMNS",
        "DESKTOP_STARTUP_ID",
        "GIO_LAUNCHED_DESKTOP_FILE",
        "GIO_LAUNCHED_DESKTOP_FILE_PID",
        "GNOME_TERMINAL_SCREEN",
        "GNOME_TERMINAL_SERVICE",
        "GPG_TTY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "KONSOLE_DBUS_SESSION",
        "KONSOLE_DBUS_WINDOW",
        "LINES",
        "OLDPWD",
        "PWD",
        "SESSION_MANAGER",
        "SHELL_SESSION_ID",
        "SHLVL",
        "SSH_TTY",
        "STY",
        "SYSTEMD_EXEC_PID",
        "TERM",
        "TERMCAP",
        "TERMINAL_EMULATOR",
        "TILIX_ID",
        "TMUX",
        "TMUX_PANE",
        "WEZTERM_PANE",
        "WINDOW",
        "WINDOWID",
        "WSL_INTEROP",
        "WT_PROFILE_ID",
        "WT_SESSION",
        "XDG_ACTIVATION_TOKEN",
        "XDG_SEAT",
        "XDG_SESSION_ID",
        "XDG_VTNR",
    ];
    const PREFIXES: [&str; 9] =
        ["ITERM_", "KITTY_", "SSH_CLIENT", "SSH_CONNECTION", "TERM_", "VSCODE_", "VTE_", "WEZTERM_", "ZELLIJ"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::{is_passed_over, is_per_terminal};

    #[test]
    fn tokens_that_the_cli_does_not_take_are_told_from_others() {
        for (token, passed_over) in
            [("ghp_x", true), ("ghs_x", true), ("gho_x", false), ("ghu_x", false), ("github_pat_x", false), ("", false)]
        {
            assert_eq!(is_passed_over(token), passed_over, "{token}");
        }
    }

    #[test]
    fn terminal_variables_are_told_from_the_users_own() {
        for name in ["TMUX", "TMUX_PANE", "TERM", "TERM_PROGRAM", "SSH_CONNECTION", "WINDOWID", "_", "PWD"] {
            assert!(is_per_terminal(name), "{name}");
        }
        for name in [
            "TERMINFO_DIRS",
            "TMUX_TMPDIR",
            "PATH",
            "HOME",
            "SSH_AUTH_SOCK",
            "DISPLAY",
            "LANG",
            "GH_TOKEN",
            "HTTPS_PROXY",
            "XDG_STATE_HOME",
        ] {
            assert!(!is_per_terminal(name), "{name}");
        }
    }
}
