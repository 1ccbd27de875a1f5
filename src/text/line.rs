//! One line of talk, before it is made harmless and coloured.

use serde::{Deserialize, Serialize};

/// One line of talk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) tone: Tone,
    /// Any text: the terminal makes it harmless.
    pub(crate) text: String,
}

/// What a line is for; the terminal gives it a colour, and no meaning hangs on the colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tone {
    Plain,
    Dim,
    Strong,
    Good,
    Attention,
    Error,
}

impl Line {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}
