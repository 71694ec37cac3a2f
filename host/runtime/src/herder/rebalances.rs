//! What a worker in a group counts of its rebalances, as Connect's herder does: from an assignment until its work runs.

use std::sync::Arc;

use millstream_metrics::WorkerRebalances;
use tokio::time::Instant;

use crate::membership::{Assigned, ConnectVersion};

/// Counts rebalances; nothing for a worker by itself.
pub(super) struct Rebalances(Option<Arc<WorkerRebalances>>);

impl Rebalances {
    pub(super) fn new(counts: Option<Arc<WorkerRebalances>>) -> Self {
        if let Some(counts) = &counts {
            counts.protocol.set(name(ConnectVersion::Eager));
        }
        Self(counts)
    }

    /// The group has told this worker what to do.
    pub(super) fn begins(&self, assigned: &Assigned) -> Instant {
        if let Some(counts) = &self.0 {
            counts.epoch.set(assigned.generation.into());
            counts.protocol.set(name(assigned.version));
            counts.leader.set(&assigned.work.leader_url);
            counts.rebalancing.set(1);
        }
        Instant::now()
    }

    /// It does that.
    pub(super) fn ends(&self, began: Instant) {
        if let Some(counts) = &self.0 {
            counts.rebalancing.set(0);
            counts.completed.add(1);
            counts.rebalance_time.record_time(began.elapsed());
            counts.last.set(Instant::now().into_std());
        }
    }
}

/// Connect's word in its metrics.
fn name(version: ConnectVersion) -> &'static str {
    match version {
        ConnectVersion::Eager => "EAGER",
        ConnectVersion::Compatible => "COMPATIBLE",
        ConnectVersion::Sessioned => "SESSIONED",
    }
}
