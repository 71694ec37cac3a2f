//! What a coordinator's error codes mean for a member. Plain functions.

use crate::kafka_error::ErrorCode;

/// What to do after a JoinGroup or SyncGroup was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum JoinStep {
    /// Join again at once with the member id that came with the answer.
    WithGivenId,
    /// Join again as the same member.
    Again,
    /// Join again as the same member after a pause, at another coordinator if need be.
    Later {
        /// Whether to ask who the coordinator is.
        find: bool,
    },
    /// The group does not know this member any more.
    Forgotten,
    /// Nothing can be done.
    Fail,
}

/// After a refused JoinGroup.
pub(super) fn after_join(code: ErrorCode) -> JoinStep {
    match code {
        ErrorCode::MEMBER_ID_REQUIRED => JoinStep::WithGivenId,
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => JoinStep::Forgotten,
        ErrorCode::REBALANCE_IN_PROGRESS => JoinStep::Again,
        code if code.is_stale_coordinator() => JoinStep::Later { find: true },
        code if code.is_retriable() => JoinStep::Later { find: false },
        _ => JoinStep::Fail,
    }
}

/// After a refused SyncGroup.
pub(super) fn after_sync(code: ErrorCode) -> JoinStep {
    match code {
        ErrorCode::REBALANCE_IN_PROGRESS => JoinStep::Again,
        code => after_join(code),
    }
}

/// What a heartbeat's answer means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeartbeatStep {
    /// The membership goes on as it is.
    Fine,
    /// The group rebalances and waits for this member to join again.
    Rejoin,
    /// The group goes on without this member.
    Lost,
    /// Somebody else has to be asked.
    FindCoordinator,
    /// Tried again with the next heartbeat.
    NextTime,
    /// Nothing can be done.
    Fail,
}

/// After a heartbeat was answered.
pub(super) fn after_heartbeat(answer: Result<(), ErrorCode>) -> HeartbeatStep {
    match answer {
        Ok(()) => HeartbeatStep::Fine,
        Err(ErrorCode::REBALANCE_IN_PROGRESS) => HeartbeatStep::Rejoin,
        Err(ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION) => HeartbeatStep::Lost,
        Err(code) if code.is_stale_coordinator() => HeartbeatStep::FindCoordinator,
        Err(code) if code.is_retriable() => HeartbeatStep::NextTime,
        Err(_) => HeartbeatStep::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(number: i16) -> ErrorCode {
        ErrorCode::check(number).expect_err("an error code")
    }

    #[test]
    fn joining_goes_on_until_it_is_hopeless() {
        for (number, step) in [
            (79, JoinStep::WithGivenId),
            (25, JoinStep::Forgotten),
            (22, JoinStep::Forgotten),
            (14, JoinStep::Later { find: false }),
            (15, JoinStep::Later { find: true }),
            (16, JoinStep::Later { find: true }),
            (23, JoinStep::Fail),
            (24, JoinStep::Fail),
            (26, JoinStep::Fail),
            (30, JoinStep::Fail),
            (81, JoinStep::Fail),
            (82, JoinStep::Fail),
        ] {
            assert_eq!(after_join(code(number)), step, "{}", code(number));
        }
        assert_eq!(after_sync(code(27)), JoinStep::Again);
        assert_eq!(after_sync(code(25)), JoinStep::Forgotten);
    }

    #[test]
    fn heartbeats_tell_of_rebalances_and_expulsion() {
        for (number, step) in [
            (27, HeartbeatStep::Rejoin),
            (22, HeartbeatStep::Lost),
            (25, HeartbeatStep::Lost),
            (16, HeartbeatStep::FindCoordinator),
            (14, HeartbeatStep::NextTime),
            (82, HeartbeatStep::Fail),
            (30, HeartbeatStep::Fail),
        ] {
            assert_eq!(after_heartbeat(Err(code(number))), step, "{}", code(number));
        }
        assert_eq!(after_heartbeat(Ok(())), HeartbeatStep::Fine);
    }
}
