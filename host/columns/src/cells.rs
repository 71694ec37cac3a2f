//! Values of a column one by one, whatever it is made of.

use millstream_record::batch::{Column, Kind, Place, VariantRef};

use crate::error::{Result, bad_row, misuse};
use crate::held::Held;

/// A value as operations see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'h> {
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Instant(i64),
    Text(&'h str),
    Bytes(&'h [u8]),
    /// Of a type that no operation on single values takes.
    Other(&'static str),
}

impl Cell<'_> {
    /// What the type is called, for people.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Null => "null",
            Self::Bool(_) => "BOOLEAN",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a floating-point number",
            Self::Instant(_) => "a Date, Time or Timestamp",
            Self::Text(_) => "STRING",
            Self::Bytes(_) => "BYTES",
            Self::Other(name) => name,
        }
    }
}

/// A column made ready to be looked at row by row.
pub(crate) struct Cells<'h> {
    held: &'h Held,
    /// Of several blocks: where each row is.
    places: Option<Vec<Place>>,
}

impl<'h> Cells<'h> {
    pub fn new(held: &'h Held) -> Self {
        let places = (held.single().is_none()).then(|| held.places());
        Self { held, places }
    }

    /// Block and row in it.
    #[inline]
    pub fn place(&self, row: usize) -> Place {
        let row = self.held.at(row);
        self.places.as_ref().map_or(Place { block: 0, row }, |places| places[row])
    }

    /// The value of a row of the table.
    #[inline]
    pub fn get(&self, row: usize) -> Cell<'h> {
        if !self.held.is_present(row) {
            return Cell::Absent;
        }
        let Place { block, row } = self.place(row);
        cell(&self.held.union.blocks[block].column, row)
    }
}

#[inline]
fn cell<'h>(column: &'h Column<'static>, row: usize) -> Cell<'h> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.kind {
        Kind::Null => Cell::Null,
        Kind::Bool => Cell::Bool(column.boolean(row)),
        Kind::Int8 => Cell::Int(column.int8(row).into()),
        Kind::Int16 => Cell::Int(column.int16(row).into()),
        Kind::Int32 => Cell::Int(column.int32(row).into()),
        Kind::Int64 => Cell::Int(column.int64(row)),
        Kind::Float32 => Cell::Float(column.float32(row).into()),
        Kind::Float64 => Cell::Float(column.float64(row)),
        Kind::String | Kind::Dictionary => Cell::Text(column.str(row)),
        Kind::Bytes => Cell::Bytes(column.bytes(row)),
        Kind::Instant => Cell::Instant(column.int64(row)),
        Kind::Decimal => Cell::Other("Decimal"),
        Kind::List => Cell::Other("ARRAY"),
        Kind::Map | Kind::Object => Cell::Other("MAP"),
        Kind::Struct => Cell::Other("STRUCT"),
        Kind::Headers => Cell::Other("headers"),
        Kind::Variant => match column.variant(row).read() {
            VariantRef::Null => Cell::Null,
            VariantRef::Boolean(value) => Cell::Bool(value),
            VariantRef::Int8(value) => Cell::Int(value.into()),
            VariantRef::Int16(value) => Cell::Int(value.into()),
            VariantRef::Int32(value) => Cell::Int(value.into()),
            VariantRef::Int64(value) => Cell::Int(value),
            VariantRef::Float32(value) => Cell::Float(value.into()),
            VariantRef::Float64(value) => Cell::Float(value),
            VariantRef::String(value) => Cell::Text(value),
            VariantRef::Bytes(value) => Cell::Bytes(value),
            VariantRef::Decimal(..) => Cell::Other("Decimal"),
            VariantRef::BigInteger(_) => Cell::Other("BigInteger"),
            VariantRef::Instant(value) => Cell::Instant(value),
            VariantRef::List(_) => Cell::Other("ARRAY"),
            VariantRef::Map(_) | VariantRef::Object(_) => Cell::Other("MAP"),
            VariantRef::Struct(..) => Cell::Other("STRUCT"),
        },
    }
}

/// A text; null and absent are none.
pub(crate) fn text<'h>(row: usize, cell: Cell<'h>) -> Result<Option<&'h str>> {
    match cell {
        Cell::Text(text) => Ok(Some(text)),
        Cell::Null | Cell::Absent => Ok(None),
        other => Err(wanted(row, other, "a text")),
    }
}

/// A boolean; null and absent are none.
pub(crate) fn boolean(row: usize, cell: Cell<'_>) -> Result<Option<bool>> {
    match cell {
        Cell::Bool(value) => Ok(Some(value)),
        Cell::Null | Cell::Absent => Ok(None),
        other => Err(wanted(row, other, "a boolean")),
    }
}

/// The value of the row has another type.
#[cold]
pub(crate) fn wanted(row: usize, found: Cell<'_>, wanted: &str) -> crate::Refusal {
    bad_row(row, &format!("found {}, wanted {wanted}", found.type_name()))
}

/// How many rows what is made of several columns has; none if all are constants.
pub(crate) fn common_rows(columns: &[&Held]) -> Result<Option<u32>> {
    let mut rows = None;
    for held in columns.iter().filter(|held| !held.constant) {
        match rows {
            None => rows = Some(held.rows),
            Some(rows) if rows == held.rows => {}
            Some(rows) => {
                return Err(misuse(format!("columns of {rows} and of {} rows do not go together", held.rows)));
            }
        }
    }
    Ok(rows)
}
