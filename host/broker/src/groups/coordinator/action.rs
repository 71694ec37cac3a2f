//! What the coordinator wants to have done: answers for those who wait, and records to write.

use super::{
    consumer::{HeartbeatAnswer, Record, Refused},
    messages::{JoinAnswer, SyncAnswer},
};
use crate::groups::records::{RecordKey, StoredGroup};

/// Stands for a request that waits for its answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket(pub u64);

/// What has to be done now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Answer a JoinGroup request.
    AnswerJoin {
        /// Who waits.
        to: Ticket,
        /// The answer.
        answer: JoinAnswer,
    },
    /// Answer a SyncGroup request.
    AnswerSync {
        /// Who waits.
        to: Ticket,
        /// The answer.
        answer: SyncAnswer,
    },
    /// Answer a ConsumerGroupHeartbeat request.
    AnswerHeartbeat {
        /// Who waits.
        to: Ticket,
        /// The answer.
        answer: Result<HeartbeatAnswer, Refused>,
    },
    /// Append these records of a group of the consumer protocol as one batch, and report
    /// [`Coordinator::appended`](super::Coordinator::appended) when they are durable.
    Append {
        /// Group id.
        group: String,
        /// To be given back.
        append: u64,
        /// What to write.
        records: Vec<Record>,
    },
    /// Append the group's metadata, behind deletions of these records, and report
    /// [`Coordinator::stored`](super::Coordinator::stored) when it is durable.
    Store {
        /// Group id.
        group: String,
        /// To be given back.
        store: u64,
        /// Records of the consumer group that it was.
        delete: Vec<RecordKey>,
        /// What to write.
        record: StoredGroup,
    },
    /// Append deletions of these records, and report [`Coordinator::forgotten`] when they are durable.
    ///
    /// [`Coordinator::forgotten`]: super::Coordinator::forgotten
    Forget {
        /// Group id.
        group: String,
        /// To be given back.
        forget: u64,
        /// Which records: offsets, and all others of the group if it is deleted.
        keys: Vec<RecordKey>,
    },
}

/// Collects what an event brings about.
pub(super) struct Outbox<'a> {
    pub actions: &'a mut Vec<Action>,
    pub next_id: &'a mut u64,
}

impl Outbox<'_> {
    pub fn join(&mut self, to: Ticket, answer: JoinAnswer) {
        self.actions.push(Action::AnswerJoin { to, answer });
    }

    pub fn fresh_id(&mut self) -> u64 {
        *self.next_id += 1;
        *self.next_id
    }

    pub fn sync(&mut self, to: Ticket, answer: SyncAnswer) {
        self.actions.push(Action::AnswerSync { to, answer });
    }
}
