//! Every configuration key of broker and topics, declared once: name, type, default, limits and words.

/// The type of a value; the number is that of DescribeConfigs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean = 1,
    /// Text, possibly one of a few.
    Text = 2,
    /// 32-bit integer.
    Int = 3,
    /// 64-bit integer.
    Long = 5,
    /// Floating point.
    Double = 6,
    /// Texts with commas between.
    List = 7,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As written in a file.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its default; `None` means unset.
    pub default: Option<&'static str>,
    /// Smallest number accepted.
    pub min: i64,
    /// Largest number accepted.
    pub max: i64,
    /// The only texts accepted, if not empty.
    pub allowed: &'static [&'static str],
    /// One sentence.
    pub doc: &'static str,
    /// For topic keys: the broker key that sets the default.
    pub broker_key: Option<&'static str>,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Self {
        Self { name, kind, default, min: i64::MIN, max: i64::MAX, allowed: &[], doc, broker_key: None }
    }

    const fn min(mut self, min: i64) -> Self {
        self.min = min;
        self
    }

    const fn max(mut self, max: i64) -> Self {
        self.max = max;
        self
    }

    const fn allowed(mut self, allowed: &'static [&'static str]) -> Self {
        self.allowed = allowed;
        self
    }

    const fn broker(mut self, key: &'static str) -> Self {
        self.broker_key = Some(key);
        self
    }

    /// Whether the key takes this value.
    ///
    /// # Errors
    ///
    /// What the value has to be.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let value = value.trim();
        let number = || value.parse::<i64>().map_err(|_| "it must be a whole number".to_owned());
        let in_range = |number: i64| match number {
            _ if number < self.min => Err(format!("it must be at least {}", self.min)),
            _ if self.max < number => Err(format!("it must be at most {}", self.max)),
            _ => Ok(()),
        };
        match self.kind {
            Kind::Boolean if ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word)) => Ok(()),
            Kind::Boolean => Err("it must be true or false".to_owned()),
            Kind::Int => {
                let number = number()?;
                in_range(number)?;
                i32::try_from(number).map(|_| ()).map_err(|_| format!("it must be at most {}", i32::MAX))
            }
            Kind::Long => in_range(number()?),
            Kind::Double => match value.parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(()),
                _ => Err("it must be a number between 0 and 1".to_owned()),
            },
            Kind::Text | Kind::List if self.allowed.is_empty() => Ok(()),
            Kind::Text => self.is_allowed(value),
            Kind::List => value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .try_for_each(|word| self.is_allowed(word)),
        }
    }

    fn is_allowed(&self, word: &str) -> Result<(), String> {
        if self.allowed.contains(&word) {
            Ok(())
        } else {
            Err(format!("it must be one of {}", self.allowed.join(", ")))
        }
    }
}

/// The declaration of a key.
pub fn find<'a>(table: &'a [Key], name: &str) -> Option<&'a Key> {
    table.iter().find(|key| key.name == name)
}

use Kind::{Boolean, Double, Int, List, Long, Text};

/// Most that any part of the broker decompresses at once, in bytes.
const MAX_DECOMPRESSED: i64 = 256 << 20;

const CODECS: &[&str] = &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
const POLICIES: &[&str] = &["delete", "compact"];
const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];

/// Broker keys that mean something here.
pub const BROKER_KEYS: &[Key] = &[
    Key::new("listeners", List, Some("PLAINTEXT://127.0.0.1:9092"), "Addresses to listen on."),
    Key::new("advertised.listeners", List, Some(""), "Addresses told to clients, one for each listener."),
    Key::new("log.dirs", List, Some("millstream-data"), "Folder of the data."),
    Key::new("log.dir", Text, Some("millstream-data"), "Folder of the data, where log.dirs is not set."),
    Key::new("node.id", Int, Some("1"), "Number of this broker.").min(0),
    Key::new("broker.id", Int, Some("1"), "Number of this broker, where node.id is not set.").min(-1),
    Key::new("cluster.id", Text, Some(""), "Id of a cluster whose data folder is new; drawn when empty."),
    Key::new(
        "acks.durability",
        Text,
        Some("fsync"),
        "What acks=all and offset commits wait for: a sync of the disk, or the operating system.",
    )
    .allowed(&["fsync", "os"]),
    Key::new(
        "replication.factor.clamp",
        Boolean,
        Some("true"),
        "Whether a replication factor above 1 becomes 1 instead of an error.",
    ),
    Key::new("num.partitions", Int, Some("1"), "Partitions of a topic that does not say.").min(1),
    Key::new("default.replication.factor", Int, Some("1"), "Always 1 in effect.").min(1),
    Key::new("auto.create.topics.enable", Boolean, Some("true"), "Whether asking for a topic creates it."),
    Key::new("delete.topic.enable", Boolean, Some("true"), "Whether topics can be deleted."),
    Key::new("message.max.bytes", Int, Some("1048588"), "Largest record batch, compressed.").min(0),
    Key::new(
        "message.decompressed.max.bytes",
        Int,
        Some("268435456"),
        "Most bytes that the records of one batch may expand to.",
    )
    .min(1024)
    .max(MAX_DECOMPRESSED),
    Key::new("socket.request.max.bytes", Int, Some("104857600"), "Largest request.").min(1),
    Key::new("connections.max.idle.ms", Long, Some("600000"), "When a silent connection is closed; −1 for never.")
        .min(-1),
    Key::new("max.connections", Int, Some("10000"), "Most connections at once.").min(1),
    Key::new("fetch.max.bytes", Int, Some("57671680"), "Largest answer to a fetch.").min(1024),
    Key::new("compression.type", Text, Some("producer"), "Codec of topics that do not say.").allowed(CODECS),
    Key::new("min.insync.replicas", Int, Some("1"), "Replicas that acks=all needs; there is one.").min(1),
    Key::new("log.cleanup.policy", List, Some("delete"), "What happens to old records.").allowed(POLICIES),
    Key::new("log.retention.hours", Int, Some("168"), "Retention, where neither minutes nor milliseconds are set."),
    Key::new("log.retention.minutes", Int, None, "Retention, where milliseconds are not set."),
    Key::new("log.retention.ms", Long, None, "Retention; −1 for ever.").min(-1),
    Key::new("log.retention.bytes", Long, Some("-1"), "Size that a partition may reach; −1 for any.").min(-1),
    Key::new("log.retention.check.interval.ms", Long, Some("300000"), "How often retention is applied.").min(1),
    Key::new("log.segment.bytes", Int, Some("1073741824"), "Size at which a new segment is begun.").min(14),
    Key::new("log.segment.delete.delay.ms", Long, Some("60000"), "How long files outlive their deletion.").min(0),
    Key::new("log.roll.hours", Int, Some("168"), "Age at which a new segment is begun.").min(1),
    Key::new("log.roll.ms", Long, None, "Age at which a new segment is begun.").min(1),
    Key::new("log.roll.jitter.ms", Long, Some("0"), "Spreads the beginnings of segments.").min(0),
    Key::new("log.index.interval.bytes", Int, Some("4096"), "Bytes between index entries.").min(0),
    Key::new("log.index.size.max.bytes", Int, Some("10485760"), "Largest index.").min(4),
    Key::new("log.flush.offset.checkpoint.interval.ms", Int, Some("60000"), "How often recovery points are written.")
        .min(1),
    Key::new("log.message.timestamp.type", Text, Some("CreateTime"), "Whose clock stamps records.")
        .allowed(TIMESTAMP_TYPES),
    Key::new("log.message.timestamp.before.max.ms", Long, Some("9223372036854775807"), "How old a record may be.")
        .min(0),
    Key::new("log.message.timestamp.after.max.ms", Long, Some("3600000"), "How far ahead a record may be.").min(0),
    Key::new("log.cleaner.backoff.ms", Long, Some("15000"), "Pause between compactions.").min(0),
    Key::new("log.cleaner.delete.retention.ms", Long, Some("86400000"), "How long tombstones stay.").min(0),
    Key::new(
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        "Share of new data that makes compaction worthwhile.",
    ),
    Key::new("log.cleaner.min.compaction.lag.ms", Long, Some("0"), "Age below which records are not compacted.").min(0),
    Key::new(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        Some("9223372036854775807"),
        "Age above which records are compacted.",
    )
    .min(1),
    Key::new("num.recovery.threads.per.data.dir", Int, Some("2"), "Partitions that are opened at once at the start.")
        .min(1),
    Key::new("group.min.session.timeout.ms", Int, Some("6000"), "Shortest session of a group member.").min(1),
    Key::new("group.max.session.timeout.ms", Int, Some("1800000"), "Longest session of a group member.").min(1),
    Key::new("group.initial.rebalance.delay.ms", Int, Some("3000"), "How long an empty group waits for more members.")
        .min(0),
    Key::new("group.max.size", Int, Some("2147483647"), "Most members of a group.").min(1),
    Key::new("offsets.topic.num.partitions", Int, Some("50"), "Partitions of __consumer_offsets.").min(1),
    Key::new("offsets.topic.replication.factor", Int, Some("3"), "Always 1 in effect.").min(1),
    Key::new("offsets.topic.segment.bytes", Int, Some("104857600"), "Segment size of __consumer_offsets.").min(14),
    Key::new("offsets.retention.minutes", Int, Some("10080"), "How long offsets outlive their group.").min(1),
    Key::new("offsets.retention.check.interval.ms", Long, Some("600000"), "How often old offsets are dropped.").min(1),
    Key::new("offset.metadata.max.bytes", Int, Some("4096"), "Longest note beside a committed offset.").min(0),
    Key::new("producer.id.expiration.ms", Int, Some("86400000"), "How long an idle idempotent producer is remembered.")
        .min(1),
    Key::new("transaction.state.log.replication.factor", Int, Some("3"), "Always 1 in effect.").min(1),
    Key::new("transaction.state.log.min.isr", Int, Some("2"), "Always 1 in effect.").min(1),
    Key::new("transaction.state.log.num.partitions", Int, Some("50"), "Partitions of __transaction_state.").min(1),
    Key::new("transaction.max.timeout.ms", Int, Some("900000"), "Longest transaction.").min(1),
];

/// Topic keys, known ones that have no effect included.
pub const TOPIC_KEYS: &[Key] = &[
    Key::new("cleanup.policy", List, Some("delete"), "What happens to old records.")
        .allowed(POLICIES)
        .broker("log.cleanup.policy"),
    Key::new("compression.gzip.level", Int, Some("-1"), "Level of gzip.").min(-1),
    Key::new("compression.lz4.level", Int, Some("9"), "Level of lz4.").min(1),
    Key::new("compression.type", Text, Some("producer"), "Codec, or the producer's own.")
        .allowed(CODECS)
        .broker("compression.type"),
    Key::new("compression.zstd.level", Int, Some("3"), "Level of zstd."),
    Key::new("delete.retention.ms", Long, Some("86400000"), "How long tombstones stay.")
        .min(0)
        .broker("log.cleaner.delete.retention.ms"),
    Key::new("file.delete.delay.ms", Long, Some("60000"), "How long files outlive their deletion.")
        .min(0)
        .broker("log.segment.delete.delay.ms"),
    Key::new("flush.messages", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.").min(1),
    Key::new("flush.ms", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.").min(0),
    Key::new("follower.replication.throttled.replicas", List, Some(""), "Has no effect."),
    Key::new("index.interval.bytes", Int, Some("4096"), "Bytes between index entries.")
        .min(0)
        .broker("log.index.interval.bytes"),
    Key::new("leader.replication.throttled.replicas", List, Some(""), "Has no effect."),
    Key::new("local.retention.bytes", Long, Some("-2"), "Has no effect.").min(-2),
    Key::new("local.retention.ms", Long, Some("-2"), "Has no effect.").min(-2),
    Key::new("max.compaction.lag.ms", Long, Some("9223372036854775807"), "Age above which records are compacted.")
        .min(1)
        .broker("log.cleaner.max.compaction.lag.ms"),
    Key::new("max.message.bytes", Int, Some("1048588"), "Largest record batch, compressed.")
        .min(0)
        .broker("message.max.bytes"),
    Key::new("message.downconversion.enable", Boolean, Some("true"), "Has no effect."),
    Key::new("message.format.version", Text, Some("3.0-IV1"), "Has no effect."),
    Key::new("message.timestamp.after.max.ms", Long, Some("3600000"), "How far ahead a record may be.")
        .min(0)
        .broker("log.message.timestamp.after.max.ms"),
    Key::new("message.timestamp.before.max.ms", Long, Some("9223372036854775807"), "How old a record may be.")
        .min(0)
        .broker("log.message.timestamp.before.max.ms"),
    Key::new("message.timestamp.difference.max.ms", Long, Some("9223372036854775807"), "Has no effect.").min(0),
    Key::new("message.timestamp.type", Text, Some("CreateTime"), "Whose clock stamps records.")
        .allowed(TIMESTAMP_TYPES)
        .broker("log.message.timestamp.type"),
    Key::new("min.cleanable.dirty.ratio", Double, Some("0.5"), "Share of new data that makes compaction worthwhile.")
        .broker("log.cleaner.min.cleanable.ratio"),
    Key::new("min.compaction.lag.ms", Long, Some("0"), "Age below which records are not compacted.")
        .min(0)
        .broker("log.cleaner.min.compaction.lag.ms"),
    Key::new("min.insync.replicas", Int, Some("1"), "Replicas that acks=all needs; there is one.")
        .min(1)
        .broker("min.insync.replicas"),
    Key::new("preallocate", Boolean, Some("false"), "Has no effect."),
    Key::new("remote.storage.enable", Boolean, Some("false"), "Only false.").allowed(&["false"]),
    Key::new("retention.bytes", Long, Some("-1"), "Size that a partition may reach; −1 for any.")
        .min(-1)
        .broker("log.retention.bytes"),
    Key::new("retention.ms", Long, Some("604800000"), "How long records are kept; −1 for ever.")
        .min(-1)
        .broker("log.retention.ms"),
    Key::new("segment.bytes", Int, Some("1073741824"), "Size at which a new segment is begun.")
        .min(14)
        .broker("log.segment.bytes"),
    Key::new("segment.index.bytes", Int, Some("10485760"), "Largest index.").min(4).broker("log.index.size.max.bytes"),
    Key::new("segment.jitter.ms", Long, Some("0"), "Spreads the beginnings of segments.")
        .min(0)
        .broker("log.roll.jitter.ms"),
    Key::new("segment.ms", Long, Some("604800000"), "Age at which a new segment is begun.")
        .min(1)
        .broker("log.roll.ms"),
    Key::new("unclean.leader.election.enable", Boolean, Some("false"), "Has no effect."),
];

/// Beginnings of Apache Kafka's keys that mean nothing to this broker.
const KNOWN_ELSEWHERE: &[&str] = &[
    "alter.",
    "authorizer.",
    "auto.leader.",
    "background.",
    "client.quota.",
    "connection",
    "controller.",
    "controlled.",
    "create.topic.",
    "delegation.",
    "early.start.",
    "fetch.purgatory.",
    "follower.",
    "group.consumer.",
    "group.coordinator.",
    "group.share.",
    "group.streams.",
    "initial.broker.",
    "inter.broker.",
    "kafka.",
    "leader.",
    "listener.",
    "log.cleaner.",
    "log.flush.",
    "log.index.",
    "log.message.",
    "log.preallocate",
    "log.roll.",
    "log.dir.failure",
    "log.initial.",
    "log.local.",
    "max.",
    "metadata.",
    "metric",
    "node.",
    "num.",
    "offsets.",
    "password.",
    "principal.",
    "process.roles",
    "producer.",
    "queued.",
    "quota.",
    "remote.",
    "replica.",
    "request.",
    "reserved.",
    "sasl.",
    "security.",
    "server.",
    "share.",
    "socket.",
    "ssl.",
    "telemetry.",
    "transaction",
    "unclean.",
    "unstable.",
    "zookeeper.",
    "broker.heartbeat.",
    "broker.session.",
    "broker.rack",
    "broker.id.generation.",
    "eligible.",
    "errors.",
    "confluent.",
    "advertised.",
];

/// Whether the key is one of Apache Kafka's that have no effect here.
pub fn is_known_elsewhere(key: &str) -> bool {
    let misspelt = nearest(key).is_some_and(|(_, distance)| distance <= 2);
    !misspelt && KNOWN_ELSEWHERE.iter().any(|beginning| key.starts_with(beginning))
}

/// The declared key that an unknown one was probably meant to be.
pub fn looks_like_ours(key: &str) -> Option<&'static str> {
    let ours = ["acks.", "replication.factor.", "cluster."].iter().any(|beginning| key.starts_with(beginning));
    let (name, distance) = nearest(key)?;
    (ours || distance <= 2).then_some(name)
}

fn nearest(key: &str) -> Option<(&'static str, usize)> {
    BROKER_KEYS.iter().map(|known| (known.name, edit_distance(key, known.name))).min_by_key(|&(_, distance)| distance)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_valid_and_no_key_is_declared_twice() {
        for table in [BROKER_KEYS, TOPIC_KEYS] {
            for (i, key) in table.iter().enumerate() {
                if let Some(default) = key.default {
                    assert_eq!(key.check(default), Ok(()), "{}", key.name);
                }
                assert!(table[..i].iter().all(|other| other.name != key.name), "{}", key.name);
            }
        }
    }

    #[test]
    fn every_broker_key_that_a_topic_key_names_exists() {
        for key in TOPIC_KEYS {
            assert!(key.broker_key.is_none_or(|name| find(BROKER_KEYS, name).is_some()), "{}", key.name);
        }
    }
}
