//! What every client needs to reach a cluster.

use std::{sync::Arc, time::Duration};

use millstream_config::config_text;
use millstream_metrics::{ClientConnections, GroupDefinition, Labels, Metrics, WorkerNode};

use super::{
    keys,
    reader::{ConfigError, Reader, error},
    security::read_security,
};
use crate::{dial::HostPort, security::Security};

/// Which of Kafka's clients it stands for: its connections are counted as theirs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientKind {
    /// Sends records.
    Producer,
    /// Fetches records, alone or in a group.
    Consumer,
    /// Asks and changes.
    Admin,
    /// Is a worker in a group of them.
    Worker,
}

/// How a client reaches a cluster and how patient it is.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// Name sent with every request.
    pub client_id: String,
    /// Longest wait for an answer; a connection that lets one pass is closed.
    pub request_timeout: Duration,
    /// Longest wait for a connection to be there and its versions to be known.
    pub connect_timeout: Duration,
    /// Time without requests after which a connection is closed.
    pub max_idle: Duration,
    /// Wait after the first failed connection to a broker; doubles with each further one.
    pub reconnect_backoff: Duration,
    /// Longest wait between connections to a broker.
    pub reconnect_backoff_max: Duration,
    /// Wait before the first repetition of a request; doubles with each further one.
    pub retry_backoff: Duration,
    /// Longest wait between repetitions.
    pub retry_backoff_max: Duration,
    /// Age at which what is known about topics is asked for again.
    pub metadata_max_age: Duration,
    /// Requests of one connection that may wait for answers.
    pub max_in_flight: usize,
    /// Largest response taken from a broker, in bytes.
    pub max_response_bytes: usize,
    /// How connections are protected.
    pub security: Security,
    /// Which of Kafka's clients the connections are counted for.
    pub kind: ClientKind,
    /// Where the client counts, by its `client.id`. Those that share one count together.
    pub metrics: Metrics,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_idle: Duration::from_secs(540),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
            max_in_flight: 5,
            max_response_bytes: 256 << 20,
            security: Security::default(),
            kind: ClientKind::Admin,
            metrics: Metrics::default(),
        }
    }
}

impl ConnectionSettings {
    /// Reads the keys that producer, consumer and admin share.
    pub(super) fn read(kind: ClientKind, reader: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let security = read_security(reader)?;
        // What has no effect is still refused if it is wrong.
        reader.get(&keys::CLIENT_DNS_LOOKUP)?;
        reader.get(&keys::SEND_BUFFER_BYTES)?;
        reader.get(&keys::RECEIVE_BUFFER_BYTES)?;
        reader.get(&keys::CONNECT_TIMEOUT_MAX)?;
        let max_idle = reader.get(&keys::CONNECTIONS_MAX_IDLE)?;
        Ok(Self {
            client_id: reader.get(&keys::CLIENT_ID)?,
            request_timeout: at_least_one(reader.get(&keys::REQUEST_TIMEOUT)?),
            connect_timeout: at_least_one(reader.get(&keys::CONNECT_TIMEOUT)?),
            max_idle: u64::try_from(max_idle).map_or(Duration::MAX, Duration::from_millis),
            reconnect_backoff: reader.get(&keys::RECONNECT_BACKOFF)?,
            reconnect_backoff_max: reader.get(&keys::RECONNECT_BACKOFF_MAX)?,
            retry_backoff: reader.get(&keys::RETRY_BACKOFF)?,
            retry_backoff_max: reader.get(&keys::RETRY_BACKOFF_MAX)?,
            metadata_max_age: reader.get(&keys::METADATA_MAX_AGE)?,
            security,
            kind,
            ..default
        })
    }

    /// What tells this client's metrics from those of others.
    pub(crate) fn labels(&self) -> Labels {
        Labels::client(&self.client_id)
    }

    /// Where its connections are counted.
    pub(crate) fn connection_counts(&self) -> Arc<ClientConnections> {
        let definition: &'static GroupDefinition = match self.kind {
            ClientKind::Producer => ClientConnections::OF_PRODUCERS,
            ClientKind::Consumer => ClientConnections::OF_CONSUMERS,
            ClientKind::Admin => ClientConnections::OF_ADMINS,
            ClientKind::Worker => ClientConnections::OF_WORKERS,
        };
        self.metrics.group_of(definition, self.labels())
    }

    /// Where its connections to one broker are counted, too; `None` where that is not asked for.
    pub(crate) fn node_counts(&self, node: i32) -> Option<Arc<WorkerNode>> {
        let labels = || self.labels().and("node-id", format!("node-{node}"));
        (self.kind == ClientKind::Worker).then(|| self.metrics.group(labels()))
    }

    /// How long to wait before repetition number `attempt` (0 for the first): doubling, with a quarter of
    /// jitter so that clients of one broker do not come back together.
    pub fn retry_delay(&self, attempt: u32) -> Duration {
        backoff(self.retry_backoff, self.retry_backoff_max, attempt)
    }

    /// The same for connections.
    pub fn reconnect_delay(&self, attempt: u32) -> Duration {
        backoff(self.reconnect_backoff, self.reconnect_backoff_max, attempt)
    }
}

fn backoff(base: Duration, most: Duration, attempt: u32) -> Duration {
    let delay = base.saturating_mul(1_u32.checked_shl(attempt.min(16)).unwrap_or(u32::MAX)).min(most.max(base));
    delay.mul_f64(0.8 + 0.4 * jitter())
}

/// A number from 0 to 1 that differs from call to call; nothing depends on its quality.
pub(crate) fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0) % 1024) as f64 / 1024.0
}

// A timeout of nothing could never be met; Java lets it fail at run time.
fn at_least_one(duration: Duration) -> Duration {
    duration.max(Duration::from_millis(1))
}

/// The addresses that are tried until one answers.
pub(super) fn read_bootstrap(reader: &mut Reader<'_>) -> Result<Vec<HostPort>, ConfigError> {
    let key = &keys::BOOTSTRAP_SERVERS;
    let value = reader.get(key)?;
    let refused = || error(key, &value, "a list of host:port");
    let mut addresses = Vec::new();
    for address in config_text::list(&value).iter().filter(|address| !address.is_empty()) {
        addresses.push(HostPort::parse(address).map_err(|_| refused())?);
    }
    if addresses.is_empty() { Err(refused()) } else { Ok(addresses) }
}
