//! Headers by their names.

use millstream_record::batch::{Column, HeadersBuilder, Role, SchemaTable, UnionBuilder, bits};
use millstream_record::{Schema, Value};

use crate::error::Result;
use crate::held::Held;
use crate::place::{shared, type_schema};
use crate::table::OpenTable;

/// The last header of a name, as a column; none if no row has it.
pub(crate) fn get(table: &OpenTable, name: &str, base: &mut SchemaTable<'static>) -> Result<Option<Held>> {
    let Some(column) = table.get(Role::HEADERS) else { return Ok(None) };
    let rows = table.rows as usize;
    let mut union = UnionBuilder::default();
    let mut present = bits::filled(rows, false);
    let mut any = false;
    let mut last = None;
    for row in 0..rows {
        match column.headers(row).filter(|header| header.key == name).last() {
            Some(header) => {
                let (schema, value) = header.datum(base);
                union.push(schema.as_ref(), &value, base)?;
                bits::set(&mut present, row, true);
                last = Some(schema);
                any = true;
            }
            // In the block of the header before, so that what has one schema is seen to have one.
            None => union.push(last.as_ref().and_then(Option::as_ref), &Value::Null, base)?,
        }
    }
    if !any {
        return Ok(None);
    }
    let union = union.finish(base)?;
    Ok(Some(Held { rows: table.rows, constant: false, union, present: Some(present), fresh: false }))
}

/// Calls `add` with the names of headers.
pub(crate) fn names(table: &OpenTable, live: Option<&[u8]>, add: &mut dyn FnMut(&str)) {
    let Some(column) = table.get(Role::HEADERS) else { return };
    for row in (0..table.rows as usize).filter(|&row| live.is_none_or(|live| bits::get(live, row))) {
        column.headers(row).for_each(|header| add(header.key));
    }
}

/// Pushes the headers that a row is to have, given those of the old column.
type EditRow<'a> = dyn FnMut(usize, Option<&Column<'static>>, &mut HeadersBuilder) -> Result<()> + 'a;

/// Makes headers anew: for each row in work the headers that `edit` pushes, for others those that are there.
fn rebuilt(table: &mut OpenTable, edit: &mut EditRow<'_>) -> Result<()> {
    let live = table.live();
    let old = table.get(Role::HEADERS);
    let mut builder = HeadersBuilder::default();
    for row in 0..table.rows as usize {
        if live.as_ref().is_none_or(|live| bits::get(live, row)) {
            edit(row, old, &mut builder)?;
        } else if let Some(old) = old {
            old.headers(row).for_each(|header| builder.push_raw(&header));
        }
        builder.end_row();
    }
    table.put(Role::HEADERS, builder.finish());
    Ok(())
}

/// Replaces the headers of a name by one with the column's value, where the last of them stood, or behind all others; where it
/// is absent there is none.
pub(crate) fn set(table: &mut OpenTable, name: &str, held: &Held, base: &mut SchemaTable<'static>) -> Result<()> {
    let schemas = held.schemas(base);
    let places = held.places();
    rebuilt(table, &mut |row, old, builder| {
        let place = held.is_present(row).then(|| places[held.at(row)]);
        let last = old.and_then(|old| old.headers(row).enumerate().filter(|(_, header)| header.key == name).last());
        let last = last.map(|(at, _)| at);
        let mut push = |builder: &mut HeadersBuilder| -> Result<()> {
            let Some(place) = place else { return Ok(()) };
            let column = &held.union.blocks[place.block].column;
            let schema = match held.fresh {
                true => type_schema(column.kind).map(|schema| shared(Schema { optional: !column.is_full(), ..schema })),
                false => schemas[place.block].clone(),
            };
            let value = column.value(place.row, schema.as_ref(), base);
            Ok(builder.push(name, schema.as_ref(), &value, base)?)
        };
        for (at, header) in old.into_iter().flat_map(|old| old.headers(row)).enumerate() {
            if Some(at) == last {
                push(builder)?;
            } else if header.key != name {
                builder.push_raw(&header);
            }
        }
        if last.is_none() { push(builder) } else { Ok(()) }
    })
}

pub(crate) fn drop_named(table: &mut OpenTable, name: &str) -> Result<()> {
    if !has(table, name) {
        return Ok(());
    }
    rebuilt(table, &mut |row, old, builder| {
        let others = old.into_iter().flat_map(|old| old.headers(row)).filter(|header| header.key != name);
        others.for_each(|header| builder.push_raw(&header));
        Ok(())
    })
}

pub(crate) fn rename(table: &mut OpenTable, name: &str, new: &str, base: &mut SchemaTable<'static>) -> Result<()> {
    if !has(table, name) || name == new {
        return Ok(());
    }
    rebuilt(table, &mut |row, old, builder| {
        for header in old.into_iter().flat_map(|old| old.headers(row)) {
            if header.key == name {
                let (schema, value) = header.datum(base);
                builder.push(new, schema.as_ref(), &value, base)?;
            } else {
                builder.push_raw(&header);
            }
        }
        Ok(())
    })
}

fn has(table: &OpenTable, name: &str) -> bool {
    let Some(column) = table.get(Role::HEADERS) else { return false };
    (0..table.rows as usize).any(|row| column.headers(row).any(|header| header.key == name))
}
