//! What transactions need of a partition: appends that are checked at its door, and a look at its producers.

use std::{future::Future, sync::Arc};

use bytes::BytesMut;
use millstream_log::PartitionLog;
use millstream_wire::error_code::ErrorCode;

use super::{AppendRefused, Partition, PartitionUnavailable};

/// A producer that is remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ActiveProducer {
    /// Its id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence number of its last record; -1 for none in this epoch.
    pub last_sequence: i32,
    /// Timestamp of its last append.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that last ended a transaction of it; -1 if none did.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub transaction_start: Option<i64>,
}

impl Partition {
    /// As [`Partition::append_own`], for a batch within a transaction: `may_append` is asked right before it is appended,
    /// when everything that was handed over before is done and nothing else comes in between.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub fn append_own_if<A>(
        self: &Arc<Self>,
        mut batch: BytesMut,
        now_ms: i64,
        may_append: A,
    ) -> impl Future<Output = Result<i64, AppendRefused>> + Send + use<A>
    where
        A: FnOnce() -> Result<(), ErrorCode> + Send + 'static,
    {
        let appended = self.submit(move |partition| {
            may_append().map_err(|code| AppendRefused::Outside { code })?;
            partition.append_by(PartitionLog::append_own, &mut batch, now_ms)
        });
        async move { Ok(appended.await??.last_offset) }
    }

    /// The producers that are remembered. Waits for whoever changes the files; for work that is handed to
    /// [`Partition::submit`].
    ///
    /// # Errors
    ///
    /// The partition cannot be used.
    pub fn active_producers(&self) -> Result<Vec<ActiveProducer>, PartitionUnavailable> {
        let Some(open) = self.usable()? else { return Ok(Vec::new()) };
        let log = self.log_of(&open)?;
        let Some(log) = log.as_ref() else { return Ok(Vec::new()) };
        let active = log.producers().iter().map(|(id, state)| ActiveProducer {
            id,
            epoch: state.epoch(),
            last_sequence: state.last_sequence(),
            last_timestamp: state.last_timestamp(),
            coordinator_epoch: state.coordinator_epoch(),
            transaction_start: state.transaction_start(),
        });
        Ok(active.collect())
    }
}
