//! `host-wait`.

use super::super::imports::host_wait::Host;
use crate::capability::wait;
use crate::instance::GuestState;

impl Host for GuestState {
    async fn wait(&mut self, ms: u32) -> wasmtime::Result<bool> {
        // Many guests wait at the same time: the engine's clock need not run for them.
        let rest = self.ticker.call_rests();
        let stopped = self.clock.outside(wait(ms, self.capabilities.worker.worker().stopping())).await;
        drop(rest);
        Ok(stopped)
    }

    async fn rest(&mut self, ms: u32) -> wasmtime::Result<()> {
        self.capabilities.rest.set(ms);
        Ok(())
    }
}
