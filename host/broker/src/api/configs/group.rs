//! Settings of groups: what DescribeConfigs and AlterConfigs do to a resource of type GROUP.

use millstream_record::ErrorChain;
use millstream_wire::protocol::{
    messages::{
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym},
        incremental_alter_configs_request::AlterableConfig,
    },
    protocol::StrBytes,
};

use super::{Call, DELETE, Refused, SET, number_of, text};
use crate::{
    config::{
        group::{GROUP_KEYS, OwnSettings, read},
        keys::Key,
    },
    error_code::ErrorCode,
};

/// Where a value comes from: set for the group, in the broker's file, or nowhere.
const OF_GROUP: i8 = 8;
const OF_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

/// Most groups with settings of their own.
const MOST_GROUPS: usize = 10_000;

/// Longest name of one, in bytes.
const MOST_BYTES: usize = 4096;

/// The settings of a group, which need not exist.
pub fn describe(
    call: &Call<'_>,
    group: &str,
    wanted: impl Fn(&str) -> bool,
    synonyms: bool,
    documentation: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    if group.is_empty() {
        return Err((ErrorCode::INVALID_REQUEST, "Group name must not be empty".to_owned()));
    }
    let own = call.node.group_configs.of(group);
    let describe = |key: &Key| {
        let sources = sources(call, key, &own);
        let (_, value, source) = sources.first().cloned().unwrap_or((key.name, String::new(), DEFAULT));
        let described = DescribeConfigsResourceResult::default()
            .with_name(text(key.name))
            .with_value(Some(text(value)))
            .with_config_source(source);
        let described = if synonyms {
            let synonym = |(name, value, source)| {
                DescribeConfigsSynonym::default()
                    .with_name(text(name))
                    .with_value(Some(text(value)))
                    .with_source(source)
            };
            described.with_synonyms(sources.into_iter().map(synonym).collect())
        } else {
            described
        };
        if call.version < 3 {
            return described;
        }
        let words = documentation.then(|| text(key.documentation));
        described.with_config_type(number_of(key.kind)).with_documentation(words)
    };
    Ok(GROUP_KEYS.iter().filter(|key| wanted(key.name)).map(describe).collect())
}

/// Where the value could come from, in the order in which it is looked for: key, value and source.
fn sources(call: &Call<'_>, key: &Key, own: &OwnSettings) -> Vec<(&'static str, String, i8)> {
    let of_group = own.get(key.name).map(|value| (key.name, value.clone(), OF_GROUP));
    let given = key.inherits.and_then(|name| Some((name, call.node.config.given.get(name)?)));
    let of_broker = given.map(|(name, value)| (name, key.read(value).unwrap_or_else(|_| value.clone()), OF_BROKER));
    let default = key.default.map(|value| (key.inherits.unwrap_or(key.name), value.to_owned(), DEFAULT));
    of_group.into_iter().chain(of_broker).chain(default).collect()
}

/// AlterConfigs: these settings and no others.
pub async fn replace(
    call: &Call<'_>,
    group: &str,
    configs: Vec<(StrBytes, Option<StrBytes>)>,
    validate_only: bool,
) -> Result<(), Refused> {
    change_own(call, group, validate_only, move |_| {
        let mut own = OwnSettings::new();
        for (key, value) in configs {
            // A null value means the default, as an absent key does.
            let Some(value) = value else { continue };
            own.insert(key.to_string(), read(&key, &value).map_err(invalid)?);
        }
        Ok(own)
    })
    .await
}

/// IncrementalAlterConfigs.
pub async fn change(
    call: &Call<'_>,
    group: &str,
    configs: Vec<AlterableConfig>,
    validate_only: bool,
) -> Result<(), Refused> {
    change_own(call, group, validate_only, move |before| {
        let mut own = before.clone();
        for config in &configs {
            let key = &*config.name;
            match (config.config_operation, config.value.as_deref()) {
                (DELETE, _) => drop(own.remove(key)),
                (SET, Some(value)) => drop(own.insert(key.to_owned(), read(key, value).map_err(invalid)?)),
                (SET, None) => {
                    return Err((ErrorCode::INVALID_REQUEST, format!("Null value not supported for : {key}")));
                }
                (operation @ (super::APPEND | super::SUBTRACT), _) => {
                    let word = if operation == super::APPEND { "APPEND" } else { "SUBTRACT" };
                    return Err(invalid(format!("Can't {word} to key {key} because its type is not LIST.")));
                }
                (other, _) => return Err((ErrorCode::INVALID_REQUEST, format!("there is no operation {other}"))),
            }
        }
        Ok(own)
    })
    .await
}

fn invalid(words: String) -> Refused {
    (ErrorCode::INVALID_CONFIG, words)
}

/// Puts into effect what `change` makes of the group's settings; durable on return. To be run to its end.
async fn change_own(
    call: &Call<'_>,
    group: &str,
    validate_only: bool,
    change: impl FnOnce(&OwnSettings) -> Result<OwnSettings, Refused>,
) -> Result<(), Refused> {
    if group.is_empty() {
        return Err((ErrorCode::INVALID_REQUEST, "Default group resources are not allowed.".to_owned()));
    }
    if MOST_BYTES < group.len() {
        return Err((ErrorCode::INVALID_REQUEST, format!("the name of a group has more than {MOST_BYTES} bytes")));
    }
    let all = call.node.group_configs.all();
    if MOST_GROUPS <= all.len() && !all.contains_key(group) {
        let words = format!("at most {MOST_GROUPS} groups may have settings of their own");
        return Err((ErrorCode::POLICY_VIOLATION, words));
    }
    let bounds = call.node.config.consumer_bounds;
    let checked = move |before: &OwnSettings| {
        let own = change(before)?;
        bounds.check_own(&own).map_err(invalid)?;
        Ok(own)
    };
    if validate_only {
        return checked(&call.node.group_configs.of(group)).map(drop);
    }
    let changed = call.node.group_configs.change(group, checked).await;
    match changed {
        Ok(Ok(own)) => {
            let (code, words) = (ErrorCode::COORDINATOR_NOT_AVAILABLE, "it is in effect at the next start".to_owned());
            call.node.groups.configure(group, bounds.effective(&own)).map_err(|_| (code, words))
        }
        Ok(Err(refused)) => Err(refused),
        Err(error) => Err((ErrorCode::KAFKA_STORAGE_ERROR, ErrorChain(&error).to_string())),
    }
}
