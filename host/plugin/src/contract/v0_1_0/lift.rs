//! Between the contract's types and the host's, field by field.

use millstream_config::ConfigMap;
use millstream_connector::{
    ErrorKind, Failure, PluginError, RequestedEnd, RowError, TopicOffset, TopicPartition, TransactionEnd,
};

use super::imports::host_transaction::{Boundary, Ending};
use super::imports::types as theirs;
use crate::contract::Changes;
use crate::instance::GuestFault;

/// Most causes that are kept of one failure.
const MAX_CAUSES: usize = 64;

/// Takes what a guest's function returned apart: a fault, the plugin's own words, or a value.
pub(super) fn answer<T>(returned: Result<Result<T, theirs::Error>, GuestFault>) -> Result<T, PluginError> {
    match returned {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reported)) => Err(PluginError::Reported(failure(reported))),
        Err(fault) => Err(fault.into()),
    }
}

/// A 64-bit number in the contract's two halves.
pub(super) fn wide(number: u64) -> theirs::Wide {
    theirs::Wide { high: (number >> 32) as u32, low: number as u32 }
}

impl From<theirs::Wide> for u64 {
    fn from(theirs::Wide { high, low }: theirs::Wide) -> Self {
        Self::from(high) << 32 | Self::from(low)
    }
}

/// What a call made of a batch.
pub(super) fn changes(theirs::Outcome { changed, errors }: theirs::Outcome) -> Changes {
    Changes { batch: changed, errors: errors.into_iter().map(row_error).collect() }
}

pub(super) fn failure(theirs::Error { kind, class, message, mut causes }: theirs::Error) -> Failure {
    causes.truncate(MAX_CAUSES);
    Failure { causes, ..Failure::new(error_kind(kind), &class, message) }
}

/// A row's failure. The contract has no causes of rows: where the message goes on as a trace does, these are the causes.
pub(super) fn row_error(theirs::RowError { row, link, kind, class, message, field }: theirs::RowError) -> RowError {
    let mut parts = message.split("\nCaused by: ");
    let mut failure = Failure::new(error_kind(kind), &class, parts.next().unwrap_or_default());
    failure.causes.extend(parts.take(MAX_CAUSES).map(str::to_owned));
    failure.at = field.as_ref().map(|field| format!("field {field}"));
    RowError { row, link, failure, field }
}

/// A failure as a guest hears of it; where it happened is for people.
pub(super) fn lowered(Failure { kind, class, message, causes, at: _ }: Failure) -> theirs::Error {
    let kind = match kind {
        ErrorKind::Retriable => theirs::ErrorKind::Retriable,
        ErrorKind::Data => theirs::ErrorKind::Data,
        ErrorKind::Config => theirs::ErrorKind::Config,
        ErrorKind::Fatal => theirs::ErrorKind::Fatal,
    };
    theirs::Error { kind, class, message, causes }
}

/// A row's failure as a guest hears of it, its causes behind the message.
pub(super) fn row_lowered(RowError { row, link, failure, field }: RowError) -> theirs::RowError {
    let theirs::Error { kind, class, mut message, causes } = lowered(failure);
    for cause in causes {
        message.push_str("\nCaused by: ");
        message.push_str(&cause);
    }
    theirs::RowError { row, link, kind, class, message, field }
}

fn error_kind(kind: theirs::ErrorKind) -> ErrorKind {
    match kind {
        theirs::ErrorKind::Retriable => ErrorKind::Retriable,
        theirs::ErrorKind::Data => ErrorKind::Data,
        theirs::ErrorKind::Config => ErrorKind::Config,
        theirs::ErrorKind::Fatal => ErrorKind::Fatal,
    }
}

/// A guest's partition; one beyond what Kafka can number is a broken promise.
pub(super) fn partition(
    theirs::TopicPartition { topic, partition }: theirs::TopicPartition,
) -> wasmtime::Result<TopicPartition> {
    let Ok(partition) = i32::try_from(partition) else {
        wasmtime::bail!("partition {partition} of {topic} cannot exist")
    };
    Ok(TopicPartition { topic, partition })
}

pub(super) fn topic_offset(
    theirs::TopicOffset { topic, partition, offset }: theirs::TopicOffset,
) -> wasmtime::Result<TopicOffset> {
    let Ok(partition) = i32::try_from(partition) else {
        wasmtime::bail!("partition {partition} of {topic} cannot exist")
    };
    let Ok(offset) = i64::try_from(u64::from(offset)) else { wasmtime::bail!("an offset of {topic} cannot exist") };
    Ok(TopicOffset { topic, partition, offset })
}

pub(super) fn partition_lowered(TopicPartition { topic, partition }: &TopicPartition) -> theirs::TopicPartition {
    theirs::TopicPartition { topic: topic.clone(), partition: partition.cast_unsigned() }
}

pub(super) fn offset_lowered(TopicOffset { topic, partition, offset }: &TopicOffset) -> theirs::TopicOffset {
    let offset = wide(offset.cast_unsigned());
    theirs::TopicOffset { topic: topic.clone(), partition: partition.cast_unsigned(), offset }
}

/// Where a source task asks for the end of a transaction.
pub(super) fn requested_end(Boundary { behind, ending }: Boundary) -> RequestedEnd {
    let end = match ending {
        Ending::Commit => TransactionEnd::Commit,
        Ending::Abort => TransactionEnd::Abort,
    };
    RequestedEnd { behind, end }
}

pub(super) fn config(config: &ConfigMap) -> theirs::Config {
    config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A guest's configuration as a map; of a key given twice the last counts, as in Java.
pub(super) fn config_map(config: theirs::Config) -> ConfigMap {
    config.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failure_of_a_row_keeps_its_field_and_its_causes() {
        let theirs = theirs::RowError {
            row: 1,
            link: 0,
            kind: theirs::ErrorKind::Data,
            class: String::new(),
            message: "out of range\nCaused by: found STRING, wanted INT32\nCaused by: deeper".to_owned(),
            field: Some("a.b".to_owned()),
        };
        let RowError { failure, field, .. } = row_error(theirs);
        assert_eq!((failure.message.as_str(), field.as_deref()), ("out of range", Some("a.b")));
        assert_eq!(
            failure.trace(),
            "org.apache.kafka.connect.errors.DataException: out of range\n\tat field a.b\n\
             Caused by: found STRING, wanted INT32\nCaused by: deeper\n"
        );
    }
}
