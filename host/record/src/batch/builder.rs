//! Making a column row by row.
//!
//! A builder for schemaless data takes the shape of what arrives: maps whose members agree become
//! columns, and what does not agree becomes variants, for that column alone. A builder for a schema
//! begins with the schema's shape; a value that breaks it makes variants as well, and survives.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{
    bits::{self, BitBuilder},
    column::{Column, end_of_heap},
    layout::Kind,
    schemas::SchemaTable,
    validate::physical_kind,
    variant::{CannotEncode, Names, VariantWriter},
};
use crate::{Decimal, Schema, SchemaType, Value, append};

/// Members that a schemaless map may have before its column falls back to variants.
const MAX_MEMBERS: usize = 256;
/// Members from which on a hash map finds them.
const MANY_MEMBERS: usize = 12;
/// Cells that rows may leave empty in a column of maps, beside those of [`EMPTY_FOR_EACH`] member that they have. A map
/// that is mostly unlike the others costs as much as all their members; beyond this it is cheaper as a variant.
const EMPTY_CELLS: usize = 16_384;
/// See [`EMPTY_CELLS`].
const EMPTY_FOR_EACH: usize = 32;
/// How deep columns nest before variants take over.
const MAX_NESTING: usize = 24;

/// A column under construction.
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    rows: usize,
    depth: usize,
    valid: BitBuilder,
    present: BitBuilder,
    /// What the values' schema is, if they have one.
    schema: Option<Arc<Schema>>,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    /// Nothing but nulls so far; the first value decides.
    Nulls,
    Bool(Vec<u8>),
    Fixed(Kind, Vec<u8>),
    Heap(Kind, Heap),
    List(Vec<u8>, Box<ColumnBuilder>),
    Map(Vec<u8>, Box<(ColumnBuilder, ColumnBuilder)>),
    Struct(Arc<Schema>, Vec<ColumnBuilder>),
    Object(Members),
    Variant(Heap, Names),
}

/// Offsets (little-endian u32, the first one 0 included) and bytes.
#[derive(Clone, Debug)]
struct Heap {
    offsets: Vec<u8>,
    bytes: Vec<u8>,
}

impl Heap {
    fn with_empty_rows(rows: usize) -> Self {
        Self { offsets: vec![0; (rows + 1) * 4], bytes: Vec::new() }
    }

    #[inline]
    fn end_row(&mut self) {
        self.offsets.extend_from_slice(&end_of_heap(self.bytes.len()).to_le_bytes());
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate((rows + 1) * 4);
        self.bytes.truncate(last_offset(&self.offsets));
    }

    fn into_data(mut self) -> Vec<u8> {
        self.offsets.append(&mut self.bytes);
        self.offsets
    }
}

fn last_offset(offsets: &[u8]) -> usize {
    super::layout::u32_at(offsets, offsets.len() - 4) as usize
}

#[derive(Clone, Debug, Default)]
struct Members {
    list: Vec<(String, ColumnBuilder)>,
    /// What stood before the value of each member; see [`ColumnBuilder::expected_member`].
    leads: Vec<Lead>,
    index: HashMap<String, usize>,
    /// Cells, at all levels beneath, that rows left empty.
    empty: usize,
    /// Members that rows had.
    filled: usize,
}

impl Members {
    fn are_sparse(&self) -> bool {
        EMPTY_CELLS + EMPTY_FOR_EACH * self.filled < self.empty
    }
}

/// Text that stands before a member's value, padded with zeros; none if it is empty.
#[derive(Clone, Debug, Default)]
struct Lead {
    text: [u8; Lead::MOST],
    len: usize,
}

impl Lead {
    /// Longer ones are not remembered.
    const MOST: usize = 32;

    fn of(text: &[u8]) -> Self {
        let mut lead = Self::default();
        if text.len() <= Self::MOST {
            lead.text[..text.len()].copy_from_slice(text);
            lead.len = text.len();
        }
        lead
    }

    /// Whether there is one, and the text begins with it.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        if self.len == 0 {
            return false;
        }
        let Some(text) = text.first_chunk::<{ Self::MOST }>() else {
            return text.starts_with(&self.text[..self.len]);
        };
        // In words, for which no function has to be called.
        let (ours, theirs) = (self.text.as_chunks::<8>().0, text.as_chunks::<8>().0);
        let mut left = self.len;
        for (ours, theirs) in ours.iter().zip(theirs) {
            let differ = u64::from_le_bytes(*ours) ^ u64::from_le_bytes(*theirs);
            if left <= 8 {
                return differ << (64 - 8 * left) == 0;
            }
            if differ != 0 {
                return false;
            }
            left -= 8;
        }
        true
    }
}

/// Remembers where in a map the reader is, since rows of one shape name their members in one order.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectCursor {
    next: usize,
}

impl Default for ColumnBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ColumnBuilder {
    /// For schemaless data.
    pub fn new() -> Self {
        Self::at_depth(0)
    }

    fn at_depth(depth: usize) -> Self {
        Self {
            rows: 0,
            depth,
            valid: BitBuilder::default(),
            present: BitBuilder::default(),
            schema: None,
            store: Store::Nulls,
        }
    }

    /// For values of a schema.
    pub fn for_schema(schema: &Arc<Schema>) -> Self {
        Self::for_schema_at(schema, 0)
    }

    fn for_schema_at(schema: &Arc<Schema>, depth: usize) -> Self {
        let mut builder = Self::at_depth(depth);
        builder.schema = Some(Arc::clone(schema));
        let element = |schema: &Option<Arc<Schema>>| match schema {
            Some(schema) => Self::for_schema_at(schema, depth + 1),
            None => Self::at_depth(depth + 1),
        };
        let too_deep = MAX_NESTING <= depth;
        builder.store = match (physical_kind(schema), &schema.kind) {
            (Kind::List | Kind::Map | Kind::Struct, _) if too_deep => {
                Store::Variant(Heap::with_empty_rows(0), Names::default())
            }
            (Kind::List, SchemaType::Array(schema)) => Store::List(vec![0; 4], Box::new(element(schema))),
            (Kind::Map, SchemaType::Map(key, value)) => {
                Store::Map(vec![0; 4], Box::new((element(key), element(value))))
            }
            (Kind::Struct, SchemaType::Struct(fields)) => {
                let fields = fields.iter().map(|field| Self::for_schema_at(&field.schema, depth + 1)).collect();
                Store::Struct(Arc::clone(schema), fields)
            }
            (Kind::Bool, _) => Store::Bool(Vec::new()),
            (kind, _) if kind.width().is_some() => Store::Fixed(kind, Vec::new()),
            (kind, _) => Store::Heap(kind, Heap::with_empty_rows(0)),
        };
        builder
    }

    /// Makes room for so many rows of text or bytes, which take so many bytes together.
    pub fn reserve(&mut self, rows: usize, bytes: usize) {
        if let Store::Heap(_, heap) = &mut self.store {
            // In the end the bytes are moved behind the offsets.
            heap.offsets.reserve(rows * 4 + bytes);
            heap.bytes.reserve(bytes);
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What the column would be if it ended now.
    pub fn kind(&self) -> Kind {
        match &self.store {
            Store::Nulls => Kind::Null,
            Store::Bool(_) => Kind::Bool,
            Store::Fixed(kind, _) | Store::Heap(kind, _) => *kind,
            Store::List(..) => Kind::List,
            Store::Map(..) => Kind::Map,
            Store::Struct(..) => Kind::Struct,
            Store::Object(_) => Kind::Object,
            Store::Variant(..) => Kind::Variant,
        }
    }

    #[inline]
    fn accept(&mut self) {
        self.valid.push(true);
        self.present.push(true);
        self.rows += 1;
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.push_null_cells();
    }

    /// Appends a null; the cells it has.
    fn push_null_cells(&mut self) -> usize {
        let cells = self.fill();
        self.valid.push(false);
        self.present.push(true);
        self.rows += 1;
        cells
    }

    /// Appends rows whose map lacks the key; the cells they have.
    fn push_absent(&mut self, count: usize) -> usize {
        let mut cells = 0;
        for _ in 0..count {
            cells += self.fill();
            self.rows += 1;
        }
        self.valid.push_many(true, count);
        self.present.push_many(false, count);
        cells
    }

    /// Appends what stands under a null; the cells it has.
    fn fill(&mut self) -> usize {
        match &mut self.store {
            Store::Nulls => {}
            Store::Bool(data) => {
                if self.rows.is_multiple_of(8) {
                    data.push(0);
                }
            }
            Store::Fixed(kind, data) => data.resize(data.len() + kind.width().unwrap_or_default(), 0),
            Store::Heap(_, heap) | Store::Variant(heap, _) => heap.end_row(),
            Store::List(offsets, _) | Store::Map(offsets, _) => {
                let last: [u8; 4] = offsets[offsets.len() - 4..].try_into().expect("four bytes");
                offsets.extend_from_slice(&last);
            }
            Store::Struct(_, fields) => return fields.iter_mut().map(Self::push_null_cells).sum(),
            Store::Object(members) => {
                let cells = members.list.iter_mut().map(|(_, member)| member.push_absent(1)).sum();
                members.empty += cells;
                return cells;
            }
        }
        1
    }

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
    fn try_fixed(&mut self, kind: Kind, bytes: &[u8]) -> bool {
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
    fn try_heap<const N: usize>(&mut self, kind: Kind, parts: [&[u8]; N]) -> bool {
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

    /// Begins a map row; `None` if the column holds other things, so that the row has to be a
    /// variant. Follow with [`ColumnBuilder::member`] and a value each, then
    /// [`ColumnBuilder::end_object`].
    pub fn begin_object(&mut self) -> Option<ObjectCursor> {
        if let Store::Nulls = self.store
            && self.depth < MAX_NESTING
        {
            self.store = Store::Object(Members::default());
        }
        matches!(self.store, Store::Object(_)).then(ObjectCursor::default)
    }

    /// The builder of a member, to which exactly one row is to be appended. Of two members of one
    /// name the last wins.
    ///
    /// `None` if there are too many different members: take the row back with
    /// [`ColumnBuilder::abandon_object`] and write it as a variant.
    pub fn member(&mut self, cursor: &mut ObjectCursor, name: &str) -> Option<&mut ColumnBuilder> {
        let (rows, depth) = (self.rows, self.depth);
        let Store::Object(members) = &mut self.store else { return None };
        let at = match members.list.get(cursor.next) {
            Some((expected, _)) if expected == name => cursor.next,
            _ => members.find(name, rows, depth)?,
        };
        cursor.next = at + 1;
        let member = &mut members.list[at].1;
        if rows < member.rows {
            member.truncate(rows);
        }
        Some(member)
    }

    /// The builder of the member that follows in rows of the usual shape, if `text` begins with what stood before that
    /// member's value in an earlier row; and how long that is. Spares readers of text to look at names and punctuation
    /// which repeat from row to row. Otherwise as [`ColumnBuilder::member`].
    #[inline]
    pub fn expected_member(&mut self, cursor: &mut ObjectCursor, text: &[u8]) -> Option<(usize, &mut ColumnBuilder)> {
        let rows = self.rows;
        let Store::Object(members) = &mut self.store else { return None };
        let lead = members.leads.get(cursor.next).filter(|lead| lead.begins(text))?;
        let member = &mut members.list[cursor.next].1;
        cursor.next += 1;
        if rows < member.rows {
            member.truncate(rows);
        }
        Some((lead.len, member))
    }

    /// As [`ColumnBuilder::member`]; remembers `lead` for [`ColumnBuilder::expected_member`]: all text between the value
    /// before, or the beginning of the map, and this member's value.
    pub fn member_after(&mut self, cursor: &mut ObjectCursor, name: &str, lead: &[u8]) -> Option<&mut ColumnBuilder> {
        self.member(cursor, name)?;
        let Store::Object(members) = &mut self.store else { return None };
        // Leads of members that come in another order than the first time are not of use.
        if members.leads.len() + 1 == cursor.next {
            members.leads.push(Lead::of(lead));
        }
        Some(&mut members.list[cursor.next - 1].1)
    }

    /// Ends a map row.
    pub fn end_object(&mut self) {
        let rows = self.rows + 1;
        if let Store::Object(members) = &mut self.store {
            let mut missing = 0;
            for (_, member) in &mut members.list {
                if member.rows < rows {
                    members.empty += member.push_absent(rows - member.rows);
                    missing += 1;
                }
            }
            members.filled += members.list.len() - missing;
            self.accept();
        }
    }

    /// As [`ColumnBuilder::end_object`]; if the maps of the column have mostly different members, they are variants from
    /// now on.
    ///
    /// Structs must not be in the column; [`ColumnBuilder::push`] has no such rule.
    pub fn end_schemaless_object(&mut self) {
        self.end_object();
        self.give_up_sparse(&mut SchemaTable::default());
    }

    fn give_up_sparse(&mut self, schemas: &mut SchemaTable<'_>) {
        if matches!(&self.store, Store::Object(members) if members.are_sparse()) {
            self.become_variant(schemas);
        }
    }

    /// Takes back the members of a map row that has not ended.
    pub fn abandon_object(&mut self) {
        let rows = self.rows;
        if let Store::Object(members) = &mut self.store {
            members.list.iter_mut().for_each(|(_, member)| member.truncate(rows));
        }
    }

    /// Begins a list row and returns the builder for its elements; `None` if the column holds other
    /// things. End it with [`ColumnBuilder::end_list`].
    pub fn begin_list(&mut self) -> Option<&mut ColumnBuilder> {
        if let Store::Nulls = self.store
            && self.depth < MAX_NESTING
        {
            let elements = Box::new(Self::at_depth(self.depth + 1));
            self.store = Store::List(vec![0; (self.rows + 1) * 4], elements);
        }
        match &mut self.store {
            Store::List(_, elements) => Some(elements),
            _ => None,
        }
    }

    /// Ends a list row.
    pub fn end_list(&mut self) {
        if let Store::List(offsets, elements) = &mut self.store {
            offsets.extend_from_slice(&(elements.rows as u32).to_le_bytes());
            self.accept();
        }
    }

    /// The builders for keys and values of a map row, for columns of a map schema. Append as many
    /// rows to both, then call [`ColumnBuilder::end_map`].
    pub fn begin_map(&mut self) -> Option<(&mut ColumnBuilder, &mut ColumnBuilder)> {
        match &mut self.store {
            Store::Map(_, entries) => Some((&mut entries.0, &mut entries.1)),
            _ => None,
        }
    }

    /// Ends a map row.
    pub fn end_map(&mut self) {
        if let Store::Map(offsets, entries) = &mut self.store {
            offsets.extend_from_slice(&(entries.0.rows as u32).to_le_bytes());
            self.accept();
        }
    }

    /// The builders of a struct's fields, for columns of a struct schema. Append a row to each, then
    /// call [`ColumnBuilder::end_struct`].
    pub fn begin_struct(&mut self) -> Option<&mut [ColumnBuilder]> {
        match &mut self.store {
            Store::Struct(_, fields) => Some(fields),
            _ => None,
        }
    }

    /// Ends a struct row; fields that got no value are null.
    pub fn end_struct(&mut self) {
        let rows = self.rows + 1;
        if let Store::Struct(_, fields) = &mut self.store {
            for field in fields.iter_mut().filter(|field| field.rows < rows) {
                field.push_null();
            }
            self.accept();
        }
    }

    /// Takes back a list, map, struct or object row that was begun and not ended, and everything in
    /// it.
    pub fn abandon(&mut self) {
        self.truncate(self.rows);
    }

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
    fn become_variant(&mut self, schemas: &mut SchemaTable<'_>) {
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

    /// Forgets all but the first `rows` rows, and everything of a row that was begun.
    pub fn truncate(&mut self, rows: usize) {
        if self.rows > rows {
            self.rows = rows;
            self.valid.truncate(rows);
            self.present.truncate(rows);
        }
        let rows = self.rows;
        match &mut self.store {
            Store::Nulls => {}
            Store::Bool(data) => {
                data.truncate(bits::bytes_for(rows));
                bits::clear_tail(data, rows);
            }
            Store::Fixed(kind, data) => data.truncate(rows * kind.width().unwrap_or_default()),
            Store::Heap(_, heap) | Store::Variant(heap, _) => heap.truncate(rows),
            Store::List(offsets, elements) => {
                offsets.truncate((rows + 1) * 4);
                elements.truncate(last_offset(offsets));
            }
            Store::Map(offsets, entries) => {
                offsets.truncate((rows + 1) * 4);
                entries.0.truncate(last_offset(offsets));
                entries.1.truncate(last_offset(offsets));
            }
            Store::Struct(_, fields) => fields.iter_mut().for_each(|field| field.truncate(rows)),
            Store::Object(members) => members.list.iter_mut().for_each(|(_, member)| member.truncate(rows)),
        }
    }

    /// The column.
    pub fn finish(self) -> Column<'static> {
        let rows = end_of_heap(self.rows);
        let mut column = match self.store {
            Store::Nulls => Column::nulls(rows),
            Store::Bool(data) => Column::new(Kind::Bool, rows, data),
            Store::Fixed(kind, data) => Column::new(kind, rows, data),
            Store::Heap(kind, heap) => Column::raw(kind, rows, heap.into_data()),
            Store::List(offsets, elements) => with_children(Kind::List, rows, offsets, vec![elements.finish()]),
            Store::Map(offsets, entries) => {
                let (keys, values) = *entries;
                with_children(Kind::Map, rows, offsets, vec![keys.finish(), values.finish()])
            }
            Store::Struct(schema, fields) => {
                let named = |(builder, field): (Self, &crate::Field)| builder.finish().named(field.name.clone());
                let children = fields.into_iter().zip(schema.fields()).map(named).collect();
                with_children(Kind::Struct, rows, Vec::new(), children)
            }
            Store::Object(members) => {
                let children = members.list.into_iter().map(|(name, member)| member.finish_member(name)).collect();
                with_children(Kind::Object, rows, Vec::new(), children)
            }
            Store::Variant(heap, names) => {
                let names = Column::strings(names.as_slice().iter().map(String::as_str));
                with_children(Kind::Variant, rows, heap.into_data(), vec![names])
            }
        };
        if column.kind != Kind::Null {
            column.valid = self.valid.finish().map(Cow::Owned);
        }
        column
    }

    fn finish_member(mut self, name: String) -> Column<'static> {
        let present = std::mem::take(&mut self.present).finish();
        let mut column = self.finish().named(name);
        column.present = present.map(Cow::Owned);
        column
    }
}

impl Members {
    fn find(&mut self, name: &str, rows: usize, depth: usize) -> Option<usize> {
        let found = if self.list.len() < MANY_MEMBERS {
            self.list.iter().position(|(other, _)| other == name)
        } else {
            if self.index.is_empty() {
                self.index = self.list.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
            }
            self.index.get(name).copied()
        };
        if found.is_some() {
            return found;
        }
        if self.list.len() == MAX_MEMBERS {
            return None;
        }
        let mut member = ColumnBuilder::at_depth(depth + 1);
        self.empty += member.push_absent(rows);
        if !self.index.is_empty() {
            self.index.insert(name.to_owned(), self.list.len());
        }
        self.list.push((name.to_owned(), member));
        Some(self.list.len() - 1)
    }
}

fn with_children(kind: Kind, rows: u32, data: Vec<u8>, children: Vec<Column<'static>>) -> Column<'static> {
    Column::raw(kind, rows, data).with_children(children)
}
