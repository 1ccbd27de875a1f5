//! What the person asked for, against what there is: models, reasoning efforts, agents.

use crate::error::{UnknownName, UsageError};
use crate::sdk::{Model, Runtime, SdkError, SessionOptions};

/// So many names are suggested.
const NEAREST: usize = 3;
/// So much alike is a name that was meant.
const ALIKE: f64 = 0.7;
/// So many are listed where none is meant.
const LISTED: usize = 12;

/// Refuses a reasoning effort that the model does not have: the runtime takes any word (docs/copilot-cli.md, create-effort).
pub(super) async fn check_effort(runtime: &Runtime, options: &SessionOptions) -> anyhow::Result<()> {
    let Some(effort) = &options.effort else { return Ok(()) };
    let models = runtime.models().await?;
    let meant = |model: &&Model| options.model.as_ref().is_none_or(|wanted| *wanted == model.id);
    let mut efforts: Vec<&str> = models.iter().filter(meant).flat_map(|model| &model.efforts).map(String::as_str).collect();
    efforts.sort_unstable();
    efforts.dedup();
    // An unknown model is told by the runtime.
    if !models.iter().any(|model| meant(&model)) || efforts.contains(&effort.as_str()) {
        return Ok(());
    }
    let of = options.model.as_deref().unwrap_or("any model");
    let hint = match efforts.as_slice() {
        [] => format!("{of} has no reasoning effort to choose"),
        efforts => format!("there is: {}", efforts.join(", ")),
    };
    Err(UsageError::new(format!("--effort {effort}: {of} does not have it"), hint).into())
}

/// Whether there is more to say of an error.
pub(super) fn can_explain(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SdkError::UnknownModel { .. } | SdkError::UnknownAgent { .. }))
}

/// Says what there is instead of a model or an agent that there is not.
pub(super) async fn explain(runtime: &Runtime, options: &SessionOptions, error: anyhow::Error) -> anyhow::Error {
    let (option, wanted, there) = match error.downcast_ref() {
        Some(SdkError::UnknownModel { .. }) => {
            let models = runtime.models().await.unwrap_or_default();
            ("--model", &options.model, models.into_iter().map(|model| model.id).collect::<Vec<_>>())
        }
        Some(SdkError::UnknownAgent { .. }) => {
            ("--agent", &options.agent, runtime.agents(&options.directory).await.unwrap_or_default())
        }
        _ => return error,
    };
    let Some(wanted) = wanted else { return error };
    let near = nearest(wanted, &there);
    let hint = match (near.as_slice(), there.as_slice()) {
        (_, []) => "there is none".to_owned(),
        ([], there) => format!("there is: {}", there.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ")),
        (near, _) => format!("did you mean {}?", near.join(", ")),
    };
    UnknownName { option, wanted: wanted.clone(), hint }.into()
}

/// The names that are most like `wanted`, the nearest first.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    let mut alike: Vec<(f64, &str)> = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()), name.as_str()))
        .filter(|(alike, _)| *alike > ALIKE)
        .collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    alike.into_iter().take(NEAREST).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_names_come_first() {
        let names = ["claude-sonnet-4.5", "gpt-5-mini", "gpt-5"].map(ToOwned::to_owned);
        assert_eq!(nearest("GPT5", &names), ["gpt-5", "gpt-5-mini"]);
        assert_eq!(nearest("claude-sonet-4.5", &names)[0], "claude-sonnet-4.5");
        assert!(nearest("xyz", &names).is_empty());
    }
}
