//! One session: a connection, the transaction in it, and how long whatever may take.

use std::sync::{Arc, Weak};
use std::time::Duration;

use millstream_connector::Rest;
use serde_json::Value as Json;
use tokio::sync::{Mutex, OwnedSemaphorePermit, oneshot};

use super::cancel::{CancelOnDrop, Canceller};
use super::connect::{Connection, Login};
use super::options::{Parameter, QueryOptions, SessionOptions};
use super::rows::{OpenRows, Reader};
use super::state::SqlLimits;
use super::statement::OpenStatement;
use super::url::Product;
use super::{SqlError, mysql, postgres, sqlite};

/// A session that a guest has open.
pub struct OpenDatabase {
    session: Arc<Mutex<Session>>,
    listener: Arc<Mutex<Option<postgres::Listener>>>,
    /// Given back when the session ends.
    _permit: OwnedSemaphorePermit,
}

/// What statements, rows and the session itself share.
pub(super) struct Session {
    login: Login,
    pub(super) options: SessionOptions,
    pub(super) limits: SqlLimits,
    /// None while it is lent, and after it was lost.
    connection: Option<Connection>,
    /// Who reads rows gives the connection back here.
    lent: Option<oneshot::Receiver<Connection>>,
    /// Who reads rows, as long as a guest has them open.
    reader: Weak<Mutex<Reader>>,
    in_transaction: bool,
    /// Who cancels what runs over the connection.
    canceller: Option<Canceller>,
    /// Which of the databases that speak one protocol it is.
    product: Product,
}

impl Session {
    /// The connection, opened anew if it was lost outside of a transaction.
    async fn take(&mut self) -> Result<Connection, SqlError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        if let Some(lent) = &mut self.lent {
            let mut back = lent.try_recv();
            if matches!(back, Err(oneshot::error::TryRecvError::Empty)) {
                if self.reader.upgrade().is_some() {
                    return Err(SqlError::fatal(
                        "the rows of a query are still being read: read them to their end or drop them first",
                    ));
                }
                // They were dropped: the task that read them ends, and with it the connection.
                back = lent.await.map_err(|_| oneshot::error::TryRecvError::Closed);
            }
            self.lent = None;
            if let Ok(connection) = back {
                return Ok(connection);
            }
        }
        if self.in_transaction {
            return Err(SqlError::lost(
                "the connection was lost, and the transaction with it: nothing of it was kept; roll back and begin anew",
            ));
        }
        let (connection, canceller) = self.login.connect(&self.options).await?;
        self.canceller = canceller;
        Ok(connection)
    }

    /// How long a statement may take.
    pub(super) fn statement_timeout(&self) -> Duration {
        // It is set when the session is opened.
        self.options.statement_timeout.unwrap_or(self.limits.wait)
    }

    pub(super) fn product(&self) -> Product {
        self.product
    }

    /// Does something with the connection. If it takes too long or is cancelled, the connection is closed.
    pub(super) async fn with<T>(
        &mut self,
        attempted: &str,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let mut connection = self.take().await?;
        let timeout = self.statement_timeout();
        let guard = CancelOnDrop::new(self.canceller.clone());
        // Whoever drops this future drops the connection with it: its peer sees the end and undoes what is open.
        match tokio::time::timeout(timeout, work(&mut connection)).await {
            Ok(done) => {
                guard.disarm();
                if done.as_ref().err().is_none_or(|error| !error.lost) {
                    self.connection = Some(connection);
                }
                done
            }
            Err(_) => Err(self.too_long(attempted)),
        }
    }

    pub(super) fn too_long(&self, attempted: &str) -> SqlError {
        SqlError::lost(format!(
            "{attempted}: {} has not answered within {} ms (statement.timeout.ms, and at most nine tenths of the worker's \
             plugin.host.call.timeout.ms)",
            self.product,
            self.statement_timeout().as_millis()
        ))
    }

    /// Hands the connection to who reads rows.
    pub(super) async fn lend(
        &mut self,
    ) -> Result<(Connection, oneshot::Sender<Connection>, Option<Canceller>), SqlError> {
        let connection = self.take().await?;
        let (back, lent) = oneshot::channel();
        self.lent = Some(lent);
        Ok((connection, back, self.canceller.clone()))
    }

    /// Remembers who reads with the connection that was lent.
    pub(super) fn lent_to(&mut self, reader: &Arc<Mutex<Reader>>) {
        self.reader = Arc::downgrade(reader);
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    pub(super) async fn begin(&mut self) -> Result<(), SqlError> {
        if self.in_transaction {
            return Err(SqlError::fatal("begin: a transaction is open already"));
        }
        let sql = match self.product {
            Product::Sqlite => "BEGIN IMMEDIATE",
            _ => "BEGIN",
        };
        self.plain("begin", sql).await?;
        self.in_transaction = true;
        Ok(())
    }

    pub(super) async fn end(&mut self, attempted: &'static str, sql: &'static str) -> Result<(), SqlError> {
        if !self.in_transaction {
            return Err(SqlError::fatal(format!("{attempted}: no transaction is open")));
        }
        let commits = sql == "COMMIT";
        let ended = if commits && self.product == Product::Postgres {
            // A transaction that failed is rolled back by COMMIT without an error.
            self.with(attempted, async |connection| match connection {
                Connection::Postgres(connection) => postgres::commit(connection).await,
                other => Err(SqlError::fatal(format!("commit: the connection is one to {}", other.product()))),
            })
            .await
        } else {
            self.plain(attempted, sql).await
        };
        let is_lost = self.connection.is_none() && self.lent.is_none();
        match ended {
            Ok(()) => {
                self.in_transaction = false;
                Ok(())
            }
            // Whatever was not committed is undone with the connection.
            Err(error) if is_lost && !commits => {
                self.in_transaction = false;
                drop(error);
                Ok(())
            }
            Err(error) => {
                if commits {
                    self.in_transaction = false;
                    if !is_lost {
                        // SQLite leaves it open when it is busy.
                        let _ = self.plain("rollback", "ROLLBACK").await;
                    }
                }
                Err(error)
            }
        }
    }

    /// Runs a statement without parameters.
    pub(super) async fn plain(&mut self, attempted: &str, sql: &str) -> Result<(), SqlError> {
        let product = self.product;
        self.with(attempted, async |connection| {
            let done = match connection {
                Connection::Postgres(connection) => postgres::plain(connection, sql).await,
                Connection::MySql(connection, _) => mysql::plain(connection, sql).await,
                Connection::Sqlite(connection, _) => sqlite::plain(connection, sql).await,
            };
            done.map_err(|error| SqlError::driver(product, attempted, error))
        })
        .await
    }
}

impl OpenDatabase {
    pub(super) async fn open(
        login: Login,
        options: SessionOptions,
        limits: SqlLimits,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, SqlError> {
        let product = login.target.product;
        if let Some(dialect) = &options.dialect
            && !dialect.eq_ignore_ascii_case(product.dialect())
        {
            return Err(SqlError::config(format!(
                "{} is spoken to as {}, and not as {dialect} (dialect.name)",
                login.target.name(),
                product.dialect()
            )));
        }
        let mut options = options;
        // Deadlines are of single waits, and the host's to keep: the server's own would end a query whose rows are read for
        // longer than one call may wait.
        let most = limits.wait.saturating_sub(limits.wait / 10);
        let timeout = options.statement_timeout.or(login.socket_timeout()?);
        options.statement_timeout = Some(timeout.map_or(most, |timeout| timeout.min(most)));
        let mut session = Session {
            login,
            options,
            limits,
            connection: None,
            lent: None,
            reader: Weak::new(),
            in_transaction: false,
            canceller: None,
            product,
        };
        let connection = session.take().await?;
        session.product = connection.product();
        session.connection = Some(connection);
        Ok(Self { session: Arc::new(Mutex::new(session)), listener: Arc::default(), _permit: permit })
    }

    /// For work that does not borrow the guest's state while it waits.
    pub(crate) fn handle(&self) -> Database {
        Database { session: Arc::clone(&self.session), listener: Arc::clone(&self.listener) }
    }
}

/// A session, to be used while nothing else uses it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    session: Arc<Mutex<Session>>,
    listener: Arc<Mutex<Option<postgres::Listener>>>,
}

impl Database {
    /// Product, version and so on, as JSON.
    pub(crate) async fn about(&self) -> Result<String, SqlError> {
        let mut session = self.session.lock().await;
        let product = session.product;
        let about = session.with("look at the database", async |connection| match connection {
            Connection::Postgres(connection) => postgres::about(connection).await,
            Connection::MySql(connection, settings) => mysql::about(connection, *settings).await,
            Connection::Sqlite(connection, _) => sqlite::about(connection).await,
        });
        let About { version, catalog, schema, identifier_max } = about.await?;
        let json = serde_json::json!({
            "product": product.word(),
            "version": version,
            "catalog": catalog,
            "schema": schema,
            "identifier.max": identifier_max,
            "quote": product.quote().to_string(),
            "separator": ".",
            "dialect": product.dialect(),
        });
        Ok(json.to_string())
    }

    /// The database's clock, as an instant text.
    pub(crate) async fn now(&self) -> Result<String, SqlError> {
        let mut session = self.session.lock().await;
        session
            .with("look at the database's clock", async |connection| match connection {
                Connection::Postgres(connection) => postgres::now(connection).await,
                Connection::MySql(connection, settings) => mysql::now(connection, *settings).await,
                Connection::Sqlite(connection, _) => sqlite::now(connection).await,
            })
            .await
    }

    /// Tables that a filter fits, as JSON.
    pub(crate) async fn tables(&self, filter: &str) -> Result<String, SqlError> {
        let filter = TableFilter::parse(filter)?;
        let mut session = self.session.lock().await;
        let tables = session.with("list tables", async |connection| match connection {
            Connection::Postgres(connection) => postgres::tables(connection, &filter).await,
            Connection::MySql(connection, settings) => mysql::tables(connection, *settings, &filter).await,
            Connection::Sqlite(connection, _) => sqlite::tables(connection, &filter).await,
        });
        let tables = tables.await?.into_iter().filter(|table| filter.has_type(&table.kind)).map(TableName::json);
        Ok(Json::Array(tables.collect()).to_string())
    }

    /// A table as JSON.
    pub(crate) async fn table(&self, name: &str) -> Result<Option<String>, SqlError> {
        let parts: Option<Vec<String>> = serde_json::from_str(name).ok();
        let parts = parts.filter(|parts| (1..=3).contains(&parts.len())).ok_or_else(|| {
            SqlError::fatal(format!("the plugin asks for the table {name}, which is no list of one to three names"))
        })?;
        let attempted = format!("look at the table {}", parts.join("."));
        let mut session = self.session.lock().await;
        let zone = session.options.zone.clone();
        let options = QueryOptions::parse("{}", &zone)?;
        let table = session.with(&attempted, async |connection| match connection {
            Connection::Postgres(connection) => postgres::table(connection, &parts, &options).await,
            Connection::MySql(connection, settings) => mysql::table(connection, *settings, &parts, &options).await,
            Connection::Sqlite(connection, _) => sqlite::table(connection, &parts, &options).await,
        });
        Ok(table.await?.map(|table| table.to_string()))
    }

    /// Columns of a query as JSON.
    pub(crate) async fn check(&self, sql: &str) -> Result<String, SqlError> {
        let mut session = self.session.lock().await;
        let zone = session.options.zone.clone();
        let options = QueryOptions::parse("{}", &zone)?;
        let columns = session.with("prepare the query", async |connection| match connection {
            Connection::Postgres(connection) => postgres::check(connection, sql, &options).await,
            Connection::MySql(connection, settings) => mysql::check(connection, *settings, sql, &options).await,
            Connection::Sqlite(connection, _) => sqlite::check(connection, sql, &options).await,
        });
        Ok(columns.await?.to_string())
    }

    /// Runs a query.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: Vec<Parameter>,
        options: &str,
    ) -> Result<OpenRows, SqlError> {
        let mut session = self.session.lock().await;
        let zone = session.options.zone.clone();
        let text = options.to_owned();
        let parsed = tokio::task::spawn_blocking(move || QueryOptions::parse(&text, &zone)).await;
        let options = parsed.map_err(|error| SqlError::fatal(format!("read the query's options: {error}")))??;
        OpenRows::open(&mut session, sql, parameters, options).await
    }

    /// Runs a statement once.
    pub(crate) async fn execute(&self, sql: &str, parameters: Vec<Parameter>) -> Result<u64, SqlError> {
        let mut session = self.session.lock().await;
        let zone = session.options.zone.clone();
        session
            .with("run the statement", async |connection| match connection {
                Connection::Postgres(connection) => postgres::execute(connection, sql, &parameters, &zone).await,
                Connection::MySql(connection, settings) => {
                    mysql::execute(connection, *settings, sql, &parameters, &zone).await
                }
                Connection::Sqlite(connection, settings) => {
                    sqlite::execute(connection, settings, sql, &parameters, &zone).await
                }
            })
            .await
    }

    /// A statement for the rows of batches.
    pub(crate) async fn prepare(&self, sql: &str, bindings: &str) -> Result<OpenStatement, SqlError> {
        let session = self.session.lock().await;
        let (product, zone) = (session.product, session.options.zone.clone());
        drop(session);
        let (sql, bindings, session) = (sql.to_owned(), bindings.to_owned(), Arc::clone(&self.session));
        let made = tokio::task::spawn_blocking(move || OpenStatement::new(session, product, &sql, &bindings, &zone));
        made.await.map_err(|error| SqlError::fatal(format!("read the bindings: {error}")))?
    }

    pub(crate) async fn begin(&self) -> Result<(), SqlError> {
        self.session.lock().await.begin().await
    }

    pub(crate) async fn commit(&self) -> Result<(), SqlError> {
        self.session.lock().await.end("commit", "COMMIT").await
    }

    pub(crate) async fn rollback(&self) -> Result<(), SqlError> {
        self.session.lock().await.end("roll back", "ROLLBACK").await
    }

    /// Listens to a channel.
    pub(crate) async fn listen(&self, channel: &str) -> Result<(), SqlError> {
        let session = self.session.lock().await;
        if session.product != Product::Postgres {
            return Err(SqlError::fatal(format!("{} has no LISTEN: ask it again and again instead", session.product)));
        }
        let (login, options) = (session.login.clone(), session.options.clone());
        drop(session);
        let mut listener = self.listener.lock().await;
        match &mut *listener {
            Some(listener) => listener.add(channel).await,
            none => {
                *none = Some(login.listen(&options, channel).await?);
                Ok(())
            }
        }
    }

    /// Notifications since the last call.
    pub(crate) async fn notifications(&self) -> Result<Vec<String>, SqlError> {
        let mut listener = self.listener.lock().await;
        let Some(open) = &mut *listener else { return Ok(Vec::new()) };
        let taken = open.take();
        if taken.is_err() {
            *listener = None;
        }
        taken
    }

    /// Ends when there is a notification; none if nothing is listened to.
    pub(crate) fn notified(&self) -> Option<Rest> {
        self.listener.try_lock().ok()?.as_ref().map(postgres::Listener::notified)
    }
}

/// What a database says about itself.
pub(super) struct About {
    pub(super) version: String,
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    /// Longest name, in bytes or characters as the database counts.
    pub(super) identifier_max: u32,
}

/// Which tables are to be listed.
pub(super) struct TableFilter {
    /// LIKE patterns.
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) name: String,
    types: Option<Vec<String>>,
}

impl TableFilter {
    fn parse(json: &str) -> Result<Self, SqlError> {
        let members = super::options::Members::parse(json, "filter of tables")?;
        let text = |name| members.text(name).map(|text| text.map(str::to_owned));
        Ok(Self {
            catalog: text("catalog")?,
            schema: text("schema")?,
            name: text("name")?.unwrap_or_else(|| "%".to_owned()),
            types: members.texts("types")?,
        })
    }

    fn has_type(&self, kind: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|one| one.eq_ignore_ascii_case(kind)))
    }
}

/// A table as a list has it.
pub(super) struct TableName {
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) name: String,
    pub(super) kind: String,
}

impl TableName {
    fn json(self) -> Json {
        let Self { catalog, schema, name, kind } = self;
        serde_json::json!({ "catalog": catalog, "schema": schema, "name": name, "type": kind })
    }
}
