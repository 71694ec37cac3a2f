//! Every configuration key of broker and topics, declared once: name, type, default, limits and words.
//!
//! Names, types, defaults and limits are those of Apache Kafka 4.3; a test below holds them against its definitions and
//! says where and why one differs.

use millstream_config::{ConfigType, ParsedValue};

/// The type of a value; the number is that of DescribeConfigs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean = 1,
    /// Text, possibly one of a few.
    Text = 2,
    /// 32-bit integer.
    Int = 3,
    /// 16-bit integer.
    Short = 4,
    /// 64-bit integer.
    Long = 5,
    /// Floating point.
    Double = 6,
    /// Texts with commas between.
    List = 7,
}

impl Kind {
    fn config_type(self) -> ConfigType {
        match self {
            Self::Boolean => ConfigType::Boolean,
            Self::Text => ConfigType::String,
            Self::Int => ConfigType::Int,
            Self::Short => ConfigType::Short,
            Self::Long => ConfigType::Long,
            Self::Double => ConfigType::Double,
            Self::List => ConfigType::List,
        }
    }

    /// What a value that cannot be read should have been.
    fn wanted(self) -> &'static str {
        match self {
            Self::Boolean => "it must be true or false",
            Self::Short => "it must be a whole number of 16 bits",
            Self::Int => "it must be a whole number of 32 bits",
            Self::Long => "it must be a whole number of 64 bits",
            Self::Double => "it must be a number between 0 and 1",
            Self::Text => "it must be text",
            Self::List => "it must be a list with commas between its entries",
        }
    }
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
    /// A number that is accepted outside of these limits.
    pub also: Option<i64>,
    /// The only texts accepted, if not empty.
    pub allowed: &'static [&'static str],
    /// Whether the entries of a list must be `partition:broker` pairs, or the list `*`.
    pub replicas: bool,
    /// Whether the key is for tests, and listed where it is set only.
    pub internal: bool,
    /// One sentence.
    pub doc: &'static str,
    /// For topic keys: the broker key that sets the default.
    pub broker_key: Option<&'static str>,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            default,
            min: i64::MIN,
            max: i64::MAX,
            also: None,
            allowed: &[],
            replicas: false,
            internal: false,
            doc,
            broker_key: None,
        }
    }

    const fn min(mut self, min: i64) -> Self {
        self.min = min;
        self
    }

    const fn max(mut self, max: i64) -> Self {
        self.max = max;
        self
    }

    const fn also(mut self, also: i64) -> Self {
        self.also = Some(also);
        self
    }

    const fn replicas(mut self) -> Self {
        self.replicas = true;
        self
    }

    const fn internal(mut self) -> Self {
        self.internal = true;
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

    /// Reads a value as Kafka's own definitions do, and writes it in one way: without blanks around it, numbers in
    /// their shortest form, entries of `allowed` lists once each.
    ///
    /// # Errors
    ///
    /// What the value has to be.
    pub fn read(&self, value: &str) -> Result<String, String> {
        let parsed = ParsedValue::parse(self.name, Some(value), self.kind.config_type())
            .map_err(|_| self.kind.wanted().to_owned())?;
        let parsed = match parsed {
            ParsedValue::Integer(number) if Some(number) != self.also => match number {
                _ if number < self.min => return Err(format!("it must be at least {}", self.min)),
                _ if self.max < number => return Err(format!("it must be at most {}", self.max)),
                _ => parsed,
            },
            ParsedValue::Double(number) if !(0.0..=1.0).contains(&number) => {
                return Err(self.kind.wanted().to_owned());
            }
            ParsedValue::Text(text) if !self.allowed.is_empty() => {
                self.check_allowed(&text)?;
                ParsedValue::Text(text)
            }
            ParsedValue::List(entries) if !self.allowed.is_empty() => {
                let mut once: Vec<String> = Vec::new();
                for entry in entries {
                    self.check_allowed(&entry)?;
                    if !once.contains(&entry) {
                        once.push(entry);
                    }
                }
                ParsedValue::List(once)
            }
            ParsedValue::List(entries) if self.replicas => {
                let all = entries.len() == 1 && entries[0] == "*";
                if !all && !entries.iter().all(|entry| entry.is_empty() || is_replica(entry)) {
                    return Err("it must be * or a list like 0:1,1:1 (partition:broker)".to_owned());
                }
                ParsedValue::List(entries)
            }
            other => other,
        };
        Ok(parsed.to_text().unwrap_or_default())
    }

    fn check_allowed(&self, word: &str) -> Result<(), String> {
        if self.allowed.contains(&word) {
            Ok(())
        } else {
            Err(format!("it must be one of {}", self.allowed.join(", ")))
        }
    }
}

fn is_replica(entry: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    entry.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker))
}

/// The declaration of a key.
pub fn find<'a>(table: &'a [Key], name: &str) -> Option<&'a Key> {
    table.iter().find(|key| key.name == name)
}

use Kind::{Boolean, Double, Int, List, Long, Short, Text};

/// Most that any part of the broker decompresses at once, in bytes.
const MAX_DECOMPRESSED: i64 = 256 << 20;

/// Kafka's lower limit of a segment's size, in bytes.
const LEAST_SEGMENT: i64 = 1 << 20;

const CODECS: &[&str] = &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
const POLICIES: &[&str] = &["delete", "compact"];
const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];

/// Broker keys that mean something here.
pub const BROKER_KEYS: &[Key] = &[
    Key::new("listeners", List, Some("PLAINTEXT://127.0.0.1:9092"), "Addresses to listen on."),
    Key::new("advertised.listeners", List, None, "Addresses told to clients, one for each listener."),
    Key::new("log.dirs", List, Some("millstream-data"), "Folder of the data."),
    Key::new("log.dir", List, Some("millstream-data"), "Folder of the data, where log.dirs is not set."),
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
    Key::new("acks.durability.threads", Int, Some("4"), "Partitions that are synced at once.").min(1),
    Key::new("num.io.threads", Int, Some("8"), "Threads that write to partitions, and as many that read.").min(1),
    Key::new(
        "replication.factor.clamp",
        Boolean,
        Some("true"),
        "Whether a replication factor above 1 becomes 1 instead of an error.",
    ),
    Key::new("num.partitions", Int, Some("1"), "Partitions of a topic that does not say.").min(1),
    Key::new("default.replication.factor", Int, Some("1"), "Always 1 in effect."),
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
    Key::new("connections.max.idle.ms", Long, Some("600000"), "When a silent connection is closed; below 0 for never."),
    Key::new(
        "socket.read.timeout.ms",
        Long,
        Some("60000"),
        "How long the next 64 KiB of a request that has begun may take, or its end; 0 for ever.",
    )
    .min(0),
    Key::new(
        "socket.write.timeout.ms",
        Long,
        Some("600000"),
        "How long a client may take for the next 64 KiB of an answer, or its end; 0 for ever.",
    )
    .min(0),
    Key::new(
        "request.memory.max.bytes",
        Long,
        Some("536870912"),
        "Memory for requests above 64 KiB, for what compressed batches expand to and for records on their way to \
         readers. Who finds none left waits; one request larger than all of it passes alone.",
    )
    .min(1 << 20),
    Key::new("max.connections", Int, Some("10000"), "Most connections at once.").min(1),
    Key::new("fetch.max.bytes", Int, Some("57671680"), "Largest answer to a fetch.").min(1024),
    Key::new("compression.type", Text, Some("producer"), "Codec of topics that do not say.").allowed(CODECS),
    Key::new("compression.gzip.level", Int, Some("-1"), "Level of gzip, where the broker compresses.")
        .min(1)
        .max(9)
        .also(-1),
    Key::new("compression.lz4.level", Int, Some("9"), "Has no effect: lz4 is written with one level.").min(1).max(17),
    Key::new("compression.zstd.level", Int, Some("3"), "Level of zstd, where the broker compresses.")
        .min(-131_072)
        .max(22),
    Key::new("min.insync.replicas", Int, Some("1"), "Has no effect: there is one replica.").min(1),
    Key::new("unclean.leader.election.enable", Boolean, Some("false"), "Has no effect."),
    Key::new("log.cleanup.policy", List, Some("delete"), "What happens to old records.").allowed(POLICIES),
    Key::new("log.retention.hours", Int, Some("168"), "Retention, where neither minutes nor milliseconds are set."),
    Key::new("log.retention.minutes", Int, None, "Retention, where milliseconds are not set."),
    Key::new("log.retention.ms", Long, None, "Retention; below 0 for ever."),
    Key::new("log.retention.bytes", Long, Some("-1"), "Size that a partition may reach; below 0 for any."),
    Key::new("log.retention.check.interval.ms", Long, Some("300000"), "How often retention is applied.").min(1),
    Key::new("log.segment.bytes", Int, Some("1073741824"), "Size at which a new segment is begun.").min(LEAST_SEGMENT),
    Key::new("internal.segment.bytes", Int, None, "Stands over log.segment.bytes, for tests with small segments.")
        .min(14)
        .internal(),
    Key::new("log.segment.delete.delay.ms", Long, Some("60000"), "How long files outlive their deletion.").min(0),
    Key::new("log.roll.hours", Int, Some("168"), "Age at which a new segment is begun.").min(1),
    Key::new("log.roll.ms", Long, None, "Age at which a new segment is begun.").min(1),
    Key::new("log.roll.jitter.hours", Int, Some("0"), "Spreads the beginnings of segments.").min(0),
    Key::new("log.roll.jitter.ms", Long, None, "Spreads the beginnings of segments.").min(0),
    Key::new("log.index.interval.bytes", Int, Some("4096"), "Bytes between index entries.").min(0),
    Key::new("log.index.size.max.bytes", Int, Some("10485760"), "Largest index.").min(4),
    Key::new("log.preallocate", Boolean, Some("false"), "Has no effect."),
    Key::new("log.local.retention.bytes", Long, Some("-2"), "Has no effect.").min(-2),
    Key::new("log.local.retention.ms", Long, Some("-2"), "Has no effect.").min(-2),
    Key::new("log.flush.interval.messages", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.")
        .min(1),
    Key::new("log.flush.interval.ms", Long, None, "Has no effect; see acks.durability."),
    Key::new("log.flush.offset.checkpoint.interval.ms", Int, Some("60000"), "How often recovery points are written.")
        .min(0),
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
    Key::new("offsets.topic.replication.factor", Short, Some("3"), "Always 1 in effect.").min(1),
    Key::new("offsets.topic.segment.bytes", Int, Some("104857600"), "Segment size of __consumer_offsets.").min(1),
    Key::new("offsets.retention.minutes", Int, Some("10080"), "How long offsets outlive their group.").min(1),
    Key::new("offsets.retention.check.interval.ms", Long, Some("600000"), "How often old offsets are dropped.").min(1),
    Key::new("offset.metadata.max.bytes", Int, Some("4096"), "Longest note beside a committed offset.").min(0),
    Key::new("producer.id.expiration.ms", Int, Some("86400000"), "How long an idle idempotent producer is remembered.")
        .min(1),
    Key::new("transaction.state.log.replication.factor", Short, Some("3"), "Always 1 in effect.").min(1),
    Key::new("transaction.state.log.min.isr", Int, Some("2"), "Always 1 in effect.").min(1),
    Key::new("transaction.state.log.num.partitions", Int, Some("50"), "Partitions of __transaction_state.").min(1),
    Key::new("transaction.max.timeout.ms", Int, Some("900000"), "Longest transaction.").min(1),
];

/// Topic keys, known ones that have no effect included.
pub const TOPIC_KEYS: &[Key] = &[
    Key::new("cleanup.policy", List, Some("delete"), "What happens to old records.")
        .allowed(POLICIES)
        .broker("log.cleanup.policy"),
    Key::new("compression.gzip.level", Int, Some("-1"), "Level of gzip, where the broker compresses.")
        .min(1)
        .max(9)
        .also(-1)
        .broker("compression.gzip.level"),
    Key::new("compression.lz4.level", Int, Some("9"), "Has no effect: lz4 is written with one level.")
        .min(1)
        .max(17)
        .broker("compression.lz4.level"),
    Key::new("compression.type", Text, Some("producer"), "Codec, or the producer's own.")
        .allowed(CODECS)
        .broker("compression.type"),
    Key::new("compression.zstd.level", Int, Some("3"), "Level of zstd, where the broker compresses.")
        .min(-131_072)
        .max(22)
        .broker("compression.zstd.level"),
    Key::new("delete.retention.ms", Long, Some("86400000"), "How long tombstones stay.")
        .min(0)
        .broker("log.cleaner.delete.retention.ms"),
    Key::new("file.delete.delay.ms", Long, Some("60000"), "How long files outlive their deletion.")
        .min(0)
        .broker("log.segment.delete.delay.ms"),
    Key::new("flush.messages", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.")
        .min(1)
        .broker("log.flush.interval.messages"),
    Key::new("flush.ms", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.")
        .min(0)
        .broker("log.flush.interval.ms"),
    Key::new("follower.replication.throttled.replicas", List, Some(""), "Has no effect.").replicas(),
    Key::new("index.interval.bytes", Int, Some("4096"), "Bytes between index entries.")
        .min(0)
        .broker("log.index.interval.bytes"),
    Key::new("internal.segment.bytes", Int, None, "Stands over segment.bytes, for tests with small segments.")
        .min(14)
        .internal()
        .broker("internal.segment.bytes"),
    Key::new("leader.replication.throttled.replicas", List, Some(""), "Has no effect.").replicas(),
    Key::new("local.retention.bytes", Long, Some("-2"), "Has no effect.").min(-2).broker("log.local.retention.bytes"),
    Key::new("local.retention.ms", Long, Some("-2"), "Has no effect.").min(-2).broker("log.local.retention.ms"),
    Key::new("max.compaction.lag.ms", Long, Some("9223372036854775807"), "Age above which records are compacted.")
        .min(1)
        .broker("log.cleaner.max.compaction.lag.ms"),
    Key::new("max.message.bytes", Int, Some("1048588"), "Largest record batch, compressed.")
        .min(0)
        .broker("message.max.bytes"),
    Key::new("message.timestamp.after.max.ms", Long, Some("3600000"), "How far ahead a record may be.")
        .min(0)
        .broker("log.message.timestamp.after.max.ms"),
    Key::new("message.timestamp.before.max.ms", Long, Some("9223372036854775807"), "How old a record may be.")
        .min(0)
        .broker("log.message.timestamp.before.max.ms"),
    Key::new("message.timestamp.type", Text, Some("CreateTime"), "Whose clock stamps records.")
        .allowed(TIMESTAMP_TYPES)
        .broker("log.message.timestamp.type"),
    Key::new("min.cleanable.dirty.ratio", Double, Some("0.5"), "Share of new data that makes compaction worthwhile.")
        .broker("log.cleaner.min.cleanable.ratio"),
    Key::new("min.compaction.lag.ms", Long, Some("0"), "Age below which records are not compacted.")
        .min(0)
        .broker("log.cleaner.min.compaction.lag.ms"),
    Key::new("min.insync.replicas", Int, Some("1"), "Has no effect: there is one replica.")
        .min(1)
        .broker("min.insync.replicas"),
    Key::new("preallocate", Boolean, Some("false"), "Has no effect.").broker("log.preallocate"),
    Key::new("remote.log.copy.disable", Boolean, Some("false"), "Has no effect."),
    Key::new("remote.log.delete.on.disable", Boolean, Some("false"), "Has no effect."),
    Key::new("remote.storage.enable", Boolean, Some("false"), "Only false: there is no remote storage."),
    Key::new("retention.bytes", Long, Some("-1"), "Size that a partition may reach; below 0 for any.")
        .broker("log.retention.bytes"),
    Key::new("retention.ms", Long, Some("604800000"), "How long records are kept; −1 for ever.")
        .min(-1)
        .broker("log.retention.ms"),
    Key::new("segment.bytes", Int, Some("1073741824"), "Size at which a new segment is begun.")
        .min(LEAST_SEGMENT)
        .broker("log.segment.bytes"),
    Key::new("segment.index.bytes", Int, Some("10485760"), "Largest index.").min(4).broker("log.index.size.max.bytes"),
    Key::new("segment.jitter.ms", Long, Some("0"), "Spreads the beginnings of segments.")
        .min(0)
        .broker("log.roll.jitter.ms"),
    Key::new("segment.ms", Long, Some("604800000"), "Age at which a new segment is begun.")
        .min(1)
        .broker("log.roll.ms"),
    Key::new("unclean.leader.election.enable", Boolean, Some("false"), "Has no effect.")
        .broker("unclean.leader.election.enable"),
];

/// Names of all of Apache Kafka's broker keys, one a line.
const KAFKAS_BROKER_KEYS: &str = include_str!("kafkas_broker_keys.txt");

/// Beginnings of keys that are passed on to parts of Kafka, such as `listener.name.internal.ssl.key.password`.
const KAFKAS_PREFIXES: &[&str] = &["listener.name.", "rlmm.config.", "rsm.config.", "confluent."];

/// Whether the key is one of Apache Kafka's that have no effect here.
pub fn is_known_elsewhere(key: &str) -> bool {
    KAFKAS_PREFIXES.iter().any(|beginning| key.starts_with(beginning)) || KAFKAS_BROKER_KEYS.lines().any(|it| it == key)
}

/// The declared key that an unknown one was certainly meant to be, as nobody else has keys like it.
pub fn looks_like_ours(key: &str) -> Option<&'static str> {
    let ours = ["acks.", "replication.factor.", "cluster.", "request.memory."]
        .iter()
        .any(|beginning| key.starts_with(beginning));
    let (name, distance) = nearest_of(BROKER_KEYS.iter().map(|known| known.name), key)?;
    (ours || distance <= 2).then_some(name)
}

/// The key of Apache Kafka that an unknown one was probably meant to be.
pub fn nearest_elsewhere(key: &str) -> Option<&'static str> {
    nearest_of(KAFKAS_BROKER_KEYS.lines(), key).filter(|&(_, distance)| distance <= 3).map(|(name, _)| name)
}

fn nearest_of(names: impl Iterator<Item = &'static str>, key: &str) -> Option<(&'static str, usize)> {
    names.map(|name| (name, edit_distance(key, name))).min_by_key(|&(_, distance)| distance)
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
                    assert_eq!(key.read(default).as_deref(), Ok(default), "{}", key.name);
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
    /// Keys that differ from Kafka's definitions, with what differs and why.
    const DIFFERENT: &[(&str, &str, &str)] = &[
        ("listeners", "default", "reachable from this machine only unless asked for"),
        ("log.dirs", "default", "below the working directory, where Kafka has a folder that a restart may empty"),
        ("log.dir", "default", "as log.dirs"),
        ("node.id", "default", "one node needs no number of its own"),
        ("broker.id", "default limits", "as node.id"),
        ("max.connections", "default limits", "a bound that a process can hold; a broker without any is of no use"),
        ("group.min.session.timeout.ms", "limits", "what is no time is refused at the start"),
        ("group.max.session.timeout.ms", "limits", "as above"),
        ("group.initial.rebalance.delay.ms", "limits", "as above"),
        ("offset.metadata.max.bytes", "limits", "no length is below 0"),
        ("log.roll.ms", "limits", "Kafka checks it apart from its definition"),
        ("log.roll.jitter.ms", "limits", "as above"),
        ("internal.segment.bytes", "limits", "a segment holds one batch at least"),
    ];

    #[test]
    fn names_types_defaults_and_limits_are_those_of_kafka_4_3() {
        let mut different = Vec::new();
        let mut seen = Vec::new();
        for line in include_str!("../../tests/recorded/definitions-4.3.txt").lines() {
            if line.starts_with('#') {
                continue;
            }
            let [table, name, kind, default, limits] = line.split('|').collect::<Vec<_>>()[..] else {
                panic!("five columns: {line}");
            };
            let (keys, must) = match table {
                "topic" => (TOPIC_KEYS, true),
                _ => (BROKER_KEYS, false),
            };
            let Some(key) = find(keys, name) else {
                assert!(!must, "the topic key {name} is missing");
                assert!(is_known_elsewhere(name), "{name}");
                continue;
            };
            seen.push((table, name));
            let mut what = Vec::new();
            let same_kind = key.kind.config_type().as_str() == kind;
            if !same_kind {
                what.push("type");
            }
            let default = default.trim_start_matches('[').trim_end_matches(']');
            if key.default.unwrap_or("null") != default {
                what.push("default");
            }
            if key_limits(key) != limits {
                what.push("limits");
            }
            if !what.is_empty() {
                different.push((name, what.join(" ")));
            }
        }
        for key in TOPIC_KEYS {
            assert!(seen.contains(&("topic", key.name)), "Kafka has no topic key {}", key.name);
        }
        different.sort();
        different.dedup();
        let mut expected: Vec<_> = DIFFERENT.iter().map(|(name, what, _)| (*name, (*what).to_owned())).collect();
        expected.sort();
        assert_eq!(different, expected);
    }

    /// In the words of Kafka's own definitions.
    fn key_limits(key: &Key) -> String {
        let list = |words: &[&str]| {
            let mut words = words.to_vec();
            words.sort_unstable();
            format!("[{}]", words.join(", "))
        };
        match key.kind {
            _ if key.replicas => "[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned(),
            Kind::Double => "[0,...,1]".to_owned(),
            _ if !key.allowed.is_empty() => list(key.allowed),
            _ => match (key.min, key.max, key.also) {
                (i64::MIN, i64::MAX, None) => "-".to_owned(),
                (min, i64::MAX, None) => format!("[{min},...]"),
                (min, max, None) => format!("[{min},...,{max}]"),
                (min, max, Some(also)) => format!("[{min},...,{max}] or {also}"),
            },
        }
    }
}
