//! `host-lease`.

use std::sync::Arc;

use millstream_connector::{Failure, KeyChange, Lease};

use super::super::imports::host_lease::{Host, KeyChange as Theirs};
use super::super::imports::types::{Error, Wide};
use super::super::lift::{lowered, wide};
use crate::instance::GuestState;

impl GuestState {
    fn lease(&self) -> Result<Arc<dyn Lease>, Failure> {
        self.capabilities.lease.of(self.capabilities.worker.worker().lease())
    }
}

impl Host for GuestState {
    async fn obtain(&mut self) -> wasmtime::Result<Result<Wide, Error>> {
        match self.lease() {
            Ok(lease) => Ok(self.clock.outside(lease.obtain()).await.map(wide).map_err(lowered)),
            Err(failure) => Ok(Err(lowered(failure))),
        }
    }

    async fn confirm(&mut self, epoch: Wide) -> wasmtime::Result<Result<(), Error>> {
        match self.lease() {
            Ok(lease) => Ok(self.clock.outside(lease.confirm(epoch.into())).await.map_err(lowered)),
            Err(failure) => Ok(Err(lowered(failure))),
        }
    }

    async fn keys(&mut self) -> wasmtime::Result<Result<Vec<String>, Error>> {
        match self.lease() {
            Ok(lease) => Ok(self.clock.outside(lease.keys()).await.map_err(lowered)),
            Err(failure) => Ok(Err(lowered(failure))),
        }
    }

    async fn read(&mut self, keys: Vec<String>) -> wasmtime::Result<Result<Vec<Option<Vec<u8>>>, Error>> {
        match self.lease() {
            Ok(lease) => Ok(self.clock.outside(lease.read(keys)).await.map_err(lowered)),
            Err(failure) => Ok(Err(lowered(failure))),
        }
    }

    async fn write(&mut self, epoch: Wide, changes: Vec<Theirs>) -> wasmtime::Result<Result<(), Error>> {
        let changes = changes.into_iter().map(|Theirs { key, value }| KeyChange { key, value }).collect();
        match self.lease() {
            Ok(lease) => Ok(self.clock.outside(lease.write(epoch.into(), changes)).await.map_err(lowered)),
            Err(failure) => Ok(Err(lowered(failure))),
        }
    }
}
