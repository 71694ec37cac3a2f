//! What a topic's configuration means to one partition's log.

use millstream_wire::batch::TimestampType;

/// Limits of one partition's log. The defaults are Kafka's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it grows beyond this.
    pub segment_bytes: u64,
    /// `log.reserve.max.bytes`, ours: most room that is taken on the disk ahead of what is appended.
    pub reserve_bytes: u64,
    /// `segment.ms`: a segment is closed when its first record is older than this at the next append.
    pub segment_ms: i64,
    /// `segment.index.bytes`: a segment is closed when its offset index has grown to this.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: bytes of log between two index entries.
    pub index_interval_bytes: u64,
    /// Whether `cleanup.policy` names `delete`, without which the two `retention` keys mean nothing.
    pub delete: bool,
    /// Whether `cleanup.policy` names `compact`: the cleaner is allowed to take records out of closed segments.
    pub compact: bool,
    /// `min.compaction.lag.ms`: a closed segment with a newer record is left alone.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: a record that is older makes its segment's compaction due, however little there is to
    /// gain. The active segment of a compacted topic is closed by it, too.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone stays after compaction has first seen it.
    pub delete_retention_ms: i64,
    /// `retention.ms`: closed segments whose newest record is older are deleted. -1 keeps them.
    pub retention_ms: i64,
    /// `retention.bytes`: oldest segments are deleted while the rest still has this many bytes. -1 keeps them.
    pub retention_bytes: i64,
    /// `max.message.bytes`: most bytes of one batch. Markers are exempt.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// Whether a closed segment is on stable storage before the next one begins. Without it, a power failure may
    /// take the end of one segment and leave the beginning of the next: a gap in the offsets.
    pub sync_closed: bool,
    /// `file.delete.delay.ms`: how long deleted files stay, so that readers can finish.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms`: how long an idle producer's sequence is remembered.
    pub producer_expiration_ms: i64,
}

impl LogConfig {
    /// After how many milliseconds the active segment is closed.
    pub(crate) fn roll_ms(&self) -> i64 {
        let soon = self.compact && 0 < self.max_compaction_lag_ms;
        if soon { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            reserve_bytes: 16 << 20,
            segment_ms: 604_800_000,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            delete: true,
            compact: false,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 86_400_000,
            retention_ms: 604_800_000,
            retention_bytes: -1,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            sync_closed: true,
            file_delete_delay_ms: 60_000,
            producer_expiration_ms: 86_400_000,
        }
    }
}
