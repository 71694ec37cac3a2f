//! Keys of Connect whose feature is still to come. A value that asks for it is refused, since going on without it would
//! do something else than what was asked; the default, and what switches the feature off, is accepted.

use crate::{ConfigError, ParsedConfig, ParsedValue, connector_keys::names, worker_key};

struct NotYet {
    key: &'static str,
    asks: fn(&ParsedValue) -> bool,
    remedy: &'static str,
}

/// What a worker's configuration may ask for that is not there yet.
const WORKER: [NotYet; 1] = [NotYet {
    key: worker_key::EXACTLY_ONCE_SOURCE.name(),
    asks: |value| is_filled(value) && !is(value, "disabled"),
    remedy: "set it to disabled, or remove it",
}];

/// Of connectors of either kind.
const CONNECTOR: [NotYet; 1] = [NotYet {
    key: names::EXACTLY_ONCE_SUPPORT.name(),
    asks: |value| is(value, "required"),
    remedy: "records are delivered at least once; set it to requested, or remove it",
}];

fn is_filled(value: &ParsedValue) -> bool {
    value.to_text().is_some_and(|text| !text.is_empty())
}

fn is(value: &ParsedValue, word: &str) -> bool {
    matches!(value, ParsedValue::Text(text) if text.eq_ignore_ascii_case(word))
}

fn refusal(key: &str, value: &str, remedy: &str) -> ConfigError {
    ConfigError::invalid(key, value, format_args!("This is not supported yet: {remedy}"))
}

/// Refuses what a worker's configuration asks for in vain.
pub(crate) fn refuse_in_worker(config: &ParsedConfig) -> Result<(), ConfigError> {
    match WORKER.iter().find(|not_yet| (not_yet.asks)(config.value(not_yet.key))) {
        Some(NotYet { key, remedy, .. }) => Err(refusal(key, &config.value(key).to_text().unwrap_or_default(), remedy)),
        None => Ok(()),
    }
}

/// What a connector's configuration asks for in vain: keys with their errors. `value` gives the values of declared keys.
pub(crate) fn in_connector<'a>(value: impl Fn(&str) -> Option<&'a ParsedValue>) -> Vec<(String, String)> {
    let declared = CONNECTOR.iter().filter_map(|NotYet { key, asks, remedy }| {
        let value = value(key).filter(|value| asks(value))?;
        Some(((*key).to_owned(), refusal(key, &value.to_text().unwrap_or_default(), remedy).message().to_owned()))
    });
    declared.collect()
}
