//! Creating, deleting, growing and describing topics, and describing the cluster.

use std::collections::BTreeMap;

use millstream_record::TopicName;
use millstream_wire::protocol::{
    messages::{
        BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
    },
    protocol::StrBytes,
};

use super::{Admin, Refused, millis};
use crate::{
    cluster::{RequestError, TopicsWanted, wire_name},
    dial::HostPort,
    kafka_error::ErrorCode,
    metadata::Topic,
};

/// A topic to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewTopic {
    /// A topic of that name must not exist yet.
    pub name: TopicName,
    /// Number of partitions; `None` for the broker's default.
    pub partitions: Option<u32>,
    /// Copies of each partition; `None` for the broker's default.
    pub replication_factor: Option<u16>,
    /// Brokers of each partition's copies, instead of the two numbers above.
    pub assignments: Vec<Vec<i32>>,
    /// Settings that differ from the broker's defaults.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the broker's defaults throughout.
    pub fn new(name: TopicName) -> Self {
        Self { name, partitions: None, replication_factor: None, assignments: Vec::new(), configs: BTreeMap::new() }
    }
}

/// What a topic looks like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicDescription {
    /// As asked for.
    pub name: TopicName,
    /// Leader, replicas and the like of each partition.
    pub topic: Topic,
}

/// What a cluster looks like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClusterDescription {
    /// Given when the cluster was formatted; `None` from brokers too old to tell.
    pub cluster_id: Option<String>,
    /// The broker that changes topics.
    pub controller: Option<i32>,
    /// Brokers by node id.
    pub brokers: BTreeMap<i32, HostPort>,
}

impl Admin {
    /// Creates topics, or only checks that they could be.
    ///
    /// A topic that exists is refused with [`ErrorCode::TOPIC_ALREADY_EXISTS`], also when a repetition of this
    /// very call finds what its first attempt created.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<BTreeMap<TopicName, Result<(), Refused>>, RequestError> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(millis(self.api_timeout))
            .with_validate_only(validate_only);
        self.repeat("create topics", || async {
            let response = self.link.controller().await?.call(&request).await?;
            let mut results = BTreeMap::new();
            for answered in response.topics {
                not_from_elsewhere("create topics", answered.error_code)?;
                let message = answered.error_message.map(|text| text.to_string());
                if let Ok(name) = TopicName::parse(answered.name.as_str()) {
                    results.insert(name, Refused::check(answered.error_code, message));
                }
            }
            Ok(results)
        })
        .await
    }

    /// Deletes topics.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn delete_topics(
        &self,
        topics: &[TopicName],
    ) -> Result<BTreeMap<TopicName, Result<(), Refused>>, RequestError> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(topics.iter().map(wire_name).collect())
            .with_timeout_ms(millis(self.api_timeout));
        self.repeat("delete topics", || async {
            let response = self.link.controller().await?.call(&request).await?;
            let mut results = BTreeMap::new();
            for answered in response.responses {
                not_from_elsewhere("delete topics", answered.error_code)?;
                let message = answered.error_message.map(|text| text.to_string());
                let name = answered.name.as_ref().map(|name| TopicName::parse(name.as_str()));
                if let Some(Ok(name)) = name {
                    results.insert(name, Refused::check(answered.error_code, message));
                }
            }
            Ok(results)
        })
        .await
    }

    /// Gives topics more partitions, up to the number named.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn create_partitions(
        &self,
        totals: &BTreeMap<TopicName, u32>,
    ) -> Result<BTreeMap<TopicName, Result<(), Refused>>, RequestError> {
        let topic = |(name, total): (&TopicName, &u32)| {
            CreatePartitionsTopic::default()
                .with_name(wire_name(name))
                .with_count(i32::try_from(*total).unwrap_or(i32::MAX))
                .with_assignments(None)
        };
        let request = CreatePartitionsRequest::default()
            .with_topics(totals.iter().map(topic).collect())
            .with_timeout_ms(millis(self.api_timeout));
        self.repeat("create partitions", || async {
            let response = self.link.controller().await?.call(&request).await?;
            let mut results = BTreeMap::new();
            for answered in response.results {
                not_from_elsewhere("create partitions", answered.error_code)?;
                let message = answered.error_message.map(|text| text.to_string());
                if let Ok(name) = TopicName::parse(answered.name.as_str()) {
                    results.insert(name, Refused::check(answered.error_code, message));
                }
            }
            Ok(results)
        })
        .await
    }

    /// Describes topics. Does not create them. One that does not exist is refused with
    /// [`ErrorCode::UNKNOWN_TOPIC_OR_PARTITION`].
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn describe_topics(
        &self,
        topics: &[TopicName],
    ) -> Result<BTreeMap<TopicName, Result<TopicDescription, Refused>>, RequestError> {
        self.repeat("describe topics", || async {
            let metadata = self.link.cluster.look(topics).await?;
            let mut results = BTreeMap::new();
            for name in topics {
                let known = metadata.topic(name);
                let error = known.map_or(Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), |topic| topic.error);
                let description = match (known, error) {
                    (Some(topic), None) => Ok(TopicDescription { name: name.clone(), topic: topic.clone() }),
                    (_, error) => {
                        Err(Refused { message: None, source: error.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) })
                    }
                };
                results.insert(name.clone(), description);
            }
            Ok(results)
        })
        .await
    }

    /// Names of all topics, Kafka's own included where `internal` is set.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn list_topics(&self, internal: bool) -> Result<Vec<TopicName>, RequestError> {
        self.repeat("list topics", || async {
            let metadata = self.link.cluster.refresh(TopicsWanted::All, false).await?;
            let mut names: Vec<TopicName> = metadata
                .topics()
                .filter(|(_, topic)| internal || !topic.internal)
                .map(|(name, _)| name.clone())
                .collect();
            names.sort_unstable();
            Ok(names)
        })
        .await
    }

    /// Describes the cluster.
    ///
    /// # Errors
    ///
    /// The cluster cannot be asked.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, RequestError> {
        self.repeat("describe the cluster", || async {
            // The metadata answer has all of it, in every version of Kafka.
            let metadata = self.link.cluster.refresh(TopicsWanted::Named(&[]), false).await?;
            Ok(ClusterDescription {
                cluster_id: metadata.cluster_id.clone(),
                controller: metadata.controller,
                brokers: metadata.brokers.clone(),
            })
        })
        .await
    }
}

/// A broker that is not the controller says so for every topic; the whole call is then made again.
fn not_from_elsewhere(attempted: &str, code: i16) -> Result<(), RequestError> {
    match ErrorCode::check(code) {
        Err(source) if matches!(source, ErrorCode::NOT_CONTROLLER | ErrorCode::REQUEST_TIMED_OUT) => {
            Err(RequestError::Refused { attempted: attempted.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let text = |text: &String| StrBytes::from_string(text.clone());
    let config = |(name, value)| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)));
    let assignment = |(at, brokers): (i32, &Vec<i32>)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(at)
            .with_broker_ids(brokers.iter().map(|node| BrokerId(*node)).collect())
    };
    let assigned = !topic.assignments.is_empty();
    let partitions = topic.partitions.filter(|_| !assigned);
    let copies = topic.replication_factor.filter(|_| !assigned);
    CreatableTopic::default()
        .with_name(wire_name(&topic.name))
        .with_num_partitions(partitions.map_or(-1, |count| i32::try_from(count).unwrap_or(i32::MAX)))
        .with_replication_factor(copies.map_or(-1, |count| i16::try_from(count).unwrap_or(i16::MAX)))
        .with_assignments((0..).zip(&topic.assignments).map(assignment).collect())
        .with_configs(topic.configs.iter().map(config).collect())
}
