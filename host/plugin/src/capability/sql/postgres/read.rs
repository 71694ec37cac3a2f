//! Values out of the server's binary form.

use sqlx::postgres::PgRow;
use sqlx::{Row, ValueRef};

use super::super::clock::Moment;
use super::super::columns::{Cell, ReadColumn};
use super::super::numeric::Number;
use super::types::{EPOCH_DAYS, EPOCH_SECONDS, Source};

const DAMAGED: &str = "the server's bytes are no value of the column's type";

/// A value of a row, and its bytes.
pub(super) fn cell<'r>(row: &'r PgRow, column: &ReadColumn<Source>) -> Result<(Option<Cell<'r>>, usize), String> {
    // Looked at where it is: this is done for each value of a table, and moving it costs more than reading most of them.
    let found = row.try_get_raw(column.at);
    let value = match &found {
        Ok(value) => value,
        Err(error) => return Err(error.to_string()),
    };
    if value.is_null() {
        return Ok((None, 0));
    }
    let bytes = value.as_bytes().map_err(|error| error.to_string())?;
    Ok((Some(read(&column.source, bytes)?), bytes.len()))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| DAMAGED.to_owned())
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8: check the database's encoding".to_owned())
}

fn timestamp<'c>(bytes: &[u8], make: impl Fn(Moment) -> Cell<'c>) -> Result<Cell<'c>, String> {
    Ok(match i64::from_be_bytes(fixed(bytes)?) {
        i64::MAX => Cell::Infinity("infinity"),
        i64::MIN => Cell::Infinity("-infinity"),
        micros => {
            let since = Moment::of_micros(micros);
            make(Moment { seconds: since.seconds + EPOCH_SECONDS, nanos: since.nanos })
        }
    })
}

fn read<'r>(source: &Source, bytes: &'r [u8]) -> Result<Cell<'r>, String> {
    Ok(match source {
        Source::Bool => Cell::Boolean(fixed::<1>(bytes)?[0] != 0),
        Source::Int2 => Cell::Int(i16::from_be_bytes(fixed(bytes)?).into()),
        Source::Int4 => Cell::Int(i32::from_be_bytes(fixed(bytes)?).into()),
        Source::Int8 => Cell::Int(i64::from_be_bytes(fixed(bytes)?)),
        Source::Oid => Cell::Int(u32::from_be_bytes(fixed(bytes)?).into()),
        Source::Float4 => Cell::Float32(f32::from_be_bytes(fixed(bytes)?)),
        Source::Float8 => Cell::Float64(f64::from_be_bytes(fixed(bytes)?)),
        // The currency's places are the server's secret; nearly all have two.
        Source::Money => Cell::Float64(i64::from_be_bytes(fixed(bytes)?) as f64 / 100.0),
        Source::Numeric => match Number::of_postgres(bytes)? {
            Ok(number) => Cell::Number(number),
            Err(none) => Cell::NoNumber(none),
        },
        Source::Text | Source::Char => Cell::Text(text(bytes)?),
        Source::Jsonb => match bytes.split_first() {
            Some((1, json)) => Cell::Text(text(json)?),
            _ => return Err(DAMAGED.to_owned()),
        },
        Source::Uuid => Cell::Owned(uuid(&fixed(bytes)?)),
        Source::Bytea => Cell::Bytes(bytes),
        Source::Date => match i32::from_be_bytes(fixed(bytes)?) {
            i32::MAX => Cell::Infinity("infinity"),
            i32::MIN => Cell::Infinity("-infinity"),
            days => Cell::Day(i64::from(days) + EPOCH_DAYS),
        },
        Source::Time => Cell::Time { nanos: i64::from_be_bytes(fixed(bytes)?).saturating_mul(1000), has_zone: false },
        Source::TimeTz => {
            let bytes: [u8; 12] = fixed(bytes)?;
            let (micros, west) = bytes.split_at(8);
            let (micros, west) = (i64::from_be_bytes(fixed(micros)?), i32::from_be_bytes(fixed(west)?));
            let utc = micros.saturating_add(i64::from(west) * 1_000_000).rem_euclid(86_400_000_000);
            Cell::Time { nanos: utc.saturating_mul(1000), has_zone: true }
        }
        Source::Timestamp => timestamp(bytes, Cell::Shown)?,
        Source::TimestampTz => timestamp(bytes, Cell::Instant)?,
        Source::Bit => Cell::Boolean(bits(bytes)?.first().is_some_and(|byte| byte & 0x80 != 0)),
        Source::FewBits => {
            let length = u32::from_be_bytes(fixed(bytes.get(..4).ok_or(DAMAGED)?)?).min(8);
            let byte = bits(bytes)?.first().copied().unwrap_or_default();
            // As a signed byte, which eight bits may make negative.
            Cell::Int(i64::from((byte.checked_shr(8 - length).unwrap_or_default()) as i8))
        }
        Source::Bits => Cell::Bytes(bits(bytes)?),
        Source::Array(element) => Cell::List(elements(element, bytes)?),
        Source::Unknown => return Err("the column is of a type that is not read".to_owned()),
    })
}

/// The bits behind their number.
fn bits(bytes: &[u8]) -> Result<&[u8], String> {
    bytes.get(4..).ok_or_else(|| DAMAGED.to_owned())
}

fn uuid(bytes: &[u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The elements of an array of one dimension.
fn elements<'r>(element: &Source, bytes: &'r [u8]) -> Result<Vec<Option<Cell<'r>>>, String> {
    let word =
        |at: usize| -> Result<i32, String> { Ok(i32::from_be_bytes(fixed(bytes.get(at..at + 4).ok_or(DAMAGED)?)?)) };
    let dimensions = word(0)?;
    if dimensions == 0 {
        return Ok(Vec::new());
    }
    if dimensions != 1 {
        return Err(format!("an array of {dimensions} dimensions has no place in Connect: unnest it in a query"));
    }
    let count = usize::try_from(word(12)?).map_err(|_| DAMAGED.to_owned())?;
    let mut rest = bytes.get(20..).ok_or(DAMAGED)?;
    // The server says how many there are, the bytes how many there can be.
    let mut cells = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        let (head, tail) = rest.split_at_checked(4).ok_or(DAMAGED)?;
        match usize::try_from(i32::from_be_bytes(fixed(head)?)) {
            Err(_) => {
                cells.push(None);
                rest = tail;
            }
            Ok(length) => {
                let (value, tail) = tail.split_at_checked(length).ok_or(DAMAGED)?;
                cells.push(Some(read(element, value)?));
                rest = tail;
            }
        }
    }
    Ok(cells)
}
