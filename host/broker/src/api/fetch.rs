//! Fetch: waits until there is enough to read. Sessions are `fetch_session`'s.
//!
//! Readers see what is durable. The answer holds whole batches; the first partition that has any gives at least
//! one, however large. What of that one finds no room in memory is read while the answer is written, so that nobody who
//! reads waits for the memory of others who do not.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_log::BatchRest;
use millstream_wire::protocol::messages::{
    FetchRequest, FetchResponse, ProducerId, TopicName,
    fetch_request::FetchPartition,
    fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData},
};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::{Answered, Call};
use crate::{
    budget::{OWN, Reservation},
    error_code::ErrorCode,
    partition::{Isolation, Partition, Patience, ReadOutcome},
};

const READ_COMMITTED: i8 = 1;

/// How much of an answer is read from memory by the thread that serves the connection, in bytes: copying more would keep
/// others waiting for it.
const MOST_FROM_MEMORY: usize = 1 << 20;

/// From how many partitions it reads so. More may be copied than is delivered, as only whole batches are.
const MOST_READS_FROM_MEMORY: usize = 16;

/// One topic of the request, its partitions looked up.
struct Target {
    name: TopicName,
    id: Uuid,
    partitions: Vec<(FetchPartition, Result<Arc<Partition>, ErrorCode>)>,
}

/// The answer, with the memory that its records take.
pub async fn handle(call: &Call<'_>, request: FetchRequest) -> Answered {
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let limits = Limits {
        isolation: if request.isolation_level == READ_COMMITTED {
            Isolation::Committed
        } else {
            Isolation::Uncommitted
        },
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(call.node.config.fetch_max_bytes),
        min_bytes: usize::try_from(request.min_bytes.min(request.max_bytes))
            .unwrap_or(0)
            .min(call.node.config.fetch_max_bytes),
        at_once: OWN,
        version: call.version,
    };
    let targets = Arc::new(look_up(call, request));
    {
        let pass = look(call, &targets, limits).await;
        if pass.is_enough(&limits) || deadline <= Instant::now() || call.node.stopping.is_cancelled() {
            return answer(&targets, pass, call.version);
        }
    }
    let notify = Arc::new(Notify::new());
    let found = targets.iter().flat_map(|target| &target.partitions).filter_map(|(_, found)| found.as_ref().ok());
    let _places: Vec<_> = found.map(|partition| partition.waiters().register(&notify)).collect();
    loop {
        // Read again after registering: what came in between has notified nobody.
        let pass = look(call, &targets, limits).await;
        if pass.is_enough(&limits) {
            return answer(&targets, pass, call.version);
        }
        // Who waits holds no memory: many that did would wait for each other's at their next look.
        drop(pass);
        let is_over = tokio::select! {
            () = notify.notified() => false,
            () = tokio::time::sleep_until(deadline) => true,
            () = call.node.stopping.cancelled() => true,
        };
        if is_over {
            return answer(&targets, look(call, &targets, limits).await, call.version);
        }
    }
}

/// One look at all partitions. What is in memory is read here; from the first partition on of which that is not certain,
/// a thread that may wait for the disk reads the rest.
///
/// An answer is one thing: if the disk of one partition of the request stalls, the whole answer waits for it, records of
/// healthy partitions included. Other requests for those do not wait.
async fn look(call: &Call<'_>, targets: &Arc<Vec<Target>>, limits: Limits) -> Pass {
    let mut partitions = targets.iter().flat_map(|target| &target.partitions);
    let more = partitions.any(|(asked, found)| {
        found.as_ref().is_ok_and(|partition| partition.has_more(asked.fetch_offset, limits.isolation))
    });
    if !more {
        return Pass::default().proceed(targets, &limits, Patience::Look);
    }
    // Before anything is read: many that wait for memory must not have filled it already.
    let budget = &call.node.answers;
    let mut room = budget.share(limits.max_bytes);
    let limits = Limits { max_bytes: room.bytes(), at_once: room.bytes().max(OWN), ..limits };
    let mut pass = Pass::default().proceed(targets, &limits, Patience::Memory);
    if !pass.is_complete {
        (pass, room) = read_all(call, targets, limits, pass, room).await;
    }
    room.shrink(pass.bytes - pass.rest.as_ref().map_or(0, BatchRest::len));
    pass.room = Some(room);
    pass
}

/// Has a thread that may wait for the disk read the rest. The memory goes along: where a client hangs up, its read goes on.
async fn read_all(
    call: &Call<'_>,
    targets: &Arc<Vec<Target>>,
    limits: Limits,
    pass: Pass,
    room: Reservation,
) -> (Pass, Reservation) {
    let shared = Arc::clone(targets);
    let read = move || (pass.proceed(&shared, &limits, Patience::Disk), room);
    match call.node.topics.threads().reading.run(read).await {
        Ok(done) => done,
        Err(_) => {
            let pass = Pass::default().proceed(targets, &limits, Patience::Look);
            (Pass { has_error: true, ..pass }, call.node.answers.share(0))
        }
    }
}

fn look_up(call: &Call<'_>, request: FetchRequest) -> Vec<Target> {
    let by_id = 13 <= call.version;
    let target = |asked: millstream_wire::protocol::messages::fetch_request::FetchTopic| {
        let (topic, missing) = if by_id {
            (call.node.topics.by_id(asked.topic_id), ErrorCode::UNKNOWN_TOPIC_ID)
        } else {
            (call.node.topics.get(asked.topic.as_str()), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        };
        let find = |partition: FetchPartition| {
            let found = match &topic {
                None => Err(missing),
                Some(topic) => {
                    topic.partition(partition.partition).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                }
            };
            (partition, found)
        };
        Target { name: asked.topic, id: asked.topic_id, partitions: asked.partitions.into_iter().map(find).collect() }
    };
    request.topics.into_iter().map(target).collect()
}

#[derive(Clone, Copy)]
struct Limits {
    isolation: Isolation,
    max_bytes: usize,
    min_bytes: usize,
    /// How much is read of the first batch if it is larger than `max_bytes`.
    at_once: usize,
    version: i16,
}

/// What a look at partitions found so far.
#[derive(Default)]
struct Pass {
    /// Those of all topics, one after another.
    partitions: Vec<PartitionData>,
    /// Bytes of all records.
    bytes: usize,
    /// Those that are not read yet: they follow the first.
    rest: Option<BatchRest>,
    /// How many of them had something to read.
    reads: usize,
    has_error: bool,
    /// Whether every partition was looked at.
    is_complete: bool,
    /// Memory for the records.
    room: Option<Reservation>,
}

impl Pass {
    fn is_enough(&self, limits: &Limits) -> bool {
        // Where nothing was asked for, nothing will ever come.
        self.has_error || self.partitions.is_empty() || limits.min_bytes <= self.bytes
    }

    /// Goes on to the last partition, or to the first that needs more patience.
    fn proceed(mut self, targets: &[Target], limits: &Limits, patience: Patience) -> Self {
        let all = targets.iter().flat_map(|target| &target.partitions);
        for (asked, found) in all.skip(self.partitions.len()) {
            let is_much = MOST_FROM_MEMORY <= self.bytes || MOST_READS_FROM_MEMORY <= self.reads;
            if patience == Patience::Memory && is_much {
                return self;
            }
            let read = match found {
                Ok(partition) => {
                    self.reads += usize::from(partition.has_more(asked.fetch_offset, limits.isolation));
                    read(partition, asked, limits, self.bytes, patience)
                }
                Err(code) => Err((*code, None)),
            };
            let data = PartitionData::default().with_partition_index(asked.partition);
            self.partitions.push(match read {
                Ok(None) => return self,
                Ok(Some(outcome)) => {
                    self.bytes += outcome.records.len() + outcome.rest.as_ref().map_or(0, BatchRest::len);
                    self.rest = self.rest.or_else(|| outcome.rest.clone());
                    fill(data, outcome, limits)
                }
                Err((code, log_start)) => {
                    self.has_error = true;
                    let data = data
                        .with_error_code(code.get())
                        .with_high_watermark(-1)
                        .with_last_stable_offset(-1)
                        .with_records(Some(Bytes::new()));
                    if 5 <= limits.version { data.with_log_start_offset(log_start.unwrap_or(-1)) } else { data }
                }
            });
        }
        self.is_complete = true;
        self
    }
}

type Failed = (ErrorCode, Option<i64>);

fn read(
    partition: &Partition,
    asked: &FetchPartition,
    limits: &Limits,
    so_far: usize,
    patience: Patience,
) -> Result<Option<ReadOutcome>, Failed> {
    partition.check_leader_epoch(asked.current_leader_epoch).map_err(|code| (code, None))?;
    let room = limits.max_bytes.saturating_sub(so_far);
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(room);
    // At least one batch must get through, or a consumer would ask for it forever.
    let one_batch = (so_far == 0).then_some(limits.at_once);
    partition.read(asked.fetch_offset, most, one_batch, limits.isolation, patience)
}

fn fill(data: PartitionData, outcome: ReadOutcome, limits: &Limits) -> PartitionData {
    let aborted = (limits.isolation == Isolation::Committed).then(|| {
        let aborted = outcome.aborted.iter().map(|&(producer_id, first_offset)| {
            AbortedTransaction::default().with_producer_id(ProducerId(producer_id)).with_first_offset(first_offset)
        });
        aborted.collect()
    });
    let data = data
        .with_high_watermark(outcome.high_watermark)
        .with_last_stable_offset(outcome.last_stable_offset)
        .with_aborted_transactions(aborted)
        .with_records(Some(outcome.records));
    if 5 <= limits.version { data.with_log_start_offset(outcome.log_start) } else { data }
}

fn answer(targets: &[Target], pass: Pass, version: i16) -> Answered {
    let mut partitions = pass.partitions.into_iter();
    let topics = targets.iter().map(|target| {
        let partitions = partitions.by_ref().take(target.partitions.len()).collect();
        let topic = FetchableTopicResponse::default().with_partitions(partitions);
        if 13 <= version { topic.with_topic_id(target.id) } else { topic.with_topic(target.name.clone()) }
    });
    let response = FetchResponse::default().with_responses(topics.collect());
    Answered { response, rest: pass.rest, room: pass.room }
}
