//! The keys of a view, in the terminal of the host and in others.

use std::time::Duration;

use tokio::time::Instant;

use super::link::{self, QrOptions};
use crate::context::Context;
use crate::error::Seconds;
use crate::model::Remote;
use crate::output::{self, Leave};
use crate::registry::SessionEntry;
use crate::text::line::{Line, Tone};

/// How long `x` waits for its second press.
const CONFIRM: Duration = Duration::from_secs(3);

/// What a key asks for, beyond what is done at once.
pub(crate) enum Action {
    None,
    /// End the session.
    Stop,
    /// Leave it running.
    Leave,
    /// Switch remote to this.
    Switch(Remote),
}

/// The keys of a view, in the terminal of the host and in others.
pub(crate) struct Keys {
    leave: Leave,
    /// What `r` switches on.
    mode: Remote,
    /// Until when a second `x` ends the session.
    armed_until: Option<Instant>,
}

impl Keys {
    pub(crate) fn new(leave: Leave, remote: Remote) -> Self {
        let mode = if remote == Remote::Off { Remote::On } else { remote };
        Self { leave, mode, armed_until: None }
    }

    /// Does what a key is for, or says what is to be done.
    pub(crate) fn press(&mut self, context: &mut Context<'_>, entry: &SessionEntry, qr: &QrOptions, key: char) -> Action {
        let say = |context: &mut Context<'_>, text: &str| context.terminal.say(&Line::new(Tone::Dim, text));
        let confirmed = self.armed_until.is_some_and(|until| Instant::now() < until);
        self.armed_until = (key == 'x').then(|| Instant::now() + CONFIRM);
        match (key, entry.link()) {
            ('x', _) if confirmed => return Action::Stop,
            ('x', _) => say(context, &format!("press x again within {} to end the session", Seconds(CONFIRM))),
            // d denies what waits: l leaves in any case.
            ('d' | 'l', _) => return Action::Leave,
            ('r', _) => return Action::Switch(if entry.remote == Remote::Off { self.mode } else { Remote::Off }),
            ('?', _) => output::help_lines(self.leave).iter().for_each(|line| context.terminal.say(line)),
            ('q' | 'o' | 'c', None) if entry.remote != Remote::Off => say(context, "there is no link yet"),
            ('q' | 'o' | 'c', None) => say(context, "remote is off, so there is no link; r switches it on"),
            (key, Some(link)) => link::key(context, link, entry.demo, qr, key),
            _ => {}
        }
        Action::None
    }
}
