//! One file per API of the Kafka protocol, and the table of what is served.
//!
//! A request is decoded here, handed to its file, and its answer encoded. Produce and OffsetCommit answer in two
//! steps: what they do to the log happens at once and in order, and the wait for the disk goes on while the
//! connection reads its next request.

mod access;
mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod client_quotas;
mod configs;
mod consumer_groups;
mod create_partitions;
mod create_topics;
mod delegation_tokens;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod fetch_session;
mod find_coordinator;
mod groups_admin;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod reassignments;
pub mod sasl;
mod scram_users;
mod share_state;
mod sync_group;
mod table;
mod throttle;
mod topic_ids;
mod txn_offset_commit;
mod unserved;
mod update_features;
mod write_txn_markers;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use millstream_log::BatchRest;
use millstream_wire::{
    frame::{self, DecodeError, EncodeError},
    newer::encode_log_dirs_response,
    protocol::{
        messages::{
            ApiKey, BrokerId, CreateDelegationTokenRequest, DescribeClusterRequest, DescribeDelegationTokenRequest,
            ExpireDelegationTokenRequest, FetchResponse, RenewDelegationTokenRequest, RequestHeader, TopicName,
        },
        protocol::{Encodable, StrBytes},
    },
};

use access::{Narrowed, Verdict};
use topic_ids::ByIds;

use crate::{
    budget::Reservation,
    changes::Interrupted,
    config::listener::Endpoint,
    groups::coordinator::ConnectionId,
    node::Node,
    partition::{OwedSync, PartitionId},
    security::session::Session,
};

/// Who sent a request, and where clients of the same listener are told to connect.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `/` and the address, or [`crate::groups::EMBEDDED_HOST`].
    pub host: String,
    /// What Metadata and FindCoordinator answer on this connection.
    pub advertised: Endpoint,
    /// Number of the connection; newer ones have higher numbers.
    pub connection: u64,
    /// Who it is.
    pub session: Arc<Session>,
}

/// What every API gets to see besides its own request.
pub struct Call<'a> {
    /// The broker.
    pub node: &'a Arc<Node>,
    /// The other end.
    pub peer: &'a Peer,
    /// Version of request and answer.
    pub version: i16,
    /// As the client calls itself; may be empty.
    pub client_id: &'a str,
    /// What may be waited for on this thread.
    pub blocking: Blocking,
    /// How long the client has to wait for being over a quota, in milliseconds, as far as that is known already.
    pub over_ms: AtomicU64,
}

impl Call<'_> {
    /// The connection that the request came on.
    fn via(&self) -> ConnectionId {
        ConnectionId(self.peer.connection)
    }
}

/// What whoever handles a request may wait for, with everything else that it serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blocking {
    /// Nothing: others are served, too.
    Never,
    /// The disk of one partition: whatever else there is to do waits for that as well.
    On(PartitionId),
    /// Any disk: there is nothing else to do.
    Anything,
}

impl Blocking {
    /// Whether it may wait for the disk of this partition.
    pub fn allows(self, partition: PartitionId) -> bool {
        match self {
            Self::Never => false,
            Self::On(one) => one == partition,
            Self::Anything => true,
        }
    }
}

/// What becomes of a request.
pub enum Reply {
    /// The answer.
    Now(Answer),
    /// The answer will follow; requests behind it may be begun meanwhile.
    Later(Later),
    /// There is no answer to this request (acks=0).
    Silence,
}

/// A whole frame, and the memory that it takes out of the budget until it is written.
pub struct Answer {
    /// As it is written: the frame, or its beginning.
    pub frame: Bytes,
    /// The pieces of the frame that follow, records among them, which are not copied.
    pub more: Vec<Bytes>,
    /// What is still to be read when it is written.
    pub unread: Option<Unread>,
    /// How long its client has to wait for being over a quota that was held against it already, in milliseconds.
    pub over_ms: u64,
    /// Given back with the answer.
    pub _room: Option<Reservation>,
}

impl Answer {
    fn whole(frame: Bytes) -> Self {
        Self { frame, more: Vec::new(), unread: None, over_ms: 0, _room: None }
    }
}

/// The rest of a batch, at its place in an answer.
pub struct Unread {
    /// How many pieces come before it, the first among them.
    pub after: usize,
    /// The bytes.
    pub rest: BatchRest,
}

/// The answer to a fetch before it is encoded.
struct Answered {
    response: FetchResponse,
    /// What follows its first records.
    rest: Option<BatchRest>,
    /// The memory that its records take.
    room: Option<Reservation>,
}

impl Answered {
    /// One without records.
    fn empty(response: FetchResponse) -> Self {
        Self { response, rest: None, room: None }
    }
}

/// An answer that waits for the disk.
pub struct Later {
    /// The answer, or what will be it.
    pub answer: Expected,
    /// The partition that it waits for, if it is one alone.
    pub partition: Option<PartitionId>,
    /// The sync that it waits for, if that is left to the thread which appended.
    pub owed_sync: Option<OwedSync>,
}

/// An answer that may be there.
pub enum Expected {
    /// Not yet.
    Coming(Pin<Box<dyn Future<Output = Result<Answer, Rejected>> + Send>>),
    /// It is there.
    There(Answer),
    /// There will be none.
    Failed(Rejected),
}

impl Later {
    fn new(
        partition: Option<PartitionId>,
        answer: impl Future<Output = Result<Answer, Rejected>> + Send + 'static,
    ) -> Self {
        Self { answer: Expected::Coming(Box::pin(answer)), partition, owed_sync: None }
    }

    /// The answer as something else makes it.
    fn then(self, complete: impl FnOnce(Answer) -> Result<Answer, Rejected> + Send + 'static) -> Self {
        let answer = match self.answer {
            Expected::Coming(coming) => Expected::Coming(Box::pin(async move { complete(coming.await?) })),
            Expected::There(answer) => complete(answer).map_or_else(Expected::Failed, Expected::There),
            Expected::Failed(rejected) => Expected::Failed(rejected),
        };
        Self { answer, ..self }
    }

    /// Whether it is known what the answer is; otherwise the task is woken when that may be so.
    pub fn poll_known(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Expected::Coming(coming) = &mut self.answer {
            self.answer = match ready!(coming.as_mut().poll(context)) {
                Ok(answer) => Expected::There(answer),
                Err(rejected) => Expected::Failed(rejected),
            };
        }
        Poll::Ready(())
    }
}

/// Why a connection is closed instead of a request answered.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// Not a request that can be read.
    #[error("the request cannot be read")]
    Decode {
        /// What is wrong with it.
        #[from]
        source: DecodeError,
    },
    /// A request whose header can be read, and the rest cannot.
    #[error("{api:?} version {version} of client {client:?} cannot be read")]
    Body {
        /// The API.
        api: ApiKey,
        /// Its version.
        version: i16,
        /// As the client calls itself, or the beginning of that.
        client: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// An API or version that was not offered.
    #[error("{api:?} version {version}, which client {client:?} asks for, is not served")]
    NotServed {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
        /// As the client calls itself, or the beginning of that.
        client: String,
    },
    /// The answer does not fit its own format.
    #[error("the answer cannot be written")]
    Encode {
        /// What is wrong with it.
        #[from]
        source: EncodeError,
    },
    /// A fault in the program, which was reported.
    #[error("the request was not carried out to its end")]
    Interrupted {
        /// What happened.
        #[from]
        source: Interrupted,
    },
    /// The producer has gone on upon another connection since it sent this.
    #[error("a request of transactional producer '{id}' came late, after others of it on a newer connection")]
    Late {
        /// The transactional id.
        id: String,
    },
    /// The time of an authentication is over, and the client asks for something else than another one.
    #[error("the session is over (connections.max.reauth.ms)")]
    SessionOver,
    /// A Produce request that wants no answer failed; closing is how its client finds out.
    #[error("a request without acknowledgement failed")]
    Unacknowledged,
}

/// Frames of so many bytes are not kept for the sake of a text in them.
const LEAST_LARGE: usize = 64 << 10;

/// Most characters of a client's name for itself that stand in a message.
const MOST_SHOWN: usize = 100;

/// As a client calls itself, for a message.
fn client_of(header: &RequestHeader) -> String {
    header.client_id.as_ref().map(|id| id.chars().take(MOST_SHOWN).collect()).unwrap_or_default()
}

/// One decoded header with the bytes behind it.
pub struct Incoming {
    api: ApiKey,
    header: RequestHeader,
    body: Bytes,
    blocking: Blocking,
    /// The memory that it takes, for whatever work goes on without the connection.
    room: Option<Arc<Reservation>>,
}

impl Incoming {
    /// Reads the header of a frame and checks that the API is served in this version.
    ///
    /// # Errors
    ///
    /// The connection is to be closed.
    pub fn read(mut frame: Bytes) -> Result<Self, Rejected> {
        let large = LEAST_LARGE <= frame.len();
        let (api, mut header) = frame::decode_request_header(&mut frame)?;
        if large {
            // What is kept of a large frame until it is answered must not keep all of it.
            header.client_id = header.client_id.map(|id| text(id.as_str()));
        }
        let version = header.request_api_version;
        // ApiVersions answers versions that it does not know, so that the client can try a lower one.
        if api != ApiKey::ApiVersions && !table::serves(api, version) {
            return Err(Rejected::NotServed { api, version, client: client_of(&header) });
        }
        Ok(Self { api, header, body: frame, blocking: Blocking::Never, room: None })
    }

    /// Whether records are to be appended.
    pub fn is_produce(&self) -> bool {
        self.api == ApiKey::Produce
    }

    /// Says what may be waited for on the thread that handles this.
    pub fn blocking(mut self, blocking: Blocking) -> Self {
        self.blocking = blocking;
        self
    }

    /// Says which memory it takes.
    pub fn in_room(mut self, room: Option<Arc<Reservation>>) -> Self {
        self.room = room;
        self
    }

    /// Whether requests of this kind may be begun while earlier ones wait for the disk.
    pub fn may_overlap(&self) -> bool {
        matches!(self.api, ApiKey::Produce | ApiKey::OffsetCommit | ApiKey::TxnOffsetCommit)
    }

    /// Whether the request may change what the broker keeps, and is answered without waiting for other clients. Such
    /// a request is carried out to its end whatever becomes of the connection. (Joining and syncing a group wait for
    /// others, and Produce and OffsetCommit have handed over all they change when they first wait.)
    fn is_change(&self) -> bool {
        matches!(
            self.api,
            ApiKey::Metadata
                | ApiKey::FindCoordinator
                | ApiKey::DeleteGroups
                | ApiKey::OffsetDelete
                | ApiKey::CreateTopics
                | ApiKey::DeleteTopics
                | ApiKey::CreatePartitions
                | ApiKey::DeleteRecords
                | ApiKey::InitProducerId
                | ApiKey::AddPartitionsToTxn
                | ApiKey::AddOffsetsToTxn
                | ApiKey::EndTxn
                | ApiKey::WriteTxnMarkers
                | ApiKey::UpdateFeatures
                | ApiKey::AlterConfigs
                | ApiKey::IncrementalAlterConfigs
                | ApiKey::AlterUserScramCredentials
                | ApiKey::AlterClientQuotas
                | ApiKey::CreateAcls
                | ApiKey::DeleteAcls
        )
    }

    fn version(&self) -> i16 {
        self.header.request_api_version
    }

    fn decode<B: millstream_wire::protocol::protocol::Decodable>(&self) -> Result<B, Rejected> {
        frame::decode_request(self.api, self.version(), self.body.clone()).map_err(|source| self.cannot_be_read(source))
    }

    fn cannot_be_read(&self, source: DecodeError) -> Rejected {
        Rejected::Body { api: self.api, version: self.version(), client: client_of(&self.header), source }
    }

    fn answer<B: Encodable>(&self, body: &B) -> Result<Reply, Rejected> {
        Ok(Reply::Now(self.encode(body)?))
    }

    fn encode<B: Encodable>(&self, body: &B) -> Result<Answer, Rejected> {
        Ok(Answer::whole(frame::encode_response(self.api, self.version(), self.header.correlation_id, body)?))
    }
}

/// Carries out a request. Dropping the future drops what is parked; a change that was begun goes on to its end.
///
/// # Errors
///
/// The connection is to be closed.
pub async fn handle(node: &Arc<Node>, peer: &Peer, incoming: Incoming) -> Result<Reply, Rejected> {
    sasl::check_session(peer, &incoming)?;
    if node.quotas.are_set() && !peer.session.is_trusted {
        return throttle::handle(node, peer, incoming).await;
    }
    carry_out(node, peer, incoming).await
}

async fn carry_out(node: &Arc<Node>, peer: &Peer, incoming: Incoming) -> Result<Reply, Rejected> {
    if !incoming.is_change() {
        return dispatch(node, peer, incoming).await;
    }
    let (owner, peer) = (Arc::clone(node), peer.clone());
    node.changes.run("a request", async move { dispatch(&owner, &peer, incoming).await }).await?
}

/// The answer of a handler to what its user may ask for.
macro_rules! guarded {
    ($call:expr, $it:expr, $rule:expr, |$request:ident| $handled:expr) => {{
        #[allow(unused_mut, reason = "some rules leave a request as it is")]
        let mut $request = $it.decode()?;
        match access::check($call, &mut $request, $rule) {
            Verdict::Nothing(response) => $it.answer(&response),
            verdict => {
                let mut response = $handled;
                verdict.amend(&mut response);
                $it.answer(&response)
            }
        }
    }};
}

async fn dispatch(node: &Arc<Node>, peer: &Peer, mut incoming: Incoming) -> Result<Reply, Rejected> {
    let by_ids = ByIds::take(node, &mut incoming)?;
    let client_id = incoming.header.client_id.clone().unwrap_or_default();
    let call = Call {
        node,
        peer,
        version: incoming.version(),
        client_id: client_id.as_str(),
        blocking: incoming.blocking,
        over_ms: AtomicU64::new(0),
    };
    let mut reply = reply_to(&call, incoming).await?;
    if let Some(by_ids) = by_ids {
        reply = by_ids.answer(node, reply)?;
    }
    if let Reply::Now(answer) = &mut reply {
        answer.over_ms = answer.over_ms.max(call.over_ms.load(Ordering::Relaxed));
    }
    Ok(reply)
}

async fn reply_to(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Rejected> {
    let it = &incoming;
    match incoming.api {
        ApiKey::Produce => match access::narrow(call, incoming, access::produce)? {
            Narrowed::Refused(reply) => Ok(reply),
            Narrowed::Rest(incoming, amend) => {
                access::amended(ApiKey::Produce, call.version, produce::handle(call, incoming).await?, amend)
            }
        },
        ApiKey::OffsetCommit => match access::narrow(call, incoming, access::offset_commit)? {
            Narrowed::Refused(reply) => Ok(reply),
            Narrowed::Rest(incoming, amend) => {
                access::amended(ApiKey::OffsetCommit, call.version, offset_commit::handle(call, incoming).await?, amend)
            }
        },
        ApiKey::Fetch => {
            let mut request = it.decode()?;
            let context = match fetch_session::begin(call, &mut request) {
                Ok(context) => context,
                Err(response) => return it.answer(&response),
            };
            let mut answered = match access::check(call, &mut request, access::fetch) {
                Verdict::Nothing(response) => Answered::empty(response),
                verdict => {
                    throttle::cap_fetch(call, &mut request);
                    let mut answered = fetch::handle(call, request).await;
                    verdict.amend(&mut answered.response);
                    answered
                }
            };
            let over_ms = throttle::over_fetch_quota(call, &context, &answered);
            if over_ms == 0 {
                // Without its records there is no place for their rest.
                if !fetch_session::complete(call, context, &mut answered.response) {
                    answered = Answered::empty(answered.response);
                }
            } else {
                answered = Answered::empty(fetch_session::hold_back(call, &context));
            }
            let Answered { response, rest, room } = answered;
            let missing = rest.as_ref().map_or(0, BatchRest::len);
            let encoded = frame::encode_fetch_response(it.version(), it.header.correlation_id, response, missing)?;
            let unread = rest.map(|rest| Unread { after: encoded.before_missing, rest });
            let mut pieces = encoded.pieces.into_iter();
            let frame = pieces.next().unwrap_or_default();
            Ok(Reply::Now(Answer { frame, more: pieces.collect(), unread, over_ms, _room: room }))
        }
        ApiKey::ListOffsets => {
            guarded!(call, it, access::list_offsets, |request| list_offsets::handle(call, request).await)
        }
        ApiKey::Metadata => guarded!(call, it, access::metadata, |request| {
            let (cluster, topics) =
                (request.include_cluster_authorized_operations, request.include_topic_authorized_operations);
            let mut response = metadata::handle(call, request).await;
            access::metadata_operations(call, cluster, topics, &mut response);
            response
        }),
        ApiKey::OffsetFetch => guarded!(call, it, access::offset_fetch, |request| offset_fetch::handle(call, request)),
        ApiKey::FindCoordinator => {
            guarded!(call, it, access::find_coordinator, |request| find_coordinator::handle(call, request).await)
        }
        ApiKey::JoinGroup => guarded!(call, it, access::join_group, |request| join_group::handle(call, request).await),
        ApiKey::SyncGroup => guarded!(call, it, access::sync_group, |request| sync_group::handle(call, request).await),
        ApiKey::Heartbeat => guarded!(call, it, access::heartbeat, |request| heartbeat::handle(call, &request)),
        ApiKey::LeaveGroup => guarded!(call, it, access::leave_group, |request| leave_group::handle(call, request)),
        ApiKey::ConsumerGroupHeartbeat => {
            guarded!(call, it, access::consumer_group_heartbeat, |request| consumer_groups::heartbeat(call, request)
                .await)
        }
        ApiKey::ConsumerGroupDescribe => guarded!(call, it, access::consumer_group_describe, |request| {
            let asked = request.include_authorized_operations;
            let mut response = consumer_groups::describe(call, request);
            access::consumer_group_operations(call, asked, &mut response);
            response
        }),
        ApiKey::DescribeGroups => guarded!(call, it, access::describe_groups, |request| {
            let asked = request.include_authorized_operations;
            let mut response = groups_admin::describe(call, request);
            access::group_operations(call, asked, &mut response);
            response
        }),
        ApiKey::ListGroups => guarded!(call, it, access::list_groups, |request| groups_admin::list(call, &request)),
        ApiKey::DeleteGroups => {
            guarded!(call, it, access::delete_groups, |request| groups_admin::delete(call, request).await)
        }
        ApiKey::OffsetDelete => {
            guarded!(call, it, access::offset_delete, |request| offset_delete::handle(call, request).await)
        }
        ApiKey::ApiVersions => api_versions::handle(call, &incoming),
        ApiKey::CreateTopics => {
            guarded!(call, it, access::create_topics, |request| create_topics::handle(call, request).await)
        }
        ApiKey::DeleteTopics => {
            guarded!(call, it, access::delete_topics, |request| delete_topics::handle(call, request).await)
        }
        ApiKey::CreatePartitions => {
            guarded!(call, it, access::create_partitions, |request| create_partitions::handle(call, request).await)
        }
        ApiKey::DeleteRecords => {
            guarded!(call, it, access::delete_records, |request| delete_records::handle(call, request).await)
        }
        ApiKey::InitProducerId => {
            guarded!(call, it, access::init_producer_id, |request| init_producer_id::handle(call, &request).await)
        }
        ApiKey::AddPartitionsToTxn => {
            guarded!(call, it, access::add_partitions_to_txn, |request| add_partitions_to_txn::handle(call, request)
                .await?)
        }
        ApiKey::AddOffsetsToTxn => {
            guarded!(call, it, access::add_offsets_to_txn, |request| add_offsets_to_txn::handle(call, &request).await?)
        }
        ApiKey::EndTxn => guarded!(call, it, access::end_txn, |request| end_txn::handle(call, &request).await?),
        ApiKey::WriteTxnMarkers => {
            guarded!(call, it, access::write_txn_markers, |request| write_txn_markers::handle(call, request).await)
        }
        ApiKey::TxnOffsetCommit => match access::narrow(call, incoming, access::txn_offset_commit)? {
            Narrowed::Refused(reply) => Ok(reply),
            Narrowed::Rest(incoming, amend) => access::amended(
                ApiKey::TxnOffsetCommit,
                call.version,
                txn_offset_commit::handle(call, incoming).await?,
                amend,
            ),
        },
        ApiKey::DescribeProducers => {
            guarded!(call, it, access::describe_producers, |request| describe_producers::handle(call, request).await)
        }
        ApiKey::DescribeTransactions => {
            guarded!(call, it, access::describe_transactions, |request| describe_transactions::describe(call, request))
        }
        ApiKey::ListTransactions => {
            guarded!(call, it, access::list_transactions, |request| describe_transactions::list(call, request))
        }
        ApiKey::UpdateFeatures => {
            guarded!(call, it, access::update_features, |request| update_features::handle(call, request).await)
        }
        ApiKey::OffsetForLeaderEpoch => {
            guarded!(call, it, access::offset_for_leader_epoch, |request| offset_for_leader_epoch::handle(
                call, request
            ))
        }
        ApiKey::DescribeConfigs => {
            guarded!(call, it, access::describe_configs, |request| configs::describe(call, request))
        }
        ApiKey::AlterConfigs => {
            guarded!(call, it, access::alter_configs, |request| configs::alter(call, request).await)
        }
        ApiKey::IncrementalAlterConfigs => {
            guarded!(call, it, access::incremental_alter_configs, |request| configs::incremental_alter(call, request)
                .await)
        }
        ApiKey::DescribeCluster => {
            let request: DescribeClusterRequest = it.decode()?;
            let mut response = describe_cluster::handle(call, &request);
            access::cluster_operations(call, request.include_cluster_authorized_operations, &mut response);
            it.answer(&response)
        }
        ApiKey::DescribeLogDirs => {
            let mut request = it.decode()?;
            let response = match access::check(call, &mut request, access::describe_log_dirs) {
                Verdict::Nothing(response) => response,
                verdict => {
                    let mut response = describe_log_dirs::handle(call, request);
                    verdict.amend(&mut response);
                    response
                }
            };
            let frame = encode_log_dirs_response(it.version(), it.header.correlation_id, &response)?;
            Ok(Reply::Now(Answer::whole(frame)))
        }
        ApiKey::DescribeClientQuotas => {
            guarded!(call, it, access::describe_client_quotas, |request| client_quotas::describe(call, &request))
        }
        ApiKey::AlterClientQuotas => {
            guarded!(call, it, access::alter_client_quotas, |request| client_quotas::alter(call, request).await)
        }
        ApiKey::SaslHandshake => sasl::handshake(call, it),
        ApiKey::SaslAuthenticate => sasl::authenticate(call, it).await,
        ApiKey::DescribeUserScramCredentials => {
            guarded!(call, it, access::describe_scram, |request| scram_users::describe(call, &request))
        }
        ApiKey::AlterUserScramCredentials => {
            guarded!(call, it, access::alter_scram, |request| scram_users::alter(call, request).await)
        }
        ApiKey::DescribeAcls => guarded!(call, it, access::describe_acls, |request| acls::describe(call, &request)),
        ApiKey::CreateAcls => guarded!(call, it, access::create_acls, |request| acls::create(call, request).await),
        ApiKey::DeleteAcls => guarded!(call, it, access::delete_acls, |request| acls::delete(call, request).await),
        ApiKey::ElectLeaders => {
            guarded!(call, it, access::elect_leaders, |request| elect_leaders::handle(call, request))
        }
        ApiKey::ListPartitionReassignments => {
            guarded!(call, it, access::list_partition_reassignments, |_request| reassignments::list())
        }
        ApiKey::AlterPartitionReassignments => {
            guarded!(call, it, access::alter_partition_reassignments, |request| reassignments::alter(call, request))
        }
        ApiKey::AlterReplicaLogDirs => {
            guarded!(call, it, access::alter_replica_log_dirs, |request| reassignments::alter_log_dirs(call, request))
        }
        ApiKey::ListConfigResources => {
            guarded!(call, it, access::list_config_resources, |request| list_config_resources::handle(call, &request))
        }
        ApiKey::DescribeTopicPartitions => {
            let mut request = it.decode()?;
            let verdict = access::check(call, &mut request, access::describe_topic_partitions);
            let visible = access::visible_topics(call);
            let mut response = match verdict {
                Verdict::Nothing(response) => response,
                verdict => {
                    let mut response = describe_topic_partitions::handle(call, request, visible);
                    verdict.amend(&mut response);
                    response
                }
            };
            access::partitions_operations(call, &mut response);
            it.answer(&response)
        }
        ApiKey::CreateDelegationToken => {
            let _request: CreateDelegationTokenRequest = it.decode()?;
            it.answer(&delegation_tokens::create(call))
        }
        ApiKey::RenewDelegationToken => {
            let _request: RenewDelegationTokenRequest = it.decode()?;
            it.answer(&delegation_tokens::renew(call))
        }
        ApiKey::ExpireDelegationToken => {
            let _request: ExpireDelegationTokenRequest = it.decode()?;
            it.answer(&delegation_tokens::expire(call))
        }
        ApiKey::DescribeDelegationToken => {
            let _request: DescribeDelegationTokenRequest = it.decode()?;
            it.answer(&delegation_tokens::describe(call))
        }
        _ => unserved::handle(it),
    }
}

/// A text for a message.
fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// A topic name for a message.
fn name_of(topic: &millstream_record::TopicName) -> TopicName {
    TopicName(text(topic.as_str()))
}

fn broker_id(node: &Node) -> BrokerId {
    BrokerId(node.config.node_id)
}
