//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, for topics, and for groups in a file of their own; the
//! broker's settings can be read.

mod group;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use millstream_config::ConfigType;
use millstream_wire::protocol::{
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        alter_configs_response::AlterConfigsResourceResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym},
        incremental_alter_configs_request::AlterableConfig,
        incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResourceResponse,
    },
    protocol::StrBytes,
};

use super::{Call, text};
use crate::{
    config::{
        keys::{self, BROKER_KEYS, Key, TOPIC_KEYS},
        topic::{Overrides, Source, check_together, effective, read_override},
    },
    error_code::ErrorCode,
    topics::Topic,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const GROUP: i8 = 32;

// Operations of IncrementalAlterConfigs.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Refused = (ErrorCode, String);

/// What the broker's configuration says.
type Given = BTreeMap<String, String>;

pub fn describe(call: &Call<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let (synonyms, documentation) = (request.include_synonyms, request.include_documentation);
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe_resource(call, &resource, synonyms, documentation) {
            Ok(configs) => result.with_configs(configs),
            Err((code, message)) => result.with_error_code(code.get()).with_error_message(Some(text(message))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe_resource(
    call: &Call<'_>,
    resource: &DescribeConfigsResource,
    synonyms: bool,
    documentation: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let wanted = |key: &&Key| match &resource.configuration_keys {
        None => true,
        Some(names) => names.iter().any(|name| &**name == key.name),
    };
    let given = &call.node.config.given;
    let listed = |key: &&Key, overrides: &Overrides| {
        !key.internal || overrides.contains_key(key.name) || given.contains_key(key.name)
    };
    match resource.resource_type {
        TOPIC => {
            let topic = topic(call, &resource.resource_name)?;
            let entry = |key: &Key| {
                let (value, source) = effective(key, &topic.overrides, given);
                let described = entry(call.version, key, value, source, false, documentation);
                if synonyms { described.with_synonyms(synonyms_of(key, &topic.overrides, call)) } else { described }
            };
            Ok(TOPIC_KEYS.iter().filter(wanted).filter(|key| listed(key, &topic.overrides)).map(entry).collect())
        }
        BROKER => {
            check_broker(call, &resource.resource_name)?;
            let none = Overrides::new();
            let entry = |key: &Key| {
                let default = key.default.map(str::to_owned);
                let value = given.get(key.name).map(|value| key.read(value).unwrap_or_else(|_| value.clone()));
                let (value, source) = match value {
                    Some(value) => (Some(value), Source::Broker),
                    None => (default.clone(), Source::Default),
                };
                let described = entry(call.version, key, value.clone(), source, true, documentation);
                if !synonyms {
                    return described;
                }
                let value = value.filter(|_| key.kind != ConfigType::Password);
                let own = Some(synonym(key.name, value, source)).filter(|_| source == Source::Broker);
                let default = default.map(|default| synonym(key.name, Some(default), Source::Default));
                described.with_synonyms(own.into_iter().chain(default).collect())
            };
            Ok(BROKER_KEYS.iter().filter(wanted).filter(|key| listed(key, &none)).map(entry).collect())
        }
        GROUP => {
            let wanted = |name: &str| match &resource.configuration_keys {
                None => true,
                Some(names) => names.iter().any(|wanted| &**wanted == name),
            };
            group::describe(call, &resource.resource_name, wanted, synonyms, documentation)
        }
        BROKER_LOGGER => check_broker(call, &resource.resource_name).map(|()| Vec::new()),
        other => Err((ErrorCode::INVALID_REQUEST, format!("resources of type {other} have no configuration here"))),
    }
}

fn entry(
    version: i16,
    key: &Key,
    value: Option<String>,
    source: Source,
    read_only: bool,
    documentation: bool,
) -> DescribeConfigsResourceResult {
    let is_secret = key.kind == ConfigType::Password;
    let described = DescribeConfigsResourceResult::default()
        .with_name(text(key.name))
        .with_value(value.filter(|_| !is_secret).map(text))
        .with_is_sensitive(is_secret)
        .with_read_only(read_only)
        .with_config_source(source as i8);
    if version < 3 {
        return described;
    }
    described.with_config_type(number_of(key.kind)).with_documentation(documentation.then(|| text(key.documentation)))
}

/// The number of a type in the protocol.
fn number_of(kind: ConfigType) -> i8 {
    match kind {
        ConfigType::Boolean => 1,
        ConfigType::String => 2,
        ConfigType::Int => 3,
        ConfigType::Short => 4,
        ConfigType::Long => 5,
        ConfigType::Double => 6,
        ConfigType::List => 7,
        ConfigType::Class => 8,
        ConfigType::Password => 9,
    }
}

fn synonym(name: &'static str, value: Option<String>, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default().with_name(text(name)).with_value(value.map(text)).with_source(source as i8)
}

/// Where the value could come from, in the order in which it is looked for. A default is told where the broker's key
/// has one.
fn synonyms_of(key: &Key, overrides: &Overrides, call: &Call<'_>) -> Vec<DescribeConfigsSynonym> {
    let mut synonyms = Vec::new();
    if let (value, Source::Topic) = effective(key, overrides, &call.node.config.given) {
        synonyms.push(synonym(key.name, value, Source::Topic));
    }
    let Some(broker_key) = key.inherits.and_then(|name| keys::find(BROKER_KEYS, name)) else { return synonyms };
    let (value, source) = effective(key, &Overrides::new(), &call.node.config.given);
    if source == Source::Broker {
        synonyms.push(synonym(broker_key.name, value, source));
    }
    if let Some(default) = broker_key.default {
        synonyms.push(synonym(broker_key.name, Some(default.to_owned()), Source::Default));
    }
    synonyms
}

fn topic(call: &Call<'_>, name: &str) -> Result<Arc<Topic>, Refused> {
    if let Err(error) = millstream_record::TopicName::parse(name) {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()));
    }
    let unknown = || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("the topic '{name}' does not exist"));
    call.node.topics.get(name).ok_or_else(unknown)
}

/// An empty name stands for the defaults of all brokers.
fn check_broker(call: &Call<'_>, name: &str) -> Result<(), Refused> {
    let own = call.node.config.node_id.to_string();
    if name.is_empty() || name == own {
        Ok(())
    } else {
        Err((ErrorCode::INVALID_REQUEST, format!("this is broker {own}, not '{name}'")))
    }
}

pub async fn alter(call: &Call<'_>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let pairs = resource.configs.iter().map(|config| (config.name.clone(), config.value.clone())).collect();
        let altered =
            replace_all(call, resource.resource_type, &resource.resource_name, pairs, request.validate_only).await;
        let (code, message) = split(altered);
        responses.push(
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name),
        );
    }
    AlterConfigsResponse::default().with_responses(responses)
}

pub async fn incremental_alter(
    call: &Call<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let altered =
            change(call, resource.resource_type, &resource.resource_name, resource.configs, request.validate_only)
                .await;
        let (code, message) = split(altered);
        responses.push(
            IncrementalResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name),
        );
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

fn split(altered: Result<(), Refused>) -> (i16, Option<StrBytes>) {
    match altered {
        Ok(()) => (ErrorCode::NONE.get(), None),
        Err((code, message)) => (code.get(), Some(text(message))),
    }
}

fn only_topics(resource_type: i8) -> Result<(), Refused> {
    if resource_type == TOPIC {
        Ok(())
    } else {
        Err((ErrorCode::INVALID_REQUEST, "only topics and groups can be reconfigured while the broker runs".to_owned()))
    }
}

async fn replace_all(
    call: &Call<'_>,
    resource_type: i8,
    name: &str,
    configs: Vec<(StrBytes, Option<StrBytes>)>,
    validate_only: bool,
) -> Result<(), Refused> {
    if resource_type == GROUP {
        return group::replace(call, name, configs, validate_only).await;
    }
    only_topics(resource_type)?;
    let topic = topic(call, name)?;
    let mut overrides = Overrides::new();
    for (key, value) in configs {
        // A null value means the default, as an absent key does.
        let Some(value) = value else { continue };
        let value = read_override(&key, &value).map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
        if overrides.insert(key.to_string(), value).is_some() {
            return Err((ErrorCode::INVALID_REQUEST, format!("'{}' is given more than once", &*key)));
        }
    }
    apply(call, &topic, validate_only, |_, _| Ok(overrides)).await
}

async fn change(
    call: &Call<'_>,
    resource_type: i8,
    name: &str,
    configs: Vec<AlterableConfig>,
    validate_only: bool,
) -> Result<(), Refused> {
    if resource_type == GROUP {
        return group::change(call, name, configs, validate_only).await;
    }
    only_topics(resource_type)?;
    let topic = topic(call, name)?;
    apply(call, &topic, validate_only, move |before, given| {
        let mut overrides = before.clone();
        let mut seen = HashSet::new();
        for config in &configs {
            let key = &*config.name;
            if !seen.insert(key) {
                return Err((ErrorCode::INVALID_REQUEST, format!("'{key}' is given more than once")));
            }
            change_one(&mut overrides, given, key, config.config_operation, config.value.as_deref())?;
        }
        Ok(overrides)
    })
    .await
}

fn change_one(
    overrides: &mut Overrides,
    given: &Given,
    name: &str,
    operation: i8,
    value: Option<&str>,
) -> Result<(), Refused> {
    let invalid = |message: String| (ErrorCode::INVALID_CONFIG, message);
    if operation == DELETE {
        // Also takes away what an earlier release knew.
        overrides.remove(name);
        return Ok(());
    }
    let key = keys::find(TOPIC_KEYS, name).ok_or_else(|| invalid(format!("unknown topic config name: {name}")))?;
    let value = value.ok_or_else(|| (ErrorCode::INVALID_REQUEST, format!("'{name}' needs a value")))?;
    if [APPEND, SUBTRACT].contains(&operation) && key.kind != ConfigType::List {
        return Err(invalid(format!("'{name}' is not a list, so nothing can be added to it or taken away")));
    }
    let current = effective(key, overrides, given).0.unwrap_or_default();
    let current: Vec<&str> = current.split(',').filter(|word| !word.is_empty()).collect();
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    let new = match operation {
        SET => value.to_owned(),
        APPEND => {
            let added = words.into_iter().filter(|word| !current.contains(word));
            current.iter().copied().chain(added).collect::<Vec<_>>().join(",")
        }
        SUBTRACT => current.into_iter().filter(|word| !words.contains(word)).collect::<Vec<_>>().join(","),
        other => return Err((ErrorCode::INVALID_REQUEST, format!("there is no operation {other}"))),
    };
    overrides.insert(name.to_owned(), read_override(name, &new).map_err(invalid)?);
    Ok(())
}

/// Puts into effect what `change` makes of the topic's own configuration.
async fn apply(
    call: &Call<'_>,
    topic: &Topic,
    validate_only: bool,
    change: impl FnOnce(&Overrides, &Given) -> Result<Overrides, Refused> + Send + 'static,
) -> Result<(), Refused> {
    let node = Arc::clone(call.node);
    let checked = move |before: &Overrides| {
        let given = &node.config.given;
        let overrides = change(before, given)?;
        check_together(&overrides, given).map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
        Ok(overrides)
    };
    if validate_only {
        return checked(&topic.overrides).map(drop);
    }
    let altered = call.node.topics.set_overrides(topic, checked).await;
    altered.map_err(|error| (error.code(), error.to_string()))?
}
