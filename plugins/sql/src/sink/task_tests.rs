//! The task against a database that answers as it is told.

use std::sync::Arc;

use millstream_sdk::{
    Collector, Field, Record, Schema, SchemaType, SinkTask, Value,
    config::ConfigMap,
    harness::{DatabaseCall, Harness, TestDatabase},
};

use super::*;
use crate::{family::Ours, sink::connector::SqlSinkTask};

type Task = SqlSinkTask<Ours>;

const INSERT: &str = r#"INSERT INTO "t" ("a") {rows}"#;

fn database(harness: &Harness) -> TestDatabase {
    let database = harness.database("connection.url");
    database.table(r#"["t"]"#, Some(r#"{"type":"TABLE","columns":[{"name":"a","type":"bigint","base":"int8"}]}"#));
    database
}

fn config(more: &[(&str, &str)]) -> ConfigMap {
    let mut config =
        ConfigMap::from([("connection.url", "jdbc:postgresql://h/d"), ("name", "c"), ("max.retries", "1")]);
    more.iter().for_each(|(key, value)| config.set(*key, Some((*value).to_owned())));
    config
}

fn record(topic: &str, field: &str) -> Record {
    let schema = Arc::new(Schema::new(SchemaType::Int64).optional());
    let schema = Schema::structure(vec![Field { name: field.to_owned(), schema }]).expect("a struct");
    let schema = Arc::new(schema);
    Record::with_schema(topic, &schema, Value::Struct(Arc::clone(&schema), vec![Value::Int64(1)]))
}

fn put(task: &mut Task, records: &[Record]) -> Result<()> {
    let mut collector = Collector::new();
    records.iter().for_each(|record| collector.push(record).expect("fits into a batch"));
    task.put(&collector.into_table().expect("a batch").unwrap_or_default())
}

/// What was done, in short.
fn done(database: &TestDatabase) -> Vec<String> {
    let told = |call: DatabaseCall| match call {
        DatabaseCall::Open(_) => "open".to_owned(),
        DatabaseCall::Query(sql, ..) | DatabaseCall::Execute(sql, _) => sql,
        DatabaseCall::Prepare(sql, _) => format!("prepare {sql}"),
        DatabaseCall::Run(sql, _) => format!("run {sql}"),
        DatabaseCall::Begin => "begin".to_owned(),
        DatabaseCall::Commit => "commit".to_owned(),
        DatabaseCall::Rollback => "rollback".to_owned(),
        DatabaseCall::Listen(channel) => format!("listen {channel}"),
    };
    database.take_calls().into_iter().map(told).collect()
}

#[test]
fn a_batch_is_a_transaction_and_statements_are_prepared_once() {
    let harness = Harness::enter();
    let database = database(&harness);
    let mut task = harness.sink_task::<Task>(&config(&[])).expect("started");
    assert_eq!(done(&database), ["open"]);
    put(&mut task, &[record("t", "a"), record("t", "a")]).expect("written");
    let (prepare, run) = (format!("prepare {INSERT}"), format!("run {INSERT}"));
    assert_eq!(done(&database), ["begin", prepare.as_str(), run.as_str(), "commit"]);
    put(&mut task, &[record("t", "a")]).expect("written");
    assert_eq!(done(&database), ["begin", run.as_str(), "commit"]);
    put(&mut task, &[]).expect("nothing to do");
    assert_eq!(done(&database), [] as [&str; 0]);
    assert_eq!(task.pre_commit(&[]), Ok(None));
}

#[test]
fn a_missing_table_is_made_within_the_transaction_if_it_may_be() {
    let harness = Harness::enter();
    let database = database(&harness);
    let mut task = harness.sink_task::<Task>(&config(&[("auto.create", "true")])).expect("started");
    // Somebody else makes it at the same moment.
    let create = "CREATE TABLE \"u\" (\n\"a\" BIGINT NULL)";
    database.fail(create, Error::fatal("relation exists"));
    done(&database);
    let error = put(&mut task, &[record("u", "a")]).expect_err("it is still not there");
    assert!(error.message.contains("table u was created and is not there"), "{error}");
    assert_eq!(done(&database), ["begin", create, "rollback", "begin", create, "rollback"]);

    let mut task = harness.sink_task::<Task>(&config(&[])).expect("started");
    put(&mut task, &[record("u", "a"), record("t", "a"), record("t", "b")]).expect("the others are written");
    let reported = harness.take_sink_requests().reported;
    let told: Vec<(u32, &str)> = reported.iter().map(|error| (error.row, error.error.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (0, "Table u is missing and auto-creation is disabled"),
            (2, "Table t is missing fields (b) and auto-evolution is disabled")
        ]
    );
}

#[test]
fn a_row_that_the_database_refuses_is_reported_or_fails_everything() {
    let harness = Harness::enter();
    let database = database(&harness);
    let mut task = harness.sink_task::<Task>(&config(&[])).expect("started");
    let refused = || vec![RowError::in_field(1, "a", Error::data("SQLSTATE 22003 out of range"))];
    database.refuse(INSERT, refused());
    done(&database);
    put(&mut task, &[record("t", "a"), record("t", "a")]).expect("the other is written");
    assert_eq!(harness.take_sink_requests().reported, refused());
    assert_eq!(done(&database).last().map(String::as_str), Some("commit"));

    harness.refuse_reports(Error::fatal("no errors are tolerated"));
    database.refuse(INSERT, refused());
    let error = put(&mut task, &[record("t", "a"), record("t", "a")]).expect_err("fails");
    assert_eq!(error.kind, ErrorKind::Fatal);
    let text = error.to_string();
    assert!(text.contains("(topic='t',partition=0,offset=0,timestamp=null) cannot be written in field a"), "{text}");
    assert!(text.contains("SQLSTATE 22003 out of range"), "{text}");
    assert_eq!(done(&database).last().map(String::as_str), Some("rollback"));
}

#[test]
fn what_may_go_away_is_tried_again_with_a_pause_and_a_limit() {
    let harness = Harness::enter();
    let database = database(&harness);
    let mut task = harness.sink_task::<Task>(&config(&[("retry.backoff.ms", "700")])).expect("started");
    let fail = || database.fail("commit", Error::retriable("connection lost"));
    fail();
    let error = put(&mut task, &[record("t", "a")]).expect_err("fails");
    assert_eq!(error.kind, ErrorKind::Retriable);
    assert_eq!(harness.take_sink_requests().timeout, Some(Duration::from_millis(700)));
    done(&database);
    put(&mut task, &[record("t", "a")]).expect("written in another session");
    assert_eq!(done(&database)[0], "open");
    for kind in [ErrorKind::Retriable, ErrorKind::Fatal] {
        fail();
        assert_eq!(put(&mut task, &[record("t", "a")]).expect_err("fails").kind, kind);
    }
}

/// Has the database answer once that a partition is in this epoch, goes on at 40, and has 35 unsettled.
fn keeps_offsets(database: &TestDatabase) {
    let select = "SELECT epoch, next_offset, unsettled FROM \"millstream_offsets\" WHERE connector = ? AND topic = ? AND kafka_partition = ?";
    let schema = |kind: SchemaType| Arc::new(Schema::new(kind).optional());
    let fields = [("epoch", SchemaType::Int64), ("next_offset", SchemaType::Int64), ("unsettled", SchemaType::String)];
    let fields = fields.map(|(name, kind)| Field { name: name.into(), schema: schema(kind) });
    let schema = Arc::new(Schema::structure(fields.to_vec()).expect("a struct"));
    let row = Value::Struct(Arc::clone(&schema), vec![Value::Int64(3), Value::Int64(40), "35".into()]);
    let mut collector = Collector::new();
    collector.push(&Record::with_schema("", &schema, row)).expect("fits");
    database.answer(select, vec![collector.into_table().expect("a batch").expect("a row").write()]);
}

#[test]
fn partitions_are_taken_over_though_the_database_goes_away_meanwhile() {
    let harness = Harness::enter();
    let database = database(&harness);
    keeps_offsets(&database);
    let mut task = harness.sink_task::<Task>(&config(&[("exactly.once", "true")])).expect("started");
    let lost = || Error::retriable("connection lost");
    database.fail("begin", lost());
    let partition = TopicPartition::new("t", 0);
    task.open(std::slice::from_ref(&partition)).expect("opened with another session");
    assert_eq!(harness.take_sink_requests().seeks, [[partition.clone().at(35)]]);
    (0..3).for_each(|_| database.fail("begin", lost()));
    let error = task.open(&[partition]).expect_err("as often as connections are attempted, and no more");
    assert_eq!(error.kind, ErrorKind::Fatal);
}

#[test]
fn a_task_that_another_has_replaced_writes_nothing() {
    let harness = Harness::enter();
    let database = database(&harness);
    keeps_offsets(&database);
    let mut task = harness.sink_task::<Task>(&config(&[("exactly.once", "true")])).expect("started");
    let partition = TopicPartition::new("t", 0);
    task.open(std::slice::from_ref(&partition)).expect("opened");
    assert_eq!(harness.take_sink_requests().seeks, [[partition.clone().at(35)]]);
    let said = task.pre_commit(&[partition.clone().at(36)]);
    assert!(said.expect_err("the row has another epoch").class.ends_with("ProducerFencedException"));
    assert_eq!(task.pre_commit(&[partition.clone().at(34)]), Ok(Some(vec![partition.at(34)])));
    // Offset 0 was written long ago; the batch has nothing new.
    done(&database);
    put(&mut task, &[record("t", "a")]).expect("nothing to do");
    assert_eq!(done(&database), [] as [&str; 0]);
}
