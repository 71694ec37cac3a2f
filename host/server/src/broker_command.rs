//! `millstream broker`: the built-in broker by itself.

use std::{collections::BTreeMap, path::Path};

use millstream_broker::{Broker, BrokerConfig};
use tracing::info;

use crate::{
    bootstrap::read_properties,
    exit::{Failure, SETUP, START, USAGE},
    signals::Signals,
};

/// Runs until a signal comes.
pub async fn run(file: Option<&Path>, overrides: &[String]) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::of(SETUP, &error))?;
    let mut properties: BTreeMap<String, String> = match file {
        Some(file) => read_properties(file)?.into_iter().collect(),
        None => BTreeMap::new(),
    };
    for setting in overrides {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::new(USAGE, format!("--override {setting}: write it as KEY=VALUE")))?;
        properties.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    let config = BrokerConfig::from_properties(&properties).map_err(|error| Failure::of(SETUP, &error))?;
    let folder = config.data_dir.display().to_string();
    let started = async { Broker::start(config).await.map_err(|error| Failure::of(START, &error)) };
    let broker = match signals.during(started).await {
        Ok(broker) => broker,
        Err(ended) => return ended.result(),
    };
    for address in broker.listen_addresses() {
        println!("Broker ready on {address}, data in {folder}");
    }
    let signal = signals.wait().await;
    info!("{signal}: stopping the broker");
    broker.shutdown().await.map_err(|error| Failure::of(USAGE, &error))
}
