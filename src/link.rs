//! The Mission Control link: checked, shown, drawn, saved.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use url::Url;

use crate::cli::{QrArgs, QrStyle, When};
use crate::context::Context;
use crate::error::UsageError;
use crate::output::{Line, Tone};
use crate::qr::{Code, Misfit, Request, StyleChoice};
use crate::sdk::SdkError;

/// A link that may be shown: https, on `host`, with nothing in it that a terminal or a phone could take for something else.
pub(crate) fn check(link: &str, host: &str) -> Result<(), SdkError> {
    let plain = link.bytes().all(|byte| byte.is_ascii_graphic());
    let good = plain
        && Url::parse(link).is_ok_and(|url| {
            url.scheme() == "https"
                && url.host_str() == Some(host)
                && url.port().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
    if good { Ok(()) } else { Err(SdkError::UntrustedUrl { url: link.to_owned(), host: host.to_owned() }) }
}

/// Refuses a `--qr-file` of a kind that cannot be written, before anything is started.
pub(crate) fn check_file(file: &Path) -> Result<(), UsageError> {
    match extension(file).as_deref() {
        Some("svg" | "png") => Ok(()),
        _ => Err(UsageError::new(
            format!("--qr-file {}: the name has to end in .svg or .png", file.display()),
            "for example: --qr-file session.svg",
        )),
    }
}

fn extension(file: &Path) -> Option<String> {
    Some(file.extension()?.to_str()?.to_ascii_lowercase())
}

/// Draws the link as a QR code on stderr, where it can be seen and fits; says why where it does not.
pub(crate) fn draw(context: &mut Context<'_>, link: &str, qr: &QrArgs) {
    if context.json {
        return;
    }
    let Some((surface, bounded)) = context.terminal.surface(qr.qr) else { return };
    let request = Request {
        style: match qr.qr_style {
            QrStyle::Auto => StyleChoice::Auto,
            QrStyle::Half => StyleChoice::Half,
            QrStyle::Wide => StyleChoice::Wide,
            QrStyle::Tall => StyleChoice::Tall,
            QrStyle::Mono => StyleChoice::Mono,
        },
        invert: qr.qr_invert,
    };
    let Ok(code) = Code::new(link) else {
        context.terminal.say(&Line::new(Tone::Attention, "warning: the link is too long for a QR code"));
        return;
    };
    let columns = usize::from(surface.columns.max(1));
    // The link above, and one row for the cursor, stay in sight with the code.
    let reserved = u16::try_from(link.len().div_ceil(columns) + 1).unwrap_or(u16::MAX);
    let drawing = if bounded { code.fit(request, surface, reserved) } else { code.unbounded(request, surface) };
    match drawing {
        Ok(drawing) => {
            context.terminal.draw(&code.draw(drawing));
            if !surface.colour && qr.qr_style != QrStyle::Mono {
                context.terminal.say(&Line::new(Tone::Dim, "does not scan? --qr-invert, or --color=always"));
            }
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

/// Writes the QR code of the link to a file, by its ending.
pub(crate) fn save(link: &str, file: &Path) -> anyhow::Result<()> {
    let code = Code::new(link)?;
    let content = if extension(file).as_deref() == Some("png") { code.to_png() } else { code.to_svg().into_bytes() };
    fs::write(file, content).with_context(|| format!("--qr-file {}: cannot be written", file.display()))
}

/// What `q` does: also where `--qr=never` or `auto` did not draw it at the start.
pub(crate) fn draw_again(context: &mut Context<'_>, link: &str, qr: &QrArgs) {
    let when = if qr.qr == When::Never { When::Auto } else { qr.qr };
    let asked = QrArgs { qr: when, qr_style: qr.qr_style, qr_invert: qr.qr_invert, qr_file: None };
    draw(context, link, &asked);
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_plain_https_links_on_the_host_are_shown() {
        assert!(check("https://github.com/octocat/hello-world/tasks/1b4e28ba", "github.com").is_ok());
        assert!(check("https://octo.ghe.com/copilot/tasks/1", "octo.ghe.com").is_ok());
        for link in [
            "http://github.com/x",
            "https://github.com.evil.example/x",
            "https://octocat@github.com/x",
            "https://github.com:8443/x",
            "https://evil.example/https://github.com/",
            "https://github.com/a\nb",
            "https://github.com/\x1b[2J",
            "https://github.com/\u{202e}x",
            "javascript:alert(1)",
            "",
        ] {
            assert!(check(link, "github.com").is_err(), "{link:?}");
        }
    }
}
