//! A worker: what it starts and runs, and its place in a group.

use crate::instrument::{Counter, Distribution, Gauge, Last, Text, Timestamp};
use crate::table::Statistic::{Average, Current, Max, MillisSince, ShareWith, Text as Word, Time, Total};
use crate::table::group;

group! {
    /// Starts of connectors and tasks on this worker.
    Worker = connect "connect-worker-metrics" by [];
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
    /// Tasks of one connector that this worker has, by the state that they report. Exist while there is one.
    ConnectorTasks = connect "connect-worker-metrics" by ["connector"];
    total: Gauge, Count, "Tasks of the connector on this worker" => { "connector-total-task-count": Current }
    running: Gauge, Count, "Those that run" => { "connector-running-task-count": Current }
    paused: Gauge, Count, "Those that are paused" => { "connector-paused-task-count": Current }
    failed: Gauge, Count, "Those that have failed" => { "connector-failed-task-count": Current }
    unassigned: Gauge, Count, "Those that do not run yet" => { "connector-unassigned-task-count": Current }
    destroyed: Gauge, Count, "Those that were deleted; none, since these are gone at once" => {
        "connector-destroyed-task-count": Current,
    }
    restarting: Gauge, Count, "Those that do not run yet after a restart" => {
        "connector-restarting-task-count": Current,
    }
}

group! {
    /// What this program is.
    AppInfo = connect "app-info" by ["id"];
    version: Text, Word, "Version of Connect that it is compatible with" => { "version": Word }
    commit: Text, Word, "Version of Millstream" => { "commit-id": Word }
    started: Timestamp, Time, "When it was started" => { "start-time-ms": Time }
}

group! {
    /// How much is counted.
    MetricsCount = connect "kafka-metrics-count" by [];
    metrics: Gauge, Count, "Metrics that there are, this one among them" => { "count": Current }
}

group! {
    /// Rebalances of the group of workers that this one belongs to.
    WorkerRebalances = connect "connect-worker-rebalance-metrics" by [];
    epoch: Gauge, Count, "Generation of the group" => { "epoch": Current }
    completed: Counter, Count, "Rebalances that this worker came through" => { "completed-rebalances-total": Total }
    rebalancing: Gauge, Count, "Whether a rebalance goes on: 1 or 0" => { "rebalancing": Current }
    last: Last, Millis, "Time since the last rebalance; infinite before the first" => {
        "time-since-last-rebalance-ms": MillisSince,
    }
    protocol: Text, Word, "Protocol by which the workers share work" => { "connect-protocol": Word }
    leader: Text, Word, "Where the leader's API is reached" => { "leader-name": Word }
    rebalance_time: Distribution, Millis, "Time that a rebalance took" => {
        "rebalance-max-time-ms": Max,
        "rebalance-avg-time-ms": Average,
    }
}
