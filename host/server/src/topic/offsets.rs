//! `millstream topic offsets` and `delete-records`.

use std::collections::BTreeMap;

use millstream_client::{Admin, config::IsolationLevel};
use millstream_record::TopicName;
use serde_json::{Value, json};

use super::{args::Before, partition_counts};
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::failed,
    moment::Place,
    output::{Output, print, print_json},
};

/// All partitions of topics, or the chosen ones, which must exist in each.
async fn chosen(admin: &Admin, topics: &[TopicName], only: &[i32]) -> Result<Vec<(TopicName, i32)>, Failure> {
    let mut chosen = Vec::new();
    for (topic, count) in partition_counts(admin, topics).await? {
        if let Some(missing) = only.iter().find(|partition| !(0..count).contains(*partition)) {
            return Err(Failure::new(
                USAGE,
                format!("topic {topic} has no partition {missing}, only 0 to {}", count - 1),
            ));
        }
        let wanted = |partition: &i32| only.is_empty() || only.contains(partition);
        chosen.extend((0..count).filter(wanted).map(|partition| (topic.clone(), partition)));
    }
    Ok(chosen)
}

pub async fn list(
    admin: &Admin,
    topics: &[TopicName],
    Place(spec): Place,
    only: &[i32],
    output: Output,
) -> Result<(), Failure> {
    let asked: Vec<_> =
        chosen(admin, topics, only).await?.into_iter().map(|(topic, partition)| (topic, partition, spec)).collect();
    let listed = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await.map_err(failed)?;
    match output {
        Output::Text => {
            let line = |((topic, partition), listed): (&(TopicName, i32), &millstream_client::admin::ListedOffset)| {
                let offset = listed.offset.map(|offset| offset.to_string()).unwrap_or_default();
                format!("{topic}:{partition}:{offset}\n")
            };
            print(&listed.iter().map(line).collect::<String>())
        }
        Output::Json => {
            let entries: Vec<Value> = listed
                .iter()
                .map(|((topic, partition), listed)| {
                    json!({
                        "topic": topic.as_str(),
                        "partition": partition,
                        "offset": listed.offset,
                        "timestamp": listed.timestamp_ms,
                    })
                })
                .collect();
            print_json(&json!(entries))
        }
    }
}

pub async fn delete_before(
    admin: &Admin,
    topic: &TopicName,
    Before(offset): Before,
    only: &[i32],
    output: Output,
) -> Result<(), Failure> {
    let partitions = chosen(admin, std::slice::from_ref(topic), only).await?;
    let before: BTreeMap<_, _> = partitions.into_iter().map(|partition| (partition, offset)).collect();
    let begin = admin.delete_records(&before).await.map_err(failed)?;
    match output {
        Output::Text => {
            let line = |((topic, partition), first): (&(TopicName, i32), &i64)| {
                format!("partition: {topic}-{partition}\tlow_watermark: {first}\n")
            };
            print(&begin.iter().map(line).collect::<String>())
        }
        Output::Json => {
            let entry = |((topic, partition), first): (&(TopicName, i32), &i64)| json!({"topic": topic.as_str(), "partition": partition, "first_offset": first});
            print_json(&json!(begin.iter().map(entry).collect::<Vec<_>>()))
        }
    }
}
