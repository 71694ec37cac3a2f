//! AddPartitionsToTxn: from clients up to version 3, and in batches from brokers, which may only want to know whether
//! partitions take part already.

use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
        },
    },
};

use super::{Call, Rejected};
use crate::transactions::{Caller, Generation, Identity, Outcome, Partitions};

pub async fn handle(
    call: &Call<'_>,
    request: AddPartitionsToTxnRequest,
) -> Result<AddPartitionsToTxnResponse, Rejected> {
    if call.version < 4 {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        let results = add(call, &transaction, Generation::First).await?;
        return Ok(AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results));
    }
    let mut results = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let by_topic = if transaction.verify_only {
            verify(call, &transaction)
        } else {
            add(call, &transaction, Generation::Second).await?
        };
        let result = AddPartitionsToTxnResult::default().with_transactional_id(transaction.transactional_id);
        results.push(result.with_topic_results(by_topic));
    }
    Ok(AddPartitionsToTxnResponse::default().with_results_by_transaction(results))
}

fn producer_of(transaction: &AddPartitionsToTxnTransaction) -> Identity {
    Identity { producer_id: transaction.producer_id.0, epoch: transaction.producer_epoch }
}

/// All partitions, or none.
async fn add(
    call: &Call<'_>,
    transaction: &AddPartitionsToTxnTransaction,
    generation: Generation,
) -> Result<Vec<AddPartitionsToTxnTopicResult>, Rejected> {
    let exists = |topic: &str, partition: i32| {
        call.node.topics.get(topic).is_some_and(|topic| topic.partition(partition).is_some())
    };
    let wanted: Partitions = all(&transaction.topics).collect();
    if all(&transaction.topics).any(|(topic, partition)| !exists(topic, partition)) {
        return Ok(results(&transaction.topics, |topic, partition| {
            if exists(topic, partition) {
                ErrorCode::OPERATION_NOT_ATTEMPTED
            } else {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            }
        }));
    }
    let caller = Caller { id: transaction.transactional_id.as_str(), connection: call.peer.connection };
    let outcome = call.node.transactions.add_partitions(caller, producer_of(transaction), &wanted, generation).await;
    let code = match outcome {
        Outcome::Late => return Err(Rejected::Late { id: caller.id.to_owned() }),
        Outcome::Answered(Ok(_)) => ErrorCode::NONE,
        Outcome::Answered(Err(code)) => for_version(code, call.version),
    };
    Ok(results(&transaction.topics, |_, _| code))
}

fn verify(call: &Call<'_>, transaction: &AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let (id, producer) = (transaction.transactional_id.as_str(), producer_of(transaction));
    results(&transaction.topics, |topic, partition| {
        let verified = call.node.transactions.may_append(id, producer, topic, partition);
        verified.err().unwrap_or(ErrorCode::NONE)
    })
}

/// PRODUCER_FENCED is newer than version 1.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED if version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    }
}

fn all(topics: &[AddPartitionsToTxnTopic]) -> impl Iterator<Item = (&str, i32)> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(move |&partition| (topic.name.as_str(), partition)))
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    code: impl Fn(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let by_topic = topics.iter().map(|topic| {
        let by_partition = topic.partitions.iter().map(|&partition| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(partition)
                .with_partition_error_code(code(topic.name.as_str(), partition).get())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(by_partition.collect())
    });
    by_topic.collect()
}
