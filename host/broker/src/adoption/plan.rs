//! Whether a partition can be taken: a look at its folder, which changes nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_disk::Disk;
use millstream_log::{OpenMode, RepairError, checkpoint, plan_repair};
use millstream_record::TopicName;
use uuid::Uuid;

use super::AdoptError;
use crate::{
    checkpoints::{Checkpointed, Checkpoints},
    config::topic::{Overrides, read_override},
    internal_topics::is_internal,
    recovery::{keep_everything, newest_epoch, parse_folder},
    storage::{
        catalogue::{Catalogue, TopicEntry},
        kafkas_metadata, topic_id,
    },
};

/// Where the settings of a topic come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settings {
    /// The topic is here already, and stays as it is.
    Here,
    /// Kafka's metadata log beside the partition.
    Found,
    /// They are not known, so it keeps all records until they are set.
    Unknown,
}

/// A partition that can be served as it is.
#[derive(Clone, Debug)]
pub struct AdoptablePartition {
    /// Its topic.
    pub topic: TopicName,
    /// Its number.
    pub index: i32,
    /// The topic's id.
    pub topic_id: Uuid,
    /// Bytes of its files.
    pub bytes: u64,
    /// Where the topic's settings come from.
    pub settings: Settings,
    /// What the topic has been set to, where it is new.
    pub overrides: Overrides,
    /// Partitions of the topic, with those before this one that are empty.
    pub partitions: i32,
    pub(super) known: Checkpointed,
    pub(super) epoch: i32,
    /// Files to copy, by name.
    pub(super) files: Vec<String>,
    pub(super) is_compacted: bool,
}

/// Why a partition cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Unadoptable {
    /// Its folder has no name of a partition.
    #[error("it is not named as a partition, such as orders-0: the name says which topic and partition it is")]
    NoPartition,
    /// A topic that the broker keeps its own state in.
    #[error(
        "it belongs to a topic in which a broker keeps its own state ({topic}), which cannot be merged; to serve it, start a \
         broker with log.dirs at the whole data folder"
    )]
    Internal {
        /// The topic.
        topic: String,
    },
    /// The partition is here.
    #[error("{partition} is served here already; delete the topic first, or rename the folder that is to be taken")]
    Served {
        /// The partition.
        partition: String,
    },
    /// A folder of its name lies in the data folder, and belongs to no topic.
    #[error("{} is in its way, which belongs to no topic here: take that one, or move it away", path.display())]
    InTheWay {
        /// The folder.
        path: PathBuf,
    },
    /// There is another topic of this name.
    #[error(
        "it belongs to another topic of the name {topic} (its id is {there}, here it is {here}); delete the topic here first"
    )]
    OtherTopic {
        /// The topic.
        topic: String,
        /// The id in its folder.
        there: String,
        /// The id in the catalogue.
        here: String,
    },
    /// Another topic has its id.
    #[error("its topic has the id {id}, which is that of {topic} here: it was renamed, and one of them has to go")]
    IdTaken {
        /// The id.
        id: String,
        /// Who has it.
        topic: String,
    },
    /// A file of it cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A small file of it, or beside it, is not what Kafka writes.
    #[error("read what is kept beside its log")]
    Checkpoint {
        /// Why.
        #[from]
        source: checkpoint::CheckpointError,
    },
    /// Its log cannot be looked at.
    #[error("look at its log")]
    Look {
        /// Why.
        #[from]
        source: RepairError,
    },
    /// Its log is not whole.
    #[error(
        "{bytes} bytes and {holes} gaps of it cannot be read as a log: copy it again, or see what millstream broker verify \
         says; if the topic was compacted, say so: --config cleanup.policy=compact"
    )]
    Damaged {
        /// Bytes that would have to go.
        bytes: u64,
        /// Ranges of offsets that are missing.
        holes: usize,
    },
    /// It could not be written.
    #[error("copy it to {}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was copied and cannot be opened.
    #[error("open the copy")]
    Open {
        /// Why.
        source: millstream_log::OpenLogError,
    },
    /// It was opened and cannot be made durable.
    #[error("make the copy durable")]
    Sync {
        /// Why.
        source: millstream_log::SyncError,
    },
}

/// Settings as they were given, checked one by one.
pub(super) fn check_settings(given: &[(String, String)]) -> Result<Overrides, AdoptError> {
    let read = |(key, value): &(String, String)| match read_override(key, value) {
        Ok(value) => Ok((key.clone(), value)),
        Err(reason) => Err(AdoptError::Setting { setting: format!("{key}={value}"), reason }),
    };
    given.iter().map(read).collect()
}

/// Topic and number by the name of a folder, one that was moved aside included.
pub(super) fn parse(name: &str) -> Option<(TopicName, i32)> {
    let moved_aside = name.strip_suffix("-stray").and_then(|name| Some(name.rsplit_once('.')?.0));
    parse_folder(moved_aside.unwrap_or(name))
}

/// Looks at a partition's folder; the refusal comes with the folder's name.
pub(super) fn look(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    source: &Path,
    catalogue: &Catalogue,
    given: &Overrides,
) -> Result<AdoptablePartition, (String, Unadoptable)> {
    let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
    judge(disk, data_dir, source, &name, catalogue, given).map_err(|refusal| (name, refusal))
}

fn judge(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    source: &Path,
    name: &str,
    catalogue: &Catalogue,
    given: &Overrides,
) -> Result<AdoptablePartition, Unadoptable> {
    let (topic, index) = parse(name).filter(|_| name != kafkas_metadata::FOLDER).ok_or(Unadoptable::NoPartition)?;
    let partition = format!("{topic}-{index}");
    let target = data_dir.join(&partition);
    let entry = catalogue.topics.get(&topic);
    let is_here = target == source;
    let lies_there = !is_here && exists(disk, &target)?;
    if entry.is_some_and(|entry| index < entry.partitions) && (is_here || lies_there) {
        return Err(Unadoptable::Served { partition });
    }
    if is_internal(topic.as_str()) {
        return Err(Unadoptable::Internal { topic: topic.to_string() });
    }
    if lies_there {
        return Err(Unadoptable::InTheWay { path: target });
    }
    let own_id = checkpoint::read_topic_id(&**disk, source)?.map(Uuid::from_bytes);
    let topic_id = match (own_id, entry) {
        (Some(there), Some(entry)) if there != entry.id => {
            let (there, here) = (topic_id::to_text(there), topic_id::to_text(entry.id));
            return Err(Unadoptable::OtherTopic { topic: topic.to_string(), there, here });
        }
        (None, Some(entry)) => entry.id,
        (Some(id), _) => id,
        (None, None) => topic_id::draw(),
    };
    if let Some((other, _)) = catalogue.topics.iter().find(|(other, entry)| entry.id == topic_id && **other != topic) {
        return Err(Unadoptable::IdTaken { id: topic_id::to_text(topic_id), topic: other.to_string() });
    }
    let beside = source.parent().unwrap_or(Path::new("."));
    let (settings, overrides) = settings(disk, beside, &topic, entry, given)?;
    let is_compacted = overrides.get("cleanup.policy").is_some_and(|policy| policy.contains("compact"));
    let known = Checkpoints::load(disk, beside)?.entry(&topic, index);
    // What a broker there held for durable need not be so of a copy.
    let known = Checkpointed { recovery_point: 0, ..known };
    let mode: OpenMode = known.mode(false, is_compacted || 0 < known.cleaned_to);
    if let Some(plan) = plan_repair(disk, source, mode)? {
        return Err(Unadoptable::Damaged { bytes: plan.bytes(), holes: plan.holes.len() });
    }
    let (files, bytes) = files(disk, source)?;
    let partitions = entry.map_or(0, |entry| entry.partitions).max(index.saturating_add(1));
    let epoch = newest_epoch(&**disk, source);
    Ok(AdoptablePartition {
        topic,
        index,
        topic_id,
        bytes,
        settings,
        overrides,
        partitions,
        known,
        epoch,
        files,
        is_compacted,
    })
}

fn exists(disk: &Arc<dyn Disk>, path: &Path) -> Result<bool, Unadoptable> {
    let found = disk.metadata_if_present(path).map_err(|source| Unadoptable::Read { path: path.to_owned(), source })?;
    Ok(found.is_some())
}

/// Where the topic's settings come from, and what they are.
fn settings(
    disk: &Arc<dyn Disk>,
    beside: &Path,
    topic: &TopicName,
    entry: Option<&TopicEntry>,
    given: &Overrides,
) -> Result<(Settings, Overrides), Unadoptable> {
    if let Some(entry) = entry {
        return Ok((Settings::Here, entry.overrides.clone()));
    }
    let known = kafkas_metadata::read(&**disk, beside)
        .map_err(|source| Unadoptable::Read { path: beside.join(kafkas_metadata::FOLDER), source })?;
    let mut overrides = Overrides::new();
    let found = match known.and_then(|mut known| known.remove(topic.as_str())) {
        Some(settings) => {
            // What is not known here has no effect here.
            let read = |(key, value): (String, String)| Some((key.clone(), read_override(&key, &value).ok()?));
            overrides.extend(settings.into_iter().filter_map(read));
            Settings::Found
        }
        None => {
            overrides.extend(keep_everything());
            Settings::Unknown
        }
    };
    overrides.extend(given.clone());
    Ok((found, overrides))
}

/// The files of a partition, and how many bytes they have.
fn files(disk: &Arc<dyn Disk>, source: &Path) -> Result<(Vec<String>, u64), Unadoptable> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Unadoptable::Read { path, source }
    };
    let (mut files, mut bytes) = (Vec::new(), 0);
    for name in disk.read_dir(source).map_err(failed(source))? {
        // Nothing of a log's has a name that is not text.
        let Ok(name) = name.into_string() else { continue };
        let path = source.join(&name);
        let found = disk.metadata(&path).map_err(failed(&path))?;
        if !found.is_dir {
            bytes += found.len;
            files.push(name);
        }
    }
    Ok((files, bytes))
}

impl AdoptablePartition {
    /// The name of its folder.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }

    /// How its copy is to be opened.
    pub(super) fn mode(&self) -> OpenMode {
        self.known.mode(false, self.is_compacted || 0 < self.known.cleaned_to)
    }

    /// What the checkpoints have to say of it.
    pub(super) fn checkpointed(&self, end: i64) -> Checkpointed {
        Checkpointed { recovery_point: end, ..self.known }
    }

    /// Enters it into the catalogue.
    pub(super) fn enter(&self, catalogue: &mut Catalogue) {
        catalogue.leader_epoch = catalogue.leader_epoch.max(self.epoch);
        let entry = catalogue.topics.entry(self.topic.clone()).or_insert_with(|| TopicEntry {
            id: self.topic_id,
            partitions: 0,
            overrides: self.overrides.clone(),
            old_offsets: false,
        });
        entry.partitions = entry.partitions.max(self.partitions);
    }
}
