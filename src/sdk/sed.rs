//! Which words of `sed` only edit: its scripts can also write and read files, and run commands, with names that no check of words sees.

/// Options without a value, each a word of its own.
const PLAIN: [&str; 9] = ["-n", "-i", "-E", "-r", "-s", "-u", "-z", "--quiet", "--in-place"];

/// Whether `words`, those after the name, have scripts of the plainest kinds alone. What is not known to be plain counts as none.
pub(super) fn only_edits(words: &[String]) -> bool {
    let mut scripts = Vec::new();
    let mut others = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-e" => match words.next() {
                Some(script) => scripts.push(script),
                None => return false,
            },
            // Elsewhere than on Linux it takes the next word for the ending of a copy, and the one after that for the script.
            "-i" if !cfg!(target_os = "linux") => return false,
            word if PLAIN.contains(&word) => {}
            word if word.starts_with('-') => return false,
            word => others.push(word),
        }
    }
    // Without -e the first word is the script.
    if scripts.is_empty() {
        scripts.extend(others.first());
    }
    !scripts.is_empty() && scripts.into_iter().all(is_plain)
}

/// One of `p`, `d`, `q`, `=` and `s`, behind one or two addresses.
fn is_plain(script: &str) -> bool {
    let command = script.trim_start_matches(|part: char| part.is_ascii_digit() || part == '$' || part == ',');
    // An address that is a pattern; one with a slash in it could end elsewhere.
    let command = match command.strip_prefix('/').map(|pattern| pattern.split_once('/')) {
        Some(Some((pattern, command))) if !pattern.contains(['\\', '[', '\n']) => command,
        Some(_) => return false,
        None => command,
    };
    match command.strip_prefix('s') {
        Some(substitution) => only_substitutes(substitution),
        None => matches!(command, "p" | "d" | "q" | "="),
    }
}

/// `/a/b/` with flags that write nothing and run nothing. With three delimiters exactly, none of them escaped, there is one way to read it.
fn only_substitutes(text: &str) -> bool {
    let Some(delimiter) = text.chars().next().filter(|delimiter| "/|,#@:!%".contains(*delimiter)) else { return false };
    let parts: Vec<&str> = text.split(delimiter).collect();
    let [_, pattern, replacement, flags] = parts[..] else { return false };
    let ends_early = [pattern, replacement].into_iter().any(|part| part.ends_with('\\') || part.contains('\n'));
    !ends_early && flags.chars().all(|flag| flag.is_ascii_digit() || "gpiI".contains(flag))
}

#[cfg(test)]
mod tests {
    use super::only_edits;

    #[test]
    fn scripts_that_write_read_or_run_are_told_from_edits() {
        let edits = |line: &str| only_edits(&line.split('·').map(ToOwned::to_owned).collect::<Vec<_>>());
        for line in [
            "s/a/b/",
            "s/a/b/g·x",
            "-i·s|old/path|new|g·src/x",
            "-n·1,5p·x",
            "-n·$=·x",
            "/todo/d·x",
            "-E·-e·s/(a)/[\\1]/gi·-e·2q·x",
            "-n·/a/p",
        ] {
            assert!(edits(line), "{line}");
        }
        for line in [
            "",
            "-n·w ../x·f",
            "w../x",
            "s/a/b/w ../x",
            "s/a/b/e",
            "s/a/b/gw x",
            "1e rm x",
            "e",
            "r /etc/passwd",
            "R x",
            "W x",
            "p;w x",
            "p\nw x",
            "{w x",
            "/a/w x",
            "/a\\/p;w x",
            "/[/]p/w x",
            "s/a/b/\nw x",
            "s/a\\/b/w x/",
            "s/[/]/w x/",
            "sxaxbxw x",
            "-f·script",
            "--expression=w x",
            "-es/a/b/",
            "-ne·p",
            "-e",
            "-e·p·-e·w x",
            "p·x·--file=y",
            "a\\\nw x",
            "y/a/b/",
        ] {
            assert!(!edits(line), "{line:?}");
        }
    }
}
