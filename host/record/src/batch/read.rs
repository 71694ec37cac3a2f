//! Reading a batch: the checked way, for bytes from a stranger, and the trusting way, for bytes
//! that were checked or made here. Both walk the directory once and build the same tree.

use std::borrow::Cow;

use super::{
    bits,
    column::Column,
    layout::{
        FLAG_CONSTANT, FLAG_PRESENT, FLAG_VALID, HEADER_LEN, Kind, Limits, MAGIC, MAX_BLOCKS, MAX_COLUMN_DEPTH,
        NO_SCHEMA, NODE_LEN, Role, SCHEMA_ENTRY_LEN, VERSION, u32_at,
    },
    schema_codec::InvalidSchemaBytes,
    schemas::SchemaTable,
    table::{Block, Side, Table},
    validate::{self, Checks},
    variant::InvalidVariant,
};

/// Why bytes are not a batch.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBatch {
    /// Ends too early, or a length or position points beyond the end.
    #[error("the batch is cut off: {what} ends at byte {end} of {len}")]
    CutOff {
        /// What does not fit.
        what: &'static str,
        /// Where it would end.
        end: u64,
        /// Bytes there are.
        len: usize,
    },
    /// No batch, or one of another version.
    #[error("the bytes do not begin like a batch of format version {VERSION}")]
    Header,
    /// A limit is exceeded.
    #[error("the batch has {found} {what}, {limit} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A column that contradicts the format.
    #[error("column {column} {problem}")]
    Column {
        /// Place in the directory.
        column: u32,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two buffers share bytes.
    #[error("two buffers overlap at byte {at}")]
    Overlap {
        /// Where the second begins.
        at: u32,
    },
    /// A schema is damaged.
    #[error("schema {place} is damaged")]
    Schema {
        /// Place in the table.
        place: usize,
        /// What is wrong with it.
        source: InvalidSchemaBytes,
    },
    /// A variant is damaged.
    #[error("column {column} has a damaged value in row {row}")]
    Variant {
        /// Place in the directory.
        column: u32,
        /// Row of the column.
        row: u32,
        /// What is wrong with it.
        source: InvalidVariant,
    },
    /// The side's blocks and tags do not add up.
    #[error("the blocks and tags of the {0:?} side do not add up")]
    Union(Side),
}

/// Builds the tree of a batch that is known to be valid.
pub(super) fn open(bytes: &[u8]) -> Table<'_> {
    walk(bytes, None).unwrap_or_else(|error| {
        debug_assert!(false, "a validated batch cannot be opened: {error}");
        Table::default()
    })
}

/// Builds the tree of bytes that a stranger made, or says why they are no batch.
pub(super) fn open_checked<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Table<'a>, InvalidBatch> {
    walk(bytes, Some(limits))
}

fn walk<'a>(bytes: &'a [u8], limits: Option<&Limits>) -> Result<Table<'a>, InvalidBatch> {
    let header = bytes.get(..HEADER_LEN).ok_or(InvalidBatch::Header)?;
    if header[..4] != MAGIC || header[4..8] != [VERSION.to_le_bytes()[0], VERSION.to_le_bytes()[1], 0, 0] {
        return Err(InvalidBatch::Header);
    }
    let [rows, nodes, directory, schema_table, schema_count, len] =
        [8, 12, 16, 20, 24, 28].map(|at| u32_at(header, at));
    if len as usize != bytes.len() {
        return Err(InvalidBatch::CutOff { what: "the batch", end: u64::from(len), len: bytes.len() });
    }
    if let Some(limits) = limits {
        at_most("rows", rows, limits.max_rows)?;
        at_most("bytes", len, limits.max_bytes)?;
        at_most("columns", nodes, limits.max_columns)?;
    }
    let directory = slice(bytes, "the directory", directory, u64::from(nodes) * NODE_LEN as u64)?;
    let table_bytes =
        slice(bytes, "the schema table", schema_table, u64::from(schema_count) * SCHEMA_ENTRY_LEN as u64)?;
    let mut schemas = SchemaTable::default();
    for entry in table_bytes.chunks_exact(SCHEMA_ENTRY_LEN) {
        schemas.push_bytes(u32_at(entry, 0), slice(bytes, "a schema", u32_at(entry, 4), u32_at(entry, 8).into())?);
    }
    let mut checks = None;
    if let Some(limits) = limits {
        if schema_count >= u32::from(super::layout::NO_SCHEMA_16) {
            at_most("schemas", schema_count, u32::from(super::layout::NO_SCHEMA_16) - 1)?;
        }
        schemas.check().map_err(|source| {
            let place = schemas.entries().iter().position(|entry| super::schema_codec::decode(&entry.bytes).is_err());
            InvalidBatch::Schema { place: place.unwrap_or_default(), source }
        })?;
        checks = Some(Checks::new(bytes, limits, &schemas));
        let checks = checks.as_mut().expect("just set");
        checks.claim_header(u32_at(header, 16), nodes, schema_table, schema_count, table_bytes);
    }

    let mut walker = Walker { bytes, directory, next: 0, checks };
    let mut table = Table { rows, schemas: SchemaTable::default(), ..Table::default() };
    while (walker.next as usize) * NODE_LEN < directory.len() {
        let number = walker.next;
        let (role, aux, column) = walker.column(0)?;
        if column.rows != rows && role != Role::KEY && role != Role::VALUE {
            return Err(InvalidBatch::Column { column: number, problem: "has another number of rows than the batch" });
        }
        let side = |side: Side| InvalidBatch::Union(side);
        match role {
            Role::KEY_TAGS | Role::VALUE_TAGS => {
                let which = if role == Role::KEY_TAGS { Side::Key } else { Side::Value };
                let union = table.side_mut(which);
                if union.tags.is_some() || column.kind != Kind::Int8 || !column.is_full() || column.constant {
                    return Err(side(which));
                }
                union.tags = Some(column.data);
            }
            Role::KEY | Role::VALUE => {
                let which = if role == Role::KEY { Side::Key } else { Side::Value };
                let schema = if aux == NO_SCHEMA { None } else { Some(aux) };
                if schema.is_some_and(|place| schema_count <= place) {
                    return Err(InvalidBatch::Column { column: number, problem: "names a schema that is not there" });
                }
                let schema = schema.map(|place| place as u16);
                if walker.checks.is_some() {
                    validate::check_block(schema, &column, &schemas, number)?;
                }
                let union = table.side_mut(which);
                if union.blocks.len() == MAX_BLOCKS {
                    return Err(side(which));
                }
                union.blocks.push(Block { schema, column });
            }
            role => {
                if table.get(role).is_some() {
                    return Err(InvalidBatch::Column { column: number, problem: "repeats the role of another" });
                }
                if walker.checks.is_some() {
                    validate::check_envelope(role, &column, number)?;
                }
                table.envelope.push((role, column));
            }
        }
    }
    if let Some(checks) = walker.checks {
        checks.finish()?;
        for side in [Side::Key, Side::Value] {
            validate::check_union(table.side(side), rows).map_err(|()| InvalidBatch::Union(side))?;
        }
    }
    table.schemas = schemas;
    Ok(table)
}

struct Walker<'a, 'l> {
    bytes: &'a [u8],
    directory: &'a [u8],
    next: u32,
    checks: Option<Checks<'a, 'l>>,
}

impl<'a> Walker<'a, '_> {
    fn column(&mut self, depth: usize) -> Result<(Role, u32, Column<'a>), InvalidBatch> {
        let number = self.next;
        let fault = |problem| InvalidBatch::Column { column: number, problem };
        // Of a known length, so that reading its numbers needs no further look at bounds.
        let node = self.directory.get(number as usize * NODE_LEN..).and_then(<[u8]>::first_chunk::<NODE_LEN>);
        let node = node.ok_or_else(|| fault("is missing: a parent counts more children than there are"))?;
        if MAX_COLUMN_DEPTH <= depth {
            return Err(fault("is nested too deep"));
        }
        self.next += 1;
        let kind = Kind::from_byte(node[0]).ok_or_else(|| fault("is of an unknown kind"))?;
        let (flags, role) = (node[1], Role(node[2]));
        if flags & !(FLAG_CONSTANT | FLAG_VALID | FLAG_PRESENT) != 0 || node[3] != 0 {
            return Err(fault("has unknown flags"));
        }
        let word = |at: usize| u32::from_le_bytes([node[at], node[at + 1], node[at + 2], node[at + 3]]);
        let (name_at, name_len, rows, children) = (word(4), word(8), word(12), word(16));
        let (valid, present, data, data_len, aux) = (word(20), word(24), word(28), word(32), word(36));
        let constant = flags & FLAG_CONSTANT != 0;
        if constant && rows == 0 {
            return Err(fault("is constant without a row"));
        }
        let physical = if constant { 1 } else { rows as usize };
        let bitmap_len = bits::bytes_for(physical) as u64;
        let name = slice(self.bytes, "a name", name_at, name_len.into())?;
        let optional = |set: bool, at: u32| -> Result<Option<&'a [u8]>, InvalidBatch> {
            if set { slice(self.bytes, "a bitmap", at, bitmap_len).map(Some) } else { Ok(None) }
        };
        let valid = optional(flags & FLAG_VALID != 0, valid)?;
        let present = optional(flags & FLAG_PRESENT != 0, present)?;
        let data_bytes = slice(self.bytes, "a buffer", data, data_len.into())?;
        if let Some(checks) = &mut self.checks {
            checks.claim(name);
            valid.into_iter().chain(present).for_each(|bits| checks.claim(bits));
            checks.claim(data_bytes);
            if std::str::from_utf8(name).is_err() {
                return Err(fault("has a name that is not UTF-8"));
            }
        }
        let mut column = Column {
            kind,
            constant,
            name: Cow::Borrowed(super::trusted_str(name)),
            rows,
            valid: valid.map(Cow::Borrowed),
            present: present.map(Cow::Borrowed),
            data: Cow::Borrowed(data_bytes),
            children: Vec::new(),
        };
        // A child takes a directory entry, so the count cannot reserve more than is there.
        let left = self.directory.len() / NODE_LEN - self.next as usize;
        if left < children as usize {
            return Err(fault("counts more children than there are"));
        }
        column.children.reserve_exact(children as usize);
        for _ in 0..children {
            let (child_role, _, child) = self.column(depth + 1)?;
            if child_role != Role::NONE {
                return Err(fault("has a child with a role of its own"));
            }
            column.children.push(child);
        }
        if let Some(checks) = &mut self.checks {
            checks.column(&column, number)?;
        }
        Ok((role, aux, column))
    }
}

fn at_most(what: &'static str, found: u32, limit: u32) -> Result<(), InvalidBatch> {
    if limit < found {
        return Err(InvalidBatch::TooMuch { what, found: found.into(), limit: limit.into() });
    }
    Ok(())
}

fn slice<'a>(bytes: &'a [u8], what: &'static str, at: u32, len: u64) -> Result<&'a [u8], InvalidBatch> {
    let end = u64::from(at) + len;
    let range = at as usize..usize::try_from(end).unwrap_or(usize::MAX);
    bytes.get(range).ok_or(InvalidBatch::CutOff { what, end, len: bytes.len() })
}
