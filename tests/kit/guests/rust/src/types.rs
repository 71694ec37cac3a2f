//! A record of each type that there is.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Header, Parameters, Record, Result, Schema, SchemaType, Value, map, values::decimal,
};

type Datum = (Option<Arc<Schema>>, Value);

fn schema(kind: SchemaType) -> Arc<Schema> {
    Arc::new(Schema::new(kind))
}

fn optional(kind: SchemaType) -> Arc<Schema> {
    Arc::new(Schema::new(kind).optional())
}

fn with_default(kind: SchemaType, default: Value) -> Arc<Schema> {
    Arc::new(Schema { default: Some(default), ..Schema::new(kind).optional() })
}

fn decimal_of(text: &str) -> Result<Value> {
    decimal::parse_decimal(text).map(Value::Decimal).ok_or_else(|| Error::fatal(format!("{text} is no decimal")))
}

fn structure(fields: Vec<(&str, Arc<Schema>, Value)>, finish: impl FnOnce(Schema) -> Schema) -> Result<Datum> {
    let mut values = Vec::new();
    let mut list = Vec::new();
    for (name, schema, value) in fields {
        list.push(Field { name: name.to_owned(), schema });
        values.push(value);
    }
    let schema = Schema::structure(list).map_err(|error| Error::data("make a schema").because(&error))?;
    let schema = Arc::new(finish(schema));
    Ok((Some(Arc::clone(&schema)), Value::Struct(schema, values)))
}

fn everything() -> Result<Datum> {
    use SchemaType::{Array, Boolean, Bytes, Float32, Float64, Int8, Int16, Int32, Int64, Map, String};
    let parameters = Parameters(vec![("p".to_owned(), "q".to_owned())]);
    let (inner_schema, inner) = structure(vec![("n", schema(Int32), Value::Int32(7))], |schema| Schema {
        parameters: Some(parameters),
        ..schema.named("kit.Inner").optional()
    })?;
    let (inner_schema, list) = (inner_schema.expect("it was just made"), [1, 2, 3].map(Value::Int32).to_vec());
    structure(
        vec![
            ("i8", schema(Int8), Value::Int8(i8::MIN)),
            ("i16", schema(Int16), Value::Int16(i16::MAX)),
            ("i32", schema(Int32), Value::Int32(i32::MIN)),
            ("i64", schema(Int64), Value::Int64(i64::MAX)),
            ("f32", schema(Float32), Value::Float32(1.5)),
            ("f64", schema(Float64), Value::Float64(-0.25)),
            ("yes", schema(Boolean), Value::Boolean(true)),
            ("text", with_default(String, "dflt".into()), "grüße 😀".into()),
            ("raw", schema(Bytes), Value::Bytes(vec![0x00, 0xff, 0x10])),
            ("dec", Arc::new(Schema::decimal(2)), decimal_of("1234.50")?),
            ("date", Arc::new(Schema::date()), Value::Instant(19_000 * 86_400_000)),
            ("time", Arc::new(Schema::time()), Value::Instant(3_600_000)),
            ("ts", Arc::new(Schema::timestamp()), Value::Instant(1_700_000_000_123)),
            ("list", schema(Array(Some(schema(Int32)))), Value::List(list)),
            (
                "map",
                schema(Map(Some(schema(String)), Some(optional(Int64)))),
                map([("a", Value::Int64(1)), ("b", Value::Null)]),
            ),
            ("inner", inner_schema, inner),
            ("gone", optional(String), Value::Null),
            ("dflt", with_default(Int32, Value::Int32(5)), Value::Null),
        ],
        |schema| Schema { version: Some(3), doc: Some("All types.".to_owned()), ..schema.named("kit.Everything") },
    )
}

/// The records of mode `types`.
pub fn records(topic: &str) -> Result<Vec<Record>> {
    let header = |key: &str, schema: Option<Arc<Schema>>, value: Value| Header { key: key.to_owned(), schema, value };
    let text = || schema(SchemaType::String);
    let record = |(value_schema, value): Datum| Record { value_schema, ..Record::new(topic, value) };
    let mut first = record(everything()?).key_with_schema(&text(), "everything").timestamp_ms(1_700_000_000_123);
    first.headers = vec![
        header("h", Some(text()), "x".into()),
        header("n", Some(schema(SchemaType::Int64)), Value::Int64(5)),
        header("h", None, Value::Null),
    ];
    let loose = map([
        ("s", "text".into()),
        ("n", Value::Int64(9_007_199_254_740_993)),
        ("x", Value::Float64(2.5)),
        ("t", Value::Boolean(true)),
        ("nil", Value::Null),
        ("l", Value::List(vec![Value::Int64(1), "two".into()])),
        ("m", map([("k", "v".into())])),
        ("b", Value::Bytes(vec![1])),
    ]);
    let big = decimal::parse_integer("123456789012345678901234567890").map(Value::BigInteger);
    let big = big.ok_or_else(|| Error::fatal("it is no integer"))?;
    let odd = vec![big, decimal_of("1.20")?, Value::Instant(1_700_000_000_123), Value::Bytes(Vec::new())];
    let mut records = vec![
        first,
        record((None, loose)),
        record((None, Value::Null)).key_with_schema(&text(), "gone").partition(3).timestamp_ms(1_700_000_000_000),
        record((Some(schema(SchemaType::Float64)), Value::Float64(f64::NAN))),
        record((None, Value::List(vec![Value::Int64(i64::MIN), Value::Int64(i64::MAX)]))),
        record((None, Value::List(odd))),
        record((Some(optional(SchemaType::Int32)), Value::Null)),
    ];
    for (row, record) in records.iter_mut().enumerate() {
        record.source_partition = map([("kit", "types".into())]);
        record.source_offset = map([("n", Value::Int64(row as i64))]);
    }
    Ok(records)
}
