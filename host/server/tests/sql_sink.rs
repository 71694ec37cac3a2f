//! The SQL sink against the real databases.

#[path = "support/sql.rs"]
mod sql;

use std::time::{Duration, Instant};

use harness::{
    Worker,
    databases::{DATABASE, Database, PASSWORD, Server, USER, have},
    eventually,
};
use serde_json::{Value, json};

use sql::{Db, all, consumed, header, postgres, produce, put, records, value};

const SETTINGS: &str = "offset.flush.interval.ms=200\nvalue.converter=org.apache.kafka.connect.json.JsonConverter\n";

fn sink(db: &Db, topics: &str, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": topics, "auto.create": "true",
        "date.timezone": "UTC", "retry.backoff.ms": "200", "errors.deadletterqueue.topic.replication.factor": "1",
    });
    more.iter().for_each(|(key, value)| config[*key] = json!(value));
    db.reached(config)
}

/// Waits for what a query gives; a table that is not there yet is waited for, too.
#[track_caller]
fn await_rows(worker: &Worker, db: &Db, sql: &str, expected: &str) {
    let (begin, mut last) = (Instant::now(), Ok(String::new()));
    while begin.elapsed() < harness::SOON {
        last = db.try_sql(sql);
        if last.as_deref() == Ok(expected) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let status = worker.get("/connectors?expand=status").body;
    panic!("{}: {sql} gives {last:?}, not {expected:?}: {status}", db.name());
}

fn row(id: i64, name: &str) -> String {
    value(&[("id", "int64", id.into()), ("name", "string", name.into())])
}

#[test]
fn rows_are_inserted_changed_and_deleted_in_every_database() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    for db in all(folder.path()) {
        let topic = |name: &str| format!("{}_{name}", db.name());
        // A table that is made from the records.
        let inserts = topic("inserts");
        produce(&worker, &inserts, &format!("{}\n{}\n", row(1, "a"), row(2, "b'c\\d\"")));
        put(&worker, &inserts, &sink(&db, &inserts, &[]));
        await_rows(&worker, &db, &format!("SELECT id, name FROM {inserts} WHERE id = 1"), "1|a");
        // And gets a column more.
        put(&worker, &inserts, &sink(&db, &inserts, &[("auto.evolve", "true")]));
        let more = value(&[("id", "int64", 3.into()), ("extra", "double", 1.5.into())]);
        produce(&worker, &inserts, &format!("{more}\n"));
        await_rows(&worker, &db, &format!("SELECT id, extra FROM {inserts} WHERE id = 3"), "3|1.5");

        let changes = topic("changes");
        let keyed = |id: i64, name: &str| format!("{id}\t{}\n", value(&[("name", "string", name.into())]));
        let keys =
            [("insert.mode", "upsert"), ("pk.mode", "record_key"), ("pk.fields", "id"), ("delete.enabled", "true")];
        db.sql(&format!("CREATE TABLE {changes} (id VARCHAR(20) PRIMARY KEY, name VARCHAR(100), kept INT DEFAULT 7)"));
        let lines = [keyed(1, "a"), keyed(2, "b"), keyed(1, "c"), keyed(3, "d")].concat();
        produce(&worker, &changes, &lines);
        put(&worker, &changes, &sink(&db, &changes, &keys));
        await_rows(&worker, &db, &format!("SELECT id, name, kept FROM {changes} WHERE id = '1'"), "1|c|7");
        await_rows(&worker, &db, &format!("SELECT count(*) FROM {changes}"), "3");
        db.sql(&format!("UPDATE {changes} SET kept = 8"));
        produce(&worker, &changes, &keyed(3, "e"));
        await_rows(&worker, &db, &format!("SELECT id, name, kept FROM {changes} WHERE id = '3'"), "3|e|8");

        let updates = topic("updates");
        db.sql(&format!("CREATE TABLE {updates} (id BIGINT PRIMARY KEY, name VARCHAR(100))"));
        db.sql(&format!("INSERT INTO {updates} VALUES (1, 'x'), (2, 'y')"));
        produce(&worker, &updates, &format!("{}\n{}\n", row(2, "changed"), row(9, "not there")));
        let more = [("insert.mode", "update"), ("pk.mode", "record_value"), ("pk.fields", "id")];
        put(&worker, &updates, &sink(&db, &updates, &more));
        await_rows(&worker, &db, &format!("SELECT name FROM {updates} ORDER BY id"), "x\nchanged");
        for name in [&inserts, &changes, &updates] {
            assert_eq!(worker.status(name)["tasks"][0]["state"], "RUNNING", "{}", worker.status(name));
        }
    }
}

/// What the database refuses goes to the dead letters, row by row, and everything else is written.
#[test]
fn a_row_at_fault_is_a_dead_letter_and_the_others_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    for db in all(folder.path()) {
        let (topic, dead) = (format!("{}_poison", db.name()), format!("{}_dead", db.name()));
        // SQLite checks nothing of a text's length.
        let check = "CHECK (length(name) < 6)";
        db.sql(&format!("CREATE TABLE {topic} (id BIGINT PRIMARY KEY, name VARCHAR(5) NOT NULL {check}, amount DECIMAL(5,2), real_number DOUBLE PRECISION)"));
        db.sql(&format!("INSERT INTO {topic} (id, name) VALUES (50, 'old')"));
        let mut lines: Vec<String> = (1..=100).map(|id| row(id, "good")).collect();
        lines[9] = row(10, "too long a name");
        lines[19] = value(&[("id", "int64", 20.into()), ("name", "string", Value::Null)]);
        lines[29] = "{\"schema\": null, \"payload\": {\"id\": 30}}".to_owned();
        lines[69] = value(&[("id", "int64", 70.into()), ("unknown", "string", "x".into())]);
        produce(&worker, &topic, &(lines.join("\n") + "\n"));
        let more = [
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", dead.as_str()),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        put(&worker, &topic, &sink(&db, &topic, &more));
        // Of the row with id 50 one is there already.
        await_rows(&worker, &db, &format!("SELECT count(*) FROM {topic}"), "96");
        let letters = records(&worker, &dead, 5);
        let offsets: Vec<&str> = letters.iter().map(|letter| header(letter, "__connect.errors.offset")).collect();
        assert_eq!(offsets, ["9", "19", "29", "49", "69"], "{}", db.name());
        let message = |at: usize| header(&letters[at], "__connect.errors.exception.message");
        assert!(message(2).contains("null value schema. Fields of a table need a schema"), "{}", message(2));
        assert!(message(4).contains("is missing fields (unknown) and auto-evolution is disabled"), "{}", message(4));
        assert_eq!(worker.status(&topic)["tasks"][0]["state"], "RUNNING");
    }
    // Without a policy for errors the task fails with the record that is at fault.
    let Some(db) = postgres() else { return };
    put(&worker, "strict", &sink(&db, "postgres_poison", &[]));
    let trace = worker.failed_trace("strict");
    assert!(trace.contains("offset=") && trace.contains("postgres_poison"), "{trace}");
}

#[test]
fn a_record_without_a_value_deletes_its_row_or_is_refused_or_left_out() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    db.sql("CREATE TABLE gone_in (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO gone_in VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    let source = db.reached(json!({
        "connector.class": "SqlSource", "mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "gone_in",
        "topic.prefix": "t_", "record.key": "primary_key", "poll.interval.ms": "100",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    }));
    put(&worker, "gone-source", &source);
    records(&worker, "t_gone_in", 3);
    db.sql("CREATE TABLE gone_out (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO gone_out VALUES (1, 'old'), (4, 'stays')");
    let keys = [
        ("table.name.format", "gone_out"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("delete.enabled", "true"),
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
    ];
    put(&worker, "gone-sink", &sink(&db, "t_gone_in", &keys));
    await_rows(&worker, &db, "SELECT id, name FROM gone_out ORDER BY id", "1|a\n2|b\n3|c\n4|stays");
    let key = |id: i64| {
        json!({"schema": {"type": "struct", "optional": false, "fields": [{"field": "id", "type": "int64", "optional": false}]}, "payload": {"id": id}}).to_string()
    };
    // The JSON converter reads this as nothing.
    produce(&worker, "t_gone_in", &format!("{}\t{{\"schema\": null, \"payload\": null}}\n", key(2)));
    await_rows(&worker, &db, "SELECT id FROM gone_out ORDER BY id", "1\n3\n4");
    let refused =
        worker.request("PUT", "/connectors/x/config", Some(&sink(&db, "t", &[("delete.enabled", "true")]).to_string()));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("Deletes are only supported for pk.mode record_key"), "{}", refused.body);
}

#[test]
fn exactly_once_survives_kills_of_worker_and_database() {
    if !have(Server::Postgres) {
        return;
    }
    let mut database = Database::start(Server::Postgres);
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "name": "once", "connector.class": "SqlSink", "topics": "once", "auto.create": "true", "exactly.once": "true", "max.retries": "100",
        "retry.backoff.ms": "200", "connection.attempts": "100", "connection.backoff.ms": "200", "connection.url": database.url(DATABASE),
        "connection.user": USER, "connection.password": PASSWORD, "errors.tolerance": "all", "consumer.override.max.poll.records": "200",
        "errors.deadletterqueue.topic.name": "once-dead", "errors.deadletterqueue.topic.replication.factor": "1",
    });
    let properties: String =
        config.as_object().unwrap().iter().map(|(key, value)| format!("{key}={}\n", value.as_str().unwrap())).collect();
    let overrides = format!("{SETTINGS}connector.client.config.override.policy=All\n");
    let mut worker = Worker::start(folder.path(), &overrides, &[&properties]);
    let lines = |from: i64, to: i64| -> String { (from..to).map(|id| row(id, "x") + "\n").collect() };
    produce(&worker, "once", &lines(0, 10_000));
    let count = |database: &Database| database.sql("SELECT count(*) FROM once");
    eventually("some are written", || {
        let there = database.sql("SELECT to_regclass('once') IS NOT NULL") == "t";
        (there && count(&database) != "0").then_some(())
    });
    worker.kill();
    let worker = Worker::start(folder.path(), &overrides, &[&properties]);
    database.kill();
    database.restart();
    produce(&worker, "once", &lines(10_000, 11_000));
    eventually("all are written", || (count(&database) == "11000").then_some(()));
    assert_eq!(database.sql("SELECT count(DISTINCT id), count(*) FROM once"), "11000|11000");
    assert_eq!(database.sql("SELECT sum(next_offset) FROM millstream_offsets"), "11000");
    // The group's offsets are for those who look; where the task begins, the table says.
    eventually("the group hears of it", || {
        let offsets = worker.get("/connectors/once/offsets").json();
        (offsets["offsets"][0]["offset"]["kafka_offset"] == 11_000).then_some(())
    });
    assert_eq!(consumed(&worker, "once-dead"), [] as [Value; 0]);
}

#[test]
fn names_of_any_kind_are_names_and_values_that_fit_nowhere_are_refused_one_by_one() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    db.sql("CREATE TABLE target (id BIGINT)");
    let evil = r#"x"); DROP TABLE target; --"#;
    produce(&worker, "names", &format!("{}\n", value(&[(evil, "int64", 1.into())])));
    let format = r#""odd "" name; ${topic}""#;
    put(&worker, "names", &sink(&db, "names", &[("table.name.format", format)]));
    await_rows(&worker, &db, r#"SELECT count(*) FROM "odd "" name; names""#, "1");
    assert_eq!(db.sql("SELECT count(*) FROM target"), "0");

    db.sql(
        "CREATE TABLE fits (id BIGINT PRIMARY KEY, n NUMERIC(4,2), i SMALLINT, t TEXT, f DOUBLE PRECISION, j JSONB)",
    );
    let cell =
        |id: i64, name: &str, kind: &str, cell: Value| value(&[("id", "int64", id.into()), (name, kind, cell)]) + "\n";
    let lines = [
        cell(1, "i", "int32", 40_000.into()),
        cell(2, "i", "int32", 30_000.into()),
        cell(3, "t", "string", "a\u{0}b".into()),
        cell(4, "t", "string", "a".into()),
        cell(5, "n", "double", json!(123_456.5)),
        cell(6, "n", "double", json!(12.5)),
        cell(7, "j", "string", "{no json".into()),
        cell(8, "j", "string", "{\"a\": 1}".into()),
    ];
    produce(&worker, "fits", &lines.concat());
    let more = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "fits-dead"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    put(&worker, "fits", &sink(&db, "fits", &more));
    let letters = records(&worker, "fits-dead", 4);
    let offsets: Vec<&str> = letters.iter().map(|letter| header(letter, "__connect.errors.offset")).collect();
    let messages: Vec<&str> =
        letters.iter().map(|letter| header(letter, "__connect.errors.exception.message")).collect();
    assert_eq!(offsets, ["0", "2", "4", "6"], "{messages:?}");
    await_rows(&worker, &db, "SELECT string_agg(id::text, ',' ORDER BY id) FROM fits", "2,4,6,8");
}

/// From a table through a topic into another: what comes out is what went in.
#[test]
fn values_at_the_edges_of_their_types_arrive_as_they_were() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    db.sql(
        "CREATE TABLE edge_in (id BIGINT PRIMARY KEY, d DATE, n NUMERIC(38,10), b BYTEA, t TIMESTAMP, f DOUBLE PRECISION, s TEXT, o BOOLEAN);
         CREATE TABLE edge_legacy (LIKE edge_in INCLUDING ALL); CREATE TABLE edge_proleptic (LIKE edge_in INCLUDING ALL);
         INSERT INTO edge_in VALUES
           (1, '1500-02-28', 1234567890123456789012345678.0123456789, '\\x0001ff', '1582-10-04 12:34:56.789', -1.5e300, 'é€😀', true),
           (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
           (3, '0001-01-01', -0.0000000001, '\\x', '9999-12-31 23:59:59.999', 1e-300, '', false),
           (4, '1582-10-15', 0, '\\x00', '1969-12-31 23:59:59.999', 0, E'\\n''\"\\\\', NULL)",
    );
    for (calendar, table) in [("LEGACY", "edge_legacy"), ("PROLEPTIC_GREGORIAN", "edge_proleptic")] {
        let topic = format!("{table}_edge_in");
        let source = db.reached(json!({
            "connector.class": "SqlSource", "mode": "incrementing", "incrementing.column.name": "id",
            "table.whitelist": "edge_in", "topic.prefix": format!("{table}_"), "poll.interval.ms": "100",
            "date.calendar.system": calendar,
        }));
        put(&worker, &format!("{table}-source"), &source);
        let keys = [("table.name.format", table), ("date.calendar.system", calendar)];
        put(&worker, table, &sink(&db, &topic, &keys));
        await_rows(&worker, &db, &format!("SELECT count(*) FROM {table}"), "4");
        assert_eq!(db.sql(&format!("SELECT * FROM edge_in EXCEPT SELECT * FROM {table}")), "", "{calendar}");
    }
}
