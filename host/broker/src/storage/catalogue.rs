//! Which topics exist, with their ids, partition counts and overrides, and the leader epoch: one file
//! that is replaced as a whole on every change.
//!
//! The file `topics.catalogue` is ours: Apache Kafka keeps these facts in its metadata log. Lines:
//! `1` (version), `leader-epoch N`, then for each topic `topic NAME ID PARTITIONS` followed by its
//! overrides, `config KEY=VALUE`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use millstream_disk::Disk;
use millstream_record::TopicName;
use uuid::Uuid;

use super::{read_text, topic_id};
use crate::config::topic::Overrides;

const FILE: &str = "topics.catalogue";

/// What is kept of one topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicEntry {
    /// New for every topic, also for one of an old name.
    pub id: Uuid,
    /// At least one.
    pub partitions: i32,
    /// Configuration of its own.
    pub overrides: Overrides,
}

/// All topics.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Catalogue {
    /// Counts unclean starts, and becomes the leader epoch of every partition.
    pub leader_epoch: i32,
    /// By name.
    pub topics: BTreeMap<TopicName, TopicEntry>,
}

/// Why the catalogue cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file system said no.
    #[error("read the topic catalogue {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system said no.
    #[error("write the topic catalogue {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not one of ours.
    #[error("{} is damaged at line {line}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

impl Catalogue {
    /// Reads the file below a data folder; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// Unreadable or damaged: nothing is guessed.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, CatalogueError> {
        let path = dir.join(FILE);
        match read_text(disk, &path) {
            Ok(None) => Ok(None),
            Ok(Some(text)) => Self::parse(&text).map(Some).map_err(|line| CatalogueError::Damaged { path, line }),
            Err(source) => Err(CatalogueError::Read { path, source }),
        }
    }

    /// Replaces the file below a data folder.
    ///
    /// # Errors
    ///
    /// The file has its old content, or the new one.
    pub fn store(&self, disk: &dyn Disk, dir: &Path) -> Result<(), CatalogueError> {
        let path = dir.join(FILE);
        disk.replace(&path, self.to_text().as_bytes()).map_err(|source| CatalogueError::Write { path, source })
    }

    fn to_text(&self) -> String {
        let mut text = format!("1\nleader-epoch {}\n", self.leader_epoch);
        for (name, topic) in &self.topics {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "topic {name} {} {}", topic_id::to_text(topic.id), topic.partitions);
            for (key, value) in &topic.overrides {
                let _ = writeln!(text, "config {key}={}", value.replace(['\n', '\r'], " "));
            }
        }
        text
    }

    /// The number of the first line that makes no sense, as the error.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut catalogue = Self::default();
        let mut current: Option<TopicName> = None;
        for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let understood = match (number, word) {
                (1, "1") => Some(()),
                (2, "leader-epoch") => rest.parse().ok().map(|epoch| catalogue.leader_epoch = epoch),
                (3.., "topic") => parse_topic(rest).map(|(name, entry)| {
                    current = Some(name.clone());
                    catalogue.topics.insert(name, entry);
                }),
                (3.., "config") => rest.split_once('=').and_then(|(key, value)| {
                    let topic = catalogue.topics.get_mut(current.as_ref()?)?;
                    topic.overrides.insert(key.to_owned(), value.to_owned());
                    Some(())
                }),
                _ => None,
            };
            understood.ok_or(number)?;
        }
        if text.lines().count() < 2 { Err(1) } else { Ok(catalogue) }
    }
}

fn parse_topic(rest: &str) -> Option<(TopicName, TopicEntry)> {
    let mut words = rest.split(' ');
    let name = TopicName::parse(words.next()?).ok()?;
    let id = topic_id::from_text(words.next()?)?;
    let partitions: i32 = words.next()?.parse().ok()?;
    let entry = TopicEntry { id, partitions, overrides: Overrides::new() };
    (0 < partitions && words.next().is_none()).then_some((name, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "1\nleader-epoch 3\n\
        topic a-topic MkU3OEVCQTU3MDUyRDQzNg 4\n\
        config cleanup.policy=compact,delete\n\
        config retention.ms=-1\n\
        topic b MkU3OEVCQTU3MDUyRDQzNw 1\n";

    #[test]
    fn the_file_of_the_first_release_reads_and_writes_back_the_same() {
        let catalogue = Catalogue::parse(TEXT).unwrap();
        assert_eq!(catalogue.leader_epoch, 3);
        let topic = &catalogue.topics[&TopicName::parse("a-topic").unwrap()];
        assert_eq!(topic.partitions, 4);
        assert_eq!(topic.overrides.get("retention.ms").map(String::as_str), Some("-1"));
        assert_eq!(catalogue.to_text(), TEXT);
    }

    #[test]
    fn damage_is_reported_by_line_and_never_guessed_away() {
        assert_eq!(Catalogue::parse(""), Err(1));
        assert_eq!(Catalogue::parse("2\nleader-epoch 0\n"), Err(1));
        assert_eq!(Catalogue::parse("1\nleader-epoch x\n"), Err(2));
        assert_eq!(Catalogue::parse("1\nleader-epoch 0\nconfig a=b\n"), Err(3));
        assert_eq!(Catalogue::parse("1\nleader-epoch 0\ntopic a b 1\n"), Err(3));
    }
}
