//! A batch opened: its columns as a tree that is read, edited and written again.

use std::{borrow::Cow, sync::Arc};

use super::{
    Batch, bits,
    column::Column,
    layout::{Kind, NO_SCHEMA, Role},
    read,
    schemas::SchemaTable,
    write,
};
use crate::{Schema, Value};

/// Keys or values.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// What partitions and compaction go by.
    Key,
    /// What the record says.
    Value,
}

/// All rows of one side that share a schema.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// Place of the schema in the batch's table; `None` for schemaless data.
    pub schema: Option<u16>,
    /// The rows, densely, in batch order.
    pub column: Column<'a>,
}

/// The keys or the values of a batch: a dense union of blocks.
#[derive(Clone, Debug, Default)]
pub struct Union<'a> {
    /// Block of each row. `None`: every row is in block 0. Unless there is no block at all: then
    /// every row is null and has no schema.
    pub tags: Option<Cow<'a, [u8]>>,
    /// One per schema that occurs, at most 255.
    pub blocks: Vec<Block<'a>>,
}

/// Where a row of a side stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Index of the block.
    pub block: usize,
    /// Row inside the block.
    pub row: usize,
}

impl<'a> Union<'a> {
    /// One block for all rows.
    pub fn single(schema: Option<u16>, column: Column<'a>) -> Self {
        Self { tags: None, blocks: vec![Block { schema, column }] }
    }

    /// Calls `each` with the place of every row, in batch order; `None` if there is no block.
    pub fn places(&self, rows: usize) -> impl Iterator<Item = Option<Place>> + '_ {
        let mut next = [0_usize; 256];
        (0..rows).map(move |row| {
            if self.blocks.is_empty() {
                return None;
            }
            let Some(tags) = &self.tags else { return Some(Place { block: 0, row }) };
            let block = usize::from(tags[row]);
            let row = next[block];
            next[block] += 1;
            Some(Place { block, row })
        })
    }

    /// Batch rows of a block, in the block's order.
    pub fn rows_of(&self, block: usize, rows: usize) -> Vec<u32> {
        match &self.tags {
            None => (0..rows as u32).collect(),
            Some(tags) => (0..rows as u32).filter(|&row| usize::from(tags[row as usize]) == block).collect(),
        }
    }

    /// Moves the rows of a block for which `chosen` (over block rows) holds into a block of their
    /// own and returns its index; `None` if there are too many blocks already. A block whose rows
    /// are all chosen stays, and so does one of which none is.
    pub fn split(&mut self, block: usize, chosen: &dyn Fn(usize) -> bool, rows: usize) -> Option<usize> {
        let len = self.blocks[block].column.rows as usize;
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        (0..len as u32).for_each(|row| if chosen(row as usize) { inside.push(row) } else { outside.push(row) });
        if outside.is_empty() {
            return Some(block);
        }
        let fresh = self.blocks.len();
        if super::layout::MAX_BLOCKS <= fresh {
            return None;
        }
        let tags = self.tags.get_or_insert_with(|| Cow::Owned(vec![0; rows])).to_mut();
        for (at, tag) in tags.iter_mut().filter(|tag| usize::from(**tag) == block).enumerate() {
            if chosen(at) {
                *tag = fresh as u8;
            }
        }
        let column = self.blocks[block].column.take(&inside);
        self.blocks[block].column = self.blocks[block].column.take(&outside);
        self.blocks.push(Block { schema: self.blocks[block].schema, column });
        Some(fresh)
    }

    fn into_owned(self) -> Union<'static> {
        let block = |block: Block<'a>| Block { schema: block.schema, column: block.column.into_owned() };
        Union {
            tags: self.tags.map(|tags| Cow::Owned(tags.into_owned())),
            blocks: self.blocks.into_iter().map(block).collect(),
        }
    }
}

/// An opened batch.
#[derive(Clone, Debug, Default)]
pub struct Table<'a> {
    /// Rows, the ones that are no longer selected included.
    pub rows: u32,
    /// Schemas that blocks and variants refer to.
    pub schemas: SchemaTable<'a>,
    /// Envelope columns with their roles, unknown roles included. A role stands once.
    pub envelope: Vec<(Role, Column<'a>)>,
    /// A row per record, whether or not it has a key.
    pub keys: Union<'a>,
    /// A row per record, tombstones included.
    pub values: Union<'a>,
}

impl<'a> Table<'a> {
    /// An empty table for so many rows: no envelope, keys and values null without a schema.
    pub fn new(rows: u32) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Opens a batch without copying: the table borrows its bytes until something is changed.
    pub fn open(batch: &'a Batch) -> Self {
        read::Reader::new(batch.as_bytes()).table()
    }

    /// An envelope column.
    pub fn get(&self, role: Role) -> Option<&Column<'a>> {
        self.envelope.iter().find(|(other, _)| *other == role).map(|(_, column)| column)
    }

    /// Sets or replaces an envelope column.
    pub fn set(&mut self, role: Role, column: Column<'a>) {
        match self.envelope.iter_mut().find(|(other, _)| *other == role) {
            Some((_, old)) => *old = column,
            None => self.envelope.push((role, column)),
        }
    }

    /// Removes an envelope column.
    pub fn remove(&mut self, role: Role) -> Option<Column<'a>> {
        let at = self.envelope.iter().position(|(other, _)| *other == role)?;
        Some(self.envelope.remove(at).1)
    }

    /// The keys or the values.
    pub fn side(&self, side: Side) -> &Union<'a> {
        match side {
            Side::Key => &self.keys,
            Side::Value => &self.values,
        }
    }

    /// The keys or the values, for editing.
    pub fn side_mut(&mut self, side: Side) -> &mut Union<'a> {
        match side {
            Side::Key => &mut self.keys,
            Side::Value => &mut self.values,
        }
    }

    /// Whether the row is still under way.
    pub fn is_selected(&self, row: usize) -> bool {
        self.get(Role::SELECTION).is_none_or(|selection| selection.boolean(row))
    }

    /// Number of rows still under way.
    pub fn selected(&self) -> usize {
        match self.get(Role::SELECTION) {
            None => self.rows as usize,
            Some(column) if column.constant => {
                if column.boolean(0) {
                    self.rows as usize
                } else {
                    0
                }
            }
            Some(column) => bits::count(&column.data, self.rows as usize),
        }
    }

    /// Takes rows out of the selection: filtered, or failed.
    pub fn deselect(&mut self, rows: impl IntoIterator<Item = usize>) {
        let count = self.rows as usize;
        let mut selection = match self.remove(Role::SELECTION) {
            Some(column) if !column.constant => column.cells.data.into_owned(),
            Some(column) => bits::filled(count, column.boolean(0)),
            None => bits::filled(count, true),
        };
        rows.into_iter().for_each(|row| bits::set(&mut selection, row, false));
        self.set(Role::SELECTION, Column::new(Kind::Bool, self.rows, selection));
    }

    /// `None` if the batch names no topics, or none for this row.
    pub fn topic(&self, row: usize) -> Option<&str> {
        self.get(Role::TOPIC).filter(|topics| !topics.is_null(row)).map(|topics| topics.str(row))
    }

    /// A nullable integer of the envelope: partition, timestamp, offset, ….
    pub fn integer(&self, role: Role, row: usize) -> Option<i64> {
        let column = self.get(role)?;
        if column.is_null(row) { None } else { column.integer(row) }
    }

    /// `None` for schemaless data. Parsed once, however often it is asked for.
    pub fn schema_of(&self, block: &Block<'_>) -> Option<Arc<Schema>> {
        block.schema.map(|place| self.schemas.get(place))
    }

    /// Schema and value of one row as trees. Walks the tags up to the row: for single rows, not loops.
    pub fn datum(&self, side: Side, row: usize) -> (Option<Arc<Schema>>, Value) {
        let union = self.side(side);
        match union.places(row + 1).last().flatten() {
            None => (None, Value::Null),
            Some(place) => {
                let block = &union.blocks[place.block];
                let schema = self.schema_of(block);
                let value = block.column.value(place.row, schema.as_ref(), &self.schemas);
                (schema, value)
            }
        }
    }

    /// Schemas and values of all rows as trees, in batch order.
    pub fn data(&self, side: Side) -> Vec<(Option<Arc<Schema>>, Value)> {
        let union = self.side(side);
        let schemas: Vec<_> = union.blocks.iter().map(|block| self.schema_of(block)).collect();
        union
            .places(self.rows as usize)
            .map(|place| match place {
                None => (None, Value::Null),
                Some(place) => {
                    let schema = schemas[place.block].clone();
                    let value = union.blocks[place.block].column.value(place.row, schema.as_ref(), &self.schemas);
                    (schema, value)
                }
            })
            .collect()
    }

    /// The chosen rows, each at most once and in ascending order, as a table of its own. Where a row
    /// had no origin, its old row number becomes its origin.
    pub fn take(&self, rows: &[u32]) -> Table<'static> {
        let mut taken = Table::new(rows.len() as u32);
        taken.schemas = self.schemas.clone().into_owned();
        for (role, column) in &self.envelope {
            taken.set(*role, column.take(rows));
        }
        if taken.get(Role::ORIGIN).is_none() && rows.len() != self.rows as usize {
            let origins: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
            taken.set(Role::ORIGIN, Column::new(Kind::Int32, taken.rows, origins));
        }
        for side in [Side::Key, Side::Value] {
            *taken.side_mut(side) = self.take_union(side, rows);
        }
        taken
    }

    fn take_union(&self, side: Side, rows: &[u32]) -> Union<'static> {
        let union = self.side(side);
        let places: Vec<Option<Place>> = union.places(self.rows as usize).collect();
        let mut chosen = vec![Vec::new(); union.blocks.len()];
        let mut tags = Vec::with_capacity(rows.len());
        for place in rows.iter().filter_map(|&row| places[row as usize]) {
            chosen[place.block].push(place.row as u32);
            tags.push(place.block as u8);
        }
        let blocks = union.blocks.iter().zip(&chosen);
        let blocks =
            blocks.map(|(block, rows)| Block { schema: block.schema, column: block.column.take(rows) }).collect();
        Union { tags: union.tags.is_some().then_some(tags.into()), blocks }
    }

    /// Writes the batch. Buffers that nothing refers to any more are left behind.
    ///
    /// # Panics
    ///
    /// If the table is inconsistent (a block without its rows, a tag without its block): a mistake
    /// of the code that edited it.
    pub fn write(&self) -> Vec<u8> {
        write::write(self)
    }

    /// Plans how to write the batch over the one it was read from, so that what was not changed need not be copied. What
    /// is done once nothing borrows from `old` any more is [`Rewrite::into_bytes`].
    ///
    /// # Panics
    ///
    /// As [`Table::write`].
    pub fn rewrite(&self, old: &Batch) -> Rewrite {
        Rewrite(match write::rewrite(self, old.as_bytes()) {
            Some(over) => Plan::Over(over),
            None => Plan::Anew(self.write()),
        })
    }

    /// Writes the batch for use in this process.
    pub fn into_batch(self) -> Batch {
        Batch(self.write().into())
    }

    /// Detaches the table from the batch it was read from.
    pub fn into_owned(self) -> Table<'static> {
        Table {
            rows: self.rows,
            schemas: self.schemas.into_owned(),
            envelope: self.envelope.into_iter().map(|(role, column)| (role, column.into_owned())).collect(),
            keys: self.keys.into_owned(),
            values: self.values.into_owned(),
        }
    }
}

/// What an edited batch will be; see [`Table::rewrite`].
pub struct Rewrite(Plan);

enum Plan {
    Anew(Vec<u8>),
    Over(write::Rewrite),
}

impl Rewrite {
    /// The new batch's bytes. `old` has to be the batch that the rewrite was planned for; if nobody else holds it, its
    /// memory is used again.
    pub fn into_bytes(self, old: Batch) -> Vec<u8> {
        match self.0 {
            Plan::Anew(bytes) => bytes,
            Plan::Over(over) => over.apply(old.into_bytes().into()),
        }
    }
}

/// How a block's schema stands in the directory.
pub(super) fn schema_to_aux(schema: Option<u16>) -> u32 {
    schema.map_or(NO_SCHEMA, u32::from)
}
