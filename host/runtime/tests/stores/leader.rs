//! A leader that writes in transactions, and does not hear how they end: what it has asked for is there or it is not by
//! the time it writes again, whole, once, and before what it writes then.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_client::{Ack, Delivery, RecordRef, SendError, Sequence, TransactionError, TryAppendError};
use millstream_connector::Failure;
use millstream_record::TopicName;
use millstream_runtime::{
    config_log::{ConfigLog, Entry, TopicConfigLog},
    kafka::{
        CreateTopicError, LogClients, LogTopic, RecordAppender, RecordConsumer, RecordProducer, RecordTransactions,
    },
    topic_log::TopicLog,
};
use simulation::fakes::topic::FakeTopics;

use crate::config_log::topic;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Done,
    /// Carried out, and nobody hears of it in time.
    DoneUnheard,
    /// Carried out only when the next producer of the name is initialized.
    Late,
    /// Never carried out.
    Never,
    /// Carried out late, and the call does not even come back.
    Hangs,
}

type Records = Vec<(Vec<u8>, Option<Vec<u8>>)>;

#[derive(Default)]
struct Coordinator {
    epoch: u64,
    fates: VecDeque<Fate>,
    late: Option<Records>,
}

/// Clients of one worker whose leader writes in transactions of a coordinator that several share.
#[derive(Clone)]
struct Led {
    topics: FakeTopics,
    inner: Arc<dyn LogClients>,
    coordinator: Arc<Mutex<Coordinator>>,
}

impl Led {
    fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let topics = FakeTopics::default();
        let inner = topics.clients(|| ());
        let coordinator = Coordinator { fates: fates.into_iter().collect(), ..Coordinator::default() };
        Self { topics, inner, coordinator: Arc::new(Mutex::new(coordinator)) }
    }

    fn coordinator(&self) -> MutexGuard<'_, Coordinator> {
        self.coordinator.lock().expect("no fake panics under its lock")
    }

    fn write(&self, records: &Records) {
        for (key, value) in records {
            self.topics.write("configs", Some(key), value.as_deref());
        }
    }

    async fn log(&self) -> TopicConfigLog {
        let log = TopicLog::open(Arc::new(self.clone()), &topic("configs", 1)).await.expect("it opens");
        TopicConfigLog::new(log)
    }

    /// Counts of tasks that were fenced, as they stand in the topic.
    fn written(&self) -> Vec<String> {
        self.topics.records("configs").into_iter().filter_map(|(_, value)| value).collect()
    }
}

#[async_trait]
impl LogClients for Led {
    async fn partitions(&self, topic: &TopicName) -> Result<Option<u32>, Failure> {
        self.inner.partitions(topic).await
    }

    async fn create(&self, topic: &LogTopic) -> Result<(), CreateTopicError> {
        self.inner.create(topic).await
    }

    async fn cleanup_policy(&self, topic: &TopicName) -> Result<Option<String>, Failure> {
        self.inner.cleanup_policy(topic).await
    }

    async fn end_offsets(&self, topic: &TopicName, partitions: u32) -> Result<Vec<i64>, Failure> {
        self.inner.end_offsets(topic, partitions).await
    }

    fn producer(&self) -> Result<Box<dyn RecordProducer>, Failure> {
        self.inner.producer()
    }

    fn leader(&self) -> Result<Option<Box<dyn RecordProducer>>, Failure> {
        let (led, records, acks) = (self.clone(), Vec::new(), VecDeque::new());
        Ok(Some(Box::new(Leader { led, epoch: 0, records, acks, next: 0 })))
    }

    fn reader(&self, topic: &TopicName, partitions: u32) -> Result<Box<dyn RecordConsumer>, Failure> {
        self.inner.reader(topic, partitions)
    }
}

struct Leader {
    led: Led,
    epoch: u64,
    records: Records,
    acks: VecDeque<Ack>,
    next: Sequence,
}

impl RecordAppender for Leader {
    fn append(&mut self, topic: &TopicName, _: Option<i32>, record: RecordRef<'_>) -> Result<Sequence, TryAppendError> {
        self.records.push((record.key.unwrap_or_default().to_vec(), record.value.map(<[u8]>::to_vec)));
        self.next += 1;
        let (first, topic) = (self.next, topic.clone());
        // Where it is the broker does not tell.
        let result = Ok(Delivery { partition: 0, base_offset: -1 });
        self.acks.push_back(Ack { first, last: first, topic, partition: 0, result });
        Ok(first)
    }
}

#[async_trait]
impl RecordTransactions for Leader {
    async fn initialize(&mut self) -> Result<(), TransactionError> {
        let late = {
            let mut coordinator = self.led.coordinator();
            coordinator.epoch += 1;
            self.epoch = coordinator.epoch;
            coordinator.late.take()
        };
        self.led.write(&late.unwrap_or_default());
        Ok(())
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        assert!(self.epoch != 0 && self.records.is_empty(), "begun in the middle of another one");
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), TransactionError> {
        let records = std::mem::take(&mut self.records);
        let (is_current, fate) = {
            let mut coordinator = self.led.coordinator();
            (coordinator.epoch == self.epoch, coordinator.fates.pop_front().unwrap_or(Fate::Done))
        };
        let (attempted, transactional_id): (_, Arc<str>) = ("commit the transaction", "leader".into());
        if !is_current {
            let state = "fenced off";
            return Err(TransactionError::WrongState { attempted, transactional_id, state });
        }
        match fate {
            Fate::Done | Fate::DoneUnheard => self.led.write(&records),
            Fate::Late | Fate::Hangs => self.led.coordinator().late = Some(records),
            Fate::Never => {}
        }
        match fate {
            Fate::Done => Ok(()),
            Fate::Hangs => std::future::pending().await,
            _ => Err(TransactionError::Timeout { attempted, transactional_id, waited: Duration::from_secs(60) }),
        }
    }

    async fn abort(&mut self) -> Result<(), TransactionError> {
        self.records.clear();
        Ok(())
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
        self.acks.len() as u64
    }

    async fn flush(&mut self) {}

    async fn close(self: Box<Self>, _: Duration) -> Vec<Ack> {
        Vec::new()
    }

    fn transactions(&mut self) -> Option<&mut dyn RecordTransactions> {
        Some(self)
    }
}

/// An entry that a leader alone writes.
fn entry(tasks: u32) -> Vec<Entry> {
    vec![Entry::Fencing { name: format!("c{tasks}"), tasks: Some(tasks) }]
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_fate_is_uncertain_is_there_or_not_before_the_next_one_and_never_twice() {
    let (first, second) = (r#"{"task-count":1}"#, r#"{"task-count":2}"#);
    for (fate, expected) in [
        (Fate::DoneUnheard, &[first, second][..]),
        (Fate::Late, &[first, second]),
        (Fate::Hangs, &[first, second]),
        (Fate::Never, &[second]),
    ] {
        let led = Led::new([fate]);
        let mut log = led.log().await;
        assert_eq!(log.lead().await.ok(), Some(true));
        let uncertain = tokio::time::timeout(Duration::from_secs(90), log.append(entry(1))).await;
        assert!(!matches!(uncertain, Ok(Ok(_))), "{fate:?}");
        let position = log.append(entry(2)).await.expect("the leader writes again");
        assert_eq!(led.written(), expected, "{fate:?}");
        assert_eq!(position, expected.len() as u64, "{fate:?}");
        // Whoever takes the place anew reads what was uncertain, before anything else is decided.
        let led = Led::new([fate]);
        let mut log = led.log().await;
        assert_eq!(log.lead().await.ok(), Some(true));
        drop(tokio::time::timeout(Duration::from_secs(90), log.append(entry(1))).await);
        assert_eq!(log.lead().await.ok(), Some(true));
        let read = log.catch_up().await.expect("it is read");
        assert_eq!(read.len(), expected.len() - 1, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_has_a_successor_writes_nothing_until_it_leads_again() {
    let led = Led::new([]);
    let (mut old, mut new) = (led.log().await, led.log().await);
    assert_eq!(old.lead().await.ok(), Some(true));
    old.append(entry(1)).await.expect("it leads");
    assert_eq!(new.lead().await.ok(), Some(true));
    old.append(entry(2)).await.expect_err("it was fenced off");
    new.append(entry(3)).await.expect("it leads");
    assert_eq!(led.written(), [r#"{"task-count":1}"#, r#"{"task-count":3}"#]);
}
