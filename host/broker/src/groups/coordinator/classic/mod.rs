//! The classic protocol: clients elect a leader among them, which assigns.
//!
//! States: Empty → PreparingRebalance (collecting joins) → CompletingRebalance (waiting for the
//! leader's assignment, and for it to be on disk) → Stable. [`join`], [`rebalance`], [`sync`] and [`leave`] are the
//! steps of one [`group`].

mod group;
mod join;
mod leave;
mod rebalance;
mod step;
mod sync;
#[cfg(test)]
mod tests;

pub(super) use self::{
    group::{ClassicGroup, Member},
    step::Step,
};
