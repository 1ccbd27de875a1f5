//! Checks which links of Mission Control may be shown.

use url::Url;

use super::SdkError;

/// A link may be shown if it is https, on `host`, and has nothing in it that a terminal or a phone could take for something else.
pub(crate) fn check(link: &str, host: &str) -> Result<(), SdkError> {
    // Parsers disagree about backslashes and missing slashes, so the start of the link is compared as text, too.
    let plain =
        link.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && link.starts_with(&format!("https://{host}/"));
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
            "https://github.com\\@evil.example/x",
            "https:github.com/x",
            "https:///github.com/x",
            "javascript:alert(1)",
            "",
        ] {
            assert!(check(link, "github.com").is_err(), "{link:?}");
        }
    }
}
