//! Making a column row by row.
//!
//! A builder for schemaless data takes the shape of what arrives: maps whose members agree become
//! columns, and what does not agree becomes variants, for that column alone. A builder for a schema
//! begins with the schema's shape; a value that breaks it makes variants as well, and survives.

mod finish;
mod heap;
mod members;
mod nested;
mod scalars;
mod values;

use std::sync::Arc;

pub use self::members::ObjectCursor;
use self::{
    heap::{Heap, last_offset},
    members::Members,
};
use super::{
    bits::{self, BitBuilder},
    layout::Kind,
    validate::physical_kind,
    variant::Names,
};
use crate::{Schema, SchemaType};

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

    /// Takes back a list, map, struct or object row that was begun and not ended, and everything in
    /// it.
    pub fn abandon(&mut self) {
        self.truncate(self.rows);
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
}
