//! `millstream topic describe`.

use std::collections::BTreeMap;

use millstream_client::{
    Admin,
    admin::{ConfigResource, ListedOffset, OffsetSpec},
    config::IsolationLevel,
};
use millstream_record::{ErrorChain, TopicName};
use serde_json::{Map, Value, json};

use crate::{
    exit::{Failure, USAGE},
    kafka_tools::failed,
    output::{Output, print, print_json},
};

pub async fn run(admin: &Admin, topics: &[TopicName], output: Output) -> Result<(), Failure> {
    let mut described = Vec::new();
    for (name, result) in admin.describe_topics(topics).await.map_err(failed)? {
        let refused = |refused| Failure::new(USAGE, format!("describe topic {name}: {}", ErrorChain(&refused)));
        let topic = result.map_err(refused)?;
        let entries = admin.describe_configs(&ConfigResource::Topic(name.clone())).await.map_err(failed)?;
        let configs: Map<String, Value> = entries
            .map_err(refused)?
            .into_iter()
            .filter(|entry| !entry.is_default)
            .map(|entry| (entry.name, entry.value.map_or(Value::Null, Value::String)))
            .collect();
        let partitions = 0..topic.topic.partitions.len() as i32;
        let ask = |spec| partitions.clone().map(|partition| (name.clone(), partition, spec)).collect::<Vec<_>>();
        let isolation = IsolationLevel::ReadUncommitted;
        let first = admin.list_offsets(&ask(OffsetSpec::Earliest), isolation).await.map_err(failed)?;
        let end = admin.list_offsets(&ask(OffsetSpec::Latest), isolation).await.map_err(failed)?;
        let offset = |listed: &BTreeMap<(TopicName, i32), ListedOffset>, at: i32| {
            listed.get(&(name.clone(), at)).and_then(|listed| listed.offset)
        };
        let partitions: Vec<Value> = partitions
            .clone()
            .zip(&topic.topic.partitions)
            .map(|(number, partition)| {
                json!({
                    "partition": number,
                    "leader": partition.leader,
                    "replicas": partition.replicas,
                    "in_sync": partition.in_sync,
                    "first_offset": offset(&first, number),
                    "end_offset": offset(&end, number),
                })
            })
            .collect();
        described.push(json!({"topic": name.as_str(), "partitions": partitions, "configs": configs}));
    }
    match output {
        Output::Json => print_json(&json!(described)),
        Output::Text => print(&described.iter().map(text).collect::<String>()),
    }
}

fn text(topic: &Value) -> String {
    let partitions = topic["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let plain = |value: &Value, without: &str| match value {
        Value::Null => without.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut text = format!("Topic: {}\tPartitionCount: {}\n", plain(&topic["topic"], ""), partitions.len());
    for (key, value) in topic["configs"].as_object().into_iter().flatten() {
        text.push_str(&format!("\t{key}={}\n", plain(value, "(hidden)")));
    }
    for partition in partitions {
        text.push_str(&format!(
            "\tPartition: {}\tLeader: {}\tOffsets: {} to {}\n",
            partition["partition"],
            plain(&partition["leader"], "none"),
            plain(&partition["first_offset"], "?"),
            plain(&partition["end_offset"], "?"),
        ));
    }
    text
}
