//! The SQL connectors, connector by database by case: what the files about source and sink alone do not have.

#[path = "support/guests.rs"]
mod guests;
#[path = "support/sql.rs"]
mod sql;

use std::{collections::BTreeSet, fs};

use harness::{
    Broker, Worker,
    databases::{DATABASE, Database, PASSWORD, Server, USER, have},
    eventually,
};
use serde_json::{Value, json};

use guests::{guest_memory, stands_in};
use sql::{Db, all, consumed, field, header, payload, postgres, produce, put, records, value};

const SETTINGS: &str = "offset.flush.interval.ms=100\nkey.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n";

/// The keys of Confluent's source for one table.
fn source(db: &Db, table: &str, mode: &str, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "mode": mode, "table.whitelist": table,
        "topic.prefix": format!("{}-", db.name()), "poll.interval.ms": "100", "tasks.max": "1",
    });
    if mode.contains("incrementing") {
        config["incrementing.column.name"] = "id".into();
    }
    if mode.contains("timestamp") {
        config["timestamp.column.name"] = "changed".into();
    }
    with(config, db, more)
}

fn sink(db: &Db, topics: &str, more: &[(&str, &str)]) -> Value {
    let config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": topics, "date.timezone": "UTC",
        "retry.backoff.ms": "200", "errors.deadletterqueue.topic.replication.factor": "1",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    with(config, db, more)
}

fn with(mut config: Value, db: &Db, more: &[(&str, &str)]) -> Value {
    more.iter().for_each(|(key, value)| config[*key] = json!(value));
    db.reached(config)
}

/// A connector's file.
fn properties(name: &str, config: &Value) -> String {
    let keys = config.as_object().unwrap().iter();
    let lines = keys.map(|(key, value)| format!("{key}={}\n", value.as_str().unwrap()));
    format!("name={name}\n{}", lines.collect::<String>())
}

fn ids(records: &[Value]) -> Vec<i64> {
    field(records, "id").iter().map(|id| id.as_i64().unwrap()).collect()
}

fn row(id: i64) -> String {
    value(&[("id", "int64", id.into()), ("name", "string", "x".into())]) + "\n"
}

/// Waits for what a query gives.
#[track_caller]
fn await_rows(worker: &Worker, db: &Db, sql: &str, expected: &str) {
    let mut last = Ok(String::new());
    let begin = std::time::Instant::now();
    while begin.elapsed() < harness::SOON {
        last = db.try_sql(sql);
        if last.as_deref() == Ok(expected) {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let status = worker.get("/connectors?expand=status").body;
    panic!("{}: {sql} gives {last:?}, not {expected:?}: {status}", db.name());
}

#[test]
fn aivens_classes_and_keys_read_and_write_in_every_database() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    for db in all(folder.path()) {
        db.sql("CREATE TABLE aiven_in (id BIGINT PRIMARY KEY, name VARCHAR(20))");
        db.sql("INSERT INTO aiven_in VALUES (1, 'one'), (2, 'two')");
        let topic = format!("{}-aiven_in", db.name());
        let read = json!({
            "connector.class": "io.aiven.connect.jdbc.JdbcSourceConnector", "mode": "incrementing",
            "incrementing.column.name": "id", "incrementing.initial": "0", "table.whitelist": "aiven_in",
            "topic.prefix": format!("{}-", db.name()), "poll.interval.ms": "100", "sql.quote.identifiers": "true",
        });
        put(&worker, &topic, &with(read, &db, &[]));
        assert_eq!(ids(&records(&worker, &topic, 2)), [1, 2], "{}", db.name());
        let target = format!("{}_aiven_out", db.name());
        let mapping = format!("{topic}:{target}");
        let write = json!({
            "connector.class": "io.aiven.connect.jdbc.JdbcSinkConnector", "topics": topic, "insert.mode": "multi",
            "topics.to.tables.mapping": mapping, "auto.create": "true", "sql.quote.identifiers": "true",
        });
        put(&worker, &target, &with(write, &db, &[]));
        await_rows(&worker, &db, &format!("SELECT id, name FROM {target} ORDER BY id"), "1|one\n2|two");
    }
}

#[test]
fn rows_that_clocks_date_early_or_late_are_read_in_every_database() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    let databases = all(folder.path());
    // The clocks of those who write are a second late, or ahead, of the database's.
    let late = |db: &Db, seconds: i32| match db.name() {
        "postgres" => format!("localtimestamp + interval '{seconds} second'"),
        "mariadb" => format!("utc_timestamp(6) + interval {seconds} second"),
        _ => format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds} seconds')"),
    };
    for db in &databases {
        let precision = if db.name() == "mariadb" { "(6)" } else { "" };
        db.sql(&format!("CREATE TABLE clocks (id BIGINT PRIMARY KEY, changed TIMESTAMP{precision} NOT NULL)"));
        let more = [("timestamp.delay.interval.ms", "3000")];
        put(&worker, &format!("{}-clocks", db.name()), &source(db, "clocks", "timestamp", &more));
        db.sql(&format!("INSERT INTO clocks VALUES (1, {})", late(db, 0)));
        db.sql(&format!("INSERT INTO clocks VALUES (2, {})", late(db, -1)));
        db.sql(&format!("INSERT INTO clocks VALUES (3, {})", late(db, 1)));
    }
    for db in &databases {
        let found = records(&worker, &format!("{}-clocks", db.name()), 3);
        assert_eq!(ids(&found), [2, 1, 3], "{}: by their times", db.name());
    }
}

#[test]
fn views_and_partitioned_tables_are_read_and_written_where_their_types_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    for db in all(folder.path()) {
        db.sql(
            "CREATE TABLE seen (id BIGINT PRIMARY KEY, name VARCHAR(20)); INSERT INTO seen VALUES (1, 'a'), (2, 'b')",
        );
        db.sql("CREATE VIEW looking AS SELECT id, name FROM seen WHERE id < 10");
        let more = [("table.types", "VIEW"), ("validate.non.null", "false")];
        let topic = format!("{}-looking", db.name());
        put(&worker, &topic, &source(&db, "looking", "incrementing", &more));
        assert_eq!(ids(&records(&worker, &topic, 2)), [1, 2], "{}", db.name());
        db.sql("INSERT INTO seen VALUES (11, 'hidden'), (3, 'c')");
        assert_eq!(ids(&records(&worker, &topic, 3)), [1, 2, 3], "{}", db.name());
    }
    let Some(db) = postgres() else { return };
    db.sql(
        "CREATE TABLE parts (id BIGINT PRIMARY KEY, name TEXT) PARTITION BY RANGE (id);
         CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (100);
         CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (100) TO (200)",
    );
    produce(&worker, "parts", &[row(1), row(150), row(500)].concat());
    let more = [
        ("table.types", "TABLE,PARTITIONED TABLE"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "parts-dead"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    put(&worker, "parts-sink", &sink(&db, "parts", &more));
    await_rows(&worker, &db, "SELECT id FROM parts ORDER BY id", "1\n150");
    let letter = &records(&worker, "parts-dead", 1)[0];
    let why = header(letter, "__connect.errors.exception.message");
    assert!(why.contains("no partition of relation"), "{why}");
    let more = [("table.types", "PARTITIONED TABLE")];
    put(&worker, "parts-source", &source(&db, "parts", "incrementing", &more));
    assert_eq!(ids(&records(&worker, "postgres-parts", 2)), [1, 150]);
}

/// What SQLite's driver for Java has parameters for: how times are kept, and read.
#[test]
fn times_of_sqlite_are_kept_and_read_as_the_url_says() {
    let folder = tempfile::tempdir().unwrap();
    let Some(db @ Db::Sqlite(_)) = all(folder.path()).pop() else { return };
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    let schema = json!({"type": "struct", "optional": false, "fields": [
        {"field": "id", "type": "int64", "optional": false},
        {"field": "changed", "type": "int64", "optional": true, "name": "org.apache.kafka.connect.data.Timestamp", "version": 1},
    ]});
    let at = |id: i64| json!({"schema": schema, "payload": {"id": id, "changed": 1_714_564_800_123_i64 + id * 1000}});
    produce(&worker, "times", &format!("{}\n{}\n", at(1), at(2)));
    for (name, parameters, kept) in [
        ("plain", "", "integer|1714564801123"),
        ("seconds", "?date_precision=SECONDS", "integer|1714564801"),
        ("texts", "?date_class=TEXT", "text|2024-05-01 12:00:01.123"),
        ("patterns", "?date_class=TEXT&date_string_format=dd.MM.yyyy%20HH:mm:ss", "text|01.05.2024 12:00:01"),
        ("reals", "?date_class=REAL", "real|2460432.00001300"),
    ] {
        db.sql(&format!("CREATE TABLE {name} (id BIGINT PRIMARY KEY, changed TIMESTAMP)"));
        let reached = |mut config: Value| {
            config["connection.url"] = format!("{}{parameters}", config["connection.url"].as_str().unwrap()).into();
            config
        };
        put(&worker, &format!("{name}-sink"), &reached(sink(&db, "times", &[("table.name.format", name)])));
        let shown = if name == "reals" { "printf('%.8f', changed)" } else { "changed" };
        await_rows(&worker, &db, &format!("SELECT typeof(changed), {shown} FROM {name} WHERE id = 1"), kept);
        let more = [("validate.non.null", "false")];
        put(&worker, &format!("{name}-source"), &reached(source(&db, name, "timestamp", &more)));
        let found = records(&worker, &format!("lite-{name}"), 2);
        let exact = if matches!(name, "seconds" | "patterns") { 1_714_564_801_000_i64 } else { 1_714_564_801_123 };
        assert_eq!(payload(&found[0]), json!({"id": 1, "changed": exact}), "{name}");
    }
}

/// As the test of PostgreSQL in the files about source and sink, for the other databases.
#[test]
fn nothing_is_lost_or_doubled_when_worker_and_database_are_killed_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut mariadb = have(Server::MariaDb).then(|| Database::start(Server::MariaDb));
    let mut reached = Vec::new();
    if let Some(database) = &mariadb {
        let config = json!({
            "connection.url": database.url(DATABASE), "connection.user": USER, "connection.password": PASSWORD,
        });
        reached.push(("mariadb", config));
    }
    let lite = all(folder.path()).into_iter().find(|db| db.name() == "lite");
    if let Some(db) = &lite {
        // Both connectors write to one file, and wait for each other.
        let mut config = db.reached(json!({}));
        config["connection.url"] =
            format!("{}?busy_timeout=60000&journal_mode=wal", config["connection.url"].as_str().unwrap()).into();
        reached.push(("lite", config));
    }
    let sql = |name: &str, statement: &str, mariadb: &Option<Database>| match (name, mariadb, &lite) {
        ("mariadb", Some(database), _) => database.sql(statement),
        (_, _, Some(db)) => db.sql(statement),
        _ => unreachable!("what is not there is not asked"),
    };
    let numbers = |from: i64, to: i64| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i, 'x' FROM n"
        )
    };
    let mut files = Vec::new();
    for (name, config) in &reached {
        let deep = if *name == "mariadb" { "SET SESSION max_recursive_iterations = 1000000; " } else { "" };
        sql(name, "CREATE TABLE kin (id BIGINT PRIMARY KEY, name VARCHAR(20))", &mariadb);
        sql(name, &format!("{deep}INSERT INTO kin {}", numbers(1, 10_000)), &mariadb);
        let connector = |class: &str, more: &[(&str, &str)]| {
            let mut all = config.clone();
            all["connector.class"] = class.into();
            more.iter().for_each(|(key, value)| all[*key] = json!(value));
            all
        };
        let prefix = format!("{name}-");
        let read = [
            ("mode", "incrementing"),
            ("incrementing.column.name", "id"),
            ("table.whitelist", "kin"),
            ("topic.prefix", &prefix),
            ("poll.interval.ms", "100"),
            ("batch.max.rows", "100"),
        ];
        files.push(properties(&format!("{name}-source"), &connector("SqlSource", &read)));
        let topic = format!("{name}-kout");
        let write = [
            ("topics", topic.as_str()),
            ("table.name.format", "kout"),
            ("auto.create", "true"),
            ("exactly.once", "true"),
            ("max.retries", "1000"),
            ("retry.backoff.ms", "200"),
            ("connection.attempts", "100"),
            ("connection.backoff.ms", "200"),
            ("consumer.override.max.poll.records", "200"),
        ];
        files.push(properties(&format!("{name}-sink"), &connector("SqlSink", &write)));
    }
    if files.is_empty() {
        return;
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let settings = format!("{SETTINGS}connector.client.config.override.policy=All\n");
    let mut worker = Worker::start(folder.path(), &settings, &files);
    let rows = |from: i64, to: i64| (from..to).map(row).collect::<String>();
    for (name, _) in &reached {
        produce(&worker, &format!("{name}-kout"), &rows(0, 10_000));
    }
    for (name, _) in &reached {
        eventually("some are read", || (!consumed(&worker, &format!("{name}-kin")).is_empty()).then_some(()));
    }
    worker.kill();
    let worker = Worker::start(folder.path(), &settings, &files);
    if let Some(database) = &mut mariadb {
        database.kill();
        database.restart();
    }
    for (name, _) in &reached {
        produce(&worker, &format!("{name}-kout"), &rows(10_000, 11_000));
        sql(name, &format!("INSERT INTO kin {}", numbers(10_001, 10_500)), &mariadb);
    }
    for (name, _) in &reached {
        let wanted: BTreeSet<i64> = (1..=10_500).collect();
        eventually(&format!("{name}: every row is read"), || {
            let found: BTreeSet<i64> = ids(&consumed(&worker, &format!("{name}-kin"))).into_iter().collect();
            (found == wanted).then_some(())
        });
        let count = "SELECT count(*) FROM kout";
        eventually(&format!("{name}: every row is written"), || (sql(name, count, &mariadb) == "11000").then_some(()));
        assert_eq!(sql(name, "SELECT count(DISTINCT id) FROM kout", &mariadb), "11000", "{name}: each once");
        assert_eq!(worker.status(&format!("{name}-source"))["tasks"][0]["state"], "RUNNING");
    }
}

/// A process that has lost its partitions and does not know it writes nothing any more.
#[test]
fn of_two_processes_with_the_same_partitions_the_later_one_writes() {
    let Some(db) = postgres() else { return };
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let broker = Broker::start(folders[0].path(), &[]);
    let settings = format!("bootstrap.servers={}\n{SETTINGS}", broker.address);
    let config = json!({
        "connector.class": "SqlSink", "topics": "fenced", "auto.create": "true", "exactly.once": "true",
        "consumer.override.max.poll.records": "50", "consumer.override.session.timeout.ms": "6000",
        "consumer.override.heartbeat.interval.ms": "1000", "tasks.max": "1",
    });
    let file = properties("fenced", &with(config, &db, &[]));
    let mut first = Worker::start(folders[1].path(), &settings, &[]);
    first.broker.clone_from(&broker.address);
    produce(&first, "fenced", &(0..20_000).map(row).collect::<String>());
    drop(first);
    let first = Worker::start(folders[1].path(), &settings, &[&file]);
    let count = || db.try_sql("SELECT count(*) FROM fenced").unwrap_or_default().parse::<u32>().unwrap_or(0);
    // In the middle of a batch, or between two.
    eventually("it has written some", || (0 < count()).then_some(()));
    first.freeze();
    let stopped_at = count();
    let second = Worker::start(folders[2].path(), &settings, &[&file]);
    eventually("the other goes on", || (stopped_at + 1000 < count()).then_some(()));
    first.thaw();
    eventually("all are written", || (count() == 20_000).then_some(()));
    assert_eq!(db.sql("SELECT count(DISTINCT id), count(*) FROM fenced"), "20000|20000");
    assert_eq!(db.sql("SELECT sum(next_offset) FROM millstream_offsets WHERE connector = 'fenced'"), "20000");
    drop((first, second));
}

#[test]
fn secrets_of_a_provider_reach_the_database_and_no_plugins_memory() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets.properties");
    fs::write(&secrets, format!("password={PASSWORD}\n")).unwrap();
    let settings = format!(
        "{SETTINGS}config.providers=file\nconfig.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider\n"
    );
    let worker = Worker::start(folder.path(), &settings, &[]);
    let reference = format!("${{file:{}:password}}", secrets.display());
    let hidden = [("connection.password", reference.as_str())];
    db.sql("CREATE TABLE secret_in (id BIGINT PRIMARY KEY); INSERT INTO secret_in VALUES (1)");
    let mut config = source(&db, "secret_in", "incrementing", &[]);
    config["connection.password"] = hidden[0].1.into();
    put(&worker, "secret-source", &config);
    let mut config = sink(&db, "postgres-secret_in", &[("table.name.format", "secret_out"), ("auto.create", "true")]);
    config["connection.password"] = hidden[0].1.into();
    put(&worker, "secret-sink", &config);
    await_rows(&worker, &db, "SELECT id FROM secret_out", "1");
    for path in
        ["/connectors?expand=info&expand=status", "/connectors/secret-sink/tasks", "/connectors/secret-source/config"]
    {
        let shown = worker.get(path).body;
        assert!(!shown.contains(PASSWORD), "{path}: {shown}");
    }
    assert!(!worker.log().contains(PASSWORD));
    // The plugins have their tables' names, and the host has the password.
    let parts = guest_memory(worker.id());
    for known in ["secret_in", "secret_out"] {
        assert!(stands_in(worker.id(), &parts, known), "the scan finds what a plugin has: {known}");
    }
    assert!(!stands_in(worker.id(), &parts, PASSWORD), "the password is in a plugin's memory");
}
