//! Requests about producers' ids and transactions.

use millstream_wire::protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListTransactionsRequest, ListTransactionsResponse, ProducerId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
    add_partitions_to_txn_request::AddPartitionsToTxnTopic,
    add_partitions_to_txn_response::{
        AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
    },
    describe_transactions_response::TransactionState,
    txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
    write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    },
};

use super::{Access, CLUSTER_REFUSED, Call, GROUP_REFUSED, ID_REFUSED, TOPIC_REFUSED, Verdict, split};
use crate::{
    error_code::ErrorCode,
    security::acls::{Operation, Resource},
};

pub fn init_producer_id(
    access: &Access,
    _: &Call<'_>,
    request: &mut InitProducerIdRequest,
) -> Verdict<InitProducerIdResponse> {
    let code = match &request.transactional_id {
        Some(id) => (!access.transactional_id(Operation::Write, id)).then_some(ID_REFUSED),
        None => {
            let may = access.may_any(Operation::Write, Resource::Topic) || access.cluster(Operation::IdempotentWrite);
            (!may).then_some(CLUSTER_REFUSED)
        }
    };
    match code {
        None => Verdict::Everything,
        Some(code) => Verdict::Nothing(
            InitProducerIdResponse::default()
                .with_error_code(code)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        ),
    }
}

fn results(topics: &[AddPartitionsToTxnTopic], code: impl Fn(&str) -> i16) -> Vec<AddPartitionsToTxnTopicResult> {
    let result = |topic: &AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().map(|index| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code(&topic.name))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    };
    topics.iter().map(result).collect()
}

/// Partitions are added all or none: where one topic is refused, the others were not attempted.
pub fn add_partitions_to_txn(
    access: &Access,
    call: &Call<'_>,
    request: &mut AddPartitionsToTxnRequest,
) -> Verdict<AddPartitionsToTxnResponse> {
    let judge = |id: &str, topics: &[AddPartitionsToTxnTopic]| {
        if !access.transactional_id(Operation::Write, id) {
            return Some(results(topics, |_| ID_REFUSED));
        }
        let refused: Vec<&str> = topics
            .iter()
            .map(|topic| topic.name.as_str())
            .filter(|name| !access.topic(Operation::Write, name))
            .collect();
        let code = |name: &str| match refused.contains(&name) {
            true => TOPIC_REFUSED,
            false => ErrorCode::OPERATION_NOT_ATTEMPTED.get(),
        };
        (!refused.is_empty()).then(|| results(topics, code))
    };
    if call.version < 4 {
        return match judge(&request.v3_and_below_transactional_id, &request.v3_and_below_topics) {
            None => Verdict::Everything,
            Some(results) => {
                Verdict::Nothing(AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results))
            }
        };
    }
    // Several at once are for brokers.
    if !access.cluster(Operation::ClusterAction) {
        return Verdict::Nothing(AddPartitionsToTxnResponse::default().with_error_code(CLUSTER_REFUSED));
    }
    let mut refused = Vec::new();
    request.transactions.retain(|transaction| match judge(&transaction.transactional_id, &transaction.topics) {
        None => true,
        Some(results) => {
            refused.push(
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id.clone())
                    .with_topic_results(results),
            );
            false
        }
    });
    Verdict::Rest(Box::new(move |response: &mut AddPartitionsToTxnResponse| {
        response.results_by_transaction.extend(refused);
    }))
}

pub fn add_offsets_to_txn(
    access: &Access,
    _: &Call<'_>,
    request: &mut AddOffsetsToTxnRequest,
) -> Verdict<AddOffsetsToTxnResponse> {
    let refused = |code| Verdict::Nothing(AddOffsetsToTxnResponse::default().with_error_code(code));
    if !access.transactional_id(Operation::Write, &request.transactional_id) {
        return refused(ID_REFUSED);
    }
    if !access.group(Operation::Read, &request.group_id) {
        return refused(GROUP_REFUSED);
    }
    Verdict::Everything
}

pub fn end_txn(access: &Access, _: &Call<'_>, request: &mut EndTxnRequest) -> Verdict<EndTxnResponse> {
    match access.transactional_id(Operation::Write, &request.transactional_id) {
        true => Verdict::Everything,
        false => Verdict::Nothing(EndTxnResponse::default().with_error_code(ID_REFUSED)),
    }
}

pub fn write_txn_markers(
    access: &Access,
    _: &Call<'_>,
    request: &mut WriteTxnMarkersRequest,
) -> Verdict<WriteTxnMarkersResponse> {
    if access.cluster(Operation::Alter) || access.cluster(Operation::ClusterAction) {
        return Verdict::Everything;
    }
    let markers = request.markers.iter().map(|marker| {
        let topics = marker.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(CLUSTER_REFUSED)
            });
            WritableTxnMarkerTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(topics.collect())
    });
    Verdict::Nothing(WriteTxnMarkersResponse::default().with_markers(markers.collect()))
}

pub fn txn_offset_commit(
    access: &Access,
    _: &Call<'_>,
    request: &mut TxnOffsetCommitRequest,
) -> Verdict<TxnOffsetCommitResponse> {
    let code = if !access.transactional_id(Operation::Write, &request.transactional_id) {
        Some(ID_REFUSED)
    } else if !access.group(Operation::Read, &request.group_id) {
        Some(GROUP_REFUSED)
    } else {
        None
    };
    let refused = split(&mut request.topics, |topic| code.is_none() && access.topic(Operation::Read, &topic.name));
    if code.is_none() && refused.is_empty() {
        return Verdict::Everything;
    }
    let amend = move |response: &mut TxnOffsetCommitResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code.unwrap_or(TOPIC_REFUSED))
            });
            TxnOffsetCommitResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    };
    if request.topics.is_empty() {
        let mut response = TxnOffsetCommitResponse::default();
        amend(&mut response);
        return Verdict::Nothing(response);
    }
    Verdict::Rest(Box::new(amend))
}

pub fn describe_transactions(
    access: &Access,
    _: &Call<'_>,
    request: &mut DescribeTransactionsRequest,
) -> Verdict<DescribeTransactionsResponse> {
    let refused = split(&mut request.transactional_ids, |id| access.transactional_id(Operation::Describe, id));
    let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
    Verdict::Rest(Box::new(move |response: &mut DescribeTransactionsResponse| {
        for state in &mut response.transaction_states {
            state.topics.retain(|topic| acls.allows(&user, &host, Operation::Describe, Resource::Topic, &topic.topic));
        }
        response.transaction_states.extend(
            refused
                .into_iter()
                .map(|id| TransactionState::default().with_transactional_id(id).with_error_code(ID_REFUSED)),
        );
    }))
}

pub fn list_transactions(
    access: &Access,
    _: &Call<'_>,
    _: &mut ListTransactionsRequest,
) -> Verdict<ListTransactionsResponse> {
    let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
    Verdict::Rest(Box::new(move |response: &mut ListTransactionsResponse| {
        response.transaction_states.retain(|state| {
            acls.allows(&user, &host, Operation::Describe, Resource::TransactionalId, &state.transactional_id)
        });
    }))
}
