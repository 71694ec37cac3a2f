//! The transactions of a source task that delivers exactly once: when one ends, with what, and how it fails.
//!
//! Records and the offsets of their rows are in one transaction, so that a reader of committed records and the next task
//! see both or neither. Nothing is committed behind a row that has not ended, and nothing under a policy that tolerates
//! records which could not be written.

use std::{collections::BTreeMap, sync::Arc};

use millstream_connector::{AcknowledgedRow, ErrorKind, Failure, TransactionEnd};
use millstream_record::{ErrorChain, TopicName, batch::Batch};
use tokio::time::Instant;

use super::flow::Flow;
use crate::{
    error_policy::CONNECT_EXCEPTION,
    exactly_once::{begin, no_transactions, transaction_failure},
    long_wait::told,
    offsets::{OffsetStoreError, SourceOffsets},
    task_metrics::Part,
    transaction_boundary::TransactionBoundary,
};

/// Class of the error that tells a producer that its transaction was ended for it.
const EXPIRED: &str = "org.apache.kafka.common.errors.InvalidProducerEpochException";

/// Class of the error with which a coordinator refuses to end a transaction in the state that it has it in.
const REFUSED: &str = "org.apache.kafka.common.errors.InvalidTxnStateException";

/// What a task that delivers exactly once keeps beside its flow. Its producer is always in a transaction, which the
/// coordinator hears of with the first record.
pub(crate) struct Transactions {
    boundary: TransactionBoundary,
    /// Where its offsets go, and no record may.
    pub(super) offsets_topic: TopicName,
    counts: Arc<millstream_metrics::SourceTransactions>,
    /// Records of the open transaction that were acknowledged, dead letters among them.
    pub(super) records: u64,
    /// Rows that ended in it: the plugin hears of them when it is over.
    pub(super) ended: Vec<(Batch, Vec<AcknowledgedRow>)>,
    /// Whether the coordinator has refused to end one.
    refused: bool,
}

impl Transactions {
    pub(crate) fn new(
        boundary: TransactionBoundary,
        offsets_topic: TopicName,
        counts: Arc<millstream_metrics::SourceTransactions>,
    ) -> Self {
        Self { boundary, offsets_topic, counts, records: 0, ended: Vec::new(), refused: false }
    }
}

/// A record that goes where the task's offsets are.
pub(super) fn into_own_offsets() -> Failure {
    let text = "Source tasks may not produce to their own offsets topics when exactly-once support is enabled";
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, text)
}

impl Flow {
    /// The plugin asks for an end behind all that its poll has returned.
    pub(super) fn asked(&mut self, end: TransactionEnd) {
        if let Some(transactions) = &mut self.transactions {
            transactions.boundary.asked(end);
        }
    }

    /// A poll has returned, and what it returned is with the producer: ends the transaction if it is to end here.
    ///
    /// # Errors
    ///
    /// The transaction could not be ended; nothing of it is seen.
    pub(super) async fn poll_ends(&mut self) -> Result<(), Failure> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        match transactions.boundary.polled(Instant::now())? {
            Some(end) => self.end_transaction(end).await,
            None => Ok(()),
        }
    }

    /// When the open transaction is to end by itself; `None` if nothing is in it.
    pub(super) fn end_due(&self) -> Option<Instant> {
        let transactions = self.transactions.as_ref()?;
        let is_empty = transactions.records == 0 && self.ledger.partitions() == 0;
        if is_empty { None } else { transactions.boundary.due() }
    }

    /// When the open transaction is to end though the plugin has not returned from its poll; `None` if nothing is in it.
    pub(super) fn lingers_until(&self) -> Option<Instant> {
        let until = self.transactions.as_ref()?.boundary.lingers_until();
        self.end_due().and(until)
    }

    /// The task pauses, or a poll that is under way takes too long to be waited for: the transaction ends as it would if the
    /// task stopped.
    ///
    /// # Errors
    ///
    /// As for [`Self::poll_ends`].
    pub(super) async fn pause_ends(&mut self) -> Result<(), Failure> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        match transactions.boundary.stopped(Instant::now())? {
            Some(end) => self.end_transaction(end).await,
            None => Ok(()),
        }
    }

    /// The task stops. What is not to be committed, or stands behind a row that has not ended, is given up: the next task
    /// begins before it.
    pub(super) async fn last_transaction(&mut self, ended_well: bool) -> Result<(), Failure> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        let end = if ended_well { transactions.boundary.stopped(Instant::now())? } else { None };
        let ended = match end {
            // A task that was stopped in the middle of a batch begins with it again.
            Some(end) => match self.settle().await {
                Ok(true) => self.end_transaction(end).await,
                Ok(false) => Ok(()),
                Err(failure) => Err(self.explained(failure)),
            },
            None => Ok(()),
        };
        self.give_up().await;
        ended
    }

    /// Aborts what is still open, so that readers need not wait for its time to run out.
    async fn give_up(&mut self) {
        let Some(transactions) = self.producer.transactions() else { return };
        match tokio::time::timeout(self.settings.flush_timeout, transactions.abort()).await {
            // Whoever waits longer is served by the coordinator, when the transaction's time has run out.
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::debug!(task = %self.control.id, error = %ErrorChain(&error), "the last transaction was not aborted by its producer");
            }
        }
    }

    /// Ends the transaction behind everything that was polled, and begins the next.
    ///
    /// # Errors
    ///
    /// As for [`Self::poll_ends`].
    pub(super) async fn end_transaction(&mut self, end: TransactionEnd) -> Result<(), Failure> {
        let began = Instant::now();
        let ended = self.end(end, began).await;
        if ended.is_err() {
            self.control.metrics.committed(began, false);
        }
        ended.map_err(|failure| self.explained(failure))
    }

    async fn end(&mut self, end: TransactionEnd, began: Instant) -> Result<(), Failure> {
        if !self.settle().await? {
            return Err(torn());
        }
        match end {
            TransactionEnd::Commit => {}
            TransactionEnd::Abort => self.abort().await?,
        }
        self.commit(began).await
    }

    /// Waits until all that was polled has ended; `false` if some of it was never written.
    async fn settle(&mut self) -> Result<bool, Failure> {
        self.ledger.mark_boundary();
        let control = self.control.clone();
        let what = || {
            "the cluster to acknowledge the records of a transaction: either it does not answer or their partitions have no leader".to_owned()
        };
        told(&control, "acknowledgements", what, async {
            loop {
                self.take_acks();
                self.check()?;
                if self.ledger.take_boundary() {
                    return Ok(true);
                }
                if self.producer.outstanding() != 0 {
                    self.producer.flush().await;
                } else if self.has_letters() {
                    self.step().await;
                } else {
                    return Ok(false);
                }
            }
        })
        .await
    }

    /// Aborts the transaction, and begins one for the offsets of its rows, all of which have ended.
    async fn abort(&mut self) -> Result<(), Failure> {
        let Some(of_task) = &mut self.transactions else { return Err(no_transactions()) };
        if of_task.records == 0 {
            tracing::warn!(task = %self.control.id, "the connector asked to abort a transaction that is empty");
            return Ok(());
        }
        of_task.records = 0;
        let transactions = self.producer.transactions().ok_or_else(no_transactions)?;
        let control = self.control.clone();
        let what =
            || "the coordinator of transactions to abort: either it does not answer or it cannot be found".to_owned();
        let aborted = told(&control, "an abort", what, transactions.abort()).await;
        aborted.map_err(|error| transaction_failure(&error))?;
        tracing::info!(task = %control.id, "a transaction is aborted, as the connector asked for");
        begin(self.producer.as_mut())
    }

    /// Writes the offsets of what has ended, commits, and begins the next transaction.
    async fn commit(&mut self, began: Instant) -> Result<(), Failure> {
        let offsets = self.due_offsets()?;
        let records = self.transactions.as_ref().map_or(0, |transactions| transactions.records);
        if 0 < records || !offsets.is_empty() {
            let control = self.control.clone();
            let what = || {
                "the coordinator of transactions to commit: either it does not answer or it cannot be found".to_owned()
            };
            let write = self.offsets.write(self.producer.as_mut(), offsets);
            told(&control, "a commit", what, write).await.map_err(|error| not_written(&error))?;
            if let Some(transactions) = &mut self.transactions {
                transactions.counts.size.record(std::mem::take(&mut transactions.records));
            }
            self.control.metrics.spent(Part::Commit, began.elapsed());
        }
        if let Some(transactions) = &mut self.transactions {
            self.ended.append(&mut transactions.ended);
        }
        self.control.metrics.committed(began, true);
        self.owes_commit = true;
        Ok(())
    }

    /// The newest offset of each source partition.
    fn due_offsets(&mut self) -> Result<SourceOffsets, Failure> {
        // In an order that does not depend on chance.
        let mut offsets = BTreeMap::new();
        for (partition, offset) in self.ledger.take_committable() {
            let offset = offset.map_err(|reason| {
                let text = format!("a source offset cannot be stored: {reason}");
                Failure::new(ErrorKind::Data, "org.apache.kafka.connect.errors.DataException", text)
            })?;
            // Nothing is stored for a connector that gives neither partitions nor offsets.
            if offset.is_some() || &*partition != "null" {
                offsets.insert(partition, offset);
            }
        }
        Ok(offsets.into_iter().collect())
    }

    /// Whether the coordinator has refused to end a transaction, as it does when it has lost track of it. Whether that was
    /// committed, who takes the producer's name next is told.
    pub(super) fn was_refused(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| transactions.refused)
    }

    /// Says what a failed transaction means, and what to do.
    fn explained(&mut self, cause: Failure) -> Failure {
        if let Some(transactions) = &mut self.transactions {
            transactions.refused |= cause.class == REFUSED;
        }
        let id = &self.control.id;
        let expired =
            cause.class == EXPIRED || cause.causes.iter().any(|cause| cause.contains("INVALID_PRODUCER_EPOCH"));
        let text = if expired {
            format!(
                "The task {id} was unable to finish writing records to Kafka before its producer transaction expired. It may be necessary to reconfigure this connector in order for it to run healthily with exactly-once support. Options for this include: tune the connector's producer configuration for higher throughput, increase the transaction timeout for the connector's producers, decrease the offset commit interval (if using interval-based transaction boundaries), or use the 'poll' transaction boundary (if the connector is not already configured to use it)."
            )
        } else {
            format!("Failed to flush offsets and/or records for task {id}")
        };
        cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, text)
    }
}

fn torn() -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, "a transaction was to end behind records that were not written")
}

fn not_written(error: &OffsetStoreError) -> Failure {
    let class = match error {
        OffsetStoreError::Transaction { class, .. } => class.as_str(),
        _ => CONNECT_EXCEPTION,
    };
    Failure::new(ErrorKind::Fatal, class, ErrorChain(error).to_string())
}
