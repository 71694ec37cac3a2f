//! Sessions at the database, opened with as many attempts as are configured, and what it says of its tables.

use std::time::Duration;

use millstream_sdk::{
    Error, ErrorKind, Result, Value,
    batch::Side,
    sql::{Database, Parameter},
    wait, warn,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    dialect::Dialect,
    keys::{Connection, name},
    source::columns::{ColumnInfo, TableInfo},
    table_name::TableName,
};

/// A session with what is known of its database.
#[derive(Debug)]
pub struct Session {
    pub database: Database,
    pub dialect: Dialect,
    /// Catalog that names without one are in.
    pub catalog: Option<String>,
}

#[derive(Deserialize)]
struct About {
    product: String,
    #[serde(default)]
    catalog: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    catalog: Option<String>,
    #[serde(default)]
    schema: Option<String>,
    name: String,
}

/// Does something with a database, as often as connections are attempted.
///
/// # Errors
///
/// The last attempt's. Only what may go away by itself is tried again.
pub fn patiently<T>(connection: &Connection, what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut number = 1;
    loop {
        match attempt() {
            Err(error) if error.kind == ErrorKind::Retriable && number < connection.attempts => {
                warn!(
                    "Unable to {what} on attempt {number}/{}: {error}. Will retry in {} ms.",
                    connection.attempts, connection.backoff_ms
                );
                if wait(Duration::from_millis(connection.backoff_ms)) {
                    return Err(error);
                }
                number += 1;
            }
            Err(error) => return Err(Error { kind: ErrorKind::Fatal, ..error }),
            Ok(done) => return Ok(done),
        }
    }
}

impl Session {
    /// Opens a session, with one attempt.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, refuses the user, or is none that is known.
    pub fn open(connection: &Connection, isolation: &str) -> Result<Self> {
        let mut options = json!({ "isolation": isolation, "db.timezone": connection.zone });
        if !connection.dialect.trim().is_empty() {
            options["dialect"] = connection.dialect.trim().into();
        }
        let database = Database::open(name::URL, &options.to_string())?;
        let about: About = parsed(&database.about()?, "the database's description of itself")?;
        let reached = Dialect::of_product(&about.product)?;
        let dialect = match connection.dialect.trim() {
            "" => reached,
            // Of the URL nothing but its kind matters, which has been found out.
            named => Dialect::choose(url_of(reached), named).map_err(Error::config)?,
        };
        Ok(Self { database, dialect, catalog: about.catalog })
    }

    /// Opens a session, with as many attempts as are configured.
    ///
    /// # Errors
    ///
    /// As for [`Session::open`], the last attempt's. Only what may go away by itself is tried again.
    pub fn open_patiently(connection: &Connection, isolation: &str) -> Result<Self> {
        patiently(connection, "connect to database", || Self::open(connection, isolation))
    }

    /// The tables that there are, in the database's order.
    ///
    /// # Errors
    ///
    /// They cannot be listed.
    pub fn tables(&self, catalog: Option<&str>, schema: Option<&str>, types: &[String]) -> Result<Vec<TableName>> {
        let filter = json!({ "catalog": catalog, "schema": schema, "name": "%", "types": types });
        let found: Vec<Found> = parsed(&self.database.tables(&filter.to_string())?, "the list of tables")?;
        // PostgreSQL reaches the tables of one catalog only.
        let catalog = |found: &Found| found.catalog.clone().filter(|_| self.dialect != Dialect::PostgreSql);
        Ok(found
            .iter()
            .map(|found| TableName::new(catalog(found).as_deref(), found.schema.as_deref(), &found.name))
            .collect())
    }

    /// A table's columns and keys; none if there is no such table.
    ///
    /// # Errors
    ///
    /// It cannot be looked at.
    pub fn table(&self, table: &TableName) -> Result<Option<TableInfo>> {
        let parts: Vec<&str> = table.parts().iter().map(String::as_str).collect();
        let found = self.database.table(&parts)?;
        found.map(|text| parsed(&text, "the description of a table")).transpose()
    }

    /// The columns that a query would give, without running it.
    ///
    /// # Errors
    ///
    /// The database does not understand it.
    pub fn check(&self, sql: &str) -> Result<Vec<ColumnInfo>> {
        parsed(&self.database.check(sql)?, "the description of a query's columns")
    }

    /// The values of the only row of a query, in order; none if it has no row.
    ///
    /// # Errors
    ///
    /// It cannot be run.
    pub fn row(&self, sql: &str, parameters: &[Parameter]) -> Result<Option<Vec<Value>>> {
        Ok(self.all_rows(sql, parameters)?.into_iter().next())
    }

    /// The values of all rows of a query that has few.
    ///
    /// # Errors
    ///
    /// It cannot be run, or has more rows than are to be held.
    pub fn all_rows(&self, sql: &str, parameters: &[Parameter]) -> Result<Vec<Vec<Value>>> {
        /// Bytes of such an answer.
        const MAX_BYTES: u32 = 1 << 20;
        /// Rows of it.
        const MAX_ROWS: usize = 100_000;
        let mut rows = self.database.query(sql, parameters, "{}")?;
        let mut all = Vec::new();
        while let Some(batch) = rows.next(1000, MAX_BYTES)? {
            for (_, value) in batch.open().data(Side::Value) {
                match value {
                    Value::Struct(_, slots) => all.push(slots),
                    other => all.push(vec![other]),
                }
            }
            if MAX_ROWS < all.len() {
                return Err(Error::fatal(format!("a query that should have few rows has more than {MAX_ROWS}: {sql}")));
            }
        }
        Ok(all)
    }
}

fn url_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::PostgreSql => "jdbc:postgresql:x",
        Dialect::MySql => "jdbc:mysql:x",
        Dialect::Sqlite => "jdbc:sqlite:x",
    }
}

fn parsed<'t, T: Deserialize<'t>>(text: &'t str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::fatal(format!("read {what}")).because(&error))
}

/// A whole number, whatever its width; a decimal without decimals, too.
pub fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Int8(number) => Some((*number).into()),
        Value::Int16(number) => Some((*number).into()),
        Value::Int32(number) => Some((*number).into()),
        Value::Int64(number) => Some(*number),
        Value::Decimal(decimal) if decimal.scale == 0 && decimal.unscaled.len() <= 16 => {
            let negative = decimal.unscaled.first().is_some_and(|byte| *byte & 0x80 != 0);
            let start = if negative { -1_i128 } else { 0 };
            let number = decimal.unscaled.iter().fold(start, |number, byte| (number << 8) | i128::from(*byte));
            i64::try_from(number).ok()
        }
        _ => None,
    }
}
