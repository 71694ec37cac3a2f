//! Telling the partitions of a transaction how it has ended.
//!
//! The end is on disk when this begins, so it is carried through whatever stands in the way: a partition that cannot be
//! written to is tried again for as long as the broker runs, and by the next start. One that is gone is left out.

use std::{sync::Arc, time::Duration};

use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::{
    batch::{ControlMarker, write_control_batch},
    error_code::ErrorCode,
};
use tokio::sync::oneshot;
use tracing::{debug, error, warn};

use super::coordinator::Identity;
use super::{
    Transactions,
    coordinator::Markers,
    metadata::{Partitions, Verdict},
};
use crate::{
    internal_topics::OFFSETS_TOPIC,
    partition::{AppendRefused, Partition, PartitionUnavailable},
};

/// How soon a partition that could not be written to is tried again; each further time twice as late.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What became of one marker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MarkerOutcome {
    /// It is durable.
    Written,
    /// There is no such partition (any more).
    Gone,
    /// The partition knows a newer epoch of the producer, or of the coordinator: it has heard of a later end.
    Overtaken(ErrorCode),
    /// It may be written another time.
    Failed(ErrorCode),
}

impl Transactions {
    /// Ends a transaction in all its partitions, and notes that it is complete. Returns early only if the broker stops.
    /// `tried` is dropped once each partition has been tried.
    pub(super) async fn finish(self: Arc<Self>, markers: Markers, tried: oneshot::Sender<()>) {
        let mut tried = Some(tried);
        let coordinator_epoch = self.partition_of(&markers.id).map_or(0, |partition| partition.leader_epoch());
        let mut left = markers.partitions.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            left = self.mark_all(&markers, left, coordinator_epoch).await;
            if left.is_empty() {
                break;
            }
            drop(tried.take());
            tokio::select! {
                () = self.around.stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        let written = {
            let Ok(mut state) = self.lock() else { return };
            let Some(step) = state.coordinator.marked(self.now(), &markers) else { return };
            self.hand_over(&state, &step)
        };
        let id = markers.id;
        self.around.tracker.spawn(async move {
            // Whatever follows in the log says more; and if nothing does, the next start marks once more.
            let failed = match written {
                Ok(written) => written.durable(&id).await.err(),
                Err(code) => Some(code),
            };
            if let Some(code) = failed {
                warn!(transactional_id = id, error = code.name(), "the completion of a transaction was not noted");
            }
        });
    }

    /// Ends the transaction in these partitions, all at once; returns those that have to be tried again.
    async fn mark_all(&self, markers: &Markers, partitions: Partitions, coordinator_epoch: i32) -> Partitions {
        let Markers { id, identity, verdict, .. } = markers;
        let writing: Vec<_> = partitions
            .iter()
            .map(|(topic, index)| {
                (topic, index, self.begin_marker(topic, index, *identity, *verdict, coordinator_epoch))
            })
            .collect();
        let mut left = Partitions::default();
        for (topic, index, begun) in writing {
            match self.end_marker(begun, topic, index, *identity, *verdict).await {
                MarkerOutcome::Written => {}
                MarkerOutcome::Gone => {
                    debug!(transactional_id = id, topic, partition = index, "a partition of a transaction is gone");
                }
                MarkerOutcome::Overtaken(code) => {
                    let error = code.name();
                    warn!(
                        transactional_id = id,
                        topic,
                        partition = index,
                        error,
                        "the end of a transaction was overtaken"
                    );
                }
                MarkerOutcome::Failed(_) => left.insert(topic, index),
            }
        }
        left
    }

    /// Writes one marker, for WriteTxnMarkers. Durable when this returns.
    pub async fn mark(
        &self,
        topic: &str,
        partition: i32,
        identity: Identity,
        verdict: Verdict,
        coordinator_epoch: i32,
    ) -> MarkerOutcome {
        let begun = self.begin_marker(topic, partition, identity, verdict, coordinator_epoch);
        self.end_marker(begun, topic, partition, identity, verdict).await
    }

    /// Hands a marker to its partition; `None` where there is no such partition.
    fn begin_marker(
        &self,
        topic: &str,
        index: i32,
        identity: Identity,
        verdict: Verdict,
        coordinator_epoch: i32,
    ) -> Option<Begun<impl Future<Output = Result<i64, AppendRefused>> + Send + use<>>> {
        let partition = self.around.topics.get(topic)?.partition(index).cloned()?;
        let marker = ControlMarker { committed: verdict == Verdict::Commit, coordinator_epoch };
        let now_ms = Timestamp::now().as_millis();
        let batch = write_control_batch(now_ms, identity.producer_id, identity.epoch, marker);
        let appended = partition.append_own(batch, now_ms);
        Some(Begun { partition, appended })
    }

    async fn end_marker<F: Future<Output = Result<i64, AppendRefused>> + Send>(
        &self,
        begun: Option<Begun<F>>,
        topic: &str,
        index: i32,
        identity: Identity,
        verdict: Verdict,
    ) -> MarkerOutcome {
        let Some(Begun { partition, appended }) = begun else { return MarkerOutcome::Gone };
        let last_offset = match appended.await {
            Ok(last_offset) => last_offset,
            Err(AppendRefused::Unavailable(PartitionUnavailable::Deleted { .. })) => return MarkerOutcome::Gone,
            Err(refused) => return refused_marker(&partition, &refused),
        };
        match partition.wait_durable(last_offset).await {
            Ok(()) => {}
            Err(PartitionUnavailable::Deleted { .. }) => return MarkerOutcome::Gone,
            Err(unavailable) => return MarkerOutcome::Failed(unavailable.code()),
        }
        if topic == OFFSETS_TOPIC {
            let committed = verdict == Verdict::Commit;
            self.around.groups.end_transaction(index, identity.producer_id, last_offset, committed);
        }
        MarkerOutcome::Written
    }
}

struct Begun<F> {
    partition: Arc<Partition>,
    appended: F,
}

fn refused_marker(partition: &Partition, refused: &AppendRefused) -> MarkerOutcome {
    match refused.code() {
        code @ (ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::TRANSACTION_COORDINATOR_FENCED) => {
            MarkerOutcome::Overtaken(code)
        }
        code => {
            error!(partition = %partition.name(), error = %ErrorChain(refused), "the end of a transaction cannot be written yet");
            MarkerOutcome::Failed(code)
        }
    }
}
