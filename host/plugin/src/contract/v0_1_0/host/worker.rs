//! `host-source`, `host-transaction`, `host-sink` and `host-connector`.

use super::super::imports::host_transaction::{self, Boundary};
use super::super::imports::types::{Error, RowError, TopicOffset, TopicPartition};
use super::super::imports::{host_connector, host_sink, host_source};
use super::super::lift;
use crate::capability::{Level, Worker};
use crate::instance::GuestState;

impl GuestState {
    fn worker(&self) -> &Worker {
        self.capabilities.worker.worker()
    }

    /// A call that has no meaning for this kind of instance: the guest's mistake, which it has no way to
    /// hear of.
    fn misplaced(&self, function: &str) {
        let what = format!("the plugin called {function}, which has no effect here");
        self.capabilities.log.log(Level::Warn, &what);
    }
}

impl host_source::Host for GuestState {
    async fn read_offsets(&mut self, partitions: Vec<String>) -> wasmtime::Result<Result<Vec<Option<String>>, Error>> {
        match self.capabilities.worker.source("read-offsets") {
            Ok(context) => Ok(self.clock.outside(context.read_offsets(partitions)).await.map_err(lift::lowered)),
            Err(failure) => Ok(Err(lift::lowered(failure))),
        }
    }
}

impl host_transaction::Host for GuestState {
    async fn available(&mut self) -> wasmtime::Result<bool> {
        Ok(matches!(self.worker(), Worker::Source(context) if context.ends_transactions()))
    }

    async fn set_boundaries(&mut self, boundaries: Vec<Boundary>) -> wasmtime::Result<()> {
        match self.worker() {
            Worker::Source(context) if context.ends_transactions() => {
                context.end_transactions(boundaries.into_iter().map(lift::requested_end).collect());
            }
            _ => self.misplaced("set-boundaries"),
        }
        Ok(())
    }
}

impl host_connector::Host for GuestState {
    async fn request_task_reconfiguration(&mut self) -> wasmtime::Result<()> {
        match self.worker() {
            Worker::Connector(context) => context.request_task_reconfiguration(),
            _ => self.misplaced("request-task-reconfiguration"),
        }
        Ok(())
    }

    async fn raise_error(&mut self, error: Error) -> wasmtime::Result<()> {
        match self.worker() {
            Worker::Connector(context) => context.raise_error(lift::failure(error)),
            _ => self.misplaced("raise-error"),
        }
        Ok(())
    }
}

impl host_sink::Host for GuestState {
    async fn assignment(&mut self) -> wasmtime::Result<Vec<TopicPartition>> {
        let Worker::Sink(context) = self.worker() else {
            self.misplaced("assignment");
            return Ok(Vec::new());
        };
        Ok(context.assignment().iter().map(lift::partition_lowered).collect())
    }

    async fn seek(&mut self, offsets: Vec<TopicOffset>) -> wasmtime::Result<()> {
        match self.worker() {
            Worker::Sink(context) => {
                context.seek(offsets.into_iter().map(lift::topic_offset).collect::<wasmtime::Result<_>>()?);
            }
            _ => self.misplaced("seek"),
        }
        Ok(())
    }

    async fn pause(&mut self, partitions: Vec<TopicPartition>) -> wasmtime::Result<Result<(), Error>> {
        let partitions: Vec<_> = partitions.into_iter().map(lift::partition).collect::<wasmtime::Result<_>>()?;
        let context = self.capabilities.worker.sink("pause");
        Ok(context.and_then(|context| context.pause(&partitions)).map_err(lift::lowered))
    }

    async fn resume(&mut self, partitions: Vec<TopicPartition>) -> wasmtime::Result<Result<(), Error>> {
        let partitions: Vec<_> = partitions.into_iter().map(lift::partition).collect::<wasmtime::Result<_>>()?;
        let context = self.capabilities.worker.sink("resume");
        Ok(context.and_then(|context| context.resume(&partitions)).map_err(lift::lowered))
    }

    async fn timeout(&mut self, ms: u32) -> wasmtime::Result<()> {
        match self.worker() {
            Worker::Sink(context) => context.timeout(ms),
            _ => self.misplaced("timeout"),
        }
        Ok(())
    }

    async fn request_commit(&mut self) -> wasmtime::Result<()> {
        match self.worker() {
            Worker::Sink(context) => context.request_commit(),
            _ => self.misplaced("request-commit"),
        }
        Ok(())
    }

    async fn report(&mut self, errors: Vec<RowError>) -> wasmtime::Result<Result<(), Error>> {
        let errors = errors.into_iter().map(lift::row_error).collect();
        let reported = self.capabilities.worker.report(errors).map_err(wasmtime::Error::new)?;
        Ok(reported.map_err(lift::lowered))
    }
}
