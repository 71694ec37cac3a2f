//! What every client needs to reach a cluster.

use std::time::Duration;

use millstream_config::config_text;

use super::reader::{ConfigError, Reader, error};
use crate::dial::HostPort;

/// How a client reaches a cluster and how patient it is.
#[derive(Clone, Debug, Eq, PartialEq)]
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
        }
    }
}

impl ConnectionSettings {
    /// Reads the keys that producer, consumer and admin share.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        match reader.filled("security.protocol") {
            None => {}
            Some(protocol) if protocol.eq_ignore_ascii_case("PLAINTEXT") => {}
            Some(protocol) => {
                return Err(error("security.protocol", protocol, "PLAINTEXT, as TLS and SASL are not supported yet"));
            }
        }
        reader.choice(
            "client.dns.lookup",
            (),
            &[("use_all_dns_ips", ()), ("resolve_canonical_bootstrap_servers_only", ())],
        )?;
        // Sizes of socket buffers are left to the operating system; a wrong value is still refused.
        reader.integer("send.buffer.bytes", 131_072, -1..=i64::from(i32::MAX))?;
        reader.integer("receive.buffer.bytes", 32_768, -1..=i64::from(i32::MAX))?;
        let max_idle = reader.integer("connections.max.idle.ms", 540_000, -1..=i64::MAX)?;
        reader.millis("socket.connection.setup.timeout.max.ms", 30_000)?;
        Ok(Self {
            client_id: reader.text("client.id").unwrap_or_default().to_owned(),
            request_timeout: at_least_one(reader.millis("request.timeout.ms", 30_000)?),
            connect_timeout: at_least_one(reader.millis("socket.connection.setup.timeout.ms", 10_000)?),
            max_idle: u64::try_from(max_idle).map_or(Duration::MAX, Duration::from_millis),
            reconnect_backoff: reader.millis("reconnect.backoff.ms", 50)?,
            reconnect_backoff_max: reader.millis("reconnect.backoff.max.ms", 1000)?,
            retry_backoff: reader.millis("retry.backoff.ms", 100)?,
            retry_backoff_max: reader.millis("retry.backoff.max.ms", 1000)?,
            metadata_max_age: reader.millis("metadata.max.age.ms", 300_000)?,
            ..default
        })
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
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0) % 1024) as f64 / 1024.0
}

// A timeout of nothing could never be met; Java lets it fail at run time.
fn at_least_one(duration: Duration) -> Duration {
    duration.max(Duration::from_millis(1))
}

/// The addresses that are tried until one answers.
pub(super) fn read_bootstrap(reader: &mut Reader<'_>) -> Result<Vec<HostPort>, ConfigError> {
    let key = "bootstrap.servers";
    let value = reader.text(key).unwrap_or_default();
    let expected = "a list of host:port";
    let mut addresses = Vec::new();
    for address in config_text::list(value).iter().filter(|address| !address.is_empty()) {
        addresses.push(HostPort::parse(address).map_err(|_| error(key, value, expected))?);
    }
    if addresses.is_empty() { Err(error(key, value, expected)) } else { Ok(addresses) }
}
