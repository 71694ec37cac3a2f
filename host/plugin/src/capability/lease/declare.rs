//! How a plugin says that it wants a lease.

/// In `wants` of the description.
pub(crate) const WORD: &str = "lease";
