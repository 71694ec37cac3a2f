//! Transactions of a source's producer: what is in one is seen when it is committed, or never.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use millstream_client::{ErrorCode, RequestError, TransactionError};
use millstream_record::{ErrorChain, TopicName};
use millstream_runtime::kafka::{RecordProducer as _, RecordTransactions};

use crate::{
    kafka::Producer,
    offsets::{OFFSETS, number_in},
    plan::Fault,
    world::State,
};

/// The transaction of a producer.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    id: Arc<str>,
    epoch: u64,
    /// Whether one has begun.
    pub(crate) open: bool,
    /// Whether a record of it was not written.
    pub(crate) lost: bool,
    /// Whether nothing can be written any more.
    failed: bool,
    records: Vec<(TopicName, i32, String)>,
    /// Source partitions with their offsets, as JSON.
    offsets: Vec<(String, String)>,
}

impl Transaction {
    /// Of a producer of this name, which has not been initialized.
    pub(crate) fn of(id: &str) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Keeps what was written.
    pub(crate) fn take(&mut self, topic: &TopicName, partition: i32, record: &str) {
        if topic.as_str() == OFFSETS {
            let (key, value) = record.split_once(" = ").unwrap_or((record, ""));
            // The key is `["connector",{partition}]`.
            let partition = key.split_once(",").map_or(key, |(_, rest)| rest.trim_end_matches(']'));
            self.offsets.push((partition.to_owned(), value.to_owned()));
        } else {
            self.records.push((topic.clone(), partition, record.to_owned()));
        }
    }

    fn clear(&mut self) {
        self.records.clear();
        self.offsets.clear();
        (self.open, self.lost) = (false, false);
    }

    fn refused(&self, attempted: &'static str, state: &'static str) -> TransactionError {
        TransactionError::WrongState { attempted, transactional_id: Arc::clone(&self.id), state }
    }
}

/// What a transaction holds whose commit the coordinator may or may not carry out yet.
#[derive(Debug, Default)]
pub(crate) struct Uncertain {
    records: Vec<(TopicName, i32, String)>,
    /// By connector and source partition.
    offsets: Vec<((String, String), String)>,
}

impl State {
    /// Takes a name of transactions, or shuts out whoever has it: what was uncertain before is certain then.
    pub(crate) fn take_name(&mut self, id: &str) -> u64 {
        if let Some(committed) = self.uncertain.remove(id) {
            self.commit(committed);
        }
        self.cluster.next_epoch(id)
    }

    fn commit(&mut self, Uncertain { records, offsets }: Uncertain) {
        for (topic, partition, record) in &records {
            self.cluster.write(topic, *partition, record);
        }
        self.stored.extend(offsets);
    }
}

impl Producer {
    fn transaction(&mut self) -> &mut Transaction {
        self.transaction.as_mut().expect("asked of a producer of transactions only")
    }

    /// Why nothing can be committed, if that is so.
    fn obstacle(&mut self, attempted: &'static str) -> Option<TransactionError> {
        let (id, epoch) = (self.transaction().id.to_string(), self.transaction().epoch);
        let newest = self.world.state().cluster.epoch(&id);
        let connector = self.task.connector.clone();
        let transaction = self.transaction();
        let state = match transaction {
            _ if epoch != newest => "fenced off",
            Transaction { failed: true, .. } => "failed",
            Transaction { lost: true, .. } => "without one of its records",
            Transaction { open: false, .. } => "in no transaction",
            _ => return None,
        };
        let error = transaction.refused(attempted, state);
        self.world.explains(&connector, format!("is {state}"));
        Some(error)
    }
}

#[async_trait]
impl RecordTransactions for Producer {
    async fn initialize(&mut self) -> Result<(), TransactionError> {
        self.world.connected().await;
        self.world.lag(50).await;
        let id = self.transaction().id.to_string();
        let epoch = self.world.state().take_name(&id);
        self.transaction().epoch = epoch;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        let transaction = self.transaction();
        if transaction.open || transaction.epoch == 0 {
            return Err(transaction.refused("begin", "not ready for another one"));
        }
        transaction.open = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), TransactionError> {
        self.flush().await;
        let connector = self.task.connector.clone();
        if self.world.fault(&connector, Fault::TransactionSlow).is_some() {
            self.world.sleep(20_000).await;
        }
        self.world.lag(50).await;
        // Acknowledgements are taken by whoever appended; what is due is in the log.
        self.world.connected().await;
        self.settle_due(crate::lockstep::now());
        if let Some(obstacle) = self.obstacle("commit the transaction") {
            return Err(obstacle);
        }
        if self.world.fault(&connector, Fault::TransactionFails).is_some() {
            self.transaction().failed = true;
            if self.world.state().rng.chance(500) {
                let transactional_id = Arc::clone(&self.transaction().id);
                let refused =
                    RequestError::Refused { attempted: "end it".to_owned(), source: ErrorCode::INVALID_TXN_STATE };
                return Err(TransactionError::Fatal { transactional_id, source: refused.into() });
            }
            return Err(self.obstacle("commit the transaction").expect("it has just failed"));
        }
        let uncertain = self.world.fault(&connector, Fault::TransactionUncertain).is_some();
        // Of an uncertain commit the coordinator may have heard already, may hear late, or never.
        let fate = if uncertain { self.world.state().rng.below(3) } else { 0 };
        let (records, offsets) = {
            let transaction = self.transaction();
            (std::mem::take(&mut transaction.records), std::mem::take(&mut transaction.offsets))
        };
        if fate < 2 {
            let mut state = self.world.state();
            for (partition, offset) in &offsets {
                let name = partition.trim_start_matches("{\"file\":\"").trim_end_matches("\"}");
                state.history.stored(&connector, name, number_in(offset));
            }
            let offsets = offsets.into_iter().map(|(partition, offset)| ((connector.clone(), partition), offset));
            let committed = Uncertain { records, offsets: offsets.collect() };
            if fate == 0 {
                state.commit(committed);
            } else {
                let id = self.transaction.as_ref().map_or_else(String::new, |transaction| transaction.id.to_string());
                state.uncertain.insert(id, committed);
            }
        }
        if uncertain {
            let waited = Duration::from_secs(60);
            tokio::time::sleep(waited).await;
            self.transaction().failed = true;
            let (attempted, transactional_id) = ("commit the transaction", Arc::clone(&self.transaction().id));
            let error = TransactionError::Timeout { attempted, transactional_id, waited };
            self.world.explains(&connector, ErrorChain(&error).to_string());
            return Err(error);
        }
        self.transaction().clear();
        if self.world.fault(&connector, Fault::TransactionAnswerLost).is_some() {
            self.world.sleep(5_000).await;
            self.transaction().failed = true;
            return Err(self.obstacle("commit the transaction").expect("it has just failed"));
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), TransactionError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let connector = self.task.connector.clone();
        if self.world.fault(&connector, Fault::TransactionFails).is_some() {
            self.world.explains(&connector, "abort the transaction".to_owned());
            self.transaction().failed = true;
        }
        if self.transaction().failed {
            return Err(self.transaction().refused("abort the transaction", "failed"));
        }
        self.give_up_pending();
        self.transaction().clear();
        Ok(())
    }
}
