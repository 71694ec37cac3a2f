//! Produce: every batch is handed to its partition at once, in the order of requests, and checked and appended there;
//! acks=all is answered when the appended batches are durable.

mod gather;
mod transactional;

use std::{cell::RefCell, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::{
    batch::{BatchHeader, BatchRules, Refusal, TimestampType, validate_for_append},
    compression::DecompressError,
    protocol::messages::{
        ProduceRequest, ProduceResponse, TopicName,
        produce_request::PartitionProduceData,
        produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse},
    },
};
use tokio::time::Instant;
use tracing::debug;
use uuid::Uuid;

use self::{
    gather::{Gather, Gathered},
    transactional::{DoorCheck, TransactionalBatches},
};
use super::{Call, Expected, Incoming, Later, Rejected, Reply, name_of, text};
use crate::{
    budget::Reservation,
    config::topic::TopicConfig,
    error_code::ErrorCode,
    partition::{AppendedAt, OwedSync, Partition, PartitionId, PartitionUnavailable, Waits},
    recompress::recompress,
    topics::Topic,
};

/// The one client that Kafka lets write to internal topics.
const ADMIN_CLIENT: &str = "__admin_client";

/// Uncompressed batches up to this size are checked by the disk thread that appends them, within a millisecond; others
/// before, on a thread of their own, as other appends would wait.
const CHECK_INLINE: usize = 2 << 20;

/// Memory that is set aside for what a compressed batch expands to before that is known: so many times its length, and
/// at least so many bytes. A batch that needs more is read again with all that it may take.
const LIKELY_EXPANSION: usize = 16;
const LEAST_EXPANSION: usize = 1 << 20;

/// Largest buffer that a thread keeps for stamping batches, in bytes.
const MAX_KEPT_BUFFER: usize = 1 << 20;

/// Least time that acks=all waits for the disk. On one broker of Kafka's it waits for nothing, so that clients may ask
/// for next to none.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why one batch was not appended.
#[derive(Clone, Debug)]
pub struct Refused {
    code: ErrorCode,
    message: Option<String>,
    records: Vec<i32>,
    expands_too_far: bool,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new(), expands_too_far: false }
    }
}

impl Refused {
    fn because(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), records: Vec::new(), expands_too_far: false }
    }
}

/// What became of one partition's batch, and since when it has been in the log.
type Outcome = Result<(AppendedAt, Instant), Refused>;

/// Index of a partition, and what it is unless its batch was refused before it was handed over.
type Addressed = (i32, Result<Arc<Partition>, Refused>);

/// A request whose batches were handed over, or refused before.
struct Begun {
    topics: Vec<(Named, Vec<Addressed>)>,
    /// Those of the batches that were handed over, in their order.
    outcomes: Gathered<Outcome>,
}

/// What became of all batches of a request: index of the partition, and where its batch went.
type Ended = Vec<(Named, Vec<(i32, Result<AppendedAt, Refused>)>)>;

/// First version that names topics by id.
const IDS: i16 = 13;

/// A topic as its request names it.
struct Named {
    /// Also where it was named by id; empty where there is no topic of that id.
    name: TopicName,
    /// Nil where it was named by name.
    id: Uuid,
}

/// Finds the names of topics that a request names by id.
pub(super) fn resolve_ids(call: &Call<'_>, request: &mut ProduceRequest) {
    if call.version < IDS {
        return;
    }
    for topic in &mut request.topic_data {
        if let Some(known) = call.node.topics.by_id(topic.topic_id) {
            topic.name = name_of(&known.name);
        }
    }
}

pub async fn handle(call: &Call<'_>, mut incoming: Incoming) -> Result<Reply, Rejected> {
    let mut request: ProduceRequest = incoming.decode()?;
    resolve_ids(call, &mut request);
    // Appended records need not stay in memory until the disk has them, and a batch that is the only one can be given its
    // offsets where it is.
    incoming.body = Bytes::new();
    let acks = request.acks;
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)).max(LEAST_TIMEOUT);
    let (begun, owed_sync) = begin(call, request, incoming.room.take()).await;
    if acks == 0 {
        drop(owed_sync);
        let ended = begun.end(timeout).await;
        let all = ended.iter().flat_map(|(_, partitions)| partitions).all(|(_, result)| result.is_ok());
        return if all { Ok(Reply::Silence) } else { Err(Rejected::Unacknowledged) };
    }
    let partition = begun.only_partition();
    let begun = match begun.ended() {
        Ok(ended) => {
            let answer = Expected::There(incoming.encode(&answer(incoming.version(), ended))?);
            return Ok(Reply::Later(Later { answer, partition, owed_sync }));
        }
        Err(begun) => begun,
    };
    let later = Later::new(partition, async move {
        let ended = begun.end(timeout).await;
        incoming.encode(&answer(incoming.version(), ended))
    });
    Ok(Reply::Later(Later { owed_sync, ..later }))
}

/// Hands over every batch of a request, in an order that requests of one connection keep. What was handed over is
/// appended even if nobody waits for it.
///
/// Each partition has a thread of its own: where the disk of one stalls, the batches for the others are appended, become
/// durable and are read. Only the answer, which is one for all, waits for the last of them.
///
/// The memory of the request goes with its batches: a client that hangs up while a disk stalls does not give it back.
async fn begin(call: &Call<'_>, request: ProduceRequest, room: Option<Arc<Reservation>>) -> (Begun, Option<OwedSync>) {
    let transactional = TransactionalBatches::of(call, &request).await;
    let ProduceRequest { acks, topic_data, .. } = request;
    let mut topics = Vec::with_capacity(topic_data.len());
    let mut works = Vec::new();
    for topic_data in topic_data {
        let by_id = IDS <= call.version;
        let topic = call.node.topics.get(topic_data.name.as_str());
        // It may have been made anew since its name was found.
        let topic = topic.filter(|topic| !by_id || topic.id == topic_data.topic_id);
        let mut partitions = Vec::with_capacity(topic_data.partition_data.len());
        for data in topic_data.partition_data {
            let index = data.index;
            // What has room of its own gives that back when its batches are appended.
            let bytes = data.records.as_ref().filter(|_| room.is_none()).map_or(0, Bytes::len);
            let work = if !(-1..=1).contains(&acks) {
                Err(ErrorCode::INVALID_REQUIRED_ACKS.into())
            } else if by_id && topic.is_none() {
                Err(ErrorCode::UNKNOWN_TOPIC_ID.into())
            } else {
                match &transactional {
                    Ok(transactional) => prepare(call, topic.as_ref(), data, transactional).await,
                    Err(refused) => Err(refused.clone()),
                }
            };
            let partition = match work {
                Ok((partition, work)) => {
                    partition.room_at_door().await;
                    works.push((Arc::clone(&partition), work, bytes));
                    Ok(partition)
                }
                Err(refused) => Err(refused),
            };
            partitions.push((index, partition));
        }
        topics.push((Named { name: kept(topic_data.name), id: topic_data.topic_id }, partitions));
    }
    let (gather, outcomes) = Gather::new(works.len());
    // All at once: who has left work at a door and then waits for something keeps everybody else from it.
    let last = works.len().saturating_sub(1);
    let mut owed_sync = None;
    for (place, (partition, work, bytes)) in works.into_iter().enumerate() {
        let room = (room.clone(), partition.join_crowd(bytes));
        let job = partition.job_for(Arc::clone(&gather), move |partition, gather| {
            let outcome = work.run(partition).map(|at| (at, Instant::now()));
            drop(room);
            let last_offset = outcome.as_ref().ok().map(|(at, _)| at.last_offset);
            gather.set(place, outcome);
            if let (Some(last_offset), -1) = (last_offset, acks) {
                partition.when_durable(last_offset, Arc::<Gather<Outcome>>::clone(gather), place);
            }
        });
        if call.blocking.allows(partition.id()) && last == 0 {
            owed_sync = partition.hand_over_here(job);
        } else {
            partition.hand_over(job);
        }
    }
    (Begun { topics, outcomes }, owed_sync)
}

/// A name without the frame in which it came: that is not kept until the answer.
fn kept(name: TopicName) -> TopicName {
    TopicName(text(name.as_str()))
}

impl Waits for Gather<Outcome> {
    fn lost(&self, place: usize, why: &PartitionUnavailable) {
        self.set(place, Err(why.code().into()));
    }

    fn is_given_up(&self) -> bool {
        Self::is_given_up(self)
    }
}

impl Begun {
    /// The partition that the answer waits for, if it is one alone.
    fn only_partition(&self) -> Option<PartitionId> {
        let mut partitions = self.topics.iter().flat_map(|(_, partitions)| partitions);
        let (_, partition) = partitions.next()?;
        if partitions.next().is_none() { partition.as_ref().ok().map(|partition| partition.id()) } else { None }
    }

    /// Waits until every batch is appended or refused, and durable where the request asks for it: for so long after the
    /// last was appended.
    async fn end(mut self, timeout: Duration) -> Ended {
        let mut deadline = Instant::now() + timeout;
        let outcomes = loop {
            tokio::select! {
                biased;
                all = self.outcomes.all() => break all,
                () = tokio::time::sleep_until(deadline) => {}
            }
            let out_of_time = self.outcomes.so_far(|outcomes| {
                // One that is not even appended may still be refused for a reason that the client has to hear.
                let last = outcomes.iter().map(|outcome| match outcome {
                    None => Instant::now(),
                    Some(Ok((_, since))) => *since,
                    Some(Err(_)) => deadline - timeout,
                });
                deadline = last.max().unwrap_or(deadline) + timeout;
                (deadline <= Instant::now()).then(|| outcomes.iter_mut().map(Option::take).collect())
            });
            if let Some(Some(outcomes)) = out_of_time {
                break self.without_those_that_wait(outcomes);
            }
        };
        self.with(outcomes)
    }

    /// What became of the batches, if all that was asked for has been done.
    fn ended(mut self) -> Result<Ended, Self> {
        match self.outcomes.now() {
            Some(outcomes) => Ok(self.with(outcomes)),
            None => Err(self),
        }
    }

    fn with(self, outcomes: Vec<Option<Outcome>>) -> Ended {
        let mut outcomes = outcomes.into_iter();
        let mut end_one = |index: i32, partition: Result<Arc<Partition>, Refused>| {
            let result = partition.and_then(|partition| match outcomes.next().flatten() {
                Some(outcome) => outcome.map(|(at, _)| at),
                None => {
                    let why = partition.offline_now();
                    Err(Refused::because(why.code(), why.to_string()))
                }
            });
            (index, result)
        };
        let mut ended = Vec::with_capacity(self.topics.len());
        for (name, partitions) in self.topics {
            let partitions: Vec<_> =
                partitions.into_iter().map(|(index, partition)| end_one(index, partition)).collect();
            for (partition, result) in &partitions {
                if let Err(refused) = result {
                    debug!(
                        topic = name.name.as_str(),
                        partition,
                        error = refused.code.name(),
                        message = refused.message,
                        "batch refused"
                    );
                }
            }
            ended.push((name, partitions));
        }
        ended
    }

    /// Those that are not durable yet have run out of time.
    fn without_those_that_wait(&self, mut outcomes: Vec<Option<Outcome>>) -> Vec<Option<Outcome>> {
        let partitions = self.topics.iter().flat_map(|(_, partitions)| partitions);
        let handed_over = partitions.filter_map(|(_, partition)| partition.as_ref().ok());
        for (outcome, partition) in outcomes.iter_mut().zip(handed_over) {
            if let Some(Ok((at, _))) = outcome
                && partition.high_watermark() <= at.last_offset
            {
                *outcome = Some(Err(ErrorCode::REQUEST_TIMED_OUT.into()));
            }
        }
        outcomes
    }
}

/// What is left to be done with a batch, on a thread that may wait for the disk.
enum AppendWork {
    /// It is checked there.
    Unchecked { batch: Bytes, door: Option<DoorCheck>, rules: BatchRules, now_ms: i64 },
    /// It was checked.
    Checked { batch: BytesMut, door: Option<DoorCheck>, now_ms: i64 },
}

impl AppendWork {
    fn run(self, partition: &Arc<Partition>) -> Result<AppendedAt, Refused> {
        match self {
            Self::Unchecked { batch, door, rules, now_ms } => {
                append_unchecked(partition, batch, &rules, door.as_ref(), now_ms)
            }
            Self::Checked { mut batch, door, now_ms } => {
                admit(door.as_ref(), &batch)?;
                append_checked(partition, &mut batch, now_ms)
            }
        }
    }
}

/// Looks up where a batch goes, and returns what is left to be done on a disk thread.
async fn prepare(
    call: &Call<'_>,
    topic: Option<&Arc<Topic>>,
    data: PartitionProduceData,
    transactional: &TransactionalBatches,
) -> Result<(Arc<Partition>, AppendWork), Refused> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let partition = topic.partition(data.index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if topic.is_internal() && call.client_id != ADMIN_CLIENT {
        return Err(Refused::because(ErrorCode::INVALID_TOPIC_EXCEPTION, "the topic is the broker's own"));
    }
    let now_ms = Timestamp::now().as_millis();
    let batch = data.records.unwrap_or_default();
    let door = transactional.door_check(call, &topic.name, data.index, &batch)?;
    let compressed = is_compressed(&batch);
    let recompresses = topic.config.compression_type != "producer";
    let most = call.node.config.max_decompressed_bytes;
    let work = if !compressed && !recompresses && batch.len() <= CHECK_INLINE {
        AppendWork::Unchecked { batch, door, rules: rules(&topic.config, call.version, most), now_ms }
    } else {
        let batch = check_aside(call, batch, &topic.config, most, now_ms).await?;
        AppendWork::Checked { batch, door, now_ms }
    };
    Ok((Arc::clone(partition), work))
}

thread_local! {
    /// Where a batch gets its offsets: the bytes that arrived are shared with the frame they came in.
    static STAMPING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn append_unchecked(
    partition: &Arc<Partition>,
    batch: Bytes,
    rules: &BatchRules,
    door: Option<&DoorCheck>,
    now_ms: i64,
) -> Result<AppendedAt, Refused> {
    let append = |batch: &mut [u8]| {
        validate_for_append(batch, rules, now_ms, &mut Vec::new()).map_err(refused)?;
        admit(door, batch)?;
        append_checked(partition, batch, now_ms)
    };
    match batch.try_into_mut() {
        Ok(mut own) => append(&mut own),
        Err(shared) => STAMPING.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.extend_from_slice(&shared);
            let appended = append(buffer);
            buffer.clear();
            buffer.shrink_to(MAX_KEPT_BUFFER);
            appended
        }),
    }
}

fn append_checked(partition: &Arc<Partition>, batch: &mut [u8], now_ms: i64) -> Result<AppendedAt, Refused> {
    partition.append(batch, now_ms).map_err(|error| Refused::because(error.code(), ErrorChain(&error).to_string()))
}

/// Asks whether a batch that was checked may be appended at this moment.
fn admit(door: Option<&DoorCheck>, batch: &[u8]) -> Result<(), Refused> {
    match BatchHeader::parse(batch) {
        Ok(header) => DoorCheck::admit(door, &header),
        Err(error) => Err(Refused::because(ErrorCode::INVALID_RECORD, ErrorChain(&error).to_string())),
    }
}

/// The lowest attribute bits name the codec. A batch too short to have any is none.
fn is_compressed(batch: &[u8]) -> bool {
    batch.get(22).is_some_and(|attributes| attributes & 7 != 0)
}

/// Checks a batch on a thread of its own, and puts it into the topic's codec. Waits for memory.
async fn check_aside(
    call: &Call<'_>,
    batch: Bytes,
    config: &Arc<TopicConfig>,
    max_decompressed_bytes: usize,
    now_ms: i64,
) -> Result<BytesMut, Refused> {
    let likely = if is_compressed(&batch) {
        batch.len().saturating_mul(LIKELY_EXPANSION).max(LEAST_EXPANSION).min(max_decompressed_bytes)
    } else {
        batch.len()
    };
    let room = call.node.budget.reserve(likely).await;
    let checked = check_blocking(batch.clone(), Arc::clone(config), call.version, likely, now_ms).await;
    match checked {
        Err(refused) if refused.expands_too_far && likely < max_decompressed_bytes => {
            drop(room);
            let _room = call.node.budget.reserve(max_decompressed_bytes).await;
            check_blocking(batch, Arc::clone(config), call.version, max_decompressed_bytes, now_ms).await
        }
        checked => checked,
    }
}

async fn check_blocking(
    batch: Bytes,
    config: Arc<TopicConfig>,
    version: i16,
    max_decompressed_bytes: usize,
    now_ms: i64,
) -> Result<BytesMut, Refused> {
    let work = move || {
        let mut batch = batch.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let rules = rules(&config, version, max_decompressed_bytes);
        let header = validate_for_append(&mut batch, &rules, now_ms, &mut Vec::new()).map_err(refused)?;
        match recompress(&batch, &header, &config, max_decompressed_bytes) {
            // Refused here and not by the log: until it came to that, the batch would wait outside of any budget.
            Ok(Some(larger)) if config.max_message_bytes < larger.len() => Err(Refused::because(
                ErrorCode::MESSAGE_TOO_LARGE,
                format!(
                    "in the codec of the topic the batch takes {} bytes, and max.message.bytes is {}",
                    larger.len(),
                    config.max_message_bytes
                ),
            )),
            Ok(recompressed) => Ok(recompressed.unwrap_or(batch)),
            Err(error) => Err(Refused::because(ErrorCode::UNKNOWN_SERVER_ERROR, ErrorChain(&error).to_string())),
        }
    };
    let checked = tokio::task::spawn_blocking(work).await;
    checked.map_err(|error| Refused::because(ErrorCode::UNKNOWN_SERVER_ERROR, error.to_string()))?
}

fn rules(config: &TopicConfig, version: i16, max_decompressed_bytes: usize) -> BatchRules {
    BatchRules {
        max_message_bytes: config.max_message_bytes,
        max_decompressed_bytes,
        timestamp_type: if config.log_append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
        timestamp_before_max_ms: config.timestamp_before_max_ms,
        timestamp_after_max_ms: config.timestamp_after_max_ms,
        compacted: config.compact,
        zstd_allowed: 7 <= version,
    }
}

fn refused(refusal: Refusal) -> Refused {
    let expands_too_far = expands_too_far(&refusal);
    let key = if expands_too_far { " (message.decompressed.max.bytes)" } else { "" };
    Refused {
        code: refusal.code,
        message: Some(format!("{}{key}", ErrorChain(&refusal))),
        records: refusal.records,
        expands_too_far,
    }
}

/// Whether the reason is that the records of a batch expand to more than is allowed.
fn expands_too_far(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|error| matches!(error.downcast_ref(), Some(DecompressError::TooLarge { .. })))
}

fn answer(version: i16, ended: Ended) -> ProduceResponse {
    let topics = ended.into_iter().map(|(topic, partitions)| {
        let partitions =
            partitions.into_iter().map(|(index, result)| answer_partition(version, index, result)).collect();
        let answered = TopicProduceResponse::default().with_partition_responses(partitions);
        if IDS <= version { answered.with_topic_id(topic.id) } else { answered.with_name(topic.name) }
    });
    ProduceResponse::default().with_responses(topics.collect())
}

fn answer_partition(version: i16, index: i32, result: Result<AppendedAt, Refused>) -> PartitionProduceResponse {
    let answered = PartitionProduceResponse::default().with_index(index).with_log_append_time_ms(-1);
    match result {
        Ok(at) => {
            let answered =
                answered.with_base_offset(at.base_offset).with_log_append_time_ms(at.append_time_ms.unwrap_or(-1));
            if 5 <= version { answered.with_log_start_offset(at.log_start) } else { answered }
        }
        Err(refused) => {
            let answered = answered.with_base_offset(-1).with_error_code(refused.code.get());
            if version < 8 {
                return answered;
            }
            let message = refused.message.map(text);
            let culprits = refused.records.into_iter().map(|record| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(record)
                    .with_batch_index_error_message(message.clone())
            });
            answered.with_record_errors(culprits.collect()).with_error_message(message)
        }
    }
}
