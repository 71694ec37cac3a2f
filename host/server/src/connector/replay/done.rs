//! Which letters of a partition have been replayed: a plain value, kept as a committed offset and its metadata.
//!
//! A filter, or a range, leaves letters out that a later replay is to find. An offset alone cannot say so: it says that
//! everything below it is done, and the metadata beside it names what behind it is.

use std::collections::BTreeMap;

/// What the metadata begins with.
const PREFIX: &str = "replayed:";

/// Longest metadata, in bytes: a little less than what brokers take (`offset.metadata.max.bytes` 4096).
const LONGEST: usize = 4_000;

/// See the module's documentation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Done {
    below: i64,
    /// Stretches behind that, first offset to the one behind the last; none touches another.
    stretches: BTreeMap<i64, i64>,
}

impl Done {
    /// Reads what was committed.
    ///
    /// # Errors
    ///
    /// The metadata is not ours, in words.
    pub(super) fn parse(offset: i64, metadata: &str) -> Result<Self, String> {
        let mut done = Self { below: offset.max(0), stretches: BTreeMap::new() };
        if metadata.is_empty() {
            return Ok(done);
        }
        let unknown = || format!("its metadata {metadata:?} is not what a replay writes");
        for stretch in metadata.strip_prefix(PREFIX).ok_or_else(unknown)?.split(',') {
            let (first, last) = stretch.split_once('-').unwrap_or((stretch, stretch));
            let number = |text: &str| text.parse::<i64>().map_err(|_| unknown());
            let (first, last) = (number(first)?, number(last)?);
            if last < first || last == i64::MAX {
                return Err(unknown());
            }
            done.add(first, last + 1);
        }
        Ok(done)
    }

    /// The first offset that is not done.
    pub(super) fn next(&self) -> i64 {
        self.below
    }

    pub(super) fn contains(&self, offset: i64) -> bool {
        offset < self.below || self.stretches.range(..=offset).next_back().is_some_and(|(_, end)| offset < *end)
    }

    /// These offsets are done, too; `end` is the one behind the last.
    pub(super) fn add(&mut self, mut first: i64, mut end: i64) {
        if end <= first {
            return;
        }
        while let Some((&other, &other_end)) = self.stretches.range(..=end).next_back()
            && first <= other_end
        {
            self.stretches.remove(&other);
            (first, end) = (first.min(other), end.max(other_end));
        }
        if first <= self.below {
            self.below = self.below.max(end);
        } else {
            self.stretches.insert(first, end);
        }
    }

    /// What is committed beside [`Done::next`]; `None` if there are too many stretches for it.
    pub(super) fn metadata(&self) -> Option<String> {
        let text = |(&first, &end): (&i64, &i64)| match end - 1 {
            last if last == first => first.to_string(),
            last => format!("{first}-{last}"),
        };
        let stretches: Vec<String> = self.stretches.iter().map(text).collect();
        let metadata = match stretches.is_empty() {
            true => String::new(),
            false => format!("{PREFIX}{}", stretches.join(",")),
        };
        (metadata.len() <= LONGEST).then_some(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_told_from_what_is_left_out() {
        let mut done = Done::default();
        done.add(0, 3);
        done.add(5, 6);
        done.add(8, 10);
        assert_eq!((done.next(), done.metadata().as_deref()), (3, Some("replayed:5,8-9")));
        let of: Vec<i64> = (0..12).filter(|offset| done.contains(*offset)).collect();
        assert_eq!(of, [0, 1, 2, 5, 8, 9]);
        assert_eq!(Done::parse(3, "replayed:5,8-9"), Ok(done.clone()));
        done.add(3, 5);
        assert_eq!((done.next(), done.metadata().as_deref()), (6, Some("replayed:8-9")));
        done.add(4, 9);
        assert_eq!((done.next(), done.metadata().as_deref()), (10, Some("")));
        done.add(20, 21);
        done.add(22, 23);
        done.add(21, 22);
        assert_eq!(done.metadata().as_deref(), Some("replayed:20-22"));
    }

    #[test]
    fn what_nobody_wrote_is_refused_and_too_much_is_not_written() {
        for metadata in ["x", "replayed:", "replayed:5-3", "replayed:1,a", "replayed:9223372036854775807"] {
            assert!(Done::parse(0, metadata).is_err(), "{metadata}");
        }
        let mut done = Done::default();
        (0..2_000).for_each(|number| done.add(2 * number + 1, 2 * number + 2));
        assert_eq!(done.metadata(), None);
        assert_eq!(Done::parse(-1, "").unwrap().next(), 0);
    }
}
