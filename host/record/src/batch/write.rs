//! Writing a batch: buffers first, then the schemas, then the directory. A batch that was only edited is written over the
//! one it was read from, as far as that stays: only what is new is appended.

use super::{
    bits,
    column::Column,
    layout::{
        ALIGNMENT, FLAG_CONSTANT, FLAG_PRESENT, FLAG_VALID, HEADER_LEN, Kind, MAGIC, NO_SCHEMA, NODE_LEN, Role,
        SCHEMA_ENTRY_LEN, VERSION, u32_at,
    },
    node::Node,
    table::{Block, Side, Table, Union, schema_to_aux},
};
use crate::append;

/// Bytes of buffers that nobody refers to any more may stay, wiped, up to one in so many; where there are more, the
/// batch is written anew.
const MOST_WASTE: usize = 4;
/// A batch smaller than this is written anew: copying it is cheaper than looking for what can stay.
const SMALL: usize = 4096;

/// Writes the batch anew: its buffers close together, and nothing else.
pub(super) fn write(table: &Table<'_>) -> Vec<u8> {
    let (bytes, nodes) = measure(table);
    let mut out = Vec::with_capacity(bytes + nodes * NODE_LEN);
    out.resize(HEADER_LEN, 0);
    let mut writer = Writer { out, kept: Kept { bytes: &[], live: Vec::new() }, directory: Vec::new() };
    writer.directory.reserve_exact(nodes * NODE_LEN);
    writer.table(table)
}

/// How to make the bytes of an edited batch out of those it was read from.
pub(super) struct Rewrite {
    /// Bytes that stay, from the beginning on.
    kept: usize,
    /// Ranges of these that nothing refers to any more.
    waste: Vec<(u32, u32)>,
    /// What follows them, preceded by the header.
    tail: Vec<u8>,
}

/// Plans how to write the batch over `old`, which it was read from. `None` if it should be written anew.
pub(super) fn rewrite(table: &Table<'_>, old: &[u8]) -> Option<Rewrite> {
    if old.len() < SMALL {
        return None;
    }
    // Schemas and directory are written anew in any case; usually they are the last that there is.
    let schemas = u32_at(old, 20) as usize;
    let first_schema = if u32_at(old, 24) == 0 { schemas } else { u32_at(old, schemas + 4) as usize };
    let kept = first_schema.min(schemas).min(u32_at(old, 16) as usize);
    let kept = Kept { bytes: &old[..kept], live: Vec::with_capacity(64) };
    let mut writer = Writer { out: vec![0; HEADER_LEN], kept, directory: Vec::with_capacity(32 * NODE_LEN) };
    let tail = writer.table(table);
    let Kept { bytes: kept, mut live } = writer.kept;
    if !live.is_sorted() {
        live.sort_unstable();
    }
    let (mut end, mut waste, mut wasted) = (HEADER_LEN as u32, Vec::new(), 0);
    for (at, to) in live.into_iter().chain([(kept.len() as u32, kept.len() as u32)]) {
        if at < end {
            // A buffer that two columns share has to be there twice.
            return None;
        }
        if end < at {
            waste.push((end, at));
            wasted += (at - end) as usize;
        }
        end = to;
    }
    (wasted <= kept.len() / MOST_WASTE && tail.len() <= kept.len()).then_some(Rewrite { kept: kept.len(), waste, tail })
}

impl Rewrite {
    /// Makes the new bytes; `old` are those that the rewrite was planned for.
    pub(super) fn apply(&self, mut old: Vec<u8>) -> Vec<u8> {
        let (header, tail) = self.tail.split_at(HEADER_LEN);
        old.truncate(self.kept);
        align(&mut old);
        old[..HEADER_LEN].copy_from_slice(header);
        for &(from, to) in &self.waste {
            old[from as usize..to as usize].fill(0);
        }
        old.extend_from_slice(tail);
        old
    }
}

/// Bytes and directory entries that the batch takes, roughly.
fn measure(table: &Table<'_>) -> (usize, usize) {
    let (mut bytes, mut nodes) = (HEADER_LEN, 0);
    for (_, column) in &table.envelope {
        measure_column(column, &mut bytes, &mut nodes);
    }
    for union in [&table.keys, &table.values] {
        bytes += union.tags.as_ref().map_or(0, |tags| tags.len() + ALIGNMENT);
        nodes += usize::from(union.tags.is_some());
        union.blocks.iter().for_each(|block| measure_column(&block.column, &mut bytes, &mut nodes));
    }
    let schemas = table.schemas.entries();
    bytes += schemas.iter().map(|entry| entry.bytes.len() + SCHEMA_ENTRY_LEN).sum::<usize>() + 2 * ALIGNMENT;
    (bytes, nodes)
}

fn measure_column(column: &Column<'_>, bytes: &mut usize, nodes: &mut usize) {
    let bitmap =
        |bits: &Option<_>| if bits.is_some() { bits::bytes_for(column.physical_rows()) + ALIGNMENT } else { 0 };
    *bytes += column.name.len() + column.data.len() + ALIGNMENT + bitmap(&column.valid) + bitmap(&column.present);
    *nodes += 1;
    column.children.iter().for_each(|child| measure_column(child, bytes, nodes));
}

fn align(out: &mut Vec<u8>) {
    let missing = out.len().next_multiple_of(ALIGNMENT) - out.len();
    append(&[0; ALIGNMENT][..missing], out);
}

/// The part of an older batch that stays.
struct Kept<'k> {
    bytes: &'k [u8],
    /// Ranges in it that the new batch refers to.
    live: Vec<(u32, u32)>,
}

impl Kept<'_> {
    /// Where the buffer stands in here, if it does.
    #[inline]
    fn place(&mut self, buffer: &[u8]) -> Option<u32> {
        let at = (buffer.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        if self.bytes.len() < at || self.bytes.len() - at < buffer.len() {
            return None;
        }
        self.live.push((at as u32, (at + buffer.len()) as u32));
        Some(at as u32)
    }
}

struct Writer<'k> {
    kept: Kept<'k>,
    /// The header, and what comes behind the bytes that are kept.
    out: Vec<u8>,
    directory: Vec<u8>,
}

impl Writer<'_> {
    /// Writes everything and returns header and bytes.
    fn table(&mut self, table: &Table<'_>) -> Vec<u8> {
        for (role, column) in &table.envelope {
            self.column(column, *role, NO_SCHEMA);
        }
        for side in [Side::Key, Side::Value] {
            self.union(table.side(side), side, table.rows);
        }
        let schemas = table.schemas.entries();
        let mut at = self.position();
        for entry in schemas {
            append(&entry.bytes, &mut self.out);
        }
        align(&mut self.out);
        let schema_table = self.position();
        for entry in schemas {
            for number in [entry.number, at, entry.bytes.len() as u32] {
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            at = at.wrapping_add(entry.bytes.len() as u32);
        }
        align(&mut self.out);
        let directory_at = self.position();
        self.out.extend_from_slice(&self.directory);

        let len = u32::try_from(self.len()).expect("a batch has at most 4 GiB");
        let mut out = std::mem::take(&mut self.out);
        let nodes = (self.directory.len() / NODE_LEN) as u32;
        out[..4].copy_from_slice(&MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_le_bytes());
        let header = [table.rows, nodes, directory_at, schema_table, schemas.len() as u32, len];
        for (field, at) in header.into_iter().zip((8..HEADER_LEN).step_by(4)) {
            out[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        out
    }

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
        let name = self.raw(column.name.as_bytes());
        let len = bits::bytes_for(column.physical_rows());
        let valid = column.valid.as_ref().map_or(0, |bits| self.buffer(&bits[..len]));
        let present = column.present.as_ref().map_or(0, |bits| self.buffer(&bits[..len]));
        let data = self.buffer(&column.data);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let node = Node {
            kind: column.kind as u8,
            flags: flag(column.constant, FLAG_CONSTANT)
                | flag(column.valid.is_some(), FLAG_VALID)
                | flag(column.present.is_some(), FLAG_PRESENT),
            role,
            reserved: 0,
            name: (name, column.name.len() as u32),
            rows: column.rows,
            children: column.children.len() as u32,
            valid,
            present,
            data: (data, column.data.len() as u32),
            aux,
        };
        self.directory.extend_from_slice(&node.bytes());
        column.children.iter().for_each(|child| self.column(child, Role::NONE, NO_SCHEMA));
    }

    /// Where the next byte will stand.
    fn position(&self) -> u32 {
        // Whether that is beyond 32 bits is looked at once, at the end.
        self.len() as u32
    }

    /// Bytes of the batch so far.
    fn len(&self) -> usize {
        match self.kept.bytes.len() {
            0 => self.out.len(),
            kept => kept.next_multiple_of(ALIGNMENT) + self.out.len() - HEADER_LEN,
        }
    }

    /// Where the bytes stand, anywhere.
    fn raw(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        self.kept.place(bytes).unwrap_or_else(|| {
            let at = self.position();
            append(bytes, &mut self.out);
            at
        })
    }

    /// Where the bytes stand, aligned.
    fn buffer(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        self.kept.place(bytes).unwrap_or_else(|| {
            align(&mut self.out);
            let at = self.position();
            append(bytes, &mut self.out);
            at
        })
    }
}
