//! Servers that configuration keys name, for plugins that bring a protocol of their own: TCP connections through WASI's
//! sockets, outgoing ones alone. A worker allows none unless `plugin.allow.sockets` names them.

mod check;
mod declare;
mod pattern;
mod state;

use std::sync::Arc;

pub use pattern::SocketPattern;
pub(crate) use state::SocketAccess;

use super::{Capability, Declare};

pub(super) const CAPABILITY: Capability = Capability {
    declare: Some(Declare { word: declare::WORD, read: declare::read }),
    want: None,
    // No interface of the contract, but WASI's own.
    link: &[],
};

/// `plugin.allow.sockets`: where connections may go.
pub type SocketsAllowed = Arc<[SocketPattern]>;
