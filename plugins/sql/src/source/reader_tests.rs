//! The task against a database that answers as it is told.

use std::sync::Arc;

use millstream_sdk::{
    Collector, ErrorKind, Field, Record, Schema, SchemaType, SourceTask, Support,
    config::ConfigMap,
    get,
    harness::{DatabaseCall, Harness, TestDatabase},
    logging::Level,
    map, records_of,
};

use super::*;
use crate::{
    family::Ours,
    source::connector::{SqlSource, SqlSourceTask},
};

const LIMITS: PollLimits = PollLimits { max_records: 100, max_bytes: 1 << 20, max_wait_ms: 1000 };
const READ: &str =
    "SELECT * FROM \"public\".\"t\" WHERE \"public\".\"t\".\"id\" > ? ORDER BY \"public\".\"t\".\"id\" ASC";
const HIGHEST: &str = "SELECT max(\"id\") AS highest FROM \"public\".\"t\"";

fn structure(fields: &[(&str, SchemaType)]) -> Arc<Schema> {
    let field = |(name, kind): &(&str, SchemaType)| Field {
        name: (*name).to_owned(),
        schema: Arc::new(Schema::new(kind.clone()).optional()),
    };
    Arc::new(Schema::structure(fields.iter().map(field).collect()).expect("a struct"))
}

/// Rows as the host gives them, the cursor as their key.
fn rows(ids: &[i64]) -> Vec<u8> {
    let schema = structure(&[("id", SchemaType::Int64)]);
    let mut collector = Collector::new();
    for &id in ids {
        let row = || Value::Struct(Arc::clone(&schema), vec![Value::Int64(id)]);
        collector.push(&Record::with_schema("", &schema, row()).key_with_schema(&schema, row())).expect("fits");
    }
    collector.into_table().expect("a batch").expect("rows").write()
}

/// One row of texts, or of a number.
fn answer(cells: &[Value]) -> Vec<u8> {
    let kind = |cell: &Value| if matches!(cell, Value::Int64(_)) { SchemaType::Int64 } else { SchemaType::String };
    let names = ["a", "b", "c"];
    let fields: Vec<(&str, SchemaType)> = names.into_iter().zip(cells.iter().map(kind)).collect();
    let schema = structure(&fields);
    let mut collector = Collector::new();
    let row = Value::Struct(Arc::clone(&schema), cells.to_vec());
    collector.push(&Record::with_schema("", &schema, row)).expect("fits");
    collector.into_table().expect("a batch").expect("a row").write()
}

fn database(harness: &Harness) -> TestDatabase {
    let database = harness.database("connection.url");
    let table = r#"{"type":"TABLE","primary":["id"],"columns":[{"name":"id","type":"bigint","nullable":false,"connect":"INT64"}]}"#;
    database.table(r#"["public","t"]"#, Some(table));
    database
}

fn config(more: &[(&str, &str)]) -> ConfigMap {
    let mut config = ConfigMap::from([
        ("connection.url", "jdbc:postgresql://h/d"),
        ("mode", "incrementing"),
        ("incrementing.column.name", "id"),
        ("topic.prefix", "x-"),
        ("tables", "\"public\".\"t\""),
        ("commit.horizon", "false"),
    ]);
    more.iter().for_each(|(key, value)| config.set(*key, Some((*value).to_owned())));
    config
}

type Task = SqlSourceTask<Ours>;

fn polled(task: &mut Task) -> Vec<Record> {
    let table = task.poll(&LIMITS).expect("polled");
    table.map_or_else(Vec::new, |table| records_of(table.write()).expect("a valid batch"))
}

fn ids(records: &[Record]) -> Vec<i64> {
    let id = |record: &Record| match get(&record.source_offset, "incrementing") {
        Some(Value::Int64(id)) => *id,
        other => panic!("no offset: {other:?}"),
    };
    records.iter().map(id).collect()
}

/// The last query's first parameter.
fn asked_from(database: &TestDatabase) -> Option<String> {
    let calls = database.take_calls();
    calls.into_iter().rev().find_map(|call| match call {
        DatabaseCall::Query(sql, parameters, _) if sql == READ => parameters[0].value.clone(),
        _ => None,
    })
}

#[test]
fn a_task_reads_batch_by_batch_and_goes_on_behind_what_it_has_read() {
    let harness = Harness::enter();
    let database = database(&harness);
    harness.store_offset(
        &map([("protocol", "1".into()), ("table", "public.t".into())]),
        &map([("incrementing", Value::Int64(4))]),
    );
    database.answer(READ, vec![rows(&[5, 6]), rows(&[7])]);
    let mut task = harness.source_task::<Task>(&config(&[("poll.interval.ms", "0")])).expect("started");
    let first = polled(&mut task);
    assert_eq!(ids(&first), [5, 6]);
    assert_eq!((first[0].topic.as_str(), &first[0].key), ("x-t", &Value::Null));
    assert_eq!(first[0].source_partition, map([("protocol", "1".into()), ("table", "public.t".into())]));
    assert_eq!(asked_from(&database).as_deref(), Some("4"));
    let progress = || harness.progress("table public.t").map(|progress| (progress.done, progress.unit));
    assert_eq!(progress(), Some((2.0, "rows".to_owned())), "how far the first reading is");
    assert_eq!(ids(&polled(&mut task)), [7]);
    assert_eq!(progress(), Some((3.0, "rows".to_owned())));
    assert!(polled(&mut task).is_empty(), "the result has ended");
    assert_eq!(progress(), None, "it is through");
    database.answer(READ, vec![rows(&[9])]);
    assert_eq!(ids(&polled(&mut task)), [9]);
    assert_eq!(progress(), None);
    assert_eq!(asked_from(&database).as_deref(), Some("7"));
}

#[test]
fn a_lost_session_is_opened_anew_and_nothing_is_passed_over() {
    let harness = Harness::enter();
    let database = database(&harness);
    database.answer(READ, vec![rows(&[1, 2])]);
    let mut task = harness.source_task::<Task>(&config(&[("poll.interval.ms", "0"), ("query.retry.attempts", "2")]));
    let task = task.as_mut().expect("started");
    assert_eq!(ids(&polled(task)), [1, 2]);
    polled(task);
    database.fail(READ, Error::retriable("connection reset"));
    assert!(polled(task).is_empty());
    let warnings: Vec<_> = harness.take_log().into_iter().filter(|(level, _)| *level == Level::Warn).collect();
    assert!(warnings[0].1.contains("table public.t could not be read") && warnings[0].1.contains("connection reset"));
    assert!(!harness.take_rests().is_empty(), "a failure is waited out");
    // No time passes for the task; whatever it was told, it is not due yet.
    assert!(polled(task).is_empty());
}

/// Rows whose cursor is a time in seconds.
fn rows_at(seconds: &[i64]) -> Vec<u8> {
    let time = structure(&[("seconds", SchemaType::Int64), ("nanos", SchemaType::Int32)]);
    let at = Field { name: "at".to_owned(), schema: Arc::clone(&time) };
    let schema = Arc::new(Schema::structure(vec![at]).expect("a struct"));
    let mut collector = Collector::new();
    for &seconds in seconds {
        let time = Value::Struct(Arc::clone(&time), vec![Value::Int64(seconds), Value::Int32(0)]);
        let row = || Value::Struct(Arc::clone(&schema), vec![time.clone()]);
        collector.push(&Record::with_schema("", &schema, row()).key_with_schema(&schema, row())).expect("fits");
    }
    collector.into_table().expect("a batch").expect("rows").write()
}

#[test]
fn rows_of_the_time_at_which_a_result_broke_off_come_again_whatever_the_next_look_finds() {
    const READ_TIMES: &str = "SELECT * FROM \"public\".\"t\" WHERE \"public\".\"t\".\"at\" > ? AND \"public\".\"t\".\"at\" < ? \
        ORDER BY \"public\".\"t\".\"at\" ASC";
    let harness = Harness::enter();
    let database = database(&harness);
    let table = r#"{"type":"TABLE","primary":[],"columns":[{"name":"at","type":"timestamp","nullable":false,"connect":"TIMESTAMP"}]}"#;
    database.table(r#"["public","t"]"#, Some(table));
    let more = [("mode", "timestamp"), ("timestamp.column.name", "at"), ("poll.interval.ms", "0")];
    let mut config = config(&more);
    config.set("incrementing.column.name", None);
    let mut task = harness.source_task::<Task>(&config).expect("started");
    database.break_off(READ_TIMES, vec![rows_at(&[5, 6])], Error::retriable("connection reset"));
    assert_eq!(polled(&mut task).len(), 2);
    // The first look behind that finds nothing, as where the clock of the database that answers now is behind.
    let begin = Instant::now();
    let mut begins = Vec::new();
    while begins.len() < 3 && begin.elapsed() < Duration::from_secs(60) {
        polled(&mut task);
        begins.extend(database.take_calls().into_iter().filter_map(|call| match call {
            DatabaseCall::Query(sql, parameters, _) if sql == READ_TIMES => parameters[0].value.clone(),
            _ => None,
        }));
    }
    assert_eq!(begins, ["0.000000000", "5.000000000", "5.000000000"]);
}

#[test]
fn what_no_further_try_mends_fails_the_task_with_the_tables_name() {
    let harness = Harness::enter();
    let database = database(&harness);
    database.fail(READ, Error::fatal("relation does not exist"));
    let mut task = harness.source_task::<Task>(&config(&[])).expect("started");
    let error = task.poll(&LIMITS).expect_err("fails");
    assert_eq!(
        (error.kind, error.to_string().as_str()),
        (ErrorKind::Fatal, "read table public.t: relation does not exist")
    );
    let error = harness.source_task::<Task>(&config(&[("tables", "")])).expect_err("none").message;
    assert!(
        error.starts_with("Task is being killed because it was not assigned a table nor a query to execute."),
        "{error}"
    );
    let error = harness.source_task::<Task>(&config(&[("tables", "gone")])).expect_err("gone").message;
    assert!(error.starts_with("table gone does not exist any more"), "{error}");
}

#[test]
fn nothing_is_read_beyond_what_open_transactions_may_still_fill() {
    let harness = Harness::enter();
    let database = database(&harness);
    let mut task = harness
        .source_task::<Task>(&config(&[("commit.horizon", "true"), ("poll.interval.ms", "0")]))
        .expect("started");
    let bounded = "SELECT * FROM \"public\".\"t\" WHERE \"public\".\"t\".\"id\" > ? AND \"public\".\"t\".\"id\" <= ? ORDER BY \"public\".\"t\".\"id\" ASC";
    let open = |live: &str| answer(&["10.5".into(), live.into(), "".into()]);
    // One row is seen, and a transaction is open that may write one before it.
    database.answer(HIGHEST, vec![answer(&[Value::Int64(2)])]);
    database.answer(horizon::POSTGRESQL, vec![open("3/7")]);
    database.answer(HIGHEST, vec![answer(&[Value::Int64(2)])]);
    database.answer(horizon::POSTGRESQL, vec![open("")]);
    database.answer(bounded, vec![rows(&[1, 2])]);
    let mut found = Vec::new();
    for _ in 0..100 {
        found = polled(&mut task);
        if !found.is_empty() {
            break;
        }
    }
    assert_eq!(ids(&found), [1, 2]);
    let queries = database.take_calls().into_iter().filter_map(|call| match call {
        DatabaseCall::Query(sql, parameters, _) if sql == bounded => Some(parameters),
        _ => None,
    });
    let bounds: Vec<Vec<Option<String>>> =
        queries.map(|parameters| parameters.into_iter().map(|parameter| parameter.value).collect()).collect();
    assert_eq!(bounds, [[Some("-1".to_owned()), Some("2".to_owned())]], "it was asked once, when nothing was open");
}

#[test]
fn modes_that_can_tell_rows_apart_deliver_exactly_once() {
    use millstream_sdk::Source;
    let support = |mode: &str| {
        let more = [("mode", mode), ("timestamp.column.name", "at")];
        SqlSource::<Ours>::exactly_once_support(&config(&more)).expect("an answer")
    };
    assert_eq!(support("incrementing"), Support::Supported);
    assert_eq!(support("timestamp+incrementing"), Support::Supported);
    assert_eq!(support("timestamp"), Support::Unsupported);
    assert_eq!(support("bulk"), Support::Unsupported);
}
