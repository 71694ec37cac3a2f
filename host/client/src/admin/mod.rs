//! Administration: topics, configurations, groups and their offsets.
//!
//! Every call repeats what is worth repeating (a broker that is away, a leader or coordinator that moved or
//! is still loading) until `default.api.timeout.ms`. Results come per topic, partition or group where the
//! protocol gives them so.

mod assignments;
mod configs;
mod groups;
mod producers;
mod records;
mod topics;

use std::{future::Future, time::Duration};

use tokio::time::Instant;

pub use self::{
    configs::{ConfigChange, ConfigEntry, ConfigResource},
    groups::{GroupDescription, GroupListing, MemberDescription, OffsetAndMetadata},
    records::{ListedOffset, OffsetSpec},
    topics::{ClusterDescription, NewTopic, TopicDescription},
};
pub(crate) use self::{
    groups::{Committer, commit_offsets, describe_group, fetch_offsets, wire_group},
    records::{TopicPartition, list_offsets},
};
use crate::{
    cluster::{Cluster, Link, RequestError, TopicsWanted},
    config::AdminConfig,
    kafka_error::ErrorCode,
};

/// What a broker said about one topic, partition, group or resource.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", message.as_deref().unwrap_or("the broker refused"))]
pub struct Refused {
    /// What the broker says in words.
    pub message: Option<String>,
    /// Which refusal it is.
    pub source: ErrorCode,
}

impl Refused {
    fn check(code: i16, message: Option<String>) -> Result<(), Self> {
        ErrorCode::check(code).map_err(|source| Self { message: message.filter(|text| !text.is_empty()), source })
    }

    /// Full name of the exception class that Java clients raise.
    pub fn java_class(&self) -> String {
        self.source.java_class()
    }
}

/// Asks and changes what concerns a cluster as a whole. Clones share connections.
#[derive(Clone, Debug)]
pub struct Admin {
    link: Link,
    api_timeout: Duration,
}

impl Admin {
    /// An admin client on a cluster's own connections.
    pub fn new(cluster: &Cluster, config: &AdminConfig) -> Self {
        if !config.ignored.is_empty() {
            tracing::debug!(client = %config.connection.client_id, keys = %config.ignored.join(", "), "admin settings without a meaning here are ignored");
        }
        Self { link: cluster.link(), api_timeout: config.api_timeout }
    }

    /// The cluster it works on.
    pub fn cluster(&self) -> &Cluster {
        &self.link.cluster
    }

    /// Repeats an attempt while its failure is worth it and time is left.
    async fn repeat<T, F>(&self, attempted: &str, mut attempt: impl FnMut() -> F) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, RequestError>>,
    {
        let started = Instant::now();
        let (mut failures, mut last) = (0, None);
        loop {
            let left = self.api_timeout.saturating_sub(started.elapsed());
            let result = tokio::time::timeout(left, attempt()).await;
            let failure = match result {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if !error.is_retriable() => return Err(error),
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let delay = self.link.cluster.settings().retry_delay(failures);
            failures += 1;
            let waited = started.elapsed();
            if failure.is_none() || self.api_timeout <= waited + delay {
                let source = failure.or(last).or_else(|| self.link.silence()).map(Box::new);
                return Err(RequestError::Timeout { attempted: attempted.to_owned(), waited, source });
            }
            last = failure;
            tokio::time::sleep(delay).await;
            // Leaders, coordinators and the controller may be elsewhere by now. If this fails, so does the
            // next attempt, and that is what gets reported.
            let left = self.api_timeout.saturating_sub(started.elapsed());
            let refreshed = self.link.cluster.refresh(TopicsWanted::Named(&[]), false);
            let _ = tokio::time::timeout(left, refreshed).await;
        }
    }
}

/// An error of a whole answer as an error of the request.
fn refused(attempted: impl Into<String>, code: i16) -> Result<(), RequestError> {
    ErrorCode::check(code).map_err(|source| RequestError::Refused { attempted: attempted.into(), source })
}

/// A time for brokers to carry out a change, in the protocol's unit.
fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
