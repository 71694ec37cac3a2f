//! Quotas held against requests: what is over is answered at once with the time to wait, and nothing more of the same
//! connection is carried out before (KIP-219).
//!
//! Only where there are quotas does anything of this run.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::BytesMut;
use millstream_log::BatchRest;
use millstream_wire::protocol::{
    messages::{ApiKey, FetchRequest, ProduceResponse},
    protocol::Encodable,
};
use tokio::time::Instant;

use super::{Answer, Answered, Call, Incoming, Peer, Rejected, Reply, access, carry_out, fetch_session};
use crate::{error_code::ErrorCode, node::Node, quotas::limits::Kind};

/// APIs whose answers begin with the time to wait, and from which version on. Of the others' answers it stands
/// elsewhere, or nowhere: their connections just wait.
const AT_THE_BEGINNING: &[(ApiKey, i16)] = &[
    (ApiKey::Fetch, 1),
    (ApiKey::ListOffsets, 2),
    (ApiKey::Metadata, 3),
    (ApiKey::OffsetCommit, 3),
    (ApiKey::OffsetFetch, 3),
    (ApiKey::FindCoordinator, 1),
    (ApiKey::JoinGroup, 2),
    (ApiKey::Heartbeat, 1),
    (ApiKey::LeaveGroup, 1),
    (ApiKey::SyncGroup, 1),
    (ApiKey::DescribeGroups, 1),
    (ApiKey::ListGroups, 1),
    (ApiKey::CreateTopics, 2),
    (ApiKey::DeleteTopics, 1),
    (ApiKey::DeleteRecords, 0),
    (ApiKey::InitProducerId, 0),
    (ApiKey::OffsetForLeaderEpoch, 2),
    (ApiKey::AddPartitionsToTxn, 0),
    (ApiKey::AddOffsetsToTxn, 0),
    (ApiKey::EndTxn, 0),
    (ApiKey::TxnOffsetCommit, 0),
    (ApiKey::DescribeConfigs, 0),
    (ApiKey::AlterConfigs, 0),
    (ApiKey::IncrementalAlterConfigs, 0),
    (ApiKey::CreatePartitions, 0),
    (ApiKey::DeleteGroups, 0),
    (ApiKey::DescribeCluster, 0),
];

/// What is said of a change that may not be made now, as by Kafka.
pub(super) const EXCEEDED: &str = "The throttling quota has been exceeded.";

/// Carries out a request within the quotas of its user.
pub(super) async fn handle(node: &Arc<Node>, peer: &Peer, incoming: Incoming) -> Result<Reply, Rejected> {
    if let Some(until) = peer.session.muted_until() {
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = node.stopping.cancelled() => {}
        }
    }
    let (api, version) = (incoming.api, incoming.version());
    let client_id = incoming.header.client_id.clone().unwrap_or_default();
    let record = |kind, amount: f64| {
        node.quotas.record(kind, &peer.session.user, client_id.as_str(), amount, node.quotas.now_ms())
    };
    let mut wait_ms = match api {
        ApiKey::Produce => record(Kind::Produce, incoming.body.len() as f64),
        _ => 0,
    };
    let (reply, busy) = timed(carry_out(node, peer, incoming)).await;
    let reply = reply?;
    if let Reply::Now(answer) = &reply {
        wait_ms = wait_ms.max(answer.over_ms);
    }
    let percent = busy.as_secs_f64() * 100.0;
    wait_ms = wait_ms.max(record(Kind::Request, percent).min(node.quotas.sample_ms()));
    if wait_ms == 0 {
        return Ok(reply);
    }
    peer.session.mute(Instant::now() + Duration::from_millis(wait_ms));
    tell(api, version, reply, i32::try_from(wait_ms).unwrap_or(i32::MAX))
}

/// Writes the time to wait into an answer.
fn tell(api: ApiKey, version: i16, reply: Reply, wait_ms: i32) -> Result<Reply, Rejected> {
    if api == ApiKey::Produce {
        if matches!(reply, Reply::Silence) {
            return Ok(reply);
        }
        let amend: access::Amend<ProduceResponse> = Box::new(move |response| response.throttle_time_ms = wait_ms);
        return access::amended(api, version, reply, Some(amend));
    }
    let begins_with_it = AT_THE_BEGINNING.iter().any(|(known, from)| *known == api && *from <= version);
    match reply {
        Reply::Now(answer) if begins_with_it => {
            // Size, correlation id and, in newer headers, tagged fields, of which there are none.
            let at = if 1 <= api.response_header_version(version) { 9 } else { 8 };
            let mut frame = BytesMut::from(&answer.frame[..]);
            if let Some(place) = frame.get_mut(at..at + 4) {
                place.copy_from_slice(&wait_ms.to_be_bytes());
            }
            Ok(Reply::Now(Answer { frame: frame.freeze(), ..answer }))
        }
        other => Ok(other),
    }
}

/// A result, and how long a processor was busy with it. A thread that waits for a disk, or that others keep from a
/// processor, is not: nobody is charged for that.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let mut work = pin!(work);
    let mut busy = Duration::ZERO;
    let value = poll_fn(|context| {
        let begin = thread_time();
        let polled = work.as_mut().poll(context);
        busy += thread_time().saturating_sub(begin);
        polled
    })
    .await;
    (value, busy)
}

/// Time that processors spent on this thread so far.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanoseconds)
}

/// Holds the partitions of a topic that is made by asking for it against the quota of its user, who is not told what there
/// would be to wait, as by Kafka.
pub(super) fn may_create_by_asking(call: &Call<'_>, partitions: usize) -> bool {
    if !call.node.quotas.are_set() || call.peer.session.is_trusted {
        return true;
    }
    let (quotas, user) = (&call.node.quotas, &call.peer.session.user);
    quotas.mutate(user, call.client_id, partitions, true, quotas.now_ms()).is_ok()
}

/// Holds a change of so many partitions against the quota of its user. Clients that know the code are refused from the
/// given version on, others wait (KIP-599).
///
/// # Errors
///
/// The code, where the change may not be made now.
pub(super) fn mutate(call: &Call<'_>, partitions: usize, strict_from: i16) -> Result<(), ErrorCode> {
    if !call.node.quotas.are_set() || call.peer.session.is_trusted {
        return Ok(());
    }
    let (quotas, user) = (&call.node.quotas, &call.peer.session.user);
    let is_strict = strict_from <= call.version;
    let (wait_ms, result) = match quotas.mutate(user, call.client_id, partitions, is_strict, quotas.now_ms()) {
        Ok(wait_ms) => (wait_ms, Ok(())),
        Err(wait_ms) => (wait_ms, Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED)),
    };
    call.over_ms.fetch_max(wait_ms, Ordering::Relaxed);
    result
}

/// How long a client has to wait instead of being sent this, in milliseconds; 0 where it may be sent.
pub(super) fn over_fetch_quota(call: &Call<'_>, context: &fetch_session::Context, answered: &Answered) -> u64 {
    if !call.node.quotas.are_set() || call.peer.session.is_trusted {
        return 0;
    }
    let record = |amount| {
        let quotas = &call.node.quotas;
        quotas.record(Kind::Fetch, &call.peer.session.user, call.client_id, amount, quotas.now_ms())
    };
    // What cannot be written is refused when it is.
    let sent = fetch_session::as_sent(call, context, &answered.response).compute_size(call.version).unwrap_or(0);
    let size = (sent + answered.rest.as_ref().map_or(0, BatchRest::len)) as f64;
    let over_ms = record(size);
    if 0 < over_ms {
        // Nothing is sent, so nothing was used.
        record(-size);
    }
    over_ms
}

/// A fetch asks for no more than its user may have.
pub(super) fn cap_fetch(call: &Call<'_>, request: &mut FetchRequest) {
    if !call.node.quotas.are_set() || call.peer.session.is_trusted {
        return;
    }
    if let Some(most) = call.node.quotas.most_in_window(Kind::Fetch, &call.peer.session.user, call.client_id) {
        // Numbers beyond the type's stop at its end.
        request.max_bytes = request.max_bytes.min(most as i32);
    }
}
