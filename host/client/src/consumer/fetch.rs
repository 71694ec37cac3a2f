//! One fetch from one broker.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use millstream_metrics::ConsumerFetches;
use millstream_record::TopicName;
use millstream_wire::protocol::{
    messages::{
        ApiKey, BrokerId, FetchRequest,
        fetch_request::{FetchPartition, FetchTopic},
    },
    protocol::StrBytes,
};
use tokio::{sync::Notify, time::Instant};

use super::batches::{Visible, visible};
use crate::{
    admin::TopicPartition,
    cluster::{Link, RequestError, wire_name},
    config::{ConsumerConfig, IsolationLevel},
    kafka_error::ErrorCode,
};

/// A partition that is asked for.
#[derive(Clone, Debug)]
pub(super) struct PartitionFetch {
    pub(super) key: TopicPartition,
    pub(super) offset: i64,
    pub(super) version: u64,
    pub(super) leader_epoch: i32,
}

/// What came of it for one partition.
#[derive(Debug)]
pub(super) enum FetchAnswer {
    Data {
        visible: Visible,
        bytes: Bytes,
        end_offset: i64,
    },
    Refused(ErrorCode),
    Lost(RequestError),
    /// Nobody waits for it any more.
    GivenUp,
}

/// A fetch to be made.
pub(super) struct FetchWork {
    pub(super) link: Link,
    pub(super) config: Arc<ConsumerConfig>,
    pub(super) node: i32,
    pub(super) asked: Vec<PartitionFetch>,
    pub(super) counts: Arc<ConsumerFetches>,
    /// Told when the fetch is to end, unless its answer is arriving.
    pub(super) give_up: Arc<Notify>,
}

/// A fetch that was made.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) node: i32,
    pub(super) answers: Vec<(PartitionFetch, FetchAnswer)>,
}

impl FetchWork {
    pub(super) async fn run(self) -> Fetched {
        let node = self.node;
        let answers = match self.fetch().await {
            Ok(Some(mut answers)) => {
                // A partition that the broker left out is asked for again.
                let answer = |asked: PartitionFetch| {
                    let answer =
                        answers.remove(&asked.key).unwrap_or(FetchAnswer::Refused(ErrorCode::NOT_LEADER_OR_FOLLOWER));
                    (asked, answer)
                };
                self.asked.into_iter().map(answer).collect()
            }
            Ok(None) => self.asked.into_iter().map(|asked| (asked, FetchAnswer::GivenUp)).collect(),
            Err(error) => self.asked.into_iter().map(|asked| (asked, FetchAnswer::Lost(error.clone()))).collect(),
        };
        Fetched { node, answers }
    }

    /// `None` if it was given up.
    async fn fetch(&self) -> Result<Option<BTreeMap<TopicPartition, FetchAnswer>>, RequestError> {
        let config = &self.config;
        let connection = self.link.to(self.node).await?;
        let version = connection.version(ApiKey::Fetch)?;
        let mut topics: Vec<FetchTopic> = Vec::new();
        for asked in &self.asked {
            let mut partition = FetchPartition::default()
                .with_partition(asked.key.1)
                .with_fetch_offset(asked.offset)
                .with_partition_max_bytes(bounded(config.max_partition_fetch_bytes));
            if 9 <= version {
                partition = partition.with_current_leader_epoch(asked.leader_epoch);
            }
            // In the order asked for, since brokers fill partitions in this order; topics may come twice.
            match topics.last_mut() {
                Some(topic) if topic.topic.as_str() == asked.key.0.as_str() => topic.partitions.push(partition),
                _ => topics
                    .push(FetchTopic::default().with_topic(wire_name(&asked.key.0)).with_partitions(vec![partition])),
            }
        }
        let mut request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(bounded(config.fetch_min_bytes))
            .with_max_bytes(bounded(config.fetch_max_bytes))
            .with_isolation_level(config.isolation.number())
            .with_topics(topics);
        if 7 <= version {
            // No fetch session.
            request = request.with_session_id(0).with_session_epoch(-1);
        }
        if 11 <= version {
            request = request.with_rack_id(StrBytes::from_string(config.rack.clone()));
        }
        let timeout = self.link.cluster.settings().request_timeout.saturating_add(config.fetch_max_wait);
        let began = Instant::now();
        let call = connection.call_within(&request, timeout);
        tokio::pin!(call);
        let response = tokio::select! {
            biased;
            response = &mut call => response?,
            () = self.give_up.notified() => {
                if !connection.is_receiving() {
                    // A broker takes nothing back, and answers in order: what comes next goes over another connection.
                    self.link.leave(&connection);
                    return Ok(None);
                }
                call.await?
            }
        };
        self.counts.fetches.add(1);
        self.counts.fetch_time.record_time(began.elapsed());
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        let bytes: usize = partitions.filter_map(|partition| Some(partition.records.as_ref()?.len())).sum();
        self.counts.fetch_bytes.record(bytes as u64);
        if let Err(source) = ErrorCode::check(response.error_code) {
            return Err(RequestError::Refused { attempted: format!("fetch from broker {}", self.node), source });
        }
        let mut answers = BTreeMap::new();
        for topic in response.responses {
            let Ok(name) = TopicName::parse(topic.topic.as_str()) else { continue };
            for partition in topic.partitions {
                let key = (name.clone(), partition.partition_index);
                let Some(asked) = self.asked.iter().find(|asked| asked.key == key) else { continue };
                let answer = match ErrorCode::check(partition.error_code) {
                    Err(code) => FetchAnswer::Refused(code),
                    Ok(()) => {
                        let bytes = partition.records.unwrap_or_default();
                        let aborted = partition.aborted_transactions.unwrap_or_default();
                        let aborted =
                            aborted.iter().map(|aborted| (aborted.producer_id.0, aborted.first_offset)).collect();
                        let visible = visible(&bytes, asked.offset, config.isolation, aborted, config.check_crcs);
                        // Beyond the last stable offset nothing can be read that is known to be committed.
                        let end_offset = match config.isolation {
                            IsolationLevel::ReadCommitted => partition.last_stable_offset,
                            IsolationLevel::ReadUncommitted => partition.high_watermark,
                        };
                        FetchAnswer::Data { visible, bytes, end_offset }
                    }
                };
                answers.insert(key, answer);
            }
        }
        Ok(Some(answers))
    }
}

fn bounded(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
