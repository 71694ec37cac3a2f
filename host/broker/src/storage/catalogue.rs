//! Which topics exist, with their ids, partition counts and overrides, and the leader epoch: one file
//! that is replaced as a whole on every change.
//!
//! The file `topics.catalogue` is ours: Apache Kafka keeps these facts in its metadata log. Lines: `2` (version),
//! `leader-epoch N`, then for each topic `topic NAME ID PARTITIONS`, `old-offsets` where that is so, and its overrides,
//! `config KEY=VALUE`; at last `crc32c X`, the checksum of all bytes before. Files of version 1, which have no checksum,
//! are read, too; all their topics may have old offsets.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use millstream_disk::Disk;
use millstream_record::TopicName;
use millstream_wire::hash;
use uuid::Uuid;

use super::{read_text, topic_id};
use crate::config::topic::Overrides;

const FILE: &str = "topics.catalogue";
const OLD_OFFSETS: &str = "old-offsets";
const CHECKSUM: &str = "crc32c ";

/// What is kept of one topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicEntry {
    /// New for every topic, also for one of an old name.
    pub id: Uuid,
    /// At least one.
    pub partitions: i32,
    /// Configuration of its own.
    pub overrides: Overrides,
    /// Whether offsets may have been committed for the topic by a release that did not write its id with them.
    pub old_offsets: bool,
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
    /// The file is not what was written.
    #[error(
        "the topic catalogue {} is damaged: {damage}; restore the file. Without it (move it away) the next start finds \
         topics by the folders of their partitions, but neither their settings nor what was never written to",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// What is wrong with a catalogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// Not UTF-8.
    #[error("it is no text")]
    NoText,
    /// A line makes no sense.
    #[error("line {0} makes no sense")]
    Line(usize),
    /// The checksum is not that of the content.
    #[error("its checksum is not that of its content")]
    Checksum,
    /// The last line is not there.
    #[error("its end is missing")]
    Cut,
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
            Ok(Some(text)) => Self::parse(&text).map(Some).map_err(|damage| CatalogueError::Damaged { path, damage }),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(CatalogueError::Damaged { path, damage: Damage::NoText })
            }
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
        let mut text = format!("2\nleader-epoch {}\n", self.leader_epoch);
        for (name, topic) in &self.topics {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "topic {name} {} {}", topic_id::to_text(topic.id), topic.partitions);
            if topic.old_offsets {
                text.push_str(OLD_OFFSETS);
                text.push('\n');
            }
            for (key, value) in &topic.overrides {
                let _ = writeln!(text, "config {key}={}", value.replace(['\n', '\r'], " "));
            }
        }
        let _ = writeln!(text, "{CHECKSUM}{:08x}", hash::crc32c(text.as_bytes()));
        text
    }

    fn parse(text: &str) -> Result<Self, Damage> {
        let content = match text.split_once('\n') {
            Some(("1", _)) => text,
            Some(("2", _)) => check(text)?,
            _ => return Err(Damage::Line(1)),
        };
        let mut catalogue = Self::default();
        let mut current: Option<TopicName> = None;
        let old = content.starts_with("1\n");
        for (number, line) in content.lines().enumerate().map(|(i, line)| (i + 1, line)).skip(1) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let understood = match (number, word) {
                (2, "leader-epoch") => rest.parse().ok().map(|epoch| catalogue.leader_epoch = epoch),
                (3.., "topic") => parse_topic(rest, old).map(|(name, entry)| {
                    current = Some(name.clone());
                    catalogue.topics.insert(name, entry);
                }),
                (3.., OLD_OFFSETS) => catalogue.topic(current.as_ref()).map(|topic| topic.old_offsets = true),
                (3.., "config") => rest.split_once('=').and_then(|(key, value)| {
                    catalogue.topic(current.as_ref())?.overrides.insert(key.to_owned(), value.to_owned());
                    Some(())
                }),
                _ => None,
            };
            understood.ok_or(Damage::Line(number))?;
        }
        if content.lines().count() < 2 { Err(Damage::Cut) } else { Ok(catalogue) }
    }

    fn topic(&mut self, name: Option<&TopicName>) -> Option<&mut TopicEntry> {
        self.topics.get_mut(name?)
    }
}

/// What stands before the checksum.
fn check(text: &str) -> Result<&str, Damage> {
    let end = text.rfind(CHECKSUM).ok_or(Damage::Cut)?;
    let (content, checksum) = text.split_at(end);
    if !content.ends_with('\n') {
        return Err(Damage::Checksum);
    }
    let checksum = checksum[CHECKSUM.len()..].strip_suffix('\n').ok_or(Damage::Cut)?;
    // Written in one way only, so that no damage to the number itself goes unseen.
    if checksum == format!("{:08x}", hash::crc32c(content.as_bytes())) { Ok(content) } else { Err(Damage::Checksum) }
}

fn parse_topic(rest: &str, old_offsets: bool) -> Option<(TopicName, TopicEntry)> {
    let mut words = rest.split(' ');
    let name = TopicName::parse(words.next()?).ok()?;
    let id = topic_id::from_text(words.next()?)?;
    let partitions: i32 = words.next()?.parse().ok()?;
    let entry = TopicEntry { id, partitions, overrides: Overrides::new(), old_offsets };
    (0 < partitions && words.next().is_none()).then_some((name, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "1\nleader-epoch 3\n\
        topic a-topic MkU3OEVCQTU3MDUyRDQzNg 4\n\
        config cleanup.policy=compact,delete\n\
        config retention.ms=-1\n\
        topic b MkU3OEVCQTU3MDUyRDQzNw 1\n";

    const SECOND: &str = "2\nleader-epoch 3\n\
        topic a-topic MkU3OEVCQTU3MDUyRDQzNg 4\n\
        old-offsets\n\
        config cleanup.policy=compact,delete\n\
        config retention.ms=-1\n\
        topic b MkU3OEVCQTU3MDUyRDQzNw 1\n\
        old-offsets\n\
        crc32c 5b67580e\n";

    #[test]
    fn the_file_of_the_first_release_is_read_and_written_as_one_of_the_second() {
        let catalogue = Catalogue::parse(FIRST).unwrap();
        assert_eq!(catalogue.leader_epoch, 3);
        let topic = &catalogue.topics[&TopicName::parse("a-topic").unwrap()];
        assert_eq!((topic.partitions, topic.old_offsets), (4, true));
        assert_eq!(topic.overrides.get("retention.ms").map(String::as_str), Some("-1"));
        assert_eq!(catalogue.to_text(), SECOND);
        assert_eq!(Catalogue::parse(SECOND), Ok(catalogue));
    }

    #[test]
    fn damage_is_reported_and_never_guessed_away() {
        assert_eq!(Catalogue::parse(""), Err(Damage::Line(1)));
        assert_eq!(Catalogue::parse("3\nleader-epoch 0\n"), Err(Damage::Line(1)));
        assert_eq!(Catalogue::parse("1\n"), Err(Damage::Cut));
        assert_eq!(Catalogue::parse("1\nleader-epoch x\n"), Err(Damage::Line(2)));
        assert_eq!(Catalogue::parse("1\nleader-epoch 0\nconfig a=b\n"), Err(Damage::Line(3)));
        assert_eq!(Catalogue::parse("1\nleader-epoch 0\ntopic a b 1\n"), Err(Damage::Line(3)));
    }

    #[test]
    fn no_bit_and_no_end_of_the_file_is_lost_unseen() {
        for len in 0..SECOND.len() {
            assert!(Catalogue::parse(&SECOND[..len]).is_err(), "{len}");
        }
        for at in 0..SECOND.len() {
            for bit in 0..7 {
                let mut bytes = SECOND.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let text = String::from_utf8(bytes).unwrap();
                assert!(Catalogue::parse(&text).is_err(), "{at} {bit}: {text}");
            }
        }
    }
}
