//! Columns out of a plugin's own values, and back.

use millstream_record::Schema;
use millstream_record::batch::{Column, Kind};
use millstream_values::values::to_header_text;

use crate::build::Build;
use crate::cells::{Cell, Cells, boolean, wanted};
use crate::error::{Result, bad_row};
use crate::held::Held;
use crate::place::shared;
use crate::session::{Bounds, Session};

impl Session {
    /// Each value as text. Null and absent are none.
    ///
    /// # Errors
    ///
    /// There is no such column; a value without a text.
    pub fn texts(&self, column: u32, bounds: &Bounds) -> Result<Vec<Option<String>>> {
        let held = self.column(column)?;
        let schemas = held.schemas(&self.base);
        let cells = Cells::new(&held);
        let mut texts = Vec::with_capacity(held.rows as usize);
        for row in 0..held.rows as usize {
            if row % 1024 == 0 {
                bounds.check()?;
            }
            texts.push(match cells.get(row) {
                Cell::Null | Cell::Absent => None,
                Cell::Text(text) => Some(text.to_owned()),
                Cell::Int(number) => Some(number.to_string()),
                Cell::Bool(value) => Some(value.to_string()),
                _ => {
                    let place = cells.place(row);
                    let column = &held.union.blocks[place.block].column;
                    let value = column.value(place.row, schemas[place.block].as_ref(), &self.base);
                    to_header_text(&value).map_err(|error| bad_row(row, error.message()))?
                }
            });
        }
        Ok(texts)
    }

    /// Numbers and instants. Null and absent are none.
    ///
    /// # Errors
    ///
    /// There is no such column; a value that is no number.
    pub fn numbers(&self, column: u32, bounds: &Bounds) -> Result<Vec<Option<f64>>> {
        self.list(column, bounds, |row, cell| match cell {
            Cell::Int(value) | Cell::Instant(value) => Ok(Some(value as f64)),
            Cell::Float(value) => Ok(Some(value)),
            Cell::Null | Cell::Absent => Ok(None),
            other => Err(wanted(row, other, "a number")),
        })
    }

    /// Booleans. Null and absent are none.
    ///
    /// # Errors
    ///
    /// There is no such column; a value that is no boolean.
    pub fn booleans(&self, column: u32, bounds: &Bounds) -> Result<Vec<Option<bool>>> {
        self.list(column, bounds, boolean)
    }

    fn list<T>(
        &self,
        column: u32,
        bounds: &Bounds,
        each: impl Fn(usize, Cell<'_>) -> Result<Option<T>>,
    ) -> Result<Vec<Option<T>>> {
        bounds.check()?;
        let held = self.column(column)?;
        let cells = Cells::new(&held);
        (0..held.rows as usize).map(|row| each(row, cells.get(row))).collect()
    }

    /// A column of texts.
    ///
    /// # Errors
    ///
    /// More rows than a batch may have; too much is open.
    pub fn from_texts(&mut self, values: Vec<Option<String>>, bounds: &Bounds) -> Result<u32> {
        self.check_rows(values.len())?;
        let rows = values.len() as u32;
        let mut build = Build::new();
        for value in values {
            match value {
                Some(text) => build.text(&text),
                None => build.null(),
            }
        }
        self.hold(build.finish(Kind::String, Some(rows), false), bounds)
    }

    /// A column of floating-point numbers.
    ///
    /// # Errors
    ///
    /// As [`Session::from_texts`].
    pub fn from_numbers(&mut self, values: Vec<Option<f64>>, bounds: &Bounds) -> Result<u32> {
        self.check_rows(values.len())?;
        let rows = values.len() as u32;
        let mut build = Build::new();
        for value in values {
            match value {
                Some(number) => build.float(number),
                None => build.null(),
            }
        }
        self.hold(build.finish(Kind::Float64, Some(rows), false), bounds)
    }

    /// A column of booleans.
    ///
    /// # Errors
    ///
    /// As [`Session::from_texts`].
    pub fn from_booleans(&mut self, values: Vec<Option<bool>>, bounds: &Bounds) -> Result<u32> {
        self.check_rows(values.len())?;
        let rows = values.len() as u32;
        let mut build = Build::new();
        for value in values {
            match value {
                Some(value) => build.boolean(value),
                None => build.null(),
            }
        }
        self.hold(build.finish(Kind::Bool, Some(rows), false), bounds)
    }

    /// A constant text.
    ///
    /// # Errors
    ///
    /// Too much is open.
    pub fn constant_text(&mut self, text: &str, bounds: &Bounds) -> Result<u32> {
        self.hold(Held::constant(Column::strings([text]), None, true), bounds)
    }

    /// The constant that is absent.
    ///
    /// # Errors
    ///
    /// Too much is open.
    pub fn absent(&mut self, bounds: &Bounds) -> Result<u32> {
        let mut build = Build::new();
        build.absent();
        self.hold(build.finish(Kind::Null, None, false), bounds)
    }

    /// A moment, as a constant with the schema of a Timestamp.
    ///
    /// # Errors
    ///
    /// Too much is open.
    pub fn moment(&mut self, ms: i64, bounds: &Bounds) -> Result<u32> {
        let place = self.base.place(&shared(Schema::timestamp()))?;
        self.hold(Held::constant(Column::int64s(Kind::Instant, [ms]), Some(place), false), bounds)
    }

    /// How many rows a column has, a constant 1.
    ///
    /// # Errors
    ///
    /// There is no such column.
    pub fn length(&self, column: u32) -> Result<u32> {
        Ok(self.column(column)?.rows)
    }

    /// What a column holds, as JSON.
    ///
    /// # Errors
    ///
    /// There is no such column.
    pub fn about(&self, column: u32) -> Result<String> {
        let held = self.column(column)?;
        let mut out = b"[".to_vec();
        for (at, (block, schema)) in held.union.blocks.iter().zip(held.schemas(&self.base)).enumerate() {
            if 0 < at {
                out.push(b',');
            }
            out.extend_from_slice(format!("{{\"rows\":{},\"schema\":", block.column.rows).as_bytes());
            match &schema {
                Some(schema) => millstream_convert::write_json_schema(schema, &mut out)?,
                None => out.extend_from_slice(b"null"),
            }
            let name = match &schema {
                Some(schema) => schema.kind.name(),
                None => kind_name(block.column.kind),
            };
            out.extend_from_slice(format!(",\"type\":\"{name}\"}}").as_bytes());
        }
        out.push(b']');
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "NULL",
        Kind::Bool => "BOOLEAN",
        Kind::Int8 => "INT8",
        Kind::Int16 => "INT16",
        Kind::Int32 => "INT32",
        Kind::Int64 | Kind::Instant => "INT64",
        Kind::Float32 => "FLOAT32",
        Kind::Float64 => "FLOAT64",
        Kind::String | Kind::Dictionary => "STRING",
        Kind::Bytes | Kind::Decimal => "BYTES",
        Kind::List => "ARRAY",
        Kind::Map | Kind::Object => "MAP",
        Kind::Struct => "STRUCT",
        Kind::Variant | Kind::Headers => "MIXED",
    }
}
