//! Pushing metrics to a collector: OTLP over HTTP, in its JSON encoding.

mod failures;
mod message;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_config::{WorkerConfig, worker_key as key};
use millstream_metrics::ShownGroup;
use millstream_record::ErrorChain;
use millstream_rest::client::{ClientSettings, HttpClient, HttpRequest, HttpUrl};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use failures::Failures;
use message::Sender;

/// Tries of one push; what is left then is not sent, since the next push has all of it.
const TRIES: u32 = 3;

/// Wait after the first try; twice as long after the second.
const BACKOFF: Duration = Duration::from_secs(1);

/// An answer of a collector is a few words.
const MAX_ANSWER: usize = 64 << 10;

/// Where metrics are pushed, and how.
#[derive(Clone)]
pub struct OtlpSettings {
    url: HttpUrl,
    headers: Vec<(String, String)>,
    interval: Duration,
    timeout: Duration,
}

/// Why the keys of it are refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOtlp {
    /// `metrics.otlp.endpoint`.
    #[error("read the key metrics.otlp.endpoint")]
    Endpoint(#[source] millstream_rest::client::InvalidUrl),
    /// `metrics.otlp.headers`. The values are secrets.
    #[error(
        "entry {entry} of the key metrics.otlp.headers is not NAME=VALUE with a header's name and a value of one line"
    )]
    Header {
        /// Which, from 1.
        entry: usize,
    },
}

impl OtlpSettings {
    /// Reads a worker's keys; `None` without an endpoint.
    pub fn of(config: &WorkerConfig) -> Result<Option<Self>, InvalidOtlp> {
        let config = config.config();
        let endpoint = key::METRICS_OTLP_ENDPOINT.get(config).unwrap_or_default();
        let headers = headers(&key::METRICS_OTLP_HEADERS.get(config).unwrap_or_default())?;
        if endpoint.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            url: HttpUrl::parse(endpoint.trim()).map_err(InvalidOtlp::Endpoint)?,
            headers,
            interval: key::METRICS_OTLP_INTERVAL.get(config),
            timeout: key::METRICS_OTLP_TIMEOUT.get(config),
        }))
    }
}

/// `name=value`, with commas between.
fn headers(text: &str) -> Result<Vec<(String, String)>, InvalidOtlp> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let read = |(at, entry): (usize, &str)| {
        let pair = entry.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let fits = |(name, value): &(&str, &str)| {
            !name.is_empty() && name.chars().all(is_token) && value.chars().all(|c| c == '\t' || !c.is_ascii_control())
        };
        let (name, value) = pair.filter(fits).ok_or(InvalidOtlp::Header { entry: at + 1 })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    entries.enumerate().map(read).collect()
}

/// Pushes for as long as it exists.
pub struct Pushing(JoinHandle<()>);

impl Drop for Pushing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Pushing {
    /// Begins to push what `show` says. Must be called within a tokio runtime.
    pub fn start(
        settings: OtlpSettings,
        instance: &str,
        show: impl Fn() -> Vec<ShownGroup> + Send + Sync + 'static,
    ) -> Self {
        let sender = Sender { instance: instance.to_owned(), started: nanos() };
        Self(tokio::spawn(async move {
            let client = HttpClient::new(ClientSettings {
                connect_timeout: settings.timeout,
                timeout: settings.timeout,
                max_body_bytes: MAX_ANSWER,
                ..ClientSettings::default()
            });
            let mut failures = Failures::default();
            let mut interval = tokio::time::interval(settings.interval);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first tick comes at once, before anything has been counted.
            interval.tick().await;
            loop {
                interval.tick().await;
                let body = message::request(&sender, &show(), nanos());
                match push(&client, &settings, body.to_string().into_bytes()).await {
                    Ok(()) => {
                        let failed = failures.succeeded();
                        if failed != 0 {
                            tracing::info!(
                                "metrics reach {} again, after {failed} failed pushes",
                                settings.url.shown()
                            );
                        }
                    }
                    Err(reason) => {
                        if let Some(failed) = failures.failed(Instant::now()) {
                            tracing::warn!(
                                "metrics cannot be pushed to {} (metrics.otlp.endpoint), {failed} times so far: {reason}",
                                settings.url.shown()
                            );
                        }
                    }
                }
            }
        }))
    }
}

fn nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// One push, with a few tries where another one may help.
async fn push(client: &HttpClient, settings: &OtlpSettings, body: Vec<u8>) -> Result<(), String> {
    let mut request = HttpRequest::new("POST", settings.url.clone()).with_body("application/json", body);
    for (name, value) in &settings.headers {
        request = request.with_header(name, value);
    }
    let mut wait = BACKOFF;
    let mut tried = 0;
    loop {
        tried += 1;
        let reason = match client.send(&request).await {
            Ok(answer) if answer.is_success() => return rejected(answer.body()).map_or(Ok(()), Err),
            Ok(answer) => {
                let reason = format!("it answered with status {}", answer.status());
                // The only ones that the protocol has a sender repeat.
                if ![429, 502, 503, 504].contains(&answer.status()) {
                    return Err(reason);
                }
                reason
            }
            Err(error) => ErrorChain(&error).to_string(),
        };
        if tried == TRIES {
            return Err(reason);
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

/// What a collector says that took only a part.
fn rejected(answer: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let partial = answer.get("partialSuccess")?;
    let count = partial.get("rejectedDataPoints")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|count| *count != 0)?;
    let why: String = partial["errorMessage"].as_str().unwrap_or("no reason given").chars().take(200).collect();
    Some(format!("it refused {count} data points: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_and_a_wrong_one_is_named_without_its_value() {
        let read = headers(" authorization=Bearer a=b , x-scope=1,").unwrap();
        let expected = [("authorization", "Bearer a=b"), ("x-scope", "1")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (text, entry) in [("secret", 1), ("a=b,=secret", 2), ("a b=secret", 1), ("a=se\ncret", 1)] {
            let error = headers(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("entry {entry} ")) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_part_that_was_refused_is_a_failure() {
        assert_eq!(rejected(b"{}"), None);
        assert_eq!(rejected(b""), None);
        assert_eq!(rejected(br#"{"partialSuccess":{}}"#), None);
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedDataPoints":"0"}}"#), None);
        let refused = rejected(br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}"#);
        assert_eq!(refused.as_deref(), Some("it refused 3 data points: too old"));
    }
}
