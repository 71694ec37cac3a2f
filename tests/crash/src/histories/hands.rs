//! What can carry out a client's actions: our own client, or a foreign one in a process of its own.

use std::sync::Arc;

use checker::{Action, Isolation, Outcome, Partition};
use millstream_record::TopicName;

use super::{
    foreign::{Foreign, Peer},
    ours::Ours,
};

/// The topics behind the partitions of a history.
#[derive(Debug)]
pub struct Layout(pub Vec<(TopicName, i32)>);

impl Layout {
    pub fn place(&self, partition: Partition) -> (TopicName, i32) {
        self.0[partition.0 as usize].clone()
    }

    /// The number of a partition.
    ///
    /// # Panics
    ///
    /// It is none of the history's.
    pub fn number(&self, topic: &str, index: i32) -> Partition {
        let at = self.0.iter().position(|(name, number)| name.as_str() == topic && *number == index);
        Partition(at.unwrap_or_else(|| panic!("{topic}-{index} is none of the history's")) as u32)
    }
}

/// Where a client's partitions come from when it subscribes.
#[derive(Clone, Debug)]
pub enum Membership {
    /// It does not.
    None,
    /// The group divides the topics of these partitions.
    Member(String, Vec<Partition>),
    /// It has exactly these, from where the group is.
    Fixed(String, Vec<Partition>),
}

/// One life of a client.
#[derive(Clone, Debug)]
pub struct Setup {
    pub address: String,
    pub layout: Arc<Layout>,
    pub isolation: Isolation,
    pub membership: Membership,
    /// Whether a foreign client joins its group by the consumer protocol (KIP-848).
    pub consumer_protocol: bool,
    pub transactional_id: Option<String>,
    pub transaction_timeout_ms: u64,
    pub delivery_timeout_ms: u64,
}

impl Setup {
    pub fn group(&self) -> Option<&str> {
        match &self.membership {
            Membership::None => None,
            Membership::Member(group, _) | Membership::Fixed(group, _) => Some(group),
        }
    }
}

/// What carries out actions.
pub enum Hands {
    Ours(Box<Ours>),
    Foreign(Foreign),
}

impl Hands {
    /// Ready to be opened.
    pub fn new(setup: Setup, foreign: Option<Peer>) -> Self {
        match foreign {
            Some(peer) => Self::Foreign(Foreign::start(setup, peer)),
            None => Self::Ours(Box::new(Ours::new(setup))),
        }
    }

    /// Does it, and says what came of it and why it failed. Dropping the future leaves open what happens.
    pub async fn perform(&mut self, action: &Action) -> (Outcome, String) {
        match self {
            Self::Ours(ours) => ours.perform(action).await,
            Self::Foreign(foreign) => foreign.perform(action).await,
        }
    }

    /// Where our own client is in a partition.
    ///
    /// # Errors
    ///
    /// It cannot be told; another client does not tell it.
    pub async fn position(&mut self, partition: Partition) -> Result<i64, String> {
        match self {
            Self::Ours(ours) => ours.position(partition).await,
            Self::Foreign(_) => Err("the foreign client does not tell its position".to_owned()),
        }
    }

    /// Its process, where it has one.
    pub fn process(&self) -> Option<u32> {
        match self {
            Self::Ours(_) => None,
            Self::Foreign(foreign) => Some(foreign.process()),
        }
    }
}
