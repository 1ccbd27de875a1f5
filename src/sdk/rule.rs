//! Rules for tools, in the Copilot CLI's own words: `shell(git push)`, `shell(rm:*)`, `write`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A tool, or some uses of one. The runtime takes any kind and ignores those that it does not know (measured), so only those are let through
/// that were seen to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Rule {
    kind: String,
    argument: Option<String>,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "write" {
            return Ok(Self { kind: "write".to_owned(), argument: None });
        }
        if text == "shell" {
            return Ok(Self { kind: "shell".to_owned(), argument: None });
        }
        let argument = text.strip_prefix("shell(").and_then(|rest| rest.strip_suffix(')')).map(str::trim);
        match argument.filter(|argument| !matches!(*argument, "" | ":*") && !argument.chars().any(char::is_control)) {
            Some(argument) => Ok(Self { kind: "shell".to_owned(), argument: Some(argument.to_owned()) }),
            None => Err("expected shell, shell(COMMAND), shell(COMMAND:*) or write; other tools cannot be named here".to_owned()),
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(argument) => write!(f, "{}({argument})", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

impl Rule {
    pub(super) fn to_json(&self) -> Value {
        json!({ "kind": self.kind, "argument": self.argument })
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn only_what_is_known_to_work_is_a_rule() {
        for text in ["shell", "write", "shell(rm:*)", "shell(git push)"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "Shell",
            "shell(",
            "shell()",
            "shell(:*)",
            "url(example.com)",
            "github-mcp(create_issue)",
            "write(x)",
            "shell(a\nb)",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text:?}");
        }
    }
}
