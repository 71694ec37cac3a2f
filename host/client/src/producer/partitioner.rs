//! Which partition a record goes to when it names none.

use millstream_wire::hash::partition_for_key;

use crate::config::Partitioner;

/// The choice for one topic.
#[derive(Debug)]
pub(super) struct PartitionChoice {
    /// Where records without a key go until their batch is complete.
    sticky: Option<u32>,
    next: u32,
    random: u64,
}

impl PartitionChoice {
    pub(super) fn new(seed: u64) -> Self {
        Self { sticky: None, next: (seed >> 32) as u32, random: seed | 1 }
    }

    /// The partition for a record with this key, out of `count`. Records without a key prefer those in
    /// `available`, which have a leader.
    pub(super) fn choose(&mut self, how: Partitioner, key: Option<&[u8]>, count: u32, available: &[u32]) -> u32 {
        match (how, key) {
            (Partitioner::Default { ignore_keys: false }, Some(key)) => {
                let count = i32::try_from(count).unwrap_or(i32::MAX);
                partition_for_key(key, count).unsigned_abs()
            }
            (Partitioner::Default { .. }, _) => {
                if let Some(sticky) = self.sticky.filter(|sticky| *sticky < count) {
                    return sticky;
                }
                let draw = self.draw();
                let chosen = pick(available, draw).unwrap_or((draw % u64::from(count.max(1))) as u32);
                self.sticky = Some(chosen);
                chosen
            }
            (Partitioner::RoundRobin, _) => {
                self.next = self.next.wrapping_add(1);
                pick(available, u64::from(self.next)).unwrap_or(self.next % count.max(1))
            }
        }
    }

    /// Notes that a partition's batch is complete: records without a key go elsewhere now.
    pub(super) fn batch_complete(&mut self, partition: u32) {
        if self.sticky == Some(partition) {
            self.sticky = None;
        }
    }

    fn draw(&mut self) -> u64 {
        // xorshift: spreading load needs no better randomness.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 16
    }
}

fn pick(available: &[u32], draw: u64) -> Option<u32> {
    let len = u64::try_from(available.len()).ok().filter(|len| 0 < *len)?;
    available.get((draw % len) as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Partitioner = Partitioner::Default { ignore_keys: false };

    #[test]
    fn a_key_always_goes_to_the_partition_of_the_java_producer() {
        let mut choice = PartitionChoice::new(9);
        for (key, partition) in [("", 9), ("a", 4), ("order-42", 0), ("äöü€", 7)] {
            assert_eq!(choice.choose(DEFAULT, Some(key.as_bytes()), 12, &[1]), partition, "{key}");
        }
    }

    #[test]
    fn records_without_a_key_stay_together_until_their_batch_is_complete() {
        let mut choice = PartitionChoice::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let first = choice.choose(DEFAULT, None, 4, &[0, 1, 3]);
            assert_eq!(choice.choose(DEFAULT, None, 4, &[0, 1, 3]), first);
            choice.batch_complete(first + 1);
            assert_eq!(choice.choose(DEFAULT, None, 4, &[0, 1, 3]), first, "another partition's batch");
            choice.batch_complete(first);
            seen.insert(first);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 3], "partitions without a leader are avoided");
    }

    #[test]
    fn round_robin_takes_every_partition_in_turn_whatever_the_key() {
        let mut choice = PartitionChoice::new(1);
        let chosen: Vec<_> =
            (0..6).map(|_| choice.choose(Partitioner::RoundRobin, Some(b"k"), 3, &[0, 1, 2])).collect();
        assert_eq!(chosen[..3], chosen[3..]);
        assert_eq!(chosen[..3].iter().sum::<u32>(), 3);
    }
}
