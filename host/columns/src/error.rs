//! Why an operation was not done.

use millstream_connector::{ErrorKind, Failure};
use millstream_record::batch::CannotEncode;
use millstream_values::JavaError;

/// Why an operation was not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// For the plugin to hear.
    #[error("{0}")]
    Failure(Failure),
    /// The call's computing time is over.
    #[error("the time of the call is over")]
    TimeUp,
    /// The instance may hold no more memory.
    #[error("the instance may hold no more memory")]
    NoMemory,
}

/// What an operation gives.
pub type Result<T> = std::result::Result<T, Refusal>;

/// A mistake of the plugin's author.
#[cold]
pub(crate) fn misuse(message: impl Into<String>) -> Refusal {
    Failure::new(ErrorKind::Fatal, "", message).into()
}

/// A value that cannot be worked on.
#[cold]
pub(crate) fn data(message: impl Into<String>) -> Refusal {
    Failure::new(ErrorKind::Data, "", message).into()
}

/// The value of a row that cannot be worked on.
#[cold]
pub(crate) fn bad_row(row: usize, what: &str) -> Refusal {
    data(format!("row {row}: {what}"))
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<CannotEncode> for Refusal {
    fn from(error: CannotEncode) -> Self {
        data(error.to_string())
    }
}

impl From<JavaError> for Refusal {
    fn from(error: JavaError) -> Self {
        Failure::new(ErrorKind::Data, error.class(), error.message()).into()
    }
}
