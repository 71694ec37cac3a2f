//! Whether the files beside a `.log` say what is in it: its indexes by offset and by time, aborted transactions, producers.

use std::{fs, io, path::Path};

use millstream_wire::batch::BatchHeader;

use super::entries::Kind;

/// Something wrong with a file: its end, the byte, and words.
pub type Wrong = (&'static str, u64, String);

const INDEX: &str = "index";
const TIME_INDEX: &str = "timeindex";

/// Bytes of an entry of each.
const INDEX_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;

/// Holds the indexes of a segment against its batches, which it is shown one after another.
pub struct Indexes {
    /// Offset and position of each entry.
    index: Vec<(i64, u64)>,
    /// Timestamp and offset of each entry.
    times: Vec<(i64, i64)>,
    index_at: usize,
    times_at: usize,
    max_timestamp: i64,
    wrong: Vec<Wrong>,
}

impl Indexes {
    /// Reads the indexes beside a `.log`, before it is read: what a broker that runs appends meanwhile is in neither. One
    /// that is missing is no fault, as it is made anew at a start.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn read(log: &Path, base: i64) -> io::Result<Self> {
        let mut wrong = Vec::new();
        let mut entries = |end: &'static str, size: usize| -> io::Result<Vec<u8>> {
            let bytes = read_if_present(&log.with_extension(end))?;
            if bytes.len() % size != 0 {
                let reason = format!("{} bytes are no whole number of entries of {size}", bytes.len());
                wrong.push((end, (bytes.len() / size * size) as u64, reason));
            }
            Ok(bytes)
        };
        let index = entries(INDEX, INDEX_ENTRY)?;
        let times = entries(TIME_INDEX, TIME_ENTRY)?;
        let int = |bytes: &[u8], at: usize| {
            bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, i32::from_be_bytes)
        };
        let long = |bytes: &[u8]| bytes.get(..8).and_then(|eight| eight.try_into().ok()).map_or(0, i64::from_be_bytes);
        let relative = |offset: i32| base.saturating_add(i64::from(offset));
        let index = filled(&index, INDEX_ENTRY)
            .map(|entry| (relative(int(entry, 0)), u64::from(int(entry, 4) as u32)))
            .collect();
        let times = filled(&times, TIME_ENTRY).map(|entry| (long(entry), relative(int(entry, 8)))).collect();
        let mut indexes = Self { index, times, index_at: 0, times_at: 0, max_timestamp: i64::MIN, wrong };
        indexes.check_order();
        Ok(indexes)
    }

    fn check_order(&mut self) {
        let rises = self.index.windows(2).position(|pair| pair[1].0 <= pair[0].0 || pair[1].1 <= pair[0].1);
        if let Some(at) = rises {
            let reason = "an entry is not behind the one before it".to_owned();
            self.wrong.push((INDEX, ((at + 1) * INDEX_ENTRY) as u64, reason));
            self.index.truncate(at + 1);
        }
        let falls = self.times.windows(2).position(|pair| pair[1].0 < pair[0].0 || pair[1].1 < pair[0].1);
        if let Some(at) = falls {
            let reason = "an entry is before the one before it".to_owned();
            self.wrong.push((TIME_INDEX, ((at + 1) * TIME_ENTRY) as u64, reason));
            self.times.truncate(at + 1);
        }
    }

    /// The next batch of the log.
    pub fn see(&mut self, position: u64, header: &BatchHeader) {
        self.see_times_before(header.base_offset);
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        while let Some(&(offset, entry_position)) = self.index.get(self.index_at).filter(|entry| entry.1 <= position) {
            let at = (self.index_at * INDEX_ENTRY) as u64;
            self.index_at += 1;
            if entry_position < position {
                self.wrong.push((INDEX, at, format!("no batch begins at byte {entry_position}")));
            } else if !(header.base_offset..=header.last_offset()).contains(&offset) {
                let reason = format!(
                    "offset {offset} is said to be at byte {position}, where the batch of {} to {} is",
                    header.base_offset,
                    header.last_offset()
                );
                self.wrong.push((INDEX, at, reason));
            }
        }
    }

    /// Entries about what lies wholly before this offset: no record there may be later than they say.
    fn see_times_before(&mut self, offset: i64) {
        while let Some(&(timestamp, last)) = self.times.get(self.times_at).filter(|entry| entry.1 < offset) {
            let at = (self.times_at * TIME_ENTRY) as u64;
            self.times_at += 1;
            if timestamp < self.max_timestamp {
                let reason = format!(
                    "up to offset {last} the latest timestamp is said to be {timestamp}, and there is {}",
                    self.max_timestamp
                );
                self.wrong.push((TIME_INDEX, at, reason));
            }
        }
    }

    /// What is wrong, after the last batch; `next` is the offset behind it.
    pub fn finish(mut self, next: i64) -> Vec<Wrong> {
        self.see_times_before(next);
        if let Some((_, position)) = self.index.get(self.index_at) {
            let reason = format!("an entry is about byte {position}, where there is no batch");
            self.wrong.push((INDEX, (self.index_at * INDEX_ENTRY) as u64, reason));
        }
        // What an empty segment has is the time of its predecessor's last record.
        if let Some((_, offset)) = self.times.get(self.times_at).filter(|_| self.max_timestamp != i64::MIN) {
            let reason = format!("an entry is about offset {offset}, and the segment ends at {next}");
            self.wrong.push((TIME_INDEX, (self.times_at * TIME_ENTRY) as u64, reason));
        }
        self.wrong
    }
}

/// Entries of a file that may be longer than what is in it, filled up with zeros.
fn filled(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let is_entry = |(at, entry): &(usize, &[u8])| *at == 0 || entry.iter().any(|byte| *byte != 0);
    bytes.chunks_exact(size).enumerate().take_while(is_entry).map(|(_, entry)| entry)
}

fn read_if_present(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// What is wrong with aborted transactions and producers that stand beside a log, each by itself.
///
/// # Errors
///
/// A file cannot be read.
pub fn check_alone(log: &Path, base: i64) -> io::Result<Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (end, kind, size) in [("txnindex", Kind::TxnIndex, 34), ("snapshot", Kind::Snapshot, 0)] {
        let path = log.with_extension(end);
        if !path.exists() {
            continue;
        }
        let bytes = fs::read(&path)?;
        if size != 0 && bytes.len() % size != 0 {
            let reason = format!("{} bytes are no whole number of entries of {size}", bytes.len());
            wrong.push((end, (bytes.len() / size * size) as u64, reason));
        }
        if let Err(reason) = kind.entries(base, &bytes) {
            wrong.push((end, 0, reason));
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(base_offset: i64, last: i32, max_timestamp: i64) -> BatchHeader {
        let mut bytes = vec![0; 61];
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
        bytes[16] = 2;
        bytes[23..27].copy_from_slice(&last.to_be_bytes());
        bytes[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
        bytes[57..61].copy_from_slice(&(last + 1).to_be_bytes());
        BatchHeader::parse(&bytes).unwrap()
    }

    /// What is wrong with indexes beside two batches: offsets 100 to 104 at byte 0, 105 to 109 at byte 500.
    fn check(index: &[(i32, i32)], times: &[(i64, i32)]) -> Vec<(&'static str, u64)> {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("00000000000000000100.log");
        let index: Vec<u8> =
            index.iter().flat_map(|(offset, at)| [offset.to_be_bytes(), at.to_be_bytes()].concat()).collect();
        let times: Vec<u8> = times
            .iter()
            .flat_map(|(time, offset)| [&time.to_be_bytes()[..], &offset.to_be_bytes()[..]].concat())
            .collect();
        fs::write(log.with_extension(INDEX), index).unwrap();
        fs::write(log.with_extension(TIME_INDEX), times).unwrap();
        let mut indexes = Indexes::read(&log, 100).unwrap();
        indexes.see(0, &header(100, 4, 7));
        indexes.see(500, &header(105, 4, 9));
        indexes.finish(110).into_iter().map(|(end, at, _)| (end, at)).collect()
    }

    #[test]
    fn indexes_that_lead_astray_are_named() {
        assert_eq!(check(&[(4, 0), (9, 500), (0, 0)], &[(7, 4), (9, 9), (0, 0)]), []);
        assert_eq!(check(&[], &[]), []);
        assert_eq!(check(&[(9, 0)], &[]), [(INDEX, 0)], "another batch is there");
        assert_eq!(check(&[(4, 0), (9, 499)], &[]), [(INDEX, 8)], "no batch begins there");
        assert_eq!(check(&[(9, 600)], &[]), [(INDEX, 0)], "the log ends before that");
        assert_eq!(check(&[(9, 500), (4, 600)], &[]), [(INDEX, 8)], "it goes back");
        assert_eq!(check(&[], &[(6, 4)]), [(TIME_INDEX, 0)], "there is a later record");
        assert_eq!(check(&[], &[(7, 4), (8, 9)]), [(TIME_INDEX, 12)]);
        assert_eq!(check(&[], &[(9, 9), (8, 9)]), [(TIME_INDEX, 12)], "it goes back");
        assert_eq!(check(&[], &[(9, 10)]), [(TIME_INDEX, 0)], "the log ends before that");
    }
}
