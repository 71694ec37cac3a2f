//! How far a sink task is behind in each of its partitions, as its consumer knows it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_connector::TopicPartition;
use millstream_metrics::SinkPartition;
use tokio::time::Instant;

use super::commits::Commits;
use crate::{
    kafka::{FetchedRecords, RecordConsumer},
    task_metrics::TaskMetrics,
};

/// How often partitions are looked at that bring no records.
const LOOK: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(super) struct Lags {
    metrics: TaskMetrics,
    partitions: BTreeMap<TopicPartition, Arc<SinkPartition>>,
    next_look: Instant,
}

impl Lags {
    pub(super) fn new(metrics: TaskMetrics) -> Self {
        Self { metrics, partitions: BTreeMap::new(), next_look: Instant::now() }
    }

    /// Something was polled, or nothing. Of partitions with records the lag is taken at once, of all now and then.
    pub(super) fn follow(&mut self, consumer: &dyn RecordConsumer, fetched: &[FetchedRecords], commits: &Commits) {
        let now = Instant::now();
        if now < self.next_look {
            for fetched in fetched {
                let topic = fetched.topic.as_str().to_owned();
                self.take(consumer, TopicPartition { topic, partition: fetched.partition });
            }
            return;
        }
        self.next_look = now + LOOK;
        self.partitions.retain(|partition, _| commits.is_assigned(partition));
        commits.assigned().into_iter().for_each(|partition| self.take(consumer, partition));
    }

    fn take(&mut self, consumer: &dyn RecordConsumer, partition: TopicPartition) {
        let Some(lag) = consumer.lag(&partition) else { return };
        let counts = match self.partitions.get(&partition) {
            Some(counts) => counts,
            None => {
                let counts = self.metrics.partition(&partition);
                self.partitions.entry(partition).or_insert(counts)
            }
        };
        counts.lag.set(lag);
    }

    /// Forgets partitions that are not assigned any more.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        partitions.iter().for_each(|partition| {
            self.partitions.remove(partition);
        });
    }
}
