//! The topics of the broker: looked up by name or id, changed one at a time, each change on disk before it shows.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use millstream_log::checkpoint::CheckpointError;
use millstream_record::{ErrorChain, TopicName};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    changes::{Changes, Interrupted},
    checkpoints::{Checkpointed, Checkpoints},
    config::{
        BrokerConfig,
        keys::INTERNAL_SEGMENT,
        topic::{Overrides, TopicConfig},
    },
    dynamic::Dynamic,
    error_code::ErrorCode,
    internal_topics::{self, OFFSETS_TOPIC, TRANSACTIONS_TOPIC},
    io_threads::IoThreads,
    partition::{Partition, PartitionHome},
    storage::{
        catalogue::{Catalogue, CatalogueError, TopicEntry},
        data_dir::DataDir,
        topic_id,
    },
};

/// The catalogue, as the broker's health names it.
const CATALOGUE: &str = "the catalogue of topics";

/// A topic as it stands; a change makes a new value that shares the partitions.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub id: Uuid,
    /// Configuration of its own.
    pub overrides: Overrides,
    /// Configuration in effect.
    pub config: Arc<TopicConfig>,
    /// By number.
    pub partitions: Vec<Arc<Partition>>,
    /// Whether offsets that do not say the id of their topic can be this one's; see [`TopicEntry`].
    old_offsets: bool,
}

impl Topic {
    /// Whether an offset that was committed under the topic's name is this topic's, by the id in the commit.
    pub fn has_offset_of(&self, id: Option<Uuid>) -> bool {
        id.map_or(self.old_offsets, |id| id == self.id)
    }

    /// One partition; `None` for a number that does not exist.
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// Whether the topic is the broker's own.
    pub fn is_internal(&self) -> bool {
        internal_topics::is_internal(self.name.as_str())
    }
}

/// A topic that is to be made.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// At least one.
    pub partitions: i32,
    /// Checked against their declarations.
    pub overrides: Overrides,
}

/// Why topics were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeTopicError {
    /// The name is taken.
    #[error("topic '{name}' already exists")]
    Exists {
        /// The name.
        name: TopicName,
    },
    /// '.' and '_' are the same in names of metrics.
    #[error("topic '{name}' collides with the existing topic '{existing}': '.' and '_' count as the same")]
    Collides {
        /// The name.
        name: TopicName,
        /// The other name.
        existing: TopicName,
    },
    /// There is none of this name.
    #[error("topic '{name}' does not exist")]
    Unknown {
        /// The name.
        name: TopicName,
    },
    /// A setting was refused by the log.
    #[error("change the catalogue of topics")]
    Catalogue {
        /// What went wrong with the file.
        #[from]
        source: CatalogueError,
    },
    /// Entries of a deleted topic of this name could not be taken out of the checkpoints.
    #[error("topic '{name}' cannot be made while the checkpoints still name a deleted topic of this name")]
    Lingering {
        /// The name.
        name: TopicName,
        /// Why they are still there.
        source: CheckpointError,
    },
    /// The change ended in a panic.
    #[error("change the topics")]
    Interrupted {
        /// How it ended.
        #[from]
        source: Interrupted,
    },
}

/// Why a topic was not made.
pub type CreateTopicError = ChangeTopicError;

impl ChangeTopicError {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Exists { .. } => ErrorCode::TOPIC_ALREADY_EXISTS,
            Self::Collides { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
            Self::Unknown { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::Catalogue { .. } | Self::Lingering { .. } | Self::Interrupted { .. } => {
                ErrorCode::KAFKA_STORAGE_ERROR
            }
        }
    }
}

/// Drops what others keep under the name of a deleted topic.
pub type Forget = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All topics.
///
/// A change is written to disk and then shown, in a task of its own that holds the one lock for changes: dropping
/// the future that asked for it, at whatever moment, tears nothing.
pub struct Topics {
    home: Arc<PartitionHome>,
    dynamic: Arc<Dynamic>,
    offsets_partitions: i32,
    transactions_partitions: i32,
    checkpoints: Arc<Checkpoints>,
    changes: Changes,
    /// Whether the catalogue on disk may be another than the one in effect.
    catalogue_uncertain: AtomicBool,
    /// Names of deleted topics whose files and entries are being removed.
    leaving: Mutex<HashMap<TopicName, CancellationToken>>,
    /// Held while a change is decided, written and shown.
    changing: tokio::sync::Mutex<()>,
    /// Replaced as a whole, so that no reader ever sees half a change.
    registry: RwLock<Arc<Registry>>,
}

#[derive(Clone, Debug, Default)]
struct Registry {
    /// Counts changes.
    version: u64,
    leader_epoch: i32,
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Registry {
    fn insert(&mut self, topic: Arc<Topic>) {
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(topic.name.clone(), topic);
    }

    fn catalogue(&self) -> Catalogue {
        let entry = |topic: &Arc<Topic>| {
            let entry = TopicEntry {
                id: topic.id,
                partitions: topic.partition_count(),
                overrides: topic.overrides.clone(),
                old_offsets: topic.old_offsets,
            };
            (topic.name.clone(), entry)
        };
        Catalogue { leader_epoch: self.leader_epoch, topics: self.by_name.values().map(entry).collect() }
    }
}

impl Topics {
    /// The topics of a catalogue, their partitions not opened yet.
    pub fn new(
        home: Arc<PartitionHome>,
        config: &BrokerConfig,
        dynamic: Arc<Dynamic>,
        catalogue: Catalogue,
        checkpoints: Checkpoints,
        changes: Changes,
    ) -> Arc<Self> {
        let topics = Self {
            checkpoints: Arc::new(checkpoints),
            home,
            dynamic,
            offsets_partitions: config.offsets_partitions,
            transactions_partitions: config.transactions_partitions,
            changes,
            catalogue_uncertain: AtomicBool::new(false),
            leaving: Mutex::default(),
            changing: tokio::sync::Mutex::new(()),
            registry: RwLock::default(),
        };
        let mut registry = Registry { leader_epoch: catalogue.leader_epoch, ..Registry::default() };
        for (name, entry) in catalogue.topics {
            registry.insert(topics.build(&name, entry, &[], catalogue.leader_epoch));
        }
        topics.show(registry);
        Arc::new(topics)
    }

    /// The broker's settings, and those that were changed while it runs.
    pub fn dynamic(&self) -> &Dynamic {
        &self.dynamic
    }

    /// Puts the broker's settings as they are now into effect on every topic.
    pub async fn reconfigure(&self) {
        let _changing = self.changing.lock().await;
        let mut registry = self.snapshot();
        let before: Vec<Arc<Topic>> = registry.by_name.values().cloned().collect();
        for topic in before {
            let (partitions, overrides) = (topic.partition_count(), topic.overrides.clone());
            let entry = TopicEntry { id: topic.id, partitions, overrides, old_offsets: topic.old_offsets };
            let topic = self.build(&topic.name, entry, &topic.partitions, registry.leader_epoch);
            for partition in &topic.partitions {
                partition.set_config(Arc::clone(&topic.config));
            }
            registry.insert(topic);
        }
        self.show(registry);
    }

    /// The threads that wait for the disk.
    pub fn threads(&self) -> &IoThreads {
        &self.home.threads
    }

    /// A topic by name.
    pub fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    /// A topic by id.
    pub fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.read().by_id.get(&id).cloned()
    }

    /// Every topic, in the order of names.
    pub fn all(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().cloned().collect()
    }

    /// Every partition, in the order of names and numbers.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.read().by_name.values().flat_map(|topic| topic.partitions.iter().cloned()).collect()
    }

    /// The partition that holds a group's records; `None` before the first use of groups.
    pub fn offsets_partition(&self, group: &str) -> Option<Arc<Partition>> {
        let topic = self.get(OFFSETS_TOPIC)?;
        topic.partition(internal_topics::partition_of(group, topic.partition_count())).cloned()
    }

    /// Makes the topic of groups and offsets unless it exists.
    ///
    /// # Errors
    ///
    /// The catalogue cannot be written.
    pub async fn ensure_offsets_topic(self: &Arc<Self>) -> Result<(), CreateTopicError> {
        let settings = [("cleanup.policy", "compact"), ("compression.type", "producer")];
        self.ensure_internal(OFFSETS_TOPIC, self.offsets_partitions, &settings, "offsets.topic.segment.bytes").await
    }

    /// The partition that holds a transactional id's records; `None` before the first use of transactions.
    pub fn transactions_partition(&self, id: &str) -> Option<Arc<Partition>> {
        let topic = self.get(TRANSACTIONS_TOPIC)?;
        topic.partition(internal_topics::partition_of(id, topic.partition_count())).cloned()
    }

    /// Makes the topic of transactions unless it exists.
    ///
    /// # Errors
    ///
    /// The catalogue cannot be written.
    pub async fn ensure_transactions_topic(self: &Arc<Self>) -> Result<(), CreateTopicError> {
        let settings = [
            ("cleanup.policy", "compact"),
            ("compression.type", "uncompressed"),
            ("unclean.leader.election.enable", "false"),
        ];
        let (partitions, segment_bytes) = (self.transactions_partitions, "transaction.state.log.segment.bytes");
        self.ensure_internal(TRANSACTIONS_TOPIC, partitions, &settings, segment_bytes).await
    }

    /// Makes one of the broker's own topics unless it exists; the size of its segments is a setting of the broker.
    async fn ensure_internal(
        self: &Arc<Self>,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
        segment_bytes: &str,
    ) -> Result<(), CreateTopicError> {
        if self.get(name).is_some() {
            return Ok(());
        }
        let layers = self.dynamic.layers();
        let segment_bytes = layers.get(segment_bytes).map_or(INTERNAL_SEGMENT, |(value, _)| value);
        let all = settings.iter().copied().chain([("segment.bytes", segment_bytes)]);
        let overrides = all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let name = TopicName::parse(name).expect("the name is a legal one");
        match self.create(NewTopic { name, partitions, overrides }).await {
            Ok(_) | Err(ChangeTopicError::Exists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What the checkpoints say of a partition.
    pub fn checkpoint(&self, topic: &TopicName, index: i32) -> Checkpointed {
        self.checkpoints.entry(topic, index)
    }

    /// Writes how far each partition is on stable storage, and where it starts; also the catalogue, where an earlier
    /// failure makes that necessary. Blocks.
    ///
    /// # Errors
    ///
    /// The old checkpoints stay, which are true still.
    pub fn write_checkpoints(&self) -> Result<(), CheckpointError> {
        if self.is_catalogue_uncertain() {
            self.repair_catalogue();
        }
        self.checkpoints.write(|| self.partitions(), None)
    }

    /// Whether the catalogue on disk may be another than the one in effect.
    pub fn is_catalogue_uncertain(&self) -> bool {
        self.catalogue_uncertain.load(Ordering::Acquire)
    }

    /// Whether a topic of this name could be made.
    ///
    /// # Errors
    ///
    /// It exists, or its name is too much like that of another.
    pub fn check_new(&self, name: &TopicName) -> Result<(), CreateTopicError> {
        let registry = self.read();
        if registry.by_name.contains_key(name) {
            return Err(ChangeTopicError::Exists { name: name.clone() });
        }
        if name.as_str().contains(['.', '_']) {
            let folded = name.as_str().replace('.', "_");
            let collides =
                |other: &&TopicName| other.as_str().len() == folded.len() && other.as_str().replace('.', "_") == folded;
            if let Some(existing) = registry.by_name.keys().find(collides) {
                return Err(ChangeTopicError::Collides { name: name.clone(), existing: existing.clone() });
            }
        }
        Ok(())
    }

    /// Makes a topic, which can be used when this returns. Its files are made when they are first written to.
    ///
    /// # Errors
    ///
    /// Nothing was made.
    pub async fn create(self: &Arc<Self>, new: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let topics = Arc::clone(self);
        self.changes.run("creating a topic", async move { topics.create_now(new).await }).await?
    }

    async fn create_now(self: &Arc<Self>, new: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let _changing = self.lock_to_make(&new.name).await;
        self.check_new(&new.name)?;
        if self.checkpoints.linger(&new.name) {
            let (topics, name) = (Arc::clone(self), new.name.clone());
            self.on_disk(move || topics.checkpoints.write(|| topics.partitions(), None))
                .await?
                .map_err(|source| ChangeTopicError::Lingering { name, source })?;
        }
        let mut registry = self.snapshot();
        let (partitions, overrides) = (new.partitions, new.overrides);
        let entry = TopicEntry { id: topic_id::draw(), partitions, overrides, old_offsets: false };
        let topic = self.build(&new.name, entry, &[], registry.leader_epoch);
        registry.insert(Arc::clone(&topic));
        self.store(registry.catalogue()).await?;
        self.show(registry);
        info!(topic = %new.name, partitions = new.partitions, "topic created");
        Ok(topic)
    }

    /// Deletes a topic: its name is free, and whoever waits on its partitions is told, when this returns.
    ///
    /// Once the topic is gone from disk and memory, and before its name is free, `forget` is waited for: it drops what
    /// others keep under that name.
    ///
    /// # Errors
    ///
    /// The topic is still there, or was deleted by somebody else.
    pub async fn delete(self: &Arc<Self>, topic: &Topic, forget: Forget) -> Result<(), ChangeTopicError> {
        let (topics, name, id) = (Arc::clone(self), topic.name.clone(), topic.id);
        self.changes.run("deleting a topic", async move { topics.delete_now(&name, id, forget).await }).await?
    }

    /// The lock for changes, once nothing that a deleted topic left is in the way of a new one of its name.
    async fn lock_to_make(&self, name: &TopicName) -> tokio::sync::MutexGuard<'_, ()> {
        loop {
            let changing = self.changing.lock().await;
            let leaving = self.leaving().get(name).cloned();
            let Some(left) = leaving else { return changing };
            drop(changing);
            left.cancelled().await;
        }
    }

    fn leaving(&self) -> std::sync::MutexGuard<'_, HashMap<TopicName, CancellationToken>> {
        // Each change of it is one call.
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn delete_now(self: &Arc<Self>, name: &TopicName, id: Uuid, forget: Forget) -> Result<(), ChangeTopicError> {
        let changing = self.changing.lock().await;
        let topic = self.known(name, id)?;
        let mut registry = self.snapshot();
        registry.by_name.remove(name);
        registry.by_id.remove(&id);
        self.store(registry.catalogue()).await?;
        self.show(registry);
        topic.partitions.iter().for_each(|partition| partition.take_out_of_use());
        self.leaving().insert(name.clone(), CancellationToken::new());
        let _leaving = Leaving { topics: self, name };
        // The rest may wait for a disk that stalls, which other topics must not.
        drop(changing);
        forget.await;
        self.remove_files(&topic).await;
        info!(topic = %name, "topic deleted");
        Ok(())
    }

    /// Takes the files of a deleted topic out of the way of a new one of its name, and its entries out of the
    /// checkpoints first.
    async fn remove_files(self: &Arc<Self>, topic: &Topic) {
        let (topics, gone) = (Arc::clone(self), topic.name.clone());
        match self.on_disk(move || topics.checkpoints.write(|| topics.partitions(), Some(&gone))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(topic = %topic.name, error = %ErrorChain(&error), "the checkpoints still name a deleted topic");
            }
            Err(error) => warn!(topic = %topic.name, error = %ErrorChain(&error), "the checkpoints were not written"),
        }
        let moved: Vec<_> =
            topic.partitions.iter().map(|partition| partition.submit(|partition| partition.set_aside())).collect();
        let mut doomed = Vec::new();
        for (partition, moved) in topic.partitions.iter().zip(moved) {
            match moved.await {
                Ok(Ok(folder)) => doomed.extend(folder),
                Ok(Err(error)) => {
                    warn!(partition = %partition.name(), %error, "the files of a deleted partition are left over");
                }
                Err(error) => {
                    let error = ErrorChain(&error);
                    warn!(partition = %partition.name(), %error, "the files of a deleted partition are left over");
                }
            }
        }
        let data_dir = Arc::clone(&self.home.data_dir);
        let removed = self.on_disk(move || {
            let disk = data_dir.disk();
            // Before anything is removed: a crash must not bring back the name of a folder with half its files.
            if let Err(error) = disk.sync_dir(data_dir.path()) {
                warn!(%error, "the files of a deleted topic may come back after a power failure, to be moved aside then");
            }
            for folder in doomed {
                if let Err(error) = disk.remove_dir_all(&folder) {
                    warn!(folder = %folder.display(), %error, "a deleted partition could not be removed");
                }
            }
        });
        if let Err(error) = removed.await {
            warn!(topic = %topic.name, error = %ErrorChain(&error), "the files of a deleted topic may be left over");
        }
    }

    /// Raises the number of partitions.
    ///
    /// # Errors
    ///
    /// The number stays.
    pub async fn set_partition_count(self: &Arc<Self>, topic: &Topic, count: i32) -> Result<(), ChangeTopicError> {
        let raise = move |entry: &mut TopicEntry| {
            entry.partitions = count.max(entry.partitions);
            Ok::<(), Infallible>(())
        };
        self.alter(topic, raise).await?.unwrap_or_else(|never| match never {});
        Ok(())
    }

    /// Replaces the topic's own configuration by what `change` makes of it, with effect from now on. No other change
    /// comes in between.
    ///
    /// # Errors
    ///
    /// The configuration stays: it could not be changed, or, as the inner error, `change` refused to.
    pub async fn set_overrides<R: Send + 'static>(
        self: &Arc<Self>,
        topic: &Topic,
        change: impl FnOnce(&Overrides) -> Result<Overrides, R> + Send + 'static,
    ) -> Result<Result<(), R>, ChangeTopicError> {
        let replace = move |entry: &mut TopicEntry| {
            entry.overrides = change(&entry.overrides)?;
            Ok(())
        };
        self.alter(topic, replace).await
    }

    async fn alter<R: Send + 'static>(
        self: &Arc<Self>,
        topic: &Topic,
        change: impl FnOnce(&mut TopicEntry) -> Result<(), R> + Send + 'static,
    ) -> Result<Result<(), R>, ChangeTopicError> {
        let (topics, name, id) = (Arc::clone(self), topic.name.clone(), topic.id);
        self.changes.run("altering a topic", async move { topics.alter_now(&name, id, change).await }).await?
    }

    async fn alter_now<R>(
        self: &Arc<Self>,
        name: &TopicName,
        id: Uuid,
        change: impl FnOnce(&mut TopicEntry) -> Result<(), R>,
    ) -> Result<Result<(), R>, ChangeTopicError> {
        let _changing = self.changing.lock().await;
        let before = self.known(name, id)?;
        let (partitions, overrides) = (before.partition_count(), before.overrides.clone());
        let mut entry = TopicEntry { id, partitions, overrides, old_offsets: before.old_offsets };
        if let Err(refused) = change(&mut entry) {
            return Ok(Err(refused));
        }
        let mut registry = self.snapshot();
        let topic = self.build(name, entry, &before.partitions, registry.leader_epoch);
        registry.insert(Arc::clone(&topic));
        self.store(registry.catalogue()).await?;
        self.show(registry);
        for partition in &topic.partitions {
            partition.set_config(Arc::clone(&topic.config));
        }
        Ok(Ok(()))
    }

    /// The topic of this name, if it still is the one that a change is meant for.
    fn known(&self, name: &TopicName, id: Uuid) -> Result<Arc<Topic>, ChangeTopicError> {
        let found = self.get(name.as_str()).filter(|topic| topic.id == id);
        found.ok_or_else(|| ChangeTopicError::Unknown { name: name.clone() })
    }

    async fn store(&self, catalogue: Catalogue) -> Result<(), ChangeTopicError> {
        let data_dir = Arc::clone(&self.home.data_dir);
        let before = self.snapshot().catalogue();
        let stored = self.on_disk(move || replace_catalogue(&data_dir, &catalogue, &before)).await?;
        self.note_catalogue(stored.as_ref().err().is_none_or(|(_, put_back)| put_back.is_ok()));
        stored.map_err(|(error, _)| {
            warn!(error = %ErrorChain(&error), "the catalogue of topics stays as it was");
            error.into()
        })
    }

    /// Notes whether the catalogue on disk is the one in effect.
    fn note_catalogue(&self, certain: bool) {
        self.catalogue_uncertain.store(!certain, Ordering::Release);
        if certain {
            self.home.health.clear(CATALOGUE);
        } else {
            let reason = "what is on disk may not be what is in effect; it is written again before the next start";
            self.home.health.report(CATALOGUE, reason);
        }
    }

    /// Writes the catalogue again after a failure that left uncertain what is on disk. Blocks.
    fn repair_catalogue(&self) {
        let _changing = self.changing.blocking_lock();
        if self.is_catalogue_uncertain() {
            let written = self.snapshot().catalogue().store(&**self.home.data_dir.disk(), self.home.data_dir.path());
            self.note_catalogue(written.is_ok());
        }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ChangeTopicError> {
        let done = tokio::task::spawn_blocking(work).await;
        Ok(done.map_err(|error| Interrupted::new("writing the topics to disk", error.to_string()))?)
    }

    fn build(&self, name: &TopicName, entry: TopicEntry, existing: &[Arc<Partition>], leader_epoch: i32) -> Arc<Topic> {
        let config = Arc::new(TopicConfig::resolve(&entry.overrides, &self.dynamic.layers()));
        let partition = |index: i32| match existing.get(index as usize) {
            Some(partition) => Arc::clone(partition),
            None => Partition::new(&self.home, name, entry.id, index, leader_epoch, Arc::clone(&config)),
        };
        let partitions = (0..entry.partitions).map(partition).collect();
        let TopicEntry { id, overrides, old_offsets, .. } = entry;
        Arc::new(Topic { name: name.clone(), id, overrides, config, partitions, old_offsets })
    }

    fn snapshot(&self) -> Registry {
        self.read().as_ref().clone()
    }

    /// Changes with every change of any topic.
    pub fn version(&self) -> u64 {
        self.read().version
    }

    fn show(&self, mut registry: Registry) {
        registry.version += 1;
        // Replaced as a whole: a panic elsewhere cannot have left half a value behind.
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Arc<Registry>> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A deleted topic of which something is left. When this is dropped, its name may be used again.
struct Leaving<'a> {
    topics: &'a Topics,
    name: &'a TopicName,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(left) = self.topics.leaving().remove(self.name) {
            left.cancel();
        }
    }
}

/// Replaces the catalogue on disk. A replacement that fails may all the same have come into effect, so the old one,
/// with which memory goes on, is put back; the second result says whether it was.
fn replace_catalogue(
    data_dir: &DataDir,
    next: &Catalogue,
    before: &Catalogue,
) -> Result<(), (CatalogueError, Result<(), CatalogueError>)> {
    let (disk, dir) = (&**data_dir.disk(), data_dir.path());
    next.store(disk, dir).map_err(|error| (error, before.store(disk, dir)))
}
