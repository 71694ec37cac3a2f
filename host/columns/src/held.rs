//! A column that a plugin holds.

use std::borrow::Cow;
use std::sync::Arc;

use millstream_record::Schema;
use millstream_record::batch::{Block, Column, ColumnBuilder, Kind, Place, SchemaTable, Union, bits};

use crate::error::{Result, misuse};

/// A column that a plugin holds: the values of rows, each under its schema, and which rows have any.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Rows; 1 if it is constant.
    pub rows: u32,
    /// Whether its one row stands for any number of them.
    pub constant: bool,
    /// Values, at least one block. Schemas are places in the session's table. No column has a presence bitmap of its own.
    pub union: Union<'static>,
    /// Rows that have a value, be it null; all without a bitmap.
    pub present: Option<Vec<u8>>,
    /// Whether a schema is still to be found for the values, by their type.
    pub fresh: bool,
}

impl Held {
    /// Of one column whose rows are all present.
    pub fn of(column: Column<'static>, schema: Option<u16>, fresh: bool) -> Self {
        Self { rows: column.rows, constant: false, union: Union::single(schema, column), present: None, fresh }
    }

    /// One value for any number of rows.
    pub fn constant(column: Column<'static>, schema: Option<u16>, fresh: bool) -> Self {
        debug_assert_eq!(column.rows, 1);
        Self { constant: true, ..Self::of(column, schema, fresh) }
    }

    /// The row where a row of a table stands.
    #[inline]
    pub fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// Whether the row has a value.
    #[inline]
    pub fn is_present(&self, row: usize) -> bool {
        self.present.as_ref().is_none_or(|present| bits::get(present, self.at(row)))
    }

    /// The only column, if all rows have one schema.
    pub fn single(&self) -> Option<&Block<'static>> {
        match self.union.blocks.as_slice() {
            [block] => Some(block),
            _ => None,
        }
    }

    /// Block and row in it of each row; of a constant, of its one row.
    pub fn places(&self) -> Vec<Place> {
        self.union.places(self.rows as usize).map(|place| place.unwrap_or(Place { block: 0, row: 0 })).collect()
    }

    /// As many rows as a table has.
    pub fn fit(&self, rows: u32) -> Result<()> {
        if self.constant || self.rows == rows {
            return Ok(());
        }
        Err(misuse(format!("the column has {} rows where there are {rows}", self.rows)))
    }

    /// The chosen rows in their order.
    pub fn take(&self, rows: &[u32]) -> Self {
        if self.constant {
            return self.expanded(rows.len() as u32);
        }
        let present = bits::take(self.present.as_deref(), rows.iter().map(|&row| row as usize)).map(Cow::into_owned);
        let union = match self.single() {
            Some(block) => Union::single(block.schema, block.column.take(rows)),
            None => {
                let places = self.places();
                let mut chosen = vec![Vec::new(); self.union.blocks.len()];
                let mut tags = Vec::with_capacity(rows.len());
                for &row in rows {
                    let place = places[row as usize];
                    chosen[place.block].push(place.row as u32);
                    tags.push(place.block);
                }
                // Blocks without a row are left out, so that what has one schema is seen to have one.
                let mut numbers = vec![0; chosen.len()];
                let mut blocks = Vec::new();
                for (at, rows) in chosen.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
                    numbers[at] = blocks.len() as u8;
                    let block = &self.union.blocks[at];
                    blocks.push(Block { schema: block.schema, column: block.column.take(rows) });
                }
                if blocks.is_empty() {
                    let block = &self.union.blocks[0];
                    blocks.push(Block { schema: block.schema, column: block.column.take(&[]) });
                }
                let tags = (1 < blocks.len()).then(|| tags.iter().map(|&tag| numbers[tag]).collect::<Vec<_>>().into());
                Union { tags, blocks }
            }
        };
        Self { rows: rows.len() as u32, constant: false, union, present, fresh: self.fresh }
    }

    /// A constant as a column of so many rows; any other column as it is.
    pub fn expanded(&self, rows: u32) -> Self {
        if !self.constant {
            return self.clone();
        }
        let block = &self.union.blocks[0];
        let column = match (block.column.kind, rows) {
            (Kind::Null, _) => Column::nulls(rows),
            (_, 0) => block.column.take(&[]),
            _ => block.column.clone().repeated(rows),
        };
        let present = (!self.is_present(0)).then(|| bits::filled(rows as usize, false));
        Self { rows, constant: false, union: Union::single(block.schema, column), present, fresh: self.fresh }
    }

    /// Only the rows of a bitmap have values from now on.
    pub fn limit(&mut self, live: Option<&[u8]>) {
        let Some(live) = live else { return };
        self.present = Some(match self.present.take() {
            None => live.to_vec(),
            Some(present) => present.iter().zip(live).map(|(a, b)| a & b).collect(),
        });
    }

    /// The schemas of the blocks.
    pub fn schemas(&self, base: &SchemaTable<'static>) -> Vec<Option<Arc<Schema>>> {
        self.union.blocks.iter().map(|block| block.schema.map(|place| base.get(place))).collect()
    }

    /// Whether no value has a schema, or will have one.
    pub fn is_schemaless(&self) -> bool {
        !self.fresh && self.union.blocks.iter().all(|block| block.schema.is_none())
    }

    /// About as many bytes as it holds.
    pub fn bytes(&self) -> usize {
        let blocks: usize = self.union.blocks.iter().map(|block| column_bytes(&block.column)).sum();
        let tags = self.union.tags.as_ref().map_or(0, |tags| tags.len());
        blocks + tags + self.present.as_ref().map_or(0, Vec::len) + 64
    }
}

/// About as many bytes as a column holds.
pub(crate) fn column_bytes(column: &Column<'_>) -> usize {
    let bitmap = |bits: &Option<Cow<'_, [u8]>>| bits.as_ref().map_or(0, |bits| bits.len());
    let own = column.data.len() + column.name.len() + bitmap(&column.valid) + bitmap(&column.present);
    own + size_of::<Column<'_>>() + column.children.iter().map(column_bytes).sum::<usize>()
}

/// The same column, null where a bit is unset.
pub(crate) fn masked(
    column: Column<'static>,
    present: Option<&[u8]>,
    base: &mut SchemaTable<'static>,
) -> Result<Column<'static>> {
    let Some(present) = present else { return Ok(column) };
    let rows = column.rows as usize;
    if column.kind == Kind::Null || bits::count(present, rows) == rows {
        return Ok(column);
    }
    let mut column = column.expanded();
    let valid = match &column.valid {
        None => present.to_vec(),
        Some(valid) => valid.iter().zip(present).map(|(a, b)| a & b).collect(),
    };
    if matches!(column.kind, Kind::Decimal | Kind::Variant) {
        return emptied(&column, &valid, base);
    }
    column.valid = Some(valid.into());
    Ok(column)
}

/// A column whose null rows have no bytes, as decimals and variants want it.
fn emptied(column: &Column<'static>, valid: &[u8], base: &mut SchemaTable<'static>) -> Result<Column<'static>> {
    let mut builder = ColumnBuilder::new();
    for row in 0..column.rows as usize {
        if !bits::get(valid, row) {
            builder.push_null();
            continue;
        }
        match column.kind {
            Kind::Decimal => {
                let (scale, unscaled) = column.decimal(row);
                builder.push_decimal(scale, unscaled);
            }
            _ => builder.push_variant(&column.value(row, None, base), base)?,
        }
    }
    Ok(builder.finish())
}

/// Clears the bits of one bitmap where another is unset.
pub(crate) fn both(a: Option<Vec<u8>>, b: Option<&[u8]>) -> Option<Vec<u8>> {
    match (a, b) {
        (a, None) => a,
        (None, Some(b)) => Some(b.to_vec()),
        (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| a & b).collect()),
    }
}
