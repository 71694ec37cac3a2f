//! Definitions of tables and columns for records' schemas.

use millstream_sdk::{Error, Result, Schema, SchemaType, Value, logical, values::value_text};

use super::{
    fields::{Field, Fields},
    settings::Settings,
};
use crate::{
    dialect::{Dialect, Spelling},
    table_name::TableName,
};

/// The statement that makes a table for these columns.
///
/// # Errors
///
/// A field has a type for which there is no column.
pub fn create(settings: &Settings, spelling: Spelling, table: &TableName, fields: &Fields) -> Result<String> {
    let mut lines = ordered(fields)
        .into_iter()
        .map(|field| column(settings, spelling, field, fields.is_key(&field.name)))
        .collect::<Result<Vec<_>>>()?;
    if !fields.keys.is_empty() {
        let keys = spelling.names(fields.keys.iter().map(|key| key.name.as_str()))?;
        lines.push(format!("PRIMARY KEY({})", keys.join(",")));
    }
    Ok(format!("CREATE TABLE {} (\n{})", table.spelled(spelling)?, lines.join(",\n")))
}

/// The statements that add columns to a table.
///
/// # Errors
///
/// A field has a type for which there is no column.
pub fn alter(settings: &Settings, spelling: Spelling, table: &TableName, missing: &[&Field]) -> Result<Vec<String>> {
    let specs = missing.iter().map(|field| column(settings, spelling, field, false)).collect::<Result<Vec<_>>>()?;
    let table = table.spelled(spelling)?;
    let adds: Vec<String> = specs.iter().map(|spec| format!("ADD {spec}")).collect();
    Ok(match (spelling.dialect, adds.as_slice()) {
        (Dialect::Sqlite, adds) => adds.iter().map(|add| format!("ALTER TABLE {table} {add}")).collect(),
        (_, [one]) => vec![format!("ALTER TABLE {table} {one}")],
        (_, adds) => vec![format!("ALTER TABLE {table} \n{}", adds.join(",\n"))],
    })
}

/// The columns of a new table in their order: those that say where a record comes from, the value's fields, the rest by name.
fn ordered(fields: &Fields) -> Vec<&Field> {
    use super::fields::From;
    let is_default = |field: &&Field| {
        field.name.starts_with("__connect_") && matches!(field.from, From::Topic | From::Partition | From::Offset)
    };
    let is_value = |field: &&Field| matches!(field.from, From::Value | From::ValueField(_));
    let mut columns: Vec<&Field> = fields.all().filter(is_default).collect();
    // Keys that are fields of the value stand among the keys here, and in the schema's order there.
    columns.extend(fields.all().filter(is_value));
    let mut rest: Vec<&Field> = fields.all().filter(|field| !is_default(field) && !is_value(field)).collect();
    rest.sort_by(|a, b| a.name.cmp(&b.name));
    columns.extend(rest);
    columns
}

fn column(settings: &Settings, spelling: Spelling, field: &Field, is_key: bool) -> Result<String> {
    let schema = &field.schema;
    let as_timestamp = settings.timestamp_fields.contains(&field.name);
    let short = is_key || schema.default.is_some();
    let mut spec =
        format!("{} {}", spelling.name(&field.name)?, type_of(spelling.dialect, schema, as_timestamp, short)?);
    let default = schema.default.as_ref().filter(|default| !default.is_null());
    match default.and_then(|default| literal(settings, spelling.dialect, schema, default)) {
        Some(default) => spec.push_str(&format!(" DEFAULT {default}")),
        None if schema.optional && !is_key => spec.push_str(" NULL"),
        None => spec.push_str(" NOT NULL"),
    }
    Ok(spec)
}

/// The type of a column. `short` texts can be in a key, or have a default, where MySQL's TEXT can not.
fn type_of(dialect: Dialect, schema: &Schema, as_timestamp: bool, short: bool) -> Result<String> {
    use Dialect::{MySql, PostgreSql, Sqlite};
    let pick = |postgres: &str, mysql: &str, sqlite: &str| {
        let text = match dialect {
            PostgreSql => postgres,
            MySql => mysql,
            Sqlite => sqlite,
        };
        Ok(text.to_owned())
    };
    if as_timestamp && matches!(schema.kind, SchemaType::Int64 | SchemaType::String) {
        return pick("TIMESTAMP", "DATETIME(6)", "NUMERIC");
    }
    if schema.is_decimal() {
        let scale =
            schema.parameters.iter().flat_map(|parameters| &parameters.0).find(|(name, _)| name == logical::SCALE);
        let scale = scale.and_then(|(_, scale)| scale.parse::<i32>().ok()).unwrap_or_default();
        // More decimals MySQL does not take; what does not fit, it refuses row by row.
        return pick("DECIMAL", &format!("DECIMAL(65,{})", scale.clamp(0, 30)), "NUMERIC");
    }
    match (schema.name.as_deref(), &schema.kind) {
        (Some(logical::DATE), SchemaType::Int32) => pick("DATE", "DATE", "NUMERIC"),
        (Some(logical::TIME), SchemaType::Int32) => pick("TIME", "TIME(3)", "NUMERIC"),
        (Some(logical::TIMESTAMP), SchemaType::Int64) => pick("TIMESTAMP", "DATETIME(3)", "NUMERIC"),
        (_, SchemaType::Int8) => pick("SMALLINT", "TINYINT", "INTEGER"),
        (_, SchemaType::Int16) => pick("SMALLINT", "SMALLINT", "INTEGER"),
        (_, SchemaType::Int32) => pick("INT", "INT", "INTEGER"),
        (_, SchemaType::Int64) => pick("BIGINT", "BIGINT", "INTEGER"),
        (_, SchemaType::Float32) => pick("REAL", "FLOAT", "REAL"),
        (_, SchemaType::Float64) => pick("DOUBLE PRECISION", "DOUBLE", "REAL"),
        (_, SchemaType::Boolean) => pick("BOOLEAN", "TINYINT", "INTEGER"),
        (_, SchemaType::String) => pick("TEXT", if short { "VARCHAR(255)" } else { "TEXT" }, "TEXT"),
        (_, SchemaType::Bytes) => pick("BYTEA", if short { "VARBINARY(255)" } else { "VARBINARY(1024)" }, "BLOB"),
        (_, SchemaType::Array(Some(element))) if dialect == PostgreSql && element.kind.is_primitive() => {
            Ok(format!("{}[]", type_of(dialect, element, false, false)?))
        }
        _ => Err(unmapped(schema)),
    }
}

fn unmapped(schema: &Schema) -> Error {
    let name = schema.name.as_deref().unwrap_or("null");
    Error::config(format!(
        "{name} ({}) type doesn't have a mapping to the SQL database column type: leave the field out (fields.whitelist, or a transform), or flatten it",
        schema.kind.name()
    ))
}

/// A default as a literal; none where there is none that means the same.
fn literal(settings: &Settings, dialect: Dialect, schema: &Schema, value: &Value) -> Option<String> {
    let is = |name: &str| schema.name.as_deref() == Some(name);
    Some(match value {
        Value::Boolean(value) => match dialect {
            Dialect::PostgreSql => if *value { "TRUE" } else { "FALSE" }.to_owned(),
            Dialect::MySql | Dialect::Sqlite => i32::from(*value).to_string(),
        },
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::Decimal(_) => value_text(value),
        Value::Float32(number) if number.is_finite() => value_text(value),
        Value::Float64(number) if number.is_finite() => value_text(value),
        Value::String(text) if !text.contains('\0') => dialect.literal(text),
        Value::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            match dialect {
                Dialect::PostgreSql => format!("'\\x{hex}'"),
                Dialect::MySql | Dialect::Sqlite => format!("x'{hex}'"),
            }
        }
        Value::Instant(ms) if is(logical::DATE) => format!("'{}'", date(*ms)?),
        Value::Instant(ms) if is(logical::TIME) => format!("'{}'", time(*ms)),
        // A wall clock's time elsewhere is not this one.
        Value::Instant(ms) if is(logical::TIMESTAMP) && settings.connection.zone == "UTC" => {
            format!("'{} {}'", date(*ms)?, time(*ms))
        }
        _ => return None,
    })
}

const DAY_MS: i64 = 86_400_000;

fn time(ms: i64) -> String {
    let of_day = ms.rem_euclid(DAY_MS);
    let (hours, minutes, seconds) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", of_day % 1000)
}

/// The day in the proleptic Gregorian calendar, in UTC; none beyond the years that databases take.
fn date(ms: i64) -> Option<String> {
    let days = ms.div_euclid(DAY_MS) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (1..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}
