//! `schema`: the JSON Schema of what `--json` prints.

use crate::output;

pub(crate) fn run() -> String {
    output::schema()
}
