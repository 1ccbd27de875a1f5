//! Rules for tools, in the Copilot CLI's own words: `shell(git push)`, `shell(rm:*)`, `write`.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Tool, sed, shell};

/// A tool, or some uses of one. The runtime takes a rule of any kind and ignores those that it does not know
/// (docs/copilot-cli.md, permission-rules), so only kinds that were seen to work are let through.
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
        match argument.filter(|argument| names_a_command(argument)) {
            Some(argument) => Ok(Self { kind: "shell".to_owned(), argument: Some(argument.to_owned()) }),
            None => Err("expected shell, shell(COMMAND), shell(COMMAND:*) or write; other tools cannot be named here".to_owned()),
        }
    }
}

/// Whether the argument is one command in plain words. Any other argument would match nothing.
fn names_a_command(argument: &str) -> bool {
    let stem = argument.strip_suffix(":*").unwrap_or(argument);
    let words: Vec<&str> = stem.split_whitespace().collect();
    shell::commands(stem).is_some_and(|commands| commands.len() == 1 && commands[0] == words) && !stem.contains(char::is_control)
}

/// Builtins that make other commands or variables of their words, so that a rule with `:*` would allow more than it names. `[` is
/// missing, as it is no plain word in any case.
const EVALUATING: [&str; 37] = [
    ".",
    "alias",
    "bind",
    "builtin",
    "cd",
    "command",
    "compgen",
    "complete",
    "coproc",
    "declare",
    "enable",
    "eval",
    "exec",
    "export",
    "getopts",
    "hash",
    "jobs",
    "let",
    "local",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "set",
    "shopt",
    "source",
    "test",
    "time",
    "trap",
    "typeset",
    "unalias",
    "unset",
    "wait",
    "xargs",
];

/// What changes nothing about where a path leads: in a line of these alone, words can be checked before the line runs. Not `mkdir`, `mv`,
/// `ln`, `cp`, `git` and whatever else may put a link, or a folder with one, where a later command writes.
///
/// Not `sleep` either: meanwhile, a line of another request may do so.
const STEADY: [&str; 19] = [
    "cat", "cut", "date", "diff", "echo", "false", "file", "grep", "head", "ls", "pwd", "rm", "rmdir", "stat", "tail", "touch",
    "tr", "true", "wc",
];

/// What takes away what it names.
const REMOVING: [&str; 6] = ["mv", "rm", "rmdir", "shred", "trash", "unlink"];

/// What makes up names by itself where it is given a folder. There, a symbolic link may have one of them, through which it writes.
const COPYING: [&str; 4] = ["cp", "install", "rsync", "scp"];

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

/// Whether these rules allow the use of a tool in `folder`.
///
/// The runtime's own rules for what is allowed are not used, because its rule for `touch` also lets `touch x; rm y`, `touch $(rm
/// y)` and redirections run (docs/copilot-cli.md, permission-rules). Here a line of shell is allowed if each of its commands is
/// allowed and it has nothing else in it. A rule with `:*` allows any words that follow, as long as they name no file outside the
/// folder; `write` has the same limit. Bare `shell` allows everything.
pub(crate) fn allows(rules: &[Rule], tool: &Tool, folder: &Path) -> bool {
    match tool {
        Tool::Write(files) => {
            rules.iter().any(|rule| rule.kind == "write")
                && !files.is_empty()
                && files.iter().all(|file| shell::is_inside(folder, file))
        }
        Tool::Shell(_) | Tool::OtherShell if rules.iter().any(|rule| rule.kind == "shell" && rule.argument.is_none()) => true,
        Tool::Shell(line) => shell::commands(line).is_some_and(|commands| {
            let steady = commands.len() == 1 || commands.iter().all(|words| STEADY.contains(&words[0].as_str()));
            let allowed = |words: &Vec<String>| rules.iter().any(|rule| rule.allows_command(words, folder, steady));
            commands.iter().all(|words| allowed(words) && !removes_folder(words, folder) && !makes_up_names(words, folder))
        }),
        Tool::OtherShell | Tool::Other => false,
    }
}

/// Whether a command may take the session's own folder away, which is inside of itself, or a folder around it.
fn removes_folder(words: &[String], folder: &Path) -> bool {
    let (name, more) = (words[0].as_str(), &words[1..]);
    let has = |wanted: &str| more.iter().any(|word| word == wanted);
    // With its parents, as far up as they are empty.
    let with_parents = name == "rmdir" && more.iter().any(|word| word.starts_with('-') && word.contains('p'));
    // A worktree is named by the end of its path, too.
    let worktree = name == "git" && has("worktree") && (has("remove") || has("move"));
    with_parents || worktree || REMOVING.contains(&name) && more.iter().any(|word| shell::is_folder(folder, word))
}

/// Whether a command writes to names that none of its words tells.
fn makes_up_names(words: &[String], folder: &Path) -> bool {
    COPYING.contains(&words[0].as_str()) && words[1..].iter().any(|word| shell::names_folder(folder, word))
}

impl Rule {
    /// The reason why a rule cannot be used to allow, although it could be used to deny.
    pub(crate) fn cannot_be_allowed(&self) -> Option<String> {
        let first = self.argument.as_ref()?.trim_end_matches(":*").split_whitespace().next()?;
        if cfg!(windows) {
            return Some("commands of PowerShell cannot be told apart here".to_owned());
        }
        EVALUATING.contains(&first).then(|| format!("with {first}, words can run other commands, or change what is run"))
    }

    /// `steady`: nothing in the line changes where the paths in it lead, so that looking at them beforehand tells something.
    fn allows_command(&self, words: &[String], folder: &Path, steady: bool) -> bool {
        let Some(argument) = &self.argument else { return false };
        let (stem, more) = argument.strip_suffix(":*").map_or((argument.as_str(), false), |stem| (stem, true));
        let stem: Vec<&str> = stem.split_whitespace().collect();
        if !more {
            return words == stem;
        }
        if words.len() < stem.len() || !words.iter().zip(&stem).all(|(word, stem)| word == stem) {
            return false;
        }
        let (stem, more) = words.split_at(stem.len());
        let inside = || steady && more.iter().all(|word| shell::stays_inside(folder, word));
        let hides_none = || !matches!(stem[0].as_str(), "sed" | "gsed") || sed::only_edits(&words[1..]);
        (more.is_empty() || inside()) && hides_none()
    }

    /// The rules that an approval for the session amounts to, as far as they can be given to another runtime.
    pub(super) fn approved(approval: &Value) -> Vec<Self> {
        let identifiers = approval["commandIdentifiers"].as_array().into_iter().flatten();
        match approval["kind"].as_str() {
            Some("commands") => identifiers.filter_map(|command| format!("shell({})", command.as_str()?).parse().ok()).collect(),
            Some("write") => vec![Self { kind: "write".to_owned(), argument: None }],
            _ => Vec::new(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "kind": self.kind, "argument": self.argument })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Rule, allows};
    use crate::sdk::Tool;

    #[test]
    fn exactly_what_is_named_is_allowed() {
        let rules: Vec<Rule> =
            ["shell(touch:*)", "shell(git push)", "shell(npm run:*)", "shell(cat)"].map(|rule| rule.parse().unwrap()).into();
        let allowed = |rules: &[Rule], line: &str| allows(rules, &Tool::Shell(line.to_owned()), Path::new("."));
        for line in [
            "touch a",
            "touch",
            "touch 'a b'",
            "git push",
            "touch a && touch 'b c' | cat",
            "git push && npm run",
            "npm run test --all",
        ] {
            assert!(allowed(&rules, line), "{line}");
        }
        for line in [
            "touch a; rm b",
            "touch a | sh",
            "./touch a",
            "/tmp/touch a",
            "touchy a",
            "PATH=. touch a",
            "env touch a",
            "touch ../a",
            "touch /etc/a",
            "touch ~/a",
            "git push --force",
            "git",
            "npm",
            "npm runx",
            "rm a",
            "touch a > b",
            "touch a &",
            "touch a && git push",
            "npm run && npm run x",
        ] {
            assert!(!allowed(&rules, line), "{line}");
        }
        let all: Vec<Rule> = vec!["shell".parse().unwrap()];
        assert!(allowed(&all, "anything > $(at all)") && !allows(&all, &Tool::Write(vec!["a".into()]), Path::new(".")));
        let write: Vec<Rule> = vec!["write".parse().unwrap()];
        assert!(allows(&write, &Tool::Write(vec!["src/new.rs".into()]), Path::new(".")));
        for files in [vec!["/etc/passwd"], vec!["a", "../b"], vec![".git/hooks/pre-commit"], vec![]] {
            let files: Vec<_> = files.into_iter().map(Into::into).collect();
            assert!(!allows(&write, &Tool::Write(files), Path::new(".")));
        }
        assert!(!allowed(&write, "touch a"));
        assert!(allows(&all, &Tool::OtherShell, Path::new(".")) && !allows(&rules, &Tool::OtherShell, Path::new(".")));
        assert!(!allows(&all, &Tool::Other, Path::new(".")));
    }

    /// Words are looked at before the line runs: what the line itself puts in their way, or what is behind them, is not seen.
    #[cfg(unix)]
    #[test]
    fn no_line_gets_around_the_check_of_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir(folder.join("d")).unwrap();
        std::os::unix::fs::symlink("..", folder.join("d/link")).unwrap();
        std::os::unix::fs::symlink(".", folder.join("same")).unwrap();
        let rules: Vec<Rule> = ["mv", "rm", "rmdir", "cp", "ln", "git", "touch", "sed"]
            .map(|name| format!("shell({name}:*)").parse().unwrap())
            .into();
        let allowed = |line: &str| allows(&rules, &Tool::Shell(line.to_owned()), folder);
        let own = folder.to_str().unwrap();
        for line in [
            "mv d d2",
            "rm -rf d",
            "git add .",
            "cp e d2",
            "rmdir d",
            "sed -i s/a/b/ f",
            "rm -rf d && touch e",
            &format!("rm {own}/d"),
        ] {
            assert!(allowed(line), "{line}");
        }
        for line in [
            "mv d d2; mv x d2/link/x",
            "cp -r d d2 && touch d2/link/x",
            "ln -s d d2; touch d2/link/x",
            "git checkout evil && touch link/x",
            "rm -rf .",
            "rm -rf ./",
            "rm -rf same/",
            "rmdir .",
            "mv . d2",
            &format!("rm -rf {own}"),
            &format!("rm -rf {own}/."),
            "touch a; rm -rf .",
            "rmdir -p d",
            "rmdir -vp d",
            "rmdir --parents d",
            "git worktree remove d",
            "git -c x=y worktree move d e",
            "cp e d",
            "cp -r d d2",
            "cp -td e",
            "cp --target-directory=d e",
            "sed -n 'w ../x' f",
            "sed -n w../x f",
            "sed 's/a/b/w ../x' f",
            "sed -f script f",
            "sed '1e touch x' f",
        ] {
            assert!(!allowed(line), "{line}");
        }
    }

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
            "shell(git *)",
            "shell(git commit -m \"x\")",
            "shell(cargo test && cargo fmt)",
            "shell([:*)",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text:?}");
        }
        for text in ["shell(printf:*)", "shell(cd:*)", "shell(eval x)"] {
            assert!(text.parse::<Rule>().unwrap().cannot_be_allowed().is_some(), "{text}");
        }
    }
}
