//! Clients for the command line.

use std::{collections::BTreeMap, sync::Arc};

use millstream_client::{Admin, AdminConfig, Cluster, ConnectionSettings, HostPort, TcpDial};

use crate::{
    cli::Connection,
    exit::{Failure, SETUP, USAGE},
};

impl Connection {
    /// Client settings: the addresses, then what the user gave.
    pub fn settings(&self, own: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Failure> {
        let mut settings: BTreeMap<String, String> =
            own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        settings.insert("bootstrap.servers".to_owned(), self.bootstrap_server.clone());
        // Somebody is sitting in front of it.
        settings.insert("default.api.timeout.ms".to_owned(), "15000".to_owned());
        for property in &self.properties {
            let (key, value) = property
                .split_once('=')
                .ok_or_else(|| Failure::new(USAGE, format!("--property {property}: write it as KEY=VALUE")))?;
            settings.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        Ok(settings)
    }

    /// An admin client.
    pub fn admin(&self) -> Result<Admin, Failure> {
        let config = AdminConfig::from_properties(&self.settings(&[])?).map_err(|error| Failure::of(SETUP, &error))?;
        Ok(Admin::new(&cluster(&config.bootstrap, config.connection.clone()), &config))
    }
}

/// A cluster over TCP.
pub fn cluster(bootstrap: &[HostPort], settings: ConnectionSettings) -> Cluster {
    Cluster::connect(Arc::new(TcpDial), bootstrap, settings)
}
