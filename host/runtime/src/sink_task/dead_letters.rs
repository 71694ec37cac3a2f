//! The dead-letter queue of a sink task.
//!
//! A letter is *unwritten* from the report of its record until its acknowledgement, and no offset at or
//! behind an unwritten letter is committed. Nothing here waits inside a call: the task's loop looks with
//! [`DeadLetters::advance`] and awaits [`DeadLetters::progress`] beside everything else it waits for. A letter
//! that cannot be written fails the task; the producer's `max.block.ms` and `delivery.timeout.ms` bound the wait.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use futures::future::BoxFuture;
use millstream_client::{Ack, ErrorCode, RecordRef, SendError, Sequence, TryAppendError};
use millstream_connector::{ErrorKind, Failure, TaskId, TopicPartition};
use millstream_record::{ErrorChain, TopicName};
use tokio::time::Instant;

use crate::{
    error_policy::CONNECT_EXCEPTION,
    kafka::{RecordProducer, send_failure},
    long_wait::{self, LongWait},
    record_headers::{push_header, push_varint},
    report::{Original, Report},
    task::TaskControl,
    task_metrics::TaskMetrics,
};

/// Headers of Connect's own, besides the stack trace.
const CONTEXT_HEADERS: u32 = 9;

/// Time that letters still have when the task is told to stop, or gives partitions up: enough for a cluster that
/// answers, and too little to hold anybody up. What is not written then is not committed, so it comes again.
pub(super) const PARTING: Duration = Duration::from_secs(1);

/// Letters at the producer from which on nothing more is consumed. Its `buffer.memory` counts their bytes, and not what
/// is kept beside them here until they are acknowledged, which is more than the bytes of a small record.
const MOST_SENT: usize = 10_000;

/// See the module's documentation.
pub(crate) struct DeadLetters {
    producer: Box<dyn RecordProducer>,
    topic: TopicName,
    context_headers: bool,
    task: TaskId,
    metrics: TaskMetrics,
    /// Letters that the producer has not taken yet, in order.
    waiting: VecDeque<Letter>,
    /// Letters that are not acknowledged: at most [`MOST_SENT`] and those of one batch.
    sent: BTreeMap<Sequence, Letter>,
    /// Letters that will not be written any more.
    lost: Vec<Letter>,
    learning: Option<BoxFuture<'static, Result<(), SendError>>>,
    learned: Option<Result<(), SendError>>,
    acks: VecDeque<Ack>,
    failure: Option<Failure>,
    wait: Option<LongWait>,
    headers: Vec<u8>,
}

/// A record with what is said about it.
struct Letter {
    partition: TopicPartition,
    offset: i64,
    coordinates: String,
    timestamp_ms: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    header_count: u32,
    headers: Vec<u8>,
    /// The header with the stack trace, left out of a record that is too large with it.
    stack_trace: Option<Vec<u8>>,
}

impl DeadLetters {
    pub(crate) fn new(
        producer: Box<dyn RecordProducer>,
        topic: TopicName,
        context_headers: bool,
        task: TaskId,
        metrics: TaskMetrics,
    ) -> Self {
        Self {
            producer,
            topic,
            context_headers,
            task,
            metrics,
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            lost: Vec::new(),
            learning: None,
            learned: None,
            acks: VecDeque::new(),
            failure: None,
            wait: None,
            headers: Vec::new(),
        }
    }

    /// Takes a record as it was consumed, with Connect's headers if they are asked for.
    pub(super) fn report(&mut self, original: &Original<'_>, report: &Report<'_>) {
        let (mut headers, mut count) = (original.headers.to_vec(), original.header_count);
        let mut stack_trace = None;
        if self.context_headers {
            let header = |out: &mut Vec<u8>, name: &str, value: &str| {
                push_header(out, format!("__connect.errors.{name}").as_bytes(), Some(value.as_bytes()));
            };
            for (name, value) in [
                ("topic", original.topic),
                ("partition", &original.partition.to_string()),
                ("offset", &original.offset.to_string()),
                ("connector.name", &self.task.connector),
                ("task.id", &self.task.number.to_string()),
                ("stage", report.stage.name()),
                ("class.name", report.class),
                ("exception.class.name", &report.failure.class),
                ("exception.message", &report.failure.message),
            ] {
                header(&mut headers, name, value);
            }
            count += CONTEXT_HEADERS;
            let mut trace = Vec::new();
            header(&mut trace, "exception.stacktrace", &report.failure.trace());
            stack_trace = Some(trace);
        }
        self.waiting.push_back(Letter {
            partition: TopicPartition { topic: original.topic.to_owned(), partition: original.partition },
            offset: original.offset,
            coordinates: original.coordinates(),
            timestamp_ms: (original.timestamp_type != 0 && 0 <= original.timestamp).then_some(original.timestamp),
            key: original.key.map(<[u8]>::to_vec),
            value: original.value.map(<[u8]>::to_vec),
            header_count: count,
            headers,
            stack_trace,
        });
    }

    /// Whether there are enough unwritten letters for now, so that no further records should be consumed.
    pub(super) fn is_full(&self) -> bool {
        !self.waiting.is_empty() || MOST_SENT <= self.sent.len()
    }

    /// For each partition with unwritten letters the lowest of their offsets: nothing behind it may be committed.
    pub(super) fn held(&self) -> BTreeMap<TopicPartition, i64> {
        let mut held: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for letter in self.waiting.iter().chain(self.sent.values()).chain(&self.lost) {
            match held.get_mut(&letter.partition) {
                Some(lowest) => *lowest = letter.offset.min(*lowest),
                None => {
                    held.insert(letter.partition.clone(), letter.offset);
                }
            }
        }
        held
    }

    /// Forgets what the producer has not taken of partitions that are given up: whoever has them next reports
    /// it again.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.waiting.retain(|letter| !partitions.contains(&letter.partition));
    }

    /// Hands the producer what it takes and looks at what has ended.
    ///
    /// # Errors
    ///
    /// A letter cannot be written, now and at every later call.
    pub(super) fn advance(&mut self, control: &TaskControl) -> Result<(), Failure> {
        while let Some(ack) = self.acks.pop_front().or_else(|| self.producer.try_ack()) {
            self.ended(ack);
        }
        if let Some(Err(error)) = self.learned.take()
            && let Some(letter) = self.waiting.pop_front()
        {
            self.lose(letter, &error);
        }
        while self.learning.is_none()
            && self.failure.is_none()
            && let Some(letter) = self.waiting.pop_front()
        {
            match self.append(&letter) {
                Ok(sequence) => {
                    self.sent.insert(sequence, letter);
                }
                Err(TryAppendError::Failed(error)) => self.refused(letter, &error),
                Err(reason) => {
                    self.waiting.push_front(letter);
                    if matches!(reason, TryAppendError::UnknownTopic) {
                        self.learning = Some(self.producer.learn(&self.topic));
                    }
                    break;
                }
            }
        }
        self.tell(control);
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn append(&mut self, letter: &Letter) -> Result<Sequence, TryAppendError> {
        let count = letter.header_count + u32::from(letter.stack_trace.is_some());
        self.headers.clear();
        if count != 0 {
            push_varint(&mut self.headers, i32::try_from(count).unwrap_or(i32::MAX));
            self.headers.extend_from_slice(&letter.headers);
            self.headers.extend_from_slice(letter.stack_trace.as_deref().unwrap_or_default());
        }
        let record = RecordRef {
            timestamp_ms: letter.timestamp_ms,
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &self.headers,
        };
        let (topic, mut result) = (&self.topic, Err(TryAppendError::Full));
        self.producer.group(&mut |appender| result = appender.append(topic, None, record));
        if result.is_ok() {
            self.metrics.dead_letter();
        }
        result
    }

    fn ended(&mut self, ack: Ack) {
        // Something has got on; what is left waits anew.
        self.wait = None;
        while let Some((&sequence, _)) = self.sent.range(ack.first..=ack.last).next() {
            if let (Some(letter), Err(error)) = (self.sent.remove(&sequence), &ack.result) {
                self.refused(letter, error);
            }
        }
    }

    /// A letter that is too large is tried again without its stack trace; every other one is lost.
    fn refused(&mut self, mut letter: Letter, error: &SendError) {
        if is_too_large(error) && letter.stack_trace.take().is_some() {
            tracing::warn!(task = %self.task, topic = %self.topic, record = letter.coordinates, "the record is too large for the dead letter queue and is written without the header __connect.errors.exception.stacktrace");
            self.waiting.push_front(letter);
        } else {
            self.lose(letter, error);
        }
    }

    fn lose(&mut self, letter: Letter, error: &SendError) {
        self.metrics.dead_letter_failed();
        let (record, topic) = (&letter.coordinates, &self.topic);
        tracing::error!(task = %self.task, record, %topic, error = %ErrorChain(error), "could not write to the dead letter queue");
        self.failure.get_or_insert_with(|| {
            let remedy = if is_too_large(error) {
                "raise max.message.bytes of that topic and producer.override.max.request.size of the connector"
            } else {
                "its offset is not committed: restart the task when the topic can be written"
            };
            let message =
                format!("Could not write the record {record} to the dead letter queue with topic={topic}; {remedy}");
            send_failure(error).caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message)
        });
        self.lost.push(letter);
    }

    fn tell(&mut self, control: &TaskControl) {
        if self.waiting.is_empty() && self.sent.is_empty() || self.failure.is_some() {
            self.wait = None;
            return;
        }
        let (topic, letters) = (&self.topic, self.waiting.len() + self.sent.len());
        self.wait.get_or_insert_with(|| LongWait::begin(control, "the dead letter queue")).tell(|| {
            format!(
                "the dead letter queue {topic} to take {letters} record(s); after max.block.ms or delivery.timeout.ms of its producer the task fails"
            )
        });
    }

    /// Returns when [`DeadLetters::advance`] has something to do; never while nothing is under way. Dropping the
    /// future loses nothing.
    pub(super) async fn progress(&mut self) {
        if self.failure.is_some() {
            return std::future::pending().await;
        }
        let Self { producer, learning, learned, acks, waiting, sent, wait, .. } = self;
        let blocked = !waiting.is_empty() && learning.is_none();
        let producer_has_news = async {
            if blocked {
                producer.ready().await;
                None
            } else if sent.is_empty() {
                std::future::pending().await
            } else {
                Some(producer.next_ack().await)
            }
        };
        let partitions = async {
            match learning.as_mut() {
                Some(learning) => learning.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = partitions => {
                *learned = Some(result);
                *learning = None;
            }
            ack = producer_has_news => acks.extend(ack),
            () = long_wait::until(wait.as_ref().map(LongWait::due)) => {}
        }
    }

    /// Gives letters that are unwritten at most so much time, and one second once the task is to stop.
    pub(super) async fn await_ends(&mut self, most: Duration, control: &TaskControl) {
        let deadline = Instant::now() + most;
        let stop = async {
            control.stopped().await;
            tokio::time::sleep(PARTING).await;
        };
        tokio::pin!(stop);
        while self.advance(control).is_ok() && !(self.waiting.is_empty() && self.sent.is_empty()) {
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = tokio::time::sleep_until(deadline) => return,
                () = self.progress() => {}
            }
        }
    }

    /// Gives up what is left.
    pub(super) async fn close(self) {
        let left = self.waiting.len() + self.sent.len();
        if left != 0 && self.failure.is_none() {
            tracing::warn!(task = %self.task, topic = %self.topic, records = left, "the task ends before its dead letters are written; their offsets are not committed, so they come again");
        }
        self.producer.close(Duration::ZERO).await;
    }
}

/// [`DeadLetters::progress`] of a queue that may not be there.
pub(super) async fn progress(letters: Option<&mut DeadLetters>) {
    match letters {
        Some(letters) => letters.progress().await,
        None => std::future::pending().await,
    }
}

/// Whether a smaller record might be taken.
fn is_too_large(error: &SendError) -> bool {
    match error {
        SendError::RecordTooLarge { .. } => true,
        SendError::Refused { source, .. } => {
            *source == ErrorCode::MESSAGE_TOO_LARGE || *source == ErrorCode::RECORD_LIST_TOO_LARGE
        }
        _ => false,
    }
}
