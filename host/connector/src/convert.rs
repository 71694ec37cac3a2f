//! Converters: bytes to data and back, a batch at a time.

use async_trait::async_trait;
use millstream_record::{
    Schema, Value,
    batch::{Batch, SchemaTable, Side, UnionBuilder},
};
use std::sync::Arc;

use crate::{Failure, PluginError, RowError};

/// What a converter works on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConverterRole {
    /// Keys.
    Key,
    /// Values.
    Value,
    /// Headers.
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
    /// Number of rows.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A row.
    fn row(&self, at: usize) -> InputRow<'_>;
}

/// Produced keys or values: bytes per row, with nulls.
#[derive(Clone, Debug, Default)]
pub struct ByteColumn {
    ends: Vec<u32>,
    nulls: Vec<bool>,
    heap: Vec<u8>,
}

impl ByteColumn {
    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.nulls.clear();
        self.heap.clear();
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
        self.nulls.push(true);
        self.ends.push(self.heap.len() as u32);
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.heap.extend_from_slice(bytes);
        self.end_row();
    }

    /// The buffer that the row under way is written to; end it with [`ByteColumn::end_row`], or take
    /// it back with [`ByteColumn::take_back`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.heap
    }

    /// Ends a row that was written to the buffer.
    #[inline]
    pub fn end_row(&mut self) {
        self.nulls.push(false);
        self.ends.push(self.heap.len() as u32);
    }

    /// Forgets what was written to the buffer since the last row.
    pub fn take_back(&mut self) {
        self.heap.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    /// A row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls[row] {
            return None;
        }
        let begin = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        Some(&self.heap[begin..self.ends[row] as usize])
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
