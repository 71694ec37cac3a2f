//! Bytes of many rows in one buffer.

use super::super::{column::end_of_heap, layout};

/// Offsets (little-endian u32, the first one 0 included) and bytes.
#[derive(Clone, Debug)]
pub(super) struct Heap {
    pub offsets: Vec<u8>,
    pub bytes: Vec<u8>,
}

impl Heap {
    pub(super) fn with_empty_rows(rows: usize) -> Self {
        Self { offsets: vec![0; (rows + 1) * 4], bytes: Vec::new() }
    }

    #[inline]
    pub(super) fn end_row(&mut self) {
        self.offsets.extend_from_slice(&end_of_heap(self.bytes.len()).to_le_bytes());
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate((rows + 1) * 4);
        self.bytes.truncate(last_offset(&self.offsets));
    }

    pub(super) fn into_data(mut self) -> Vec<u8> {
        self.offsets.append(&mut self.bytes);
        self.offsets
    }
}

pub(super) fn last_offset(offsets: &[u8]) -> usize {
    layout::u32_at(offsets, offsets.len() - 4) as usize
}
