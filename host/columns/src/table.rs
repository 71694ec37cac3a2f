//! A batch that is open for editing.

use std::sync::Arc;

use millstream_connector::RowError;
use millstream_record::Schema;
use millstream_record::batch::{Batch, Block, Column, Kind, Role, SchemaTable, Side, Table, Union, bits};

use crate::error::{Result, misuse};
use crate::held::column_bytes;
use crate::merge::{rebased, rebased_headers};

/// Roles that are no business of whoever edits: the host's own accounts.
const SOURCE_POSITIONS: [Role; 2] = [Role::SOURCE_PARTITION, Role::SOURCE_OFFSET];

/// A batch that is open for editing. Its schemas are places in the session's table.
#[derive(Debug, Default)]
pub(crate) struct OpenTable {
    pub rows: u32,
    pub envelope: Vec<(Role, Column<'static>)>,
    pub keys: Union<'static>,
    pub values: Union<'static>,
    /// Row of the call's batch, per row; the same if there is no list.
    pub inputs: Option<Vec<u32>>,
    /// Rows that the call means, and of these the ones in focus; all without a bitmap.
    pub only: Option<Vec<u8>>,
    pub focus: Option<Vec<u8>>,
    /// Whether it is the call's batch.
    pub is_input: bool,
    pub changed: bool,
    /// By the row of the call's batch.
    pub errors: Vec<RowError>,
    pub bytes: usize,
}

impl OpenTable {
    /// So many rows without anything.
    pub fn empty(rows: u32) -> Self {
        Self { rows, changed: true, ..Self::default() }
    }

    /// A batch, whose schemas are added to those of the session.
    pub fn of(batch: &Batch, only: Option<Vec<u8>>, is_input: bool, base: &mut SchemaTable<'static>) -> Result<Self> {
        let opened = batch.open();
        let same_places = base.entries().len() <= opened.schemas.entries().len()
            && base.entries().iter().zip(opened.schemas.entries()).all(|(a, b)| a.bytes == b.bytes);
        let prefix = opened.schemas.entries().len() <= base.entries().len()
            && opened.schemas.entries().iter().zip(base.entries()).all(|(a, b)| a.bytes == b.bytes);
        let Table { rows, schemas, envelope, keys, values } = opened.into_owned();
        let mut table = Self { rows, envelope, keys, values, only, is_input, ..Self::default() };
        if prefix {
            return Ok(table);
        }
        if same_places {
            *base = schemas;
            return Ok(table);
        }
        for side in [Side::Key, Side::Value] {
            for block in &mut table.side_mut(side).blocks {
                let schema = block.schema.map(|place| schemas.get(place));
                block.column = rebased(&block.column, schema.as_ref(), &schemas, base)?;
                block.schema = schema.map(|schema| base.place(&schema)).transpose()?;
            }
        }
        for (role, column) in &mut table.envelope {
            match *role {
                Role::HEADERS => *column = rebased_headers(column, &schemas, base)?,
                role if SOURCE_POSITIONS.contains(&role) => *column = rebased(column, None, &schemas, base)?,
                _ => {}
            }
        }
        Ok(table)
    }

    pub fn side(&self, side: Side) -> &Union<'static> {
        match side {
            Side::Key => &self.keys,
            Side::Value => &self.values,
        }
    }

    pub fn side_mut(&mut self, side: Side) -> &mut Union<'static> {
        match side {
            Side::Key => &mut self.keys,
            Side::Value => &mut self.values,
        }
    }

    pub fn get(&self, role: Role) -> Option<&Column<'static>> {
        self.envelope.iter().find(|(other, _)| *other == role).map(|(_, column)| column)
    }

    pub fn put(&mut self, role: Role, column: Option<Column<'static>>) {
        self.changed = true;
        let at = self.envelope.iter().position(|(other, _)| *other == role);
        match (at, column) {
            (Some(at), Some(column)) => self.envelope[at].1 = column,
            (None, Some(column)) => self.envelope.push((role, column)),
            (Some(at), None) => drop(self.envelope.remove(at)),
            (None, None) => {}
        }
    }

    /// Whether the row is under way.
    pub fn is_selected(&self, row: usize) -> bool {
        self.get(Role::SELECTION).is_none_or(|selection| selection.boolean(row))
    }

    /// Rows that the call means and that are in focus, whether or not they are under way; none if all are.
    pub fn meant(&self) -> Option<Vec<u8>> {
        match (&self.only, &self.focus) {
            (None, None) => None,
            (Some(bits), None) | (None, Some(bits)) => Some(bits.clone()),
            (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| a & b).collect()),
        }
    }

    /// Rows to work on: under way, meant and in focus; none if all are.
    pub fn live(&self) -> Option<Vec<u8>> {
        let Some(selection) = self.get(Role::SELECTION) else { return self.meant() };
        let mut live = match self.meant() {
            Some(meant) => meant,
            None => bits::filled(self.rows as usize, true),
        };
        for row in (0..self.rows as usize).filter(|&row| !selection.boolean(row)) {
            bits::set(&mut live, row, false);
        }
        Some(live)
    }

    /// Ends rows: filtered, or failed.
    pub fn deselect(&mut self, rows: impl IntoIterator<Item = usize>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        let count = self.rows as usize;
        let mut selection = match self.get(Role::SELECTION) {
            None => bits::filled(count, true),
            Some(column) if column.constant => bits::filled(count, column.boolean(0)),
            Some(column) => column.data.to_vec(),
        };
        rows.for_each(|row| bits::set(&mut selection, row, false));
        self.put(Role::SELECTION, Some(Column::new(Kind::Bool, self.rows, selection)));
    }

    /// Row of the call's batch.
    pub fn input_of(&self, row: usize) -> u32 {
        self.inputs.as_ref().map_or(row as u32, |inputs| inputs[row])
    }

    /// Puts the rows that are not meant into blocks of their own, so that the others can be changed. Blocks without rows that are meant
    /// are those for which this returns false.
    pub fn isolate(&mut self, side: Side) -> Result<Vec<bool>> {
        let rows = self.rows as usize;
        let meant = self.meant();
        let union = self.side_mut(side);
        if union.blocks.is_empty() {
            *union = Union::single(None, Column::nulls(rows as u32));
        }
        let Some(meant) = meant else { return Ok(vec![true; union.blocks.len()]) };
        let mut is_meant = vec![false; union.blocks.len()];
        for at in 0..union.blocks.len() {
            let members = union.rows_of(at, rows);
            if !members.iter().any(|&row| bits::get(&meant, row as usize)) {
                continue;
            }
            let chosen = |row: usize| bits::get(&meant, members[row] as usize);
            let split = union.split(at, &chosen, rows).ok_or_else(too_many_schemas)?;
            if is_meant.len() <= split {
                is_meant.resize(split + 1, false);
            }
            is_meant[split] = true;
        }
        Ok(is_meant)
    }

    /// The schema of a block.
    pub fn schema_of(block: &Block<'static>, base: &SchemaTable<'static>) -> Option<Arc<Schema>> {
        block.schema.map(|place| base.get(place))
    }

    /// Counts about how many bytes it holds.
    pub fn measure(&mut self) {
        let unions: usize = [&self.keys, &self.values]
            .into_iter()
            .map(|union| {
                let blocks: usize = union.blocks.iter().map(|block| column_bytes(&block.column)).sum();
                blocks + union.tags.as_ref().map_or(0, |tags| tags.len())
            })
            .sum();
        let envelope: usize = self.envelope.iter().map(|(_, column)| column_bytes(column)).sum();
        let inputs = self.inputs.as_ref().map_or(0, |inputs| inputs.len() * 4);
        self.bytes = unions + envelope + inputs + self.errors.len() * size_of::<RowError>() + 256;
    }

    /// The table as the bytes of a batch.
    pub fn write(&mut self, base: &SchemaTable<'static>) -> Vec<u8> {
        let table = Table {
            rows: self.rows,
            schemas: base.clone(),
            envelope: std::mem::take(&mut self.envelope),
            keys: std::mem::take(&mut self.keys),
            values: std::mem::take(&mut self.values),
        };
        let bytes = table.write();
        let Table { envelope, keys, values, .. } = table;
        (self.envelope, self.keys, self.values) = (envelope, keys, values);
        bytes
    }
}

pub(crate) fn too_many_schemas() -> crate::Refusal {
    misuse("the batch has too many different schemas for one more")
}
