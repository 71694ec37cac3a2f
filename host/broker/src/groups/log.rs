//! Writing to `__consumer_offsets`: records are handed over under the coordinator's lock, and waited for outside of it.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    error_code::ErrorCode,
};
use tracing::error;

use super::{
    Groups,
    records::{RecordKey, StoredGroup},
};
use crate::partition::{AppendRefused, Partition, Waiting};

impl Groups {
    /// Appends a group's metadata now, behind the deletions of these records, and reports back when it is durable.
    pub(super) fn store(&self, group: String, store: u64, delete: &[RecordKey], record: &StoredGroup) {
        let key = RecordKey::Group { group: group.clone() }.encode();
        let deletions = delete.iter().map(|key| (key.encode(), None));
        let written = self.append(&group, deletions.chain([(key, Some(record.encode()))]));
        let Some(own) = self.own() else { return };
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

    /// Appends records of a group of the consumer protocol now, and reports back when they are durable.
    pub(super) fn append_records(&self, group: String, append: u64, records: Vec<(Bytes, Option<Bytes>)>) {
        let written = self.append(&group, records.into_iter());
        let Some(own) = self.own() else { return };
        self.tracker.spawn(async move {
            let durable = match written {
                Ok(written) => written.durable(&group).await,
                Err(code) => Err(code),
            };
            if let Err(code) = durable {
                error!(group, error = code.name(), "the group's records could not be written; it is tried again");
            }
            let Ok(mut state) = own.lock() else { return };
            let actions = state.coordinator.appended(&group, append, durable.is_ok());
            own.execute(&mut state, actions);
        });
    }

    /// Hands over deletions of these records.
    pub(super) fn write_deletions(&self, group: &str, keys: &[RecordKey]) -> Result<Written, ErrorCode> {
        self.append(group, keys.iter().map(|key| (key.encode(), None)))
    }

    /// Waits until the deletions that were handed over are durable, and makes them count; or they count for nothing.
    pub(super) async fn finish_forgetting(&self, forget: Forget) -> Result<(), ErrorCode> {
        let Forget { group, forget, written } = forget;
        let written = match written {
            Ok(written) => written.durable(&group).await,
            Err(code) => Err(code),
        };
        self.lock()?.coordinator.forgotten(&group, forget, written.ok());
        written.map(drop)
    }

    pub(super) fn append(
        &self,
        group: &str,
        records: impl Iterator<Item = (Bytes, Option<Bytes>)>,
    ) -> Result<Written, ErrorCode> {
        let partition = self.topics.offsets_partition(group).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        let now = now_ms();
        let batch = build_batch(records, &BatchStamp::default(), now).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let counted = partition.join_crowd(memory_of(&batch));
        let appended = Box::pin(partition.append_own(batch, now));
        Ok(Written { partition, appended, _counted: counted })
    }

    /// Waits until what a group's partition has to write takes little enough memory for more of it. Clients that give up,
    /// come back and commit again would otherwise fill it while a disk stalls.
    pub async fn room_to_commit(&self, group: &str) {
        if let Some(partition) = self.topics.offsets_partition(group) {
            partition.room_at_door().await;
        }
    }
}

/// What a batch of the group's takes until it is durable, with all that waits for that, in bytes.
pub(super) fn memory_of(batch: &[u8]) -> usize {
    1024 + 4 * batch.len()
}

/// Records that were handed to the log. They are appended even if this is dropped.
pub(super) struct Written {
    pub(super) partition: Arc<Partition>,
    pub(super) appended: Pin<Box<dyn Future<Output = Result<i64, AppendRefused>> + Send>>,
    /// Counted among what the partition has to write until it is durable.
    pub(super) _counted: Waiting,
}

impl Written {
    /// Waits until the records are durable; returns the offset of the last.
    pub async fn durable(self, group: &str) -> Result<i64, ErrorCode> {
        let last_offset = self.appended.await.map_err(|error| match error {
            AppendRefused::Outside { code } => code,
            error => {
                error!(group, error = %ErrorChain(&error), "cannot append to the offsets topic");
                ErrorCode::COORDINATOR_NOT_AVAILABLE
            }
        })?;
        let durable = self.partition.wait_durable(last_offset).await;
        durable.map(|()| last_offset).map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)
    }
}

/// Deletions that were handed to the log and are not durable yet.
pub(super) struct Forget {
    pub group: String,
    /// As the coordinator numbers it.
    pub forget: u64,
    pub written: Result<Written, ErrorCode>,
}

/// Wall-clock milliseconds.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millis()
}

/// `None` when the records do not fit into one batch.
pub(super) fn build_batch(
    records: impl Iterator<Item = (Bytes, Option<Bytes>)>,
    stamp: &BatchStamp,
    now_ms: i64,
) -> Option<BytesMut> {
    let mut builder = RecordBatchBuilder::with_capacity(512);
    for (key, value) in records {
        builder.append(now_ms, Some(&key), value.as_deref(), std::iter::empty()).ok()?;
    }
    builder.finish(stamp).ok()
}
