//! From a data folder to topics with open partitions.
//!
//! After a clean stop files are trusted. Otherwise every partition is checked from its recovery point on, several
//! at once, and the leader epoch goes up, so that consumers beyond a lost tail find out.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use millstream_log::{
    OpenMode,
    checkpoint::{self, Offsets},
};
use millstream_record::{Chain, LogOffset, TopicName};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    broker::StartBrokerError,
    checkpoints::{LOG_STARTS, RECOVERY_POINTS},
    config::BrokerConfig,
    partition::{Partition, PartitionHome},
    storage::{
        catalogue::{Catalogue, TopicEntry},
        data_dir::DataDir,
    },
    syncer::Syncer,
    topics::Topics,
};

/// Opens the data folder and every partition in it. Blocks.
///
/// A partition that cannot be opened is reported and answers with a storage error; the others are served.
///
/// # Errors
///
/// The folder as a whole cannot be used.
pub fn open(config: &BrokerConfig, syncer: Arc<Syncer>) -> Result<(Arc<DataDir>, Arc<Topics>), StartBrokerError> {
    let opened = DataDir::open(&config.data_dir, config.node_id, config.cluster_id.as_deref())?;
    let data_dir = Arc::new(opened);
    let mut catalogue = match Catalogue::load(data_dir.path())? {
        Some(catalogue) => catalogue,
        None => {
            let adopted = adopt(data_dir.path(), data_dir.was_clean)?;
            if !adopted.topics.is_empty() {
                info!(topics = adopted.topics.len(), "topics found in the data folder without a catalogue");
                adopted.store(data_dir.path())?;
            }
            adopted
        }
    };
    if !data_dir.was_clean && !catalogue.topics.is_empty() {
        catalogue.leader_epoch = catalogue.leader_epoch.saturating_add(1);
        catalogue.store(data_dir.path())?;
    }
    clear_away(data_dir.path(), &catalogue)?;
    let home = Arc::new(PartitionHome {
        data_dir: Arc::clone(&data_dir),
        durability: config.durability,
        producer_expiration: config.producer_id_expiration,
        syncer,
    });
    let topics = Topics::new(home, config, catalogue);
    open_partitions(&topics, &data_dir, config.recovery_threads);
    Ok((data_dir, Arc::new(topics)))
}

fn open_partitions(topics: &Topics, data_dir: &DataDir, threads: usize) {
    let recovery_points = read_checkpoint(data_dir.path(), RECOVERY_POINTS);
    let log_starts = read_checkpoint(data_dir.path(), LOG_STARTS);
    let all = topics.all();
    // One look at the folder instead of one at each of many partitions that were never written to.
    let present = folders(data_dir.path());
    let partitions: Vec<(&TopicName, &Arc<Partition>)> = all
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (&topic.name, partition)))
        .filter(|(_, partition)| present.contains(&partition.name()))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((topic, partition)) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
            let key = (topic.to_string(), partition.index());
            let recovery_point = recovery_points.get(&key).copied().unwrap_or(0);
            let log_start = log_starts.get(&key).copied().unwrap_or(0);
            let offset = |number: i64| LogOffset::new(number).unwrap_or(LogOffset::ZERO);
            let mode = OpenMode {
                clean: data_dir.was_clean,
                recovery_point: offset(recovery_point),
                log_start: offset(log_start),
            };
            if let Err(error) = partition.open_existing(mode) {
                warn!(partition = %partition.name(), error = %Chain(&error), "the partition stays offline");
            }
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
}

fn read_checkpoint(dir: &Path, name: &str) -> Offsets {
    checkpoint::read_offsets(&*millstream_disk::real(), &dir.join(name)).unwrap_or_else(|error| {
        warn!(error = %Chain(&error), "a checkpoint is not usable, so more is checked");
        Offsets::new()
    })
}

fn folders(dir: &Path) -> std::collections::HashSet<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Default::default() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Topics by the folders of their partitions, for a data folder that has no catalogue (one of Apache Kafka's).
fn adopt(dir: &Path, was_clean: bool) -> Result<Catalogue, StartBrokerError> {
    let mut catalogue = Catalogue::default();
    for name in list(dir)? {
        let Some((topic, index)) = parse_folder(&name) else { continue };
        let Ok(Some(id)) = checkpoint::read_topic_id(&*millstream_disk::real(), &dir.join(&name)) else { continue };
        let entry = catalogue.topics.entry(topic).or_insert_with(|| TopicEntry {
            id: Uuid::from_bytes(id),
            partitions: 0,
            overrides: Default::default(),
        });
        entry.partitions = entry.partitions.max(index.saturating_add(1));
        if let Ok(text) = fs::read_to_string(dir.join(&name).join("leader-epoch-checkpoint")) {
            let newest = text.lines().skip(2).filter_map(|line| line.split(' ').next()?.parse::<i32>().ok()).max();
            catalogue.leader_epoch = catalogue.leader_epoch.max(newest.unwrap_or(0));
        }
    }
    if !was_clean && !catalogue.topics.is_empty() {
        warn!("the data folder was not left in order; everything is checked");
    }
    Ok(catalogue)
}

fn list(dir: &Path) -> Result<Vec<String>, StartBrokerError> {
    let failed = |source: io::Error| StartBrokerError::List { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Reads `topic-3`; `None` for any other name.
fn parse_folder(name: &str) -> Option<(TopicName, i32)> {
    let (topic, index) = name.rsplit_once('-')?;
    let index: i32 = index.parse().ok().filter(|index: &i32| 0 <= *index && !name.ends_with("-delete"))?;
    Some((TopicName::parse(topic).ok()?, index))
}

/// Finishes deletions that were cut short, and moves folders aside that belong to no topic.
fn clear_away(dir: &Path, catalogue: &Catalogue) -> Result<(), StartBrokerError> {
    for name in list(dir)? {
        let path = dir.join(&name);
        if name.ends_with("-delete") && name.contains('.') {
            if let Err(error) = fs::remove_dir_all(&path) {
                warn!(folder = %path.display(), %error, "a deleted partition could not be removed");
            }
            continue;
        }
        let Some((topic, index)) = parse_folder(&name) else { continue };
        let entry = catalogue.topics.get(&topic).filter(|entry| index < entry.partitions);
        let id = checkpoint::read_topic_id(&*millstream_disk::real(), &path).ok().flatten().map(Uuid::from_bytes);
        let belongs = entry.is_some_and(|entry| id.is_none_or(|id| id == entry.id));
        if !belongs && path.is_dir() {
            // Nothing is thrown away that was not deleted in words.
            let aside = dir.join(format!("{name}.{}-stray", Uuid::new_v4().simple()));
            warn!(folder = %path.display(), aside = %aside.display(), "a partition of no known topic is moved aside");
            if let Err(error) = fs::rename(&path, &aside) {
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
