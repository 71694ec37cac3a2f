//! The cluster that a worker uses: its built-in broker, or another one.

use std::{collections::BTreeMap, sync::Arc};

use millstream_broker::{Broker, BrokerConfig};
use millstream_client::{Dial, HostPort, TcpDial};
use millstream_config::WorkerConfig;
use millstream_metrics::Metrics;
use millstream_record::ErrorChain;
use millstream_rest::HealthCheck;
use tracing::{error, warn};

use crate::{
    embedded::EmbeddedDial,
    exit::{Failure, SETUP},
};

/// Where the built-in broker listens unless told otherwise.
const BROKER_LISTENERS: &str = "PLAINTEXT://127.0.0.1:9092";
/// Where it keeps its data unless told otherwise.
const BROKER_DATA: &str = "millstream-data";

/// The cluster the worker uses: one that is given, or the built-in broker.
pub struct Kafka {
    /// The built-in broker, if that is used.
    pub broker: Option<Arc<Broker>>,
    /// How it is reached.
    pub dial: Arc<dyn Dial>,
    /// Where; only a name for the built-in broker.
    pub bootstrap: String,
    /// Folder of the built-in broker.
    pub data: String,
}

/// What the built-in broker is to be; `None` where another cluster is used.
pub fn broker_config(config: &WorkerConfig) -> Result<Option<BrokerConfig>, Failure> {
    if config.bootstrap_servers().is_some() {
        return Ok(None);
    }
    let mut settings: BTreeMap<String, String> =
        config.broker_settings().into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
    for (key, value) in
        [("listeners", BROKER_LISTENERS), ("group.initial.rebalance.delay.ms", "0"), ("log.dirs", BROKER_DATA)]
    {
        if !(key == "log.dirs" && settings.contains_key("log.dir")) {
            settings.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let read = BrokerConfig::from_properties(&settings).map_err(|error| {
        Failure::new(SETUP, format!("start the built-in broker (keys begin with \"broker.\"): {}", ErrorChain(&error)))
    })?;
    Ok(Some(read))
}

impl Kafka {
    /// Starts the built-in broker, or finds out whether the other cluster has an address.
    pub async fn open(config: &WorkerConfig, metrics: &Metrics) -> Result<Self, Failure> {
        let Some(mut broker) = broker_config(config)? else {
            let servers = config.bootstrap_servers().unwrap_or_default();
            let bootstrap = servers.join(",");
            look_up(&servers).await?;
            return Ok(Self { broker: None, dial: Arc::new(TcpDial), bootstrap, data: String::new() });
        };
        broker.metrics = metrics.clone();
        let data = broker.data_dir.display().to_string();
        let broker = Broker::start(broker).await.map_err(|error| {
            Failure::new(
                SETUP,
                format!("start the built-in broker (keys begin with \"broker.\"): {}", ErrorChain(&error)),
            )
        })?;
        let broker = Arc::new(broker);
        let dial = Arc::new(EmbeddedDial(Arc::downgrade(&broker)));
        // The address is only a name: every dial leads to the broker in this process.
        let bootstrap = broker.embedded_address();
        Ok(Self { broker: Some(broker), dial, bootstrap, data })
    }

    /// Stops the built-in broker after everything that used it.
    pub async fn close(self) {
        let Some(broker) = self.broker else { return };
        drop(self.dial);
        match Arc::try_unwrap(broker) {
            Ok(broker) => {
                if let Err(failure) = broker.shutdown().await {
                    error!("stop the built-in broker: {}", ErrorChain(&failure));
                }
            }
            // Only a dial under way holds it besides us, for a moment; its data is safe either way.
            Err(_) => warn!("the built-in broker is still in use and ends with the process"),
        }
    }
}

/// As in Connect, a start without a host that is known ends at once.
async fn look_up(servers: &[String]) -> Result<(), Failure> {
    // What is no address is refused with the other client settings.
    let addresses: Vec<HostPort> = servers.iter().filter_map(|server| HostPort::parse(server).ok()).collect();
    TcpDial::look_up(&addresses).await.map_err(|error| {
        let hint = "check bootstrap.servers, or remove it to use the built-in broker";
        Failure::new(
            SETUP,
            format!("no host in bootstrap.servers={} is known: {}; {hint}", servers.join(","), ErrorChain(&error)),
        )
    })
}

/// What is broken in a built-in broker; nothing once it is gone.
pub fn health_of(broker: &Arc<Broker>) -> HealthCheck {
    let broker = Arc::downgrade(broker);
    Arc::new(move || broker.upgrade().map(|broker| broker.health()).unwrap_or_default())
}
