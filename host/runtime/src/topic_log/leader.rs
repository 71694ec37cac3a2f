//! What one worker alone may write, in transactions: whoever leads shuts out its predecessor, and readers see all of a
//! change or nothing.

use std::time::Duration;

use millstream_client::{Ack, SendError, TransactionError};
use millstream_connector::Failure;
use millstream_record::TopicName;

use super::{NewRecord, Place, TopicLog};
use crate::kafka::{LogClients, RecordProducer, append_all, take_acks};

/// Longest time for giving up a transaction that has failed.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Why a leader cannot write. It takes its place anew with its next write.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// The settings of its producer.
    #[error("make the producer of the leader")]
    Client { source: Failure },
    /// Another leader has taken its place, or the coordinator refuses.
    #[error("write as the leader of the group")]
    Transaction { source: TransactionError },
    /// A record cannot be written.
    #[error("write as the leader of the group")]
    Send { source: SendError },
}

impl From<TransactionError> for LeadError {
    fn from(source: TransactionError) -> Self {
        Self::Transaction { source }
    }
}

impl From<SendError> for LeadError {
    fn from(source: SendError) -> Self {
        Self::Send { source }
    }
}

impl TopicLog {
    /// This worker leads, or does so again: whoever has led before can write no more. `false`, and nothing is done, where
    /// leaders write as everybody does.
    ///
    /// # Errors
    ///
    /// Its place could not be taken yet; the next write tries again.
    pub async fn lead(&mut self) -> Result<bool, LeadError> {
        self.leads = true;
        self.leader = None;
        self.leader = new_leader(self.clients.as_ref()).await?;
        Ok(self.leader.is_some())
    }

    /// Another worker leads, or nobody.
    pub fn follow(&mut self) {
        self.leads = false;
        self.leader = None;
    }

    /// Writes records in a transaction, and says where the last of them is; `None` where this worker does not lead, or
    /// leaders write as everybody does, and nothing was written.
    ///
    /// Dropping the future may or may not write them.
    ///
    /// # Errors
    ///
    /// Readers see none of them; with a [`TransactionError::Timeout`] that is not certain.
    pub async fn write_as_leader(&mut self, records: &[NewRecord]) -> Result<Option<Place>, LeadError> {
        if !self.leads {
            return Ok(None);
        }
        // Out of its place until the write is over: after a failure, or if nobody waits any more, nobody knows its state.
        let producer = match self.leader.take() {
            Some(producer) => Some(producer),
            None => new_leader(self.clients.as_ref()).await?,
        };
        let Some(mut producer) = producer else { return Ok(None) };
        match transaction(producer.as_mut(), &self.topic, records).await {
            Ok(place) => {
                self.leader = Some(producer);
                Ok(Some(place))
            }
            Err(error) => {
                // A transaction that stays open would hold up everybody who reads.
                producer.close(GIVE_UP).await;
                Err(error)
            }
        }
    }
}

async fn new_leader(clients: &dyn LogClients) -> Result<Option<Box<dyn RecordProducer>>, LeadError> {
    let made = clients.leader().map_err(|source| LeadError::Client { source })?;
    let Some(mut producer) = made else { return Ok(None) };
    if let Some(transactions) = producer.transactions() {
        transactions.initialize().await?;
    }
    Ok(Some(producer))
}

async fn transaction(
    producer: &mut dyn RecordProducer,
    topic: &TopicName,
    records: &[NewRecord],
) -> Result<Place, LeadError> {
    if let Some(transactions) = producer.transactions() {
        transactions.begin()?;
    }
    let mut place = Place { partition: 0, offset: None };
    let mut taken = |ack: Ack| -> Result<(), SendError> {
        let delivery = ack.result?;
        let offset = Some(delivery.base_offset).filter(|base| 0 <= *base);
        let offset = offset.map(|base| base + (ack.last - ack.first) as i64);
        place = Place { partition: delivery.partition, offset };
        Ok(())
    };
    append_all(producer, topic, records, NewRecord::as_record, &mut taken).await?;
    if let Some(transactions) = producer.transactions() {
        transactions.commit().await?;
    }
    take_acks(producer, taken)?;
    Ok(place)
}
