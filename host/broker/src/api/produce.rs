//! Produce: every batch is handed to its partition at once, in the order of requests, and checked and appended there;
//! acks=all is answered when the appended batches are durable.

mod transactional;

use std::{cell::RefCell, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use millstream_record::{Chain, Timestamp};
use millstream_wire::{
    batch::{BatchHeader, BatchRules, Refusal, TimestampType, validate_for_append},
    compression::DecompressError,
    protocol::messages::{
        ProduceRequest, ProduceResponse, TopicName,
        produce_request::PartitionProduceData,
        produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse},
    },
};
use tracing::debug;

use self::transactional::{DoorCheck, TransactionalBatches};
use super::{Call, Incoming, Rejected, Reply, text};
use crate::{
    config::topic::TopicConfig,
    error_code::ErrorCode,
    partition::{AppendedAt, Partition, PartitionUnavailable},
    recompress::recompress,
    topics::Topic,
};

/// The one client that Kafka lets write to internal topics.
const ADMIN_CLIENT: &str = "__admin_client";

/// Uncompressed batches up to this size are checked by the disk thread that appends them; others before, on a thread of
/// their own, as that takes milliseconds, in which other appends would wait.
const CHECK_INLINE: usize = 512 << 10;

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

/// What became of one partition's batch.
struct Outcome {
    index: i32,
    result: Result<(Arc<Partition>, AppendedAt), Refused>,
}

pub async fn handle(call: &Call<'_>, mut incoming: Incoming) -> Result<Reply, Rejected> {
    let request: ProduceRequest = incoming.decode()?;
    // Appended records need not stay in memory until the disk has them.
    incoming.body.clear();
    let acks = request.acks;
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)).max(LEAST_TIMEOUT);
    let begun = begin_all(call, request, acks).await;
    if acks == 0 {
        let appended = end_all(begun).await;
        let all = appended.iter().flat_map(|(_, partitions)| partitions).all(|outcome| outcome.result.is_ok());
        return if all { Ok(Reply::Silence) } else { Err(Rejected::Unacknowledged) };
    }
    Ok(Reply::Later(Box::pin(async move {
        let mut outcomes = end_all(begun).await;
        if acks == -1 {
            // Many batches of one request wait together, so one deadline does for all.
            let deadline = tokio::time::Instant::now() + timeout;
            for outcome in outcomes.iter_mut().flat_map(|(_, partitions)| partitions) {
                if let Err(code) = wait_durable(outcome, deadline).await {
                    outcome.result = Err(code.into());
                }
            }
        }
        incoming.encode(&answer(incoming.version(), outcomes))
    })))
}

async fn wait_durable(outcome: &Outcome, deadline: tokio::time::Instant) -> Result<(), ErrorCode> {
    let Ok((partition, at)) = &outcome.result else { return Ok(()) };
    if at.last_offset < partition.high_watermark() {
        return Ok(());
    }
    match tokio::time::timeout_at(deadline, partition.wait_durable(at.last_offset)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(unavailable)) => Err(unavailable.code()),
        Err(_) => Err(ErrorCode::REQUEST_TIMED_OUT),
    }
}

/// A batch that was handed over, or refused before.
struct Begun {
    index: i32,
    appended: Result<(Arc<Partition>, Appended), Refused>,
}

type Appended = Pin<Box<dyn Future<Output = Result<Result<AppendedAt, Refused>, PartitionUnavailable>> + Send>>;

/// Hands over every batch of a request, in an order that requests of one connection keep: one visit to a disk thread
/// for all of them. What was handed over is appended even if nobody waits for it.
async fn begin_all(call: &Call<'_>, request: ProduceRequest, acks: i16) -> Vec<(TopicName, Vec<Begun>)> {
    let transactional = TransactionalBatches::of(call, &request).await;
    let mut prepared = Vec::with_capacity(request.topic_data.len());
    for topic_data in request.topic_data {
        let topic = call.node.topics.get(topic_data.name.as_str());
        let mut partitions = Vec::with_capacity(topic_data.partition_data.len());
        for data in topic_data.partition_data {
            let index = data.index;
            let work = if !(-1..=1).contains(&acks) {
                Err(ErrorCode::INVALID_REQUIRED_ACKS.into())
            } else {
                match &transactional {
                    Ok(transactional) => prepare(call, topic.as_ref(), data, transactional).await,
                    Err(refused) => Err(refused.clone()),
                }
            };
            partitions.push((index, work));
        }
        prepared.push((topic_data.name, partitions));
    }
    // All at once: who has left work at a door and then waits for something keeps everybody else from it.
    let mut to_enter = Vec::new();
    let mut hand_over = |(index, work): (i32, Result<(Arc<Partition>, AppendWork), Refused>)| {
        let appended = work.map(|(partition, work)| {
            let (job, appended) = partition.job(work);
            if partition.leave(job) {
                to_enter.push(Arc::clone(&partition));
            }
            (partition, Box::pin(appended) as Appended)
        });
        Begun { index, appended }
    };
    let begun = prepared
        .into_iter()
        .map(|(name, partitions)| (name, partitions.into_iter().map(&mut hand_over).collect()))
        .collect();
    if !to_enter.is_empty() {
        call.node.topics.threads().writing.submit(Box::new(move || enter_all(to_enter)));
    }
    begun
}

/// Does what was left at the doors of these partitions, and their syncs then, at the same time. Blocks.
fn enter_all(to_enter: Vec<Arc<Partition>>) {
    let mut to_sync = Vec::new();
    for partition in to_enter {
        if partition.enter() {
            to_sync.push(partition);
        }
    }
    // One of them here.
    let last = to_sync.pop();
    to_sync.iter().for_each(|partition| partition.send_sync());
    if let Some(partition) = last {
        partition.sync_here();
    }
}

async fn end_all(begun: Vec<(TopicName, Vec<Begun>)>) -> Vec<(TopicName, Vec<Outcome>)> {
    let mut outcomes = Vec::with_capacity(begun.len());
    for (name, partitions) in begun {
        let mut ended = Vec::with_capacity(partitions.len());
        for Begun { index, appended } in partitions {
            let result = match appended {
                Err(refused) => Err(refused),
                Ok((partition, appended)) => match appended.await {
                    Ok(appended) => appended.map(|at| (partition, at)),
                    Err(unavailable) => Err(Refused::because(unavailable.code(), unavailable.to_string())),
                },
            };
            if let Err(refused) = &result {
                debug!(
                    topic = name.as_str(),
                    partition = index,
                    error = refused.code.name(),
                    message = refused.message,
                    "batch refused"
                );
            }
            ended.push(Outcome { index, result });
        }
        outcomes.push((name, ended));
    }
    outcomes
}

type AppendWork = Box<dyn FnOnce(&Arc<Partition>) -> Result<AppendedAt, Refused> + Send>;

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
    let work: AppendWork = if !compressed && !recompresses && batch.len() <= CHECK_INLINE {
        let rules = rules(&topic.config, call.version, most);
        Box::new(move |partition| append_inline(partition, &batch, &rules, door.as_ref(), now_ms))
    } else {
        let mut checked = check_aside(call, batch, &topic.config, most, now_ms).await?;
        Box::new(move |partition| {
            admit(door.as_ref(), &checked)?;
            append_checked(partition, &mut checked, now_ms)
        })
    };
    Ok((Arc::clone(partition), work))
}

thread_local! {
    /// Where a batch gets its offsets: the bytes that arrived are shared with the frame they came in.
    static STAMPING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn append_inline(
    partition: &Arc<Partition>,
    batch: &[u8],
    rules: &BatchRules,
    door: Option<&DoorCheck>,
    now_ms: i64,
) -> Result<AppendedAt, Refused> {
    STAMPING.with_borrow_mut(|buffer| {
        buffer.clear();
        buffer.extend_from_slice(batch);
        validate_for_append(buffer, rules, now_ms, &mut Vec::new()).map_err(refused)?;
        admit(door, buffer)?;
        let appended = append_checked(partition, buffer, now_ms);
        buffer.clear();
        buffer.shrink_to(MAX_KEPT_BUFFER);
        appended
    })
}

fn append_checked(partition: &Arc<Partition>, batch: &mut [u8], now_ms: i64) -> Result<AppendedAt, Refused> {
    partition.append(batch, now_ms).map_err(|error| Refused::because(error.code(), Chain(&error).to_string()))
}

/// Asks whether a batch that was checked may be appended at this moment.
fn admit(door: Option<&DoorCheck>, batch: &[u8]) -> Result<(), Refused> {
    match BatchHeader::parse(batch) {
        Ok(header) => DoorCheck::admit(door, &header),
        Err(error) => Err(Refused::because(ErrorCode::INVALID_RECORD, Chain(&error).to_string())),
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
    let room = call.node.budget.reserve_more(likely).await;
    let checked = check_blocking(batch.clone(), Arc::clone(config), call.version, likely, now_ms).await;
    match checked {
        Err(refused) if refused.expands_too_far && likely < max_decompressed_bytes => {
            drop(room);
            let _room = call.node.budget.reserve_more(max_decompressed_bytes).await;
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
        let mut batch = BytesMut::from(&batch[..]);
        let rules = rules(&config, version, max_decompressed_bytes);
        let header = validate_for_append(&mut batch, &rules, now_ms, &mut Vec::new()).map_err(refused)?;
        match recompress(&batch, &header, &config, max_decompressed_bytes) {
            Ok(recompressed) => Ok(recompressed.unwrap_or(batch)),
            Err(error) => Err(Refused::because(ErrorCode::UNKNOWN_SERVER_ERROR, Chain(&error).to_string())),
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
        message: Some(format!("{}{key}", Chain(&refusal))),
        records: refusal.records,
        expands_too_far,
    }
}

/// Whether the reason is that the records of a batch expand to more than is allowed.
fn expands_too_far(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|error| matches!(error.downcast_ref(), Some(DecompressError::TooLarge { .. })))
}

fn answer(version: i16, outcomes: Vec<(TopicName, Vec<Outcome>)>) -> ProduceResponse {
    let topics = outcomes.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|outcome| answer_partition(version, outcome)).collect();
        TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
    });
    ProduceResponse::default().with_responses(topics.collect())
}

fn answer_partition(version: i16, outcome: Outcome) -> PartitionProduceResponse {
    let answered = PartitionProduceResponse::default().with_index(outcome.index).with_log_append_time_ms(-1);
    match outcome.result {
        Ok((_, at)) => {
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
