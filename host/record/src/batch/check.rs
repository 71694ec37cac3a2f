//! Bytes from a stranger: one walk over the directory looks at every column, then at how they fit together.

use std::{borrow::Cow, ops::Deref};

use super::{
    bits,
    column::{Cells, Column},
    invalid::InvalidBatch,
    layout::{
        HEADER_LEN, Kind, Limits, MAGIC, MAX_BLOCKS, MAX_COLUMN_DEPTH, NO_SCHEMA, NO_SCHEMA_16, NODE_LEN, Role,
        SCHEMA_ENTRY_LEN, VERSION, u32_at,
    },
    node::{Node, NodeBytes},
    schemas::SchemaTable,
    table::Side,
    validate::{self, Checks},
};

/// Checks all of the bytes. Returns this process's own number of each schema, in the order of the table.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<Vec<u32>, InvalidBatch> {
    let header = bytes.get(..HEADER_LEN).ok_or(InvalidBatch::Header)?;
    if header[..4] != MAGIC || header[4..8] != [VERSION.to_le_bytes()[0], VERSION.to_le_bytes()[1], 0, 0] {
        return Err(InvalidBatch::Header);
    }
    let [rows, nodes, directory, schema_table, schema_count, len] =
        [8, 12, 16, 20, 24, 28].map(|at| u32_at(header, at));
    if len as usize != bytes.len() {
        return Err(InvalidBatch::CutOff { what: "the batch", end: u64::from(len), len: bytes.len() });
    }
    at_most("rows", rows, limits.max_rows)?;
    at_most("bytes", len, limits.max_bytes)?;
    at_most("columns", nodes, limits.max_columns)?;
    at_most("schemas", schema_count, u32::from(NO_SCHEMA_16) - 1)?;
    let directory_bytes = slice(bytes, "the directory", directory, u64::from(nodes) * NODE_LEN as u64)?;
    let table_bytes =
        slice(bytes, "the schema table", schema_table, u64::from(schema_count) * SCHEMA_ENTRY_LEN as u64)?;
    let mut schemas = SchemaTable::default();
    for entry in table_bytes.chunks_exact(SCHEMA_ENTRY_LEN) {
        schemas.push_bytes(u32_at(entry, 0), slice(bytes, "a schema", u32_at(entry, 4), u32_at(entry, 8).into())?);
    }
    schemas.check().map_err(|(place, source)| InvalidBatch::Schema { place, source })?;

    let (nodes, _) = directory_bytes.as_chunks();
    let mut checks = Checks::new(bytes, limits, &schemas, nodes.len());
    checks.claim(header);
    let mut walker = Walker { bytes, nodes, tree: Tree::for_nodes(nodes.len()), checks };
    walker.top_level(rows, &schemas)?;
    let Walker { tree, mut checks, .. } = walker;
    schemas.entries().iter().for_each(|entry| checks.claim(&entry.bytes));
    checks.claim(table_bytes);
    checks.claim(directory_bytes);
    checks.finish()?;
    for (side, tags, block) in [(Side::Key, Role::KEY_TAGS, Role::KEY), (Side::Value, Role::VALUE_TAGS, Role::VALUE)] {
        let of = |wanted: Role| tree.top_level(nodes).filter(move |(role, _)| *role == wanted).map(|(_, item)| item);
        let tags = of(tags).next().map(|tags| &*tags.column().data);
        validate::check_union(tags, of(block).map(|block| block.rows), rows).map_err(|()| InvalidBatch::Union(side))?;
    }
    Ok(schemas.entries().iter().map(|entry| entry.number).collect())
}

/// All columns in the order of the directory. In here a column has no `children` of its own.
pub(super) struct Tree<'a> {
    columns: Vec<Column<'a>>,
    /// Direct children of each column, and the number of the column behind the last below it.
    spans: Vec<(u32, u32)>,
}

/// A column with its place in the tree.
#[derive(Clone, Copy)]
pub(super) struct Item<'t, 'a> {
    tree: &'t Tree<'a>,
    /// Its place in the directory.
    pub(super) number: u32,
}

impl<'a> Tree<'a> {
    fn for_nodes(count: usize) -> Self {
        Self { columns: Vec::with_capacity(count), spans: Vec::with_capacity(count) }
    }

    fn item(&self, number: usize) -> Item<'_, 'a> {
        Item { tree: self, number: number as u32 }
    }

    /// The columns that are nobody's child, with their roles.
    fn top_level<'t>(&'t self, nodes: &'t [NodeBytes]) -> impl Iterator<Item = (Role, Item<'t, 'a>)> + Clone {
        let mut next = 0;
        std::iter::from_fn(move || {
            let item = (next < self.columns.len()).then(|| self.item(next))?;
            next = self.spans[next].1 as usize;
            Some((Role(nodes[item.number as usize][2]), item))
        })
    }
}

impl<'t, 'a> Item<'t, 'a> {
    /// The column itself, for as long as the tree is there.
    pub(super) fn column(self) -> &'t Column<'a> {
        &self.tree.columns[self.number as usize]
    }

    /// Number of direct children.
    pub(super) fn child_count(self) -> usize {
        self.tree.spans[self.number as usize].0 as usize
    }

    /// The child of a column that has one, or its first.
    pub(super) fn only_child(self) -> Item<'t, 'a> {
        self.tree.item(self.number as usize + 1)
    }

    /// The direct children.
    pub(super) fn children(self) -> impl Iterator<Item = Item<'t, 'a>> + Clone {
        let (count, mut next) = (self.child_count(), self.number as usize + 1);
        (0..count).map(move |_| {
            let child = self.tree.item(next);
            next = self.tree.spans[next].1 as usize;
            child
        })
    }
}

impl<'a> Deref for Item<'_, 'a> {
    type Target = Column<'a>;

    fn deref(&self) -> &Column<'a> {
        self.column()
    }
}

struct Walker<'a, 'l> {
    bytes: &'a [u8],
    nodes: &'a [NodeBytes],
    tree: Tree<'a>,
    checks: Checks<'a, 'l>,
}

impl Walker<'_, '_> {
    fn top_level(&mut self, rows: u32, schemas: &SchemaTable<'_>) -> Result<(), InvalidBatch> {
        let schema_count = schemas.entries().len();
        let mut seen = [false; 256];
        let mut blocks = [0; 2];
        while let Some(node) = self.nodes.get(self.tree.columns.len()) {
            let (number, node) = (self.tree.columns.len(), Node::read(node));
            self.column(0)?;
            let column = self.tree.item(number);
            let fault = |problem| InvalidBatch::Column { column: column.number, problem };
            let which = if matches!(node.role, Role::KEY | Role::KEY_TAGS) { Side::Key } else { Side::Value };
            match node.role {
                Role::KEY | Role::VALUE => {
                    let schema = (node.aux != NO_SCHEMA).then_some(node.aux);
                    if schema.is_some_and(|place| schema_count <= place as usize) {
                        return Err(fault("names a schema that is not there"));
                    }
                    validate::check_block(schema.map(|place| place as u16), column, schemas)?;
                    let blocks = &mut blocks[usize::from(which == Side::Value)];
                    if *blocks == MAX_BLOCKS {
                        return Err(InvalidBatch::Union(which));
                    }
                    *blocks += 1;
                    continue;
                }
                _ if column.rows != rows => return Err(fault("has another number of rows than the batch")),
                Role::KEY_TAGS | Role::VALUE_TAGS => {
                    let repeated = seen[usize::from(node.role.0)];
                    if repeated || column.kind != Kind::Int8 || !column.is_full() || column.constant {
                        return Err(InvalidBatch::Union(which));
                    }
                }
                role if seen[usize::from(role.0)] => return Err(fault("repeats the role of another")),
                role => validate::check_envelope(role, column)?,
            }
            seen[usize::from(node.role.0)] = true;
        }
        Ok(())
    }

    fn column(&mut self, depth: usize) -> Result<(), InvalidBatch> {
        let number = self.tree.columns.len();
        let fault = |problem| InvalidBatch::Column { column: number as u32, problem };
        let node =
            self.nodes.get(number).ok_or_else(|| fault("is missing: a parent counts more children than there are"))?;
        let node = Node::read(node);
        if MAX_COLUMN_DEPTH <= depth {
            return Err(fault("is nested too deep"));
        }
        let kind = Kind::from_byte(node.kind).ok_or_else(|| fault("is of an unknown kind"))?;
        if node.is_unknown() {
            return Err(fault("has unknown flags"));
        }
        if node.constant() && node.rows == 0 {
            return Err(fault("is constant without a row"));
        }
        let bitmap = |there: bool, at: u32| {
            let len = bits::bytes_for(node.physical_rows()) as u64;
            there.then(|| slice(self.bytes, "a bitmap", at, len)).transpose()
        };
        let name = slice(self.bytes, "a name", node.name.0, node.name.1.into())?;
        let valid = bitmap(node.has_valid(), node.valid)?;
        let present = bitmap(node.has_present(), node.present)?;
        let data = slice(self.bytes, "a buffer", node.data.0, node.data.1.into())?;
        self.checks.claim(name);
        valid.into_iter().chain(present).for_each(|bits| self.checks.claim(bits));
        self.checks.claim(data);
        let Ok(name) = std::str::from_utf8(name) else { return Err(fault("has a name that is not UTF-8")) };
        self.tree.columns.push(Column {
            cells: Cells { kind, constant: node.constant(), rows: node.rows, data: Cow::Borrowed(data) },
            name: Cow::Borrowed(name),
            valid: valid.map(Cow::Borrowed),
            present: present.map(Cow::Borrowed),
            children: Vec::new(),
        });
        self.tree.spans.push((node.children, 0));
        // A child takes a directory entry.
        if self.nodes.len() - self.tree.columns.len() < node.children as usize {
            return Err(fault("counts more children than there are"));
        }
        for _ in 0..node.children {
            let child = self.tree.columns.len();
            self.column(depth + 1)?;
            if self.nodes[child][2] != Role::NONE.0 {
                return Err(fault("has a child with a role of its own"));
            }
        }
        self.tree.spans[number].1 = self.tree.columns.len() as u32;
        self.checks.column(self.tree.item(number))
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
