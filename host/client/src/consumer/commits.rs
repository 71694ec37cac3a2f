//! Offsets of the group: what was read, committing it, and what was committed before.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use futures::FutureExt;
use millstream_record::TopicName;
use tokio::time::Instant;

use super::{CommitError, ConsumeError, Consumer, OffsetAndMetadata, work::Event};
use crate::{
    admin::{Committer, TopicPartition, commit_offsets, fetch_offsets},
    cluster::Link,
    group::GroupMetadata,
    kafka_error::ErrorCode,
};

impl Consumer {
    pub(super) fn consumed(&self) -> Vec<(TopicName, i32, OffsetAndMetadata)> {
        let known = self.positions.known();
        known.into_iter().map(|((topic, partition), at)| (topic, partition, OffsetAndMetadata::new(at))).collect()
    }

    /// Commits what earlier polls handed out, if the interval has passed.
    pub(super) fn auto_commit(&mut self) {
        let (Some(interval), Some(due)) = (self.config.auto_commit, self.next_auto_commit) else { return };
        let now = Instant::now();
        if now < due || self.revoking {
            return;
        }
        self.next_auto_commit = Some(now + interval);
        let offsets = self.consumed();
        if !offsets.is_empty() {
            // Not repeated: the next one comes soon, and a repetition might take back what a later one has committed.
            let commit = self.commit_within(&offsets, Duration::ZERO);
            self.work.push(async move { Event::Committed(commit.await) }.boxed());
        }
    }

    /// Commits offsets of the group: in the name of this member, or of nobody where partitions were assigned by
    /// hand. Repeats what is worth it, for at most `default.api.timeout.ms`.
    ///
    /// The epoch of the record before each offset goes with it where it was read here.
    ///
    /// The future borrows nothing, so it can go on while the consumer is polled. Dropping it may leave the
    /// commit done or not.
    ///
    /// # Errors
    ///
    /// The offsets of at least one partition were not committed.
    pub fn commit(
        &self,
        offsets: &[(TopicName, i32, OffsetAndMetadata)],
    ) -> impl Future<Output = Result<(), CommitError>> + Send + 'static {
        self.commit_within(offsets, self.config.api_timeout)
    }

    /// Repeats nothing where there is no time for it.
    fn commit_within(
        &self,
        offsets: &[(TopicName, i32, OffsetAndMetadata)],
        timeout: Duration,
    ) -> impl Future<Output = Result<(), CommitError>> + Send + 'static {
        let group_id = self.config.group_id.clone();
        let committer = match &self.group {
            None => Some(Committer::default()),
            Some(group) => group.committer(),
        };
        let (link, mut offsets, counts) = (self.link.clone(), offsets.to_vec(), Arc::clone(&self.membership));
        for (topic, partition, at) in &mut offsets {
            let known = || self.positions.epoch_before(&(topic.clone(), *partition), at.offset);
            at.leader_epoch = at.leader_epoch.or_else(known);
        }
        async move {
            let group_id = group_id.ok_or(CommitError::NoGroup)?;
            if offsets.is_empty() {
                return Ok(());
            }
            let superseded =
                || CommitError::Superseded { group_id: group_id.clone(), source: ErrorCode::UNKNOWN_MEMBER_ID };
            let committer = committer.ok_or_else(superseded)?;
            let began = Instant::now();
            commit_repeatedly(&link, &group_id, &committer, &offsets, timeout).await?;
            counts.commits.add(1);
            counts.commit_time.record_time(began.elapsed());
            Ok(())
        }
    }

    /// In whose name a transactional producer commits what this consumer has read; see
    /// [`Producer::send_offsets_to_transaction`](crate::Producer::send_offsets_to_transaction). `None` without a group,
    /// and while this consumer is no member of a generation though it subscribed to topics.
    pub fn group_metadata(&self) -> Option<GroupMetadata> {
        let group_id = self.config.group_id.clone()?;
        let Some(group) = &self.group else { return Some(GroupMetadata::of_nobody(group_id)) };
        let Committer { generation, member_id, group_instance_id } = group.committer()?;
        Some(GroupMetadata { group_id, generation, member_id, group_instance_id })
    }

    /// The group's committed offsets of these partitions; those without one are left out.
    ///
    /// # Errors
    ///
    /// There is no `group.id`, or the coordinator cannot be asked within `default.api.timeout.ms`.
    pub async fn committed(
        &self,
        partitions: &[(TopicName, i32)],
    ) -> Result<BTreeMap<(TopicName, i32), OffsetAndMetadata>, ConsumeError> {
        let group_id = self.config.group_id.as_deref().ok_or(ConsumeError::NoGroup)?;
        let started = Instant::now();
        let mut failures = 0;
        loop {
            match fetch_offsets(&self.link, group_id, Some(partitions), true).await {
                Ok(offsets) => return Ok(offsets),
                Err(error) if error.is_retriable() && started.elapsed() < self.config.api_timeout => {
                    tokio::time::sleep(self.cluster.settings().retry_delay(failures)).await;
                    failures += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

async fn commit_repeatedly(
    link: &Link,
    group_id: &str,
    committer: &Committer,
    offsets: &[(TopicName, i32, OffsetAndMetadata)],
    timeout: Duration,
) -> Result<(), CommitError> {
    let started = Instant::now();
    let mut failures = 0;
    loop {
        let error = match commit_offsets(link, group_id, committer, offsets).await {
            Ok(results) => match results.into_iter().find_map(|(key, result)| Some((key, result.err()?))) {
                None => return Ok(()),
                Some((key, code)) => commit_error(group_id, key, code),
            },
            Err(source) => CommitError::Request { group_id: group_id.to_owned(), source },
        };
        let delay = link.cluster.settings().retry_delay(failures);
        let worth_it = error.is_retriable() && !matches!(error, CommitError::Rebalancing { .. });
        if !worth_it || timeout <= started.elapsed() + delay {
            return Err(error);
        }
        failures += 1;
        tokio::time::sleep(delay).await;
    }
}

fn commit_error(group_id: &str, (topic, partition): TopicPartition, source: ErrorCode) -> CommitError {
    let group_id = group_id.to_owned();
    match source {
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION | ErrorCode::FENCED_INSTANCE_ID => {
            CommitError::Superseded { group_id, source }
        }
        ErrorCode::REBALANCE_IN_PROGRESS => CommitError::Rebalancing { group_id },
        source => CommitError::Refused { group_id, topic, partition, source },
    }
}
