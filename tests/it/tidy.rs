//! Rules about the source that the compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::sandbox::files_below;

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let files = files_below(&root.join("src")).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    files.map(|path| (relative(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// Each rule: a text, and the only places where it may stand.
#[test]
fn every_concern_has_one_place() {
    let rules: [(&str, &[&str]); 7] = [
        ("github_copilot_sdk", &["src/sdk/", "src/logging.rs"]),
        ("crossterm::", &["src/terminal.rs", "src/terminal/"]),
        ("io::stdout()", &["src/terminal.rs", "src/terminal/writer.rs"]),
        ("io::stderr()", &["src/terminal.rs", "src/terminal/"]),
        ("crate::commands", &[]),
        (
            "crate::terminal",
            &[
                "src/context.rs",
                "src/view/dialogue.rs",
                "src/view/question.rs",
                "src/logging.rs",
                "src/commands/demo_runtime.rs",
                "src/commands/run_hook.rs",
            ],
        ),
        ("std::env::var", &["src/os/env.rs"]),
    ];
    for (file, content) in sources() {
        for (text, places) in rules {
            let allowed = places.iter().any(|place| file.starts_with(place));
            assert!(allowed || !content.contains(text), "{file} has {text}, which belongs to {places:?}");
        }
    }
}

/// The layers import downward only.
#[test]
fn modules_import_downward() {
    let rules: [(&str, &[&str]); 7] = [
        ("src/cli.rs", &["crate::"]),
        ("src/qr", &["crate::"]),
        ("src/sdk", &["crate::session", "crate::context", "crate::output", "crate::error", "crate::cli", "crate::repo"]),
        ("src/output", &["crate::session", "crate::context", "crate::terminal", "crate::os::state_dir"]),
        ("src/registry", &["crate::session", "crate::context", "crate::terminal", "crate::output", "crate::error"]),
        ("src/os/process_id.rs", &["crate::"]),
        ("src/demo", &["crate::"]),
    ];
    for (file, content) in sources() {
        for (place, forbidden) in rules {
            for text in forbidden.iter().filter(|_| file.starts_with(place)) {
                assert!(!content.contains(text), "{file} imports {text}");
            }
        }
    }
}

/// A panic that unwinds gives the terminal back and kills the runtime: both hang on drop.
#[test]
fn panics_unwind() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("panic ="), "Cargo.toml sets how panics end");
}

/// Every variable that is read is documented.
#[test]
fn every_variable_is_documented() {
    let man = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/copilot-remote.1")).unwrap();
    let man = man.replace("\\-", "-").replace("\\_", "_");
    for (file, content) in sources() {
        for quoted in content.split('"').skip(1).step_by(2) {
            let variable = quoted.starts_with("COPILOT_") && quoted.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            // Those by which scripts of shells and tests talk to this program.
            let internal = ["COPILOT_REMOTE_COMPLETE", "COPILOT_REMOTE_DEMO_SCRIPT", "COPILOT_REMOTE_"].contains(&quoted);
            assert!(!variable || internal || man.contains(quoted), "{file} reads {quoted}, which no man page has");
        }
    }
}
