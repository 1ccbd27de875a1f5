//! A code as terminal lines.

use super::Code;

/// Ends the colours of a line. It comes before the line break, so that no terminal fills the rest of the line, or a line that
/// scrolls in, with the code's background.
const RESET: &str = "\x1b[0m";

/// How modules become character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Two modules a cell, one above the other, in colour: `▄` where they differ, a space where they do not. The best of the
    /// small forms in screenshots, as fonts set `▄` flush with the cell's edge more often than `█` and `▀`.
    HalfLow,
    /// One module in two cells side by side: coloured spaces, pure ASCII. Decoded in every font, line spacing, locale and colour
    /// terminal that was tried.
    Wide,
    /// One module a cell, so twice as high as wide: coloured spaces, pure ASCII. As robust as wide at half the width, and read
    /// from a shorter distance.
    Tall,
    /// Two modules a cell with `█`, `▀`, `▄` in the terminal's own colours, for terminals without colour. The ink must suit the
    /// background: the wrong way round, only readers decoded it that try both ways.
    Mono,
    /// [`Style::HalfLow`] in the terminal's own colours, by reverse video, which is no colour (no-color.org). In xterm it was
    /// read in 12 of 12 fonts and sizes, on dark and light; mono was read in 1 of 6 on light, because of the hairlines at the
    /// edge of `█`.
    Reverse,
}

/// The colour numbers that stand for black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Palette {
    /// 16 and 231 of the 256 colours. In screenshots they were the only ones right in every theme, tmux and GNU screen: themes
    /// remap 0 to 15 (Gruvbox light turns the code inside out), and GNU screen does not know 24-bit colours.
    #[default]
    Indexed,
    /// 0 and 7 of the eight colours, for terminals that have no more.
    Basic,
}

impl Palette {
    /// The palette for a terminal of this `TERM`. The list of terminals with eight colours is judgement, and was not tried.
    pub(crate) fn for_term(term: &str) -> Self {
        let family = term.split('-').next().unwrap_or_default();
        // A digit has to follow: `vte` is a terminal with 256 colours.
        let vt = family.strip_prefix("vt").is_some_and(|model| model.starts_with(|c: char| c.is_ascii_digit()));
        let old = vt || matches!(family, "linux" | "ansi" | "cygwin") || family.starts_with("sun") || term == "xterm-color";
        if old && !term.contains("256color") { Self::Basic } else { Self::Indexed }
    }

    /// SGR parameters of a background.
    fn background(self, dark: bool) -> &'static str {
        match (self, dark) {
            (Self::Indexed, true) => "48;5;16",
            (Self::Indexed, false) => "48;5;231",
            (Self::Basic, true) => "40",
            (Self::Basic, false) => "47",
        }
    }

    /// SGR parameters of a foreground.
    fn foreground(self, dark: bool) -> &'static str {
        match (self, dark) {
            (Self::Indexed, true) => "38;5;16",
            (Self::Indexed, false) => "38;5;231",
            (Self::Basic, true) => "30",
            (Self::Basic, false) => "37",
        }
    }
}

/// How to draw a code: the outcome of [`Code::fit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drawing {
    /// How modules become cells.
    pub(crate) style: Style,
    /// The quiet zone on each side, in modules. Even: an odd one would split rows of the finder
    /// patterns between cells.
    pub(crate) quiet: u16,
    /// The colour numbers; of no effect in [`Style::Mono`] and [`Style::Reverse`].
    pub(crate) palette: Palette,
    /// Coloured forms: dark modules get the light colour and light ones the dark. The others:
    /// dark modules are inked instead of the light ones, which is right on a light background.
    pub(crate) swapped: bool,
}

impl Code {
    /// The size of a drawing in character cells: (columns, rows).
    pub(crate) fn cells(&self, drawing: Drawing) -> (u16, u16) {
        let side = self.size() + 2 * drawing.quiet;
        match drawing.style {
            Style::HalfLow | Style::Mono | Style::Reverse => (side, side.div_ceil(2)),
            Style::Wide => (2 * side, side),
            Style::Tall => (side, side),
        }
    }

    /// Draws the code: one string a row, without line breaks, all equally wide. Coloured lines end
    /// in `ESC[0m`, mono ones hold no escape sequence.
    pub(crate) fn draw(&self, drawing: Drawing) -> Vec<String> {
        let (columns, rows) = self.cells(drawing);
        (0..rows)
            .map(|row| {
                let cells: Vec<Cell> = (0..columns).map(|column| self.cell(drawing, column, row)).collect();
                match drawing.style {
                    Style::Mono => ink(&cells),
                    Style::Reverse => reverse(&cells),
                    Style::HalfLow | Style::Wide | Style::Tall => paint(&cells, drawing.palette),
                }
            })
            .collect()
    }

    fn cell(&self, drawing: Drawing, column: u16, row: u16) -> Cell {
        // In the quiet zone before the code this wraps round to a place far behind the code, where all is light as well.
        let dark = |x: u16, y: u16| self.dark(x.wrapping_sub(drawing.quiet), y.wrapping_sub(drawing.quiet)) != drawing.swapped;
        let (top, bottom) = match drawing.style {
            // The number of module rows is odd, so the last cell has a half too many, which becomes one more row of quiet zone.
            Style::HalfLow | Style::Mono | Style::Reverse => (dark(column, 2 * row), dark(column, 2 * row + 1)),
            Style::Wide => (dark(column / 2, row), dark(column / 2, row)),
            Style::Tall => (dark(column, row), dark(column, row)),
        };
        Cell { top, bottom }
    }
}

/// A character cell: whether its halves are to be dark (in ink alone: left blank).
#[derive(Clone, Copy)]
struct Cell {
    top: bool,
    bottom: bool,
}

/// A line of cells in colour. One SGR sequence for each change of background is the least there can
/// be, as `▄` takes its upper half from the background; the foreground rides along with one, where
/// a `▄` is to come.
fn paint(cells: &[Cell], palette: Palette) -> String {
    let mut line = String::new();
    let mut foreground = None;
    for run in cells.chunk_by(|a, b| a.top == b.top) {
        let dark = run[0].top;
        line.push_str("\x1b[");
        if foreground != Some(!dark) && run.iter().any(|cell| cell.bottom != dark) {
            foreground = Some(!dark);
            line.push_str(palette.foreground(!dark));
            line.push(';');
        }
        line.push_str(palette.background(dark));
        line.push('m');
        line.extend(run.iter().map(|cell| if cell.bottom == dark { ' ' } else { '▄' }));
    }
    line.push_str(RESET);
    line
}

/// A line of cells in reverse video.
fn reverse(cells: &[Cell]) -> String {
    let mut line = String::new();
    for run in cells.chunk_by(|a, b| a.top == b.top) {
        let dark = run[0].top;
        line.push_str(if dark { "\x1b[27m" } else { "\x1b[7m" });
        line.extend(run.iter().map(|cell| if cell.bottom == dark { ' ' } else { '▄' }));
    }
    line.push_str(RESET);
    line
}

/// A line of cells in ink alone.
fn ink(cells: &[Cell]) -> String {
    cells
        .iter()
        .map(|cell| match (cell.top, cell.bottom) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        })
        .collect()
}
