//! The one node of the cluster: what every request handler gets to see.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    budget::Budget, changes::Changes, config::BrokerConfig, groups::Groups, health::Health, producer_ids::ProducerIds,
    strangers::Strangers, topics::Topics,
};

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
    /// Where changes of state run to their end, whoever hangs up.
    pub changes: Changes,
    /// What has died.
    pub health: Arc<Health>,
    /// Memory for requests and answers.
    pub budget: Arc<Budget>,
    /// Clients that are none, as far as they were reported.
    pub strangers: Strangers,
    /// Cancelled when the broker stops: whatever is parked is answered.
    pub stopping: CancellationToken,
}
