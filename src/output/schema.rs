//! The contract of the JSON output as a JSON Schema. It is made from the types that are written. The words that a text field may have, and
//! what else a type does not say, stand as attributes at the fields; the tests check both against what commands print.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::{checks, cloud, json, table, work};

/// One schema that every line of `--json` matches, and what a hook gets.
pub(crate) fn schema() -> String {
    const PARTS: [fn(&mut SchemaGenerator) -> Vec<Schema>; 5] =
        [json::schemas, table::schemas, work::schemas, checks::schemas, cloud::schemas];
    // As they are written: a field that is null if there is no value is there all the same.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let dialect = settings.meta_schema.clone();
    let mut generator = settings.into_generator();
    let lines: Vec<Schema> = PARTS.iter().flat_map(|schemas| schemas(&mut generator)).collect();
    let document = json!({
        "$schema": dialect,
        "title": "copilot-remote, JSON contract, version 1",
        "description": "A line that copilot-remote prints with --json, or what a hook reads on its stdin. Fields may be added.",
        "oneOf": lines,
        "$defs": generator.take_definitions(true),
    });
    format!("{document:#}\n")
}
