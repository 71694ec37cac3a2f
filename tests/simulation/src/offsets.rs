//! An offset store that fails, is slow, and may or may not have stored what nobody waited for.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure};
use millstream_record::TopicName;
use millstream_runtime::offsets::{OffsetStore, OffsetStoreError, OffsetTopics, OwnOffsets};

use crate::{World, plan::Fault};

/// The topic of offsets, of which the world knows what was committed.
pub const OFFSETS: &str = "offsets";

#[async_trait]
impl OffsetTopics for World {
    async fn open(&self, _: Option<&str>, _: &ConfigMap, committed_only: bool) -> Result<OwnOffsets, Failure> {
        self.lag(50).await;
        if !committed_only {
            self.state().history.violated("offsets are read that are not committed");
        }
        let topic = TopicName::parse(OFFSETS).map_err(|error| Failure::new(ErrorKind::Fatal, "", error.to_string()))?;
        Ok(OwnOffsets { store: Arc::new(self.clone()), topic, is_workers: true })
    }
}

impl World {
    /// The stored position of a source partition.
    pub fn stored(&self, connector: &str, partition: &str) -> i64 {
        let state = self.state();
        let stored = state.stored.get(&(connector.to_owned(), format!("{{\"file\":\"{partition}\"}}")));
        stored.map_or(0, |offset| number_in(offset))
    }
}

/// The only number of a JSON object.
pub fn number_in(json: &str) -> i64 {
    json.chars().filter(|c| c.is_ascii_digit() || *c == '-').collect::<String>().parse().unwrap_or(i64::MIN)
}

fn failed(text: String) -> OffsetStoreError {
    OffsetStoreError::Write { place: "the store".to_owned(), source: std::io::Error::other(text) }
}

#[async_trait]
impl OffsetStore for World {
    async fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        self.connected().await;
        self.lag(50).await;
        if let Some(text) = self.fault(connector, Fault::StoreReadFails) {
            return Err(failed(text));
        }
        let state = self.state();
        let stored = |partition: &String| state.stored.get(&(connector.to_owned(), partition.clone())).cloned();
        Ok(partitions.iter().map(stored).collect())
    }

    async fn write(&self, connector: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
        self.lag(50).await;
        if self.fault(connector, Fault::StoreSlow).is_some() {
            self.sleep(10_000).await;
        }
        if let Some(text) = self.fault(connector, Fault::StoreFails) {
            return Err(failed(text));
        }
        self.connected().await;
        {
            let mut state = self.state();
            let mut offsets = offsets;
            // The worker keeps them by hash, and a seed must replay.
            offsets.sort();
            for (partition, offset) in offsets {
                let offset = offset.unwrap_or_default();
                let name = partition.trim_start_matches("{\"file\":\"").trim_end_matches("\"}");
                state.history.stored(connector, name, number_in(&offset));
                state.stored.insert((connector.to_owned(), partition.to_string()), offset);
            }
        }
        // Stored, whether anybody hears of it or not.
        self.lag(50).await;
        Ok(())
    }

    async fn list(&self, connector: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
        let state = self.state();
        let own = state.stored.iter().filter(|((name, _), _)| name == connector);
        Ok(own.map(|((_, partition), offset)| (partition.clone(), offset.clone())).collect())
    }
}
