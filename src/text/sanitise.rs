//! Foreign text that cannot harm a terminal, nor deceive whoever reads it: escape sequences, direction overrides and what nobody sees
//! become visible.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// So many marks one letter may carry. No script needs more; piles of them cover the lines around.
const MARKS: usize = 6;

/// Whether a terminal only shows this character. Not so: control characters (C0, delete, C1); marks, embeddings, overrides and
/// isolates of direction; line and paragraph separators.
pub(crate) fn is_harmless(character: char) -> bool {
    !matches!(
        character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Whether nobody sees this character, so that two names that look alike are two, and instructions for an agent can hide in one: fillers,
/// soft hyphens, invisible operators, marks of annotations, tags. Joiners and variation selectors, which emoji and some scripts are made
/// with, are looked at where they stand.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}'
    )
}

/// What chooses between the looks of the character before it.
fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a character has the looks that a selector chooses between. Behind any other one, the selector changes nothing, so that two
/// names look alike, or carries a byte that nobody sees.
fn has_variants(character: char, selector: char) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => {
            is_picture(character)
                || matches!(character, '0'..='9' | '#' | '*' | '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | '〰' | '〽' | '㊗' | '㊙')
        }
        '\u{180b}'..='\u{180f}' => matches!(character, '\u{1820}'..='\u{18aa}'),
        _ => {
            matches!(character, '\u{2e80}'..='\u{2fdf}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        }
    }
}

/// Pictures that a joiner makes one of, roughly, with the tones of their skin and the selector that colours them.
fn is_picture(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Letters that look otherwise with a joiner between them: Arabic (and so Persian), Syriac, the scripts of India, Mongolian.
fn joins(character: char) -> bool {
    matches!(character, '\u{600}'..='\u{7ff}' | '\u{860}'..='\u{dff}' | '\u{1800}'..='\u{18af}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}')
}

/// The flags that are made of tags: only the three that there are, as anything can be written in tags.
const TAGGED: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// `text` with what is not harmless, or not seen, as `\x1b` or `\u{202e}`; a tab is a space.
pub(crate) fn sanitised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    // How many marks the last letter has; a mark at the start has none to stand on.
    let mut marks = MARKS;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(flag) = TAGGED.into_iter().find(|flag| rest.starts_with(flag)) {
            clean.push_str(flag);
            rest = &rest[flag.len()..];
            marks = 0;
            continue;
        }
        rest = &rest[character.len_utf8()..];
        let (before, after) = (clean.chars().next_back(), rest.chars().next());
        let between = |kind: fn(char) -> bool| before.is_some_and(kind) && after.is_some_and(kind);
        let is_mark = character.width() == Some(0);
        marks = if is_mark { marks + 1 } else { 0 };
        let shown = is_harmless(character)
            && !is_invisible(character)
            && match character {
                '\u{200c}' => between(joins),
                '\u{200d}' => between(joins) || between(|part| part == '\u{fe0f}' || is_picture(part)),
                _ if is_variation_selector(character) => before.is_some_and(|before| has_variants(before, character)),
                _ => !is_mark || marks <= MARKS,
            };
        match character {
            '\t' => clean.push(' '),
            _ if shown => clean.push(character),
            '\0'..='\x7f' => {
                let _ = write!(clean, "\\x{:02x}", u32::from(character));
            }
            _ => {
                let _ = write!(clean, "\\u{{{:x}}}", u32::from(character));
            }
        }
        // A picture that is joined to another is no letter with marks.
        if character == '\u{200d}' && shown {
            marks = 0;
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::sanitised;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(sanitised("\x1b]0;owned\x07\x1b[31mred\r\n"), "\\x1b]0;owned\\x07\\x1b[31mred\\x0d\\x0a");
        assert_eq!(sanitised("abc\u{202e}cba\u{2069}\u{9b}2J"), "abc\\u{202e}cba\\u{2069}\\u{9b}2J");
        assert_eq!(sanitised("plain\ttext, naïve — 日本 👍🏽"), "plain text, naïve — 日本 👍🏽");
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!sanitised(&every).chars().any(char::is_control));
    }

    #[test]
    fn nothing_is_left_that_nobody_sees() {
        for hidden in [
            "200b", "200c", "200d", "2060", "2064", "feff", "ad", "115f", "1160", "3164", "ffa0", "180e", "34f", "e0001",
            "e0041", "e007f",
        ] {
            let character = char::from_u32(u32::from_str_radix(hidden, 16).unwrap()).unwrap();
            assert_eq!(sanitised(&format!("a{character}b")), format!("a\\u{{{hidden}}}b"));
        }
        let piled = sanitised(&format!("a{}b", "\u{301}".repeat(300)));
        assert_eq!((piled.matches('\u{301}').count(), piled.matches("\\u{301}").count()), (super::MARKS, 300 - super::MARKS));
        assert_eq!(sanitised("\u{301}a"), "\\u{301}a", "it would stand on what is before the text");
        assert_eq!(sanitised("a\u{fe0f}\u{fe0e}"), "a\\u{fe0f}\\u{fe0e}");
        assert_eq!(sanitised("❤\u{fe0f}\u{fe0e} o\u{e0101}"), "❤\u{fe0f}\\u{fe0e} o\\u{e0101}");
        assert_eq!(sanitised("👩\u{200d}\u{200d}💻"), "👩\\u{200d}\\u{200d}💻");
        assert_eq!(sanitised("🏴\u{e0061}\u{e007f}"), "🏴\\u{e0061}\\u{e007f}");
    }

    #[test]
    fn emoji_and_the_scripts_of_the_world_stay_as_they_are() {
        for text in [
            "👩\u{200d}💻 👨\u{200d}👩\u{200d}👧\u{200d}👦 🏳\u{fe0f}\u{200d}🌈 👍🏽 🧑🏿\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥 🧔\u{200d}♂\u{fe0f}",
            "🇩🇪🇯🇵 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} 1\u{fe0f}\u{20e3}",
            "می\u{200c}خواهم र\u{94d}\u{200d}य",
            "Vie\u{302}\u{323}t 한글 \u{1112}\u{1161}\u{11ab} שָׁלוֹם ภาษาไทย 葛\u{e0100}",
        ] {
            assert_eq!(sanitised(text), text);
        }
    }
}
