//! Settings of the producer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_wire::compression::Codec;

use super::{
    connection::{ClientKind, ConnectionSettings, read_bootstrap},
    keys,
    reader::{ConfigError, Reader, error},
};
use crate::{dial::HostPort, session::GroupSession};

/// When a broker answers a produce request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Acks {
    /// Never: a lost record is not noticed, and no offset comes back.
    None,
    /// When the leader has the records.
    Leader,
    /// When every replica in sync has them.
    All,
}

impl Acks {
    /// The number in the request.
    pub fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a record that names no partition gets one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Partitioner {
    /// By the hash of its key; without a key, one partition for a whole batch and then another.
    Default {
        /// Treats every record as having no key.
        ignore_keys: bool,
    },
    /// One partition after the other, whatever the key.
    RoundRobin,
}

/// Settings of a [`Producer`](crate::Producer).
///
/// Defaults are Java's except for `batch.size`, which is 256 KiB: with the 16 KiB of the Java client, every
/// eighty or so log lines would cost a request and perhaps a disk sync.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// Addresses that are tried until one answers.
    pub bootstrap: Vec<HostPort>,
    /// How the cluster is reached. Its `max_in_flight` is `max.in.flight.requests.per.connection`.
    pub connection: ConnectionSettings,
    /// When a produce request is answered.
    pub acks: Acks,
    /// Whether batches are numbered, so that a repetition is never written twice nor out of order.
    pub idempotent: bool,
    /// Size of a batch in bytes, before compression, at which it is sent.
    pub batch_size: usize,
    /// How long a smaller batch waits for more records.
    pub linger: Duration,
    /// Bytes of records that may wait for acknowledgement.
    pub buffer_memory: usize,
    /// Longest wait for metadata or for room in the buffer.
    pub max_block: Duration,
    /// Largest record, and largest request, in bytes before compression.
    pub max_request_size: usize,
    /// Time from a batch's first record to its success or failure.
    pub delivery_timeout: Duration,
    /// Repetitions of a failed request.
    pub retries: u32,
    /// How batches are compressed.
    pub compression: Codec,
    /// The codec's level; `None` for its default.
    pub compression_level: Option<i32>,
    /// How a record that names no partition gets one.
    pub partitioner: Partitioner,
    /// The name under which the producer's transactions outlive it; `None` for a producer without transactions.
    pub transactional_id: Option<Arc<str>>,
    /// Time after which the coordinator aborts an open transaction, and fences its producer off.
    pub transaction_timeout: Duration,
    /// While it is closed nothing is sent: who writes in the name of a member of a group must not go on when others do.
    pub session: GroupSession,
    /// Keys that have no meaning here, for one warning.
    pub ignored: Vec<String>,
}

impl ProducerConfig {
    /// Reads Java producer properties.
    ///
    /// # Errors
    ///
    /// Names the key whose value cannot be used, or that contradicts `enable.idempotence=true`.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(properties);
        let mut connection = ConnectionSettings::read(ClientKind::Producer, &mut reader)?;
        let bootstrap = read_bootstrap(&mut reader)?;
        let acks = reader
            .choice(&keys::ACKS, &[("all", Acks::All), ("-1", Acks::All), ("0", Acks::None), ("1", Acks::Leader)])?;
        let retries = reader.count(&keys::RETRIES)?;
        let in_flight = reader.count(&keys::MAX_IN_FLIGHT)?;
        connection.max_in_flight = in_flight as usize;
        let idempotent = read_idempotence(&mut reader, acks, retries, in_flight)?;
        let transactional_id = read_transactional_id(&mut reader, idempotent)?;
        let transaction_timeout = reader.get(&keys::TRANSACTION_TIMEOUT)?;
        let linger = reader.get(&keys::LINGER)?;
        let delivery_timeout = read_delivery_timeout(&mut reader, linger, connection.request_timeout)?;
        let compression = reader.choice(
            &keys::COMPRESSION_TYPE,
            &[
                ("none", Codec::None),
                ("gzip", Codec::Gzip),
                ("snappy", Codec::Snappy),
                ("lz4", Codec::Lz4),
                ("zstd", Codec::Zstd),
            ],
        )?;
        let compression_level = read_level(&mut reader, compression)?;
        reader.get(&keys::ADAPTIVE_PARTITIONING)?;
        reader.get(&keys::PARTITION_AVAILABILITY)?;
        reader.get(&keys::METADATA_MAX_IDLE)?;
        Ok(Self {
            acks,
            idempotent,
            batch_size: reader.count(&keys::BATCH_SIZE)? as usize,
            linger,
            buffer_memory: usize::try_from(reader.get(&keys::BUFFER_MEMORY)?).unwrap_or(usize::MAX),
            max_block: reader.get(&keys::MAX_BLOCK)?,
            max_request_size: reader.count(&keys::MAX_REQUEST_SIZE)? as usize,
            delivery_timeout,
            retries,
            compression,
            compression_level,
            partitioner: read_partitioner(&mut reader)?,
            transactional_id,
            transaction_timeout,
            session: GroupSession::unlimited(),
            bootstrap,
            connection,
            ignored: reader.ignored(),
        })
    }
}

/// Java's rules: on unless another setting contradicts it, and then a contradiction only if it was asked for.
fn read_idempotence(reader: &mut Reader<'_>, acks: Acks, retries: u32, in_flight: u32) -> Result<bool, ConfigError> {
    let asked_for = reader.is_given(&keys::ENABLE_IDEMPOTENCE);
    if !reader.get(&keys::ENABLE_IDEMPOTENCE)? {
        return Ok(false);
    }
    let contradiction = if acks != Acks::All {
        Some("false, or acks=all")
    } else if retries == 0 {
        Some("false, or retries above 0")
    } else if 5 < in_flight {
        Some("false, or max.in.flight.requests.per.connection of at most 5")
    } else {
        None
    };
    match contradiction {
        Some(expected) if asked_for => Err(error(&keys::ENABLE_IDEMPOTENCE, "true", expected)),
        contradiction => Ok(contradiction.is_none()),
    }
}

fn read_transactional_id(reader: &mut Reader<'_>, idempotent: bool) -> Result<Option<Arc<str>>, ConfigError> {
    if reader.get(&keys::TWO_PHASE_COMMIT)? {
        let expected = "false, as transactions that another system decides about are not supported";
        return Err(error(&keys::TWO_PHASE_COMMIT, "true", expected));
    }
    match reader.filled(&keys::TRANSACTIONAL_ID)? {
        Some(id) if !idempotent => {
            let expected =
                "no value, or enable.idempotence=true with acks=all, retries above 0 and at most 5 requests in flight";
            Err(error(&keys::TRANSACTIONAL_ID, &id, expected))
        }
        id => Ok(id.map(Arc::from)),
    }
}

fn read_delivery_timeout(
    reader: &mut Reader<'_>,
    linger: Duration,
    request_timeout: Duration,
) -> Result<Duration, ConfigError> {
    let least = linger.saturating_add(request_timeout).min(Duration::from_millis(i32::MAX as u64));
    let timeout = reader.get(&keys::DELIVERY_TIMEOUT)?;
    if least <= timeout {
        Ok(timeout)
    } else if reader.is_given(&keys::DELIVERY_TIMEOUT) {
        let value = timeout.as_millis().to_string();
        Err(error(&keys::DELIVERY_TIMEOUT, &value, "at least linger.ms + request.timeout.ms"))
    } else {
        Ok(least)
    }
}

fn read_level(reader: &mut Reader<'_>, codec: Codec) -> Result<Option<i32>, ConfigError> {
    // Every level is checked, whichever codec is chosen, as Java does.
    let gzip = reader.get(&keys::GZIP_LEVEL)?;
    let lz4 = reader.get(&keys::LZ4_LEVEL)?;
    let zstd = reader.get(&keys::ZSTD_LEVEL)?;
    Ok(match codec {
        Codec::Gzip if gzip != -1 => Some(gzip),
        Codec::Lz4 => Some(lz4),
        Codec::Zstd => Some(zstd),
        _ => None,
    })
}

fn read_partitioner(reader: &mut Reader<'_>) -> Result<Partitioner, ConfigError> {
    let ignore_keys = reader.get(&keys::IGNORE_KEYS)?;
    let key = &keys::PARTITIONER;
    match reader.filled(key)?.as_deref() {
        None
        | Some(
            "org.apache.kafka.clients.producer.internals.DefaultPartitioner"
            | "org.apache.kafka.clients.producer.UniformStickyPartitioner",
        ) => Ok(Partitioner::Default { ignore_keys }),
        Some("org.apache.kafka.clients.producer.RoundRobinPartitioner") => Ok(Partitioner::RoundRobin),
        Some(class) => Err(error(key, class, "no value or org.apache.kafka.clients.producer.RoundRobinPartitioner")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_configuration_gives_an_idempotent_producer_with_large_batches() {
        let config = read(&[]).expect("defaults are valid");
        assert!(config.idempotent);
        assert_eq!(config.acks, Acks::All);
        assert_eq!(config.connection.max_in_flight, 5);
        assert_eq!(config.batch_size, 262_144);
        assert_eq!(config.linger, Duration::from_millis(5));
        assert_eq!(config.delivery_timeout, Duration::from_secs(120));
    }

    #[test]
    fn idempotence_gives_way_to_settings_that_contradict_it_unless_it_was_asked_for() {
        for contradiction in [("acks", "1"), ("retries", "0"), ("max.in.flight.requests.per.connection", "6")] {
            assert!(!read(&[contradiction]).expect("valid").idempotent, "{contradiction:?}");
            let refused = read(&[contradiction, ("enable.idempotence", "true")]).expect_err("contradiction");
            assert_eq!(refused.key, "enable.idempotence");
        }
    }

    #[test]
    fn transactions_need_the_numbers_of_an_idempotent_producer() {
        let config = read(&[("transactional.id", "t"), ("transaction.timeout.ms", "1000")]).expect("valid");
        assert_eq!(config.transactional_id.as_deref(), Some("t"));
        assert_eq!(config.transaction_timeout, Duration::from_secs(1));
        assert_eq!(read(&[("transactional.id", "")]).expect("valid").transactional_id, None);
        for contradiction in [("acks", "1"), ("enable.idempotence", "false"), ("retries", "0")] {
            let refused = read(&[contradiction, ("transactional.id", "t")]).expect_err("contradiction");
            assert_eq!(refused.key, "transactional.id", "{contradiction:?}");
        }
        let refused = read(&[("transaction.two.phase.commit.enable", "true")]).expect_err("not done");
        assert_eq!(refused.key, "transaction.two.phase.commit.enable");
    }

    #[test]
    fn connects_own_settings_for_a_source_task_are_understood() {
        let config = read(&[
            ("max.block.ms", "9223372036854775807"),
            ("delivery.timeout.ms", "2147483647"),
            ("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer"),
            ("metrics.context.connect.kafka.cluster.id", "x"),
        ])
        .expect("valid");
        assert_eq!(config.max_block, Duration::from_millis(i64::MAX as u64));
        assert_eq!(config.ignored, ["key.serializer", "metrics.context.connect.kafka.cluster.id"]);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_key_and_what_was_expected() {
        for (key, value, message) in [
            ("linger.ms", "soon", "invalid value \"soon\" for configuration linger.ms: Not a number of type LONG"),
            (
                "compression.type",
                "brotli",
                "invalid value \"brotli\" for configuration compression.type: String must be one of (case insensitive): NONE, GZIP, SNAPPY, LZ4, ZSTD",
            ),
            (
                "security.protocol",
                "TLS",
                "invalid value \"TLS\" for configuration security.protocol: expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
            ),
            (
                "bootstrap.servers",
                "nowhere",
                "invalid value \"nowhere\" for configuration bootstrap.servers: expected a list of host:port",
            ),
            (
                "delivery.timeout.ms",
                "1000",
                "invalid value \"1000\" for configuration delivery.timeout.ms: expected at least linger.ms + request.timeout.ms",
            ),
        ] {
            assert_eq!(read(&[(key, value)]).expect_err(key).to_string(), message);
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Result<ProducerConfig, ConfigError> {
        let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), "localhost:9092".to_owned())]);
        properties.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        ProducerConfig::from_properties(&properties)
    }
}
