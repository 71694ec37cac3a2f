//! Choosing between columns, row by row.

use std::sync::Arc;

use millstream_record::batch::{Kind, SchemaTable, UnionBuilder, bits};
use millstream_record::{Schema, Value};

use crate::cells::{Cell, Cells, boolean, common_rows};
use crate::error::{Result, misuse};
use crate::held::Held;
use crate::place::{shared, type_schema};
use crate::session::{Bounds, Session};

impl Session {
    /// Values of one column where a condition holds, else of another.
    ///
    /// # Errors
    ///
    /// No such columns, or such as do not go together; no condition.
    pub fn choose(&mut self, condition: u32, holds: u32, otherwise: u32, bounds: &Bounds) -> Result<u32> {
        let (condition, holds, otherwise) = (self.column(condition)?, self.column(holds)?, self.column(otherwise)?);
        let rows = common_rows(&[&condition, &holds, &otherwise])?;
        let cells = Cells::new(&condition);
        let choice = |row: usize| Ok(usize::from(boolean(row, cells.get(row))? != Some(true)));
        let made = chosen(&[&holds, &otherwise], rows, choice, &mut self.base, bounds)?;
        self.hold(made, bounds)
    }

    /// The first of the columns that has a value.
    ///
    /// # Errors
    ///
    /// No columns, or such as do not go together.
    pub fn coalesce(&mut self, columns: &[u32], bounds: &Bounds) -> Result<u32> {
        let columns = self.columns(columns)?;
        if columns.is_empty() {
            return Err(misuse("coalesce: there are no columns"));
        }
        let held: Vec<&Held> = columns.iter().map(|held| &**held).collect();
        let rows = common_rows(&held)?;
        let cells: Vec<Cells<'_>> = held.iter().map(|held| Cells::new(held)).collect();
        let choice = |row: usize| {
            let found = cells.iter().position(|cells| !matches!(cells.get(row), Cell::Null | Cell::Absent));
            Ok(found.unwrap_or(cells.len() - 1))
        };
        let made = chosen(&held, rows, choice, &mut self.base, bounds)?;
        self.hold(made, bounds)
    }
}

/// For each row the value of the column that is chosen.
fn chosen(
    columns: &[&Held],
    rows: Option<u32>,
    choice: impl Fn(usize) -> Result<usize>,
    base: &mut SchemaTable<'static>,
    bounds: &Bounds,
) -> Result<Held> {
    let count = rows.unwrap_or(1);
    let schemaless = columns.iter().any(|held| held.is_schemaless());
    let fresh = !schemaless && columns.iter().all(|held| held.fresh);
    let cells: Vec<Cells<'_>> = columns.iter().map(|held| Cells::new(held)).collect();
    let schemas: Vec<Vec<Option<Arc<Schema>>>> =
        columns.iter().map(|held| given_schemas(held, columns, fresh || schemaless, base)).collect();
    let mut union = UnionBuilder::default();
    let mut present = bits::filled(count as usize, true);
    let mut gaps = false;
    // What nulls stand under that have no type of their own.
    let mut last: Option<Arc<Schema>> = schemas.iter().zip(columns).find_map(|(schemas, held)| {
        let typed = schemas.iter().zip(&held.union.blocks).find(|(_, block)| block.column.kind != Kind::Null);
        typed.and_then(|(schema, _)| schema.clone())
    });
    for row in 0..count as usize {
        if row % 1024 == 0 {
            bounds.check()?;
        }
        let which = choice(row)?;
        let held = columns[which];
        let place = cells[which].place(row);
        let column = &held.union.blocks[place.block].column;
        let schema = &schemas[which][place.block];
        if !held.is_present(row) {
            bits::set(&mut present, row, false);
            gaps = true;
            union.push(last.as_ref(), &Value::Null, base)?;
            continue;
        }
        let value = column.value(place.row, schema.as_ref(), base);
        let untyped = value.is_null() && (schema.is_none() || column.kind == Kind::Null);
        let schema = if untyped { last.clone() } else { schema.clone() };
        union.push(schema.as_ref(), &value, base)?;
        last = schema;
    }
    if count == 0 {
        union.row(None);
        union.take_back();
    }
    let mut union = union.finish(base)?;
    for block in &mut union.blocks {
        let Some(schema) = block.schema.map(|place| base.get(place)) else { continue };
        if !schema.optional && !block.column.is_full() {
            let optional = shared(Schema { optional: true, ..(*schema).clone() });
            block.schema = Some(base.place(&optional)?);
        }
    }
    Ok(Held { rows: count, constant: rows.is_none(), union, present: gaps.then_some(present), fresh })
}

/// Schemas of a column's blocks beside other columns: what was made takes the schema that values of its type have there.
fn given_schemas(
    held: &Held,
    columns: &[&Held],
    without: bool,
    base: &SchemaTable<'static>,
) -> Vec<Option<Arc<Schema>>> {
    if !held.fresh || without {
        return held.schemas(base);
    }
    let of_kind = |kind: Kind| {
        let others = columns.iter().filter(|other| !other.fresh);
        let found = others.flat_map(|other| other.union.blocks.iter()).find(|block| block.column.kind == kind);
        let given = found.and_then(|block| block.schema).map(|place| base.get(place));
        let schema = given.or_else(|| type_schema(kind).map(Arc::new))?;
        Some(if schema.optional { schema } else { shared(Schema { optional: true, ..(*schema).clone() }) })
    };
    held.union.blocks.iter().map(|block| of_kind(block.column.kind)).collect()
}
