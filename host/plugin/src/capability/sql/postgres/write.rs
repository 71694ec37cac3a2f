//! Rows of batches on their way to PostgreSQL: many of them as one array per column, which the server unnests.

use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArguments, PgConnection, PgTypeInfo};
use sqlx::{Arguments, AssertSqlSafe, Statement};

use super::super::SqlError;
use super::super::bindings::{Binding, Datum, Refused};
use super::super::clock::{Moment, parse_date, parse_shown, parse_time};
use super::super::numeric::Number;
use super::super::statement::Plan;
use super::types::{Raw, date_bytes, hex, oid, timestamp_bytes};
use super::{PRODUCT, forget, is_stale, prepared};

/// What the values of a column are sent as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) enum Element {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Text,
    Bytea,
    /// With the digits that a column holds, if they are known.
    Numeric(Option<(i64, i32)>),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    /// Text that the server casts to a type.
    Cast(String),
}

impl Element {
    /// By the type of the column; if nobody says it, by the first value that is one.
    pub(in super::super) fn of(binding: &Binding, first: Option<&Datum<'_>>) -> Self {
        let Some(kind) = &binding.kind else {
            return match first {
                Some(Datum::Boolean(_)) => Self::Bool,
                Some(Datum::Int(_)) => Self::Int8,
                Some(Datum::Float32(_)) => Self::Float4,
                Some(Datum::Float64(_)) => Self::Float8,
                Some(Datum::Bytes(_) | Datum::OwnedBytes(_)) => Self::Bytea,
                Some(Datum::Number(_)) => Self::Numeric(None),
                Some(Datum::Day(_)) => Self::Date,
                Some(Datum::Time(_)) => Self::Time,
                Some(Datum::Instant(_)) => Self::Timestamp,
                Some(Datum::List(data)) => Self::Cast(match data.iter().find(|datum| **datum != Datum::Null) {
                    Some(Datum::Boolean(_)) => "boolean[]".to_owned(),
                    Some(Datum::Int(_)) => "bigint[]".to_owned(),
                    Some(Datum::Float32(_)) => "real[]".to_owned(),
                    Some(Datum::Float64(_)) => "double precision[]".to_owned(),
                    _ => "text[]".to_owned(),
                }),
                _ => Self::Text,
            };
        };
        let (word, modifier) = kind.split_once('(').unwrap_or((kind, ""));
        let behind = modifier.split_once(')').map_or("", |(_, behind)| behind).trim();
        let digits = || {
            let (digits, places) =
                modifier.split_once(')')?.0.split_once(',').or(modifier.split_once(')').map(|m| (m.0, "0")))?;
            Some((digits.trim().parse().ok()?, places.trim().parse().ok()?))
        };
        match word.trim().to_ascii_lowercase().as_str() {
            "bool" | "boolean" => Self::Bool,
            "int2" | "smallint" | "smallserial" => Self::Int2,
            "int4" | "integer" | "int" | "serial" => Self::Int4,
            "int8" | "bigint" | "bigserial" => Self::Int8,
            "float4" | "real" => Self::Float4,
            "float8" | "double precision" => Self::Float8,
            "text" | "varchar" | "character varying" | "bpchar" | "character" | "char" | "name"
                if behind.is_empty() =>
            {
                Self::Text
            }
            "bytea" => Self::Bytea,
            "numeric" | "decimal" if behind.is_empty() => Self::Numeric(digits()),
            "date" => Self::Date,
            "time" | "time without time zone" if !behind.starts_with("with time") => Self::Time,
            "timestamptz" | "timestamp with time zone" => Self::TimestampTz,
            "timestamp" if behind.starts_with("with time") => Self::TimestampTz,
            "timestamp" | "timestamp without time zone" if !behind.contains('[') => Self::Timestamp,
            _ => Self::Cast(type_name(kind)),
        }
    }

    /// The name of the array's type, without brackets.
    fn name(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Text | Self::Cast(_) => "text",
            Self::Bytea => "bytea",
            Self::Numeric(_) => "numeric",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
        }
    }

    /// Numbers of the type and of its arrays.
    fn numbers(&self) -> (u32, u32) {
        match self {
            Self::Bool => (oid::BOOL, 1000),
            Self::Int2 => (oid::INT2, 1005),
            Self::Int4 => (oid::INT4, 1007),
            Self::Int8 => (oid::INT8, 1016),
            Self::Float4 => (oid::FLOAT4, 1021),
            Self::Float8 => (oid::FLOAT8, 1022),
            Self::Text | Self::Cast(_) => (oid::TEXT, 1009),
            Self::Bytea => (oid::BYTEA, 1001),
            Self::Numeric(_) => (oid::NUMERIC, 1231),
            Self::Date => (oid::DATE, 1182),
            Self::Time => (oid::TIME, 1183),
            Self::Timestamp => (oid::TIMESTAMP, 1115),
            Self::TimestampTz => (oid::TIMESTAMPTZ, 1185),
        }
    }

    /// Appends a value that is not null.
    pub(in super::super) fn write(
        &self,
        datum: &Datum<'_>,
        binding: &Binding,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let refused = || format!("{}: {} is no {}", binding.name, shortened(&datum.text()), self.name());
        let whole = || -> Result<i64, Refused> {
            match datum {
                Datum::Int(value) => Ok(*value),
                Datum::Boolean(value) => Ok((*value).into()),
                Datum::Number(number) => number.to_i64().ok_or_else(refused),
                Datum::Float64(value) if value.fract() == 0.0 && value.abs() < 9.0e18 => Ok(*value as i64),
                Datum::Float32(value) if value.fract() == 0.0 && value.abs() < 9.0e18 => Ok(*value as i64),
                Datum::Text(text) => text.trim().parse().map_err(|_| refused()),
                Datum::Owned(text) => text.trim().parse().map_err(|_| refused()),
                _ => Err(refused()),
            }
        };
        let float = || -> Result<f64, Refused> {
            match datum {
                Datum::Int(value) => Ok(*value as f64),
                Datum::Float32(value) => Ok((*value).into()),
                Datum::Float64(value) => Ok(*value),
                Datum::Number(number) => Ok(number.to_f64()),
                Datum::Text(text) => text.trim().parse().map_err(|_| refused()),
                Datum::Owned(text) => text.trim().parse().map_err(|_| refused()),
                _ => Err(refused()),
            }
        };
        let shown = |has_zone: bool| -> Result<Moment, Refused> {
            match datum {
                Datum::Instant(moment) => Ok(if has_zone { binding.utc(*moment) } else { binding.shown(*moment) }),
                Datum::Day(day) => Ok(Moment { seconds: day.saturating_mul(86_400), nanos: 0 }),
                Datum::Text(text) => parse_shown(text).ok_or_else(refused),
                Datum::Owned(text) => parse_shown(text).ok_or_else(refused),
                _ => Err(refused()),
            }
        };
        match self {
            Self::Bool => match datum {
                Datum::Boolean(value) => out.push((*value).into()),
                Datum::Int(value) => out.push(u8::from(*value != 0)),
                Datum::Text(text) if text.eq_ignore_ascii_case("true") => out.push(1),
                Datum::Text(text) if text.eq_ignore_ascii_case("false") => out.push(0),
                _ => return Err(refused()),
            },
            Self::Int2 => out.extend(i16::try_from(whole()?).map_err(|_| refused())?.to_be_bytes()),
            Self::Int4 => out.extend(i32::try_from(whole()?).map_err(|_| refused())?.to_be_bytes()),
            Self::Int8 => out.extend(whole()?.to_be_bytes()),
            Self::Float4 => match datum {
                Datum::Float32(value) => out.extend(value.to_be_bytes()),
                _ => out.extend((float()? as f32).to_be_bytes()),
            },
            Self::Float8 => out.extend(float()?.to_be_bytes()),
            Self::Bytea => match datum {
                Datum::Bytes(bytes) => out.extend_from_slice(bytes),
                Datum::OwnedBytes(bytes) => out.extend_from_slice(bytes),
                Datum::Text(text) => out.extend_from_slice(text.as_bytes()),
                Datum::Owned(text) => out.extend_from_slice(text.as_bytes()),
                _ => return Err(refused()),
            },
            Self::Numeric(digits) => return write_numeric(datum, *digits, binding, out, &refused),
            Self::Date => {
                let day = match datum {
                    Datum::Day(day) => *day,
                    Datum::Instant(moment) => binding.shown(*moment).seconds.div_euclid(86_400),
                    Datum::Text(text) => parse_date(text.trim()).ok_or_else(refused)?,
                    Datum::Owned(text) => parse_date(text.trim()).ok_or_else(refused)?,
                    _ => return Err(refused()),
                };
                out.extend(date_bytes(day).ok_or_else(refused)?);
            }
            Self::Time => {
                let nanos = match datum {
                    Datum::Time(nanos) => *nanos,
                    Datum::Instant(moment) => {
                        let shown = binding.shown(*moment);
                        shown.seconds.rem_euclid(86_400) * 1_000_000_000 + i64::from(shown.nanos)
                    }
                    Datum::Text(text) => parse_time(text.trim()).ok_or_else(refused)?,
                    Datum::Owned(text) => parse_time(text.trim()).ok_or_else(refused)?,
                    _ => return Err(refused()),
                };
                out.extend((nanos / 1000).to_be_bytes());
            }
            Self::Timestamp => out.extend(timestamp_bytes(shown(false)?).ok_or_else(refused)?),
            Self::TimestampTz => out.extend(timestamp_bytes(shown(true)?).ok_or_else(refused)?),
            Self::Text => write_text(datum, binding, out)?,
            Self::Cast(kind) => match datum {
                Datum::List(data) => write_array_text(data, binding, out)?,
                Datum::Bytes(bytes) if kind.contains("bytea") => write_hex(bytes, out),
                Datum::Instant(moment) => {
                    out.extend_from_slice(format!("{}+00", binding.utc(*moment).shown(' ', 6)).as_bytes());
                }
                _ => write_text(datum, binding, out)?,
            },
        }
        Ok(())
    }
}

/// A value as a message shows it.
pub(in super::super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

fn write_text(datum: &Datum<'_>, binding: &Binding, out: &mut Vec<u8>) -> Result<(), Refused> {
    let owned;
    let text = match datum {
        Datum::Text(text) => *text,
        Datum::Owned(text) => text.as_str(),
        Datum::Instant(moment) => {
            owned = binding.shown(*moment).shown(' ', 6);
            &owned
        }
        Datum::Bytes(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| format!("{}: the bytes are no text: write them to a column of type bytea", binding.name))?,
        other => {
            owned = other.text();
            &owned
        }
    };
    if text.as_bytes().contains(&0) {
        return Err(format!("{}: the text has a zero byte, which PostgreSQL stores in no text", binding.name));
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes()));
}

/// `{"a",NULL,"b"}`.
fn write_array_text(data: &[Datum<'_>], binding: &Binding, out: &mut Vec<u8>) -> Result<(), Refused> {
    out.push(b'{');
    for (at, datum) in data.iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        match datum {
            Datum::Null => out.extend_from_slice(b"NULL"),
            Datum::List(inner) => write_array_text(inner, binding, out)?,
            _ => {
                let mut text = Vec::new();
                match datum {
                    Datum::Bytes(bytes) => write_hex(bytes, &mut text),
                    Datum::OwnedBytes(bytes) => write_hex(bytes, &mut text),
                    _ => write_text(datum, binding, &mut text)?,
                }
                out.push(b'"');
                for byte in text {
                    if matches!(byte, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(byte);
                }
                out.push(b'"');
            }
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_numeric(
    datum: &Datum<'_>,
    digits: Option<(i64, i32)>,
    binding: &Binding,
    out: &mut Vec<u8>,
    refused: &dyn Fn() -> Refused,
) -> Result<(), Refused> {
    let parsed;
    let number = match datum {
        Datum::Number(number) => number,
        Datum::Int(value) => {
            parsed = Number::of((*value).into(), 0);
            &parsed
        }
        Datum::Float64(value) if value.is_nan() => {
            out.extend_from_slice(&[0, 0, 0, 0, 0xC0, 0, 0, 0]);
            return Ok(());
        }
        Datum::Text(_) | Datum::Owned(_) | Datum::Float32(_) | Datum::Float64(_) => {
            parsed = Number::parse(&datum.text()).ok_or_else(refused)?;
            &parsed
        }
        _ => return Err(refused()),
    };
    if let Some((precision, scale)) = digits {
        let wide = precision - i64::from(scale) < number.whole_digits();
        let long = scale < number.scale && number.clone().rescaled(scale).is_none();
        if wide || long {
            let what = if wide { "more digits before the point" } else { "more digits behind the point" };
            return Err(format!(
                "{}: {} has {what} than numeric({precision},{scale}) holds; widen the column or round the value",
                binding.name,
                shortened(&number.text())
            ));
        }
    }
    number.write_postgres(out).map_err(|why| format!("{}: {why}", binding.name))
}

/// A type's name for a cast: one that is no plain word is written as it is, which is how the server writes it.
fn type_name(kind: &str) -> String {
    let is_word = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_plain = is_word && !kind.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_word && !is_plain { format!("\"{kind}\"") } else { kind.to_owned() }
}

/// An array of one dimension in the server's binary form.
fn array(element: &Element, binding: &Binding, data: &[&Datum<'_>]) -> Result<Vec<u8>, (usize, Refused)> {
    let (number, _) = element.numbers();
    let has_null = data.iter().any(|datum| **datum == Datum::Null);
    let size: usize = data.iter().map(|datum| datum.size() + 4).sum();
    let mut out = Vec::with_capacity(20 + size);
    out.extend(1_i32.to_be_bytes());
    out.extend(i32::from(has_null).to_be_bytes());
    out.extend(number.to_be_bytes());
    out.extend((data.len() as i32).to_be_bytes());
    out.extend(1_i32.to_be_bytes());
    for (at, datum) in data.iter().enumerate() {
        if **datum == Datum::Null {
            out.extend((-1_i32).to_be_bytes());
            continue;
        }
        let begin = out.len();
        out.extend([0; 4]);
        element.write(datum, binding, &mut out).map_err(|refused| (at, refused))?;
        let length = i32::try_from(out.len() - begin - 4).map_err(|_| (at, "a value of 2 GiB".to_owned()))?;
        out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(out)
}

/// The query that yields the rows of arrays.
fn unnest(elements: &[Element]) -> String {
    let arrays: Vec<String> =
        elements.iter().enumerate().map(|(at, element)| format!("${}::{}[]", at + 1, element.name())).collect();
    let columns: Vec<String> = (1..=elements.len()).map(|at| format!("c{at}")).collect();
    let read: Vec<String> = elements
        .iter()
        .zip(&columns)
        .map(|(element, column)| match element {
            Element::Cast(kind) => format!("r.{column}::{kind}"),
            _ => format!("r.{column}"),
        })
        .collect();
    format!("SELECT {} FROM unnest({}) AS r ({})", read.join(","), arrays.join(","), columns.join(","))
}

/// Writes rows, each a value per binding. An error whose `of_data` is set concerns one of them at least.
pub(in super::super) async fn write(
    connection: &mut PgConnection,
    plan: &Plan,
    bindings: &[Binding],
    elements: &[Element],
    rows: &[&[Datum<'_>]],
) -> Result<u64, SqlError> {
    let attempted = "write rows";
    match plan {
        Plan::Rows { before, after } => {
            let sql = format!("{before}{}{after}", unnest(elements));
            let mut arguments = PgArguments::default();
            for (at, (element, binding)) in elements.iter().zip(bindings).enumerate() {
                let column: Vec<&Datum<'_>> = rows.iter().map(|row| &row[at]).collect();
                let bytes = array(element, binding, &column).map_err(|(_, refused)| SqlError::data(refused))?;
                let kind = PgTypeInfo::with_oid(Oid(element.numbers().1));
                let added = arguments.add(Raw { kind, bytes: Some(bytes) });
                added.map_err(|error| SqlError::data(format!("{}: {error}", binding.name)))?;
            }
            run(connection, &sql, arguments, attempted).await
        }
        Plan::Each { sql, .. } => {
            let statement = prepared(connection, sql, attempted).await?;
            let types: Vec<PgTypeInfo> = match statement.parameters() {
                Some(sqlx::Either::Left(types)) => types.to_vec(),
                _ => Vec::new(),
            };
            let mut changed = 0;
            for row in rows {
                let mut arguments = PgArguments::default();
                for ((datum, binding), kind) in row.iter().zip(bindings).zip(&types) {
                    let bytes = match datum {
                        Datum::Null => None,
                        datum => Some(encode(datum, binding, kind).map_err(SqlError::data)?),
                    };
                    let added = arguments.add(Raw { kind: kind.clone(), bytes });
                    added.map_err(|error| SqlError::data(format!("{}: {error}", binding.name)))?;
                }
                changed += run(connection, sql, arguments, attempted).await?;
            }
            Ok(changed)
        }
    }
}

/// A value in the form of the type that the server has inferred.
fn encode(datum: &Datum<'_>, binding: &Binding, kind: &PgTypeInfo) -> Result<Vec<u8>, Refused> {
    let element = match super::types::number(super::types::base(kind)) {
        oid::BOOL => Element::Bool,
        oid::INT2 => Element::Int2,
        oid::INT4 => Element::Int4,
        oid::INT8 => Element::Int8,
        oid::FLOAT4 => Element::Float4,
        oid::FLOAT8 => Element::Float8,
        oid::NUMERIC => Element::Numeric(None),
        oid::BYTEA => Element::Bytea,
        oid::DATE => Element::Date,
        oid::TIME => Element::Time,
        oid::TIMESTAMP => Element::Timestamp,
        oid::TIMESTAMPTZ => Element::TimestampTz,
        oid::UUID => {
            let digits: String = datum.text().chars().filter(char::is_ascii_hexdigit).collect();
            let bytes = hex(&digits).filter(|bytes| bytes.len() == 16);
            return bytes.ok_or_else(|| format!("{}: {} is no uuid", binding.name, shortened(&datum.text())));
        }
        oid::JSONB => {
            let mut bytes = vec![1];
            write_text(datum, binding, &mut bytes)?;
            return Ok(bytes);
        }
        _ => Element::Text,
    };
    let mut bytes = Vec::new();
    element.write(datum, binding, &mut bytes)?;
    Ok(bytes)
}

async fn run(
    connection: &mut PgConnection,
    sql: &str,
    arguments: PgArguments,
    attempted: &str,
) -> Result<u64, SqlError> {
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *connection).await;
    match done {
        Ok(done) => Ok(done.rows_affected()),
        Err(error) => {
            let error = SqlError::driver(PRODUCT, attempted, error);
            if is_stale(&error) {
                forget(connection).await?;
            }
            Err(error)
        }
    }
}
