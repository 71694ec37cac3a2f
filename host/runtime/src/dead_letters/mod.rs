//! Dead letters on their way into their topic, for tasks of either kind.
//!
//! A letter is *unwritten* from the report of its record until its acknowledgement. Nothing here waits, and nothing
//! here owns a producer: whoever does hands it in, says what was acknowledged, and hears which letters are written. A
//! letter that cannot be written fails the task.

mod context;

use std::collections::{BTreeMap, VecDeque};

use futures::future::BoxFuture;
use millstream_client::{Ack, ErrorCode, RecordRef, SendError, Sequence, TryAppendError};
use millstream_connector::{ErrorKind, Failure, TaskId};
use millstream_record::{ErrorChain, TopicName};
use tokio::time::Instant;

pub(crate) use self::context::{About, Context, Provenance, hash};
use crate::{
    error_policy::CONNECT_EXCEPTION,
    kafka::{RecordProducer, send_failure},
    long_wait::LongWait,
    record_headers::{push_header, push_varint},
    task::TaskControl,
    task_metrics::TaskMetrics,
};

/// Letters at the producer from which on no more records should be taken. Its `buffer.memory` counts their bytes, and
/// not what is kept beside them here until they are acknowledged, which is more than the bytes of a small record.
const MOST_SENT: usize = 10_000;

/// Header of a letter that is too large for its topic with key and value, and was written without: how large these are.
pub(crate) const OMITTED: &str = "__millstream.errors.omitted";

/// See the module's documentation. `T` is what the owner knows a letter by.
pub(crate) struct LetterQueue<T> {
    topic: TopicName,
    task: TaskId,
    metrics: TaskMetrics,
    /// Letters that the producer has not taken yet, in order.
    waiting: VecDeque<Letter<T>>,
    /// Letters that are not acknowledged: at most [`MOST_SENT`] and those of one batch.
    sent: BTreeMap<Sequence, Letter<T>>,
    /// Letters that will not be written any more.
    lost: Vec<Letter<T>>,
    learning: Option<BoxFuture<'static, Result<(), SendError>>>,
    learned: Option<Result<(), SendError>>,
    failure: Option<Failure>,
    wait: Option<LongWait>,
    headers: Vec<u8>,
}

/// A record with what is said about it.
pub(crate) struct Letter<T> {
    pub(crate) mark: T,
    /// Which record it is, for people.
    pub(crate) record: String,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) header_count: u32,
    /// Its headers without their count.
    pub(crate) headers: Vec<u8>,
    /// The header with the stack trace, left out of a letter that is too large with it.
    pub(crate) stack_trace: Option<Vec<u8>>,
    /// Whether key and value may be left out of a letter that is too large even so: what it says of where the record
    /// came from finds that again.
    pub(crate) may_omit: bool,
}

impl<T> LetterQueue<T> {
    pub(crate) fn new(topic: TopicName, task: TaskId, metrics: TaskMetrics) -> Self {
        Self {
            topic,
            task,
            metrics,
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            lost: Vec::new(),
            learning: None,
            learned: None,
            failure: None,
            wait: None,
            headers: Vec::new(),
        }
    }

    /// Takes a letter, behind those that wait.
    pub(crate) fn push(&mut self, letter: Letter<T>) {
        self.waiting.push_back(letter);
    }

    /// Whether there are enough unwritten letters for now, so that no further records should be taken.
    pub(crate) fn is_full(&self) -> bool {
        !self.waiting.is_empty() || MOST_SENT <= self.sent.len()
    }

    /// Letters that may still be written.
    pub(crate) fn under_way(&self) -> usize {
        self.waiting.len() + self.sent.len()
    }

    /// Whether the producer has letters.
    pub(crate) fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether letters wait for room at the producer.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty() && self.learning.is_none() && self.failure.is_none()
    }

    /// The marks of all unwritten letters, those that are lost among them.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().chain(self.sent.values()).chain(&self.lost).map(|letter| &letter.mark)
    }

    /// Forgets letters that the producer has not taken.
    pub(crate) fn forget(&mut self, which: impl Fn(&T) -> bool) {
        self.waiting.retain(|letter| !which(&letter.mark));
    }

    /// Why a letter cannot be written, if one cannot: from then on nothing is written any more.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Hands the producer what it takes, in order.
    pub(crate) fn hand_over(&mut self, producer: &mut dyn RecordProducer) {
        if let Some(Err(error)) = self.learned.take()
            && let Some(letter) = self.waiting.pop_front()
        {
            self.lose(letter, &error);
        }
        while self.learning.is_none()
            && self.failure.is_none()
            && let Some(letter) = self.waiting.pop_front()
        {
            match self.append(producer, &letter) {
                Ok(sequence) => {
                    self.sent.insert(sequence, letter);
                }
                Err(TryAppendError::Failed(error)) => self.refused(letter, &error),
                Err(reason) => {
                    self.waiting.push_front(letter);
                    if matches!(reason, TryAppendError::UnknownTopic) {
                        self.learning = Some(producer.learn(&self.topic));
                    }
                    break;
                }
            }
        }
    }

    fn append(&mut self, producer: &mut dyn RecordProducer, letter: &Letter<T>) -> Result<Sequence, TryAppendError> {
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
        producer.group(&mut |appender| result = appender.append(topic, None, record));
        if result.is_ok() {
            self.metrics.dead_letter();
        }
        result
    }

    /// The producer's word on records, letters of this queue among them or not: how many were. `written` hears of each
    /// that is in its topic.
    pub(crate) fn ended(&mut self, ack: &Ack, mut written: impl FnMut(T)) -> u64 {
        let mut letters = 0;
        while let Some((&sequence, _)) = self.sent.range(ack.first..=ack.last).next() {
            let Some(letter) = self.sent.remove(&sequence) else { break };
            // Something has got on; what is left waits anew.
            self.wait = None;
            letters += 1;
            match &ack.result {
                Ok(_) => written(letter.mark),
                Err(error) => self.refused(letter, error),
            }
        }
        letters
    }

    /// A letter that is too large is tried again without its stack trace, then without its content if that may be left
    /// out; every other one is lost.
    fn refused(&mut self, mut letter: Letter<T>, error: &SendError) {
        if !is_too_large(error) {
            return self.lose(letter, error);
        }
        let (task, topic, record) = (&self.task, &self.topic, &letter.record);
        if letter.stack_trace.take().is_some() {
            tracing::warn!(%task, %topic, record, "the record is too large for the dead letter queue and is written without the header __connect.errors.exception.stacktrace");
        } else if letter.may_omit && (letter.key.is_some() || letter.value.is_some()) {
            tracing::warn!(%task, %topic, record, "the record is too large for the dead letter queue and is written without key and value, as the header {OMITTED} says; where it came from stands in the other headers");
            let size = |bytes: Option<Vec<u8>>| bytes.map_or(0, |bytes| bytes.len());
            let text = format!("key {} bytes, value {} bytes", size(letter.key.take()), size(letter.value.take()));
            push_header(&mut letter.headers, OMITTED.as_bytes(), Some(text.as_bytes()));
            letter.header_count += 1;
        } else {
            return self.lose(letter, error);
        }
        self.waiting.push_front(letter);
    }

    fn lose(&mut self, letter: Letter<T>, error: &SendError) {
        self.metrics.dead_letter_failed();
        let (record, topic) = (&letter.record, &self.topic);
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

    /// Says what has been waited for too long.
    pub(crate) fn tell(&mut self, control: &TaskControl) {
        let letters = self.under_way();
        if letters == 0 || self.failure.is_some() {
            self.wait = None;
            return;
        }
        let topic = &self.topic;
        self.wait.get_or_insert_with(|| LongWait::begin(control, "the dead letter queue")).tell(|| {
            format!(
                "the dead letter queue {topic} to take {letters} record(s); after max.block.ms or delivery.timeout.ms of its producer the task fails"
            )
        });
    }

    /// When [`LetterQueue::tell`] has something to say.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.wait.as_ref().map(LongWait::due)
    }

    /// Returns when the partitions of the topic have become known, or have not in time; never unless that is waited
    /// for. [`LetterQueue::hand_over`] goes on then. Dropping the future loses nothing.
    pub(crate) async fn learned(&mut self) {
        match self.learning.as_mut() {
            Some(learning) => {
                self.learned = Some(learning.await);
                self.learning = None;
            }
            None => std::future::pending().await,
        }
    }

    /// Says what is given up.
    pub(crate) fn give_up(&self) {
        let left = self.under_way();
        if left != 0 && self.failure.is_none() {
            tracing::warn!(task = %self.task, topic = %self.topic, records = left, "the task ends before its dead letters are written; their offsets are not committed, so they come again");
        }
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
