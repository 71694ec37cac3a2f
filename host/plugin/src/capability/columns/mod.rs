//! Work on whole columns that the host does for guests. No key opens it: it is what an instance could do by itself, only
//! faster. What it holds counts as the instance's memory, and the time it takes as the call's.

use super::Capability;

pub(super) const CAPABILITY: Capability = Capability { declare: None, want: None, link: &["host-columns"] };
