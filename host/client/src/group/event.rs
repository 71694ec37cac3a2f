//! What a member is made of, and what it is told.

use std::time::Duration;

use bytes::Bytes;

use crate::{cluster::RequestError, kafka_error::ErrorCode};

/// How a member presents itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupConfig {
    /// `group.id`: names the group in the cluster, and in its access rules.
    pub group_id: String,
    /// Makes the member a static one: a restart within the session timeout causes no rebalance.
    pub group_instance_id: Option<String>,
    /// `consumer`, `connect` and so on.
    pub protocol_type: String,
    /// Time without a heartbeat after which the coordinator drops the member.
    pub session_timeout: Duration,
    /// Time that members have to join again when the group rebalances.
    pub rebalance_timeout: Duration,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// Longest time between two calls of [`GroupMember::touch`] before the member leaves; `None` for no limit.
    pub max_poll_interval: Option<Duration>,
}

/// One way in which a member can work with the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupProtocol {
    /// Its name; the group chooses one that all members have.
    pub name: String,
    /// What the leader needs to know about the member.
    pub metadata: Bytes,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinedMember {
    /// The id its coordinator gave it.
    pub member_id: String,
    /// Its own id, if it is a static member.
    pub group_instance_id: Option<String>,
    /// What it said about itself for the chosen protocol.
    pub metadata: Bytes,
}

/// What happens to a member.
#[derive(Clone, Debug)]
pub enum GroupEvent {
    /// This member leads the new generation: answer with [`GroupMember::assign`].
    Elected {
        /// Counts the group's rebalances; requests that carry an older one are refused.
        generation: i32,
        /// The chosen protocol.
        protocol: String,
        /// All members, this one included.
        members: Vec<JoinedMember>,
        /// Whether they keep what an earlier leader gave them, since this static member has taken its predecessor's
        /// place in a generation that goes on (KIP-814): no answer is waited for.
        keeps: bool,
    },
    /// The generation is complete and this is the member's part.
    Assigned {
        /// Counts the group's rebalances; requests that carry an older one are refused.
        generation: i32,
        /// The chosen protocol.
        protocol: String,
        /// This member's id.
        member_id: String,
        /// Whether this member leads.
        leader: bool,
        /// Who leads.
        leader_id: String,
        /// What the leader gave it to do; empty if nothing.
        assignment: Bytes,
    },
    /// The group rebalances: give up what has to be given up, then [`GroupMember::join`] again. Heartbeats go
    /// on meanwhile.
    RebalanceNeeded,
    /// The group has gone on without this member, and what it was given belongs to others: stop without
    /// committing, then join again.
    Lost(LostReason),
    /// The membership is over.
    Failed(GroupError),
}

/// Why a group went on without a member.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum LostReason {
    /// The coordinator says so.
    #[error("the group has expelled this member")]
    Expelled { source: ErrorCode },
    /// Polls came too slowly, so the member left.
    #[error("no poll for more than max.poll.interval.ms ({} ms)", interval.as_millis())]
    PollInterval { interval: Duration },
    /// The coordinator could not be reached for a whole session timeout.
    #[error("the coordinator was out of reach for session.timeout.ms ({} ms)", timeout.as_millis())]
    SessionTimeout { timeout: Duration },
}

/// Why a membership failed.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupError {
    /// The coordinator refuses the member for good.
    #[error("join group {group_id}")]
    Refused { group_id: String, source: ErrorCode },
    /// The coordinator cannot be asked, and trying again cannot help.
    #[error("join group {group_id}")]
    Request { group_id: String, source: RequestError },
    /// The task behind the membership ended unexpectedly.
    #[error("the membership in group {group_id} ended")]
    Ended { group_id: String },
}

impl GroupError {
    /// Full name of the exception class that Java clients raise.
    pub fn java_class(&self) -> String {
        match self {
            Self::Refused { source, .. } => source.java_class(),
            Self::Request { source, .. } => source.java_class(),
            Self::Ended { .. } => "org.apache.kafka.common.KafkaException".to_owned(),
        }
    }
}
