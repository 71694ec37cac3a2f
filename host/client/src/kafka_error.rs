//! The protocol's error codes, with the names and the Java exception classes that users know them by.

use std::fmt;

/// An error code that a broker answered. Never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct KafkaCode(i16);

/// How a code is called, and whether trying again can help: name, Java class without its package,
/// retriable, what Kafka says about it.
type Row = (i16, &'static str, &'static str, bool, &'static str);

impl KafkaCode {
    /// Code 1; see [`KafkaCode::name`].
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// Code 2; see [`KafkaCode::name`].
    pub const CORRUPT_MESSAGE: Self = Self(2);
    /// Code 3; see [`KafkaCode::name`].
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// Code 5; see [`KafkaCode::name`].
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// Code 6; see [`KafkaCode::name`].
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    /// Code 7; see [`KafkaCode::name`].
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// Code 10; see [`KafkaCode::name`].
    pub const MESSAGE_TOO_LARGE: Self = Self(10);
    /// Code 14; see [`KafkaCode::name`].
    pub const COORDINATOR_LOAD_IN_PROGRESS: Self = Self(14);
    /// Code 15; see [`KafkaCode::name`].
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    /// Code 16; see [`KafkaCode::name`].
    pub const NOT_COORDINATOR: Self = Self(16);
    /// Code 19; see [`KafkaCode::name`].
    pub const NOT_ENOUGH_REPLICAS: Self = Self(19);
    /// Code 22; see [`KafkaCode::name`].
    pub const ILLEGAL_GENERATION: Self = Self(22);
    /// Code 25; see [`KafkaCode::name`].
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    /// Code 27; see [`KafkaCode::name`].
    pub const REBALANCE_IN_PROGRESS: Self = Self(27);
    /// Code 35; see [`KafkaCode::name`].
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// Code 36; see [`KafkaCode::name`].
    pub const TOPIC_ALREADY_EXISTS: Self = Self(36);
    /// Code 41; see [`KafkaCode::name`].
    pub const NOT_CONTROLLER: Self = Self(41);
    /// Code 45; see [`KafkaCode::name`].
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: Self = Self(45);
    /// Code 46; see [`KafkaCode::name`].
    pub const DUPLICATE_SEQUENCE_NUMBER: Self = Self(46);
    /// Code 47; see [`KafkaCode::name`].
    pub const INVALID_PRODUCER_EPOCH: Self = Self(47);
    /// Code 59; see [`KafkaCode::name`].
    pub const UNKNOWN_PRODUCER_ID: Self = Self(59);
    /// Code 69; see [`KafkaCode::name`].
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);
    /// Code 74; see [`KafkaCode::name`].
    pub const FENCED_LEADER_EPOCH: Self = Self(74);
    /// Code 75; see [`KafkaCode::name`].
    pub const UNKNOWN_LEADER_EPOCH: Self = Self(75);
    /// Code 79; see [`KafkaCode::name`].
    pub const MEMBER_ID_REQUIRED: Self = Self(79);
    /// Code 82; see [`KafkaCode::name`].
    pub const FENCED_INSTANCE_ID: Self = Self(82);
    /// Code 88; see [`KafkaCode::name`].
    pub const UNSTABLE_OFFSET_COMMIT: Self = Self(88);

    /// `Ok` for 0, which means "no error".
    ///
    /// # Errors
    ///
    /// Any other code.
    pub fn check(code: i16) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self(code)) }
    }

    /// The number on the wire.
    pub fn number(self) -> i16 {
        self.0
    }

    /// The protocol's name, such as `NOT_LEADER_OR_FOLLOWER`. Codes newer than this client are
    /// `UNKNOWN_SERVER_ERROR`, as in Java.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Full name of the exception class that Java clients raise for it.
    pub fn java_class(self) -> String {
        format!("org.apache.kafka.common.errors.{}", self.row().2)
    }

    /// Whether Java clients try again.
    pub fn is_retriable(self) -> bool {
        self.row().3
    }

    /// Whether the sender's picture of the cluster is out of date.
    pub fn is_stale_metadata(self) -> bool {
        matches!(self.0, 3 | 5 | 6 | 9 | 56 | 72 | 74 | 75 | 100 | 103)
    }

    /// Whether the group or transaction has to look for its coordinator again.
    pub fn is_stale_coordinator(self) -> bool {
        matches!(self.0, 15 | 16)
    }

    fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.0 == self.0).unwrap_or(&ROWS[0])
    }
}

impl fmt::Display for KafkaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row();
        if row.0 == self.0 {
            write!(f, "{} ({}): {}", row.1, self.0, row.4)
        } else {
            write!(f, "error code {}, which this client does not know", self.0)
        }
    }
}

impl std::error::Error for KafkaCode {}

const ROWS: &[Row] = &[
    (-1, "UNKNOWN_SERVER_ERROR", "UnknownServerException", false, "the broker met an unexpected error"),
    (1, "OFFSET_OUT_OF_RANGE", "OffsetOutOfRangeException", false, "the offset is outside the log of the partition"),
    (2, "CORRUPT_MESSAGE", "CorruptRecordException", true, "a record failed its checksum or is otherwise corrupt"),
    (
        3,
        "UNKNOWN_TOPIC_OR_PARTITION",
        "UnknownTopicOrPartitionException",
        true,
        "this broker does not host the topic partition",
    ),
    (4, "INVALID_FETCH_SIZE", "InvalidFetchSizeException", false, "the fetch size is invalid"),
    (5, "LEADER_NOT_AVAILABLE", "LeaderNotAvailableException", true, "the partition has no leader at the moment"),
    (
        6,
        "NOT_LEADER_OR_FOLLOWER",
        "NotLeaderOrFollowerException",
        true,
        "this broker is not the leader of the partition",
    ),
    (7, "REQUEST_TIMED_OUT", "TimeoutException", true, "the broker gave up on the request"),
    (8, "BROKER_NOT_AVAILABLE", "BrokerNotAvailableException", false, "the broker is not available"),
    (9, "REPLICA_NOT_AVAILABLE", "ReplicaNotAvailableException", true, "the replica is not available"),
    (10, "MESSAGE_TOO_LARGE", "RecordTooLargeException", false, "the batch is larger than the topic or broker accepts"),
    (12, "OFFSET_METADATA_TOO_LARGE", "OffsetMetadataTooLarge", false, "the metadata of an offset commit is too large"),
    (13, "NETWORK_EXCEPTION", "NetworkException", true, "the broker disconnected before it answered"),
    (
        14,
        "COORDINATOR_LOAD_IN_PROGRESS",
        "CoordinatorLoadInProgressException",
        true,
        "the coordinator is still loading",
    ),
    (
        15,
        "COORDINATOR_NOT_AVAILABLE",
        "CoordinatorNotAvailableException",
        true,
        "there is no coordinator at the moment",
    ),
    (16, "NOT_COORDINATOR", "NotCoordinatorException", true, "this broker is not the coordinator"),
    (17, "INVALID_TOPIC_EXCEPTION", "InvalidTopicException", false, "the topic name is not allowed here"),
    (18, "RECORD_LIST_TOO_LARGE", "RecordBatchTooLargeException", false, "the batch is larger than a log segment"),
    (
        19,
        "NOT_ENOUGH_REPLICAS",
        "NotEnoughReplicasException",
        true,
        "fewer replicas are in sync than the topic demands",
    ),
    (
        20,
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "NotEnoughReplicasAfterAppendException",
        true,
        "written, but to fewer replicas than the topic demands",
    ),
    (21, "INVALID_REQUIRED_ACKS", "InvalidRequiredAcksException", false, "the broker does not know this acks setting"),
    (22, "ILLEGAL_GENERATION", "IllegalGenerationException", false, "the group has moved on to another generation"),
    (
        23,
        "INCONSISTENT_GROUP_PROTOCOL",
        "InconsistentGroupProtocolException",
        false,
        "the member's protocols do not fit those of the group",
    ),
    (24, "INVALID_GROUP_ID", "InvalidGroupIdException", false, "the group id is not allowed"),
    (25, "UNKNOWN_MEMBER_ID", "UnknownMemberIdException", false, "the coordinator does not know this member"),
    (
        26,
        "INVALID_SESSION_TIMEOUT",
        "InvalidSessionTimeoutException",
        false,
        "the session timeout is outside the range the broker allows",
    ),
    (
        27,
        "REBALANCE_IN_PROGRESS",
        "RebalanceInProgressException",
        false,
        "the group is rebalancing, so the member must join again",
    ),
    (28, "INVALID_COMMIT_OFFSET_SIZE", "InvalidCommitOffsetSizeException", false, "the offset commit is too large"),
    (29, "TOPIC_AUTHORIZATION_FAILED", "TopicAuthorizationException", false, "not authorized for the topic"),
    (30, "GROUP_AUTHORIZATION_FAILED", "GroupAuthorizationException", false, "not authorized for the group"),
    (31, "CLUSTER_AUTHORIZATION_FAILED", "ClusterAuthorizationException", false, "not authorized for the cluster"),
    (
        32,
        "INVALID_TIMESTAMP",
        "InvalidTimestampException",
        false,
        "the timestamp of a record is outside the accepted range",
    ),
    (
        33,
        "UNSUPPORTED_SASL_MECHANISM",
        "UnsupportedSaslMechanismException",
        false,
        "the broker does not offer this SASL mechanism",
    ),
    (
        34,
        "ILLEGAL_SASL_STATE",
        "IllegalSaslStateException",
        false,
        "the request does not fit the state of the SASL exchange",
    ),
    (
        35,
        "UNSUPPORTED_VERSION",
        "UnsupportedVersionException",
        false,
        "the broker does not support this version of the request",
    ),
    (36, "TOPIC_ALREADY_EXISTS", "TopicExistsException", false, "a topic with this name exists"),
    (37, "INVALID_PARTITIONS", "InvalidPartitionsException", false, "the number of partitions is not possible"),
    (
        38,
        "INVALID_REPLICATION_FACTOR",
        "InvalidReplicationFactorException",
        false,
        "the replication factor is not possible",
    ),
    (
        39,
        "INVALID_REPLICA_ASSIGNMENT",
        "InvalidReplicaAssignmentException",
        false,
        "the replica assignment is not possible",
    ),
    (40, "INVALID_CONFIG", "InvalidConfigurationException", false, "a configuration value is not allowed"),
    (41, "NOT_CONTROLLER", "NotControllerException", true, "this broker is not the controller"),
    (
        42,
        "INVALID_REQUEST",
        "InvalidRequestException",
        false,
        "the broker finds the request malformed or contradictory",
    ),
    (
        43,
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "UnsupportedForMessageFormatException",
        false,
        "the message format of the topic does not allow it",
    ),
    (44, "POLICY_VIOLATION", "PolicyViolationException", false, "a policy of the broker forbids it"),
    (
        45,
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        "OutOfOrderSequenceException",
        false,
        "records of this producer before these are missing from the log",
    ),
    (46, "DUPLICATE_SEQUENCE_NUMBER", "DuplicateSequenceException", false, "the broker has these records already"),
    (
        47,
        "INVALID_PRODUCER_EPOCH",
        "InvalidProducerEpochException",
        false,
        "a newer instance of the producer took over",
    ),
    (48, "INVALID_TXN_STATE", "InvalidTxnStateException", false, "the transaction is not in a state that allows it"),
    (
        49,
        "INVALID_PRODUCER_ID_MAPPING",
        "InvalidPidMappingException",
        false,
        "the producer id does not belong to the transactional id",
    ),
    (
        50,
        "INVALID_TRANSACTION_TIMEOUT",
        "InvalidTxnTimeoutException",
        false,
        "the transaction timeout is longer than the broker allows",
    ),
    (
        51,
        "CONCURRENT_TRANSACTIONS",
        "ConcurrentTransactionsException",
        true,
        "another operation on the transaction is under way",
    ),
    (
        52,
        "TRANSACTION_COORDINATOR_FENCED",
        "TransactionCoordinatorFencedException",
        false,
        "a newer transaction coordinator took over",
    ),
    (
        53,
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "TransactionalIdAuthorizationException",
        false,
        "not authorized for the transactional id",
    ),
    (54, "SECURITY_DISABLED", "SecurityDisabledException", false, "the broker has no authorizer"),
    (
        55,
        "OPERATION_NOT_ATTEMPTED",
        "OperationNotAttemptedException",
        false,
        "not attempted, since another part of the request failed",
    ),
    (56, "KAFKA_STORAGE_ERROR", "KafkaStorageException", true, "the broker cannot reach its storage"),
    (57, "LOG_DIR_NOT_FOUND", "LogDirNotFoundException", false, "the broker does not know this log directory"),
    (58, "SASL_AUTHENTICATION_FAILED", "SaslAuthenticationException", false, "authentication failed"),
    (59, "UNKNOWN_PRODUCER_ID", "UnknownProducerIdException", false, "the broker no longer remembers this producer"),
    (
        60,
        "REASSIGNMENT_IN_PROGRESS",
        "ReassignmentInProgressException",
        false,
        "a reassignment of partitions is in progress",
    ),
    (67, "INVALID_PRINCIPAL_TYPE", "InvalidPrincipalTypeException", false, "the principal type is not supported"),
    (68, "NON_EMPTY_GROUP", "GroupNotEmptyException", false, "the group has members"),
    (69, "GROUP_ID_NOT_FOUND", "GroupIdNotFoundException", false, "there is no such group"),
    (
        70,
        "FETCH_SESSION_ID_NOT_FOUND",
        "FetchSessionIdNotFoundException",
        true,
        "the broker does not know the fetch session",
    ),
    (
        71,
        "INVALID_FETCH_SESSION_EPOCH",
        "InvalidFetchSessionEpochException",
        true,
        "the epoch of the fetch session is wrong",
    ),
    (72, "LISTENER_NOT_FOUND", "ListenerNotFoundException", true, "the leader has no listener that fits"),
    (73, "TOPIC_DELETION_DISABLED", "TopicDeletionDisabledException", false, "deleting topics is switched off"),
    (
        74,
        "FENCED_LEADER_EPOCH",
        "FencedLeaderEpochException",
        true,
        "the leader epoch in the request is older than the broker's",
    ),
    (
        75,
        "UNKNOWN_LEADER_EPOCH",
        "UnknownLeaderEpochException",
        true,
        "the leader epoch in the request is newer than the broker's",
    ),
    (
        76,
        "UNSUPPORTED_COMPRESSION_TYPE",
        "UnsupportedCompressionTypeException",
        false,
        "the broker does not support the compression",
    ),
    (77, "STALE_BROKER_EPOCH", "StaleBrokerEpochException", false, "the broker epoch is out of date"),
    (78, "OFFSET_NOT_AVAILABLE", "OffsetNotAvailableException", true, "the leader does not know the offset yet"),
    (
        79,
        "MEMBER_ID_REQUIRED",
        "MemberIdRequiredException",
        false,
        "the member must join again with the id it was given",
    ),
    (
        80,
        "PREFERRED_LEADER_NOT_AVAILABLE",
        "PreferredLeaderNotAvailableException",
        true,
        "the preferred leader is not available",
    ),
    (81, "GROUP_MAX_SIZE_REACHED", "GroupMaxSizeReachedException", false, "the group is full"),
    (
        82,
        "FENCED_INSTANCE_ID",
        "FencedInstanceIdException",
        false,
        "another member with the same group.instance.id took over",
    ),
    (
        83,
        "ELIGIBLE_LEADERS_NOT_AVAILABLE",
        "EligibleLeadersNotAvailableException",
        true,
        "no eligible leader is available",
    ),
    (84, "ELECTION_NOT_NEEDED", "ElectionNotNeededException", true, "the partition has the leader it should have"),
    (85, "NO_REASSIGNMENT_IN_PROGRESS", "NoReassignmentInProgressException", false, "no reassignment is in progress"),
    (86, "GROUP_SUBSCRIBED_TO_TOPIC", "GroupSubscribedToTopicException", false, "the group is consuming the topic"),
    (87, "INVALID_RECORD", "InvalidRecordException", false, "the broker refused a record"),
    (
        88,
        "UNSTABLE_OFFSET_COMMIT",
        "UnstableOffsetCommitException",
        true,
        "a transaction that commits this offset is still open",
    ),
    (89, "THROTTLING_QUOTA_EXCEEDED", "ThrottlingQuotaExceededException", true, "a quota is used up"),
    (
        90,
        "PRODUCER_FENCED",
        "ProducerFencedException",
        false,
        "a newer producer with the same transactional id took over",
    ),
    (91, "RESOURCE_NOT_FOUND", "ResourceNotFoundException", false, "there is no such resource"),
    (92, "DUPLICATE_RESOURCE", "DuplicateResourceException", false, "the request names a resource twice"),
    (93, "UNACCEPTABLE_CREDENTIAL", "UnacceptableCredentialException", false, "the credential is not acceptable"),
    (95, "INVALID_UPDATE_VERSION", "InvalidUpdateVersionException", false, "the update has an impossible version"),
    (96, "FEATURE_UPDATE_FAILED", "FeatureUpdateFailedException", false, "a feature could not be updated"),
    (100, "UNKNOWN_TOPIC_ID", "UnknownTopicIdException", true, "this broker does not know the topic id"),
    (103, "INCONSISTENT_TOPIC_ID", "InconsistentTopicIdException", true, "the topic id belongs to another topic"),
    (105, "TRANSACTIONAL_ID_NOT_FOUND", "TransactionalIdNotFoundException", false, "there is no such transactional id"),
    (
        106,
        "FETCH_SESSION_TOPIC_ID_ERROR",
        "FetchSessionTopicIdException",
        true,
        "the fetch session mixes topic ids and names",
    ),
    (110, "FENCED_MEMBER_EPOCH", "FencedMemberEpochException", false, "the member's epoch is out of date"),
    (113, "STALE_MEMBER_EPOCH", "StaleMemberEpochException", false, "the member's epoch is out of date"),
    (
        115,
        "UNSUPPORTED_ENDPOINT_TYPE",
        "UnsupportedEndpointTypeException",
        false,
        "the broker does not support this kind of endpoint",
    ),
    (120, "TRANSACTION_ABORTABLE", "TransactionAbortableException", false, "the transaction has to be aborted"),
    (129, "REBOOTSTRAP_REQUIRED", "RebootstrapRequiredException", false, "the client must find the cluster again"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_javas_names_and_retriability() {
        for (code, name, class, retriable) in [
            (KafkaCode::NOT_LEADER_OR_FOLLOWER, "NOT_LEADER_OR_FOLLOWER", "NotLeaderOrFollowerException", true),
            (KafkaCode::MESSAGE_TOO_LARGE, "MESSAGE_TOO_LARGE", "RecordTooLargeException", false),
            (
                KafkaCode::COORDINATOR_LOAD_IN_PROGRESS,
                "COORDINATOR_LOAD_IN_PROGRESS",
                "CoordinatorLoadInProgressException",
                true,
            ),
            (KafkaCode(31_000), "UNKNOWN_SERVER_ERROR", "UnknownServerException", false),
        ] {
            assert_eq!(code.name(), name);
            assert_eq!(code.java_class(), format!("org.apache.kafka.common.errors.{class}"));
            assert_eq!(code.is_retriable(), retriable, "{name}");
        }
        assert_eq!(KafkaCode::check(0), Ok(()));
        assert_eq!(KafkaCode::check(6), Err(KafkaCode::NOT_LEADER_OR_FOLLOWER));
    }

    #[test]
    fn no_code_is_listed_twice() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(ROWS[at + 1..].iter().all(|later| later.0 != row.0), "{}", row.1);
        }
    }
}
