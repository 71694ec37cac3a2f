//! Connect's logical types: between a value's meaning and how it is carried.

use millstream_record::{Decimal, Schema, logical};

use crate::{JavaError, calendar::DAY_MS, decimal::minimal_bytes, java_text::parse_int};

/// Milliseconds of a day, which Time takes as its upper end.
const TIME_MAX: i64 = DAY_MS;

fn check_name(schema: &Schema, name: &str, what: &str) -> Result<(), JavaError> {
    if schema.name.as_deref() == Some(name) {
        return Ok(());
    }
    Err(JavaError::data(format!("Requested conversion of {what} object but the schema does not match.")))
}

/// The days that a Date stands for, from its milliseconds.
///
/// # Errors
///
/// The schema is not Connect's Date, or the instant is not midnight.
pub fn date_from_logical(schema: &Schema, ms: i64) -> Result<i32, JavaError> {
    check_name(schema, logical::DATE, "Date")?;
    if ms.rem_euclid(DAY_MS) != 0 {
        let message = "Kafka Connect Date type should not have any time fields set to non-zero values.";
        return Err(JavaError::data(message));
    }
    // Java narrows without a check too.
    Ok((ms / DAY_MS) as i32)
}

/// The milliseconds of a Date carried as days.
///
/// # Errors
///
/// The schema is not Connect's Date.
pub fn date_to_logical(schema: &Schema, days: i32) -> Result<i64, JavaError> {
    check_name(schema, logical::DATE, "Date")?;
    Ok(i64::from(days) * DAY_MS)
}

/// The milliseconds since midnight that a Time stands for.
///
/// # Errors
///
/// The schema is not Connect's Time, or the instant is not on 1970-01-01 (its end included).
pub fn time_from_logical(schema: &Schema, ms: i64) -> Result<i32, JavaError> {
    check_name(schema, logical::TIME, "Time")?;
    if !(0..=TIME_MAX).contains(&ms) {
        let message = "Kafka Connect Time type should not have any date fields set to non-zero values.";
        return Err(JavaError::data(message));
    }
    Ok(ms as i32)
}

/// The instant of a Time carried as milliseconds since midnight.
///
/// # Errors
///
/// The schema is not Connect's Time, or the number is no time of day.
pub fn time_to_logical(schema: &Schema, ms: i32) -> Result<i64, JavaError> {
    check_name(schema, logical::TIME, "Time")?;
    if !(0..=TIME_MAX).contains(&i64::from(ms)) {
        let message = "Time values must use number of milliseconds greater than 0 and less than 86400000";
        return Err(JavaError::data(message));
    }
    Ok(i64::from(ms))
}

/// The number that carries a Timestamp, which is its milliseconds; also the way back.
///
/// # Errors
///
/// The schema is not Connect's Timestamp.
pub fn timestamp_from_logical(schema: &Schema, ms: i64) -> Result<i64, JavaError> {
    check_name(schema, logical::TIMESTAMP, "Timestamp")?;
    Ok(ms)
}

/// See [`timestamp_from_logical`].
///
/// # Errors
///
/// The schema is not Connect's Timestamp.
pub fn timestamp_to_logical(schema: &Schema, ms: i64) -> Result<i64, JavaError> {
    timestamp_from_logical(schema, ms)
}

/// The scale of a Decimal schema. Its name is not looked at.
///
/// # Errors
///
/// The parameter is missing (DataException; NullPointerException without any parameters) or no number.
pub fn decimal_scale(schema: &Schema) -> Result<i32, JavaError> {
    let Some(parameters) = &schema.parameters else {
        return Err(JavaError::null_pointer("Decimal schema has no parameters"));
    };
    let Some((_, text)) = parameters.0.iter().find(|(key, _)| key == logical::SCALE) else {
        return Err(JavaError::data("Invalid Decimal schema: scale parameter not found."));
    };
    parse_int(text, 32)
        .map(|scale| scale as i32)
        .ok_or_else(|| JavaError::data("Invalid scale parameter found in Decimal schema: "))
}

/// The bytes that carry a decimal.
///
/// # Errors
///
/// The schema has no scale, or another one than the value.
pub fn decimal_from_logical<'a>(schema: &Schema, value: &'a Decimal) -> Result<&'a [u8], JavaError> {
    let scale = decimal_scale(schema)?;
    if value.scale != scale {
        return Err(JavaError::data(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
            value.scale
        )));
    }
    Ok(minimal_bytes(&value.unscaled))
}

/// The decimal that bytes carry.
///
/// # Errors
///
/// The schema has no scale, or there is no byte (NumberFormatException).
pub fn decimal_to_logical(schema: &Schema, bytes: &[u8]) -> Result<Decimal, JavaError> {
    let scale = decimal_scale(schema)?;
    if bytes.is_empty() {
        return Err(JavaError::number_format("Zero length BigInteger"));
    }
    Ok(Decimal { unscaled: minimal_bytes(bytes).to_vec(), scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_the_end_of_the_day_and_dates_midnight_only() {
        assert_eq!(time_from_logical(&Schema::time(), 86_400_000), Ok(86_400_000));
        assert!(time_from_logical(&Schema::time(), -1).is_err());
        assert!(time_to_logical(&Schema::time(), 86_400_001).is_err());
        assert_eq!(date_from_logical(&Schema::date(), -86_400_000), Ok(-1));
        assert!(date_from_logical(&Schema::date(), 1).is_err());
        assert!(date_from_logical(&Schema::time(), 0).is_err());
    }

    #[test]
    fn a_decimal_must_have_its_schemas_scale() {
        let value = Decimal { unscaled: vec![0, 0x9C], scale: 2 };
        assert_eq!(decimal_from_logical(&Schema::decimal(2), &value), Ok(&[0, 0x9C][..]));
        let error = decimal_from_logical(&Schema::decimal(1), &value).expect_err("another scale");
        assert!(error.message().ends_with("Schema has scale 1, value has scale 2."));
        assert!(decimal_to_logical(&Schema::decimal(2), &[]).is_err());
    }
}
