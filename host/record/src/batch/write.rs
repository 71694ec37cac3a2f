//! Writing a batch: buffers first, then the schemas, then the directory.

use super::{
    bits,
    column::Column,
    layout::{
        ALIGNMENT, FLAG_CONSTANT, FLAG_PRESENT, FLAG_VALID, HEADER_LEN, Kind, MAGIC, NO_SCHEMA, NODE_LEN, Role,
        SCHEMA_ENTRY_LEN, VERSION,
    },
    table::{Side, Table, Union, schema_to_aux},
};

/// Appends the batch to `out`, which must be empty.
pub(super) fn write(table: &Table<'_>, out: &mut Vec<u8>) {
    let (mut bytes, mut nodes) = (HEADER_LEN, 0);
    for (_, column) in &table.envelope {
        measure(column, &mut bytes, &mut nodes);
    }
    for union in [&table.keys, &table.values] {
        bytes += union.tags.as_ref().map_or(0, |tags| tags.len() + ALIGNMENT);
        nodes += usize::from(union.tags.is_some());
        union.blocks.iter().for_each(|block| measure(&block.column, &mut bytes, &mut nodes));
    }
    let schemas = table.schemas.entries();
    bytes += schemas.iter().map(|entry| entry.bytes.len() + SCHEMA_ENTRY_LEN).sum::<usize>() + 2 * ALIGNMENT;
    out.reserve_exact(bytes + nodes * NODE_LEN);
    out.resize(HEADER_LEN, 0);

    let mut writer = Writer { out, directory: Vec::with_capacity(nodes * NODE_LEN) };
    for (role, column) in &table.envelope {
        writer.column(column, *role, NO_SCHEMA);
    }
    for side in [Side::Key, Side::Value] {
        writer.union(table.side(side), side, table.rows);
    }
    let Writer { out, directory } = writer;

    let places: Vec<usize> = schemas
        .iter()
        .map(|entry| {
            let at = out.len();
            out.extend_from_slice(&entry.bytes);
            at
        })
        .collect();
    align(out);
    let schema_table = out.len() as u32;
    for (entry, at) in schemas.iter().zip(places) {
        for number in [entry.number, at as u32, entry.bytes.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    align(out);
    let directory_at = out.len() as u32;
    out.extend_from_slice(&directory);

    let node_count = (directory.len() / NODE_LEN) as u32;
    let len = out.len() as u32;
    out[..4].copy_from_slice(&MAGIC);
    out[4..6].copy_from_slice(&VERSION.to_le_bytes());
    let header = [table.rows, node_count, directory_at, schema_table, schemas.len() as u32, len];
    for (field, at) in header.into_iter().zip((8..HEADER_LEN).step_by(4)) {
        out[at..at + 4].copy_from_slice(&field.to_le_bytes());
    }
}

fn measure(column: &Column<'_>, bytes: &mut usize, nodes: &mut usize) {
    let bitmap =
        |bits: &Option<_>| if bits.is_some() { bits::bytes_for(column.physical_rows()) + ALIGNMENT } else { 0 };
    *bytes += column.name.len() + column.data.len() + ALIGNMENT + bitmap(&column.valid) + bitmap(&column.present);
    *nodes += 1;
    column.children.iter().for_each(|child| measure(child, bytes, nodes));
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    directory: Vec<u8>,
}

impl Writer<'_> {
    fn union(&mut self, union: &Union<'_>, side: Side, rows: u32) {
        let (tags, block) = match side {
            Side::Key => (Role::KEY_TAGS, Role::KEY),
            Side::Value => (Role::VALUE_TAGS, Role::VALUE),
        };
        let total: u64 = union.blocks.iter().map(|block| u64::from(block.column.rows)).sum();
        assert!(union.blocks.is_empty() || total == u64::from(rows), "the blocks of a side hold each row once");
        if let Some(bytes) = &union.tags {
            assert_eq!(bytes.len(), rows as usize, "a tag per row");
            let data: &[u8] = bytes;
            self.column(&Column::new(Kind::Int8, rows, data), tags, NO_SCHEMA);
        }
        for Block { schema, column } in &union.blocks {
            self.column(column, block, schema_to_aux(*schema));
        }
    }

    fn column(&mut self, column: &Column<'_>, role: Role, aux: u32) {
        if column.constant && column.rows == 0 {
            return self.column(&column.take(&[]), role, aux);
        }
        let name = if column.name.is_empty() { 0 } else { self.raw(column.name.as_bytes()) };
        let rows = column.physical_rows();
        let valid = column.valid.as_ref().map_or(0, |bits| self.buffer(&bits[..bits::bytes_for(rows)]));
        let present = column.present.as_ref().map_or(0, |bits| self.buffer(&bits[..bits::bytes_for(rows)]));
        let data = if column.data.is_empty() { 0 } else { self.buffer(&column.data) };
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(column.constant, FLAG_CONSTANT)
            | flag(column.valid.is_some(), FLAG_VALID)
            | flag(column.present.is_some(), FLAG_PRESENT);
        self.directory.extend_from_slice(&[column.kind as u8, flags, role.0, 0]);
        let (names, children, len) = (column.name.len() as u32, column.children.len() as u32, column.data.len() as u32);
        for field in [name, names, column.rows, children, valid, present, data, len, aux] {
            self.directory.extend_from_slice(&field.to_le_bytes());
        }
        column.children.iter().for_each(|child| self.column(child, Role::NONE, NO_SCHEMA));
    }

    fn raw(&mut self, bytes: &[u8]) -> u32 {
        let at = self.out.len() as u32;
        self.out.extend_from_slice(bytes);
        at
    }

    fn buffer(&mut self, bytes: &[u8]) -> u32 {
        align(self.out);
        self.raw(bytes)
    }
}

use super::table::Block;
