//! Every drawing is turned back into modules from what its cells show, and read by `rqrr`.

use super::*;

const WHITE: &str = "\x1b[48;5;231m";
const RESET: &str = "\x1b[0m";

/// A surface of this size on which everything works.
fn surface(columns: u16, rows: u16) -> Surface {
    Surface { columns, rows, utf8: true, colour: true, palette: Palette::Indexed, reverse: false, dark_background: true }
}

fn asked(style: StyleChoice) -> Request {
    Request { style, invert: false }
}

fn drawing(style: Style, quiet: u16) -> Drawing {
    Drawing { style, quiet, palette: Palette::Indexed, swapped: false }
}

/// Some number for each seed (splitmix64).
fn random(seed: u64) -> u64 {
    let z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A task URL of so many bytes, 63 to 202, with a version 4 UUID: a digit-rich one would be shorter
/// in the code.
fn url(length: usize, seed: u64) -> String {
    let (a, b) = (random(seed), random(!seed));
    let uuid = format!(
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        8 + (b >> 60) % 4,
        b >> 48 & 0xfff,
        b & 0xffff_ffff_ffff,
    );
    let names = length - "https://github.com///tasks/".len() - uuid.len();
    let letter = |place: usize| char::from(b'a' + (random(seed + place as u64) % 26) as u8);
    let owner: String = (0..names.div_ceil(2).min(39)).map(letter).collect();
    let repo: String = (owner.len()..names).map(letter).collect();
    let url = format!("https://github.com/{owner}/{repo}/tasks/{uuid}");
    assert_eq!(url.len(), length);
    url
}

/// What a cell's colours are: dark, light, or the terminal's own.
type Colour = Option<bool>;

/// The cells of a line, as a terminal would show them: (character, foreground, background).
fn parse(line: &str) -> Vec<(char, Colour, Colour)> {
    let (mut foreground, mut background) = (None, None);
    let mut cells = Vec::new();
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        let Some(sequence) = rest.strip_prefix("\x1b[") else {
            cells.push((char, foreground, background));
            rest = &rest[char.len_utf8()..];
            continue;
        };
        let (parameters, after) = sequence.split_once('m').expect("only SGR");
        rest = after;
        let numbers: Vec<u8> = parameters.split(';').map(|n| n.parse().unwrap()).collect();
        let mut numbers = numbers.as_slice();
        while let [first, more @ ..] = numbers {
            numbers = more;
            match first {
                0 => (foreground, background) = (None, None),
                30 => foreground = Some(true),
                37 => foreground = Some(false),
                40 => background = Some(true),
                47 => background = Some(false),
                38 | 48 => {
                    let [5, index, more @ ..] = numbers else { panic!("no index in {line:?}") };
                    numbers = more;
                    let dark = match index {
                        16 => true,
                        231 => false,
                        _ => panic!("colour {index}: themes may remap it"),
                    };
                    *if *first == 38 { &mut foreground } else { &mut background } = Some(dark);
                }
                _ => panic!("SGR {first}"),
            }
        }
    }
    assert_eq!((foreground, background), (None, None), "colours leak out of {line:?}");
    cells
}

/// What a terminal shows, two picture rows for each line, `true` for dark. `paper` stands for a
/// background that is the terminal's own; its foreground is the opposite.
fn halves(lines: &[String], paper: bool) -> Vec<Vec<bool>> {
    let mut rows = Vec::new();
    for line in lines {
        let (mut top, mut bottom) = (Vec::new(), Vec::new());
        for (char, foreground, background) in parse(line) {
            let (ink, ground) = (foreground.unwrap_or(!paper), background.unwrap_or(paper));
            let (upper, lower) = match char {
                ' ' => (ground, ground),
                '█' => (ink, ink),
                '▀' => (ink, ground),
                '▄' => (ground, ink),
                _ => panic!("{char:?}"),
            };
            top.push(upper);
            bottom.push(lower);
        }
        rows.extend([top, bottom]);
    }
    rows
}

/// Reads a picture whose modules are so many pixels wide and high. As on a screen, there is more
/// around it (dark).
fn read(picture: &[Vec<bool>], module: (usize, usize)) -> Result<String, String> {
    const SCALE: usize = 3;
    let (width, height) = (picture[0].len() / module.0, picture.len() / module.1);
    let pixel = |x: usize, y: usize| {
        let module_at = (x / SCALE).checked_sub(2).zip((y / SCALE).checked_sub(2));
        let inside = module_at.filter(|&(x, y)| x < width && y < height);
        inside.is_none_or(|(x, y)| picture[y * module.1][x * module.0])
    };
    let (w, h) = ((width + 4) * SCALE, (height + 4) * SCALE);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(w, h, |x, y| if pixel(x, y) { 0 } else { 255 });
    let grids = image.detect_grids();
    let grid = grids.first().ok_or("no code found")?;
    grid.decode().map(|(_, text)| text).map_err(|error| error.to_string())
}

/// Reads drawn lines on a terminal with this background.
fn read_lines(lines: &[String], style: Style, dark_background: bool) -> Result<String, String> {
    let module = match style {
        Style::HalfLow | Style::Mono | Style::Reverse => (1, 1),
        Style::Wide => (2, 2),
        Style::Tall => (1, 2),
    };
    read(&halves(lines, dark_background), module)
}

#[test]
fn half_blocks_in_colour() {
    let lines = Code::new("A").unwrap().draw(drawing(Style::HalfLow, 2));
    assert_eq!(lines.len(), 13);
    assert_eq!(lines[0], format!("{WHITE}{}\x1b[0m", " ".repeat(25)));
    assert_eq!(lines[12], lines[0]);
    // The foreground comes once and stays, as long as no other is needed.
    assert_eq!(
        lines[1],
        "\x1b[48;5;231m  \x1b[38;5;231;48;5;16m ▄▄▄▄▄ \x1b[48;5;231m \x1b[48;5;16m \x1b[48;5;231m \
         \x1b[48;5;16m▄\x1b[48;5;231m \x1b[48;5;16m \x1b[48;5;231m \x1b[48;5;16m ▄▄▄▄▄ \x1b[48;5;231m  \x1b[0m"
    );
    let basic = Drawing { palette: Palette::Basic, ..drawing(Style::HalfLow, 2) };
    assert_eq!(
        Code::new("A").unwrap().draw(basic)[1],
        "\x1b[47m  \x1b[37;40m ▄▄▄▄▄ \x1b[47m \x1b[40m \x1b[47m \x1b[40m▄\x1b[47m \x1b[40m \x1b[47m \
         \x1b[40m ▄▄▄▄▄ \x1b[47m  \x1b[0m"
    );
}

#[test]
fn wide_and_tall_in_spaces() {
    let code = Code::new("A").unwrap();
    let wide = code.draw(drawing(Style::Wide, 2));
    let tall = code.draw(drawing(Style::Tall, 2));
    assert_eq!((wide.len(), tall.len()), (25, 25));
    assert_eq!(wide[1], format!("{WHITE}{}\x1b[0m", " ".repeat(50)));
    assert_eq!(tall[1], format!("{WHITE}{}\x1b[0m", " ".repeat(25)));
    assert_eq!(
        tall[2],
        "\x1b[48;5;231m  \x1b[48;5;16m       \x1b[48;5;231m \x1b[48;5;16m \x1b[48;5;231m \x1b[48;5;16m \
         \x1b[48;5;231m \x1b[48;5;16m \x1b[48;5;231m \x1b[48;5;16m       \x1b[48;5;231m  \x1b[0m"
    );
    assert_eq!(wide[2], tall[2].replace(' ', "  "));
}

#[test]
fn mono_in_ink() {
    let code = Code::new("A").unwrap();
    let light_ink = [
        "█████████████████████████",
        "██ ▄▄▄▄▄ █ █▄█ █ ▄▄▄▄▄ ██",
        "██ █   █ █▀ ▀▄▀█ █   █ ██",
        "██ █▄▄▄█ █ █▄███ █▄▄▄█ ██",
        "██▄▄▄▄▄▄▄█▄▀ ▀ █▄▄▄▄▄▄▄██",
        "████▀▄█▀▄▀▀▀▄█▄▀▀▄▄▄▀ ▄██",
        "██ ▄█▄▄▀▄ █ ▀█▀ ███▀▀▄ ██",
        "███▄▄▄▄█▄▄  ██▀▀▀▀ ▀▄█▄██",
        "██ ▄▄▄▄▄ ███▀ ▀ ▀ ▀▀▄▄███",
        "██ █   █ █▀▀█ █▀▄▄▄    ██",
        "██ █▄▄▄█ ██▀▄█▀▀▀█ █▀█▄██",
        "██▄▄▄▄▄▄▄███████▄█▄▄▄▄███",
        "█████████████████████████",
    ];
    assert_eq!(code.draw(drawing(Style::Mono, 2)), light_ink);
    let dark_ink = Drawing { swapped: true, ..drawing(Style::Mono, 2) };
    let negative = |char| match char {
        '█' => ' ',
        '▀' => '▄',
        '▄' => '▀',
        _ => '█',
    };
    let expected: Vec<String> = light_ink.iter().map(|line| line.chars().map(negative).collect()).collect();
    assert_eq!(code.draw(dark_ink), expected);
}

/// The SGR parameters in a line.
fn parameters(line: &str) -> Vec<&str> {
    line.split("\x1b[").skip(1).map(|rest| rest.split_once('m').unwrap().0).collect()
}

/// All URL lengths in all forms: within their bounds, and made of nothing but what the form allows.
/// To save time each length is read back in one form only.
#[test]
fn every_form_reads_back_over_the_lengths() {
    let indexed = ["0", "48;5;16", "48;5;231", "38;5;16;48;5;231", "38;5;231;48;5;16"];
    let basic = ["0", "40", "47", "30;47", "37;40"];
    for length in 63..=202 {
        let text = url(length, length as u64);
        let code = Code::new(&text).unwrap();
        for (i, style) in [Style::HalfLow, Style::Wide, Style::Tall, Style::Mono].into_iter().enumerate() {
            for (palette, allowed) in [(Palette::Indexed, &indexed), (Palette::Basic, &basic)] {
                let quiet = QUIET[length / 4 % 2];
                let drawing = Drawing { style, quiet, palette, swapped: false };
                let lines = code.draw(drawing);
                let (columns, rows) = code.cells(drawing);
                assert_eq!(lines.len(), usize::from(rows));
                for line in &lines {
                    assert_eq!(parse(line).len(), usize::from(columns));
                    assert!(parameters(line).iter().all(|parameter| allowed.contains(parameter)), "{line:?}");
                    match style {
                        Style::Mono => assert!(!line.contains('\x1b')),
                        Style::HalfLow | Style::Reverse => assert!(line.ends_with(RESET)),
                        Style::Wide | Style::Tall => {
                            assert!(line.is_ascii() && line.ends_with(RESET));
                        }
                    }
                }
                if length % 4 == i && (length / 8 % 2 == 0) == (palette == Palette::Basic) {
                    assert_eq!(read_lines(&lines, style, true).as_ref(), Ok(&text), "{drawing:?}");
                }
            }
        }
    }
}

/// What `fit` chooses reads back, and leaves the rows that are to stay. The size it names otherwise
/// is enough, and no smaller one is.
#[test]
fn what_fits_reads_back_within_its_budget() {
    let styles = [StyleChoice::Auto, StyleChoice::Half, StyleChoice::Wide, StyleChoice::Tall, StyleChoice::Mono];
    for seed in 0..100 {
        let pick = |n: u64, below: u16| u16::try_from(random(seed * 8 + n) % u64::from(below)).unwrap();
        let text = url(63 + usize::from(pick(0, 140)), seed);
        let code = Code::new(&text).unwrap();
        let dark_background = pick(1, 2) == 0;
        let surface = Surface {
            colour: pick(2, 4) != 0,
            utf8: pick(3, 3) != 0,
            dark_background,
            ..surface(30 + pick(4, 120), 15 + pick(5, 80))
        };
        let reserved = u16::try_from(text.len()).unwrap().div_ceil(surface.columns) + 1;
        for (i, style) in styles.into_iter().enumerate() {
            let context = format!("{style:?} of {} bytes on {surface:?}", text.len());
            match code.fit(asked(style), surface, reserved) {
                Ok(drawing) => {
                    let lines = code.draw(drawing);
                    assert!(lines.len() + usize::from(reserved) <= surface.rows.into(), "{context}");
                    assert!(lines.iter().all(|line| parse(line).len() <= surface.columns.into()), "{context}");
                    assert!(surface.colour || lines.iter().all(|line| !line.contains('\x1b')), "{context}");
                    if seed % 5 == i as u64 {
                        let read = read_lines(&lines, drawing.style, dark_background);
                        assert_eq!(read.as_ref(), Ok(&text), "{context}");
                    }
                }
                Err(Misfit::TooSmall { needed, have }) => {
                    assert_eq!(have, (surface.columns, surface.rows));
                    assert!(needed.0 > have.0 || needed.1 > have.1, "{context}");
                    let enough = |columns, rows| {
                        let surface = Surface { columns, rows, ..surface };
                        code.fit(asked(style), surface, reserved).is_ok()
                    };
                    assert!(enough(needed.0, needed.1), "{context}");
                    assert!(!enough(needed.0 - 1, u16::MAX) && !enough(u16::MAX, needed.1 - 1), "{context}");
                }
                Err(Misfit::NeedsColour) => assert!(!surface.colour, "{context}"),
            }
        }
    }
}

#[test]
fn each_form_has_its_place() {
    use Misfit::{NeedsColour, TooSmall};
    use StyleChoice::{Auto, Half, Mono, Tall, Wide};
    let code = Code::new(&url(100, 1)).unwrap();
    assert_eq!(code.size(), 37);
    let fit = |choice, colour, utf8, columns, rows| {
        let surface = Surface { utf8, colour, ..surface(columns, rows) };
        code.fit(asked(choice), surface, 3).map(|drawing| (drawing.style, drawing.quiet))
    };
    let small = |needed, have| Err(TooSmall { needed, have });

    assert_eq!(fit(Auto, true, true, 45, 26), Ok((Style::HalfLow, 4)));
    assert_eq!(fit(Auto, true, true, 44, 26), Ok((Style::HalfLow, 2)));
    assert_eq!(fit(Auto, true, true, 80, 24), Ok((Style::HalfLow, 2)));
    assert_eq!(fit(Auto, true, true, 40, 24), small((41, 24), (40, 24)));
    assert_eq!(fit(Auto, true, true, 80, 23), small((41, 24), (80, 23)));
    assert_eq!(fit(Auto, true, true, 0, 0), small((41, 24), (0, 0)));

    assert_eq!(fit(Auto, true, false, 90, 48), Ok((Style::Wide, 4)));
    assert_eq!(fit(Auto, true, false, 89, 48), Ok((Style::Wide, 2)));
    assert_eq!(fit(Auto, true, false, 81, 48), Ok((Style::Tall, 4)));
    assert_eq!(fit(Auto, true, false, 81, 47), Ok((Style::Tall, 2)));
    assert_eq!(fit(Auto, true, false, 80, 43), small((41, 44), (80, 43)));

    assert_eq!(fit(Auto, false, true, 80, 24), Ok((Style::Mono, 2)));
    assert_eq!(fit(Auto, false, false, 200, 99), Err(NeedsColour));

    assert_eq!(fit(Half, true, false, 80, 99), Ok((Style::HalfLow, 4)));
    assert_eq!(fit(Half, false, false, 80, 99), Ok((Style::Mono, 4)));
    assert_eq!(fit(Mono, true, true, 80, 99), Ok((Style::Mono, 4)));
    assert_eq!(fit(Wide, true, true, 85, 99), Ok((Style::Wide, 2)));
    assert_eq!(fit(Wide, true, true, 80, 99), small((82, 44), (80, 99)));
    assert_eq!(fit(Tall, true, true, 80, 99), Ok((Style::Tall, 4)));
    assert_eq!(fit(Wide, false, true, 200, 99), Err(NeedsColour));
    assert_eq!(fit(Tall, false, true, 200, 99), Err(NeedsColour));
}

#[test]
fn without_bounds_the_best_form_is_taken() {
    let code = Code::new(&url(100, 1)).unwrap();
    let nowhere = surface(0, 0);
    assert_eq!(code.unbounded(Request::default(), nowhere), Ok(drawing(Style::HalfLow, 4)));
    let ascii = Surface { utf8: false, ..nowhere };
    assert_eq!(code.unbounded(Request::default(), ascii), Ok(drawing(Style::Wide, 4)));
    let nothing = Surface { colour: false, ..ascii };
    assert_eq!(code.unbounded(Request::default(), nothing), Err(Misfit::NeedsColour));
}

#[test]
fn inverting_swaps_colours_and_ink() {
    let text = url(81, 7);
    let code = Code::new(&text).unwrap();
    for dark_background in [true, false] {
        let surface = Surface { dark_background, ..surface(200, 200) };
        for style in [StyleChoice::Half, StyleChoice::Wide, StyleChoice::Tall, StyleChoice::Mono] {
            let plain = code.fit(asked(style), surface, 0).unwrap();
            let inverted = code.fit(Request { style, invert: true }, surface, 0).unwrap();
            assert_eq!(inverted, Drawing { swapped: !plain.swapped, ..plain });
            // A background guessed wrong is what inverting puts right in ink; in colour, the
            // picture itself is negative.
            let (plain, inverted) = (code.draw(plain), code.draw(inverted));
            let negative: Vec<Vec<bool>> =
                halves(&inverted, dark_background).into_iter().map(|row| row.into_iter().map(|dark| !dark).collect()).collect();
            assert_eq!(negative, halves(&plain, dark_background));
            if style == StyleChoice::Mono {
                assert_eq!(read_lines(&inverted, Style::Mono, !dark_background), Ok(text.clone()));
            }
        }
    }
}

#[test]
fn versions_are_the_smallest_and_levels_the_highest() {
    // Capacities in plain bytes, by the standard: version, level, most bytes.
    let plain = [(4, 78), (5, 106), (6, 134), (7, 154), (8, 192), (9, 230)];
    for length in 63..=202 {
        for seed in 0..2 {
            let code = Code::new(&url(length, seed * 1000 + length as u64)).unwrap();
            let (most, _) = *plain.iter().find(|(_, bytes)| length <= *bytes).unwrap();
            assert!(code.version() <= most, "v{} for {length} bytes", code.version());
        }
    }
    let level = |length| {
        let code = Code::new(&url(length, 3)).unwrap();
        (code.version(), code.level())
    };
    assert_eq!(level(84), (5, EcLevel::M));
    assert_eq!(level(100), (5, EcLevel::L));
    assert_eq!(level(63), (4, EcLevel::L));
    let one = Code::new("A").unwrap();
    assert_eq!((one.version(), one.level(), one.size()), (1, EcLevel::H, 21));
}

#[test]
fn any_text_is_kept_as_it_is() {
    for text in ["https://GitHub.com/Octo/%7Ecat?a=1#x", "日本語の名前", "A", "0123456789012345678901234567890"] {
        let code = Code::new(text).unwrap();
        assert_eq!(read_lines(&code.draw(drawing(Style::HalfLow, 4)), Style::HalfLow, true).as_deref(), Ok(text));
    }
}

#[test]
fn segments_are_used_where_they_help_and_are_safe() {
    // Version 1 holds 17 bytes, or 41 digits.
    assert_eq!(Code::new(&"7".repeat(41)).unwrap().version(), 1);
    assert_eq!(Code::new(&"~".repeat(18)).unwrap().version(), 2);
    // 18 bytes of UTF-8, 12 of which look like Shift JIS: as kanji they would fit into version 1.
    assert_eq!(Code::new("日本語の名前").unwrap().version(), 2);
}

#[test]
fn a_text_too_long_is_refused() {
    let text = "~".repeat(2953);
    let code = Code::new(&text).unwrap();
    assert_eq!((code.version(), code.size()), (40, 177));
    assert_eq!(code.cells(drawing(Style::Wide, 4)), (370, 185));
    let error = Code::new(&(text + "~")).unwrap_err();
    assert_eq!(error.to_string(), "2954 bytes do not fit into a QR code");
}

#[test]
fn misfits_say_the_sizes_in_ascii() {
    let error = Misfit::TooSmall { needed: (41, 24), have: (38, 20) };
    assert_eq!(error.to_string(), "the QR code needs 41x24 characters, the terminal has 38x20");
}

#[test]
fn old_terminals_get_eight_colours() {
    for term in ["linux", "ansi", "cygwin", "vt100", "vt220-w", "xterm-color", "sun", "sun-color"] {
        assert_eq!(Palette::for_term(term), Palette::Basic, "{term}");
    }
    for term in ["xterm", "xterm-256color", "screen", "tmux-256color", "vte-256color", "vte", "", "foot"] {
        assert_eq!(Palette::for_term(term), Palette::Indexed, "{term}");
    }
}

#[test]
fn outside_the_code_all_is_light() {
    let code = Code::new("A").unwrap();
    assert!(code.dark(0, 0) && code.dark(20, 0));
    assert!(!code.dark(21, 0) && !code.dark(0, 21) && !code.dark(u16::MAX, u16::MAX));
}

#[test]
fn png_reads_back() {
    for length in [63, 100, 202] {
        let text = url(length, 11);
        let code = Code::new(&text).unwrap();
        let file = code.to_png();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(&file));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = usize::from(code.size() + 8) * 8;
        assert_eq!((info.width as usize, info.height as usize), (side, side));
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Grayscale, png::BitDepth::One));
        let picture: Vec<Vec<bool>> =
            pixels.chunks(info.line_size).map(|row| (0..side).map(|x| row[x / 8] >> (7 - x % 8) & 1 == 0).collect()).collect();
        assert_eq!(read(&picture, (8, 8)), Ok(text));
        assert!(file.len() < 6000, "{} bytes", file.len());
    }
}

#[test]
fn svg_reads_back() {
    let text = url(100, 11);
    let svg = Code::new(&text).unwrap().to_svg();
    assert!(svg.starts_with(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"360\" height=\"360\" viewBox=\"0 0 45 45\" \
         stroke=\"none\" shape-rendering=\"crispEdges\"><rect width=\"45\" height=\"45\" fill=\"#fff\"/><path d=\"M4 4h7v1h-7z"
    ));
    let mut picture = vec![vec![false; 45]; 45];
    let path = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
    for run in path.split_terminator('z') {
        let (place, size) = run.strip_prefix('M').unwrap().split_once('h').unwrap();
        let (x, y) = place.split_once(' ').unwrap();
        let (length, back) = size.split_once("v1h-").unwrap();
        assert_eq!(length, back);
        let (x, y, length): (usize, usize, usize) = (x.parse().unwrap(), y.parse().unwrap(), length.parse().unwrap());
        picture[y][x..x + length].fill(true);
    }
    assert_eq!(read(&picture, (1, 1)), Ok(text));
}

/// Reverse video is the half-low drawing in the terminal's own colours, whichever of them is the background.
#[test]
fn reverse_video_reads_back_on_dark_and_light() {
    let text = url(90, 5);
    let code = Code::new(&text).unwrap();
    for dark_background in [true, false] {
        let surface = Surface { colour: false, reverse: true, dark_background, ..surface(80, 40) };
        let drawing = code.fit(asked(StyleChoice::Auto), surface, 1).unwrap();
        assert_eq!(drawing.style, Style::Reverse);
        // What a terminal makes of it: its own two colours, or these exchanged.
        let (own, reversed) = ("\x1b[38;5;231;48;5;16m", "\x1b[38;5;16;48;5;231m");
        let (own, reversed) = if dark_background { (own, reversed) } else { (reversed, own) };
        let shown = |line: &String| line.replace("\x1b[27m", own).replace("\x1b[7m", reversed);
        let coloured = Drawing { style: Style::HalfLow, swapped: false, ..drawing };
        let pixels = |lines: &[String]| {
            lines
                .iter()
                .flat_map(|line| parse(line))
                .map(|(ink, front, back)| if ink == ' ' { (back, back) } else { (back, front) })
                .collect::<Vec<_>>()
        };
        let lines: Vec<String> = code.draw(drawing).iter().map(shown).collect();
        assert_eq!(pixels(&lines), pixels(&code.draw(coloured)));
    }
}
