//! Server-side assignors of the consumer protocol: who is to have which partition. Plain functions of the members, their
//! subscriptions and what they were to have before.

mod range;
#[cfg(test)]
mod tests;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::groups::records::Partitions;

/// A way of assigning partitions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Assignor {
    /// As many for everybody, and as few moves as possible.
    Uniform,
    /// Neighbouring partitions of each topic; the same numbers of all topics for the same member.
    Range,
}

impl Assignor {
    /// All of them, in the order of preference where nobody says.
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The one of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Who is to have what: every member is in the answer, and every partition of a topic that somebody subscribes to is
    /// with exactly one of its subscribers.
    pub(super) fn assign(self, spec: &Spec<'_>) -> BTreeMap<String, Partitions> {
        match self {
            Self::Uniform => uniform::assign(spec),
            Self::Range => range::assign(spec),
        }
    }
}

/// What an assignor goes by.
pub(super) struct Spec<'a> {
    /// By id.
    pub members: BTreeMap<&'a str, MemberSpec<'a>>,
    /// Topics that exist, with how many partitions they have.
    pub topics: BTreeMap<Uuid, i32>,
}

/// A member, as an assignor sees it.
pub(super) struct MemberSpec<'a> {
    /// Set for static members.
    pub instance_id: Option<&'a str>,
    /// Topics it subscribes to; each is among those that exist.
    pub topics: BTreeSet<Uuid>,
    /// What it was to have before.
    pub before: Option<&'a Partitions>,
}
