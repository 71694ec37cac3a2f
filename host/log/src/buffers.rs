//! Large buffers for what is read, used again: one that is fresh costs the system's clearing every page of it, more than
//! the reading itself.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Bytes of such a buffer: what consumers ask for of a partition at once.
const BYTES: usize = 1 << 20;

/// Reads of less than this take memory of their own.
const LEAST: usize = BYTES / 4;

/// Buffers that are kept for the next read.
const KEPT: usize = 4;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Memory to read into, with anything in it. Its bytes become an answer by [`Buffer::cut`].
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// Of so many bytes.
    pub(crate) fn of(len: usize) -> Self {
        if !(LEAST..=BYTES).contains(&len) {
            return Self { memory: vec![0; len], len };
        }
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { memory: free.unwrap_or_else(|| vec![0; BYTES]), len }
    }

    /// The bytes asked for; what an earlier user left in them is still there.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }

    /// Its beginning, in no more memory than twice as much: what is cut off would be kept as long as the rest, and no
    /// budget knows of it.
    pub(crate) fn cut(mut self, len: usize) -> Bytes {
        self.len = len.min(self.len);
        if self.len < self.memory.len() / 2 {
            return Bytes::copy_from_slice(&self.memory[..self.len]);
        }
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.len() == BYTES {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT {
                free.push(std::mem::take(&mut self.memory));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_not_kept_and_large_buffers_are_used_again() {
        for len in [0, 1, 100, LEAST - 1, LEAST, BYTES - 1, BYTES, BYTES + 1, 3 * BYTES] {
            for part in [0, len / 3, len / 2, len] {
                let mut buffer = Buffer::of(len);
                assert_eq!(buffer.bytes().len(), len);
                buffer.bytes().fill(7);
                let bytes = buffer.cut(part);
                assert_eq!(bytes, vec![7; part], "{part} of {len}");
                let again = bytes.clone();
                drop(bytes);
                assert_eq!(again, vec![7; part]);
            }
        }
        let many: Vec<Bytes> = (0..3 * KEPT).map(|_| Buffer::of(BYTES).cut(BYTES)).collect();
        drop(many);
        assert!(FREE.lock().unwrap().len() <= KEPT);
    }
}
