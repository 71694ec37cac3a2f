//! What an error code means for a transaction, by the request that it answers. The tables are those of Kafka's clients.

use super::Step;
use crate::kafka_error::ErrorCode;

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StepVerdict {
    /// The same again, perhaps to another coordinator.
    Retry,
    /// The transaction has to be aborted.
    Abort,
    /// The coordinator knows this producer no longer; abort without asking it, and begin with a new epoch.
    Expired,
    /// Another producer has taken over.
    Fenced,
    /// The producer is of no use any more.
    Fail,
}

/// Judges a refusal.
pub(super) fn judge(step: &Step, code: ErrorCode) -> StepVerdict {
    match code {
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => return StepVerdict::Fenced,
        code if code.is_retriable() => return StepVerdict::Retry,
        _ => {}
    }
    let forgotten = matches!(code, ErrorCode::UNKNOWN_PRODUCER_ID | ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    match (step, code) {
        (Step::InitProducerId { .. }, _) => StepVerdict::Fail,
        _ if forgotten => StepVerdict::Expired,
        (_, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED) => StepVerdict::Fail,
        (_, ErrorCode::TRANSACTION_ABORTABLE) => StepVerdict::Abort,
        (Step::AddPartitions { .. }, ErrorCode::INVALID_TXN_STATE) => StepVerdict::Fail,
        // Anything else concerns a partition.
        (Step::AddPartitions { .. }, _) => StepVerdict::Abort,
        (Step::AddOffsets { .. } | Step::CommitOffsets { .. }, ErrorCode::GROUP_AUTHORIZATION_FAILED) => {
            StepVerdict::Abort
        }
        (
            Step::CommitOffsets { .. },
            ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ) => StepVerdict::Abort,
        _ => StepVerdict::Fail,
    }
}

/// The one of several codes that decides; none where all is well.
pub(super) fn most_serious(step: &Step, codes: impl IntoIterator<Item = i16>) -> Result<(), ErrorCode> {
    let seriousness = |code: ErrorCode| match judge(step, code) {
        // It stands beside the partition that is the reason.
        _ if code == ErrorCode::OPERATION_NOT_ATTEMPTED => 0,
        StepVerdict::Retry => 1,
        StepVerdict::Abort => 2,
        StepVerdict::Expired => 3,
        StepVerdict::Fail => 4,
        StepVerdict::Fenced => 5,
    };
    let refused = codes.into_iter().filter_map(|code| ErrorCode::check(code).err());
    refused.max_by_key(|code| seriousness(*code)).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        super::{GroupOffsets, TransactionVersion},
        *,
    };
    use crate::group::GroupMetadata;

    #[test]
    fn every_code_has_the_meaning_for_each_request_that_javas_client_gives_it() {
        use StepVerdict::{Abort, Expired, Fail, Fenced, Retry};
        // Init, partitions, offsets of a group, their commit, end.
        for (code, verdicts) in [
            (14, [Retry; 5]),
            (15, [Retry; 5]),
            (16, [Retry; 5]),
            (51, [Retry; 5]),
            (7, [Retry; 5]),
            (3, [Retry; 5]),
            (47, [Fenced; 5]),
            (90, [Fenced; 5]),
            (53, [Fail; 5]),
            (49, [Fail, Expired, Expired, Expired, Expired]),
            (59, [Fail, Expired, Expired, Expired, Expired]),
            (120, [Fail, Abort, Abort, Abort, Abort]),
            (48, [Fail; 5]),
            (29, [Fail, Abort, Fail, Abort, Fail]),
            (30, [Fail, Abort, Abort, Abort, Fail]),
            (82, [Fail, Abort, Fail, Abort, Fail]),
            (25, [Fail, Abort, Fail, Abort, Fail]),
            (22, [Fail, Abort, Fail, Abort, Fail]),
            (50, [Fail, Abort, Fail, Fail, Fail]),
            (-1, [Fail, Abort, Fail, Fail, Fail]),
        ] {
            let code = ErrorCode::check(code).expect_err("a code");
            for (step, expected) in steps().iter().zip(verdicts) {
                assert_eq!(judge(step, code), expected, "{code} to {step:?}");
            }
        }
    }

    #[test]
    fn the_code_that_forbids_most_decides_for_all_partitions() {
        let add = &steps()[1];
        assert_eq!(most_serious(add, [0, 0]), Ok(()));
        let decisive = |codes: &[i16]| most_serious(add, codes.iter().copied()).expect_err("refused");
        assert_eq!(decisive(&[0, 3, 55]), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(decisive(&[55, 29, 55]), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        assert_eq!(decisive(&[3, 90, 29]), ErrorCode::PRODUCER_FENCED);
    }

    fn steps() -> [Step; 5] {
        let identity = (7, 0);
        let group = GroupMetadata::of_nobody("g");
        let offsets = Arc::new(GroupOffsets { group, offsets: Vec::new() });
        [
            Step::InitProducerId { current: None },
            Step::AddPartitions { identity, partitions: Vec::new() },
            Step::AddOffsets { identity, group_id: "g".to_owned() },
            Step::CommitOffsets { identity, version: TransactionVersion::V1, offsets },
            Step::End { identity, version: TransactionVersion::V1, commit: true },
        ]
    }
}
