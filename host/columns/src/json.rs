//! Columns as JSON, and back.

use std::sync::Arc;

use millstream_convert::{JsonRows, read_json, read_json_array};
use millstream_record::Schema;
use millstream_record::batch::{ColumnBuilder, Kind, SchemaTable, UnionBuilder};

use crate::build::Build;
use crate::cells::{Cell, Cells, text};
use crate::error::{Refusal, Result, misuse};
use crate::held::Held;
use crate::session::{Bounds, Made, Session};

impl Session {
    /// All values as one JSON array.
    ///
    /// # Errors
    ///
    /// There is no such column; a value that JSON cannot say.
    pub fn to_json(&self, column: u32, bounds: &Bounds) -> Result<String> {
        let held = self.column(column)?;
        let mut out = Vec::with_capacity(held.bytes() * 2);
        out.push(b'[');
        write_rows(&held, &self.base, bounds, &mut |row, write| {
            if 0 < row {
                out.push(b',');
            }
            match write {
                Some(write) => write(&mut out),
                None => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
            }
        })?;
        out.push(b']');
        as_text(out)
    }

    /// Each value as a text of JSON.
    ///
    /// # Errors
    ///
    /// As [`Session::to_json`].
    pub fn write_json(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        let held = self.column(column)?;
        let mut build = Build::new();
        write_rows(&held, &self.base, bounds, &mut |_, write| {
            match write {
                Some(write) => {
                    let mut out = Vec::new();
                    write(&mut out)?;
                    build.text(&as_text(out)?);
                }
                None => build.absent(),
            }
            Ok(())
        })?;
        let rows = (!held.constant).then_some(held.rows);
        self.hold(build.finish(Kind::String, rows, false), bounds)
    }

    /// The elements of a JSON array, under a schema or without.
    ///
    /// # Errors
    ///
    /// No JSON array, no schema, too many elements.
    pub fn from_json(&mut self, text: &str, schema: Option<&str>, bounds: &Bounds) -> Result<Made> {
        let schema = self.schema(schema)?;
        self.read_array(text, &|_| schema.clone(), None, bounds)
    }

    /// The elements of a JSON array, each under the schema of the same row of another column.
    ///
    /// # Errors
    ///
    /// No JSON array; another number of elements than the column has rows.
    pub fn from_json_like(&mut self, text: &str, like: u32, bounds: &Bounds) -> Result<Made> {
        let like = self.column(like)?;
        let schemas = like.schemas(&self.base);
        let cells = Cells::new(&like);
        let schema_of = |row: usize| {
            if row < like.rows as usize || like.constant { schemas[cells.place(row).block].clone() } else { None }
        };
        let rows = (!like.constant).then_some(like.rows);
        self.read_array(text, &schema_of, rows, bounds)
    }

    fn read_array(
        &mut self,
        text: &str,
        schema_of: &dyn Fn(usize) -> Option<Arc<Schema>>,
        expected: Option<u32>,
        bounds: &Bounds,
    ) -> Result<Made> {
        bounds.check()?;
        let mut union = UnionBuilder::default();
        let mut failed = Vec::new();
        let most = self.limits.max_rows as usize;
        let count = read_json_array(text, most, self.read, schema_of, &mut union, &mut |row, failure| {
            failed.push((row, failure.message));
        })?;
        if let Some(expected) = expected.filter(|expected| *expected as usize != count) {
            return Err(misuse(format!("the JSON array has {count} elements for {expected} rows")));
        }
        if count == 0 {
            // A union without a row has no block.
            union.row(None);
            union.take_back();
        }
        let union = union.finish(&mut self.base)?;
        let held = Held { rows: count as u32, constant: false, union, present: None, fresh: false };
        self.made(held, failed, bounds)
    }

    /// A JSON value as a constant.
    ///
    /// # Errors
    ///
    /// No JSON.
    pub fn constant(&mut self, json: &str, bounds: &Bounds) -> Result<u32> {
        let mut builder = ColumnBuilder::new();
        read_json(json, None, self.read, &mut builder)?;
        let column = builder.finish();
        // A map or list has no type of its own that could become a schema.
        let fresh = !matches!(column.kind, Kind::Object | Kind::List | Kind::Variant);
        self.hold(Held::constant(column, None, fresh), bounds)
    }

    /// Each text as the JSON that it holds.
    ///
    /// # Errors
    ///
    /// No schema; a value that is no text.
    pub fn parse_json(&mut self, column: u32, schema: Option<&str>, bounds: &Bounds) -> Result<Made> {
        let schema = self.schema(schema)?;
        let held = self.column(column)?;
        let cells = Cells::new(&held);
        let mut builder = schema.as_ref().map_or_else(ColumnBuilder::new, ColumnBuilder::for_schema);
        let mut failed = Vec::new();
        for row in 0..held.rows as usize {
            if row % 256 == 0 {
                bounds.check()?;
            }
            match text(row, cells.get(row))? {
                None => builder.push_null(),
                Some(text) => {
                    if let Err(failure) = read_json(text, schema.as_ref(), self.read, &mut builder) {
                        failed.push((row, failure.causes.first().cloned().unwrap_or(failure.message)));
                    }
                }
            }
        }
        let place = schema.map(|schema| self.base.place(&schema)).transpose()?;
        let mut made = Held::of(builder.finish(), place, false);
        made.constant = held.constant;
        made.present.clone_from(&held.present);
        self.made(made, failed, bounds)
    }

    /// Holds what was made, and why rows were not.
    pub(crate) fn made(&mut self, held: Held, failed: Vec<(usize, String)>, bounds: &Bounds) -> Result<Made> {
        let rows = held.rows as usize;
        let constant = held.constant;
        let column = self.hold(held, bounds)?;
        if failed.is_empty() {
            return Ok(Made { column, failed: None });
        }
        let mut build = Build::new();
        let mut failed = failed.into_iter().peekable();
        for row in 0..rows {
            match failed.next_if(|(at, _)| *at == row) {
                Some((_, message)) => build.text(&message),
                None => build.missing(Cell::Absent),
            }
        }
        let messages = build.finish(Kind::String, (!constant).then_some(rows as u32), false);
        let failed = self.hold(messages, bounds)?;
        Ok(Made { column, failed: Some(failed) })
    }
}

/// Writes a value.
type Write<'w> = &'w dyn Fn(&mut Vec<u8>) -> Result<()>;

/// Calls `each` for every row, with what writes its value; none where it is absent.
fn write_rows(
    held: &Held,
    base: &SchemaTable<'static>,
    bounds: &Bounds,
    each: &mut dyn FnMut(usize, Option<Write<'_>>) -> Result<()>,
) -> Result<()> {
    let schemas = held.schemas(base);
    let blocks = held.union.blocks.iter().zip(&schemas);
    let writers: Vec<JsonRows<'_, '_>> = blocks
        .map(|(block, schema)| JsonRows::new(&block.column, schema.as_ref()))
        .collect::<std::result::Result<_, _>>()?;
    let cells = Cells::new(held);
    for row in 0..held.rows as usize {
        if row % 256 == 0 {
            bounds.check()?;
        }
        if !held.is_present(row) {
            each(row, None)?;
            continue;
        }
        let place = cells.place(row);
        each(
            row,
            Some(&|out: &mut Vec<u8>| {
                writers[place.block].write(place.row, base, out).map_err(|mut failure| {
                    failure.message = format!("row {row}: {}", failure.message);
                    Refusal::Failure(failure)
                })
            }),
        )?;
    }
    Ok(())
}

fn as_text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| misuse("a value is no text"))
}
