//! Connectors and tasks as Connect counts them.

use crate::instrument::{Counter, Distribution, Gauge, Text, Timestamp};
use crate::lifecycle::Lifecycle;
use crate::state::State;
use crate::table::Statistic::{Average, Current, Max, Min, Rate, ShareWith, Text as Word, Time, TimeIn, Total};
use crate::table::group;

group! {
    /// A connector that this worker runs.
    Connector = connect "connector-metrics" by ["connector"];
    state: Lifecycle, Word, "Its state" => { "status": Word }
    kind: Text, Word, "Whether it is a `source` or a `sink`" => { "connector-type": Word }
    class: Text, Word, "Its class" => { "connector-class": Word }
    version: Text, Word, "The version that its plugin states" => { "connector-version": Word }
}

group! {
    /// Any task: its batches and its offset commits.
    Task = connect "connector-task-metrics" by ["connector", "task"];
    state: Lifecycle, Word, "Its state, and the shares of its time that it ran and was paused" => {
        "status": Word,
        "running-ratio": TimeIn(State::Running),
        "pause-ratio": TimeIn(State::Paused),
    }
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
    /// What any task is made of.
    TaskPlugins = connect "connector-task-metrics" by ["connector", "task"];
    connector_class: Text, Word, "Class of its connector" => { "connector-class": Word }
    connector_type: Text, Word, "Whether its connector is a `source` or a `sink`" => { "connector-type": Word }
    connector_version: Text, Word, "Version of its connector" => { "connector-version": Word }
    task_class: Text, Word, "Its own class" => { "task-class": Word }
    task_version: Text, Word, "Its own version" => { "task-version": Word }
    key_converter_class: Text, Word, "Class of the converter of keys" => { "key-converter-class": Word }
    key_converter_version: Text, Word, "Its version" => { "key-converter-version": Word }
    value_converter_class: Text, Word, "Class of the converter of values" => { "value-converter-class": Word }
    value_converter_version: Text, Word, "Its version" => { "value-converter-version": Word }
    header_converter_class: Text, Word, "Class of the converter of headers" => { "header-converter-class": Word }
    header_converter_version: Text, Word, "Its version" => { "header-converter-version": Word }
}

group! {
    /// A transform of a task, by its alias.
    TransformPlugin = connect "connector-transform-metrics" by ["connector", "task", "transform"];
    class: Text, Word, "Its class" => { "transform-class": Word }
    version: Text, Word, "Its version" => { "transform-version": Word }
}

group! {
    /// A predicate that a transform of a task has, by its alias.
    PredicatePlugin = connect "connector-predicate-metrics" by ["connector", "task", "predicate"];
    class: Text, Word, "Its class" => { "predicate-class": Word }
    version: Text, Word, "Its version" => { "predicate-version": Word }
}

group! {
    /// Source tasks.
    SourceTask = connect "source-task-metrics" by ["connector", "task"];
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
    /// Source tasks that deliver exactly once.
    SourceTransactions = connect "source-task-metrics" by ["connector", "task"];
    size: Distribution, Records, "Records in one committed transaction" => {
        "transaction-size-min": Min,
        "transaction-size-max": Max,
        "transaction-size-avg": Average,
    }
}

group! {
    /// Sink tasks.
    SinkTask = connect "sink-task-metrics" by ["connector", "task"];
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
    TaskErrors = connect "task-error-metrics" by ["connector", "task"];
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
    last_error: Timestamp, Time, "When a record failed last; 0 if none did" => { "last-error-timestamp": Time }
}
