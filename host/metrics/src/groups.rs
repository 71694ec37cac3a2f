//! The table: every metric there is. Names of Connect's groups and attributes are Connect's own, as of Kafka 4.3; what is
//! text there (states, classes, versions) is no count and comes from who knows it.

use crate::instrument::{Counter, Distribution, Gauge, Timestamp};
use crate::table::Statistic::{Average, Current, Max, Rate, ShareWith, Total};
use crate::table::{Group, GroupDefinition, group};

/// Every kind of group, in the order of the reference page.
pub fn all_groups() -> [&'static GroupDefinition; 7] {
    [
        Worker::DEFINITION,
        Task::DEFINITION,
        SourceTask::DEFINITION,
        SinkTask::DEFINITION,
        TaskErrors::DEFINITION,
        PluginInstance::DEFINITION,
        BrokerRequests::DEFINITION,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::table::Statistic;

    #[test]
    fn no_group_has_two_metrics_of_one_name_and_each_says_what_it_means() {
        let mut groups = BTreeSet::new();
        for group in all_groups() {
            assert!(groups.insert((group.name, group.labels)), "{} twice", group.name);
            let mut names = BTreeSet::new();
            for attribute in group.attributes {
                assert!(names.insert(attribute.name), "{} twice in {}", attribute.name, group.name);
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
