//! Transactions, as their owner sees them: begin, append, offsets of a group, commit or abort.

use std::sync::Arc;

use millstream_record::TopicName;
use tokio::time::Instant;

use super::{
    Producer,
    transaction::{GroupOffsets, Standing, Transaction, TransactionError},
};
use crate::{admin::OffsetAndMetadata, group::GroupMetadata};

impl Producer {
    /// Prepares a producer with a `transactional.id` for its first transaction: an earlier producer of the same name is
    /// fenced off, and what it has left open is ended. Waits for that, at most `max.block.ms`.
    ///
    /// Dropping the future, or a timeout, leaves it going on; calling again waits for it again.
    ///
    /// # Errors
    ///
    /// There is no `transactional.id`, or the coordinator refuses the producer.
    pub async fn init_transactions(&mut self) -> Result<(), TransactionError> {
        let attempted = "initialize transactions";
        self.with_transaction(attempted, Transaction::initialize)?;
        self.shared.sender.notify_one();
        self.wait_until(attempted, |transaction| match transaction.standing() {
            Standing::Busy => None,
            Standing::Ready => Some(Ok(())),
            _ => Some(Err(transaction.obstacle(attempted))),
        })
        .await
    }

    /// Begins a transaction. Asks nobody: the coordinator hears of it with the first record.
    ///
    /// # Errors
    ///
    /// There is one already, or the producer has failed.
    pub fn begin_transaction(&mut self) -> Result<(), TransactionError> {
        self.with_transaction("begin a transaction", Transaction::begin)
    }

    /// Writes offsets that a group is to have once the transaction is committed, and waits for that, at most
    /// `max.block.ms`. With the metadata of a member, an expelled one is refused.
    ///
    /// Dropping the future, or a timeout, leaves it going on; [`Producer::commit_transaction`] waits for it too.
    ///
    /// # Errors
    ///
    /// There is no transaction, or it has to be aborted.
    pub async fn send_offsets_to_transaction(
        &mut self,
        group: GroupMetadata,
        offsets: &[(TopicName, i32, OffsetAndMetadata)],
    ) -> Result<(), TransactionError> {
        let attempted = "write offsets in the transaction";
        let offsets = GroupOffsets { group, offsets: offsets.to_vec() };
        if offsets.offsets.is_empty() {
            return self.with_transaction(attempted, |_| Ok(()));
        }
        self.with_transaction(attempted, |transaction| transaction.add_offsets(offsets))?;
        self.shared.sender.notify_one();
        self.wait_until(attempted, |transaction| match transaction.standing() {
            Standing::Open if transaction.has_offsets() => None,
            Standing::Open => Some(Ok(())),
            _ => Some(Err(transaction.obstacle(attempted))),
        })
        .await
    }

    /// Commits: sends what is left, waits until all of it is written, and ends the transaction, which may take
    /// `max.block.ms` in all. Acknowledgements of its records can be taken afterwards.
    ///
    /// When it returns, the transaction will be committed, whatever happens to this process. Dropping the future, or a
    /// timeout, leaves it going on; calling again waits for it again. It is not over before its fate is known.
    ///
    /// # Errors
    ///
    /// There is no transaction, it has to be aborted, or the producer has failed; see [`TransactionError`].
    pub async fn commit_transaction(&mut self) -> Result<(), TransactionError> {
        let attempted = "commit the transaction";
        self.with_transaction(attempted, Transaction::commit)?;
        self.shared.lock().close_all();
        self.finished(attempted, true).await
    }

    /// Aborts: records that were not sent are given up, and what was written is never seen by readers of committed
    /// records. Waits for that, at most `max.block.ms`.
    ///
    /// Dropping the future, or a timeout, leaves it going on; calling again waits for it again.
    ///
    /// # Errors
    ///
    /// There is no transaction, or the producer has failed; see [`TransactionError`].
    pub async fn abort_transaction(&mut self) -> Result<(), TransactionError> {
        let attempted = "abort the transaction";
        self.with_transaction(attempted, Transaction::abort)?;
        self.shared.lock().abandon_if_hopeless();
        self.finished(attempted, false).await
    }

    async fn finished(&mut self, attempted: &'static str, commit: bool) -> Result<(), TransactionError> {
        self.shared.sender.notify_one();
        self.wait_until(attempted, |transaction| {
            if let Standing::Busy = transaction.standing() {
                return None;
            }
            // What comes after the end, a new epoch, may have failed; that is the next transaction's business.
            if transaction.take_ended() == Some(commit) {
                Some(Ok(()))
            } else {
                Some(Err(transaction.obstacle(attempted)))
            }
        })
        .await
    }

    /// Whether it was made with a `transactional.id`.
    pub fn is_transactional(&self) -> bool {
        !self.transactional_id.is_empty()
    }

    /// Whether there is a transaction that was neither committed nor aborted.
    pub(super) fn is_in_transaction(&self) -> bool {
        let accumulator = self.shared.lock();
        let standing = accumulator.transaction.as_ref().map(Transaction::standing);
        matches!(standing, Some(Standing::Open | Standing::MustAbort))
    }

    fn with_transaction(
        &mut self,
        attempted: &'static str,
        work: impl FnOnce(&mut Transaction) -> Result<(), TransactionError>,
    ) -> Result<(), TransactionError> {
        let mut accumulator = self.shared.lock();
        if accumulator.closed {
            return Err(TransactionError::Closed { attempted });
        }
        let transaction = accumulator.transaction.as_mut();
        work(transaction.ok_or(TransactionError::NotTransactional { attempted })?)
    }

    /// Waits until `look` finds a result, at most `max.block.ms`.
    async fn wait_until(
        &mut self,
        attempted: &'static str,
        look: impl Fn(&mut Transaction) -> Option<Result<(), TransactionError>>,
    ) -> Result<(), TransactionError> {
        let started = Instant::now();
        loop {
            {
                let mut accumulator = self.shared.lock();
                if accumulator.closed {
                    return Err(TransactionError::Closed { attempted });
                }
                let Some(transaction) = &mut accumulator.transaction else {
                    return Err(TransactionError::NotTransactional { attempted });
                };
                if let Some(result) = look(transaction) {
                    return result;
                }
            }
            let left = self.max_block.saturating_sub(started.elapsed());
            if tokio::time::timeout(left, self.shared.handle.notified()).await.is_err() {
                let waited = started.elapsed();
                let transactional_id = Arc::clone(&self.transactional_id);
                return Err(TransactionError::Timeout { attempted, transactional_id, waited });
            }
        }
    }
}
