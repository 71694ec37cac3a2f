//! PostgreSQL.

mod catalogue;
mod listener;
mod read;
mod types;
pub(super) mod write;

use futures::StreamExt;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection as _, Executor, Row, SqlSafeStr as _, Statement};

use super::SqlError;
use super::clock::{Moment, Zone};
use super::columns::{ColumnInfo, Layout};
use super::connect::Login;
use super::options::{Parameter, QueryOptions, SessionOptions};
use super::placeholders::Placeholders;
use super::rows::{Outcome, Pump, Query};
use super::session::About;
use super::url::Product;

pub(super) use catalogue::{table, tables};
pub(super) use listener::Listener;

pub(super) use types::hex;
use types::{Raw, encode_text};

const PRODUCT: Product = Product::Postgres;

/// Parameters of the driver's URLs that are honoured, or that mean nothing for what this host does.
pub(super) const PARAMETERS: [&str; 40] = [
    "user",
    "password",
    "ssl",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslfactory",
    "currentSchema",
    "ApplicationName",
    "options",
    "connectTimeout",
    "socketTimeout",
    "loginTimeout",
    "tcpKeepAlive",
    "targetServerType",
    "stringtype",
    "reWriteBatchedInserts",
    "defaultRowFetchSize",
    "prepareThreshold",
    "readOnly",
    "binaryTransfer",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "databaseMetadataCacheFields",
    "loggerLevel",
    "hostRecheckSeconds",
    "loadBalanceHosts",
    "receiveBufferSize",
    "sendBufferSize",
    "assumeMinServerVersion",
    "autosave",
    "cleanupSavepoints",
    "adaptiveFetch",
    "gssEncMode",
    "channelBinding",
    "logServerErrorDetail",
    "escapeSyntaxCallMode",
    "preferQueryMode",
];

/// Settings of a new session, and whether its server is the one that is asked for.
pub(super) async fn begin_session(
    connection: &mut PgConnection,
    login: &Login,
    options: &SessionOptions,
    attempted: &str,
) -> Result<(), SqlError> {
    let parameter = |name: &str| login.target.parameter(name).filter(|value| !value.is_empty());
    let mut settings = login.server_options()?;
    if let Some(schemas) = parameter("currentSchema") {
        settings.push(("search_path".to_owned(), schemas.to_owned()));
    }
    if let Some(level) = options.isolation {
        settings.push(("default_transaction_isolation".to_owned(), level.to_lowercase()));
    }
    if options.read_only || parameter("readOnly") == Some("true") {
        settings.push(("default_transaction_read_only".to_owned(), "on".to_owned()));
    }
    for (name, value) in settings {
        let mut arguments = PgArguments::default();
        let added = arguments.add(name.as_str()).and_then(|()| arguments.add(value.as_str()));
        added.map_err(|error| SqlError::config(format!("{attempted}: set {name}: {error}")))?;
        // A setting of the whole session, whose value cannot be anything else than one.
        sqlx::query_with("SELECT set_config($1, $2, false)", arguments)
            .execute(&mut *connection)
            .await
            .map_err(|error| SqlError::driver(PRODUCT, &format!("{attempted}: set {name}"), error))?;
    }
    let wanted = parameter("targetServerType").unwrap_or("any").to_ascii_lowercase();
    let wants_standby = match wanted.as_str() {
        "any" | "prefersecondary" | "preferslave" | "preferprimary" => return Ok(()),
        "primary" | "master" => false,
        "secondary" | "slave" => true,
        _ => return Err(SqlError::config(format!("{attempted}: the parameter targetServerType cannot be {wanted:?}"))),
    };
    let row = sqlx::query("SELECT pg_is_in_recovery()").fetch_one(&mut *connection).await;
    let row = row.map_err(|error| SqlError::driver(PRODUCT, attempted, error))?;
    let is_standby: bool = row.try_get(0).map_err(|error| SqlError::driver(PRODUCT, attempted, error))?;
    if is_standby == wants_standby {
        return Ok(());
    }
    let found = if is_standby { "a standby" } else { "a primary" };
    Err(SqlError::lost(format!("{attempted}: the server is {found} (targetServerType={wanted})")))
}

/// Runs statements that have no parameters.
pub(super) async fn plain(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Ends a transaction; an error if it was rolled back instead.
pub(super) async fn commit(connection: &mut PgConnection) -> Result<(), SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "commit", error);
    // `COMMIT` of a transaction that has failed says ROLLBACK, and no error.
    let row = sqlx::query("SELECT 1").execute(&mut *connection).await;
    if let Err(error) = row {
        plain(connection, "ROLLBACK").await.map_err(failed)?;
        return Err(failed(error).with("nothing of the transaction was kept"));
    }
    plain(connection, "COMMIT").await.map_err(failed)
}

/// The statement that cancels what runs over a connection. Numbers of connections come again, so that it asks when this
/// one began.
pub(super) async fn cancels(connection: &mut PgConnection) -> Result<String, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at the connection", error);
    let sql = "SELECT format('SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %L', \
               pid, backend_start) FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}

pub(super) async fn about(connection: &mut PgConnection) -> Result<About, SqlError> {
    let attempted = "look at the database";
    let failed = |error| SqlError::driver(PRODUCT, attempted, error);
    let sql = "SELECT current_setting('server_version'), current_database()::text, current_schema()::text, \
               current_setting('max_identifier_length')::int4";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed)?;
    let length: i32 = row.try_get(3).map_err(failed)?;
    Ok(About {
        version: row.try_get(0).map_err(failed)?,
        catalog: row.try_get(1).map_err(failed)?,
        schema: row.try_get(2).map_err(failed)?,
        identifier_max: length.unsigned_abs(),
    })
}

pub(super) async fn now(connection: &mut PgConnection) -> Result<String, SqlError> {
    let failed = |error| SqlError::driver(PRODUCT, "look at the database's clock", error);
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failed)?;
    Ok(Moment::of_micros(row.try_get(0).map_err(failed)?).text())
}

/// A statement that the server knows: its columns, and the types that it has inferred for its parameters.
async fn prepared(
    connection: &mut PgConnection,
    sql: &str,
    attempted: &str,
) -> Result<sqlx::postgres::PgStatement, SqlError> {
    let prepared = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await;
    prepared.map_err(|error| SqlError::driver(PRODUCT, attempted, error))
}

/// Values for placeholders, each in the form that its inferred type has.
fn arguments(
    statement: &sqlx::postgres::PgStatement,
    parameters: &[Parameter],
    zone: &Zone,
) -> Result<PgArguments, SqlError> {
    let types = match statement.parameters() {
        Some(sqlx::Either::Left(types)) => types,
        _ => &[],
    };
    if types.len() != parameters.len() {
        return Err(SqlError::fatal(format!(
            "the statement has {} placeholders and {} values",
            types.len(),
            parameters.len()
        )));
    }
    let mut arguments = PgArguments::default();
    for (at, (kind, parameter)) in types.iter().zip(parameters).enumerate() {
        let bytes = match &parameter.value {
            None => None,
            Some(text) => Some(encode_text(kind, &parameter.kind, text, zone).map_err(|why| {
                SqlError::data(format!("the value for placeholder {} of type {}: {why}", at + 1, types::name(kind)))
            })?),
        };
        let added = arguments.add(Raw { kind: kind.clone(), bytes });
        added.map_err(|error| SqlError::data(format!("the value for placeholder {}: {error}", at + 1)))?;
    }
    Ok(arguments)
}

pub(super) async fn execute(
    connection: &mut PgConnection,
    sql: &str,
    parameters: &[Parameter],
    zone: &Zone,
) -> Result<u64, SqlError> {
    let attempted = "run the statement";
    let placeholders = Placeholders::of(sql, PRODUCT);
    let failed = |error| SqlError::driver(PRODUCT, attempted, error);
    if parameters.is_empty() {
        // What cannot be prepared can be run so.
        let sql = placeholders.written(PRODUCT);
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(failed)?;
        return Ok(done.rows_affected());
    }
    let sql = placeholders.written(PRODUCT);
    let mut is_second = false;
    loop {
        let statement = prepared(connection, &sql, attempted).await?;
        let arguments = arguments(&statement, parameters, zone)?;
        match sqlx::query_with(AssertSqlSafe(sql.as_str()), arguments).execute(&mut *connection).await {
            Ok(done) => return Ok(done.rows_affected()),
            Err(error) => {
                let error = failed(error);
                if is_second || !is_stale(&error) {
                    return Err(error);
                }
                forget(connection).await?;
                is_second = true;
            }
        }
    }
}

/// Whether a prepared statement does not fit its tables any more.
fn is_stale(error: &SqlError) -> bool {
    error.is("0A000") && error.message.contains("cached plan") || error.is("26000")
}

/// Forgets statements that were prepared.
async fn forget(connection: &mut PgConnection) -> Result<(), SqlError> {
    connection.clear_cached_statements().await.map_err(|error| SqlError::driver(PRODUCT, "prepare anew", error))
}

/// A query's columns with how they are read.
async fn columns(
    connection: &mut PgConnection,
    statement: &sqlx::postgres::PgStatement,
    options: &QueryOptions,
) -> Result<Vec<(ColumnInfo, types::Source)>, SqlError> {
    catalogue::columns(connection, statement, options).await
}

pub(super) async fn check(
    connection: &mut PgConnection,
    sql: &str,
    options: &QueryOptions,
) -> Result<serde_json::Value, SqlError> {
    let sql = Placeholders::of(sql, PRODUCT).written(PRODUCT);
    // Its tables may have changed since it was prepared last.
    forget(connection).await?;
    let statement = prepared(connection, &sql, "prepare the query").await?;
    let columns = columns(connection, &statement, options).await?;
    Ok(columns.iter().map(|(column, _)| column.json()).collect())
}

/// Runs a query and answers requests for its rows.
pub(super) async fn rows(connection: &mut PgConnection, query: Query, pump: Pump) -> Outcome {
    let sql = Placeholders::of(&query.sql, PRODUCT).written(PRODUCT);
    let (layout, arguments) = match opened(connection, &sql, &query).await {
        Ok(opened) => opened,
        Err(error) => return query.failed(error),
    };
    let mut stream = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch(connection);
    let first = stream.next().await;
    pump.run(query, PRODUCT, layout, first, stream, read::cell).await
}

async fn opened(
    connection: &mut PgConnection,
    sql: &str,
    query: &Query,
) -> Result<(Layout<types::Source>, PgArguments), SqlError> {
    // One that was prepared before may not fit its tables any more.
    forget(connection).await?;
    let statement = prepared(connection, sql, "prepare the query").await?;
    let columns = columns(connection, &statement, &query.options).await?;
    let layout = Layout::new(columns, &query.options)?;
    Ok((layout, arguments(&statement, &query.parameters, &query.options.zone)?))
}
