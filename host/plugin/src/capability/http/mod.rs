//! Servers that configuration keys name, over HTTP/1.1 and TLS. A guest sends requests through `wasi:http`; they go to the
//! origins that its configuration names and the worker allows, and nowhere else. Who it is, the host adds: passwords,
//! tokens, keys and certificates stay here, and the guest's configuration reads `[hidden]` where they are.
//!
//! A request is read whole before it is sent, so that it can be sent again with a new token; an answer is handed on as it
//! comes. What an instance holds is bounded: requests at a time, bytes of both, connections to each origin, times.
//!
//! In reading order: `origin` and `address` say where a request may go, `roles` and `settings` how, `state` takes it from
//! the guest, and `send` carries it out.

mod address;
mod auth;
mod body;
mod check;
mod client;
mod declare;
mod dial;
mod failure;
mod origin;
mod pool;
mod roles;
mod send;
mod settings;
mod state;
mod token;

use std::sync::Arc;

pub use address::AllowedPlaces;
pub(crate) use address::Place;
pub use origin::OriginPattern;
pub(crate) use state::HttpAccess;

use super::{Capability, Declare};

pub(super) const CAPABILITY: Capability = Capability {
    declare: Some(Declare { word: declare::WORD, read: declare::read }),
    want: None,
    // No interface of the contract, but WASI's own.
    link: &[],
};

/// What the worker allows: its `plugin.allow.http…` and `plugin.http.…` keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpAllowed {
    /// `plugin.allow.http`: origins to which requests may go that a configuration names; none allows every one.
    pub origins: Option<Arc<[OriginPattern]>>,
    /// `plugin.allow.http.addresses`: where names may lead.
    pub places: AllowedPlaces,
    /// `plugin.http.request.max.bytes`: most bytes of the body of one request.
    pub request_max: u64,
    /// `plugin.http.response.max.bytes`: most bytes of the body of one answer, unpacked.
    pub response_max: u64,
    /// `plugin.http.buffer.max.bytes`: most bytes of all requests of an instance that wait for their answer.
    pub buffer_max: u64,
    /// `plugin.http.requests.max`: most requests of an instance at a time.
    pub requests: usize,
}

impl Default for HttpAllowed {
    fn default() -> Self {
        Self {
            origins: None,
            places: AllowedPlaces::private(),
            request_max: 32 << 20,
            response_max: 64 << 20,
            buffer_max: 64 << 20,
            requests: 64,
        }
    }
}
