//! What stands around the values of a result: source partitions and offsets, topics, keys. Only these columns are made here;
//! the values pass as they have come.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, Value,
    batch::{Column, Kind, Role, Side, Table, Union},
    constant_map,
};

use super::{
    offset::{Moment, Origin, Position},
    settings::Mode,
};

/// Follows the cursor through a result, so that each row gets the offset from which its successors come again.
#[derive(Clone, Debug)]
pub struct Tracker {
    mode: Mode,
    /// What is behind the last row.
    position: Position,
    /// Timestamp mode: what is behind the last row with another time.
    before: Position,
}

impl Tracker {
    /// At a position.
    pub fn new(mode: Mode, position: Position) -> Self {
        Self { mode, position, before: position }
    }

    /// From where rows come that are not handed on yet, and some of the last ones again where they cannot be told apart.
    pub fn safe(&self) -> Position {
        if self.mode == Mode::Timestamp { self.before } else { self.position }
    }

    /// A result has ended: what it had is all there is of its last time.
    pub fn end(&mut self) {
        self.before = self.position;
    }

    /// The offsets of a batch's rows, as a column of maps; none in mode bulk. `next` is the time of the row behind them, if there is one.
    ///
    /// In mode timestamp, rows with one time have the offset of those before, save the last of them: after a restart they
    /// come again rather than that one of them is lost.
    ///
    /// # Errors
    ///
    /// A row without a number in its incrementing column, or with something that is no number or time.
    pub fn offsets(
        &mut self,
        cursor: &Column<'_>,
        rows: u32,
        next: Option<Moment>,
        origin: &Origin,
    ) -> Result<Option<Column<'static>>> {
        let Some(places) = Places::of(self.mode, cursor, origin)? else { return Ok(None) };
        let count = rows as usize;
        let mut positions = Vec::with_capacity(count);
        for row in 0..count {
            let position = Position {
                incrementing: places.incrementing.map(|column| number(column, row, origin)).transpose()?,
                timestamp: places.moment(row),
            };
            if self.mode != Mode::Timestamp {
                self.position = position;
                positions.push(position);
                continue;
            }
            if position.timestamp != self.position.timestamp {
                self.before = self.position;
            }
            self.position = position;
            let following = if row + 1 < count { places.moment(row + 1) } else { next };
            let is_last = following != position.timestamp;
            positions.push(if is_last { position } else { self.before });
        }
        // The last row of a time that is complete is a place to go on from.
        if self.mode == Mode::Timestamp && next != self.position.timestamp {
            self.before = self.position;
        }
        Ok(Some(offset_column(self.mode, &positions)))
    }
}

/// The time in a row of a batch's cursor.
pub fn moment_of(mode: Mode, cursor: &Column<'_>, row: usize, origin: &Origin) -> Result<Option<Moment>> {
    Ok(Places::of(mode, cursor, origin)?.and_then(|places| places.moment(row)))
}

/// The columns of the cursor.
struct Places<'c, 'a> {
    incrementing: Option<&'c Column<'a>>,
    timestamps: &'c [Column<'a>],
}

impl<'c, 'a> Places<'c, 'a> {
    fn of(mode: Mode, cursor: &'c Column<'a>, origin: &Origin) -> Result<Option<Self>> {
        if mode == Mode::Bulk {
            return Ok(None);
        }
        let (incrementing, timestamps) = match (mode.has_incrementing(), cursor.children.as_slice()) {
            (true, [first, rest @ ..]) => (Some(first), rest),
            (_, all) => (None, all),
        };
        if let Some(column) = incrementing.filter(|column| !matches!(column.kind, Kind::Int64 | Kind::Null)) {
            return Err(Error::config(format!(
                "Invalid type for incrementing column: {} of {origin} holds no whole numbers. Choose another column, or another mode",
                column.name
            )));
        }
        let is_time = |column: &&Column<'_>| {
            column.kind == Kind::Null || (column.kind == Kind::Struct && column.children.len() == 2)
        };
        if let Some(column) = timestamps.iter().find(|column| !is_time(column)) {
            return Err(Error::config(format!(
                "the timestamp column {} of {origin} holds no dates or timestamps: choose another column, or another mode",
                column.name
            )));
        }
        Ok(Some(Self { incrementing, timestamps }))
    }

    /// The first time of a row that is not null.
    fn moment(&self, row: usize) -> Option<Moment> {
        let column = self.timestamps.iter().find(|column| !column.is_null(row))?;
        let at = column.physical(row);
        let (seconds, nanos) = (column.children[0].integer(at)?, column.children[1].integer(at)?);
        Some(Moment { seconds, nanos: u32::try_from(nanos).unwrap_or_default() })
    }
}

fn number(column: &Column<'_>, row: usize, origin: &Origin) -> Result<i64> {
    match column.is_null(row) {
        false => Ok(column.int64(row)),
        true => Err(Error::config(format!(
            "Null value for incrementing column {} of {origin}: no row behind it could be told from those before. Make the column NOT NULL, or choose another one",
            column.name
        ))),
    }
}

fn offset_column(mode: Mode, positions: &[Position]) -> Column<'static> {
    let rows = positions.len() as u32;
    let ids = || Column::int64s(Kind::Int64, positions.iter().map(|at| at.incrementing.unwrap_or_default()));
    // A row has no time yet where none was read before: then the map has no such keys.
    let times = |of: fn(Moment) -> i64| {
        let mut column = Column::int64s(Kind::Int64, positions.iter().map(|at| at.timestamp.map_or(0, of)));
        if positions.iter().any(|at| at.timestamp.is_none()) {
            let mut bits = vec![0_u8; positions.len().div_ceil(8)];
            for (row, _) in positions.iter().enumerate().filter(|(_, at)| at.timestamp.is_some()) {
                bits[row / 8] |= 1 << (row % 8);
            }
            column.present = Some(bits.into());
        }
        column
    };
    let member = |name: &'static str| {
        let column = match name {
            "incrementing" => ids(),
            "timestamp" => times(Moment::millis),
            _ => times(|moment| moment.nanos.into()),
        };
        column.named(name)
    };
    Column::new(Kind::Object, rows, Vec::new())
        .with_children(Position::members(mode).iter().copied().map(member).collect())
}

/// Puts topic, source and key to the values of a result.
///
/// # Errors
///
/// A column of the key is not among the values.
pub fn dress(
    table: &mut Table<'_>,
    topic: &str,
    partition: &Value,
    offsets: Option<Column<'static>>,
    key: Option<(&str, &[String])>,
) -> Result<()> {
    let rows = table.rows;
    table.keys = Union::default();
    if let Some((name, columns)) = key {
        table.keys = key_of(table, name, columns)?;
    }
    table.set(Role::TOPIC, Column::constant_str(rows, topic));
    table.set(Role::SOURCE_PARTITION, constant_map(rows, partition)?);
    if let Some(offsets) = offsets {
        table.set(Role::SOURCE_OFFSET, offsets);
    }
    Ok(())
}

/// A struct of some of the columns of the value.
fn key_of<'a>(table: &mut Table<'a>, name: &str, columns: &[String]) -> Result<Union<'a>> {
    let [block] = table.side(Side::Value).blocks.as_slice() else {
        return Err(Error::fatal("rows of one query have more than one schema"));
    };
    let schema = table.schema_of(block).ok_or_else(|| Error::fatal("rows of a query have no schema"))?;
    let (mut fields, mut children) = (Vec::new(), Vec::new());
    for column in columns {
        let (place, field) = schema.field(column).ok_or_else(|| {
            Error::config(format!(
                "the column {column} of the primary key is of a type that records cannot have: set record.key=none"
            ))
        })?;
        fields.push(Field { name: field.name.clone(), schema: Arc::clone(&field.schema) });
        children.push(block.column.children[place].clone());
    }
    let key_schema =
        Schema::structure(fields).map_err(|error| Error::fatal("make the schema of the key").because(&error))?;
    let key_schema = Arc::new(key_schema.named(&format!("{name}.Key")));
    let rows = block.column.rows;
    let place = table.schemas.place(&key_schema)?;
    Ok(Union::single(Some(place), Column::new(Kind::Struct, rows, Vec::new()).with_children(children)))
}

/// The schema of a result's rows.
pub fn schema_of(table: &Table<'_>) -> Option<Arc<Schema>> {
    let block = table.side(Side::Value).blocks.first()?;
    table.schema_of(block)
}

/// How a schema differs from the one before, for the log.
pub fn difference(before: &Schema, after: &Schema) -> String {
    let of = |schema: &Schema| -> Vec<(String, String)> {
        schema.fields().iter().map(|field| (field.name.clone(), field.schema.java_text())).collect()
    };
    let (before, after) = (of(before), of(after));
    let gone = before
        .iter()
        .filter(|(name, _)| !after.iter().any(|(other, _)| other == name))
        .map(|(name, _)| format!("{name} is gone"));
    let come = after.iter().filter_map(|(name, kind)| match before.iter().find(|(other, _)| other == name) {
        None => Some(format!("{name} has come")),
        Some((_, old)) if old != kind => Some(format!("{name} has changed from {old} to {kind}")),
        Some(_) => None,
    });
    let all: Vec<String> = gone.chain(come).collect();
    if all.is_empty() { "what may be null, or the order of its columns".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{batch::ColumnBuilder, get, map, records_of};

    use super::*;
    use crate::table_name::TableName;

    fn origin() -> Origin {
        Origin::Table(TableName::new(None, Some("public"), "t"))
    }

    fn at(seconds: i64) -> Moment {
        Moment { seconds, nanos: 5 }
    }

    /// A cursor as the host gives it: numbers, and times as structs; a negative number is null.
    fn cursor(ids: Option<&[i64]>, times: &[&[i64]]) -> Column<'static> {
        let numbers = |numbers: &[i64]| {
            let mut builder = ColumnBuilder::new();
            for &number in numbers {
                if number < 0 { builder.push_null() } else { builder.push_int64(number) }
            }
            builder.finish()
        };
        let time = |times: &&[i64]| {
            let nanos = Column::constant_i32(times.len() as u32, 5);
            let seconds = numbers(times);
            let valid = seconds.valid.clone();
            let mut column =
                Column::new(Kind::Struct, times.len() as u32, Vec::new()).with_children(vec![seconds, nanos]);
            column.valid = valid;
            column
        };
        let children: Vec<_> = ids.map(numbers).into_iter().chain(times.iter().map(time)).collect();
        let rows = children[0].rows;
        Column::new(Kind::Struct, rows, Vec::new()).with_children(children)
    }

    fn offsets(tracker: &mut Tracker, cursor: &Column<'_>, next: Option<Moment>) -> Vec<Position> {
        let column = tracker.offsets(cursor, cursor.rows, next, &origin()).expect("offsets").expect("a column");
        let schemas = Default::default();
        let maps = (0..cursor.rows as usize).map(|row| column.value(row, None, &schemas));
        maps.map(|map| Position::of_offset(&map).expect("the form of the original")).collect()
    }

    fn timed(seconds: i64) -> Position {
        Position { incrementing: None, timestamp: Some(at(seconds)) }
    }

    #[test]
    fn rows_with_one_time_have_the_offset_before_it_save_the_last() {
        let mut tracker = Tracker::new(Mode::Timestamp, timed(1));
        let first = cursor(None, &[&[2, 2, 3, 3]]);
        assert_eq!(offsets(&mut tracker, &first, Some(at(3))), [timed(1), timed(2), timed(2), timed(2)]);
        assert_eq!(tracker.safe(), timed(2), "rows with 3 come again if the result ends here");
        let second = cursor(None, &[&[3, 4]]);
        assert_eq!(offsets(&mut tracker, &second, None), [timed(3), timed(4)]);
        assert_eq!(tracker.safe(), timed(4));
    }

    #[test]
    fn the_first_rows_of_a_table_may_have_an_offset_of_nothing() {
        let mut tracker = Tracker::new(Mode::Timestamp, Position::default());
        assert_eq!(offsets(&mut tracker, &cursor(None, &[&[2, 2]]), None), [Position::default(), timed(2)]);
    }

    #[test]
    fn numbers_and_the_first_time_that_is_not_null_are_the_offset() {
        let mut tracker = Tracker::new(Mode::Both, Position::default());
        let both = |id, seconds| Position { incrementing: Some(id), timestamp: Some(at(seconds)) };
        let seen = cursor(Some(&[7, 8]), &[&[-1, 5], &[4, 6]]);
        assert_eq!(offsets(&mut tracker, &seen, None), [both(7, 4), both(8, 5)]);
        assert_eq!(tracker.safe(), both(8, 5));
        let mut tracker = Tracker::new(Mode::Incrementing, Position::default());
        let id = |id| Position { incrementing: Some(id), timestamp: None };
        assert_eq!(offsets(&mut tracker, &cursor(Some(&[7, 9]), &[]), None), [id(7), id(9)]);
    }

    #[test]
    fn a_row_that_cannot_be_told_from_others_is_an_error_with_table_and_column() {
        let mut tracker = Tracker::new(Mode::Incrementing, Position::default());
        let error = tracker.offsets(&cursor(Some(&[7, -1]), &[]), 2, None, &origin()).expect_err("null").message;
        assert!(error.starts_with("Null value for incrementing column") && error.contains("table public.t"), "{error}");
        let texts = Column::new(Kind::Struct, 1, Vec::new()).with_children(vec![Column::strings(["x"]).named("id")]);
        let error = tracker.offsets(&texts, 1, None, &origin()).expect_err("text").message;
        assert!(error.starts_with("Invalid type for incrementing column: id of table public.t"), "{error}");
        let mut tracker = Tracker::new(Mode::Timestamp, Position::default());
        assert!(tracker.offsets(&texts, 1, None, &origin()).is_err());
    }

    #[test]
    fn records_get_topic_source_and_the_key_of_the_table() {
        let fields = ["id", "a"]
            .map(|name| Field { name: name.into(), schema: Arc::new(Schema::new(millstream_sdk::SchemaType::Int64)) });
        let schema = Arc::new(Schema::structure(fields.to_vec()).expect("a struct").named("t"));
        let columns =
            vec![Column::int64s(Kind::Int64, [1, 2]).named("id"), Column::int64s(Kind::Int64, [3, 4]).named("a")];
        let made = |key: Option<&[String]>| {
            let mut table = Table::new(2);
            let place = table.schemas.place(&schema).expect("a schema");
            table.values =
                Union::single(Some(place), Column::new(Kind::Struct, 2, Vec::new()).with_children(columns.clone()));
            table.keys = Union::single(None, cursor(Some(&[1, 2]), &[]));
            let partition = origin().partition(Mode::Bulk);
            dress(&mut table, "x-t", &partition, None, key.map(|key| ("t", key)))?;
            records_of(table.write())
        };
        let plain = made(None).expect("records");
        assert_eq!((plain[1].topic.as_str(), &plain[1].key, &plain[1].key_schema), ("x-t", &Value::Null, &None));
        assert_eq!(plain[0].source_partition, map([("table", "t".into())]));
        assert_eq!(get(&plain[0].source_offset, "incrementing"), None);
        let keyed = made(Some(&["a".to_owned()])).expect("records");
        assert_eq!(millstream_sdk::values::value_text(&keyed[1].key), "Struct{a=4}");
        assert_eq!(keyed[1].key_schema.as_ref().and_then(|schema| schema.name.as_deref()), Some("t.Key"));
        assert!(made(Some(&["gone".to_owned()])).expect_err("no such column").message.contains("record.key=none"));
    }

    #[test]
    fn a_change_of_a_table_is_told_column_by_column() {
        let schema = |fields: &[(&str, bool)]| {
            let field = |&(name, optional): &(&str, bool)| {
                let schema = Schema::new(millstream_sdk::SchemaType::Int64);
                Field { name: name.into(), schema: Arc::new(if optional { schema.optional() } else { schema }) }
            };
            Schema::structure(fields.iter().map(field).collect()).expect("a struct")
        };
        let told = difference(&schema(&[("a", false), ("b", false)]), &schema(&[("b", false), ("c", true)]));
        assert_eq!(told, "a is gone, c has come");
    }
}
