//! Values out of batches for a statement's placeholders, column by column.

use std::sync::Arc;

use millstream_record::batch::{Column, Kind, Role, Side, Table};
use millstream_record::{Schema, Value, logical};
use serde_json::Value as Json;

use super::SqlError;
use super::clock::{Calendar, DAY_SECONDS, Moment, Zone};
use super::numeric::Number;
use super::options::Members;

/// One placeholder or column: where its values come from, and how they are written.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    from: From,
    /// The path as people read it.
    pub(super) name: String,
    /// The column's type in the database.
    pub(super) kind: Option<String>,
    pub(super) zone: Zone,
    date_zone: Zone,
    pub(super) calendar: Calendar,
    /// A null becomes what the schema has as default.
    null_default: bool,
    /// Whole numbers and texts are moments, in these units.
    moments: Option<Unit>,
    /// Part of what tells rows apart.
    pub(super) key: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Micros,
    Nanos,
}

#[derive(Clone, Debug)]
enum From {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Side(Side, Vec<String>),
    Header(String),
}

/// A value on its way to a database.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum<'b> {
    Null,
    Boolean(bool),
    Int(i64),
    Float32(f32),
    Float64(f64),
    Text(&'b str),
    Owned(String),
    Bytes(&'b [u8]),
    OwnedBytes(Vec<u8>),
    Number(Number),
    /// Days since 1970, in the Gregorian calendar that goes on before 1582.
    Day(i64),
    /// Nanoseconds of the day, as a clock shows it in the binding's zone.
    Time(i64),
    Instant(Moment),
    List(Vec<Datum<'b>>),
}

/// Why a value cannot be bound: the row's error, without the row.
pub(super) type Refused = String;

impl Binding {
    /// Reads a list of bindings. `zone` is the session's. Reads files.
    pub(super) fn parse(json: &str, zone: &Zone) -> Result<Vec<Self>, SqlError> {
        let list: Option<Vec<Json>> = serde_json::from_str(json).ok();
        let list = list.ok_or_else(|| SqlError::fatal(format!("the plugin's bindings are no JSON list: {json}")))?;
        list.into_iter().map(|one| Self::one(one, zone)).collect()
    }

    fn one(json: Json, zone: &Zone) -> Result<Self, SqlError> {
        let shown = json.to_string();
        let odd = || SqlError::fatal(format!("the plugin binds {shown}, which is no binding"));
        let Json::Object(members) = json else { return Err(odd()) };
        let options = match members.get("options") {
            None | Some(Json::Null) => Members::of(serde_json::Map::new()),
            Some(Json::Object(options)) => Members::of(options.clone()),
            Some(_) => return Err(odd()),
        };
        let members = Members::of(members);
        let path = members.texts("from")?.ok_or_else(odd)?;
        let (first, rest) = path.split_first().ok_or_else(odd)?;
        let from = match (first.as_str(), rest) {
            ("topic", []) => From::Topic,
            ("partition", []) => From::Partition,
            ("offset", []) => From::Offset,
            ("timestamp", []) => From::Timestamp,
            ("key", rest) => From::Side(Side::Key, rest.to_vec()),
            ("value", rest) => From::Side(Side::Value, rest.to_vec()),
            ("header", [name]) => From::Header(name.clone()),
            _ => return Err(odd()),
        };
        let zone = options.zone("db.timezone", zone.clone())?;
        let units = [("microseconds", Some(Unit::Micros)), ("nanoseconds", Some(Unit::Nanos))];
        Ok(Self {
            from,
            name: path.join("."),
            kind: members.text("type")?.map(str::to_owned),
            date_zone: options.zone("date.timezone", zone.clone())?,
            zone,
            calendar: options.calendar()?,
            null_default: options.flag("null.default")?,
            moments: options.word("timestamp", &units, None)?,
            key: options.flag("key")?,
        })
    }

    /// The values of rows, in their order. Where one cannot be bound, its row's error stands instead.
    pub(super) fn values<'b>(&self, table: &'b Table<'_>, rows: &[u32]) -> Vec<Result<Datum<'b>, Refused>> {
        let count = table.rows as usize;
        match &self.from {
            From::Topic => {
                let topic = |&row: &u32| table.topic(row as usize).map_or(Datum::Null, Datum::Text);
                rows.iter().map(|row| Ok(topic(row))).collect()
            }
            From::Partition => self.integers(table, Role::PARTITION, rows),
            From::Offset => self.integers(table, Role::OFFSET, rows),
            From::Timestamp => {
                let moment = |&row: &u32| table.integer(Role::TIMESTAMP, row as usize).map(Moment::of_millis);
                rows.iter().map(|row| Ok(moment(row).map_or(Datum::Null, Datum::Instant))).collect()
            }
            From::Header(name) => {
                let headers = table.get(Role::HEADERS);
                let value = |row: usize| {
                    let found = headers.and_then(|headers| headers.headers(row).filter(|one| one.key == name).last());
                    let Some(header) = found else { return Ok(Datum::Null) };
                    let (schema, value) = header.datum(&table.schemas);
                    self.tree(value, schema.as_ref())
                };
                rows.iter().map(|&row| value(row as usize)).collect()
            }
            From::Side(side, path) => {
                let union = table.side(*side);
                let found: Vec<Result<Found<'_, '_>, Refused>> =
                    union.blocks.iter().map(|block| self.find(&block.column, table.schema_of(block), path)).collect();
                let places: Vec<_> = union.places(count).collect();
                rows.iter()
                    .map(|&row| match places[row as usize] {
                        None => Ok(Datum::Null),
                        Some(place) => match &found[place.block] {
                            Ok(found) => self.at(found, place.row, table),
                            Err(refused) => Err(refused.clone()),
                        },
                    })
                    .collect()
            }
        }
    }

    fn integers<'b>(&self, table: &'b Table<'_>, role: Role, rows: &[u32]) -> Vec<Result<Datum<'b>, Refused>> {
        rows.iter().map(|&row| Ok(table.integer(role, row as usize).map_or(Datum::Null, Datum::Int))).collect()
    }

    /// Goes down to the column of a path.
    fn find<'t, 'a>(
        &self,
        column: &'t Column<'a>,
        schema: Option<Arc<Schema>>,
        path: &[String],
    ) -> Result<Found<'t, 'a>, Refused> {
        let (mut above, mut column, mut schema) = (Vec::new(), column, schema);
        for name in path {
            if column.kind == Kind::Null || column.kind == Kind::Variant {
                break;
            }
            let next = match &schema {
                Some(of) => of.field(name).map(|(_, field)| Some(Arc::clone(&field.schema))),
                None => column.child(name).map(|_| None),
            };
            let (Some(next), Some(child)) = (next, column.child(name)) else {
                return Err(format!("{}: the record has no such field", self.name));
            };
            above.push(column);
            (column, schema) = (child, next);
        }
        let depth = above.len();
        Ok(Found { above, column, schema, rest: path[depth..].to_vec() })
    }

    fn at<'t>(&self, found: &Found<'t, '_>, row: usize, table: &Table<'_>) -> Result<Datum<'t>, Refused> {
        let Found { above, column, schema, rest } = found;
        if above.iter().any(|column| column.is_null(row)) {
            return Ok(Datum::Null);
        }
        if column.is_null(row) {
            if self.null_default
                && rest.is_empty()
                && let Some(schema) = schema
                && let Some(default) = schema.default_value()
            {
                return self.tree(default, Some(schema));
            }
            return Ok(Datum::Null);
        }
        let name = schema.as_ref().and_then(|schema| schema.name.as_deref());
        let datum = match column.kind {
            Kind::Bool => Datum::Boolean(column.boolean(row)),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => self.whole(column.integer(row).unwrap_or_default()),
            Kind::Float32 => Datum::Float32(column.float32(row)),
            Kind::Float64 => Datum::Float64(column.float64(row)),
            Kind::String => match self.moments {
                Some(_) => self.tree(Value::String(column.str(row).to_owned()), schema.as_ref())?,
                None => Datum::Text(column.str(row)),
            },
            Kind::Bytes => Datum::Bytes(column.bytes(row)),
            Kind::Decimal => {
                let (scale, unscaled) = column.decimal(row);
                Datum::Number(Number::of_unscaled(unscaled, scale))
            }
            Kind::Instant => self.instant(column.int64(row), name),
            // Whatever nests, and what has no schema.
            _ => {
                let mut value = column.value(row, schema.as_ref(), &table.schemas);
                let mut schema = schema.clone();
                for name in rest {
                    (value, schema) = match value {
                        Value::Map(entries) => {
                            let found =
                                entries.into_iter().find(|(key, _)| matches!(key, Value::String(key) if key == name));
                            let found = found.ok_or_else(|| format!("{}: the record has no such field", self.name))?;
                            (found.1, None)
                        }
                        Value::Struct(of, slots) => {
                            let (at, field) =
                                of.field(name).ok_or_else(|| format!("{}: the record has no such field", self.name))?;
                            let schema = Some(Arc::clone(&field.schema));
                            (slots.into_iter().nth(at).unwrap_or_default(), schema)
                        }
                        Value::Null => (Value::Null, None),
                        _ => return Err(format!("{}: the record has no such field", self.name)),
                    };
                }
                self.tree(value, schema.as_ref())?
            }
        };
        Ok(datum)
    }

    /// A whole number, which may mean a moment.
    fn whole<'b>(&self, value: i64) -> Datum<'b> {
        match self.moments {
            None => Datum::Int(value),
            Some(Unit::Micros) => Datum::Instant(Moment::of_micros(value)),
            Some(Unit::Nanos) => Datum::Instant(Moment::of_nanos(value)),
        }
    }

    /// Milliseconds since 1970 by the name of their schema.
    fn instant<'b>(&self, ms: i64, name: Option<&str>) -> Datum<'b> {
        let moment = Moment::of_millis(ms);
        match name {
            Some(logical::DATE) => {
                let day = self.date_zone.shown_at(moment).seconds.div_euclid(DAY_SECONDS);
                Datum::Day(self.calendar.day_written(day))
            }
            Some(logical::TIME) => {
                let shown = self.zone.shown_at(moment);
                Datum::Time(shown.seconds.rem_euclid(DAY_SECONDS) * 1_000_000_000 + i64::from(shown.nanos))
            }
            _ => Datum::Instant(moment),
        }
    }

    fn tree<'b>(&self, value: Value, schema: Option<&Arc<Schema>>) -> Result<Datum<'b>, Refused> {
        Ok(match value {
            Value::Null => Datum::Null,
            Value::Boolean(value) => Datum::Boolean(value),
            Value::Int8(value) => self.whole(value.into()),
            Value::Int16(value) => self.whole(value.into()),
            Value::Int32(value) => self.whole(value.into()),
            Value::Int64(value) => self.whole(value),
            Value::Float32(value) => Datum::Float32(value),
            Value::Float64(value) => Datum::Float64(value),
            Value::String(text) if self.moments.is_some() => match text.trim().parse() {
                Ok(number) => self.whole(number),
                Err(_) => return Err(format!("{}: {text:?} is no number of {}", self.name, self.unit())),
            },
            Value::String(text) => Datum::Owned(text),
            Value::Bytes(bytes) => Datum::OwnedBytes(bytes),
            Value::Decimal(decimal) => Datum::Number(Number::of_unscaled(&decimal.unscaled, decimal.scale)),
            Value::BigInteger(unscaled) => Datum::Number(Number::of_unscaled(&unscaled, 0)),
            Value::Instant(ms) => self.instant(ms, schema.and_then(|schema| schema.name.as_deref())),
            Value::List(values) => {
                let element = schema.and_then(|schema| match &schema.kind {
                    millstream_record::SchemaType::Array(element) => element.clone(),
                    _ => None,
                });
                let data = values.into_iter().map(|value| self.tree(value, element.as_ref()));
                Datum::List(data.collect::<Result<_, _>>()?)
            }
            Value::Map(_) | Value::Struct(..) => {
                let kind = schema.map_or("MAP", |schema| schema.kind.name());
                return Err(format!(
                    "{}: Unsupported source data type: {kind}; flatten it, or turn it into JSON text with a transform",
                    self.name
                ));
            }
        })
    }

    fn unit(&self) -> &'static str {
        match self.moments {
            Some(Unit::Nanos) => "nanoseconds",
            _ => "microseconds",
        }
    }

    /// What a clock of the binding's zone shows at a moment, as a database counts its days.
    pub(super) fn shown(&self, moment: Moment) -> Moment {
        self.calendar.written(self.zone.shown_at(moment))
    }

    /// A moment, as a database counts its days.
    pub(super) fn utc(&self, moment: Moment) -> Moment {
        self.calendar.written(moment)
    }
}

/// The column of a path in one block.
struct Found<'t, 'a> {
    /// Columns above it: a null there is a null here.
    above: Vec<&'t Column<'a>>,
    column: &'t Column<'a>,
    schema: Option<Arc<Schema>>,
    /// What is left of the path, inside of values without a schema.
    rest: Vec<String>,
}

impl Datum<'_> {
    /// For messages, and for keys that are compared.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float32(value) => value.to_string(),
            Self::Float64(value) => value.to_string(),
            Self::Text(text) => (*text).to_owned(),
            Self::Owned(text) => text.clone(),
            Self::Bytes(bytes) => hexadecimal(bytes),
            Self::OwnedBytes(bytes) => hexadecimal(bytes),
            Self::Number(number) => number.text(),
            Self::Day(day) => super::clock::date_text(*day),
            Self::Time(nanos) => {
                let mut text = String::new();
                super::clock::time_text(*nanos, 9, &mut text);
                text
            }
            Self::Instant(moment) => moment.shown('T', 9),
            Self::List(data) => data.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }

    /// About how many bytes it takes on its way.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Owned(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::OwnedBytes(bytes) => bytes.len(),
            Self::List(data) => data.iter().map(|one| one.size() + 4).sum(),
            _ => 12,
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
