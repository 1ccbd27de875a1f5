//! Settings: flag > environment variable > config file > default.

use clap::ValueEnum;

use crate::cli::config::Config;
use crate::error::UsageError;
use crate::os::env;

/// The value of a setting: of its flag, else of its environment variable, else of the config file.
pub(crate) fn setting<T>(
    flag: Option<T>,
    variable: &'static str,
    key: impl Fn(&Config) -> Option<&String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, UsageError> {
    let config = Config::get()?;
    match without_config(flag, variable, &parse)? {
        Some(found) => Ok(Some(found)),
        None => key(config).map(|text| parse(text).map_err(|wanted| config.wrong(text, &wanted))).transpose(),
    }
}

/// The same for what is needed before anything is read.
pub(crate) fn without_config<T>(
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
