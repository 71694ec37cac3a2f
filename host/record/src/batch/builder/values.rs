//! Rows from values that are trees, and variants for those that do not agree with the others.

use std::{borrow::Cow, sync::Arc};

use super::{ColumnBuilder, Store, heap::Heap};
use crate::{
    Decimal, Schema, Value,
    batch::{
        layout::Kind,
        schemas::SchemaTable,
        variant::{CannotEncode, Names, VariantWriter},
    },
};

impl ColumnBuilder {
    /// Appends any value.
    ///
    /// # Errors
    ///
    /// A value that no batch can carry; the column is left as it was.
    pub fn push(&mut self, value: &Value, schemas: &mut SchemaTable<'_>) -> Result<(), CannotEncode> {
        let rows = self.rows;
        let result = self.try_push(value, schemas);
        if result.is_err() {
            self.truncate(rows);
        }
        result
    }

    fn try_push(&mut self, value: &Value, schemas: &mut SchemaTable<'_>) -> Result<(), CannotEncode> {
        let done = match value {
            Value::Null => {
                self.push_null();
                true
            }
            Value::Boolean(value) if matches!(self.store, Store::Nulls | Store::Bool(_)) => {
                self.push_bool(*value);
                true
            }
            Value::Int8(value) => self.try_fixed(Kind::Int8, &value.to_le_bytes()),
            Value::Int16(value) => self.try_fixed(Kind::Int16, &value.to_le_bytes()),
            Value::Int32(value) => self.try_fixed(Kind::Int32, &value.to_le_bytes()),
            Value::Int64(value) => self.try_fixed(Kind::Int64, &value.to_le_bytes()),
            Value::Float32(value) => self.try_fixed(Kind::Float32, &value.to_le_bytes()),
            Value::Float64(value) => self.try_fixed(Kind::Float64, &value.to_le_bytes()),
            Value::Instant(value) => self.try_fixed(Kind::Instant, &value.to_le_bytes()),
            Value::String(value) => self.try_heap(Kind::String, [value.as_bytes()]),
            Value::Bytes(value) => self.try_heap(Kind::Bytes, [value]),
            Value::Decimal(Decimal { unscaled, scale }) => {
                self.try_heap(Kind::Decimal, [&scale.to_le_bytes(), unscaled])
            }
            Value::List(values) => self.try_list(values, schemas)?,
            Value::Map(entries) => self.try_map(entries, schemas)?,
            Value::Struct(schema, slots) => self.try_struct(schema, slots, schemas)?,
            _ => false,
        };
        if done {
            return Ok(());
        }
        self.become_variant(schemas);
        if let Store::Variant(heap, names) = &mut self.store {
            VariantWriter::new(&mut heap.bytes, names).value(value, schemas)?;
            heap.end_row();
            self.accept();
        }
        Ok(())
    }

    fn try_list(&mut self, values: &[Value], schemas: &mut SchemaTable<'_>) -> Result<bool, CannotEncode> {
        let Some(elements) = self.begin_list() else { return Ok(false) };
        for value in values {
            elements.try_push(value, schemas)?;
        }
        self.end_list();
        Ok(true)
    }

    fn try_map(&mut self, entries: &[(Value, Value)], schemas: &mut SchemaTable<'_>) -> Result<bool, CannotEncode> {
        if let Some((keys, values)) = self.begin_map() {
            for (key, value) in entries {
                keys.try_push(key, schemas)?;
                values.try_push(value, schemas)?;
            }
            self.end_map();
            return Ok(true);
        }
        if entries.iter().any(|(key, _)| !matches!(key, Value::String(_))) {
            return Ok(false);
        }
        let Some(mut cursor) = self.begin_object() else { return Ok(false) };
        for (key, value) in entries {
            let Value::String(name) = key else { continue };
            let Some(member) = self.member(&mut cursor, name) else {
                self.abandon_object();
                return Ok(false);
            };
            member.try_push(value, schemas)?;
        }
        self.end_object();
        self.give_up_sparse(schemas);
        Ok(true)
    }

    fn try_struct(
        &mut self,
        schema: &Arc<Schema>,
        slots: &[Value],
        schemas: &mut SchemaTable<'_>,
    ) -> Result<bool, CannotEncode> {
        let Store::Struct(own, fields) = &mut self.store else { return Ok(false) };
        if !Arc::ptr_eq(own, schema) && own != schema || fields.len() != slots.len() {
            return Ok(false);
        }
        for (field, slot) in fields.iter_mut().zip(slots) {
            field.try_push(slot, schemas)?;
        }
        self.accept();
        Ok(true)
    }

    /// Turns what is there into variants.
    pub(super) fn become_variant(&mut self, schemas: &mut SchemaTable<'_>) {
        if matches!(self.store, Store::Variant(..)) {
            return;
        }
        let mut heap = Heap::with_empty_rows(0);
        let mut names = Names::default();
        if matches!(self.store, Store::Nulls) {
            heap = Heap::with_empty_rows(self.rows);
        } else {
            self.abandon();
            let mut column = self.clone().finish();
            column.present = self.present.clone().finish().map(Cow::Owned);
            for row in 0..self.rows {
                if !column.is_null(row) {
                    let value = column.value(row, self.schema.as_ref(), schemas);
                    // What came out of a column can be written: its depth and schemas were accepted.
                    let written = VariantWriter::new(&mut heap.bytes, &mut names).value(&value, schemas);
                    debug_assert!(written.is_ok(), "a stored value cannot be written: {written:?}");
                }
                heap.end_row();
            }
        }
        self.store = Store::Variant(heap, names);
    }
}
