//! Transforms that do as little as possible, so that what is left is the price of the way to them.

use std::{hint::black_box, ops::DerefMut};

use millstream_sdk::{
    Info, Records, Result, Transform,
    batch::{Column, Kind, Side, VariantRef},
};

millstream_sdk::plugin! {
    transforms: [Identity, Look, ReadField],
}

/// Writes the batch anew, with nothing changed.
pub struct Identity;

impl Transform for Identity {
    const INFO: Info = Info::new("org.millstream.measure.Identity");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        // A mutable look counts as a change.
        let _ = records.deref_mut();
        Ok(())
    }
}

/// Opens the batch and leaves it as it is.
pub struct Look;

impl Transform for Look {
    const INFO: Info = Info::new("org.millstream.measure.Look");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        black_box(records.rows);
        Ok(())
    }
}

/// Adds up the field `id` of all values.
pub struct ReadField;

impl Transform for ReadField {
    const INFO: Info = Info::new("org.millstream.measure.ReadField");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let blocks = records.side(Side::Value).blocks.iter();
        black_box(blocks.map(|block| sum(&block.column)).fold(0, i64::wrapping_add));
        Ok(())
    }
}

fn sum(column: &Column<'_>) -> i64 {
    let rows = 0..column.rows as usize;
    if column.kind == Kind::Variant {
        return rows.map(|row| of_variant(column, row)).fold(0, i64::wrapping_add);
    }
    let Some(field) = column.child("id") else { return 0 };
    rows.filter(|&row| !column.is_null(row) && !field.is_null(row)).map(|row| field.int64(row)).fold(0, i64::wrapping_add)
}

fn of_variant(column: &Column<'_>, row: usize) -> i64 {
    let VariantRef::Object(entries) = column.variant(row).read() else { return 0 };
    for (name, value) in entries {
        if let (true, VariantRef::Int64(number)) = (name.resolve(&|id| column.variant_name(id)) == "id", value.read()) {
            return number;
        }
    }
    0
}
