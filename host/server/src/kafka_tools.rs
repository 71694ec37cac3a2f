//! How commands reach brokers: the arguments for it, and clients made from them.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use clap::Args;
use millstream_client::{Admin, AdminConfig, Cluster, ConnectionSettings, HostPort, RequestError, TcpDial};

use crate::exit::{Failure, USAGE};

/// How long the cluster is waited for: somebody is sitting in front of it.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The parts of an argument `KEY=VALUE`.
///
/// # Errors
///
/// It is none; says which option wanted it.
pub fn key_value(option: &str, text: &str) -> Result<(String, String), Failure> {
    let parts = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    parts.ok_or_else(|| Failure::new(USAGE, format!("{option} {text}: write it as KEY=VALUE")))
}

/// How to reach the brokers.
#[derive(Args, Debug)]
pub struct Connection {
    /// Addresses of brokers, separated by commas
    #[arg(long, default_value = "localhost:9092", value_name = "HOST:PORT,...")]
    pub bootstrap_server: String,
    /// Further client settings
    #[arg(long = "property", value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
}

impl Connection {
    /// Client settings: the addresses, then what the user gave.
    pub fn settings(&self, own: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Failure> {
        let mut settings: BTreeMap<String, String> =
            own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        settings.insert("bootstrap.servers".to_owned(), self.bootstrap_server.clone());
        for property in &self.properties {
            let (key, value) = key_value("--property", property)?;
            settings.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        Ok(settings)
    }

    /// An admin client whose calls take at most `patience`, unless the user says otherwise.
    ///
    /// # Errors
    ///
    /// A setting is wrong, or the hosts are not known.
    pub async fn admin(&self, patience: Duration) -> Result<Admin, Failure> {
        let timeout = patience.as_millis().to_string();
        let settings = self.settings(&[("default.api.timeout.ms", &timeout)])?;
        let config = AdminConfig::from_properties(&settings).map_err(|error| Failure::of(USAGE, &error))?;
        Ok(Admin::new(&cluster(&config.bootstrap, config.connection.clone()).await?, &config))
    }
}

/// A cluster over TCP.
///
/// # Errors
///
/// None of the hosts is known.
pub async fn cluster(bootstrap: &[HostPort], settings: ConnectionSettings) -> Result<Cluster, Failure> {
    TcpDial::look_up(bootstrap).await.map_err(|error| Failure::of(USAGE, &error))?;
    Ok(Cluster::connect(Arc::new(TcpDial), bootstrap, settings))
}

/// A failure with the errors that led to it, and what to look at first where brokers are not reached.
pub fn failed(error: impl Error + 'static) -> Failure {
    let mut failure = Failure::of(USAGE, &error);
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        let boxed = || error.downcast_ref::<Box<RequestError>>().map(|error| &**error);
        if let Some(hint) = error.downcast_ref().or_else(boxed).and_then(RequestError::likely_cause) {
            failure.message.push_str(&format!(" (likely cause: {hint})"));
            break;
        }
        cause = error.source();
    }
    failure
}
