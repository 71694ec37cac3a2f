//! What a guest imports to write to topics.

pub(super) const INTERFACES: [&str; 1] = ["host-report"];
