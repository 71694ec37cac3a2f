//! What of a log is to be compacted, and in which portions: plain values that read no file.

use millstream_record::LogOffset;

use crate::{config::LogConfig, sync::offset};

/// What planning goes by in one closed segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Candidate {
    pub base_offset: i64,
    pub bytes: u64,
    /// Bytes of the larger of its two indexes.
    pub index_bytes: u64,
    /// Timestamp of its newest record in milliseconds.
    pub newest_ms: i64,
    /// Timestamp of its first batch, where that is known and matters.
    pub first_ms: Option<i64>,
}

/// What the cleaner could do for a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cleanable {
    /// From here on a key may have occurred before. Everything below was compacted.
    pub first_dirty: LogOffset,
    /// The beginning of the first segment that has to stay as it is.
    pub first_uncleanable: LogOffset,
    /// Bytes of the segments below [`Self::first_dirty`].
    pub clean_bytes: u64,
    /// Bytes of the segments between the two offsets.
    pub dirty_bytes: u64,
    /// Whether `max.compaction.lag.ms` has passed for one of those segments.
    pub overdue: bool,
}

impl Cleanable {
    /// The part of the bytes that is dirty, from 0 to 1: what `min.cleanable.dirty.ratio` is compared with.
    pub fn dirty_ratio(&self) -> f64 {
        match self.clean_bytes + self.dirty_bytes {
            0 => 0.0,
            all => self.dirty_bytes as f64 / all as f64,
        }
    }

    /// Whether the log is to be cleaned.
    pub fn is_due(&self, min_dirty_ratio: f64) -> bool {
        self.dirty_bytes != 0 && (self.overdue || min_dirty_ratio < self.dirty_ratio())
    }
}

/// The edges of the log that planning has to respect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edges {
    pub start: i64,
    pub end: i64,
    /// First offset of the oldest open transaction, or the end.
    pub stable: i64,
    pub active_base: i64,
}

/// What can be done, given the closed segments and the offset up to which the cleaner says that it has come.
pub(super) fn plan(
    closed: &[Candidate],
    edges: Edges,
    cleaned_to: Option<i64>,
    config: &LogConfig,
    now_ms: i64,
) -> Cleanable {
    // Below the start there is nothing, and beyond the end the cleaner was in another log: all is dirty then.
    let first_dirty = cleaned_to.filter(|to| (edges.start..=edges.end).contains(to)).unwrap_or(edges.start);
    let from = |offset: i64| closed.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1);
    let lag_ms = config.min_compaction_lag_ms.max(0);
    let too_new = |segment: &&Candidate| 0 < lag_ms && now_ms.saturating_sub(lag_ms) < segment.newest_ms;
    let new = closed[from(first_dirty)..].iter().find(too_new).map_or(i64::MAX, |segment| segment.base_offset);
    let limit = edges.stable.min(edges.active_base).min(new);
    // The segment with that offset stays whole.
    let first_uncleanable = match limit < edges.active_base {
        true => closed.get(from(limit)).map_or(edges.active_base, |segment| segment.base_offset),
        false => edges.active_base,
    };
    // A segment in the middle of which the last pass came to its end is dirty as a whole.
    let dirty_base = match first_dirty < edges.active_base {
        true => closed.get(from(first_dirty)).map_or(first_dirty, |segment| segment.base_offset),
        false => first_dirty,
    };
    let clean_below = dirty_base.min(first_uncleanable);
    let bytes = |below: i64| -> u64 {
        closed.iter().take_while(|segment| segment.base_offset < below).map(|segment| segment.bytes).sum()
    };
    let clean_bytes = bytes(clean_below);
    let due_before = now_ms.saturating_sub(config.max_compaction_lag_ms.max(0));
    let dirty = closed[from(first_dirty)..].iter().take_while(|segment| segment.base_offset < first_uncleanable);
    let oldest = dirty.filter_map(|segment| segment.first_ms).filter(|first| 0 < *first).min();
    Cleanable {
        first_dirty: offset(first_dirty),
        first_uncleanable: offset(first_uncleanable),
        clean_bytes,
        dirty_bytes: bytes(first_uncleanable) - clean_bytes,
        overdue: oldest.is_some_and(|oldest| oldest < due_before),
    }
}

/// How many of the segments go into each new one: neighbours, as long as they fit into one as they are now.
pub(super) fn group(segments: &[Candidate], config: &LogConfig, end: i64) -> Vec<usize> {
    let mut groups = Vec::new();
    let (mut at, mut bytes, mut index_bytes) = (0, 0, 0);
    for (n, segment) in segments.iter().enumerate() {
        let segment_end = segments.get(n + 1).map_or(end, |next| next.base_offset);
        let fits = bytes + segment.bytes <= config.segment_bytes
            && index_bytes + segment.index_bytes <= config.segment_index_bytes
            && segment_end - segments[at].base_offset <= i64::from(i32::MAX);
        if at < n && fits {
            *groups.last_mut().expect("the first segment begins a group") += 1;
        } else {
            groups.push(1);
            (at, bytes, index_bytes) = (n, 0, 0);
        }
        bytes += segment.bytes;
        index_bytes += segment.index_bytes;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    /// Segments of ten offsets and 100 bytes, an hour apart; the last is `hours` ago.
    fn closed(segments: i64) -> Vec<Candidate> {
        let of = |n: i64| {
            let newest_ms = NOW - 1000 * (segments - n);
            Candidate { base_offset: 10 * n, bytes: 100, index_bytes: 8, newest_ms, first_ms: Some(newest_ms) }
        };
        (0..segments).map(of).collect()
    }

    const EDGES: Edges = Edges { start: 0, end: 45, stable: 45, active_base: 40 };

    #[track_caller]
    fn check(edges: Edges, cleaned_to: Option<i64>, config: &LogConfig, expected: (i64, i64, u64, u64, bool)) {
        let plan = plan(&closed(4), edges, cleaned_to, config, NOW);
        let Cleanable { first_dirty, first_uncleanable, clean_bytes, dirty_bytes, overdue } = plan;
        assert_eq!((first_dirty.get(), first_uncleanable.get(), clean_bytes, dirty_bytes, overdue), expected);
    }

    #[test]
    fn closed_segments_are_cleaned_up_to_what_has_to_stay() {
        let config = LogConfig::default();
        check(EDGES, None, &config, (0, 40, 0, 400, false));
        check(EDGES, Some(20), &config, (20, 40, 200, 200, false));
        check(EDGES, Some(40), &config, (40, 40, 400, 0, false));
        check(EDGES, Some(46), &config, (0, 40, 0, 400, false));
        check(Edges { start: 12, ..EDGES }, Some(5), &config, (12, 40, 100, 300, false));
        check(Edges { stable: 40, ..EDGES }, None, &config, (0, 40, 0, 400, false));
        check(Edges { stable: 39, ..EDGES }, None, &config, (0, 30, 0, 300, false));
        check(Edges { stable: 20, ..EDGES }, Some(30), &config, (30, 20, 200, 0, false));
        let lag = |min_compaction_lag_ms| LogConfig { min_compaction_lag_ms, ..LogConfig::default() };
        check(EDGES, None, &lag(1000), (0, 40, 0, 400, false));
        check(EDGES, None, &lag(1001), (0, 30, 0, 300, false));
        check(EDGES, Some(20), &lag(2001), (20, 20, 200, 0, false));
        check(EDGES, None, &lag(i64::MAX), (0, 0, 0, 0, false));
    }

    #[test]
    fn what_is_older_than_the_largest_lag_is_overdue() {
        let lag = |max_compaction_lag_ms| LogConfig { max_compaction_lag_ms, ..LogConfig::default() };
        check(EDGES, Some(30), &lag(1000), (30, 40, 300, 100, false));
        check(EDGES, Some(30), &lag(999), (30, 40, 300, 100, true));
        check(EDGES, None, &lag(3999), (0, 40, 0, 400, true));
    }

    #[test]
    fn a_log_is_due_by_the_part_that_is_dirty_or_by_its_age() {
        let of = |clean_bytes, dirty_bytes, overdue| Cleanable {
            first_dirty: LogOffset::ZERO,
            first_uncleanable: LogOffset::ZERO,
            clean_bytes,
            dirty_bytes,
            overdue,
        };
        assert!(!of(100, 100, false).is_due(0.5));
        assert!(of(100, 101, false).is_due(0.5));
        assert!(of(100, 1, true).is_due(0.5));
        assert!(!of(100, 0, true).is_due(0.0));
        assert!(of(0, 1, false).is_due(0.0));
        assert!(!of(0, 0, false).is_due(0.0));
    }

    #[test]
    fn neighbours_are_merged_while_they_fit() {
        let segments = closed(5);
        let sized = |segment_bytes| LogConfig { segment_bytes, ..LogConfig::default() };
        assert_eq!(group(&segments, &sized(1000), 50), [5]);
        assert_eq!(group(&segments, &sized(200), 50), [2, 2, 1]);
        assert_eq!(group(&segments, &sized(50), 50), [1; 5]);
        let indexed = LogConfig { segment_index_bytes: 16, ..LogConfig::default() };
        assert_eq!(group(&segments, &indexed, 50), [2, 2, 1]);
        assert_eq!(group(&segments, &sized(1000), i64::from(i32::MAX) + 1), [4, 1], "offsets are relative");
        assert_eq!(group(&[], &sized(1000), 0), []);
    }
}
