//! Who does what: the leader's decision. Plain functions of the members, of what there is to do, of the time, and of what
//! the leader remembers; the same decisions as Connect's own, so that a group may consist of both kinds of workers.
//!
//! [`Incremental`] leaves work where it is as far as that is even (KIP-415), [`eager`] gives everything anew. In a group of
//! ours alone [`spread`] and [`exchange`] see to it that tasks that keep their workers busy are not all in one place.

mod balance;
mod eager;
mod incremental;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recorded;
mod weights;

use std::collections::BTreeMap;

pub use eager::eager;
pub use incremental::{Delay, Generations, Incremental};
pub use weights::{Exchange, Loads, exchange, spread};

use super::Work;

/// What one member is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Part {
    /// New work; of [`eager`] all of it.
    pub assigned: Work,
    /// Work to be given up.
    pub revoked: Work,
}

/// A decision about a round.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Decision {
    /// For every member, by id.
    pub parts: BTreeMap<String, Part>,
    /// What every member holds when all have followed, by id.
    pub holds: BTreeMap<String, Work>,
    /// Milliseconds after which all are to join again; 0 for no need.
    pub delay_ms: i32,
}
