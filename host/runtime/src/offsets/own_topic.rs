//! Offsets of a connector that keeps them in a topic of its own (`offsets.storage.topic`), beside those of the worker.
//!
//! What was stored before the connector had a topic is found in the worker's; what it stores now is copied there, so that
//! it can go back. Its own topic is always right where both know something.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use millstream_config::{ConfigMap, connector_key_names};
use millstream_connector::Failure;
use millstream_record::{ErrorChain, TopicName};

use super::{OffsetStore, OffsetStoreError};

/// Opens the topics that connectors name.
#[async_trait]
pub trait OffsetTopics: Send + Sync {
    /// The offsets in a topic (the worker's own unless named), read to its end, with the clients that the connector's
    /// configuration asks for. `committed_only`: whatever that says, those of transactions only once they are committed.
    ///
    /// # Errors
    ///
    /// The topic cannot be used.
    async fn open(
        &self,
        topic: Option<&str>,
        connector: &ConfigMap,
        committed_only: bool,
    ) -> Result<OwnOffsets, Failure>;
}

/// The offsets topic of one connector.
pub struct OwnOffsets {
    /// What is in it.
    pub store: Arc<dyn OffsetStore>,
    /// The topic.
    pub topic: TopicName,
    /// Whether it is the worker's own topic on the worker's own cluster.
    pub is_workers: bool,
}

impl OwnOffsets {
    /// What a connector reads: its own offsets, and the worker's where it has none.
    pub(crate) fn over(&self, worker: &Arc<dyn OffsetStore>) -> Arc<dyn OffsetStore> {
        if self.is_workers {
            return Arc::clone(&self.store);
        }
        Arc::new(OwnAndWorker { own: Arc::clone(&self.store), worker: Arc::clone(worker) })
    }
}

/// Where the offsets of a source connector are: in the worker's store, or in its own topic, too. Under exactly-once every
/// connector reads by itself, and only what is committed.
///
/// # Errors
///
/// Its topic cannot be used.
pub(crate) async fn store_of(
    topics: Option<&Arc<dyn OffsetTopics>>,
    worker: &Arc<dyn OffsetStore>,
    connector: &ConfigMap,
    exactly_once: bool,
) -> Result<Arc<dyn OffsetStore>, Failure> {
    let topic = topic_of(connector);
    match topics {
        Some(topics) if exactly_once || topic.is_some() => {
            Ok(topics.open(topic, connector, exactly_once).await?.over(worker))
        }
        // As in Connect, a worker by itself takes no notice of the key.
        _ => Ok(Arc::clone(worker)),
    }
}

/// The topic in which a connector keeps its offsets exactly once: its own, or the worker's.
///
/// # Errors
///
/// It cannot be used.
pub(crate) async fn open_own(topics: &dyn OffsetTopics, connector: &ConfigMap) -> Result<OwnOffsets, Failure> {
    topics.open(topic_of(connector), connector, true).await
}

fn topic_of(connector: &ConfigMap) -> Option<&str> {
    let key = connector_key_names::OFFSETS_TOPIC.name();
    connector.get(key).and_then(Option::as_deref).map(str::trim).filter(|topic| !topic.is_empty())
}

/// A connector's own store over the worker's.
struct OwnAndWorker {
    own: Arc<dyn OffsetStore>,
    worker: Arc<dyn OffsetStore>,
}

#[async_trait]
impl OffsetStore for OwnAndWorker {
    async fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        let (own, worker) =
            tokio::try_join!(self.own.read(connector, partitions), self.worker.read(connector, partitions))?;
        Ok(own.into_iter().zip(worker).map(|(own, worker)| own.or(worker)).collect())
    }

    async fn write(&self, connector: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
        let (resets, set): (Vec<_>, Vec<_>) = offsets.iter().cloned().partition(|(_, offset)| offset.is_none());
        if !resets.is_empty() {
            // Left in the worker's store they would come back as soon as they are gone from the other.
            self.worker.write(connector, resets).await?;
        }
        self.own.write(connector, offsets).await?;
        if !set.is_empty()
            && let Err(error) = self.worker.write(connector, set).await
        {
            tracing::warn!(connector, error = %ErrorChain(&error), "offsets are in the connector's own topic, and were not copied to the worker's");
        }
        Ok(())
    }

    async fn list(&self, connector: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
        let (own, worker) = tokio::try_join!(self.own.list(connector), self.worker.list(connector))?;
        // By a form that does not depend on who wrote the partition.
        let sorted = |partition: &str| super::json::stored_key("", partition, true);
        let mut all = BTreeMap::new();
        for (partition, offset) in worker.into_iter().chain(own) {
            all.insert(sorted(&partition)?, (partition, offset));
        }
        Ok(all.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[derive(Default)]
    struct Memory {
        stored: Mutex<BTreeMap<String, Option<String>>>,
        fails: AtomicBool,
    }

    #[async_trait]
    impl OffsetStore for Memory {
        async fn read(&self, _: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
            let stored = self.stored.lock().unwrap();
            Ok(partitions.iter().map(|partition| stored.get(partition).cloned().flatten()).collect())
        }

        async fn write(&self, _: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
            if self.fails.load(Ordering::Relaxed) {
                let source = std::io::Error::other("full");
                return Err(OffsetStoreError::Write { place: "memory".to_owned(), source });
            }
            let new = offsets.into_iter().map(|(partition, offset)| (partition.to_string(), offset));
            self.stored.lock().unwrap().extend(new);
            Ok(())
        }

        async fn list(&self, _: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
            let stored = self.stored.lock().unwrap();
            Ok(stored.iter().filter_map(|(partition, offset)| Some((partition.clone(), offset.clone()?))).collect())
        }
    }

    fn both() -> (Arc<Memory>, Arc<Memory>, OwnAndWorker) {
        let (own, worker) = (Arc::new(Memory::default()), Arc::new(Memory::default()));
        let both = OwnAndWorker { own: Arc::clone(&own) as _, worker: Arc::clone(&worker) as _ };
        (own, worker, both)
    }

    fn set(partition: &str, offset: Option<&str>) -> Vec<(Arc<str>, Option<String>)> {
        vec![(partition.into(), offset.map(str::to_owned))]
    }

    async fn read(store: &dyn OffsetStore, partition: &str) -> Option<String> {
        store.read("c", &[partition.to_owned()]).await.unwrap().remove(0)
    }

    #[tokio::test]
    async fn what_both_know_is_right_as_the_connectors_own_topic_has_it() {
        let (own, worker, both) = both();
        worker.write("c", set(r#"{"a":1,"b":2}"#, Some("1"))).await.unwrap();
        worker.write("c", set(r#"{"old":1}"#, Some("2"))).await.unwrap();
        own.write("c", set(r#"{"b":2,"a":1}"#, Some("3"))).await.unwrap();
        assert_eq!(read(&both, r#"{"old":1}"#).await.as_deref(), Some("2"));
        assert_eq!(read(&both, r#"{"b":2,"a":1}"#).await.as_deref(), Some("3"));
        let mut listed = both.list("c").await.unwrap();
        listed.sort();
        let expected = [(r#"{"b":2,"a":1}"#, "3"), (r#"{"old":1}"#, "2")];
        assert_eq!(listed, expected.map(|(partition, offset)| (partition.to_owned(), offset.to_owned())));
    }

    #[tokio::test]
    async fn offsets_are_copied_to_the_worker_if_that_can_be_and_resets_must_reach_it_first() {
        let (own, worker, both) = both();
        both.write("c", set("{}", Some("1"))).await.unwrap();
        assert_eq!((read(&*own, "{}").await.as_deref(), read(&*worker, "{}").await.as_deref()), (Some("1"), Some("1")));
        worker.fails.store(true, Ordering::Relaxed);
        both.write("c", set("{}", Some("2"))).await.unwrap();
        assert_eq!((read(&*own, "{}").await.as_deref(), read(&*worker, "{}").await.as_deref()), (Some("2"), Some("1")));
        assert!(both.write("c", set("{}", None)).await.is_err());
        assert_eq!(read(&*own, "{}").await.as_deref(), Some("2"), "a reset that failed took half of its effect");
        worker.fails.store(false, Ordering::Relaxed);
        both.write("c", set("{}", None)).await.unwrap();
        assert_eq!(read(&both, "{}").await, None);
        own.fails.store(true, Ordering::Relaxed);
        assert!(both.write("c", set("{}", Some("3"))).await.is_err());
        assert_eq!(read(&*worker, "{}").await, None, "the worker's store is ahead of the connector's");
    }
}
