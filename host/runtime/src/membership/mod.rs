//! To which group a worker belongs, and what its membership brings: a generation, work, the loss of both.
//!
//! [`Solo`] is a worker by itself, [`ConnectGroup`] a member of a group of type `connect`. The herder decides what to do
//! about an event; who does what is the leader's decision, which is made in [`assignor`], a plain function.

mod absences;
pub mod assignor;
mod connect;
mod solo;
mod work;

use std::time::Duration;

use async_trait::async_trait;
pub use millstream_client::GroupSession;
pub use millstream_client::group::connect_protocol::{
    Away, ConnectVersion, OwnDecision, OwnState, Share, WorkAssignment,
};

pub use absences::Absences;
pub use connect::{ConnectGroup, ConnectGroupSettings, GroupClient, InvalidGroup};
pub use solo::Solo;
pub use work::{Work, WorkSet};

/// A member as its leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// The id its coordinator gave it.
    pub id: String,
    /// Where its REST API is reached.
    pub url: String,
    /// How far it has read the config log.
    pub offset: i64,
    /// What it was given and still holds.
    pub holds: Work,
    /// What a worker of ours says besides; nothing of a Kafka Connect.
    pub own: Option<OwnState>,
}

impl Member {
    /// Whether it has said that it is about to leave.
    pub fn is_leaving(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.leaving)
    }
}

/// What the leader's decision was for this member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assigned {
    /// The generation of the group.
    pub generation: i32,
    /// Whether this worker leads.
    pub leads: bool,
    /// How members work together.
    pub version: ConnectVersion,
    /// What it was told.
    pub work: WorkAssignment,
}

/// What happens to a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MembershipEvent {
    /// This worker leads the new generation: answer with [`Membership::assign`].
    Elected {
        /// This worker's own id.
        id: String,
        /// The generation.
        generation: i32,
        /// How members work together.
        version: ConnectVersion,
        /// All members, this one included.
        members: Vec<Member>,
    },
    /// The generation is complete.
    Assigned(Assigned),
    /// The group rebalances: [`Membership::join`] again.
    RebalanceNeeded,
    /// The group has gone on without this worker, and what it holds may run elsewhere: stop it, then join again.
    /// Inside: why.
    Lost(String),
    /// The membership is over. Inside: why.
    Failed(String),
}

/// A worker's place among others.
#[async_trait]
pub trait Membership: Send {
    /// Joins, or joins again; says how far the worker has read, what it holds, and what only workers of ours are told.
    /// Returns at once.
    fn join(&mut self, offset: i64, holds: &Work, own: OwnState);

    /// The leader's answer to [`MembershipEvent::Elected`], by member id.
    fn assign(&mut self, work: Vec<(String, WorkAssignment)>);

    /// Waits for the next event. Dropping the future loses nothing.
    async fn next(&mut self) -> MembershipEvent;

    /// Whether the group has not gone on without this worker; always so for one in no group.
    fn session(&self) -> GroupSession {
        GroupSession::unlimited()
    }

    /// Leaves, within a moment.
    async fn leave(self: Box<Self>, timeout: Duration);
}
