//! Waiting that costs no computing time and ends when the connector or task is asked to stop. No key opens it. Within a
//! call the deadline of the call bounds it; a source task that has nothing does better to say for how long, and return.

mod rest;

use std::time::Duration;

pub(crate) use rest::Rest;

use super::Capability;

pub(super) const CAPABILITY: Capability = Capability { declare: None, want: None, link: &["host-wait"] };

/// Waits so long, or until `stopping` says that it is time to end: then true.
pub(crate) async fn wait(ms: u32, stopping: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = stopping => true,
        () = tokio::time::sleep(Duration::from_millis(ms.into())) => false,
    }
}
