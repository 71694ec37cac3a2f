//! Converters: bytes to data and back, a batch at a time.

use async_trait::async_trait;
use bytes::Bytes;
use millstream_record::{
    Schema, Value,
    batch::{Batch, SchemaTable, Side, UnionBuilder},
};
use std::sync::Arc;

use crate::{Failure, Outcome, PluginError, RowError};

/// What a converter works on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are Connect's")]
pub enum ConverterRole {
    Key,
    Value,
    Header,
}

impl ConverterRole {
    /// Connect's `converter.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Header => "header",
        }
    }
}

/// One consumed key or value.
#[derive(Clone, Copy, Debug)]
pub struct InputRow<'a> {
    /// Its bytes; `None` for null.
    pub bytes: Option<&'a [u8]>,
}

/// Consumed keys or values of one topic, in order.
pub trait RowInput: Sync {
    /// How many rows there are.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The row with this number; panics beyond the last one.
    fn row(&self, at: usize) -> InputRow<'_>;
}

/// Produced keys or values: bytes per row, with nulls.
#[derive(Clone, Debug, Default)]
pub struct ByteColumn {
    ends: Vec<u32>,
    nulls: Vec<bool>,
    heap: Vec<u8>,
    /// Holds the rows in the place of `heap` where they stand one behind the other elsewhere.
    lent: Option<Bytes>,
}

impl ByteColumn {
    /// Forgets all rows and keeps the memory that is its own.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.nulls.clear();
        self.heap.clear();
        self.lent = None;
    }

    /// Makes room.
    pub fn reserve(&mut self, rows: usize, bytes: usize) {
        self.ends.reserve(rows);
        self.nulls.reserve(rows);
        self.heap.reserve(bytes);
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        let end = self.own().len() as u32;
        self.nulls.push(true);
        self.ends.push(end);
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.own().extend_from_slice(bytes);
        self.end_row();
    }

    /// Takes all rows at once, without a copy: they stand one behind the other in `heap` and end at `ends`, of which none
    /// is smaller than the one before or lies beyond the heap. Rows that were there before are forgotten.
    pub fn lend(&mut self, heap: Bytes, ends: impl Iterator<Item = u32>) {
        self.clear();
        self.ends.extend(ends);
        self.nulls.resize(self.ends.len(), false);
        self.lent = Some(heap);
    }

    /// The buffer that the row under way is written to; end it with [`ByteColumn::end_row`], or take
    /// it back with [`ByteColumn::take_back`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.own()
    }

    /// Ends a row that was written to the buffer.
    #[inline]
    pub fn end_row(&mut self) {
        self.nulls.push(false);
        self.ends.push(self.heap.len() as u32);
    }

    /// Forgets what was written to the buffer since the last row.
    pub fn take_back(&mut self) {
        let end = self.ends.last().map_or(0, |&end| end as usize);
        self.own().truncate(end);
    }

    /// A row's bytes, none for null. Panics beyond the last row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls[row] {
            return None;
        }
        let begin = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        let heap = self.lent.as_deref().unwrap_or(&self.heap);
        Some(&heap[begin..self.ends[row] as usize])
    }

    /// The heap, to be written to: what was lent is copied.
    #[inline]
    fn own(&mut self) -> &mut Vec<u8> {
        if let Some(lent) = self.lent.take() {
            self.heap.extend_from_slice(&lent);
        }
        &mut self.heap
    }
}

/// Converts keys or values of whole batches.
#[async_trait]
#[expect(clippy::wrong_self_convention, reason = "the names are Connect's")]
pub trait Converter: Send {
    /// Class name, for error reports.
    fn class(&self) -> &str;

    /// Reads bytes: appends exactly one row per input row to `out`; schemas of variants go to
    /// `schemas`. A row that fails is appended as a null without schema and reported in `errors`
    /// (its `row` is the input's).
    ///
    /// Returns how many rows were appended: fewer than there are only if the batch has too many
    /// different schemas for one more; the caller then begins another batch with the rest.
    ///
    /// # Errors
    ///
    /// Only for converters that are plugins, which may break.
    async fn to_connect(
        &mut self,
        topic: &str,
        input: &dyn RowInput,
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError>;

    /// Writes bytes: appends exactly one row per row of the batch to `out`, null for rows that are
    /// not selected or failed.
    ///
    /// # Errors
    ///
    /// As for `to_connect`.
    async fn from_connect(
        &mut self,
        batch: &Batch,
        side: Side,
        out: &mut ByteColumn,
        errors: &mut Vec<RowError>,
    ) -> Result<(), PluginError>;
}

/// Converts single headers; headers are few and small.
#[expect(clippy::wrong_self_convention, reason = "the names are Connect's")]
pub trait HeaderConverter: Send {
    /// Class name, for error reports.
    fn class(&self) -> &str;

    /// Reads a header's bytes.
    ///
    /// # Errors
    ///
    /// The bytes are not what the converter expects.
    fn to_connect(
        &mut self,
        topic: &str,
        key: &str,
        bytes: Option<&[u8]>,
    ) -> Result<(Option<Arc<Schema>>, Value), Failure>;

    /// Writes a header's bytes.
    ///
    /// # Errors
    ///
    /// The value cannot be written.
    fn from_connect(
        &mut self,
        topic: &str,
        key: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure>;
}

/// A header converter that takes the headers of many records at once: one that comes as a plugin. Dropping the future
/// of a call discards the instance, and the next call makes a new one.
#[async_trait]
#[expect(clippy::wrong_self_convention, reason = "the names are Connect's")]
pub trait HeaderBatchConverter: Send {
    /// Class name, for error reports.
    fn class(&self) -> &str;

    /// Makes data of header values that are bytes or null.
    ///
    /// The outcome has the rows of `records`; the selected ones have the same headers, with the same keys and in the
    /// same order. Schemas are those of the outcome's own table.
    ///
    /// # Errors
    ///
    /// The plugin broke, or the call as a whole failed.
    async fn to_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError>;

    /// Makes bytes, or null, of header values. Otherwise as the other way round.
    ///
    /// # Errors
    ///
    /// As the other way round.
    async fn from_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_lent_are_followed_by_own_ones() {
        let mut column = ByteColumn::default();
        column.push(b"forgotten");
        column.lend(Bytes::from_static(b"abcde"), [2, 2, 5].into_iter());
        assert_eq!([column.get(0), column.get(1), column.get(2)], [Some(&b"ab"[..]), Some(b""), Some(b"cde")]);
        column.push(b"f");
        column.push_null();
        column.push_null();
        column.buffer().extend_from_slice(b"taken back");
        column.take_back();
        column.push(b"g");
        let rows: Vec<Option<&[u8]>> = (0..column.len()).map(|row| column.get(row)).collect();
        assert_eq!(rows, [Some(&b"ab"[..]), Some(b""), Some(b"cde"), Some(b"f"), None, None, Some(b"g")]);
    }
}
