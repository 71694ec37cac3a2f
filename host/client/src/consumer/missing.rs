//! Topics and leaders that are missing: why, and that it is told after a while.

use millstream_record::TopicName;
use tokio::time::Instant;

use super::Consumer;
use crate::{
    admin::TopicPartition,
    metadata::Metadata,
    waiting::{LongWait, Waiting},
};

impl Consumer {
    /// Notes why something that is read is missing, or that nothing is, and tells it after a while.
    pub(super) fn note_missing(&mut self, cause: Option<String>) {
        let Some(cause) = cause else {
            self.missing = None;
            return;
        };
        let now = Instant::now();
        let client = || self.config.connection.client_id.clone();
        let patience = self.missing.get_or_insert_with(|| LongWait::begin(client(), now));
        let what = "the topics that are read".to_owned();
        patience.tell(now, &Waiting { lasting: patience.lasting(now), what, cause: Some(cause) });
    }

    /// What is wrong with the topics of interest in this picture of the cluster.
    pub(super) fn why_missing(&self, metadata: &Metadata) -> Option<String> {
        let of_topic = |topic: &TopicName| match metadata.topic(topic).and_then(|topic| topic.error) {
            Some(code) => Some(format!("{topic}: {code}")),
            None if metadata.partition_count(topic).is_none() => Some(format!("{topic}: nothing is known about it")),
            None => None,
        };
        let leaderless = |(topic, partition): &TopicPartition| match metadata.leader(topic, *partition) {
            None if metadata.partition_count(topic).is_some() => Some(format!("{topic}-{partition} has no leader")),
            _ => None,
        };
        let topics = self.topics_of_interest();
        let assigned = self.positions.assigned();
        let causes = topics.iter().filter_map(of_topic).chain(assigned.iter().filter_map(leaderless));
        let causes: Vec<String> = causes.take(3).collect();
        if causes.is_empty() { None } else { Some(causes.join(", ")) }
    }
}
