//! Writing a compacted segment beside the log: `.cleaned` files that mean nothing until they are swapped in.

use std::{io, path::Path, sync::Arc};

use millstream_disk::{Disk, DiskFile, Open};
use millstream_wire::batch::BatchHeader;

use crate::{
    files::{self, CLEANED, Kind},
    index::{Entry, OffsetEntry, TimeEntry},
    transactions::AbortedTransaction,
};

/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// The files of one compacted segment.
#[derive(Debug)]
pub(super) struct CleanedFiles {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    pub base_offset: i64,
    log: Box<dyn DiskFile>,
    /// Batches that are not written yet; the first of them belongs to `written`.
    pub pending: Vec<u8>,
    written: u64,
    index_interval: u64,
    since_index: u64,
    latest: Option<TimeEntry>,
    last_time: Option<i64>,
    index: Vec<u8>,
    times: Vec<u8>,
    aborted: Vec<u8>,
}

impl CleanedFiles {
    /// Begins a segment, over whatever an earlier try left.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        dir: &Arc<Path>,
        base_offset: i64,
        index_interval: u64,
    ) -> io::Result<Self> {
        let log = disk.open(&files::path_with(dir, base_offset, Kind::Log, CLEANED), Open::Truncate)?;
        Ok(Self {
            disk: Arc::clone(disk),
            dir: Arc::clone(dir),
            base_offset,
            log,
            pending: Vec::new(),
            written: 0,
            index_interval,
            since_index: 0,
            latest: None,
            last_time: None,
            index: Vec::new(),
            times: Vec::new(),
            aborted: Vec::new(),
        })
    }

    /// Bytes of batches so far.
    pub(super) fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Takes note of the batch that was appended to [`Self::pending`]. The same entries come about as by appending it
    /// to a log.
    pub(super) fn note(&mut self, header: &BatchHeader) -> io::Result<()> {
        let len = header.total_len() as u64;
        let position = i32::try_from(self.len() - len);
        let relative = header.last_offset().checked_sub(self.base_offset).and_then(|far| i32::try_from(far).ok());
        let (Ok(position), Some(relative_offset)) = (position, relative) else {
            let reason = "a compacted segment would be larger than a segment can be";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        };
        let newer = self.latest.is_none_or(|latest| latest.timestamp < header.max_timestamp);
        if 0 <= header.max_timestamp && newer {
            self.latest = Some(TimeEntry { timestamp: header.max_timestamp, relative_offset });
        }
        if self.index_interval < self.since_index {
            push(&mut self.index, OffsetEntry { relative_offset, position });
            self.push_time();
            self.since_index = 0;
        }
        self.since_index += len;
        if WRITE_BYTES <= self.pending.len() { self.flush() } else { Ok(()) }
    }

    /// Takes note of an aborted transaction whose marker is in the segment.
    pub(super) fn note_aborted(&mut self, aborted: &AbortedTransaction) {
        self.aborted.extend_from_slice(&aborted.encode());
    }

    /// Writes what is left, with the indexes, and brings all of it to stable storage. Only the names are not, yet.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.push_time();
        self.flush()?;
        self.log.sync_data()?;
        for (kind, content) in
            [(Kind::Index, &self.index), (Kind::TimeIndex, &self.times), (Kind::TxnIndex, &self.aborted)]
        {
            let path = files::path_with(&self.dir, self.base_offset, kind, CLEANED);
            // As with any other segment, there is a transaction index only where a transaction was aborted.
            if kind == Kind::TxnIndex && content.is_empty() {
                self.disk.remove_if_present(&path)?;
                continue;
            }
            let file = self.disk.open(&path, Open::Truncate)?;
            file.write_all_at(content, 0)?;
            file.sync_data()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.write_all_at(&self.pending, self.written)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn push_time(&mut self) {
        if let Some(latest) = self.latest
            && self.last_time.is_none_or(|last| last < latest.timestamp)
        {
            push(&mut self.times, latest);
            self.last_time = Some(latest.timestamp);
        }
    }
}

/// Removes the `.cleaned` files of a segment.
pub(super) fn discard(disk: &dyn Disk, dir: &Path, base_offset: i64) -> io::Result<()> {
    for kind in Kind::OF_SEGMENT {
        disk.remove_if_present(&files::path_with(dir, base_offset, kind, CLEANED))?;
    }
    Ok(())
}

fn push<E: Entry>(out: &mut Vec<u8>, entry: E) {
    let at = out.len();
    out.resize(at + E::SIZE, 0);
    entry.encode(&mut out[at..]);
}
