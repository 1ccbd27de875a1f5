//! `share`: who else may see a session in Mission Control.

use std::time::Duration;

use crate::cli::Share;
use crate::context::{Context, Deadline};
use crate::error::{Exit, NotShared};
use crate::output;
use crate::registry::Registry;
use crate::runtime::pool;
use crate::sdk::{SdkError, Visibility};
use crate::view::notices;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn run(context: &mut Context<'_>, args: Share) -> anyhow::Result<Exit> {
    let registry = Registry::look()?;
    let entry = notices::target(context, &registry, args.target.session.as_deref()).await?;
    let Some(url) = entry.link() else { return Err(NotShared { session: entry.label().to_owned() }.into()) };
    let wanted = args.visibility.word();
    let setting = pool::in_session(&registry, &entry.session_id, async |session| session.set_visibility(wanted).await);
    match context.step("asking GitHub", Deadline::new(TIMEOUT), setting).await? {
        Visibility::Is(found) if found == wanted => {}
        Visibility::Is(found) => {
            let message = format!(
                "the session is {found} still: tasks of this kind may be visible to readers of the repository by default"
            );
            return Err(SdkError::VisibilityRefused { message }.into());
        }
        Visibility::Unknown => {
            let message = "GitHub did not say that it was changed".to_owned();
            return Err(SdkError::VisibilityRefused { message }.into());
        }
    }
    let text = match wanted {
        "repo" => format!("whoever can read the repository can see the session: {url}\n"),
        _ => "the session is seen by you and by those who work on it\n".to_owned(),
    };
    context.print(&text, &output::visibility_document(&entry, wanted))?;
    Ok(Exit::Done)
}
