//! Settings: flag > environment variable > default.

use clap::ValueEnum;

use crate::env;
use crate::error::UsageError;

/// The value of a setting: of its flag, else of its environment variable.
pub(crate) fn setting<T>(
    flag: Option<T>,
    variable: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, UsageError> {
    let Some(text) = flag.is_none().then(|| env::get(variable)).flatten() else { return Ok(flag) };
    parse(&text).map(Some).map_err(|wanted| {
        UsageError::new(format!("{variable}={text}: {wanted}"), format!("set it to another value, or unset {variable}"))
    })
}

/// Reads one of a few words.
pub(crate) fn word<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let words: Vec<String> = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        format!("expected {}", words.join(", "))
    })
}
