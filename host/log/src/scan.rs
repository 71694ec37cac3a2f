//! Walking the batches of a `.log` file in large reads.

use std::io;

use millstream_disk::DiskFile;
use millstream_wire::batch::{BatchHeader, HEADER_LEN, InvalidBatch};

/// Bytes of a batch that its checksum does not cover.
const BEFORE_CHECKED: u64 = 21;

/// Where the magic byte of a batch stands.
const MAGIC: usize = 16;

/// Why a walk ended before the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("read a batch at byte {position}")]
    Io { position: u64, source: io::Error },
    #[error("there is no sound batch at byte {position}")]
    Damaged { position: u64, source: InvalidBatch },
}

/// Walks batch headers between two bytes of a file.
///
/// Reads chunks and not headers; a batch larger than a chunk is jumped over, or streamed if its checksum is to be
/// verified, so that memory is one chunk whatever a length field says.
pub(crate) struct Scan<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    end: u64,
    verify: bool,
    chunk: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> Scan<'a> {
    /// For finding a place near an index entry.
    pub(crate) fn short(file: &'a dyn DiskFile, at: u64, end: u64) -> Self {
        Self::new(file, at, end, false, 8 << 10)
    }

    /// For walking over much of a file.
    pub(crate) fn long(file: &'a dyn DiskFile, at: u64, end: u64) -> Self {
        Self::new(file, at, end, false, 128 << 10)
    }

    /// For walking over much of a file and verifying every checksum.
    pub(crate) fn verifying(file: &'a dyn DiskFile, at: u64, end: u64) -> Self {
        Self::new(file, at, end, true, 1 << 20)
    }

    fn new(file: &'a dyn DiskFile, at: u64, end: u64, verify: bool, chunk: usize) -> Self {
        Self { file, at, end, verify, chunk, buffer: Vec::new(), buffer_at: 0 }
    }

    /// The next batch and where it begins; `None` at the end. After an error the walk is over.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        let position = self.at;
        let left = self.end - position;
        if left == 0 {
            return Ok(None);
        }
        let damaged = |source| ScanError::Damaged { position, source };
        let present = usize::try_from(left).unwrap_or(usize::MAX);
        let header =
            self.bytes(position, HEADER_LEN.min(present)).map_err(|source| ScanError::Io { position, source })?;
        let header = BatchHeader::parse(header).map_err(damaged)?;
        if left < header.total_len() as u64 {
            return Err(damaged(InvalidBatch::CutOff { expected: header.total_len(), present }));
        }
        let end = position + header.total_len() as u64;
        if self.verify {
            let expected =
                self.checksum(position + BEFORE_CHECKED, end).map_err(|source| ScanError::Io { position, source })?;
            if expected != header.crc {
                return Err(damaged(InvalidBatch::Checksum { found: header.crc, expected }));
            }
        }
        self.at = end;
        Ok(Some((position, header)))
    }

    /// The bytes of a batch that `next` returned.
    pub(crate) fn batch(&self, position: u64, header: &BatchHeader) -> Result<Vec<u8>, ScanError> {
        let mut batch = vec![0; header.total_len()];
        self.file.read_exact_at(&mut batch, position).map_err(|source| ScanError::Io { position, source })?;
        Ok(batch)
    }

    /// `len` bytes (at most a chunk) from the buffer, which is filled anew if they are not in it.
    fn bytes(&mut self, from: u64, len: usize) -> io::Result<&[u8]> {
        let buffered = self.buffer_at <= from && from + len as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !buffered {
            let size = usize::try_from(self.end - from).unwrap_or(usize::MAX).min(self.chunk);
            self.buffer.resize(size, 0);
            self.buffer_at = from;
            if let Err(error) = self.file.read_exact_at(&mut self.buffer, from) {
                self.buffer.clear();
                return Err(error);
            }
        }
        let at = (from - self.buffer_at) as usize;
        Ok(&self.buffer[at..at + len])
    }

    fn checksum(&mut self, mut from: u64, to: u64) -> io::Result<u32> {
        let mut crc = 0;
        while from < to {
            // What the buffer still has of this batch, or a chunk.
            let buffered = (self.buffer_at + self.buffer.len() as u64).saturating_sub(from);
            let most = if buffered == 0 { self.chunk as u64 } else { buffered };
            let len = (to - from).min(most) as usize;
            crc = crc32c::crc32c_append(crc, self.bytes(from, len)?);
            from += len as u64;
        }
        Ok(crc)
    }
}

/// The first sound batch at or after a byte of a file for which `fits` holds: any byte may be its first.
///
/// Bytes can be made to look like very many batches. Once `budget` bytes went into checksums, what looks like a batch
/// counts as one.
pub(crate) fn next_sound(
    file: &dyn DiskFile,
    from: u64,
    end: u64,
    mut budget: u64,
    fits: impl Fn(&BatchHeader) -> bool,
) -> Result<Option<(u64, BatchHeader)>, ScanError> {
    let mut at = from;
    let mut chunk = Vec::new();
    while at.saturating_add(HEADER_LEN as u64) <= end {
        chunk.resize((end - at).min(1 << 20) as usize, 0);
        file.read_exact_at(&mut chunk, at).map_err(|source| ScanError::Io { position: at, source })?;
        let last = chunk.len() - HEADER_LEN;
        for start in (0..=last).filter(|start| chunk[start + MAGIC] == 2) {
            let Ok(header) = BatchHeader::parse(&chunk[start..]) else { continue };
            let (position, len) = (at + start as u64, header.total_len() as u64);
            if end - position < len || !fits(&header) {
                continue;
            }
            let Some(left) = budget.checked_sub(len) else { return Ok(Some((position, header))) };
            budget = left;
            match Scan::verifying(file, position, position + len).next() {
                Ok(_) => return Ok(Some((position, header))),
                Err(ScanError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        at += last as u64 + 1;
    }
    Ok(None)
}
