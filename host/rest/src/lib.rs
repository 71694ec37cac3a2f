//! Connect's REST API over the herder.
//!
//! [`RestServer::bind`] takes the listeners first, so that the worker knows under which address others reach
//! it; [`RestServer::attach`] serves the API once there is a herder. What the API does is the herder's business:
//! here are paths, bodies, statuses and headers only. [`client`] is the other side.

#![forbid(unsafe_code)]

mod basic_auth;
mod body;
pub mod client;
mod cors;
mod entity;
mod error;
mod forward;
mod herder;
mod listener;
mod negotiate;
mod path;
mod peers;
mod query;
mod requests;
mod response_headers;
mod routes;
mod server;
mod signature;
mod stream;

pub use basic_auth::AuthConfigError;
pub use herder::{Herder, PluginListing};
pub use listener::{Listener, ListenerError, Protocol};
pub use response_headers::HeaderRuleError;
pub use routes::{
    ConnectorLogs, ConnectorProgress, LogLines, LogQuery, MetricsPage, ReadLogs, ReadProgress, TaskProgress,
};
pub use server::{HealthCheck, RestConfig, RestConfigError, RestServer, StartRestError, WorkerVersion};
