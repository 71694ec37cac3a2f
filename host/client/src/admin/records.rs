//! Offsets of partitions: looking them up, and deleting what lies before one.

use std::collections::BTreeMap;

use millstream_record::TopicName;
use millstream_wire::protocol::messages::{
    BrokerId, DeleteRecordsRequest, ListOffsetsRequest,
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};

use super::{Admin, millis};
use crate::{
    cluster::{Link, RequestError, TopicsWanted, wire_name},
    config::IsolationLevel,
    kafka_error::ErrorCode,
};

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OffsetSpec {
    /// The first there is.
    Earliest,
    /// The one that the next record will get.
    Latest,
    /// Of the record with the largest timestamp.
    MaxTimestamp,
    /// Of the first record with this timestamp (milliseconds) or a later one.
    At(i64),
}

impl OffsetSpec {
    fn number(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::At(timestamp_ms) => timestamp_ms.max(0),
        }
    }
}

/// An offset that was looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListedOffset {
    /// The offset; `None` when no record has such a timestamp.
    pub offset: Option<i64>,
    /// Timestamp of the record in milliseconds, where a timestamp was asked for.
    pub timestamp_ms: Option<i64>,
    /// Epoch of the leader that wrote it, -1 when the broker does not tell.
    pub leader_epoch: i32,
}

pub(crate) type TopicPartition = (TopicName, i32);

impl Admin {
    /// Looks up an offset of each partition. Under [`IsolationLevel::ReadCommitted`] the latest one is where the
    /// oldest open transaction begins.
    ///
    /// # Errors
    ///
    /// A partition does not exist, or its leader cannot be asked in time.
    pub async fn list_offsets(
        &self,
        wanted: &[(TopicName, i32, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Result<BTreeMap<(TopicName, i32), ListedOffset>, RequestError> {
        // Unknown partitions are told from leaders that are not known yet by asking once.
        self.repeat("list offsets", || async {
            learn_leaders(&self.link, wanted.iter().map(|(topic, ..)| topic)).await?;
            let (found, errors) = list_offsets(&self.link, wanted, isolation).await?;
            match errors.into_iter().next() {
                None => Ok(found),
                Some(((topic, partition), source)) => {
                    self.link.cluster.refresh(TopicsWanted::Named(std::slice::from_ref(&topic)), false).await?;
                    let attempted = format!("list offsets of {topic}-{partition}");
                    Err(RequestError::Refused { attempted, source })
                }
            }
        })
        .await
    }

    /// Deletes the records of each partition before an offset (-1 for all), and returns where each begins now.
    ///
    /// # Errors
    ///
    /// A partition does not exist, the offset is beyond its end, or its leader cannot be asked in time.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<(TopicName, i32), i64>,
    ) -> Result<BTreeMap<(TopicName, i32), i64>, RequestError> {
        self.repeat("delete records", || async {
            learn_leaders(&self.link, before.keys().map(|(topic, _)| topic)).await?;
            let metadata = self.link.cluster.metadata();
            let mut by_leader: BTreeMap<i32, BTreeMap<&TopicName, Vec<DeleteRecordsPartition>>> = BTreeMap::new();
            for ((topic, partition), offset) in before {
                let Some((node, _)) = metadata.leader(topic, *partition) else {
                    return Err(no_leader("delete records of", topic, *partition));
                };
                let asked = DeleteRecordsPartition::default().with_partition_index(*partition).with_offset(*offset);
                by_leader.entry(node).or_default().entry(topic).or_default().push(asked);
            }
            let mut results = BTreeMap::new();
            for (node, topics) in by_leader {
                let topic = |(name, partitions)| {
                    DeleteRecordsTopic::default().with_name(wire_name(name)).with_partitions(partitions)
                };
                let request = DeleteRecordsRequest::default()
                    .with_topics(topics.into_iter().map(topic).collect())
                    .with_timeout_ms(millis(self.api_timeout));
                for topic in self.link.call(node, &request).await?.topics {
                    let Ok(name) = TopicName::parse(topic.name.as_str()) else { continue };
                    for partition in topic.partitions {
                        let at = partition.partition_index;
                        if let Err(source) = ErrorCode::check(partition.error_code) {
                            self.link.cluster.refresh(TopicsWanted::Named(std::slice::from_ref(&name)), false).await?;
                            let attempted = format!("delete records of {name}-{at}");
                            return Err(RequestError::Refused { attempted, source });
                        }
                        results.insert((name.clone(), at), partition.low_watermark);
                    }
                }
            }
            Ok(results)
        })
        .await
    }
}

fn no_leader(attempted: &str, topic: &TopicName, partition: i32) -> RequestError {
    let source = ErrorCode::LEADER_NOT_AVAILABLE;
    RequestError::Refused { attempted: format!("{attempted} {topic}-{partition}"), source }
}

/// Asks about topics that are not known, or known to be missing.
async fn learn_leaders<'a>(link: &Link, topics: impl Iterator<Item = &'a TopicName>) -> Result<(), RequestError> {
    let metadata = link.cluster.metadata();
    let mut unknown: Vec<TopicName> =
        topics.filter(|topic| metadata.partition_count(topic).is_none()).cloned().collect();
    unknown.sort_unstable();
    unknown.dedup();
    if unknown.is_empty() {
        return Ok(());
    }
    let metadata = link.cluster.refresh(TopicsWanted::Named(&unknown), false).await?;
    for topic in &unknown {
        if let Some(source) = metadata.topic(topic).and_then(|topic| topic.error)
            && !matches!(source, ErrorCode::LEADER_NOT_AVAILABLE)
        {
            return Err(RequestError::Refused { attempted: format!("find the leaders of topic {topic}"), source });
        }
    }
    Ok(())
}

/// Offsets found, and errors of the other partitions.
pub(crate) type OffsetsFound = (BTreeMap<TopicPartition, ListedOffset>, BTreeMap<TopicPartition, ErrorCode>);

/// Asks every leader once. Partitions without a known leader are among the errors.
pub(crate) async fn list_offsets(
    link: &Link,
    wanted: &[(TopicName, i32, OffsetSpec)],
    isolation: IsolationLevel,
) -> Result<OffsetsFound, RequestError> {
    let metadata = link.cluster.metadata();
    let (mut found, mut errors) = OffsetsFound::default();
    let mut by_leader: BTreeMap<i32, BTreeMap<&TopicName, Vec<ListOffsetsPartition>>> = BTreeMap::new();
    for (topic, partition, spec) in wanted {
        let Some((node, _)) = metadata.leader(topic, *partition) else {
            errors.insert((topic.clone(), *partition), ErrorCode::LEADER_NOT_AVAILABLE);
            continue;
        };
        let asked = ListOffsetsPartition::default()
            .with_partition_index(*partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(spec.number());
        by_leader.entry(node).or_default().entry(topic).or_default().push(asked);
    }
    for (node, topics) in by_leader {
        let topic =
            |(name, partitions)| ListOffsetsTopic::default().with_name(wire_name(name)).with_partitions(partitions);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation.number())
            .with_topics(topics.into_iter().map(topic).collect());
        for topic in link.call(node, &request).await?.topics {
            let Ok(name) = TopicName::parse(topic.name.as_str()) else { continue };
            for partition in topic.partitions {
                let key = (name.clone(), partition.partition_index);
                match ErrorCode::check(partition.error_code) {
                    Err(code) => {
                        errors.insert(key, code);
                    }
                    Ok(()) => {
                        let listed = ListedOffset {
                            offset: Some(partition.offset).filter(|offset| 0 <= *offset),
                            timestamp_ms: Some(partition.timestamp).filter(|timestamp| 0 <= *timestamp),
                            leader_epoch: partition.leader_epoch,
                        };
                        found.insert(key, listed);
                    }
                }
            }
        }
    }
    Ok((found, errors))
}
