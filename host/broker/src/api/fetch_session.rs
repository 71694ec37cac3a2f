//! Fetch's session (KIP-227): completes a request that names only what has changed, and leaves out of its answer what the
//! client knows.
//!
//! What is remembered and when it is forgotten: [`crate::fetch_sessions`]. Rules of access and the reading itself see
//! every partition of a session, each time.

use std::sync::{MutexGuard, PoisonError};

use millstream_wire::protocol::messages::{
    FetchRequest, FetchResponse, TopicName,
    fetch_request::{FetchPartition, FetchTopic},
    fetch_response::PartitionData,
};
use uuid::Uuid;

use super::{Call, text};
use crate::{
    error_code::ErrorCode,
    fetch_sessions::{FINAL_EPOCH, FetchSessions, Fetching, NO_SESSION, PartitionKey, Told, TopicKey, Wanted},
};

/// First version whose requests name a session.
const SESSIONS: i16 = 7;

/// First version that names topics by id.
const IDS: i16 = 13;

/// A request whose session is known.
pub enum Context {
    /// All of it is answered.
    Once,
    /// The same, and what was asked is remembered.
    Full(Vec<(PartitionKey, Wanted)>),
    /// What has changed is answered.
    Incremental {
        /// The session.
        id: i32,
        /// The epoch of its next request.
        next_epoch: i32,
    },
}

/// Looks the session up, and fills in what the request leaves out.
///
/// # Errors
///
/// The answer, where there is no such session or the client has lost count.
pub fn begin(call: &Call<'_>, request: &mut FetchRequest) -> Result<Context, FetchResponse> {
    let named = (request.session_id, request.session_epoch);
    if call.version < SESSIONS || named == (NO_SESSION, FINAL_EPOCH) {
        return Ok(Context::Once);
    }
    let by_id = IDS <= call.version;
    let asked = asked(request, by_id);
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let key = key(&topic.topic, topic.topic_id, by_id);
        topic.partitions.iter().map(move |index| (key.clone(), *index))
    });
    let now_ms = call.node.quotas.now_ms();
    let begun = lock(call).begin(named, by_id, asked.iter().cloned(), forgotten, now_ms);
    match begun {
        Ok(Fetching::Once) => Ok(Context::Once),
        Ok(Fetching::Full) => Ok(Context::Full(asked)),
        Ok(Fetching::Incremental { id, next_epoch, partitions }) => {
            request.topics = topics(partitions);
            Ok(Context::Incremental { id, next_epoch })
        }
        Err(code) => Err(FetchResponse::default().with_error_code(code.get())),
    }
}

/// An answer as it is sent if nothing comes in between: what [`complete`] leaves out is left out, and nothing is noted.
pub fn as_sent(call: &Call<'_>, context: &Context, response: &FetchResponse) -> FetchResponse {
    let mut sent = response.clone();
    if let Context::Incremental { id, .. } = *context {
        let (by_id, sessions) = (IDS <= call.version, lock(call));
        leave_out(&mut sent, by_id, |key, told| sessions.would_tell(id, key, told));
    }
    sent
}

/// Leaves out of an answer what the client knows, and begins a session. False where nothing is left of the answer
/// because the session went on without it.
pub fn complete(call: &Call<'_>, context: Context, response: &mut FetchResponse) -> bool {
    let by_id = IDS <= call.version;
    match context {
        Context::Once => {}
        Context::Full(asked) => begin_session(call, asked, response, by_id),
        Context::Incremental { id, next_epoch } => {
            response.session_id = id;
            let mut sessions = lock(call);
            if let Err(code) = sessions.check(id, next_epoch) {
                response.error_code = code.get();
                response.responses.clear();
                return false;
            }
            // No request came since, so no partition was forgotten, and those with records stay.
            leave_out(response, by_id, |key, told| sessions.tell(id, key, told));
        }
    }
    true
}

/// Leaves only those partitions for which `tell` holds.
fn leave_out(response: &mut FetchResponse, by_id: bool, mut tell: impl FnMut(&PartitionKey, &Told) -> bool) {
    for topic in &mut response.responses {
        let key = key(&topic.topic, topic.topic_id, by_id);
        topic.partitions.retain(|data| tell(&(key.clone(), data.partition_index), &told(data)));
    }
    response.responses.retain(|topic| !topic.partitions.is_empty());
}

/// The answer to a client that has to wait: nothing is told, and a session that exists goes on.
pub fn hold_back(call: &Call<'_>, context: &Context) -> FetchResponse {
    let Context::Incremental { id, next_epoch } = *context else { return FetchResponse::default() };
    let answer = FetchResponse::default().with_session_id(id);
    match lock(call).check(id, next_epoch) {
        Ok(()) => answer,
        Err(code) => answer.with_error_code(code.get()),
    }
}

fn begin_session(call: &Call<'_>, asked: Vec<(PartitionKey, Wanted)>, response: &mut FetchResponse, by_id: bool) {
    let partitions = response.responses.iter().flat_map(|topic| {
        let key = key(&topic.topic, topic.topic_id, by_id);
        topic.partitions.iter().map(move |data| ((key.clone(), data.partition_index), told(data)))
    });
    // Of a partition that is asked for twice the last answer counts.
    let told: std::collections::HashMap<PartitionKey, Told> = partitions.collect();
    let known = asked.into_iter().filter_map(|(key, wanted)| {
        let told = *told.get(&key)?;
        Some((key, wanted, told))
    });
    let known = known.collect();
    let mut sessions = lock(call);
    let id = loop {
        // Nobody is to guess another's.
        let drawn = i32::from_be_bytes(Uuid::new_v4().as_bytes()[..4].try_into().unwrap_or_default()) & i32::MAX;
        if drawn != NO_SESSION && !sessions.contains(drawn) {
            break drawn;
        }
    };
    if sessions.create(id, by_id, known, call.node.quotas.now_ms()) {
        response.session_id = id;
    }
}

fn told(data: &PartitionData) -> Told {
    Told {
        has_records: data.records.as_ref().is_some_and(|records| !records.is_empty()),
        is_error: data.error_code != ErrorCode::NONE.get(),
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        log_start: data.log_start_offset,
    }
}

fn key(name: &TopicName, id: Uuid, by_id: bool) -> TopicKey {
    // A copy: the name is a piece of its request, all of which it would keep.
    if by_id { TopicKey::Id(id) } else { TopicKey::Name(name.as_str().into()) }
}

fn asked(request: &FetchRequest, by_id: bool) -> Vec<(PartitionKey, Wanted)> {
    let topics = request.topics.iter().flat_map(|topic| {
        let key = key(&topic.topic, topic.topic_id, by_id);
        topic.partitions.iter().map(move |partition| {
            let wanted = Wanted {
                offset: partition.fetch_offset,
                max_bytes: partition.partition_max_bytes,
                leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            };
            ((key.clone(), partition.partition), wanted)
        })
    });
    topics.collect()
}

/// As a request that names all of them; neighbours of one topic stand together.
fn topics(partitions: Vec<(PartitionKey, Wanted)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last = None;
    for ((key, index), wanted) in partitions {
        let partition = FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(wanted.offset)
            .with_partition_max_bytes(wanted.max_bytes)
            .with_current_leader_epoch(wanted.leader_epoch)
            .with_last_fetched_epoch(wanted.last_fetched_epoch);
        match topics.last_mut() {
            Some(topic) if last.as_ref() == Some(&key) => topic.partitions.push(partition),
            _ => {
                let topic = match &key {
                    TopicKey::Id(id) => FetchTopic::default().with_topic_id(*id),
                    TopicKey::Name(name) => FetchTopic::default().with_topic(TopicName(text(&**name))),
                };
                topics.push(topic.with_partitions(vec![partition]));
                last = Some(key);
            }
        }
    }
    topics
}

fn lock<'a>(call: &Call<'a>) -> MutexGuard<'a, FetchSessions> {
    // Whatever was half done ends with an error that lets the client begin anew.
    call.node.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
