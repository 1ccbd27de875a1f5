//! `status`: one session, its runtime, and what it does not share.

use jiff::Timestamp;

use crate::choose;
use crate::cli::Target;
use crate::context::Context;
use crate::error::Exit;
use crate::output::{self, Unshared};
use crate::registry::Registry;

pub(crate) async fn run(context: &mut Context<'_>, target: Target) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = choose::session(context, &registry, target.session.as_deref()).await?;
    let runtime = registry.runtime(&entry.runtime);
    let mut unshared = Vec::new();
    if let Some(ours) = runtime.as_ref().filter(|ours| !ours.isolated) {
        for other in registry.runtimes()? {
            let because = ours.circumstances.differences(&other.circumstances);
            if let Some(pid) = other.server.pid()
                && other.server.is_running()
                && !other.isolated
                && !because.is_empty()
            {
                unshared.push(Unshared { pid, because });
            }
        }
    }
    let text = output::details(&entry, runtime.as_ref(), &unshared, Timestamp::now());
    context.print(&text, &output::status_document(&entry, runtime.as_ref(), &unshared))?;
    Ok(Exit::Done)
}
