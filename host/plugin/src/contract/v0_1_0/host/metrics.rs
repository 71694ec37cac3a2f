//! `host-metrics`.

use millstream_metrics::{CustomKind, Progress};

use super::super::imports::host_metrics::{Host, MetricKind, Progress as Theirs};
use super::super::imports::types::Error;
use super::super::lift::lowered;
use crate::instance::GuestState;

impl Host for GuestState {
    async fn declare(&mut self, name: String, kind: MetricKind, help: String) -> wasmtime::Result<Result<(), Error>> {
        let kind = match kind {
            MetricKind::Counter => CustomKind::Counter,
            MetricKind::Gauge => CustomKind::Gauge,
        };
        Ok(self.capabilities.metrics.declare(&name, kind, &help).map_err(lowered))
    }

    async fn count(&mut self, name: String, more: f64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.capabilities.metrics.count(&name, more).map_err(lowered))
    }

    async fn gauge(&mut self, name: String, value: f64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.capabilities.metrics.gauge(&name, value).map_err(lowered))
    }

    async fn report_progress(&mut self, what: String, now: Option<Theirs>) -> wasmtime::Result<Result<(), Error>> {
        let now = now.map(|Theirs { done, total, unit }| Progress { done, total, unit });
        Ok(self.capabilities.metrics.report_progress(&what, now).map_err(lowered))
    }
}
