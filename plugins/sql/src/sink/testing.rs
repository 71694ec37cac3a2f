//! What tests of the sink share.

use millstream_sdk::config::ConfigMap;

use super::{keys::confluent, settings::Settings};
use crate::family::FamilySettings;

/// Settings with some keys set, for a database that is not asked.
pub fn settings(entries: &[(&str, &str)]) -> Settings {
    let mut config = ConfigMap::from([("connection.url", "jdbc:postgresql://h/d"), ("name", "c")]);
    entries.iter().for_each(|(key, value)| config.set(*key, Some((*value).to_owned())));
    let values = confluent().parse(&config).unwrap_or_else(|error| panic!("{error}"));
    Settings::read(&values, false).unwrap_or_else(|error| panic!("{error}"))
}
