//! Against the databases themselves: servers of the machine's packages, each shared by the tests of this file.

mod sessions;
mod types;
mod writes;

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use harness::databases::{DATABASE, Database as Peer, PASSWORD, Server, USER, have};
use millstream_record::batch::{Batch, Limits, Side};
use millstream_record::{Schema, Value};

use super::options::Parameter;
use super::session::Database;
use super::state::{Grant, SqlAccess, SqlLimits};
use super::{OpenDatabase, OpenRows, SqlError};
use crate::capability::Allowed;

/// The servers of these tests.
fn peer(server: Server) -> Option<&'static Peer> {
    static POSTGRES: OnceLock<Option<Peer>> = OnceLock::new();
    static MARIADB: OnceLock<Option<Peer>> = OnceLock::new();
    let cell = match server {
        Server::Postgres => &POSTGRES,
        Server::MariaDb => &MARIADB,
    };
    cell.get_or_init(|| have(server).then(|| Peer::start(server))).as_ref()
}

fn grant(url: &str) -> Grant {
    Grant {
        url: url.to_owned(),
        properties: Vec::new(),
        user: Some(USER.to_owned()),
        password: Some(PASSWORD.to_owned()),
    }
}

fn access_of(grant: Grant, allowed: &Allowed, limits: SqlLimits) -> SqlAccess {
    let mut access = SqlAccess::new(allowed, limits, Arc::default());
    access.grant("db", Some(grant));
    access
}

fn access(url: &str) -> SqlAccess {
    access_of(grant(url), &Allowed::default(), SqlLimits::default())
}

async fn open_with(access: &SqlAccess, options: &str) -> Result<OpenDatabase, SqlError> {
    access.open("db", options, |text| panic!("no warning is expected: {text}")).await
}

/// A session at a server, if it can be had.
async fn open(server: Server) -> Option<Session> {
    let url = peer(server)?.url(DATABASE);
    Some(Session::open(&url, "{}").await)
}

/// A session that ends with this.
struct Session {
    database: Database,
    _open: OpenDatabase,
}

impl std::ops::Deref for Session {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Session {
    async fn open(url: &str, options: &str) -> Self {
        let open = open_with(&access(url), options).await.unwrap_or_else(|error| panic!("{}", error.message));
        let database = open.handle();
        Self { database, _open: open }
    }

    async fn sqlite() -> Self {
        Self::open("jdbc:sqlite::memory:", "{}").await
    }

    /// Runs statements that have to succeed.
    async fn run(&self, statements: &[&str]) {
        for sql in statements {
            let done = self.execute(sql, Vec::new()).await;
            done.unwrap_or_else(|error| panic!("{sql}: {}", error.message));
        }
    }

    /// All rows of a query.
    async fn all(&self, sql: &str, parameters: Vec<Parameter>, options: &str) -> Result<Read, SqlError> {
        let rows = self.query(sql, parameters, options).await?;
        read(&rows, 1000, 1 << 20).await
    }

    /// The rows of a query as lines of text.
    async fn lines(&self, sql: &str) -> Vec<String> {
        let read = self.all(sql, Vec::new(), "{}").await.unwrap_or_else(|error| panic!("{sql}: {}", error.message));
        read.rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }
}

/// What a query has yielded.
#[derive(Default)]
struct Read {
    schema: Option<Arc<Schema>>,
    rows: Vec<Vec<Value>>,
    keys: Vec<Vec<Value>>,
    batches: usize,
    left_out: Vec<(String, String)>,
}

async fn read(rows: &OpenRows, max_rows: u32, max_bytes: u32) -> Result<Read, SqlError> {
    let mut read = Read { left_out: rows.left_out.clone(), ..Read::default() };
    while let Some(bytes) = rows.next(max_rows, max_bytes).await? {
        let batch = Batch::validate(bytes, &Limits::DEFAULT).expect("the host makes valid batches");
        let table = batch.open();
        read.batches += 1;
        for (schema, value) in table.data(Side::Value) {
            read.schema = schema;
            let Value::Struct(_, slots) = value else { panic!("a row is a struct: {value:?}") };
            read.rows.push(slots);
        }
        for (_, value) in table.data(Side::Key) {
            if let Value::Struct(_, slots) = value {
                read.keys.push(slots);
            }
        }
    }
    Ok(read)
}

/// A value as a test writes it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int8(value) => format!("{value}i8"),
        Value::Int16(value) => format!("{value}i16"),
        Value::Int32(value) => format!("{value}i32"),
        Value::Int64(value) => value.to_string(),
        Value::Float32(value) => format!("{value}f32"),
        Value::Float64(value) => format!("{value}f64"),
        Value::String(value) => value.clone(),
        Value::Bytes(bytes) => format!(
            "x{}",
            bytes.iter().fold(String::new(), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            })
        ),
        Value::Decimal(decimal) => {
            format!(
                "{}d{}",
                super::numeric::Number::of_unscaled(&decimal.unscaled, decimal.scale).text(),
                decimal.scale
            )
        }
        Value::Instant(ms) => format!("@{ms}"),
        Value::List(values) => format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(",")),
        Value::Struct(_, slots) => format!("{{{}}}", slots.iter().map(text).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}

fn parameter(kind: &str, value: &str) -> Parameter {
    Parameter { kind: kind.to_owned(), value: Some(value.to_owned()) }
}

/// The message of a failure.
fn refused<T>(result: Result<T, SqlError>) -> String {
    match result {
        Ok(_) => panic!("it should fail"),
        Err(error) => error.message,
    }
}
