//! MySQL and MariaDB.

use std::collections::HashMap;

use futures::StreamExt;
use serde_json::{Value as Json, json};
use sqlx::mysql::{MySqlArguments, MySqlColumn, MySqlConnection, MySqlRow};
use sqlx::{
    Arguments, AssertSqlSafe, Column as _, ColumnOrigin, Decode, Executor, Row, SqlSafeStr as _, Statement, TypeInfo,
};

use super::SqlError;
use super::bindings::{Binding, Datum};
use super::clock::{Moment, Zone, day_of};
use super::columns::{Cell, ColumnInfo, Form, Layout, NO_SCALE, ReadColumn};
use super::connect::Login;
use super::numeric::Number;
use super::options::{Parameter, QueryOptions, SessionOptions, UnsignedBigint};
use super::placeholders::Placeholders;
use super::postgres::write::shortened;
use super::rows::{Outcome, Pump, Query};
use super::session::{About, TableFilter, TableName};
use super::statement::Plan;
use super::url::Product;

/// Parameters of the drivers' URLs that are honoured, or that mean nothing for what this host does.
pub(super) const PARAMETERS: [&str; 56] = [
    "user",
    "password",
    "sslMode",
    "useSSL",
    "useSsl",
    "requireSSL",
    "verifyServerCertificate",
    "serverSslCert",
    "sslCa",
    "sslCert",
    "sslKey",
    "allowPublicKeyRetrieval",
    "serverTimezone",
    "connectionTimeZone",
    "forceConnectionTimeZoneToSession",
    "preserveInstants",
    "characterEncoding",
    "useUnicode",
    "characterSetResults",
    "connectionCollation",
    "zeroDateTimeBehavior",
    "tinyInt1isBit",
    "transformedBitIsBoolean",
    "yearIsDateType",
    "useCursorFetch",
    "defaultFetchSize",
    "rewriteBatchedStatements",
    "nullCatalogMeansCurrent",
    "nullDatabaseMeansCurrent",
    "connectTimeout",
    "socketTimeout",
    "autoReconnect",
    "autoReconnectForPools",
    "failOverReadOnly",
    "maxReconnects",
    "sessionVariables",
    "useBulkStmts",
    "allowLocalInfile",
    "allowLoadLocalInfile",
    "allowMultiQueries",
    "tcpKeepAlive",
    "useServerPrepStmts",
    "cachePrepStmts",
    "prepStmtCacheSize",
    "prepStmtCacheSqlLimit",
    "useLegacyDatetimeCode",
    "useJDBCCompliantTimezoneShift",
    "jdbcCompliantTruncation",
    "cacheServerConfiguration",
    "useInformationSchema",
    "useCompression",
    "noDatetimeStringSync",
    "sendFractionalSeconds",
    "enabledTLSProtocols",
    "tlsVersions",
    "permitMysqlScheme",
];

/// What the URL says about values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) product: Product,
    zero_dates: ZeroDates,
    years_are_dates: bool,
}

/// What becomes of `0000-00-00`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ZeroDates {
    Refused,
    Null,
    /// The first day that there is.
    Rounded,
}

/// How a column's bytes are to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Signed(u8),
    Unsigned(u8),
    Float,
    Double,
    Decimal,
    Text,
    Bytes,
    Bit,
    Date,
    Year,
    Time,
    Datetime,
    Timestamp,
    Unknown,
}

/// Settings of a new session, and which of the databases it is.
pub(super) async fn begin_session(
    connection: &mut MySqlConnection,
    login: &Login,
    options: &SessionOptions,
    attempted: &str,
) -> Result<Settings, SqlError> {
    let parameter = |name: &str| login.target.parameter(name).filter(|value| !value.is_empty());
    let product = login.target.product;
    let failed = |error| SqlError::driver(product, attempted, error);
    let row = sqlx::query("SELECT CAST(VERSION() AS CHAR)").fetch_one(&mut *connection).await.map_err(failed)?;
    let version: String = row.try_get(0).map_err(failed)?;
    let product = if version.contains("MariaDB") { Product::MariaDb } else { Product::MySql };
    // As the drivers of JDBC: what does not fit is refused rather than cut off.
    let mut sets = vec!["sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES')".to_owned()];
    if let Some(variables) = parameter("sessionVariables") {
        sets.extend(variables.split([',', ';']).filter(|one| !one.trim().is_empty()).map(|one| one.trim().to_owned()));
    }
    let set = format!("SET SESSION {}", sets.join(", "));
    plain(connection, &set).await.map_err(failed)?;
    if let Some(level) = options.isolation {
        plain(connection, &format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}")).await.map_err(failed)?;
    }
    if options.read_only {
        plain(connection, "SET SESSION TRANSACTION READ ONLY").await.map_err(failed)?;
    }
    let zero_dates = match parameter("zeroDateTimeBehavior").unwrap_or("EXCEPTION").to_ascii_uppercase().as_str() {
        "CONVERT_TO_NULL" | "CONVERTTONULL" => ZeroDates::Null,
        "ROUND" => ZeroDates::Rounded,
        _ => ZeroDates::Refused,
    };
    let years_are_dates = parameter("yearIsDateType") != Some("false");
    Ok(Settings { product, zero_dates, years_are_dates })
}

/// Runs a statement that has no parameters.
pub(super) async fn plain(connection: &mut MySqlConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// The statement that cancels what runs over a connection.
pub(super) async fn cancels(connection: &mut MySqlConnection, settings: Settings) -> Result<String, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "look at the connection", error);
    let sql = "SELECT CAST(CONNECTION_ID() AS SIGNED)";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed)?;
    let id: i64 = row.try_get(0).map_err(failed)?;
    Ok(format!("KILL {id}"))
}

pub(super) async fn about(connection: &mut MySqlConnection, settings: Settings) -> Result<About, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "look at the database", error);
    let sql = "SELECT CAST(VERSION() AS CHAR), CAST(DATABASE() AS CHAR)";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed)?;
    Ok(About {
        version: row.try_get(0).map_err(failed)?,
        catalog: row.try_get(1).map_err(failed)?,
        schema: None,
        identifier_max: 64,
    })
}

pub(super) async fn now(connection: &mut MySqlConnection, settings: Settings) -> Result<String, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "look at the database's clock", error);
    // The session is in UTC.
    let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed)?;
    Ok(Moment::of_micros(row.try_get(0).map_err(failed)?).text())
}

pub(super) async fn tables(
    connection: &mut MySqlConnection,
    settings: Settings,
    filter: &TableFilter,
) -> Result<Vec<TableName>, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "list tables", error);
    let sql = "SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR), CAST(table_type AS CHAR) FROM \
               information_schema.tables WHERE table_schema LIKE COALESCE(?, DATABASE(), '%') AND table_name LIKE ? \
               ORDER BY table_type, table_schema, table_name";
    let rows = sqlx::query(sql).bind(&filter.catalog).bind(&filter.name).fetch_all(connection).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            let kind: String = row.try_get(2).map_err(failed)?;
            let kind = match kind.as_str() {
                "BASE TABLE" | "SYSTEM VERSIONED" => "TABLE",
                "SYSTEM VIEW" => "SYSTEM TABLE",
                other => other,
            };
            Ok(TableName {
                catalog: Some(row.try_get(0).map_err(failed)?),
                schema: None,
                name: row.try_get(1).map_err(failed)?,
                kind: kind.to_owned(),
            })
        })
        .collect()
}

/// Columns by table and name, as the catalogue has them.
async fn catalogue(
    connection: &mut MySqlConnection,
    settings: Settings,
    schema: &str,
    table: &str,
    options: &QueryOptions,
) -> Result<Vec<(ColumnInfo, Source)>, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "look at columns", error);
    let sql = "SELECT CAST(column_name AS CHAR), CAST(column_type AS CHAR), CAST(data_type AS CHAR), is_nullable = 'YES', \
               extra LIKE '%auto_increment%', CAST(column_default AS CHAR), CAST(numeric_precision AS SIGNED), \
               CAST(numeric_scale AS SIGNED) FROM information_schema.columns WHERE table_schema = ? AND table_name = ? \
               ORDER BY ordinal_position";
    let rows = sqlx::query(sql).bind(schema).bind(table).fetch_all(connection).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            let kind: String = row.try_get(1).map_err(failed)?;
            let precision: Option<i64> = row.try_get(6).map_err(failed)?;
            let scale: Option<i64> = row.try_get(7).map_err(failed)?;
            let precision = precision.and_then(|digits| u32::try_from(digits).ok());
            let scale = scale.and_then(|places| i32::try_from(places).ok());
            let (source, form) = source(&kind, precision, scale, settings, options).unzip();
            let nullable: i64 = row.try_get(3).map_err(failed)?;
            let auto: i64 = row.try_get(4).map_err(failed)?;
            let info = ColumnInfo {
                name: row.try_get(0).map_err(failed)?,
                base: row.try_get(2).map_err(failed)?,
                nullable: Some(nullable != 0),
                auto: auto != 0,
                default: row.try_get(5).map_err(failed)?,
                precision,
                scale,
                instant: source == Some(Source::Timestamp),
                form,
                kind,
            };
            Ok((info, source.unwrap_or(Source::Unknown)))
        })
        .collect()
}

pub(super) async fn table(
    connection: &mut MySqlConnection,
    settings: Settings,
    parts: &[String],
    options: &QueryOptions,
) -> Result<Option<Json>, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "look at the table", error);
    let (schema, name) = match parts {
        [name] => (None, name),
        [schema, name] | [schema, _, name] => (Some(schema), name),
        _ => return Ok(None),
    };
    let sql = "SELECT CAST(table_schema AS CHAR), CAST(table_name AS CHAR), CAST(table_type AS CHAR) FROM \
               information_schema.tables WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
    let row = sqlx::query(sql).bind(schema).bind(name).fetch_optional(&mut *connection).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let (schema, name): (String, String) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let kind: String = row.try_get(2).map_err(failed)?;
    let kind = if kind == "BASE TABLE" || kind == "SYSTEM VERSIONED" { "TABLE" } else { &kind };
    let columns = catalogue(connection, settings, &schema, &name, options).await?;
    let sql = "SELECT CAST(index_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.statistics WHERE \
               table_schema = ? AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index";
    let rows = sqlx::query(sql).bind(&schema).bind(&name).fetch_all(connection).await.map_err(failed)?;
    let (mut primary, mut unique) = (Vec::new(), Vec::<(String, Vec<String>)>::new());
    for row in &rows {
        let index: String = row.try_get(0).map_err(failed)?;
        // Part of an index over an expression.
        let Some(column): Option<String> = row.try_get(1).map_err(failed)? else { continue };
        match unique.last_mut() {
            _ if index == "PRIMARY" => primary.push(column),
            Some((last, columns)) if *last == index => columns.push(column),
            _ => unique.push((index, vec![column])),
        }
    }
    let columns: Vec<Json> = columns.iter().map(|(column, _)| column.json()).collect();
    let unique: Vec<Vec<String>> = unique.into_iter().map(|(_, columns)| columns).collect();
    Ok(Some(json!({
        "catalog": schema, "schema": null, "name": name, "type": kind, "columns": columns, "primary": primary,
        "unique": unique,
    })))
}

/// How a column is read and what it becomes, by its type as the database writes it.
fn source(
    kind: &str,
    precision: Option<u32>,
    scale: Option<i32>,
    settings: Settings,
    options: &QueryOptions,
) -> Option<(Source, Form)> {
    let kind = kind.to_ascii_lowercase();
    let word = kind.split(['(', ' ']).next().unwrap_or_default();
    let unsigned = kind.contains("unsigned");
    let whole = |width: u8, signed: Form, wider: Form| {
        if unsigned { (Source::Unsigned(width), wider) } else { (Source::Signed(width), signed) }
    };
    Some(match word {
        "tinyint" | "boolean" | "bool" => whole(1, Form::Int8, Form::Int16),
        "smallint" => whole(2, Form::Int16, Form::Int32),
        "mediumint" | "int" | "integer" => whole(4, Form::Int32, Form::Int64),
        "bigint" => match (unsigned, options.unsigned_bigint) {
            (true, UnsignedBigint::Decimal) => (Source::Unsigned(8), Form::Decimal { scale: 0, precision: Some(20) }),
            (true, UnsignedBigint::Text) => (Source::Unsigned(8), Form::Text),
            _ => whole(8, Form::Int64, Form::Int64),
        },
        "float" => (Source::Float, Form::Float32),
        "double" | "real" => (Source::Double, Form::Float64),
        "decimal" | "numeric" => (Source::Decimal, Form::Decimal { scale: scale.unwrap_or(NO_SCALE), precision }),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" | "json" | "uuid"
        | "inet4" | "inet6" => (Source::Text, Form::Text),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" | "point"
        | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection"
        | "geomcollection" => (Source::Bytes, Form::Bytes),
        "bit" if kind == "bit(1)" => (Source::Bit, Form::Int8),
        "bit" => (Source::Bytes, Form::Bytes),
        "date" => (Source::Date, Form::Date),
        "year" if settings.years_are_dates => (Source::Year, Form::Date),
        "year" => (Source::Unsigned(2), Form::Int16),
        "time" => (Source::Time, Form::Time),
        "datetime" => (Source::Datetime, Form::Timestamp(options.granularity)),
        "timestamp" => (Source::Timestamp, Form::Timestamp(options.granularity)),
        _ => return None,
    })
}

/// A query's columns, each with how it is read.
async fn columns(
    connection: &mut MySqlConnection,
    settings: Settings,
    sql: &str,
    options: &QueryOptions,
) -> Result<Vec<(ColumnInfo, Source)>, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "prepare the query", error);
    // What was prepared before may not fit its tables any more.
    sqlx::Connection::clear_cached_statements(&mut *connection).await.map_err(failed)?;
    let statement = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await.map_err(failed)?;
    let columns: Vec<MySqlColumn> = statement.columns().to_vec();
    let mut known: HashMap<String, Vec<(ColumnInfo, Source)>> = HashMap::new();
    let mut found = Vec::new();
    for column in &columns {
        let mut of_table = None;
        if let ColumnOrigin::Table(origin) = column.origin() {
            if !known.contains_key(&*origin.table) {
                let (schema, table) = origin.table.split_once('.').unwrap_or(("", &origin.table));
                let columns = catalogue(connection, settings, schema, table, options).await?;
                known.insert(origin.table.to_string(), columns);
            }
            of_table = known[&*origin.table].iter().find(|(info, _)| info.name == *origin.name).cloned();
        }
        found.push(match of_table {
            Some((info, source)) => (ColumnInfo { name: column.name().to_owned(), ..info }, source),
            None => {
                let kind = column.type_info().name().to_ascii_lowercase();
                let (source, form) = source(&kind, None, None, settings, options).unzip();
                let info = ColumnInfo {
                    name: column.name().to_owned(),
                    base: kind.clone(),
                    kind,
                    nullable: None,
                    auto: false,
                    default: None,
                    precision: None,
                    scale: None,
                    instant: source == Some(Source::Timestamp),
                    form,
                };
                (info, source.unwrap_or(Source::Unknown))
            }
        });
    }
    Ok(found)
}

pub(super) async fn check(
    connection: &mut MySqlConnection,
    settings: Settings,
    sql: &str,
    options: &QueryOptions,
) -> Result<Json, SqlError> {
    let sql = Placeholders::of(sql, settings.product).written(settings.product);
    let columns = columns(connection, settings, &sql, options).await?;
    Ok(columns.iter().map(|(column, _)| column.json()).collect())
}

/// Values for placeholders.
fn arguments(parameters: &[Parameter], zone: &Zone) -> Result<MySqlArguments, SqlError> {
    let mut arguments = MySqlArguments::default();
    for (at, Parameter { kind, value }) in parameters.iter().enumerate() {
        let odd = || SqlError::data(format!("the value for placeholder {} is no {kind}", at + 1));
        let Some(text) = value else {
            arguments.add(None::<&str>).map_err(|_| odd())?;
            continue;
        };
        let added = match kind.as_str() {
            "boolean" => arguments.add(i8::from(text.eq_ignore_ascii_case("true"))),
            "int64" => arguments.add(text.trim().parse::<i64>().map_err(|_| odd())?),
            "float64" => arguments.add(text.trim().parse::<f64>().map_err(|_| odd())?),
            "bytes" => arguments.add(super::postgres::hex(text).ok_or_else(odd)?),
            "timestamp" => {
                let moment = Moment::parse(text).ok_or_else(odd)?;
                arguments.add(zone.shown_at(moment).shown(' ', 6))
            }
            "instant" => arguments.add(Moment::parse(text).ok_or_else(odd)?.shown(' ', 6)),
            _ => arguments.add(text.as_str()),
        };
        added.map_err(|_| odd())?;
    }
    Ok(arguments)
}

pub(super) async fn execute(
    connection: &mut MySqlConnection,
    settings: Settings,
    sql: &str,
    parameters: &[Parameter],
    zone: &Zone,
) -> Result<u64, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "run the statement", error);
    let sql = Placeholders::of(sql, settings.product).written(settings.product);
    if parameters.is_empty() {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(failed)?;
        return Ok(done.rows_affected());
    }
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments(parameters, zone)?);
    Ok(query.execute(connection).await.map_err(failed)?.rows_affected())
}

/// Runs a query and answers requests for its rows.
pub(super) async fn rows(connection: &mut MySqlConnection, settings: Settings, query: Query, pump: Pump) -> Outcome {
    let sql = Placeholders::of(&query.sql, settings.product).written(settings.product);
    let opened = async {
        let columns = columns(connection, settings, &sql, &query.options).await?;
        Ok((columns, arguments(&query.parameters, &query.options.zone)?))
    };
    let (mut columns, arguments) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return query.failed(error),
    };
    let mut stream = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch(connection);
    let first = stream.next().await;
    if let Some(Ok(row)) = &first {
        // How many places the decimals of an expression have is not said by the driver, but by each of them.
        for (at, (info, source)) in columns.iter_mut().enumerate() {
            if *source == Source::Decimal
                && info.scale.is_none()
                && let Some(text) = bytes(row, at).and_then(|bytes| std::str::from_utf8(bytes).ok())
            {
                let places = text.split_once('.').map_or(0, |(_, places)| places.len() as i32);
                info.form = Some(Form::Decimal { scale: places, precision: None });
            }
        }
    }
    let layout = match Layout::new(columns, &query.options) {
        Ok(layout) => layout,
        Err(error) => {
            drop(stream);
            return query.failed(error);
        }
    };
    pump.run(query, settings.product, layout, first, stream, |row, column| cell(row, column, settings)).await
}

fn bytes(row: &MySqlRow, at: usize) -> Option<&[u8]> {
    let value = row.try_get_raw(at).ok()?;
    // A NULL has no bytes.
    <&[u8] as Decode<sqlx::MySql>>::decode(value).ok()
}

const DAMAGED: &str = "the server's bytes are no value of the column's type";

/// A value of a row, and its bytes.
fn cell<'r>(
    row: &'r MySqlRow,
    column: &ReadColumn<Source>,
    settings: Settings,
) -> Result<(Option<Cell<'r>>, usize), String> {
    let Some(bytes) = bytes(row, column.at) else { return Ok((None, 0)) };
    Ok((read(column.source, bytes, settings)?, bytes.len()))
}

fn read(source: Source, bytes: &[u8], settings: Settings) -> Result<Option<Cell<'_>>, String> {
    let little = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned());
    Ok(Some(match source {
        Source::Signed(_) => match bytes.len() {
            1 => Cell::Int((bytes[0] as i8).into()),
            2 => Cell::Int((little(bytes) as i16).into()),
            4 => Cell::Int((little(bytes) as i32).into()),
            8 => Cell::Int(little(bytes) as i64),
            _ => return Err(DAMAGED.to_owned()),
        },
        Source::Unsigned(_) if matches!(bytes.len(), 1 | 2 | 4 | 8) => Cell::Unsigned(little(bytes)),
        Source::Unsigned(_) => return Err(DAMAGED.to_owned()),
        Source::Float => Cell::Float32(f32::from_le_bytes(bytes.try_into().map_err(|_| DAMAGED)?)),
        Source::Double => Cell::Float64(f64::from_le_bytes(bytes.try_into().map_err(|_| DAMAGED)?)),
        Source::Decimal => Cell::Number(Number::parse(text(bytes)?).ok_or(DAMAGED)?),
        Source::Text => Cell::Text(text(bytes)?),
        Source::Bytes => Cell::Bytes(bytes),
        Source::Bit => Cell::Int(i64::from(bytes.last().is_some_and(|byte| *byte != 0))),
        Source::Year => {
            let year = i64::try_from(little(bytes)).map_err(|_| DAMAGED)?;
            match day_of(year, 1, 1) {
                Some(day) if year != 0 => Cell::Day(day),
                _ => return zero_date(settings, true),
            }
        }
        Source::Time => {
            let Some((_, rest)) = bytes.split_first() else { return Err(DAMAGED.to_owned()) };
            let nanos = match rest {
                [] => 0,
                [0, d0, d1, d2, d3, h, m, s, micros @ ..] => {
                    let days = i64::from(u32::from_le_bytes([*d0, *d1, *d2, *d3]));
                    let seconds = days * 86_400 + i64::from(*h) * 3600 + i64::from(*m) * 60 + i64::from(*s);
                    seconds * 1_000_000_000 + little(micros) as i64 * 1000
                }
                _ => return Err("a negative time is no time of day for Connect: read the column as text".to_owned()),
            };
            Cell::Time { nanos, has_zone: false }
        }
        Source::Date | Source::Datetime | Source::Timestamp => {
            let Some((_, rest)) = bytes.split_first() else { return Err(DAMAGED.to_owned()) };
            let (year, month, day) = match rest {
                [y0, y1, month, day, ..] => {
                    (i64::from(u16::from_le_bytes([*y0, *y1])), i64::from(*month), i64::from(*day))
                }
                _ => (0, 0, 0),
            };
            let time = match rest.get(4..) {
                Some([h, m, s, ..]) => i64::from(*h) * 3600 + i64::from(*m) * 60 + i64::from(*s),
                _ => 0,
            };
            let micros = rest.get(7..).map_or(0, |micros| little(micros) as u32);
            let Some(days) = day_of(year, month, day) else { return zero_date(settings, source == Source::Date) };
            let shown = Moment { seconds: days * 86_400 + time, nanos: micros * 1000 };
            match source {
                Source::Date => Cell::Day(days),
                Source::Datetime => Cell::Shown(shown),
                // The session is in UTC.
                _ => Cell::Instant(shown),
            }
        }
        Source::Unknown => return Err("the column is of a type that is not read".to_owned()),
    }))
}

/// `0000-00-00`, and dates of which a part is zero.
fn zero_date<'c>(settings: Settings, is_date: bool) -> Result<Option<Cell<'c>>, String> {
    match settings.zero_dates {
        ZeroDates::Null => Ok(None),
        ZeroDates::Rounded => {
            let day = day_of(1, 1, 1).unwrap_or_default();
            let shown = Moment { seconds: day * 86_400, nanos: 0 };
            Ok(Some(if is_date { Cell::Day(day) } else { Cell::Shown(shown) }))
        }
        ZeroDates::Refused => {
            Err("Zero date value prohibited: a date with a zero year, month or day is no date; read it as \
                                   NULL (zeroDateTimeBehavior=CONVERT_TO_NULL in connection.url)"
                .to_owned())
        }
    }
}

/// Writes rows, each a value per binding.
pub(super) async fn write(
    connection: &mut MySqlConnection,
    settings: Settings,
    plan: &Plan,
    bindings: &[Binding],
    rows: &[&[Datum<'_>]],
) -> Result<u64, SqlError> {
    let failed = |error| SqlError::driver(settings.product, "write rows", error);
    match plan {
        Plan::Rows { before, after } => {
            let row = format!("({})", vec!["?"; bindings.len()].join(","));
            let sql = format!("{before}VALUES {}{after}", vec![row.as_str(); rows.len()].join(","));
            let mut arguments = MySqlArguments::default();
            for row in rows {
                add(&mut arguments, bindings, row)?;
            }
            // Few numbers of rows come again, so few of these statements are worth keeping.
            let keep = rows.len() == 1 || rows.len().is_power_of_two();
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(keep);
            Ok(query.execute(connection).await.map_err(failed)?.rows_affected())
        }
        Plan::Each { sql } => {
            let mut changed = 0;
            for row in rows {
                let mut arguments = MySqlArguments::default();
                add(&mut arguments, bindings, row)?;
                let done = sqlx::query_with(AssertSqlSafe(sql.as_str()), arguments).execute(&mut *connection).await;
                changed += done.map_err(failed)?.rows_affected();
            }
            Ok(changed)
        }
    }
}

fn add(arguments: &mut MySqlArguments, bindings: &[Binding], row: &[Datum<'_>]) -> Result<(), SqlError> {
    for (binding, datum) in bindings.iter().zip(row) {
        let is_instant = binding.kind.as_deref().is_some_and(|kind| {
            kind.split(['(', ' ']).next().is_some_and(|word| word.eq_ignore_ascii_case("timestamp"))
        });
        let not_finite = || {
            let text = shortened(&datum.text());
            SqlError::data(format!("{}: {text} is no number that MySQL and MariaDB know", binding.name))
        };
        let added = match datum {
            Datum::Null => arguments.add(None::<&str>),
            Datum::Boolean(value) => arguments.add(i8::from(*value)),
            Datum::Int(value) => arguments.add(*value),
            Datum::Float32(value) if !value.is_finite() => return Err(not_finite()),
            Datum::Float64(value) if !value.is_finite() => return Err(not_finite()),
            Datum::Float32(value) => arguments.add(*value),
            Datum::Float64(value) => arguments.add(*value),
            Datum::Text(text) => arguments.add(*text),
            Datum::Owned(text) => arguments.add(text.as_str()),
            Datum::Bytes(bytes) => arguments.add(*bytes),
            Datum::OwnedBytes(bytes) => arguments.add(bytes.as_slice()),
            Datum::Number(number) => {
                check_digits(number, binding)?;
                arguments.add(number.text())
            }
            Datum::Day(_) => arguments.add(datum.text()),
            Datum::Time(nanos) => {
                let mut text = String::new();
                super::clock::time_text(*nanos, 6, &mut text);
                arguments.add(text)
            }
            Datum::Instant(moment) if is_instant => arguments.add(binding.utc(*moment).shown(' ', 6)),
            Datum::Instant(moment) => arguments.add(binding.shown(*moment).shown(' ', 6)),
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

/// What MySQL would round in silence is refused, where the binding says how many digits the column holds.
fn check_digits(number: &Number, binding: &Binding) -> Result<(), SqlError> {
    let digits = binding.kind.as_deref().and_then(|kind| {
        let (places, _) = kind.split_once('(')?.1.split_once(')')?;
        places.split_once(',').map_or(Some(0), |(_, scale)| scale.trim().parse::<i32>().ok())
    });
    match digits {
        Some(scale) if scale < number.scale && number.clone().rescaled(scale).is_none() => {
            let text = shortened(&number.text());
            Err(SqlError::data(format!(
                "{}: {text} has more digits behind the point than the column holds ({scale}); widen the column or round \
                 the value",
                binding.name
            )))
        }
        _ => Ok(()),
    }
}
