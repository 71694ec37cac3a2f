//! Header bytes as any producer may write them: what the SimpleHeaderConverter reads it prints, and reads the same from
//! that.

use std::sync::Arc;

use millstream_record::{Schema, SchemaType, Value, logical};

/// Inputs that reach most of the code.
pub const SEEDS: &[&[u8]] = &[
    b"",
    b" true",
    b"-12.50e3,x",
    b"[1, 300, 2.5]",
    b"[[1],[\"a\"],[]]",
    b"{\"a\":1,\"b\":[null],\"c\":{1:\"x\" 2:\"y\",}}",
    b"2019-08-23T14:34:54.346Z",
    b"[\"14:34:54.346Z\", 2019-08-23, 1]",
    b"{1:\"a\\\"b\",\"b\":99999999999999999999}",
    b"1e309",
    b"\xc3\xa9\xff[\xd9\xa1]",
];

/// Pieces of such inputs.
pub const TOKENS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "null",
    "true",
    "1",
    "-",
    "1.5",
    "1e40",
    "e-400",
    "2019-08-23",
    "T14:34:54.346Z",
    "14\\:34",
    "\u{661}",
    "\t",
    "9999999999",
];

/// Reads bytes as a header. True if they were more than text.
pub fn header_grammar(bytes: &[u8]) -> bool {
    let mut converter = millstream_convert::native_header("SimpleHeaderConverter", &Default::default())
        .expect("known")
        .expect("no keys");
    let mut read = |bytes: Option<&[u8]>| converter.to_connect("t", "h", bytes).expect("any bytes are a header");
    let (schema, value) = read(Some(bytes));
    check_kind(schema.as_deref(), &value);
    let mut printer = millstream_convert::native_header("SimpleHeaderConverter", &Default::default())
        .expect("known")
        .expect("no keys");
    let printed = printer.from_connect("t", "h", schema.as_ref(), &value).expect("what was read can be printed");
    let again = read(printed.as_deref());
    if reads_back(schema.as_deref(), &value, true) {
        let text = printed.as_deref().map(String::from_utf8_lossy);
        if has_entries(&value) {
            // An entry that another replaced has counted for the schema, and does not any more.
            let twice =
                printer.from_connect("t", "h", again.0.as_ref(), &again.1).expect("what was read can be printed");
            assert_eq!(twice, printed, "{schema:?} {value:?}\nwas printed as {text:?}\nand read as {again:?}");
        } else {
            let same = again.0 == schema && again.1.same(&value);
            assert!(same, "{schema:?} {value:?}\nwas printed as {text:?}\nand read as {again:?}");
        }
    }
    !matches!(value, Value::String(_))
}

/// The value is of the kind that the schema says. Elements of collections in collections may differ from theirs.
fn check_kind(schema: Option<&Schema>, value: &Value) {
    let Some(schema) = schema else { return assert!(value.is_null()) };
    let sound = match (&schema.kind, value) {
        (SchemaType::Array(items), Value::List(values)) => {
            values.iter().for_each(|value| check_element(items, value));
            true
        }
        (SchemaType::Map(keys, values), Value::Map(entries)) => {
            entries.iter().for_each(|(key, value)| {
                check_element(keys, key);
                check_element(values, value);
            });
            true
        }
        (SchemaType::Int8, Value::Int8(_))
        | (SchemaType::Int16, Value::Int16(_))
        | (SchemaType::Int32, Value::Int32(_))
        | (SchemaType::Int64, Value::Int64(_))
        | (SchemaType::Float32, Value::Float32(_))
        | (SchemaType::Float64, Value::Float64(_))
        | (SchemaType::Boolean, Value::Boolean(_))
        | (SchemaType::String, Value::String(_))
        | (SchemaType::Bytes, Value::Bytes(_)) => true,
        (SchemaType::Bytes, Value::Decimal(_)) => schema.is_decimal(),
        (SchemaType::Int32 | SchemaType::Int64, Value::Instant(_)) => schema.is_instant(),
        _ => false,
    };
    assert!(sound, "{schema:?} for {value:?}");
}

fn check_element(schema: &Option<Arc<Schema>>, value: &Value) {
    if let Some(schema) = schema
        && !matches!(value, Value::List(_) | Value::Map(_))
    {
        check_kind(Some(schema), value);
    }
}

/// Whether the grammar gives the printed text back as it was. It does not for instants that print as another kind, for
/// floats that print as whole numbers, and for texts with escapes, which are never taken out.
fn reads_back(schema: Option<&Schema>, value: &Value, top: bool) -> bool {
    match value {
        Value::Bytes(_) | Value::Decimal(_) => top && !matches!(value, Value::Bytes(_)),
        Value::Float32(number) => number.fract() != 0.0,
        Value::Float64(number) => number.fract() != 0.0 || 1e19 < number.abs() && number.is_finite(),
        Value::Instant(ms) => {
            const DAY_MS: i64 = 86_400_000;
            let timestamp = schema.is_some_and(|schema| schema.name.as_deref() == Some(logical::TIMESTAMP));
            timestamp && top && (DAY_MS..253_402_300_800_000).contains(ms) && ms % DAY_MS != 0
        }
        Value::String(text) => top || !text.contains(['"', '\\']),
        Value::List(items) => items.iter().all(|item| reads_back(None, item, false)),
        Value::Map(entries) => {
            entries.iter().all(|(key, value)| reads_back(None, key, false) && reads_back(None, value, false))
        }
        _ => true,
    }
}

/// Whether a map with entries is part of the value.
fn has_entries(value: &Value) -> bool {
    match value {
        Value::Map(entries) => !entries.is_empty(),
        Value::List(items) => items.iter().any(has_entries),
        _ => false,
    }
}
