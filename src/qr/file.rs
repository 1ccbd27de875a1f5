//! A code as a picture file. Both kinds paint their own white quiet zone: without one, decoders failed on a dark page.

use std::fmt::Write as _;

use super::{Code, QUIET};

/// Pixels a side of one module. [`Code::to_png`] relies on eight: with one bit a pixel, a module is one byte wide.
const SCALE: u16 = 8;

impl Code {
    /// The code as an SVG document, with 8 pixels a module: one white square, and one path of the dark runs of each row.
    pub(crate) fn to_svg(&self) -> String {
        let quiet = QUIET[0];
        let side = self.size() + 2 * quiet;
        let pixels = side * SCALE;
        let mut path = String::new();
        for y in 0..self.size() {
            for (x, length) in self.dark_runs(y) {
                write!(path, "M{} {}h{length}v1h-{length}z", x + quiet, y + quiet).expect("a string takes any text");
            }
        }
        // Without crisp edges, smoothing would leave pale seams between the rows. `stroke` only says what is the default, but
        // ImageMagick's own renderer was seen to draw outlines without it.
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{pixels}\" height=\"{pixels}\" \
             viewBox=\"0 0 {side} {side}\" stroke=\"none\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
             <path d=\"{path}\" fill=\"#000\"/></svg>\n"
        )
    }

    /// The code as a PNG file: greyscale of one bit, 8 px a module.
    pub(crate) fn to_png(&self) -> Vec<u8> {
        let quiet = QUIET[0];
        let side = self.size() + 2 * quiet;
        let mut pixels = Vec::new();
        for y in 0..side {
            let row: Vec<u8> =
                (0..side).map(|x| if self.dark(x.wrapping_sub(quiet), y.wrapping_sub(quiet)) { 0x00 } else { 0xff }).collect();
            pixels.extend_from_slice(&row.repeat(SCALE.into()));
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, (side * SCALE).into(), (side * SCALE).into());
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder
            .write_header()
            .and_then(|mut writer| {
                writer.write_image_data(&pixels)?;
                writer.finish()
            })
            .expect("memory takes any bytes, and the pixels are as many as the header says");
        file
    }

    /// The runs of dark modules in row `y`: (column, length).
    fn dark_runs(&self, y: u16) -> Vec<(u16, u16)> {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for x in (0..self.size()).filter(|&x| self.dark(x, y)) {
            match runs.last_mut() {
                Some((start, length)) if *start + *length == x => *length += 1,
                _ => runs.push((x, 1)),
            }
        }
        runs
    }
}
