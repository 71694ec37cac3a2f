//! Transforms that do as little as possible, so that what is left is the price of the way to them.

use std::{hint::black_box, ops::DerefMut, sync::Arc};

use millstream_sdk::{
    Error, Info, Records, Result, Schema, SchemaType, Transform,
    batch::{
        Column, EntryEdit, Kind, MapEdit, Side, Variant, VariantBytes, VariantRef, edit_maps,
    },
};

millstream_sdk::plugin! {
    transforms: [Identity, Look, ReadField, ReplaceAndDrop],
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
    rows.filter(|&row| !column.is_null(row) && !field.is_null(row))
        .map(|row| field.int64(row))
        .fold(0, i64::wrapping_add)
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

/// Writes `done` into the field `status` and leaves `internal_note` out, of all values.
#[derive(Default)]
pub struct ReplaceAndDrop {
    /// The schema met last, and the same without the field.
    schemas: Option<(Arc<Schema>, Arc<Schema>)>,
}

const REPLACED: &str = "status";
const DROPPED: &str = "internal_note";

impl Transform for ReplaceAndDrop {
    const INFO: Info = Info::new("org.millstream.measure.ReplaceAndDrop");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self::default())
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let table = records.deref_mut();
        for at in 0..table.values.blocks.len() {
            let schema = table.schema_of(&table.values.blocks[at]);
            let block = &mut table.values.blocks[at];
            if block.column.kind == Kind::Variant {
                let edited = edit_maps(&block.column, &mut Edit::new()).ok_or_else(|| Error::data("no maps"))?;
                block.column = edited;
                continue;
            }
            block.column.children.retain(|child| child.name != DROPPED);
            if let Some(child) = block.column.children.iter_mut().find(|child| child.name == REPLACED) {
                *child = Column::constant_str(child.rows, "done").named(REPLACED);
            }
            if let Some(schema) = schema {
                block.schema = Some(table.schemas.place(self.without(&schema))?);
            }
        }
        Ok(())
    }
}

impl ReplaceAndDrop {
    fn without(&mut self, schema: &Arc<Schema>) -> &Arc<Schema> {
        let known = self.schemas.take().filter(|(known, _)| Arc::ptr_eq(known, schema));
        let (_, changed) = self.schemas.insert(known.unwrap_or_else(|| {
            let mut fields = schema.fields().to_vec();
            fields.retain(|field| field.name != DROPPED);
            let changed = Schema { kind: SchemaType::Struct(fields), ..Schema::clone(schema) };
            (Arc::clone(schema), Arc::new(changed))
        }));
        changed
    }
}

struct Edit {
    done: VariantBytes,
}

impl Edit {
    fn new() -> Self {
        Self { done: VariantBytes::of(&"done".into()).expect("a text can be carried") }
    }
}

impl MapEdit for Edit {
    fn entry(&self, name: &str) -> EntryEdit {
        match name {
            REPLACED => EntryEdit::Replace,
            DROPPED => EntryEdit::Drop,
            _ => EntryEdit::Keep,
        }
    }

    fn replace(&mut self, _: Variant<'_>) -> Option<&VariantBytes> {
        Some(&self.done)
    }
}
