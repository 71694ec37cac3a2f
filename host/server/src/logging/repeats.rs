//! Lines that come again and again: so many of a kind are written within a window, further ones are counted, and at its
//! end their number is told.
//!
//! A plain value that reads no clock. It is told of warnings and errors alone: further details are for whoever asked for
//! each of them.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    time::{Duration, Instant},
};

/// Most kinds of lines that are counted at a time; lines of further ones are written as they come.
const MOST: usize = 1_000;

/// When lines are left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RepeatLimit {
    /// Lines of a kind that are written within a window; 0 for all.
    pub lines: u64,
    /// How long a window is, from its first line.
    pub window: Duration,
}

/// Lines that were left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Repeated<S> {
    /// The first of their kind that was left out.
    pub(super) sample: S,
    pub(super) times: u64,
    pub(super) window: Duration,
}

/// Kinds are told apart by `K`; of each a sample `S` is kept.
#[derive(Debug)]
pub(super) struct Repeats<K, S> {
    limit: RepeatLimit,
    kinds: HashMap<K, Kind<S>>,
    /// Nothing is due before.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Kind<S> {
    since: Instant,
    seen: u64,
    sample: Option<S>,
}

impl<K: Eq + Hash, S> Repeats<K, S> {
    pub(super) fn new(limit: RepeatLimit) -> Self {
        Self { limit, kinds: HashMap::new(), next: None }
    }

    /// Sets another limit, from the next line on.
    pub(super) fn set_limit(&mut self, limit: RepeatLimit) {
        self.limit = limit;
    }

    /// Whether a line is to be written. `sample` is asked of the first that is not.
    pub(super) fn admit(&mut self, kind: K, now: Instant, sample: impl FnOnce() -> S) -> bool {
        if self.limit.lines == 0 {
            return true;
        }
        let full = MOST <= self.kinds.len();
        match self.kinds.entry(kind) {
            Entry::Occupied(mut entry) => {
                let kind = entry.get_mut();
                kind.seen += 1;
                let admitted = kind.seen <= self.limit.lines;
                if !admitted && kind.sample.is_none() {
                    kind.sample = Some(sample());
                }
                admitted
            }
            Entry::Vacant(entry) => {
                if !full {
                    entry.insert(Kind { since: now, seen: 1, sample: None });
                    let end = now + self.limit.window;
                    self.next = Some(self.next.map_or(end, |next| next.min(end)));
                }
                true
            }
        }
    }

    /// What was left out in windows that have ended, or in all.
    pub(super) fn take(&mut self, now: Instant, all: bool) -> Vec<Repeated<S>> {
        if !all && self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let RepeatLimit { lines, window } = self.limit;
        let ended: Vec<Kind<S>> =
            self.kinds.extract_if(|_, kind| all || kind.since + window <= now).map(|(_, kind)| kind).collect();
        self.next = self.kinds.values().map(|kind| kind.since + window).min();
        let mut ended: Vec<(Instant, Repeated<S>)> = ended
            .into_iter()
            .filter_map(|Kind { since, seen, sample }| {
                let times = seen.saturating_sub(lines);
                Some((since, Repeated { sample: sample?, times, window: now - since }))
            })
            .collect();
        ended.sort_by_key(|(since, _)| *since);
        ended.into_iter().map(|(_, repeated)| repeated).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(lines: u64) -> Repeats<u32, &'static str> {
        Repeats::new(RepeatLimit { lines, window: Duration::from_secs(30) })
    }

    #[test]
    fn beyond_so_many_lines_of_a_kind_the_others_are_counted_until_the_window_ends() {
        let (mut repeats, begin) = (repeats(2), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let admitted: Vec<bool> = (0..5).map(|second| repeats.admit(1, at(second), || "one")).collect();
        assert_eq!(admitted, [true, true, false, false, false]);
        assert!(repeats.admit(2, at(5), || "another"), "each kind has its own number");
        assert_eq!(repeats.take(at(29), false), []);
        let window = Duration::from_secs(30);
        assert_eq!(repeats.take(at(30), false), [Repeated { sample: "one", times: 3, window }]);
        assert_eq!(repeats.take(at(100), false), [], "what was not left out is not told");
        assert!(repeats.admit(1, at(101), || "one"), "another window");
    }

    #[test]
    fn at_the_end_all_that_was_left_out_is_told() {
        let (mut repeats, begin) = (repeats(1), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        for second in 0..3 {
            repeats.admit(2, at(second), || "two");
            repeats.admit(1, at(second + 1), || "one");
        }
        let told: Vec<_> = repeats.take(at(9), true).into_iter().map(|one| (one.sample, one.times)).collect();
        assert_eq!(told, [("two", 2), ("one", 2)]);
        assert_eq!(repeats.take(at(9), true), []);
    }

    #[test]
    fn more_kinds_than_are_remembered_are_written() {
        let (mut repeats, now) = (repeats(1), Instant::now());
        for kind in 0..3_000 {
            assert!(repeats.admit(kind, now, || ""));
        }
        assert_eq!(repeats.kinds.len(), MOST);
        assert!(repeats.admit(2_999, now, || ""));
        assert!(!repeats.admit(0, now, || ""));
        repeats.take(now + Duration::from_secs(30), false);
        assert!(repeats.kinds.is_empty());
    }

    #[test]
    fn without_a_limit_every_line_is_written() {
        let (mut repeats, now) = (repeats(0), Instant::now());
        assert!((0..100).all(|_| repeats.admit(1, now, || "")));
    }
}
