//! A question before there is a session, that one key answers.

use crate::context::Context;
use crate::error::Interrupted;
use crate::terminal::Input;
use crate::text::line::{Line, Tone};

/// Whether a person is there to be asked, who then may press keys.
pub(crate) fn may_ask(context: &mut Context<'_>) -> anyhow::Result<bool> {
    Ok(!context.json && context.terminal.open_keyboard()?)
}

/// Asks, and waits for a key that means something. The caller sees to it that [`may_ask`].
pub(crate) async fn ask<T>(context: &mut Context<'_>, question: &str, meaning: impl Fn(char) -> Option<T>) -> anyhow::Result<T> {
    if context.terminal.redraws() {
        context.terminal.status(Some(question.to_owned()));
    } else {
        context.terminal.say(&Line::new(Tone::Strong, question));
    }
    let answer = loop {
        tokio::select! {
            signal = context.shutdown.next() => break Err(Interrupted(signal).into()),
            input = context.terminal.input() => if let Input::Key(key) = input && let Some(answer) = meaning(key) {
                break Ok(answer);
            }
        }
    };
    context.terminal.close_keyboard();
    context.terminal.status(None);
    answer
}
