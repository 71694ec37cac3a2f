//! From a data folder to topics with open partitions.
//!
//! After a clean stop files are trusted. Otherwise every partition is checked from its recovery point on, several
//! at once, and the leader epoch goes up, so that consumers beyond a lost tail find out.

use std::{
    collections::HashSet,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use millstream_disk::Disk;
use millstream_log::checkpoint;
use millstream_record::{ErrorChain, TopicName};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    changes::Changes,
    checkpoints::Checkpoints,
    config::{BrokerConfig, topic::read_override},
    dynamic::Dynamic,
    health::Health,
    internal_topics::is_internal,
    io_threads::IoThreads,
    partition::{Partition, PartitionHome},
    start_error::StartBrokerError,
    storage::{
        catalogue::{Catalogue, TopicEntry},
        data_dir::DataDir,
        kafkas_metadata, read_text,
    },
    topics::Topics,
};

/// Opens the data folder and every partition in it. Blocks.
///
/// A partition that cannot be opened is reported and answers with a storage error; the others are served.
///
/// # Errors
///
/// The folder as a whole cannot be used.
pub fn open(
    disk: &Arc<dyn Disk>,
    config: &BrokerConfig,
    threads: IoThreads,
    changes: Changes,
    health: Arc<Health>,
) -> Result<(Arc<DataDir>, Arc<Topics>), StartBrokerError> {
    let opened = DataDir::open(disk, &config.data_dir, config.node_id, config.cluster_id.as_deref())?;
    let data_dir = Arc::new(opened);
    let mut catalogue = match Catalogue::load(&**disk, data_dir.path())? {
        Some(catalogue) => catalogue,
        None => {
            let adopted = adopt(&**disk, data_dir.path(), data_dir.was_clean)?;
            if !adopted.topics.is_empty() {
                info!(topics = adopted.topics.len(), "topics found in the data folder without a catalogue");
                adopted.store(&**disk, data_dir.path())?;
            }
            adopted
        }
    };
    if !data_dir.was_clean && !catalogue.topics.is_empty() {
        catalogue.leader_epoch = catalogue.leader_epoch.saturating_add(1);
        catalogue.store(&**disk, data_dir.path())?;
    }
    clear_away(&**disk, data_dir.path(), &catalogue)?;
    let checkpoints = Checkpoints::load(disk, data_dir.path())?;
    let exists = |topic: &str, index: i32| {
        let entry = TopicName::parse(topic).ok().and_then(|name| catalogue.topics.get(&name));
        entry.is_some_and(|entry| index < entry.partitions)
    };
    if let Err(error) = checkpoints.drop_strangers(exists) {
        warn!(error = %ErrorChain(&error), "the checkpoints still name topics that do not exist");
    }
    let home = Arc::new(PartitionHome {
        data_dir: Arc::clone(&data_dir),
        reserve_bytes: config.log_reserve_bytes,
        durability: config.durability,
        producer_expiration: config.producer_id_expiration,
        most_readers: (config.io_threads / 2).max(1),
        threads,
        health,
    });
    let dynamic = Arc::new(Dynamic::open(disk, data_dir.path(), &config.given)?);
    let threads =
        dynamic.layers().get("num.recovery.threads.per.data.dir").and_then(|(value, _)| value.trim().parse().ok());
    let topics = Topics::new(home, config, dynamic, catalogue, checkpoints, changes);
    open_partitions(&topics, &data_dir, threads.unwrap_or(config.recovery_threads))?;
    Ok((data_dir, topics))
}

fn open_partitions(topics: &Topics, data_dir: &DataDir, threads: usize) -> Result<(), StartBrokerError> {
    let all = topics.all();
    // One look at the folder instead of one at each of many partitions that were never written to.
    let present: HashSet<String> = list(&**data_dir.disk(), data_dir.path())?.into_iter().collect();
    let partitions: Vec<(&TopicName, &Arc<Partition>)> = all
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (&topic.name, partition)))
        // One that had records and has no folder is not new, but damaged.
        .filter(|(topic, partition)| {
            present.contains(&partition.name()) || 0 < topics.checkpoint(topic, partition.index()).recovery_point
        })
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((topic, partition)) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Whether it is compacted, its configuration says.
            let mode = topics.checkpoint(topic, partition.index()).mode(data_dir.was_clean, false);
            // A partition that cannot be opened reports itself, and the others are served.
            let _ = partition.open_existing(mode);
        }
    };
    let helpers = threads.min(partitions.len()).saturating_sub(1);
    thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(work);
        }
        work();
    });
    if !data_dir.was_clean && !partitions.is_empty() {
        info!(partitions = partitions.len(), "partitions recovered");
    }
    Ok(())
}

/// Topics by the folders of their partitions, for a data folder that has no catalogue (one of Apache Kafka's).
fn adopt(disk: &dyn Disk, dir: &Path, was_clean: bool) -> Result<Catalogue, StartBrokerError> {
    let mut catalogue = Catalogue::default();
    for name in list(disk, dir)? {
        if name == kafkas_metadata::FOLDER {
            continue;
        }
        let Some((topic, index)) = parse_folder(&name) else { continue };
        let Some(id) = checkpoint::read_topic_id(disk, &dir.join(&name))? else { continue };
        let entry = catalogue.topics.entry(topic).or_insert_with(|| TopicEntry {
            id: Uuid::from_bytes(id),
            partitions: 0,
            overrides: Default::default(),
            old_offsets: true,
        });
        entry.partitions = entry.partitions.max(index.saturating_add(1));
        catalogue.leader_epoch = catalogue.leader_epoch.max(newest_epoch(disk, &dir.join(&name)));
    }
    adopt_settings(disk, dir, &mut catalogue);
    if !was_clean && !catalogue.topics.is_empty() {
        warn!("the data folder was not left in order; everything is checked");
    }
    Ok(catalogue)
}

/// Settings of topics, as Kafka's metadata log tells them. A topic of which it tells nothing keeps its records whatever
/// their age: the defaults might throw away what a setting that is not known here kept.
fn adopt_settings(disk: &dyn Disk, dir: &Path, catalogue: &mut Catalogue) {
    let known = kafkas_metadata::read(disk, dir).unwrap_or_else(|error| {
        let folder = dir.join(kafkas_metadata::FOLDER);
        warn!(folder = %folder.display(), error = %ErrorChain(&error), "the settings of the topics cannot be read");
        None
    });
    let mut known = known.unwrap_or_default();
    for (name, entry) in &mut catalogue.topics {
        if let Some(settings) = known.remove(name.as_str()) {
            for (key, value) in settings {
                match read_override(&key, &value) {
                    Ok(value) => drop(entry.overrides.insert(key, value)),
                    Err(reason) => warn!(topic = %name, reason, "a setting of the topic is not taken over"),
                }
            }
        } else if !is_internal(name.as_str()) {
            entry.overrides.extend(keep_everything());
            warn!(
                topic = %name,
                "the topic's settings are not known: it keeps all records (retention.ms and retention.bytes are -1) until \
                 they are set (millstream topic alter)"
            );
        }
    }
}

/// Settings of a topic whose own are not known.
pub fn keep_everything() -> [(String, String); 2] {
    ["retention.ms", "retention.bytes"].map(|key| (key.to_owned(), "-1".to_owned()))
}

/// The newest leader epoch that a partition's folder tells of; zero where it tells of none.
pub fn newest_epoch(disk: &dyn Disk, dir: &Path) -> i32 {
    let text = read_text(disk, &dir.join("leader-epoch-checkpoint")).ok().flatten().unwrap_or_default();
    text.lines().skip(2).filter_map(|line| line.split(' ').next()?.parse().ok()).max().unwrap_or(0)
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, StartBrokerError> {
    let failed = |source: io::Error| StartBrokerError::List { path: dir.to_owned(), source };
    let names = disk.read_dir(dir).map_err(failed)?;
    // Nothing of the broker's has a name that is not text.
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// Reads `topic-3`; `None` for any other name.
pub fn parse_folder(name: &str) -> Option<(TopicName, i32)> {
    let (topic, index) = name.rsplit_once('-')?;
    let index: i32 = index.parse().ok().filter(|index: &i32| 0 <= *index && !name.ends_with("-delete"))?;
    Some((TopicName::parse(topic).ok()?, index))
}

/// Finishes deletions that were cut short, and moves folders aside that belong to no topic.
fn clear_away(disk: &dyn Disk, dir: &Path, catalogue: &Catalogue) -> Result<(), StartBrokerError> {
    for name in list(disk, dir)? {
        let path = dir.join(&name);
        if name.ends_with("-delete") && name.contains('.') {
            if let Err(error) = disk.remove_dir_all(&path) {
                warn!(folder = %path.display(), %error, "a deleted partition could not be removed");
            }
            continue;
        }
        // What stays of Kafka's metadata is in nobody's way.
        if name == kafkas_metadata::FOLDER {
            continue;
        }
        let Some((topic, index)) = parse_folder(&name) else { continue };
        let entry = catalogue.topics.get(&topic).filter(|entry| index < entry.partitions);
        let belongs = match (entry, checkpoint::read_topic_id(disk, &path)) {
            (None, _) => false,
            (Some(entry), Ok(Some(id))) => Uuid::from_bytes(id) == entry.id,
            // Whose it is cannot be told at this moment: the partition says so when it is opened.
            (Some(_), Ok(None) | Err(_)) => true,
        };
        if !belongs && disk.metadata(&path).is_ok_and(|found| found.is_dir) {
            // Nothing is thrown away that was not deleted in words.
            let aside = dir.join(format!("{name}.{}-stray", Uuid::new_v4().simple()));
            warn!(folder = %path.display(), aside = %aside.display(), "a partition of no known topic is moved aside");
            if let Err(error) = disk.rename(&path, &aside) {
                warn!(folder = %path.display(), %error, "the folder could not be moved");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_folders_are_told_from_everything_else() {
        let parsed = |name| parse_folder(name).map(|(topic, index)| (topic.to_string(), index));
        assert_eq!(parsed("a-topic-12"), Some(("a-topic".to_owned(), 12)));
        for other in ["meta.properties", "a-topic", "a-0.0123-delete", "a-0.0123-stray", "-1", "a--1x"] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
