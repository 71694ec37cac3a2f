//! The topics of the broker: looked up by name or id, changed one at a time, each change on disk before it shows.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, PoisonError, RwLock},
};

use millstream_log::checkpoint::CheckpointError;
use millstream_record::{Chain, TopicName};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    checkpoints::Checkpoints,
    config::{
        BrokerConfig,
        topic::{Overrides, TopicConfig},
    },
    error_code::ErrorCode,
    groups::{self, OFFSETS_TOPIC},
    partition::{Partition, PartitionHome},
    storage::{
        catalogue::{Catalogue, CatalogueError, TopicEntry},
        topic_id,
    },
};

/// Name of the topic that a later release keeps transactions in.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

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
}

impl Topic {
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
        [OFFSETS_TOPIC, TRANSACTIONS_TOPIC].contains(&self.name.as_str())
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
    /// The thread that writes ended early.
    #[error("write the catalogue of topics")]
    Interrupted {
        /// How it ended.
        source: io::Error,
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
            Self::Catalogue { .. } | Self::Interrupted { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// All topics.
#[derive(Debug)]
pub struct Topics {
    home: Arc<PartitionHome>,
    given: BTreeMap<String, String>,
    offsets_partitions: i32,
    checkpoints: Arc<Checkpoints>,
    /// Held while a change is decided and written.
    changing: tokio::sync::Mutex<()>,
    registry: RwLock<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
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
            let entry =
                TopicEntry { id: topic.id, partitions: topic.partition_count(), overrides: topic.overrides.clone() };
            (topic.name.clone(), entry)
        };
        Catalogue { leader_epoch: self.leader_epoch, topics: self.by_name.values().map(entry).collect() }
    }
}

impl Topics {
    /// The topics of a catalogue, their partitions not opened yet.
    pub fn new(home: Arc<PartitionHome>, config: &BrokerConfig, catalogue: Catalogue) -> Self {
        let topics = Self {
            checkpoints: Arc::new(Checkpoints::new(home.data_dir.path().to_owned())),
            home,
            given: config.given.clone(),
            offsets_partitions: config.offsets_partitions,
            changing: tokio::sync::Mutex::new(()),
            registry: RwLock::new(Registry { leader_epoch: catalogue.leader_epoch, ..Registry::default() }),
        };
        for (name, entry) in catalogue.topics {
            let topic = topics.build(&name, entry, &[]);
            topics.write().insert(topic);
        }
        topics
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

    /// The partition that holds a group's records; `None` before the first use of groups.
    pub fn offsets_partition(&self, group: &str) -> Option<Arc<Partition>> {
        let topic = self.get(OFFSETS_TOPIC)?;
        topic.partition(groups::partition_of(group, topic.partition_count())).cloned()
    }

    /// Makes the topic of groups and offsets unless it exists.
    ///
    /// # Errors
    ///
    /// The catalogue cannot be written.
    pub async fn ensure_offsets_topic(&self) -> Result<(), CreateTopicError> {
        if self.get(OFFSETS_TOPIC).is_some() {
            return Ok(());
        }
        let segment_bytes = self.given.get("offsets.topic.segment.bytes").map_or("104857600", String::as_str);
        let pairs = [("cleanup.policy", "compact"), ("compression.type", "producer"), ("segment.bytes", segment_bytes)];
        let overrides = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let name = TopicName::parse(OFFSETS_TOPIC).expect("the name is a legal one");
        match self.create(NewTopic { name, partitions: self.offsets_partitions, overrides }).await {
            Ok(_) | Err(ChangeTopicError::Exists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes how far each partition is on stable storage, and where it starts. Blocks.
    ///
    /// # Errors
    ///
    /// The old checkpoints stay, which are true still.
    pub fn write_checkpoints(&self) -> Result<(), CheckpointError> {
        self.checkpoints.write(&self.all())
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
    pub async fn create(&self, new: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let _changing = self.changing.lock().await;
        self.check_new(&new.name)?;
        let mut catalogue = self.read().catalogue();
        let entry = TopicEntry { id: topic_id::draw(), partitions: new.partitions, overrides: new.overrides };
        catalogue.topics.insert(new.name.clone(), entry.clone());
        self.store(catalogue).await?;
        let topic = self.build(&new.name, entry, &[]);
        self.write().insert(Arc::clone(&topic));
        info!(topic = %new.name, partitions = new.partitions, "topic created");
        Ok(topic)
    }

    /// Deletes a topic: its name is free, and whoever waits on its partitions is told, when this returns.
    ///
    /// # Errors
    ///
    /// The topic is still there.
    pub async fn delete(&self, name: &TopicName) -> Result<(), ChangeTopicError> {
        let _changing = self.changing.lock().await;
        let topic = self.get(name.as_str()).ok_or_else(|| ChangeTopicError::Unknown { name: name.clone() })?;
        let mut catalogue = self.read().catalogue();
        catalogue.topics.remove(name);
        self.store(catalogue).await?;
        {
            let mut registry = self.write();
            registry.by_name.remove(name);
            registry.by_id.remove(&topic.id);
        }
        // The folders must be out of the way before a topic of the same name can be made.
        let (partitions, checkpoints, others) = (topic.partitions.clone(), Arc::clone(&self.checkpoints), self.all());
        let moved = tokio::task::spawn_blocking(move || {
            partitions.iter().for_each(|partition| partition.delete());
            // Nor may its checkpoints be taken for those of the new topic.
            checkpoints.write(&others)
        });
        match moved.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(topic = %name, error = %Chain(&error), "checkpoints could not be written"),
            Err(error) => warn!(topic = %name, %error, "the files of a deleted topic may be left over"),
        }
        info!(topic = %name, "topic deleted");
        Ok(())
    }

    /// Raises the number of partitions.
    ///
    /// # Errors
    ///
    /// The number stays.
    pub async fn set_partition_count(&self, name: &TopicName, count: i32) -> Result<(), ChangeTopicError> {
        self.alter(name, |entry| entry.partitions = count.max(entry.partitions)).await
    }

    /// Replaces the topic's own configuration, with effect from now on.
    ///
    /// # Errors
    ///
    /// The configuration stays.
    pub async fn set_overrides(&self, name: &TopicName, overrides: Overrides) -> Result<(), ChangeTopicError> {
        self.alter(name, |entry| entry.overrides = overrides).await
    }

    async fn alter(&self, name: &TopicName, change: impl FnOnce(&mut TopicEntry)) -> Result<(), ChangeTopicError> {
        let _changing = self.changing.lock().await;
        let unknown = || ChangeTopicError::Unknown { name: name.clone() };
        let before = self.get(name.as_str()).ok_or_else(unknown)?;
        let mut catalogue = self.read().catalogue();
        let entry = catalogue.topics.get_mut(name).ok_or_else(unknown)?;
        change(entry);
        let entry = entry.clone();
        self.store(catalogue).await?;
        let topic = self.build(name, entry, &before.partitions);
        for partition in &topic.partitions {
            partition.set_config(Arc::clone(&topic.config));
        }
        self.write().insert(topic);
        Ok(())
    }

    async fn store(&self, catalogue: Catalogue) -> Result<(), ChangeTopicError> {
        let dir = self.home.data_dir.path().to_owned();
        let stored = tokio::task::spawn_blocking(move || catalogue.store(&dir)).await;
        let stored = stored.map_err(|error| ChangeTopicError::Interrupted { source: io::Error::other(error) })?;
        if let Err(error) = &stored {
            warn!(error = %Chain(error), "the catalogue of topics stays as it was");
        }
        Ok(stored?)
    }

    fn build(&self, name: &TopicName, entry: TopicEntry, existing: &[Arc<Partition>]) -> Arc<Topic> {
        let config = Arc::new(TopicConfig::resolve(&entry.overrides, &self.given));
        let leader_epoch = self.read().leader_epoch;
        let partition = |index: i32| match existing.get(index as usize) {
            Some(partition) => Arc::clone(partition),
            None => Partition::new(&self.home, name, entry.id, index, leader_epoch, Arc::clone(&config)),
        };
        let partitions = (0..entry.partitions).map(partition).collect();
        Arc::new(Topic { name: name.clone(), id: entry.id, overrides: entry.overrides, config, partitions })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}
