//! Opening a batch that is known to be valid: one walk over the directory builds the tree.

use std::borrow::Cow;

use super::{
    bits,
    column::{Cells, Column},
    layout::{Kind, NO_SCHEMA, NODE_LEN, Role, SCHEMA_ENTRY_LEN, u32_at},
    node::{Node, NodeBytes, end_of},
    schemas::SchemaTable,
    table::{Block, Side, Table},
    trusted_str,
};

/// Top-level columns that a batch most often has, keys and values aside.
const USUAL_ENVELOPE: usize = 8;

/// A batch that is known to be valid.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    nodes: &'a [NodeBytes],
}

impl<'a> Reader<'a> {
    /// # Panics
    ///
    /// If the bytes are no batch; here and in everything below.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let (at, count) = (u32_at(bytes, 16) as usize, u32_at(bytes, 12) as usize);
        let (nodes, _) = bytes[at..at + count * NODE_LEN].as_chunks();
        Self { bytes, nodes }
    }

    /// The whole batch.
    pub(super) fn table(self) -> Table<'a> {
        let mut table = Table { rows: self.rows(), schemas: self.schemas(), ..Table::default() };
        table.envelope.reserve_exact(USUAL_ENVELOPE);
        let mut next = 0;
        while next < self.nodes.len() {
            let node = Node::read(&self.nodes[next]);
            let column = self.column(&mut next);
            let schema = (node.aux != NO_SCHEMA).then_some(node.aux as u16);
            match node.role {
                Role::KEY_TAGS => table.keys.tags = Some(column.cells.data),
                Role::VALUE_TAGS => table.values.tags = Some(column.cells.data),
                Role::KEY => table.side_mut(Side::Key).blocks.push(Block { schema, column }),
                Role::VALUE => table.side_mut(Side::Value).blocks.push(Block { schema, column }),
                role => table.envelope.push((role, column)),
            }
        }
        table
    }

    /// The rows and these columns of the envelope alone.
    pub(super) fn outline(self, roles: &[Role]) -> Table<'a> {
        let mut table = Table::new(self.rows());
        let mut next = 0;
        while next < self.nodes.len() {
            // What is below a top-level column has no role.
            let role = Role(self.nodes[next][2]);
            if roles.contains(&role) {
                table.envelope.push((role, self.column(&mut next)));
            } else {
                next = end_of(self.nodes, next);
            }
        }
        table
    }

    fn rows(&self) -> u32 {
        u32_at(self.bytes, 8)
    }

    fn schemas(&self) -> SchemaTable<'a> {
        let mut schemas = SchemaTable::default();
        let (at, count) = (u32_at(self.bytes, 20) as usize, u32_at(self.bytes, 24) as usize);
        for entry in self.bytes[at..at + count * SCHEMA_ENTRY_LEN].chunks_exact(SCHEMA_ENTRY_LEN) {
            schemas.push_bytes(u32_at(entry, 0), self.slice(u32_at(entry, 4), u32_at(entry, 8) as usize));
        }
        schemas
    }

    /// The column whose entry is the next, which is moved on behind its last child's.
    fn column(&self, next: &mut usize) -> Column<'a> {
        let node = Node::read(&self.nodes[*next]);
        *next += 1;
        let mut children = Vec::new();
        if node.children != 0 {
            children.reserve_exact(node.children as usize);
            for _ in 0..node.children {
                children.push(self.column(next));
            }
        }
        let bitmap =
            |there: bool, at: u32| there.then(|| Cow::Borrowed(self.slice(at, bits::bytes_for(node.physical_rows()))));
        Column {
            cells: Cells {
                kind: Kind::from_byte(node.kind).expect("a valid batch has known kinds only"),
                constant: node.constant(),
                rows: node.rows,
                data: Cow::Borrowed(self.slice(node.data.0, node.data.1 as usize)),
            },
            name: Cow::Borrowed(trusted_str(self.slice(node.name.0, node.name.1 as usize))),
            valid: bitmap(node.has_valid(), node.valid),
            present: bitmap(node.has_present(), node.present),
            children,
        }
    }

    #[inline]
    fn slice(&self, at: u32, len: usize) -> &'a [u8] {
        &self.bytes[at as usize..at as usize + len]
    }
}
