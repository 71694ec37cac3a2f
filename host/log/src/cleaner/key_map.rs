//! The newest offset of each key, in a bounded number of bytes.
//!
//! 24 bytes for each key, as in Kafka's `SkimpyOffsetMap`: a hash of 16 and the offset. The hash is keyed at random, so
//! that nobody can make two keys that share one; by chance two of a thousand million keys do so once in 10^20 runs.
//!
//! The map begins small and grows fourfold, so that the few keys of many records stay within the processor's caches. A
//! growing map and the larger one exist together for a moment: the largest takes four fifths of the bytes allowed.

use std::hash::{BuildHasher, RandomState};

/// Bytes of a slot.
const SLOT: usize = 24;

/// Of a hundred slots, so many are filled at most: Kafka's `log.cleaner.io.buffer.load.factor`.
const LOAD_PERCENT: usize = 90;

/// Slots of an empty map, at least, where so many are allowed.
const FIRST_SLOTS: usize = 1 << 10;

/// How many times as many slots a map gets that is full.
const GROWTH: usize = 4;

/// Two halves of the hash, and the offset plus one; zero stands for an empty slot, so that memory nobody has written to
/// is an empty map.
type Slot = [u64; 3];

/// Keys with the offsets at which they occurred last.
pub(crate) struct KeyMap {
    slots: Vec<Slot>,
    used: usize,
    /// Slots that the map may have in the end.
    largest: usize,
    hashers: [RandomState; 2],
}

impl KeyMap {
    /// An empty map that never takes more than so many bytes, but has room for one key at least.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let allowed = max_bytes / SLOT;
        let largest = (allowed - allowed / (GROWTH + 1)).max(2);
        let mut first = largest;
        while FIRST_SLOTS * GROWTH <= first {
            first /= GROWTH;
        }
        Self { slots: vec![[0; 3]; first], used: 0, largest, hashers: [RandomState::new(), RandomState::new()] }
    }

    /// Notes that a key occurred at an offset, which is beyond all that were noted before. False, and nothing is noted,
    /// where there is no room for another key.
    #[must_use]
    pub(crate) fn note(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = self.hash(key);
        let (mut at, found) = self.find(hash);
        if !found {
            if self.used == most(self.slots.len()) {
                if self.slots.len() == self.largest {
                    return false;
                }
                self.grow();
                at = self.find(hash).0;
            }
            self.used += 1;
        }
        self.slots[at] = [hash[0], hash[1], offset as u64 + 1];
        true
    }

    /// Where the key occurred last.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let (at, found) = self.find(self.hash(key));
        found.then(|| self.slots[at][2] as i64 - 1)
    }

    /// How many keys are known.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    fn grow(&mut self) {
        let more = (self.slots.len() * GROWTH + GROWTH - 1).min(self.largest);
        let old = std::mem::replace(&mut self.slots, vec![[0; 3]; more]);
        for slot in old {
            if slot[2] != 0 {
                let (at, _) = self.find([slot[0], slot[1]]);
                self.slots[at] = slot;
            }
        }
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [self.hashers[0].hash_one(key), self.hashers[1].hash_one(key)]
    }

    /// The key's slot, or else the empty one that it would get.
    fn find(&self, [first, second]: [u64; 2]) -> (usize, bool) {
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

/// Keys that so many slots take.
fn most(slots: usize) -> usize {
    (slots * LOAD_PERCENT / 100).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_disk::faulty::Dice;

    use super::*;

    #[test]
    fn it_knows_what_a_map_of_whole_keys_knows_until_it_is_full() {
        let mut dice = Dice::new(7);
        for allowed in [2, 3, 10, 1000, 40_000] {
            let mut map = KeyMap::new(allowed * SLOT);
            let slots = (allowed - allowed / 5).max(2);
            let mut model = BTreeMap::new();
            let mut refused = 0;
            for offset in 0..5 * allowed.max(1000) as i64 {
                assert!(map.slots.len() <= slots, "never more than it may take, beside the one it grew from");
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
