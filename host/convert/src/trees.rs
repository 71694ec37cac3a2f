//! What the converters share: failures, checks of logical types, and defaults.

use millstream_connector::{ErrorKind, Failure, RowError};
use millstream_record::{Schema, Value, logical};
use millstream_values::JavaError;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A DataException.
pub fn data(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Data, "", message)
}

/// A failure that the values crate reports, as the host knows failures.
pub fn failure(error: JavaError) -> Failure {
    let kind = if error.class().ends_with("ConfigException") { ErrorKind::Config } else { ErrorKind::Data };
    Failure::new(kind, error.class(), error.message())
}

/// The failure of a row.
pub fn row_error(row: usize, failure: Failure) -> RowError {
    RowError { row: row as u32, link: 0, failure, field: None }
}

/// `class X` as Java prints a value's class.
pub fn class_text(value: &Value) -> String {
    format!("class {}", value.java_class())
}

/// Days since the epoch of an instant under Connect's Date.
pub fn date_days(ms: i64) -> Result<i32, Failure> {
    if ms.rem_euclid(DAY_MS) != 0 {
        return Err(data("Kafka Connect Date type should not have any time fields set to non-zero values."));
    }
    Ok((ms / DAY_MS) as i32)
}

/// Milliseconds of the day of an instant under Connect's Time.
pub fn time_ms(ms: i64) -> Result<i32, Failure> {
    if !(0..=DAY_MS).contains(&ms) {
        return Err(data("Kafka Connect Time type should not have any date fields set to non-zero values."));
    }
    Ok(ms as i32)
}

/// An instant from the number that its logical type stores.
pub fn instant_from_stored(name: &str, stored: i64) -> Result<i64, Failure> {
    match name {
        logical::DATE => Ok(stored * DAY_MS),
        logical::TIME if !(0..=DAY_MS).contains(&stored) => {
            Err(data("Time values must use number of milliseconds greater than 0 and less than 86400000"))
        }
        _ => Ok(stored),
    }
}

/// The scale of a Decimal schema.
pub fn decimal_scale(schema: &Schema) -> Result<i32, Failure> {
    let Some(parameters) = &schema.parameters else {
        return Err(Failure::new(
            ErrorKind::Data,
            "java.lang.NullPointerException",
            "the Decimal schema has no parameters",
        ));
    };
    let scale = parameters.0.iter().find(|(key, _)| key == logical::SCALE).map(|(_, scale)| scale);
    let scale = scale.ok_or_else(|| data("Invalid Decimal schema: scale parameter not found."))?;
    scale.parse().map_err(|_| data("Invalid scale parameter found in Decimal schema: "))
}

/// Checks a decimal's scale against its schema's, as writing it as bytes demands.
pub fn check_scale(schema: &Schema, scale: i32) -> Result<(), Failure> {
    let wanted = decimal_scale(schema)?;
    if wanted == scale {
        return Ok(());
    }
    Err(data(format!(
        "Decimal value has mismatching scale for given Decimal schema. Schema has scale {wanted}, value has scale {scale}."
    )))
}
