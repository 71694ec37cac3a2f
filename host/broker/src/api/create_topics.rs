//! CreateTopics: checks each topic by itself; on return a topic that was made can be used.

use std::collections::HashSet;

use millstream_record::InvalidTopicName;
use millstream_wire::protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse,
    create_topics_request::CreatableTopic,
    create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
};
use tracing::warn;

use super::{Call, text, throttle};
use crate::{
    config::{
        keys::{Key, TOPIC_KEYS},
        topic::{Overrides, check_together, effective, read_override},
    },
    error_code::ErrorCode,
    topics::{ChangeTopicError, NewTopic},
};

/// First version whose clients know that a change can be refused for a while.
const STRICT_FROM: i16 = 6;

pub async fn handle(call: &Call<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut seen = HashSet::new();
    let repeated: HashSet<String> =
        request.topics.iter().map(|topic| topic.name.to_string()).filter(|name| !seen.insert(name.clone())).collect();
    let mut results = Vec::with_capacity(request.topics.len());
    for wanted in &request.topics {
        let made = if repeated.contains(wanted.name.as_str()) {
            Err((ErrorCode::INVALID_REQUEST, "the topic is listed more than once".to_owned()))
        } else {
            create(call, wanted, request.validate_only).await
        };
        results.push(match made {
            Ok(result) => result,
            Err((code, message)) => CreatableTopicResult::default()
                .with_name(wanted.name.clone())
                .with_error_code(code.get())
                .with_error_message(Some(text(message)))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(None),
        });
    }
    // An array of configurations that is null cannot be written before version 5, where the field began.
    if call.version < 5 {
        for result in &mut results {
            result.configs = Some(Vec::new());
            result.num_partitions = -1;
            result.replication_factor = -1;
        }
    }
    CreateTopicsResponse::default().with_topics(results)
}

async fn create(
    call: &Call<'_>,
    wanted: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, (ErrorCode, String)> {
    let topic = check(call, wanted)?;
    let answer = CreatableTopicResult::default()
        .with_name(wanted.name.clone())
        .with_num_partitions(topic.partitions)
        .with_replication_factor(1)
        .with_configs(Some(configs(call, &topic.overrides)));
    if validate_only {
        call.node.topics.check_new(&topic.name).map_err(refused)?;
        return Ok(answer);
    }
    call.node.topics.check_new(&topic.name).map_err(refused)?;
    let partitions = usize::try_from(topic.partitions).unwrap_or(0);
    throttle::mutate(call, partitions, STRICT_FROM).map_err(|code| (code, throttle::EXCEEDED.to_owned()))?;
    match call.node.topics.create(topic).await {
        Ok(made) if 7 <= call.version => Ok(answer.with_topic_id(made.id)),
        Ok(_) => Ok(answer),
        Err(error) => Err(refused(error)),
    }
}

/// A refusal in Kafka's words, where it has some.
fn refused(error: ChangeTopicError) -> (ErrorCode, String) {
    let words = match &error {
        ChangeTopicError::Exists { name } => format!("Topic '{name}' already exists."),
        ChangeTopicError::Collides { name, existing } => {
            format!("Topic '{name}' collides with existing topic: {existing}")
        }
        other => other.to_string(),
    };
    (error.code(), words)
}

/// What is wrong with a name, in Kafka's words.
fn invalid(name: &str, error: &InvalidTopicName) -> String {
    let reason = match error {
        InvalidTopicName::Empty => "the empty string is not allowed".to_owned(),
        InvalidTopicName::Reserved => format!("'{name}' is not allowed"),
        InvalidTopicName::TooLong { .. } => {
            let most = millstream_record::TopicName::MAX_LEN;
            format!("the length of '{name}' is longer than the max allowed length {most}")
        }
        InvalidTopicName::Character { .. } => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
    };
    format!("Topic name is invalid: {reason}")
}

fn check(call: &Call<'_>, wanted: &CreatableTopic) -> Result<NewTopic, (ErrorCode, String)> {
    let config = &call.node.config;
    let name = millstream_record::TopicName::parse(wanted.name.as_str())
        .map_err(|error| (ErrorCode::INVALID_TOPIC_EXCEPTION, invalid(wanted.name.as_str(), &error)))?;
    let partitions = if wanted.assignments.is_empty() {
        check_replication_factor(call, name.as_str(), wanted.replication_factor)?;
        match wanted.num_partitions {
            -1 => config.num_partitions,
            count if 0 < count => count,
            _ => return Err((ErrorCode::INVALID_PARTITIONS, "a topic needs at least one partition".to_owned())),
        }
    } else {
        if wanted.num_partitions != -1 || wanted.replication_factor != -1 {
            let message = "both assignments and a partition count or replication factor are given".to_owned();
            return Err((ErrorCode::INVALID_REQUEST, message));
        }
        check_assignments(call, wanted)?
    };
    if super::create_partitions::MAX_PARTITIONS < partitions {
        let message = format!("at most {} partitions are possible", super::create_partitions::MAX_PARTITIONS);
        return Err((ErrorCode::INVALID_PARTITIONS, message));
    }
    let mut overrides = Overrides::new();
    for config in &wanted.configs {
        let Some(value) = &config.value else {
            let message = format!("null value not supported for topic configs: {}", &*config.name);
            return Err((ErrorCode::INVALID_CONFIG, message));
        };
        let value = read_override(&config.name, value).map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
        overrides.insert(config.name.to_string(), value);
    }
    check_together(&overrides, &call.node.topics.dynamic().layers())
        .map_err(|message| (ErrorCode::INVALID_CONFIG, message))?;
    Ok(NewTopic { name, partitions, overrides })
}

fn check_replication_factor(call: &Call<'_>, topic: &str, factor: i16) -> Result<(), (ErrorCode, String)> {
    match factor {
        -1 | 1 => Ok(()),
        2.. if call.node.config.clamp_replication_factor => {
            warn!(topic, asked = factor, "this broker is one node: the replication factor becomes 1");
            Ok(())
        }
        _ => Err((
            ErrorCode::INVALID_REPLICATION_FACTOR,
            format!("replication factor {factor} is not possible with 1 broker"),
        )),
    }
}

fn check_assignments(call: &Call<'_>, wanted: &CreatableTopic) -> Result<i32, (ErrorCode, String)> {
    let refuse = |message: &str| (ErrorCode::INVALID_REPLICA_ASSIGNMENT, message.to_owned());
    let mut indexes: Vec<i32> = wanted.assignments.iter().map(|it| it.partition_index).collect();
    indexes.sort_unstable();
    if indexes.iter().enumerate().any(|(i, &index)| i32::try_from(i) != Ok(index)) {
        return Err(refuse("partitions must be numbered from 0 without gaps"));
    }
    let own = call.node.config.node_id;
    if wanted.assignments.iter().any(|it| it.broker_ids.len() != 1 || it.broker_ids[0].0 != own) {
        return Err(refuse("this node is the only one that partitions can be assigned to"));
    }
    i32::try_from(indexes.len()).map_err(|_| refuse("too many partitions"))
}

/// All settings of the topic, as version 5 and later answer them.
fn configs(call: &Call<'_>, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let layers = call.node.topics.dynamic().layers();
    let entry = |key: &Key| {
        let (value, source) = effective(key, overrides, &layers);
        CreatableTopicConfigs::default()
            .with_name(text(key.name))
            .with_value(value.map(text))
            .with_config_source(source as i8)
    };
    TOPIC_KEYS.iter().filter(|key| !key.internal || overrides.contains_key(key.name)).map(entry).collect()
}
