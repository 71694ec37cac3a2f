//! What is known about a cluster: its brokers, and the partitions of the topics somebody asked for.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use millstream_record::TopicName;
use millstream_wire::protocol::messages::{MetadataResponse, metadata_response::MetadataResponseTopic};
use tokio::time::Instant;

use crate::{dial::HostPort, kafka_error::ErrorCode};

/// A picture of the cluster at one time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Metadata {
    /// Id of the cluster; `None` before the first answer.
    pub cluster_id: Option<String>,
    /// The broker that changes topics.
    pub controller: Option<i32>,
    /// Brokers by node id.
    pub brokers: BTreeMap<i32, HostPort>,
    topics: HashMap<TopicName, Topic>,
}

/// What is known about one topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topic {
    /// Whether Kafka itself keeps its state there.
    pub internal: bool,
    /// By partition number. Empty where `error` is set.
    pub partitions: Vec<Partition>,
    /// Why nothing more is known.
    pub error: Option<ErrorCode>,
    learned: Instant,
}

/// What is known about one partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Partition {
    /// Node id of the leader; `None` while there is none.
    pub leader: Option<i32>,
    /// Epoch of that leadership, -1 when the broker does not tell.
    pub leader_epoch: i32,
    /// Nodes that hold copies.
    pub replicas: Vec<i32>,
    /// Those that are up to date.
    pub in_sync: Vec<i32>,
}

impl Metadata {
    /// A topic, if it was asked for. It may carry an error.
    pub fn topic(&self, name: &TopicName) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// Every topic that was asked for and exists.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.topics.iter().filter(|(_, topic)| topic.error.is_none())
    }

    /// Node id and leader epoch of a partition's leader.
    pub fn leader(&self, topic: &TopicName, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topic(topic)?.partitions.get(usize::try_from(partition).ok()?)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// Number of partitions; `None` while it is not known.
    pub fn partition_count(&self, topic: &TopicName) -> Option<u32> {
        let topic = self.topic(topic).filter(|topic| topic.error.is_none())?;
        u32::try_from(topic.partitions.len()).ok().filter(|count| 0 < *count)
    }

    /// Whether a topic is unknown or was last heard of longer ago than `max_age`.
    pub fn is_stale(&self, name: &TopicName, now: Instant, max_age: Duration) -> bool {
        self.topic(name).is_none_or(|topic| topic.error.is_some() || topic.learned + max_age.min(FAR) <= now)
    }

    /// This picture with an answer painted over it. Where everything was asked for, what the answer does not
    /// name is gone.
    pub(crate) fn updated(&self, response: &MetadataResponse, all_topics: bool, now: Instant) -> Self {
        let mut brokers = BTreeMap::new();
        for broker in &response.brokers {
            if let Ok(port) = u16::try_from(broker.port) {
                brokers.insert(broker.node_id.0, HostPort { host: broker.host.to_string(), port });
            }
        }
        let mut topics = if all_topics { HashMap::new() } else { self.topics.clone() };
        for answered in &response.topics {
            let Some(Ok(name)) = answered.name.as_ref().map(|name| TopicName::parse(name.as_str())) else { continue };
            let topic = Topic::from_response(answered, self.topics.get(&name), now);
            topics.insert(name, topic);
        }
        Self {
            cluster_id: response.cluster_id.as_ref().map(ToString::to_string).or_else(|| self.cluster_id.clone()),
            controller: Some(response.controller_id.0).filter(|node| 0 <= *node),
            brokers,
            topics,
        }
    }
}

/// An age beyond which adding to a time could overflow: thirty years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Topic {
    fn from_response(answered: &MetadataResponseTopic, before: Option<&Self>, now: Instant) -> Self {
        let error = ErrorCode::check(answered.error_code).err();
        // Numbers run from 0; one beyond their count would be a broker's mistake and is left out.
        let mut partitions = vec![Partition { leader_epoch: -1, ..Partition::default() }; answered.partitions.len()];
        for partition in &answered.partitions {
            let Some(slot) = usize::try_from(partition.partition_index).ok().and_then(|at| partitions.get_mut(at))
            else {
                continue;
            };
            *slot = Partition {
                leader: Some(partition.leader_id.0).filter(|node| 0 <= *node),
                leader_epoch: partition.leader_epoch,
                replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
                in_sync: partition.isr_nodes.iter().map(|node| node.0).collect(),
            };
            // A broker that lags behind may still name an older leader than is known already.
            let at = partition.partition_index as usize;
            if let Some(known) = before.and_then(|topic| topic.partitions.get(at)).filter(|_| error.is_none())
                && 0 <= slot.leader_epoch
                && slot.leader_epoch < known.leader_epoch
                && before.is_some_and(|topic| now.duration_since(topic.learned) < LAG)
            {
                *slot = known.clone();
            }
        }
        Self { internal: answered.is_internal, partitions, error, learned: now }
    }
}

/// How long an older leader epoch is taken for a lagging broker; a topic that was made anew starts over at 0.
const LAG: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use millstream_wire::protocol::{
        messages::{
            BrokerId,
            metadata_response::{MetadataResponseBroker, MetadataResponsePartition},
        },
        protocol::StrBytes,
    };

    use super::*;

    #[test]
    fn an_answer_replaces_what_it_names_and_keeps_the_rest() {
        let now = Instant::now();
        let first = Metadata::default().updated(&answer(&[("a", 0, 3), ("b", 0, 1)]), false, now);
        assert_eq!(first.partition_count(&topic("a")), Some(3));
        assert_eq!(first.leader(&topic("a"), 2), Some((1, 0)));
        assert_eq!(first.leader(&topic("a"), 3), None);
        let second = first.updated(&answer(&[("a", 3, 0)]), false, now);
        assert_eq!(second.partition_count(&topic("a")), None);
        assert_eq!(
            second.topic(&topic("a")).and_then(|topic| topic.error),
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        );
        assert_eq!(second.partition_count(&topic("b")), Some(1));
        let all = first.updated(&answer(&[("b", 0, 1)]), true, now);
        assert!(all.topic(&topic("a")).is_none());
    }

    #[test]
    fn topics_grow_stale() {
        let now = Instant::now();
        let known = Metadata::default().updated(&answer(&[("a", 0, 1), ("gone", 3, 0)]), false, now);
        let age = Duration::from_secs(5);
        assert!(!known.is_stale(&topic("a"), now, age));
        assert!(known.is_stale(&topic("a"), now + age, age));
        assert!(!known.is_stale(&topic("a"), now + age, Duration::MAX));
        assert!(known.is_stale(&topic("gone"), now, age));
        assert!(known.is_stale(&topic("never asked for"), now, age));
    }

    fn topic(name: &str) -> TopicName {
        TopicName::parse(&name.replace(' ', "-")).expect("a valid name")
    }

    fn answer(topics: &[(&str, i16, usize)]) -> MetadataResponse {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let broker = MetadataResponseBroker::default().with_node_id(BrokerId(1)).with_host(text("h")).with_port(9092);
        let topics = topics.iter().map(|(name, error, partitions)| {
            let partitions = (0..*partitions)
                .map(|at| {
                    MetadataResponsePartition::default()
                        .with_partition_index(at as i32)
                        .with_leader_id(BrokerId(1))
                        .with_leader_epoch(0)
                })
                .collect();
            MetadataResponseTopic::default()
                .with_name(Some(text(name).into()))
                .with_error_code(*error)
                .with_partitions(partitions)
        });
        MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics.collect())
    }
}
