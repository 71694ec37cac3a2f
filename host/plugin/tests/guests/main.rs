//! Guests that break every promise of the contract: each ends its own instance, with a reason that a user can act on, and
//! nobody else notices.

mod bundled;
mod chains;
mod columns;
mod converters;
mod discovery;
mod dropped;
mod examples;
mod frozen;
mod http;
mod http_server;
mod recycling;
mod sinks;
mod sources;
mod sql;
mod support;
