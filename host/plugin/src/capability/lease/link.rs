//! What a guest imports to ask for a lease.

pub(super) const INTERFACES: [&str; 1] = ["host-lease"];
