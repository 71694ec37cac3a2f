//! `millstream topic`: what Kafka's `kafka-topics`, `kafka-get-offsets`, `kafka-delete-records` and the console clients do.

mod args;
mod consume;
mod describe;
mod offsets;
mod produce;

use std::{collections::BTreeMap, time::Duration};

use millstream_client::admin::{ConfigChange, ConfigResource, NewTopic, Refused};
use millstream_record::{ErrorChain, TopicName};
use serde_json::json;

pub use args::TopicCommand;
pub use produce::encoded;

use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{PATIENCE, failed, key_value},
    output::{Output, print, print_json},
};

/// Runs one of the commands.
pub async fn run(command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::List { connection, internal, output } => {
            let topics = connection.admin(PATIENCE).await?.list_topics(internal).await.map_err(failed)?;
            let names: Vec<String> = topics.iter().map(ToString::to_string).collect();
            match output {
                Output::Text => print(&names.iter().map(|name| format!("{name}\n")).collect::<String>()),
                Output::Json => print_json(&json!(names)),
            }
        }
        TopicCommand::Create { connection, topic, partitions, replication_factor, configs } => {
            let mut new = NewTopic::new(name(&topic)?);
            (new.partitions, new.replication_factor) = (partitions, replication_factor);
            for config in configs {
                let (key, value) = key_value("--config", &config)?;
                new.configs.insert(key, value);
            }
            let results = connection.admin(PATIENCE).await?.create_topics(&[new], false).await.map_err(failed)?;
            each("create", "Created", results)
        }
        TopicCommand::Alter { connection, topic, partitions, set, unset } => {
            alter(&connection.admin(PATIENCE).await?, &name(&topic)?, partitions, &set, unset).await
        }
        TopicCommand::Delete { connection, topics } => {
            let names = names(&topics)?;
            let results = connection.admin(PATIENCE).await?.delete_topics(&names).await.map_err(failed)?;
            each("delete", "Deleted", results)
        }
        TopicCommand::Describe { connection, topics, output } => {
            describe::run(&connection.admin(PATIENCE).await?, &names(&topics)?, output).await
        }
        TopicCommand::Offsets { connection, topics, at, partitions, output } => {
            offsets::list(&connection.admin(PATIENCE).await?, &names(&topics)?, at, &partitions, output).await
        }
        TopicCommand::DeleteRecords { connection, topic, before, partitions, output } => {
            offsets::delete_before(&connection.admin(PATIENCE).await?, &name(&topic)?, before, &partitions, output)
                .await
        }
        TopicCommand::Produce(produce) => produce::run(produce).await,
        TopicCommand::Consume(consume) => consume::run(consume).await,
    }
}

/// The name of a topic.
pub fn name(text: &str) -> Result<TopicName, Failure> {
    TopicName::parse(text).map_err(|error| Failure::new(USAGE, format!("topic {text:?}: {error}")))
}

fn names(texts: &[String]) -> Result<Vec<TopicName>, Failure> {
    texts.iter().map(|text| name(text)).collect()
}

/// Says what became of each topic; fails if one was refused, after the others.
fn each(verb: &str, done: &str, results: BTreeMap<TopicName, Result<(), Refused>>) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for (name, result) in results {
        match result {
            Ok(()) => print(&format!("{done} topic {name}.\n"))?,
            Err(error) => refused.push(format!("{verb} topic {name}: {}", ErrorChain(&error))),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::new(USAGE, refused.join("; "))) }
}

async fn alter(
    admin: &millstream_client::Admin,
    topic: &TopicName,
    partitions: Option<u32>,
    set: &[String],
    unset: Vec<String>,
) -> Result<(), Failure> {
    let mut changes = Vec::new();
    for setting in set {
        let (key, value) = key_value("--set", setting)?;
        changes.push(ConfigChange::Set(key, value));
    }
    changes.extend(unset.into_iter().map(ConfigChange::Delete));
    let refuse = |refused: Refused| Failure::new(USAGE, format!("alter topic {topic}: {}", ErrorChain(&refused)));
    if !changes.is_empty() {
        let altered = admin.alter_configs(&ConfigResource::Topic(topic.clone()), &changes).await.map_err(failed)?;
        altered.map_err(refuse)?;
        print(&format!("Changed the settings of topic {topic}.\n"))?;
    }
    if let Some(total) = partitions {
        let results = admin.create_partitions(&BTreeMap::from([(topic.clone(), total)])).await.map_err(failed)?;
        for result in results.into_values() {
            result.map_err(refuse)?;
        }
        print(&format!("Topic {topic} has {total} partitions now.\n"))?;
    }
    Ok(())
}

/// The number of partitions of topics that must exist.
///
/// # Errors
///
/// One does not, or the cluster cannot be asked.
pub async fn partition_counts(
    admin: &millstream_client::Admin,
    topics: &[TopicName],
) -> Result<BTreeMap<TopicName, i32>, Failure> {
    let described = admin.describe_topics(topics).await.map_err(failed)?;
    let count = |(name, result): (TopicName, Result<millstream_client::admin::TopicDescription, Refused>)| match result
    {
        Ok(description) => Ok((name, i32::try_from(description.topic.partitions.len()).unwrap_or(i32::MAX))),
        Err(refused) => Err(Failure::new(USAGE, format!("topic {name}: {}", ErrorChain(&refused)))),
    };
    described.into_iter().map(count).collect()
}

/// How long a flush at the end of a command may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
