//! Running a transform over the keys or the values of a batch, block by block.
//!
//! A block holds all rows of one schema. Each transform first gets the block as columns; where the
//! block is not of the plain shape the transform handles that way, its rows are taken apart one by
//! one. Rows that are not meant are moved into a block of their own beforehand.

use std::sync::Arc;

use millstream_sdk::{
    Error, Records, Result, RowError, Schema, Value,
    batch::{Block, Column, SchemaTable, Side, Table, UnionBuilder},
};

/// What a transform does to keys or values.
pub trait Logic {
    /// Changes a block as columns. False if it is not of the shape for that; nothing is changed then.
    ///
    /// # Errors
    ///
    /// Every row of the block fails with it.
    fn columns(&mut self, _block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        Ok(false)
    }

    /// Changes one row: its schema and value.
    ///
    /// # Errors
    ///
    /// The row fails with it.
    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, row: &RowContext<'_, '_>) -> Result<Datum>;
}

/// A schema and a value under it.
pub type Datum = (Option<Arc<Schema>>, Value);

/// A block with what belongs to it.
pub struct OpenBlock<'b, 'a> {
    /// The block's column, to be changed in place.
    pub column: &'b mut Column<'a>,
    /// The block's schema, to be replaced.
    pub schema: &'b mut Option<Arc<Schema>>,
    /// The batch without this side.
    pub table: &'b Table<'a>,
    /// Rows of the batch that are in the block; `None` if all are, in order.
    pub rows: Option<&'b [u32]>,
}

impl OpenBlock<'_, '_> {
    /// Whether every row of the batch is in the block.
    pub fn is_whole(&self) -> bool {
        self.rows.is_none()
    }
}

/// A row that is being changed, with the rest of its record.
pub struct RowContext<'b, 'a> {
    /// The batch.
    pub table: &'b Table<'a>,
    /// Row of the batch.
    pub row: usize,
}

/// Runs a transform over one side of the active rows.
pub fn apply(records: &mut Records<'_>, side: Side, logic: &mut dyn Logic) -> Result<()> {
    let rows = records.rows as usize;
    if rows == 0 {
        return Ok(());
    }
    let (limited, active) = if records.all_matter() {
        (false, Vec::new())
    } else {
        (true, (0..rows).map(|row| records.is_active(row)).collect::<Vec<bool>>())
    };
    if limited && !active.contains(&true) {
        return Ok(());
    }
    let table: &mut Table<'_> = &mut *records;
    let mut union = std::mem::take(table.side_mut(side));
    if union.blocks.is_empty() {
        union.blocks.push(Block { schema: None, column: Column::nulls(rows as u32) });
    }
    let mut failed = Vec::new();
    for at in 0..union.blocks.len() {
        let mut block = at;
        if limited {
            let members = union.rows_of(at, rows);
            if !members.iter().any(|&row| active[row as usize]) {
                continue;
            }
            let chosen = |row: usize| active[members[row] as usize];
            block = union.split(at, &chosen, rows).ok_or_else(too_many_blocks)?;
        }
        if union.blocks[block].column.rows == 0 {
            continue;
        }
        let members = union.tags.is_some().then(|| union.rows_of(block, rows));
        let mut schema = table.schema_of(&union.blocks[block]);
        let before = schema.clone();
        let mut open =
            OpenBlock { column: &mut union.blocks[block].column, schema: &mut schema, table, rows: members.as_deref() };
        match logic.columns(&mut open) {
            Ok(true) => {
                if !same(&before, &schema) {
                    union.blocks[block].schema = schema.map(|schema| table.schemas.place(&schema)).transpose()?;
                }
            }
            Ok(false) => {
                let members = members.unwrap_or_else(|| (0..rows as u32).collect());
                rebuild(&mut union, block, &members, table, logic, &mut failed)?;
            }
            Err(error) => {
                let members = members.unwrap_or_else(|| (0..rows as u32).collect());
                failed.extend(members.iter().map(|&row| RowError::new(row as usize, error.clone())));
            }
        }
    }
    *table.side_mut(side) = union;
    failed.sort_by_key(|error| error.row);
    failed.into_iter().for_each(|error| records.fail(error));
    Ok(())
}

fn same(a: &Option<Arc<Schema>>, b: &Option<Arc<Schema>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn too_many_blocks() -> Error {
    Error::fatal("the batch has too many different schemas for one more")
}

/// Takes the rows of a block apart, changes each, and puts them together again.
fn rebuild(
    union: &mut millstream_sdk::batch::Union<'_>,
    block: usize,
    members: &[u32],
    table: &mut Table<'_>,
    logic: &mut dyn Logic,
    failed: &mut Vec<RowError>,
) -> Result<()> {
    let schema = table.schema_of(&union.blocks[block]);
    let mut fresh = UnionBuilder::default();
    let mut schemas = std::mem::take(&mut table.schemas).into_owned();
    for (at, &row) in members.iter().enumerate() {
        let row = row as usize;
        // Rows that have ended are looked at no more.
        let changed = if table.is_selected(row) {
            let value = union.blocks[block].column.value(at, schema.as_ref(), &schemas);
            let context = RowContext { table, row };
            logic
                .row(schema.clone(), value, &context)
                .and_then(|(schema, value)| Ok(fresh.push(schema.as_ref(), &value, &mut schemas)?))
        } else {
            push_null(&mut fresh, &mut schemas)
        };
        if let Err(error) = changed {
            failed.push(RowError::new(row, error));
            push_null(&mut fresh, &mut schemas)?;
        }
    }
    let fresh = fresh.finish(&mut schemas)?;
    table.schemas = schemas;
    let first = union.blocks.len();
    if 255 < first + fresh.blocks.len() {
        return Err(too_many_blocks());
    }
    let mut numbers = vec![block];
    for (at, new) in fresh.blocks.into_iter().enumerate() {
        if at == 0 {
            union.blocks[block] = new;
        } else {
            numbers.push(union.blocks.len());
            union.blocks.push(new);
        }
    }
    if let Some(tags) = fresh.tags {
        let all = union.tags.get_or_insert_with(|| vec![block as u8; table.rows as usize].into()).to_mut();
        for (&row, &tag) in members.iter().zip(tags.iter()) {
            all[row as usize] = numbers[usize::from(tag)] as u8;
        }
    }
    Ok(())
}

fn push_null(fresh: &mut UnionBuilder, schemas: &mut SchemaTable<'static>) -> Result<()> {
    Ok(fresh.push(None, &Value::Null, schemas)?)
}

/// Declares the `$Key` and `$Value` classes of a transform.
#[macro_export]
macro_rules! key_and_value {
    ($key:ident, $value:ident, $class:literal, $config:ty, $logic:ty, $doc:expr) => {
        $crate::key_and_value!(@one $key, Key, concat!($class, "$Key"), $config, $logic, $doc, "key");
        $crate::key_and_value!(@one $value, Value, concat!($class, "$Value"), $config, $logic, $doc, "value");
    };
    (@one $name:ident, $side:ident, $class:expr, $config:ty, $logic:ty, $doc:expr, $word:literal) => {
        #[doc = concat!("The transform on the record's ", $word, ".")]
        pub struct $name($logic);

        impl millstream_sdk::Transform for $name {
            const INFO: millstream_sdk::Info =
                millstream_sdk::Info::new($class).version($crate::KAFKA_VERSION).doc($doc);
            type Config = $config;

            fn configure(config: $config) -> millstream_sdk::Result<Self> {
                Ok(Self(<$logic>::configure(config)?))
            }

            fn apply(&mut self, records: &mut millstream_sdk::Records<'_>) -> millstream_sdk::Result<()> {
                $crate::side::apply(records, millstream_sdk::batch::Side::$side, &mut self.0)
            }
        }
    };
}
