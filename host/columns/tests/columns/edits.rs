//! Setting, dropping and renaming.

use std::sync::Arc;

use millstream_record::batch::{Column, Kind, Role, Side};
use millstream_record::{Schema, SchemaType, Value};

use crate::support::{Call, batch, batch_with, bounds, headers, map, path, plain, refused, schema, structure, text};

fn upper(call: &mut Call, steps: &[&str]) {
    let column = call.get(steps);
    let made = call.session.upper(column, &bounds()).expect("texts");
    call.set(steps, made);
}

#[test]
fn a_field_of_the_same_type_keeps_its_schema_and_everything_else_survives() {
    let of = schema(&[("a", SchemaType::String), ("n", SchemaType::Int32)]);
    let rows = [("x", 1), ("y", 2)].map(|(a, n)| (Some(Arc::clone(&of)), structure(&of, &[text(a), Value::Int32(n)])));
    let mut call = Call::over(&batch(&rows));
    upper(&mut call, &["value", "a"]);
    let expected =
        [("X", 1), ("Y", 2)].map(|(a, n)| (Some(Arc::clone(&of)), structure(&of, &[text(a), Value::Int32(n)])));
    assert_eq!(call.data(), expected);
}

#[test]
fn a_field_of_another_type_changes_the_schema_and_nulls_make_it_optional() {
    let of = schema(&[("a", SchemaType::String), ("n?", SchemaType::Int32)]);
    let rows = ["1", "b"].map(|a| (Some(Arc::clone(&of)), structure(&of, &[text(a), Value::Null])));
    let mut call = Call::over(&batch(&rows));
    let column = call.get(&["value", "a"]);
    let made = call.session.cast(column, "int64", &bounds()).expect("a type");
    call.set(&["value", "a"], made.column);
    let why = call.texts(made.failed.expect("b is no number"));
    assert_eq!(why, [None, Some("Value (b) was out of range for requested data type".to_owned())]);
    let fresh = call.constant("true");
    call.set(&["value", "new"], fresh);
    let data = call.data();
    let made = data[0].0.clone().expect("a schema");
    let fields: Vec<_> = made
        .fields()
        .iter()
        .map(|field| (field.name.as_str(), field.schema.kind.name(), field.schema.optional))
        .collect();
    assert_eq!(fields, [("a", "INT64", true), ("n", "INT32", true), ("new", "BOOLEAN", false)]);
    assert_eq!(made.name.as_deref(), Some("Of.Test"));
    assert_eq!(data[0].1, structure(&made, &[Value::Int64(1), Value::Null, Value::Boolean(true)]));
    assert_eq!(data[1].1, structure(&made, &[Value::Null, Value::Null, Value::Boolean(true)]));
}

#[test]
fn maps_without_a_key_stay_without_it() {
    let rows = [
        map(&[("a", text("x")), ("b", Value::Int64(1))]),
        map(&[("b", Value::Int64(2))]),
        Value::Null,
        map(&[("a", Value::Null)]),
    ];
    let mut call = Call::over(&plain(&rows));
    upper(&mut call, &["value", "a"]);
    let expected = [
        map(&[("a", text("X")), ("b", Value::Int64(1))]),
        map(&[("b", Value::Int64(2))]),
        Value::Null,
        map(&[("a", Value::Null)]),
    ];
    let values = call.values();
    for (value, expected) in values.iter().zip(&expected) {
        assert!(value.same(expected), "{value:?} is not {expected:?}");
    }
}

#[test]
fn values_of_different_shapes_are_edited_one_by_one() {
    // Lists beside maps make variants.
    let rows = [map(&[("a", text("x"))]), Value::List(vec![Value::Int64(1)]), map(&[("c", map(&[("d", text("y"))]))])];
    let mut call = Call::over(&plain(&rows));
    let column = call.get(&["value", "c", "d"]);
    assert_eq!(call.texts(column), [None, None, Some("y".to_owned())]);
    // The list has no fields, so nothing can be set in it.
    let constant = call.constant("7");
    let message = refused(call.session.set(call.table, &path(&["value", "a"]), constant, &bounds()));
    assert_eq!(message, "row 1: found a java.util.ArrayList where a map has an entry");
    call.session.drop_path(call.table, &path(&["value", "c", "d"]), &bounds()).expect("dropped");
    call.session.rename(call.table, &path(&["value", "a"]), "b", &bounds()).expect("renamed");
    let values = call.values();
    assert_eq!(values, [map(&[("b", text("x"))]), Value::List(vec![Value::Int64(1)]), map(&[("c", map(&[]))])]);
}

#[test]
fn nested_fields_are_reached_set_dropped_and_renamed() {
    let inner = schema(&[("city", SchemaType::String), ("zip", SchemaType::String)]);
    let outer = {
        let mut outer = (*schema(&[("id", SchemaType::Int64)])).clone();
        let SchemaType::Struct(fields) = &mut outer.kind else { panic!("a struct") };
        fields.push(millstream_record::Field { name: "at".into(), schema: Arc::new((*inner).clone().optional()) });
        Arc::new(outer)
    };
    let optional_inner = outer.fields()[1].schema.clone();
    let row = |at: Value| (Some(Arc::clone(&outer)), structure(&outer, &[Value::Int64(1), at]));
    let at = structure(&optional_inner, &[text("köln"), text("50667")]);
    let mut call = Call::over(&batch(&[row(at), row(Value::Null)]));
    upper(&mut call, &["value", "at", "city"]);
    call.session.rename(call.table, &path(&["value", "at", "zip"]), "code", &bounds()).expect("renamed");
    call.session.drop_path(call.table, &path(&["value", "id"]), &bounds()).expect("dropped");
    let json = {
        let value = call.get(&["value"]);
        call.json(value)
    };
    assert_eq!(json, r#"[{"at":{"city":"KÖLN","code":"50667"}},{"at":null}]"#);
    let message = refused(call.session.rename(call.table, &path(&["value", "at", "city"]), "code", &bounds()));
    assert_eq!(message, "city cannot be called code: there is a field of that name");
    assert_eq!(call.data().len(), 2);
}

#[test]
fn a_whole_value_takes_the_columns_schema_or_that_of_its_type() {
    let mut call = Call::over(&plain(&[map(&[("a", text("x"))]), map(&[("b", text("y"))])]));
    let column = call.get(&["value", "a"]);
    call.set(&["key"], column);
    let made = call.session.from_texts(vec![Some("k".into()), None], &bounds()).expect("made");
    call.set(&["value"], made);
    let (batch, _) = call.answer();
    assert_eq!(batch.open().data(Side::Key), [(None, text("x")), (None, Value::Null)]);
    let optional = Arc::new(Schema::new(SchemaType::String).optional());
    assert_eq!(
        batch.open().data(Side::Value),
        [(Some(Arc::clone(&optional)), text("k")), (Some(optional), Value::Null)]
    );
}

#[test]
fn rows_of_several_schemas_each_keep_theirs() {
    let (one, two) =
        (schema(&[("a", SchemaType::String)]), schema(&[("b", SchemaType::Int8), ("a", SchemaType::String)]));
    let rows = [
        (Some(Arc::clone(&one)), structure(&one, &[text("x")])),
        (None, map(&[("a", text("y"))])),
        (Some(Arc::clone(&two)), structure(&two, &[Value::Int8(3), text("z")])),
        (Some(Arc::clone(&one)), structure(&one, &[text("w")])),
    ];
    let mut call = Call::over(&batch(&rows));
    upper(&mut call, &["value", "a"]);
    let expected = [
        (Some(Arc::clone(&one)), structure(&one, &[text("X")])),
        (None, map(&[("a", text("Y"))])),
        (Some(Arc::clone(&two)), structure(&two, &[Value::Int8(3), text("Z")])),
        (Some(Arc::clone(&one)), structure(&one, &[text("W")])),
    ];
    assert_eq!(call.data(), expected);
    // A whole side is moved with all its schemas.
    let mut call = Call::over(&batch(&rows));
    let whole = call.get(&["value"]);
    call.set(&["key"], whole);
    assert_eq!(call.answer().0.open().data(Side::Key), rows);
}

#[test]
fn envelopes_and_headers_are_set_and_dropped() {
    let given = batch_with(&[(None, text("a")), (None, text("b"))], |table| {
        table.set(
            Role::HEADERS,
            headers(&[&[("h", text("1")), ("i", text("2")), ("h", text("3"))], &[("i", text("4"))]]),
        );
        table.set(Role::TIMESTAMP, Column::int64s(Kind::Int64, [5, 6]));
    });
    let mut call = Call::over(&given);
    assert_eq!(call.session.names(call.table, &path(&["header"])), Ok(vec!["h".to_owned(), "i".to_owned()]));
    let h = call.get(&["header", "h"]);
    assert_eq!(call.texts(h), [Some("3".to_owned()), None]);
    assert_eq!(call.find(&["header", "none"]), None);
    let timestamp = call.get(&["timestamp"]);
    assert_eq!(call.session.numbers(timestamp, &bounds()), Ok(vec![Some(5.0), Some(6.0)]));
    let value = call.get(&["value"]);
    let topics = {
        let prefix = call.session.constant_text("to", &bounds()).unwrap();
        call.session.concat(&[prefix, value], "-", &bounds()).unwrap()
    };
    call.set(&["topic"], topics);
    call.set(&["header", "h"], value);
    call.session.rename(call.table, &path(&["header", "i"]), "j", &bounds()).unwrap();
    call.session.drop_path(call.table, &path(&["timestamp"]), &bounds()).unwrap();
    let partition = call.constant("4");
    call.set(&["partition"], partition);
    let (batch, _) = call.answer();
    let table = batch.open();
    assert_eq!((table.topic(0), table.topic(1)), (Some("to-a"), Some("to-b")));
    assert_eq!((table.integer(Role::TIMESTAMP, 0), table.integer(Role::PARTITION, 1)), (None, Some(4)));
    let named = |row: usize| -> Vec<(String, Value)> {
        let column = table.get(Role::HEADERS).expect("headers");
        column.headers(row).map(|header| (header.key.to_owned(), header.datum(&table.schemas).1)).collect()
    };
    assert_eq!(named(0), [("j".to_owned(), text("2")), ("h".to_owned(), text("a"))]);
    assert_eq!(named(1), [("j".to_owned(), text("4")), ("h".to_owned(), text("b"))]);
}

#[test]
fn a_source_makes_a_batch_of_json() {
    let mut session = millstream_columns::Session::new(Default::default(), Default::default());
    session.begin(millstream_columns::Subject { returns_batch: true, ..Default::default() });
    let bounds = bounds();
    let table = session.make(2, &bounds).unwrap();
    let topic = session.constant_text("made", &bounds).unwrap();
    session.set(table, &path(&["topic"]), topic, &bounds).unwrap();
    let schema = r#"{"type":"struct","optional":false,"fields":[{"type":"int32","optional":false,"field":"n"}]}"#;
    let values = session.from_json(r#"[{"n":1},{"n":2}]"#, Some(schema), &bounds).unwrap();
    assert_eq!(values.failed, None);
    session.set(table, &path(&["value"]), values.column, &bounds).unwrap();
    let offsets = session.from_json(r#"[{"at":1},{"at":2}]"#, None, &bounds).unwrap();
    session.set(table, &path(&["source-offset"]), offsets.column, &bounds).unwrap();
    let partition = session.constant(r#"{"file":"a"}"#, &bounds).unwrap();
    session.set(table, &path(&["source-partition"]), partition, &bounds).unwrap();
    session.answer(table, &bounds).unwrap();
    let Some(millstream_columns::Answer::Table { batch: Some(bytes), .. }) = session.end() else { panic!("answered") };
    let batch = crate::support::checked(bytes);
    let table = batch.open();
    let (schema, value) = table.datum(Side::Value, 1);
    assert_eq!(value, structure(&schema.expect("a schema"), &[Value::Int32(2)]));
    let of = |role| table.get(role).expect("it was set").value(1, None, &table.schemas);
    assert_eq!(of(Role::SOURCE_OFFSET), map(&[("at", Value::Int64(2))]));
    assert_eq!(of(Role::SOURCE_PARTITION), map(&[("file", text("a"))]));
}
