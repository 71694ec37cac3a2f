//! Topics in which workers keep their state: written and read by the clients of several workers, while the brokers may
//! be away, answers late or lost, and records of strangers between.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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

use super::leader::Leader;
use crate::lockstep::{self, now, process};

/// Records that a poll returns at most.
const POLLED: usize = 7;

/// How often whoever reads late looks again.
const LATE: Duration = Duration::from_millis(50);

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
    /// Processes that reach no broker.
    cut_off: BTreeSet<u32>,
    /// How often somebody took the place of the one that alone may write in transactions.
    leaders: u64,
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
    /// A worker hands over a record for a topic.
    fn appends(&mut self, topic: &TopicName) {
        let _ = topic;
    }

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

    /// How much later than others a worker reads a topic. Asked at each look.
    fn reads_late(&mut self, topic: &TopicName) -> Duration {
        let _ = topic;
        Duration::ZERO
    }

    /// Whether a record that is under way when a worker dies is written all the same. In which order is asked for several
    /// producers, nobody knows.
    fn outlives(&self, topic: &TopicName, key: Option<&[u8]>) -> bool {
        let _ = (topic, key);
        false
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
        Arc::new(Clients { topics: self.clone(), faults: Box::new(move || Box::new(faults())), leads: false })
    }

    /// The same, of a worker whose leader writes in transactions.
    pub fn clients_of_leader<F: TopicFaults + 'static>(
        &self,
        faults: impl Fn() -> F + Send + Sync + 'static,
    ) -> Arc<dyn LogClients> {
        Arc::new(Clients { topics: self.clone(), faults: Box::new(move || Box::new(faults())), leads: true })
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
        self.state().write(topic, key, record, now());
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

    /// Whether a process reaches no broker.
    pub fn cut_off(&self, process: u32, cut_off: bool) {
        let mut state = self.state();
        if cut_off {
            state.cut_off.insert(process)
        } else {
            state.cut_off.remove(&process)
        };
        drop(state);
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
    pub(super) async fn reachable(&self) -> Result<(), Failure> {
        let back = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if !self.state().is_away() {
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
    /// Whether the process whose turn it is reaches no broker.
    fn is_away(&self) -> bool {
        self.away || self.cut_off.contains(&process())
    }

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
    /// Whether leaders write in transactions.
    leads: bool,
}

impl FakeTopics {
    /// Takes the place of whoever wrote in transactions before: its number.
    pub(super) fn succeed(&self) -> u64 {
        let mut state = self.state();
        state.leaders += 1;
        state.leaders
    }

    /// Writes a transaction whole, with its end behind it, unless there is a later leader: where each record is.
    pub(super) fn commit(&self, leader: u64, records: &[(TopicName, Bytes, Option<Bytes>)]) -> Option<Vec<(i32, i64)>> {
        let mut state = self.state();
        if state.leaders != leader {
            return None;
        }
        let mut write = |(topic, key, value): &(TopicName, Bytes, Option<Bytes>)| {
            let place = state.write(topic.as_str(), Some(&key[..]), Some((Some(key.clone()), value.clone())), now());
            place.unwrap_or((0, -1))
        };
        let places: Vec<(i32, i64)> = records.iter().map(&mut write).collect();
        if let Some((topic, key, _)) = records.last() {
            state.write(topic.as_str(), Some(&key[..]), None, now());
        }
        drop(state);
        self.news.notify_waiters();
        Some(places)
    }
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
        let now = now();
        let ends = found.iter().map(|stored| stored.iter().filter(|stored| stored.visible <= now).count() as i64);
        Ok(ends.chain(std::iter::repeat(0)).take(partitions as usize).collect())
    }

    fn producer(&self) -> Result<Box<dyn RecordProducer>, Failure> {
        let faults = (self.faults)();
        Ok(Box::new(Producer { topics: self.topics.clone(), faults, next: 0, pending: VecDeque::new() }))
    }

    fn reader(&self, topic: &TopicName, partitions: u32) -> Result<Box<dyn RecordConsumer>, Failure> {
        let positions = vec![0; partitions as usize];
        let faults = (self.faults)();
        Ok(Box::new(Reader { topics: self.topics.clone(), topic: topic.clone(), positions, faults }))
    }

    fn leader(&self) -> Result<Option<Box<dyn RecordProducer>>, Failure> {
        let leader = || Box::new(Leader::new(self.topics.clone(), (self.faults)())) as Box<dyn RecordProducer>;
        Ok(self.leads.then(leader))
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
        (!self.topics.state().is_away()).then_some(first)
    }
}

impl RecordAppender for Producer {
    fn append(&mut self, topic: &TopicName, _: Option<i32>, record: RecordRef<'_>) -> Result<Sequence, TryAppendError> {
        self.next += 1;
        self.faults.appends(topic);
        let last = self.pending.back().map_or_else(now, |pending| pending.due);
        self.pending.push_back(Pending {
            sequence: self.next,
            topic: topic.clone(),
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            due: last.max(now() + self.faults.delay()),
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
        if now() < self.due()? {
            return None;
        }
        let Pending { sequence, topic, key, value, lost, answer_lost, .. } = self.pending.pop_front()?;
        let written = match lost {
            true => None,
            false => self.topics.state().write(topic.as_str(), key.as_deref(), Some((key.clone(), value)), now()),
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
                Some(due) => drop(lockstep::timeout_at(due, news).await),
                None => news.await,
            }
        }
    }

    fn outstanding(&self) -> u64 {
        self.pending.len() as u64
    }

    async fn flush(&mut self) {
        if let Some(last) = self.pending.back() {
            lockstep::sleep_until(last.due).await;
        }
    }

    async fn close(mut self: Box<Self>, _: Duration) -> Vec<Ack> {
        self.flush().await;
        std::iter::from_fn(|| self.try_ack()).collect()
    }
}

impl Drop for Producer {
    /// What was sent may arrive, in order, whatever has become of its sender.
    fn drop(&mut self) {
        for Pending { topic, key, value, lost, .. } in self.pending.drain(..) {
            if !self.faults.outlives(&topic, key.as_deref()) {
                return;
            }
            if !lost {
                self.topics.state().write(topic.as_str(), key.as_deref(), Some((key.clone(), value)), now());
            }
        }
        self.topics.news.notify_waiters();
    }
}

struct Reader {
    topics: FakeTopics,
    topic: TopicName,
    positions: Vec<i64>,
    faults: Box<dyn TopicFaults>,
}

impl Reader {
    /// The next records of the first partition that has any; what is not handed out is passed over.
    fn take(&mut self) -> Result<Option<FetchedRecords>, Failure> {
        let late = self.faults.reads_late(&self.topic);
        let mut state = self.topics.state();
        state.polls += 1;
        if let Some(failure) = &state.unreadable {
            return Err(failure.clone());
        }
        let Some(topic) = state.topics.get(self.topic.as_str()).filter(|_| !state.is_away()) else { return Ok(None) };
        for (partition, stored) in topic.partitions.iter().enumerate() {
            let (mut buffer, mut records) = (Vec::new(), Vec::new());
            let visible = |stored: &&Stored| stored.visible + late <= now();
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
        let deadline = now() + timeout;
        loop {
            let news = Arc::clone(&self.topics.news);
            let news = news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(fetched) = self.take()? {
                return Ok(Polled { events: Vec::new(), fetched: vec![fetched] });
            }
            // Whoever reads late is not woken for that.
            let late = !self.faults.reads_late(&self.topic).is_zero();
            let until = if late { deadline.min(now() + LATE) } else { deadline };
            if lockstep::timeout_at(until, news).await.is_err() && (!late || deadline <= now()) {
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
