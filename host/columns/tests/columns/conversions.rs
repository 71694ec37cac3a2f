//! Types, encodings and JSON.

use std::sync::Arc;

use millstream_record::batch::Side;
use millstream_record::{Decimal, Field, Schema, SchemaType, Value};

use crate::support::{Call, batch, bounds, map, plain, refused, schema, structure, text};

/// A struct with a value of every type.
fn everything() -> (Arc<Schema>, Value) {
    let list = Schema::new(SchemaType::Array(Some(Arc::new(Schema::new(SchemaType::Int16)))));
    let of_map = SchemaType::Map(
        Some(Arc::new(Schema::new(SchemaType::String))),
        Some(Arc::new(Schema::new(SchemaType::Float32))),
    );
    let fields = [
        ("i8", Schema::new(SchemaType::Int8), Value::Int8(-8)),
        ("i64", Schema::new(SchemaType::Int64), Value::Int64(9_007_199_254_740_993)),
        ("f64", Schema::new(SchemaType::Float64), Value::Float64(0.1)),
        ("bool", Schema::new(SchemaType::Boolean), Value::Boolean(true)),
        ("bytes", Schema::new(SchemaType::Bytes), Value::Bytes(vec![0, 255])),
        ("decimal", Schema::decimal(2), Value::Decimal(Decimal { unscaled: vec![1, 0], scale: 2 })),
        ("date", Schema::date(), Value::Instant(86_400_000)),
        ("time", Schema::time(), Value::Instant(1)),
        ("at", Schema::timestamp(), Value::Instant(1_700_000_000_000)),
        ("list", list, Value::List(vec![Value::Int16(1), Value::Int16(2)])),
        ("map", Schema::new(of_map), Value::Map(vec![(text("k"), Value::Float32(1.5))])),
        ("none", Schema::new(SchemaType::String).optional(), Value::Null),
    ];
    let (mut names, mut slots) = (Vec::new(), Vec::new());
    for (name, schema, value) in fields {
        names.push(Field { name: name.to_owned(), schema: Arc::new(schema) });
        slots.push(value);
    }
    let schema = Arc::new(Schema::structure(names).expect("names differ"));
    (Arc::clone(&schema), Value::Struct(schema, slots))
}

#[test]
fn json_and_back_under_the_same_schemas_is_the_same() {
    let (of, value) = everything();
    let rows = [(Some(of), value), (None, map(&[("a", Value::Int64(1))])), (None, Value::Null)];
    let mut call = Call::over(&batch(&rows));
    let column = call.get(&["value"]);
    let json = call.json(column);
    assert!(json.contains(r#""i64":9007199254740993"#) && json.contains(r#""decimal":2.56"#), "{json}");
    let again = call.session.from_json_like(&json, column, &bounds()).unwrap();
    assert_eq!(again.failed, None);
    call.set(&["value"], again.column);
    let data = call.data();
    assert_eq!(data.len(), rows.len());
    for ((schema, value), (expected_schema, expected)) in data.iter().zip(&rows) {
        assert!(value.same(expected), "{value:?} is not {expected:?}");
        if !expected.is_null() {
            assert_eq!(schema, expected_schema);
        }
    }
}

#[test]
fn elements_that_do_not_fit_their_schema_are_null_and_say_why() {
    let mut call = Call::over(&plain(&[text("a")]));
    let schema = r#"{"type":"struct","optional":false,"fields":[{"type":"boolean","optional":false,"field":"b"}]}"#;
    let made = call.session.from_json(r#"[{"b":true},{},{"b":null},5]"#, Some(schema), &bounds()).unwrap();
    assert_eq!(call.texts(made.column).iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, false]);
    let why = call.texts(made.failed.expect("some failed"));
    assert!(why[0].is_none() && why[1].is_some() && why[2].is_some() && why[3].is_some(), "{why:?}");
    assert!(refused(call.session.from_json("[1,", None, &bounds())).contains("serialization"));
    assert!(refused(call.session.from_json("[]", Some("{}"), &bounds())).contains("type"));
    let value = call.get(&["value"]);
    assert_eq!(
        refused(call.session.from_json_like("[1,2]", value, &bounds())),
        "the JSON array has 2 elements for 1 rows"
    );
}

#[test]
fn texts_of_json_are_parsed_and_written_row_by_row() {
    let rows = [text(r#"{"a":[1,2.5,"x"]}"#), text("nonsense"), Value::Null];
    let mut call = Call::over(&plain(&rows));
    let column = call.get(&["value"]);
    let parsed = call.session.parse_json(column, None, &bounds()).unwrap();
    let failed = call.texts(parsed.failed.expect("nonsense failed"));
    assert!(failed[0].is_none() && failed[1].is_some() && failed[2].is_none(), "{failed:?}");
    let written = call.session.write_json(parsed.column, &bounds()).unwrap();
    assert_eq!(call.texts(written), [r#"{"a":[1,2.5,"x"]}"#, "null", "null"].map(|text| Some(text.to_owned())));
    call.set(&["value"], parsed.column);
    let list = Value::List(vec![Value::Int64(1), Value::Float64(2.5), text("x")]);
    assert_eq!(call.values(), [map(&[("a", list)]), Value::Null, Value::Null]);
}

#[test]
fn bytes_and_texts_are_recoded() {
    let rows = [Value::Bytes(vec![0xe2, 0x82, 0xac]), Value::Bytes(vec![0xff]), Value::Null];
    let mut call = Call::over(&plain(&rows));
    let column = call.get(&["value"]);
    let text = call.session.to_text(column, "utf-8", &bounds()).unwrap();
    assert_eq!(call.texts(text.column), [Some("€".to_owned()), None, None]);
    assert_eq!(call.texts(text.failed.unwrap())[1].as_deref(), Some("the bytes are no UTF-8"));
    for (encoding, expected) in [("hex", ["e282ac", "ff"]), ("base64", ["4oKs", "/w=="])] {
        let text = call.session.to_text(column, encoding, &bounds()).unwrap().column;
        assert_eq!(call.texts(text)[..2], expected.map(|text| Some(text.to_owned())));
        let bytes = call.session.to_bytes(text, encoding, &bounds()).unwrap();
        assert_eq!(bytes.failed, None);
        let same = call.session.equal(bytes.column, column, &bounds()).unwrap();
        assert_eq!(call.json(same), "[true,true,null]");
    }
    let odd = call.session.constant_text("abc", &bounds()).unwrap();
    assert!(call.session.to_bytes(odd, "hex", &bounds()).unwrap().failed.is_some());
    assert!(refused(call.session.to_text(column, "latin", &bounds())).starts_with("there is no encoding latin"));
}

#[test]
fn numbers_become_moments_and_moments_numbers() {
    let mut call = Call::over(&plain(&[text("a"), text("b")]));
    let column = call.session.from_json("[1,null]", None, &bounds()).unwrap().column;
    let date = call.session.cast(column, "date", &bounds()).unwrap();
    assert_eq!(date.failed, None);
    let now = call.session.moment(1_700_000_000_123, &bounds()).unwrap();
    let number = call.session.cast(now, "int64", &bounds()).unwrap().column;
    assert_eq!(call.json(number), "[1700000000123]");
    let day = call.session.cast(now, "date", &bounds()).unwrap().column;
    assert_eq!(call.texts(day), [Some("2023-11-14".to_owned())]);
    assert_eq!(call.json(day), "[19675]");
    let late = call.constant("86400000");
    let why = call.session.cast(late, "time", &bounds()).unwrap().failed.expect("no time of a day");
    assert_eq!(call.texts(why), [Some("no day has the millisecond 86400000".to_owned())]);
    assert!(refused(call.session.cast(column, "uuid", &bounds())).starts_with("nothing is cast to uuid"));
}

#[test]
fn columns_become_structs_or_maps_and_lose_their_schemas() {
    let of = schema(&[("a", SchemaType::Int32), ("b?", SchemaType::String)]);
    let rows = [1, 2].map(|number| (Some(Arc::clone(&of)), structure(&of, &[Value::Int32(number), Value::Null])));
    let mut call = Call::over(&batch(&rows));
    let (a, whole) = (call.get(&["value", "a"]), call.get(&["value"]));
    let names = ["id".to_owned(), "all".to_owned()];
    let packed = call.session.pack(&names, &[a, whole], Some("Packed"), &bounds()).unwrap();
    call.set(&["key"], packed);
    let bare = call.session.schemaless(whole, &bounds()).unwrap();
    let mixed = call.session.pack(&names, &[a, bare], None, &bounds()).unwrap();
    call.set(&["value"], mixed);
    let (made, _) = call.answer();
    let table = made.open();
    let (key_schema, key) = table.datum(Side::Key, 1);
    let key_schema = key_schema.expect("a schema");
    assert_eq!((key_schema.name.as_deref(), key_schema.fields().len()), (Some("Packed"), 2));
    assert_eq!(key, structure(&key_schema, &[Value::Int32(2), rows[1].1.clone()]));
    let bare = map(&[("a", Value::Int32(2)), ("b", Value::Null)]);
    assert_eq!(table.datum(Side::Value, 1), (None, map(&[("id", Value::Int32(2)), ("all", bare)])));
}

#[test]
fn a_column_says_what_it_holds() {
    let of = schema(&[("a", SchemaType::Int32)]);
    let rows = [(Some(Arc::clone(&of)), structure(&of, &[Value::Int32(1)])), (None, text("x"))];
    let mut call = Call::over(&batch(&rows));
    let column = call.get(&["value"]);
    let about = call.session.about(column).unwrap();
    let schema = r#"{"type":"struct","fields":[{"type":"int32","optional":false,"field":"a"}],"optional":false,"name":"Of.Test"}"#;
    assert_eq!(
        about,
        format!(r#"[{{"rows":1,"schema":{schema},"type":"STRUCT"}},{{"rows":1,"schema":null,"type":"STRING"}}]"#)
    );
    assert_eq!(call.session.length(column), Ok(2));
}
