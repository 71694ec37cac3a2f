//! What each API asks of its user, before it is carried out: who may not do all of a request gets the answer to what is
//! left of it, with Kafka's codes for the rest.
//!
//! Handlers know nothing of this. Without an authorizer, and for the worker itself, nothing is checked and nothing is
//! spent. [`REQUIRED`] says for every API that is served what is asked; a test holds it against the table.

mod cluster;
mod groups;
mod topics;
mod transactions;

use std::{mem, sync::Arc};

use bytes::{Bytes, BytesMut};
use millstream_wire::{
    frame,
    protocol::{
        messages::ApiKey,
        protocol::{Decodable, Encodable},
    },
};
use tracing::debug;

use super::{Answer, Call, Incoming, Rejected, Reply};
use crate::{
    error_code::ErrorCode,
    security::acls::{Acls, CLUSTER, Operation, Resource, operations_of},
};

pub(super) use cluster::*;
pub(super) use groups::*;
pub(super) use topics::*;
pub(super) use transactions::*;

/// What every API asks for, in short; the rule itself stands in the module named first.
#[cfg_attr(not(test), expect(dead_code, reason = "read by people and by the test that every API is in it"))]
pub(super) const REQUIRED: &[(ApiKey, &str)] = &[
    (ApiKey::Produce, "topics: WRITE topic; WRITE transactional id"),
    (ApiKey::Fetch, "topics: READ topic"),
    (ApiKey::ListOffsets, "topics: DESCRIBE topic"),
    (ApiKey::Metadata, "topics: DESCRIBE topic; CREATE cluster or topic for one that is made"),
    (ApiKey::OffsetCommit, "groups: READ group; READ topic"),
    (ApiKey::OffsetFetch, "groups: DESCRIBE group; DESCRIBE topic"),
    (ApiKey::FindCoordinator, "groups: DESCRIBE group; DESCRIBE transactional id"),
    (ApiKey::JoinGroup, "groups: READ group"),
    (ApiKey::Heartbeat, "groups: READ group"),
    (ApiKey::LeaveGroup, "groups: READ group"),
    (ApiKey::SyncGroup, "groups: READ group"),
    (ApiKey::DescribeGroups, "groups: DESCRIBE group"),
    (ApiKey::ListGroups, "groups: DESCRIBE cluster for all, DESCRIBE group for each"),
    (ApiKey::SaslHandshake, "nothing"),
    (ApiKey::ApiVersions, "nothing"),
    (ApiKey::CreateTopics, "topics: CREATE cluster or topic; DESCRIBE_CONFIGS topic for the settings in the answer"),
    (ApiKey::DeleteTopics, "topics: DELETE topic; DESCRIBE topic for one that is named by its id"),
    (ApiKey::DeleteRecords, "topics: DELETE topic"),
    (ApiKey::InitProducerId, "transactions: WRITE transactional id; or IDEMPOTENT_WRITE cluster or WRITE any topic"),
    (ApiKey::OffsetForLeaderEpoch, "topics: DESCRIBE topic"),
    (ApiKey::AddPartitionsToTxn, "transactions: WRITE transactional id; WRITE topic; CLUSTER_ACTION for several"),
    (ApiKey::AddOffsetsToTxn, "transactions: WRITE transactional id; READ group"),
    (ApiKey::EndTxn, "transactions: WRITE transactional id"),
    (ApiKey::WriteTxnMarkers, "transactions: ALTER or CLUSTER_ACTION cluster"),
    (ApiKey::TxnOffsetCommit, "transactions: WRITE transactional id; READ group; READ topic"),
    (ApiKey::DescribeAcls, "cluster: DESCRIBE cluster"),
    (ApiKey::CreateAcls, "cluster: ALTER cluster"),
    (ApiKey::DeleteAcls, "cluster: ALTER cluster"),
    (ApiKey::DescribeConfigs, "cluster: DESCRIBE_CONFIGS topic, group or cluster"),
    (ApiKey::AlterConfigs, "cluster: ALTER_CONFIGS topic, group or cluster"),
    (ApiKey::AlterReplicaLogDirs, "cluster: ALTER cluster"),
    (ApiKey::DescribeLogDirs, "cluster: DESCRIBE cluster"),
    (ApiKey::SaslAuthenticate, "nothing"),
    (ApiKey::CreatePartitions, "topics: ALTER topic"),
    (ApiKey::CreateDelegationToken, "nothing"),
    (ApiKey::RenewDelegationToken, "nothing"),
    (ApiKey::ExpireDelegationToken, "nothing"),
    (ApiKey::DescribeDelegationToken, "nothing"),
    (ApiKey::DeleteGroups, "groups: DELETE group"),
    (ApiKey::ElectLeaders, "cluster: ALTER cluster"),
    (ApiKey::IncrementalAlterConfigs, "cluster: ALTER_CONFIGS topic, group or cluster"),
    (ApiKey::AlterPartitionReassignments, "cluster: ALTER cluster"),
    (ApiKey::ListPartitionReassignments, "cluster: DESCRIBE cluster"),
    (ApiKey::OffsetDelete, "groups: DELETE group; READ topic"),
    (ApiKey::DescribeClientQuotas, "cluster: DESCRIBE_CONFIGS cluster"),
    (ApiKey::AlterClientQuotas, "cluster: ALTER_CONFIGS cluster"),
    (ApiKey::DescribeUserScramCredentials, "cluster: DESCRIBE cluster"),
    (ApiKey::AlterUserScramCredentials, "cluster: ALTER cluster"),
    (ApiKey::UpdateFeatures, "cluster: ALTER cluster"),
    (ApiKey::DescribeCluster, "nothing"),
    (ApiKey::DescribeProducers, "topics: READ topic"),
    (ApiKey::DescribeTransactions, "transactions: DESCRIBE transactional id; DESCRIBE topic for what is shown"),
    (ApiKey::ListTransactions, "transactions: DESCRIBE transactional id for each"),
    (ApiKey::ConsumerGroupHeartbeat, "groups: READ group; DESCRIBE topic"),
    (ApiKey::ConsumerGroupDescribe, "groups: DESCRIBE group; DESCRIBE topic"),
    (ApiKey::ListConfigResources, "cluster: DESCRIBE_CONFIGS cluster"),
    (ApiKey::DescribeTopicPartitions, "topics: DESCRIBE topic"),
];

/// What one user may do, as of the beginning of a request.
pub(super) struct Access {
    acls: Arc<Acls>,
    user: String,
    host: String,
}

impl Access {
    /// `None` where everything is allowed.
    pub fn of(call: &Call<'_>) -> Option<Self> {
        let authorizer = call.node.authorizer.as_ref()?;
        if call.peer.session.is_trusted {
            return None;
        }
        let host = call.peer.host.trim_start_matches('/').to_owned();
        Some(Self { acls: authorizer.acls(), user: call.peer.session.user.clone(), host })
    }

    pub fn may(&self, operation: Operation, resource: Resource, name: &str) -> bool {
        let allowed = self.acls.allows(&self.user, &self.host, operation, resource, name);
        if !allowed {
            debug!(user = %self.user, host = %self.host, ?operation, ?resource, name, "denied");
        }
        allowed
    }

    pub fn may_any(&self, operation: Operation, resource: Resource) -> bool {
        self.acls.allows_any(&self.user, &self.host, operation, resource)
    }

    pub fn topic(&self, operation: Operation, name: &str) -> bool {
        self.may(operation, Resource::Topic, name)
    }

    pub fn group(&self, operation: Operation, name: &str) -> bool {
        self.may(operation, Resource::Group, name)
    }

    pub fn cluster(&self, operation: Operation) -> bool {
        self.may(operation, Resource::Cluster, CLUSTER)
    }

    pub fn transactional_id(&self, operation: Operation, id: &str) -> bool {
        self.may(operation, Resource::TransactionalId, id)
    }
}

/// The field of authorised operations: a bit for each.
pub(super) fn authorized_operations(access: Option<&Access>, resource: Resource, name: &str) -> i32 {
    let allowed = operations_of(resource).iter().filter(|operation| {
        access.is_none_or(|access| access.acls.allows(&access.user, &access.host, **operation, resource, name))
    });
    allowed.fold(0, |bits, operation| bits | 1 << (*operation as i32))
}

/// Completes an answer.
pub(super) type Amend<R> = Box<dyn FnOnce(&mut R) + Send>;

/// What becomes of a request.
pub(super) enum Verdict<R> {
    /// It is carried out as it is.
    Everything,
    /// What is left of it is carried out, and the answer completed.
    Rest(Amend<R>),
    /// Nothing of it; this is the answer.
    Nothing(R),
}

impl<R> Verdict<R> {
    /// Completes the answer of what was left.
    pub fn amend(self, response: &mut R) {
        if let Self::Rest(amend) = self {
            amend(response);
        }
    }
}

/// Checks a request, and takes out of it what is not allowed.
pub(super) fn check<Q, R>(
    call: &Call<'_>,
    request: &mut Q,
    rule: impl FnOnce(&Access, &Call<'_>, &mut Q) -> Verdict<R>,
) -> Verdict<R> {
    match Access::of(call) {
        Some(access) => rule(&access, call, request),
        None => Verdict::Everything,
    }
}

/// What is left of a request that its handler reads by itself.
pub(super) enum Narrowed<R> {
    /// To be carried out; the answer may have to be completed.
    Rest(Incoming, Option<Amend<R>>),
    /// The answer.
    Refused(Reply),
}

/// As [`check`], for handlers that take a request as it came.
pub(super) fn narrow<Q: Decodable + Encodable, R: Encodable>(
    call: &Call<'_>,
    mut incoming: Incoming,
    rule: impl FnOnce(&Access, &Call<'_>, &mut Q) -> Verdict<R>,
) -> Result<Narrowed<R>, Rejected> {
    let Some(access) = Access::of(call) else { return Ok(Narrowed::Rest(incoming, None)) };
    let mut request: Q = incoming.decode()?;
    match rule(&access, call, &mut request) {
        Verdict::Everything => Ok(Narrowed::Rest(incoming, None)),
        Verdict::Nothing(response) => incoming.answer(&response).map(Narrowed::Refused),
        Verdict::Rest(amend) => {
            let mut body = BytesMut::new();
            // It was read in this version, and has less in it now.
            request.encode(&mut body, incoming.version()).map_err(|_| Rejected::Unacknowledged)?;
            incoming.body = body.freeze();
            Ok(Narrowed::Rest(incoming, Some(amend)))
        }
    }
}

/// Completes an answer that is a frame already, or will be. A Produce request without acknowledgement of which
/// something was refused closes its connection.
pub(super) fn amended<R: Decodable + Encodable + 'static>(
    api: ApiKey,
    version: i16,
    reply: Reply,
    amend: Option<Amend<R>>,
) -> Result<Reply, Rejected> {
    let Some(amend) = amend else { return Ok(reply) };
    let complete = move |answer: Answer| -> Result<Answer, Rejected> {
        let mut frame: Bytes = answer.frame.slice(4..);
        let correlation = frame::decode_response_header(api, version, &mut frame)?;
        let mut response: R = frame::decode_response(api, version, frame)?;
        amend(&mut response);
        Ok(Answer { frame: frame::encode_response(api, version, correlation, &response)?, ..answer })
    };
    match reply {
        Reply::Now(answer) => complete(answer).map(Reply::Now),
        Reply::Later(later) => Ok(Reply::Later(later.then(complete))),
        Reply::Silence => Err(Rejected::Unacknowledged),
    }
}

/// Takes out what `keep` does not want, and gives it back.
fn split<T>(all: &mut Vec<T>, keep: impl Fn(&T) -> bool) -> Vec<T> {
    let (kept, refused) = mem::take(all).into_iter().partition(keep);
    *all = kept;
    refused
}

const TOPIC_REFUSED: i16 = ErrorCode::TOPIC_AUTHORIZATION_FAILED.get();
const GROUP_REFUSED: i16 = ErrorCode::GROUP_AUTHORIZATION_FAILED.get();
const CLUSTER_REFUSED: i16 = ErrorCode::CLUSTER_AUTHORIZATION_FAILED.get();
const ID_REFUSED: i16 = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.get();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_that_is_served_says_what_it_asks_of_its_user() {
        let served: Vec<ApiKey> = super::super::table::SERVED.iter().map(|served| served.api).collect();
        let listed: Vec<ApiKey> = REQUIRED.iter().map(|(api, _)| *api).collect();
        assert_eq!(listed, served);
    }
}
