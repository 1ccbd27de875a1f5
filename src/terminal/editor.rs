//! A line that a person types: editing, earlier lines, and the part of the line that the screen has room for.

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;
use unicode_width::UnicodeWidthChar;

/// The narrowest screen that shows a label.
const LABEL_FROM: usize = 24;

#[derive(Debug)]
pub(super) struct Editor {
    label: String,
    line: Input,
    /// Earlier lines, the latest one at the end, and behind them the line that is being typed.
    earlier: Vec<String>,
    /// The index of the line that is shown.
    at: usize,
}

/// What a key did to the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edited {
    GoesOn,
    Done(String),
    /// The person gave the line up.
    Dropped(String),
}

impl Editor {
    pub(super) fn new(label: String, earlier: &[String]) -> Self {
        let mut earlier = earlier.to_vec();
        let at = earlier.len();
        earlier.push(String::new());
        Self { label, line: Input::default(), earlier, at }
    }

    /// `in_burst` says that the key came faster than a person presses keys. Enter is then part of a paste into a terminal that
    /// does not bracket pastes, and ends no line.
    pub(super) fn key(&mut self, mut event: Event, in_burst: bool) -> Edited {
        if let Event::Paste(text) = &event {
            self.insert(&text.replace("\r\n", "\n").replace('\r', "\n"));
            return Edited::GoesOn;
        }
        let Event::Key(key) = &mut event else { return Edited::GoesOn };
        if key.kind == KeyEventKind::Release {
            return Edited::GoesOn;
        }
        // The crate calls Meta what terminals send as Alt.
        if key.modifiers == KeyModifiers::ALT {
            key.modifiers = KeyModifiers::META;
        }
        match (key.code, key.modifiers) {
            (KeyCode::Enter, KeyModifiers::NONE) if !in_burst => return Edited::Done(self.line.value().to_owned()),
            (KeyCode::Enter, _) => self.insert("\n"),
            (KeyCode::Esc, _) => return Edited::Dropped(self.line.value().to_owned()),
            (KeyCode::Char('d'), KeyModifiers::CONTROL) if self.line.value().is_empty() => return Edited::Dropped(String::new()),
            (KeyCode::Up, _) | (KeyCode::Char('p'), KeyModifiers::CONTROL) => self.go_to(self.at.checked_sub(1)),
            (KeyCode::Down, _) | (KeyCode::Char('n'), KeyModifiers::CONTROL) => self.go_to(Some(self.at + 1)),
            _ => drop(self.line.handle_event(&event)),
        }
        Edited::GoesOn
    }

    pub(super) fn text(&self) -> &str {
        self.line.value()
    }

    /// What stands in a row of this many columns, and the column of the cursor. `clean` makes text harmless, character by
    /// character.
    pub(super) fn row(&self, columns: usize, clean: impl Fn(&str) -> String) -> (String, usize) {
        let label = if columns < LABEL_FROM { "> ".to_owned() } else { format!("{}> ", self.label) };
        let room = columns.saturating_sub(label.len());
        let mut cells: Vec<(String, usize)> = self.line.value().chars().map(|character| cell(character, &clean)).collect();
        let after = cells.split_off(self.line.cursor().min(cells.len()));
        let mut used: usize = cells.iter().map(|(_, width)| width).sum();
        // The row shows the part of the line that has the cursor in it.
        let mut first = 0;
        while used >= room && first < cells.len() {
            used -= cells[first].1;
            first += 1;
        }
        let cursor = label.len() + used;
        let mut row = label;
        row.extend(cells.drain(first..).map(|(text, _)| text));
        for (text, width) in after {
            used += width;
            if used > room {
                break;
            }
            row += &text;
        }
        (row, cursor)
    }

    fn insert(&mut self, text: &str) {
        let cursor = self.line.cursor();
        let mut value: String = self.line.value().chars().take(cursor).collect();
        value += text;
        value.extend(self.line.value().chars().skip(cursor));
        self.line = std::mem::take(&mut self.line).with_value(value).with_cursor(cursor + text.chars().count());
    }

    /// Shows another line. What was typed in the present one stays there.
    fn go_to(&mut self, index: Option<usize>) {
        let Some(index) = index.filter(|index| *index < self.earlier.len()) else { return };
        self.line.value().clone_into(&mut self.earlier[self.at]);
        self.at = index;
        self.line = std::mem::take(&mut self.line).with_value(self.earlier[index].clone());
    }
}

/// What is shown for a character, and in how many columns. New lines and tabs are part of the text and cannot be shown as they
/// are.
fn cell(character: char, clean: impl Fn(&str) -> String) -> (String, usize) {
    let shown = match character {
        '\n' => clean("↵"),
        '\t' => " ".to_owned(),
        other => clean(other.encode_utf8(&mut [0; 4])),
    };
    let width = shown.chars().filter_map(UnicodeWidthChar::width).sum();
    (shown, width)
}

#[cfg(test)]
mod tests {
    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

    use super::{Edited, Editor};

    fn key(code: KeyCode) -> Event {
        Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::new("prompt".to_owned(), &["first".to_owned(), "second".to_owned()]);
        for character in text.chars() {
            assert_eq!(editor.key(key(KeyCode::Char(character)), false), Edited::GoesOn);
        }
        editor
    }

    fn row(editor: &Editor, columns: usize) -> (String, usize) {
        editor.row(columns, ToOwned::to_owned)
    }

    #[test]
    fn earlier_lines_come_back_and_nothing_typed_is_lost() {
        let mut editor = typed("third");
        editor.key(key(KeyCode::Up), false);
        editor.key(key(KeyCode::Up), false);
        editor.key(key(KeyCode::Up), false);
        assert_eq!(editor.text(), "first");
        editor.key(key(KeyCode::Down), false);
        assert_eq!(editor.text(), "second");
        editor.key(key(KeyCode::Down), false);
        editor.key(key(KeyCode::Down), false);
        assert_eq!(editor.key(key(KeyCode::Enter), false), Edited::Done("third".to_owned()));
    }

    #[test]
    fn a_paste_ends_no_line() {
        let mut editor = typed("ac");
        editor.key(key(KeyCode::Left), false);
        editor.key(Event::Paste("b\r\nb".to_owned()), true);
        assert_eq!(editor.key(key(KeyCode::Enter), true), Edited::GoesOn);
        assert_eq!(editor.key(key(KeyCode::Enter), false), Edited::Done("ab\nb\nc".to_owned()));
    }

    #[test]
    fn the_row_fits_and_has_the_cursor() {
        for text in [
            "",
            "ab",
            "a long line that no narrow screen has room for",
            "日本語の長い行ですから、入りません",
            "two\nlines\tthere",
        ] {
            for back in [0, 1, 5, 100] {
                let mut editor = typed(text);
                for _ in 0..back {
                    editor.key(key(KeyCode::Left), false);
                }
                for columns in [4, 10, 39, 79, 199] {
                    let (row, cursor) = row(&editor, columns);
                    let width = unicode_width::UnicodeWidthStr::width(row.as_str());
                    assert!(width <= columns && cursor <= width && !row.contains(['\n', '\t']), "{columns}: {row:?} {cursor}");
                }
            }
        }
        assert_eq!(row(&typed("ab"), 79), ("prompt> ab".to_owned(), 10));
    }
}
