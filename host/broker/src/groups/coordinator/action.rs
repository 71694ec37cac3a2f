//! What the coordinator wants to have done: answers for those who wait, and records to write.

use super::messages::{JoinAnswer, SyncAnswer};
use crate::groups::records::StoredGroup;

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
    /// Append the group's metadata, and report [`Coordinator::stored`] when it is durable.
    Store {
        /// Group id.
        group: String,
        /// To be given back.
        store: u64,
        /// What to write.
        record: StoredGroup,
    },
    /// Append deletions, of these offsets, and of the group itself if `whole`; and report [`Coordinator::forgotten`]
    /// when they are durable.
    ///
    /// [`Coordinator::forgotten`]: super::Coordinator::forgotten
    Forget {
        /// Group id.
        group: String,
        /// To be given back.
        forget: u64,
        /// Topics and partitions whose offsets go.
        offsets: Vec<(String, i32)>,
        /// Whether the group's metadata goes too.
        whole: bool,
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

    pub fn sync(&mut self, to: Ticket, answer: SyncAnswer) {
        self.actions.push(Action::AnswerSync { to, answer });
    }
}
