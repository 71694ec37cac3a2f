//! What is known about a cluster: its brokers, and the partitions of the topics somebody asked for.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use millstream_record::TopicName;
use millstream_wire::protocol::messages::{MetadataResponse, metadata_response::MetadataResponseTopic};
use tokio::time::Instant;

use crate::{dial::HostPort, kafka_error::ErrorCode};

/// A picture of the cluster at one time. A copy costs little for each topic.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Id of the cluster; `None` before the first answer.
    pub cluster_id: Option<String>,
    /// The broker that changes topics.
    pub controller: Option<i32>,
    /// Brokers by node id.
    pub brokers: BTreeMap<i32, HostPort>,
    topics: HashMap<TopicName, Arc<Topic>>,
    /// Topics in the order in which something new was heard of them, each once, by the number of that news.
    news: BTreeMap<u64, TopicName>,
    /// Number of the newest.
    newest: u64,
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
    /// Number of the newest news of it.
    news: u64,
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
        self.topics.get(name).map(Arc::as_ref)
    }

    /// Every topic that was asked for and exists.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.topics.iter().map(|(name, topic)| (name, &**topic)).filter(|(_, topic)| topic.error.is_none())
    }

    /// Number of the newest news of any topic; 0 before the first.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Topics of which there are news behind this number. What was said of them before may be outdated; of all others
    /// it holds.
    pub(crate) fn news_since(&self, number: u64) -> impl Iterator<Item = &TopicName> {
        self.news.range(number.saturating_add(1)..).map(|(_, name)| name)
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

    /// Paints an answer over this picture. Where everything was asked for, what the answer does not name is gone.
    ///
    /// What that costs depends on what the answer names: who learns of one topic after another must not pay for all
    /// that are known with each.
    pub(crate) fn update(&mut self, response: &MetadataResponse, all_topics: bool, now: Instant) {
        self.brokers.clear();
        for broker in &response.brokers {
            if let Ok(port) = u16::try_from(broker.port) {
                self.brokers.insert(broker.node_id.0, HostPort { host: broker.host.to_string(), port });
            }
        }
        if let Some(id) = &response.cluster_id {
            self.cluster_id = Some(id.to_string());
        }
        self.controller = Some(response.controller_id.0).filter(|node| 0 <= *node);
        let mut before = if all_topics { std::mem::take(&mut self.topics) } else { HashMap::new() };
        for answered in &response.topics {
            let Some(Ok(name)) = answered.name.as_ref().map(|name| TopicName::parse(name.as_str())) else { continue };
            let known = before.remove(&name).or_else(|| self.topics.get(&name).cloned());
            self.learn(name, known.as_deref(), answered, now);
        }
        for gone in before.into_values() {
            self.news.remove(&gone.news);
        }
    }

    fn learn(&mut self, name: TopicName, known: Option<&Topic>, answered: &MetadataResponseTopic, now: Instant) {
        let mut topic = Topic::from_response(answered, known, now);
        match known {
            Some(known) if known.says_the_same(&topic) => topic.news = known.news,
            known => {
                if let Some(known) = known {
                    self.news.remove(&known.news);
                }
                self.newest += 1;
                topic.news = self.newest;
                self.news.insert(topic.news, name.clone());
            }
        }
        self.topics.insert(name, Arc::new(topic));
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
        Self { internal: answered.is_internal, partitions, error, learned: now, news: 0 }
    }

    /// Whether two answers differ in nothing but their time.
    fn says_the_same(&self, other: &Self) -> bool {
        let Self { internal, partitions, error, learned: _, news: _ } = self;
        (internal, partitions, error) == (&other.internal, &other.partitions, &other.error)
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
        let first = after(&Metadata::default(), &[("a", 0, 3), ("b", 0, 1)], false, now);
        assert_eq!(first.partition_count(&topic("a")), Some(3));
        assert_eq!(first.leader(&topic("a"), 2), Some((1, 0)));
        assert_eq!(first.leader(&topic("a"), 3), None);
        let second = after(&first, &[("a", 3, 0)], false, now);
        assert_eq!(second.partition_count(&topic("a")), None);
        assert_eq!(
            second.topic(&topic("a")).and_then(|topic| topic.error),
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        );
        assert_eq!(second.partition_count(&topic("b")), Some(1));
        let all = after(&first, &[("b", 0, 1)], true, now);
        assert!(all.topic(&topic("a")).is_none());
        assert_eq!(all.leader(&topic("b"), 0), Some((1, 0)));
    }

    #[test]
    fn only_what_is_said_anew_is_news_and_what_is_gone_is_none() {
        let now = Instant::now();
        let news = |of: &Metadata, since| of.news_since(since).map(TopicName::to_string).collect::<Vec<_>>();
        let first = after(&Metadata::default(), &[("a", 0, 3), ("b", 0, 1)], false, now);
        assert_eq!((news(&first, 0), first.newest()), (vec!["a".to_owned(), "b".to_owned()], 2));
        // The same again, later.
        let same = after(&first, &[("a", 0, 3)], false, now + Duration::from_secs(1));
        assert_eq!((news(&same, 0).len(), news(&same, 2), same.newest()), (2, vec![], 2));
        let more = after(&same, &[("a", 0, 4), ("c", 0, 1)], false, now);
        assert_eq!(news(&more, 2), ["a", "c"]);
        assert_eq!(news(&more, 0), ["b", "a", "c"]);
        for gone in [after(&more, &[("c", 0, 1)], true, now), after(&more, &[("c", 3, 0)], true, now)] {
            assert_eq!(news(&gone, 0), ["c"]);
        }
    }

    #[test]
    fn topics_grow_stale() {
        let now = Instant::now();
        let known = after(&Metadata::default(), &[("a", 0, 1), ("gone", 3, 0)], false, now);
        let age = Duration::from_secs(5);
        assert!(!known.is_stale(&topic("a"), now, age));
        assert!(known.is_stale(&topic("a"), now + age, age));
        assert!(!known.is_stale(&topic("a"), now + age, Duration::MAX));
        assert!(known.is_stale(&topic("gone"), now, age));
        assert!(known.is_stale(&topic("never asked for"), now, age));
    }

    fn after(before: &Metadata, topics: &[(&str, i16, usize)], all: bool, now: Instant) -> Metadata {
        let mut metadata = before.clone();
        metadata.update(&answer(topics), all, now);
        metadata
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
