//! DescribeTransactions and ListTransactions: what the coordinator knows.

use millstream_record::Timestamp;
use millstream_values::JavaRegex;
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest, ListTransactionsResponse,
        ProducerId, TopicName, TransactionalId,
        describe_transactions_response::{TopicData, TransactionState as Described},
        list_transactions_response::TransactionState as Listed,
    },
};

use super::{Call, text};
use crate::transactions::{Metadata, TransactionState};

/// Steps that matching one id may take.
const MAX_STEPS: u64 = 100_000;

pub fn describe(call: &Call<'_>, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let described = request.transactional_ids.into_iter().map(|id| {
        let state = Described::default().with_transactional_id(id.clone());
        if id.as_str().is_empty() {
            return state.with_error_code(ErrorCode::INVALID_REQUEST.get());
        }
        match call.node.transactions.describe(id.as_str()) {
            Ok(Some(metadata)) => fill(state, &metadata),
            Ok(None) => state.with_error_code(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND.get()),
            Err(code) => state.with_error_code(code.get()),
        }
    });
    DescribeTransactionsResponse::default().with_transaction_states(described.collect())
}

fn fill(state: Described, metadata: &Metadata) -> Described {
    let topics = metadata.partitions.topics().map(|(topic, partitions)| {
        TopicData::default().with_topic(TopicName(text(topic))).with_partitions(partitions.iter().copied().collect())
    });
    state
        .with_transaction_state(text(metadata.state.name()))
        .with_transaction_timeout_ms(metadata.timeout_ms)
        .with_transaction_start_time_ms(metadata.started_ms)
        .with_producer_id(ProducerId(metadata.producer_id))
        .with_producer_epoch(metadata.epoch)
        .with_topics(topics.collect())
}

pub fn list(call: &Call<'_>, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let by_name = |name: &str| TransactionState::ALL.into_iter().find(|state| state.name() == name);
    // Kafka knows these states, too; nothing is ever in them for longer than a moment.
    let passing = |name: &str| matches!(name, "Dead" | "PrepareEpochFence");
    let pattern = request.transactional_id_pattern.as_ref().filter(|pattern| !pattern.is_empty());
    let pattern = match pattern.map(|pattern| JavaRegex::compile(pattern)).transpose() {
        Ok(pattern) => pattern.map(|pattern| pattern.limited(MAX_STEPS)),
        Err(_) => {
            return ListTransactionsResponse::default().with_error_code(ErrorCode::INVALID_REGULAR_EXPRESSION.get());
        }
    };
    let filtered = !request.state_filters.is_empty();
    let (states, unknown): (Vec<_>, Vec<_>) =
        request.state_filters.into_iter().partition(|name| by_name(name.as_str()).is_some() || passing(name.as_str()));
    let answer = ListTransactionsResponse::default().with_unknown_state_filters(unknown);
    let states: Vec<TransactionState> = states.iter().filter_map(|name| by_name(name.as_str())).collect();
    let now_ms = Timestamp::now().as_millis();
    let wanted = |id: &str, metadata: &Metadata| {
        let producers = &request.producer_id_filters;
        let by_producer = producers.is_empty() || producers.contains(&ProducerId(metadata.producer_id));
        let by_state = !filtered || states.contains(&metadata.state);
        let by_duration =
            request.duration_filter < 0 || request.duration_filter < now_ms.saturating_sub(metadata.started_ms);
        // A pattern that takes too many steps stands for nothing.
        let by_id = || pattern.as_ref().is_none_or(|pattern| pattern.matches_whole(id).unwrap_or(false));
        (by_producer && by_state && by_duration && by_id()).then(|| {
            Listed::default()
                .with_transactional_id(TransactionalId(text(id)))
                .with_producer_id(ProducerId(metadata.producer_id))
                .with_transaction_state(text(metadata.state.name()))
        })
    };
    match call.node.transactions.list(wanted) {
        Ok(listed) => answer.with_transaction_states(listed),
        Err(code) => answer.with_error_code(code.get()),
    }
}
