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
        let StoredOffset { offset, leader_epoch, metadata, committed_at_ms, expires_at_ms } = stored;
        Self { offset, leader_epoch, metadata, committed_at_ms, expires_at_ms, log_position }
    }
}

/// Offsets by topic and partition.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, CommittedOffset>>,
}

impl Offsets {
    /// Whether nothing is committed.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Takes over a commit unless a later one is known already.
    pub fn apply(&mut self, topic: &str, partition: i32, committed: CommittedOffset) {
        let partitions = match self.topics.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.topics.entry(topic.to_owned()).or_default(),
        };
        match partitions.get_mut(&partition) {
            Some(known) if committed.log_position < known.log_position => {}
            Some(known) => *known = committed,
            None => {
                partitions.insert(partition, committed);
            }
        }
    }

    /// Forgets one partition's offset and says whether there was one.
    pub fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.topics.get_mut(topic) else { return false };
        let removed = partitions.remove(&partition).is_some();
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        removed
    }

    /// The offset committed for a partition.
    pub fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Everything committed, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(&partition, committed)| (topic.as_str(), partition, committed))
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
}
