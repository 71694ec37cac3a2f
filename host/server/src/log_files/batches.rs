//! The batches of a `.log` file, one after the other.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use millstream_wire::batch::{BatchHeader, HEADER_LEN, InvalidBatch};

/// Largest batch that is read, in bytes: what the protocol lets a request be.
const MAX_BATCH: usize = 1 << 30;

/// Walks the batches of a file.
pub struct FileBatches {
    file: BufReader<File>,
    position: u64,
    len: u64,
    batch: Vec<u8>,
}

/// A batch in a file.
pub struct FileBatch<'a> {
    /// Where it stands, in bytes.
    pub position: u64,
    /// Its header.
    pub header: BatchHeader,
    /// All its bytes.
    pub bytes: &'a [u8],
}

/// Why the walk ends before the end of the file.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The file cannot be read.
    #[error("read {len} bytes at byte {position}")]
    Read { position: u64, len: usize, source: io::Error },
    /// What stands there is no batch.
    #[error("no batch at byte {position}")]
    Invalid { position: u64, source: InvalidBatch },
    /// A batch that would be larger than any that is written.
    #[error("a batch of {len} bytes at byte {position} is larger than any")]
    TooLarge { position: u64, len: usize },
}

impl FileBatches {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(1 << 20, file), position: 0, len, batch: Vec::new() })
    }

    /// Bytes of the file when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next batch; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// What stands there is no batch, or the file ends inside it. Nothing comes after that.
    pub fn next(&mut self) -> Option<Result<FileBatch<'_>, WalkError>> {
        if self.len <= self.position {
            return None;
        }
        let position = self.position;
        match self.read() {
            Ok(header) => {
                self.position += self.batch.len() as u64;
                Some(Ok(FileBatch { position, header, bytes: &self.batch }))
            }
            Err(error) => {
                self.position = self.len;
                Some(Err(error))
            }
        }
    }

    fn read(&mut self) -> Result<BatchHeader, WalkError> {
        let position = self.position;
        let left = usize::try_from(self.len - position).unwrap_or(usize::MAX);
        let invalid = |source| WalkError::Invalid { position, source };
        if left < HEADER_LEN {
            return Err(invalid(InvalidBatch::CutOff { expected: HEADER_LEN, present: left }));
        }
        self.fill(0, HEADER_LEN)?;
        let header = BatchHeader::parse(&self.batch).map_err(invalid)?;
        let len = header.total_len();
        if left < len {
            return Err(invalid(InvalidBatch::CutOff { expected: len, present: left }));
        }
        if MAX_BATCH < len {
            return Err(WalkError::TooLarge { position, len });
        }
        self.fill(HEADER_LEN, len)?;
        Ok(header)
    }

    fn fill(&mut self, from: usize, to: usize) -> Result<(), WalkError> {
        self.batch.resize(to, 0);
        let read = self.file.read_exact(&mut self.batch[from..]);
        let position = self.position + from as u64;
        read.map_err(|source| WalkError::Read { position, len: to - from, source })
    }
}
