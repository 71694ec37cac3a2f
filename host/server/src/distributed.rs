//! `millstream distributed`: a worker in a group, whose state lives in topics.

use std::{path::Path, sync::Arc, time::Duration};

use millstream_config::{Mode, WorkerConfig, worker_key as key};
use millstream_metrics::Metrics;
use millstream_runtime::{
    ExactlyOnceSource,
    config_log::TopicConfigLog,
    herder::{GroupRules, Peers},
    kafka::{InternalClients, LogTopic},
    leases::{LeaseKeeper, LeaseSettings, LeaseTopic},
    membership::{ConnectGroup, ConnectGroupSettings, Membership as _},
    offsets::TopicOffsetStore,
    status::TopicStatusStore,
    topic_log::{InternalTopics, TopicLog},
};
use millstream_security::sasl::scram;
use tracing::warn;

use crate::{
    cluster::Kafka,
    exit::{Failure, SETUP, USAGE},
    offset_topics::ConnectorOffsetTopics,
    signals::{Ended, Signals},
    worker::{self, Bound, Prepared, Running, State},
};

/// Longest time at the end for statuses and offsets that are still on their way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until a signal comes, which works from the first moment.
pub async fn run(worker_file: &Path) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::of(SETUP, &error))?;
    work(&mut signals, worker_file).await.or_else(Ended::result)
}

async fn work(signals: &mut Signals, worker_file: &Path) -> Result<(), Ended> {
    let config = worker::read(worker_file, Mode::Distributed)?;
    let topics = InternalTopics::of(&config)
        .map_err(|error| Failure::new(SETUP, format!("{}: {error}", worker_file.display())))?;
    topics.warnings.iter().for_each(|warning| warn!("{warning}"));
    worker::make_broker_folder(&config)?;
    let prepared = signals.during(Prepared::of(worker_file, &config)).await?;
    let kafka = signals.during(Kafka::open(&config, &prepared.metrics)).await?;
    let started = signals.during(start(&config, &topics, prepared, &kafka)).await;
    let result = match started {
        Ok((worker, stores)) => {
            print_what_runs(&worker, &kafka, &config);
            let result = worker.run(signals).await;
            let result = result.and(worker.stop().await.map_err(Ended::Failed));
            stores.close().await;
            result
        }
        Err(ended) => Err(ended),
    };
    kafka.close().await;
    result
}

/// Stores that have something to finish at the end.
struct Stores {
    offsets: Arc<TopicOffsetStore>,
    statuses: Arc<TopicStatusStore>,
    leases: Arc<LeaseKeeper>,
}

impl Stores {
    async fn close(self) {
        self.leases.close(CLOSE_TIMEOUT).await;
        self.statuses.close(CLOSE_TIMEOUT).await;
        self.offsets.close(CLOSE_TIMEOUT).await;
    }
}

async fn start(
    config: &WorkerConfig,
    topics: &InternalTopics,
    prepared: Prepared,
    kafka: &Kafka,
) -> Result<(Running, Stores), Failure> {
    let metrics = prepared.metrics.clone();
    let group = ConnectGroupSettings::of(config, &kafka.bootstrap).map_err(|error| Failure::of(SETUP, &error))?;
    let group = group.counted_by(metrics.clone());
    let bound = Bound::of(config, prepared, kafka).await?;
    // In Connect's order.
    let exactly_once = ExactlyOnceSource::of(config);
    let offset_clients = clients(config, kafka, "offsets", &metrics)?;
    let offset_topics = ConnectorOffsetTopics {
        dial: Arc::clone(&kafka.dial),
        bootstrap: kafka.bootstrap.clone(),
        worker: config.config().originals().clone(),
        policy: config.override_policy().clone(),
        own: topics.offsets.clone(),
        own_bootstrap: offset_clients.bootstrap(),
    };
    let offset_clients =
        if exactly_once.reads_committed() { offset_clients.reading_committed() } else { offset_clients };
    let offsets = open(offset_clients, &topics.offsets).await?;
    let offsets = Arc::new(TopicOffsetStore::start(offsets).await.map_err(|error| Failure::of(USAGE, &error))?);
    let statuses = open(clients(config, kafka, "statuses", &metrics)?, &topics.statuses).await?;
    let statuses = Arc::new(TopicStatusStore::start(statuses).await.map_err(|error| Failure::of(USAGE, &error))?);
    let mut config_clients = clients(config, kafka, "configs", &metrics)?;
    if let Some(leader) = exactly_once.leader_id() {
        config_clients = config_clients.led_in_transactions(leader);
    }
    if exactly_once.reads_committed() {
        config_clients = config_clients.ending_with_committed();
    }
    let log = TopicConfigLog::new(open(config_clients, &topics.configs).await?);
    let lease_topic =
        LeaseTopic { clients: Arc::new(clients(config, kafka, "leases", &metrics)?), topic: topics.leases.clone() };
    let leases = Arc::new(LeaseKeeper::start(Box::new(lease_topic), LeaseSettings::of(config.config())));
    let worker_id = bound.worker_id();
    let membership = ConnectGroup::new(Arc::clone(&kafka.dial), group, &worker_id, &bound.url());
    let bound = bound.in_group(&key::GROUP_ID.get(config.config()), membership.session());
    let state = State {
        offsets: Arc::clone(&offsets) as _,
        offset_topics: Some(Arc::new(offset_topics)),
        leases: Arc::clone(&leases),
        statuses: Arc::clone(&statuses) as _,
        log: Box::new(log),
        membership: Box::new(membership),
        group: Some(rules(config, bound.peers())),
    };
    Ok((bound.start(config, kafka, state)?, Stores { offsets, statuses, leases }))
}

fn clients(config: &WorkerConfig, kafka: &Kafka, store: &str, metrics: &Metrics) -> Result<InternalClients, Failure> {
    let (dial, worker) = (Arc::clone(&kafka.dial), config.config().originals());
    let clients = InternalClients::new(dial, &kafka.bootstrap, worker, store, metrics);
    clients.map_err(|error| Failure::of(SETUP, &error))
}

/// A worker that refuses its topics ends at once, with Connect's exit code.
async fn open(clients: InternalClients, topic: &LogTopic) -> Result<TopicLog, Failure> {
    TopicLog::open(Arc::new(clients), topic).await.map_err(|error| Failure::of(USAGE, &error))
}

fn rules(config: &WorkerConfig, peers: Arc<dyn Peers>) -> GroupRules {
    let config = config.config();
    GroupRules {
        key_algorithm: key::INTER_WORKER_KEY_ALGORITHM.get(config),
        key_bits: key::INTER_WORKER_KEY_SIZE.get(config).and_then(|bits| u32::try_from(bits).ok()),
        key_ttl: key::INTER_WORKER_KEY_TTL.get(config),
        sync_timeout: key::WORKER_SYNC_TIMEOUT.get(config),
        // Whether it is set is what counts.
        max_delay: config
            .originals()
            .contains_key("scheduled.rebalance.max.delay.ms")
            .then(|| key::SCHEDULED_REBALANCE_DELAY.get(config)),
        peers,
        secrets: Arc::new(|len| std::iter::repeat_with(scram::secret).flatten().take(len).collect()),
    }
}

fn print_what_runs(worker: &Running, kafka: &Kafka, config: &WorkerConfig) {
    let url = worker.url();
    worker.print_addresses(kafka);
    println!("Group     {}", key::GROUP_ID.get(config.config()));
    println!();
    println!("Create a connector:  curl -X POST -H 'Content-Type: application/json' -d @FILE.json {url}/connectors");
    println!("Watch them:          curl '{url}/connectors?expand=status'");
    println!("Stop:        Ctrl-C");
}
