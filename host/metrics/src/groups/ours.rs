//! What Connect does not count.

use crate::histogram::Histogram;
use crate::instrument::{Counter, Gauge};
use crate::table::Statistic::{Buckets, Current, Rate, Total};
use crate::table::group;

group! {
    /// Where the time of a task goes: one of these for each stage. Of a source these are `poll` (a call that returned
    /// records), `transform`, `convert` and `produce` (from the first record that is handed to the producer until the
    /// batch, and every one before it, is acknowledged); of a sink `convert`, `transform` and `put`; of both `commit` (of
    /// offsets). Each batch counts once.
    TaskStage = ours "task-stage-metrics" by ["connector", "task", "stage"];
    time: Histogram, Seconds, "Time that a batch spent in the stage" => { "duration-seconds": Buckets }
}

group! {
    /// How long the way through a connector is, over all its tasks on this worker.
    ConnectorLatency = ours "connector-latency-metrics" by ["connector"];
    end_to_end: Histogram, Seconds, "Of a source the time from the end of a poll until all of its batch has ended; of a sink the time from the timestamp of a batch's first record until the plugin has taken the batch" => {
        "end-to-end-seconds": Buckets,
    }
}

group! {
    /// What a task holds in memory.
    TaskMemory = ours "task-memory-metrics" by ["connector", "task"];
    in_flight: Gauge, Bytes, "Bytes of batches that have not ended: of a source polled and not acknowledged, of a sink consumed and not taken by the plugin" => {
        "in-flight-bytes": Current,
    }
}

group! {
    /// How far a sink task is behind, for each partition that it has.
    SinkPartition = ours "sink-partition-metrics" by ["connector", "task", "topic", "partition"];
    lag: Gauge, Records, "Records between what the task has read and the partition's end, as of the last fetch" => {
        "records-lag": Current,
    }
}

group! {
    /// What this page shows, and what it does not.
    Exposition = ours "exposition-metrics" by [];
    series: Gauge, Count, "Series shown" => { "series": Current }
    left_out: Gauge, Count, "Series beyond the limit (metrics.series.max), which are not shown" => {
        "series-left-out": Current,
    }
}

group! {
    /// Restarts that nobody asked for (`restart.policy`).
    Restarts = ours "connector-restart-metrics" by ["connector"];
    restarts: Counter, Count, "Times that the connector or one of its tasks was started again by itself" => {
        "automatic-restart-total": Total,
    }
}

group! {
    /// Instances of a plugin that one connector (without a task) or one task has. Ours, not Connect's.
    PluginInstance = ours "plugin-instance-metrics" by ["connector", "plugin", "task"];
    calls: Counter, Count, "Calls into the plugin" => { "call-rate": Rate, "call-total": Total }
    cpu_time: Counter, Nanos, "Time that the plugin computed in calls, without waiting for the host" => {
        "cpu-time-ns-total": Total,
    }
    memory: Gauge, Bytes, "Bytes of memories and tables that the plugin holds" => { "memory-bytes": Current }
    instances: Counter, Count, "Instances that were made" => { "instance-created-total": Total }
    recycled: Counter, Count, "Instances that were replaced since they had outgrown a mark (`plugin.memory.recycle.bytes`)" => { "instance-recycled-total": Total }
    faults: Counter, Count, "Instances that broke or could not be made: traps, limits, broken promises" => { "instance-fault-total": Total }
    lines_dropped: Counter, Count, "Log lines beyond the rate limit" => { "log-line-dropped-total": Total }
    http_requests: Counter, Count, "HTTP requests that were sent for the plugin, those for tokens included" => { "http-request-rate": Rate, "http-request-total": Total }
    http_failures: Counter, Count, "HTTP requests of the plugin that got no answer" => { "http-request-failed-total": Total }
    http_sent: Counter, Bytes, "Bytes of the bodies of those requests" => { "http-sent-byte-total": Total }
    http_received: Counter, Bytes, "Bytes of the bodies of their answers, as they came" => { "http-received-byte-total": Total }
    http_time: Counter, Nanos, "Time until the answers to the plugin's HTTP requests began" => { "http-wait-time-ns-total": Total }
    database_calls: Counter, Count, "Calls to databases" => { "database-call-total": Total }
    database_errors: Counter, Count, "Calls to databases that failed" => { "database-error-total": Total }
    database_time: Counter, Nanos, "Time that the plugin waited for databases" => { "database-time-ns-total": Total }
    database_rows_read: Counter, Count, "Rows that the plugin read from databases" => { "database-row-read-total": Total }
    database_bytes_read: Counter, Bytes, "Bytes of the batches that these rows became" => { "database-byte-read-total": Total }
    database_rows_changed: Counter, Count, "Rows that databases say statements over batches changed" => {
        "database-row-changed-total": Total,
    }
}
