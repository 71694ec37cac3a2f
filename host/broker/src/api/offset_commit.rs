//! OffsetCommit: handed to the log at once, acknowledged when durable.

use std::sync::Arc;

use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse,
    offset_commit_request::OffsetCommitRequestTopic,
    offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
};
use tracing::error;

use super::{Call, Incoming, Later, Rejected, Reply};
use crate::{
    error_code::ErrorCode,
    groups::{Commit, coordinator::Committer, records::StoredOffset},
    topics::Topic,
};

pub async fn handle(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Rejected> {
    let request: OffsetCommitRequest = incoming.decode()?;
    let node = call.node;
    if let Err(error) = node.groups.ensure_topic().await {
        error!(error = %ErrorChain(&error), "cannot create the offsets topic");
        return incoming.answer(&answer(&request.topics, |_, _| ErrorCode::COORDINATOR_NOT_AVAILABLE));
    }
    let known: Vec<Option<Arc<Topic>>> =
        request.topics.iter().map(|topic| node.topics.get(topic.name.as_str())).collect();
    let verdicts: Vec<Vec<ErrorCode>> = request
        .topics
        .iter()
        .zip(&known)
        .map(|(topic, known)| {
            let partitions = topic.partitions.iter();
            let asked =
                partitions.map(|it| (it.partition_index, it.committed_metadata.as_ref().map_or(0, |text| text.len())));
            verdicts_of(call, asked, known.as_deref())
        })
        .collect();
    let commits = commits(call.version, &request, &known, &verdicts);
    let committer = Committer {
        group: request.group_id.as_str(),
        generation: request.generation_id_or_member_epoch,
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        via: Some(call.via()),
        version: call.version,
    };
    node.groups.room_to_commit(committer.group).await;
    let pending = match node.groups.begin_commit(&committer, commits) {
        Ok(pending) => pending,
        // Of partitions that there are none of nobody asks the group.
        Err(code) => {
            return incoming.answer(&answer(&request.topics, |at, number| match verdicts[at][number] {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                _ => code,
            }));
        }
    };
    let refused = pending.refused().to_vec();
    let finished = node.groups.finish_commit(pending);
    Ok(Reply::Later(Later::new(None, async move {
        let failed = finished.await.err();
        incoming.encode(&answer(&request.topics, |at, number| {
            let topic = &request.topics[at];
            let index = topic.partitions[number].partition_index;
            let is_it = |name: &str, of: i32| name == topic.name.as_str() && of == index;
            let refused = refused.iter().find(|(name, of, _)| is_it(name, *of)).map(|(_, _, code)| *code);
            match (verdicts[at][number], refused.or(failed)) {
                (ErrorCode::NONE, Some(code)) => code,
                (verdict, _) => verdict,
            }
        }))
    })))
}

/// What is wrong with each partition by itself; of each its index and the bytes of its metadata.
pub(super) fn verdicts_of(
    call: &Call<'_>,
    partitions: impl Iterator<Item = (i32, usize)>,
    known: Option<&Topic>,
) -> Vec<ErrorCode> {
    let verdict = |(index, metadata)| match known {
        Some(known) if known.partition(index).is_some() => {
            if call.node.config.offset_metadata_max_bytes < metadata {
                ErrorCode::OFFSET_METADATA_TOO_LARGE
            } else {
                ErrorCode::NONE
            }
        }
        _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    partitions.map(verdict).collect()
}

fn commits(
    version: i16,
    request: &OffsetCommitRequest,
    known: &[Option<Arc<Topic>>],
    verdicts: &[Vec<ErrorCode>],
) -> Vec<Commit> {
    let now_ms = Timestamp::now().as_millis();
    let expires_at_ms =
        (version <= 4 && 0 <= request.retention_time_ms).then(|| now_ms.saturating_add(request.retention_time_ms));
    let mut commits = Vec::new();
    for ((topic, known), verdicts) in request.topics.iter().zip(known).zip(verdicts) {
        let Some(known) = known else { continue };
        for (partition, verdict) in topic.partitions.iter().zip(verdicts) {
            if *verdict != ErrorCode::NONE {
                continue;
            }
            commits.push(Commit {
                topic: topic.name.to_string(),
                topic_id: known.id,
                partition: partition.partition_index,
                offset: StoredOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref().map(|text| text.to_string()).unwrap_or_default(),
                    committed_at_ms: now_ms,
                    expires_at_ms,
                    topic_id: Some(known.id),
                },
            });
        }
    }
    commits
}

fn answer(topics: &[OffsetCommitRequestTopic], code: impl Fn(usize, usize) -> ErrorCode) -> OffsetCommitResponse {
    let topics = topics.iter().enumerate().map(|(i, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(j, partition)| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(i, j).get())
        });
        OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
