//! What a batch from a stranger must satisfy, so that everything behind the boundary may trust it.
//!
//! The columns are looked at one after the other while [`super::check`] walks the directory, without a copy.
//! After it, every view and encoder can read the whole batch without a further check.

use std::collections::HashSet;

use super::{
    bits,
    check::Item,
    headers,
    invalid::InvalidBatch,
    layout::{Kind, Limits, MAX_VARIANT_NAMES, NO_SCHEMA_16, Role, u32_at},
    schemas::SchemaTable,
    variant::VariantChecker,
};
use crate::{Schema, SchemaType};

/// The running state of a validation.
pub(super) struct Checks<'a, 'l> {
    bytes: &'a [u8],
    limits: &'l Limits,
    /// Fields of each schema that is a struct's.
    schema_fields: Vec<Option<usize>>,
    /// Ranges of bytes that something refers to.
    claims: Vec<(u32, u32)>,
    /// Bytes that names and constant and dictionary columns stand for when written out.
    expanded: u64,
}

impl<'a, 'l> Checks<'a, 'l> {
    pub(super) fn new(bytes: &'a [u8], limits: &'l Limits, schemas: &SchemaTable<'_>, columns: usize) -> Self {
        let fields = |place: usize| {
            let schema = schemas.get(place as u16);
            matches!(schema.kind, SchemaType::Struct(_)).then(|| schema.fields().len())
        };
        let schema_fields = (0..schemas.entries().len()).map(fields).collect();
        Self { bytes, limits, schema_fields, claims: Vec::with_capacity(2 * columns + 4), expanded: 0 }
    }

    /// Notes that a buffer is in use.
    pub(super) fn claim(&mut self, buffer: &[u8]) {
        if !buffer.is_empty() {
            let at = (buffer.as_ptr() as usize - self.bytes.as_ptr() as usize) as u32;
            self.claims.push((at, at + buffer.len() as u32));
        }
    }

    /// Checks a column whose children were checked before.
    pub(super) fn column(&mut self, column: Item<'_, '_>) -> Result<(), InvalidBatch> {
        let fault = |problem| InvalidBatch::Column { column: column.number, problem };
        let most_rows = u64::from(self.limits.max_rows).max(8 * self.bytes.len() as u64);
        if most_rows < u64::from(column.rows) {
            return Err(InvalidBatch::TooMuch {
                what: "rows in a column",
                found: column.rows.into(),
                limit: most_rows,
            });
        }
        let rows = column.physical_rows();
        let expected = match column.kind {
            Kind::Bool => Some(bits::bytes_for(rows)),
            Kind::Null | Kind::Struct | Kind::Object => Some(0),
            Kind::List | Kind::Map => Some((rows + 1) * 4),
            kind => kind.width().map(|width| rows * width),
        };
        if expected.is_some_and(|expected| expected != column.data.len()) {
            return Err(fault("has a buffer that does not fit its row count"));
        }
        let children = match column.kind {
            Kind::List | Kind::Variant | Kind::Dictionary => Some(1),
            Kind::Map => Some(2),
            Kind::Struct | Kind::Object => None,
            _ => Some(0),
        };
        if children.is_some_and(|children| children != column.child_count()) {
            return Err(fault("has the wrong number of children"));
        }
        if column.kind != Kind::Object && column.children().any(|child| child.present.is_some()) {
            return Err(fault("has a child with a presence bitmap, which only members of maps have"));
        }
        if column.kind == Kind::Null && (column.valid.is_some() || column.constant) {
            return Err(fault("is null throughout and yet constant or with a validity bitmap"));
        }
        match column.kind {
            kind if kind.is_heap() => self.heap(column)?,
            Kind::List | Kind::Map => {
                let end = check_offsets(&column.data, rows).ok_or_else(|| fault("has offsets that go back"))?;
                if column.children().any(|child| child.rows != end) {
                    return Err(fault("has children of another length than its offsets say"));
                }
            }
            Kind::Struct | Kind::Object => {
                if column.children().any(|child| child.rows as usize != rows) {
                    return Err(fault("has children with another number of rows"));
                }
                if column.kind == Kind::Object && !distinct(column.children().map(|child| &*child.column().name)) {
                    return Err(fault("has two members of the same name"));
                }
                let names: u64 = column.children().map(|child| child.name.len() as u64).sum();
                self.expand(names.saturating_mul(u64::from(column.rows)))?;
            }
            Kind::Dictionary => {
                let words = column.only_child();
                if words.kind != Kind::String || words.constant || !words.is_full() {
                    return Err(fault("has a dictionary that is not plain text"));
                }
                let mut expanded = 0_u64;
                for code in column.data.chunks_exact(4).map(|code| u32_at(code, 0)) {
                    if words.rows <= code {
                        return Err(fault("has a code outside its dictionary"));
                    }
                    expanded += words.range(code as usize).len() as u64;
                }
                self.expand(expanded)?;
            }
            _ => {}
        }
        if column.constant {
            self.expand(u64::from(column.rows).saturating_mul(subtree_bytes(column)))?;
        }
        Ok(())
    }

    fn heap(&mut self, column: Item<'_, '_>) -> Result<(), InvalidBatch> {
        let fault = |problem| InvalidBatch::Column { column: column.number, problem };
        let rows = column.physical_rows();
        let heap_at = (rows + 1) * 4;
        if column.data.len() < heap_at {
            return Err(fault("has fewer offsets than rows"));
        }
        let end = check_offsets(&column.data, rows).ok_or_else(|| fault("has offsets that go back"))?;
        if end as usize != column.data.len() - heap_at {
            return Err(fault("has offsets that do not end where its heap does"));
        }
        match column.kind {
            Kind::String => {
                let heap = &column.data[heap_at..];
                // Most text is ASCII, where every offset stands between two characters.
                if !heap.is_ascii() {
                    let text = std::str::from_utf8(heap).map_err(|_| fault("has text that is not UTF-8"))?;
                    let inside = |row: usize| !text.is_char_boundary(u32_at(&column.data, row * 4) as usize);
                    if (0..=rows).any(inside) {
                        return Err(fault("has an offset inside a character"));
                    }
                }
            }
            Kind::Decimal => {
                let short = |row: usize| {
                    if column.is_null(row) { !column.range(row).is_empty() } else { column.range(row).len() < 5 }
                };
                if (0..rows).any(short) {
                    return Err(fault("has a decimal without digits, or digits under a null"));
                }
            }
            Kind::Variant => self.variants(column)?,
            Kind::Headers => {
                let fields = &self.schema_fields;
                let schema_fields = |place| fields.get(usize::from(place)).copied().flatten();
                let mut checker = VariantChecker::new(&[], &schema_fields);
                for row in 0..rows {
                    headers::check(column.bytes(row), &mut checker, fields.len()).map_err(fault)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn variants(&mut self, column: Item<'_, '_>) -> Result<(), InvalidBatch> {
        let fault = |problem| InvalidBatch::Column { column: column.number, problem };
        let words = column.only_child();
        if words.kind != Kind::String || words.constant || !words.is_full() {
            return Err(fault("has a names dictionary that is not plain text"));
        }
        if MAX_VARIANT_NAMES < words.rows as usize {
            let (found, limit) = (words.rows.into(), MAX_VARIANT_NAMES as u64);
            return Err(InvalidBatch::TooMuch { what: "names in a dictionary", found, limit });
        }
        let names: Vec<&str> = (0..words.rows as usize).map(|id| words.str(id)).collect();
        if !distinct(names.iter().copied()) {
            return Err(fault("has a names dictionary with a repetition"));
        }
        let fields = &self.schema_fields;
        let schema_fields = |place| fields.get(usize::from(place)).copied().flatten();
        let mut checker = VariantChecker::new(&names, &schema_fields);
        for row in 0..column.physical_rows() {
            let bytes = column.bytes(row);
            if column.is_null(row) {
                if !bytes.is_empty() {
                    return Err(fault("has bytes under a null"));
                }
                continue;
            }
            checker.check(bytes).map_err(|source| InvalidBatch::Variant {
                column: column.number,
                row: row as u32,
                source,
            })?;
        }
        let expanded = checker.name_bytes();
        self.expand(expanded)
    }

    fn expand(&mut self, bytes: u64) -> Result<(), InvalidBatch> {
        self.expanded = self.expanded.saturating_add(bytes);
        let limit = self.limits.max_expanded_bytes;
        if limit < self.expanded {
            return Err(InvalidBatch::TooMuch { what: "bytes when written out", found: self.expanded, limit });
        }
        Ok(())
    }

    /// Looks for buffers that overlap. A writer that places them in directory order spares the sort.
    pub(super) fn finish(mut self) -> Result<(), InvalidBatch> {
        if !self.claims.is_sorted() {
            self.claims.sort_unstable();
        }
        let mut end = 0;
        for (at, to) in self.claims {
            if at < end && at != to {
                return Err(InvalidBatch::Overlap { at });
            }
            end = end.max(to);
        }
        Ok(())
    }
}

/// Bytes that one row of the column stands for, names and children included.
fn subtree_bytes(column: Item<'_, '_>) -> u64 {
    let own = (column.name.len() + column.data.len()) as u64;
    column
        .children()
        .map(|child| {
            let times = if child.constant { u64::from(child.rows.max(1)) } else { 1 };
            subtree_bytes(child).saturating_mul(times)
        })
        .fold(own, u64::saturating_add)
}

/// The last offset, if the first is 0 and none is smaller than the one before.
fn check_offsets(data: &[u8], rows: usize) -> Option<u32> {
    let mut offsets = data[..(rows + 1) * 4].chunks_exact(4).map(|offset| u32_at(offset, 0));
    let mut last = offsets.next().filter(|&first| first == 0)?;
    let mut sound = true;
    for offset in offsets {
        sound &= last <= offset;
        last = offset;
    }
    sound.then_some(last)
}

fn distinct<'n>(names: impl Iterator<Item = &'n str> + Clone) -> bool {
    if names.clone().count() <= 16 {
        let mut rest = names.clone();
        for name in names {
            rest.next();
            if rest.clone().any(|other| other == name) {
                return false;
            }
        }
        return true;
    }
    let mut seen = HashSet::new();
    names.into_iter().all(|name| seen.insert(name))
}

/// Checks that a block's columns are what its schema calls for. Values that break their schema
/// stand in a variant column, which is allowed anywhere.
pub(super) fn check_block(
    schema: Option<u16>,
    column: Item<'_, '_>,
    schemas: &SchemaTable<'_>,
) -> Result<(), InvalidBatch> {
    let sound = match schema {
        Some(place) => column.present.is_none() && conforms(column, schemas.checked(place)),
        None => column.present.is_none() && is_schemaless(column),
    };
    if sound { Ok(()) } else { Err(InvalidBatch::Column { column: column.number, problem: "does not fit its schema" }) }
}

fn conforms(column: Item<'_, '_>, schema: &Schema) -> bool {
    if matches!(column.kind, Kind::Null | Kind::Variant) {
        return true;
    }
    let kind = physical_kind(schema);
    if column.kind != kind {
        return false;
    }
    let element = |child: Item<'_, '_>, schema: &Option<std::sync::Arc<Schema>>| match schema {
        Some(schema) => conforms(child, schema),
        None => is_schemaless(child),
    };
    match &schema.kind {
        SchemaType::Array(schema) if kind == Kind::List => element(column.only_child(), schema),
        SchemaType::Map(key, value) if kind == Kind::Map => {
            column.children().zip([key, value]).all(|(child, schema)| element(child, schema))
        }
        SchemaType::Struct(fields) if kind == Kind::Struct => {
            fields.len() == column.child_count()
                && fields
                    .iter()
                    .zip(column.children())
                    .all(|(field, child)| child.name == field.name && conforms(child, &field.schema))
        }
        _ => true,
    }
}

/// The kind of column that holds values of a schema.
pub fn physical_kind(schema: &Schema) -> Kind {
    if schema.is_decimal() {
        return Kind::Decimal;
    }
    if schema.is_instant() {
        return Kind::Instant;
    }
    match &schema.kind {
        SchemaType::Int8 => Kind::Int8,
        SchemaType::Int16 => Kind::Int16,
        SchemaType::Int32 => Kind::Int32,
        SchemaType::Int64 => Kind::Int64,
        SchemaType::Float32 => Kind::Float32,
        SchemaType::Float64 => Kind::Float64,
        SchemaType::Boolean => Kind::Bool,
        SchemaType::String => Kind::String,
        SchemaType::Bytes => Kind::Bytes,
        SchemaType::Array(_) => Kind::List,
        SchemaType::Map(..) => Kind::Map,
        SchemaType::Struct(_) => Kind::Struct,
    }
}

fn is_schemaless(column: Item<'_, '_>) -> bool {
    match column.kind {
        Kind::Struct | Kind::Headers | Kind::Dictionary => false,
        Kind::List | Kind::Map | Kind::Object => column.children().all(is_schemaless),
        _ => true,
    }
}

/// Checks that an envelope column is of the kind its role calls for.
pub(super) fn check_envelope(role: Role, column: Item<'_, '_>) -> Result<(), InvalidBatch> {
    let nullable = |kind: Kind| column.kind == kind || column.kind == Kind::Null;
    let sound = column.present.is_none()
        && match role {
            Role::TOPIC | Role::ORIGINAL_TOPIC => nullable(Kind::String) || column.kind == Kind::Dictionary,
            Role::PARTITION | Role::ORIGINAL_PARTITION => nullable(Kind::Int32),
            Role::TIMESTAMP | Role::OFFSET | Role::ORIGINAL_OFFSET => nullable(Kind::Int64),
            Role::TIMESTAMP_TYPE => column.kind == Kind::Int8 && column.is_full(),
            Role::HEADERS => column.kind == Kind::Headers && column.is_full(),
            Role::SOURCE_PARTITION | Role::SOURCE_OFFSET => {
                nullable(Kind::Object) || column.kind == Kind::Variant && is_schemaless(column)
            }
            Role::ORIGIN | Role::CHILD => column.kind == Kind::Int32 && column.is_full(),
            Role::SELECTION => column.kind == Kind::Bool && column.is_full(),
            _ => is_schemaless(column),
        };
    let sound = sound && column.children().all(|child| column.kind != Kind::Object || is_schemaless(child));
    if sound { Ok(()) } else { Err(InvalidBatch::Column { column: column.number, problem: "does not fit its role" }) }
}

/// Checks that every row is in exactly one block.
pub(super) fn check_union(tags: Option<&[u8]>, blocks: impl Iterator<Item = u32> + Clone, rows: u32) -> Result<(), ()> {
    let mut counts = [0_u32; 256];
    match tags {
        None if 1 < blocks.clone().count() => return Err(()),
        None => counts[0] = rows,
        Some(tags) => tags.iter().for_each(|&tag| counts[usize::from(tag)] += 1),
    }
    if blocks.clone().next().is_none() && tags.is_none() {
        return Ok(());
    }
    let total: u64 = blocks.clone().map(u64::from).sum();
    let sound = total == u64::from(rows) && blocks.zip(counts).all(|(block, count)| block == count);
    if sound { Ok(()) } else { Err(()) }
}

const _: () = assert!(NO_SCHEMA_16 as usize > super::layout::MAX_BLOCKS);
