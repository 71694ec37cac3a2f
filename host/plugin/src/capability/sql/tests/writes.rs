//! Statements over the rows of batches.

use millstream_record::batch::{Column, Role, SchemaTable, Table, UnionBuilder};
use millstream_record::{Decimal, Field, SchemaType};
use serde_json::json;

use super::*;

/// A batch of structs with these fields.
fn batch(fields: &[(&str, Schema)], rows: Vec<Vec<Value>>) -> Batch {
    let fields =
        fields.iter().map(|(name, schema)| Field { name: (*name).to_owned(), schema: Arc::new(schema.clone()) });
    let schema = Arc::new(Schema::structure(fields.collect()).unwrap());
    let mut table = Table::new(rows.len() as u32);
    let mut schemas = SchemaTable::default();
    let mut values = UnionBuilder::default();
    for slots in rows {
        values.push(Some(&schema), &Value::Struct(Arc::clone(&schema), slots), &mut schemas).unwrap();
    }
    table.values = values.finish(&mut schemas).unwrap();
    table.schemas = schemas;
    let count = table.rows;
    table.set(Role::TOPIC, Column::constant_str(count, "orders"));
    table.set(Role::OFFSET, Column::int64s(millstream_record::batch::Kind::Int64, (0..count).map(i64::from)));
    Batch::validate(table.write(), &Limits::DEFAULT).unwrap()
}

fn of(kind: SchemaType) -> Schema {
    Schema::new(kind).optional()
}

fn bindings(columns: &[(&str, Option<&str>)]) -> String {
    let one = |(name, kind): &(&str, Option<&str>)| json!({"from": ["value", name], "type": kind});
    json!(columns.iter().map(one).collect::<Vec<_>>()).to_string()
}

/// Runs a statement; the rows refused with what is said of them, and how many rows were changed.
async fn run(session: &Session, sql: &str, bindings: &str, batch: Batch) -> (u64, Vec<(u32, String)>) {
    let statement = session.prepare(sql, bindings).await.unwrap_or_else(|error| panic!("{}", error.message));
    let done = statement.run(batch, None).await.unwrap_or_else(|error| panic!("{}", error.message));
    (done.changed, done.errors.into_iter().map(|error| (error.row, error.failure.message)).collect())
}

fn plain(ids: &[i64]) -> Batch {
    let rows = ids.iter().map(|&id| vec![Value::Int64(id), Value::String(format!("t{id}"))]).collect();
    batch(&[("id", of(SchemaType::Int64)), ("t", of(SchemaType::String))], rows)
}

const BOTH: [(&str, Option<&str>); 2] = [("id", None), ("t", None)];

async fn rows_that_are_refused_are_named_and_others_stand(session: Session, message: &str, column: Option<&str>) {
    session.run(&["DROP TABLE IF EXISTS halves", "CREATE TABLE halves (id bigint PRIMARY KEY, t varchar(20))"]).await;
    session.run(&["INSERT INTO halves VALUES (3, 'old'), (500, 'old')"]).await;
    let ids: Vec<i64> = (0..1000).collect();
    let sql = "INSERT INTO halves (id, t) {rows}";
    let statement = session.prepare(sql, &bindings(&BOTH)).await.unwrap();
    let done = statement.run(plain(&ids), None).await.unwrap();
    let rows: Vec<u32> = done.errors.iter().map(|error| error.row).collect();
    assert_eq!((done.changed, rows), (998, vec![3, 500]));
    let failure = &done.errors[0];
    assert!(failure.failure.message.contains(message), "{}", failure.failure.message);
    assert_eq!(failure.field.as_deref(), column);
    assert_eq!(session.lines("SELECT t FROM halves WHERE id IN (3, 4, 500) ORDER BY id").await, ["old", "t4", "old"]);
    // One at a time, and within a transaction that is undone.
    session.begin().await.unwrap();
    let (changed, errors) =
        run(&session, "INSERT INTO halves VALUES (?, ?)", &bindings(&BOTH), plain(&[2000, 3, 2001])).await;
    assert_eq!((changed, errors.len(), errors[0].0), (2, 1, 1));
    session.rollback().await.unwrap();
    assert_eq!(session.lines("SELECT count(*) FROM halves").await, ["1000"]);
    // `only` limits it, and what is not selected stays out.
    let statement = session.prepare(sql, &bindings(&BOTH)).await.unwrap();
    let done = statement.run(plain(&[3000, 3001, 3002]), Some(vec![0b101])).await.unwrap();
    assert_eq!((done.changed, done.errors.len()), (2, 0));
    let message = refused(statement.run(plain(&[1; 9]), Some(vec![0])).await);
    assert_eq!(message, "the plugin's bitmap has fewer bits than the batch has rows, 9");
    // A table that is gone concerns the whole.
    session.run(&["DROP TABLE halves"]).await;
    let message = refused(statement.run(plain(&[1]), None).await);
    assert!(message.starts_with("write rows: "), "{message}");
}

#[tokio::test]
async fn postgresql_names_the_rows_that_it_refuses() {
    let Some(session) = open(Server::Postgres).await else { return };
    rows_that_are_refused_are_named_and_others_stand(session, "(SQLSTATE 23505)", None).await;
}

#[tokio::test]
async fn mariadb_names_the_rows_that_it_refuses() {
    let Some(session) = open(Server::MariaDb).await else { return };
    rows_that_are_refused_are_named_and_others_stand(session, "(SQLSTATE 23000, error 1062)", None).await;
}

#[tokio::test]
async fn sqlite_names_the_rows_that_it_refuses() {
    let session = Session::sqlite().await;
    rows_that_are_refused_are_named_and_others_stand(session, "UNIQUE constraint failed: halves.id", Some("id")).await;
}

/// Values of every Connect type for a column each.
fn every_type() -> Batch {
    let decimal = Value::Decimal(Decimal { unscaled: vec![0xff, 0x85], scale: 2 });
    let fields = [
        ("b", of(SchemaType::Boolean), Value::Boolean(true)),
        ("i1", of(SchemaType::Int8), Value::Int8(-7)),
        ("i2", of(SchemaType::Int16), Value::Int16(-300)),
        ("i4", of(SchemaType::Int32), Value::Int32(-70_000)),
        ("i8", of(SchemaType::Int64), Value::Int64(-5_000_000_000)),
        ("f4", of(SchemaType::Float32), Value::Float32(1.5)),
        ("f8", of(SchemaType::Float64), Value::Float64(2.25)),
        ("s", of(SchemaType::String), Value::String("grüße' \"x\"".to_owned())),
        ("y", of(SchemaType::Bytes), Value::Bytes(vec![0, 255])),
        ("n", Schema::decimal(2).optional(), decimal),
        ("d", Schema::date().optional(), Value::Instant(1_714_521_600_000)),
        ("t", Schema::time().optional(), Value::Instant(45_296_789)),
        ("at", Schema::timestamp().optional(), Value::Instant(1_714_564_800_123)),
    ];
    let names: Vec<(&str, Schema)> = fields.iter().map(|(name, schema, _)| (*name, schema.clone())).collect();
    let nulls = vec![Value::Null; fields.len()];
    batch(&names, vec![fields.into_iter().map(|(.., value)| value).collect(), nulls])
}

const EVERY: [&str; 13] = ["b", "i1", "i2", "i4", "i8", "f4", "f8", "s", "y", "n", "d", "t", "at"];

async fn every_type_is_written_as_it_is_read(session: Session, columns: &str, types: Option<&[&str]>, expected: &str) {
    session.run(&["DROP TABLE IF EXISTS every_type", &format!("CREATE TABLE every_type ({columns})")]).await;
    let bound: Vec<(&str, Option<&str>)> =
        EVERY.iter().enumerate().map(|(at, name)| (*name, types.map(|types| types[at]))).collect();
    let places = vec!["?"; EVERY.len()].join(", ");
    for sql in ["INSERT INTO every_type {rows}".to_owned(), format!("INSERT INTO every_type VALUES ({places})")] {
        let (changed, errors) = run(&session, &sql, &bindings(&bound), every_type()).await;
        assert_eq!((changed, errors), (2, vec![]), "{sql}");
    }
    let nulls = vec!["null"; EVERY.len()].join("|");
    assert_eq!(
        session.lines("SELECT * FROM every_type ORDER BY i8 IS NULL").await,
        [expected, expected, &nulls, &nulls]
    );
}

#[tokio::test]
async fn every_type_reaches_postgresql() {
    let Some(session) = open(Server::Postgres).await else { return };
    let columns = "b bool, i1 int2, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, s text, y bytea, n numeric(9,2), d date, \
                   t time, at timestamp";
    let expected = "true|-7i16|-300i16|-70000i32|-5000000000|1.5f32|2.25f64|grüße' \"x\"|x00ff|-1.23d2|@1714521600000|\
                    @45296789|@1714564800123";
    let types = [
        "bool",
        "int2",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "text",
        "bytea",
        "numeric",
        "date",
        "time",
        "timestamp",
    ];
    every_type_is_written_as_it_is_read(session, columns, Some(&types), expected).await;
}

#[tokio::test]
async fn every_type_reaches_mariadb() {
    let Some(session) = open(Server::MariaDb).await else { return };
    let columns = "b tinyint, i1 tinyint, i2 smallint, i4 int, i8 bigint, f4 float, f8 double, s text, y varbinary(9), \
                   n decimal(9,2), d date, t time(3), at datetime(3)";
    let expected = "1i8|-7i8|-300i16|-70000i32|-5000000000|1.5f32|2.25f64|grüße' \"x\"|x00ff|-1.23d2|@1714521600000|\
                    @45296789|@1714564800123";
    every_type_is_written_as_it_is_read(session, columns, None, expected).await;
}

#[tokio::test]
async fn every_type_reaches_sqlite() {
    let columns = "b BOOLEAN, i1 INTEGER, i2 INTEGER, i4 INTEGER, i8 INTEGER, f4 REAL, f8 DOUBLE, s TEXT, y BLOB, n \
                   NUMERIC(9,2), d DATE, t TIME, at TIMESTAMP";
    let expected = "true|-7|-300|-70000|-5000000000|1.5f32|2.25f64|grüße' \"x\"|x00ff|-1.23d2|@1714521600000|@45296789|\
                    @1714564800123";
    every_type_is_written_as_it_is_read(Session::sqlite().await, columns, None, expected).await;
}

#[tokio::test]
async fn types_that_connect_does_not_know_are_cast_and_bad_values_are_refused_row_by_row() {
    let Some(session) = open(Server::Postgres).await else { return };
    session
        .run(&[
            "DROP TABLE IF EXISTS casts",
            "DROP TYPE IF EXISTS \"Weather\"",
            "CREATE TYPE \"Weather\" AS ENUM ('sun', 'rain')",
            "CREATE TABLE casts (id int4, u uuid, j jsonb, w \"Weather\", a int4[], n numeric(5,2), v varchar(3))",
        ])
        .await;
    let array = of(SchemaType::Array(Some(Arc::new(of(SchemaType::Int32)))));
    let fields = [
        ("id", of(SchemaType::Int64)),
        ("u", of(SchemaType::String)),
        ("j", of(SchemaType::String)),
        ("w", of(SchemaType::String)),
        ("a", array),
        ("n", Schema::decimal(3).optional()),
        ("v", of(SchemaType::String)),
    ];
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let decimal = |unscaled: i32| Value::Decimal(Decimal { unscaled: unscaled.to_be_bytes().to_vec(), scale: 3 });
    let good = || {
        let list = Value::List(vec![Value::Int32(1), Value::Null, Value::Int32(3)]);
        vec![Value::Int64(1), uuid.into(), "{\"a\":1}".into(), "rain".into(), list, decimal(1230), "abc".into()]
    };
    let with = |at: usize, value: Value| {
        let mut row = good();
        row[at] = value;
        row
    };
    let rows = vec![
        good(),
        with(0, Value::Int64(1 << 40)),
        with(1, "nonsense".into()),
        with(2, "{".into()),
        with(3, "snow".into()),
        with(5, decimal(1_234_567_000)),
        with(5, decimal(1234)),
        with(6, "abcd".into()),
        with(6, "a\0b".into()),
        good(),
    ];
    let types = [
        ("id", Some("int4")),
        ("u", Some("uuid")),
        ("j", Some("jsonb")),
        ("w", Some("Weather")),
        ("a", Some("_int4")),
        ("n", Some("numeric(5,2)")),
        ("v", Some("varchar")),
    ];
    let (changed, errors) = run(&session, "INSERT INTO casts {rows}", &bindings(&types), batch(&fields, rows)).await;
    assert_eq!(changed, 2);
    let expected = [
        (1, "value.id: \"1099511627776\" is no int4"),
        (2, "invalid input syntax for type uuid: \"nonsense\" (SQLSTATE 22P02)"),
        (3, "(SQLSTATE 22P02)"),
        (4, "\"snow\" (SQLSTATE 22P02)"),
        (5, "has more digits before the point than numeric(5,2) holds; widen the column or round the value"),
        (6, "has more digits behind the point than numeric(5,2) holds; widen the column or round the value"),
        (7, "value too long for type character varying(3) (SQLSTATE 22001)"),
        (8, "value.v: the text has a zero byte, which PostgreSQL stores in no text"),
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for ((row, message), (expected_row, part)) in errors.iter().zip(expected) {
        assert!(*row == expected_row && message.contains(part), "{row}: {message}");
    }
    assert_eq!(
        session.lines("SELECT a[1], a[2] IS NULL AS z, j->>'a' AS j, w::text, n FROM casts").await,
        ["1i32|true|1|rain|1.23d2"; 2]
    );
    // A zero byte, and what is no number, one row at a time as well.
    let (changed, errors) = run(
        &session,
        "UPDATE casts SET v = ? WHERE u = ?",
        &bindings(&[("v", None), ("u", None)]),
        batch(
            &[("v", of(SchemaType::String)), ("u", of(SchemaType::String))],
            vec![vec!["x".into(), uuid.into()], vec!["y".into(), "nonsense".into()]],
        ),
    )
    .await;
    assert_eq!((changed, errors), (2, vec![(1, "value.u: \"nonsense\" is no uuid".to_owned())]));
}

/// NaN, infinity, decimals that are too wide or too exact for their column, and a zero byte: each is kept as it is, or
/// refused with its field. `refused` has rows and parts of what is said of them; `kept` what is in the table.
async fn nothing_is_altered_in_silence(session: Session, types: [&str; 4], refused: &[(u32, &str)], kept: &[&str]) {
    let text = types[3];
    session
        .run(&[
            "DROP TABLE IF EXISTS exact",
            &format!("CREATE TABLE exact (id bigint PRIMARY KEY, f double precision, n decimal(5,2), t {text})"),
        ])
        .await;
    let fields = [
        ("id", of(SchemaType::Int64)),
        ("f", of(SchemaType::Float64)),
        ("n", Schema::decimal(3).optional()),
        ("t", of(SchemaType::String)),
    ];
    let decimal = |unscaled: i128| Value::Decimal(Decimal { unscaled: unscaled.to_be_bytes().to_vec(), scale: 3 });
    let rows = [
        (1, Value::Float64(f64::NAN)),
        (1, Value::Float64(f64::INFINITY)),
        (1, Value::Float64(f64::NEG_INFINITY)),
        (2, decimal(12_345_670)),
        (2, decimal(1_234)),
        (2, decimal(12_345_678_901_234_567_890_123)),
        (3, Value::String("a\0b".into())),
        (2, decimal(123_450)),
    ];
    let rows = rows.into_iter().enumerate().map(|(id, (at, value))| {
        let mut row = vec![Value::Int64(id as i64), Value::Null, Value::Null, Value::Null];
        row[at] = value;
        row
    });
    let bound: Vec<(&str, Option<&str>)> =
        fields.iter().zip(types).map(|((name, _), kind)| (*name, Some(kind))).collect();
    let (_, errors) =
        run(&session, "INSERT INTO exact {rows}", &bindings(&bound), batch(&fields, rows.collect())).await;
    let found: Vec<u32> = errors.iter().map(|(row, _)| *row).collect();
    let wanted: Vec<u32> = refused.iter().map(|(row, _)| *row).collect();
    assert_eq!(found, wanted, "{errors:?}");
    for ((_, message), (row, part)) in errors.iter().zip(refused) {
        assert!(message.contains(part), "{row}: {message}");
    }
    // Where a column holds what it is declared not to, its text says what that is.
    let n = if types[2] == "decimal" { "CAST(n AS TEXT) AS n" } else { "n" };
    assert_eq!(session.lines(&format!("SELECT id, f, {n}, t FROM exact ORDER BY id")).await, kept);
}

#[tokio::test]
async fn postgresql_alters_nothing_in_silence() {
    let Some(session) = open(Server::Postgres).await else { return };
    let refused = [
        (3, "more digits before the point than numeric(5,2) holds"),
        (4, "more digits behind the point than numeric(5,2) holds"),
        (5, "than numeric(5,2) holds"),
        (6, "value.t: the text has a zero byte"),
    ];
    let kept = ["0|NaNf64|null|null", "1|inff64|null|null", "2|-inff64|null|null", "7|null|123.45d2|null"];
    nothing_is_altered_in_silence(session, ["int8", "float8", "numeric(5,2)", "text"], &refused, &kept).await;
}

#[tokio::test]
async fn mariadb_alters_nothing_in_silence() {
    let Some(session) = open(Server::MariaDb).await else { return };
    let no_number = "is no number that MySQL and MariaDB know";
    let refused = [
        (0, no_number),
        (1, no_number),
        (2, no_number),
        (3, "Out of range value for column 'n'"),
        (4, "value.n: \"1.234\" has more digits behind the point than the column holds (2)"),
        (5, "value.n: "),
    ];
    let types = ["bigint", "double", "decimal(5,2)", "varchar(20)"];
    nothing_is_altered_in_silence(session, types, &refused, &["6|null|null|a\0b", "7|null|123.45d2|null"]).await;
}

#[tokio::test]
async fn sqlite_alters_nothing_in_silence() {
    let refused = [
        (0, "value.f: NaN is no number that SQLite keeps"),
        (
            5,
            "value.n: \"12345678901234567890.123\" has more digits than SQLite keeps of a number in a column of type DECIMAL",
        ),
    ];
    // It holds nothing to the digits that are declared; what is more exact than them is told when it is read.
    let session = Session::sqlite().await;
    let kept = [
        "1|inff64|null|null",
        "2|-inff64|null|null",
        "3|null|12345.67|null",
        "4|null|1.234|null",
        "6|null|null|a\0b",
        "7|null|123.45|null",
    ];
    nothing_is_altered_in_silence(session, ["bigint", "double", "decimal", "varchar(20)"], &refused, &kept).await;
}

#[tokio::test]
async fn of_rows_with_one_key_the_last_is_written_and_the_order_is_that_of_keys() {
    let Some(session) = open(Server::Postgres).await else { return };
    session.run(&["DROP TABLE IF EXISTS upserts", "CREATE TABLE upserts (id int8 PRIMARY KEY, t text)"]).await;
    let rows = [(7, "a"), (1, "b"), (7, "c"), (3, "d"), (1, "e")];
    let rows = rows.iter().map(|&(id, t)| vec![Value::Int64(id), t.into()]).collect();
    let batch = batch(&[("id", of(SchemaType::Int64)), ("t", of(SchemaType::String))], rows);
    let bindings = json!([
        {"from": ["value", "id"], "type": "int8", "options": {"key": true}},
        {"from": ["value", "t"], "type": "text"},
    ]);
    let sql = "INSERT INTO upserts (id, t) {rows} ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t";
    for _ in 0..2 {
        let (changed, errors) = run(&session, sql, &bindings.to_string(), batch.clone()).await;
        assert_eq!((changed, errors), (3, vec![]));
    }
    assert_eq!(session.lines("SELECT id, t FROM upserts ORDER BY id").await, ["1|e", "3|d", "7|c"]);
    let joined = "UPDATE upserts AS u SET t = r.t || '!' FROM ({rows}) AS r (id, t) WHERE u.id = r.id";
    run(&session, joined, &bindings.to_string(), batch).await;
    assert_eq!(session.lines("SELECT t FROM upserts ORDER BY id").await, ["e!", "d!", "c!"]);
}

#[tokio::test]
async fn a_row_counts_if_those_of_its_key_behind_it_are_refused() {
    let Some(session) = open(Server::Postgres).await else { return };
    session.run(&["DROP TABLE IF EXISTS replaced", "CREATE TABLE replaced (id int8 PRIMARY KEY, t varchar(3))"]).await;
    let rows = [(7, "a"), (1, "long"), (7, "too long"), (1, "b"), (7, "longer"), (3, "also long"), (3, "no less")];
    let rows = rows.iter().map(|&(id, t)| vec![Value::Int64(id), t.into()]).collect();
    let batch = batch(&[("id", of(SchemaType::Int64)), ("t", of(SchemaType::String))], rows);
    let bindings = json!([
        {"from": ["value", "id"], "type": "int8", "options": {"key": true}},
        {"from": ["value", "t"], "type": "varchar"},
    ]);
    let sql = "INSERT INTO replaced (id, t) {rows} ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t";
    let (changed, errors) = run(&session, sql, &bindings.to_string(), batch).await;
    let refused: Vec<u32> = errors.iter().map(|(row, _)| *row).collect();
    assert_eq!((changed, refused), (2, vec![2, 4, 5, 6]), "{errors:?}");
    assert_eq!(session.lines("SELECT id, t FROM replaced ORDER BY id").await, ["1|b", "7|a"]);
}

#[tokio::test]
async fn defaults_zones_and_numbers_that_mean_moments_are_written_as_bindings_say() {
    let Some(session) = open(Server::Postgres).await else { return };
    session
        .run(&[
            "DROP TABLE IF EXISTS bound",
            "CREATE TABLE bound (a timestamp, b timestamptz, c timestamp, d date, e int, f text)",
        ])
        .await;
    let with_default = Schema { default: Some(Value::Int32(9)), ..of(SchemaType::Int32) };
    let fields = [
        ("at", Schema::timestamp().optional()),
        ("micros", of(SchemaType::Int64)),
        ("day", Schema::date().optional()),
        ("e", with_default),
    ];
    let row = vec![
        Value::Instant(1_720_000_000_123),
        Value::Int64(1_720_000_000_123_456),
        Value::Instant(-14_825_808_000_000),
        Value::Null,
    ];
    let zone = "Europe/Berlin";
    let bindings = json!([
        {"from": ["value", "at"], "type": "timestamp", "options": {"db.timezone": zone}},
        {"from": ["value", "at"], "type": "timestamptz", "options": {"db.timezone": zone}},
        {"from": ["value", "micros"], "type": "timestamp", "options": {"timestamp": "microseconds"}},
        {"from": ["value", "day"], "type": "date"},
        {"from": ["value", "e"], "type": "int4", "options": {"null.default": true}},
        {"from": ["topic"], "type": "text"},
    ]);
    let (changed, errors) =
        run(&session, "INSERT INTO bound {rows}", &bindings.to_string(), batch(&fields, vec![row])).await;
    assert_eq!((changed, errors), (1, vec![]));
    let sql = "SELECT a::text, b::text, c::text, d::text, e, f FROM bound";
    let expected =
        "2024-07-03 11:46:40.123|2024-07-03 09:46:40.123+00|2024-07-03 09:46:40.123456|1500-03-01|9i32|orders";
    assert_eq!(session.lines(sql).await, [expected]);
}

#[tokio::test]
async fn bindings_that_do_not_fit_are_refused_and_fields_that_are_missing_concern_their_row() {
    let session = Session::sqlite().await;
    session.run(&["CREATE TABLE t (a)"]).await;
    let message = |sql: &'static str, bindings: &'static str| {
        let session = &session;
        async move { refused(session.prepare(sql, bindings).await) }
    };
    assert_eq!(message("INSERT INTO t VALUES (?, ?)", "[]").await, "the statement has 2 placeholders and 0 bindings");
    assert!(message("INSERT INTO t {rows}", "[]").await.starts_with("a statement has {rows} once"));
    assert!(message("INSERT INTO t VALUES (?)", "7").await.starts_with("the plugin's bindings are no JSON list"));
    assert!(message("INSERT INTO t VALUES (?)", r#"[{"from":["nowhere"]}]"#).await.ends_with("which is no binding"));
    let (changed, errors) = run(&session, "INSERT INTO t {rows}", &bindings(&[("nix", None)]), plain(&[1])).await;
    assert_eq!((changed, errors), (0, vec![(0, "value.nix: the record has no such field".to_owned())]));
    let (changed, errors) = run(&session, "INSERT INTO t {rows}", r#"[{"from":["value"]}]"#, plain(&[1])).await;
    let text = "value: Unsupported source data type: STRUCT; flatten it, or turn it into JSON text with a transform";
    assert_eq!((changed, errors), (0, vec![(0, text.to_owned())]));
}
