//! What paths lead to.

use std::sync::Arc;

use millstream_record::batch::{Block, Column, ColumnBuilder, Kind, Role, SchemaTable, Union, bits};
use millstream_record::{Schema, Value};

use crate::error::{Result, misuse};
use crate::headers;
use crate::held::{Held, both};
use crate::path::{Path, shown};
use crate::session::{Bounds, Session};
use crate::table::OpenTable;
use crate::trees::value_at;

/// What a path leads to within a column.
struct Reached {
    column: Column<'static>,
    schema: Option<Arc<Schema>>,
    /// Rows that have something there; all without a bitmap.
    present: Option<Vec<u8>>,
}

impl Session {
    /// What a path leads to; none if no row has it.
    ///
    /// # Errors
    ///
    /// A path that leads nowhere; too much is open.
    pub fn get(&mut self, table: u32, path: &[String], bounds: &Bounds) -> Result<Option<u32>> {
        bounds.check()?;
        let read = Path::parse(path)?;
        let mut base = std::mem::take(&mut self.base);
        let found = self.table(table).and_then(|table| reached(table, &read, &mut base));
        self.base = base;
        let Some(mut held) = found? else { return Ok(None) };
        held.limit(self.table(table)?.live().as_deref());
        self.hold(held, bounds).map(Some)
    }

    /// Names of what there is below a path, in any row.
    ///
    /// # Errors
    ///
    /// A path that leads nowhere.
    pub fn names(&self, table: u32, path: &[String]) -> Result<Vec<String>> {
        let table = self.table(table)?;
        let live = table.live();
        let mut names = Vec::new();
        let mut add = |name: &str| {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        };
        match Path::parse(path)? {
            Path::Headers => headers::names(table, live.as_deref(), &mut add),
            Path::Side(side, rest) => {
                let union = table.side(side);
                for (at, block) in union.blocks.iter().enumerate() {
                    let rows = union.rows_of(at, table.rows as usize);
                    let is_live = |row: usize| live.as_ref().is_none_or(|live| bits::get(live, rows[row] as usize));
                    let schema = OpenTable::schema_of(block, &self.base);
                    members(&block.column, schema.as_ref(), &rest, &is_live, &self.base, &mut add);
                }
            }
            Path::Source(role, rest) => {
                if let Some(column) = table.get(role) {
                    let is_live = |row: usize| live.as_ref().is_none_or(|live| bits::get(live, row));
                    members(column, None, &rest, &is_live, &self.base, &mut add);
                }
            }
            _ => return Err(misuse(format!("{} has nothing below it", shown(path)))),
        }
        Ok(names)
    }
}

fn reached(table: &OpenTable, read: &Path, base: &mut SchemaTable<'static>) -> Result<Option<Held>> {
    let rows = table.rows as usize;
    let plain = |role: Role| {
        let column = table.get(role).filter(|column| column.kind != Kind::Null)?.clone();
        Some(Held::of(column, None, true))
    };
    Ok(match read {
        Path::Topic => plain(Role::TOPIC).map(|mut held| {
            let column = &held.union.blocks[0].column;
            if column.kind == Kind::Dictionary {
                let texts = (0..rows).map(|row| if column.is_null(row) { "" } else { column.str(row) });
                let mut plain = Column::strings(texts);
                plain.valid = column.valid.clone();
                held.union.blocks[0].column = plain;
            }
            held
        }),
        Path::Partition => plain(Role::PARTITION),
        Path::Timestamp => plain(Role::TIMESTAMP),
        Path::Offset => plain(Role::OFFSET),
        Path::Header(name) => headers::get(table, name, base)?,
        Path::Headers => return Err(misuse("headers are read one by one, by their names")),
        Path::Source(role, rest) => match table.get(*role) {
            None => None,
            Some(column) => {
                let union = Union::single(None, column.clone());
                within(&union, rows, rest, base)?
            }
        },
        Path::Side(side, rest) => within(table.side(*side), rows, rest, base)?,
    })
}

/// What a path leads to within keys or values.
fn within(
    union: &Union<'static>,
    rows: usize,
    rest: &[String],
    base: &mut SchemaTable<'static>,
) -> Result<Option<Held>> {
    if union.blocks.is_empty() {
        let held = Held::of(Column::nulls(rows as u32), None, false);
        return Ok(rest.is_empty().then_some(held));
    }
    let mut any = false;
    let mut blocks = Vec::with_capacity(union.blocks.len());
    let mut present: Option<Vec<u8>> = None;
    for (at, block) in union.blocks.iter().enumerate() {
        let schema = block.schema.map(|place| base.get(place));
        let found = reach(&block.column, schema.as_ref(), rest, base)?;
        any |= found.is_some();
        let found = found.unwrap_or_else(|| Reached {
            column: Column::nulls(block.column.rows),
            schema: None,
            present: Some(bits::filled(block.column.rows as usize, false)),
        });
        if let Some(bitmap) = found.present {
            if union.blocks.len() == 1 {
                present = Some(bitmap);
            } else {
                let all = present.get_or_insert_with(|| bits::filled(rows, true));
                for (inside, row) in union.rows_of(at, rows).into_iter().enumerate() {
                    bits::set(all, row as usize, bits::get(&bitmap, inside));
                }
            }
        }
        let schema = found.schema.map(|schema| base.place(&schema)).transpose()?;
        let mut column = found.column;
        column.name = "".into();
        blocks.push(Block { schema, column });
    }
    let union = Union { tags: union.tags.clone(), blocks };
    Ok(any.then_some(Held { rows: rows as u32, constant: false, union, present, fresh: false }))
}

/// What a path leads to within a column; none if it leads nowhere in all rows.
fn reach(
    column: &Column<'static>,
    schema: Option<&Arc<Schema>>,
    path: &[String],
    base: &mut SchemaTable<'static>,
) -> Result<Option<Reached>> {
    let Some((name, rest)) = path.split_first() else {
        let mut column = column.clone();
        let present = column.present.take().map(|bits| spread(bits.into_owned(), column.constant, column.rows));
        return Ok(Some(Reached { column, schema: schema.cloned(), present }));
    };
    let child = match (column.kind, schema) {
        (Kind::Struct, Some(schema)) => {
            schema.field(name).map(|(at, field)| (&column.children[at], Some(Arc::clone(&field.schema))))
        }
        (Kind::Object, _) => column.child(name).map(|child| (child, None)),
        (Kind::Variant | Kind::Map, _) => return reach_values(column, schema, path, base),
        _ => None,
    };
    let Some((child, child_schema)) = child else { return Ok(None) };
    let Some(mut found) = reach(child, child_schema.as_ref(), rest, base)? else { return Ok(None) };
    if column.constant {
        // Its one row stands for all, and so does what is below it.
        let rows = column.rows;
        found.column = match found.column.kind {
            Kind::Null => Column::nulls(rows),
            _ => found.column.repeated(rows),
        };
        found.present = found.present.map(|bits| spread(bits, true, rows));
    }
    for bitmap in [&column.valid, &column.present].into_iter().flatten() {
        let bitmap = spread(bitmap.to_vec(), column.constant, column.rows);
        found.present = both(found.present, Some(&bitmap));
    }
    Ok(Some(found))
}

/// A bitmap of stored rows as one of rows.
fn spread(bits: Vec<u8>, constant: bool, rows: u32) -> Vec<u8> {
    if constant { bits::filled(rows as usize, bits::get(&bits, 0)) } else { bits }
}

/// As [`reach`], through values that are taken apart one by one.
fn reach_values(
    column: &Column<'static>,
    schema: Option<&Arc<Schema>>,
    path: &[String],
    base: &mut SchemaTable<'static>,
) -> Result<Option<Reached>> {
    let mut builder = ColumnBuilder::new();
    let mut present = bits::filled(column.rows as usize, true);
    let mut any = false;
    for row in 0..column.rows as usize {
        let whole = column.value(row, schema, base);
        match value_at(&whole, path) {
            Some(value) => {
                any = true;
                builder.push(value, base)?;
            }
            None => {
                builder.push_null();
                bits::set(&mut present, row, false);
            }
        }
    }
    Ok(any.then(|| Reached { column: builder.finish(), schema: None, present: Some(present) }))
}

/// Calls `add` with the names of what is below a path.
fn members(
    column: &Column<'static>,
    schema: Option<&Arc<Schema>>,
    path: &[String],
    is_live: &dyn Fn(usize) -> bool,
    base: &SchemaTable<'static>,
    add: &mut dyn FnMut(&str),
) {
    let rows = || (0..column.rows as usize).filter(|&row| is_live(row) && !column.is_null(row));
    if rows().next().is_none() {
        return;
    }
    match (column.kind, schema, path) {
        (Kind::Struct, Some(schema), []) => schema.fields().iter().for_each(|field| add(&field.name)),
        (Kind::Object, _, []) => {
            for child in &column.children {
                if rows().any(|row| child.is_present(column.physical(row))) {
                    add(&child.name);
                }
            }
        }
        (Kind::Struct | Kind::Object, _, [name, rest @ ..]) if !column.constant => {
            let child = match schema.and_then(|schema| schema.field(name)) {
                Some((at, field)) => Some((&column.children[at], Some(&field.schema))),
                None => column.child(name).map(|child| (child, None)),
            };
            if let Some((child, schema)) = child {
                let is_live = |row: usize| is_live(row) && !column.is_null(row);
                members(child, schema, rest, &is_live, base, add);
            }
        }
        (Kind::Struct | Kind::Object | Kind::Variant | Kind::Map, ..) => {
            for row in rows() {
                let whole = column.value(row, schema, base);
                match value_at(&whole, path) {
                    Some(Value::Map(entries)) => {
                        for (key, _) in entries {
                            if let Value::String(name) = key {
                                add(name);
                            }
                        }
                    }
                    Some(Value::Struct(schema, _)) => schema.fields().iter().for_each(|field| add(&field.name)),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
