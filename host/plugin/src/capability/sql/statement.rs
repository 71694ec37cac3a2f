//! Statements over the rows of batches: many rows at a time, and where the database refuses some of them for what is in
//! them, these are found by halves and the others stand.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_connector::RowError;
use millstream_record::batch::{Batch, Table, bits};
use tokio::sync::Mutex;

use super::SqlError;
use super::bindings::{Binding, Datum, Refused};
use super::clock::Zone;
use super::connect::Connection;
use super::placeholders::Placeholders;
use super::postgres::write::Element;
use super::session::Session;
use super::url::Product;
use super::{mysql, postgres, sqlite};

/// What stands for the rows in a statement.
const ROWS: &str = "{rows}";

/// About how many bytes go to a database in one statement.
const STATEMENT_BYTES: usize = 8 << 20;

/// Most rows of one statement.
const STATEMENT_ROWS: usize = 20_000;

/// Most placeholders of one statement: MySQL's limit, and SQLite's.
const STATEMENT_PLACEHOLDERS: usize = 32_000;

/// A statement that a guest has prepared.
pub struct OpenStatement {
    inside: Arc<Inside>,
}

struct Inside {
    session: Arc<Mutex<Session>>,
    product: Product,
    plan: Plan,
    bindings: Vec<Binding>,
}

/// How a statement takes its rows.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// Many at a time, between these texts.
    Rows { before: String, after: String },
    /// One at a time.
    Each { sql: String },
}

/// What became of the rows.
pub(crate) struct Done {
    pub(crate) changed: u64,
    pub(crate) errors: Vec<RowError>,
}

impl OpenStatement {
    /// Reads files, for time zones.
    pub(super) fn new(
        session: Arc<Mutex<Session>>,
        product: Product,
        sql: &str,
        bindings: &str,
        zone: &Zone,
    ) -> Result<Self, SqlError> {
        let bindings = Binding::parse(bindings, zone)?;
        let placeholders = Placeholders::of(sql, product);
        let plan = match sql.split_once(ROWS) {
            Some((before, after)) => {
                if after.contains(ROWS) || placeholders.count() != 0 || bindings.is_empty() {
                    return Err(SqlError::fatal(format!("a statement has {ROWS} once, no ? beside it, and bindings")));
                }
                Plan::Rows { before: before.to_owned(), after: after.to_owned() }
            }
            None if placeholders.count() == bindings.len() => Plan::Each { sql: placeholders.written(product) },
            None => {
                return Err(SqlError::fatal(format!(
                    "the statement has {} placeholders and {} bindings",
                    placeholders.count(),
                    bindings.len()
                )));
            }
        };
        Ok(Self { inside: Arc::new(Inside { session, product, plan, bindings }) })
    }

    /// Runs it for the selected rows of a batch, and of these for those that `only` has.
    pub(crate) fn run(
        &self,
        batch: Batch,
        only: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<Done, SqlError>> + Send + use<> {
        let inside = Arc::clone(&self.inside);
        async move { inside.run(&batch, only.as_deref()).await }
    }
}

/// A row of the batch, and a value per binding.
type Taken<'b> = (u32, Vec<Datum<'b>>);

/// Rows that can be written, and those that cannot.
struct Rows<'b> {
    /// In the order in which they are written.
    data: Vec<Taken<'b>>,
    /// By the row that replaces it, the one of the same key before it. It counts if that is refused.
    replaced: HashMap<u32, Taken<'b>>,
    errors: Vec<RowError>,
}

impl Inside {
    async fn run(&self, batch: &Batch, only: Option<&[u8]>) -> Result<Done, SqlError> {
        let table = batch.open();
        let count = table.rows as usize;
        if only.is_some_and(|only| only.len() < bits::bytes_for(count)) {
            return Err(SqlError::fatal(format!(
                "the plugin's bitmap has fewer bits than the batch has rows, {count}"
            )));
        }
        let chosen = |row: usize| table.is_selected(row) && only.is_none_or(|only| bits::get(only, row));
        let rows: Vec<u32> = (0..count).filter(|&row| chosen(row)).map(|row| row as u32).collect();
        let mut rows = self.rows(&table, &rows);
        if rows.data.is_empty() {
            return Ok(Done { changed: 0, errors: rows.errors });
        }
        let mut session = self.session.lock().await;
        let in_transaction = session.in_transaction();
        if !in_transaction {
            session.begin().await?;
        }
        let written = session
            .with("write rows", async |connection| {
                let (mut changed, mut refused) = (0, Vec::new());
                while !rows.data.is_empty() {
                    let data = std::mem::take(&mut rows.data);
                    let mut writer = Writer { inside: self, connection, rows: &data, changed: 0, refused: Vec::new() };
                    writer.write_all().await?;
                    changed += writer.changed;
                    rows.data.extend(writer.refused.iter().filter_map(|error| rows.replaced.remove(&error.row)));
                    refused.append(&mut writer.refused);
                }
                Ok((changed, refused))
            })
            .await;
        let (changed, refused) = match written {
            Ok(written) => written,
            Err(error) => {
                if !in_transaction {
                    // The error is what counts; the session undoes what is left.
                    drop(session.end("roll back", "ROLLBACK").await);
                }
                return Err(error);
            }
        };
        if !in_transaction {
            session.end("commit", "COMMIT").await?;
        }
        rows.errors.extend(refused);
        rows.errors.sort_by_key(|error| error.row);
        Ok(Done { changed, errors: rows.errors })
    }

    /// Takes the values of rows out of a batch.
    fn rows<'b>(&self, table: &'b Table<'_>, rows: &[u32]) -> Rows<'b> {
        let mut columns: Vec<_> = self.bindings.iter().map(|one| one.values(table, rows).into_iter()).collect();
        let mut taken = Rows { data: Vec::with_capacity(rows.len()), replaced: HashMap::new(), errors: Vec::new() };
        for &row in rows {
            let values: Vec<Result<Datum<'b>, Refused>> =
                columns.iter_mut().map(|column| column.next().unwrap_or(Ok(Datum::Null))).collect();
            match values.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(values) => taken.data.push((row, values)),
                Err(refused) => taken.errors.push(row_error(row, SqlError::data(refused))),
            }
        }
        taken.replaced = self.order(&mut taken.data);
        taken
    }

    /// Where bindings say what tells rows apart: in the order of that, so that tasks that write the same rows do not wait
    /// for each other in a circle; and for PostgreSQL, which changes a row once in a statement, the last of each alone.
    /// Returns those that are replaced, by the row that does it.
    fn order<'b>(&self, data: &mut Vec<Taken<'b>>) -> HashMap<u32, Taken<'b>> {
        let mut replaced = HashMap::new();
        let places: Vec<usize> = (0..self.bindings.len()).filter(|&at| self.bindings[at].key).collect();
        if places.is_empty() {
            return replaced;
        }
        let key = |values: &[Datum<'_>]| -> Vec<String> { places.iter().map(|&at| values[at].text()).collect() };
        let mut keyed: Vec<_> = data.drain(..).map(|row| (key(&row.1), row)).collect();
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let once = self.product == Product::Postgres && matches!(self.plan, Plan::Rows { .. });
        let mut previous = None;
        for (key, row) in keyed {
            if once
                && previous.as_ref() == Some(&key)
                && let Some(before) = data.pop()
            {
                replaced.insert(row.0, before);
            }
            previous = Some(key);
            data.push(row);
        }
        replaced
    }
}

fn row_error(row: u32, error: SqlError) -> RowError {
    let field = error.column.clone();
    RowError { row, link: 0, failure: error.into(), field }
}

/// Writes rows over one connection.
struct Writer<'w, 'b> {
    inside: &'w Inside,
    connection: &'w mut Connection,
    rows: &'w [(u32, Vec<Datum<'b>>)],
    changed: u64,
    refused: Vec<RowError>,
}

impl Writer<'_, '_> {
    async fn write_all(&mut self) -> Result<(), SqlError> {
        let elements: Vec<Element> = if self.inside.product == Product::Postgres {
            let first =
                |at: usize| self.rows.iter().map(|(_, values)| &values[at]).find(|datum| **datum != Datum::Null);
            self.inside.bindings.iter().enumerate().map(|(at, one)| Element::of(one, first(at))).collect()
        } else {
            Vec::new()
        };
        let mut begin = 0;
        while begin < self.rows.len() {
            let end = self.end_of_statement(begin);
            self.write_some(&elements, begin, end).await?;
            begin = end;
        }
        Ok(())
    }

    /// Behind the last row that goes into one statement with the first.
    fn end_of_statement(&self, begin: usize) -> usize {
        let most = match self.inside.product {
            Product::Postgres => STATEMENT_ROWS,
            _ => (STATEMENT_PLACEHOLDERS / self.inside.bindings.len().max(1)).clamp(1, STATEMENT_ROWS),
        };
        let (mut bytes, mut end) = (0, begin);
        while end < self.rows.len() && end - begin < most {
            bytes += self.rows[end].1.iter().map(Datum::size).sum::<usize>();
            if STATEMENT_BYTES < bytes && begin < end {
                break;
            }
            end += 1;
        }
        end
    }

    /// Writes rows; those that are refused for what is in them are looked for in ever smaller parts.
    async fn write_some(&mut self, elements: &[Element], begin: usize, end: usize) -> Result<(), SqlError> {
        let mut parts = vec![(begin, end)];
        while let Some((begin, end)) = parts.pop() {
            match self.try_some(elements, begin, end).await {
                Ok(changed) => self.changed += changed,
                Err(error) if error.of_data && !error.lost => {
                    if end - begin == 1 {
                        self.refused.push(row_error(self.rows[begin].0, error));
                    } else {
                        let middle = begin + (end - begin) / 2;
                        parts.push((middle, end));
                        parts.push((begin, middle));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn try_some(&mut self, elements: &[Element], begin: usize, end: usize) -> Result<u64, SqlError> {
        // PostgreSQL makes a whole transaction fail, but for what comes behind a savepoint; the others undo a statement by
        // itself, but not those before it.
        let is_one = end - begin == 1 || matches!(self.inside.plan, Plan::Rows { .. });
        let saves = self.inside.product == Product::Postgres || !is_one;
        if saves {
            self.plain("SAVEPOINT millstream_rows").await?;
        }
        let written = self.write(elements, begin, end).await;
        match &written {
            Ok(_) if saves => self.plain("RELEASE SAVEPOINT millstream_rows").await?,
            // A transaction that was undone as a whole has no savepoint any more.
            Err(error) if saves && error.of_data && !error.lost => {
                self.plain("ROLLBACK TO SAVEPOINT millstream_rows").await?;
            }
            _ => {}
        }
        written
    }

    async fn plain(&mut self, sql: &str) -> Result<(), SqlError> {
        let done = match self.connection {
            Connection::Postgres(connection) => postgres::plain(connection, sql).await,
            Connection::MySql(connection, _) => mysql::plain(connection, sql).await,
            Connection::Sqlite(connection, _) => sqlite::plain(connection, sql).await,
        };
        done.map_err(|error| SqlError::driver(self.inside.product, "write rows", error))
    }

    async fn write(&mut self, elements: &[Element], begin: usize, end: usize) -> Result<u64, SqlError> {
        let rows: Vec<&[Datum<'_>]> = self.rows[begin..end].iter().map(|(_, values)| values.as_slice()).collect();
        let (plan, bindings) = (&self.inside.plan, &self.inside.bindings);
        match self.connection {
            Connection::Postgres(connection) => {
                postgres::write::write(connection, plan, bindings, elements, &rows).await
            }
            Connection::MySql(connection, settings) => mysql::write(connection, *settings, plan, bindings, &rows).await,
            Connection::Sqlite(connection, settings) => {
                sqlite::write(connection, settings, plan, bindings, &rows).await
            }
        }
    }
}
