//! Tables for people, with aligned columns.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::sdk::Stored;
use crate::text::sanitise::sanitised;

/// The widest that a column of names gets, so that a long title does not push the rest away.
const WIDEST: usize = 40;

/// Aligns rows below each other, the header first. On a screen of this many columns, `dispensable` columns are left out until the
/// rest fits, in the order given, because lines that wrap make no table.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], dispensable: &[usize], screen: Option<u16>) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0));
    let room = screen.map_or(usize::MAX, usize::from);
    let mut shown: Vec<usize> = (0..N).collect();
    for column in dispensable {
        let width: usize = shown.iter().map(|column| widths[*column] + 2).sum();
        if width > room.saturating_add(2) {
            shown.retain(|kept| kept != column);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for &column in &shown {
            let _ = write!(line, "{}{:pad$}  ", row[column], "", pad = widths[column] - row[column].width());
        }
        text.push_str(&cut(line.trim_end(), room));
        text.push('\n');
    }
    text
}

/// One line for a session on disk, by which a person chooses one.
pub(crate) fn stored_line(stored: &Stored, now: Timestamp) -> String {
    let name = stored.name.as_deref().map_or_else(|| "no name".to_owned(), one_line);
    let place = match (&stored.repository, &stored.branch) {
        (Some(repository), Some(branch)) => format!("{repository}, branch {branch}"),
        (Some(repository), None) => repository.clone(),
        (None, _) => stored.directory.as_ref().map_or_else(String::new, |directory| directory.display().to_string()),
    };
    sanitised(&format!("{} ({name}, {place}, {} ago)", stored.id, age(stored.modified, now)))
}

/// A text made harmless, and no wider than a column gets.
pub(super) fn one_line(text: &str) -> String {
    cut(&sanitised(text).replace('\n', " "), WIDEST)
}

/// The beginning of `text` that fits into this many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut width = 0;
    let kept = text.chars().take_while(|character| {
        width += character.width().unwrap_or(0);
        width < columns
    });
    kept.chain(['…']).collect()
}

/// An age in the largest unit that is whole. If the clock was set back, the age is zero and not negative.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(since).max(SignedDuration::ZERO).as_secs();
    match age {
        0..60 => format!("{age}s"),
        60..3600 => format!("{}m", age / 60),
        3600..86400 => format!("{}h", age / 3600),
        _ => format!("{}d", age / 86400),
    }
}
