//! What the host keeps beside an instance: what it is granted and what it has used.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::clock::CallClock;
use super::limiter::Limiter;
use super::voice::{Level, Speaker, StandardStream, Voice};
use crate::capability::{FileGrants, Worker};
use crate::engine::{MAX_TABLE_ELEMENTS, PluginEngine, Ticker};
use crate::limits::PluginLimits;

/// Most handles that a guest may hold on host objects at a time.
pub(super) const MAX_HANDLES: usize = 1000;

/// The variable in which an instance finds the worker's time zone: all of its environment.
const TIME_ZONE: &str = "MILLSTREAM_TIME_ZONE";

/// Data of a store.
pub(crate) struct GuestState {
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    pub(crate) limiter: Limiter,
    pub(crate) clock: Arc<CallClock>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) voice: Arc<Voice>,
    pub(crate) files: FileGrants,
    pub(crate) worker: Worker,
    /// Rows of the batch of the `put` in progress, and which of them were reported in it.
    pub(crate) put_rows: u32,
    pub(crate) reported: Vec<bool>,
}

/// What differs between the instances of one component.
#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) speaker: Speaker,
    pub(crate) files: FileGrants,
    pub(crate) worker: Worker,
}

impl GuestState {
    pub(crate) fn new(engine: &PluginEngine, limits: &PluginLimits, surroundings: Surroundings) -> Self {
        let Surroundings { speaker, files, worker } = surroundings;
        let voice = Arc::new(Voice::new(speaker, limits.log_rate));
        // No environment, no folders, no network: a builder grants nothing by itself.
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(StandardStream::new(Arc::clone(&voice), Level::Info))
            .stderr(StandardStream::new(Arc::clone(&voice), Level::Warn));
        if let Some(zone) = &limits.time_zone {
            wasi.env(TIME_ZONE, zone);
        }
        let wasi = wasi.build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            table,
            wasi,
            limiter: Limiter::new(limits.memory_max, MAX_TABLE_ELEMENTS, Arc::clone(&engine.memory)),
            clock: Arc::new(CallClock::new(limits.call_timeout)),
            ticker: Arc::clone(&engine.ticker),
            voice,
            files,
            worker,
            put_rows: 0,
            reported: Vec::new(),
        }
    }

    pub(super) fn begin_call(&mut self) {
        self.clock.begin();
        self.limiter.begin_call();
        self.voice.forget_last_words();
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
