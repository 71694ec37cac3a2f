//! What a guest may ask of the worker that runs it, which answers through the contexts of `millstream-connector`. No key
//! opens it: what there is to ask follows from what the instance is.

mod state;

pub(crate) use state::{Worker, WorkerAccess};

use super::Capability;

pub(super) const CAPABILITY: Capability =
    Capability { declare: None, want: None, link: &["host-source", "host-transaction", "host-connector", "host-sink"] };
