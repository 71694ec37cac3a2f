//! Rows that are one value each.

use super::{ColumnBuilder, Store, heap::Heap};
use crate::{
    Decimal, Value, append,
    batch::{
        bits,
        layout::Kind,
        schemas::SchemaTable,
        variant::{CannotEncode, VariantWriter},
    },
};

impl ColumnBuilder {
    /// Appends a boolean.
    pub fn push_bool(&mut self, value: bool) {
        if let Store::Nulls = self.store {
            self.store = Store::Bool(bits::filled(self.rows, false));
        }
        match &mut self.store {
            Store::Bool(data) => {
                if self.rows.is_multiple_of(8) {
                    data.push(0);
                }
                bits::set(data, self.rows, value);
                self.accept();
            }
            _ => self.push_written(|writer| writer.boolean(value)),
        }
    }

    /// Appends a fixed-width value of exactly this kind; false if the column holds another kind.
    #[inline]
    pub(super) fn try_fixed(&mut self, kind: Kind, bytes: &[u8]) -> bool {
        if let Store::Nulls = self.store {
            self.store = Store::Fixed(kind, vec![0; self.rows * bytes.len()]);
        }
        match &mut self.store {
            Store::Fixed(own, data) if *own == kind => {
                data.extend_from_slice(bytes);
                self.accept();
                true
            }
            _ => false,
        }
    }

    /// Appends a 64-bit integer.
    #[inline]
    pub fn push_int64(&mut self, value: i64) {
        if !self.try_fixed(Kind::Int64, &value.to_le_bytes()) {
            self.push_written(|writer| writer.int64(value));
        }
    }

    /// Appends a 32-bit integer.
    pub fn push_int32(&mut self, value: i32) {
        if !self.try_fixed(Kind::Int32, &value.to_le_bytes()) {
            self.push_tree(&Value::Int32(value));
        }
    }

    /// Appends a 16-bit integer.
    pub fn push_int16(&mut self, value: i16) {
        if !self.try_fixed(Kind::Int16, &value.to_le_bytes()) {
            self.push_tree(&Value::Int16(value));
        }
    }

    /// Appends an 8-bit integer.
    pub fn push_int8(&mut self, value: i8) {
        if !self.try_fixed(Kind::Int8, &value.to_le_bytes()) {
            self.push_tree(&Value::Int8(value));
        }
    }

    /// Appends a double.
    pub fn push_float64(&mut self, value: f64) {
        if !self.try_fixed(Kind::Float64, &value.to_le_bytes()) {
            self.push_written(|writer| writer.float64(value));
        }
    }

    /// Appends a float.
    pub fn push_float32(&mut self, value: f32) {
        if !self.try_fixed(Kind::Float32, &value.to_le_bytes()) {
            self.push_tree(&Value::Float32(value));
        }
    }

    /// Appends an instant, in milliseconds since the epoch.
    pub fn push_instant(&mut self, value: i64) {
        if !self.try_fixed(Kind::Instant, &value.to_le_bytes()) {
            self.push_tree(&Value::Instant(value));
        }
    }

    #[inline]
    pub(super) fn try_heap<const N: usize>(&mut self, kind: Kind, parts: [&[u8]; N]) -> bool {
        if let Store::Nulls = self.store {
            self.store = Store::Heap(kind, Heap::with_empty_rows(self.rows));
        }
        match &mut self.store {
            Store::Heap(own, heap) if *own == kind => {
                parts.into_iter().for_each(|part| append(part, &mut heap.bytes));
                heap.end_row();
                self.accept();
                true
            }
            _ => false,
        }
    }

    /// Appends text.
    #[inline]
    pub fn push_str(&mut self, value: &str) {
        if !self.try_heap(Kind::String, [value.as_bytes()]) {
            self.push_written(|writer| writer.string(value));
        }
    }

    /// Appends bytes.
    pub fn push_bytes(&mut self, value: &[u8]) {
        if !self.try_heap(Kind::Bytes, [value]) {
            self.push_tree(&Value::Bytes(value.to_vec()));
        }
    }

    /// Appends a decimal; `unscaled` is big-endian two's complement of at least one byte.
    pub fn push_decimal(&mut self, scale: i32, unscaled: &[u8]) {
        if !self.try_heap(Kind::Decimal, [&scale.to_le_bytes(), unscaled]) {
            self.push_tree(&Value::Decimal(Decimal { unscaled: unscaled.to_vec(), scale }));
        }
    }

    /// Appends a value that needs no schema table.
    fn push_tree(&mut self, value: &Value) {
        let mut none = SchemaTable::default();
        self.become_variant(&mut none);
        if let Store::Variant(heap, names) = &mut self.store {
            // Scalars always fit.
            if VariantWriter::new(&mut heap.bytes, names).value(value, &mut none).is_ok() {
                heap.end_row();
                self.accept();
            }
        }
    }

    /// Appends a value as a variant, whatever the column may hold.
    ///
    /// # Errors
    ///
    /// As for [`ColumnBuilder::push`].
    pub fn push_variant(&mut self, value: &Value, schemas: &mut SchemaTable<'_>) -> Result<(), CannotEncode> {
        self.become_variant(schemas);
        self.push(value, schemas)
    }

    /// Appends a variant that `write` writes: exactly one value. The column becomes one of variants.
    ///
    /// Earlier rows that hold structs must not be in the column; [`ColumnBuilder::push`] has no such
    /// rule.
    fn push_written(&mut self, write: impl FnOnce(&mut VariantWriter<'_>)) {
        self.become_variant(&mut SchemaTable::default());
        if let Store::Variant(heap, names) = &mut self.store {
            write(&mut VariantWriter::new(&mut heap.bytes, names));
            heap.end_row();
            self.accept();
        }
    }
}
