//! Clients of Kafka, by their ids.

use crate::instrument::{Counter, Distribution, Gauge, Last};
use crate::table::Statistic::{Average, Current, Max, Rate, RatePerHour, SecondsSince, Total};
use crate::table::{Group, GroupDefinition, Origin, group};

group! {
    /// What a producer sends.
    ProducerRecords = client "producer-metrics" by ["client-id"];
    sent: Counter, Records, "Records sent, again at each repetition" => {
        "record-send-rate": Rate,
        "record-send-total": Total,
    }
    failed: Counter, Records, "Records that could not be sent" => {
        "record-error-rate": Rate,
        "record-error-total": Total,
    }
    repeated: Counter, Records, "Records sent again" => { "record-retry-rate": Rate, "record-retry-total": Total }
    batch_bytes: Distribution, Bytes, "Bytes of one batch as it is sent" => {
        "batch-size-max": Max,
        "batch-size-avg": Average,
    }
    records_of_request: Distribution, Records, "Records in one request" => { "records-per-request-avg": Average }
    queue_time: Distribution, Millis, "Time that a batch waited to be sent, from its first record on" => {
        "record-queue-time-max": Max,
        "record-queue-time-avg": Average,
    }
}

group! {
    /// What a consumer fetches.
    ConsumerFetches = client "consumer-fetch-manager-metrics" by ["client-id"];
    fetches: Counter, Count, "Fetches that were answered" => { "fetch-rate": Rate, "fetch-total": Total }
    fetch_time: Distribution, Millis, "Time that a fetch took, with what the broker waited for data" => {
        "fetch-latency-max": Max,
        "fetch-latency-avg": Average,
    }
    fetch_bytes: Distribution, Bytes, "Bytes of the records that one fetch brought" => {
        "fetch-size-max": Max,
        "fetch-size-avg": Average,
    }
    bytes: Counter, Bytes, "Bytes of the records that polls handed out" => {
        "bytes-consumed-rate": Rate,
        "bytes-consumed-total": Total,
    }
    records: Counter, Records, "Records that polls handed out" => {
        "records-consumed-rate": Rate,
        "records-consumed-total": Total,
    }
    lag: Distribution, Records, "Records between a partition's end and what was read of it, at each fetch" => {
        "records-lag-max": Max,
    }
}

group! {
    /// A consumer as a member of its group.
    ConsumerGroup = client "consumer-coordinator-metrics" by ["client-id"];
    assigned: Gauge, Count, "Partitions assigned to it" => { "assigned-partitions": Current }
    commits: Counter, Count, "Offset commits that succeeded" => { "commit-rate": Rate, "commit-total": Total }
    commit_time: Distribution, Millis, "Time that an offset commit took which succeeded" => {
        "commit-latency-max": Max,
        "commit-latency-avg": Average,
    }
}

group! {
    /// A consumer as a member of its group: heartbeats and rebalances.
    GroupMembership = client "consumer-coordinator-metrics" by ["client-id"];
    heartbeats: Counter, Count, "Heartbeats that were answered" => { "heartbeat-rate": Rate, "heartbeat-total": Total }
    heartbeat_time: Distribution, Millis, "Time that a heartbeat took" => { "heartbeat-response-time-max": Max }
    last_heartbeat: Last, Seconds, "Time since the last heartbeat; -1 before the first" => {
        "last-heartbeat-seconds-ago": SecondsSince,
    }
    joins: Counter, Count, "Answers to JoinGroup that made it a member" => { "join-rate": Rate, "join-total": Total }
    join_time: Distribution, Millis, "Time that a JoinGroup took" => { "join-time-max": Max, "join-time-avg": Average }
    syncs: Counter, Count, "Answers to SyncGroup with an assignment" => { "sync-rate": Rate, "sync-total": Total }
    sync_time: Distribution, Millis, "Time that a SyncGroup took" => { "sync-time-max": Max, "sync-time-avg": Average }
    rebalances: Counter, Count, "Rebalances that it came through" => {
        "rebalance-total": Total,
        "rebalance-rate-per-hour": RatePerHour,
    }
    last_rebalance: Last, Seconds, "Time since the last rebalance; -1 before the first" => {
        "last-rebalance-seconds-ago": SecondsSince,
    }
    rebalance_time: Distribution, Millis, "Time from a rebalance's first JoinGroup to the assignment" => {
        "rebalance-latency-max": Max,
        "rebalance-latency-avg": Average,
        "rebalance-latency-total": Total,
    }
    failed_rebalances: Counter, Count, "Joins that led to no assignment" => {
        "failed-rebalance-total": Total,
        "failed-rebalance-rate-per-hour": RatePerHour,
    }
}

impl GroupMembership {
    /// Those of consumers, beside what they commit.
    pub const OF_CONSUMERS: &'static GroupDefinition = Self::DEFINITION;
    /// Those of workers.
    pub const OF_WORKERS: &'static GroupDefinition = {
        static DEFINITION: GroupDefinition = GroupDefinition {
            name: "connect-coordinator-metrics",
            origin: Origin::Connect,
            about: " A worker as a member of its group: heartbeats and rebalances.",
            ..*<GroupMembership as Group>::DEFINITION
        };
        &DEFINITION
    };
}

group! {
    /// What a worker has to do in its group.
    WorkerAssignment = connect "connect-coordinator-metrics" by ["client-id"];
    connectors: Gauge, Count, "Connectors assigned to this worker" => { "assigned-connectors": Current }
    tasks: Gauge, Count, "Tasks assigned to this worker" => { "assigned-tasks": Current }
}

/// A group that counts requests to brokers and their answers beside what is given.
macro_rules! group_with_requests {
    ($($given:tt)+) => {
        group! {
            $($given)+
            requests: Counter, Count, "Requests sent" => { "request-rate": Rate, "request-total": Total }
            request_bytes: Distribution, Bytes, "Bytes of one request" => {
                "request-size-max": Max,
                "request-size-avg": Average,
                "outgoing-byte-rate": Rate,
                "outgoing-byte-total": Total,
            }
            responses: Counter, Count, "Answers received" => { "response-rate": Rate, "response-total": Total }
            response_time: Distribution, Millis, "Time from a request to its answer" => {
                "request-latency-max": Max,
                "request-latency-avg": Average,
            }
            bytes_in: Counter, Bytes, "Bytes of answers" => { "incoming-byte-rate": Rate, "incoming-byte-total": Total }
        }
    };
}

group_with_requests! {
    /// Connections of a producer to brokers.
    ClientConnections = client "producer-metrics" by ["client-id"];
    open: Gauge, Count, "Open connections" => { "connection-count": Current }
    made: Counter, Count, "Connections that were made" => {
        "connection-creation-rate": Rate,
        "connection-creation-total": Total,
    }
    closed: Counter, Count, "Connections that ended" => {
        "connection-close-rate": Rate,
        "connection-close-total": Total,
    }
    logins: Counter, Count, "Logins that brokers accepted, renewals included" => {
        "successful-authentication-rate": Rate,
        "successful-authentication-total": Total,
    }
    failed_logins: Counter, Count, "Logins that failed" => {
        "failed-authentication-rate": Rate,
        "failed-authentication-total": Total,
    }
}

impl ClientConnections {
    /// Those of producers, beside what they send.
    pub const OF_PRODUCERS: &'static GroupDefinition = Self::DEFINITION;
    /// Those of consumers.
    pub const OF_CONSUMERS: &'static GroupDefinition = {
        static DEFINITION: GroupDefinition = GroupDefinition {
            name: "consumer-metrics",
            about: " Connections of a consumer to brokers.",
            ..*<ClientConnections as Group>::DEFINITION
        };
        &DEFINITION
    };
    /// Those of workers in a group.
    pub const OF_WORKERS: &'static GroupDefinition = {
        static DEFINITION: GroupDefinition = GroupDefinition {
            name: "connect-metrics",
            origin: Origin::Connect,
            about: " Connections of a worker to the brokers of its group.",
            ..*<ClientConnections as Group>::DEFINITION
        };
        &DEFINITION
    };
    /// Those of admin clients.
    pub const OF_ADMINS: &'static GroupDefinition = {
        static DEFINITION: GroupDefinition = GroupDefinition {
            name: "admin-client-metrics",
            about: " Connections of an admin client to brokers.",
            ..*<ClientConnections as Group>::DEFINITION
        };
        &DEFINITION
    };
}

group_with_requests! {
    /// Connections of a worker to one of the brokers of its group, from when it is known which broker that is.
    WorkerNode = connect "connect-node-metrics" by ["client-id", "node-id"];
}
