//! `host-source`, `host-sink` and `host-connector`: what a guest may ask of the worker, which answers
//! through the contexts of `millstream-connector`.

use std::sync::Arc;
use std::time::Duration;

use millstream_connector::{ConnectorContext, SinkContext, SourceContext};

use crate::contract::v0_1_0::imports::types::{Error, RowError, TopicOffset, TopicPartition};
use crate::contract::v0_1_0::imports::{host_connector, host_sink, host_source};
use crate::contract::v0_1_0::lift;
use crate::instance::{GuestState, Level};

/// How often a connector's wait looks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// What stands behind an instance.
#[derive(Clone, Default)]
pub(crate) enum Worker {
    /// Nothing: transforms, converters, and instances that only describe themselves.
    #[default]
    Nobody,
    Connector(Arc<dyn ConnectorContext>),
    Source(Arc<dyn SourceContext>),
    Sink(Arc<dyn SinkContext>),
}

impl Worker {
    /// Returns when the connector or task is asked to stop.
    pub(crate) async fn stopping(&self) {
        match self {
            Self::Nobody => std::future::pending().await,
            Self::Connector(context) => {
                while !context.is_stopping() {
                    tokio::time::sleep(STOP_CHECK).await;
                }
            }
            Self::Source(context) => context.stopped().await,
            Self::Sink(context) => context.stopped().await,
        }
    }
}

impl GuestState {
    /// A call that has no meaning for this kind of instance: the guest's mistake, which it has no way to
    /// hear of.
    fn misplaced(&self, function: &str) {
        self.voice.say(Level::Warn, &format!("the plugin called {function}, which has no effect here"));
    }

    fn unavailable(function: &str) -> Error {
        lift::fatal(format!("{function} is not available here"))
    }
}

impl host_source::Host for GuestState {
    async fn read_offsets(&mut self, partitions: Vec<String>) -> wasmtime::Result<Result<Vec<Option<String>>, Error>> {
        let Worker::Source(context) = &self.worker else { return Ok(Err(Self::unavailable("read-offsets"))) };
        self.clock.account();
        let outcome = context.read_offsets(partitions).await;
        self.clock.resume();
        Ok(outcome.map_err(lift::lowered))
    }
}

impl host_connector::Host for GuestState {
    async fn request_task_reconfiguration(&mut self) -> wasmtime::Result<()> {
        match &self.worker {
            Worker::Connector(context) => context.request_task_reconfiguration(),
            _ => self.misplaced("request-task-reconfiguration"),
        }
        Ok(())
    }

    async fn raise_error(&mut self, error: Error) -> wasmtime::Result<()> {
        match &self.worker {
            Worker::Connector(context) => context.raise_error(lift::failure(error)),
            _ => self.misplaced("raise-error"),
        }
        Ok(())
    }
}

impl host_sink::Host for GuestState {
    async fn assignment(&mut self) -> wasmtime::Result<Vec<TopicPartition>> {
        let Worker::Sink(context) = &self.worker else {
            self.misplaced("assignment");
            return Ok(Vec::new());
        };
        Ok(context.assignment().iter().map(lift::partition_lowered).collect())
    }

    async fn seek(&mut self, offsets: Vec<TopicOffset>) -> wasmtime::Result<()> {
        match &self.worker {
            Worker::Sink(context) => {
                context.seek(offsets.into_iter().map(lift::topic_offset).collect::<wasmtime::Result<_>>()?);
            }
            _ => self.misplaced("seek"),
        }
        Ok(())
    }

    async fn pause(&mut self, partitions: Vec<TopicPartition>) -> wasmtime::Result<Result<(), Error>> {
        let Worker::Sink(context) = &self.worker else { return Ok(Err(Self::unavailable("pause"))) };
        let partitions: Vec<_> = partitions.into_iter().map(lift::partition).collect::<wasmtime::Result<_>>()?;
        Ok(context.pause(&partitions).map_err(lift::lowered))
    }

    async fn resume(&mut self, partitions: Vec<TopicPartition>) -> wasmtime::Result<Result<(), Error>> {
        let Worker::Sink(context) = &self.worker else { return Ok(Err(Self::unavailable("resume"))) };
        let partitions: Vec<_> = partitions.into_iter().map(lift::partition).collect::<wasmtime::Result<_>>()?;
        Ok(context.resume(&partitions).map_err(lift::lowered))
    }

    async fn timeout(&mut self, ms: u32) -> wasmtime::Result<()> {
        match &self.worker {
            Worker::Sink(context) => context.timeout(ms),
            _ => self.misplaced("timeout"),
        }
        Ok(())
    }

    async fn request_commit(&mut self) -> wasmtime::Result<()> {
        match &self.worker {
            Worker::Sink(context) => context.request_commit(),
            _ => self.misplaced("request-commit"),
        }
        Ok(())
    }

    async fn report(&mut self, errors: Vec<RowError>) -> wasmtime::Result<Result<(), Error>> {
        let Worker::Sink(context) = &self.worker else { return Ok(Err(Self::unavailable("report"))) };
        // Rows mean the batch of the `put` in progress; outside of one there are none.
        for error in &errors {
            if self.put_rows <= error.row || std::mem::replace(&mut self.reported[error.row as usize], true) {
                wasmtime::bail!(
                    "reported row {}, which the batch does not have or which was reported before",
                    error.row
                );
            }
        }
        Ok(context.report(errors.into_iter().map(lift::row_error).collect()).map_err(lift::lowered))
    }
}
