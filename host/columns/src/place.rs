//! What a column becomes where it is put: under a schema, or without one.

use std::sync::Arc;

use millstream_record::batch::{Column, ColumnBuilder, Kind, SchemaTable, intern, physical_kind};
use millstream_record::{Schema, SchemaType};

use crate::error::{Result, data};
use crate::held::{Held, masked};
use crate::trees;

/// Values of one schema on their way into a block.
pub(crate) struct Part {
    pub column: Column<'static>,
    pub schema: Option<Arc<Schema>>,
    /// Rows that have a value; all without a bitmap.
    pub present: Option<Vec<u8>>,
}

impl Part {
    /// A column of one block, for so many rows.
    pub fn of(held: &Held, rows: u32, base: &SchemaTable<'static>) -> Option<Self> {
        let held = held.expanded(rows);
        let block = held.single()?;
        let schema = block.schema.map(|place| base.get(place));
        Some(Self { column: block.column.clone(), schema, present: held.present })
    }

    /// Whether a value is missing in some row.
    fn has_gaps(&self) -> bool {
        !self.column.is_full() || self.present.is_some()
    }

    /// As a field of a struct: column and schema. The schema of the field that is there already stays where it fits.
    pub fn typed(
        &self,
        existing: Option<&Arc<Schema>>,
        name: &str,
        base: &mut SchemaTable<'static>,
    ) -> Result<(Column<'static>, Arc<Schema>)> {
        let gaps = self.has_gaps();
        let column = masked(self.column.clone(), self.present.as_deref(), base)?;
        let kept = existing.filter(|existing| column.kind == Kind::Null || self.fits(existing));
        let schema = match (kept, &self.schema) {
            (Some(kept), _) => Arc::clone(kept),
            (None, Some(own)) => Arc::clone(own),
            (None, None) => {
                let Some(plain) = type_schema(column.kind) else {
                    return Err(data(format!(
                        "maps, lists and values of several types need a schema where they become the field {name} of a struct"
                    )));
                };
                Arc::new(plain)
            }
        };
        let optional = kept.is_none() && existing.is_some_and(|existing| existing.optional);
        if schema.optional || !(gaps || optional) {
            return Ok((column, schema));
        }
        Ok((column, shared(Schema { optional: true, ..(*schema).clone() })))
    }

    /// Whether the values are of the type that a schema has.
    fn fits(&self, existing: &Arc<Schema>) -> bool {
        if self.column.kind != physical_kind(existing) {
            return false;
        }
        match (&self.schema, self.column.kind) {
            // Not every moment is a Date.
            (Some(own), Kind::Instant | Kind::Decimal) => own.name == existing.name,
            (Some(own), Kind::Struct | Kind::List | Kind::Map) => own.kind == existing.kind,
            (None, Kind::Struct | Kind::List | Kind::Map) => false,
            _ => true,
        }
    }

    /// As a member of a schemaless map.
    pub fn plain(&self, base: &mut SchemaTable<'static>) -> Result<Column<'static>> {
        plain(&self.column, self.schema.as_ref(), base)
    }
}

/// The schema of a type; none for nulls, maps, lists, and values of several types.
pub(crate) fn type_schema(kind: Kind) -> Option<Schema> {
    Some(Schema::new(match kind {
        Kind::Bool => SchemaType::Boolean,
        Kind::Int8 => SchemaType::Int8,
        Kind::Int16 => SchemaType::Int16,
        Kind::Int32 => SchemaType::Int32,
        Kind::Int64 => SchemaType::Int64,
        Kind::Float32 => SchemaType::Float32,
        Kind::Float64 => SchemaType::Float64,
        Kind::String | Kind::Dictionary | Kind::Null => SchemaType::String,
        Kind::Bytes => SchemaType::Bytes,
        Kind::Instant => return Some(Schema::timestamp()),
        _ => return None,
    }))
}

/// A schema in its canonical copy.
pub(crate) fn shared(schema: Schema) -> Arc<Schema> {
    let schema = Arc::new(schema);
    intern(&schema).unwrap_or(schema)
}

/// A struct schema with other fields. What null is read as would not have them, and is left out.
pub(crate) fn with_fields(schema: &Schema, fields: Vec<millstream_record::Field>) -> Result<Arc<Schema>> {
    millstream_record::check_fields(&fields).map_err(|error| data(error.to_string()))?;
    Ok(shared(Schema { kind: SchemaType::Struct(fields), default: None, ..schema.clone() }))
}

/// The same values without schemas: structs become maps.
pub(crate) fn plain(
    column: &Column<'static>,
    schema: Option<&Arc<Schema>>,
    base: &mut SchemaTable<'static>,
) -> Result<Column<'static>> {
    let stored = column.physical_rows() as u32;
    let children = |base: &mut SchemaTable<'static>| -> Result<Vec<Column<'static>>> {
        let schema_of = |at: usize| match schema.map(|schema| &schema.kind) {
            Some(SchemaType::Struct(fields)) => fields.get(at).map(|field| Arc::clone(&field.schema)),
            Some(SchemaType::Array(items)) => items.clone(),
            Some(SchemaType::Map(key, value)) => {
                if at == 0 {
                    key.clone()
                } else {
                    value.clone()
                }
            }
            _ => None,
        };
        let named = |(at, child): (usize, &Column<'static>)| {
            let mut made = plain(child, schema_of(at).as_ref(), base)?.named(child.name.clone());
            made.present = child.present.clone();
            Ok(made)
        };
        column.children.iter().enumerate().map(named).collect()
    };
    let mut made = match column.kind {
        Kind::Struct | Kind::Object => Column::new(Kind::Object, stored, Vec::new()).with_children(children(base)?),
        Kind::List | Kind::Map => Column::new(column.kind, stored, column.data.to_vec()).with_children(children(base)?),
        Kind::Variant => {
            let mut builder = ColumnBuilder::new();
            for row in 0..column.physical_rows() {
                builder.push(&trees::schemaless(column.value(row, schema, base)), base)?;
            }
            let mut made = builder.finish();
            made.name = column.name.clone();
            return Ok(if column.constant && made.kind != Kind::Null { made.repeated(column.rows) } else { made });
        }
        _ => {
            let mut made = column.clone();
            made.present = None;
            return Ok(made);
        }
    };
    made.valid = column.valid.clone();
    made.name = column.name.clone();
    Ok(if column.constant { made.repeated(column.rows) } else { made })
}
