//! Batches of transactions: their partitions take part in the producer's transaction before they are appended, and that
//! is looked at once more at the very door of the partition.

use std::sync::Arc;

use millstream_record::TopicName;
use millstream_wire::{batch::BatchHeader, error_code::ErrorCode, protocol::messages::ProduceRequest};

use super::{Call, Refused};
use crate::transactions::{Caller, Generation, Identity, Outcome, Partitions, Transactions};

/// From this version on the broker adds the partitions of a request to the producer's transaction.
const ADDS_PARTITIONS: i16 = 12;

/// The transactional batches of one request.
pub struct TransactionalBatches {
    /// The transactional id; `None` where the request has no batch of a transaction.
    id: Option<Arc<str>>,
    /// Why none of a producer's batches can be appended.
    refused: Vec<(Identity, ErrorCode)>,
}

/// What is asked at the door of a partition.
pub struct DoorCheck {
    transactions: Arc<Transactions>,
    id: Arc<str>,
    topic: TopicName,
    partition: i32,
    version: i16,
}

impl TransactionalBatches {
    /// Looks through a request, and adds its partitions to the producer's transaction where its version has the broker do
    /// that: durably, before this returns.
    ///
    /// # Errors
    ///
    /// For the whole request: it has batches of a transaction and names no transactional id.
    pub async fn of(call: &Call<'_>, request: &ProduceRequest) -> Result<Self, Refused> {
        let mut producers: Vec<(Identity, Partitions)> = Vec::new();
        let mut any = false;
        for topic in &request.topic_data {
            for data in &topic.partition_data {
                let Some(batch) = data.records.as_ref().filter(|batch| is_transactional(batch)) else { continue };
                any = true;
                let known = call.node.topics.get(topic.name.as_str());
                let exists = known.is_some_and(|topic| topic.partition(data.index).is_some() && !topic.is_internal());
                // A batch that is none is refused later, for what is wrong with it.
                let Some(header) = BatchHeader::parse(batch).ok().filter(|_| exists) else { continue };
                let producer = producer_of(&header);
                match producers.iter_mut().find(|(known, _)| *known == producer) {
                    Some((_, partitions)) => partitions.insert(topic.name.as_str(), data.index),
                    None => producers.push((producer, [(topic.name.as_str(), data.index)].into_iter().collect())),
                }
            }
        }
        if !any {
            return Ok(Self { id: None, refused: Vec::new() });
        }
        let id = request.transactional_id.as_ref().ok_or_else(|| {
            Refused::because(
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                "a batch of the request belongs to a transaction, and the request names no transactional id",
            )
        })?;
        let mut refused = Vec::new();
        if ADDS_PARTITIONS <= call.version {
            let caller = Caller { id: id.as_str(), connection: call.peer.connection };
            for (producer, partitions) in producers {
                let added =
                    call.node.transactions.add_partitions(caller, producer, &partitions, Generation::Second).await;
                match added {
                    Outcome::Answered(Ok(_)) => {}
                    Outcome::Answered(Err(code)) => refused.push((producer, code)),
                    // The epoch tells transactions of the second generation apart.
                    Outcome::Late => refused.push((producer, ErrorCode::INVALID_TXN_STATE)),
                }
            }
        }
        Ok(Self { id: Some(Arc::from(id.as_str())), refused })
    }

    /// What is to be asked before a batch is appended; `None` for one of no transaction.
    ///
    /// # Errors
    ///
    /// It cannot be appended.
    pub fn door_check(
        &self,
        call: &Call<'_>,
        topic: &TopicName,
        partition: i32,
        batch: &[u8],
    ) -> Result<Option<DoorCheck>, Refused> {
        let Some(id) = self.id.as_ref().filter(|_| is_transactional(batch)) else { return Ok(None) };
        if let Ok(header) = BatchHeader::parse(batch) {
            let producer = producer_of(&header);
            if let Some((_, code)) = self.refused.iter().find(|(known, _)| *known == producer) {
                return Err(for_producer(*code, call.version));
            }
        }
        Ok(Some(DoorCheck {
            transactions: Arc::clone(&call.node.transactions),
            id: Arc::clone(id),
            topic: topic.clone(),
            partition,
            version: call.version,
        }))
    }
}

impl DoorCheck {
    /// Whether a batch may be appended now. A batch of a transaction for which nobody asks belongs to none.
    ///
    /// # Errors
    ///
    /// It may not.
    pub fn admit(check: Option<&Self>, header: &BatchHeader) -> Result<(), Refused> {
        if !header.is_transactional() {
            return Ok(());
        }
        let Some(Self { transactions, id, topic, partition, version }) = check else {
            return Err(Refused::because(ErrorCode::INVALID_TXN_STATE, "no transaction is open for this producer"));
        };
        let admitted = transactions.may_append(id, producer_of(header), topic.as_str(), *partition);
        admitted.map_err(|code| for_producer(code, *version))
    }
}

fn producer_of(header: &BatchHeader) -> Identity {
    Identity { producer_id: header.producer_id, epoch: header.producer_epoch }
}

/// The bit of transactions. A batch too short to have attributes is none.
fn is_transactional(batch: &[u8]) -> bool {
    batch.get(22).is_some_and(|attributes| attributes & 0x10 != 0)
}

/// The coordinator's code as producers of this version know it.
fn for_producer(code: ErrorCode, version: i16) -> Refused {
    let unverified = |code: ErrorCode| {
        let name = code.name();
        // Of the codes upon which every client sends again this one does not have it ask for metadata.
        Refused::because(ErrorCode::NOT_ENOUGH_REPLICAS, format!("the transaction cannot be verified yet: {name}"))
    };
    match code {
        ErrorCode::PRODUCER_FENCED => {
            Refused::because(ErrorCode::INVALID_PRODUCER_EPOCH, "a newer instance of the producer took over")
        }
        ErrorCode::TRANSACTION_ABORTABLE if version < 11 => {
            Refused::because(ErrorCode::INVALID_TXN_STATE, "the partition was not added to the transaction")
        }
        ErrorCode::TRANSACTION_ABORTABLE => {
            Refused::because(ErrorCode::TRANSACTION_ABORTABLE, "the partition was not added to the transaction")
        }
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => {
            unverified(code)
        }
        ErrorCode::CONCURRENT_TRANSACTIONS if version < ADDS_PARTITIONS => unverified(code),
        code => code.into(),
    }
}
