//! The SQL source against the real databases.

#[path = "support/sql.rs"]
mod sql;

use std::{collections::BTreeSet, process::Command};

use harness::{
    Program, Worker,
    databases::{DATABASE, Database, PASSWORD, Server, USER, have},
    eventually,
};
use serde_json::{Value, json};

use sql::{Db, all, consumed, field, payload, postgres, put, records};

const SETTINGS: &str = "offset.flush.interval.ms=100\nkey.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n";

fn source(db: &Db, table: &str, mode: &str, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "mode": mode, "table.whitelist": table,
        "topic.prefix": format!("{}-", db.name()), "poll.interval.ms": "200", "tasks.max": "1",
    });
    if mode.contains("incrementing") {
        config["incrementing.column.name"] = "id".into();
    }
    if mode.contains("timestamp") {
        config["timestamp.column.name"] = "changed".into();
    }
    more.iter().for_each(|(key, value)| config[*key] = json!(value));
    db.reached(config)
}

fn ids(records: &[Value]) -> Vec<i64> {
    field(records, "id").iter().map(|id| id.as_i64().unwrap()).collect()
}

/// The stored offset of a connector's only partition.
fn offset(worker: &Worker, connector: &str) -> Value {
    worker.get(&format!("/connectors/{connector}/offsets")).json()["offsets"][0].clone()
}

#[test]
fn every_mode_reads_what_is_there_and_what_comes_from_every_database() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    for db in all(folder.path()) {
        let past = if db.name() == "lite" { "'2020-01-01 00:00:0" } else { "TIMESTAMP '2020-01-01 00:00:0" };
        for (number, mode) in ["bulk", "incrementing", "timestamp", "timestamp+incrementing"].into_iter().enumerate() {
            let (table, topic) = (format!("m{number}"), format!("{}-m{number}", db.name()));
            db.sql(&format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY, changed TIMESTAMP NOT NULL, name TEXT)"));
            db.sql(&format!("INSERT INTO {table} VALUES (1, {past}1', 'a'), (2, {past}2', NULL)"));
            put(&worker, &topic, &source(&db, &table, mode, &[]));
            let first = records(&worker, &topic, 2);
            assert_eq!(ids(&first[..2]), [1, 2], "{topic}");
            assert_eq!(payload(&first[1])["name"], Value::Null);
            assert_eq!(first[0]["key"], Value::Null);
            let schema = serde_json::from_str::<Value>(first[0]["value"].as_str().unwrap()).unwrap()["schema"].clone();
            assert_eq!(schema["name"], table);
            if mode == "bulk" {
                // It comes again, and again.
                assert_eq!(ids(&records(&worker, &topic, 4)[2..4]), [1, 2]);
                worker.request("DELETE", &format!("/connectors/{topic}"), None);
                continue;
            }
            db.sql(&format!("INSERT INTO {table} VALUES (3, {past}3', 'c')"));
            assert_eq!(ids(&records(&worker, &topic, 3)), [1, 2, 3], "{topic}");
            let stored = eventually("the offset is stored", || {
                let stored = offset(&worker, &topic);
                let is_last =
                    stored["offset"]["incrementing"] == 3 || stored["offset"]["timestamp"] == 1_577_836_803_000_i64;
                is_last.then_some(stored)
            });
            assert_eq!(stored["partition"], json!({"protocol": "1", "table": db.full(&table)}));
            let expected = match mode {
                "incrementing" => json!({"incrementing": 3}),
                "timestamp" => json!({"timestamp": 1_577_836_803_000_i64, "timestamp_nanos": 0}),
                _ => json!({"incrementing": 3, "timestamp": 1_577_836_803_000_i64, "timestamp_nanos": 0}),
            };
            assert_eq!(stored["offset"], expected, "{topic}");
        }
    }
}

/// A session of its own at PostgreSQL, which is told what to do line by line.
fn session(database: &Database, folder: &std::path::Path, name: &str) -> Program {
    let mut command = Command::new("psql");
    command.env("PGPASSWORD", PASSWORD).args(["-h", "127.0.0.1", "-U", USER, "-d", DATABASE, "-X", "-A", "-t"]);
    command.args(["-p", &database.port.to_string(), "-v", "ON_ERROR_STOP=1"]);
    Program::start(command, &folder.join(name))
}

#[test]
fn rows_of_transactions_that_commit_out_of_order_are_not_lost() {
    let Some(db @ Db::Server(database, _)) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    for (number, mode) in ["incrementing", "timestamp", "timestamp+incrementing"].into_iter().enumerate() {
        let (table, topic) = (format!("late{number}"), format!("postgres-late{number}"));
        db.sql(&format!(
            "CREATE TABLE {table} (id BIGSERIAL PRIMARY KEY, changed TIMESTAMPTZ NOT NULL DEFAULT now(), name TEXT)"
        ));
        let done = |number: usize| move |output: &str| (number <= output.matches("INSERT").count()).then_some(());
        let mut slow = session(database, folder.path(), &format!("slow{number}"));
        slow.say(&format!("BEGIN; INSERT INTO {table} (name) VALUES ('early');"));
        slow.await_output(0, harness::SOON, done(1));
        // It has the higher id and the later time, and is seen first.
        db.sql(&format!("INSERT INTO {table} (name) VALUES ('late')"));
        put(&worker, &topic, &source(&db, &table, mode, &[]));
        // What comes from another table shows that this one was looked at several times meanwhile.
        let other = format!("other{number}");
        db.sql(&format!("CREATE TABLE {other} (id BIGINT PRIMARY KEY); INSERT INTO {other} VALUES (1)"));
        let ticks = source(&db, &other, "bulk", &[("poll.interval.ms", "50")]);
        put(&worker, &other, &ticks);
        records(&worker, &format!("postgres-{other}"), 10);
        assert_eq!(consumed(&worker, &topic), [] as [Value; 0], "{mode}: nothing is read over what is open");
        slow.say("COMMIT;");
        let found = records(&worker, &topic, 2);
        assert_eq!(field(&found, "name"), ["early", "late"], "{mode}");
        worker.request("DELETE", &format!("/connectors/{other}"), None);
    }
}

#[test]
fn offsets_that_the_original_has_stored_are_continued() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    let stored = [
        ("new", json!({"protocol": "1", "table": "public.new"})),
        ("old", json!({"table": "old"})),
        ("odd", json!({"protocol": "1", "table": format!("{DATABASE}.public.odd")})),
    ];
    for (table, partition) in stored {
        db.sql(&format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY); INSERT INTO {table} VALUES (1), (2), (3)"));
        let mut config = source(&db, table, "incrementing", &[]);
        config["name"] = table.into();
        let create = json!({"name": table, "config": config, "initial_state": "STOPPED"});
        assert_eq!(worker.request("POST", "/connectors", Some(&create.to_string())).status, 201);
        let change = json!({"offsets": [{"partition": partition, "offset": {"incrementing": 2}}]}).to_string();
        let path = format!("/connectors/{table}/offsets");
        eventually("the offset is set", || (worker.request("PATCH", &path, Some(&change)).status == 200).then_some(()));
        let wrong = change.replace("\"incrementing\":2", "\"incrementing\":\"x\"");
        let refused = worker.request("PATCH", &path, Some(&wrong));
        assert!(refused.status != 200 && refused.body.contains("must be a whole number"), "{}", refused.body);
        worker.request("PUT", &format!("/connectors/{table}/resume"), None);
        assert_eq!(ids(&records(&worker, &format!("postgres-{table}"), 1)), [3], "{table}");
    }
}

#[test]
fn tables_that_come_and_columns_that_change_are_followed() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    db.sql("CREATE SCHEMA live; CREATE TABLE live.one (id BIGINT PRIMARY KEY, a TEXT); INSERT INTO live.one VALUES (1, 'x')");
    let more = [
        ("table.poll.interval.ms", "300"),
        ("schema.pattern", "live"),
        ("tasks.max", "4"),
        ("record.key", "primary_key"),
    ];
    let mut config = source(&db, "one,two", "incrementing", &more);
    config["connector.class"] = "SqlSource".into();
    put(&worker, "live", &config);
    let first = records(&worker, "postgres-one", 1);
    let key: Value = serde_json::from_str(first[0]["key"].as_str().unwrap()).unwrap();
    assert_eq!((&key["payload"], &key["schema"]["name"]), (&json!({"id": 1}), &json!("one.Key")));
    db.sql("CREATE TABLE live.two (id BIGINT PRIMARY KEY); INSERT INTO live.two VALUES (7)");
    assert_eq!(ids(&records(&worker, "postgres-two", 1)), [7]);
    eventually("each table has its task", || (worker.status("live")["tasks"].as_array()?.len() == 2).then_some(()));
    db.sql("ALTER TABLE live.one ADD b INT; ALTER TABLE live.one DROP a; INSERT INTO live.one VALUES (2, 5)");
    let rows = records(&worker, "postgres-one", 2);
    assert_eq!(payload(&rows[1]), json!({"id": 2, "b": 5}));
}

#[test]
fn a_wrong_password_is_told_with_its_key_and_without_the_password() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    let mut config = source(&db, "t", "bulk", &[]);
    config["connection.password"] = "not-the-password-9".into();
    let answer = worker.request("PUT", "/connectors/wrong/config", Some(&config.to_string()));
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("Could not connect to database. ") && answer.body.contains(USER), "{}", answer.body);
    assert!(!answer.body.contains("not-the-password-9"), "{}", answer.body);
    let checked =
        worker.request("PUT", "/connector-plugins/JdbcSourceConnector/config/validate", Some(&config.to_string()));
    assert!(!worker.log().contains("not-the-password-9"));
    assert!(checked.status != 200 || !checked.body.contains("not-the-password-9"));
}

#[test]
fn names_and_values_of_any_size_and_kind_pass() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(
        folder.path(),
        &format!("{SETTINGS}producer.max.request.size=33554432\nbroker.message.max.bytes=33554432\n"),
        &[],
    );
    for db in all(folder.path()) {
        let topic = |table: &str| format!("{}-{table}", db.name());
        // 200 columns.
        let columns: Vec<String> = (0..200).map(|number| format!("c{number} INT")).collect();
        db.sql(&format!(
            "CREATE TABLE wide (id BIGINT PRIMARY KEY, {}); INSERT INTO wide (id, c199) VALUES (1, 42)",
            columns.join(", ")
        ));
        put(&worker, &topic("wide"), &source(&db, "wide", "incrementing", &[]));
        let row = payload(&records(&worker, &topic("wide"), 1)[0]);
        assert_eq!((row.as_object().unwrap().len(), &row["c199"]), (201, &json!(42)));
        // A value of 10 MB.
        let (text, repeat) = match db.name() {
            "mariadb" => ("LONGTEXT", "repeat('x', 10000000)"),
            "lite" => ("TEXT", "replace(hex(zeroblob(5000000)), '0', 'x')"),
            _ => ("TEXT", "repeat('x', 10000000)"),
        };
        db.sql(&format!("CREATE TABLE big (id BIGINT PRIMARY KEY, v {text}); INSERT INTO big VALUES (1, {repeat})"));
        let larger = [("producer.override.max.request.size", "33554432")];
        put(&worker, &topic("big"), &source(&db, "big", "incrementing", &larger));
        let task = || worker.status(&topic("big"))["tasks"][0].clone();
        eventually("the large row is read, or refused with a reason", || {
            let stored = offset(&worker, &topic("big"));
            assert_ne!(task()["state"], "FAILED", "{}", task()["trace"]);
            (stored["offset"]["incrementing"] == 1).then_some(())
        });
    }
    let Some(db) = postgres() else { return };
    let evil = r#"a"; DROP TABLE wide; --"#;
    db.sql(&format!("CREATE TABLE \"{}\" (id BIGINT PRIMARY KEY)", evil.replace('"', "\"\"")));
    let more = [
        ("table.whitelist", ""),
        ("table.include.list", "public\\.a\".*"),
        ("incrementing.column.mapping", ".*:id"),
        ("incrementing.column.name", ""),
    ];
    put(&worker, "evil", &source(&db, "", "incrementing", &more));
    // Its name is no topic's, which is told once there is a row; the table next to it is still there.
    db.sql(&format!("INSERT INTO \"{}\" VALUES (1)", evil.replace('"', "\"\"")));
    let trace = worker.failed_trace("evil");
    assert!(trace.contains("DROP TABLE wide"), "{trace}");
    assert_eq!(db.sql("SELECT count(*) FROM wide"), "1");
}

#[test]
fn nothing_is_lost_when_worker_and_database_are_killed() {
    if !have(Server::Postgres) {
        return;
    }
    let mut database = Database::start(Server::Postgres);
    let folder = tempfile::tempdir().unwrap();
    database.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 20000) n");
    let config = json!({
        "name": "kills", "connector.class": "SqlSource", "mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "t", "topic.prefix": "k-",
        "poll.interval.ms": "100", "batch.max.rows": "100", "connection.url": database.url(DATABASE),
        "connection.user": USER, "connection.password": PASSWORD,
    });
    let properties: String =
        config.as_object().unwrap().iter().map(|(key, value)| format!("{key}={}\n", value.as_str().unwrap())).collect();
    let mut worker = Worker::start(folder.path(), SETTINGS, &[&properties]);
    eventually("some are read", || (!consumed(&worker, "k-t").is_empty()).then_some(()));
    worker.kill();
    let worker = Worker::start(folder.path(), SETTINGS, &[&properties]);
    database.kill();
    database.restart();
    database.sql("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(20001, 21000) n");
    let all: BTreeSet<i64> = (1..=21_000).collect();
    eventually("every row is there", || {
        let found: BTreeSet<i64> = ids(&consumed(&worker, "k-t")).into_iter().collect();
        (found == all).then_some(())
    });
    assert_eq!(worker.status("kills")["tasks"][0]["state"], "RUNNING");
}

#[test]
fn a_notification_has_tables_looked_at_at_once() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    db.sql("CREATE TABLE told (id BIGINT PRIMARY KEY); INSERT INTO told VALUES (1)");
    let more = [("poll.interval.ms", "3600000"), ("notify.channel", "news")];
    put(&worker, "told", &source(&db, "told", "incrementing", &more));
    records(&worker, "postgres-told", 1);
    db.sql("INSERT INTO told VALUES (2); NOTIFY news");
    assert_eq!(ids(&records(&worker, "postgres-told", 2)), [1, 2]);
}

#[test]
fn a_query_is_wrapped_by_nobody_and_refused_where_the_database_does_not_understand_it() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), SETTINGS, &[]);
    db.sql("CREATE TABLE q (id BIGINT PRIMARY KEY, n NUMERIC(5,2)); INSERT INTO q VALUES (1, 1.5), (2, 2.25)");
    let query = |query: &str| {
        let mut config = source(
            &db,
            "",
            "incrementing",
            &[("query", query), ("topic.prefix", "queried"), ("numeric.mapping", "best_fit")],
        );
        config.as_object_mut().unwrap().remove("table.whitelist");
        config
    };
    put(&worker, "q", &query("SELECT * FROM (SELECT id, n * 2 AS n FROM q WHERE id < 100) x"));
    let found = records(&worker, "queried", 2);
    assert_eq!(ids(&found), [1, 2]);
    let stored = eventually("the offset is stored", || Some(offset(&worker, "q")).filter(|stored| !stored.is_null()));
    assert_eq!(stored["partition"], json!({"query": "query"}));
    let answer = worker.request("PUT", "/connectors/bad/config", Some(&query("SELECT nothing FROM q").to_string()));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("The configured query is not valid"), "{}", answer.body);
}

#[test]
fn each_row_arrives_once_where_the_worker_delivers_exactly_once() {
    let Some(db) = postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = "exactly.once.source.support=enabled\n\
        transaction.state.log.replication.factor=1\n\
        key.converter=org.apache.kafka.connect.json.JsonConverter\n\
        value.converter=org.apache.kafka.connect.json.JsonConverter\n";
    let mut worker = Worker::start_distributed(folder.path(), settings);
    db.sql("CREATE TABLE each (id BIGINT PRIMARY KEY, changed TIMESTAMP NOT NULL)");
    // Many rows have one time, which the id tells apart.
    let insert =
        "INSERT INTO each SELECT n, TIMESTAMP '2020-01-01' + (n / 500) * INTERVAL '1 second' FROM generate_series";
    db.sql(&format!("{insert}(1, 8000) n"));
    let more = [("exactly.once.support", "required"), ("batch.max.rows", "50"), ("poll.interval.ms", "100")];
    put(&worker, "each", &source(&db, "each", "timestamp+incrementing", &more));
    eventually("some are read", || (!consumed(&worker, "postgres-each").is_empty()).then_some(()));
    worker.kill();
    let worker = Worker::start_distributed(folder.path(), settings);
    db.sql(&format!("{insert}(8001, 8200) n"));
    let found = records(&worker, "postgres-each", 8200);
    assert!(ids(&found).into_iter().eq(1..=8200), "each once, and in order");
    let refused = source(&db, "each", "timestamp", &[("exactly.once.support", "required")]);
    let answer = worker.request("PUT", "/connectors/never/config", Some(&refused.to_string()));
    assert_eq!(answer.status, 400, "rows with one time cannot be told apart: {}", answer.body);
}
