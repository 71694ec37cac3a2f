//! Settings of the consumer.

use std::{collections::BTreeMap, time::Duration};

use millstream_config::config_text;

use super::{
    connection::{ClientKind, ConnectionSettings, read_bootstrap},
    keys,
    reader::{ConfigError, Reader, error},
};
use crate::{assignment::Assignor, dial::HostPort};

/// Where to start in a partition that has no committed offset, or whose position is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AutoOffsetReset {
    /// At the first record there is.
    Earliest,
    /// After the last one.
    Latest,
    /// Nowhere: it is an error.
    None,
}

/// Which records of transactions are seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IsolationLevel {
    /// Those of aborted and of open transactions, too.
    ReadUncommitted,
    /// Those of committed transactions only.
    ReadCommitted,
}

impl IsolationLevel {
    /// The number in requests.
    pub fn number(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// Settings of a [`Consumer`](crate::Consumer).
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// Addresses that are tried until one answers.
    pub bootstrap: Vec<HostPort>,
    /// How the cluster is reached.
    pub connection: ConnectionSettings,
    /// The group, needed for subscriptions and commits.
    pub group_id: Option<String>,
    /// Makes the member a static one, whose restart causes no rebalance.
    pub group_instance_id: Option<String>,
    /// Time without a heartbeat after which the coordinator drops the member.
    pub session_timeout: Duration,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Longest time between two polls before the member leaves its group.
    pub max_poll_interval: Duration,
    /// Records after which a poll stops adding whole batches.
    pub max_poll_records: u32,
    /// Bytes that a broker waits for before it answers a fetch.
    pub fetch_min_bytes: u32,
    /// Bytes after which a broker stops adding to a fetch.
    pub fetch_max_bytes: u32,
    /// `fetch.decompressed.max.bytes`, a key of our own: bytes that the compressed batches of one fetch from one
    /// partition may expand to together.
    pub fetch_decompressed_max_bytes: u32,
    /// How long a broker waits for `fetch_min_bytes`.
    pub fetch_max_wait: Duration,
    /// Bytes of one partition after which a broker stops adding to a fetch.
    pub max_partition_fetch_bytes: u32,
    /// Where to start without a committed offset.
    pub auto_offset_reset: AutoOffsetReset,
    /// Interval at which polls commit what earlier polls returned; `None` leaves commits to the caller.
    pub auto_commit: Option<Duration>,
    /// Which records of transactions are seen.
    pub isolation: IsolationLevel,
    /// Whether checksums of batches are verified.
    pub check_crcs: bool,
    /// Whether asking for a topic may create it.
    pub allow_auto_create_topics: bool,
    /// Whether Kafka's own topics are left out where topics are found by matching.
    pub exclude_internal_topics: bool,
    /// How a group's leader divides partitions, most wanted first. Never empty.
    pub assignors: Vec<Assignor>,
    /// Longest time for calls that ask the cluster something, repetitions included.
    pub api_timeout: Duration,
    /// Rack of the client, for fetching from near replicas.
    pub rack: String,
    /// Keys that have no meaning here, for one warning.
    pub ignored: Vec<String>,
}

impl ConsumerConfig {
    /// Reads Java consumer properties.
    ///
    /// # Errors
    ///
    /// Names the key whose value cannot be used.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(properties);
        let connection = ConnectionSettings::read(ClientKind::Consumer, &mut reader)?;
        let bootstrap = read_bootstrap(&mut reader)?;
        let group_id = reader.filled(&keys::GROUP_ID)?;
        if !reader.choice(&keys::GROUP_PROTOCOL, &[("classic", true), ("consumer", false)])? {
            let expected = "classic, as the newer protocol is not supported yet";
            return Err(error(&keys::GROUP_PROTOCOL, "consumer", expected));
        }
        let session_timeout = reader.get(&keys::SESSION_TIMEOUT)?;
        let heartbeat_interval = reader.get(&keys::HEARTBEAT_INTERVAL)?;
        if session_timeout <= heartbeat_interval {
            let value = heartbeat_interval.as_millis().to_string();
            return Err(error(&keys::HEARTBEAT_INTERVAL, &value, "less than session.timeout.ms"));
        }
        let auto_commit_interval = reader.get(&keys::AUTO_COMMIT_INTERVAL)?;
        // Without a group there is nowhere to commit to.
        let auto_commit = match reader.get(&keys::ENABLE_AUTO_COMMIT)? {
            None => group_id.is_some(),
            Some(text) => {
                config_text::boolean(&text).ok_or_else(|| error(&keys::ENABLE_AUTO_COMMIT, &text, "true or false"))?
            }
        };
        Ok(Self {
            group_id,
            group_instance_id: reader.filled(&keys::GROUP_INSTANCE_ID)?,
            session_timeout,
            heartbeat_interval,
            max_poll_interval: reader.get(&keys::MAX_POLL_INTERVAL)?.max(Duration::from_millis(1)),
            max_poll_records: reader.count(&keys::MAX_POLL_RECORDS)?,
            fetch_min_bytes: reader.count(&keys::FETCH_MIN_BYTES)?,
            fetch_max_bytes: reader.count(&keys::FETCH_MAX_BYTES)?,
            fetch_decompressed_max_bytes: reader.count(&keys::FETCH_DECOMPRESSED_MAX_BYTES)?,
            fetch_max_wait: reader.get(&keys::FETCH_MAX_WAIT)?,
            max_partition_fetch_bytes: reader.count(&keys::MAX_PARTITION_FETCH_BYTES)?,
            auto_offset_reset: reader.choice(
                &keys::AUTO_OFFSET_RESET,
                &[
                    ("earliest", AutoOffsetReset::Earliest),
                    ("latest", AutoOffsetReset::Latest),
                    ("none", AutoOffsetReset::None),
                ],
            )?,
            auto_commit: auto_commit.then_some(auto_commit_interval),
            isolation: reader.choice(
                &keys::ISOLATION_LEVEL,
                &[
                    ("read_uncommitted", IsolationLevel::ReadUncommitted),
                    ("read_committed", IsolationLevel::ReadCommitted),
                ],
            )?,
            check_crcs: reader.get(&keys::CHECK_CRCS)?,
            allow_auto_create_topics: reader.get(&keys::ALLOW_AUTO_CREATE_TOPICS)?,
            exclude_internal_topics: reader.get(&keys::EXCLUDE_INTERNAL_TOPICS)?,
            assignors: read_assignors(&mut reader)?,
            api_timeout: reader.get(&keys::CONSUMER_API_TIMEOUT)?,
            rack: reader.get(&keys::CLIENT_RACK)?,
            bootstrap,
            connection,
            ignored: reader.ignored(),
        })
    }
}

impl ConsumerConfig {
    /// Whether a rebalance leaves alone what stays. As in Java, only if no other strategy is among the consumer's.
    pub fn is_cooperative(&self) -> bool {
        self.assignors.iter().all(|assignor| *assignor == Assignor::CooperativeSticky)
    }
}

fn read_assignors(reader: &mut Reader<'_>) -> Result<Vec<Assignor>, ConfigError> {
    let key = &keys::ASSIGNMENT_STRATEGY;
    let Some(value) = reader.filled(key)? else { return Ok(vec![Assignor::Range]) };
    let expected =
        "a list with org.apache.kafka.clients.consumer.RangeAssignor, RoundRobinAssignor or CooperativeStickyAssignor";
    let mut assignors = Vec::new();
    for class in config_text::list(&value) {
        match class.as_str() {
            "range" | "org.apache.kafka.clients.consumer.RangeAssignor" => assignors.push(Assignor::Range),
            "roundrobin" | "org.apache.kafka.clients.consumer.RoundRobinAssignor" => {
                assignors.push(Assignor::RoundRobin);
            }
            "cooperative-sticky" | "org.apache.kafka.clients.consumer.CooperativeStickyAssignor" => {
                assignors.push(Assignor::CooperativeSticky);
            }
            // A group agrees on a strategy that all members know, so this one may be left out of a list that has
            // another one.
            "sticky" | "org.apache.kafka.clients.consumer.StickyAssignor" => {}
            _ => return Err(error(key, &value, expected)),
        }
    }
    if assignors.is_empty() { Err(error(key, &value, expected)) } else { Ok(assignors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_java_consumer() {
        let config = read(&[("group.id", "g")]).expect("valid");
        assert_eq!(config.auto_offset_reset, AutoOffsetReset::Latest);
        assert_eq!(config.auto_commit, Some(Duration::from_secs(5)));
        assert_eq!(config.session_timeout, Duration::from_secs(45));
        assert_eq!(config.max_poll_records, 500);
        assert_eq!(config.fetch_decompressed_max_bytes, 1 << 30);
        assert_eq!(config.assignors, [Assignor::Range]);
        assert_eq!(config.isolation, IsolationLevel::ReadUncommitted);
    }

    #[test]
    fn only_those_who_know_no_other_strategy_are_cooperative_as_in_java() {
        let classes = "org.apache.kafka.clients.consumer.RangeAssignor, org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        let config = read(&[("partition.assignment.strategy", classes)]).expect("valid");
        assert_eq!(config.assignors, [Assignor::Range, Assignor::CooperativeSticky]);
        assert!(!config.is_cooperative());
        let config = read(&[("partition.assignment.strategy", "cooperative-sticky,sticky")]).expect("valid");
        assert!(config.is_cooperative());
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (key, value) in [
            ("group.protocol", "consumer"),
            ("partition.assignment.strategy", "sticky"),
            ("auto.offset.reset", "newest"),
            ("heartbeat.interval.ms", "45000"),
            ("max.poll.records", "0"),
            ("fetch.decompressed.max.bytes", "1023"),
        ] {
            assert_eq!(read(&[(key, value)]).expect_err(key).key, key);
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Result<ConsumerConfig, ConfigError> {
        let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), "localhost:9092".to_owned())]);
        properties.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        ConsumerConfig::from_properties(&properties)
    }
}
