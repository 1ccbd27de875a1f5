//! Rules about the source that the compiler does not know.

use std::collections::{BTreeMap, BTreeSet};
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
        ("std::env::var", &["src/os/env.rs", "src/session/core/simulation.rs"]),
    ];
    for (file, content) in sources() {
        for (text, places) in rules {
            let allowed = places.iter().any(|place| file.starts_with(place));
            assert!(allowed || !content.contains(text), "{file} has {text}, which belongs to {places:?}");
        }
    }
}

/// The modules of the top level, and what each of them imports outside of its tests. `session::core` is a module of its own: it is the
/// pure part of the folder.
fn imports() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut imports: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (file, content) in sources() {
        let module = module_of(&file);
        // `lib.rs` and `main.rs` stand above all of them; tests may look anywhere.
        if matches!(module.as_str(), "lib" | "main" | "fuzz_tests") {
            continue;
        }
        let code = content.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let found = imports.entry(module.clone()).or_default();
        for path in
            code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| line.split("crate::").skip(1))
        {
            let other = if path.starts_with("session::core") { "session::core" } else { first_word(path) };
            if !other.is_empty() && other != module {
                found.entry(other.to_owned()).or_default().insert(file.clone());
            }
        }
    }
    imports
}

fn module_of(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    if path.starts_with("session/core") { "session::core".to_owned() } else { path.split('/').next().unwrap().to_owned() }
}

fn first_word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

/// The layers, from the ground up: each module stands one above the highest one that it imports. What is left imports in a circle.
fn layers() -> Result<Vec<Vec<String>>, String> {
    let mut left = imports();
    let mut layers: Vec<Vec<String>> = Vec::new();
    while !left.is_empty() {
        let placed: BTreeSet<&String> = layers.iter().flatten().collect();
        let floor: Vec<String> = left
            .iter()
            .filter(|(_, imported)| imported.keys().all(|other| placed.contains(other) || !left.contains_key(other)))
            .map(|(module, _)| module.clone())
            .collect();
        if floor.is_empty() {
            let arrows = left.iter().flat_map(|(module, imported)| {
                let upward = imported.iter().filter(|(other, _)| left.contains_key(*other));
                upward.map(move |(other, files)| format!("  {module} imports {other} in {files:?}"))
            });
            return Err(arrows.collect::<Vec<_>>().join("\n"));
        }
        left.retain(|module, _| !floor.contains(module));
        layers.push(floor);
    }
    Ok(layers)
}

/// No modules import each other in a circle, so that imports run downward; `docs/architecture.md` draws the layers as they are.
#[test]
fn modules_import_downward() {
    let layers = layers().unwrap_or_else(|arrows| panic!("these modules import each other in a circle:\n{arrows}"));
    let drawing: Vec<String> = layers.iter().rev().map(|layer| layer.join("  ")).collect();
    let drawing = format!("```text\n{}\n```", drawing.join("\n"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("<!-- layers -->\n").expect("docs/architecture.md marks where the layers stand");
    let (_, after) = rest.split_once("\n<!-- end of layers -->").expect("docs/architecture.md marks where the layers end");
    let expected = format!("{before}<!-- layers -->\n{drawing}\n<!-- end of layers -->{after}");
    if text != expected {
        fs::write(&file, &expected).unwrap();
        panic!("docs/architecture.md did not show the layers as they are; it was written anew: look at it, and commit it");
    }
}

/// The rules of a session are pure: they read no clock, do no input or output, and wait for nothing.
#[test]
fn the_core_is_pure() {
    let forbidden = [
        "tokio",
        "async ",
        ".await",
        "std::fs",
        "std::io",
        "std::net",
        "std::process",
        "std::env",
        "::now()",
        "crate::os",
        "crate::terminal",
        "crate::context",
        "Registry",
        "SystemTime",
    ];
    let is_core =
        |file: &str| file.starts_with("src/session/core") && !file.ends_with("/tests.rs") && !file.ends_with("/simulation.rs");
    let pure: Vec<_> = sources().into_iter().filter(|(file, _)| is_core(file)).collect();
    assert!(pure.len() > 3, "the core is not where it was");
    for (file, content) in pure {
        let code = content.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        for text in forbidden {
            let line = code.lines().find(|line| !line.trim_start().starts_with("//") && line.contains(text));
            assert_eq!(line, None, "{file} is not pure: {text}");
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
            let internal = ["COPILOT_REMOTE_COMPLETE", "COPILOT_REMOTE_DEMO_SCRIPT", "COPILOT_REMOTE_"].contains(&quoted)
                || quoted.starts_with("COPILOT_REMOTE_SIMULATION_");
            assert!(!variable || internal || man.contains(quoted), "{file} reads {quoted}, which no man page has");
        }
    }
}
