//! One file per API of the Kafka protocol, and the table of what is served.
//!
//! A request is decoded here, handed to its file, and its answer encoded. Produce and OffsetCommit answer in two
//! steps: what they do to the log happens at once and in order, and the wait for the disk goes on while the
//! connection reads its next request.

mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_log_dirs;
mod describe_producers;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod groups_admin;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
pub mod sasl;
mod scram_users;
mod sync_group;
mod table;
mod txn_offset_commit;
mod update_features;
mod write_txn_markers;

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use millstream_wire::{
    frame::{self, DecodeError, EncodeError},
    protocol::{
        messages::{ApiKey, BrokerId, RequestHeader, TopicName},
        protocol::{Encodable, StrBytes},
    },
};

use crate::{
    budget::Reservation, changes::Interrupted, config::listener::Endpoint, node::Node, security::session::Session,
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
    /// As it is written.
    pub frame: Bytes,
    /// Given back with the answer.
    pub _room: Option<Reservation>,
}

/// An answer that waits for the disk.
pub type Later = Pin<Box<dyn Future<Output = Result<Answer, Rejected>> + Send>>;

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
    /// An API or version that was not offered.
    #[error("{api:?} version {version} is not served")]
    NotServed {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
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

/// One decoded header with the bytes behind it.
pub struct Incoming {
    api: ApiKey,
    header: RequestHeader,
    body: Bytes,
}

impl Incoming {
    /// Reads the header of a frame and checks that the API is served in this version.
    ///
    /// # Errors
    ///
    /// The connection is to be closed.
    pub fn read(mut frame: Bytes) -> Result<Self, Rejected> {
        let (api, header) = frame::decode_request_header(&mut frame)?;
        let version = header.request_api_version;
        // ApiVersions answers versions that it does not know, so that the client can try a lower one.
        if api != ApiKey::ApiVersions && !table::serves(api, version) {
            return Err(Rejected::NotServed { api, version });
        }
        Ok(Self { api, header, body: frame })
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
        )
    }

    fn version(&self) -> i16 {
        self.header.request_api_version
    }

    fn decode<B: millstream_wire::protocol::protocol::Decodable>(&self) -> Result<B, DecodeError> {
        frame::decode_request(self.api, self.version(), self.body.clone())
    }

    fn answer<B: Encodable>(&self, body: &B) -> Result<Reply, Rejected> {
        Ok(Reply::Now(self.encode(body)?))
    }

    fn encode<B: Encodable>(&self, body: &B) -> Result<Answer, Rejected> {
        let frame = frame::encode_response(self.api, self.version(), self.header.correlation_id, body)?;
        Ok(Answer { frame, _room: None })
    }
}

/// Carries out a request. Dropping the future drops what is parked; a change that was begun goes on to its end.
///
/// # Errors
///
/// The connection is to be closed.
pub async fn handle(node: &Arc<Node>, peer: &Peer, incoming: Incoming) -> Result<Reply, Rejected> {
    sasl::check_session(peer, &incoming)?;
    if !incoming.is_change() {
        return dispatch(node, peer, incoming).await;
    }
    let (owner, peer) = (Arc::clone(node), peer.clone());
    node.changes.run("a request", async move { dispatch(&owner, &peer, incoming).await }).await?
}

async fn dispatch(node: &Arc<Node>, peer: &Peer, incoming: Incoming) -> Result<Reply, Rejected> {
    let client_id = incoming.header.client_id.clone().unwrap_or_default();
    let call = Call { node, peer, version: incoming.version(), client_id: client_id.as_str() };
    let it = &incoming;
    match incoming.api {
        ApiKey::Produce => produce::handle(&call, incoming).await,
        ApiKey::OffsetCommit => offset_commit::handle(&call, incoming).await,
        ApiKey::Fetch => {
            let (response, room) = fetch::handle(&call, it.decode()?).await;
            Ok(Reply::Now(Answer { _room: room, ..it.encode(&response)? }))
        }
        ApiKey::ListOffsets => it.answer(&list_offsets::handle(&call, it.decode()?).await),
        ApiKey::Metadata => it.answer(&metadata::handle(&call, it.decode()?).await),
        ApiKey::OffsetFetch => it.answer(&offset_fetch::handle(&call, it.decode()?)),
        ApiKey::FindCoordinator => it.answer(&find_coordinator::handle(&call, it.decode()?).await),
        ApiKey::JoinGroup => it.answer(&join_group::handle(&call, it.decode()?).await),
        ApiKey::SyncGroup => it.answer(&sync_group::handle(&call, it.decode()?).await),
        ApiKey::Heartbeat => it.answer(&heartbeat::handle(&call, &it.decode()?)),
        ApiKey::LeaveGroup => it.answer(&leave_group::handle(&call, it.decode()?)),
        ApiKey::DescribeGroups => it.answer(&groups_admin::describe(&call, it.decode()?)),
        ApiKey::ListGroups => it.answer(&groups_admin::list(&call, &it.decode()?)),
        ApiKey::DeleteGroups => it.answer(&groups_admin::delete(&call, it.decode()?).await),
        ApiKey::OffsetDelete => it.answer(&offset_delete::handle(&call, it.decode()?).await),
        ApiKey::ApiVersions => api_versions::handle(&call, &incoming),
        ApiKey::CreateTopics => it.answer(&create_topics::handle(&call, it.decode()?).await),
        ApiKey::DeleteTopics => it.answer(&delete_topics::handle(&call, it.decode()?).await),
        ApiKey::CreatePartitions => it.answer(&create_partitions::handle(&call, it.decode()?).await),
        ApiKey::DeleteRecords => it.answer(&delete_records::handle(&call, it.decode()?).await),
        ApiKey::InitProducerId => it.answer(&init_producer_id::handle(&call, &it.decode()?).await),
        ApiKey::AddPartitionsToTxn => it.answer(&add_partitions_to_txn::handle(&call, it.decode()?).await?),
        ApiKey::AddOffsetsToTxn => it.answer(&add_offsets_to_txn::handle(&call, &it.decode()?).await?),
        ApiKey::EndTxn => it.answer(&end_txn::handle(&call, &it.decode()?).await?),
        ApiKey::WriteTxnMarkers => it.answer(&write_txn_markers::handle(&call, it.decode()?).await),
        ApiKey::TxnOffsetCommit => txn_offset_commit::handle(&call, incoming).await,
        ApiKey::DescribeProducers => it.answer(&describe_producers::handle(&call, it.decode()?).await),
        ApiKey::DescribeTransactions => it.answer(&describe_transactions::describe(&call, it.decode()?)),
        ApiKey::ListTransactions => it.answer(&describe_transactions::list(&call, it.decode()?)),
        ApiKey::UpdateFeatures => it.answer(&update_features::handle(&call, it.decode()?).await),
        ApiKey::OffsetForLeaderEpoch => it.answer(&offset_for_leader_epoch::handle(&call, it.decode()?)),
        ApiKey::DescribeConfigs => it.answer(&configs::describe(&call, it.decode()?)),
        ApiKey::AlterConfigs => it.answer(&configs::alter(&call, it.decode()?).await),
        ApiKey::IncrementalAlterConfigs => it.answer(&configs::incremental_alter(&call, it.decode()?).await),
        ApiKey::DescribeCluster => it.answer(&describe_cluster::handle(&call, &it.decode()?)),
        ApiKey::DescribeLogDirs => it.answer(&describe_log_dirs::handle(&call, it.decode()?)),
        ApiKey::SaslHandshake => sasl::handshake(&call, it),
        ApiKey::SaslAuthenticate => sasl::authenticate(&call, it).await,
        ApiKey::DescribeUserScramCredentials => it.answer(&scram_users::describe(&call, &it.decode()?)),
        ApiKey::AlterUserScramCredentials => it.answer(&scram_users::alter(&call, it.decode()?).await),
        ApiKey::DescribeAcls => it.answer(&acls::describe()),
        ApiKey::CreateAcls => it.answer(&acls::create(&it.decode()?)),
        ApiKey::DeleteAcls => it.answer(&acls::delete(&it.decode()?)),
        ApiKey::ElectLeaders => it.answer(&elect_leaders::handle(&call, it.decode()?)),
        ApiKey::ListPartitionReassignments => it.answer(&elect_leaders::list_reassignments()),
        api => Err(Rejected::NotServed { api, version: incoming.version() }),
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
