//! `status`: one session, its runtime, and what it does not share.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::cli::Target;
use crate::context::Context;
use crate::error::Exit;
use crate::output::{self, Unshared};
use crate::registry::{Registry, SessionEntry};
use crate::runtime::pool;
use crate::sdk::{Session, Visibility};
use crate::view::notices;

/// The rest is known here, and not to wait for GitHub.
const VISIBILITY_DEADLINE: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &mut Context<'_>, target: Target) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, target.session.as_deref()).await?;
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
    let visibility = visibility(&registry, &entry).await;
    let visibility = visibility.as_deref();
    let text = output::details(&entry, visibility, runtime.as_ref(), &unshared, Timestamp::now());
    context.print(&text, &output::status_document(&entry, visibility, runtime.as_ref(), &unshared))?;
    Ok(Exit::Done)
}

/// Who may see it, as GitHub says; nothing where it does not say so soon.
async fn visibility(registry: &Registry, entry: &SessionEntry) -> Option<String> {
    entry.link()?;
    let asking = async {
        let runtime = pool::reach(registry, entry).await.ok()?;
        Session::of(&runtime, &entry.session_id).visibility().await.ok()
    };
    match timeout(VISIBILITY_DEADLINE, asking).await {
        Ok(Some(Visibility::Is(word))) => Some(word),
        _ => None,
    }
}
