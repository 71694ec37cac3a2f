//! The lease of a connector, and what its owner keeps under it: for tasks of plugins that say that they want it. The
//! worker decides who the owner is, how long a call takes and how much may be kept; here is who may ask.

mod check;
mod declare;
mod link;
mod state;

pub(crate) use declare::WORD as LEASE;
pub(crate) use state::LeaseAccess;

use super::{Capability, Want};

pub(super) const CAPABILITY: Capability = Capability {
    declare: None,
    want: Some(Want { word: declare::WORD, check: check::check, grant: |states| states.lease.grant() }),
    link: &link::INTERFACES,
};
