//! `Values.convertToX`: a value as another type. The source schema may be missing; it matters only
//! for dates and times.

use millstream_record::{Decimal, Schema, Value, logical};

pub use crate::convert_number::{
    convert_to_byte, convert_to_double, convert_to_float, convert_to_integer, convert_to_long, convert_to_short,
};
use crate::{
    JavaError,
    convert_number::{as_f64, as_i64, convert_instant, number_to_instant, unable},
    decimal::{decimal_from_f64, minimal_bytes, parse_decimal},
    value_text::value_text,
    values::{parse_string, to_header_text},
};

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
    number_to_instant(target, schema, value)
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

fn null_refused() -> JavaError {
    JavaError::data("Unable to convert a null value to a schema that requires a value")
}

fn reads_as_null() -> JavaError {
    JavaError::null_pointer("the text stands for null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::DAY_MS;

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
