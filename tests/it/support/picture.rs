//! A terminal's screen as an SVG.

use std::fmt::Write as _;

/// The size of a cell, in pixels.
const CELL: (usize, usize) = (9, 18);
const MARGIN: usize = 14;
const BACKGROUND: &str = "#0d1117";
const FOREGROUND: &str = "#e6edf3";

/// Draws the screen down to its last row that shows something. Times of day become 12:00, so that the picture stays the same.
pub fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let last = (0..rows.get())
        .rev()
        .find(|row| (0..columns.get()).any(|column| screen.cell(*row, column).is_some_and(vt100::Cell::has_contents)));
    let rows = last.map_or(0, |row| row + 1);
    let (width, height) = (usize::from(columns.get()) * CELL.0 + 2 * MARGIN, usize::from(rows) * CELL.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"15\" shape-rendering=\"crispEdges\">\n"
    );
    for row in 0..rows {
        for column in 0..columns.get() {
            paint(&mut svg, screen, row, column);
        }
        write_text(&mut svg, screen, row);
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// The cell's background, and a half block as the rectangle that it is.
fn paint(svg: &mut String, screen: &vt100::Screen, row: u16, column: u16) {
    let Some(cell) = screen.cell(row, column) else { return };
    let (x, y) = (MARGIN + usize::from(column) * CELL.0, MARGIN + usize::from(row) * CELL.1);
    let (width, height) = CELL;
    if cell.bgcolor() != vt100::Color::Default {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>",
            colour(cell.bgcolor())
        );
    }
    if cell.contents() == "▄" {
        let (y, height) = (y + height / 2, height / 2);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>",
            colour(cell.fgcolor())
        );
    }
}

/// The row's text, in runs of one style.
fn write_text(svg: &mut String, screen: &vt100::Screen, row: u16) {
    let mut runs: Vec<(u16, &'static str, bool, String)> = Vec::new();
    for column in 0..screen.size().1.get() {
        let Some(cell) = screen.cell(row, column).filter(|cell| cell.has_contents() && cell.contents() != "▄") else {
            continue;
        };
        let style = (if cell.dim() { "#8b949e" } else { colour(cell.fgcolor()) }, cell.bold());
        match runs.last_mut() {
            Some((start, colour, bold, text))
                if (*colour, *bold) == style && usize::from(*start) + text.chars().count() == usize::from(column) =>
            {
                text.push_str(cell.contents());
            }
            _ => runs.push((column, style.0, style.1, cell.contents().to_owned())),
        }
    }
    for (column, fill, bold, text) in runs {
        if text.trim().is_empty() {
            continue;
        }
        let (x, y) = (MARGIN + usize::from(column) * CELL.0, MARGIN + usize::from(row) * CELL.1 + 14);
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let length = text.chars().count() * CELL.0;
        let text = escaped(&noon(&text));
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" textLength=\"{length}\" fill=\"{fill}\"{weight} xml:space=\"preserve\">{text}</text>"
        );
    }
}

fn noon(text: &str) -> String {
    let bytes = text.as_bytes();
    let timed = bytes.len() > 5 && bytes[2] == b':' && [0, 1, 3, 4].iter().all(|index| bytes[*index].is_ascii_digit());
    if timed { format!("12:00{}", &text[5..]) } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn colour(colour: vt100::Color) -> &'static str {
    match colour {
        vt100::Color::Idx(16) => "#000000",
        vt100::Color::Idx(231) => "#ffffff",
        vt100::Color::Idx(1) => "#ff7b72",
        vt100::Color::Idx(2) => "#3fb950",
        vt100::Color::Idx(3) => "#d29922",
        _ => FOREGROUND,
    }
}
