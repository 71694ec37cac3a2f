//! The published contracts, one module per version. Only the newest has logic behind it.

pub(crate) mod v0_1_0;

/// Name of the package, without its version.
pub(crate) const PACKAGE: &str = "millstream:connect";

/// Versions of the batch format that this host reads and writes.
pub(crate) const BATCH_FORMATS: [u64; 1] = [1];
