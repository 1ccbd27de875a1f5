//! The link to Mission Control: shown, drawn as a QR code, saved to a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::settings::{setting, word};
use crate::cli::{QrArgs, QrStyle};
use crate::context::Context;
use crate::error::UsageError;
use crate::model::When;
use crate::os::env;
use crate::output::Update;
use crate::qr::{Code, Misfit, Request, StyleChoice};
use crate::text::line::{Line, Tone};

/// How the code of a link is drawn and saved.
#[derive(Debug)]
pub(crate) struct QrOptions {
    when: When,
    request: Request,
    file: Option<PathBuf>,
}

impl QrOptions {
    /// Reads the options. A file that cannot be written is refused here, before anything is started.
    pub(crate) fn new(args: QrArgs) -> Result<Self, UsageError> {
        let style = match setting(args.qr_style, env::QR_STYLE, |config| config.qr_style.as_ref(), word)?.unwrap_or(QrStyle::Auto)
        {
            QrStyle::Auto => StyleChoice::Auto,
            QrStyle::Half => StyleChoice::Half,
            QrStyle::Wide => StyleChoice::Wide,
            QrStyle::Tall => StyleChoice::Tall,
            QrStyle::Mono => StyleChoice::Mono,
        };
        if let Some(file) = &args.qr_file {
            check_file(file)?;
        }
        let when = setting(args.qr, env::QR, |config| config.qr.as_ref(), word)?.unwrap_or(When::Auto);
        Ok(Self { when, request: Request { style, invert: args.qr_invert }, file: args.qr_file })
    }
}

impl QrOptions {
    /// The options where nobody would see a code.
    pub(crate) fn none() -> Self {
        Self { when: When::Never, request: Request { style: StyleChoice::Auto, invert: false }, file: None }
    }
}

fn check_file(file: &Path) -> Result<(), UsageError> {
    if !matches!(extension(file).as_deref(), Some("svg" | "png")) {
        return Err(UsageError::new(
            format!("--qr-file {}: the name has to end in .svg or .png", file.display()),
            "for example: --qr-file session.svg",
        ));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only making a file tells whether a file can be made.
    match tempfile::NamedTempFile::new_in(folder) {
        Ok(_) => Ok(()),
        Err(_) => Err(UsageError::new(
            format!("--qr-file {}: no file can be made there", file.display()),
            "name a file in a folder that exists and can be written",
        )),
    }
}

fn extension(file: &Path) -> Option<String> {
    Some(file.extension()?.to_str()?.to_ascii_lowercase())
}

/// Saves the code if a file was named, and draws it on stderr if it can be seen there and fits. If it does not fit, a line says
/// why.
///
/// `above` is the number of rows that were just printed and should stay in sight with the code.
pub(crate) fn draw(context: &mut Context<'_>, link: &str, qr: &QrOptions, above: usize) {
    let Ok(code) = Code::new(link) else {
        caution(context, "the link is too long for a QR code");
        return;
    };
    if let Some(file) = &qr.file
        && let Err(error) = save(&code, file)
    {
        caution(context, &format!("--qr-file {}: {error}", file.display()));
    }
    show(context, &code, qr.when, qr.request, above);
}

/// Prints the code to stdout, where it is the data, and saves it.
pub(crate) fn print(context: &mut Context<'_>, link: &str, qr: &QrOptions) -> anyhow::Result<()> {
    let Ok(code) = Code::new(link) else { anyhow::bail!("the link is too long for a QR code: {link}") };
    if let Some(file) = &qr.file {
        save(&code, file).with_context(|| format!("--qr-file {}", file.display()))?;
    }
    if context.json || qr.when == When::Never {
        return Ok(());
    }
    let (surface, bounded) = context.terminal.stdout_surface();
    let drawing = if bounded { code.fit(qr.request, surface, 1) } else { code.unbounded(qr.request, surface) };
    let drawing = drawing.map_err(|misfit| anyhow::anyhow!("no QR code: {misfit}; save it: --qr-file code.svg"))?;
    Ok(context.terminal.print(&(code.draw(drawing).join("\n") + "\n"))?)
}

/// Draws the code for the key `q`, also if it was not to be drawn at the start.
pub(crate) fn draw_again(context: &mut Context<'_>, link: &str, qr: &QrOptions) {
    let when = if qr.when == When::Never { When::Auto } else { qr.when };
    if let Ok(code) = Code::new(link) {
        show(context, &code, when, qr.request, 0);
    }
}

/// Acts on the keys of a link: for its code, the browser and the clipboard.
pub(crate) fn key(context: &mut Context<'_>, link: &str, demo: bool, qr: &QrOptions, key: char) {
    let say = |context: &mut Context<'_>, text: &str| context.terminal.say(&Line::new(Tone::Dim, text));
    match key {
        'q' => draw_again(context, link, qr),
        'o' if demo => say(context, "this is a demo: the link opens no session"),
        'o' => match open::that_detached(link) {
            Ok(()) => say(context, "opened in the browser"),
            Err(_) => say(context, &format!("no browser could be started; the link: {link}")),
        },
        'c' => {
            context.terminal.copy(link);
            say(context, "asked the terminal to copy the link (OSC 52; in tmux: set -g set-clipboard on)");
        }
        _ => {}
    }
}

fn show(context: &mut Context<'_>, code: &Code, when: When, request: Request, above: usize) {
    let Some((surface, bounded)) = context.terminal.surface(when).filter(|_| !context.json) else { return };
    let drawing = if bounded {
        // Only the last line stands below the code. If the code does not fit with what is above it, that may scroll away.
        let reserved = u16::try_from(above + 1).unwrap_or(u16::MAX);
        code.fit(request, surface, reserved).or_else(|_| code.fit(request, surface, 1))
    } else {
        code.unbounded(request, surface)
    };
    match drawing {
        Ok(drawing) => {
            if !surface.colour && request.style != StyleChoice::Mono {
                context.terminal.say(&Line::new(Tone::Dim, "does not scan? --qr-invert, or --color=always"));
            }
            context.terminal.draw(&code.draw(drawing));
        }
        Err(misfit) => {
            let advice = match misfit {
                Misfit::TooSmall { .. } => "make it larger and press q, or save the code: --qr-file code.svg",
                Misfit::NeedsColour => "--color=always, or save the code: --qr-file code.svg",
            };
            context.terminal.say(&Line::new(Tone::Attention, format!("no QR code: {misfit}; {advice}")));
        }
    }
}

/// Writes the code to a file, in the format that its name ends in.
fn save(code: &Code, file: &Path) -> std::io::Result<()> {
    let content = if extension(file).as_deref() == Some("png") { code.to_png() } else { code.to_svg().into_bytes() };
    fs::write(file, content)
}

fn caution(context: &mut Context<'_>, text: &str) {
    // If nobody reads stdout any more, the next line that is written finds that out.
    let _ = context.tell(&Update::Caution(text.to_owned()));
}
