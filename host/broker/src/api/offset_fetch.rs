//! OffsetFetch: one group up to version 7, several from version 8 on.

use std::collections::HashSet;

use millstream_wire::protocol::messages::{
    OffsetFetchRequest, OffsetFetchResponse, TopicName,
    offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
        OffsetFetchResponseTopic, OffsetFetchResponseTopics,
    },
};

use super::{Call, text};
use crate::{error_code::ErrorCode, groups::offsets::CommittedOffset};

pub fn handle(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if 8 <= call.version {
        let groups = request.groups.into_iter().map(|group| {
            let wanted = group.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect::<Vec<_>>()
            });
            let (id, member) = (group.group_id.as_str(), group.member_id.as_deref());
            let may = call.node.groups.check_fetch(id, member, group.member_epoch);
            let found = match may.and_then(|()| found(call, id, wanted, request.require_stable)) {
                Ok(found) => found,
                Err(code) => {
                    let refused = OffsetFetchResponseGroup::default().with_group_id(group.group_id);
                    return refused.with_error_code(code.get());
                }
            };
            let topics = found.into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, known)| {
                    let (known, code) = stable(known);
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(index)
                        .with_error_code(code.get())
                        .with_committed_offset(known.offset)
                        .with_committed_leader_epoch(known.leader_epoch)
                        .with_metadata(Some(text(known.metadata)))
                });
                OffsetFetchResponseTopics::default()
                    .with_name(TopicName(text(name)))
                    .with_partitions(partitions.collect())
            });
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics.collect())
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let wanted = request.topics.map(|topics| {
        topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect::<Vec<_>>()
    });
    let (found, code) = match found(call, request.group_id.as_str(), wanted.clone(), request.require_stable) {
        Ok(found) => (found, ErrorCode::NONE),
        // Before version 2 there is no place for an error but at the partitions, which the request has to name.
        Err(code) => (nothing_of(wanted.unwrap_or_default()), code),
    };
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, known)| {
            let (known, unstable) = stable(known);
            let code = if code == ErrorCode::NONE { unstable } else { code };
            let answered = OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(known.offset)
                .with_metadata(Some(text(known.metadata)))
                .with_error_code(code.get());
            if 5 <= call.version { answered.with_committed_leader_epoch(known.leader_epoch) } else { answered }
        });
        OffsetFetchResponseTopic::default().with_name(TopicName(text(name))).with_partitions(partitions.collect())
    });
    let response = OffsetFetchResponse::default().with_topics(topics.collect());
    if 2 <= call.version { response.with_error_code(code.get()) } else { response }
}

/// By topic and partition: what is committed, `None` where a transaction that is open may commit something else.
type Found = Vec<(String, Vec<(i32, Option<CommittedOffset>)>)>;

fn stable(known: Option<CommittedOffset>) -> (CommittedOffset, ErrorCode) {
    match known {
        Some(known) => (known, ErrorCode::NONE),
        None => (nothing(), ErrorCode::UNSTABLE_OFFSET_COMMIT),
    }
}

fn nothing_of(wanted: Vec<(String, Vec<i32>)>) -> Found {
    let nothings =
        |partitions: Vec<i32>| partitions.into_iter().map(|partition| (partition, Some(nothing()))).collect();
    wanted.into_iter().map(|(topic, partitions)| (topic, nothings(partitions))).collect()
}

/// What was asked for with what is committed; −1 where nothing is.
fn found(
    call: &Call<'_>,
    group: &str,
    wanted: Option<Vec<(String, Vec<i32>)>>,
    require_stable: bool,
) -> Result<Found, ErrorCode> {
    let groups = &call.node.groups;
    let Some(wanted) = wanted else {
        let mut all: Found = Vec::new();
        let positions: Vec<_> =
            groups.offsets(group, None)?.into_iter().map(|(topic, partition, _)| (topic, partition)).collect();
        // Asked before the offsets: a transaction that ends in between must not let an old one pass for stable.
        let unstable = groups.unstable(group, if require_stable { &positions } else { &[] })?;
        let unstable: HashSet<_> =
            positions.iter().zip(unstable).filter(|(_, is)| *is).map(|(position, _)| position.clone()).collect();
        for (topic, partition, known) in groups.offsets(group, Some(&positions))? {
            let known = (!unstable.contains(&(topic.clone(), partition))).then_some(known);
            match all.last_mut() {
                Some((name, partitions)) if *name == topic => partitions.push((partition, known)),
                _ => all.push((topic, vec![(partition, known)])),
            }
        }
        return Ok(all);
    };
    let flat: Vec<(String, i32)> = wanted
        .iter()
        .flat_map(|(topic, partitions)| partitions.iter().map(move |&partition| (topic.clone(), partition)))
        .collect();
    let mut unstable = groups.unstable(group, if require_stable { &flat } else { &[] })?.into_iter();
    let known: std::collections::HashMap<(String, i32), CommittedOffset> = groups
        .offsets(group, Some(&flat))?
        .into_iter()
        .map(|(topic, partition, known)| ((topic, partition), known))
        .collect();
    let mut answer = |topic: &str, partition: i32| {
        let known = known.get(&(topic.to_owned(), partition)).cloned().unwrap_or_else(nothing);
        (!unstable.next().unwrap_or(false)).then_some(known)
    };
    let answered = wanted.into_iter().map(|(topic, partitions)| {
        let answers = partitions.into_iter().map(|partition| (partition, answer(&topic, partition))).collect();
        (topic, answers)
    });
    Ok(answered.collect())
}

fn nothing() -> CommittedOffset {
    CommittedOffset {
        offset: -1,
        leader_epoch: -1,
        metadata: String::new(),
        committed_at_ms: -1,
        expires_at_ms: None,
        log_position: -1,
    }
}
