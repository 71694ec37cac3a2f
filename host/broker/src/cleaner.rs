//! The log cleaner: finds the partition in which compaction gains most, has it compacted, and begins again.
//!
//! As in Apache Kafka there are `log.cleaner.threads` of it, which share `log.cleaner.dedupe.buffer.size` of memory and
//! `log.cleaner.io.max.bytes.per.second` of the disk. What compaction does to a log is `millstream_log`'s; here is only
//! when, where and how fast. A partition in which it fails is left out and said, and the others go on.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_log::{CleanError, Cleanable, CleanedSegment, CleaningReport};
use millstream_metrics::LogCleaner;
use millstream_record::{ErrorChain, Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    config::CleanerConfig,
    partition::{Partition, PartitionUnavailable},
    topics::Topics,
};

/// How many of its rests a cleaner leaves a partition alone in which a pass has failed.
const PAUSES: u32 = 4;

/// One thread's worth of cleaning. Cheap to clone.
#[derive(Clone)]
pub struct Cleaner {
    topics: Arc<Topics>,
    config: CleanerConfig,
    stop: CancellationToken,
    counts: Arc<LogCleaner>,
}

impl Cleaner {
    /// Cleans the partitions of these topics until `stop`.
    pub fn new(topics: Arc<Topics>, config: CleanerConfig, stop: CancellationToken, counts: Arc<LogCleaner>) -> Self {
        Self { topics, config, stop, counts }
    }

    /// How many threads there are to be.
    pub fn threads(&self) -> usize {
        self.config.threads
    }

    /// How long a thread rests when it has found nothing to do.
    pub fn backoff(&self) -> Duration {
        self.config().backoff
    }

    fn config(&self) -> CleanerConfig {
        self.config.in_effect(&self.topics.dynamic().layers())
    }

    /// Cleans what is due most. Blocks for as long as that takes; ends soon after the stop. False if there was nothing
    /// to do, or it did not work out.
    pub fn clean_next(&self) -> bool {
        let now = Timestamp::now();
        let Some((partition, cleanable)) = self.dirtiest(now) else { return false };
        let began = Instant::now();
        self.counts.cleaning.change(1);
        let cleaned = self.clean(&partition, cleanable, now);
        self.counts.cleaning.change(-1);
        partition.end_cleaning();
        match cleaned {
            Ok(Some(report)) => {
                self.count(&report, began.elapsed());
                self.note(&partition, &report);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.fail(&partition, &error);
                false
            }
        }
    }

    /// The partition that has the largest part to clean, for this thread alone.
    fn dirtiest(&self, now: Timestamp) -> Option<(Arc<Partition>, Cleanable)> {
        let mut best: Option<(Arc<Partition>, Cleanable)> = None;
        let runtime = Handle::current();
        for partition in self.topics.partitions() {
            if self.stop.is_cancelled() {
                return None;
            }
            if !partition.wants_cleaning() || !partition.claim_cleaning() {
                continue;
            }
            let due = match runtime.block_on(partition.submit_here(move |partition| partition.due_cleaning(now))) {
                Ok(Ok(due)) => due,
                Ok(Err(error)) => {
                    self.fail(&partition, &error);
                    None
                }
                // It has gone offline, which was reported.
                Err(_) => None,
            };
            let better =
                |found: &Cleanable| best.as_ref().is_none_or(|(_, known)| known.dirty_ratio() < found.dirty_ratio());
            match due.filter(better) {
                Some(due) => {
                    if let Some((before, _)) = best.replace((partition, due)) {
                        before.end_cleaning();
                    }
                }
                None => partition.end_cleaning(),
            }
        }
        best
    }

    fn clean(
        &self,
        partition: &Arc<Partition>,
        cleanable: Cleanable,
        now: Timestamp,
    ) -> Result<Option<CleaningReport>, CleanError> {
        let runtime = Handle::current();
        let offline = |error: PartitionUnavailable| CleanError::Offline { reason: ErrorChain(&error).to_string() };
        let begun = partition.submit_here(move |partition| partition.begin_cleaning(&cleanable, now));
        let Some(cleaning) = runtime.block_on(begun).map_err(offline)? else { return Ok(None) };
        let config = self.config();
        let mut rate = Rate::new(config.bytes_per_second / config.threads as f64);
        let mut pace = |bytes| {
            let wait = rate.spend(bytes, Instant::now());
            if !wait.is_zero() {
                // Nobody waits for this thread but those who stop it.
                let _ended = runtime.block_on(tokio::time::timeout(wait, self.stop.cancelled()));
            }
            let over = self.stop.is_cancelled() || partition.is_over();
            if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut swap = |cleaned: CleanedSegment| {
            let swapped = partition.submit_here(move |partition| partition.swap_in(cleaned, now));
            runtime.block_on(swapped).map_err(offline)?
        };
        let map_bytes = config.map_bytes_of_each();
        let report = cleaning.run(map_bytes, &mut pace, &mut swap)?;
        partition.cleaned(report.cleaned_to);
        Ok(Some(report))
    }

    fn count(&self, report: &CleaningReport, took: Duration) {
        let counts = &self.counts;
        counts.passes.add(1);
        counts.pass_time.record_time(took);
        counts.bytes_read.add(report.bytes_read);
        counts.bytes_before.add(report.bytes_before);
        counts.bytes_kept.add(report.bytes_after);
        counts.records_removed.add(report.records_before.saturating_sub(report.records_after));
    }

    fn note(&self, partition: &Partition, report: &CleaningReport) {
        info!(
            partition = %partition.name(),
            cleaned_to = %report.cleaned_to,
            bytes_before = report.bytes_before,
            bytes_after = report.bytes_after,
            bytes_read = report.bytes_read,
            records_before = report.records_before,
            records_after = report.records_after,
            keys = report.keys,
            another_pass_follows = report.map_was_full,
            "a partition was compacted"
        );
        if 0 < report.keyless {
            warn!(
                partition = %partition.name(),
                records = report.keyless,
                "records without a key, from before the topic was compacted, were removed: compaction can keep none"
            );
        }
        if let Err(error) = self.topics.write_checkpoints() {
            // Then the next start cleans more than it would have to.
            warn!(error = %ErrorChain(&error), "the checkpoint of the cleaner could not be written");
        }
    }

    fn fail(&self, partition: &Partition, error: &CleanError) {
        match error {
            CleanError::Stopped => {}
            CleanError::Overtaken { .. } => {
                debug!(partition = %partition.name(), error = %ErrorChain(error), "a compaction begins again");
            }
            // Its files went from under the cleaner.
            _ if partition.is_deleted() || self.stop.is_cancelled() => {
                debug!(partition = %partition.name(), error = %ErrorChain(error), "a compaction was cut short");
            }
            error => {
                self.counts.failures.add(1);
                partition.cleaning_failed(error, PAUSES * self.backoff());
            }
        }
    }
}

/// Holds back whoever is faster than a number of bytes per second. A plain value.
#[derive(Debug)]
struct Rate {
    bytes_per_second: f64,
    /// When all that was spent so far would have been spent at that rate.
    due: Option<Instant>,
}

/// Longest wait at once. A rate of next to nothing is kept only so far.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Rate {
    fn new(bytes_per_second: f64) -> Self {
        Self { bytes_per_second, due: None }
    }

    /// Notes bytes that were spent, and says how long to wait before the next.
    fn spend(&mut self, bytes: u64, now: Instant) -> Duration {
        let seconds = bytes as f64 / self.bytes_per_second;
        let takes = Duration::try_from_secs_f64(seconds).map_or(LONGEST_WAIT, |takes| takes.min(LONGEST_WAIT));
        // Time in which nothing was spent is not saved up.
        let due = self.due.map_or(now, |due| due.max(now)) + takes;
        self.due = Some(due);
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_too_fast_waits_and_time_is_not_saved_up() {
        let mut rate = Rate::new(1000.0);
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(rate.spend(500, after(0)), Duration::from_millis(500));
        assert_eq!(rate.spend(500, after(500)), Duration::from_millis(500));
        assert_eq!(rate.spend(500, after(700)), Duration::from_millis(800), "300 of before are still due");
        assert_eq!(rate.spend(100, after(9000)), Duration::from_millis(100));
        assert_eq!(rate.spend(u64::MAX, after(9000)), LONGEST_WAIT + Duration::from_millis(100));
        assert_eq!(Rate::new(f64::MAX).spend(u64::MAX, start), Duration::ZERO, "the default is no limit");
    }
}
