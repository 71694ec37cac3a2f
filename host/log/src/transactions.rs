//! The transaction index of a segment: which transactions were aborted, in Kafka's format.

use std::{io, path::Path};

use millstream_disk::{Disk, Open};

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// First offset of the oldest transaction still open when the marker was written, or else the offset after it.
    pub last_stable_offset: i64,
}

/// Bytes of one entry.
const ENTRY: usize = 34;

impl AbortedTransaction {
    pub(crate) fn encode(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        let fields = [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (i, field) in fields.into_iter().enumerate() {
            entry[2 + 8 * i..10 + 8 * i].copy_from_slice(&field.to_be_bytes());
        }
        entry
    }

    fn decode(entry: &[u8]) -> Option<Self> {
        let field = |i: usize| {
            let bytes = entry.get(2 + 8 * i..10 + 8 * i)?.try_into().ok()?;
            Some(i64::from_be_bytes(bytes))
        };
        let known = entry.starts_with(&[0, 0]);
        known.then_some(Self {
            producer_id: field(0)?,
            first_offset: field(1)?,
            last_offset: field(2)?,
            last_stable_offset: field(3)?,
        })
    }
}

/// Appends an entry to a segment's `.txnindex`, which this makes if needed. `entries` are there already; what
/// an interrupted append left behind them is overwritten.
pub(crate) fn append(disk: &dyn Disk, path: &Path, entries: u64, aborted: &AbortedTransaction) -> io::Result<()> {
    let file = disk.open(path, Open::Create)?;
    let end = entries * ENTRY as u64;
    file.set_len(end)?;
    file.write_all_at(&aborted.encode(), end)
}

/// All entries of a segment's `.txnindex`; `None` where it is damaged.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<AbortedTransaction>>> {
    let Some(content) = disk.read_if_present(path)? else { return Ok(Some(Vec::new())) };
    if content.len() % ENTRY != 0 {
        return Ok(None);
    }
    Ok(content.chunks_exact(ENTRY).map(AbortedTransaction::decode).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_kafkas_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let path = dir.path().join("x.txnindex");
        assert_eq!(read(&*disk, &path).unwrap(), Some(Vec::new()));
        let aborted = AbortedTransaction { producer_id: 4711, first_offset: 3, last_offset: 9, last_stable_offset: 10 };
        append(&*disk, &path, 0, &aborted).unwrap();
        let mut expected = vec![0, 0];
        for field in [4711_i64, 3, 9, 10] {
            expected.extend(field.to_be_bytes());
        }
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        append(&*disk, &path, 1, &aborted).unwrap();
        assert_eq!(read(&*disk, &path).unwrap(), Some(vec![aborted; 2]));
        std::fs::write(&path, &expected[1..]).unwrap();
        assert_eq!(read(&*disk, &path).unwrap(), None);
    }
}
