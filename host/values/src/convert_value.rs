//! `Values.convertToX`: a value as another type. The source schema may be missing; it matters only
//! for dates and times.

use millstream_record::{Decimal, Schema, Value, logical};

use crate::{
    JavaError,
    calendar::DAY_MS,
    decimal::{
        decimal_from_f64, decimal_to_f32, decimal_to_f64, decimal_to_i64, integer_to_i64, minimal_bytes, parse_decimal,
    },
    logical_type::{date_from_logical, time_from_logical, time_to_logical},
    value_text::value_text,
    values::{parse_string, to_header_text},
};

/// To INT8: the low bits of the 64-bit integer that the value stands for. Null stays null.
///
/// # Errors
///
/// A DataException if the value is no number, numeric text or dated value with its schema. So also below.
pub fn convert_to_byte(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, |number| Value::Int8(number as i8))
}

/// To INT16; see [`convert_to_byte`].
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_short(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, |number| Value::Int16(number as i16))
}

/// To INT32; see [`convert_to_byte`].
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_integer(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, |number| Value::Int32(number as i32))
}

/// To INT64; see [`convert_to_byte`].
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_long(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    integer(schema, value, Value::Int64)
}

fn integer(schema: Option<&Schema>, value: &Value, narrow: impl Fn(i64) -> Value) -> Result<Value, JavaError> {
    if value.is_null() { Ok(Value::Null) } else { as_i64(schema, value).map(narrow) }
}

/// To FLOAT32. Null stays null.
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_float(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Float64(number) => Value::Float32(*number as f32),
        Value::Float32(number) => Value::Float32(*number),
        Value::Decimal(number) => Value::Float32(decimal_to_f32(number)),
        Value::BigInteger(bytes) => Value::Float32(decimal_to_f32(&whole(bytes))),
        Value::String(text) => Value::Float32(decimal_to_f32(&text_number(text)?)),
        _ => Value::Float32(as_i64(schema, value)? as f32),
    })
}

/// To FLOAT64. Null stays null.
///
/// # Errors
///
/// See [`convert_to_byte`].
pub fn convert_to_double(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    if value.is_null() { Ok(Value::Null) } else { as_f64(schema, value).map(Value::Float64) }
}

/// To BOOLEAN: itself, text that reads as a boolean, or a number other than 0 once its fraction is
/// cut off. Null stays null.
///
/// # Errors
///
/// See [`convert_to_byte`]; text that reads as `null` is a NullPointerException.
pub fn convert_to_boolean(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    match value {
        Value::Null | Value::Boolean(_) => return Ok(value.clone()),
        Value::String(text) => match parse_string(text)? {
            Some((_, parsed @ Value::Boolean(_))) => return Ok(parsed),
            Some(_) => {}
            None => return Err(reads_as_null()),
        },
        _ => {}
    }
    as_i64(schema, value).map(|number| Value::Boolean(number != 0))
}

/// To STRING: the header text. Null stays null.
///
/// # Errors
///
/// See [`to_header_text`].
pub fn convert_to_string(value: &Value) -> Result<Value, JavaError> {
    Ok(to_header_text(value)?.map_or(Value::Null, Value::String))
}

/// To a list: itself, or text that reads as one.
///
/// # Errors
///
/// A DataException for anything else, null included.
pub fn convert_to_list(value: &Value) -> Result<Value, JavaError> {
    collection(value, |value| matches!(value, Value::List(_)), "array")
}

/// To a map: itself, or text that reads as one.
///
/// # Errors
///
/// A DataException for anything else, null included.
pub fn convert_to_map(value: &Value) -> Result<Value, JavaError> {
    collection(value, |value| matches!(value, Value::Map(_)), "map")
}

fn collection(value: &Value, fits: impl Fn(&Value) -> bool, what: &str) -> Result<Value, JavaError> {
    if fits(value) {
        return Ok(value.clone());
    }
    if value.is_null() {
        return Err(null_refused());
    }
    if let Value::String(text) = value
        && let Some((_, parsed)) = parse_string(text)?
        && fits(&parsed)
    {
        return Ok(parsed);
    }
    Err(unable(value, what))
}

/// To a struct: itself.
///
/// # Errors
///
/// A DataException for anything else, null included.
pub fn convert_to_struct(value: &Value) -> Result<Value, JavaError> {
    match value {
        Value::Struct(..) => Ok(value.clone()),
        Value::Null => Err(null_refused()),
        _ => Err(unable(value, "struct")),
    }
}

/// To a Date.
///
/// # Errors
///
/// See [`to_instant`].
pub fn convert_to_date(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    to_instant(logical::DATE, schema, value)
}

/// To a Time.
///
/// # Errors
///
/// See [`to_instant`].
pub fn convert_to_time(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    to_instant(logical::TIME, schema, value)
}

/// To a Timestamp.
///
/// # Errors
///
/// See [`to_instant`].
pub fn convert_to_timestamp(schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    to_instant(logical::TIMESTAMP, schema, value)
}

/// To the dated logical type of that name. A number counts in the target's unit, and so does a Date
/// that becomes a Time; a Timestamp becomes its day or its time of day.
///
/// # Errors
///
/// A DataException for null, for what is no number and for a number that is no time of day; text that
/// reads as `null` is a NullPointerException.
pub fn to_instant(target: &str, schema: Option<&Schema>, value: &Value) -> Result<Value, JavaError> {
    let source = schema.and_then(|schema| schema.name.as_deref());
    match value {
        Value::Null => return Err(null_refused()),
        Value::Instant(ms) => {
            if let Some(instant) = convert_instant(target, schema.is_none(), source, *ms) {
                return Ok(Value::Instant(instant));
            }
        }
        Value::String(text) => match parse_string(text)? {
            Some((_, Value::Instant(ms))) => {
                if let Some(instant) = convert_instant(target, schema.is_none(), source, ms) {
                    return Ok(Value::Instant(instant));
                }
            }
            Some(_) => {}
            None => return Err(reads_as_null()),
        },
        _ => {}
    }
    let number = as_i64(schema, value)?;
    Ok(Value::Instant(match target {
        logical::DATE => i64::from(number as i32) * DAY_MS,
        logical::TIME => time_to_logical(&Schema::time(), number as i32)?,
        _ => number,
    }))
}

/// An instant of one dated type as another; `None` where it counts as a number.
fn convert_instant(target: &str, no_schema: bool, source: Option<&str>, ms: i64) -> Option<i64> {
    if no_schema || source == Some(target) {
        return Some(ms);
    }
    match (source?, target) {
        (logical::TIMESTAMP, logical::DATE) => Some(ms / DAY_MS * DAY_MS),
        (logical::TIMESTAMP, logical::TIME) => Some(ms.rem_euclid(DAY_MS)),
        (logical::DATE, logical::TIMESTAMP) => Some(ms),
        _ => None,
    }
}

/// To a decimal: itself, bytes as unscaled integer, other numbers by the text of their double, text
/// as it is written.
///
/// # Errors
///
/// A NumberFormatException for other text, NaN and infinities; a DataException for null and the rest.
pub fn convert_to_decimal(value: &Value, scale: i32) -> Result<Value, JavaError> {
    let not_a_number = || JavaError::number_format(format!("{} is not a number", value_text(value)));
    let decimal = match value {
        Value::Null => return Err(null_refused()),
        Value::Decimal(_) => return Ok(value.clone()),
        Value::Bytes(bytes) if bytes.is_empty() => return Err(JavaError::number_format("Zero length BigInteger")),
        Value::Bytes(bytes) => Some(Decimal { unscaled: minimal_bytes(bytes).to_vec(), scale }),
        Value::String(text) => parse_decimal(text),
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::BigInteger(_) => {
            decimal_from_f64(as_f64(None, value)?)
        }
        Value::Float32(number) => decimal_from_f64(f64::from(*number)),
        Value::Float64(number) => decimal_from_f64(*number),
        _ => return Err(unable(value, "BigDecimal")),
    };
    decimal.map(Value::Decimal).ok_or_else(not_a_number)
}

/// The 64-bit integer a value stands for: floats saturate, decimals keep the low bits.
fn as_i64(schema: Option<&Schema>, value: &Value) -> Result<i64, JavaError> {
    Ok(match value {
        Value::Int8(number) => i64::from(*number),
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        Value::Float32(number) => *number as i64,
        Value::Float64(number) => *number as i64,
        Value::Decimal(number) => decimal_to_i64(number),
        Value::BigInteger(bytes) => integer_to_i64(bytes),
        Value::String(text) => decimal_to_i64(&text_number(text)?),
        Value::Instant(ms) => match schema {
            Some(schema) if schema.name.as_deref() == Some(logical::DATE) => i64::from(date_from_logical(schema, *ms)?),
            Some(schema) if schema.name.as_deref() == Some(logical::TIME) => i64::from(time_from_logical(schema, *ms)?),
            Some(schema) if schema.name.as_deref() == Some(logical::TIMESTAMP) => *ms,
            _ => return Err(unable(value, "number")),
        },
        _ => return Err(unable(value, "number")),
    })
}

fn as_f64(schema: Option<&Schema>, value: &Value) -> Result<f64, JavaError> {
    Ok(match value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        Value::Decimal(number) => decimal_to_f64(number),
        Value::BigInteger(bytes) => decimal_to_f64(&whole(bytes)),
        Value::String(text) => decimal_to_f64(&text_number(text)?),
        _ => as_i64(schema, value)? as f64,
    })
}

fn whole(bytes: &[u8]) -> Decimal {
    Decimal { unscaled: bytes.to_vec(), scale: 0 }
}

fn text_number(text: &str) -> Result<Decimal, JavaError> {
    parse_decimal(text).ok_or_else(|| unable(&Value::String(text.to_owned()), "number"))
}

fn unable(value: &Value, target: &str) -> JavaError {
    JavaError::data(format!("Unable to convert {} (class {}) to a {target}", value_text(value), value.java_class()))
}

fn null_refused() -> JavaError {
    JavaError::data("Unable to convert a null value to a schema that requires a value")
}

fn reads_as_null() -> JavaError {
    JavaError::null_pointer("the text stands for null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_narrow_through_64_bits() {
        assert_eq!(convert_to_integer(None, &Value::Float64(1e20)), Ok(Value::Int32(-1)));
        assert_eq!(convert_to_byte(None, &Value::Int32(70000)), Ok(Value::Int8(112)));
        assert_eq!(convert_to_long(None, &"12.7".into()), Ok(Value::Int64(12)));
        assert_eq!(convert_to_double(None, &"1e400".into()), Ok(Value::Float64(f64::INFINITY)));
        assert!(convert_to_long(None, &" 1".into()).is_err());
        assert!(convert_to_long(None, &Value::Boolean(true)).is_err());
    }

    #[test]
    fn booleans_read_text_and_numbers() {
        for (value, expected) in [("1e3", Some(true)), ("0", Some(false)), ("true", Some(true)), ("TRUE", None)] {
            assert_eq!(convert_to_boolean(None, &value.into()).ok(), expected.map(Value::Boolean), "{value}");
        }
    }

    #[test]
    fn dated_values_convert_by_their_schema() {
        let at = Value::Instant;
        let timestamp = Schema::timestamp();
        assert_eq!(convert_to_date(Some(&timestamp), &at(-1)), Ok(at(0)));
        assert_eq!(convert_to_time(Some(&timestamp), &at(-1)), Ok(at(86_399_999)));
        assert_eq!(convert_to_time(Some(&Schema::date()), &at(3 * DAY_MS)), Ok(at(3)));
        assert_eq!(convert_to_date(None, &"42".into()), Ok(at(42 * DAY_MS)));
        assert_eq!(convert_to_date(None, &"2019-08-23".into()), Ok(at(1_566_518_400_000)));
        let text = Schema::new(millstream_record::SchemaType::String);
        assert!(convert_to_date(Some(&text), &"2019-08-23".into()).is_err());
    }

    #[test]
    fn decimals_of_numbers_go_through_their_double() {
        let text = |value| convert_to_decimal(&value, 0).map(|value| value_text(&value));
        assert_eq!(text(Value::Int32(70000)), Ok("70000.0".to_owned()));
        assert_eq!(text(Value::Int64(i64::MAX)), Ok("9.223372036854776E+18".to_owned()));
        assert!(text("x".into()).is_err_and(|error| error.class().ends_with("NumberFormatException")));
    }
}
