//! The sharing key: all that has to be the same for two sessions to share a runtime.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::os::{env, private_file};
use crate::registry::Subject;
use crate::sdk::Cli;

/// The CLI, the account, the namespaces, and the environment that the tools of a session see. Proxy, certificate, GitHub host,
/// tokens and `COPILOT_HOME` are variables of that environment.
pub(super) fn subjects(cli: &Cli) -> Vec<Subject> {
    let subject = |name: &str, value: Vec<u8>| Subject { name: name.to_owned(), value };
    let mut subjects = vec![
        subject("the Copilot CLI", file_identity(&cli.program)),
        subject("the stand-in", vec![cli.demo.into()]),
        subject("the stored sign-in", stored_sign_in()),
        subject("the network namespace", namespace("net")),
        subject("the mount namespace", namespace("mnt")),
    ];
    let bytes = |text: OsString| text.into_encoded_bytes();
    subjects.extend(
        env::for_runtimes().map(|(name, value)| Subject { name: name.to_string_lossy().into_owned(), value: bytes(value) }),
    );
    subjects
}

/// Which file the CLI is, and which version of the file: after an update in place it is another one.
fn file_identity(program: &Path) -> Vec<u8> {
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let mut identity = real.clone().into_os_string().into_encoded_bytes();
    if let Ok(found) = real.metadata() {
        let modified = found.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        identity.extend(format!("\0{}\0{}", found.len(), modified.as_nanos()).into_bytes());
    }
    identity
}

/// Where the CLI keeps who is signed in, and the file of gh, where it looks next.
fn stored_sign_in() -> Vec<u8> {
    let home = std::env::home_dir().unwrap_or_default();
    let folder = |variable: &str| env::get_os(variable).map(PathBuf::from);
    let copilot = folder("COPILOT_HOME").unwrap_or_else(|| home.join(".copilot"));
    let gh =
        folder("GH_CONFIG_DIR").unwrap_or_else(|| folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("gh"));
    let read = |file: &Path| private_file::read_followed(file, private_file::SMALL).unwrap_or_default();
    // The file comes with the first start: without it, it is as if nobody had signed in.
    let mut found = accounts(&read(&copilot.join("config.json")));
    found.extend(read(&gh.join("hosts.yml")));
    found
}

/// The part of the CLI's settings that says who is signed in. The other settings change as the CLI is used. Comments are lines of
/// their own (docs/copilot-cli.md, sign-in-settings).
fn accounts(settings: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(settings);
    let json: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let settings: Value = serde_json::from_str(&json).unwrap_or_default();
    format!("{} {}", settings["loggedInUsers"], settings["lastLoggedInUser"]).into_bytes()
}

/// The namespace of this process. Sessions in another container can reach neither our loopback nor our files.
fn namespace(kind: &str) -> Vec<u8> {
    fs::read_link(format!("/proc/self/ns/{kind}")).map(|link| link.into_os_string().into_encoded_bytes()).unwrap_or_default()
}
