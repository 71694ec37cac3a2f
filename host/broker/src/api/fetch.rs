//! Fetch: waits until there is enough to read, without sessions.
//!
//! Readers see what is durable. The answer holds whole batches; the first partition that has any gives at least
//! one, however large.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_wire::protocol::messages::{
    FetchRequest, FetchResponse, ProducerId, TopicName,
    fetch_request::FetchPartition,
    fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData},
};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::Call;
use crate::{
    budget::Reservation,
    error_code::ErrorCode,
    partition::{Isolation, Partition, ReadOutcome},
};

const READ_COMMITTED: i8 = 1;

/// One topic of the request, its partitions looked up.
struct Target {
    name: TopicName,
    id: Uuid,
    partitions: Vec<(FetchPartition, Result<Arc<Partition>, ErrorCode>)>,
}

/// The answer, and the memory that its records take.
pub async fn handle(call: &Call<'_>, request: FetchRequest) -> (FetchResponse, Option<Reservation>) {
    // Sessions are declined by answering session id 0; one that is named nevertheless is from another life.
    if request.session_id != 0 && 0 < request.session_epoch {
        return (FetchResponse::default().with_error_code(ErrorCode::FETCH_SESSION_ID_NOT_FOUND.get()), None);
    }
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let limits = Limits {
        isolation: if request.isolation_level == READ_COMMITTED {
            Isolation::Committed
        } else {
            Isolation::Uncommitted
        },
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(call.node.config.fetch_max_bytes),
        min_bytes: usize::try_from(request.min_bytes.min(request.max_bytes)).unwrap_or(0),
    };
    let targets = Arc::new(look_up(call, request));
    let pass = look(call, &targets, limits).await;
    if pass.is_enough(&limits) || deadline <= Instant::now() || call.node.stopping.is_cancelled() {
        return answer(pass);
    }
    let notify = Arc::new(Notify::new());
    let found = targets.iter().flat_map(|target| &target.partitions).filter_map(|(_, found)| found.as_ref().ok());
    let _places: Vec<_> = found.map(|partition| partition.waiters().register(&notify)).collect();
    loop {
        // Read again after registering: what came in between has notified nobody.
        let pass = look(call, &targets, limits).await;
        if pass.is_enough(&limits) {
            return answer(pass);
        }
        tokio::select! {
            () = notify.notified() => {}
            () = tokio::time::sleep_until(deadline) => return answer(look(call, &targets, limits).await),
            () = call.node.stopping.cancelled() => return answer(pass),
        }
    }
}

/// One look at all partitions: on a thread that may wait for the disk if there is something to read, and otherwise at
/// what memory knows.
async fn look(call: &Call<'_>, targets: &Arc<Vec<Target>>, limits: Limits) -> Pass {
    let nothing = Limits { max_bytes: 0, ..limits };
    let mut partitions = targets.iter().flat_map(|target| &target.partitions);
    let more = partitions.any(|(asked, found)| {
        found.as_ref().is_ok_and(|partition| partition.has_more(asked.fetch_offset, limits.isolation))
    });
    if !more {
        return read_all(targets, &nothing, call.version, false);
    }
    // Before anything is read: many that wait for memory must not have filled it already.
    let budget = &call.node.budget;
    let mut room = budget.reserve_share(limits.max_bytes).await;
    let limits = Limits { max_bytes: room.bytes(), ..limits };
    let (shared, version) = (Arc::clone(targets), call.version);
    let read = call.node.topics.threads().reading.run(move || read_all(&shared, &limits, version, true));
    let Ok(mut pass) = read.await else {
        return Pass { has_error: true, ..read_all(targets, &nothing, call.version, false) };
    };
    if room.bytes() < pass.bytes {
        // One batch gets through, however large.
        drop(room);
        room = budget.reserve_more(pass.bytes).await;
    }
    room.shrink(pass.bytes);
    pass.room = Some(room);
    pass
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
}

/// What one look at all partitions found.
struct Pass {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    has_error: bool,
    /// Nothing was asked for, so nothing will ever come.
    is_empty: bool,
    /// Memory for the records.
    room: Option<Reservation>,
}

impl Pass {
    fn is_enough(&self, limits: &Limits) -> bool {
        self.has_error || self.is_empty || limits.min_bytes <= self.bytes
    }
}

/// Blocks if `one_batch` or a limit allows it to read.
fn read_all(targets: &[Target], limits: &Limits, version: i16, one_batch: bool) -> Pass {
    let mut pass =
        Pass { topics: Vec::with_capacity(targets.len()), bytes: 0, has_error: false, is_empty: true, room: None };
    for target in targets {
        let mut partitions = Vec::with_capacity(target.partitions.len());
        for (asked, found) in &target.partitions {
            pass.is_empty = false;
            let read = match found {
                Ok(partition) => read(partition, asked, limits, pass.bytes, one_batch),
                Err(code) => Err((*code, None)),
            };
            let data = PartitionData::default().with_partition_index(asked.partition);
            partitions.push(match read {
                Ok(outcome) => {
                    pass.bytes += outcome.records.len();
                    fill(data, outcome, limits.isolation, version)
                }
                Err((code, log_start)) => {
                    pass.has_error = true;
                    let data = data
                        .with_error_code(code.get())
                        .with_high_watermark(-1)
                        .with_last_stable_offset(-1)
                        .with_records(Some(Bytes::new()));
                    if 5 <= version { data.with_log_start_offset(log_start.unwrap_or(-1)) } else { data }
                }
            });
        }
        let topic = FetchableTopicResponse::default().with_partitions(partitions);
        pass.topics.push(if 13 <= version {
            topic.with_topic_id(target.id)
        } else {
            topic.with_topic(target.name.clone())
        });
    }
    pass
}

type Failed = (ErrorCode, Option<i64>);

fn read(
    partition: &Partition,
    asked: &FetchPartition,
    limits: &Limits,
    so_far: usize,
    one_batch: bool,
) -> Result<ReadOutcome, Failed> {
    partition.check_leader_epoch(asked.current_leader_epoch).map_err(|code| (code, None))?;
    let room = limits.max_bytes.saturating_sub(so_far);
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(room);
    // At least one batch must get through, or a consumer would ask for it forever.
    let whole_batch = one_batch && so_far == 0;
    partition.read(asked.fetch_offset, most, whole_batch, limits.isolation)
}

fn fill(data: PartitionData, outcome: ReadOutcome, isolation: Isolation, version: i16) -> PartitionData {
    let aborted = (isolation == Isolation::Committed).then(|| {
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
    if 5 <= version { data.with_log_start_offset(outcome.log_start) } else { data }
}

fn answer(pass: Pass) -> (FetchResponse, Option<Reservation>) {
    (FetchResponse::default().with_responses(pass.topics), pass.room)
}
