//! What the converters share: failures, checks of logical types, and defaults.

use std::fmt::Display;

use millstream_connector::{ErrorKind, Failure, RowError};
use millstream_record::{Schema, Value, logical};
use millstream_values::JavaError;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A DataException.
pub fn data(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Data, "", message)
}

/// A DataException with what stood there and what should have, where Connect's own words leave that open.
#[cold]
pub fn found(message: impl Into<String>, found: impl Display, wanted: impl Display) -> Failure {
    Failure { causes: vec![format!("found {found}, wanted {wanted}")], ..data(message) }
}

/// The same failure in a field. Where it is in one already, this is the one around it.
#[cold]
pub fn in_field(failure: Failure, name: &str) -> Failure {
    // A name with a dot, and one that would not be seen, stands between backticks, as in field paths.
    let step = if name.is_empty() || name.contains('.') { format!("`{name}`") } else { name.to_owned() };
    in_step(failure, &step)
}

/// The same failure in an element of an array.
#[cold]
pub fn in_element(failure: Failure, index: usize) -> Failure {
    in_step(failure, &format!("[{index}]"))
}

fn in_step(mut failure: Failure, step: &str) -> Failure {
    const FIELD: &str = "field ";
    /// Longer paths lose their inner end; whoever nests that deeply, or names fields so, is told where it begins.
    const MAX_PATH: usize = 1_000;
    failure.at = Some(match failure.at.as_deref().and_then(|at| at.strip_prefix(FIELD)) {
        None => format!("{FIELD}{step}"),
        Some(inner) if MAX_PATH < inner.len() => format!("{FIELD}{step}…"),
        Some(inner) if inner.starts_with('[') => format!("{FIELD}{step}{inner}"),
        Some(inner) => format!("{FIELD}{step}.{inner}"),
    });
    failure
}

/// A failure that the values crate reports, as the host knows failures.
pub fn failure(error: JavaError) -> Failure {
    let kind = if error.class().ends_with("ConfigException") { ErrorKind::Config } else { ErrorKind::Data };
    Failure::new(kind, error.class(), error.message())
}

/// Outside a chain, and not of one field.
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
        let message = "Kafka Connect Date type should not have any time fields set to non-zero values.";
        return Err(found(message, format!("{ms} ms"), "a whole day"));
    }
    Ok((ms / DAY_MS) as i32)
}

/// Milliseconds of the day of an instant under Connect's Time.
pub fn time_ms(ms: i64) -> Result<i32, Failure> {
    if !(0..=DAY_MS).contains(&ms) {
        let message = "Kafka Connect Time type should not have any date fields set to non-zero values.";
        return Err(found(message, format!("{ms} ms"), "0 to 86400000 ms"));
    }
    Ok(ms as i32)
}

/// An instant from the number that its logical type stores.
pub fn instant_from_stored(name: &str, stored: i64) -> Result<i64, Failure> {
    match name {
        logical::DATE => Ok(stored * DAY_MS),
        logical::TIME if !(0..=DAY_MS).contains(&stored) => {
            let message = "Time values must use number of milliseconds greater than 0 and less than 86400000";
            Err(found(message, stored, "0 to 86400000"))
        }
        _ => Ok(stored),
    }
}

/// The number of digits behind the point, from the schema's parameters.
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
    let invalid = || found("Invalid scale parameter found in Decimal schema: ", format!("{scale:?}"), "an integer");
    scale.parse().map_err(|_| invalid())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_whole_path_and_what_was_found() {
        let failure = in_field(in_element(in_field(found("bad", "STRING", "INT32"), "x.y"), 3), "a");
        assert_eq!(
            failure.trace(),
            "org.apache.kafka.connect.errors.DataException: bad\n\tat field a[3].`x.y`\n\
             Caused by: found STRING, wanted INT32\n"
        );
        assert_eq!(in_field(in_field(data(""), ""), "a").at.as_deref(), Some("field a.``"));
    }
}
