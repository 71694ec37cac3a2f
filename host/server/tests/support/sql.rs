//! Databases for the SQL connectors: the servers of this machine, which the tests of one file share, and SQLite files.

#![allow(dead_code, reason = "each test uses its part")]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use harness::{
    Worker,
    databases::{DATABASE, Database, PASSWORD, Server, USER, have},
    eventually, millstream,
};
use serde_json::{Value, json};

/// A database that connectors reach.
pub enum Db {
    Server(&'static Database, Server),
    Sqlite(PathBuf),
}

/// The server of a kind, started once.
pub fn server(of: Server) -> Option<Db> {
    static POSTGRES: OnceLock<Option<Database>> = OnceLock::new();
    static MARIADB: OnceLock<Option<Database>> = OnceLock::new();
    let place = if of == Server::Postgres { &POSTGRES } else { &MARIADB };
    let database = place.get_or_init(|| have(of).then(|| Database::start(of)));
    database.as_ref().map(|database| Db::Server(database, of))
}

pub fn postgres() -> Option<Db> {
    server(Server::Postgres)
}

/// All databases that there are, SQLite in a folder.
pub fn all(folder: &Path) -> Vec<Db> {
    let servers = [server(Server::Postgres), server(Server::MariaDb)];
    let mut all: Vec<Db> = servers.into_iter().flatten().collect();
    if Command::new("sqlite3").arg("--version").output().is_ok() {
        all.push(Db::Sqlite(folder.join("data.sqlite")));
    } else {
        harness::skip("no sqlite3: install sqlite3");
    }
    all
}

impl Db {
    /// A client that reads statements.
    fn client(&self) -> Command {
        match self {
            Self::Server(database, Server::Postgres) => {
                let mut command = Command::new("psql");
                command.env("PGPASSWORD", PASSWORD).args(["-h", "127.0.0.1", "-U", USER, "-d", DATABASE, "-X", "-q"]);
                command.args(["-A", "-t", "-v", "ON_ERROR_STOP=1", "-p", &database.port.to_string(), "-f", "-"]);
                command
            }
            Self::Server(database, Server::MariaDb) => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "-h", "127.0.0.1", "-u", USER, &format!("-p{PASSWORD}"), "-N", "-B"]);
                command.args(["--default-character-set=utf8mb4", "-P", &database.port.to_string(), DATABASE]);
                command
            }
            Self::Sqlite(path) => {
                let mut command = Command::new("sqlite3");
                command.args(["-bail", "-cmd", ".timeout 20000"]).arg(path);
                command
            }
        }
    }

    /// Runs statements; the rows, columns apart by `|`, or what is wrong.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        let mut command = self.client();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().replace('\t', "|");
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The same of statements that are right.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name()))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Server(_, Server::Postgres) => "postgres",
            Self::Server(_, Server::MariaDb) => "mariadb",
            Self::Sqlite(_) => "lite",
        }
    }

    /// What source partitions have before a table's name.
    pub fn full(&self, table: &str) -> String {
        match self {
            Self::Server(_, Server::Postgres) => format!("public.{table}"),
            Self::Server(_, Server::MariaDb) => format!("{DATABASE}.{table}"),
            Self::Sqlite(_) => table.to_owned(),
        }
    }

    /// Puts in how the database is reached.
    pub fn reached(&self, mut config: Value) -> Value {
        match self {
            Self::Server(database, _) => {
                config["connection.url"] = database.url(DATABASE).into();
                config["connection.user"] = USER.into();
                config["connection.password"] = PASSWORD.into();
            }
            Self::Sqlite(path) => config["connection.url"] = format!("jdbc:sqlite:{}", path.display()).into(),
        }
        config
    }
}

/// Creates or changes a connector.
#[track_caller]
pub fn put(worker: &Worker, name: &str, config: &Value) {
    let answer = worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config.to_string()));
    assert!([200, 201].contains(&answer.status), "{}", answer.body);
}

/// So many records of a topic, from its beginning, once they are there.
#[track_caller]
pub fn records(worker: &Worker, topic: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} records of {topic}"), || {
        let found = read(worker, topic, &["--max-messages", &count.to_string()]);
        (count <= found.len()).then_some(found)
    })
}

/// The records that a topic has now; those of committed transactions only.
pub fn consumed(worker: &Worker, topic: &str) -> Vec<Value> {
    read(worker, topic, &[])
}

fn read(worker: &Worker, topic: &str, most: &[&str]) -> Vec<Value> {
    let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, topic, "--from-beginning"];
    let more = ["--isolation-level", "read_committed", "--timeout-ms", "300", "--output", "json"];
    let output = Command::new(millstream()).args(arguments).args(more).args(most).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The payload of a record's value, as the JSON converter writes it with schemas.
pub fn payload(record: &Value) -> Value {
    let text = record["value"].as_str().unwrap_or("null");
    serde_json::from_str::<Value>(text).unwrap()["payload"].clone()
}

/// One field of the records' values.
pub fn field(records: &[Value], name: &str) -> Vec<Value> {
    records.iter().map(|record| payload(record)[name].clone()).collect()
}

/// Produces records: keys and values apart by a tab; a line without one is a value.
pub fn produce(worker: &Worker, topic: &str, lines: &str) {
    let mut command = Command::new(millstream());
    command.args(["topic", "produce", "--bootstrap-server", &worker.broker, topic]);
    if lines.contains('\t') {
        command.args(["--key-separator", "\t"]);
    }
    let mut producer = command.stdin(Stdio::piped()).spawn().unwrap();
    producer.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(producer.wait().unwrap().success());
}

/// A value with a schema, as the JSON converter reads it. Fields are optional.
pub fn value(fields: &[(&str, &str, Value)]) -> String {
    let schema: Vec<Value> =
        fields.iter().map(|(name, kind, _)| json!({"field": name, "type": kind, "optional": true})).collect();
    let payload: serde_json::Map<String, Value> =
        fields.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())).collect();
    json!({"schema": {"type": "struct", "fields": schema, "optional": false}, "payload": payload}).to_string()
}

/// The text of a header.
pub fn header<'a>(record: &'a Value, key: &str) -> &'a str {
    let headers = record["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header["key"] == key);
    found.and_then(|header| header["value"].as_str()).unwrap_or_default()
}
