//! What a plugin reports when it cannot do what it was asked.

use std::{borrow::Cow, error::Error as StdError, fmt};

use millstream_record::batch::CannotEncode;
use millstream_values::JavaError;

/// What the host does about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// Trying the same again later may succeed.
    Retriable,
    /// The record is at fault.
    Data,
    /// The configuration is at fault.
    Config,
    /// Anything else. The task fails.
    Fatal,
}

/// Names of Java exception classes that users of Kafka Connect know from traces and from the headers
/// of dead letters.
pub mod class {
    /// A configuration value is at fault.
    pub const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";
    /// Anything a connector reports without a more telling class.
    pub const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";
    /// A record's data is at fault.
    pub const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";
    /// The same may succeed later.
    pub const RETRIABLE_EXCEPTION: &str = "org.apache.kafka.connect.errors.RetriableException";
    /// A schema cannot be built.
    pub const SCHEMA_BUILDER_EXCEPTION: &str = "org.apache.kafka.connect.errors.SchemaBuilderException";
    /// Something has no place among Java's or Connect's own checks.
    pub const ILLEGAL_ARGUMENT_EXCEPTION: &str = "java.lang.IllegalArgumentException";
}

/// A failure in the plugin's own words. The plugin stays usable after it has reported one.
///
/// ```
/// use millstream_sdk::Error;
///
/// let error = Error::retriable("connect to db:5432").because(&std::io::Error::other("timed out"));
/// assert_eq!(error.to_string(), "connect to db:5432: timed out");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// What the host does about it.
    pub kind: ErrorKind,
    /// Java class shown to users; empty lets the host derive one from the kind.
    pub class: Cow<'static, str>,
    /// What was attempted, on what, and how it failed.
    pub message: String,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// Path of the field at fault, if one is: `customer.address.city`.
    pub field: Option<String>,
}

impl Error {
    /// Trying the same again later may succeed (`RetriableException`).
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Retriable, class::RETRIABLE_EXCEPTION, message)
    }

    /// The record is at fault (`DataException`).
    pub fn data(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Data, class::DATA_EXCEPTION, message)
    }

    /// The configuration is at fault (`ConfigException`).
    pub fn config(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Config, class::CONFIG_EXCEPTION, message)
    }

    /// The task cannot go on (`ConnectException`).
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Fatal, class::CONNECT_EXCEPTION, message)
    }

    fn of(kind: ErrorKind, class: &'static str, message: impl Into<String>) -> Self {
        Self { kind, class: class.into(), message: message.into(), causes: Vec::new(), field: None }
    }

    /// The same failure in a field. Where it is in one already, this is the one around it: `in_field("b")` and then
    /// `in_field("a")` is `a.b`.
    #[must_use]
    pub fn in_field(mut self, name: &str) -> Self {
        /// Longer paths lose their inner end.
        const MAX_PATH: usize = 1_000;
        // A name with a dot, and one that would not be seen, stands between backticks, as in field paths.
        let step = if name.is_empty() || name.contains('.') { format!("`{name}`") } else { name.to_owned() };
        self.field = Some(match self.field {
            Some(inner) if MAX_PATH < inner.len() => format!("{step}…"),
            Some(inner) => format!("{step}.{inner}"),
            None => step,
        });
        self
    }

    /// The same failure under another Java class.
    #[must_use]
    pub fn class(mut self, class: impl Into<Cow<'static, str>>) -> Self {
        self.class = class.into();
        self
    }

    /// The same failure with what led to it: the error given and its own causes.
    #[must_use]
    pub fn because(mut self, cause: &(dyn StdError + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            // One of our own prints its causes as part of its text.
            match error.downcast_ref::<Error>() {
                Some(error) => {
                    self.causes.push(error.message.clone());
                    self.causes.extend(error.causes.iter().cloned());
                    self.field = self.field.or_else(|| error.field.clone());
                }
                None => self.causes.push(error.to_string()),
            }
            next = error.source();
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl StdError for Error {}

/// What Connect's own computations report: [`ErrorKind::Config`] for a ConfigException,
/// [`ErrorKind::Data`] for everything else, since a record is what they failed on.
impl From<JavaError> for Error {
    fn from(error: JavaError) -> Self {
        let kind = if error.class() == class::CONFIG_EXCEPTION { ErrorKind::Config } else { ErrorKind::Data };
        Self::of(kind, error.class(), error.message())
    }
}

/// A value that no batch can carry.
impl From<CannotEncode> for Error {
    fn from(error: CannotEncode) -> Self {
        Self::data("put a value into a batch").because(&error)
    }
}

/// The result of most things a plugin does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The failure of one row of the batch that was handed in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowError {
    /// Row of the batch.
    pub row: u32,
    /// What failed. [`ErrorKind::Data`] goes to the error policy of the task,
    /// [`ErrorKind::Retriable`] has the row tried again.
    pub error: Error,
    /// Path of the field at fault, if one is: `customer.address.city`.
    pub field: Option<String>,
}

impl RowError {
    /// The failure of a row: as a whole, or in the field that the error names.
    pub fn new(row: usize, mut error: Error) -> Self {
        let field = error.field.take();
        // A batch has at most 2^32 rows by its format.
        Self { row: u32::try_from(row).unwrap_or(u32::MAX), error, field }
    }

    /// The failure of one field of a row, whatever field the error names.
    pub fn in_field(row: usize, field: impl Into<String>, error: Error) -> Self {
        Self { field: Some(field.into()), ..Self::new(row, error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer {
        source: std::num::ParseIntError,
    }

    #[test]
    fn every_cause_is_kept_once_and_in_order() {
        let source = "x".parse::<i32>().expect_err("not a number");
        let error = Error::fatal("read the port").because(&Outer { source });
        assert_eq!(error.to_string(), "read the port: outer: invalid digit found in string");
        let error = error.in_field("port");
        let wrapped = Error::retriable("connect").because(&error);
        assert_eq!(wrapped.field.as_deref(), Some("port"));
        assert_eq!(wrapped.causes, ["read the port", "outer", "invalid digit found in string"]);
    }
    #[test]
    fn the_field_of_an_error_is_that_of_its_row() {
        let error = Error::data("not a number").in_field("zip").in_field("home.address").in_field("customer");
        let row = RowError::new(3, error);
        assert_eq!(row.field.as_deref(), Some("customer.`home.address`.zip"));
        assert_eq!(row.error, Error::data("not a number"));
        assert_eq!(RowError::in_field(3, "x", Error::data("").in_field("y")).field.as_deref(), Some("x"));
    }
}
