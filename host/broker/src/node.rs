//! The one node of the cluster: what every request handler gets to see.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use millstream_metrics::BrokerRequests;
use tokio_util::sync::CancellationToken;

use crate::{
    budget::Budget,
    changes::Changes,
    config::BrokerConfig,
    features::Features,
    fetch_sessions::FetchSessions,
    group_configs::GroupConfigs,
    groups::Groups,
    health::Health,
    producer_ids::ProducerIds,
    quotas::Quotas,
    security::{authorizer::Authorizer, listener::ListenerSecurity, users::Users},
    strangers::Strangers,
    topics::Topics,
    transactions::Transactions,
};

/// Broker, controller and coordinator in one.
pub struct Node {
    /// Its settings.
    pub config: BrokerConfig,
    /// From `meta.properties`.
    pub cluster_id: String,
    /// Topics and their partitions.
    pub topics: Arc<Topics>,
    /// Consumer groups.
    pub groups: Arc<Groups>,
    /// Transactions.
    pub transactions: Arc<Transactions>,
    /// Levels of the cluster's features.
    pub features: Features,
    /// Ids for idempotent producers.
    pub producer_ids: Arc<ProducerIds>,
    /// How many connections there have been; see [`Node::next_connection`].
    pub connections: AtomicU64,
    /// Where changes of state run to their end, whoever hangs up.
    pub changes: Changes,
    /// What has died.
    pub health: Arc<Health>,
    /// What consumers read, and what they know of it.
    pub fetch_sessions: Mutex<FetchSessions>,
    /// Memory for requests.
    pub budget: Arc<Budget>,
    /// Memory for answers, apart: clients that do not read theirs must not keep requests waiting.
    pub answers: Arc<Budget>,
    /// Requests and connections.
    pub counts: Arc<BrokerRequests>,
    /// Who decides what users may do; `None` where everybody may do everything.
    pub authorizer: Option<Authorizer>,
    /// How much of the broker users and clients may use.
    pub quotas: Quotas,
    /// What is set for single groups.
    pub group_configs: GroupConfigs,
    /// Users who log in by SCRAM.
    pub users: Users,
    /// What each listener asks of its clients.
    pub listeners: Vec<Arc<ListenerSecurity>>,
    /// Clients that are none, as far as they were reported.
    pub strangers: Strangers,
    /// Cancelled when the broker stops: whatever is parked is answered.
    pub stopping: CancellationToken,
}

impl Node {
    /// A number for a connection that was just accepted, higher than that of every one before.
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}
