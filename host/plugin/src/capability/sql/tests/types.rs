//! Each type of each database, from a column to a record.

use super::*;

/// A column's type and the text of a value in SQL, then the Connect type and the value of the record.
type Case = (&'static str, &'static str, &'static str, &'static str);

async fn check(session: &Session, options: &str, cases: &[Case]) {
    let columns: Vec<String> = cases.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {kind}")).collect();
    let values: Vec<&str> = cases.iter().map(|(_, value, ..)| *value).collect();
    session.run(&["DROP TABLE IF EXISTS types", &format!("CREATE TABLE types ({})", columns.join(", "))]).await;
    session.run(&[&format!("INSERT INTO types VALUES ({})", values.join(", "))]).await;
    let nulls = vec!["NULL"; cases.len()].join(", ");
    session.run(&[&format!("INSERT INTO types VALUES ({nulls})")]).await;
    let read = session.all("SELECT * FROM types", Vec::new(), options).await;
    let read = read.unwrap_or_else(|error| panic!("{}", error.message));
    assert_eq!(read.left_out, [], "nothing is left out");
    let schema = read.schema.expect("the rows have a schema");
    for (at, (kind, value, connect, expected)) in cases.iter().enumerate() {
        let schema = &schema.fields()[at].schema;
        let name = schema.name.as_deref().and_then(|name| name.rsplit('.').next()).unwrap_or(schema.kind.name());
        let of = format!("{kind} {value}");
        assert_eq!((name, schema.optional), (*connect, true), "{of}");
        assert_eq!(text(&read.rows[0][at]), *expected, "{of}");
        assert_eq!(text(&read.rows[1][at]), "null", "{of}");
    }
}

#[tokio::test]
async fn every_type_of_postgresql_becomes_what_connect_users_know() {
    let Some(session) = open(Server::Postgres).await else { return };
    session
        .run(&[
            "DROP TABLE IF EXISTS types",
            "DROP TYPE IF EXISTS mood",
            "DROP DOMAIN IF EXISTS price",
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE DOMAIN price AS numeric(8,3)",
        ])
        .await;
    check(
        &session,
        "{}",
        &[
            ("bool", "true", "BOOLEAN", "true"),
            ("int2", "-32768", "INT16", "-32768i16"),
            ("int4", "2147483647", "INT32", "2147483647i32"),
            ("int8", "-9223372036854775808", "INT64", "-9223372036854775808"),
            ("oid", "4294967295", "INT64", "4294967295"),
            ("float4", "1.5", "FLOAT32", "1.5f32"),
            ("float8", "'NaN'", "FLOAT64", "NaNf64"),
            ("money", "'12.34'", "FLOAT64", "12.34f64"),
            ("numeric(10,2)", "-12345678.90", "Decimal", "-12345678.90d2"),
            (
                "numeric(40,0)",
                "1234567890123456789012345678901234567890",
                "Decimal",
                "1234567890123456789012345678901234567890d0",
            ),
            ("numeric(3,-2)", "12300", "Decimal", "12300d-2"),
            ("price", "1.5", "Decimal", "1.500d3"),
            ("text", "'grüße'", "STRING", "grüße"),
            ("varchar(10)", "''", "STRING", ""),
            ("char(3)", "'ab'", "STRING", "ab "),
            ("name", "'n'", "STRING", "n"),
            ("\"char\"", "'x'", "STRING", "x"),
            ("mood", "'ok'", "STRING", "ok"),
            ("json", "'{\"a\": 1}'", "STRING", "{\"a\": 1}"),
            ("jsonb", "'{\"a\":1}'", "STRING", "{\"a\": 1}"),
            ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "STRING", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("xml", "'<a/>'", "STRING", "<a/>"),
            ("bytea", "'\\x00ff'", "BYTES", "x00ff"),
            ("bit(1)", "B'1'", "BOOLEAN", "true"),
            ("bit(8)", "B'10000001'", "INT8", "-127i8"),
            ("bit(3)", "B'101'", "INT8", "5i8"),
            ("bit(12)", "B'101000000001'", "BYTES", "xa010"),
            ("date", "'2024-05-01'", "Date", "@1714521600000"),
            ("date", "'1500-03-01'", "Date", "@-14825808000000"),
            ("date", "'0044-03-15 BC'", "Date", "@-63517996800000"),
            ("time", "'12:34:56.789'", "Time", "@45296789"),
            ("timetz", "'12:34:56+02'", "Time", "@38096000"),
            ("timestamp", "'2024-05-01 12:00:00.123456'", "Timestamp", "@1714564800123"),
            ("timestamptz", "'2024-05-01 12:00:00.123456+02'", "Timestamp", "@1714557600123"),
        ],
    )
    .await;
    let plain = "SELECT 1.5::numeric AS n, 'x'::text AS t, NULL::int4[] AS a, '10.0.0.1'::inet AS i";
    let read = session.all(plain, Vec::new(), "{}").await.unwrap();
    assert_eq!(text(&read.rows[0][0]), format!("1.5{}d127", "0".repeat(126)));
    let left_out = [("a", "int4[]"), ("i", "inet")].map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(read.left_out, left_out);
}

#[tokio::test]
async fn timestamps_and_numbers_of_postgresql_follow_their_options() {
    let Some(session) = open(Server::Postgres).await else { return };
    let zoned =
        |granularity: &str| format!(r#"{{"db.timezone":"Europe/Berlin","timestamp.granularity":"{granularity}"}}"#);
    let sql = "SELECT '2024-07-01 12:00:00.123456'::timestamp, '2024-07-01 12:00:00.123456+00'::timestamptz AS z";
    for (granularity, shown, instant) in [
        ("connect_logical", "@1719828000123", "@1719835200123"),
        ("micros_long", "1719828000123456", "1719835200123456"),
        ("nanos_long", "1719828000123456000", "1719835200123456000"),
        ("micros_string", "1719828000123456", "1719835200123456"),
        ("nanos_string", "1719828000123456000", "1719835200123456000"),
        ("micros_iso_datetime_string", "2024-07-01T12:00:00.123456", "2024-07-01T14:00:00.123456"),
        ("nanos_iso_datetime_string", "2024-07-01T12:00:00.123456000", "2024-07-01T14:00:00.123456000"),
    ] {
        let read = session.all(sql, Vec::new(), &zoned(granularity)).await.unwrap();
        let found: Vec<String> = read.rows[0].iter().map(text).collect();
        assert_eq!(found, [shown, instant], "{granularity}");
    }
    let arrays =
        "SELECT ARRAY[1,NULL,3] AS a, ARRAY['x','ü'] AS t, ARRAY[1.5,2.25]::numeric(4,2)[] AS n, '{}'::int8[] AS e";
    let read = session.all(arrays, Vec::new(), r#"{"arrays":true,"numeric.mapping":"best_fit"}"#).await.unwrap();
    let found: Vec<String> = read.rows[0].iter().map(text).collect();
    assert_eq!(found, ["[1i32,null,3i32]", "[x,ü]", "[1.5f64,2.25f64]", "[]"]);
    let day = "SELECT DATE '1500-03-01' AS d";
    let read = session.all(day, Vec::new(), r#"{"date.calendar.system":"PROLEPTIC_GREGORIAN"}"#).await.unwrap();
    assert_eq!(text(&read.rows[0][0]), "@-14826672000000");
}

#[tokio::test]
async fn a_value_that_has_no_form_is_an_error_that_names_column_row_and_remedy() {
    let Some(session) = open(Server::Postgres).await else { return };
    for (sql, expected) in [
        (
            "SELECT 1::numeric AS n UNION ALL SELECT 'NaN'",
            "column n, row 2 of the rows read at a time: NaN has no Decimal: read \
          the column as FLOAT64 (numeric.mapping=best_fit_eager_double, or a cast in a query), or leave such rows out",
        ),
        (
            "SELECT 'infinity'::timestamp AS t",
            "column t, row 1 of the rows read at a time: infinity has no instant: leave such \
          rows out, or read NULLIF of it in a query",
        ),
        ("SELECT '-infinity'::date AS d", "column d, row 1 of the rows read at a time: -infinity has no instant"),
        (
            "SELECT '24:00'::time AS t",
            "column t, row 1 of the rows read at a time: 24:00:00 and beyond is no time of day",
        ),
    ] {
        let message = refused(session.all(sql, Vec::new(), "{}").await);
        assert!(message.starts_with(expected), "{message}");
    }
    let nanos = r#"{"timestamp.granularity":"nanos_long"}"#;
    let message = refused(session.all("SELECT '3000-01-01'::timestamp AS t", Vec::new(), nanos).await);
    assert!(message.ends_with("is beyond what 64 bits hold of it: choose another granularity"), "{message}");
}

#[tokio::test]
async fn every_type_of_mariadb_becomes_what_connect_users_know() {
    let Some(session) = open(Server::MariaDb).await else { return };
    check(
        &session,
        "{}",
        &[
            ("tinyint", "-128", "INT8", "-128i8"),
            ("tinyint unsigned", "255", "INT16", "255i16"),
            ("bool", "true", "INT8", "1i8"),
            ("bit(1)", "b'1'", "INT8", "1i8"),
            ("bit(12)", "b'101000000001'", "BYTES", "x0a01"),
            ("smallint", "-32768", "INT16", "-32768i16"),
            ("smallint unsigned", "65535", "INT32", "65535i32"),
            ("mediumint", "-8388608", "INT32", "-8388608i32"),
            ("mediumint unsigned", "16777215", "INT64", "16777215"),
            ("int", "2147483647", "INT32", "2147483647i32"),
            ("int unsigned", "4294967295", "INT64", "4294967295"),
            ("bigint", "-9223372036854775808", "INT64", "-9223372036854775808"),
            ("bigint unsigned", "9223372036854775807", "INT64", "9223372036854775807"),
            ("float", "1.5", "FLOAT32", "1.5f32"),
            ("double", "2.25", "FLOAT64", "2.25f64"),
            ("decimal(10,2)", "-12345678.9", "Decimal", "-12345678.90d2"),
            ("char(3)", "'ab'", "STRING", "ab"),
            ("varchar(20)", "'grüße'", "STRING", "grüße"),
            ("longtext", "'t'", "STRING", "t"),
            ("enum('a','b')", "'b'", "STRING", "b"),
            ("set('a','b')", "'a,b'", "STRING", "a,b"),
            ("json", "'{\"a\": 1}'", "STRING", "{\"a\": 1}"),
            ("binary(2)", "x'00ff'", "BYTES", "x00ff"),
            ("varbinary(4)", "x'00ff'", "BYTES", "x00ff"),
            ("longblob", "x'00ff'", "BYTES", "x00ff"),
            ("date", "'2024-05-01'", "Date", "@1714521600000"),
            ("year", "2024", "Date", "@1704067200000"),
            ("time(3)", "'12:34:56.789'", "Time", "@45296789"),
            ("datetime(6)", "'2024-05-01 12:00:00.123456'", "Timestamp", "@1714564800123"),
            ("timestamp(6) null", "'2024-05-01 12:00:00.123456'", "Timestamp", "@1714564800123"),
        ],
    )
    .await;
    // Beyond INT64, and dates that are none.
    let big = "SELECT CAST(18446744073709551615 AS UNSIGNED) AS big";
    let message = refused(session.all(big, Vec::new(), "{}").await);
    assert!(
        message.contains("column big, row 1") && message.contains("18446744073709551615 is more than INT64"),
        "{message}"
    );
    let read = session.all(big, Vec::new(), r#"{"unsigned.bigint":"decimal"}"#).await.unwrap();
    assert_eq!(text(&read.rows[0][0]), "18446744073709551615d0");
    session.run(&["SET sql_mode=''", "DROP TABLE IF EXISTS zero", "CREATE TABLE zero (d date, t datetime)"]).await;
    session.run(&["INSERT INTO zero VALUES ('0000-00-00', '0000-00-00')"]).await;
    let message = refused(session.all("SELECT * FROM zero", Vec::new(), "{}").await);
    assert!(message.contains("Zero date value prohibited") && message.contains("CONVERT_TO_NULL"), "{message}");
    let url = format!("{}?zeroDateTimeBehavior=CONVERT_TO_NULL", peer(Server::MariaDb).unwrap().url(DATABASE));
    let lenient = Session::open(&url, "{}").await;
    assert_eq!(lenient.lines("SELECT * FROM zero").await, ["null|null"]);
    assert_eq!(lenient.lines("SELECT 1.50 * 2 AS n, SUM(1) AS s").await, ["3.00d2|1d0"], "decimals of expressions");
}

#[tokio::test]
async fn the_declarations_of_sqlite_decide_what_its_values_become() {
    let session = Session::sqlite().await;
    check(
        &session,
        "{}",
        &[
            ("BOOLEAN", "1", "BOOLEAN", "true"),
            ("TINYINT", "7", "INT64", "7"),
            ("INTEGER", "-9223372036854775808", "INT64", "-9223372036854775808"),
            ("BIGINT", "7", "INT64", "7"),
            ("REAL", "1.5", "FLOAT32", "1.5f32"),
            ("DOUBLE", "2.25", "FLOAT64", "2.25f64"),
            ("DECIMAL(10,2)", "'12.5'", "Decimal", "12.50d2"),
            ("TEXT", "'grüße'", "STRING", "grüße"),
            ("VARCHAR(3)", "'abcd'", "STRING", "abcd"),
            ("BLOB", "x'00ff'", "BYTES", "x00ff"),
            ("DATE", "'2024-05-01'", "Date", "@1714521600000"),
            ("DATE", "1714521600000", "Date", "@1714521600000"),
            ("DATETIME", "'2024-05-01 12:00:00.123'", "Timestamp", "@1714564800123"),
            ("TIMESTAMP", "1714564800123", "Timestamp", "@1714564800123"),
            ("TIMESTAMP", "2460432.25", "Timestamp", "@1714586400000"),
            ("TIME", "'12:34:56.789'", "Time", "@45296789"),
        ],
    )
    .await;
    let read = session.all("SELECT 1 AS a, 1.5 AS b, 'x' AS c, x'01' AS d", Vec::new(), "{}").await.unwrap();
    let found: Vec<String> = read.rows[0].iter().map(text).collect();
    assert_eq!(found, ["1", "1.5f64", "x", "x01"], "what is not declared is as it is");
    session.run(&["CREATE TABLE odd (n INTEGER)", "INSERT INTO odd VALUES (1), ('many')"]).await;
    let message = refused(session.all("SELECT n FROM odd", Vec::new(), "{}").await);
    assert_eq!(message, "column n, row 2 of the rows read at a time: many is no Schema{INT64}");
}

#[tokio::test]
async fn columns_that_cannot_be_null_are_required_and_decimals_say_their_precision() {
    let Some(session) = open(Server::Postgres).await else { return };
    session
        .run(&[
            "DROP TABLE IF EXISTS strict",
            "CREATE TABLE strict (id int PRIMARY KEY, n numeric(9,2) NOT NULL, o int)",
        ])
        .await;
    session.run(&["INSERT INTO strict VALUES (1, 2, 3)"]).await;
    let read = session.all("SELECT *, o + 1 AS e FROM strict", Vec::new(), r#"{"name":"strict"}"#).await.unwrap();
    let schema = read.schema.unwrap();
    assert_eq!(schema.name.as_deref(), Some("strict"));
    let optional: Vec<bool> = schema.fields().iter().map(|field| field.schema.optional).collect();
    assert_eq!(optional, [false, false, true, true]);
    let parameters = &schema.fields()[1].schema.parameters.as_ref().unwrap().0;
    assert_eq!(parameters[1], ("connect.decimal.precision".to_owned(), "9".to_owned()));
    let message = refused(session.all("SELECT 1 AS a, 2 AS a", Vec::new(), "{}").await);
    assert!(message.starts_with("two columns of the query have one name"), "{message}");
}

#[tokio::test]
async fn cursors_are_exact_and_come_back_as_parameters() {
    let Some(session) = open(Server::Postgres).await else { return };
    session
        .run(&["DROP TABLE IF EXISTS cursors", "CREATE TABLE cursors (id numeric(18,0), at timestamp, k uuid, d date)"])
        .await;
    session.run(&["INSERT INTO cursors VALUES (7, '2024-05-01 12:00:00.123456', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-05-01')"]).await;
    let options = r#"{"cursor":["ID","at","k","d"],"db.timezone":"Europe/Berlin"}"#;
    let read = session.all("SELECT * FROM cursors", Vec::new(), options).await.unwrap();
    let found: Vec<String> = read.keys[0].iter().map(text).collect();
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    assert_eq!(found, ["7", "{1714557600,123456000i32}", uuid, "{1714514400,0i32}"]);
    let sql = "SELECT id FROM cursors WHERE id >= ? AND at = ? AND k = ? AND d = ?";
    let parameters = || {
        let at = parameter("timestamp", "1714557600.123456000");
        vec![parameter("int64", "7"), at, parameter("string", uuid), parameter("date", "2024-05-01")]
    };
    let options = r#"{"db.timezone":"Europe/Berlin"}"#;
    let again = session.all(sql, parameters(), options).await.unwrap();
    assert_eq!(again.rows.len(), 1);
    let message = refused(session.all("SELECT id FROM cursors", Vec::new(), r#"{"cursor":["nix"]}"#).await);
    assert_eq!(message, "column nix not found in id");
    let message = refused(session.all(sql, vec![parameter("int64", "seven")], options).await);
    assert_eq!(message, "the statement has 4 placeholders and 1 values");
    let odd =
        vec![parameter("int64", "seven"), parameters()[1].clone(), parameters()[2].clone(), parameters()[3].clone()];
    let message = refused(session.all(sql, odd, options).await);
    assert_eq!(message, "the value for placeholder 1 of type numeric: \"seven\" is none");
}
