//! Which offsets of a sink's partitions may be committed. A plain value.

use std::collections::BTreeMap;

use millstream_connector::{TopicOffset, TopicPartition};

/// Offsets of one partition; each names the next record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Offsets {
    committed: i64,
    current: i64,
}

/// Offsets of the assigned partitions.
#[derive(Debug, Default)]
pub(super) struct Commits {
    partitions: BTreeMap<TopicPartition, Offsets>,
}

fn at(partition: &TopicPartition, offset: i64) -> TopicOffset {
    TopicOffset { topic: partition.topic.clone(), partition: partition.partition, offset }
}

/// For some partitions the offset of a record that has not ended, so that nothing behind it may be committed.
pub(super) type Held = BTreeMap<TopicPartition, i64>;

/// An offset, or the one that is held before it.
fn before(held: &Held, offset: TopicOffset) -> TopicOffset {
    let most = held.get(&partition_of(&offset)).copied().unwrap_or(i64::MAX);
    TopicOffset { offset: offset.offset.min(most), ..offset }
}

fn partition_of(offset: &TopicOffset) -> TopicPartition {
    TopicPartition { topic: offset.topic.clone(), partition: offset.partition }
}

impl Commits {
    /// A new partition, to be read from this position.
    pub(super) fn assign(&mut self, partition: &TopicPartition, position: i64) {
        self.partitions.insert(partition.clone(), Offsets { committed: position, current: position });
    }

    pub(super) fn unassign(&mut self, partitions: &[TopicPartition]) {
        partitions.iter().for_each(|partition| {
            self.partitions.remove(partition);
        });
    }

    pub(super) fn is_assigned(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    pub(super) fn assigned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// A batch up to these offsets was taken.
    pub(super) fn consumed(&mut self, offsets: &[TopicOffset]) {
        for offset in offsets {
            if let Some(known) = self.partitions.get_mut(&partition_of(offset)) {
                known.current = offset.offset;
            }
        }
    }

    /// Records that were taken and are not committed, as far as offsets tell.
    pub(super) fn active(&self) -> u64 {
        let active = |known: &Offsets| u64::try_from(known.current - known.committed).unwrap_or(0);
        self.partitions.values().map(active).sum()
    }

    /// Reading goes on elsewhere; `false` if the partition is not assigned.
    pub(super) fn seek(&mut self, to: &TopicOffset) -> bool {
        let Some(known) = self.partitions.get_mut(&partition_of(to)) else { return false };
        *known = Offsets { committed: to.offset, current: to.offset };
        true
    }

    pub(super) fn current(&self) -> Vec<TopicOffset> {
        self.partitions.iter().map(|(partition, known)| at(partition, known.current)).collect()
    }

    /// What was consumed of these partitions, none of them behind an offset that is held.
    pub(super) fn offered(&self, partitions: &[TopicPartition], held: &Held) -> Vec<TopicOffset> {
        let offered = |partition: &TopicPartition| {
            let known = self.partitions.get(partition)?;
            let free = before(held, at(partition, known.current)).offset;
            Some(at(partition, free.max(known.committed.min(known.current))))
        };
        partitions.iter().filter_map(offered).collect()
    }

    /// What of the plugin's answer is to be committed: nothing that was not consumed, nothing that is
    /// committed already, and nothing behind an offset that is held.
    pub(super) fn committable(&self, answered: Vec<TopicOffset>, held: &Held) -> Vec<TopicOffset> {
        let is_known = |offset: &TopicOffset| match self.partitions.get(&partition_of(offset)) {
            None => {
                tracing::warn!(topic = %offset.topic, partition = offset.partition, "a sink task wants to commit an offset of a partition that it does not have");
                false
            }
            Some(known) if known.current < offset.offset => {
                tracing::warn!(topic = %offset.topic, partition = offset.partition, offset = offset.offset, consumed = known.current, "a sink task wants to commit an offset beyond what it was given");
                false
            }
            Some(_) => true,
        };
        let is_news = |offset: &TopicOffset| match self.partitions.get(&partition_of(offset)) {
            // What is held is no reason to go back behind what is committed.
            Some(known) if held.contains_key(&partition_of(offset)) => known.committed < offset.offset,
            Some(known) => known.committed != offset.offset && 0 <= offset.offset,
            None => false,
        };
        // An answer that cannot be right counts for nothing, also where only a part of it would be committed.
        answered.into_iter().filter(is_known).map(|offset| before(held, offset)).filter(is_news).collect()
    }

    /// These offsets were committed.
    pub(super) fn committed(&mut self, offsets: &[TopicOffset]) {
        for offset in offsets {
            if let Some(known) = self.partitions.get_mut(&partition_of(offset)) {
                known.committed = offset.offset;
            }
        }
    }

    /// Goes back to what was committed last, and says where that is.
    pub(super) fn rewind(&mut self) -> Vec<TopicOffset> {
        self.partitions.values_mut().for_each(|known| known.current = known.committed);
        self.current()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(offset: i64) -> TopicOffset {
        TopicOffset { topic: "t".to_owned(), partition: 0, offset }
    }

    #[test]
    fn only_what_was_consumed_and_is_news_is_committed() {
        let (mut commits, free) = (Commits::default(), Held::new());
        commits.assign(&partition_of(&offset(0)), 5);
        assert_eq!(commits.committable(vec![offset(5)], &free), []);
        commits.consumed(&[offset(9)]);
        assert_eq!(commits.active(), 4);
        assert_eq!(commits.committable(vec![offset(10)], &free), []);
        assert_eq!(commits.committable(vec![offset(7)], &free), [offset(7)]);
        commits.committed(&[offset(7)]);
        assert_eq!(commits.active(), 2);
        assert_eq!(commits.committable(vec![offset(7)], &free), []);
        let other = TopicOffset { topic: "u".to_owned(), ..offset(1) };
        assert_eq!(commits.committable(vec![other], &free), []);
        assert_eq!(commits.rewind(), [offset(7)]);
        assert_eq!(commits.current(), [offset(7)]);
    }

    #[test]
    fn nothing_behind_a_held_offset_is_committed_and_what_is_committed_stays() {
        let mut commits = Commits::default();
        commits.assign(&partition_of(&offset(0)), 5);
        commits.consumed(&[offset(20)]);
        for (held, expected) in [(5, None), (3, None), (6, Some(6)), (19, Some(19)), (20, Some(20)), (99, Some(20))] {
            let held = Held::from([(partition_of(&offset(0)), held)]);
            let expected: Vec<TopicOffset> = expected.map(offset).into_iter().collect();
            assert_eq!(commits.committable(vec![offset(20)], &held), expected, "{held:?}");
            assert_eq!(commits.committable(vec![offset(21)], &held), [], "{held:?}");
            let offered = commits.offered(&commits.assigned(), &held);
            assert_eq!(offered, [offset(held.values().copied().next().unwrap_or(0).clamp(5, 20))]);
        }
    }
}
