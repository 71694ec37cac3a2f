//! TxnOffsetCommit: offsets that a transaction commits, or drops.
//!
//! Groups know nothing of transactions: whether the producer's is open is asked of the caller, and its end is told to
//! them.

use std::{future::Future, sync::Arc};

use millstream_wire::{batch::BatchStamp, error_code::ErrorCode};

use super::{
    Commit, Groups,
    coordinator::{CommitTo, Committer, HeldCommit},
    log::{Written, build_batch, memory_of, now_ms},
    offsets::CommittedOffset,
    records::RecordKey,
};

/// A commit within a transaction.
pub struct BeginTransactionalCommit<'a, A> {
    /// Who commits.
    pub committer: Committer<'a>,
    /// Whose transaction.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// What.
    pub commits: Vec<Commit>,
    /// Asked at the door of the partition whether the transaction is open and the partition takes part.
    pub may_append: A,
}

/// A commit that was handed to the log and is not durable yet.
pub struct PendingTransactionalCommit {
    group: String,
    held: HeldCommit,
    written: Written,
}

impl Groups {
    /// The first half of a TxnOffsetCommit: checks it and hands it to the log, in the order of calls. The offsets topic
    /// must exist. Never blocks. `None` where nothing is left to be committed.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn begin_transactional_commit<A>(
        &self,
        begin: BeginTransactionalCommit<'_, A>,
    ) -> Result<Option<PendingTransactionalCommit>, ErrorCode>
    where
        A: FnOnce(i32) -> Result<(), ErrorCode> + Send + 'static,
    {
        let BeginTransactionalCommit { committer, producer_id, producer_epoch, mut commits, may_append } = begin;
        let group = committer.group;
        let mut state = self.lock_for(group)?;
        // Whoever deletes a topic comes to this lock after the topic is gone, and forgets what was committed before.
        commits.retain(|commit| self.topics.get(&commit.topic).is_some_and(|topic| topic.id == commit.topic_id));
        let partitions = commits.iter().map(|commit| CommitTo {
            topic: commit.topic.clone(),
            topic_id: commit.topic_id,
            partition: commit.partition,
        });
        state.coordinator.check_transactional_commit(&committer, &partitions.collect::<Vec<_>>())?;
        if commits.is_empty() {
            return Ok(None);
        }
        let partition = self.topics.offsets_partition(group).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        let records = commits.iter().map(|commit| {
            let (topic, partition) = (commit.topic.clone(), commit.partition);
            let key = RecordKey::Offset { group: group.to_owned(), topic, partition };
            (key.encode(), Some(commit.offset.encode()))
        });
        // Kafka's brokers write no other sequence number here.
        let base_sequence = 0;
        let stamp =
            BatchStamp { producer_id, producer_epoch, base_sequence, transactional: true, ..BatchStamp::default() };
        let now = now_ms();
        let batch = build_batch(records, &stamp, now).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let index = partition.index();
        let counted = partition.join_crowd(memory_of(&batch));
        let appended = Box::pin(partition.append_own_if(batch, now, move || may_append(index)));
        let offsets = commits
            .into_iter()
            .map(|commit| (commit.topic, commit.partition, CommittedOffset::stored(commit.offset, NOWHERE)))
            .collect();
        let held = state.coordinator.hold((index, producer_id), group, offsets);
        let written = Written { partition, appended, _counted: counted };
        Ok(Some(PendingTransactionalCommit { group: group.to_owned(), held, written }))
    }

    /// The second half: waits until the commit is durable, and keeps it for the end of the transaction, which happens
    /// even if the returned future is dropped because nobody is left to answer.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn finish_transactional_commit(
        self: &Arc<Self>,
        pending: PendingTransactionalCommit,
    ) -> impl Future<Output = Result<(), ErrorCode>> + Send + use<> {
        let groups = Arc::clone(self);
        let finished = self.tracker.spawn(async move {
            let PendingTransactionalCommit { group, held, written } = pending;
            let written = written.durable(&group).await;
            groups.lock()?.coordinator.held_stored(held, written.ok());
            written.map(|_| ())
        });
        async move { finished.await.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)) }
    }

    /// A transaction has ended in a partition of the offsets topic: its marker is durable, at this offset.
    pub fn end_transaction(&self, partition: i32, producer_id: i64, marker: i64, committed: bool) {
        // Where the lock is not to be had, no request is answered any more either.
        if let Ok(mut state) = self.lock() {
            if state.not_loaded.get(&partition) == Some(&true) {
                state.missed_ends.entry(partition).or_default().push((producer_id, marker, committed));
                return;
            }
            state.coordinator.end_transaction((partition, producer_id), marker, committed);
        }
    }

    /// Which of these partitions may get another offset by the end of a transaction.
    ///
    /// # Errors
    ///
    /// It is not known.
    pub fn unstable(&self, group: &str, of: &[(String, i32)]) -> Result<Vec<bool>, ErrorCode> {
        let state = self.lock_for(group)?;
        Ok(of.iter().map(|(topic, partition)| state.coordinator.is_unstable(group, topic, *partition)).collect())
    }
}

/// Stands for the place in the log that is not known yet.
const NOWHERE: i64 = -1;
