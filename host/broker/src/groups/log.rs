//! Writing to `__consumer_offsets`: records are handed over under the coordinator's lock, and waited for outside of it.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use millstream_record::{Chain, Timestamp};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    error_code::ErrorCode,
};
use tracing::error;

use super::{
    Groups,
    coordinator::Action,
    records::{RecordKey, StoredGroup},
};
use crate::partition::{AppendRefused, Partition};

impl Groups {
    /// Appends a group's metadata now and reports back when it is durable.
    pub(super) fn store(&self, group: String, store: u64, record: &StoredGroup) {
        let key = RecordKey::Group { group: group.clone() }.encode();
        let written = self.append(&group, std::iter::once((key, Some(record.encode()))));
        let Some(own) = self.own.get().and_then(std::sync::Weak::upgrade) else { return };
        self.tracker.spawn(async move {
            let durable = match written {
                Ok(written) => written.durable(&group).await,
                Err(code) => Err(code),
            };
            if let Err(code) = durable {
                error!(group, error = code.name(), "the group's metadata could not be written");
            }
            let durable = durable.is_ok();
            let Ok(mut state) = own.lock() else { return };
            let actions = state.coordinator.stored(own.clock.now(), now_ms(), &group, store, durable);
            own.execute(&mut state, actions);
        });
    }

    /// Hands over deletions.
    pub(super) fn forget(&self, action: &Action) -> Result<Option<Written>, ErrorCode> {
        let Action::Forget { group, offsets, whole } = action else { return Ok(None) };
        let offset_keys = offsets.iter().map(|(topic, partition)| RecordKey::Offset {
            group: group.clone(),
            topic: topic.clone(),
            partition: *partition,
        });
        let group_key = whole.then(|| RecordKey::Group { group: group.clone() });
        let mut records = offset_keys.chain(group_key).map(|key| (key.encode(), None)).peekable();
        if records.peek().is_none() {
            return Ok(None);
        }
        self.append(group, records).map(Some)
    }

    pub(super) fn append(
        &self,
        group: &str,
        records: impl Iterator<Item = (Bytes, Option<Bytes>)>,
    ) -> Result<Written, ErrorCode> {
        let partition = self.topics.offsets_partition(group).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        let now = now_ms();
        let batch = build_batch(records, now).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let appended = Box::pin(partition.append_own(batch, now));
        Ok(Written { partition, appended })
    }
}

/// Records that were handed to the log. They are appended even if this is dropped.
pub(super) struct Written {
    partition: Arc<Partition>,
    appended: Pin<Box<dyn Future<Output = Result<i64, AppendRefused>> + Send>>,
}

impl Written {
    /// Waits until the records are durable; returns the offset of the last.
    pub async fn durable(self, group: &str) -> Result<i64, ErrorCode> {
        let last_offset = self.appended.await.map_err(|error| {
            error!(group, error = %Chain(&error), "cannot append to the offsets topic");
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })?;
        let durable = self.partition.wait_durable(last_offset).await;
        durable.map(|()| last_offset).map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)
    }
}

/// Waits for deletions that were handed over; NONE once they are durable.
pub(super) async fn finish_forgetting(group: &str, written: Result<Option<Written>, ErrorCode>) -> ErrorCode {
    match written {
        Ok(None) => ErrorCode::NONE,
        Ok(Some(written)) => written.durable(group).await.err().unwrap_or(ErrorCode::NONE),
        Err(code) => code,
    }
}

/// Wall-clock milliseconds.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millis()
}

/// `None` when the records do not fit into one batch.
fn build_batch(records: impl Iterator<Item = (Bytes, Option<Bytes>)>, now_ms: i64) -> Option<BytesMut> {
    let mut builder = RecordBatchBuilder::with_capacity(512);
    for (key, value) in records {
        builder.append(now_ms, Some(&key), value.as_deref(), std::iter::empty()).ok()?;
    }
    builder.finish(&BatchStamp::default()).ok()
}
