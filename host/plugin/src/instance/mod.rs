//! One instance of a component: its store, its limits, and the way into it. One call at a time enters an
//! instance; after a trap, a call over its limits or a call that was given up it is never entered again.

mod fault;
mod limiter;
mod state;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use millstream_columns::{Answer, Subject};
use millstream_config::ConfigMap;
use millstream_connector::Rest;
use millstream_metrics::{Custom, PluginInstance};
use millstream_record::batch::Batch;
use tokio::time::error::Elapsed;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, UpdateDeadline};

pub(crate) use fault::DeadlinePassed;
pub use fault::{FaultCause, GuestFault, GuestTrace};
pub(crate) use state::GuestState;

use crate::capability::{CustomMetrics, InstanceName, Openings, Worker};
use crate::engine::{ActiveCall, MAX_TABLE_ELEMENTS, MAX_WASM_STACK, PluginEngine};
use crate::limits::PluginLimits;
use fault::{FaultLimits, HostPanicked};

/// What the contract's own values may add to a batch that crosses the boundary, in bytes.
const CALL_OVERHEAD: usize = 1 << 20;

/// An instance and its store. Dropping it gives back everything that it holds.
pub(crate) struct Guest {
    live: Option<Live>,
    in_call: bool,
    call: &'static str,
    engine: PluginEngine,
    limits: FaultLimits,
    wall: Duration,
    host_wait: Duration,
    plugin: String,
    metrics: Arc<PluginInstance>,
}

/// A store and the instance in it.
pub(crate) struct Live {
    pub(crate) store: Store<GuestState>,
    pub(crate) instance: Instance,
}

impl Guest {
    /// Makes an instance.
    pub(crate) async fn new(
        engine: &PluginEngine,
        component: &InstancePre<GuestState>,
        limits: &PluginLimits,
        name: InstanceName,
        worker: Worker,
        metrics: &Arc<PluginInstance>,
    ) -> Result<Self, GuestFault> {
        let plugin = name.plugin.clone();
        let mut store = Store::new(&engine.engine, GuestState::new(engine, limits, name, worker, metrics));
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel((limits.batch.max_bytes as usize).saturating_add(CALL_OVERHEAD));
        store.epoch_deadline_callback(|mut context| {
            let clock = &context.data_mut().clock;
            clock.account();
            if clock.is_over() {
                return Err(DeadlinePassed.into());
            }
            let clock = Arc::clone(clock);
            // The time others run in between is not the guest's.
            let give_way = async move {
                tokio::task::yield_now().await;
                clock.resume();
            };
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way)))
        });
        let mut guest = Self {
            live: None,
            in_call: false,
            call: "instantiation",
            engine: engine.clone(),
            limits: FaultLimits {
                memory: limits.memory_max,
                table_elements: MAX_TABLE_ELEMENTS,
                call: limits.call_timeout,
                batch_bytes: limits.batch.max_bytes as usize,
                total_memory: engine.memory.limit(),
                stack: MAX_WASM_STACK,
                handles: state::MAX_HANDLES,
            },
            wall: limits.call_timeout.saturating_add(limits.host_wait_timeout),
            host_wait: limits.host_wait_timeout,
            plugin,
            metrics: Arc::clone(metrics),
        };
        if !store.data().limiter.is_admitted() {
            return Err(guest.fault(FaultCause::TotalMemory { limit: engine.memory.limit() }, None));
        }
        let _active = engine.ticker.call_begins();
        store.data_mut().begin_call();
        store.set_epoch_deadline(1);
        match tokio::time::timeout(guest.wall, caught(component.instantiate_async(&mut store))).await {
            Ok(Ok(instance)) => {
                metrics.instances.add(1);
                guest.live = Some(Live { store, instance });
                Ok(guest)
            }
            Ok(Err(error)) => {
                let cause = FaultCause::of(&error, store.data().limiter.refused(), &guest.limits);
                let cause = match cause {
                    FaultCause::Trap(why) => FaultCause::Instantiate(why),
                    other => other,
                };
                Err(guest.fault(cause, trace_of(&store, Some(&error))))
            }
            Err(Elapsed { .. }) => {
                Err(guest.fault(FaultCause::HostWait { limit: guest.host_wait }, trace_of(&store, None)))
            }
        }
    }

    /// Whether it may be called.
    pub(crate) fn is_usable(&self) -> bool {
        self.live.is_some() && !self.in_call
    }

    /// Gives back what the instance holds, before another takes its place: the memory of both may not fit in.
    pub(crate) fn discard(&mut self) {
        self.live = None;
    }

    /// Bytes that the instance holds in memories and tables.
    pub(crate) fn held_bytes(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.store.data().limiter.bytes())
    }

    /// Lets it open what its configuration names, and returns what it is told of it: secrets stay here.
    pub(crate) fn grant<'c>(&mut self, openings: &Openings, config: &'c ConfigMap) -> Cow<'c, ConfigMap> {
        if let Some(live) = &mut self.live {
            openings.grant(config, &mut live.store.data_mut().capabilities);
        }
        openings.masked(config)
    }

    /// A `put` of a batch begins, whose rows it may report; or with none has ended.
    pub(crate) fn begin_put(&mut self, batch: Option<Batch>) {
        if let Some(live) = &mut self.live {
            live.store.data_mut().capabilities.worker.begin_put(batch);
        }
    }

    /// What it counts itself is counted here.
    pub(crate) fn counts_for(&mut self, custom: &Arc<Custom>) {
        if let Some(live) = &mut self.live {
            let capabilities = &mut live.store.data_mut().capabilities;
            let has_progress = matches!(capabilities.worker.worker(), Worker::Source(_) | Worker::Sink(_));
            capabilities.metrics = CustomMetrics::new(Arc::clone(custom), has_progress);
        }
    }

    /// A call begins that may reach its batch by columns.
    pub(crate) fn open_columns(&mut self, subject: Subject) {
        if let Some(live) = &mut self.live {
            live.store.data_mut().capabilities.columns.begin(subject);
        }
    }

    /// The call has ended: what it answered by columns, if it did.
    pub(crate) fn close_columns(&mut self) -> Option<Answer> {
        let state = self.live.as_mut()?.store.data_mut();
        let answer = state.capabilities.columns.end();
        state.limiter.hold_columns(0);
        answer
    }

    /// What the last call has said about the next poll.
    pub(crate) fn take_rest(&mut self) -> Option<Rest> {
        self.live.as_mut()?.store.data_mut().capabilities.rest.take()
    }

    /// Longest that one call may last by the clock on the wall.
    pub(crate) fn wall(&self) -> Duration {
        self.wall
    }

    /// Prepares a call. The clock runs until the returned value is dropped.
    ///
    /// Everything between this and [`Self::end`] counts as inside of the guest: if the future that does it
    /// is dropped, the instance is not entered again.
    pub(crate) fn begin(&mut self, call: &'static str) -> Result<(ActiveCall, &mut Live), GuestFault> {
        if self.in_call {
            self.in_call = false;
            self.live = None;
            return Err(self.fault(FaultCause::Cancelled, None));
        }
        self.call = call;
        if self.live.is_none() {
            return Err(self.fault(FaultCause::Discarded, None));
        }
        let active = self.engine.ticker.call_begins();
        self.metrics.calls.add(1);
        self.in_call = true;
        let live = self.live.as_mut().expect("it was looked at above");
        live.store.data_mut().begin_call();
        live.store.set_epoch_deadline(1);
        Ok((active, live))
    }

    /// Looks at how a call ended. On a fault the instance is gone.
    pub(crate) fn end<R>(&mut self, answer: Result<wasmtime::Result<R>, Elapsed>) -> Result<R, GuestFault> {
        self.in_call = false;
        if let Some(live) = &self.live {
            self.metrics.cpu_time.add(live.store.data().clock.end());
        }
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let live = self.live.take();
                let refused = live.as_ref().and_then(|live| live.store.data().limiter.refused());
                let cause = FaultCause::of(&error, refused, &self.limits);
                let trace = live.as_ref().and_then(|live| trace_of(&live.store, Some(&error)));
                Err(self.fault(cause, trace))
            }
            Err(Elapsed { .. }) => {
                let live = self.live.take();
                let trace = live.as_ref().and_then(|live| trace_of(&live.store, None));
                Err(self.fault(FaultCause::HostWait { limit: self.host_wait }, trace))
            }
        }
    }

    /// The guest answered, but not as the contract promises: its memory is not to be trusted any more.
    pub(crate) fn violated(&mut self, what: impl Into<String>) -> GuestFault {
        let live = self.live.take();
        let trace = live.as_ref().and_then(|live| trace_of(&live.store, None));
        self.fault(FaultCause::Violation(what.into()), trace)
    }

    /// Looks up the functions of an exported interface.
    pub(crate) fn load<G>(
        &mut self,
        find: impl FnOnce(&mut Store<GuestState>, &Instance) -> wasmtime::Result<G>,
    ) -> Result<G, GuestFault> {
        let Some(live) = &mut self.live else { return Err(self.fault(FaultCause::Discarded, None)) };
        find(&mut live.store, &live.instance).map_err(|error| {
            self.live = None;
            self.fault(FaultCause::Instantiate(format!("{error:#}")), None)
        })
    }

    /// A fault outside of any call.
    pub(crate) fn fault(&self, cause: FaultCause, trace: Option<GuestTrace>) -> GuestFault {
        // What follows from an earlier fault is none of its own.
        if !matches!(cause, FaultCause::Discarded | FaultCause::Missing(_)) {
            self.metrics.faults.add(1);
        }
        GuestFault { plugin: self.plugin.clone(), call: self.call, cause, trace }
    }
}

fn trace_of(store: &Store<GuestState>, error: Option<&wasmtime::Error>) -> Option<GuestTrace> {
    let log = &store.data().capabilities.log;
    // A guest that broke ends no line any more.
    log.end_lines();
    let last_words = log.last_words();
    let frames = error.map(fault::frames).unwrap_or_default();
    (last_words.is_some() || !frames.is_empty()).then_some(GuestTrace { last_words, frames })
}

/// Runs a call into a guest. A panic of a host function that the guest called ends the call, and with it the
/// instance, but not the task that waits for it.
pub(crate) async fn caught<T>(call: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    let mut call = pin!(call);
    std::future::poll_fn(move |context| {
        // The instance is discarded with everything that the panic may have left half-changed.
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context))) {
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(Err(HostPanicked::of(&*panic).into())),
        }
    })
    .await
}

/// Calls an exported function under the instance's limits: `call!(guest, "poll", |store| future)`.
macro_rules! call {
    ($guest:expr, $name:literal, |$store:ident| $future:expr) => {{
        let wall = $guest.wall();
        match $guest.begin($name) {
            Err(fault) => Err(fault),
            Ok((active, live)) => {
                let $store = &mut live.store;
                let answer = tokio::time::timeout(wall, $crate::instance::caught($future)).await;
                drop(active);
                $guest.end(answer)
            }
        }
    }};
}
pub(crate) use call;

#[cfg(test)]
mod tests {
    use wasmtime::component::{Component, Linker};

    use super::*;

    /// A component whose one core module has these sections.
    fn component(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (id, section) in sections {
            module.extend([*id, section.len() as u8]);
            module.extend(*section);
        }
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend([1, module.len() as u8]);
        component.extend(module);
        // One core instance: module 0 without arguments.
        component.extend([2, 4, 1, 0, 0, 0]);
        component
    }

    async fn fault(wasm: &[u8], limits: &PluginLimits) -> FaultCause {
        let engine = PluginEngine::new(limits).unwrap();
        let component = Component::new(&engine.engine, wasm).unwrap();
        let component = Linker::new(&engine.engine).instantiate_pre(&component).unwrap();
        match Guest::new(&engine, &component, limits, InstanceName::default(), Worker::Nobody, &Arc::default()).await {
            Err(fault) => fault.cause,
            Ok(_) => panic!("it should not be instantiated"),
        }
    }

    fn limits() -> PluginLimits {
        PluginLimits { memory_max: 1 << 20, ..PluginLimits::default() }
    }

    #[tokio::test]
    async fn a_table_that_grows_without_end_is_named() {
        // (table 1 funcref) (start: if table.grow by 10,000,000 fails, unreachable)
        let bomb = component(&[
            (1, &[1, 0x60, 0, 0]),
            (3, &[1, 0]),
            (4, &[1, 0x70, 0, 1]),
            (8, &[0]),
            (
                10,
                &[
                    1, 19, 0, 0xd0, 0x70, 0x41, 0x80, 0xad, 0xe2, 0x04, 0xfc, 0x0f, 0, 0x41, 0x7f, 0x46, 0x04, 0x40, 0,
                    0x0b, 0x0b,
                ],
            ),
        ]);
        assert_eq!(fault(&bomb, &limits()).await, FaultCause::Table { limit: MAX_TABLE_ELEMENTS });
    }

    #[tokio::test]
    async fn a_memory_that_begins_too_large_is_named() {
        // (memory 100): 6.25 MiB
        let large = component(&[(5, &[1, 0, 100])]);
        assert_eq!(fault(&large, &limits()).await, FaultCause::Memory { limit: 1 << 20 });
    }

    #[tokio::test]
    async fn a_loop_at_the_start_is_ended() {
        // (start: loop forever)
        let endless = component(&[
            (1, &[1, 0x60, 0, 0]),
            (3, &[1, 0]),
            (8, &[0]),
            (10, &[1, 7, 0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b]),
        ]);
        let limits = PluginLimits { call_timeout: Duration::from_millis(50), ..limits() };
        assert_eq!(fault(&endless, &limits).await, FaultCause::CallTimeout { limit: limits.call_timeout });
    }
}
