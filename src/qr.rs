//! A text as a QR code: modules, terminal lines, SVG and PNG.
//!
//! Pure: what the terminal can do comes in as a [`Surface`], what to write goes out as lines or bytes; nothing here reads the
//! environment or touches a stream. The lines must reach the terminal as they are: a writer that strips colours leaves a code
//! that no reader decodes (zbar, rqrr and `ZXing` were tried).
//!
//! Where a comment of this module says that a form was read or failed, codes were decoded from screenshots of real terminals, and
//! from synthetic photographs of them.

mod draw;
mod file;
#[cfg(test)]
mod tests;

use qrcode::bits::Bits;
use qrcode::{EcLevel, QrCode, Version};

pub(crate) use draw::{Drawing, Palette, Style};

/// The quiet zones that are tried, in modules, the wide one first. A zone of 2 scans as well as one of 4; 1 splits the rows of
/// the finder patterns between two half-block cells and fails in some fonts; 0 fails on every dark background.
const QUIET: [u16; 2] = [4, 2];

/// A text that no QR code can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not fit into a QR code")]
pub(crate) struct QrError {
    /// The length of the text.
    pub(crate) bytes: usize,
}

/// Why a code cannot be drawn on a [`Surface`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// Every form allowed is larger than the terminal. All sizes are (columns, rows) in character
    /// cells.
    #[error("the QR code needs {}x{} characters, the terminal has {}x{}", needed.0, needed.1, have.0, have.1)]
    TooSmall {
        /// The smallest size that would do, the reserved rows included. The reserved rows were counted for the present width, so
        /// this may be a row or two more than needed in a wider terminal.
        needed: (u16, u16),
        /// The size of the terminal.
        have: (u16, u16),
    },
    /// The surface has no colour, and the form that was asked for (or the only one left without half blocks) is made of nothing
    /// else.
    #[error("the QR code cannot be drawn without colour here")]
    NeedsColour,
}

/// The form a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StyleChoice {
    /// The best form the surface can show.
    #[default]
    Auto,
    /// Half blocks: [`Style::HalfLow`], or without colour the same as [`StyleChoice::Mono`].
    Half,
    /// [`Style::Wide`].
    Wide,
    /// [`Style::Tall`].
    Tall,
    /// Without colour: [`Style::Reverse`], or [`Style::Mono`] where there are no escape sequences.
    Mono,
}

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Request {
    /// The form. One that is named outright is drawn even where [`Surface::utf8`] says otherwise: the locale is only a guess at
    /// what the terminal shows, and over ssh often a wrong one.
    pub(crate) style: StyleChoice,
    /// Exchanges dark and light. This helps on a terminal whose background was guessed wrong ([`Style::Mono`],
    /// [`Style::Reverse`]), whose theme exchanges colours 0 and 7 ([`Palette::Basic`]), or that shows the whole screen in
    /// reverse.
    pub(crate) invert: bool,
}

/// What is known of the terminal that the code is to be drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the terminal")]
pub(crate) struct Surface {
    /// The width in character cells. A terminal that reports 0x0 does not know its size: the caller then puts in a size that it
    /// assumes, or takes [`Code::unbounded`].
    pub(crate) columns: u16,
    /// The height in character cells.
    pub(crate) rows: u16,
    /// Whether half blocks arrive as one cell each: the locale is UTF-8 and ambiguous characters are narrow. Where either was
    /// untrue, no form with glyphs was read, and every one made of spaces was.
    pub(crate) utf8: bool,
    /// Colour may be used.
    pub(crate) colour: bool,
    /// The colour numbers to use.
    pub(crate) palette: Palette,
    /// Reverse video may be used: it is a terminal, and not a dumb one.
    pub(crate) reverse: bool,
    /// Whether the terminal's background is dark, or was guessed to be. This matters without colour only, as the coloured forms
    /// set both colours of every cell.
    pub(crate) dark_background: bool,
}

/// A QR code: a square of dark and light modules, without quiet zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    size: u16,
    #[cfg(test)]
    level: EcLevel,
    modules: Vec<bool>,
}

impl Code {
    /// Encodes `text`, unaltered, into the smallest version that holds it at error correction L, at
    /// the highest level which that version has room for.
    ///
    /// A higher level that is asked for outright would make the code larger, and was of help only over gaps between lines.
    ///
    /// # Errors
    ///
    /// If the text is longer than the largest version holds (2,953 bytes).
    pub(crate) fn new(text: &str) -> Result<Self, QrError> {
        let too_long = QrError { bytes: text.len() };
        let version =
            (1..=40).map(Version::Normal).find(|&version| encode(text, version, EcLevel::L).is_some()).ok_or(too_long)?;
        let (level, bits) = [EcLevel::H, EcLevel::Q, EcLevel::M, EcLevel::L]
            .into_iter()
            .find_map(|level| Some((level, encode(text, version, level)?)))
            .ok_or(too_long)?;
        let code = QrCode::with_bits(bits, level).map_err(|_| too_long)?;
        Ok(Self {
            size: version.width().unsigned_abs(),
            #[cfg(test)]
            level,
            modules: code.into_colors().into_iter().map(|colour| colour == qrcode::Color::Dark).collect(),
        })
    }

    /// Modules a side, quiet zone not counted: 21 to 177.
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Whether the module in column `x`, row `y` is dark. Every module outside the code is light,
    /// as its quiet zone is.
    pub(crate) fn dark(&self, x: u16, y: u16) -> bool {
        x < self.size && y < self.size && self.modules[usize::from(y) * usize::from(self.size) + usize::from(x)]
    }

    /// The version, 1 to 40.
    #[cfg(test)]
    pub(crate) fn version(&self) -> u16 {
        (self.size - 17) / 4
    }

    /// The error correction level.
    #[cfg(test)]
    pub(crate) fn level(&self) -> EcLevel {
        self.level
    }

    /// Chooses how to draw the code so that it fits into `surface` and leaves `reserved_rows` for
    /// what must stay visible with it: the rows of the URL, and one for the cursor.
    ///
    /// Half blocks with a quiet zone of 4, then of 2; without UTF-8 wide, then tall; without colour in ink alone. A code is never
    /// clipped, as no reader decoded one that had lost a row of modules.
    ///
    /// # Errors
    ///
    /// [`Misfit::TooSmall`] if no form fits, [`Misfit::NeedsColour`] if none can be drawn at any
    /// size.
    pub(crate) fn fit(&self, request: Request, surface: Surface, reserved_rows: u16) -> Result<Drawing, Misfit> {
        let have = (surface.columns, surface.rows);
        let mut needed = have;
        for drawing in drawings(request, surface)? {
            let (columns, rows) = self.cells(drawing);
            needed = (columns, rows.saturating_add(reserved_rows));
            if needed.0 <= have.0 && needed.1 <= have.1 {
                return Ok(drawing);
            }
        }
        // The last one tried is the smallest: forms and quiet zones come in falling order.
        Err(Misfit::TooSmall { needed, have })
    }

    /// Chooses how to draw the code where the size is unknown or does not matter (`--qr=always`
    /// into a file or a pipe): the best form with a quiet zone of 4, `surface.columns` and
    /// `surface.rows` unused.
    ///
    /// # Errors
    ///
    /// [`Misfit::NeedsColour`] if no form can be drawn.
    pub(crate) fn unbounded(&self, request: Request, surface: Surface) -> Result<Drawing, Misfit> {
        let endless = Surface { columns: u16::MAX, rows: u16::MAX, ..surface };
        self.fit(request, endless, 0)
    }
}

/// The text's bits at this version and level, or `None` if there is no room.
///
/// Plain bytes are tried first and `qrcode`'s mixed segments second, as either can be the shorter one: the crate's greedy
/// optimiser made version 6 for version 5 of 2 in 200 URLs of 81 bytes at M. Text beyond ASCII is never segmented: the optimiser
/// takes some UTF-8 for Shift JIS and stores it as kanji, which by the standard a reader turns into other characters.
fn encode(text: &str, version: Version, level: EcLevel) -> Option<Bits> {
    let finish = |mut bits: Bits| bits.push_terminator(level).ok().map(|()| bits);
    let bytes = || {
        let mut bits = Bits::new(version);
        bits.push_byte_data(text.as_bytes()).ok()?;
        finish(bits)
    };
    let segments = || {
        let mut bits = Bits::new(version);
        bits.push_optimal_data(text.as_bytes()).ok()?;
        finish(bits)
    };
    bytes().or_else(|| text.is_ascii().then(segments).flatten())
}

/// Every drawing that request and surface allow, best and largest first.
fn drawings(request: Request, surface: Surface) -> Result<impl Iterator<Item = Drawing>, Misfit> {
    let (palette, invert, dark_background) = (surface.palette, request.invert, surface.dark_background);
    let drawing = move |style, quiet| Drawing {
        style,
        quiet,
        palette,
        // In the terminal's own two colours, the light ones are drawn where the background is dark, else the dark ones.
        swapped: invert != (matches!(style, Style::Mono | Style::Reverse) && !dark_background),
    };
    Ok(styles(request.style, surface)?.iter().flat_map(move |&style| QUIET.into_iter().map(move |quiet| drawing(style, quiet))))
}

/// The forms that may be tried, best and largest first.
fn styles(choice: StyleChoice, surface: Surface) -> Result<&'static [Style], Misfit> {
    match (choice, surface.colour, surface.utf8) {
        (StyleChoice::Mono, _, _) | (StyleChoice::Half, false, _) | (StyleChoice::Auto, false, true) => {
            Ok(if surface.reverse { &[Style::Reverse] } else { &[Style::Mono] })
        }
        (StyleChoice::Half, true, _) | (StyleChoice::Auto, true, true) => Ok(&[Style::HalfLow]),
        // Wide comes before tall, even at its smaller quiet zone, because it was read from twice the distance.
        (StyleChoice::Auto, true, false) => Ok(&[Style::Wide, Style::Tall]),
        (StyleChoice::Wide, true, _) => Ok(&[Style::Wide]),
        (StyleChoice::Tall, true, _) => Ok(&[Style::Tall]),
        (StyleChoice::Auto, false, false) | (StyleChoice::Wide | StyleChoice::Tall, false, _) => Err(Misfit::NeedsColour),
    }
}
