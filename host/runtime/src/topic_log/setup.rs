//! The topic of a log: made with the worker's settings, or checked if it is there.

use std::time::Duration;

use millstream_connector::Failure;
use millstream_record::TopicName;
use tokio::time::Instant;

use crate::kafka::{CreateTopicError, LogClients, LogTopic};

/// Longest time for a topic to be made, as in Connect (`default.api.timeout.ms`).
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);
/// Wait before a topic is tried again that could not be made.
const CREATE_RETRY: Duration = Duration::from_millis(250);
/// Longest time until a topic that is there shows its partitions, as in Connect.
const PARTITIONS_TIMEOUT: Duration = Duration::from_secs(30);
/// First wait between two looks at its partitions; doubles up to a second.
const PARTITIONS_RETRY: Duration = Duration::from_millis(100);

const COMPACT: &str = "compact";

/// Why a log cannot be used.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// It could not be made, or found out whether it is there.
    #[error("make topic '{topic}', which the '{key}' property names")]
    Create {
        topic: TopicName,
        key: &'static str,
        /// What the cluster says.
        source: Failure,
    },
    /// It is not there and must not be made.
    #[error(
        "Topic '{topic}' supplied via the '{key}' property does not exist, and internal.topics.automatic.creation.enable=false forbids to make it: create it with cleanup.policy=compact{}, or set that key to true",
        if *.single { " and one partition" } else { "" }
    )]
    Missing { topic: TopicName, key: &'static str, single: bool },
    /// It loses records. The text is Connect's.
    #[error(
        "Topic '{topic}' supplied via the '{key}' property is required to have 'cleanup.policy=compact' to guarantee consistency and durability of {purpose}, but found the topic currently has 'cleanup.policy={policy}'. Continuing would likely result in eventually losing {purpose} and problems restarting this Connect cluster in the future. Change the '{key}' property in the Connect worker configurations to use a topic with 'cleanup.policy=compact'."
    )]
    CleanupPolicy { topic: TopicName, key: &'static str, purpose: &'static str, policy: String },
    /// Its records have no order. The text is Connect's.
    #[error(
        "Topic '{topic}' supplied via the '{key}' property is required to have a single partition in order to guarantee consistency of {purpose}, but found {partitions} partitions."
    )]
    Partitions { topic: TopicName, key: &'static str, purpose: &'static str, partitions: u32 },
    /// It does not show its partitions.
    #[error(
        "Could not look up partition metadata for topic '{topic}', which the '{key}' property names, within {} seconds: check that the topic exists and that its brokers run",
        PARTITIONS_TIMEOUT.as_secs()
    )]
    NoPartitions {
        topic: TopicName,
        key: &'static str,
        /// What the cluster said last.
        source: Option<Failure>,
    },
    /// Clients refuse the worker's settings.
    #[error("read and write topic '{topic}'")]
    Client {
        topic: TopicName,
        /// What they refuse.
        source: Failure,
    },
}

/// Makes the topic if it is not there and checks it if it is. Returns its number of partitions.
pub(super) async fn prepare(clients: &dyn LogClients, wanted: &LogTopic) -> Result<u32, OpenLogError> {
    let (topic, key) = (&wanted.name, wanted.key);
    let created = match existing(clients, wanted).await? {
        Some(_) => false,
        None if wanted.may_create => create(clients, wanted).await?,
        None => {
            return Err(OpenLogError::Missing { topic: topic.clone(), key, single: wanted.single_partition });
        }
    };
    if !created {
        // What cannot be found out is taken for right, as in Connect: a user may not be allowed to ask.
        match clients.cleanup_policy(topic).await {
            Ok(Some(policy)) if policy.trim() != COMPACT => {
                let (topic, purpose) = (topic.clone(), wanted.purpose);
                return Err(OpenLogError::CleanupPolicy { topic, key, purpose, policy });
            }
            Ok(_) => {}
            Err(failure) => {
                tracing::warn!(%topic, error = %failure, "whether the topic of the key {key} has cleanup.policy=compact cannot be found out: make sure of it");
            }
        }
    }
    let partitions = partitions(clients, wanted).await?;
    if wanted.single_partition && partitions != 1 {
        return Err(OpenLogError::Partitions { topic: topic.clone(), key, purpose: wanted.purpose, partitions });
    }
    Ok(partitions)
}

/// Asks for the topic's partitions; `None` where there is no such topic, or that may not be known.
async fn existing(clients: &dyn LogClients, wanted: &LogTopic) -> Result<Option<u32>, OpenLogError> {
    let deadline = Instant::now() + CREATE_TIMEOUT;
    loop {
        match clients.partitions(&wanted.name).await {
            Ok(found) => return Ok(found),
            Err(source) if deadline <= Instant::now() => {
                return Err(OpenLogError::Create { topic: wanted.name.clone(), key: wanted.key, source });
            }
            Err(failure) => {
                tracing::warn!(topic = %wanted.name, error = %failure, "the topic of the key {} cannot be looked at yet", wanted.key);
                tokio::time::sleep(CREATE_RETRY).await;
            }
        }
    }
}

/// Whether the topic was made now.
async fn create(clients: &dyn LogClients, wanted: &LogTopic) -> Result<bool, OpenLogError> {
    let deadline = Instant::now() + CREATE_TIMEOUT;
    let mut told = false;
    loop {
        match clients.create(wanted).await {
            Ok(()) => {
                tracing::info!(topic = %wanted.name, "made the topic for {}", wanted.purpose);
                return Ok(true);
            }
            Err(CreateTopicError::Exists) => return Ok(false),
            Err(CreateTopicError::NotAllowed(failure)) => {
                // As in Connect: somebody else may have made it.
                tracing::debug!(topic = %wanted.name, error = %failure, "making the topic is not allowed; it is taken to be there");
                return Ok(false);
            }
            // Brokers may still be starting.
            Err(CreateTopicError::Later(failure)) if Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(topic = %wanted.name, error = %failure, "the topic of the key {} cannot be made yet, and is tried again for {} seconds", wanted.key, CREATE_TIMEOUT.as_secs());
                }
                tokio::time::sleep(CREATE_RETRY).await;
            }
            Err(CreateTopicError::Later(source) | CreateTopicError::Refused(source)) => {
                return Err(OpenLogError::Create { topic: wanted.name.clone(), key: wanted.key, source });
            }
        }
    }
}

async fn partitions(clients: &dyn LogClients, wanted: &LogTopic) -> Result<u32, OpenLogError> {
    let deadline = Instant::now() + PARTITIONS_TIMEOUT;
    let mut wait = PARTITIONS_RETRY;
    loop {
        let source = match clients.partitions(&wanted.name).await {
            Ok(Some(partitions)) if 0 < partitions => return Ok(partitions),
            Ok(_) => None,
            Err(failure) => Some(failure),
        };
        if deadline <= Instant::now() + wait {
            return Err(OpenLogError::NoPartitions { topic: wanted.name.clone(), key: wanted.key, source });
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}
