//! Foreign text without credentials: a proxy, or GitHub, may repeat what it was sent in its error.

use std::sync::{Mutex, PoisonError};

/// In place of what is struck out.
const STRUCK: &str = "…";
/// How tokens of GitHub begin.
const TOKENS: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];
/// How a client says who it is.
const SCHEMES: [&str; 6] = ["bearer", "token", "basic", "digest", "negotiate", "ntlm"];
/// So long a remembered secret has to be: a shorter one is in ordinary words, too.
const SHORTEST: usize = 6;

/// What this process itself shows to others.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on this is struck out wherever it stands.
pub(crate) fn remember(secret: &str) {
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    if secret.len() >= SHORTEST && !secrets.iter().any(|known| known == secret) {
        secrets.push(secret.to_owned());
    }
}

/// `text` without what looks like a credential: our own secrets, tokens of GitHub, what follows `Authorization:`, `Bearer`, `token` and
/// `Basic`, and who signs in by a URL.
pub(crate) fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    for secret in SECRETS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        text = text.replace(secret, STRUCK);
    }
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if let Some((from, to)) = credential(&text, at) {
            clean.push_str(&text[at..from]);
            clean.push_str(STRUCK);
            at = to;
        } else {
            let character = text[at..].chars().next().unwrap_or_default();
            clean.push(character);
            at += character.len_utf8();
        }
    }
    clean
}

/// From where to where there is a credential, if what tells of one begins here.
fn credential(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    let begins = |word: &str| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if TOKENS.into_iter().any(begins) {
        let length = run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return (length > 8).then_some((at, at + length));
    }
    if begins("://") {
        let end = rest[3..].find(|end: char| end.is_whitespace() || "/?#\"'<>".contains(end)).map_or(rest.len(), |end| end + 3);
        let sign = rest[3..end].rfind('@')? + 3;
        // What is struck out already stays.
        return (&rest[3..sign] != STRUCK).then_some((at + 3, at + sign));
    }
    if text[..at].ends_with(|before: char| before.is_alphanumeric()) {
        return None;
    }
    if begins("authorization") {
        let (sign, value) = value(rest, "authorization".len())?;
        let end = value + rest[value..].find(['"', '\'', '\\', '\r', '\n']).unwrap_or(rest.len() - value);
        // With a scheme; else it is a sentence, unless its first word is random.
        let first = rest[value..end].split([' ', '\t']).next().unwrap_or_default();
        let is_scheme = SCHEMES.into_iter().any(|scheme| {
            first.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && !first[scheme.len()..].starts_with(char::is_alphanumeric)
        });
        return (sign && (is_scheme || is_random(first, true))).then_some((at + value, at + end));
    }
    let word = ["bearer", "token", "basic"].into_iter().find(|word| begins(word))?;
    let (sign, value) = value(rest, word.len())?;
    // Copilot's own tokens are made of parts.
    let parts = rest[value..].starts_with("tid=");
    let length =
        run(&rest[value..], |byte| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte) || parts && b";:".contains(&byte));
    // "the token /home/octocat/…" is about a file.
    if !sign && rest[value..].starts_with(['/', '.', '~']) {
        return None;
    }
    is_random(&rest[value..value + length], word == "bearer").then_some((at + value, at + value + length))
}

/// Behind a name, its value: after spaces, quotes, a colon or an equals sign, also as a URL has them, of which there is one at least.
/// Whether one was a sign.
fn value(text: &str, name: usize) -> Option<(bool, usize)> {
    let (mut sign, mut at) = (false, name);
    loop {
        let rest = &text[at..];
        let length = match rest.as_bytes() {
            [b' ' | b'\t' | b'"' | b'\'' | b'\\', ..] => 1,
            [b':' | b'=', ..] => {
                sign = true;
                1
            }
            [b'%', b'2', b'0' | b'2', ..] => 3,
            [b'%', b'3', b'A' | b'a' | b'D' | b'd', ..] => {
                sign = true;
                3
            }
            _ => break,
        };
        at += length;
    }
    (at > name).then_some((sign, at))
}

fn run(text: &str, is: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| is(*byte)).count()
}

/// Whether this is no word that people write: "token expired", "Basic authentication".
fn is_random(word: &str, always_short: bool) -> bool {
    let digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let inner_capital = word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    word.len() >= 20 || ((digit || inner_capital) && (word.len() >= 8 || (always_short && word.len() >= 2)))
}

#[cfg(test)]
mod tests {
    use super::{redacted, remember};

    #[test]
    fn credentials_are_struck_out() {
        for (text, clean) in [
            ("bad gho_5ecret0f7he7est5, sorry", "bad …, sorry"),
            ("x%3Aghp_0123456789abcdef%20", "x%3A…%20"),
            ("github_pat_11ABCDEFG_abcdefghijkl.", "…."),
            ("Authorization: Bearer abc", "Authorization: …"),
            ("authorization: token 0123\nnext line", "authorization: …\nnext line"),
            (r#"{"proxy-authorization":"Basic dXNlcjpwYXNz","x":1}"#, r#"{"proxy-authorization":"…","x":1}"#),
            (r#"{\"Authorization\":\"Bearer abc\",\"x\":1}"#, r#"{\"Authorization\":\"…\",\"x\":1}"#),
            ("sent Bearer tid=0123abcd;exp=1700000000;8kp=1:deadbeef to it", "sent Bearer … to it"),
            ("Authorization%3A%20Bearer%20abcdefghijklmnopqrst&x", "Authorization%3A%20…"),
            ("access_token%3Dabcdefghijklmnopqrst&x=1", "access_token%3D…&x=1"),
            ("sent Bearer a1b2 to it", "sent Bearer … to it"),
            ("token 0123456789abcdef", "token …"),
            ("?access_token=abcdefghijklmnopqrst&x=1", "?access_token=…&x=1"),
            ("https://octocat:pass@word@proxy.example.com:8080/x", "https://…@proxy.example.com:8080/x"),
            ("http://x-access-token@github.com", "http://…@github.com"),
        ] {
            assert_eq!(redacted(text), clean);
            assert_eq!(redacted(clean), clean);
        }
    }

    #[test]
    fn words_stay_as_they_are() {
        for text in [
            "Your authentication token may be expired.",
            "Basic authentication is not supported; the token is invalid",
            "the token (GH_TOKEN) was refused: 401, tokens are checked, Bearer tokens too",
            "authorization failed for https://github.com/octocat/hello-world and git@github.com:o/r",
            "Resource not accessible by personal access token",
            "the server wants authorization: sign in at https://github.com/orgs/octo/sso",
            "cannot read the token /home/octocat/.config/gh/hosts.yml: permission denied",
            "unexpected token /src/components/Button.tsx",
            "naïve — 日本 👍🏽 ghost ghp_ gho_x",
            "error sending request for url (https://api.githubcopilot.com/agents/sessions/mc-1/events)",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn our_own_secrets_are_struck_out_whatever_they_look_like() {
        remember("hunter-two-and-three");
        remember("short");
        assert_eq!(redacted("said hunter-two-and-three, in short"), "said …, in short");
    }
}
