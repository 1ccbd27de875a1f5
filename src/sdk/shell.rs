//! Tells which commands a line of shell runs, where that can be told for sure.

use std::path::{Component, Path, PathBuf};

/// The simple commands that bash makes of `text`, each as its words without their quotes; None where it may do anything else: expand
/// (also names of files: `lin?` may be a link that leads elsewhere), redirect, run in the background, define, nest. What is not known to
/// be harmless counts as that.
///
/// Each line is run by a bash of its own, which is not interactive (docs/copilot-cli.md, permission-shell): it has no history to expand,
/// and no line before it changed its folder.
///
/// Where bash reads another charset than UTF-8 (GBK, Big5, GB18030, Shift-JIS), a backslash can be the second half of a character, and what
/// it was to quote is none. Which charset that is depends on an environment that may not be ours, so both together count as anything.
pub(super) fn commands(text: &str) -> Option<Vec<Vec<String>>> {
    if !text.is_ascii() && text.contains('\\') {
        return None;
    }
    let mut commands = vec![Vec::new()];
    // `None` between words.
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' => commands.last_mut()?.extend(word.take()),
            ';' | '\n' | '|' | '&' => {
                let doubled = rest.next_if_eq(&character).is_some();
                if character == '&' && !doubled {
                    return None;
                }
                commands.last_mut()?.extend(word.take());
                commands.push(Vec::new());
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '\'' => break,
                        other => word.push(harmless(other)?),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '$' | '`' => return None,
                        '\\' => match rest.next()? {
                            '\n' => return None,
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', harmless(other)?]),
                        },
                        other => word.push(harmless(other)?),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next().filter(|escaped| !escaped.is_control())?),
            // A `#` could begin a comment that hides a quote, and a brace could hide a path.
            '$' | '`' | '<' | '>' | '(' | ')' | '{' | '}' | '#' | '*' | '?' | '[' => return None,
            other => word.get_or_insert_default().push(harmless(other)?),
        }
    }
    commands.last_mut()?.extend(word);
    commands.retain(|command| !command.is_empty());
    (!commands.is_empty()).then_some(commands)
}

fn harmless(character: char) -> Option<char> {
    (!character.is_control() || matches!(character, '\n' | '\t')).then_some(character)
}

/// Whether no part of a word looks like the name of a file outside `folder`. The parts are the word itself and what follows an
/// option letter (`-t..`), an `=`, a colon, a comma, an `@` or a quote.
pub(super) fn stays_inside(folder: &Path, word: &str) -> bool {
    !word.to_ascii_lowercase().contains("file:") && parts(word).all(|path| is_inside(folder, Path::new(path)))
}

fn parts(word: &str) -> impl Iterator<Item = &str> {
    let glued = word.split(['=', ':', ',', '@', '"', '\'']);
    let option = word.strip_prefix('-').filter(|option| !option.starts_with('-')).unwrap_or_default();
    let tails = option.char_indices().map(|(at, _)| &option[at..]);
    std::iter::once(word).chain(glued).chain(tails)
}

/// Whether a part of a word names a folder that is there: what is copied into it, or with it, has names that no word tells.
pub(super) fn names_folder(folder: &Path, word: &str) -> bool {
    parts(word).any(|path| !path.is_empty() && folder.join(path).is_dir())
}

/// Whether a word names the folder itself.
pub(super) fn is_folder(folder: &Path, word: &str) -> bool {
    !word.is_empty() && folder.canonicalize().is_ok_and(|own| own.join(word).canonicalize().is_ok_and(|named| named == own))
}

/// Whether a path, there or not, is inside `folder`, also where symbolic links lead elsewhere, and not git's own.
pub(super) fn is_inside(folder: &Path, path: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    // git runs files in its own folder, so writing there would run commands.
    let leads_away = |part: Component<'_>| match part {
        Component::ParentDir => true,
        Component::Normal(name) => name.eq_ignore_ascii_case(".git"),
        _ => false,
    };
    if path.components().any(leads_away) || path.to_str().is_none_or(|text| text.starts_with('~')) {
        return false;
    }
    let mut path: PathBuf = folder.join(path);
    loop {
        match path.canonicalize() {
            // A symbolic link in the folder may lead to git's own.
            Ok(real) => return real.strip_prefix(&folder).is_ok_and(|inner| !inner.components().any(leads_away)),
            // Writing through a symbolic link creates the file that it points to, also one outside.
            Err(_) if path.is_symlink() => return false,
            Err(_) if !path.pop() => return false,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{commands, stays_inside};

    #[test]
    fn simple_commands_are_read_as_bash_reads_them() {
        let read =
            |text| commands(text).map(|commands| commands.iter().map(|words| words.join("·")).collect::<Vec<_>>().join(" / "));
        for (text, expected) in [
            ("touch a", "touch·a"),
            ("  touch   a\tb  ", "touch·a·b"),
            ("touch 'a; rm b' \"c && d\"", "touch·a; rm b·c && d"),
            ("touch a\\ b \"say \\\"x\\\" \\n\"", "touch·a b·say \"x\" \\n"),
            ("touch a; rm b", "touch·a / rm·b"),
            ("git add . && git commit -m 'one\ntwo' | cat || true\nls", "git·add·. / git·commit·-m·one\ntwo / cat / true / ls"),
            ("t'ou'ch \"\"", "touch·"),
            ("touch 你 'é'", "touch·你·é"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            " ; ",
            "touch $(rm x)",
            "touch `rm x`",
            "touch \"$(rm x)\"",
            "touch \"`rm x`\"",
            "touch $HOME",
            "touch a > b",
            "touch a < b",
            "touch a & rm b",
            "touch a |& rm b",
            "(touch a)",
            "touch() { rm b; }",
            "touch {/etc,a}/b",
            "touch a\\\nrm b",
            "touch \"a\\\nb\"",
            "touch a #'\nrm b\n#'",
            "touch a #\nrm b",
            "touch 'a",
            "touch \"a",
            "touch a\\",
            "touch a\rrm b",
            "touch $'a'",
            "touch a*",
            "touch lin?/a",
            "touch [ab]",
            "touch 你\\;mkdir x",
            "touch \"你\\\"\"",
            "touch 你 \\;mkdir x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn words_that_lead_elsewhere_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir(folder.join("src")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc", folder.join("link")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/nowhere/at/all", folder.join("dangling")).unwrap();
        std::fs::create_dir_all(folder.join(".git/hooks")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(".git/hooks", folder.join("h")).unwrap();
        let inside = folder.join("src/new/file").to_str().unwrap().to_owned();
        for word in ["a", "src/a", "-m", "fix a/b", "main..feature", "HEAD~1", "-rf", ".github/x", "--out=src/x", &inside] {
            assert!(stays_inside(folder, word), "{word}");
        }
        for word in [
            "../a",
            "src/../../a",
            "/etc/passwd",
            "/",
            "~/a",
            "~root/a",
            "--out=/etc/x",
            "-o/etc/x",
            "--out=../x",
            "of=/dev/sda",
            "-t..",
            "-xvf/etc/x",
            "host:/etc",
            "@/etc/passwd",
            "f=@../x",
            "k=\"../x\"",
            "file:x",
            "x,/etc/y",
            ".git",
            "src/.git/config",
            ".GIT/hooks/x",
        ] {
            assert!(!stays_inside(folder, word), "{word}");
        }
        #[cfg(unix)]
        for word in ["link/x", "link", "dangling", "--out=link/x", "-tlink", "-x,link", "h/pre-commit", "h"] {
            assert!(!stays_inside(folder, word), "{word}");
        }
    }
}
