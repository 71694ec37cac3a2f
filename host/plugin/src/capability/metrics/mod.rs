//! What a guest counts itself, and how far its task has come. No key opens it; how much there may be of it is
//! `millstream-metrics`' to say.

mod state;

pub(crate) use state::CustomMetrics;

use super::Capability;

pub(super) const CAPABILITY: Capability = Capability { declare: None, want: None, link: &["host-metrics"] };
