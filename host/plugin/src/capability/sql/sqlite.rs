//! SQLite.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use millstream_values::DatePattern;
use serde_json::{Value as Json, json};
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteColumn, SqliteConnection, SqliteRow};
use sqlx::{
    Arguments, AssertSqlSafe, Column as _, ColumnOrigin, Decode, Executor, Row, SqlSafeStr as _, Sqlite, Statement,
    TypeInfo, ValueRef,
};

use super::SqlError;
use super::bindings::{Binding, Datum};
use super::clock::{Calendar, DAY_SECONDS, Moment, Zone, parse_date, parse_shown, parse_time};
use super::columns::{Cell, ColumnInfo, Form, Layout, ReadColumn};
use super::connect::Login;
use super::numeric::Number;
use super::options::{Parameter, QueryOptions};
use super::placeholders::Placeholders;
use super::postgres::write::shortened;
use super::rows::{Outcome, Pump, Query};
use super::session::{About, TableFilter, TableName};
use super::statement::Plan;
use super::url::Product;

const PRODUCT: Product = Product::Sqlite;

/// How JDBC's driver writes dates and times as texts, unless `date_string_format` says otherwise.
const OWN_PATTERN: &str = "yyyy-MM-dd HH:mm:ss.SSS";

/// Rows of which it is looked how they have their times.
const LOOKED_AT: u32 = 1000;

/// The Julian day of 1970-01-01.
const EPOCH_JULIAN: f64 = 2_440_587.5;

/// Parameters of the driver's URLs that are honoured, or that mean nothing for what this host does.
pub(super) const PARAMETERS: [&str; 20] = [
    "journal_mode",
    "busy_timeout",
    "foreign_keys",
    "cache",
    "synchronous",
    "mode",
    "cache_size",
    "locking_mode",
    "recursive_triggers",
    "secure_delete",
    "date_class",
    "date_precision",
    "date_string_format",
    "user",
    "password",
    "open_mode",
    "shared_cache",
    "transaction_mode",
    "encoding",
    "read_uncommitted",
];

/// What a column's values mean: SQLite keeps no such types, so that what is declared decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Plain,
    Number,
    Date,
    Time,
    Timestamp,
}

/// How dates and times are written, and texts and numbers read as such: what JDBC's driver has parameters for.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    class: DateClass,
    /// Milliseconds that a whole number counts.
    unit_ms: i64,
    /// Of texts, where it is not the driver's own.
    pattern: Option<Arc<DatePattern>>,
}

/// What a date or time is kept as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum DateClass {
    Integer,
    Text,
    Real,
}

impl Settings {
    fn of(login: &Login) -> Result<Self, SqlError> {
        let word = |name: &str, values: &[&str]| {
            let Some(found) = login.parameter(name) else { return Ok(0) };
            let place = values.iter().position(|value| value.eq_ignore_ascii_case(found));
            place.ok_or_else(|| login.odd(name, found))
        };
        let class = match word("date_class", &["INTEGER", "TEXT", "REAL"])? {
            1 => DateClass::Text,
            2 => DateClass::Real,
            _ => DateClass::Integer,
        };
        let unit_ms = if word("date_precision", &["MILLISECONDS", "SECONDS"])? == 1 { 1000 } else { 1 };
        let pattern = match login.parameter("date_string_format") {
            // That is what texts are read by anyway, with or without their last parts.
            None | Some(OWN_PATTERN) => None,
            Some(pattern) => {
                let compiled = DatePattern::compile(pattern)
                    .map_err(|error| login.odd("date_string_format", pattern).with(&error.to_string()))?;
                Some(Arc::new(compiled))
            }
        };
        Ok(Self { class, unit_ms, pattern })
    }

    /// The moment that a whole number means.
    fn moment(&self, number: i64) -> Option<Moment> {
        number.checked_mul(self.unit_ms).map(Moment::of_millis)
    }

    /// What a text shows, by the pattern.
    fn parse(&self, text: &str) -> Option<Moment> {
        // Patterns count as Java does, databases go on before 1582 as they are.
        let found = self.pattern.as_ref()?.parse(text)?;
        Some(Calendar::Legacy.written(Moment::of_millis(found)))
    }

    /// What clocks show, as text.
    fn shown(&self, shown: Moment) -> Option<String> {
        Some(match &self.pattern {
            None => shown.shown(' ', 3),
            Some(pattern) => pattern.format(Calendar::Legacy.read(shown).millis()?),
        })
    }

    /// Adds a moment, with what clocks show of it, as the driver does. None if it is beyond what can be kept.
    fn add(&self, arguments: &mut SqliteArguments, moment: Moment, shown: Moment) -> Option<Result<(), BoxDynError>> {
        let millis = moment.millis()?;
        Some(match self.class {
            DateClass::Integer => arguments.add(millis.div_euclid(self.unit_ms)),
            DateClass::Text => arguments.add(self.shown(shown)?),
            DateClass::Real => arguments.add(millis as f64 / 86_400_000.0 + EPOCH_JULIAN),
        })
    }
}

/// Takes away what reaches other files than the one that was opened.
pub(super) async fn begin_session(
    connection: &mut SqliteConnection,
    login: &Login,
    attempted: &str,
) -> Result<Settings, SqlError> {
    let handle = connection.lock_handle().await;
    let mut handle = handle.map_err(|error| SqlError::driver(PRODUCT, attempted, error))?;
    // SAFETY: the handle is open and locked, and a limit changes nothing that another thread looks at meanwhile.
    unsafe {
        libsqlite3_sys::sqlite3_limit(handle.as_raw_handle().as_ptr(), libsqlite3_sys::SQLITE_LIMIT_ATTACHED, 0);
    }
    Settings::of(login)
}

/// Runs a statement that has no parameters.
pub(super) async fn plain(connection: &mut SqliteConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

pub(super) async fn about(connection: &mut SqliteConnection) -> Result<About, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at the database", error);
    let row = sqlx::query("SELECT sqlite_version()").fetch_one(connection).await.map_err(failed)?;
    Ok(About { version: row.try_get(0).map_err(failed)?, catalog: None, schema: None, identifier_max: 1000 })
}

pub(super) async fn now(connection: &mut SqliteConnection) -> Result<String, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at the database's clock", error);
    let row = sqlx::query("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").fetch_one(connection).await.map_err(failed)?;
    let text: String = row.try_get(0).map_err(failed)?;
    let moment = parse_shown(&text).ok_or_else(|| SqlError::fatal(format!("the database's clock shows {text}")))?;
    Ok(moment.text())
}

pub(super) async fn tables(
    connection: &mut SqliteConnection,
    filter: &TableFilter,
) -> Result<Vec<TableName>, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "list tables", error);
    let sql = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name LIKE ? ESCAPE '\\' AND name NOT \
               LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name";
    let rows = sqlx::query(sql).bind(&filter.name).fetch_all(connection).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            let kind: String = row.try_get(1).map_err(failed)?;
            let name = row.try_get(0).map_err(failed)?;
            Ok(TableName { catalog: None, schema: None, name, kind: kind.to_ascii_uppercase() })
        })
        .collect()
}

/// The columns of a table, and the names of its primary key.
async fn catalogue(
    connection: &mut SqliteConnection,
    table: &str,
    options: &QueryOptions,
) -> Result<(Vec<(ColumnInfo, Source)>, Vec<String>), SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at columns", error);
    let sql =
        "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid";
    let rows = sqlx::query(sql).bind(table).fetch_all(&mut *connection).await.map_err(failed)?;
    let (mut columns, mut primary) = (Vec::new(), Vec::new());
    for row in &rows {
        let name: String = row.try_get(0).map_err(failed)?;
        let kind: String = row.try_get(1).map_err(failed)?;
        let not_null: i64 = row.try_get(2).map_err(failed)?;
        let place: i64 = row.try_get(4).map_err(failed)?;
        if place != 0 {
            primary.push((place, name.clone()));
        }
        let (source, form) = source(&kind, options);
        let (precision, scale) = digits(&kind);
        let info = ColumnInfo {
            name,
            base: kind.split('(').next().unwrap_or_default().trim().to_ascii_lowercase(),
            nullable: Some(not_null == 0 && place == 0),
            auto: false,
            default: row.try_get(3).map_err(failed)?,
            precision,
            scale,
            instant: false,
            form: Some(form),
            kind,
        };
        columns.push((info, source));
    }
    // The one that is the number of the row.
    if let [(_, name)] = primary.as_slice()
        && let Some((info, _)) = columns.iter_mut().find(|(info, _)| info.name == *name)
    {
        info.auto = info.kind.eq_ignore_ascii_case("INTEGER");
    }
    primary.sort();
    for (info, _) in columns.iter_mut().filter(|(_, source)| *source == Source::Timestamp) {
        info.instant = keeps_numbers(connection, table, &info.name).await?;
    }
    Ok((columns, primary.into_iter().map(|(_, name)| name).collect()))
}

/// Whether a column has its times as whole numbers, which compare with no text: its first value decides.
async fn keeps_numbers(connection: &mut SqliteConnection, table: &str, column: &str) -> Result<bool, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at columns", error);
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    // Of a column that is almost always empty, no more than the first rows are looked at.
    let sql = format!(
        "SELECT typeof(v) FROM (SELECT {} AS v FROM {} LIMIT {LOOKED_AT}) WHERE v IS NOT NULL LIMIT 1",
        quoted(column),
        quoted(table)
    );
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_optional(connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(false) };
    let kind: String = row.try_get(0).map_err(failed)?;
    Ok(kind == "integer")
}

pub(super) async fn table(
    connection: &mut SqliteConnection,
    parts: &[String],
    options: &QueryOptions,
) -> Result<Option<Json>, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at the table", error);
    let Some(name) = parts.last() else { return Ok(None) };
    let sql = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE";
    let row = sqlx::query(sql).bind(name).fetch_optional(&mut *connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let (name, kind): (String, String) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let (columns, primary) = catalogue(connection, &name, options).await?;
    let sql = "SELECT l.name, i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i \
               WHERE l.\"unique\" AND NOT l.partial AND l.origin <> 'pk' ORDER BY l.seq, i.seqno";
    let rows = sqlx::query(sql).bind(&name).fetch_all(connection).await.map_err(failed)?;
    let mut unique: Vec<(String, Vec<String>)> = Vec::new();
    for row in &rows {
        let index: String = row.try_get(0).map_err(failed)?;
        let Some(column): Option<String> = row.try_get(1).map_err(failed)? else { continue };
        match unique.last_mut() {
            Some((last, columns)) if *last == index => columns.push(column),
            _ => unique.push((index, vec![column])),
        }
    }
    let columns: Vec<Json> = columns.iter().map(|(column, _)| column.json()).collect();
    let unique: Vec<Vec<String>> = unique.into_iter().map(|(_, columns)| columns).collect();
    Ok(Some(json!({
        "catalog": null, "schema": null, "name": name, "type": kind.to_ascii_uppercase(), "columns": columns,
        "primary": primary, "unique": unique,
    })))
}

/// `decimal(10, 2)`.
fn digits(kind: &str) -> (Option<u32>, Option<i32>) {
    let Some((digits, _)) = kind.split_once('(').and_then(|(_, rest)| rest.split_once(')')) else {
        return (None, None);
    };
    let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
    (precision.trim().parse().ok(), scale.trim().parse().ok())
}

/// What a column becomes, by its declaration alone.
fn source(kind: &str, options: &QueryOptions) -> (Source, Form) {
    let kind = kind.to_ascii_uppercase();
    let word = kind.split('(').next().unwrap_or_default().trim().to_owned();
    let contains = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    match word.as_str() {
        "BOOLEAN" | "BOOL" => (Source::Plain, Form::Boolean),
        "DATE" => (Source::Date, Form::Date),
        "TIME" => (Source::Time, Form::Time),
        "DATETIME" | "TIMESTAMP" => (Source::Timestamp, Form::Timestamp(options.granularity)),
        "REAL" => (Source::Plain, Form::Float32),
        // As SQLite finds the affinity of a declaration.
        _ if contains(&["INT"]) => (Source::Plain, Form::Int64),
        _ if contains(&["CHAR", "CLOB", "TEXT", "JSON"]) => (Source::Plain, Form::Text),
        _ if contains(&["BLOB", "BINARY"]) => (Source::Plain, Form::Bytes),
        _ if contains(&["REAL", "FLOA", "DOUB"]) => (Source::Plain, Form::Float64),
        _ => {
            let (precision, scale) = digits(&kind);
            (Source::Number, Form::numeric(precision, scale, options.numeric))
        }
    }
}

async fn columns(
    connection: &mut SqliteConnection,
    sql: &str,
    options: &QueryOptions,
) -> Result<Vec<(ColumnInfo, Source)>, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "prepare the query", error);
    sqlx::Connection::clear_cached_statements(&mut *connection).await.map_err(failed)?;
    let statement = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await.map_err(failed)?;
    let columns: Vec<SqliteColumn> = statement.columns().to_vec();
    drop(statement);
    let mut known: HashMap<String, Vec<(ColumnInfo, Source)>> = HashMap::new();
    let mut found = Vec::new();
    for column in &columns {
        let mut of_table = None;
        if let ColumnOrigin::Table(origin) = column.origin() {
            if !known.contains_key(&*origin.table) {
                let (columns, _) = catalogue(connection, &origin.table, options).await?;
                known.insert(origin.table.to_string(), columns);
            }
            of_table = known[&*origin.table].iter().find(|(info, _)| info.name == *origin.name).cloned();
        }
        let name = column.name().to_owned();
        found.push(match of_table {
            // What is declared without a type is as its values are.
            Some((info, _)) if info.kind.is_empty() => (ColumnInfo { name, form: None, ..info }, Source::Plain),
            Some((info, source)) => (ColumnInfo { name, ..info }, source),
            None => {
                let info = ColumnInfo {
                    name,
                    kind: String::new(),
                    base: String::new(),
                    nullable: None,
                    auto: false,
                    default: None,
                    precision: None,
                    scale: None,
                    instant: false,
                    form: None,
                };
                (info, Source::Plain)
            }
        });
    }
    Ok(found)
}

pub(super) async fn check(
    connection: &mut SqliteConnection,
    sql: &str,
    options: &QueryOptions,
) -> Result<Json, SqlError> {
    let sql = Placeholders::of(sql, PRODUCT).written(PRODUCT);
    let columns = columns(connection, &sql, options).await?;
    Ok(columns.iter().map(|(column, _)| column.json()).collect())
}

fn arguments(parameters: &[Parameter], settings: &Settings, zone: &Zone) -> Result<SqliteArguments, SqlError> {
    let mut arguments = SqliteArguments::default();
    for (at, Parameter { kind, value }) in parameters.iter().enumerate() {
        let odd = || SqlError::data(format!("the value for placeholder {} is no {kind}", at + 1));
        let Some(text) = value else {
            arguments.add(None::<i64>).map_err(|_| odd())?;
            continue;
        };
        let added = match kind.as_str() {
            "boolean" => arguments.add(i64::from(text.eq_ignore_ascii_case("true"))),
            "int64" => arguments.add(text.trim().parse::<i64>().map_err(|_| odd())?),
            "float64" => arguments.add(text.trim().parse::<f64>().map_err(|_| odd())?),
            "bytes" => arguments.add(super::postgres::hex(text).ok_or_else(odd)?),
            // Of a column that keeps its times as numbers.
            "instant" => {
                let millis = Moment::parse(text).and_then(Moment::millis).ok_or_else(odd)?;
                arguments.add(millis.div_euclid(settings.unit_ms))
            }
            "timestamp" if settings.class == DateClass::Real => {
                let moment = Moment::parse(text).ok_or_else(odd)?;
                settings.add(&mut arguments, moment, zone.shown_at(moment)).ok_or_else(odd)?
            }
            "timestamp" => {
                let moment = Moment::parse(text).ok_or_else(odd)?;
                arguments.add(settings.shown(zone.shown_at(moment)).ok_or_else(odd)?)
            }
            _ => arguments.add(text.clone()),
        };
        added.map_err(|_| odd())?;
    }
    Ok(arguments)
}

pub(super) async fn execute(
    connection: &mut SqliteConnection,
    settings: &Settings,
    sql: &str,
    parameters: &[Parameter],
    zone: &Zone,
) -> Result<u64, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "run the statement", error);
    let sql = Placeholders::of(sql, PRODUCT).written(PRODUCT);
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments(parameters, settings, zone)?).persistent(false);
    Ok(query.execute(connection).await.map_err(failed)?.rows_affected())
}

/// Runs a query and answers requests for its rows.
pub(super) async fn rows(connection: &mut SqliteConnection, settings: &Settings, query: Query, pump: Pump) -> Outcome {
    let sql = Placeholders::of(&query.sql, PRODUCT).written(PRODUCT);
    let opened = async {
        let columns = columns(connection, &sql, &query.options).await?;
        Ok((columns, arguments(&query.parameters, settings, &query.options.zone)?))
    };
    let (mut columns, arguments) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return query.failed(error),
    };
    let mut stream = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch(connection);
    let first = stream.next().await;
    for (at, (info, _)) in columns.iter_mut().enumerate().filter(|(_, (info, _))| info.form.is_none()) {
        let value = first.as_ref().and_then(|row| row.as_ref().ok()?.try_get_raw(at).ok());
        let kind = value.map(|value| value.type_info().name().to_owned());
        info.form = Some(match kind.as_deref() {
            Some("INTEGER") => Form::Int64,
            Some("REAL") => Form::Float64,
            Some("BLOB") => Form::Bytes,
            _ => Form::Text,
        });
    }
    let layout = match Layout::new(columns, &query.options) {
        Ok(layout) => layout,
        Err(error) => {
            drop(stream);
            return query.failed(error);
        }
    };
    pump.run(query, PRODUCT, layout, first, stream, |row, column| cell(row, column, settings)).await
}

/// The moment of a Julian day.
fn julian(days: f64) -> Moment {
    let millis = ((days - EPOCH_JULIAN) * 86_400_000.0).round();
    Moment::of_millis(millis as i64)
}

/// Nanoseconds of the day.
fn of_day(moment: Moment) -> i64 {
    moment.seconds.rem_euclid(DAY_SECONDS) * 1_000_000_000 + i64::from(moment.nanos)
}

/// A value of a row, and its bytes.
fn cell<'r>(
    row: &'r SqliteRow,
    column: &ReadColumn<Source>,
    settings: &Settings,
) -> Result<(Option<Cell<'r>>, usize), String> {
    let value = row.try_get_raw(column.at).map_err(|error| error.to_string())?;
    let kind = value.type_info().name().to_owned();
    if value.is_null() {
        return Ok((None, 0));
    }
    let cell = match kind.as_str() {
        "INTEGER" | "BOOLEAN" => {
            let value = <i64 as Decode<Sqlite>>::decode(value).map_err(|error| error.to_string())?;
            let moment = || settings.moment(value).ok_or_else(|| format!("{value} seconds are no date or time"));
            match column.source {
                Source::Plain | Source::Number => Cell::Int(value),
                Source::Date => Cell::Day(moment()?.seconds.div_euclid(DAY_SECONDS)),
                Source::Time => Cell::Time { nanos: of_day(moment()?), has_zone: true },
                Source::Timestamp => Cell::Instant(moment()?),
            }
        }
        "REAL" => {
            let value = <f64 as Decode<Sqlite>>::decode(value).map_err(|error| error.to_string())?;
            match column.source {
                Source::Plain => Cell::Float64(value),
                Source::Number => match Number::parse(&format!("{value}")) {
                    Some(number) => Cell::Number(number),
                    None => Cell::Float64(value),
                },
                Source::Date => Cell::Day(julian(value).seconds.div_euclid(DAY_SECONDS)),
                Source::Time => Cell::Time { nanos: of_day(julian(value)), has_zone: true },
                Source::Timestamp => Cell::Instant(julian(value)),
            }
        }
        "BLOB" => {
            let bytes = <&[u8] as Decode<Sqlite>>::decode(value).map_err(|error| error.to_string())?;
            return Ok((Some(Cell::Bytes(bytes)), bytes.len()));
        }
        _ => {
            let text = <&str as Decode<Sqlite>>::decode(value).map_err(|error| error.to_string())?;
            let none = || match &settings.pattern {
                None => format!("{text:?} is no date or time as 2024-05-01 12:00:00.000"),
                Some(_) => format!("{text:?} is no date or time as date_string_format in connection.url has it"),
            };
            let shown = || settings.parse(text).or_else(|| parse_shown(text));
            let cell = match column.source {
                Source::Plain => Cell::Text(text),
                Source::Number => Cell::Number(Number::parse(text).ok_or_else(|| format!("{text:?} is no number"))?),
                Source::Date => match shown() {
                    Some(moment) => Cell::Day(moment.seconds.div_euclid(DAY_SECONDS)),
                    None => Cell::Day(parse_date(text).ok_or_else(none)?),
                },
                Source::Time => {
                    let nanos = parse_time(text).or_else(|| shown().map(of_day)).ok_or_else(none)?;
                    Cell::Time { nanos, has_zone: false }
                }
                Source::Timestamp => Cell::Shown(shown().ok_or_else(none)?),
            };
            return Ok((Some(cell), text.len()));
        }
    };
    Ok((Some(cell), 8))
}

/// Writes rows, each a value per binding.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    settings: &Settings,
    plan: &Plan,
    bindings: &[Binding],
    rows: &[&[Datum<'_>]],
) -> Result<u64, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "write rows", error);
    match plan {
        Plan::Rows { before, after } => {
            let row = format!("({})", vec!["?"; bindings.len()].join(","));
            let sql = format!("{before}VALUES {}{after}", vec![row.as_str(); rows.len()].join(","));
            let mut arguments = SqliteArguments::default();
            for row in rows {
                add(&mut arguments, settings, bindings, row)?;
            }
            let keep = rows.len().is_power_of_two();
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(keep);
            Ok(query.execute(connection).await.map_err(failed)?.rows_affected())
        }
        Plan::Each { sql } => {
            let mut changed = 0;
            for row in rows {
                let mut arguments = SqliteArguments::default();
                add(&mut arguments, settings, bindings, row)?;
                let done = sqlx::query_with(AssertSqlSafe(sql.as_str()), arguments).execute(&mut *connection).await;
                changed += done.map_err(failed)?.rows_affected();
            }
            Ok(changed)
        }
    }
}

fn add(
    arguments: &mut SqliteArguments,
    settings: &Settings,
    bindings: &[Binding],
    row: &[Datum<'_>],
) -> Result<(), SqlError> {
    for (binding, datum) in bindings.iter().zip(row) {
        let beyond = || SqlError::data(format!("{}: {} is beyond 64 bits of ms", binding.name, datum.text()));
        let mut moment = |moment: Moment, shown: Moment| settings.add(arguments, moment, shown).ok_or_else(beyond);
        let added = match datum {
            Datum::Null => arguments.add(None::<i64>),
            Datum::Boolean(value) => arguments.add(i64::from(*value)),
            Datum::Int(value) => arguments.add(*value),
            // SQLite would keep NULL in its place, and say nothing.
            Datum::Float32(value) if value.is_nan() => return Err(not_a_number(binding)),
            Datum::Float64(value) if value.is_nan() => return Err(not_a_number(binding)),
            Datum::Float32(value) => arguments.add(f64::from(*value)),
            Datum::Float64(value) => arguments.add(*value),
            Datum::Text(text) => arguments.add((*text).to_owned()),
            Datum::Owned(text) => arguments.add(text.clone()),
            Datum::Bytes(bytes) => arguments.add(bytes.to_vec()),
            Datum::OwnedBytes(bytes) => arguments.add(bytes.clone()),
            Datum::Number(number) => {
                check_digits(number, binding)?;
                arguments.add(number.text())
            }
            // As the driver of JDBC stores them.
            Datum::Day(day) => {
                let seconds = day.checked_mul(DAY_SECONDS).ok_or_else(beyond)?;
                let day = Moment { seconds, nanos: 0 };
                moment(day, day)?
            }
            Datum::Time(nanos) => {
                let time = Moment::of_nanos(*nanos);
                moment(time, time)?
            }
            Datum::Instant(at) => moment(*at, binding.shown(*at))?,
            Datum::List(_) => {
                return Err(SqlError::data(format!(
                    "{}: Unsupported source data type: ARRAY; turn it into JSON text with a transform",
                    binding.name
                )));
            }
        };
        added.map_err(|error| SqlError::data(format!("{}: {error}", binding.name)))?;
    }
    Ok(())
}

fn not_a_number(binding: &Binding) -> SqlError {
    SqlError::data(format!(
        "{}: NaN is no number that SQLite keeps: leave such records out, or replace it with a transform",
        binding.name
    ))
}

/// What SQLite would round in silence is refused: numbers in columns of numbers have 64 bits, whole or floating.
fn check_digits(number: &Number, binding: &Binding) -> Result<(), SqlError> {
    let kind = binding.kind.as_deref().unwrap_or_default().to_ascii_uppercase();
    let is_text = ["CHAR", "CLOB", "TEXT", "BLOB"].iter().any(|part| kind.contains(part)) && !kind.contains("INT");
    if kind.is_empty() || is_text || number.to_i64().is_some() || number.fits_f64() {
        return Ok(());
    }
    Err(SqlError::data(format!(
        "{}: {} has more digits than SQLite keeps of a number in a column of type {kind}: declare the column as TEXT",
        binding.name,
        shortened(&number.text())
    )))
}
