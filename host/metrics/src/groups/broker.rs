//! The built-in broker. Ours, not Connect's.

use crate::instrument::{Counter, Distribution, Gauge};
use crate::table::Statistic::{Average, Current, Max, Rate, Total};
use crate::table::group;

group! {
    /// Requests that the built-in broker served. Ours.
    BrokerRequests = ours "broker-request-metrics" by [];
    requests: Counter, Count, "Requests received" => { "request-rate": Rate, "request-total": Total }
    bytes_in: Counter, Bytes, "Bytes of requests" => { "incoming-byte-rate": Rate, "incoming-byte-total": Total }
    bytes_out: Counter, Bytes, "Bytes of responses" => { "outgoing-byte-rate": Rate, "outgoing-byte-total": Total }
    connections: Gauge, Count, "Open connections, those within the process included" => { "connection-count": Current }
    refused: Counter, Count, "Connections ended because of what they sent" => { "connection-refused-total": Total }
}

group! {
    /// What compaction of the built-in broker's partitions does. Ours.
    LogCleaner = ours "log-cleaner-metrics" by [];
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
