//! What a worker works with: its settings, and the parts that it is given.

use std::{sync::Arc, time::Duration};

use millstream_config::{ConfigMap, Providers, WorkerConfig, worker_key};
use millstream_connector::Plugins;
use millstream_metrics::Metrics;

use crate::{
    converters::Natives,
    error_policy::Random,
    exactly_once::ExactlyOnceSource,
    kafka::Clients,
    leases::LeaseKeeper,
    offsets::{OffsetStore, OffsetTopics},
    status::StatusStore,
};

/// The worker's settings that concern connectors and tasks.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// The worker's properties, for converters and their settings.
    pub properties: ConfigMap,
    /// Time between two commits.
    pub flush_interval: Duration,
    /// Longest time for one.
    pub flush_timeout: Duration,
    /// Time that tasks have to stop.
    pub shutdown_timeout: Duration,
    /// Whether the topics that connectors use are noted (`topic.tracking.enable`).
    pub track_topics: bool,
    /// Whether users may have them forgotten (`topic.tracking.allow.reset`).
    pub allow_topic_reset: bool,
    /// Whether topics are made by the rules of source connectors (`topic.creation.enable`).
    pub create_topics: bool,
    /// Where the values of variables in configurations come from.
    pub providers: Arc<Providers>,
    /// Whether source connectors deliver exactly once.
    pub exactly_once: ExactlyOnceSource,
}

impl WorkerSettings {
    /// Reads a worker's configuration.
    pub fn from_config(worker: &WorkerConfig) -> Self {
        let config = worker.config();
        Self {
            properties: config.originals().clone(),
            flush_interval: worker_key::OFFSET_FLUSH_INTERVAL.get(config),
            flush_timeout: worker_key::OFFSET_FLUSH_TIMEOUT.get(config),
            shutdown_timeout: worker_key::TASK_SHUTDOWN_TIMEOUT.get(config),
            track_topics: worker_key::TOPIC_TRACKING_ENABLE.get(config),
            allow_topic_reset: worker_key::TOPIC_TRACKING_ALLOW_RESET.get(config),
            create_topics: worker_key::TOPIC_CREATION_ENABLE.get(config),
            providers: Arc::clone(worker.providers()),
            exactly_once: ExactlyOnceSource::of(worker),
        }
    }
}

/// What a worker works with. Cheap to clone.
#[derive(Clone)]
pub struct WorkerParts {
    /// Connectors, tasks and transforms.
    pub plugins: Arc<dyn Plugins>,
    /// Connect's own converters.
    pub natives: Natives,
    /// Kafka.
    pub clients: Arc<dyn Clients>,
    /// Source offsets.
    pub offsets: Arc<dyn OffsetStore>,
    /// Topics of connectors that keep their offsets apart; `None` for a worker by itself, where they cannot.
    pub offset_topics: Option<Arc<dyn OffsetTopics>>,
    /// Leases of connectors; `None` for a worker that keeps none.
    pub leases: Option<Arc<LeaseKeeper>>,
    /// Statuses of connectors and tasks.
    pub statuses: Arc<dyn StatusStore>,
    /// Spreads what would happen to many at once.
    pub random: Arc<Random>,
    /// Settings.
    pub settings: WorkerSettings,
    /// Counts what happens.
    pub metrics: Metrics,
}
