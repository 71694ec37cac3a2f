//! Rows of a query as batches of columns. A task of their own reads them while they are open, since they borrow the
//! connection; it does nothing between two calls, so that no more is read than was asked for.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use super::cancel::Canceller;
use super::columns::{Cell, Layout, ReadColumn, RowsBuilder};
use super::connect::Connection;
use super::options::{Parameter, QueryOptions};
use super::session::Session;
use super::url::Product;
use super::{SqlError, mysql, postgres, sqlite};

/// Most rows of one batch, as the format has it.
const MAX_ROWS: u32 = 1 << 20;

/// Rows that a guest has open.
pub struct OpenRows {
    reader: Arc<Mutex<Reader>>,
    task: JoinHandle<()>,
    /// Who cancels the query, if it has to be given up.
    canceller: Option<Canceller>,
    /// Columns that are left out, for a warning.
    pub(crate) left_out: Vec<(String, String)>,
}

/// Who asks the task for rows.
pub(super) struct Reader {
    requests: mpsc::Sender<Request>,
    task: AbortHandle,
    timeout: Duration,
    product: Product,
    ended: bool,
}

/// What the task is asked.
pub(super) struct Request {
    max_rows: u32,
    max_bytes: usize,
    answer: oneshot::Sender<Answer>,
}

/// A batch, and whether it is the last; none if it is the end itself.
type Answer = Result<(Option<Vec<u8>>, bool), SqlError>;

/// Limits and requests, for the part that differs between databases.
pub(super) struct Pump {
    requests: mpsc::Receiver<Request>,
    value_bytes: usize,
    batch_bytes: usize,
}

/// How reading ended, for the connection.
pub(super) enum Ended {
    /// It can be used again.
    Well,
    /// It is in the middle of something.
    Badly,
}

impl Drop for OpenRows {
    fn drop(&mut self) {
        // What was not read is given up together with its connection.
        if !self.task.is_finished() {
            self.task.abort();
            if let Some(canceller) = self.canceller.take() {
                canceller.cancel();
            }
        }
    }
}

impl OpenRows {
    pub(super) async fn open(
        session: &mut Session,
        sql: &str,
        parameters: Vec<Parameter>,
        options: QueryOptions,
    ) -> Result<Self, SqlError> {
        let (requests, receiver) = mpsc::channel(1);
        let (opened, opening) = oneshot::channel();
        let timeout = session.statement_timeout();
        let product = session.product();
        let limits = session.limits;
        let (connection, back, canceller) = session.lend().await?;
        let sql = sql.to_owned();
        let pump =
            Pump { requests: receiver, value_bytes: limits.value_bytes, batch_bytes: limits.batch.max_bytes as usize };
        let task = tokio::spawn(async move {
            let mut connection = connection;
            let query = Query { sql, parameters, options, opened, back };
            let (ended, back) = match &mut connection {
                Connection::Postgres(connection) => postgres::rows(connection, query, pump).await,
                Connection::MySql(connection, settings) => mysql::rows(connection, *settings, query, pump).await,
                Connection::Sqlite(connection, settings) => sqlite::rows(connection, settings, query, pump).await,
            };
            if let (Ended::Well, Some((back, last))) = (ended, back) {
                // Nobody takes it back if the session has ended.
                let _ = back.send(connection);
                last.tell();
            }
        });
        let reader = Reader { requests, task: task.abort_handle(), timeout, product, ended: false };
        let mut rows = Self { reader: Arc::new(Mutex::new(reader)), task, canceller, left_out: Vec::new() };
        session.lent_to(&rows.reader);
        match tokio::time::timeout(timeout, opening).await {
            Ok(Ok(Ok(left_out))) => {
                rows.left_out = left_out;
                Ok(rows)
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(SqlError::lost("run the query: reading was given up")),
            Err(_) => Err(session.too_long("run the query")),
        }
    }

    /// The next rows; none at the end. Does not borrow what the guest has open.
    pub(crate) fn next(
        &self,
        max_rows: u32,
        max_bytes: u32,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, SqlError>> + Send + use<> {
        let reader = Arc::clone(&self.reader);
        async move { reader.lock().await.next(max_rows, max_bytes).await }
    }
}

impl Reader {
    async fn next(&mut self, max_rows: u32, max_bytes: u32) -> Result<Option<Vec<u8>>, SqlError> {
        if self.ended {
            return Ok(None);
        }
        let (answer, answered) = oneshot::channel();
        let request = Request { max_rows: max_rows.clamp(1, MAX_ROWS), max_bytes: max_bytes as usize, answer };
        let gone = || SqlError::lost("read rows: the query was given up");
        self.requests.send(request).await.map_err(|_| gone())?;
        let answered = match tokio::time::timeout(self.timeout, answered).await {
            Ok(answered) => answered.unwrap_or_else(|_| Err(gone())),
            Err(_) => {
                self.task.abort();
                Err(SqlError::lost(format!(
                    "read rows: {} has not answered within {} ms (statement.timeout.ms)",
                    self.product,
                    self.timeout.as_millis()
                )))
            }
        };
        self.ended = !matches!(answered, Ok((Some(_), false)));
        answered.map(|(batch, _)| batch)
    }
}

/// A query that is to be run.
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) options: QueryOptions,
    opened: oneshot::Sender<Result<Vec<(String, String)>, SqlError>>,
    back: oneshot::Sender<Connection>,
}

/// The last thing that the task says, after it has given the connection back.
pub(super) enum Last {
    NotOpened(oneshot::Sender<Result<Vec<(String, String)>, SqlError>>, SqlError),
    Answer(oneshot::Sender<Answer>, Answer),
}

impl Last {
    fn tell(self) {
        // Whoever has asked may have gone.
        match self {
            Self::NotOpened(opened, error) => drop(opened.send(Err(error))),
            Self::Answer(answer, last) => drop(answer.send(last)),
        }
    }
}

/// How reading ended, and to whom the connection goes before what is said last.
pub(super) type Outcome = (Ended, Option<(oneshot::Sender<Connection>, Last)>);

impl Query {
    /// It could not be run.
    pub(super) fn failed(self, error: SqlError) -> Outcome {
        let ended = if error.lost { Ended::Badly } else { Ended::Well };
        let last = Last::NotOpened(self.opened, error);
        if matches!(ended, Ended::Badly) {
            last.tell();
            return (ended, None);
        }
        (ended, Some((self.back, last)))
    }
}

impl Pump {
    /// Answers requests with the rows of a stream, until it ends or nobody asks any more.
    pub(super) async fn run<S, R>(
        mut self,
        query: Query,
        product: Product,
        layout: Layout<S>,
        first: Option<Result<R, sqlx::Error>>,
        mut stream: BoxStream<'_, Result<R, sqlx::Error>>,
        cells: impl for<'r> Fn(&'r R, &ReadColumn<S>) -> Result<(Option<Cell<'r>>, usize), String>,
    ) -> Outcome {
        let Query { opened, back, .. } = query;
        // The first row shows whether the query runs at all.
        let mut pending = first;
        if let Some(Err(error)) = pending {
            let error = SqlError::driver(product, "run the query", error);
            drop(stream);
            let ended = if error.lost { Ended::Badly } else { Ended::Well };
            return (ended, Some((back, Last::NotOpened(opened, error))));
        }
        if opened.send(Ok(layout.left_out.clone())).is_err() {
            return (Ended::Badly, None);
        }
        while let Some(Request { max_rows, max_bytes, answer }) = self.requests.recv().await {
            let max_bytes = max_bytes.clamp(1, self.batch_bytes / 2);
            let mut rows = RowsBuilder::new(&layout);
            let failed = loop {
                let row = match pending.take() {
                    Some(row) => Some(row),
                    None => stream.next().await,
                };
                match row {
                    Some(Ok(row)) => {
                        if let Err(error) = self.push(&mut rows, &layout, &row, &cells) {
                            break Some(error);
                        }
                        if max_rows <= rows.rows || max_bytes <= rows.bytes {
                            break None;
                        }
                    }
                    Some(Err(error)) => break Some(SqlError::driver(product, "read rows", error)),
                    None => {
                        drop(stream);
                        let last = if rows.rows == 0 { Ok(None) } else { rows.finish(&layout).map(Some) };
                        let last = last.map(|batch| (batch, true));
                        return (Ended::Well, Some((back, Last::Answer(answer, last))));
                    }
                }
            };
            match failed {
                Some(error) if error.state.is_some() && !error.lost => {
                    // The database has ended the query itself.
                    drop(stream);
                    return (Ended::Well, Some((back, Last::Answer(answer, Err(error)))));
                }
                Some(error) => {
                    // What is still to come stands in the connection's way.
                    drop(answer.send(Err(error)));
                    return (Ended::Badly, None);
                }
                None => {}
            }
            if answer.send(rows.finish(&layout).map(|batch| (Some(batch), false))).is_err() {
                return (Ended::Badly, None);
            }
        }
        (Ended::Badly, None)
    }

    fn push<S, R>(
        &self,
        rows: &mut RowsBuilder,
        layout: &Layout<S>,
        row: &R,
        cells: &impl for<'r> Fn(&'r R, &ReadColumn<S>) -> Result<(Option<Cell<'r>>, usize), String>,
    ) -> Result<(), SqlError> {
        rows.push(layout, |column| {
            let (cell, bytes) = cells(row, column)?;
            if self.value_bytes < bytes {
                return Err(format!(
                    "a value of {bytes} bytes is larger than the worker allows ({} bytes, plugin.sql.value.max.bytes)",
                    self.value_bytes
                ));
            }
            Ok((cell, bytes))
        })?;
        if self.batch_bytes < rows.bytes {
            return Err(SqlError::data(format!(
                "a row of {} bytes does not fit into a batch ({} bytes, plugin.batch.max.bytes)",
                rows.bytes, self.batch_bytes
            )));
        }
        Ok(())
    }
}
