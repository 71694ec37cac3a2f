//! The topics of a source task, made by the connector's rules before the first record to each of them.
//!
//! Nothing is remembered here: a task asks when its producer does not know a topic, which the producer then does. How
//! that is told apart stands in the pipeline.

use millstream_config::TopicRules;
use millstream_connector::{ErrorKind, Failure, TaskId};
use millstream_record::TopicName;

use crate::{
    error_policy::CONNECT_EXCEPTION,
    kafka::{MadeTopic, TopicAdmin, WantedTopic},
};

/// See the module's documentation.
pub(crate) struct NewTopics {
    task: TaskId,
    rules: TopicRules,
    admin: Box<dyn TopicAdmin>,
}

impl NewTopics {
    pub(crate) fn new(task: TaskId, rules: TopicRules, admin: Box<dyn TopicAdmin>) -> Self {
        Self { task, rules, admin }
    }

    /// Makes a topic unless it exists. That another task makes it at the same time is fine. Dropping the future may
    /// leave it made.
    ///
    /// # Errors
    ///
    /// In Connect's words. One that is retriable means that the cluster did not say whether the topic exists.
    pub(super) async fn ensure(&self, topic: &TopicName) -> Result<(), Failure> {
        let Self { task, rules, admin } = self;
        if admin.exists(topic).await? {
            tracing::info!(%task, %topic, "the topic exists");
            return Ok(());
        }
        let group = rules.group_of(topic.as_str()).map_err(|error| {
            let message =
                format!("the rules beneath topic.creation. cannot be held against the topic {topic}: {error}");
            Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, message)
        })?;
        let wanted = WantedTopic {
            name: topic.clone(),
            partitions: group.partitions,
            replication_factor: group.replication_factor,
            configs: group.configs.clone(),
        };
        match admin.create(&wanted).await? {
            MadeTopic::Made => tracing::info!(%task, group = group.name, "created the topic {wanted}"),
            MadeTopic::Existed => tracing::info!(%task, %topic, "the topic has just been created by somebody else"),
            MadeTopic::Refused(cause) => {
                let message = format!(
                    "Task failed to create new topic {wanted}. Ensure that the task is authorized to create topics or that the topic exists and restart the task"
                );
                return Err(cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message));
            }
        }
        Ok(())
    }
}
