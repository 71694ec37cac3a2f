//! What the host keeps beside an instance: what it holds, what it has used, and what it was granted.

use std::sync::Arc;

use millstream_columns::Session;
use millstream_metrics::PluginInstance;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::limiter::Limiter;
use crate::capability::{CapabilityStates, InstanceName, StandardStream, Worker};
use crate::engine::{CallClock, MAX_TABLE_ELEMENTS, PluginEngine, Ticker};
use crate::limits::PluginLimits;

/// Most handles that a guest may hold on host objects at a time.
pub(super) const MAX_HANDLES: usize = 1000;

/// The variable in which an instance finds the worker's time zone: all of its environment.
const TIME_ZONE: &str = "MILLSTREAM_TIME_ZONE";

/// Data of a store.
pub(crate) struct GuestState {
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    wasi_http: WasiHttpCtx,
    pub(crate) limiter: Limiter,
    pub(crate) clock: Arc<CallClock>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) capabilities: CapabilityStates,
}

impl GuestState {
    pub(super) fn new(
        engine: &PluginEngine,
        limits: &PluginLimits,
        name: InstanceName,
        worker: Worker,
        metrics: &Arc<PluginInstance>,
    ) -> Self {
        let capabilities = CapabilityStates::new(
            name,
            worker,
            limits.log_rate,
            &limits.allowed,
            limits.sql(),
            &engine.growth,
            Session::new(limits.batch, limits.json),
            Arc::clone(metrics),
        );
        let log = &capabilities.log;
        // No environment, no folders, no network: a builder grants nothing by itself.
        let mut wasi = WasiCtxBuilder::new();
        capabilities.sockets.admit(&mut wasi);
        wasi.stdout(StandardStream::output(log)).stderr(StandardStream::error(log));
        if let Some(zone) = &limits.time_zone {
            wasi.env(TIME_ZONE, zone);
        }
        let wasi = wasi.build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            table,
            wasi,
            wasi_http: WasiHttpCtx::new(),
            limiter: Limiter::new(
                limits.memory_max,
                MAX_TABLE_ELEMENTS,
                Arc::clone(&engine.memory),
                Arc::clone(metrics),
            ),
            clock: Arc::new(CallClock::new(limits.call_timeout)),
            ticker: Arc::clone(&engine.ticker),
            capabilities,
        }
    }

    pub(super) fn begin_call(&mut self) {
        self.clock.begin();
        self.limiter.begin_call();
        self.capabilities.log.forget_last_words();
        self.capabilities.rest.forget();
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.capabilities.http, table: &mut self.table, ctx: &mut self.wasi_http }
    }
}
