//! Changing what paths lead to.

use std::sync::Arc;

use millstream_record::batch::{Block, Column, ColumnBuilder, Kind, Role, SchemaTable, Side, Union, bits};
use millstream_record::{Field, Schema, Value};

use crate::cells::{Cell, Cells, wanted};
use crate::error::{Result, bad_row, misuse};
use crate::headers;
use crate::held::{Held, both, masked};
use crate::path::{Path, shown};
use crate::place::{Part, plain, type_schema, with_fields};
use crate::session::{Bounds, Session};
use crate::table::{OpenTable, too_many_schemas};
use crate::trees::{self, NoMap};

/// What happens at the end of a path.
enum Act<'p> {
    Set(&'p Part),
    Drop,
    Rename(&'p str),
}

/// What becomes of a column.
enum Change {
    Nothing,
    /// Another stands in its place.
    Whole(Column<'static>, Option<Arc<Schema>>),
    /// Of what is below it: the way there, and the column's own schema afterwards.
    Below {
        at: Vec<usize>,
        child: Child,
        schema: Option<Arc<Schema>>,
    },
}

enum Child {
    Put(Option<usize>, Column<'static>),
    Remove(usize),
    Rename(usize, String),
}

/// Rows of a block, for those who look at them.
struct Rows<'r> {
    /// Whether a row of the block is to be worked on.
    is_live: &'r dyn Fn(usize) -> bool,
    /// Row of the table.
    of_table: &'r dyn Fn(usize) -> usize,
}

impl Session {
    /// Puts a column where a path leads.
    ///
    /// # Errors
    ///
    /// As the contract has it; the table is as it was then.
    pub fn set(&mut self, table: u32, path: &[String], column: u32, bounds: &Bounds) -> Result<()> {
        let held = self.column(column)?;
        let to = Path::parse(path)?;
        self.change(table, bounds, |table, base| {
            held.fit(table.rows)?;
            match to {
                Path::Topic => set_topic(table, &held),
                Path::Partition => set_integer(table, Role::PARTITION, &held),
                Path::Timestamp => set_integer(table, Role::TIMESTAMP, &held),
                Path::Offset => Err(misuse("only the host knows Kafka offsets: [offset] cannot be set")),
                Path::Headers => Err(misuse("headers are set one by one, by their names")),
                Path::Header(name) => headers::set(table, &name, &held, base),
                Path::Side(side, rest) if rest.is_empty() => set_whole(table, side, &held, base),
                Path::Side(side, rest) => set_below(table, side, &rest, &held, base),
                Path::Source(role, rest) => set_source(table, role, &rest, &held, base),
            }
        })
    }

    /// Takes out what a path leads to.
    ///
    /// # Errors
    ///
    /// A path that leads nowhere, or to what every record has.
    pub fn drop_path(&mut self, table: u32, path: &[String], bounds: &Bounds) -> Result<()> {
        let at = Path::parse(path)?;
        self.change(table, bounds, |table, base| match at {
            Path::Topic | Path::Offset | Path::Headers => Err(misuse(format!("{} cannot be dropped", shown(path)))),
            Path::Partition => set_integer(table, Role::PARTITION, &nothing()),
            Path::Timestamp => set_integer(table, Role::TIMESTAMP, &nothing()),
            Path::Header(name) => headers::drop_named(table, &name),
            Path::Side(side, rest) if rest.is_empty() => {
                set_whole(table, side, &Held::constant(Column::nulls(1), None, false), base)
            }
            Path::Side(side, rest) => change_below(table, side, &rest, &Act::Drop, base),
            Path::Source(role, rest) => change_source(table, role, &rest, &Act::Drop, base),
        })
    }

    /// Gives a field, or headers, another name.
    ///
    /// # Errors
    ///
    /// A path that leads to neither, a name that is there already.
    pub fn rename(&mut self, table: u32, path: &[String], name: &str, bounds: &Bounds) -> Result<()> {
        let at = Path::parse(path)?;
        self.change(table, bounds, |table, base| match at {
            Path::Header(old) => headers::rename(table, &old, name, base),
            Path::Side(side, rest) if !rest.is_empty() => change_below(table, side, &rest, &Act::Rename(name), base),
            Path::Source(role, rest) if !rest.is_empty() => change_source(table, role, &rest, &Act::Rename(name), base),
            _ => Err(misuse(format!("{} has no name that could be another", shown(path)))),
        })
    }
}

fn nothing() -> Held {
    Held::constant(Column::nulls(1), None, true)
}

fn set_topic(table: &mut OpenTable, held: &Held) -> Result<()> {
    let live = table.live();
    let cells = Cells::new(held);
    let old = table.get(Role::TOPIC);
    let topic_of = |row: usize| match cells.get(row) {
        Cell::Text("") => Err(bad_row(row, "a topic has no empty name")),
        Cell::Text(text) => Ok(text),
        other => Err(wanted(row, other, "a topic's name")),
    };
    let column = if held.constant && live.is_none() && 0 < table.rows {
        Column::constant_str(table.rows, topic_of(0)?)
    } else {
        let mut topics = Vec::with_capacity(table.rows as usize);
        for row in 0..table.rows as usize {
            topics.push(match &live {
                Some(live) if !bits::get(live, row) => {
                    old.filter(|old| !old.is_null(row)).map_or("", |old| old.str(row))
                }
                _ => topic_of(row)?,
            });
        }
        Column::strings(topics)
    };
    table.put(Role::TOPIC, Some(column));
    Ok(())
}

fn set_integer(table: &mut OpenTable, role: Role, held: &Held) -> Result<()> {
    let live = table.live();
    let cells = Cells::new(held);
    let old = table.get(role);
    let mut builder = ColumnBuilder::new();
    let mut push = |value: Option<i64>, row: usize| -> Result<()> {
        match value {
            None => builder.push_null(),
            Some(value) if role == Role::PARTITION => {
                let partition = i32::try_from(value).ok().filter(|partition| 0 <= *partition);
                builder.push_int32(partition.ok_or_else(|| bad_row(row, &format!("there is no partition {value}")))?);
            }
            Some(value) => builder.push_int64(value),
        }
        Ok(())
    };
    for row in 0..table.rows as usize {
        if live.as_ref().is_some_and(|live| !bits::get(live, row)) {
            let kept = old.filter(|old| !old.is_null(row)).and_then(|old| old.integer(row));
            push(kept, row)?;
            continue;
        }
        match cells.get(row) {
            Cell::Null | Cell::Absent => push(None, row)?,
            Cell::Int(value) | Cell::Instant(value) => push(Some(value), row)?,
            Cell::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => push(Some(value as i64), row)?,
            other => return Err(wanted(row, other, "a whole number")),
        }
    }
    let column = builder.finish();
    table.put(role, (column.kind != Kind::Null).then_some(column));
    Ok(())
}

/// Replaces keys or values.
fn set_whole(table: &mut OpenTable, side: Side, held: &Held, base: &mut SchemaTable<'static>) -> Result<()> {
    let held = held.expanded(table.rows);
    let mut union = held.union.clone();
    let rows = table.rows as usize;
    for (at, block) in union.blocks.iter_mut().enumerate() {
        let present = held.present.as_ref().map(|present| {
            let members = held.union.rows_of(at, rows);
            let mut bitmap = bits::filled(members.len(), false);
            for (inside, row) in members.into_iter().enumerate() {
                bits::set(&mut bitmap, inside, bits::get(present, row as usize));
            }
            bitmap
        });
        let column = std::mem::replace(&mut block.column, Column::nulls(0));
        block.column = masked(column, present.as_deref(), base)?;
        if held.fresh && block.column.kind != Kind::Null {
            let schema =
                type_schema(block.column.kind).map(|schema| Schema { optional: !block.column.is_full(), ..schema });
            block.schema = schema.map(|schema| base.place(&crate::place::shared(schema))).transpose()?;
        } else if let Some(place) = block.schema {
            let schema = base.get(place);
            if !schema.optional && !block.column.is_full() && present.is_some() {
                let optional = crate::place::shared(Schema { optional: true, ..(*schema).clone() });
                block.schema = Some(base.place(&optional)?);
            }
        }
    }
    let union = match table.meant() {
        None => union,
        Some(meant) => beside(table, side, &union, &meant)?,
    };
    *table.side_mut(side) = union;
    table.changed = true;
    Ok(())
}

/// New keys or values for the rows that are meant, beside the old ones of the others.
fn beside(table: &OpenTable, side: Side, new: &Union<'static>, meant: &[u8]) -> Result<Union<'static>> {
    let rows = table.rows as usize;
    let empty = Union::single(None, Column::nulls(table.rows));
    let old = if table.side(side).blocks.is_empty() { &empty } else { table.side(side) };
    let mut blocks = Vec::new();
    let mut tags = vec![0_u8; rows];
    for (union, wanted) in [(old, false), (new, true)] {
        for (at, block) in union.blocks.iter().enumerate() {
            let members = union.rows_of(at, rows);
            let (mut kept, mut inside) = (Vec::new(), Vec::new());
            for (place, row) in members.into_iter().enumerate() {
                if bits::get(meant, row as usize) == wanted {
                    kept.push(place as u32);
                    inside.push(row);
                }
            }
            if kept.is_empty() {
                continue;
            }
            let number =
                u8::try_from(blocks.len()).ok().filter(|number| *number < u8::MAX).ok_or_else(too_many_schemas)?;
            inside.into_iter().for_each(|row| tags[row as usize] = number);
            blocks.push(Block { schema: block.schema, column: block.column.take(&kept) });
        }
    }
    Ok(match blocks.len() {
        0 => empty,
        1 => Union { tags: None, blocks },
        _ => Union { tags: Some(tags.into()), blocks },
    })
}

/// Sets fields of keys or values.
fn set_below(
    table: &mut OpenTable,
    side: Side,
    path: &[String],
    held: &Held,
    base: &mut SchemaTable<'static>,
) -> Result<()> {
    let mut meant = table.isolate(side)?;
    let live = table.live();
    let rows = table.rows as usize;
    let union = table.side_mut(side);
    let mut changes = Vec::new();
    let mut at = 0;
    while at < union.blocks.len() {
        if !meant[at] || union.blocks[at].column.rows == 0 {
            at += 1;
            continue;
        }
        let members = union.tags.is_some().then(|| union.rows_of(at, rows));
        let mut part = match &members {
            None => held.expanded(rows as u32),
            Some(members) => held.take(members),
        };
        if part.single().is_none() {
            if union.blocks[at].schema.is_none() {
                part = unified(&part, base)?;
            } else {
                // Each schema of the values makes another of the structs.
                let tags: Vec<usize> = part.places().iter().map(|place| place.block).collect();
                let first = tags[0];
                let rest = union.split(at, &|row| tags[row] != first, rows).ok_or_else(too_many_schemas)?;
                meant.resize(union.blocks.len(), false);
                meant[rest] = true;
                continue;
            }
        }
        let block = &union.blocks[at];
        let part = Part::of(&part, block.column.rows, base).expect("it has one block");
        let of_table = |row: usize| members.as_ref().map_or(row, |members| members[row] as usize);
        let is_live = |row: usize| live.as_ref().is_none_or(|live| bits::get(live, of_table(row)));
        let schema = OpenTable::schema_of(block, base);
        let rows = Rows { is_live: &is_live, of_table: &of_table };
        changes.push((at, plan(&block.column, schema.as_ref(), path, &Act::Set(&part), &rows, base)?));
        at += 1;
    }
    apply_all(union, changes, base)?;
    table.changed = true;
    Ok(())
}

/// Drops or renames fields of keys or values.
fn change_below(
    table: &mut OpenTable,
    side: Side,
    path: &[String],
    act: &Act<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<()> {
    let meant = table.isolate(side)?;
    let live = table.live();
    let rows = table.rows as usize;
    let union = table.side_mut(side);
    let mut changes = Vec::new();
    for (at, block) in union.blocks.iter().enumerate().filter(|(at, _)| meant[*at]) {
        let members = union.tags.is_some().then(|| union.rows_of(at, rows));
        let of_table = |row: usize| members.as_ref().map_or(row, |members| members[row] as usize);
        let is_live = |row: usize| live.as_ref().is_none_or(|live| bits::get(live, of_table(row)));
        let schema = OpenTable::schema_of(block, base);
        let rows = Rows { is_live: &is_live, of_table: &of_table };
        changes.push((at, plan(&block.column, schema.as_ref(), path, act, &rows, base)?));
    }
    if changes.iter().any(|(_, change)| !matches!(change, Change::Nothing)) {
        apply_all(union, changes, base)?;
        table.changed = true;
    }
    Ok(())
}

/// Sets a source partition or offset, or a part of one.
fn set_source(
    table: &mut OpenTable,
    role: Role,
    path: &[String],
    held: &Held,
    base: &mut SchemaTable<'static>,
) -> Result<()> {
    let held = unified(&held.expanded(table.rows), base)?;
    let part = Part::of(&held, table.rows, base).expect("it has one block");
    if !path.is_empty() {
        return change_source(table, role, path, &Act::Set(&part), base);
    }
    if table.meant().is_some() {
        return Err(misuse("source partitions and offsets are those of all rows: they cannot be set in focus"));
    }
    let column = masked(part.plain(base)?, part.present.as_deref(), base)?;
    if !matches!(column.kind, Kind::Object | Kind::Null | Kind::Variant) {
        return Err(misuse("a source partition, and a source offset, is a map"));
    }
    table.put(role, Some(column));
    Ok(())
}

fn change_source(
    table: &mut OpenTable,
    role: Role,
    path: &[String],
    act: &Act<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<()> {
    if path.is_empty() {
        table.put(role, None);
        return Ok(());
    }
    let Some(column) = table.get(role).cloned() else { return Ok(()) };
    let rows = Rows { is_live: &|_| true, of_table: &|row| row };
    let change = plan(&column, None, path, act, &rows, base)?;
    let (column, _) = apply(column, None, change);
    table.put(role, Some(column));
    Ok(())
}

/// The same values without schemas, in one block.
fn unified(held: &Held, base: &mut SchemaTable<'static>) -> Result<Held> {
    if let Some(block) = held.single() {
        let schema = block.schema.map(|place| base.get(place));
        let column = plain(&block.column, schema.as_ref(), base)?;
        return Ok(Held { union: Union::single(None, column), fresh: false, ..held.clone() });
    }
    let schemas = held.schemas(base);
    let mut builder = ColumnBuilder::new();
    for (row, place) in held.places().into_iter().enumerate() {
        let block = &held.union.blocks[place.block];
        if held.is_present(row) {
            let value = block.column.value(place.row, schemas[place.block].as_ref(), base);
            builder.push(&trees::schemaless(value), base)?;
        } else {
            builder.push_null();
        }
    }
    Ok(Held { union: Union::single(None, builder.finish()), fresh: false, ..held.clone() })
}

fn apply_all(union: &mut Union<'static>, changes: Vec<(usize, Change)>, base: &mut SchemaTable<'static>) -> Result<()> {
    // Places first: nothing is changed if one schema is too many.
    let mut places = Vec::with_capacity(changes.len());
    for (_, change) in &changes {
        places.push(match change {
            Change::Nothing => None,
            Change::Whole(_, schema) | Change::Below { schema, .. } => {
                Some(schema.as_ref().map(|schema| base.place(schema)).transpose()?)
            }
        });
    }
    for ((at, change), place) in changes.into_iter().zip(places) {
        let Some(place) = place else { continue };
        let block = &mut union.blocks[at];
        let column = std::mem::replace(&mut block.column, Column::nulls(0));
        (block.column, _) = apply(column, None, change);
        block.schema = place;
    }
    Ok(())
}

fn apply(
    mut column: Column<'static>,
    schema: Option<Arc<Schema>>,
    change: Change,
) -> (Column<'static>, Option<Arc<Schema>>) {
    match change {
        Change::Nothing => (column, schema),
        Change::Whole(column, schema) => (column, schema),
        Change::Below { at, child, schema } => {
            let mut parent = &mut column;
            for step in at {
                parent = &mut parent.children[step];
            }
            match child {
                Child::Put(Some(at), child) => parent.children[at] = child,
                Child::Put(None, child) => parent.children.push(child),
                Child::Remove(at) => drop(parent.children.remove(at)),
                Child::Rename(at, name) => parent.children[at].name = name.into(),
            }
            (column, schema)
        }
    }
}

/// What becomes of a column when something happens at the end of a path of at least one step.
fn plan(
    column: &Column<'static>,
    schema: Option<&Arc<Schema>>,
    path: &[String],
    act: &Act<'_>,
    rows: &Rows<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<Change> {
    let Some((name, rest)) = path.split_first() else { return Ok(Change::Nothing) };
    if column.constant && matches!(column.kind, Kind::Struct | Kind::Object) {
        // Its one row may become many.
        let mut expanded = column.clone().expanded();
        if expanded.constant {
            expanded = column.clone();
        }
        let change = plan(&expanded, schema, path, act, rows, base)?;
        if matches!(change, Change::Nothing) {
            return Ok(change);
        }
        let (column, schema) = apply(expanded, schema.cloned(), change);
        return Ok(Change::Whole(column, schema));
    }
    match (column.kind, schema) {
        (Kind::Null, _) => Ok(Change::Nothing),
        (Kind::Struct, Some(schema)) => plan_struct(column, schema, name, rest, act, rows, base),
        (Kind::Object, None) => plan_object(column, name, rest, path, act, rows, base),
        (Kind::Variant, None) => plan_trees(column, path, act, rows, base),
        _ => {
            let Act::Set(_) = act else { return Ok(Change::Nothing) };
            match (0..column.rows as usize).find(|&row| !column.is_null(row) && (rows.is_live)(row)) {
                None => Ok(Change::Nothing),
                Some(row) => {
                    let found = schema.map_or_else(|| format!("{:?}", column.kind), |schema| schema.java_text());
                    let what = format!("found {found} where a struct or map has the field {name}");
                    Err(bad_row((rows.of_table)(row), &what))
                }
            }
        }
    }
}

fn plan_struct(
    column: &Column<'static>,
    schema: &Arc<Schema>,
    name: &str,
    rest: &[String],
    act: &Act<'_>,
    rows: &Rows<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<Change> {
    let field = schema.field(name).map(|(at, field)| (at, Arc::clone(&field.schema)));
    let mut fields = schema.fields().to_vec();
    let below = |child: Child, fields: Vec<Field>| {
        Ok(Change::Below { at: Vec::new(), child, schema: Some(with_fields(schema, fields)?) })
    };
    match (act, rest, field) {
        (Act::Set(part), [], field) => {
            let existing = field.as_ref().map(|(_, schema)| schema);
            let (child, child_schema) = part.typed(existing, name, base)?;
            let child = child.named(name.to_owned());
            match field {
                Some((at, old)) => {
                    if Arc::ptr_eq(&old, &child_schema) || old == child_schema {
                        let child = Child::Put(Some(at), child);
                        return Ok(Change::Below { at: Vec::new(), child, schema: Some(Arc::clone(schema)) });
                    }
                    fields[at].schema = child_schema;
                    below(Child::Put(Some(at), child), fields)
                }
                None => {
                    fields.push(Field { name: name.to_owned(), schema: child_schema });
                    below(Child::Put(None, child), fields)
                }
            }
        }
        (Act::Set(_), _, None) => Err(misuse(format!("there is no field {name} to set something in"))),
        (_, _, None) => Ok(Change::Nothing),
        (Act::Drop, [], Some((at, _))) => {
            fields.remove(at);
            below(Child::Remove(at), fields)
        }
        (Act::Rename(new), [], Some((at, _))) => {
            if schema.field(new).is_some_and(|(other, _)| other != at) {
                return Err(misuse(format!("{name} cannot be called {new}: there is a field of that name")));
            }
            fields[at].name = (*new).to_owned();
            below(Child::Rename(at, (*new).to_owned()), fields)
        }
        (_, rest, Some((at, child_schema))) => {
            let child = &column.children[at];
            match plan(child, Some(&child_schema), rest, act, rows, base)? {
                Change::Nothing => Ok(Change::Nothing),
                Change::Whole(column, made) => {
                    fields[at].schema = made.unwrap_or(child_schema);
                    below(Child::Put(Some(at), column.named(name.to_owned())), fields)
                }
                Change::Below { at: mut way, child, schema: made } => {
                    way.insert(0, at);
                    fields[at].schema = made.unwrap_or(child_schema);
                    Ok(Change::Below { at: way, child, schema: Some(with_fields(schema, fields)?) })
                }
            }
        }
    }
}

fn plan_object(
    column: &Column<'static>,
    name: &str,
    rest: &[String],
    path: &[String],
    act: &Act<'_>,
    rows: &Rows<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<Change> {
    let find = |name: &str| column.children.iter().position(|child| child.name == name);
    let below = |child: Child| Ok(Change::Below { at: Vec::new(), child, schema: None });
    match (act, rest, find(name)) {
        (Act::Set(part), [], at) => {
            let mut child = part.plain(base)?.named(name.to_owned());
            child.present = None;
            let present = both(part.present.clone(), column.valid.as_deref());
            if let Some(present) =
                present.filter(|present| bits::count(present, column.rows as usize) < column.rows as usize)
            {
                // A member of its own for each row, so that some may lack it.
                if child.constant {
                    child = child.expanded().named(name.to_owned());
                }
                child.present = Some(present.into());
            }
            below(Child::Put(at, child))
        }
        (Act::Set(_), _, Some(at))
            if column.children[at].present.is_none() && column.children[at].kind == Kind::Object =>
        {
            plan_member(column, at, name, rest, act, rows, base)
        }
        (Act::Set(_), _, _) => plan_trees(column, path, act, rows, base),
        (_, _, None) => Ok(Change::Nothing),
        (Act::Drop, [], Some(at)) => below(Child::Remove(at)),
        (Act::Rename(new), [], Some(at)) => {
            if find(new).is_some_and(|other| other != at) {
                // Perhaps no map has both.
                return plan_trees(column, path, act, rows, base);
            }
            below(Child::Rename(at, (*new).to_owned()))
        }
        (_, rest, Some(at)) => plan_member(column, at, name, rest, act, rows, base),
    }
}

fn plan_member(
    column: &Column<'static>,
    at: usize,
    name: &str,
    rest: &[String],
    act: &Act<'_>,
    rows: &Rows<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<Change> {
    let child = &column.children[at];
    Ok(match plan(child, None, rest, act, rows, base)? {
        Change::Nothing => Change::Nothing,
        Change::Whole(made, _) => {
            let mut made = made.named(name.to_owned());
            if let Some(present) = &child.present {
                if made.constant {
                    made = made.expanded().named(name.to_owned());
                }
                made.present = Some(present.clone());
            }
            Change::Below { at: Vec::new(), child: Child::Put(Some(at), made), schema: None }
        }
        Change::Below { at: mut way, child, .. } => {
            way.insert(0, at);
            Change::Below { at: way, child, schema: None }
        }
    })
}

/// Takes values apart and puts them together again.
fn plan_trees(
    column: &Column<'static>,
    path: &[String],
    act: &Act<'_>,
    rows: &Rows<'_>,
    base: &mut SchemaTable<'static>,
) -> Result<Change> {
    let mut builder = ColumnBuilder::new();
    for row in 0..column.rows as usize {
        let mut value = column.value(row, None, base);
        if (rows.is_live)(row) {
            let bad = |what: &str| bad_row((rows.of_table)(row), what);
            let done = match act {
                Act::Set(part) => {
                    let present = part.present.as_ref().is_none_or(|present| bits::get(present, row));
                    let new = present.then(|| trees::schemaless(part.column.value(row, part.schema.as_ref(), base)));
                    trees::set_at(&mut value, path, new)
                }
                Act::Drop => match &value {
                    Value::Map(_) => trees::set_at(&mut value, path, None).or(Ok(())),
                    _ => Ok(()),
                },
                Act::Rename(name) => {
                    if !trees::rename_at(&mut value, path, name) {
                        let old = path.last().map_or("", String::as_str);
                        return Err(misuse(format!("{old} cannot be called {name}: there is an entry of that name")));
                    }
                    Ok(())
                }
            };
            done.map_err(|NoMap(found)| bad(&format!("found a {found} where a map has an entry")))?;
        }
        builder.push(&value, base)?;
    }
    Ok(Change::Whole(builder.finish().named(column.name.clone()), None))
}
