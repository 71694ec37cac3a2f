//! Record headers: per row a list of key, schema and value, in order, repetitions included.
//!
//! A row is its entries one behind the other: u32 key length, key (UTF-8), u16 place of the schema
//! (0xFFFF for none), u32 value length, and the value as a variant with inline names only.

use std::sync::Arc;

use super::{
    column::{Column, end_of_heap},
    layout::{Kind, NO_SCHEMA_16, u32_at},
    schemas::SchemaTable,
    trusted_str,
    variant::{CannotEncode, Names, Variant, VariantChecker, VariantWriter},
};
use crate::{Schema, Value};

/// A header in place.
#[derive(Clone, Copy, Debug)]
pub struct HeaderRef<'a> {
    /// May stand several times in a row.
    pub key: &'a str,
    /// Place of its schema in the batch's table.
    pub schema: Option<u16>,
    /// As it stands in the batch, not yet read.
    pub value: Variant<'a>,
    /// All of its bytes, to be copied as they are.
    bytes: &'a [u8],
}

impl HeaderRef<'_> {
    /// Schema and value as trees.
    pub fn datum(&self, schemas: &SchemaTable<'_>) -> (Option<Arc<Schema>>, Value) {
        let value = self.value.to_value(&|_| "", &|place| schemas.get(place));
        (self.schema.map(|place| schemas.get(place)), value)
    }
}

/// The headers of one row.
#[derive(Clone, Copy, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<HeaderRef<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let all = self.rest;
        let key_end = 4 + u32_at(all, 0) as usize;
        let schema = u16::from_le_bytes([all[key_end], all[key_end + 1]]);
        let value_at = key_end + 6;
        let end = value_at + u32_at(all, key_end + 2) as usize;
        self.rest = &all[end..];
        Some(HeaderRef {
            key: trusted_str(&all[4..key_end]),
            schema: (schema != NO_SCHEMA_16).then_some(schema),
            value: Variant::trusted(&all[value_at..end]),
            bytes: &all[..end],
        })
    }
}

impl Column<'_> {
    /// The headers of a row of a headers column.
    pub fn headers(&self, row: usize) -> HeaderIter<'_> {
        HeaderIter { rest: if self.kind == Kind::Headers { self.bytes(row) } else { &[] } }
    }
}

/// Makes a headers column row by row.
#[derive(Debug)]
pub struct HeadersBuilder {
    offsets: Vec<u8>,
    heap: Vec<u8>,
}

impl Default for HeadersBuilder {
    fn default() -> Self {
        Self { offsets: vec![0; 4], heap: Vec::new() }
    }
}

impl HeadersBuilder {
    /// Appends a header to the row that is being made.
    ///
    /// # Errors
    ///
    /// A value that no batch can carry; the row is left as it was.
    pub fn push(
        &mut self,
        key: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
        schemas: &mut SchemaTable<'_>,
    ) -> Result<(), CannotEncode> {
        let begin = self.heap.len();
        let result = self.try_push(key, schema, value, schemas);
        if result.is_err() {
            self.heap.truncate(begin);
        }
        result
    }

    fn try_push(
        &mut self,
        key: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
        schemas: &mut SchemaTable<'_>,
    ) -> Result<(), CannotEncode> {
        let place = schema.map_or(Ok(NO_SCHEMA_16), |schema| schemas.place(schema))?;
        self.heap.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.heap.extend_from_slice(key.as_bytes());
        self.heap.extend_from_slice(&place.to_le_bytes());
        let len_at = self.heap.len();
        self.heap.extend_from_slice(&[0; 4]);
        let mut names = Names::default();
        names.seal();
        VariantWriter::new(&mut self.heap, &mut names).value(value, schemas)?;
        let len = (self.heap.len() - len_at - 4) as u32;
        self.heap[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
        Ok(())
    }

    /// Appends a header as it stands in a batch with the same schema table.
    pub fn push_raw(&mut self, header: &HeaderRef<'_>) {
        self.heap.extend_from_slice(header.bytes);
    }

    /// Ends the row: what was pushed since the last end are its headers, possibly none.
    pub fn end_row(&mut self) {
        self.offsets.extend_from_slice(&end_of_heap(self.heap.len()).to_le_bytes());
    }

    /// The column; `None` if no row has a header.
    pub fn finish(mut self) -> Option<Column<'static>> {
        if self.heap.is_empty() {
            return None;
        }
        let rows = (self.offsets.len() / 4 - 1) as u32;
        // Text behind the last row belongs to none.
        self.heap.truncate(u32_at(&self.offsets, rows as usize * 4) as usize);
        self.offsets.append(&mut self.heap);
        Some(Column::raw(Kind::Headers, rows, self.offsets))
    }
}

/// Checks one row of a headers column.
pub(super) fn check(row: &[u8], checker: &mut VariantChecker<'_>, schemas: usize) -> Result<(), &'static str> {
    const CUT_OFF: &str = "has a header that is cut off";
    let mut rest = row;
    while !rest.is_empty() {
        let (len, left) = rest.split_at_checked(4).ok_or(CUT_OFF)?;
        let (key, left) = left.split_at_checked(u32_at(len, 0) as usize).ok_or(CUT_OFF)?;
        std::str::from_utf8(key).map_err(|_| "has a header key that is not UTF-8")?;
        let (place, left) = left.split_at_checked(2).ok_or(CUT_OFF)?;
        let place = u16::from_le_bytes([place[0], place[1]]);
        if place != NO_SCHEMA_16 && schemas <= usize::from(place) {
            return Err("has a header with a schema that is not there");
        }
        let (len, left) = left.split_at_checked(4).ok_or(CUT_OFF)?;
        let (value, left) = left.split_at_checked(u32_at(len, 0) as usize).ok_or(CUT_OFF)?;
        checker.check(value).map_err(|_| "has a header with a damaged value")?;
        rest = left;
    }
    Ok(())
}
