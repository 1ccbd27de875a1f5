//! What only a runtime can tell: the account, GitHub, and with `--probe` a session that is created, shared and closed again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Examination;
use crate::cli::Doctor;
use crate::context::{Context, Deadline};
use crate::error::Interrupted;
use crate::os::env;
use crate::output::Finding;
use crate::repo::Repository;
use crate::runtime::pool::{self, Joined};
use crate::sdk::{Account, Event, Events, LinkLog, RemoteMode, SdkError, Session, SessionOptions, Sign, Trouble};

/// How long closing the probe may take.
const CLOSE: Duration = Duration::from_secs(3);
/// How long the link is watched: uploads and polls that fail do so within a second or two (docs/copilot-cli.md,
/// mission-control-failures) …
const WATCHED: Duration = Duration::from_secs(5);
/// … and once more some seconds later.
const WATCHED_AGAIN: Duration = Duration::from_secs(12);
/// How often the log of it is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Examination {
    pub(super) async fn runtime(
        &mut self,
        context: &mut Context<'_>,
        joined: &Joined,
        repository: Option<&Repository>,
        args: &Doctor,
    ) -> anyhow::Result<()> {
        let login = context.step("signing in", self.deadline(), joined.runtime.login()).await;
        let Some(login) = self.keep("sign-in", login)? else { return Ok(()) };
        let account = context.step("looking at the account", self.deadline(), joined.runtime.account()).await;
        let Some(account) = self.keep("sign-in", account)? else { return Ok(()) };
        let plan = account.plan.as_deref().map_or_else(String::new, |plan| format!(", plan {plan}"));
        self.add("sign-in", Finding::Ok, format!("{} on {}, by {}{plan}", login.login, login.host, account.from));
        let off = off(&account);
        if off.is_empty() {
            self.add("account", Finding::Ok, "remote control and the storage of sessions are enabled");
        } else {
            // What GitHub says by now shows where a session is shared.
            self.warn("account", format!("{off}, as the Copilot CLI remembers it"), "doctor --probe asks GitHub, under sharing");
        }
        self.person(context, joined).await?;
        let tasks = context.step("asking GitHub", self.deadline(), joined.runtime.tasks()).await;
        if let Err(Some(SdkError::CloudRefused { message })) = tasks.as_ref().map_err(anyhow::Error::downcast_ref) {
            self.warn(
                "github",
                format!("reached{}; tasks in the cloud are not for this account: {message}", way()),
                "sessions here are",
            );
        } else if self.keep("github", tasks)?.is_some() {
            self.add("github", Finding::Ok, format!("reached{}", way()));
        }
        if args.probe || args.fix { self.probe(context, joined, repository, args).await } else { Ok(()) }
    }

    /// What the person trusts, and what rules over them.
    async fn person(&mut self, context: &mut Context<'_>, joined: &Joined) -> anyhow::Result<()> {
        let folder = context.directory.clone();
        let looking = async { tokio::try_join!(joined.runtime.managed(), joined.runtime.trusts(&folder)) };
        let looked = context.step("looking at managed settings", self.deadline(), looking).await;
        let Some((managed, trusted)) = self.keep("managed", looked)? else { return Ok(()) };
        match &managed.by {
            None => self.add("managed", Finding::Ok, "no organisation or machine has managed settings for this account"),
            Some(_) if managed.no_remote => {
                let what = "remote control is disabled".to_owned();
                let disabled: anyhow::Result<()> = Err(SdkError::Managed { what, who: managed.who() }.into());
                self.keep("managed", disabled)?;
            }
            Some(_) => {
                let more = if managed.no_allow_all { "; not everything can be allowed" } else { "" };
                self.add("managed", Finding::Ok, format!("{} hold: {}{more}", managed.who(), managed.keys.join(", ")));
            }
        }
        let trust = if trusted {
            "trusted, as copilot remembers"
        } else {
            "not trusted: hooks and MCP servers of its repository stay off"
        };
        self.add("folder", Finding::Ok, format!("{}, {trust}", folder.display()));
        Ok(())
    }

    /// Some refusals show only where a session is created and shared; it is closed again.
    async fn probe(
        &mut self,
        context: &mut Context<'_>,
        joined: &Joined,
        repository: Option<&Repository>,
        args: &Doctor,
    ) -> anyhow::Result<()> {
        let options =
            SessionOptions { directory: context.directory.clone(), name: Some("doctor".to_owned()), ..SessionOptions::default() };
        let creating = context.step("creating a session", self.deadline(), Session::create(&joined.runtime, &options)).await;
        let Some((session, mut events)) = self.keep("session", creating)? else { return Ok(()) };
        let mut look = async || {
            if args.fix {
                let refreshing =
                    context.step("asking GitHub for the account anew", self.deadline(), session.refresh_account()).await;
                if self.keep("account", refreshing)?.is_some() {
                    self.add("account", Finding::Ok, "what the Copilot CLI remembers of it was refreshed");
                }
            }
            if args.probe {
                self.share(context, joined, &session, &mut events, repository).await?;
            }
            anyhow::Ok(())
        };
        let looked = look().await;
        // One that stays open ends with its CLI.
        let limit = if looked.is_ok() { CLOSE } else { pool::HURRY };
        let closed = context.within("closing the session", Deadline::new(limit), session.close()).await;
        looked.and(closed.or_else(|error| if error.is::<Interrupted>() { Err(error) } else { Ok(()) }))
    }

    async fn share(
        &mut self,
        context: &mut Context<'_>,
        joined: &Joined,
        session: &Session,
        events: &mut Events,
        repository: Option<&Repository>,
    ) -> anyhow::Result<()> {
        let started = async {
            loop {
                match events.next().await {
                    Some(Event::Started(attached)) => return Ok(attached),
                    Some(_) => {}
                    None => return Err(SdkError::closed()),
                }
            }
        };
        let attached = context.step("waiting for the session", self.deadline(), started).await;
        let Some(attached) = self.keep("session", attached)? else { return Ok(()) };
        let ours = repository.map(|repository| repository.slug.to_string());
        match (&attached.repository, ours) {
            (Some(theirs), Some(ours)) if !theirs.eq_ignore_ascii_case(&ours) => {
                self.warn(
                    "session",
                    format!("created, attached to {theirs}, while git says {ours}"),
                    "the Copilot CLI takes the remote origin",
                );
            }
            (None, Some(ours)) => {
                self.warn(
                    "session",
                    format!("created, without a repository, while git says {ours}"),
                    "it does not resolve ssh host aliases; an https remote helps",
                );
            }
            (theirs, _) => {
                let theirs =
                    theirs.as_ref().map_or_else(|| "without a repository".to_owned(), |theirs| format!("attached to {theirs}"));
                self.add("session", Finding::Ok, format!("created, {theirs}"));
            }
        }
        let log = joined.entry.server.log_dir().map(LinkLog::new);
        let sharing = context.step("waiting for Mission Control", self.deadline(), session.enable_remote(RemoteMode::On)).await;
        if self.keep("sharing", sharing)?.is_some() {
            self.add("sharing", Finding::Ok, "Mission Control took the session");
            self.link(context, session, log).await?;
        }
        Ok(())
    }

    /// Whether events are taken and commands are fetched: of that only the CLI's log tells.
    async fn link(&mut self, context: &mut Context<'_>, session: &Session, log: Option<LinkLog>) -> anyhow::Result<()> {
        let Some(mut log) = log.filter(LinkLog::is_there) else {
            self.warn("link", "whether events get through cannot be told: the CLI's log is not here", "look at it on the phone");
            return Ok(());
        };
        let watching = async {
            session.nudge().await?;
            let begun = Instant::now();
            let mut signs: Vec<Sign> = Vec::new();
            let is_clear = |signs: &[Sign]| {
                signs.len() > 1 || signs.iter().any(|sign| matches!(sign.trouble, Trouble::Refused | Trouble::UploadsStopped))
            };
            while begun.elapsed() < if signs.is_empty() { WATCHED } else { WATCHED_AGAIN } && !is_clear(&signs) {
                sleep(LOOK).await;
                signs.extend(log.signs());
            }
            Ok::<_, SdkError>((is_clear(&signs), signs))
        };
        // That takes its time, however little the checks have.
        let deadline = Deadline::new(self.limit + WATCHED_AGAIN);
        let watched = context.step("watching the link", deadline, watching).await;
        let Some((lost, signs)) = self.keep("link", watched)? else { return Ok(()) };
        let Some(sign) = signs.last() else {
            self.add("link", Finding::Ok, "events are taken, and commands are asked for");
            return Ok(());
        };
        let what = match sign.trouble {
            Trouble::PollFailed => "Mission Control cannot be asked for commands",
            _ => "Mission Control does not take the session's events",
        };
        let why = signs.iter().rev().find(|sign| !sign.why.is_empty()).map_or("no reason is given", |sign| &sign.why);
        let message = format!("{what}: {why}");
        if lost {
            let lost: anyhow::Result<()> = Err(SdkError::ServiceUnavailable { message }.into());
            self.keep("link", lost)?;
        } else {
            self.warn("link", format!("once, {message}"), "where it stays so: https://www.githubstatus.com");
        }
        Ok(())
    }
}

/// What of the account keeps remote off, in words.
fn off(account: &Account) -> String {
    let off = [
        (account.remote_control, "remote control is not enabled"),
        (account.session_storage, "sessions may not be stored in the cloud"),
    ];
    let off: Vec<&str> = off.into_iter().filter(|(enabled, _)| *enabled == Some(false)).map(|(_, word)| word).collect();
    off.join(", and ")
}

/// How GitHub is reached, as the environment says; without a password.
fn way() -> String {
    let proxy = ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(env::get);
    let proxy = proxy.map(|proxy| {
        format!(" through the proxy {}", proxy.rsplit('@').next().unwrap_or_default().trim_start_matches("http://"))
    });
    let ca = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]
        .into_iter()
        .find_map(env::get)
        .map(|file| format!(", with the certificates of {file}"));
    format!("{}{}", proxy.unwrap_or_default(), ca.unwrap_or_default())
}
