//! What the broker is told: Apache Kafka's `server.properties` keys, and a few of our own.
//!
//! [`keys`] declares every key once; that table parses the file and answers DescribeConfigs.

pub mod dynamic_keys;
pub mod group;
pub mod kafkas_keys;
pub mod keys;
pub mod layers;
pub mod listener;
pub mod topic;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use group::{Bounded, ConsumerBounds};
use keys::{BROKER_KEYS, Key};
use layers::Layers;
use listener::Endpoint;
use millstream_metrics::Metrics;

use crate::places::parse_overrides;

/// When acks=all, offset commits and coordinator records are acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// After an fdatasync shared by all that wait; readers see only what is durable.
    Fsync,
    /// Once the operating system has the data, which is Kafka's own default.
    Os,
}

/// A broker's settings. [`BrokerConfig::from_properties`] makes one; the fields may be changed before the start.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where to listen; empty for a broker that is only reached in memory.
    pub listeners: Vec<Endpoint>,
    /// What Metadata tells clients, one per listener; empty means the listeners themselves.
    pub advertised_listeners: Vec<Endpoint>,
    /// `log.dirs` (the first of them) or `log.dir`.
    pub data_dir: PathBuf,
    /// `node.id`, or `broker.id`.
    pub node_id: i32,
    /// `cluster.id`: for a new data folder; drawn at random when absent.
    pub cluster_id: Option<String>,
    /// `acks.durability`.
    pub durability: Durability,
    /// No key of a file: where the broker counts.
    pub metrics: Metrics,
    /// `num.io.threads`.
    pub io_threads: usize,
    /// `log.reserve.max.bytes`.
    pub log_reserve_bytes: u64,
    /// `acks.durability.threads`.
    pub sync_threads: usize,
    /// `replication.factor.clamp`.
    pub clamp_replication_factor: bool,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `message.decompressed.max.bytes`.
    pub max_decompressed_bytes: usize,
    /// `socket.request.max.bytes`.
    pub max_request_bytes: usize,
    /// `connections.max.idle.ms`; `None` for no limit.
    pub max_idle: Option<Duration>,
    /// `socket.read.timeout.ms`; `None` for no limit.
    pub read_timeout: Option<Duration>,
    /// `socket.write.timeout.ms`; `None` for no limit.
    pub write_timeout: Option<Duration>,
    /// `request.memory.max.bytes`.
    pub request_memory_bytes: usize,
    /// `max.connections`.
    pub max_connections: usize,
    /// Most files of logs that are open at once; `None` for half of what the system allows.
    pub most_open_files: Option<usize>,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: usize,
    /// `max.request.partition.size.limit`.
    pub max_described_partitions: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// How topics are compacted.
    pub cleaner: CleanerConfig,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub checkpoint_interval: Duration,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads: usize,
    /// `group.min.session.timeout.ms`.
    pub group_min_session_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_ms: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.disconnect.grace.ms`; `None` for as long as the session lasts.
    pub disconnect_grace_ms: Option<i32>,
    /// `group.disconnect.grace.connect.ms`; the same.
    pub connect_disconnect_grace_ms: Option<i32>,
    /// `group.max.size`.
    pub group_max_size: usize,
    /// Whether groups of the consumer protocol are served: `group.coordinator.rebalance.protocols` names it.
    pub consumer_protocol: bool,
    /// `group.consumer.….ms` for sessions, heartbeats and assignments: what groups have, and may set for themselves.
    pub consumer_bounds: ConsumerBounds,
    /// `group.consumer.max.size`.
    pub consumer_max_size: usize,
    /// `group.consumer.assignors`.
    pub consumer_assignors: Vec<String>,
    /// `group.consumer.migration.policy`.
    pub consumer_migration_policy: String,
    /// `offsets.topic.num.partitions`.
    pub offsets_partitions: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_check_interval: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `transaction.state.log.num.partitions`.
    pub transactions_partitions: i32,
    /// `transaction.max.timeout.ms`.
    pub transaction_max_timeout_ms: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub transaction_abort_interval: Duration,
    /// `transactional.id.expiration.ms`.
    pub transactional_id_expiration_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub transactional_id_expiry_interval: Duration,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Duration,
    /// `quota.window.num`.
    pub quota_samples: u32,
    /// `quota.window.size.seconds`.
    pub quota_sample: Duration,
    /// `controller.quota.window.num`.
    pub mutation_quota_samples: u32,
    /// `controller.quota.window.size.seconds`.
    pub mutation_quota_sample: Duration,
    /// Every key that was given, for DescribeConfigs and as the topics' defaults.
    pub given: BTreeMap<String, String>,
    /// Remarks on keys that do nothing here; logged once at the start.
    pub warnings: Vec<String>,
}

/// How much of the machine compaction may use.
#[derive(Clone, Debug, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.threads`; 0 where `log.cleaner.enable` is off.
    pub threads: usize,
    /// `log.cleaner.backoff.ms`.
    pub backoff: Duration,
    /// `log.cleaner.dedupe.buffer.size`, for all threads.
    pub map_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`, for all threads.
    pub bytes_per_second: f64,
}

/// Most bytes of keys for one compaction, as Kafka has it. More may be asked for than there is, and a process that is
/// refused memory ends.
const MOST_MAP_BYTES: usize = i32::MAX as usize;

impl CleanerConfig {
    /// How many bytes each thread takes for keys.
    pub fn map_bytes_of_each(&self) -> usize {
        (self.map_bytes / self.threads.max(1)).min(MOST_MAP_BYTES)
    }

    /// As it is after changes while the broker runs. The number of threads stays.
    pub fn in_effect(&self, layers: &Layers) -> Self {
        let given = |name: &str| layers.get(name).map(|(value, _)| value.trim());
        let number = |name: &str| given(name)?.parse::<u64>().ok();
        let backoff = number("log.cleaner.backoff.ms").map(|ms| Duration::from_millis(ms.max(1)));
        let map_bytes = number("log.cleaner.dedupe.buffer.size").and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = given("log.cleaner.io.max.bytes.per.second").and_then(|rate| rate.parse::<f64>().ok());
        Self {
            threads: self.threads,
            backoff: backoff.unwrap_or(self.backoff),
            map_bytes: map_bytes.unwrap_or(self.map_bytes),
            bytes_per_second: bytes.map_or(self.bytes_per_second, |rate| rate.max(1.0)),
        }
    }
}

/// Why settings are refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBrokerConfig {
    /// A key of ours that does not exist.
    #[error("unknown broker key '{key}'; did you mean '{nearest}'?")]
    UnknownKey {
        /// As written.
        key: String,
        /// The nearest that exists.
        nearest: String,
    },
    /// A value that the key does not take.
    #[error("broker key '{key}' cannot be '{value}': {reason}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What it has to be.
        reason: String,
    },
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self::from_properties(&BTreeMap::new()).expect("the defaults of the key table are valid")
    }
}

impl BrokerConfig {
    /// Reads `server.properties` keys.
    ///
    /// Keys of Apache Kafka that mean nothing to this broker leave one warning; so do keys nobody knows, as in
    /// Kafka, unless they look like one that exists.
    ///
    /// # Errors
    ///
    /// The first key that is misspelt or has an impossible value.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self, InvalidBrokerConfig> {
        let mut warnings = Vec::new();
        let (mut inert, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in properties {
            match keys::find(BROKER_KEYS, key) {
                Some(declared) => {
                    declared.read(value).map_err(|error| InvalidBrokerConfig::Value {
                        key: key.clone(),
                        value: value.clone(),
                        reason: error.reason().to_owned(),
                    })?;
                }
                None if keys::is_of_listener(key) => {}
                None if keys::is_known_elsewhere(key) => inert.push(key.as_str()),
                None => match keys::looks_like_ours(key) {
                    Some(nearest) => {
                        return Err(InvalidBrokerConfig::UnknownKey { key: key.clone(), nearest: nearest.to_owned() });
                    }
                    None => unknown.push(match keys::nearest_elsewhere(key) {
                        Some(nearest) => format!("{key} (did you mean {nearest}?)"),
                        None => key.clone(),
                    }),
                },
            }
        }
        if !inert.is_empty() {
            warnings.push(format!("these broker keys have no effect here: {}", inert.join(", ")));
        }
        if !unknown.is_empty() {
            warnings.push(format!("these broker keys are unknown and have no effect: {}", unknown.join(", ")));
        }
        let values = Values { given: properties };
        let listeners = values.endpoints("listeners")?;
        let advertised_listeners = values.endpoints("advertised.listeners")?;
        if !advertised_listeners.is_empty() && advertised_listeners.len() != listeners.len() {
            return Err(InvalidBrokerConfig::Value {
                key: "advertised.listeners".into(),
                value: values.text("advertised.listeners"),
                reason: format!("there must be one for each of the {} listeners", listeners.len()),
            });
        }
        let dirs = if properties.contains_key("log.dirs") { values.text("log.dirs") } else { values.text("log.dir") };
        let mut dirs = dirs.split(',').map(str::trim).filter(|dir| !dir.is_empty());
        let data_dir = dirs.next().map(PathBuf::from).ok_or_else(|| InvalidBrokerConfig::Value {
            key: "log.dirs".into(),
            value: String::new(),
            reason: "a folder is needed".into(),
        })?;
        if dirs.next().is_some() {
            warnings.push(format!("only the first folder of log.dirs is used: {}", data_dir.display()));
        }
        for key in ["log.retention.ms", "log.retention.minutes", "log.retention.hours"] {
            if properties.contains_key(key) && values.long(key) == 0 {
                return Err(InvalidBrokerConfig::Value {
                    key: key.into(),
                    value: values.text(key),
                    reason: "it must be at least 1, or below 0 for ever".into(),
                });
            }
        }
        topic::check_together(&topic::Overrides::new(), &Layers::of_file(properties.clone())).map_err(|reason| {
            InvalidBrokerConfig::Value {
                key: "log.cleaner.min.compaction.lag.ms".into(),
                value: values.text("log.cleaner.min.compaction.lag.ms"),
                reason,
            }
        })?;
        let consumer_bounds = values.consumer_bounds();
        consumer_bounds.check().map_err(|(key, reason)| {
            let value = values.text(&key);
            InvalidBrokerConfig::Value { key, value, reason }
        })?;
        let protocols = values.text("group.coordinator.rebalance.protocols");
        if !protocols.split(',').any(|protocol| protocol == "classic") {
            return Err(InvalidBrokerConfig::Value {
                key: "group.coordinator.rebalance.protocols".into(),
                value: protocols,
                reason: "disabling the 'classic' protocol is not supported".into(),
            });
        }
        let overrides = values.text("max.connections.per.ip.overrides");
        let reason = match parse_overrides(&overrides) {
            Ok(parsed) if parsed.is_empty() && values.int("max.connections.per.ip") == 0 => Some((
                "max.connections.per.ip",
                "it can be set to zero only if max.connections.per.ip.overrides is set".to_owned(),
            )),
            Ok(_) => None,
            Err(reason) => Some(("max.connections.per.ip.overrides", reason)),
        };
        if let Some((key, reason)) = reason {
            return Err(InvalidBrokerConfig::Value { key: key.into(), value: values.text(key), reason });
        }
        let node_key = if properties.contains_key("node.id") { "node.id" } else { "broker.id" };
        let node_id = values.int(node_key).max(0);
        Ok(Self {
            listeners,
            advertised_listeners,
            data_dir,
            node_id,
            cluster_id: Some(values.text("cluster.id")).filter(|id| !id.is_empty()),
            durability: if values.text("acks.durability") == "os" { Durability::Os } else { Durability::Fsync },
            io_threads: values.size("num.io.threads"),
            log_reserve_bytes: values.size("log.reserve.max.bytes") as u64,
            sync_threads: values.size("acks.durability.threads"),
            clamp_replication_factor: values.flag("replication.factor.clamp"),
            num_partitions: values.int("num.partitions"),
            auto_create_topics: values.flag("auto.create.topics.enable"),
            delete_topics: values.flag("delete.topic.enable"),
            max_decompressed_bytes: values.size("message.decompressed.max.bytes"),
            max_request_bytes: values.size("socket.request.max.bytes"),
            max_idle: u64::try_from(values.long("connections.max.idle.ms")).ok().map(Duration::from_millis),
            read_timeout: Some(values.millis("socket.read.timeout.ms"))
                .filter(|_| values.long("socket.read.timeout.ms") != 0),
            write_timeout: Some(values.millis("socket.write.timeout.ms"))
                .filter(|_| values.long("socket.write.timeout.ms") != 0),
            request_memory_bytes: values.size("request.memory.max.bytes"),
            max_connections: values.size("max.connections"),
            most_open_files: Some(values.size("open.files.max")).filter(|most| *most != 0),
            fetch_max_bytes: values.size("fetch.max.bytes"),
            max_described_partitions: values.size("max.request.partition.size.limit"),
            fetch_session_slots: values.size("max.incremental.fetch.session.cache.slots"),
            retention_check_interval: values.millis("log.retention.check.interval.ms"),
            cleaner: CleanerConfig {
                threads: if values.flag("log.cleaner.enable") { values.size("log.cleaner.threads") } else { 0 },
                // A thread that finds nothing must not do so without a pause.
                backoff: values.millis("log.cleaner.backoff.ms").max(Duration::from_millis(1)),
                map_bytes: values.size("log.cleaner.dedupe.buffer.size"),
                bytes_per_second: values.double("log.cleaner.io.max.bytes.per.second").max(1.0),
            },
            checkpoint_interval: values.millis("log.flush.offset.checkpoint.interval.ms"),
            recovery_threads: values.size("num.recovery.threads.per.data.dir"),
            group_min_session_ms: values.int("group.min.session.timeout.ms"),
            group_max_session_ms: values.int("group.max.session.timeout.ms"),
            group_initial_rebalance_delay_ms: values.int("group.initial.rebalance.delay.ms"),
            disconnect_grace_ms: Some(values.int("group.disconnect.grace.ms")).filter(|grace_ms| 0 <= *grace_ms),
            connect_disconnect_grace_ms: Some(values.int("group.disconnect.grace.connect.ms"))
                .filter(|grace_ms| 0 <= *grace_ms),
            group_max_size: values.size("group.max.size"),
            consumer_protocol: protocols.split(',').any(|protocol| protocol == "consumer"),
            consumer_bounds,
            consumer_max_size: values.size("group.consumer.max.size"),
            consumer_assignors: values.text("group.consumer.assignors").split(',').map(str::to_owned).collect(),
            consumer_migration_policy: values.text("group.consumer.migration.policy"),
            offsets_partitions: values.int("offsets.topic.num.partitions"),
            offsets_retention_ms: values.long("offsets.retention.minutes").saturating_mul(60_000),
            offsets_check_interval: values.millis("offsets.retention.check.interval.ms"),
            offset_metadata_max_bytes: values.size("offset.metadata.max.bytes"),
            transactions_partitions: values.int("transaction.state.log.num.partitions"),
            transaction_max_timeout_ms: values.int("transaction.max.timeout.ms"),
            transaction_abort_interval: values.millis("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            transactional_id_expiration_ms: values.long("transactional.id.expiration.ms"),
            transactional_id_expiry_interval: values
                .millis("transaction.remove.expired.transaction.cleanup.interval.ms"),
            producer_id_expiration: values.millis("producer.id.expiration.ms"),
            quota_samples: u32::try_from(values.long("quota.window.num")).unwrap_or(u32::MAX),
            quota_sample: Duration::from_secs(u64::try_from(values.long("quota.window.size.seconds")).unwrap_or(1)),
            mutation_quota_samples: u32::try_from(values.long("controller.quota.window.num")).unwrap_or(u32::MAX),
            mutation_quota_sample: Duration::from_secs(
                u64::try_from(values.long("controller.quota.window.size.seconds")).unwrap_or(1),
            ),
            given: properties.clone(),
            metrics: Metrics::default(),
            warnings,
        })
    }
}

/// Typed access to values that were checked against their declarations.
struct Values<'a> {
    given: &'a BTreeMap<String, String>,
}

impl Values<'_> {
    fn declared(key: &str) -> &'static Key {
        keys::find(BROKER_KEYS, key).expect("every key read here is declared")
    }

    fn text(&self, key: &str) -> String {
        let default = || Self::declared(key).default.unwrap_or_default().to_owned();
        let read = |value: &String| Self::declared(key).read(value).expect("the value was checked");
        self.given.get(key).map_or_else(default, read)
    }

    fn double(&self, key: &str) -> f64 {
        self.text(key).parse().expect("the value was checked against its declaration")
    }

    fn long(&self, key: &str) -> i64 {
        self.text(key).parse().expect("the value was checked against its declaration")
    }

    fn int(&self, key: &str) -> i32 {
        i32::try_from(self.long(key)).expect("the declaration bounds the value")
    }

    fn size(&self, key: &str) -> usize {
        usize::try_from(self.long(key)).expect("the declaration bounds the value")
    }

    fn millis(&self, key: &str) -> Duration {
        // Timers cannot go off without a pause.
        Duration::from_millis(u64::try_from(self.long(key)).unwrap_or(0).max(1))
    }

    fn consumer_bounds(&self) -> ConsumerBounds {
        let bounded = |name: &str| Bounded {
            min: self.int(&format!("group.consumer.min.{name}")),
            max: self.int(&format!("group.consumer.max.{name}")),
            default: self.int(&format!("group.consumer.{name}")),
        };
        ConsumerBounds {
            session_ms: bounded("session.timeout.ms"),
            heartbeat_ms: bounded("heartbeat.interval.ms"),
            assignment_interval_ms: bounded("assignment.interval.ms"),
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.text(key) == "true"
    }

    fn endpoints(&self, key: &str) -> Result<Vec<Endpoint>, InvalidBrokerConfig> {
        let text = self.text(key);
        Endpoint::parse_list(&text).map_err(|reason| InvalidBrokerConfig::Value {
            key: key.to_owned(),
            value: text.clone(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn apache_kafkas_sample_file_is_accepted_with_one_warning() {
        let sample = properties(&[
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("listeners", "PLAINTEXT://:9092"),
            ("num.network.threads", "3"),
            ("socket.send.buffer.bytes", "102400"),
            ("log.dirs", "/tmp/kraft"),
            ("num.partitions", "4"),
            ("log.retention.hours", "168"),
        ]);
        let config = BrokerConfig::from_properties(&sample).unwrap();
        assert_eq!((config.node_id, config.num_partitions), (1, 4));
        assert_eq!(
            config.warnings,
            ["these broker keys have no effect here: num.network.threads, process.roles, socket.send.buffer.bytes"]
        );
    }

    #[test]
    fn a_misspelt_key_of_ours_is_an_error_that_names_the_right_one() {
        let error = BrokerConfig::from_properties(&properties(&[("acks.durabilty", "os")])).unwrap_err();
        assert_eq!(error.to_string(), "unknown broker key 'acks.durabilty'; did you mean 'acks.durability'?");
    }

    #[test]
    fn no_number_in_a_file_ends_the_program() {
        use millstream_config::ConfigType::{Int, Long};
        for key in BROKER_KEYS.iter().filter(|key| [Int, Long].contains(&key.kind)) {
            for number in [-2, -1, 0, 1, i64::from(i32::MIN), i64::from(i32::MAX), i64::MIN, i64::MAX] {
                // Taken or refused, but answered.
                drop(BrokerConfig::from_properties(&properties(&[(key.name, &number.to_string())])));
            }
        }
    }

    #[test]
    fn a_compaction_asks_for_no_more_memory_than_there_can_be() {
        let layers = |bytes: &str| Layers::of_file(properties(&[("log.cleaner.dedupe.buffer.size", bytes)]));
        let cleaner = BrokerConfig::default().cleaner;
        for (bytes, of_each) in [("9223372036854775807", MOST_MAP_BYTES), ("1000", 1000), ("0", 0)] {
            assert_eq!(cleaner.in_effect(&layers(bytes)).map_bytes_of_each(), of_each);
        }
        let without_threads = CleanerConfig { threads: 0, ..cleaner };
        assert_eq!(without_threads.map_bytes_of_each(), without_threads.map_bytes);
    }

    #[test]
    fn an_impossible_value_is_refused_with_its_reason() {
        let error = BrokerConfig::from_properties(&properties(&[("num.partitions", "0")])).unwrap_err();
        assert_eq!(error.to_string(), "broker key 'num.partitions' cannot be '0': Value must be at least 1");
        let error = BrokerConfig::from_properties(&properties(&[("acks.durability", "maybe")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "broker key 'acks.durability' cannot be 'maybe': String must be one of: fsync, os"
        );
    }

    #[test]
    fn times_of_consumer_groups_are_within_their_bounds_and_the_classic_protocol_is_served() {
        let given = [("group.consumer.session.timeout.ms", "10000")];
        let error = BrokerConfig::from_properties(&properties(&given)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "broker key 'group.consumer.session.timeout.ms' cannot be '10000': it must be greater than or equal to \
             group.consumer.min.session.timeout.ms"
        );
        let given = [("group.consumer.session.timeout.ms", "10000"), ("group.consumer.min.session.timeout.ms", "6000")];
        assert_eq!(
            BrokerConfig::from_properties(&properties(&given)).unwrap().consumer_bounds.session_ms.default,
            10_000
        );
        let protocols =
            |list| BrokerConfig::from_properties(&properties(&[("group.coordinator.rebalance.protocols", list)]));
        assert!(protocols("consumer").is_err() && protocols("classic,magic").is_err());
        assert!(!protocols("classic").unwrap().consumer_protocol);
        assert!(protocols("classic,consumer").unwrap().consumer_protocol && BrokerConfig::default().consumer_protocol);
    }

    #[test]
    fn blanks_around_values_mean_nothing() {
        let given = properties(&[
            ("num.partitions", " 4 "),
            ("delete.topic.enable", "\tFALSE "),
            ("acks.durability", " os "),
            ("cluster.id", " c "),
            ("log.dirs", " a , b "),
            ("listeners", " PLAINTEXT://:1 , X://:2 "),
        ]);
        let config = BrokerConfig::from_properties(&given).unwrap();
        assert_eq!((config.num_partitions, config.delete_topics, config.durability), (4, false, Durability::Os));
        assert_eq!((config.cluster_id.as_deref(), config.data_dir, config.listeners.len()), (Some("c"), "a".into(), 2));
    }

    #[test]
    fn an_unknown_key_leaves_a_warning_with_the_nearest_of_kafkas() {
        let given = properties(&[("num.network.thread", "3"), ("zookeeper.connect", "x")]);
        assert_eq!(
            BrokerConfig::from_properties(&given).unwrap().warnings,
            [
                "these broker keys are unknown and have no effect: num.network.thread (did you mean num.network.threads?), \
              zookeeper.connect"
            ]
        );
    }

    #[test]
    fn listeners_may_be_empty() {
        let config = BrokerConfig::from_properties(&properties(&[("listeners", "")])).unwrap();
        assert_eq!(config.listeners, []);
    }
}
