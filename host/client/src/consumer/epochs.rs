//! Which leader wrote the records before a position. A plain value.
//!
//! An offset alone does not tell whether its record is still the one that was read: a log that lost its end goes on
//! with other records under the same offsets. Together with the epoch of the leader that wrote it, a broker can tell.

use std::collections::VecDeque;

/// Most spans that are remembered, the newest ones. Epochs change when brokers restart or fail over.
const MOST_SPANS: usize = 16;

/// Records of one leader, from the first offset up to (not including) the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    first: i64,
    end: i64,
    epoch: i32,
}

/// Leader epochs of records that were read in one partition, or that a committed position tells of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct LeaderEpochs {
    spans: VecDeque<Span>,
}

impl LeaderEpochs {
    /// Notes that the records from `first` up to `end` are of this epoch. Nothing for an epoch below 0, which stands
    /// for one that is not known.
    pub(super) fn note(&mut self, first: i64, end: i64, epoch: i32) {
        if epoch < 0 || end <= first {
            return;
        }
        let touching = |span: &&mut Span| span.epoch == epoch && span.first <= end && first <= span.end;
        if let Some(span) = self.spans.iter_mut().rev().find(touching) {
            (span.first, span.end) = (span.first.min(first), span.end.max(end));
            return;
        }
        self.spans.push_back(Span { first, end, epoch });
        if MOST_SPANS < self.spans.len() {
            self.spans.pop_front();
        }
    }

    /// Epoch of the record before an offset, if known.
    pub(super) fn before(&self, offset: i64) -> Option<i32> {
        let holds = |span: &&Span| span.first < offset && offset <= span.end;
        self.spans.iter().rev().find(holds).map(|span| span.epoch)
    }

    /// Forgets the records from `end` on: the log has others there.
    pub(super) fn cut(&mut self, end: i64) {
        self.spans.retain_mut(|span| {
            span.end = span.end.min(end);
            span.first < span.end
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_the_epoch_of_the_record_before_it() {
        let mut epochs = LeaderEpochs::default();
        epochs.note(10, 20, 3);
        epochs.note(20, 25, 3);
        epochs.note(25, 30, 7);
        epochs.note(30, 40, -1);
        let of = |offset| epochs.before(offset);
        assert_eq!((of(10), of(11), of(25), of(26), of(30), of(31)), (None, Some(3), Some(3), Some(7), Some(7), None));
        epochs.cut(27);
        assert_eq!((epochs.before(27), epochs.before(28)), (Some(7), None));
        epochs.cut(22);
        assert_eq!((epochs.before(22), epochs.before(23)), (Some(3), None));
    }

    #[test]
    fn only_the_newest_epochs_are_remembered() {
        let mut epochs = LeaderEpochs::default();
        (0..100).for_each(|epoch| epochs.note(i64::from(epoch) * 10, i64::from(epoch) * 10 + 10, epoch));
        assert_eq!(epochs.spans.len(), MOST_SPANS);
        assert_eq!((epochs.before(1000), epochs.before(10)), (Some(99), None));
        // Reading them once more adds nothing.
        epochs.note(990, 1000, 99);
        assert_eq!(epochs.spans.len(), MOST_SPANS);
    }
}
