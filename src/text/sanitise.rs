//! Foreign text that cannot harm a terminal: escape sequences and direction overrides become visible.

use std::fmt::Write as _;

/// Whether a terminal only shows this character. Not so: control characters (C0, delete, C1); marks, embeddings, overrides and
/// isolates of direction; line and paragraph separators.
pub(crate) fn is_harmless(character: char) -> bool {
    !matches!(
        character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// `text` with what is not harmless as `\x1b` or `\u{202e}`; a tab is a space.
pub(crate) fn sanitised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => clean.push(' '),
            _ if is_harmless(character) => clean.push(character),
            '\0'..='\x7f' => {
                let _ = write!(clean, "\\x{:02x}", u32::from(character));
            }
            _ => {
                let _ = write!(clean, "\\u{{{:x}}}", u32::from(character));
            }
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
}
