//! Topics in which workers keep their state: written and read by the clients of several workers, while the brokers may
//! be away, answers late or lost, and records of strangers between.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_client::{Ack, Delivery, RecordRef, SendError, Sequence, TryAppendError};
use millstream_connector::{ErrorKind, Failure, TopicOffset, TopicPartition};
use millstream_record::TopicName;
use millstream_runtime::kafka::{
    CreateTopicError, FetchedRecords, LogClients, LogTopic, Polled, RecordAppender, RecordConsumer, RecordProducer,
    RecordSlot,
};
use tokio::{sync::Notify, time::Instant};

/// Records that a poll returns at most.
const POLLED: usize = 7;

/// How long a client asks brokers that are away.
const PATIENCE: Duration = Duration::from_secs(60);

/// All topics; clones share them.
#[derive(Clone, Default)]
pub struct FakeTopics {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Topic>,
    away: bool,
    refusals: VecDeque<CreateTopicError>,
    unreadable: Option<Failure>,
    polls: u64,
}

/// One topic.
#[derive(Clone, Debug, Default)]
struct Topic {
    policy: String,
    partitions: Vec<Vec<Stored>>,
}

/// What stands at an offset: a record, or something that is not handed out, such as the end of a transaction.
#[derive(Clone, Debug)]
struct Stored {
    record: Option<(Option<Bytes>, Option<Bytes>)>,
    visible: Instant,
}

/// What befalls a worker that writes; nothing unless said. Asked once for each record.
pub trait TopicFaults: Send {
    /// Whether a record is not written.
    fn lost(&mut self) -> bool {
        false
    }

    /// Whether a record is written and its answer an error.
    fn answer_lost(&mut self) -> bool {
        false
    }

    /// How long it takes until a record is there and acknowledged.
    fn delay(&mut self) -> Duration {
        Duration::ZERO
    }
}

impl TopicFaults for () {}

impl FakeTopics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no fake panics under its lock")
    }

    /// Clients of one worker; `faults` befall each producer of its own.
    pub fn clients<F: TopicFaults + 'static>(
        &self,
        faults: impl Fn() -> F + Send + Sync + 'static,
    ) -> Arc<dyn LogClients> {
        Arc::new(Clients { topics: self.clone(), faults: Box::new(move || Box::new(faults())) })
    }

    /// Somebody makes a topic.
    pub fn make(&self, topic: &str, partitions: usize, policy: &str) {
        let made = Topic { policy: policy.to_owned(), partitions: vec![Vec::new(); partitions] };
        self.state().topics.insert(topic.to_owned(), made);
    }

    /// Partitions and cleanup policy of a topic.
    pub fn made(&self, topic: &str) -> Option<(usize, String)> {
        self.state().topics.get(topic).map(|topic| (topic.partitions.len(), topic.policy.clone()))
    }

    /// Somebody writes a record; without a key and a value, something that is not handed out.
    pub fn write(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) {
        let record = (key.is_some() || value.is_some())
            .then(|| (key.map(Bytes::copy_from_slice), value.map(Bytes::copy_from_slice)));
        self.state().write(topic, key, record, Instant::now());
        self.news.notify_waiters();
    }

    /// All records of a topic with a key, in order within each partition, as text.
    pub fn records(&self, topic: &str) -> Vec<(String, Option<String>)> {
        let state = self.state();
        let partitions = state.topics.get(topic).map_or(&[][..], |topic| &topic.partitions);
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let stored = partitions.iter().flatten().filter_map(|stored| stored.record.as_ref());
        stored.filter_map(|(key, value)| Some((text(key.as_ref()?), value.as_ref().map(text)))).collect()
    }

    /// Whether no broker answers.
    pub fn away(&self, away: bool) {
        self.state().away = away;
        self.news.notify_waiters();
    }

    /// The next attempts to make a topic are answered by these.
    pub fn refuse(&self, refusals: impl IntoIterator<Item = CreateTopicError>) {
        self.state().refusals.extend(refusals);
    }

    /// Reads fail like this, or do not any more.
    pub fn unreadable(&self, failure: Option<Failure>) {
        self.state().unreadable = failure;
        self.news.notify_waiters();
    }

    /// How often somebody tried to read.
    pub fn polls(&self) -> u64 {
        self.state().polls
    }

    /// Returns when brokers answer, or fails after a while.
    async fn reachable(&self) -> Result<(), Failure> {
        let back = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if !self.state().away {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(PATIENCE, back).await.map_err(|_| {
            let class = "org.apache.kafka.common.errors.TimeoutException";
            Failure::new(ErrorKind::Retriable, class, "no broker answers")
        })
    }
}

impl State {
    /// Writes; where. `None` where there is no such topic.
    fn write(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        record: Option<(Option<Bytes>, Option<Bytes>)>,
        visible: Instant,
    ) -> Option<(i32, i64)> {
        let partitions = &mut self.topics.get_mut(topic)?.partitions;
        let partition = key.unwrap_or_default().iter().map(|&byte| usize::from(byte)).sum::<usize>() % partitions.len();
        let stored = &mut partitions[partition];
        // Nothing overtakes what stands before it.
        let visible = stored.last().map_or(visible, |before| visible.max(before.visible));
        stored.push(Stored { record, visible });
        Some((partition as i32, stored.len() as i64 - 1))
    }
}

struct Clients {
    topics: FakeTopics,
    faults: Box<dyn Fn() -> Box<dyn TopicFaults> + Send + Sync>,
}

#[async_trait]
impl LogClients for Clients {
    async fn partitions(&self, topic: &TopicName) -> Result<Option<u32>, Failure> {
        self.topics.reachable().await?;
        Ok(self.topics.state().topics.get(topic.as_str()).map(|topic| topic.partitions.len() as u32))
    }

    async fn create(&self, topic: &LogTopic) -> Result<(), CreateTopicError> {
        self.topics.reachable().await.map_err(CreateTopicError::Later)?;
        if let Some(refusal) = self.topics.state().refusals.pop_front() {
            return Err(refusal);
        }
        if self.topics.made(topic.name.as_str()).is_some() {
            return Err(CreateTopicError::Exists);
        }
        self.topics.make(topic.name.as_str(), topic.partitions.unwrap_or(1) as usize, "compact");
        Ok(())
    }

    async fn cleanup_policy(&self, topic: &TopicName) -> Result<Option<String>, Failure> {
        self.topics.reachable().await?;
        Ok(self.topics.made(topic.as_str()).map(|(_, policy)| policy))
    }

    async fn end_offsets(&self, topic: &TopicName, partitions: u32) -> Result<Vec<i64>, Failure> {
        self.topics.reachable().await?;
        let state = self.topics.state();
        let found = state.topics.get(topic.as_str()).map_or(&[][..], |topic| &topic.partitions);
        // What is not there yet has no end.
        let now = Instant::now();
        let ends = found.iter().map(|stored| stored.iter().filter(|stored| stored.visible <= now).count() as i64);
        Ok(ends.chain(std::iter::repeat(0)).take(partitions as usize).collect())
    }

    fn producer(&self) -> Result<Box<dyn RecordProducer>, Failure> {
        let faults = (self.faults)();
        Ok(Box::new(Producer { topics: self.topics.clone(), faults, next: 0, pending: VecDeque::new() }))
    }

    fn reader(&self, topic: &TopicName, partitions: u32) -> Result<Box<dyn RecordConsumer>, Failure> {
        let positions = vec![0; partitions as usize];
        Ok(Box::new(Reader { topics: self.topics.clone(), topic: topic.clone(), positions }))
    }
}

struct Pending {
    sequence: Sequence,
    topic: TopicName,
    key: Option<Bytes>,
    value: Option<Bytes>,
    due: Instant,
    lost: bool,
    answer_lost: bool,
}

struct Producer {
    topics: FakeTopics,
    faults: Box<dyn TopicFaults>,
    next: Sequence,
    pending: VecDeque<Pending>,
}

impl Producer {
    /// When the oldest record ends, if brokers are there to end it.
    fn due(&self) -> Option<Instant> {
        let first = self.pending.front()?.due;
        (!self.topics.state().away).then_some(first)
    }
}

impl RecordAppender for Producer {
    fn append(&mut self, topic: &TopicName, _: Option<i32>, record: RecordRef<'_>) -> Result<Sequence, TryAppendError> {
        self.next += 1;
        let last = self.pending.back().map_or_else(Instant::now, |pending| pending.due);
        self.pending.push_back(Pending {
            sequence: self.next,
            topic: topic.clone(),
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            due: last.max(Instant::now() + self.faults.delay()),
            lost: self.faults.lost(),
            answer_lost: self.faults.answer_lost(),
        });
        Ok(self.next)
    }
}

#[async_trait]
impl RecordProducer for Producer {
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender)) {
        work(self);
    }

    fn learn(&mut self, _: &TopicName) -> BoxFuture<'static, Result<(), SendError>> {
        std::future::ready(Ok(())).boxed()
    }

    async fn ready(&mut self) {}

    fn try_ack(&mut self) -> Option<Ack> {
        if Instant::now() < self.due()? {
            return None;
        }
        let Pending { sequence, topic, key, value, lost, answer_lost, .. } = self.pending.pop_front()?;
        let written = match lost {
            true => None,
            false => {
                self.topics.state().write(topic.as_str(), key.as_deref(), Some((key.clone(), value)), Instant::now())
            }
        };
        self.topics.news.notify_waiters();
        let (partition, base_offset) = written.unwrap_or((0, -1));
        let result = match written {
            Some(_) if !answer_lost => Ok(Delivery { partition, base_offset }),
            _ => Err(SendError::Expired {
                topic: topic.clone(),
                partition,
                records: 1,
                waited: Duration::ZERO,
                source: None,
            }),
        };
        Some(Ack { first: sequence, last: sequence, topic, partition, result })
    }

    async fn next_ack(&mut self) -> Ack {
        loop {
            let news = Arc::clone(&self.topics.news);
            let news = news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(ack) = self.try_ack() {
                return ack;
            }
            match self.due() {
                Some(due) => drop(tokio::time::timeout_at(due, news).await),
                None => news.await,
            }
        }
    }

    fn outstanding(&self) -> u64 {
        self.pending.len() as u64
    }

    async fn flush(&mut self) {
        if let Some(last) = self.pending.back() {
            tokio::time::sleep_until(last.due).await;
        }
    }

    async fn close(mut self: Box<Self>, _: Duration) -> Vec<Ack> {
        self.flush().await;
        std::iter::from_fn(|| self.try_ack()).collect()
    }
}

struct Reader {
    topics: FakeTopics,
    topic: TopicName,
    positions: Vec<i64>,
}

impl Reader {
    /// The next records of the first partition that has any; what is not handed out is passed over.
    fn take(&mut self) -> Result<Option<FetchedRecords>, Failure> {
        let mut state = self.topics.state();
        state.polls += 1;
        if let Some(failure) = &state.unreadable {
            return Err(failure.clone());
        }
        let Some(topic) = state.topics.get(self.topic.as_str()).filter(|_| !state.away) else { return Ok(None) };
        for (partition, stored) in topic.partitions.iter().enumerate() {
            let (mut buffer, mut records) = (Vec::new(), Vec::new());
            let visible = |stored: &&Stored| stored.visible <= Instant::now();
            for stored in stored.iter().skip(self.positions[partition] as usize).take_while(visible).take(POLLED) {
                let offset = self.positions[partition];
                self.positions[partition] += 1;
                let Some((key, value)) = &stored.record else { continue };
                let mut place = |bytes: &Option<Bytes>| -> Option<Range<u32>> {
                    let begin = buffer.len() as u32;
                    buffer.extend_from_slice(bytes.as_ref()?);
                    Some(begin..buffer.len() as u32)
                };
                let (key, value) = (place(key), place(value));
                let slot =
                    RecordSlot { offset, timestamp: -1, timestamp_type: 0, key, value, header_count: 0, headers: 0..0 };
                records.push(slot);
            }
            if !records.is_empty() {
                let (topic, buffer) = (self.topic.clone(), Bytes::from(buffer));
                return Ok(Some(FetchedRecords { topic, partition: partition as i32, buffer, records }));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl RecordConsumer for Reader {
    async fn poll(&mut self, timeout: Duration) -> Result<Polled, Failure> {
        let deadline = Instant::now() + timeout;
        loop {
            let news = Arc::clone(&self.topics.news);
            let news = news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(fetched) = self.take()? {
                return Ok(Polled { events: Vec::new(), fetched: vec![fetched] });
            }
            if tokio::time::timeout_at(deadline, news).await.is_err() {
                return Ok(Polled::default());
            }
        }
    }

    async fn position(&mut self, partition: &TopicPartition) -> Result<i64, Failure> {
        Ok(self.positions[partition.partition as usize])
    }

    async fn commit(&mut self, _: &[TopicOffset]) -> Result<(), Failure> {
        Ok(())
    }

    fn seek(&mut self, _: &TopicOffset) {}

    fn pause(&mut self, _: &[TopicPartition]) {}

    fn resume(&mut self, _: &[TopicPartition]) {}

    async fn close(self: Box<Self>) {}
}
