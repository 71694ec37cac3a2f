//! Every configuration key of broker and topics, declared once: name, type, default, limits and words.
//!
//! Names, types, defaults and limits are those of Apache Kafka 4.3; a test below holds them against its definitions and
//! says where and why one differs.

use millstream_config::{
    ConfigType::{Boolean, Double, Int, List, Long, Password, Short, String as Text},
    Validator,
};

pub use millstream_config::Declaration as Key;

use super::kafkas_keys;

/// The declaration of a key.
pub fn find<'a>(table: &'a [Key], name: &str) -> Option<&'a Key> {
    table.iter().find(|key| key.name == name)
}

/// Most that any part of the broker decompresses at once, in bytes.
const MAX_DECOMPRESSED: i64 = millstream_log::MOST_DECOMPRESSED as i64;

/// Segment size of the broker's own topics unless configured, in bytes: a start reads the segment that is written to,
/// which is never compacted.
pub const INTERNAL_SEGMENT: &str = "8388608";

/// Kafka's lower limit of a segment's size, in bytes.
const LEAST_SEGMENT: i64 = 1 << 20;

/// Replicas that are throttled; see [`super::topic::read_override`] for the check.
fn replicas() -> Validator {
    Validator::Custom("[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned())
}

/// A share of the whole.
fn share() -> Validator {
    Validator::between(0.0, 1.0)
}

const CODECS: &[&str] = &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
const POLICIES: &[&str] = &["compact", "delete"];
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
    Key::new(
        "log.reserve.max.bytes",
        Long,
        Some("16777216"),
        "Most room that a partition takes on the disk ahead of its records: as much as its newest segment has, from one \
         MiB on. 0 takes none.",
    )
    .min(0),
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
        "Memory for requests above 64 KiB as they arrive and what compressed batches expand to, which get half of it, and \
         for records on their way to readers, which get the other half. Requests that find none left wait, and one of \
         them at a time goes on beyond it; readers are sent 64 KiB of records, and of a larger batch the rest as they \
         take it.",
    )
    .min(1 << 20),
    Key::new("max.connections", Int, Some("10000"), "Most connections at once.").min(1),
    Key::new("max.connections.per.ip", Int, Some("2147483647"), "Most connections at once from one address.").min(0),
    Key::new(
        "max.connections.per.ip.overrides",
        Text,
        Some(""),
        "The same for single addresses or names of hosts: `host:number,…`. Names are looked up when it is set.",
    ),
    Key::new(
        "max.connection.creation.rate",
        Int,
        Some("2147483647"),
        "Most new connections a second on all listeners together; more have to wait.",
    )
    .min(0),
    Key::new(
        "open.files.max",
        Int,
        Some("0"),
        "Most files of logs that are open at once; others are closed and opened again when they are needed. 0 for half \
         of what the system lets the process open (ulimit -n); the rest is for connections. Those that were written to \
         and not synced since stay open.",
    )
    .min(0),
    Key::new("fetch.max.bytes", Int, Some("57671680"), "Largest answer to a fetch.").min(1024),
    Key::new(
        "max.incremental.fetch.session.cache.slots",
        Int,
        Some("1000"),
        "Consumers for which it is remembered what they read and know, so that requests and answers name only what \
         changes; others name everything each time.",
    )
    .min(0),
    Key::new("compression.type", Text, Some("producer"), "Codec of topics that do not say.").allowed(CODECS),
    Key::new("compression.gzip.level", Int, Some("-1"), "Level of gzip, where the broker compresses.")
        .min(1)
        .max(9)
        .or(-1),
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
    Key::new(
        "log.cleaner.enable",
        Boolean,
        Some("true"),
        "Whether topics with compact in cleanup.policy are compacted.",
    ),
    Key::new("log.cleaner.threads", Int, Some("1"), "Partitions that are compacted at once.").min(0),
    Key::new(
        "log.cleaner.dedupe.buffer.size",
        Long,
        Some("134217728"),
        "Bytes that all compactions together take for the keys of a partition, 24 for each; what does not fit takes \
         another pass. A thread takes 2 GiB at most.",
    )
    .min(0),
    Key::new(
        "log.cleaner.io.max.bytes.per.second",
        Double,
        Some("1.7976931348623157E308"),
        "Bytes per second that all compactions together read and write.",
    ),
    Key::new("log.cleaner.backoff.ms", Long, Some("15000"), "How long a compaction waits when nothing is to be done.")
        .min(0),
    Key::new("log.cleaner.delete.retention.ms", Long, Some("86400000"), "How long tombstones stay.").min(0),
    Key::new(
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        "Share of new data that makes compaction worthwhile.",
    )
    .validator(share),
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
    Key::new(
        "group.disconnect.grace.ms",
        Int,
        Some("-1"),
        "How long a member has to come back whose connections broke off, as when its process was killed; below 0 for as \
         long as its session lasts. If its client asks for the group's coordinator meanwhile, it has another third of its \
         session and a second. Static members always have their session.",
    )
    .min(-1),
    Key::new(
        "group.disconnect.grace.connect.ms",
        Int,
        Some("1000"),
        "The same in groups of protocol type connect, those of Kafka Connect's workers; group.disconnect.grace.ms has no \
         effect on these.",
    )
    .min(-1),
    Key::new("group.max.size", Int, Some("2147483647"), "Most members of a group.").min(1),
    Key::new("group.consumer.session.timeout.ms", Int, Some("45000"), "Session under the consumer protocol.").min(1),
    Key::new("group.consumer.min.session.timeout.ms", Int, Some("45000"), "Shortest session that a group may set.").min(1),
    Key::new("group.consumer.max.session.timeout.ms", Int, Some("60000"), "Longest session that a group may set.").min(1),
    Key::new(
        "group.consumer.heartbeat.interval.ms",
        Int,
        Some("5000"),
        "How often members are to send heartbeats under the consumer protocol.",
    )
    .min(1),
    Key::new("group.consumer.min.heartbeat.interval.ms", Int, Some("5000"), "Shortest such time that a group may set.")
        .min(1),
    Key::new("group.consumer.max.heartbeat.interval.ms", Int, Some("15000"), "Longest such time that a group may set.")
        .min(1),
    Key::new(
        "group.consumer.max.size",
        Int,
        Some("2147483647"),
        "Most members of a group under the consumer protocol.",
    )
    .min(1),
    Key::new(
        "group.consumer.assignors",
        List,
        Some("uniform,range"),
        "Assignors under the consumer protocol; the first where no member prefers one.",
    )
    .allowed(&["uniform", "range"]),
    Key::new(
        "group.consumer.migration.policy",
        Text,
        Some("bidirectional"),
        "Which way a group of consumers may change its protocol while its members run.",
    )
    .allowed(&["disabled", "downgrade", "upgrade", "bidirectional"]),
    Key::new(
        "group.consumer.assignment.interval.ms",
        Int,
        Some("1000"),
        "Shortest time between two assignments of a group under the consumer protocol.",
    )
    .min(0),
    Key::new("group.consumer.min.assignment.interval.ms", Int, Some("0"), "Shortest such time that a group may set.")
        .min(0),
    Key::new("group.consumer.max.assignment.interval.ms", Int, Some("15000"), "Longest such time that a group may set.")
        .min(0),
    Key::new(
        "group.consumer.regex.refresh.interval.ms",
        Int,
        Some("600000"),
        "Has no effect: patterns are looked up again as soon as topics have changed.",
    )
    .min(10_000),
    Key::new(
        "group.coordinator.rebalance.protocols",
        List,
        Some("classic,consumer,streams"),
        "Protocols of groups: classic always, and consumer or not. Share and streams groups are not served, named or not.",
    )
    .allowed(&["classic", "consumer", "share", "streams"]),
    Key::new("offsets.topic.num.partitions", Int, Some("50"), "Partitions of __consumer_offsets.").min(1),
    Key::new("offsets.topic.replication.factor", Short, Some("3"), "Always 1 in effect.").min(1),
    Key::new(
        "offsets.topic.segment.bytes",
        Int,
        Some(INTERNAL_SEGMENT),
        "Segment size of __consumer_offsets; what compaction has not got to is read at each start.",
    )
    .min(1),
    Key::new("offsets.retention.minutes", Int, Some("10080"), "How long offsets outlive their group.").min(1),
    Key::new("offsets.retention.check.interval.ms", Long, Some("600000"), "How often old offsets are dropped.").min(1),
    Key::new("offset.metadata.max.bytes", Int, Some("4096"), "Longest note beside a committed offset.").min(0),
    Key::new("producer.id.expiration.ms", Int, Some("86400000"), "How long an idle idempotent producer is remembered.")
        .min(1),
    Key::new("transaction.state.log.replication.factor", Short, Some("3"), "Always 1 in effect.").min(1),
    Key::new("transaction.state.log.min.isr", Int, Some("2"), "Always 1 in effect.").min(1),
    Key::new("transaction.state.log.num.partitions", Int, Some("50"), "Partitions of __transaction_state.").min(1),
    Key::new(
        "transaction.state.log.segment.bytes",
        Int,
        Some(INTERNAL_SEGMENT),
        "Segment size of __transaction_state.",
    )
    .min(1),
    Key::new("transaction.max.timeout.ms", Int, Some("900000"), "Longest transaction.").min(1),
    Key::new(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Int,
        Some("10000"),
        "How often transactions are looked for that have taken too long; they are aborted.",
    )
    .min(1),
    Key::new("transactional.id.expiration.ms", Int, Some("604800000"), "How long an idle transactional id is kept.")
        .min(1),
    Key::new(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Int,
        Some("3600000"),
        "How often idle transactional ids are looked for; they are forgotten.",
    )
    .min(1),
    Key::new(
        "max.request.partition.size.limit",
        Int,
        Some("2000"),
        "Most partitions in one answer to DescribeTopicPartitions.",
    )
    .min(1),
    Key::new("controller.quota.window.num", Int, Some("11"), "Samples of quotas on changes of topics.").min(1),
    Key::new("controller.quota.window.size.seconds", Int, Some("1"), "How long each of these samples is.").min(1),
    Key::new("quota.window.num", Int, Some("11"), "Samples of use that quotas are held against.").min(1),
    Key::new("quota.window.size.seconds", Int, Some("1"), "How long each of these samples is.").min(1),
    Key::new(
        "authorizer.class.name",
        Text,
        Some(""),
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer for access rules (kafka-acls); empty for none.",
    ),
    Key::new("super.users", Text, None, "Who may do everything: User:name, with semicolons between."),
    Key::new(
        "allow.everyone.if.no.acl.found",
        Boolean,
        Some("false"),
        "Whether everybody may do what no access rule is about.",
    ),
    Key::new(
        "listener.security.protocol.map",
        Text,
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        "Protocol of each listener by its name. Keys of TLS and SASL may be given for one listener only: \
         listener.name.NAME.KEY, name in small letters.",
    ),
    Key::new("inter.broker.listener.name", Text, None, "Has no effect: there is one broker."),
    Key::new("security.inter.broker.protocol", Text, Some("PLAINTEXT"), "Has no effect: there is one broker.")
        .allowed(&["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL"]),
    Key::new(
        "connections.max.reauth.ms",
        Long,
        Some("0"),
        "How long a client that has authenticated by SASL is believed; 0 for ever.",
    ),
    Key::new(
        "connection.failed.authentication.delay.ms",
        Int,
        Some("100"),
        "How long the answer to a failed authentication is held back.",
    )
    .min(0),
    Key::new(
        "sasl.enabled.mechanisms",
        List,
        None,
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER. Users of PLAIN stand in \
         listener.name.NAME.plain.sasl.jaas.config as user_NAME=\"password\".",
    ),
    Key::new("sasl.jaas.config", Password, None, "Has no effect without the prefix listener.name.NAME.MECHANISM."),
    Key::new("sasl.server.max.receive.size", Int, Some("524288"), "Largest request before a client has authenticated."),
    Key::new("sasl.oauthbearer.jwks.endpoint.url", Text, None, "Keys of the issuer of tokens: file:///…"),
    Key::new("sasl.oauthbearer.expected.audience", List, Some(""), "Audiences, one of which a token must have."),
    Key::new("sasl.oauthbearer.expected.issuer", Text, None, "Issuer that a token must have."),
    Key::new("sasl.oauthbearer.clock.skew.seconds", Int, Some("30"), "How far the issuer's clock may be off."),
    Key::new("sasl.oauthbearer.sub.claim.name", Text, Some("sub"), "What of a token is the user's name."),
    Key::new(
        "sasl.oauthbearer.unsecured.allow",
        Boolean,
        Some("false"),
        "Whether tokens without a signature are believed, where no keys are set. For tests only.",
    ),
    Key::new("ssl.client.auth", Text, Some("none"), "Whether clients show certificates.").allowed(&[
        "none",
        "requested",
        "required",
    ]),
    Key::new("ssl.enabled.protocols", List, Some("TLSv1.2,TLSv1.3"), "Versions of TLS."),
    Key::new("ssl.cipher.suites", List, Some(""), "Cipher suites in Java's names; empty for all that are safe."),
    Key::new(
        "ssl.keystore.type",
        Text,
        Some("JKS"),
        "PEM or PKCS12. What is named JKS is read if it is PKCS #12, as in Java.",
    ),
    Key::new("ssl.keystore.location", Text, None, "File with the listener's key and certificates."),
    Key::new("ssl.keystore.password", Password, None, "Password of that file, if it is PKCS #12."),
    Key::new("ssl.keystore.key", Password, None, "The key itself, in PEM."),
    Key::new("ssl.keystore.certificate.chain", Password, None, "The certificates themselves, in PEM."),
    Key::new("ssl.key.password", Password, None, "Password of an encrypted key."),
    Key::new("ssl.truststore.type", Text, Some("JKS"), "PEM or PKCS12, as ssl.keystore.type."),
    Key::new(
        "ssl.truststore.location",
        Text,
        None,
        "File with the certificates of those who may sign clients' certificates.",
    ),
    Key::new("ssl.truststore.password", Password, None, "Password of that file, if it is PKCS #12."),
    Key::new("ssl.truststore.certificates", Password, None, "These certificates themselves, in PEM."),
    Key::new(
        "ssl.principal.mapping.rules",
        Text,
        Some("DEFAULT"),
        "How a certificate's subject becomes a user's name.",
    ),
];

/// Topic keys, known ones that have no effect included.
pub const TOPIC_KEYS: &[Key] = &[
    Key::new("cleanup.policy", List, Some("delete"), "What happens to old records.")
        .allowed(POLICIES)
        .inherits("log.cleanup.policy"),
    Key::new("compression.gzip.level", Int, Some("-1"), "Level of gzip, where the broker compresses.")
        .min(1)
        .max(9)
        .or(-1)
        .inherits("compression.gzip.level"),
    Key::new("compression.lz4.level", Int, Some("9"), "Has no effect: lz4 is written with one level.")
        .min(1)
        .max(17)
        .inherits("compression.lz4.level"),
    Key::new("compression.type", Text, Some("producer"), "Codec, or the producer's own.")
        .allowed(CODECS)
        .inherits("compression.type"),
    Key::new("compression.zstd.level", Int, Some("3"), "Level of zstd, where the broker compresses.")
        .min(-131_072)
        .max(22)
        .inherits("compression.zstd.level"),
    Key::new("delete.retention.ms", Long, Some("86400000"), "How long tombstones stay.")
        .min(0)
        .inherits("log.cleaner.delete.retention.ms"),
    Key::new("file.delete.delay.ms", Long, Some("60000"), "How long files outlive their deletion.")
        .min(0)
        .inherits("log.segment.delete.delay.ms"),
    Key::new("flush.messages", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.")
        .min(1)
        .inherits("log.flush.interval.messages"),
    Key::new("flush.ms", Long, Some("9223372036854775807"), "Has no effect; see acks.durability.")
        .min(0)
        .inherits("log.flush.interval.ms"),
    Key::new("follower.replication.throttled.replicas", List, Some(""), "Has no effect.").validator(replicas),
    Key::new("index.interval.bytes", Int, Some("4096"), "Bytes between index entries.")
        .min(0)
        .inherits("log.index.interval.bytes"),
    Key::new("internal.segment.bytes", Int, None, "Stands over segment.bytes, for tests with small segments.")
        .min(14)
        .internal()
        .inherits("internal.segment.bytes"),
    Key::new("leader.replication.throttled.replicas", List, Some(""), "Has no effect.").validator(replicas),
    Key::new("local.retention.bytes", Long, Some("-2"), "Has no effect.").min(-2).inherits("log.local.retention.bytes"),
    Key::new("local.retention.ms", Long, Some("-2"), "Has no effect.").min(-2).inherits("log.local.retention.ms"),
    Key::new("max.compaction.lag.ms", Long, Some("9223372036854775807"), "Age above which records are compacted.")
        .min(1)
        .inherits("log.cleaner.max.compaction.lag.ms"),
    Key::new("max.message.bytes", Int, Some("1048588"), "Largest record batch, compressed.")
        .min(0)
        .inherits("message.max.bytes"),
    Key::new("message.timestamp.after.max.ms", Long, Some("3600000"), "How far ahead a record may be.")
        .min(0)
        .inherits("log.message.timestamp.after.max.ms"),
    Key::new("message.timestamp.before.max.ms", Long, Some("9223372036854775807"), "How old a record may be.")
        .min(0)
        .inherits("log.message.timestamp.before.max.ms"),
    Key::new("message.timestamp.type", Text, Some("CreateTime"), "Whose clock stamps records.")
        .allowed(TIMESTAMP_TYPES)
        .inherits("log.message.timestamp.type"),
    Key::new("min.cleanable.dirty.ratio", Double, Some("0.5"), "Share of new data that makes compaction worthwhile.")
        .validator(share)
        .inherits("log.cleaner.min.cleanable.ratio"),
    Key::new("min.compaction.lag.ms", Long, Some("0"), "Age below which records are not compacted.")
        .min(0)
        .inherits("log.cleaner.min.compaction.lag.ms"),
    Key::new("min.insync.replicas", Int, Some("1"), "Has no effect: there is one replica.")
        .min(1)
        .inherits("min.insync.replicas"),
    Key::new("preallocate", Boolean, Some("false"), "Has no effect.").inherits("log.preallocate"),
    Key::new("remote.log.copy.disable", Boolean, Some("false"), "Has no effect."),
    Key::new("remote.log.delete.on.disable", Boolean, Some("false"), "Has no effect."),
    Key::new("remote.storage.enable", Boolean, Some("false"), "Only false: there is no remote storage."),
    Key::new("retention.bytes", Long, Some("-1"), "Size that a partition may reach; below 0 for any.")
        .inherits("log.retention.bytes"),
    Key::new("retention.ms", Long, Some("604800000"), "How long records are kept; −1 for ever.")
        .min(-1)
        .inherits("log.retention.ms"),
    Key::new("segment.bytes", Int, Some("1073741824"), "Size at which a new segment is begun.")
        .min(LEAST_SEGMENT)
        .inherits("log.segment.bytes"),
    Key::new("segment.index.bytes", Int, Some("10485760"), "Largest index.")
        .min(4)
        .inherits("log.index.size.max.bytes"),
    Key::new("segment.jitter.ms", Long, Some("0"), "Spreads the beginnings of segments.")
        .min(0)
        .inherits("log.roll.jitter.ms"),
    Key::new("segment.ms", Long, Some("604800000"), "Age at which a new segment is begun.")
        .min(1)
        .inherits("log.roll.ms"),
    Key::new("unclean.leader.election.enable", Boolean, Some("false"), "Has no effect.")
        .inherits("unclean.leader.election.enable"),
];

/// Beginnings of keys that are passed on to parts of Kafka, such as `listener.name.internal.ssl.key.password`.
const KAFKAS_PREFIXES: &[&str] = &["listener.name.", "rlmm.config.", "rsm.config.", "confluent."];

/// Whether the key is one of Apache Kafka's that have no effect here.
pub fn is_known_elsewhere(key: &str) -> bool {
    KAFKAS_PREFIXES.iter().any(|beginning| key.starts_with(beginning)) || kafkas_keys::find(key).is_some()
}

/// Whether the key gives one listener a value of its own, with or without the mechanism: `listener.name.NAME.KEY`.
pub fn is_of_listener(key: &str) -> bool {
    key.strip_prefix("listener.name.").is_some_and(|rest| {
        let of_security = |name: &str| {
            ["ssl.", "sasl.", "connections.max.reauth", "connection.failed"].iter().any(|start| name.starts_with(start))
        };
        let own = |known: &Key| rest.strip_suffix(known.name).is_some_and(|before| before.ends_with('.'));
        BROKER_KEYS.iter().any(|known| of_security(known.name) && own(known))
    })
}

/// The declared key that an unknown one was certainly meant to be, as nobody else has keys like it.
pub fn looks_like_ours(key: &str) -> Option<&'static str> {
    let ours = ["acks.", "replication.factor.", "cluster.", "request.memory.", "group.disconnect.", "open.files."]
        .iter()
        .any(|beginning| key.starts_with(beginning));
    let (name, distance) = nearest_of(BROKER_KEYS.iter().map(|known| known.name), key)?;
    (ours || distance <= 2).then_some(name)
}

/// The key of Apache Kafka that an unknown one was probably meant to be.
pub fn nearest_elsewhere(key: &str) -> Option<&'static str> {
    nearest_of(kafkas_keys::all().map(|known| known.name), key)
        .filter(|&(_, distance)| distance <= 3)
        .map(|(name, _)| name)
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
            assert!(key.inherits.is_none_or(|name| find(BROKER_KEYS, name).is_some()), "{}", key.name);
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
        ("group.consumer.assignors", "limits", "an assignor of one's own cannot be loaded"),
        ("group.consumer.migration.policy", "limits", "Kafka takes capitals, too"),
        ("offset.metadata.max.bytes", "limits", "no length is below 0"),
        ("log.cleaner.dedupe.buffer.size", "limits", "no size is below 0"),
        ("log.roll.ms", "limits", "Kafka checks it apart from its definition"),
        ("log.roll.jitter.ms", "limits", "as above"),
        ("authorizer.class.name", "limits", "a file cannot say null, which Kafka refuses"),
        ("sasl.enabled.mechanisms", "default", "GSSAPI is not served, so that there is nothing to choose"),
        ("internal.segment.bytes", "limits", "a segment holds one batch at least"),
        ("offsets.topic.segment.bytes", "default", "a start reads what compaction cannot get to"),
        ("transaction.state.log.segment.bytes", "default", "as above"),
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
            let same_kind = key.kind.as_str() == kind;
            if !same_kind {
                what.push("type");
            }
            let default = default.trim_start_matches('[').trim_end_matches(']').replace(", ", ",");
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
        let list = |words: &[String]| {
            let mut words = words.to_vec();
            words.sort_unstable();
            format!("[{}]", words.join(", "))
        };
        let rule = match key.rule() {
            Some(Validator::NullOr(rule)) => Some(*rule),
            rule => rule,
        };
        match rule {
            None => "-".to_owned(),
            Some(Validator::OneOf(words) | Validator::List { one_of: words, .. }) => list(&words),
            Some(Validator::Range { min: Some(min), max: None }) => format!("[{min},...]"),
            Some(Validator::Range { min: Some(min), max: Some(max) }) => format!("[{min},...,{max}]"),
            Some(Validator::RangeOr { min, max, or }) => format!("[{min},...,{max}] or {or}"),
            Some(other) => other.describe(),
        }
    }

    #[test]
    fn the_committed_pages_are_those_of_the_program() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reference");
        let page = |title, introduction, keys: &[Key]| {
            let shown = keys.iter().filter(|key| !key.internal).map(Key::config_key);
            millstream_config::reference_page(title, introduction, &millstream_config::ConfigDef::of(shown))
        };
        let of_broker = "A worker file has the same keys behind `broker.`.";
        let of_topics = "What is not set for a topic has the value of the broker's key of the same meaning.";
        let of_groups = "Set by `kafka-configs --entity-type groups`. What is not set for a group has the value of the \
                         broker's key of the same meaning, and is held against its min and max.";
        for (file, page) in [
            ("group.md", page("Keys of groups of the built-in broker", of_groups, super::super::group::GROUP_KEYS)),
            ("broker.md", page("Keys of the built-in broker", of_broker, BROKER_KEYS)),
            ("topic.md", page("Keys of topics of the built-in broker", of_topics, TOPIC_KEYS)),
        ] {
            let path = folder.join(file);
            if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &page).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == page, "reference/{file} is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
        }
    }
}
