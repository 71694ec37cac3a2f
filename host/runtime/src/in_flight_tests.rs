use proptest::prelude::*;

use super::*;

/// A batch whose offsets are numbers.
#[derive(Debug)]
struct Numbers(Vec<u64>);

impl Offsets for Numbers {
    type Offset = u64;

    fn offset(&self, row: u32) -> u64 {
        self.0[row as usize]
    }

    fn bytes(&self) -> usize {
        self.0.len() * 10
    }
}

fn one(partition: &str, rows: u32) -> Vec<(Arc<str>, Range<u32>)> {
    vec![(partition.into(), 0..rows)]
}

fn committable(ledger: &mut InFlight<Numbers>) -> Vec<(String, u64)> {
    let mut taken: Vec<_> =
        ledger.take_committable().into_iter().map(|(partition, offset)| (partition.to_string(), offset)).collect();
    taken.sort();
    taken
}

/// Sends rows 0..n of one batch as sequences 0..n, acknowledges the ranges, and looks at what may be
/// committed.
#[track_caller]
fn check(rows: u64, acknowledged: &[(u64, u64)], expected: Option<u64>) {
    let mut ledger = InFlight::new(1000);
    let batch = ledger.begin(Numbers((1..=rows).collect()), one("p", rows as u32));
    (0..rows).for_each(|row| ledger.sent(row, batch, row as u32));
    for &(first, last) in acknowledged {
        ledger.acknowledge(first, last);
    }
    let taken = committable(&mut ledger);
    assert_eq!(taken, expected.map(|offset| ("p".to_owned(), offset)).into_iter().collect::<Vec<_>>());
}

#[test]
fn an_offset_is_held_back_while_an_older_record_is_outstanding() {
    check(3, &[], None);
    check(3, &[(1, 2)], None);
    check(3, &[(0, 0), (2, 2)], Some(1));
    check(3, &[(2, 2), (0, 1)], Some(3));
    check(200, &[(0, 63), (65, 199)], Some(64));
    check(200, &[(64, 199), (0, 63)], Some(200));
}

#[test]
fn a_transaction_ends_when_all_of_its_own_rows_have_ended_whatever_follows() {
    let mut ledger = InFlight::new(1000);
    ledger.mark_boundary();
    assert!(ledger.take_boundary(), "one that holds nothing can end at once");
    let first = ledger.begin(Numbers(vec![1, 2]), one("p", 2));
    let second = ledger.begin(Numbers(vec![3]), one("q", 1));
    ledger.mark_boundary();
    let third = ledger.begin(Numbers(vec![4]), one("p", 1));
    ledger.mark_boundary();
    ledger.end(third, 0..1);
    ledger.end(first, 1..2);
    assert!(!ledger.take_boundary(), "a row of the first batch is under way");
    ledger.end(first, 0..1);
    assert!(!ledger.take_boundary(), "the second batch is under way");
    ledger.end(second, 0..1);
    assert!(ledger.take_boundary());
    assert!(ledger.take_boundary(), "the second transaction had ended before");
    assert!(!ledger.take_boundary(), "there is no other");
    assert_eq!(committable(&mut ledger), [("p".to_owned(), 4), ("q".to_owned(), 3)]);
}

#[test]
fn filtered_rows_count_as_ended_and_their_offset_is_committed_with_their_neighbours() {
    let mut ledger = InFlight::new(1000);
    let batch = ledger.begin(Numbers(vec![1, 2, 3, 4]), one("p", 4));
    ledger.end(batch, 0..2);
    ledger.sent(7, batch, 2);
    ledger.end(batch, 3..4);
    assert_eq!(committable(&mut ledger), [("p".to_owned(), 2)]);
    ledger.acknowledge(7, 7);
    assert_eq!(committable(&mut ledger), [("p".to_owned(), 4)]);
    assert_eq!(committable(&mut ledger), []);
    assert_eq!(ledger.outstanding, 0);
}

#[test]
fn a_row_that_became_several_records_ends_with_the_last_of_them() {
    let mut ledger = InFlight::new(1000);
    let batch = ledger.begin(Numbers(vec![1, 2, 3]), one("p", 3));
    ledger.split(batch, 1, 3);
    for (sequence, row) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2)] {
        ledger.sent(sequence, batch, row);
    }
    ledger.acknowledge(0, 2);
    ledger.acknowledge(4, 4);
    assert_eq!(committable(&mut ledger), [("p".to_owned(), 1)]);
    ledger.acknowledge(3, 3);
    assert_eq!(committable(&mut ledger), [("p".to_owned(), 3)]);
}

#[test]
fn a_slow_record_holds_back_only_its_own_partition() {
    let mut ledger = InFlight::new(1000);
    let batch = ledger.begin(Numbers(vec![1, 2, 3]), [("a".into(), 0..1), ("b".into(), 1..2), ("a".into(), 2..3)]);
    (0..3).for_each(|row| ledger.sent(row, batch, row as u32));
    ledger.acknowledge(1, 2);
    assert_eq!(committable(&mut ledger), [("b".to_owned(), 2)]);
    ledger.acknowledge(0, 0);
    assert_eq!(committable(&mut ledger), [("a".to_owned(), 3)]);
}

#[test]
fn the_ledger_is_full_until_a_batch_has_ended_and_lets_one_large_batch_in_alone() {
    let mut ledger = InFlight::new(20);
    assert!(ledger.has_room());
    let batch = ledger.begin(Numbers(vec![1, 2, 3]), one("p", 3));
    assert!(!ledger.has_room());
    ledger.end(batch, 0..2);
    assert!(!ledger.has_room());
    ledger.end(batch, 2..3);
    assert!(ledger.has_room());
    // The offset outlives its batch.
    assert_eq!(committable(&mut ledger), [("p".to_owned(), 3)]);
    assert_eq!(ledger.partitions(), 0);
}

#[test]
fn rows_are_found_again_by_their_sequences() {
    let mut ledger = InFlight::new(1000);
    let batch = ledger.begin(Numbers(vec![1, 2, 3, 4]), one("p", 4));
    ledger.split(batch, 2, 2);
    for (sequence, row) in [(10, 0), (11, 1), (12, 2), (13, 2), (14, 3)] {
        ledger.sent(sequence, batch, row);
    }
    let mut found = Vec::new();
    ledger.rows_of(11, 14, |_, rows, first| found.push((rows, first)));
    let expanded: Vec<(u32, u64)> = found.into_iter().flat_map(|(rows, first)| rows.zip(first..)).collect();
    assert_eq!(expanded, [(1, 11), (2, 12), (2, 13), (3, 14)]);
}

/// One row of the naive model.
#[derive(Clone, Debug)]
struct Row {
    partition: usize,
    left: u32,
    offset: u64,
}

proptest! {
    #[test]
    fn the_ledger_agrees_with_a_naive_model(
        batches in prop::collection::vec(prop::collection::vec((0_usize..3, 0_u32..4), 1..100), 1..6),
        order in prop::collection::vec(any::<u16>(), 0..400),
        commits in prop::collection::vec(any::<bool>(), 400),
    ) {
        let names: [Arc<str>; 3] = ["a".into(), "b".into(), "c".into()];
        let mut ledger = InFlight::new(usize::MAX);
        let mut model: Vec<Row> = Vec::new();
        let mut sequences: Vec<usize> = Vec::new();
        for batch in &batches {
            let base = model.len();
            let offsets = (base as u64..).take(batch.len()).collect();
            let runs: Vec<(Arc<str>, Range<u32>)> = batch
                .iter()
                .zip(0_u32..)
                .map(|((partition, _), row)| (Arc::clone(&names[*partition]), row..row + 1))
                .fold(Vec::new(), |mut runs: Vec<(Arc<str>, Range<u32>)>, (partition, rows)| {
                    match runs.last_mut() {
                        Some((last, range)) if *last == partition => range.end = rows.end,
                        _ => runs.push((partition, rows)),
                    }
                    runs
                });
            let id = ledger.begin(Numbers(offsets), runs);
            for ((partition, records), row) in batch.iter().zip(0_u32..) {
                model.push(Row { partition: *partition, left: *records, offset: (base + row as usize) as u64 });
                if 1 < *records {
                    ledger.split(id, row, *records);
                }
            }
            for ((_, records), row) in batch.iter().zip(0_u32..) {
                if *records == 0 {
                    ledger.end(id, row..row + 1);
                }
                for _ in 0..*records {
                    ledger.sent(sequences.len() as u64, id, row);
                    sequences.push(base + row as usize);
                }
            }
        }
        let mut open: Vec<(u64, u64)> = Vec::new();
        let mut next = 0_u64;
        for step in &order {
            // Some acknowledgements span several records.
            let len = u64::from(step % 7) + 1;
            let last = (next + len).min(sequences.len() as u64);
            if next < last {
                open.push((next, last - 1));
                next = last;
            }
        }
        let mut committed: [Option<u64>; 3] = [None; 3];
        for (step, commit) in order.iter().zip(&commits) {
            if !open.is_empty() {
                let (first, last) = open.swap_remove(usize::from(*step) % open.len());
                ledger.acknowledge(first, last);
                for sequence in first..=last {
                    model[sequences[sequence as usize]].left -= 1;
                }
            }
            if *commit {
                for (partition, offset) in ledger.take_committable() {
                    let at = names.iter().position(|name| *name == partition).unwrap();
                    committed[at] = Some(offset);
                }
                for (at, committed) in committed.iter().enumerate() {
                    let own = || model.iter().filter(|row| row.partition == at);
                    let expected = own().take_while(|row| row.left == 0).last().map(|row| row.offset);
                    prop_assert_eq!(*committed, expected);
                }
            }
        }
        prop_assert_eq!(ledger.outstanding, model.iter().filter(|row| row.left != 0).count() as u64);
    }
}
