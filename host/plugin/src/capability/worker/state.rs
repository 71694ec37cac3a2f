//! The worker behind one instance, and what the call in progress may say to it.

use std::sync::Arc;
use std::time::Duration;

use millstream_connector::{ConnectorContext, ErrorKind, Failure, Lease, RowError, SinkContext, SourceContext};
use millstream_record::batch::Batch;

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
    /// The lease that a task may ask for.
    pub(crate) fn lease(&self) -> Option<Arc<dyn Lease>> {
        match self {
            Self::Nobody | Self::Connector(_) => None,
            Self::Source(context) => context.lease(),
            Self::Sink(context) => context.lease(),
        }
    }

    /// Whether the connector or task is asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Connector(context) => context.is_stopping(),
            Self::Source(context) => context.is_stopping(),
            Self::Sink(context) => context.is_stopping(),
        }
    }

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

/// One instance's way to its worker.
pub(crate) struct WorkerAccess {
    worker: Worker,
    /// Which rows of the batch of the `put` in progress were reported; none outside of one.
    reported: Vec<bool>,
    /// That batch.
    put: Option<Batch>,
}

/// A row was reported that the batch does not have, or for the second time: a broken promise.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("reported row {row}, which the batch does not have or which was reported before")]
pub(crate) struct BadReport {
    row: u32,
}

impl WorkerAccess {
    pub(crate) fn new(worker: Worker) -> Self {
        Self { worker, reported: Vec::new(), put: None }
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// A `put` of a batch begins, or with none has ended.
    pub(crate) fn begin_put(&mut self, batch: Option<Batch>) {
        self.reported.clear();
        self.reported.resize(batch.as_ref().map_or(0, Batch::rows) as usize, false);
        self.put = batch;
    }

    /// The batch of the `put` in progress.
    pub(crate) fn put(&self) -> Option<&Batch> {
        self.put.as_ref()
    }

    /// The source task's context.
    ///
    /// # Errors
    ///
    /// The instance is none, as the guest hears.
    pub(crate) fn source(&self, function: &str) -> Result<&Arc<dyn SourceContext>, Failure> {
        match &self.worker {
            Worker::Source(context) => Ok(context),
            _ => Err(unavailable(function)),
        }
    }

    /// The sink task's context.
    ///
    /// # Errors
    ///
    /// The instance is none, as the guest hears.
    pub(crate) fn sink(&self, function: &str) -> Result<&Arc<dyn SinkContext>, Failure> {
        match &self.worker {
            Worker::Sink(context) => Ok(context),
            _ => Err(unavailable(function)),
        }
    }

    /// Takes rows of the batch that is being put to the error policy of the task.
    ///
    /// # Errors
    ///
    /// A broken promise; in the inner result what the guest hears.
    pub(crate) fn report(&mut self, errors: Vec<RowError>) -> Result<Result<(), Failure>, BadReport> {
        let context = match self.sink("report") {
            Ok(context) => Arc::clone(context),
            Err(failure) => return Ok(Err(failure)),
        };
        for &RowError { row, .. } in &errors {
            match self.reported.get_mut(row as usize) {
                Some(reported) if !*reported => *reported = true,
                _ => return Err(BadReport { row }),
            }
        }
        Ok(context.report(errors))
    }
}

fn unavailable(function: &str) -> Failure {
    Failure::new(ErrorKind::Fatal, "", format!("{function} is not available here"))
}
