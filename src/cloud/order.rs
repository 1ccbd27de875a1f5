//! Reads what is to be launched, in the forms in which people write it: `owner/name@branch`, a link, or a list of them.

use std::collections::HashMap;
use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::repo::Slug;
use crate::sdk::CloudRepository;

/// Where a task works. The names are checked for the form that GitHub takes, without asking GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None` for a task without a repository.
    pub(crate) slug: Option<Slug>,
    pub(crate) branch: Option<String>,
}

/// One task to launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The number of the order's line, or of its `--repo`, from 1; then the numbers of equal lines.
    pub(crate) lines: Vec<usize>,
    pub(crate) target: Target,
    pub(crate) prompt: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.slug, &self.branch) {
            (Some(slug), Some(branch)) => write!(f, "{slug}@{branch}"),
            (Some(slug), None) => write!(f, "{slug}"),
            (None, _) => write!(f, "no repository"),
        }
    }
}

impl Target {
    pub(crate) const NO_REPOSITORY: Self = Self { slug: None, branch: None };

    /// Reads `owner/name`, `owner/name@branch`, or the link of a repository on `host`, also of a branch (`/tree/branch`).
    pub(crate) fn parse(text: &str, host: &str) -> Result<Self, String> {
        let (path, branch) = match text.split_once("://") {
            Some(("https" | "http", _)) => of_link(text, host)?,
            Some(_) => return Err(format!("expected owner/name, owner/name@branch, or a link on https://{host}/")),
            None => match text.split_once('@') {
                Some((path, branch)) => (path.to_owned(), Some(branch.to_owned())),
                None => (text.to_owned(), None),
            },
        };
        let (owner, name) = path.split_once('/').ok_or("expected owner/name, or owner/name@branch")?;
        check_owner(owner)?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        check_name(name)?;
        if let Some(branch) = &branch {
            check_branch(branch)?;
        }
        Ok(Self { slug: Some(Slug { owner: owner.to_owned(), name: name.to_owned() }), branch })
    }

    /// The repository in the form that the CLI takes.
    pub(crate) fn repository(&self) -> Option<CloudRepository<'_>> {
        self.slug.as_ref().map(|slug| CloudRepository { owner: &slug.owner, name: &slug.name, branch: self.branch.as_deref() })
    }
}

impl Order {
    /// The text that the agent gets. It begins with the branch, because nothing else brings the branch to GitHub
    /// (docs/copilot-cli.md, cloud-not-sent).
    pub(crate) fn message(&self) -> Option<String> {
        let prompt = self.prompt.as_ref()?;
        Some(match (&self.target.slug, &self.target.branch) {
            (Some(slug), Some(branch)) => format!("Work on the branch {branch} of {slug}.\n\n{prompt}"),
            _ => prompt.clone(),
        })
    }
}

/// The path and the branch of a repository's link.
fn of_link(text: &str, host: &str) -> Result<(String, Option<String>), String> {
    let url = Url::parse(text).map_err(|error| format!("this is no link: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err("expected a link without user, password and port".to_owned());
    }
    if url.host_str() != Some(host) {
        return Err(format!("this link is not on {host}; on another GitHub host: set GH_HOST"));
    }
    let path = url.path().trim_matches('/');
    let mut parts = path.splitn(4, '/');
    let (owner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let branch = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some("tree"), Some(branch)) => {
            let branch = percent_decode_str(branch).decode_utf8();
            Some(branch.map_err(|_| "the branch in this link is not UTF-8")?.into_owned())
        }
        _ => return Err("expected the link of a repository, or of a branch: …/owner/name/tree/branch".to_owned()),
    };
    Ok((format!("{owner}/{name}"), branch))
}

/// A text for messages. What was meant as a link may have a password or a token in it, also without its scheme.
pub(crate) fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let (first, _) = text.split_once('@').unwrap_or((text, ""));
    if first.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name)) {
        return text.to_owned();
    }
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) if plain(scheme) => format!("{scheme}://…@{rest}"),
        (_, Some((_, rest))) => format!("…@{rest}"),
        (_, None) => text.to_owned(),
    }
}

/// Whether this can be a login: letters, digits, and hyphens between them; logins that a company manages have an underscore, too.
fn check_owner(owner: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if owner.is_empty() || owner.len() > 100 || owner.starts_with('-') || !owner.bytes().all(good) {
        return Err("the owner may have letters, digits and hyphens".to_owned());
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if matches!(name, "" | "." | "..") || name.len() > 100 || !name.bytes().all(good) {
        return Err("the repository's name may have letters, digits, hyphens, underscores and dots".to_owned());
    }
    Ok(())
}

/// Whether this can be a branch, by the rules of git-check-ref-format(1). One that looks like an option is refused.
fn check_branch(branch: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("\"{branch}\" is no branch: {why}"));
    if branch.is_empty() {
        return wrong("it is empty");
    }
    if branch.len() > 244 {
        return wrong("it is longer than 244 bytes");
    }
    if let Some(character) =
        branch.chars().find(|character| character.is_control() || character.is_whitespace() || "~^:?*[\\".contains(*character))
    {
        return wrong(&format!("it has {character:?}"));
    }
    if branch == "@" || branch.starts_with('-') {
        return wrong("git takes it for something else");
    }
    if let Some(sequence) = ["..", "@{"].iter().find(|sequence| branch.contains(**sequence)) {
        return wrong(&format!("it has \"{sequence}\""));
    }
    if branch.ends_with('.') {
        return wrong("it ends in a dot");
    }
    if branch.split('/').any(|part| {
        part.is_empty() || part.starts_with('.') || std::path::Path::new(part).extension().is_some_and(|end| end == "lock")
    }) {
        return wrong("a part between slashes is empty, starts with a dot or ends in .lock");
    }
    Ok(())
}

/// Reads a list with one order a line: `owner/name[@branch]`, and after a tab a prompt of its own. Empty lines and those that
/// start with # only count for the line numbers. All errors are reported together.
pub(crate) fn read_list(text: &str, host: &str, prompt: Option<&str>) -> Result<Vec<Order>, Vec<String>> {
    let mut orders = Vec::new();
    let mut wrong = Vec::new();
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let (target, own) = line.split_once('\t').unwrap_or((line, ""));
        let (target, own) = (target.trim(), own.trim());
        if (target.is_empty() && own.is_empty()) || target.starts_with('#') {
            continue;
        }
        match Target::parse(target, host) {
            Ok(target) => {
                let prompt = if own.is_empty() { prompt } else { Some(own) };
                orders.push(Order { lines: vec![index + 1], target, prompt: prompt.map(ToOwned::to_owned) });
            }
            Err(why) => wrong.push(format!("line {}: {}: {why}", index + 1, without_secrets(target))),
        }
    }
    if wrong.is_empty() { Ok(orders) } else { Err(wrong) }
}

/// Merges equal orders into one, in the place of the first.
pub(crate) fn merged(orders: Vec<Order>) -> Vec<Order> {
    let mut places: HashMap<(String, Option<String>), usize> = HashMap::new();
    let mut merged: Vec<Order> = Vec::with_capacity(orders.len());
    for order in orders {
        // GitHub compares names of repositories without case, and branches with it.
        let slug = order.target.slug.as_ref().map(|slug| slug.to_string().to_ascii_lowercase()).unwrap_or_default();
        let key = (format!("{slug}@{}", order.target.branch.as_deref().unwrap_or_default()), order.prompt.clone());
        if let Some(place) = places.get(&key) {
            merged[*place].lines.extend(order.lines);
        } else {
            places.insert(key, merged.len());
            merged.push(order);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::{Order, Target, merged, read_list, without_secrets};

    fn parse(text: &str) -> Result<String, String> {
        Target::parse(text, "github.com").map(|target| target.to_string())
    }

    #[test]
    fn repositories_branches_and_links_are_read() {
        for (text, wanted) in [
            ("octocat/hello-world", "octocat/hello-world"),
            ("octocat/hello-world@main", "octocat/hello-world@main"),
            ("octocat/hello.world_2@feature/a.b/c", "octocat/hello.world_2@feature/a.b/c"),
            ("octocat/hello-world@a@b", "octocat/hello-world@a@b"),
            ("octocat_acme/hello-world", "octocat_acme/hello-world"),
            ("https://github.com/octocat/hello-world", "octocat/hello-world"),
            ("https://github.com/octocat/hello-world.git", "octocat/hello-world"),
            ("https://github.com/octocat/hello-world/", "octocat/hello-world"),
            ("https://github.com/octocat/hello-world/tree/feature/x?tab=readme", "octocat/hello-world@feature/x"),
            ("https://github.com/octocat/hello-world/tree/fix%231%40home", "octocat/hello-world@fix#1@home"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_github_would_not_take_is_refused_here() {
        for text in [
            "",
            "octocat",
            "octocat/",
            "/hello",
            "a b/c",
            "octocat/hello world",
            "octocat/..",
            "octo;cat/x",
            "-x/y",
            "octocat/hello/world",
            "octocat/hello-world@",
            "octocat/hello-world@@",
            "octocat/hello-world@a..b",
            "octocat/hello-world@a b",
            "octocat/hello-world@-f",
            "octocat/hello-world@/a",
            "octocat/hello-world@a//b",
            "octocat/hello-world@a/.b",
            "octocat/hello-world@a.lock",
            "octocat/hello-world@a.",
            "octocat/hello-world@a~1",
            "octocat/hello-world@a@{1}",
            "octocat/hello-world@\u{1b}[2J",
            "https://gitlab.com/octocat/hello-world",
            "https://github.com/octocat",
            "https://github.com/octocat/hello-world/pull/1",
            "https://github.com/octocat/hello-world/tree",
            "https://github.com/octocat/hello-world/tree/%ff",
            "ssh://git@github.com/o/r",
            "https://token@github.com/octocat/hello-world",
            "https://github.com:8443/octocat/hello-world",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_in_a_link_is_not_shown() {
        assert_eq!(without_secrets("https://octocat:secret@github.com/o/r"), "https://…@github.com/o/r");
        assert_eq!(without_secrets("octocat/hello-world@a@b"), "octocat/hello-world@a@b");
        for text in [
            "octocat:secret@github.com/o/r",
            "secret@github.com/o/r",
            "https:/octocat:secret@github.com/o/r",
            "https://example.com/o/r?access_token=secret",
            "x/y:secret@github.com/o/r",
        ] {
            assert!(!without_secrets(text).contains("secret"), "{text}");
            assert!(!parse(text).unwrap_err().contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_list_has_numbers_prompts_and_all_that_is_wrong() {
        let text = "\u{feff}# ours\r\noctocat/a\r\n\r\noctocat/b@main\tfix the tests\r\n";
        let orders = read_list(text, "github.com", Some("all")).unwrap();
        let told: Vec<_> = orders.iter().map(|order| (order.lines[0], order.prompt.as_deref().unwrap())).collect();
        assert_eq!(told, [(2, "all"), (4, "fix the tests")]);
        assert_eq!(orders[1].message().unwrap(), "Work on the branch main of octocat/b.\n\nfix the tests");
        let wrong = read_list("octocat\noctocat/a\noctocat/b@..\n\tprompt\n", "github.com", None).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[1].starts_with("line 3: octocat/b@..: "), "{wrong:?}");
    }

    #[test]
    fn the_same_is_launched_once() {
        let text = "octocat/a\nOctocat/A\noctocat/a@main\noctocat/a\tother\noctocat/a\n";
        let orders: Vec<Order> = merged(read_list(text, "github.com", None).unwrap());
        let lines: Vec<_> = orders.iter().map(|order| order.lines.clone()).collect();
        assert_eq!(lines, [vec![1, 2, 5], vec![3], vec![4]]);
    }
}
