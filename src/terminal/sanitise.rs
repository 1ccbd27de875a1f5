//! Foreign text that cannot harm a terminal: escape sequences and direction overrides become visible.

/// The characters of `text`, with control and bidirectional formatting characters as `\x1b` or `\u{202e}`; a tab is a space.
pub(super) fn sanitised(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(|character| {
        let escaped = match character {
            '\t' => " ".to_owned(),
            '\0'..='\x1f' | '\x7f' => format!("\\x{:02x}", u32::from(character)),
            // C1 controls; marks, embeddings, overrides and isolates of direction; line and paragraph separators.
            '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                format!("\\u{{{:x}}}", u32::from(character))
            }
            _ => character.to_string(),
        };
        escaped.chars().collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::sanitised;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let clean = |text: &str| sanitised(text).collect::<String>();
        assert_eq!(clean("\x1b]0;owned\x07\x1b[31mred\r\n"), "\\x1b]0;owned\\x07\\x1b[31mred\\x0d\\x0a");
        assert_eq!(clean("abc\u{202e}cba\u{2069}\u{9b}2J"), "abc\\u{202e}cba\\u{2069}\\u{9b}2J");
        assert_eq!(clean("plain\ttext, naïve — 日本 👍🏽"), "plain text, naïve — 日本 👍🏽");
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!sanitised(&every).any(char::is_control));
    }
}
