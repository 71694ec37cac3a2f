//! Maps as Java builds them: of two equal keys the later entry's value stands in the earlier one's place.
//!
//! Keys may be of any shape and size, so they are found by hash, and compared in time that grows with their size only.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use millstream_record::Value;

/// Entries in insertion order without two equal keys, as [`Value::same`] sees them.
#[derive(Debug, Default)]
pub struct JavaMap {
    entries: Vec<(Value, Value)>,
    /// Places of keys by their hash. Empty while there is one entry at most: most large keys are alone.
    places: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

impl JavaMap {
    /// Adds an entry, or replaces the value of an equal key.
    pub fn put(&mut self, key: Value, value: Value) {
        if self.entries.is_empty() {
            self.entries.push((key, value));
            return;
        }
        if self.places.is_empty() {
            let first = hash(&self.entries[0].0, &self.hasher);
            self.places.insert(first, vec![0]);
        }
        let places = self.places.entry(hash(&key, &self.hasher)).or_default();
        match places.iter().find(|&&place| alike(&self.entries[place].0, &key, &self.hasher)) {
            Some(&place) => self.entries[place].1 = value,
            None => {
                places.push(self.entries.len());
                self.entries.push((key, value));
            }
        }
    }

    /// The entries in their order.
    pub fn into_entries(self) -> Vec<(Value, Value)> {
        self.entries
    }
}

/// The same for values that are [`Value::same`]; the order of a map's entries does not matter.
fn hash(value: &Value, hasher: &RandomState) -> u64 {
    #[cfg(test)]
    tests::step();
    let whole = |values: &[Value]| hasher.hash_one(values.iter().map(|value| hash(value, hasher)).collect::<Vec<_>>());
    match value {
        Value::Float32(number) => hasher.hash_one((1, if number.is_nan() { f32::NAN } else { *number }.to_bits())),
        Value::Float64(number) => hasher.hash_one((2, if number.is_nan() { f64::NAN } else { *number }.to_bits())),
        Value::List(values) => hasher.hash_one((3, whole(values))),
        Value::Struct(_, slots) => hasher.hash_one((4, whole(slots))),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| hasher.hash_one((hash(key, hasher), hash(value, hasher)));
            hasher.hash_one((5, entries.iter().map(entry).fold(0, u64::wrapping_add)))
        }
        Value::Null => hasher.hash_one(6),
        Value::Boolean(value) => hasher.hash_one((7, value)),
        Value::Int8(number) => hasher.hash_one((8, number)),
        Value::Int16(number) => hasher.hash_one((9, number)),
        Value::Int32(number) => hasher.hash_one((10, number)),
        Value::Int64(number) => hasher.hash_one((11, number)),
        Value::Instant(ms) => hasher.hash_one((12, ms)),
        Value::String(text) => hasher.hash_one((13, text)),
        Value::Bytes(bytes) => hasher.hash_one((14, bytes)),
        Value::BigInteger(bytes) => hasher.hash_one((15, bytes)),
        Value::Decimal(decimal) => hasher.hash_one((16, decimal)),
    }
}

/// [`Value::same`], without comparing all entries of a map with all others.
fn alike(a: &Value, b: &Value, hasher: &RandomState) -> bool {
    #[cfg(test)]
    tests::step();
    let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b, hasher));
    match (a, b) {
        (Value::List(a), Value::List(b)) => all(a, b),
        (Value::Struct(schema_a, a), Value::Struct(schema_b, b)) => schema_a == schema_b && all(a, b),
        (Value::Map(a), Value::Map(b)) if a.len() == b.len() => {
            let sorted = |entries: &'_ [(Value, Value)]| {
                let mut sorted: Vec<_> = (0..entries.len()).map(|at| (hash(&entries[at].0, hasher), at)).collect();
                sorted.sort_unstable();
                sorted
            };
            let mut pairs = sorted(a).into_iter().zip(sorted(b));
            pairs.all(|((hash_a, at_a), (hash_b, at_b))| {
                let ((key_a, value_a), (key_b, value_b)) = (&a[at_a], &b[at_b]);
                hash_a == hash_b && alike(key_a, key_b, hasher) && alike(value_a, value_b, hasher)
            })
        }
        _ => a.same(b),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    /// Counts a value that is hashed or compared.
    pub(super) fn step() {
        STEPS.set(STEPS.get() + 1);
    }

    fn map(entries: &[(Value, Value)]) -> Value {
        Value::Map(entries.to_vec())
    }

    #[test]
    fn equal_keys_replace_each_other_and_keep_their_place() {
        let (one, two) = (Value::Int8(1), Value::Int8(2));
        let list = |values: &[Value]| Value::List(values.to_vec());
        let mut found = JavaMap::default();
        for (at, key) in [
            one.clone(),
            Value::Int16(1),
            Value::Float32(0.0),
            Value::Float32(-0.0),
            Value::Float64(f64::NAN),
            list(&[one.clone(), two.clone()]),
            map(&[(one.clone(), two.clone()), (two.clone(), one.clone())]),
            // From here on each is one that was there.
            map(&[(two.clone(), one.clone()), (one.clone(), two.clone())]),
            list(&[one.clone(), two.clone()]),
            Value::Float64(f64::NAN),
            one.clone(),
        ]
        .into_iter()
        .enumerate()
        {
            found.put(key, Value::Int64(at as i64));
        }
        let values: Vec<Value> = found.into_entries().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [10, 1, 2, 3, 9, 8, 7].map(Value::Int64));
    }

    #[test]
    fn work_on_large_keys_inside_of_keys_does_not_grow_with_their_square() {
        const LARGE: i64 = 2_000;
        let large = |from: i64| {
            let numbers = (from..from + LARGE).chain(0..from).map(|at| (Value::Int64(at), Value::Null));
            map(&numbers.collect::<Vec<_>>())
        };
        STEPS.set(0);
        let (mut a, mut b) = (large(0), large(7));
        for _ in 0..20 {
            let mut found = JavaMap::default();
            found.put(a, Value::Null);
            found.put(b.clone(), Value::Null);
            found.put(Value::Null, Value::Null);
            a = Value::Map(found.into_entries());
            b = Value::Map(vec![(Value::Null, Value::Null), (b, Value::Null)]);
        }
        // Twenty rounds with keys that become larger by one of these each; their square alone would be 80 million.
        assert!(STEPS.get() < 10_000_000, "{} steps", STEPS.get());
        assert!(40 * (LARGE as u64) < STEPS.get(), "{} steps: all values are looked at", STEPS.get());
    }
}
