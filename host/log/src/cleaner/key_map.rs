//! The newest offset of each key, in a bounded number of bytes.
//!
//! 24 bytes for each key, as in Kafka's `SkimpyOffsetMap`: a hash of 16 and the offset. The hash is keyed at random, so
//! that nobody can make two keys that share one; by chance two of a thousand million keys do so once in 10^20 runs.

use std::hash::{BuildHasher, RandomState};

/// Bytes of a slot.
const SLOT: usize = 24;

/// Of a hundred slots, so many are filled at most: Kafka's `log.cleaner.io.buffer.load.factor`.
const LOAD_PERCENT: usize = 90;

/// Two halves of the hash, and the offset plus one; zero stands for an empty slot, so that memory nobody has written to
/// is an empty map.
type Slot = [u64; 3];

/// Keys with the offsets at which they occurred last.
pub(crate) struct KeyMap {
    slots: Vec<Slot>,
    used: usize,
    most: usize,
    hashers: [RandomState; 2],
}

impl KeyMap {
    /// An empty map that takes no more than so many bytes, and at least one key. The operating system gives it pages as
    /// they are filled.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let slots = (max_bytes / SLOT).max(2);
        Self {
            slots: vec![[0; 3]; slots],
            used: 0,
            most: (slots * LOAD_PERCENT / 100).max(1),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Notes that a key occurred at an offset, which is beyond all that were noted before. False, and nothing is noted,
    /// where there is no room for another key.
    #[must_use]
    pub(crate) fn note(&mut self, key: &[u8], offset: i64) -> bool {
        let (at, found) = self.find(key);
        if !found {
            if self.used == self.most {
                return false;
            }
            self.used += 1;
            let [first, second] = self.hash(key);
            self.slots[at] = [first, second, 0];
        }
        self.slots[at][2] = offset as u64 + 1;
        true
    }

    /// Where the key occurred last.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let (at, found) = self.find(key);
        found.then(|| self.slots[at][2] as i64 - 1)
    }

    /// How many keys are known.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [self.hashers[0].hash_one(key), self.hashers[1].hash_one(key)]
    }

    /// The key's slot, or else the empty one that it would get.
    fn find(&self, key: &[u8]) -> (usize, bool) {
        let [first, second] = self.hash(key);
        // Scaled by a multiplication: the number of slots is no power of two.
        let mut at = ((u128::from(first) * self.slots.len() as u128) >> 64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 {
                return (at, false);
            }
            if slot[0] == first && slot[1] == second {
                return (at, true);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_disk::faulty::Dice;

    use super::*;

    #[test]
    fn it_knows_what_a_map_of_whole_keys_knows_until_it_is_full() {
        let mut dice = Dice::new(7);
        for slots in [2, 3, 10, 1000] {
            let mut map = KeyMap::new(slots * SLOT);
            let mut model = BTreeMap::new();
            let mut refused = 0;
            for offset in 0..5000 {
                let key = dice.below(2 * slots as u64).to_string().into_bytes();
                if map.note(&key, offset) {
                    model.insert(key, offset);
                } else {
                    assert!(!model.contains_key(&key) && model.len() == (slots * 9 / 10).max(1));
                    refused += 1;
                }
            }
            assert!(0 < refused);
            assert_eq!(map.len(), model.len());
            for key in 0..2 * slots {
                let key = key.to_string().into_bytes();
                assert_eq!(map.get(&key), model.get(&key).copied());
            }
        }
    }

    #[test]
    fn the_first_offset_and_the_empty_key_are_as_good_as_any() {
        let mut map = KeyMap::new(0);
        assert_eq!(map.get(b""), None);
        assert!(map.note(b"", 0));
        assert_eq!(map.get(b""), Some(0));
        assert!(!map.note(b"a", 1), "one key has room at least");
        assert!(map.note(b"", i64::MAX - 1));
        assert_eq!(map.get(b""), Some(i64::MAX - 1));
    }
}
