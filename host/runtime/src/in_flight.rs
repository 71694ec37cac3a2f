//! The ledger: which source offsets may be committed.
//!
//! A plain value without I/O. Batches go in as polled, in row ranges of one source partition each;
//! what becomes of their rows is told by row ranges and by the producer's sequence ranges. Nothing is
//! allocated per record. A row has *ended* when it was acknowledged, filtered or skipped by policy;
//! a row that became several records has ended with the last of them.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

use millstream_client::Sequence;

/// A polled batch as the ledger needs it.
pub trait Offsets {
    /// A source offset.
    type Offset;
    /// The source offset of a row.
    fn offset(&self, row: u32) -> Self::Offset;
    /// Memory it takes.
    fn bytes(&self) -> usize;
    /// All of its rows have ended, and in their source partitions all before them.
    fn ended(&self) {}
}

/// Names a batch in the ledger.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct BatchId(u64);

/// Polled rows that have not ended, and the newest offset of each source partition with nothing older
/// outstanding.
#[derive(Debug)]
pub struct InFlight<B: Offsets> {
    max_bytes: usize,
    bytes: usize,
    /// Id of the first entry.
    first: u64,
    entries: VecDeque<Entry<B>>,
    sent: VecDeque<Sent>,
    queues: HashMap<Arc<str>, Queue<B::Offset>>,
    /// Rows that have not ended.
    outstanding: u64,
    /// The first batch behind each boundary, in order.
    boundaries: VecDeque<u64>,
}

#[derive(Debug)]
struct Entry<B> {
    /// Dropped as soon as no queue needs an offset of it any more.
    batch: Option<B>,
    bytes: usize,
    /// Bit per row: ended.
    ended: Vec<u64>,
    /// Records that a row still waits for, where rows became several.
    children: Vec<u32>,
    runs: Vec<Run>,
    /// Runs that are still in a queue.
    waiting: usize,
}

#[derive(Debug)]
struct Run {
    partition: Arc<str>,
    rows: Range<u32>,
}

#[derive(Debug)]
struct Queue<O> {
    /// Batch and rows that have not ended, or stand behind one that has not.
    runs: VecDeque<(u64, Range<u32>)>,
    newest: Option<Newest<O>>,
}

#[derive(Debug)]
enum Newest<O> {
    At(u64, u32),
    Offset(O),
}

/// Records of one batch with consecutive sequences.
#[derive(Debug)]
struct Sent {
    first: Sequence,
    len: u32,
    batch: u64,
    row: u32,
    /// 1: each record comes from the next row; 0: all come from one row.
    step: u32,
    left: u32,
}

impl<B: Offsets> InFlight<B> {
    /// An empty ledger that has room for batches of so many bytes together.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            first: 0,
            entries: VecDeque::new(),
            sent: VecDeque::new(),
            queues: HashMap::new(),
            outstanding: 0,
            boundaries: VecDeque::new(),
        }
    }

    /// Whether another batch may come in. A batch larger than the whole limit gets in alone.
    pub fn has_room(&self) -> bool {
        self.bytes < self.max_bytes
    }

    /// Memory of the batches that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that have not ended.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Takes a batch in. `runs` are its rows from first to last, each run with its source partition.
    pub fn begin(&mut self, batch: B, runs: impl IntoIterator<Item = (Arc<str>, Range<u32>)>) -> BatchId {
        let id = self.first + self.entries.len() as u64;
        let bytes = batch.bytes();
        let runs: Vec<Run> = runs
            .into_iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(partition, rows)| Run { partition, rows })
            .collect();
        for run in &runs {
            let queue = match self.queues.get_mut(&run.partition) {
                Some(queue) => queue,
                None => self
                    .queues
                    .entry(Arc::clone(&run.partition))
                    .or_insert_with(|| Queue { runs: VecDeque::new(), newest: None }),
            };
            queue.runs.push_back((id, run.rows.clone()));
        }
        let rows = runs.last().map_or(0, |run| run.rows.end);
        let waiting = runs.len();
        self.outstanding += u64::from(rows);
        if waiting == 0 {
            // Nothing in it can end, so it takes no place.
            return BatchId(id);
        }
        self.bytes += bytes;
        self.entries.push_back(Entry {
            batch: Some(batch),
            bytes,
            ended: vec![0; rows.div_ceil(64) as usize],
            children: Vec::new(),
            runs,
            waiting,
        });
        BatchId(id)
    }

    fn entry(&mut self, batch: u64) -> Option<&mut Entry<B>> {
        let at = usize::try_from(batch.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(at)
    }

    /// A row became this many records, at least one; each of them ends by itself.
    pub fn split(&mut self, batch: BatchId, row: u32, records: u32) {
        let Some(entry) = self.entry(batch.0) else { return };
        if entry.children.is_empty() {
            entry.children = vec![1; entry.runs.last().map_or(0, |run| run.rows.end) as usize];
        }
        entry.children[row as usize] = records;
    }

    /// These rows have ended without a record of theirs being sent; of a row that was split, one
    /// record has.
    pub fn end(&mut self, batch: BatchId, rows: Range<u32>) {
        if let Some(entry) = self.entry(batch.0) {
            if entry.children.is_empty() {
                set(&mut entry.ended, rows.clone());
                self.outstanding -= u64::from(rows.end - rows.start);
                self.advance(batch.0, rows);
            } else {
                for row in rows {
                    self.end_record(batch.0, row);
                }
            }
        }
    }

    fn end_record(&mut self, batch: u64, row: u32) -> bool {
        let Some(entry) = self.entry(batch) else { return false };
        if let Some(left) = entry.children.get_mut(row as usize) {
            *left = left.saturating_sub(1);
            if *left != 0 {
                return false;
            }
        }
        set(&mut entry.ended, row..row + 1);
        self.outstanding -= 1;
        self.advance(batch, row..row + 1);
        true
    }

    /// A record of a row was appended under this sequence, which is higher than any before.
    #[inline]
    pub fn sent(&mut self, sequence: Sequence, batch: BatchId, row: u32) {
        if let Some(last) = self.sent.back_mut()
            && last.batch == batch.0
            && last.first + u64::from(last.len) == sequence
        {
            let step = row.wrapping_sub(last.row + last.step * (last.len - 1));
            if step < 2 && (last.len == 1 || step == last.step) {
                last.step = step;
                last.len += 1;
                last.left += 1;
                return;
            }
        }
        self.sent.push_back(Sent { first: sequence, len: 1, batch: batch.0, row, step: 1, left: 1 });
    }

    /// The rows of the records with these sequences, as ranges: calls `each` with the batch, a row
    /// range and the sequence of the range's first record. Records of one row come one by one.
    pub fn rows_of(&self, first: Sequence, last: Sequence, mut each: impl FnMut(&B, Range<u32>, Sequence)) {
        let begin = self.sent.partition_point(|sent| sent.first + u64::from(sent.len) <= first);
        for sent in self.sent.iter().skip(begin).take_while(|sent| sent.first <= last) {
            let from = first.max(sent.first) - sent.first;
            let to = (last - sent.first + 1).min(u64::from(sent.len));
            let at = usize::try_from(sent.batch.saturating_sub(self.first)).unwrap_or(usize::MAX);
            let Some(batch) = self.entries.get(at).and_then(|entry| entry.batch.as_ref()) else { continue };
            if sent.step == 1 {
                each(batch, sent.row + from as u32..sent.row + to as u32, sent.first + from);
            } else {
                (from..to).for_each(|at| each(batch, sent.row..sent.row + 1, sent.first + at));
            }
        }
    }

    /// The records with these sequences have ended: acknowledged, or failed under a policy that
    /// tolerates it. A sequence is told once.
    pub fn acknowledge(&mut self, first: Sequence, last: Sequence) {
        let mut at = self.sent.partition_point(|sent| sent.first + u64::from(sent.len) <= first);
        while let Some(sent) = self.sent.get_mut(at)
            && sent.first <= last
        {
            let from = (first.max(sent.first) - sent.first) as u32;
            let to = (last - sent.first + 1).min(u64::from(sent.len)) as u32;
            sent.left = sent.left.saturating_sub(to - from);
            let (batch, row, step) = (BatchId(sent.batch), sent.row, sent.step);
            if step == 1 {
                self.end(batch, row + from..row + to);
            } else {
                (from..to).for_each(|_| {
                    self.end_record(batch.0, row);
                });
            }
            at += 1;
        }
        while self.sent.front().is_some_and(|sent| sent.left == 0) {
            self.sent.pop_front();
        }
    }

    /// Moves on the queues in which these rows may have been the oldest.
    fn advance(&mut self, batch: u64, rows: Range<u32>) {
        let first = self.first;
        let index = |batch: u64| (batch - first) as usize;
        let Some(entry) = self.entries.get(index(batch)) else { return };
        let begin = entry.runs.partition_point(|run| run.rows.end <= rows.start);
        let count = entry.runs[begin..].iter().take_while(|run| run.rows.start < rows.end).count();
        let mut finished = Vec::new();
        for run in begin..begin + count {
            let partition = &self.entries[index(batch)].runs[run].partition;
            let Some(queue) = self.queues.get_mut(partition) else { continue };
            while let Some((id, left)) = queue.runs.front_mut() {
                let entry = &mut self.entries[index(*id)];
                let next = first_unset(&entry.ended, left.clone());
                if left.start < next {
                    queue.newest = Some(Newest::At(*id, next - 1));
                    left.start = next;
                }
                if left.start < left.end {
                    break;
                }
                entry.waiting -= 1;
                if entry.waiting == 0 {
                    finished.push(*id);
                }
                queue.runs.pop_front();
            }
        }
        finished.into_iter().for_each(|id| self.release(id));
    }

    /// Lets go of a batch of which no queue needs an offset any more.
    fn release(&mut self, id: u64) {
        let Some(entry) = self.entry(id) else { return };
        let Some(batch) = entry.batch.take() else { return };
        batch.ended();
        let (runs, bytes) = (std::mem::take(&mut entry.runs), entry.bytes);
        entry.ended = Vec::new();
        entry.children = Vec::new();
        for run in runs {
            if let Some(queue) = self.queues.get_mut(&run.partition)
                && let Some(Newest::At(newest, row)) = queue.newest
                && newest == id
            {
                queue.newest = Some(Newest::Offset(batch.offset(row)));
            }
        }
        self.bytes -= bytes;
        while self.entries.front().is_some_and(|entry| entry.batch.is_none()) {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// A transaction ends here: it holds every batch that was begun so far and that no boundary before holds.
    pub fn mark_boundary(&mut self) {
        self.boundaries.push_back(self.first + self.entries.len() as u64);
    }

    /// Whether everything before the oldest boundary has ended, so that its transaction can be committed with the
    /// offsets of [`Self::take_committable`]. Takes the boundary then.
    pub fn take_boundary(&mut self) -> bool {
        self.boundaries.pop_front_if(|behind| *behind <= self.first).is_some()
    }

    /// Source partitions with rows under way or an offset to commit.
    pub fn partitions(&self) -> usize {
        self.queues.len()
    }

    /// Takes, for each source partition, the newest offset such that its row and every older one of
    /// that partition have ended. Partitions without news since the last call are left out.
    pub fn take_committable(&mut self) -> Vec<(Arc<str>, B::Offset)> {
        let mut taken = Vec::new();
        let (first, entries) = (self.first, &self.entries);
        for (partition, queue) in &mut self.queues {
            let offset = match queue.newest.take() {
                None => continue,
                Some(Newest::Offset(offset)) => offset,
                Some(Newest::At(batch, row)) => {
                    let entry = &entries[(batch - first) as usize];
                    entry.batch.as_ref().expect("a batch is kept while an offset of it is needed").offset(row)
                }
            };
            taken.push((Arc::clone(partition), offset));
        }
        self.queues.retain(|_, queue| !queue.runs.is_empty());
        taken
    }
}

fn set(bits: &mut [u64], rows: Range<u32>) {
    let mut row = rows.start;
    while row < rows.end {
        let (word, bit) = ((row / 64) as usize, row % 64);
        let count = (64 - bit).min(rows.end - row);
        let mask = if count == 64 { u64::MAX } else { ((1 << count) - 1) << bit };
        debug_assert_eq!(bits[word] & mask, 0, "a row ends once");
        bits[word] |= mask;
        row += count;
    }
}

/// The first row of the range that has not ended, or the range's end.
fn first_unset(bits: &[u64], rows: Range<u32>) -> u32 {
    let mut row = rows.start;
    while row < rows.end {
        let rest = bits[(row / 64) as usize] >> (row % 64);
        let ones = rest.trailing_ones();
        row += ones;
        if ones < 64 - (row - ones) % 64 {
            break;
        }
    }
    row.min(rows.end)
}

#[cfg(test)]
#[path = "in_flight_tests.rs"]
mod tests;
