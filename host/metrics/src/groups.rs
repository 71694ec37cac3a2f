//! The table: every metric there is. Names of Connect's groups and attributes are Connect's own, as of Kafka 4.3; what is
//! text there (states, classes, versions) is no count and comes from who knows it.

use crate::instrument::{Counter, Distribution, Gauge, Timestamp};
use crate::table::Statistic::{Average, Current, Max, Rate, ShareWith, Total};
use crate::table::{Group, GroupDefinition, group};

/// Every kind of group, in the order of the reference page.
pub fn all_groups() -> [&'static GroupDefinition; 18] {
    [
        Worker::DEFINITION,
        Task::DEFINITION,
        SourceTask::DEFINITION,
        SinkTask::DEFINITION,
        TaskErrors::DEFINITION,
        PluginInstance::DEFINITION,
        BrokerRequests::DEFINITION,
        LogCleaner::DEFINITION,
        ProducerRecords::DEFINITION,
        ClientConnections::OF_PRODUCERS,
        ConsumerFetches::DEFINITION,
        ConsumerGroup::DEFINITION,
        GroupMembership::OF_CONSUMERS,
        ClientConnections::OF_CONSUMERS,
        ClientConnections::OF_ADMINS,
        GroupMembership::OF_WORKERS,
        ClientConnections::OF_WORKERS,
        WorkerRebalances::DEFINITION,
    ]
}

group! {
    /// Starts of connectors and tasks on this worker.
    Worker = "connect-worker-metrics" by [];
    connectors: Gauge, Count, "Connectors that run on this worker" => { "connector-count": Current }
    tasks: Gauge, Count, "Tasks that run on this worker" => { "task-count": Current }
    connector_starts: Counter, Count, "Times that a connector was started" => {
        "connector-startup-attempts-total": Total,
    }
    connector_start_successes: Counter, Count, "Starts of connectors that succeeded" => {
        "connector-startup-success-total": Total,
        "connector-startup-success-percentage": ShareWith("connector_start_failures"),
    }
    connector_start_failures: Counter, Count, "Starts of connectors that failed" => {
        "connector-startup-failure-total": Total,
        "connector-startup-failure-percentage": ShareWith("connector_start_successes"),
    }
    task_starts: Counter, Count, "Times that a task was started" => { "task-startup-attempts-total": Total }
    task_start_successes: Counter, Count, "Starts of tasks that succeeded" => {
        "task-startup-success-total": Total,
        "task-startup-success-percentage": ShareWith("task_start_failures"),
    }
    task_start_failures: Counter, Count, "Starts of tasks that failed" => {
        "task-startup-failure-total": Total,
        "task-startup-failure-percentage": ShareWith("task_start_successes"),
    }
}

group! {
    /// Any task: its batches and its offset commits.
    Task = "connector-task-metrics" by ["connector", "task"];
    batch_size: Distribution, Records, "Records in one batch" => { "batch-size-max": Max, "batch-size-avg": Average }
    commit_time: Distribution, Millis, "Time that an offset commit took which succeeded" => {
        "offset-commit-max-time-ms": Max,
        "offset-commit-avg-time-ms": Average,
    }
    commit_successes: Counter, Count, "Offset commits that succeeded" => {
        "offset-commit-success-percentage": ShareWith("commit_failures"),
    }
    commit_failures: Counter, Count, "Offset commits that failed" => {
        "offset-commit-failure-percentage": ShareWith("commit_successes"),
    }
}

group! {
    /// Source tasks.
    SourceTask = "source-task-metrics" by ["connector", "task"];
    polled: Counter, Records, "Records that the plugin returned" => {
        "source-record-poll-rate": Rate,
        "source-record-poll-total": Total,
    }
    written: Counter, Records, "Records that Kafka has acknowledged; without those that were filtered or skipped" => {
        "source-record-write-rate": Rate,
        "source-record-write-total": Total,
    }
    poll_time: Distribution, Millis, "Time that a poll took which returned records" => {
        "poll-batch-max-time-ms": Max,
        "poll-batch-avg-time-ms": Average,
    }
    active: Gauge, Records, "Records polled that have not ended yet" => { "source-record-active-count": Current }
    active_seen: Distribution, Records, "Records polled that had not ended yet, at each poll" => {
        "source-record-active-count-max": Max,
        "source-record-active-count-avg": Average,
    }
}

group! {
    /// Sink tasks.
    SinkTask = "sink-task-metrics" by ["connector", "task"];
    read: Counter, Records, "Records consumed, before transforms" => {
        "sink-record-read-rate": Rate,
        "sink-record-read-total": Total,
    }
    sent: Counter, Records, "Records passed to the plugin" => {
        "sink-record-send-rate": Rate,
        "sink-record-send-total": Total,
    }
    put_time: Distribution, Millis, "Time that a put took" => {
        "put-batch-max-time-ms": Max,
        "put-batch-avg-time-ms": Average,
    }
    active: Gauge, Records, "Records passed to the plugin and not committed yet, by their offsets" => {
        "sink-record-active-count": Current,
    }
    active_seen: Distribution, Records, "Records passed to the plugin and not committed, after each put and commit" => {
        "sink-record-active-count-max": Max,
        "sink-record-active-count-avg": Average,
    }
    partitions: Gauge, Count, "Partitions assigned to the task" => { "partition-count": Current }
    commit_number: Gauge, Count, "Number of the newest offset commit" => { "offset-commit-seq-no": Current }
    commits_completed: Counter, Count, "Offset commits that succeeded" => {
        "offset-commit-completion-rate": Rate,
        "offset-commit-completion-total": Total,
    }
    commits_skipped: Counter, Count, "Offset commits whose answer came too late to count" => {
        "offset-commit-skip-rate": Rate,
        "offset-commit-skip-total": Total,
    }
}

group! {
    /// What became of records that failed.
    TaskErrors = "task-error-metrics" by ["connector", "task"];
    failures: Counter, Count, "Operations on records that failed" => { "total-record-failures": Total }
    errors: Counter, Count, "Records whose failure was not tolerated" => { "total-record-errors": Total }
    skipped: Counter, Records, "Records that the error policy skipped" => { "total-records-skipped": Total }
    retries: Counter, Count, "Operations that were tried again" => { "total-retries": Total }
    logged: Counter, Count, "Failures that were logged" => { "total-errors-logged": Total }
    dead_letters: Counter, Records, "Dead letters handed to the producer" => {
        "deadletterqueue-produce-requests": Total,
    }
    dead_letter_failures: Counter, Records, "Dead letters that could not be written" => {
        "deadletterqueue-produce-failures": Total,
    }
    last_error: Timestamp, Time, "When a record failed last; 0 if none did" => { "last-error-timestamp": Total }
}

group! {
    /// Instances of a plugin that one connector (without a task) or one task has. Ours, not Connect's.
    PluginInstance = "plugin-instance-metrics" by ["connector", "plugin", "task"];
    calls: Counter, Count, "Calls into the plugin" => { "call-rate": Rate, "call-total": Total }
    cpu_time: Counter, Nanos, "Time that the plugin computed in calls, without waiting for the host" => {
        "cpu-time-ns-total": Total,
    }
    memory: Gauge, Bytes, "Bytes of memories and tables that the plugin holds" => { "memory-bytes": Current }
    instances: Counter, Count, "Instances that were made" => { "instance-created-total": Total }
    faults: Counter, Count, "Instances that broke or could not be made: traps, limits, broken promises" => { "instance-fault-total": Total }
    lines_dropped: Counter, Count, "Log lines beyond the rate limit" => { "log-line-dropped-total": Total }
}

group! {
    /// Requests that the built-in broker served. Ours.
    BrokerRequests = "broker-request-metrics" by [];
    requests: Counter, Count, "Requests received" => { "request-rate": Rate, "request-total": Total }
    bytes_in: Counter, Bytes, "Bytes of requests" => { "incoming-byte-rate": Rate, "incoming-byte-total": Total }
    bytes_out: Counter, Bytes, "Bytes of responses" => { "outgoing-byte-rate": Rate, "outgoing-byte-total": Total }
    connections: Gauge, Count, "Open connections, those within the process included" => { "connection-count": Current }
    refused: Counter, Count, "Connections ended because of what they sent" => { "connection-refused-total": Total }
}

group! {
    /// What compaction of the built-in broker's partitions does. Ours.
    LogCleaner = "log-cleaner-metrics" by [];
    passes: Counter, Count, "Passes over a partition that came to their end" => { "pass-total": Total }
    failures: Counter, Count, "Passes over a partition that failed" => { "pass-failure-total": Total }
    pass_time: Distribution, Millis, "Time that a pass took, with what it waited to keep to its rate" => {
        "pass-time-max": Max,
        "pass-time-avg": Average,
    }
    bytes_read: Counter, Bytes, "Bytes that passes read, those for the map of keys included" => {
        "read-byte-rate": Rate,
        "read-byte-total": Total,
    }
    bytes_before: Counter, Bytes, "Bytes of the segments that passes looked at" => { "looked-at-byte-total": Total }
    bytes_kept: Counter, Bytes, "Bytes of those segments after the passes" => { "kept-byte-total": Total }
    records_removed: Counter, Records, "Records that went because a later one has their key, or as tombstones" => {
        "record-removal-total": Total,
    }
    cleaning: Gauge, Count, "Partitions that are being compacted" => { "partition-cleaning-count": Current }
}

group! {
    /// What a producer sends.
    ProducerRecords = "producer-metrics" by ["client-id"];
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
    ConsumerFetches = "consumer-fetch-manager-metrics" by ["client-id"];
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
}

group! {
    /// A consumer as a member of its group.
    ConsumerGroup = "consumer-coordinator-metrics" by ["client-id"];
    assigned: Gauge, Count, "Partitions assigned to it" => { "assigned-partitions": Current }
    commits: Counter, Count, "Offset commits that succeeded" => { "commit-rate": Rate, "commit-total": Total }
    commit_time: Distribution, Millis, "Time that an offset commit took which succeeded" => {
        "commit-latency-max": Max,
        "commit-latency-avg": Average,
    }
}

group! {
    /// A consumer as a member of its group: heartbeats and rebalances.
    GroupMembership = "consumer-coordinator-metrics" by ["client-id"];
    heartbeats: Counter, Count, "Heartbeats that were answered" => { "heartbeat-rate": Rate, "heartbeat-total": Total }
    heartbeat_time: Distribution, Millis, "Time that a heartbeat took" => { "heartbeat-response-time-max": Max }
    joins: Counter, Count, "Answers to JoinGroup that made it a member" => { "join-rate": Rate, "join-total": Total }
    join_time: Distribution, Millis, "Time that a JoinGroup took" => { "join-time-max": Max, "join-time-avg": Average }
    syncs: Counter, Count, "Answers to SyncGroup with an assignment" => { "sync-rate": Rate, "sync-total": Total }
    sync_time: Distribution, Millis, "Time that a SyncGroup took" => { "sync-time-max": Max, "sync-time-avg": Average }
    rebalances: Counter, Count, "Rebalances that it came through" => { "rebalance-total": Total }
    rebalance_time: Distribution, Millis, "Time from a rebalance's first JoinGroup to the assignment" => {
        "rebalance-latency-max": Max,
        "rebalance-latency-avg": Average,
        "rebalance-latency-total": Total,
    }
    failed_rebalances: Counter, Count, "Joins that led to no assignment" => { "failed-rebalance-total": Total }
}

impl GroupMembership {
    /// Those of consumers, beside what they commit.
    pub const OF_CONSUMERS: &'static GroupDefinition = Self::DEFINITION;
    /// Those of workers.
    pub const OF_WORKERS: &'static GroupDefinition = &GroupDefinition {
        name: "connect-coordinator-metrics",
        about: " A worker as a member of its group: heartbeats and rebalances.",
        ..*Self::DEFINITION
    };
}

group! {
    /// Rebalances of the group of workers that this one belongs to.
    WorkerRebalances = "connect-worker-rebalance-metrics" by [];
    epoch: Gauge, Count, "Generation of the group" => { "epoch": Current }
    completed: Counter, Count, "Rebalances that this worker came through" => { "completed-rebalances-total": Total }
    rebalancing: Gauge, Count, "Whether a rebalance goes on: 1 or 0" => { "rebalancing": Current }
    rebalance_time: Distribution, Millis, "Time that a rebalance took" => {
        "rebalance-max-time-ms": Max,
        "rebalance-avg-time-ms": Average,
    }
}

group! {
    /// Connections of a producer to brokers.
    ClientConnections = "producer-metrics" by ["client-id"];
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

impl ClientConnections {
    /// Those of producers, beside what they send.
    pub const OF_PRODUCERS: &'static GroupDefinition = Self::DEFINITION;
    /// Those of consumers.
    pub const OF_CONSUMERS: &'static GroupDefinition = &GroupDefinition {
        name: "consumer-metrics",
        about: " Connections of a consumer to brokers.",
        ..*Self::DEFINITION
    };
    /// Those of workers in a group.
    pub const OF_WORKERS: &'static GroupDefinition = &GroupDefinition {
        name: "connect-metrics",
        about: " Connections of a worker to the brokers of its group.",
        ..*Self::DEFINITION
    };
    /// Those of admin clients.
    pub const OF_ADMINS: &'static GroupDefinition = &GroupDefinition {
        name: "admin-client-metrics",
        about: " Connections of an admin client to brokers.",
        ..*Self::DEFINITION
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::table::Statistic;

    #[test]
    fn no_group_has_two_metrics_of_one_name_and_each_says_what_it_means() {
        let mut names = BTreeSet::new();
        for group in all_groups() {
            for attribute in group.attributes {
                // What a producer sends and its connections are one group for whoever looks.
                assert!(names.insert((group.name, attribute.name)), "{} twice in {}", attribute.name, group.name);
                assert!(!attribute.help.is_empty() && !attribute.help.ends_with('.'), "{}", attribute.name);
                let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(attribute.name.chars().all(lower), "{}", attribute.name);
            }
        }
    }

    #[test]
    fn a_share_names_instruments_of_its_own_group() {
        for group in all_groups() {
            for attribute in group.attributes {
                if let Statistic::ShareWith(other) = attribute.statistic {
                    assert!(group.attributes.iter().any(|row| row.instrument == other), "{}", attribute.name);
                }
            }
        }
    }
}
