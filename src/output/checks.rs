//! The checks of `doctor`: a line a check for people, one document for programs.

use std::fmt::Write as _;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::json::{document, line_schema};
use crate::text::sanitise::sanitised;

/// One check of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) finding: Finding,
    /// What the check saw.
    pub(crate) seen: String,
    /// What to do, as hints.
    pub(crate) hints: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Finding {
    Ok,
    Warning,
    Failure,
}

/// The checks in words, with the hints below each.
pub(crate) fn checks_text(checks: &[Check]) -> String {
    let mut text = String::new();
    for Check { name, finding, seen, hints } in checks {
        let finding = match finding {
            Finding::Ok => "ok",
            Finding::Warning => "warning",
            Finding::Failure => "failure",
        };
        // What a Copilot CLI printed has several lines.
        let seen: Vec<String> = seen.lines().map(sanitised).collect();
        let _ = writeln!(text, "{finding:<8} {name}: {}", seen.join("\n         "));
        for hint in hints {
            let _ = writeln!(text, "         hint: {}", sanitised(hint));
        }
    }
    text
}

/// The checks of `doctor`, and its exit code.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "type", rename = "doctor")]
struct Checks<'a> {
    code: u8,
    checks: &'a [Check],
}

/// The checks and the exit code, for programs.
pub(crate) fn checks_document(checks: &[Check], code: u8) -> String {
    document(Checks { code, checks })
}

/// The schemas of the documents that are made here.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
    vec![line_schema::<Checks<'_>>(generator)]
}

#[cfg(test)]
mod tests {
    use super::{Check, Finding, checks_text};

    #[test]
    fn what_has_several_lines_is_shown_in_several_lines() {
        let seen = "it ended:\n  EACCES\x1b[2J".to_owned();
        let check = Check { name: "cli", finding: Finding::Failure, seen, hints: vec!["do".to_owned()] };
        assert_eq!(checks_text(&[check]), "failure  cli: it ended:\n           EACCES\\x1b[2J\n         hint: do\n");
    }
}
