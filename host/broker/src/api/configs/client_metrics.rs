//! Subscriptions to clients' metrics (KIP-714): kept and told. As on a broker of Kafka's without a plugin that receives
//! metrics, clients are not asked for any: the APIs for that are not announced.

use millstream_config::ConfigType;
use millstream_values::JavaRegex;
use millstream_wire::protocol::{
    messages::{
        describe_configs_response::DescribeConfigsResourceResult, incremental_alter_configs_request::AlterableConfig,
    },
    protocol::StrBytes,
};

use super::{APPEND, Call, DELETE, Described, Refused, SET, SUBTRACT, entry, invalid_request, synonym};
use crate::{
    config::layers::{Pairs, Source},
    dynamic::{Altered, MOST},
    error_code::ErrorCode,
};

const INTERVAL: &str = "interval.ms";
const MATCH: &str = "match";
const METRICS: &str = "metrics";

/// Key, type, default, and words.
const KEYS: &[(&str, ConfigType, &str, &str)] = &[
    (INTERVAL, ConfigType::Int, "300000", "How often clients would be asked to push."),
    (MATCH, ConfigType::List, "", "Which clients would be asked, as name=pattern."),
    (METRICS, ConfigType::List, "", "Beginnings of the names of metrics that would be asked for."),
];

/// What a subscription can choose clients by.
const SELECTORS: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Longest name or value, in bytes.
const MOST_BYTES: usize = 64 << 10;

pub(super) fn describe(
    call: &Call<'_>,
    name: &str,
    wanted: &dyn Fn(&str) -> bool,
    how: Described,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    if name.is_empty() {
        return Err(invalid_request("Client metrics subscription name must not be empty".to_owned()));
    }
    let altered = call.node.topics.dynamic().altered();
    let own = altered.client_metrics.get(name);
    let keys = KEYS.iter().filter(|(key, ..)| wanted(key)).map(|&(key, kind, default, documentation)| {
        let set = own.and_then(|pairs| pairs.get(key));
        let (value, source) = match set {
            Some(value) => (value.clone(), Source::ClientMetrics),
            None => (default.to_owned(), Source::Default),
        };
        let described = entry(key, kind, documentation, Some(value), source, false, how);
        let synonyms = set.map(|value| synonym(key, Some(value.clone()), Source::ClientMetrics));
        if how.synonyms { described.with_synonyms(synonyms.into_iter().collect()) } else { described }
    });
    Ok(keys.collect())
}

pub(super) async fn change(
    call: &Call<'_>,
    name: &str,
    configs: Vec<AlterableConfig>,
    validate_only: bool,
) -> Result<(), Refused> {
    let change = move |pairs: &mut Pairs| {
        for config in &configs {
            let (key, value) = (&*config.name, config.value.as_deref().unwrap_or_default());
            match config.config_operation {
                DELETE => drop(pairs.remove(key)),
                SET => drop(pairs.insert(key.to_owned(), value.to_owned())),
                operation @ (APPEND | SUBTRACT) => {
                    let verb = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
                    let words = format!("Can't {verb} to key {key} because its type is not LIST.");
                    return Err((ErrorCode::INVALID_CONFIG, words));
                }
                other => return Err(invalid_request(format!("there is no operation {other}"))),
            }
        }
        Ok(())
    };
    apply(call, name, validate_only, change).await
}

/// Replaces a subscription.
pub(super) async fn replace(
    call: &Call<'_>,
    name: &str,
    configs: Vec<(StrBytes, Option<StrBytes>)>,
    validate_only: bool,
) -> Result<(), Refused> {
    let set = configs.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?.to_string())));
    let new: Pairs = set.collect();
    apply(call, name, validate_only, move |pairs| {
        *pairs = new;
        Ok(())
    })
    .await
}

async fn apply(
    call: &Call<'_>,
    name: &str,
    validate_only: bool,
    change: impl FnOnce(&mut Pairs) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let changed = |altered: &mut Altered| {
        let mut pairs = altered.client_metrics.remove(name).unwrap_or_default();
        change(&mut pairs)?;
        check(name, &pairs)?;
        if !pairs.is_empty() {
            altered.client_metrics.insert(name.to_owned(), pairs);
        }
        if MOST < altered.len() {
            return Err((ErrorCode::POLICY_VIOLATION, format!("there may be {MOST} settings at most")));
        }
        Ok(())
    };
    let dynamic = call.node.topics.dynamic();
    if validate_only {
        return changed(&mut Altered::clone(&dynamic.altered()));
    }
    super::stored(dynamic.change(changed).await)
}

fn check(name: &str, pairs: &Pairs) -> Result<(), Refused> {
    let invalid_config = |words: String| Err((ErrorCode::INVALID_CONFIG, words));
    if name.is_empty() {
        return Err(invalid_request("Subscription name can't be empty".to_owned()));
    }
    if MOST_BYTES < name.len() || pairs.values().any(|value| MOST_BYTES < value.len()) {
        return Err(invalid_request(format!("a subscription's name or value has more than {MOST_BYTES} bytes")));
    }
    for (key, value) in pairs {
        match key.as_str() {
            INTERVAL => {
                let Ok(ms) = value.trim().parse::<i32>() else {
                    let words = format!("Invalid value {value} for configuration {INTERVAL}: Not a number of type INT");
                    return invalid_config(words);
                };
                if !(100..=3_600_000).contains(&ms) {
                    let words = "interval must be between 100 and 3600000 (1 hour)";
                    return Err(invalid_request(format!("Invalid value {value} for {INTERVAL}, {words}")));
                }
            }
            MATCH => {
                for pattern in value.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
                    let parts = pattern.split_once('=');
                    let is_selector = parts.is_some_and(|(name, regex)| {
                        SELECTORS.contains(&name.trim()) && JavaRegex::compile(regex.trim()).is_ok()
                    });
                    if !is_selector {
                        return invalid_config(format!("Illegal client matching pattern: {pattern}"));
                    }
                }
            }
            METRICS => {}
            other => return Err(invalid_request(format!("Unknown client metrics configuration: {other}"))),
        }
    }
    Ok(())
}
