//! Which of Kafka's codes stands for what a partition's log refuses: the log knows no protocol.

use millstream_log::{AppendError, ProducerRefusal, ReadError};

use crate::error_code::ErrorCode;

/// The code for a batch that was not appended.
pub fn code_of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Offline { .. } | AppendError::Write { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        AppendError::Invalid { .. } => ErrorCode::CORRUPT_MESSAGE,
        AppendError::InvalidMarker { .. } => ErrorCode::INVALID_RECORD,
        AppendError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        AppendError::Producer { source } => match source {
            ProducerRefusal::OldEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
            ProducerRefusal::OutOfOrder { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ProducerRefusal::TransactionOpen { .. } | ProducerRefusal::NotVerified { .. } => {
                ErrorCode::INVALID_TXN_STATE
            }
            ProducerRefusal::OldCoordinator { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        },
    }
}

/// The code for records that could not be read.
pub fn code_of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Io { .. } | ReadError::Damaged { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_producers_refusals_have_kafkas_codes() {
        let producer_id = 1;
        for (source, code) in [
            (ProducerRefusal::OldEpoch { producer_id, epoch: 0, known: 1 }, 47),
            (ProducerRefusal::OutOfOrder { producer_id, first: 5, last: 3 }, 45),
            (ProducerRefusal::TransactionOpen { producer_id }, 48),
            (ProducerRefusal::NotVerified { producer_id }, 48),
            (ProducerRefusal::OldCoordinator { producer_id, epoch: 0, known: 1 }, 52),
        ] {
            assert_eq!(code_of_append(&AppendError::Producer { source }).get(), code, "{source}");
        }
    }

    #[test]
    fn what_the_disk_refuses_is_a_storage_error() {
        let refused = || io::Error::from(io::ErrorKind::StorageFull);
        let append = AppendError::Write { base_offset: 0, source: refused() };
        let read = ReadError::Io { base_offset: 0, source: refused() };
        assert_eq!((code_of_append(&append).get(), code_of_read(&read).get()), (56, 56));
    }
}
