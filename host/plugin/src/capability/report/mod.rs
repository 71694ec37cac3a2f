//! Topics that configuration keys name, to which a sink task writes what became of its records. A guest names a key, never a
//! topic; the worker's own producer writes, and a call returns when everything is durable.

mod check;
mod declare;
mod link;
mod state;

pub(crate) use state::ReportAccess;

use super::{Capability, Declare};

pub(super) const CAPABILITY: Capability = Capability {
    declare: Some(Declare { word: declare::WORD, read: declare::read }),
    want: None,
    link: &link::INTERFACES,
};
