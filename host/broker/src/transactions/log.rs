//! Writing to `__transaction_state`: records are handed over under the coordinator's lock, and waited for outside of
//! it.

use std::{future::Future, pin::Pin, sync::Arc};

use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    error_code::ErrorCode,
};
use tracing::error;

use super::{
    State, Transactions,
    coordinator::Step,
    records::{ValueVersion, encode_key, encode_value},
};
use crate::partition::{AppendRefused, Partition};

impl Transactions {
    /// The partition that holds an id's records; `None` before the first use of transactions.
    pub(super) fn partition_of(&self, id: &str) -> Option<Arc<Partition>> {
        self.around.topics.transactions_partition(id)
    }

    /// Hands over what a step writes. Never blocks.
    pub(super) fn hand_over(&self, state: &State, step: &Step) -> Result<Written, ErrorCode> {
        let partition = self.partition_of(&step.id).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        // Records without tagged fields are for brokers that know none, which `transaction.version` 0 stands for.
        let version = if state.level == 0 { ValueVersion::V0 } else { ValueVersion::V1 };
        let (key, value) = (encode_key(&step.id), step.record.as_ref().map(|record| encode_value(record, version)));
        let now_ms = Timestamp::now().as_millis();
        let mut builder = RecordBatchBuilder::with_capacity(256);
        let built = builder
            .append(now_ms, Some(&key), value.as_deref(), std::iter::empty())
            .ok()
            .and_then(|_| builder.finish(&BatchStamp::default()).ok());
        let batch = built.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let appended = Box::pin(partition.append_own(batch, now_ms));
        Ok(Written { partition, appended })
    }
}

/// A record that was handed to the log. It is appended even if this is dropped.
pub(super) struct Written {
    partition: Arc<Partition>,
    appended: Pin<Box<dyn Future<Output = Result<i64, AppendRefused>> + Send>>,
}

impl Written {
    /// Waits until the record is durable.
    pub(super) async fn durable(self, id: &str) -> Result<(), ErrorCode> {
        let last_offset = self.appended.await.map_err(|error| {
            error!(transactional_id = id, error = %ErrorChain(&error), "cannot append to the topic of transactions");
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })?;
        let durable = self.partition.wait_durable(last_offset).await;
        durable.map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)
    }
}
