//! OffsetCommit in its two halves, and what is committed.

use std::{future::Future, sync::Arc};

use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

use super::{
    Groups,
    coordinator::{CommitPermit, CommitTo, Committer},
    log::{Written, now_ms},
    offsets::CommittedOffset,
    records::{RecordKey, StoredOffset},
};

/// One partition's part of an OffsetCommit request.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Topic name.
    pub topic: String,
    /// Its id when the partition was looked up: a commit for a topic that is deleted meanwhile is none for the next
    /// of its name.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
    /// What to remember.
    pub offset: StoredOffset,
}

/// A commit that was handed to the log and is not durable yet.
pub struct PendingCommit {
    group: String,
    permit: CommitPermit,
    commits: Vec<Commit>,
    refused: Vec<(String, i32, ErrorCode)>,
    written: Option<Written>,
}

impl PendingCommit {
    /// Partitions that are not committed, and why.
    pub fn refused(&self) -> &[(String, i32, ErrorCode)] {
        &self.refused
    }
}

impl Groups {
    /// The first half of an OffsetCommit: checks it and hands it to the log, in the order of calls. The offsets topic
    /// must exist. Never blocks.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn begin_commit(
        &self,
        committer: &Committer<'_>,
        mut commits: Vec<Commit>,
    ) -> Result<PendingCommit, ErrorCode> {
        let group = committer.group;
        let mut state = self.lock_for(group)?;
        // Whoever deletes a topic comes to this lock after the topic is gone, and forgets what was committed before.
        commits.retain(|commit| self.topics.get(&commit.topic).is_some_and(|topic| topic.id == commit.topic_id));
        let partitions = commits.iter().map(|commit| CommitTo {
            topic: commit.topic.clone(),
            topic_id: commit.topic_id,
            partition: commit.partition,
        });
        let partitions = partitions.collect();
        let (permit, verdicts) = state.coordinator.check_commit(self.clock.now(), now_ms(), committer, partitions)?;
        let mut refused = Vec::new();
        let mut verdicts = verdicts.into_iter();
        commits.retain(|commit| match verdicts.next() {
            None | Some(ErrorCode::NONE) => true,
            Some(code) => {
                refused.push((commit.topic.clone(), commit.partition, code));
                false
            }
        });
        let written = if commits.is_empty() {
            None
        } else {
            let records = commits.iter().map(|commit| {
                let (topic, partition) = (commit.topic.clone(), commit.partition);
                let key = RecordKey::Offset { group: group.to_owned(), topic, partition };
                (key.encode(), Some(commit.offset.encode()))
            });
            match self.append(group, records) {
                Ok(written) => Some(written),
                Err(code) => {
                    state.coordinator.commit_failed(group, permit);
                    return Err(code);
                }
            }
        };
        Ok(PendingCommit { group: group.to_owned(), permit, commits, refused, written })
    }

    /// The second half: waits until the commit is durable and makes it visible, which happens even if the
    /// returned future is dropped because nobody is left to answer.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn finish_commit(
        self: &Arc<Self>,
        pending: PendingCommit,
    ) -> impl Future<Output = Result<(), ErrorCode>> + Send + use<> {
        let groups = Arc::clone(self);
        let finished = self.tracker.spawn(async move { groups.publish_commit(pending).await });
        async move { finished.await.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)) }
    }

    async fn publish_commit(&self, pending: PendingCommit) -> Result<(), ErrorCode> {
        let PendingCommit { group, permit, commits, refused: _, written } = pending;
        let written = match written {
            None => Ok(None),
            Some(written) => written.durable(&group).await.map(Some),
        };
        let mut state = self.lock()?;
        match written {
            Ok(Some(last_offset)) => {
                let committed = commits.into_iter().map(|commit| {
                    (commit.topic, commit.partition, CommittedOffset::stored(commit.offset, last_offset))
                });
                state.coordinator.committed(&group, permit, committed);
                Ok(())
            }
            Ok(None) => {
                state.coordinator.commit_failed(&group, permit);
                Ok(())
            }
            Err(code) => {
                state.coordinator.commit_failed(&group, permit);
                Err(code)
            }
        }
    }

    /// Whether somebody may read what a group has committed: anybody who says no member id, or a member in its epoch.
    ///
    /// # Errors
    ///
    /// Who asks is not, or not any more, the member that it says.
    pub fn check_fetch(&self, group: &str, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        self.lock_for(group)?.coordinator.check_fetch(group, member_id, epoch)
    }

    /// Offsets of the listed partitions, or of all; absent ones are left out.
    ///
    /// # Errors
    ///
    /// What the group has committed is not known.
    pub fn offsets(
        &self,
        group: &str,
        of: Option<&[(String, i32)]>,
    ) -> Result<Vec<(String, i32, CommittedOffset)>, ErrorCode> {
        let state = self.lock_for(group)?;
        let Some(offsets) = state.coordinator.offsets(group) else { return Ok(Vec::new()) };
        Ok(match of {
            None => {
                offsets.iter().map(|(topic, partition, known)| (topic.to_owned(), partition, known.clone())).collect()
            }
            Some(partitions) => partitions
                .iter()
                .filter_map(|(topic, partition)| {
                    offsets.get(topic, *partition).map(|known| (topic.clone(), *partition, known.clone()))
                })
                .collect(),
        })
    }
}
