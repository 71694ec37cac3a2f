//! The offsets that one group has committed.

use std::collections::BTreeMap;

use super::records::StoredOffset;

/// A committed offset: the next record to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommittedOffset {
    /// Next record to read.
    pub offset: i64,
    /// Leader epoch of the record before it, −1 when unknown.
    pub leader_epoch: i32,
    /// The committer's own words.
    pub metadata: String,
    /// Wall-clock milliseconds of the commit.
    pub committed_at_ms: i64,
    /// Explicit end from old clients' `retention_time_ms`.
    pub expires_at_ms: Option<i64>,
    /// Where in the offsets log the commit stands: a later one wins.
    pub log_position: i64,
}

impl CommittedOffset {
    /// What was stored, at this place of the offsets log.
    pub fn stored(stored: StoredOffset, log_position: i64) -> Self {
        // The id has told already that it is this topic's.
        let StoredOffset { offset, leader_epoch, metadata, committed_at_ms, expires_at_ms, topic_id: _ } = stored;
        Self { offset, leader_epoch, metadata, committed_at_ms, expires_at_ms, log_position }
    }
}

/// What is known of one partition.
#[derive(Clone, Debug)]
enum Entry {
    Committed(CommittedOffset),
    /// Deleted by the record at this place of the offsets log; kept while an earlier commit may still arrive.
    Deleted(i64),
}

impl Entry {
    fn log_position(&self) -> i64 {
        match self {
            Self::Committed(committed) => committed.log_position,
            Self::Deleted(position) => *position,
        }
    }
}

/// Offsets by topic and partition. Commits and deletions may arrive in any order: the one that is later in the log wins.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, Entry>>,
    committed: usize,
    deleted: usize,
}

impl Offsets {
    /// Whether nothing is committed.
    pub fn is_empty(&self) -> bool {
        self.committed == 0
    }

    /// Takes over a commit unless something later is known already.
    pub fn apply(&mut self, topic: &str, partition: i32, committed: CommittedOffset) {
        self.put(topic, partition, Entry::Committed(committed));
    }

    /// Takes over a deletion that is at this place of the offsets log, unless something later is known already.
    pub fn delete(&mut self, topic: &str, partition: i32, log_position: i64) {
        self.put(topic, partition, Entry::Deleted(log_position));
    }

    fn put(&mut self, topic: &str, partition: i32, entry: Entry) {
        let partitions = match self.topics.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.topics.entry(topic.to_owned()).or_default(),
        };
        if partitions.get(&partition).is_some_and(|known| entry.log_position() < known.log_position()) {
            return;
        }
        *self.count_of(&entry) += 1;
        // Borrowed anew, since the count is beside it.
        let before = self.topics.get_mut(topic).and_then(|partitions| partitions.insert(partition, entry));
        if let Some(before) = before {
            *self.count_of(&before) -= 1;
        }
    }

    fn count_of(&mut self, entry: &Entry) -> &mut usize {
        match entry {
            Entry::Committed(_) => &mut self.committed,
            Entry::Deleted(_) => &mut self.deleted,
        }
    }

    /// Forgets one partition's offset and says whether there was one.
    pub fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.topics.get_mut(topic) else { return false };
        let removed = partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        if let Some(removed) = &removed {
            *self.count_of(removed) -= 1;
        }
        matches!(removed, Some(Entry::Committed(_)))
    }

    /// No commit is under way any more: deletions need not be remembered.
    pub fn settle(&mut self) {
        if 0 < self.deleted {
            self.topics.retain(|_, partitions| {
                partitions.retain(|_, entry| matches!(entry, Entry::Committed(_)));
                !partitions.is_empty()
            });
            self.deleted = 0;
        }
    }

    /// The offset committed for a partition.
    pub fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        match self.topics.get(topic)?.get(&partition)? {
            Entry::Committed(committed) => Some(committed),
            Entry::Deleted(_) => None,
        }
    }

    /// Everything committed, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().filter_map(move |(&partition, entry)| match entry {
                Entry::Committed(committed) => Some((topic.as_str(), partition, committed)),
                Entry::Deleted(_) => None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64, log_position: i64) -> CommittedOffset {
        CommittedOffset {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
            committed_at_ms: 0,
            expires_at_ms: None,
            log_position,
        }
    }

    #[test]
    fn the_commit_that_is_later_in_the_log_wins_however_they_arrive() {
        let mut offsets = Offsets::default();
        offsets.apply("t", 0, committed(7, 5));
        offsets.apply("t", 0, committed(3, 4));
        assert_eq!(offsets.get("t", 0).map(|known| known.offset), Some(7));
        assert!(offsets.remove("t", 0));
        assert!(offsets.is_empty());
    }

    #[test]
    fn a_deletion_and_a_commit_count_in_the_order_of_the_log_however_they_arrive() {
        for deletion_first in [true, false] {
            for (commit_at, deletion_at) in [(5, 6), (6, 5)] {
                let mut offsets = Offsets::default();
                if deletion_first {
                    offsets.delete("t", 0, deletion_at);
                }
                offsets.apply("t", 0, committed(7, commit_at));
                if !deletion_first {
                    offsets.delete("t", 0, deletion_at);
                }
                offsets.settle();
                assert_eq!(offsets.get("t", 0).is_some(), deletion_at < commit_at);
                assert_eq!(offsets.is_empty(), commit_at < deletion_at);
                assert_eq!(offsets.topics.is_empty(), commit_at < deletion_at);
            }
        }
    }
}
