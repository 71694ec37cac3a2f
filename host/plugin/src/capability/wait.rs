//! `host-wait`: waiting that costs no computing time and ends when the task is to stop.

use std::time::Duration;

use crate::contract::v0_1_0::imports::host_wait::Host;
use crate::instance::GuestState;

impl Host for GuestState {
    async fn wait(&mut self, ms: u32) -> wasmtime::Result<bool> {
        self.clock.account();
        let rest = self.ticker.call_rests();
        let stopped = tokio::select! {
            biased;
            () = self.worker.stopping() => true,
            () = tokio::time::sleep(Duration::from_millis(ms.into())) => false,
        };
        drop(rest);
        self.clock.resume();
        Ok(stopped)
    }
}
