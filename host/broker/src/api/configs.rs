//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs: of topics here, of the broker, of groups and of
//! subscriptions to clients' metrics in files of their own.

mod broker;
mod client_metrics;
mod group;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use millstream_config::ConfigType;
use millstream_record::ErrorChain;
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
        kafkas_keys,
        keys::{self, BROKER_KEYS, Key, TOPIC_KEYS},
        layers::{Layers, Source},
        topic::{Overrides, check_together, effective, read_override},
    },
    error_code::ErrorCode,
    security::line_file::LineFileError,
    topics::Topic,
};

// Kinds of resources that have settings.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

// Operations of IncrementalAlterConfigs.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Refused = (ErrorCode, String);

fn invalid_request(words: String) -> Refused {
    (ErrorCode::INVALID_REQUEST, words)
}

/// What DescribeConfigs tells besides the values.
#[derive(Clone, Copy)]
struct Described {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Described {
    /// Adds a type, where it is known, and words.
    fn typed(
        self,
        described: DescribeConfigsResourceResult,
        kind: Option<ConfigType>,
        documentation: &str,
    ) -> DescribeConfigsResourceResult {
        match kind {
            Some(kind) if 3 <= self.version => described
                .with_config_type(number_of(kind))
                .with_documentation(self.documentation.then(|| text(documentation))),
            _ => described,
        }
    }
}

pub fn describe(call: &Call<'_>, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let how = Described {
        version: call.version,
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
    };
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe_resource(call, &resource, how) {
            Ok(mut configs) => {
                // In the order in which they were asked for.
                if let Some(names) = &resource.configuration_keys {
                    let asked: HashMap<&str, usize> =
                        names.iter().enumerate().rev().map(|(place, name)| (&**name, place)).collect();
                    configs.sort_by_key(|config| asked.get(&*config.name).copied());
                }
                result.with_configs(configs)
            }
            Err((code, message)) => result.with_error_code(code.get()).with_error_message(Some(text(message))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe_resource(
    call: &Call<'_>,
    resource: &DescribeConfigsResource,
    how: Described,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let wanted = |name: &str| match &resource.configuration_keys {
        None => true,
        Some(names) => names.iter().any(|wanted| &**wanted == name),
    };
    let name = &resource.resource_name;
    match resource.resource_type {
        TOPIC => describe_topic(call, name, &wanted, how),
        BROKER => broker::describe(call, name, &wanted, how),
        BROKER_LOGGER => check_broker(call, name).map(|()| Vec::new()),
        CLIENT_METRICS => client_metrics::describe(call, name, &wanted, how),
        GROUP => group::describe(call, name, wanted, how.synonyms, how.documentation),
        other => Err(invalid_request(format!("resources of type {other} have no configuration here"))),
    }
}

fn describe_topic(
    call: &Call<'_>,
    name: &str,
    wanted: &dyn Fn(&str) -> bool,
    how: Described,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let (topic, layers) = (topic(call, name)?, call.node.topics.dynamic().layers());
    let listed = |key: &Key| !key.internal || topic.overrides.contains_key(key.name) || layers.contains(key.name);
    let keys = TOPIC_KEYS.iter().filter(|key| wanted(key.name) && listed(key)).map(|key| {
        let (value, source) = effective(key, &topic.overrides, &layers);
        let described = entry(key.name, key.kind, key.documentation, value, source, false, how);
        if how.synonyms { described.with_synonyms(synonyms_of(key, &topic.overrides, &layers)) } else { described }
    });
    Ok(keys.collect())
}

fn entry(
    name: &str,
    kind: ConfigType,
    documentation: &str,
    value: Option<String>,
    source: Source,
    read_only: bool,
    how: Described,
) -> DescribeConfigsResourceResult {
    let is_secret = kind == ConfigType::Password;
    let described = DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(value.filter(|_| !is_secret).map(text))
        .with_is_sensitive(is_secret)
        .with_read_only(read_only)
        .with_config_source(source as i8);
    how.typed(described, Some(kind), documentation)
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

fn synonym(name: &str, value: Option<String>, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default().with_name(text(name)).with_value(value.map(text)).with_source(source as i8)
}

/// Where the value could come from, in the order in which it is looked for.
fn synonyms_of(key: &Key, overrides: &Overrides, layers: &Layers) -> Vec<DescribeConfigsSynonym> {
    let mut synonyms = Vec::new();
    if let (value, Source::Topic) = effective(key, overrides, layers) {
        synonyms.push(synonym(key.name, value, Source::Topic));
    }
    if let Some(name) = key.inherits {
        synonyms.extend(broker_synonyms(name, layers));
    }
    synonyms
}

/// The same of a key of the broker's. As Kafka tells them, coarser keys of the same meaning are named only behind a value
/// of the key itself.
fn broker_synonyms(name: &str, layers: &Layers) -> Vec<DescribeConfigsSynonym> {
    let coarser: &[&str] = match name {
        "log.retention.ms" => &["log.retention.minutes", "log.retention.hours"],
        "log.roll.ms" => &["log.roll.hours"],
        "log.roll.jitter.ms" => &["log.roll.jitter.hours"],
        _ => &[],
    };
    let names = || std::iter::once(name).chain(coarser.iter().copied());
    let known = |name: &str| {
        let ours = keys::find(BROKER_KEYS, name).map(|key| (key.kind, key.default));
        ours.or_else(|| kafkas_keys::find(name).map(|key| (key.kind, key.default)))
    };
    let shown = |name: &str, value: &str| {
        let read = keys::find(BROKER_KEYS, name).and_then(|key| key.read(value).ok());
        let is_secret = known(name).is_none_or(|(kind, _)| kind == ConfigType::Password);
        Some(read.unwrap_or_else(|| value.to_owned())).filter(|_| !is_secret)
    };
    let mut synonyms = Vec::new();
    for source in [Source::OwnBroker, Source::AllBrokers, Source::Broker] {
        for name in names() {
            let found = layers.each(name).find(|(_, from)| *from == source);
            synonyms.extend(found.map(|(value, source)| (name, synonym(name, shown(name, value), source))));
        }
    }
    for name in names() {
        let default = known(name).and_then(|(_, default)| default);
        synonyms.extend(default.map(|value| (name, synonym(name, shown(name, value), Source::Default))));
    }
    synonyms.into_iter().skip_while(|(of, _)| *of != name).map(|(_, synonym)| synonym).collect()
}

fn topic(call: &Call<'_>, name: &str) -> Result<Arc<Topic>, Refused> {
    if let Err(error) = millstream_record::TopicName::parse(name) {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()));
    }
    let unknown = || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{name}' does not exist."));
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

/// What is said of settings that cannot be changed at all.
fn unchangeable(resource_type: i8, key: Option<&str>) -> Refused {
    let key = key.unwrap_or_default();
    match resource_type {
        BROKER_LOGGER => (ErrorCode::INVALID_CONFIG, format!("Logger {key} does not exist!")),
        other => invalid_request(format!("Unknown resource type {other}")),
    }
}

fn refuse_nulls(configs: &[AlterableConfig]) -> Result<(), Refused> {
    let nulls = configs.iter().filter(|config| config.config_operation != DELETE && config.value.is_none());
    let nulls: Vec<&str> = nulls.map(|config| &*config.name).collect();
    if nulls.is_empty() {
        return Ok(());
    }
    Err(invalid_request(format!("Null value not supported for : {}", nulls.join(","))))
}

/// A list with words added, or without them.
fn changed_list(current: &str, value: &str, operation: i8) -> String {
    let current: Vec<&str> = current.split(',').filter(|word| !word.is_empty()).collect();
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    if operation == APPEND {
        let added = words.into_iter().filter(|word| !current.contains(word));
        return current.iter().copied().chain(added).collect::<Vec<_>>().join(",");
    }
    current.into_iter().filter(|word| !words.contains(word)).collect::<Vec<_>>().join(",")
}

/// What became of a change of settings that are not a topic's.
fn stored(changed: Result<Result<(), Refused>, LineFileError>) -> Result<(), Refused> {
    changed.map_err(|error| (ErrorCode::KAFKA_STORAGE_ERROR, ErrorChain(&error).to_string()))?
}

async fn replace_all(
    call: &Call<'_>,
    resource_type: i8,
    name: &str,
    configs: Vec<(StrBytes, Option<StrBytes>)>,
    validate_only: bool,
) -> Result<(), Refused> {
    match resource_type {
        TOPIC => {}
        BROKER => return broker::replace(call, name, configs, validate_only).await,
        GROUP => return group::replace(call, name, configs, validate_only).await,
        CLIENT_METRICS => return client_metrics::replace(call, name, configs, validate_only).await,
        other => return Err(unchangeable(other, configs.first().map(|(key, _)| &**key))),
    }
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
    refuse_nulls(&configs)?;
    let mut seen = HashSet::new();
    if !configs.iter().all(|config| seen.insert(config.name.clone())) {
        return Err(invalid_request("Error due to duplicate config keys".to_owned()));
    }
    match resource_type {
        TOPIC => {}
        BROKER => return broker::change(call, name, configs, validate_only).await,
        GROUP => return group::change(call, name, configs, validate_only).await,
        CLIENT_METRICS => return client_metrics::change(call, name, configs, validate_only).await,
        other => return Err(unchangeable(other, configs.first().map(|config| &*config.name))),
    }
    let topic = topic(call, name)?;
    apply(call, &topic, validate_only, move |before, layers| {
        let mut overrides = before.clone();
        for config in &configs {
            let key = &*config.name;
            change_one(&mut overrides, layers, key, config.config_operation, config.value.as_deref())?;
        }
        Ok(overrides)
    })
    .await
}

fn change_one(
    overrides: &mut Overrides,
    layers: &Layers,
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
    let current = effective(key, overrides, layers).0.unwrap_or_default();
    let new = match operation {
        SET => value.to_owned(),
        APPEND | SUBTRACT => changed_list(&current, value, operation),
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
    change: impl FnOnce(&Overrides, &Layers) -> Result<Overrides, Refused> + Send + 'static,
) -> Result<(), Refused> {
    let node = Arc::clone(call.node);
    let checked = move |before: &Overrides| {
        let layers = node.topics.dynamic().layers();
        let overrides = change(before, &layers)?;
        check_together(&overrides, &layers).map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
        Ok(overrides)
    };
    if validate_only {
        return checked(&topic.overrides).map(drop);
    }
    let altered = call.node.topics.set_overrides(topic, checked).await;
    altered.map_err(|error| (error.code(), error.to_string()))?
}
