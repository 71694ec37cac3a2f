//! The producer by which the leader of a group writes in transactions, and shuts out whoever led before.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_client::{Ack, Delivery, RecordRef, SendError, Sequence, TransactionError, TryAppendError};
use millstream_record::TopicName;
use millstream_runtime::kafka::{RecordAppender, RecordProducer, RecordTransactions};

use super::topic::{FakeTopics, TopicFaults};

/// Its name.
const ID: &str = "connect-cluster-group";

pub(super) struct Leader {
    topics: FakeTopics,
    faults: Box<dyn TopicFaults>,
    /// Which of all leaders it is; 0 before it is one.
    number: u64,
    open: bool,
    failed: bool,
    next: Sequence,
    records: Vec<(TopicName, Bytes, Option<Bytes>)>,
    acks: VecDeque<Ack>,
}

impl Leader {
    pub(super) fn new(topics: FakeTopics, faults: Box<dyn TopicFaults>) -> Self {
        let (records, acks) = (Vec::new(), VecDeque::new());
        Self { topics, faults, number: 0, open: false, failed: false, next: 0, records, acks }
    }

    fn refused(attempted: &'static str, state: &'static str) -> TransactionError {
        TransactionError::WrongState { attempted, transactional_id: Arc::from(ID), state }
    }
}

impl RecordAppender for Leader {
    fn append(&mut self, topic: &TopicName, _: Option<i32>, record: RecordRef<'_>) -> Result<Sequence, TryAppendError> {
        self.next += 1;
        let bytes = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
        self.records.push((topic.clone(), bytes(record.key).unwrap_or_default(), bytes(record.value)));
        Ok(self.next)
    }
}

#[async_trait]
impl RecordProducer for Leader {
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender)) {
        work(self);
    }

    fn learn(&mut self, _: &TopicName) -> BoxFuture<'static, Result<(), SendError>> {
        std::future::ready(Ok(())).boxed()
    }

    async fn ready(&mut self) {}

    fn try_ack(&mut self) -> Option<Ack> {
        self.acks.pop_front()
    }

    async fn next_ack(&mut self) -> Ack {
        match self.acks.pop_front() {
            Some(ack) => ack,
            None => std::future::pending().await,
        }
    }

    fn outstanding(&self) -> u64 {
        (self.records.len() + self.acks.len()) as u64
    }

    async fn flush(&mut self) {}

    async fn close(self: Box<Self>, _: Duration) -> Vec<Ack> {
        Vec::new()
    }

    fn transactions(&mut self) -> Option<&mut dyn RecordTransactions> {
        Some(self)
    }
}

#[async_trait]
impl RecordTransactions for Leader {
    async fn initialize(&mut self) -> Result<(), TransactionError> {
        tokio::time::sleep(self.faults.delay()).await;
        if self.topics.reachable().await.is_err() {
            return Err(Self::refused("initialize", "out of reach of the coordinator"));
        }
        self.number = self.topics.succeed();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        if self.open || self.failed || self.number == 0 {
            return Err(Self::refused("begin", "not ready for another transaction"));
        }
        self.open = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), TransactionError> {
        tokio::time::sleep(self.faults.delay()).await;
        let reached = self.topics.reachable().await.is_ok();
        let records = std::mem::take(&mut self.records);
        let places = if reached && !self.faults.lost() { self.topics.commit(self.number, &records) } else { None };
        self.open = false;
        let (Some(places), false) = (places, self.faults.answer_lost()) else {
            self.failed = true;
            return Err(Self::refused("commit", "fenced off, or out of reach of the coordinator"));
        };
        let first = self.next + 1 - records.len() as u64;
        for ((sequence, (partition, base_offset)), (topic, ..)) in (first..).zip(places).zip(records) {
            let result = Ok(Delivery { partition, base_offset });
            self.acks.push_back(Ack { first: sequence, last: sequence, topic, partition, result });
        }
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), TransactionError> {
        self.records.clear();
        self.open = false;
        if self.failed { Err(Self::refused("abort", "failed")) } else { Ok(()) }
    }
}
