//! Which leader epoch began at which offset.

use millstream_record::LogOffset;

/// Where an epoch ends: at the start of the next one, or at the end of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EpochEnd {
    /// The largest known epoch that is not above the one asked for.
    pub epoch: i32,
    /// The offset after its last record.
    pub end_offset: LogOffset,
}

/// Leader epochs with their first offsets, both ascending.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LeaderEpochs {
    starts: Vec<(i32, i64)>,
}

impl LeaderEpochs {
    /// The newest epoch; `None` before the first.
    pub fn latest(&self) -> Option<i32> {
        self.starts.last().map(|&(epoch, _)| epoch)
    }

    /// Notes that an epoch begins at an offset. Returns whether anything changed; an epoch that is not newer
    /// than the latest changes nothing.
    pub fn begin(&mut self, epoch: i32, start: i64) -> bool {
        if epoch < 0 || self.latest().is_some_and(|latest| epoch <= latest) {
            return false;
        }
        // An epoch in which nothing was written has no offsets of its own.
        while self.starts.last().is_some_and(|&(_, last)| start <= last) {
            self.starts.pop();
        }
        self.starts.push((epoch, start));
        true
    }

    /// Where the asked epoch ends in a log that ends at `log_end`: OffsetForLeaderEpoch's rule. `None` where
    /// the epoch is newer than the latest or none is known.
    pub fn end_of(&self, epoch: i32, log_end: i64) -> Option<EpochEnd> {
        let latest = self.latest()?;
        if latest < epoch {
            return None;
        }
        let after = self.starts.partition_point(|&(known, _)| known <= epoch);
        let end = self.starts.get(after).map_or(log_end, |&(_, start)| start);
        // An epoch older than all known ones has ended where the oldest known one begins.
        let known = if after == 0 { epoch } else { self.starts[after - 1].0 };
        LogOffset::new(end).map(|end_offset| EpochEnd { epoch: known, end_offset })
    }

    /// Forgets epochs that begin at or after the log's end. Returns whether anything changed.
    pub fn truncate_to_end(&mut self, log_end: i64) -> bool {
        let keep = self.starts.partition_point(|&(_, start)| start < log_end);
        let changed = keep < self.starts.len();
        self.starts.truncate(keep);
        changed
    }

    /// Forgets epochs that ended before the log's start; the one it lies in begins there now. Returns whether
    /// anything changed.
    pub fn truncate_to_start(&mut self, log_start: i64) -> bool {
        let within = self.starts.partition_point(|&(_, start)| start <= log_start);
        if within == 0 || (within == 1 && self.starts[0].1 == log_start) {
            return false;
        }
        self.starts.drain(..within - 1);
        self.starts[0].1 = log_start;
        true
    }

    /// The text of `leader-epoch-checkpoint`.
    pub fn to_text(&self) -> String {
        let mut text = format!("0\n{}\n", self.starts.len());
        for (epoch, start) in &self.starts {
            text.push_str(&format!("{epoch} {start}\n"));
        }
        text
    }

    /// Reads the text of `leader-epoch-checkpoint`; `None` where it is damaged.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != "0" {
            return None;
        }
        let count: usize = lines.next()?.parse().ok()?;
        let mut epochs = Self::default();
        for line in lines {
            let (epoch, start) = line.split_once(' ')?;
            let (epoch, start) = (epoch.parse().ok()?, start.parse().ok()?);
            let ascending = epochs.starts.last().is_none_or(|&(known, last)| known < epoch && last <= start);
            if !ascending {
                return None;
            }
            epochs.starts.push((epoch, start));
        }
        (epochs.starts.len() == count).then_some(epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(starts: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs { starts: starts.to_vec() }
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let known = epochs(&[(2, 10), (5, 20)]);
        for (asked, expected) in [
            (1, Some((1, 10))),
            (2, Some((2, 20))),
            (3, Some((2, 20))),
            (4, Some((2, 20))),
            (5, Some((5, 33))),
            (6, None),
        ] {
            let end = known.end_of(asked, 33).map(|end| (end.epoch, end.end_offset.get()));
            assert_eq!(end, expected, "epoch {asked}");
        }
        assert_eq!(LeaderEpochs::default().end_of(0, 33), None);
    }

    #[test]
    fn only_newer_epochs_begin_and_empty_ones_vanish() {
        let mut known = LeaderEpochs::default();
        assert!(known.begin(0, 0));
        assert!(!known.begin(0, 5));
        assert!(known.begin(3, 7));
        assert!(known.begin(4, 7));
        assert_eq!(known, epochs(&[(0, 0), (4, 7)]));
        assert!(!known.begin(2, 9));
    }

    #[test]
    fn epochs_are_cut_with_the_log() {
        let mut known = epochs(&[(0, 0), (1, 10), (2, 20)]);
        assert!(!known.truncate_to_end(21));
        assert!(known.truncate_to_end(20));
        assert_eq!(known, epochs(&[(0, 0), (1, 10)]));
        assert!(known.truncate_to_start(4));
        assert_eq!(known, epochs(&[(0, 4), (1, 10)]));
        assert!(known.truncate_to_start(15));
        assert_eq!(known, epochs(&[(1, 15)]));
        assert!(!known.truncate_to_start(15));
        assert!(!known.truncate_to_start(12));
    }

    #[test]
    fn the_checkpoint_has_kafkas_text() {
        let known = epochs(&[(0, 0), (4, 7)]);
        assert_eq!(known.to_text(), "0\n2\n0 0\n4 7\n");
        assert_eq!(LeaderEpochs::from_text("0\n2\n0 0\n4 7\n"), Some(known));
        for damaged in ["", "1\n0\n", "0\n2\n0 0\n", "0\n2\n4 7\n0 8\n", "0\n1\n0\n", "0\n1\nx 1\n"] {
            assert_eq!(LeaderEpochs::from_text(damaged), None, "{damaged:?}");
        }
    }
}
