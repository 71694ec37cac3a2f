//! The contract's types as the SDK's own, and back. Field by field, so that a new field in the
//! contract stops the build here.

use crate::{Error, ErrorKind, RowError, TopicOffset, TopicPartition, bindings::types};

/// The two halves of a 64-bit number.
pub(crate) fn split(number: u64) -> types::Wide {
    types::Wide { high: (number >> 32) as u32, low: number as u32 }
}

/// A 64-bit number from its halves.
pub(crate) fn join(types::Wide { high, low }: types::Wide) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

pub(crate) fn lower_kind(kind: ErrorKind) -> types::ErrorKind {
    match kind {
        ErrorKind::Retriable => types::ErrorKind::Retriable,
        ErrorKind::Data => types::ErrorKind::Data,
        ErrorKind::Config => types::ErrorKind::Config,
        ErrorKind::Fatal => types::ErrorKind::Fatal,
    }
}

/// The failure of a call as a whole has no field in the contract: it stands among the causes.
impl From<Error> for types::Error {
    fn from(Error { kind, class, message, mut causes, field }: Error) -> Self {
        causes.extend(field.map(|field| format!("in field {field}")));
        Self { kind: lower_kind(kind), class: class.into_owned(), message, causes }
    }
}

impl From<types::Error> for Error {
    fn from(types::Error { kind, class, message, causes }: types::Error) -> Self {
        let kind = match kind {
            types::ErrorKind::Retriable => ErrorKind::Retriable,
            types::ErrorKind::Data => ErrorKind::Data,
            types::ErrorKind::Config => ErrorKind::Config,
            types::ErrorKind::Fatal => ErrorKind::Fatal,
        };
        Self { kind, class: class.into(), message, causes, field: None }
    }
}

/// A row's failure in a link of a chain. Rows have no list of causes in the contract: they stand behind the message, as
/// in a trace, where the host finds them again.
pub(crate) fn row_error(RowError { row, error, field }: RowError, link: u32) -> types::RowError {
    let Error { kind, class, mut message, causes, field: inner } = error;
    for cause in causes {
        message.push_str("\nCaused by: ");
        message.push_str(&cause);
    }
    types::RowError { row, link, kind: lower_kind(kind), class: class.into_owned(), message, field: field.or(inner) }
}

/// A row's failure as the host reports it.
pub(crate) fn raised_row_error(error: types::RowError) -> RowError {
    let types::RowError { row, link: _, kind, class, message, field } = error;
    let error = types::Error { kind, class, message, causes: Vec::new() };
    RowError { row, error: error.into(), field }
}

impl From<types::TopicPartition> for TopicPartition {
    fn from(types::TopicPartition { topic, partition }: types::TopicPartition) -> Self {
        Self { topic, partition }
    }
}

impl From<TopicPartition> for types::TopicPartition {
    fn from(TopicPartition { topic, partition }: TopicPartition) -> Self {
        Self { topic, partition }
    }
}

impl From<types::TopicOffset> for TopicOffset {
    fn from(types::TopicOffset { topic, partition, offset }: types::TopicOffset) -> Self {
        Self { topic, partition, offset: join(offset) }
    }
}

impl From<TopicOffset> for types::TopicOffset {
    fn from(TopicOffset { topic, partition, offset }: TopicOffset) -> Self {
        Self { topic, partition, offset: split(offset) }
    }
}
