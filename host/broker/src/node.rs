//! The one node of the cluster: what every request handler gets to see.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{config::BrokerConfig, groups::Groups, producer_ids::ProducerIds, topics::Topics};

/// Broker, controller and group coordinator in one.
pub struct Node {
    /// Its settings.
    pub config: BrokerConfig,
    /// From `meta.properties`.
    pub cluster_id: String,
    /// Topics and their partitions.
    pub topics: Arc<Topics>,
    /// Consumer groups.
    pub groups: Arc<Groups>,
    /// Ids for idempotent producers.
    pub producer_ids: ProducerIds,
    /// Cancelled when the broker stops: whatever is parked is answered.
    pub stopping: CancellationToken,
}
