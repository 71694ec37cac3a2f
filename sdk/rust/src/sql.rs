//! Databases that configuration keys name: PostgreSQL, MySQL and MariaDB, SQLite.

use std::{fmt, str::FromStr};

use crate::{Error, Result, RowError, batch::Batch, host};

/// A session at the database that the value of a configuration key names. The key's definition says so
/// ([`Opens::sql`](crate::config::Opens::sql)). User, password and TLS are the host's business.
///
/// Dropping it ends the session; what was not committed is undone.
///
/// ```
/// use millstream_sdk::{harness::Harness, sql::{Database, Instant}};
///
/// let harness = Harness::enter();
/// let fake = harness.database("connection.url");
/// fake.clock("1714566896.000000001");
/// let database = Database::open("connection.url", "{}").unwrap();
/// assert_eq!(database.now().unwrap(), Instant { seconds: 1_714_566_896, nanos: 1 });
/// assert_eq!(database.execute("DELETE FROM t WHERE id = ?", &["7".into()]).unwrap(), 0);
/// ```
#[derive(Debug)]
pub struct Database(host::DatabaseHandle);

/// Rows of a query. Dropping it gives up the rows that were not read.
#[derive(Debug)]
pub struct Rows(host::RowsHandle);

/// A statement that runs over the rows of batches.
#[derive(Debug)]
pub struct Statement(host::StatementHandle);

/// What a statement made of the rows of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Rows that the database says it changed.
    pub changed: u64,
    /// Rows that it refused for what is in them. All others are written.
    pub errors: Vec<RowError>,
}

/// A value for one `?` of a statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// How the text is to be read, as the contract lists it: `int64`, `string`, `timestamp`, ….
    pub kind: String,
    /// None is NULL.
    pub value: Option<String>,
}

/// A moment, to the nanosecond. Its text is the contract's: seconds, a dot and nine digits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant {
    /// Since 1970-01-01T00:00Z; before it, less than zero.
    pub seconds: i64,
    /// 0 to 999,999,999, added to the seconds.
    pub nanos: u32,
}

impl Database {
    /// Opens a session. `options` is a JSON object, as the contract lists its members.
    ///
    /// # Errors
    ///
    /// The key opens no database, the worker does not allow it, or it cannot be reached: of kind retriable where trying
    /// again may help.
    pub fn open(key: &str, options: &str) -> Result<Self> {
        Ok(Self(host::DatabaseHandle::open(key, options)?))
    }

    /// Product, version, catalog, schema and so on, as a JSON object.
    ///
    /// # Errors
    ///
    /// The session is lost, as for everything below.
    pub fn about(&self) -> Result<String> {
        self.0.about()
    }

    /// The database's clock.
    ///
    /// # Errors
    ///
    /// As for [`Database::about`].
    pub fn now(&self) -> Result<Instant> {
        let text = self.0.now()?;
        text.parse().map_err(|error| Error::fatal("read the database's clock").because(&error))
    }

    /// Tables that match a filter, a JSON object, as a JSON list.
    ///
    /// # Errors
    ///
    /// The filter is damaged, or they cannot be listed.
    pub fn tables(&self, filter: &str) -> Result<String> {
        self.0.tables(filter)
    }

    /// Columns, keys and kind of a table as JSON; `None` if there is no such table. `name` is one to three parts.
    ///
    /// # Errors
    ///
    /// It cannot be looked at.
    pub fn table(&self, name: &[&str]) -> Result<Option<String>> {
        self.0.table(&serde_json::json!(name).to_string())
    }

    /// Prepares a query without running it; its columns as JSON.
    ///
    /// # Errors
    ///
    /// The database does not understand it.
    pub fn check(&self, sql: &str) -> Result<String> {
        self.0.check(sql)
    }

    /// Runs a query with `?` placeholders. `options` is a JSON object, as the contract lists its members.
    ///
    /// # Errors
    ///
    /// It cannot be run. Rows of an earlier query that are still to be read are in its way.
    pub fn query(&self, sql: &str, parameters: &[Parameter], options: &str) -> Result<Rows> {
        Ok(Rows(self.0.query(sql, parameters, options)?))
    }

    /// Runs a statement once and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// It cannot be run.
    pub fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<u64> {
        self.0.execute(sql, parameters)
    }

    /// Prepares a statement for the rows of batches. `bindings` is a JSON list, as the contract describes it.
    ///
    /// # Errors
    ///
    /// The bindings are damaged or do not fit the statement.
    pub fn prepare(&self, sql: &str, bindings: &str) -> Result<Statement> {
        Ok(Statement(self.0.prepare(sql, bindings)?))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// One is open already, or the database refuses.
    pub fn begin(&self) -> Result<()> {
        self.0.begin()
    }

    /// Makes what was done since [`Database::begin`] durable.
    ///
    /// # Errors
    ///
    /// None is open, or nothing of it was kept; when the session is lost just now, it is not known which.
    pub fn commit(&self) -> Result<()> {
        self.0.commit()
    }

    /// Undoes what was done since [`Database::begin`].
    ///
    /// # Errors
    ///
    /// None is open.
    pub fn rollback(&self) -> Result<()> {
        self.0.rollback()
    }

    /// Listens to a channel of PostgreSQL.
    ///
    /// # Errors
    ///
    /// The database has none.
    pub fn listen(&self, channel: &str) -> Result<()> {
        self.0.listen(channel)
    }

    /// Payloads of notifications that came since the last call. Does not wait.
    ///
    /// # Errors
    ///
    /// The connection that listens is lost; listen again.
    pub fn notifications(&self) -> Result<Vec<String>> {
        self.0.notifications()
    }

    /// Has the [`rest`](crate::rest) of the task end as soon as there is a notification. False if nothing is listened to.
    pub fn ends_rest(&self) -> bool {
        self.0.ends_rest()
    }
}

impl Rows {
    /// The next rows as a batch whose values are structs, and whose keys are the cursors that were asked for; `None` at the
    /// end. At least one row, however large it is.
    ///
    /// # Errors
    ///
    /// The session is lost, or a value has no form in Connect: the message names column and row.
    pub fn next(&mut self, max_rows: u32, max_bytes: u32) -> Result<Option<Batch>> {
        self.0.next(max_rows, max_bytes)
    }
}

impl Statement {
    /// Runs it for the selected rows of a batch; of the batch of the running `put` where none is given. `only`, a bitmap,
    /// limits it to some of them.
    ///
    /// # Errors
    ///
    /// What concerns the whole: none of the rows is written then, unless a transaction that was begun before is committed
    /// all the same.
    pub fn run(&mut self, records: Option<&[u8]>, only: Option<&[u8]>) -> Result<Done> {
        self.0.run(records, only)
    }
}

/// A name as it stands in a statement: between `quote`s (`"` for PostgreSQL, a backtick for MySQL and SQLite; `about` says
/// which), those within it doubled, so that no name can be anything else than a name.
///
/// ```
/// use millstream_sdk::sql::quoted;
///
/// assert_eq!(quoted("order\"s; DROP TABLE x", '"'), "\"order\"\"s; DROP TABLE x\"");
/// ```
pub fn quoted(name: &str, quote: char) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push(quote);
    for character in name.chars() {
        text.push(character);
        if character == quote {
            text.push(quote);
        }
    }
    text.push(quote);
    text
}

impl Parameter {
    /// A value of a kind, or NULL.
    pub fn new(kind: &str, value: Option<String>) -> Self {
        Self { kind: kind.to_owned(), value }
    }
}

impl From<i64> for Parameter {
    fn from(value: i64) -> Self {
        Self::new("int64", Some(value.to_string()))
    }
}

impl From<&str> for Parameter {
    fn from(value: &str) -> Self {
        Self::new("string", Some(value.to_owned()))
    }
}

/// A `timestamp`: the wall clock of `db.timezone` where the database keeps no zone.
impl From<Instant> for Parameter {
    fn from(value: Instant) -> Self {
        Self::new("timestamp", Some(value.to_string()))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}

/// A text that is no instant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidInstant(String);

impl fmt::Display for InvalidInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not seconds, a dot and nine digits", self.0)
    }
}

impl std::error::Error for InvalidInstant {}

impl FromStr for Instant {
    type Err = InvalidInstant;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidInstant> {
        let parsed = text.split_once('.').and_then(|(seconds, nanos)| {
            let digits = nanos.len() == 9 && nanos.bytes().all(|byte| byte.is_ascii_digit());
            Some(Self { seconds: seconds.parse().ok()?, nanos: digits.then(|| nanos.parse().ok())?? })
        });
        parsed.ok_or_else(|| InvalidInstant(text.to_owned()))
    }
}

/// A batch that the host handed over.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the host has made the batch")]
pub(crate) fn from_host(bytes: Vec<u8>) -> Batch {
    // SAFETY: the host hands over valid batches only.
    unsafe { Batch::trusted(bytes.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_as_it_is_read() {
        for (text, seconds, nanos) in [("0.000000000", 0, 0), ("-5.250000000", -5, 250_000_000), ("7.000000001", 7, 1)]
        {
            let instant = Instant { seconds, nanos };
            assert_eq!((instant.to_string(), text.parse()), (text.to_owned(), Ok(instant)));
        }
        for text in ["", "7", "7.5", ".000000000", "7.00000000x", "x.000000000", "7.+00000001"] {
            assert_eq!(text.parse::<Instant>(), Err(InvalidInstant(text.to_owned())));
        }
    }
}
