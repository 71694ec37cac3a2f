//! TxnOffsetCommit: offsets that count once the producer's transaction is committed. From version 5 on the group's
//! partition takes part in the transaction without an AddOffsetsToTxn.

use std::sync::Arc;

use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        TxnOffsetCommitRequest, TxnOffsetCommitResponse,
        txn_offset_commit_request::TxnOffsetCommitRequestTopic,
        txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
    },
};
use tracing::error;

use super::{Call, Incoming, Later, Rejected, Reply, offset_commit::verdicts_of};
use crate::{
    groups::{BeginTransactionalCommit, Commit, coordinator::Committer, records::StoredOffset},
    internal_topics::OFFSETS_TOPIC,
    topics::Topic,
    transactions::{Caller, Generation, Identity, Outcome, Partitions},
};

pub async fn handle(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Rejected> {
    let request: TxnOffsetCommitRequest = incoming.decode()?;
    let node = call.node;
    if let Err(error) = node.groups.ensure_topic().await {
        error!(error = %ErrorChain(&error), "cannot create the offsets topic");
        return incoming.answer(&answer(&request.topics, |_, _| ErrorCode::COORDINATOR_NOT_AVAILABLE));
    }
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    if let Err(code) = take_part(call, &request, producer).await {
        let code = for_version(code, call.version);
        return incoming.answer(&answer(&request.topics, |_, _| code));
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
    let (transactions, id) = (Arc::clone(&node.transactions), request.transactional_id.to_string());
    let begin = BeginTransactionalCommit {
        committer: Committer {
            group: request.group_id.as_str(),
            generation: request.generation_id,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            // The producer's connection says nothing about the member.
            via: None,
            version: call.version,
        },
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch,
        commits: commits(&request, &known, &verdicts),
        may_append: move |partition| transactions.may_append(&id, producer, OFFSETS_TOPIC, partition),
    };
    node.groups.room_to_commit(begin.committer.group).await;
    let pending = match node.groups.begin_transactional_commit(begin) {
        Ok(pending) => pending,
        Err(code) => return incoming.answer(&answer(&request.topics, |_, _| code)),
    };
    let finished = pending.map(|pending| node.groups.finish_transactional_commit(pending));
    Ok(Reply::Later(Later::new(None, async move {
        let failed = match finished {
            Some(finished) => finished.await.err().map(|code| for_version(code, incoming.version())),
            None => None,
        };
        incoming.encode(&answer(&request.topics, |topic, partition| match (verdicts[topic][partition], failed) {
            (ErrorCode::NONE, Some(code)) => code,
            (verdict, _) => verdict,
        }))
    })))
}

/// The group's partition of the offsets topic takes part in the producer's transaction: from version 5 on by this.
async fn take_part(call: &Call<'_>, request: &TxnOffsetCommitRequest, producer: Identity) -> Result<(), ErrorCode> {
    let partition = call.node.topics.offsets_partition(request.group_id.as_str());
    let partition = partition.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    if call.version < 5 {
        let id = request.transactional_id.as_str();
        return call.node.transactions.may_append(id, producer, OFFSETS_TOPIC, partition.index());
    }
    let added: Partitions = [(OFFSETS_TOPIC, partition.index())].into_iter().collect();
    let caller = Caller { id: request.transactional_id.as_str(), connection: call.peer.connection };
    match call.node.transactions.add_partitions(caller, producer, &added, Generation::Second).await {
        Outcome::Answered(answer) => answer.map(|_| ()),
        // The epoch tells transactions of the second generation apart.
        Outcome::Late => Err(ErrorCode::INVALID_TXN_STATE),
    }
}

/// Clients of this API know neither PRODUCER_FENCED nor, before version 4, TRANSACTION_ABORTABLE.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TRANSACTION_ABORTABLE if version < 4 => ErrorCode::INVALID_TXN_STATE,
        code => code,
    }
}

fn commits(request: &TxnOffsetCommitRequest, known: &[Option<Arc<Topic>>], verdicts: &[Vec<ErrorCode>]) -> Vec<Commit> {
    let now_ms = Timestamp::now().as_millis();
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
                    topic_id: Some(known.id),
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_ref().map(|text| text.to_string()).unwrap_or_default(),
                    committed_at_ms: now_ms,
                    expires_at_ms: None,
                },
            });
        }
    }
    commits
}

fn answer(topics: &[TxnOffsetCommitRequestTopic], code: impl Fn(usize, usize) -> ErrorCode) -> TxnOffsetCommitResponse {
    let topics = topics.iter().enumerate().map(|(i, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(j, partition)| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(i, j).get())
        });
        TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
