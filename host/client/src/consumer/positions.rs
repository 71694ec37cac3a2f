//! Where a consumer stands in each of its partitions. A plain value.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use tokio::time::Instant;

use super::batches::VisibleBatch;
use crate::admin::{OffsetSpec, TopicPartition};

/// How a position is to be found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Search {
    /// The group's committed offset, or else the reset policy.
    Committed,
    /// An end of the log.
    At(OffsetSpec),
}

/// One partition.
#[derive(Debug)]
struct Place {
    /// The next record to hand out.
    position: Option<i64>,
    search: Search,
    searching: bool,
    paused: bool,
    /// A fetch is under way.
    fetching: bool,
    /// Not asked for anything before this time.
    not_before: Option<Instant>,
    /// Changes with every seek, so that answers to older questions are told apart.
    version: u64,
    high_watermark: Option<i64>,
    buffered: VecDeque<VisibleBatch>,
    bytes: Bytes,
    /// Where fetching goes on once the buffer is empty.
    after_buffer: i64,
}

impl Place {
    fn new(search: Search, version: u64) -> Self {
        Self {
            position: None,
            search,
            searching: false,
            paused: false,
            fetching: false,
            not_before: None,
            version,
            high_watermark: None,
            buffered: VecDeque::new(),
            bytes: Bytes::new(),
            after_buffer: 0,
        }
    }

    fn forget_data(&mut self) {
        self.buffered.clear();
        self.bytes = Bytes::new();
        self.searching = false;
        self.fetching = false;
        self.not_before = None;
    }
}

/// Something to ask about a partition, with the version to answer to.
pub(super) type Question<T> = (TopicPartition, T, u64);

/// Data to hand out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Taken {
    pub(super) key: TopicPartition,
    pub(super) first_offset: i64,
    pub(super) next_offset: i64,
    pub(super) records: u32,
    pub(super) bytes: Bytes,
    pub(super) high_watermark: Option<i64>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Positions {
    places: BTreeMap<TopicPartition, Place>,
    versions: u64,
    /// Where the next fetch and the next hand-out begin, so that no partition starves.
    turn: usize,
}

impl Positions {
    /// Makes `partitions` the assigned ones. Those that were assigned before keep everything.
    pub(super) fn assign(&mut self, partitions: &BTreeSet<TopicPartition>, search: Search) {
        self.places.retain(|key, _| partitions.contains(key));
        for key in partitions {
            self.versions += 1;
            let version = self.versions;
            self.places.entry(key.clone()).or_insert_with(|| Place::new(search, version));
        }
    }

    pub(super) fn assigned(&self) -> BTreeSet<TopicPartition> {
        self.places.keys().cloned().collect()
    }

    pub(super) fn is_assigned(&self, key: &TopicPartition) -> bool {
        self.places.contains_key(key)
    }

    pub(super) fn position(&self, key: &TopicPartition) -> Option<i64> {
        self.places.get(key)?.position
    }

    /// All known positions.
    pub(super) fn known(&self) -> Vec<(TopicPartition, i64)> {
        self.places.iter().filter_map(|(key, place)| Some((key.clone(), place.position?))).collect()
    }

    /// Goes to an offset, or looks for a position anew. `false` where the partition is not assigned.
    pub(super) fn seek(&mut self, key: &TopicPartition, to: Result<i64, Search>) -> bool {
        self.versions += 1;
        let Some(place) = self.places.get_mut(key) else { return false };
        place.forget_data();
        place.version = self.versions;
        match to {
            Ok(offset) => place.position = Some(offset),
            Err(search) => {
                place.position = None;
                place.search = search;
            }
        }
        true
    }

    pub(super) fn set_paused(&mut self, key: &TopicPartition, paused: bool) -> bool {
        let Some(place) = self.places.get_mut(key) else { return false };
        place.paused = paused;
        true
    }

    pub(super) fn paused(&self) -> BTreeSet<TopicPartition> {
        self.places.iter().filter(|(_, place)| place.paused).map(|(key, _)| key.clone()).collect()
    }

    /// Partitions whose position has to be found, marked as being looked up.
    pub(super) fn searches(&mut self, now: Instant) -> Vec<Question<Search>> {
        let unknown =
            |place: &Place| place.position.is_none() && !place.searching && place.not_before.is_none_or(|at| at <= now);
        let mut questions = Vec::new();
        for (key, place) in self.places.iter_mut().filter(|(_, place)| unknown(place)) {
            place.searching = true;
            questions.push((key.clone(), place.search, place.version));
        }
        questions
    }

    /// Takes a position that was looked up.
    pub(super) fn found(&mut self, key: &TopicPartition, version: u64, offset: i64) {
        if let Some(place) = self.current(key, version) {
            place.searching = false;
            place.position = Some(offset);
        }
    }

    /// Looks somewhere else.
    pub(super) fn search_on(&mut self, key: &TopicPartition, version: u64, search: Search) {
        if let Some(place) = self.current(key, version) {
            place.searching = false;
            place.search = search;
        }
    }

    /// Asks nothing about the partition before `at`.
    pub(super) fn later(&mut self, key: &TopicPartition, version: u64, at: Instant) {
        if let Some(place) = self.current(key, version) {
            place.searching = false;
            place.fetching = false;
            place.not_before = Some(at);
        }
    }

    fn current(&mut self, key: &TopicPartition, version: u64) -> Option<&mut Place> {
        self.places.get_mut(key).filter(|place| place.version == version)
    }

    /// Partitions to fetch and from where, those first that waited longest. `may` says whether the broker of a
    /// partition can be asked; those it accepts are marked as being fetched.
    pub(super) fn fetches(&mut self, now: Instant, mut may: impl FnMut(&TopicPartition) -> bool) -> Vec<Question<i64>> {
        let mut questions = Vec::new();
        let count = self.places.len();
        self.turn = self.turn.wrapping_add(1);
        let start = if count == 0 { 0 } else { self.turn % count };
        let keys: Vec<TopicPartition> =
            self.places.keys().skip(start).chain(self.places.keys().take(start)).cloned().collect();
        for key in keys {
            let place = self.places.get_mut(&key).expect("the key was just listed");
            let idle = !place.paused && !place.fetching && place.buffered.is_empty();
            if let Some(position) = place.position
                && idle
                && place.not_before.is_none_or(|at| at <= now)
                && may(&key)
            {
                place.fetching = true;
                place.not_before = None;
                questions.push((key, position, place.version));
            }
        }
        questions
    }

    /// Whether fetches of this version are still of use.
    pub(super) fn is_current(&self, key: &TopicPartition, version: u64) -> bool {
        self.places.get(key).is_some_and(|place| place.version == version)
    }

    /// Takes what a fetch brought.
    pub(super) fn fetched(
        &mut self,
        key: &TopicPartition,
        version: u64,
        bytes: Bytes,
        batches: Vec<VisibleBatch>,
        next_offset: i64,
        high_watermark: i64,
    ) {
        let Some(place) = self.current(key, version) else { return };
        place.fetching = false;
        place.high_watermark = Some(high_watermark).filter(|offset| 0 <= *offset);
        if batches.is_empty() {
            // Nothing to see, but perhaps something to pass.
            place.position = place.position.map(|position| position.max(next_offset));
        } else {
            place.bytes = bytes;
            place.buffered = batches.into();
            place.after_buffer = next_offset;
        }
    }

    /// Hands out whole batches of as few partitions as `max_records` needs, at least one batch; nothing when
    /// nothing is there. Positions move on.
    pub(super) fn take(&mut self, max_records: u32) -> Vec<Taken> {
        let mut taken = Vec::new();
        let mut left = u64::from(max_records);
        let count = self.places.len();
        let start = if count == 0 { 0 } else { self.turn % count };
        let keys: Vec<TopicPartition> = self
            .places
            .keys()
            .skip(start)
            .chain(self.places.keys().take(start))
            .filter(|key| self.places.get(key).is_some_and(|place| !place.paused && !place.buffered.is_empty()))
            .cloned()
            .collect();
        for key in keys {
            let place = self.places.get_mut(&key).expect("the key was just listed");
            while let Some(first) = place.buffered.front() {
                if left == 0 {
                    return taken;
                }
                let first_offset = place.position.unwrap_or(0);
                let (start, mut end, mut next_offset, mut records) =
                    (first.bytes.start, first.bytes.start, first_offset, 0_u32);
                // Neighbouring batches go together.
                while let Some(batch) = place.buffered.pop_front_if(|batch| batch.bytes.start == end && 0 < left) {
                    end = batch.bytes.end;
                    next_offset = batch.next_offset;
                    records = records.saturating_add(batch.records);
                    left = left.saturating_sub(u64::from(batch.records));
                }
                let bytes = place.bytes.slice(start..end);
                if place.buffered.is_empty() {
                    place.bytes = Bytes::new();
                    next_offset = next_offset.max(place.after_buffer);
                }
                place.position = Some(next_offset);
                taken.push(Taken {
                    key: key.clone(),
                    first_offset,
                    next_offset,
                    records,
                    bytes,
                    high_watermark: place.high_watermark,
                });
            }
        }
        taken
    }

    /// When a partition that waits may be asked again.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        self.places.values().filter_map(|place| place.not_before).filter(|at| now < *at).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_record::TopicName;

    use super::*;

    #[test]
    fn a_new_partition_is_looked_up_once_and_then_fetched() {
        let (mut positions, now) = (assigned(&[0]), Instant::now());
        assert_eq!(positions.fetches(now, |_| true), []);
        let searches = positions.searches(now);
        assert_eq!(searches.len(), 1);
        assert_eq!(positions.searches(now), [], "it is under way");
        positions.found(&key(0), searches[0].2, 17);
        let fetches = positions.fetches(now, |_| true);
        assert_eq!((fetches[0].0.clone(), fetches[0].1), (key(0), 17));
        assert_eq!(positions.fetches(now, |_| true), [], "it is under way");
    }

    #[test]
    fn an_answer_from_before_a_seek_is_ignored() {
        let (mut positions, now) = (at(5), Instant::now());
        let (_, _, version) = positions.fetches(now, |_| true)[0].clone();
        positions.seek(&key(0), Ok(2));
        positions.fetched(&key(0), version, Bytes::from_static(b"abc"), vec![batch(0..3, 6, 1)], 6, 6);
        assert_eq!(positions.take(10), []);
        assert_eq!(positions.position(&key(0)), Some(2));
        assert_eq!(positions.fetches(now, |_| true)[0].1, 2);
    }

    #[test]
    fn whole_batches_are_handed_out_up_to_the_limit_and_positions_follow() {
        let (mut positions, now) = (at(5), Instant::now());
        let version = positions.fetches(now, |_| true)[0].2;
        // The second and third batch are not neighbours: something hidden lies between.
        let batches = vec![batch(0..3, 7, 2), batch(3..6, 9, 2), batch(8..9, 12, 1)];
        positions.fetched(&key(0), version, Bytes::from_static(b"aaabbbxxc"), batches, 13, 20);
        assert_eq!(parts(&positions.take(1)), [(5, 7, "aaa")]);
        assert_eq!(positions.position(&key(0)), Some(7));
        assert_eq!(positions.fetches(now, |_| true), [], "the rest comes first");
        assert_eq!(parts(&positions.take(10)), [(7, 9, "bbb"), (9, 13, "c")]);
        assert_eq!(positions.fetches(now, |_| true)[0].1, 13);
    }

    #[test]
    fn paused_partitions_keep_what_was_fetched() {
        let (mut positions, now) = (at(0), Instant::now());
        let version = positions.fetches(now, |_| true)[0].2;
        positions.set_paused(&key(0), true);
        positions.fetched(&key(0), version, Bytes::from_static(b"a"), vec![batch(0..1, 1, 1)], 1, 1);
        assert_eq!(positions.take(10), []);
        assert_eq!(positions.paused(), [key(0)].into());
        positions.set_paused(&key(0), false);
        assert_eq!(parts(&positions.take(10)), [(0, 1, "a")]);
    }

    #[test]
    fn a_fetch_that_shows_nothing_still_moves_past_what_is_hidden() {
        let (mut positions, now) = (at(5), Instant::now());
        let version = positions.fetches(now, |_| true)[0].2;
        positions.fetched(&key(0), version, Bytes::new(), Vec::new(), 8, 8);
        assert_eq!(positions.position(&key(0)), Some(8));
    }

    #[test]
    fn partitions_wait_before_they_are_asked_again() {
        let (mut positions, now) = (at(5), Instant::now());
        let later = now + Duration::from_secs(1);
        let version = positions.fetches(now, |_| true)[0].2;
        positions.later(&key(0), version, later);
        assert_eq!(positions.fetches(now, |_| true), []);
        assert_eq!(positions.wake(now), Some(later));
        assert_eq!(positions.fetches(later, |_| true).len(), 1);
    }

    #[test]
    fn partitions_that_stay_assigned_keep_their_positions() {
        let mut positions = at(5);
        positions.assign(&[key(0), key(1)].into(), Search::Committed);
        assert_eq!(positions.position(&key(0)), Some(5));
        assert_eq!(positions.position(&key(1)), None);
        positions.assign(&[key(1)].into(), Search::Committed);
        assert!(!positions.is_assigned(&key(0)));
    }

    fn key(partition: i32) -> TopicPartition {
        (TopicName::parse("t").expect("valid"), partition)
    }

    fn assigned(partitions: &[i32]) -> Positions {
        let mut positions = Positions::default();
        positions.assign(&partitions.iter().map(|partition| key(*partition)).collect(), Search::Committed);
        positions
    }

    fn at(offset: i64) -> Positions {
        let mut positions = assigned(&[0]);
        positions.seek(&key(0), Ok(offset));
        positions
    }

    fn batch(bytes: std::ops::Range<usize>, next_offset: i64, records: u32) -> VisibleBatch {
        VisibleBatch { bytes, next_offset, records }
    }

    fn parts(taken: &[Taken]) -> Vec<(i64, i64, &str)> {
        taken
            .iter()
            .map(|part| (part.first_offset, part.next_offset, std::str::from_utf8(&part.bytes).expect("text")))
            .collect()
    }
}
