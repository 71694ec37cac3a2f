//! A log that is kept in a topic: made or checked at the start, read from its beginning, followed, and written to.
//!
//! This is the only place that knows how consumers and producers serve the stores of a group of workers. What records
//! mean is the stores' business: each owns one [`TopicLog`] and drives it by [`TopicLog::step`]. Nothing here gives up
//! while the cluster is away; whoever waits has a deadline of its own.

mod internal_topics;
mod leader;
mod setup;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use millstream_client::{Ack, RecordRef, SendError, Sequence, TryAppendError};
use millstream_connector::{Failure, TopicPartition};
use millstream_record::TopicName;
use tokio::time::Instant;

pub use internal_topics::{InternalTopics, InvalidInternalTopic};
pub use leader::LeadError;
pub use setup::OpenLogError;

use crate::kafka::{FetchedRecords, LogClients, LogTopic, RecordConsumer, RecordProducer};

/// Wait after the first failed read; doubles with each further one.
const RETRY: Duration = Duration::from_millis(500);
/// Longest wait between two failed reads.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Longest wait for records while nobody waits for the end.
const IDLE_POLL: Duration = Duration::from_secs(60);
/// Between two looks at positions while somebody waits for the end: what stands there may be no record that is handed
/// out, such as the end of a transaction.
const END_POLL: Duration = Duration::from_millis(50);

/// A record of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogRecord {
    /// Its partition.
    pub partition: i32,
    /// Where it is there.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Bytes>,
}

/// A record to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRecord {
    /// Its key, which decides about its partition.
    pub key: Vec<u8>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl NewRecord {
    fn as_record(&self) -> RecordRef<'_> {
        RecordRef { key: Some(&self.key), value: self.value.as_deref(), ..RecordRef::default() }
    }
}

/// Names one call of [`TopicLog::write`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WriteId(pub(crate) u64);

/// Names one call of [`TopicLog::ask_end`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EndId(pub(crate) u64);

/// Where a record was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset; `None` where the broker did not tell it.
    pub offset: Option<i64>,
}

/// What happened.
#[derive(Debug)]
pub enum Step {
    /// The next record.
    Record(LogRecord),
    /// All records of a write have ended: where the last of them is, or why one of them is not there for certain.
    Written(WriteId, Result<Place, SendError>),
    /// Every record that was there when the end was asked for has been handed out, or the end could not be found out.
    Reached(EndId, Result<(), Failure>),
}

/// Where the partitions end, as somebody asked.
type EndAnswer = (EndId, Result<Vec<i64>, Failure>);

/// See the module's documentation.
pub struct TopicLog {
    topic: TopicName,
    clients: Arc<dyn LogClients>,
    producer: Box<dyn RecordProducer>,
    /// Whether this worker may write what one alone may.
    leads: bool,
    /// By which it does that, if in transactions.
    leader: Option<Box<dyn RecordProducer>>,
    reader: Box<dyn RecordConsumer>,
    /// The next offset to be handed out, by partition.
    positions: Vec<i64>,
    unread: VecDeque<LogRecord>,
    writes: BTreeMap<WriteId, Write>,
    ends: BTreeMap<EndId, Vec<i64>>,
    asking: FuturesUnordered<BoxFuture<'static, EndAnswer>>,
    done: VecDeque<Step>,
    next_id: u64,
    failures: u32,
    retry_at: Option<Instant>,
}

/// Records under way.
struct Write {
    first: Sequence,
    last: Sequence,
    outstanding: u64,
    place: Option<Place>,
    error: Option<SendError>,
}

impl std::fmt::Debug for TopicLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicLog")
            .field("topic", &self.topic)
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl TopicLog {
    /// Makes the topic, or checks the one that is there, and prepares to read it from its beginning.
    ///
    /// # Errors
    ///
    /// The topic cannot be made, or is not fit for a log; clients refuse the worker's settings.
    pub async fn open(clients: Arc<dyn LogClients>, wanted: &LogTopic) -> Result<Self, OpenLogError> {
        let partitions = setup::prepare(clients.as_ref(), wanted).await?;
        let refused = |source| OpenLogError::Client { topic: wanted.name.clone(), source };
        let producer = clients.producer().map_err(refused)?;
        let reader = clients.reader(&wanted.name, partitions).map_err(refused)?;
        Ok(Self {
            topic: wanted.name.clone(),
            clients,
            producer,
            leads: false,
            leader: None,
            reader,
            positions: vec![0; partitions as usize],
            unread: VecDeque::new(),
            writes: BTreeMap::new(),
            ends: BTreeMap::new(),
            asking: FuturesUnordered::new(),
            done: VecDeque::new(),
            next_id: 0,
            failures: 0,
            retry_at: None,
        })
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Hands records to the producer, in order. [`Step::Written`] tells when they have ended. Waits only while there is
    /// no room for them, or the topic's partitions are not known.
    ///
    /// Dropping the future may or may not write them, and nobody hears of it then.
    ///
    /// # Errors
    ///
    /// They can never be written.
    pub async fn write(&mut self, records: &[NewRecord]) -> Result<WriteId, SendError> {
        let id = WriteId(self.id());
        let mut rest = records;
        let mut write: Option<Write> = None;
        while !rest.is_empty() {
            let (mut taken, mut refused) = (0, None);
            let topic = &self.topic;
            self.producer.group(&mut |appender| {
                for record in rest {
                    match appender.append(topic, None, record.as_record()) {
                        Ok(sequence) => {
                            let new =
                                Write { first: sequence, last: sequence, outstanding: 0, place: None, error: None };
                            let write = write.get_or_insert(new);
                            write.last = sequence;
                            write.outstanding += 1;
                        }
                        Err(error) => {
                            refused = Some(error);
                            return;
                        }
                    }
                    taken += 1;
                }
            });
            rest = &rest[taken..];
            if let Some(write) = write.take() {
                self.note_write(id, write);
            }
            match refused {
                None => {}
                Some(TryAppendError::Full) => {
                    self.producer.ready().await;
                    self.take_acks();
                }
                Some(TryAppendError::UnknownTopic) => self.producer.learn(&self.topic).await?,
                Some(TryAppendError::Failed(error)) => return Err(error),
            }
        }
        Ok(id)
    }

    /// Counts records of a write that are under way; sequences of one owner follow each other without a gap.
    fn note_write(&mut self, id: WriteId, more: Write) {
        match self.writes.get_mut(&id) {
            Some(write) => {
                write.last = more.last;
                write.outstanding += more.outstanding;
            }
            None => drop(self.writes.insert(id, more)),
        }
    }

    /// Asks where the log ends now; [`Step::Reached`] tells when everything before that has been handed out.
    pub fn ask_end(&mut self) -> EndId {
        let id = EndId(self.id());
        let (clients, topic, partitions) = (Arc::clone(&self.clients), self.topic.clone(), self.positions.len() as u32);
        self.asking.push(Box::pin(async move { (id, clients.end_offsets(&topic, partitions).await) }));
        id
    }

    /// Waits for something to happen. Dropping the future loses nothing.
    pub async fn step(&mut self) -> Step {
        loop {
            self.take_acks();
            if let Some(step) = self.done.pop_front() {
                return step;
            }
            if let Some(record) = self.unread.pop_front() {
                self.advance(record.partition, record.offset + 1);
                return Step::Record(record);
            }
            self.settle();
            if !self.done.is_empty() {
                continue;
            }
            let longest = if self.ends.is_empty() { IDLE_POLL } else { END_POLL };
            let Self { producer, reader, asking, retry_at, .. } = self;
            let polled = async {
                if let Some(at) = *retry_at {
                    tokio::time::sleep_until(at).await;
                }
                reader.poll(longest).await
            };
            tokio::select! {
                biased;
                ack = producer.next_ack() => self.take_ack(&ack),
                Some((id, ends)) = asking.next(), if !asking.is_empty() => match ends {
                    Ok(ends) => drop(self.ends.insert(id, ends)),
                    Err(failure) => self.done.push_back(Step::Reached(id, Err(failure))),
                },
                polled = polled => match polled {
                    Ok(polled) => {
                        self.failures = 0;
                        self.retry_at = None;
                        self.unread.extend(polled.fetched.iter().flat_map(records_of));
                        if self.unread.is_empty() && !self.ends.is_empty() {
                            self.look_at_positions().await;
                        }
                    }
                    Err(failure) => self.hold_off(&failure),
                },
            }
        }
    }

    /// Waits before the next read, longer each time.
    fn hold_off(&mut self, failure: &Failure) {
        let wait = RETRY.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(Instant::now() + wait);
        let causes = failure.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
        tracing::error!(topic = %self.topic, error = %format_args!("{failure}{causes}"), "the topic cannot be read, and is read again in {} ms", wait.as_millis());
    }

    /// Where the reader stands in partitions that are not at a wanted end although it has nothing to hand out.
    async fn look_at_positions(&mut self) {
        for partition in 0..self.positions.len() {
            let behind = self.ends.values().any(|ends| self.positions[partition] < ends[partition]);
            if !behind {
                continue;
            }
            let of = TopicPartition { topic: self.topic.as_str().to_owned(), partition: partition as i32 };
            match self.reader.position(&of).await {
                Ok(position) => self.advance(of.partition, position),
                Err(failure) => return self.hold_off(&failure),
            }
        }
    }

    fn advance(&mut self, partition: i32, position: i64) {
        if let Some(known) = usize::try_from(partition).ok().and_then(|at| self.positions.get_mut(at)) {
            *known = position.max(*known);
        }
    }

    /// Tells of ends that are reached.
    fn settle(&mut self) {
        let positions = &self.positions;
        let reached = |ends: &Vec<i64>| ends.iter().zip(positions).all(|(end, position)| end <= position);
        let ids: Vec<EndId> = self.ends.iter().filter(|(_, ends)| reached(ends)).map(|(id, _)| *id).collect();
        for id in ids {
            self.ends.remove(&id);
            self.done.push_back(Step::Reached(id, Ok(())));
        }
    }

    fn take_acks(&mut self) {
        while let Some(ack) = self.producer.try_ack() {
            self.take_ack(&ack);
        }
    }

    fn take_ack(&mut self, ack: &Ack) {
        let of_ack = |write: &Write| write.first <= ack.last && ack.first <= write.last;
        let ids: Vec<WriteId> = self.writes.iter().filter(|(_, write)| of_ack(write)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(write) = self.writes.get_mut(&id) else { continue };
            let (first, last) = (write.first.max(ack.first), write.last.min(ack.last));
            write.outstanding = write.outstanding.saturating_sub(last - first + 1);
            match &ack.result {
                Ok(delivery) if last == write.last => {
                    let offset = Some(delivery.base_offset).filter(|base| 0 <= *base);
                    let offset = offset.map(|base| base + (last - ack.first) as i64);
                    write.place = Some(Place { partition: delivery.partition, offset });
                }
                Ok(_) => {}
                Err(error) => write.error = Some(error.clone()),
            }
            if write.outstanding == 0 {
                let Some(write) = self.writes.remove(&id) else { continue };
                let place = write.place.unwrap_or(Place { partition: 0, offset: None });
                self.done.push_back(Step::Written(id, write.error.map_or(Ok(place), Err)));
            }
        }
    }

    /// Sends what is under way, for at most `timeout`, and closes both clients.
    pub async fn close(self, timeout: Duration) {
        let Self { producer, leader, reader, topic, .. } = self;
        if let Some(leader) = leader {
            leader.close(timeout).await;
        }
        let lost = producer.close(timeout).await.iter().filter(|ack| ack.result.is_err()).count();
        if 0 < lost {
            tracing::warn!(%topic, "{lost} group(s) of records were not written before the end");
        }
        reader.close().await;
    }
}

fn records_of(fetched: &FetchedRecords) -> impl Iterator<Item = LogRecord> + '_ {
    let part = |range: &Option<std::ops::Range<u32>>| {
        range.as_ref().map(|range| fetched.buffer.slice(range.start as usize..range.end as usize))
    };
    fetched.records.iter().map(move |slot| LogRecord {
        partition: fetched.partition,
        offset: slot.offset,
        key: part(&slot.key),
        value: part(&slot.value),
    })
}
