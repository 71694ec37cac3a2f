//! Where a consumer stands in each of its partitions. A plain value.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    batches::{Visible, VisibleBatch},
    epochs::LeaderEpochs,
    validation::Check,
};
use crate::admin::{OffsetSpec, TopicPartition};

/// How a position is to be found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Search {
    /// The group's committed offset, or else the reset policy.
    Committed,
    /// An end of the log.
    At(OffsetSpec),
}

/// What is known of one assigned partition.
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
    end_offset: Option<i64>,
    buffered: VecDeque<VisibleBatch>,
    bytes: Bytes,
    /// Where fetching goes on once the buffer is empty, and who wrote the record before.
    after_buffer: (i64, i32),
    epochs: LeaderEpochs,
    /// Epoch of the leader whose log is known to have the records before the position.
    checked: Option<i32>,
    /// The position that was out of range, until another one is found.
    reset_from: Option<i64>,
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
            end_offset: None,
            buffered: VecDeque::new(),
            bytes: Bytes::new(),
            after_buffer: (0, -1),
            epochs: LeaderEpochs::default(),
            checked: None,
            reset_from: None,
        }
    }

    fn forget_data(&mut self) {
        self.buffered.clear();
        self.bytes = Bytes::new();
        self.searching = false;
        self.fetching = false;
        self.not_before = None;
        self.checked = None;
        self.reset_from = None;
    }

    /// Whether the records before the position may be others than those that were read, as far as this leader's log
    /// is concerned.
    fn is_doubtful(&self, leader_epoch: i32) -> bool {
        let epoch = self.position.and_then(|position| self.epochs.before(position));
        0 <= leader_epoch && epoch.is_some() && self.checked != Some(leader_epoch)
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
    pub(super) end_offset: Option<i64>,
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

    /// What lies between the position and the end that the last fetch has seen.
    pub(super) fn lag(&self, key: &TopicPartition) -> Option<i64> {
        let place = self.places.get(key)?;
        Some((place.end_offset? - place.position?).max(0))
    }

    /// Of each partition the next offset to hand out; partitions whose position is still looked up are left out.
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

    /// Takes a position that was looked up, with the epoch of the record before. Returns the position that was out
    /// of range, if that was the reason.
    pub(super) fn found(&mut self, key: &TopicPartition, version: u64, offset: i64, epoch: i32) -> Option<i64> {
        let place = self.current(key, version)?;
        place.searching = false;
        place.position = Some(offset);
        place.epochs.note(offset - 1, offset, epoch);
        place.reset_from.take()
    }

    /// Looks for a position anew because the log has no record for the one there is, or others before it.
    pub(super) fn reset(&mut self, key: &TopicPartition, search: Search) {
        let from = self.position(key);
        self.seek(key, Err(search));
        if let Some(place) = self.places.get_mut(key) {
            place.epochs = LeaderEpochs::default();
            place.reset_from = from;
        }
    }

    /// Epoch of the leader that wrote the record before an offset, if it was read here.
    pub(super) fn epoch_before(&self, key: &TopicPartition, offset: i64) -> Option<i32> {
        self.places.get(key)?.epochs.before(offset)
    }

    /// Whether a leader has to be asked about the position before it can be relied on.
    pub(super) fn is_doubtful(&self, key: &TopicPartition, leader_epoch: i32) -> bool {
        self.places.get(key).is_some_and(|place| place.is_doubtful(leader_epoch))
    }

    /// Positions to check with the leaders of their partitions, marked as being checked. `leader` tells a leader's
    /// epoch.
    pub(super) fn checks(
        &mut self,
        now: Instant,
        mut leader: impl FnMut(&TopicPartition) -> Option<i32>,
    ) -> Vec<Question<Check>> {
        let mut questions = Vec::new();
        for (key, place) in &mut self.places {
            let idle = !place.searching && !place.fetching && place.buffered.is_empty();
            if idle
                && place.not_before.is_none_or(|at| at <= now)
                && let Some(leader_epoch) = leader(key)
                && place.is_doubtful(leader_epoch)
                && let Some(offset) = place.position
                && let Some(epoch) = place.epochs.before(offset)
            {
                place.searching = true;
                questions.push((key.clone(), Check { offset, epoch, leader_epoch }, place.version));
            }
        }
        questions
    }

    /// The leader of this epoch has the records before the position.
    pub(super) fn is_sound(&mut self, key: &TopicPartition, version: u64, leader_epoch: i32) {
        if let Some(place) = self.current(key, version) {
            place.searching = false;
            place.not_before = None;
            place.checked = Some(leader_epoch);
        }
    }

    /// The leader has other records from `end` on: reads on there.
    pub(super) fn diverged(&mut self, key: &TopicPartition, end: i64, epoch: i32, leader_epoch: i32) {
        self.seek(key, Ok(end));
        if let Some(place) = self.places.get_mut(key) {
            place.epochs.cut(end);
            place.epochs.note(end - 1, end, epoch);
            place.checked = Some(leader_epoch);
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

    /// A fetch was given up, and may be repeated at once.
    pub(super) fn not_fetched(&mut self, key: &TopicPartition, version: u64) {
        if let Some(place) = self.current(key, version) {
            place.fetching = false;
        }
    }

    fn current(&mut self, key: &TopicPartition, version: u64) -> Option<&mut Place> {
        self.places.get_mut(key).filter(|place| place.version == version)
    }

    /// Partitions to fetch and from where, those first that waited longest. `leader` tells the epoch of a partition's
    /// leader if it can be asked; partitions that are to be fetched are marked so.
    pub(super) fn fetches(
        &mut self,
        now: Instant,
        mut leader: impl FnMut(&TopicPartition) -> Option<i32>,
    ) -> Vec<Question<i64>> {
        let mut questions = Vec::new();
        let count = self.places.len();
        self.turn = self.turn.wrapping_add(1);
        let start = if count == 0 { 0 } else { self.turn % count };
        let keys: Vec<TopicPartition> =
            self.places.keys().skip(start).chain(self.places.keys().take(start)).cloned().collect();
        for key in keys {
            let place = self.places.get_mut(&key).expect("the key was just listed");
            let idle = !place.paused && !place.fetching && !place.searching && place.buffered.is_empty();
            if let Some(position) = place.position
                && idle
                && place.not_before.is_none_or(|at| at <= now)
                && let Some(leader_epoch) = leader(&key)
                && !place.is_doubtful(leader_epoch)
            {
                place.fetching = true;
                // The leader refuses when it is another one by then.
                place.checked = Some(leader_epoch).filter(|epoch| 0 <= *epoch);
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
        visible: Visible,
        end_offset: i64,
    ) {
        let Visible { batches, next_offset, leader_epoch, damage: _ } = visible;
        let Some(place) = self.current(key, version) else { return };
        place.fetching = false;
        place.end_offset = Some(end_offset).filter(|offset| 0 <= *offset);
        if batches.is_empty() {
            // Nothing to see, but perhaps something to pass.
            if let Some(position) = place.position.filter(|position| *position < next_offset) {
                place.position = Some(next_offset);
                place.epochs.note(position, next_offset, leader_epoch);
            }
        } else {
            place.bytes = bytes;
            place.buffered = batches.into();
            place.after_buffer = (next_offset, leader_epoch);
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
                    place.epochs.note(next_offset, batch.next_offset, batch.leader_epoch);
                    next_offset = batch.next_offset;
                    records = records.saturating_add(batch.records);
                    left = left.saturating_sub(u64::from(batch.records));
                }
                let bytes = place.bytes.slice(start..end);
                if place.buffered.is_empty() {
                    place.bytes = Bytes::new();
                    let (after, epoch) = place.after_buffer;
                    place.epochs.note(next_offset, after, epoch);
                    next_offset = next_offset.max(after);
                }
                place.position = Some(next_offset);
                taken.push(Taken {
                    key: key.clone(),
                    first_offset,
                    next_offset,
                    records,
                    bytes,
                    end_offset: place.end_offset,
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
        assert_eq!(positions.fetches(now, |_| Some(0)), []);
        let searches = positions.searches(now);
        assert_eq!(searches.len(), 1);
        assert_eq!(positions.searches(now), [], "it is under way");
        assert_eq!(positions.found(&key(0), searches[0].2, 17, -1), None);
        let fetches = positions.fetches(now, |_| Some(0));
        assert_eq!((fetches[0].0.clone(), fetches[0].1), (key(0), 17));
        assert_eq!(positions.fetches(now, |_| Some(0)), [], "it is under way");
    }

    #[test]
    fn an_answer_from_before_a_seek_is_ignored() {
        let (mut positions, now) = (at(5), Instant::now());
        let (_, _, version) = positions.fetches(now, |_| Some(0))[0].clone();
        positions.seek(&key(0), Ok(2));
        positions.fetched(&key(0), version, Bytes::from_static(b"abc"), visible(vec![batch(0..3, 6, 1)], 6), 6);
        assert_eq!(positions.take(10), []);
        assert_eq!(positions.position(&key(0)), Some(2));
        assert_eq!(positions.fetches(now, |_| Some(0))[0].1, 2);
    }

    #[test]
    fn whole_batches_are_handed_out_up_to_the_limit_and_positions_follow() {
        let (mut positions, now) = (at(5), Instant::now());
        let version = positions.fetches(now, |_| Some(0))[0].2;
        // The second and third batch are not neighbours: something hidden lies between.
        let batches = vec![batch(0..3, 7, 2), batch(3..6, 9, 2), batch(8..9, 12, 1)];
        positions.fetched(&key(0), version, Bytes::from_static(b"aaabbbxxc"), visible(batches, 13), 20);
        assert_eq!(parts(&positions.take(1)), [(5, 7, "aaa")]);
        assert_eq!(positions.position(&key(0)), Some(7));
        assert_eq!(positions.fetches(now, |_| Some(0)), [], "the rest comes first");
        assert_eq!(parts(&positions.take(10)), [(7, 9, "bbb"), (9, 13, "c")]);
        assert_eq!(positions.fetches(now, |_| Some(0))[0].1, 13);
    }

    #[test]
    fn paused_partitions_keep_what_was_fetched() {
        let (mut positions, now) = (at(0), Instant::now());
        let version = positions.fetches(now, |_| Some(0))[0].2;
        positions.set_paused(&key(0), true);
        positions.fetched(&key(0), version, Bytes::from_static(b"a"), visible(vec![batch(0..1, 1, 1)], 1), 1);
        assert_eq!(positions.take(10), []);
        assert_eq!(positions.paused(), [key(0)].into());
        positions.set_paused(&key(0), false);
        assert_eq!(parts(&positions.take(10)), [(0, 1, "a")]);
    }

    #[test]
    fn a_fetch_that_shows_nothing_still_moves_past_what_is_hidden() {
        let (mut positions, now) = (at(5), Instant::now());
        let version = positions.fetches(now, |_| Some(0))[0].2;
        positions.fetched(&key(0), version, Bytes::new(), visible(Vec::new(), 8), 8);
        assert_eq!(positions.position(&key(0)), Some(8));
    }

    #[test]
    fn partitions_wait_before_they_are_asked_again() {
        let (mut positions, now) = (at(5), Instant::now());
        let later = now + Duration::from_secs(1);
        let version = positions.fetches(now, |_| Some(0))[0].2;
        positions.later(&key(0), version, later);
        assert_eq!(positions.fetches(now, |_| Some(0)), []);
        assert_eq!(positions.wake(now), Some(later));
        assert_eq!(positions.fetches(later, |_| Some(0)).len(), 1);
    }

    #[test]
    fn a_new_leader_is_asked_about_the_position_before_it_is_fetched_from() {
        let (mut positions, now) = (at(5), Instant::now());
        assert_eq!(positions.checks(now, |_| Some(3)), [], "nothing is known about the record before");
        let version = positions.fetches(now, |_| Some(3))[0].2;
        positions.fetched(&key(0), version, Bytes::from_static(b"a"), visible(vec![batch(0..1, 6, 1)], 6), 6);
        positions.take(10);
        assert_eq!(positions.epoch_before(&key(0), 6), Some(3));
        assert_eq!(positions.fetches(now, |_| Some(3)).len(), 1, "the leader is still the same");
        positions.later(&key(0), version, now);
        assert_eq!(positions.fetches(now, |_| Some(4)), []);
        let check = Check { offset: 6, epoch: 3, leader_epoch: 4 };
        assert_eq!(positions.checks(now, |_| Some(4)), [(key(0), check, version)]);
        assert_eq!(positions.checks(now, |_| Some(4)), [], "it is under way");
        assert_eq!(positions.fetches(now, |_| Some(4)), []);
        positions.is_sound(&key(0), version, 4);
        assert_eq!(positions.checks(now, |_| Some(4)), []);
        assert_eq!(positions.fetches(now, |_| Some(4)).len(), 1);
    }

    #[test]
    fn after_a_truncation_reading_goes_on_where_the_log_differs() {
        let (mut positions, now) = (assigned(&[0]), Instant::now());
        let version = positions.searches(now)[0].2;
        positions.found(&key(0), version, 100, 3);
        let checks = positions.checks(now, |_| Some(5));
        assert_eq!(checks[0].1, Check { offset: 100, epoch: 3, leader_epoch: 5 }, "a committed position is checked");
        positions.diverged(&key(0), 80, 2, 5);
        assert!(!positions.is_current(&key(0), version));
        assert_eq!(positions.checks(now, |_| Some(5)), []);
        assert_eq!(positions.fetches(now, |_| Some(5))[0].1, 80);
        assert_eq!((positions.epoch_before(&key(0), 80), positions.epoch_before(&key(0), 100)), (Some(2), None));
    }

    #[test]
    fn a_reset_remembers_where_it_came_from_until_a_position_is_found() {
        let (mut positions, now) = (at(5), Instant::now());
        positions.reset(&key(0), Search::At(OffsetSpec::Earliest));
        let version = positions.searches(now)[0].2;
        assert_eq!(positions.found(&key(0), version, 40, -1), Some(5));
        assert_eq!(positions.found(&key(0), version, 40, -1), None);
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
        VisibleBatch { bytes, next_offset, records, leader_epoch: 3 }
    }

    fn visible(batches: Vec<VisibleBatch>, next_offset: i64) -> Visible {
        Visible { batches, next_offset, leader_epoch: 3, damage: None }
    }

    fn parts(taken: &[Taken]) -> Vec<(i64, i64, &str)> {
        taken
            .iter()
            .map(|part| (part.first_offset, part.next_offset, std::str::from_utf8(&part.bytes).expect("text")))
            .collect()
    }
}
