//! Finding where to start: committed offsets, then ends of logs.

use std::sync::Arc;

use millstream_record::TopicName;

use super::positions::{Question, Search};
use crate::{
    admin::{OffsetSpec, TopicPartition, fetch_offsets, list_offsets},
    cluster::{Link, RequestError},
    config::ConsumerConfig,
};

/// What came of a lookup, with the versions it answers to.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// With the epoch of the record before, -1 where it is not known.
    pub(super) found: Vec<(TopicPartition, u64, i64, i32)>,
    /// Without a committed offset.
    pub(super) uncommitted: Vec<(TopicPartition, u64)>,
    /// To be asked about again.
    pub(super) retry: Vec<(TopicPartition, u64)>,
    pub(super) failure: Option<RequestError>,
}

/// Asks about all partitions once.
pub(super) async fn look_up(link: &Link, config: &Arc<ConsumerConfig>, questions: Vec<Question<Search>>) -> Lookup {
    let mut lookup = Lookup::default();
    let mut committed = Vec::new();
    let mut ends = Vec::new();
    for (key, search, version) in questions {
        match search {
            Search::Committed => committed.push((key, version)),
            Search::At(spec) => ends.push((key, spec, version)),
        }
    }
    if !committed.is_empty() {
        look_up_committed(link, config, committed, &mut lookup).await;
    }
    if !ends.is_empty() {
        look_up_ends(link, config, ends, &mut lookup).await;
    }
    lookup
}

async fn look_up_committed(
    link: &Link,
    config: &ConsumerConfig,
    wanted: Vec<(TopicPartition, u64)>,
    lookup: &mut Lookup,
) {
    let Some(group_id) = &config.group_id else {
        lookup.uncommitted.extend(wanted);
        return;
    };
    let partitions: Vec<(TopicName, i32)> = wanted.iter().map(|(key, _)| key.clone()).collect();
    match fetch_offsets(link, group_id, Some(&partitions), true).await {
        Ok(offsets) => {
            for (key, version) in wanted {
                match offsets.get(&key) {
                    Some(committed) => {
                        lookup.found.push((key, version, committed.offset, committed.leader_epoch.unwrap_or(-1)));
                    }
                    None => lookup.uncommitted.push((key, version)),
                }
            }
        }
        Err(error) => lookup.fail(error, wanted),
    }
}

async fn look_up_ends(
    link: &Link,
    config: &ConsumerConfig,
    wanted: Vec<(TopicPartition, OffsetSpec, u64)>,
    lookup: &mut Lookup,
) {
    let asked: Vec<_> = wanted.iter().map(|((topic, partition), spec, _)| (topic.clone(), *partition, *spec)).collect();
    match list_offsets(link, &asked, config.isolation).await {
        Ok((found, errors)) => {
            for (key, spec, version) in wanted {
                let epoch = found.get(&key).map_or(-1, |listed| listed.leader_epoch);
                match (found.get(&key).map(|listed| listed.offset), errors.get(&key)) {
                    (Some(Some(offset)), _) => lookup.found.push((key, version, offset, epoch)),
                    // No record is that young: the end is where it will be.
                    (Some(None), _) if matches!(spec, OffsetSpec::At(_) | OffsetSpec::MaxTimestamp) => {
                        let end = [(key.0.clone(), key.1, OffsetSpec::Latest)];
                        match list_offsets(link, &end, config.isolation).await {
                            Ok((found, _)) => {
                                match found.get(&key).and_then(|at| Some((at.offset?, at.leader_epoch))) {
                                    Some((offset, epoch)) => lookup.found.push((key, version, offset, epoch)),
                                    None => lookup.retry.push((key, version)),
                                }
                            }
                            Err(error) => lookup.fail(error, vec![(key, version)]),
                        }
                    }
                    (_, Some(code)) if !code.is_retriable() => {
                        let attempted = format!("look up an offset of {}-{}", key.0, key.1);
                        lookup.failure = Some(RequestError::Refused { attempted, source: *code });
                        lookup.retry.push((key, version));
                    }
                    _ => lookup.retry.push((key, version)),
                }
            }
        }
        Err(error) => lookup.fail(error, wanted.into_iter().map(|(key, _, version)| (key, version)).collect()),
    }
}

impl Lookup {
    /// Everything is asked about again; an error that time does not mend is told besides.
    fn fail(&mut self, error: RequestError, wanted: Vec<(TopicPartition, u64)>) {
        self.retry.extend(wanted);
        if !error.is_retriable() {
            self.failure = Some(error);
        }
    }
}
