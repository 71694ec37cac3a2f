//! How commands ask a worker's REST API, ours or Kafka Connect's.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clap::Args;
use millstream_record::ErrorChain;
use millstream_rest::client::{ClientSettings, HttpClient, HttpRequest, HttpUrl};
use millstream_security::tls::TlsKeys;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    exit::{Failure, NOT_FOUND, REFUSED, UNREACHABLE, USAGE},
    kafka_tools::key_value,
};

/// How long a worker is asked again that is in the middle of a rebalance.
const REBALANCE: Duration = Duration::from_secs(30);

/// Between two questions.
pub const PAUSE: Duration = Duration::from_millis(300);

/// How to reach a worker.
#[derive(Args, Clone, Debug)]
pub struct WorkerArgs {
    /// Address of a worker's REST API
    #[arg(long, global = true, env = "MILLSTREAM_URL", default_value = "http://localhost:8083", value_name = "URL")]
    pub url: String,
    /// User and password, where the worker asks for them
    #[arg(long, global = true, env = "MILLSTREAM_USER", hide_env_values = true, value_name = "USER:PASSWORD")]
    pub user: Option<String>,
    /// Certificates (PEM) to trust instead of the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Our own certificate (PEM), with the key in it unless --key says where that is
    #[arg(long, global = true, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Key of our certificate (PEM)
    #[arg(long, global = true, requires = "cert", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Further settings of TLS: Kafka's ssl.* keys
    #[arg(long = "property", global = true, value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
    /// Longest wait for one answer, in seconds
    #[arg(long, global = true, default_value_t = 100, value_name = "SECONDS")]
    pub timeout: u32,
}

impl WorkerArgs {
    /// A worker at this address, without anything else to say.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            user: std::env::var("MILLSTREAM_USER").ok(),
            cacert: None,
            cert: None,
            key: None,
            properties: Vec::new(),
            timeout: 100,
        }
    }

    /// A worker to ask. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// An argument or a file is wrong.
    pub fn worker(&self) -> Result<WorkerApi, Failure> {
        let usage = |error: &(dyn std::error::Error + 'static)| Failure::of(USAGE, error);
        let mut url = HttpUrl::parse(&self.url).map_err(|error| usage(&error))?;
        if let Some(user) = &self.user {
            let (user, password) =
                user.split_once(':').ok_or_else(|| Failure::new(USAGE, "--user: write it as USER:PASSWORD"))?;
            url = url.with_credentials(user, password);
        }
        let keys = self.tls_keys()?;
        let tls = TlsKeys::read(&|key| keys.get(key).cloned()).map_err(|error| usage(&error))?;
        let timeout = Duration::from_secs(self.timeout.into());
        let client = HttpClient::new(ClientSettings { timeout, tls: Some(tls), ..ClientSettings::default() });
        Ok(WorkerApi { client, url })
    }

    fn tls_keys(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut keys = BTreeMap::new();
        let read = |path: &PathBuf| {
            fs::read_to_string(path).map_err(|error| Failure::new(USAGE, format!("read {}: {error}", path.display())))
        };
        if let Some(path) = &self.cacert {
            keys.insert("ssl.truststore.certificates".to_owned(), read(path)?);
        }
        if let Some(path) = &self.cert {
            let key = read(self.key.as_ref().unwrap_or(path))?;
            keys.insert("ssl.keystore.certificate.chain".to_owned(), read(path)?);
            keys.insert("ssl.keystore.key".to_owned(), key);
        }
        for property in &self.properties {
            let (key, value) = key_value("--property", property)?;
            keys.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        Ok(keys)
    }
}

/// A worker's REST API.
pub struct WorkerApi {
    client: HttpClient,
    url: HttpUrl,
}

/// What a worker answers that does not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
}

impl Refusal {
    /// Whether the same may be done a moment later: what is refused during a rebalance was not begun.
    pub fn passes(&self) -> bool {
        let says = |words: &[&str]| words.iter().any(|word| self.message.contains(word));
        match self.status {
            409 => says(&["rebalance", "momentarily"]),
            // Connect's answer to questions that it passes on to nobody.
            500 => says(&["because a rebalance is expected"]),
            _ => false,
        }
    }

    /// The failure of what was tried.
    pub fn failure(&self, what: &str) -> Failure {
        let code = if self.status == 404 && !self.message.starts_with("HTTP ") { NOT_FOUND } else { REFUSED };
        let hint = match self.status {
            401 => " (likely cause: no user or a wrong one: give --user or MILLSTREAM_USER)",
            // What an unknown path or method is answered with, as told from an unknown connector.
            404 | 405 if self.message.starts_with("HTTP ") => {
                " (likely cause: this worker's API has no such endpoint, as in older versions of Kafka Connect, or it \
                  begins at another path than that of --url)"
            }
            _ => "",
        };
        Failure::new(code, format!("{what}: {}{hint}", self.message))
    }
}

impl WorkerApi {
    /// Asks, again as long as a rebalance is under way; `null` where the answer has no body.
    ///
    /// # Errors
    ///
    /// There is no answer that could be read.
    pub async fn try_ask(
        &self,
        method: &str,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Result<Value, Refusal>, Failure> {
        let url = query.iter().fold(self.url.below(path), |url, (name, value)| url.with_query(name, value));
        let mut request = HttpRequest::new(method, url).with_header("accept", "application/json");
        if let Some(body) = body {
            request = request.with_json(body);
        }
        let deadline = Instant::now() + REBALANCE;
        loop {
            let answer = self.client.send(&request).await.map_err(|error| {
                let hint = error.likely_cause().map(|cause| format!(" (likely cause: {cause})")).unwrap_or_default();
                Failure::new(UNREACHABLE, format!("{}{hint}", ErrorChain(&error)))
            })?;
            let text = String::from_utf8_lossy(answer.body());
            let json: Option<Value> =
                if text.trim().is_empty() { Some(Value::Null) } else { serde_json::from_str(&text).ok() };
            if answer.is_success() {
                let odd = || {
                    format!(
                        "{} answers {}, and not with JSON: no worker's REST API",
                        request.url().shown(),
                        answer.status()
                    )
                };
                return Ok(Ok(json.ok_or_else(|| Failure::new(UNREACHABLE, odd()))?));
            }
            let message = json.as_ref().and_then(|json| json.get("message")).and_then(Value::as_str);
            let refusal = Refusal {
                status: answer.status(),
                message: message.map_or_else(
                    || format!("status {} {}", answer.status(), text.chars().take(200).collect::<String>().trim()),
                    str::to_owned,
                ),
            };
            if !refusal.passes() || deadline <= Instant::now() {
                return Ok(Err(refusal));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks for something; `what` was tried says who reports.
    ///
    /// # Errors
    ///
    /// No answer, or a refusal.
    pub async fn ask(
        &self,
        what: &str,
        method: &str,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.try_ask(method, path, query, body).await?.map_err(|refusal| refusal.failure(what))
    }

    /// Reads something that must be there.
    ///
    /// # Errors
    ///
    /// No answer, or a refusal.
    pub async fn get(&self, what: &str, path: &[&str]) -> Result<Value, Failure> {
        self.ask(what, "GET", path, &[], None).await
    }

    /// Reads something that may be missing.
    ///
    /// # Errors
    ///
    /// No answer, or a refusal that says something else.
    pub async fn find(&self, what: &str, path: &[&str]) -> Result<Option<Value>, Failure> {
        match self.try_ask("GET", path, &[], None).await? {
            Ok(value) => Ok(Some(value)),
            Err(refusal) if refusal.status == 404 => Ok(None),
            Err(refusal) => Err(refusal.failure(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_during_a_rebalance_is_worth_another_try() {
        let passes = |status, message: &str| Refusal { status, message: message.to_owned() }.passes();
        let expected = "Request cannot be completed because a rebalance is expected";
        assert!(passes(409, expected) && passes(500, expected));
        assert!(passes(409, "Cannot complete request momentarily due to no known leader URL"));
        assert!(!passes(409, "Connector c already exists") && !passes(500, "Failed to start connector: c"));
    }

    #[test]
    fn an_endpoint_that_is_not_there_is_told_from_a_connector_that_is_not() {
        let failure = |status, message: &str| Refusal { status, message: message.to_owned() }.failure("stop c");
        let connector = failure(404, "Unknown connector c");
        assert_eq!((connector.code, connector.message.as_str()), (NOT_FOUND, "stop c: Unknown connector c"));
        for (status, message) in [(404, "HTTP 404 Not Found"), (405, "HTTP 405 Method Not Allowed")] {
            let endpoint = failure(status, message);
            assert_eq!(endpoint.code, REFUSED);
            assert!(endpoint.message.contains("has no such endpoint"), "{}", endpoint.message);
        }
    }
}
