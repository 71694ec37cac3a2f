//! Topics that a source task makes before it writes to them, over `millstream-client`, with the texts of Connect's
//! `TopicAdmin`.

use async_trait::async_trait;
use millstream_client::{
    Admin, ErrorCode, RequestError,
    admin::{NewTopic, Refused},
};
use millstream_connector::{ErrorKind, Failure};
use millstream_record::{ErrorChain, TopicName};

use super::{MadeTopic, TopicAdmin, WantedTopic, client::request_failure};
use crate::error_policy::CONNECT_EXCEPTION;

const RETRIABLE_EXCEPTION: &str = "org.apache.kafka.connect.errors.RetriableException";

/// Asks a cluster for topics and makes them.
pub(super) struct ClientTopics {
    admin: Admin,
    /// As configured, for messages.
    bootstrap: String,
}

impl ClientTopics {
    pub(super) fn new(admin: Admin, bootstrap: String) -> Self {
        Self { admin, bootstrap }
    }
}

#[async_trait]
impl TopicAdmin for ClientTopics {
    async fn exists(&self, topic: &TopicName) -> Result<bool, Failure> {
        let described = self.admin.describe_topics(std::slice::from_ref(topic)).await;
        let mut described = described.map_err(|error| match error {
            RequestError::Timeout { .. } => request_failure(&error).caused(
                ErrorKind::Retriable,
                RETRIABLE_EXCEPTION,
                format!("Timed out while describing topics '{topic}'"),
            ),
            error => request_failure(&error).caused(
                ErrorKind::Fatal,
                CONNECT_EXCEPTION,
                format!("Error while attempting to describe topics '{topic}'"),
            ),
        })?;
        let refused = match described.remove(topic) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(refused)) => refused,
            None => return Ok(false),
        };
        match refused.source {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Ok(false),
            // It has just been made.
            ErrorCode::LEADER_NOT_AVAILABLE => Ok(true),
            ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
                let message =
                    format!("Not authorized to describe topic(s) '{topic}' on the brokers {}", self.bootstrap);
                Err(refusal(&refused).caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message))
            }
            _ => {
                let message = format!("Error while attempting to describe topics '{topic}'");
                Err(refusal(&refused).caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message))
            }
        }
    }

    async fn create(&self, topic: &WantedTopic) -> Result<MadeTopic, Failure> {
        let name = &topic.name;
        let wanted = NewTopic {
            // -1 becomes the broker's default.
            partitions: u32::try_from(topic.partitions).ok(),
            replication_factor: u16::try_from(topic.replication_factor).ok(),
            configs: topic.configs.clone(),
            ..NewTopic::new(name.clone())
        };
        let unclear = || format!("Error while attempting to create/find topic(s) '{name}'");
        let created = self.admin.create_topics(&[wanted], false).await;
        let mut created = created.map_err(|error| {
            let message = match error {
                RequestError::Timeout { .. } => format!(
                    "Timed out while checking for or creating topic(s) '{name}'. This could indicate a connectivity issue, unavailable topic partitions, or if this is your first use of the topic it may have taken too long to create."
                ),
                _ => unclear(),
            };
            request_failure(&error).caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message)
        })?;
        let refused = match created.remove(name) {
            Some(Ok(())) => return Ok(MadeTopic::Made),
            Some(Err(refused)) => refused,
            None => {
                let message = "the answer does not name the topic";
                let cause = Failure::new(ErrorKind::Fatal, "org.apache.kafka.common.KafkaException", message);
                return Err(cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, unclear()));
            }
        };
        match refused.source {
            ErrorCode::TOPIC_ALREADY_EXISTS => Ok(MadeTopic::Existed),
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_VERSION => Ok(MadeTopic::Refused(refusal(&refused))),
            ErrorCode::INVALID_CONFIG => {
                let message = format!("Unable to create topic(s) '{name}': {}", ErrorChain(&refused));
                Err(refusal(&refused).caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message))
            }
            _ => Err(refusal(&refused).caused(ErrorKind::Fatal, CONNECT_EXCEPTION, unclear())),
        }
    }
}

fn refusal(refused: &Refused) -> Failure {
    Failure::new(ErrorKind::Fatal, &refused.java_class(), ErrorChain(refused).to_string())
}
