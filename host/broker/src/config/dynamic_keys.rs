//! Which of the broker's keys can be changed while it runs, with effect at once.

/// Keys of ours that can be changed. Those of topics' defaults take effect on every topic that does not set them itself.
const DYNAMIC: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.local.retention.bytes",
    "log.local.retention.ms",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "message.max.bytes",
    "min.insync.replicas",
    "num.recovery.threads.per.data.dir",
    "unclean.leader.election.enable",
];

/// Keys that can be changed on a broker of Kafka's, and here only by a restart; with the reason.
#[cfg(test)]
const FIXED: &[(&str, &str)] = &[
    ("group.consumer.assignment.interval.ms", STARTED_WITH),
    ("listener.security.protocol.map", LISTENERS),
    ("listeners", LISTENERS),
    ("log.cleaner.threads", STARTED_WITH),
    ("num.io.threads", STARTED_WITH),
    ("producer.id.expiration.ms", STARTED_WITH),
    ("sasl.enabled.mechanisms", LISTENERS),
    ("sasl.jaas.config", LISTENERS),
    ("ssl.cipher.suites", FILES),
    ("ssl.client.auth", LISTENERS),
    ("ssl.enabled.protocols", LISTENERS),
    ("ssl.key.password", FILES),
    ("ssl.keystore.certificate.chain", FILES),
    ("ssl.keystore.key", FILES),
    ("ssl.keystore.location", FILES),
    ("ssl.keystore.password", FILES),
    ("ssl.keystore.type", FILES),
    ("ssl.truststore.certificates", FILES),
    ("ssl.truststore.location", FILES),
    ("ssl.truststore.password", FILES),
    ("ssl.truststore.type", FILES),
];

#[cfg(test)]
const STARTED_WITH: &str = "threads and coordinators are made at the start";
#[cfg(test)]
const LISTENERS: &str = "listeners are opened at the start";
#[cfg(test)]
const FILES: &str = "files of keys and certificates are read again when they change, without being told";

/// Whether a key of ours can be changed while the broker runs.
pub fn is_dynamic(name: &str) -> bool {
    DYNAMIC.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        kafkas_keys,
        keys::{self, BROKER_KEYS},
    };

    #[test]
    fn what_can_be_changed_on_a_broker_of_kafkas_can_be_changed_here_or_there_is_a_reason() {
        assert!(DYNAMIC.is_sorted());
        let ours = |name: &str| keys::find(BROKER_KEYS, name).is_some();
        let (mut changed, mut kept) = (Vec::new(), Vec::new());
        for key in kafkas_keys::all().filter(|key| key.is_dynamic && ours(key.name)) {
            if is_dynamic(key.name) { changed.push(key.name) } else { kept.push(key.name) }
        }
        assert_eq!(kept, FIXED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(changed, DYNAMIC, "nothing can be changed here that is fixed on a broker of Kafka's");
    }
}
