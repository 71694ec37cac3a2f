//! Settings of the admin client.

use std::{collections::BTreeMap, time::Duration};

use super::{
    connection::{ClientKind, ConnectionSettings, read_bootstrap},
    keys,
    reader::{ConfigError, Reader},
};
use crate::dial::HostPort;

/// Settings of an [`Admin`](crate::Admin).
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Addresses that are tried until one answers.
    pub bootstrap: Vec<HostPort>,
    /// How the cluster is reached.
    pub connection: ConnectionSettings,
    /// Longest time for one call, repetitions included.
    pub api_timeout: Duration,
    /// Keys that have no meaning here, for one warning.
    pub ignored: Vec<String>,
}

impl AdminConfig {
    /// Reads Java admin client properties.
    ///
    /// # Errors
    ///
    /// Names the key whose value cannot be used.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(properties);
        let connection = ConnectionSettings::read(ClientKind::Admin, &mut reader)?;
        let bootstrap = read_bootstrap(&mut reader)?;
        reader.get(&keys::ADMIN_RETRIES)?;
        let api_timeout = reader.get(&keys::ADMIN_API_TIMEOUT)?;
        Ok(Self { bootstrap, connection, api_timeout, ignored: reader.ignored() })
    }
}
