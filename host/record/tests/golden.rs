//! The batch format, pinned by bytes: each golden file is a batch that is built here, written, and compared. A reader that
//! gets the same values out of the files, and a writer that gets them into these bytes, speaks the format.
//!
//! A format version that was released never changes: if a test fails here, the code is wrong and not the file. While the
//! format is being made, `MILLSTREAM_BLESS=1` writes the files anew.

use std::{fs, path::PathBuf, sync::Arc};

use millstream_record::{
    Decimal, Field, Parameters, Schema, SchemaType, Value,
    batch::{Batch, Column, ColumnBuilder, HeadersBuilder, Kind, Limits, Role, Side, Table, Union, UnionBuilder, bits},
};

type Datum = (Option<Arc<Schema>>, Value);

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect())
}

fn side(table: &mut Table<'static>, data: &[Datum]) -> Union<'static> {
    let mut builder = UnionBuilder::default();
    for (schema, value) in data {
        builder.push(schema.as_ref(), value, &mut table.schemas).unwrap();
    }
    builder.finish(&mut table.schemas).unwrap()
}

/// A golden file: its table, and the keys and values that a reader finds in it.
struct Golden {
    name: &'static str,
    table: Table<'static>,
    keys: Vec<Datum>,
    values: Vec<Datum>,
}

fn golden(name: &'static str, keys: Vec<Datum>, values: Vec<Datum>) -> Golden {
    let mut table = Table::new(values.len() as u32);
    table.keys = side(&mut table, &keys);
    table.values = side(&mut table, &values);
    Golden { name, table, keys, values }
}

fn schemaless(values: Vec<Value>) -> Vec<Datum> {
    values.into_iter().map(|value| (None, value)).collect()
}

/// No rows, no columns.
fn empty() -> Golden {
    Golden { name: "empty", table: Table::new(0), keys: Vec::new(), values: Vec::new() }
}

/// What a source of lines makes: a constant topic, constant source partition, offsets that count, no keys at all.
fn lines() -> Golden {
    let values = schemaless(vec!["first".into(), "".into(), "drei: ä漢😀".into()]);
    let mut table = Table::new(3);
    table.set(Role::TOPIC, Column::constant_str(3, "lines"));
    let mut partition = Column::new(Kind::Object, 1, Vec::new()).repeated(3);
    partition.children = vec![Column::strings(["/in.txt"]).named("filename".to_owned()).into_owned()];
    table.set(Role::SOURCE_PARTITION, partition);
    let mut offsets = ColumnBuilder::new();
    for position in [6, 7, 27] {
        offsets.push(&map(&[("position", Value::Int64(position))]), &mut table.schemas).unwrap();
    }
    table.set(Role::SOURCE_OFFSET, offsets.finish());
    table.values = side(&mut table, &values);
    Golden { name: "lines", table, keys: schemaless(vec![Value::Null; 3]), values }
}

/// Every type of schema, optional and with everything that a schema can say; a tombstone and another schema between them.
fn schemas() -> Golden {
    let scalar = |kind| Arc::new(Schema::new(kind));
    let optional = |kind| Arc::new(Schema::new(kind).optional());
    let inner = Schema::structure(vec![Field { name: "x".into(), schema: optional(SchemaType::Int32) }]).unwrap();
    let inner = Arc::new(inner.optional());
    let full = Schema {
        default: Some(Value::from("none")),
        version: Some(7),
        doc: Some("a note".into()),
        parameters: Some(Parameters(vec![("unit".into(), "piece".into())])),
        ..Schema::new(SchemaType::String).named("org.example.Note")
    };
    let fields: Vec<(&str, Arc<Schema>)> = vec![
        ("i8", scalar(SchemaType::Int8)),
        ("i16", scalar(SchemaType::Int16)),
        ("i32", scalar(SchemaType::Int32)),
        ("i64", optional(SchemaType::Int64)),
        ("f32", scalar(SchemaType::Float32)),
        ("f64", scalar(SchemaType::Float64)),
        ("bool", scalar(SchemaType::Boolean)),
        ("string", Arc::new(full)),
        ("bytes", optional(SchemaType::Bytes)),
        ("list", Arc::new(Schema::new(SchemaType::Array(Some(scalar(SchemaType::Int16)))))),
        (
            "map",
            Arc::new(Schema::new(SchemaType::Map(Some(scalar(SchemaType::String)), Some(scalar(SchemaType::Int8))))),
        ),
        ("inner", Arc::clone(&inner)),
        ("decimal", Arc::new(Schema::decimal(2))),
        ("date", Arc::new(Schema::date())),
        ("timestamp", Arc::new(Schema::timestamp().optional())),
    ];
    let fields = fields.into_iter().map(|(name, schema)| Field { name: name.into(), schema }).collect();
    let schema = Arc::new(Schema::structure(fields).unwrap().named("org.example.All"));
    let row = |n: i8, some: bool| {
        let nullable = |value: Value| if some { value } else { Value::Null };
        let slots = vec![
            Value::Int8(n),
            Value::Int16(-300),
            Value::Int32(70_000),
            nullable(Value::Int64(1 << 40)),
            Value::Float32(1.5),
            Value::Float64(-0.25),
            Value::Boolean(some),
            Value::from("note"),
            nullable(Value::Bytes(vec![0, 255])),
            Value::List((0..i16::from(n)).map(Value::Int16).collect()),
            Value::Map(vec![(Value::from("k"), Value::Int8(n))]),
            nullable(Value::Struct(Arc::clone(&inner), vec![if n == 1 { Value::Int32(9) } else { Value::Null }])),
            Value::Decimal(Decimal { unscaled: vec![0x01, 0x2c], scale: 2 }),
            Value::Instant(86_400_000),
            nullable(Value::Instant(1_700_000_000_123)),
        ];
        (Some(Arc::clone(&schema)), Value::Struct(Arc::clone(&schema), slots))
    };
    let text = Some(Arc::new(Schema::new(SchemaType::String).optional()));
    let keys = vec![
        (text.clone(), Value::from("a")),
        (text.clone(), Value::Null),
        (None, Value::Null),
        (None, Value::Int64(4)),
    ];
    golden("schemas", keys, vec![row(1, true), (None, Value::Null), row(2, false), (text, Value::from("other"))])
}

/// Schemaless maps of one shape: a member that is absent, one that is null, a nested map, a list.
fn shredded() -> Golden {
    let inner = |n: i64| map(&[("deep", Value::Int64(n))]);
    let values = vec![
        map(&[
            ("id", Value::Int64(1)),
            ("name", "a".into()),
            ("in", inner(5)),
            ("tags", Value::List(vec!["x".into()])),
        ]),
        map(&[
            ("id", Value::Int64(2)),
            ("in", inner(6)),
            ("tags", Value::List(Vec::new())),
            ("ok", Value::Boolean(true)),
        ]),
        map(&[("id", Value::Null), ("name", Value::Null), ("in", map(&[])), ("tags", Value::Null)]),
        map(&[]),
    ];
    golden("shredded", schemaless(vec!["k".into(); 4]), schemaless(values))
}

/// What no column can hold: values of every kind side by side, non-text keys, a struct inside a schemaless list.
fn variants() -> Golden {
    let schema = Arc::new(
        Schema::structure(vec![Field { name: "n".into(), schema: Arc::new(Schema::new(SchemaType::Int8)) }]).unwrap(),
    );
    let values = vec![
        Value::Boolean(true),
        Value::Boolean(false),
        Value::Int8(-1),
        Value::Int16(2),
        Value::Int32(-3),
        Value::Int64(4),
        Value::Float32(0.5),
        Value::Float64(1e300),
        "text".into(),
        Value::Bytes(vec![1, 2, 3]),
        Value::Decimal(Decimal { unscaled: vec![0xff], scale: -1 }),
        Value::BigInteger(vec![0x01, 0, 0, 0, 0, 0, 0, 0, 0]),
        Value::Instant(-1),
        Value::List(vec![Value::Null, Value::Int64(1)]),
        Value::Map(vec![(Value::Int32(1), "one".into()), (Value::Null, "none".into())]),
        map(&[("a", Value::Int64(1)), ("b", map(&[("a", Value::Null)]))]),
        Value::List(vec![Value::Struct(Arc::clone(&schema), vec![Value::Int8(7)])]),
        Value::Null,
    ];
    let keys = vec![Value::Null; values.len()];
    golden("variants", schemaless(keys), schemaless(values))
}

/// What a transform in the middle of a sink's chain may see: Kafka positions, headers, rows that were filtered, rows that
/// one became.
fn envelope() -> Golden {
    let mut golden =
        golden("envelope", schemaless(vec!["k".into(); 4]), schemaless((0..4).map(Value::Int32).collect()));
    let table = &mut golden.table;
    let codes: Vec<u8> = [0_u32, 1, 1, 0].iter().flat_map(|code| code.to_le_bytes()).collect();
    let topics = Column::new(Kind::Dictionary, 4, codes).with_children(vec![Column::strings(["one", "two"])]);
    table.set(Role::TOPIC, topics);
    let partitions =
        Column::new(Kind::Int32, 4, [0_i32, 1, 1, 0].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
    table.set(Role::PARTITION, partitions.clone());
    let mut timestamps = ColumnBuilder::new();
    [Some(1_700_000_000_000), None, Some(-1), Some(0)].into_iter().for_each(|ms| match ms {
        Some(ms) => timestamps.push_int64(ms),
        None => timestamps.push_null(),
    });
    table.set(Role::TIMESTAMP, timestamps.finish());
    table.set(Role::TIMESTAMP_TYPE, Column::new(Kind::Int8, 4, vec![1, 0, 2, 1]));
    let mut headers = HeadersBuilder::default();
    let text = Arc::new(Schema::new(SchemaType::String));
    headers.push("trace", Some(&text), &Value::from("abc"), &mut table.schemas).unwrap();
    headers.push("trace", None, &map(&[("n", Value::Int64(1))]), &mut table.schemas).unwrap();
    (0..4).for_each(|_| headers.end_row());
    table.set(Role::HEADERS, headers.finish().unwrap());
    table.set(Role::OFFSET, Column::int64s(Kind::Int64, [100, 7, 7, 101]));
    table.set(Role::ORIGINAL_TOPIC, Column::constant_str(4, "before"));
    table.set(Role::ORIGINAL_PARTITION, partitions);
    table.set(Role::ORIGINAL_OFFSET, Column::int64s(Kind::Int64, [100, 7, 7, 101]));
    let int32s = |numbers: [i32; 4]| {
        Column::new(Kind::Int32, 4, numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>())
    };
    table.set(Role::ORIGIN, int32s([0, 2, 2, 3]));
    table.set(Role::CHILD, int32s([0, 0, 1, 0]));
    let mut selection = bits::filled(4, true);
    bits::set(&mut selection, 3, false);
    table.set(Role::SELECTION, Column::new(Kind::Bool, 4, selection));
    golden
}

fn all() -> [Golden; 6] {
    [empty(), lines(), schemas(), shredded(), variants(), envelope()]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.batch"))
}

/// As a plugin writes it: schemas have no numbers.
fn written(table: &Table<'_>) -> Vec<u8> {
    let mut bytes = table.write();
    let at = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (begin, count) = (at(&bytes, 20), at(&bytes, 24));
    (0..count).for_each(|entry| bytes[begin + entry * 12..][..4].fill(0));
    bytes
}

#[test]
fn the_writer_makes_exactly_these_bytes() {
    for Golden { name, table, .. } in all() {
        let bytes = written(&table);
        if std::env::var_os("MILLSTREAM_BLESS").is_some() {
            fs::write(path(name), &bytes).unwrap();
        }
        let golden = fs::read(path(name)).unwrap();
        let first = bytes.iter().zip(&golden).position(|(a, b)| a != b);
        assert!(
            bytes == golden,
            "{name}: {} bytes, {} in the file, first other byte {first:?}",
            bytes.len(),
            golden.len()
        );
    }
}

#[test]
fn the_reader_finds_what_is_in_them() {
    for Golden { name, keys, values, .. } in all() {
        let batch = Batch::validate(fs::read(path(name)).unwrap(), &Limits::DEFAULT).unwrap();
        let table = batch.open();
        for (side, expected) in [(Side::Key, keys), (Side::Value, values)] {
            let found = table.data(side);
            assert_eq!(found.len(), expected.len(), "{name}, {side:?}");
            for (row, ((schema, value), (other_schema, other))) in found.iter().zip(&expected).enumerate() {
                assert_eq!(schema, other_schema, "{name}, {side:?}, schema of row {row}");
                assert!(value.same(other), "{name}, {side:?}, row {row}: {value:?} instead of {other:?}");
            }
        }
        assert_eq!(written(&table), batch_bytes(name), "{name} is the same when it is written again");
    }
}

fn batch_bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

#[test]
fn the_envelope_is_read_by_its_roles() {
    let batch = Batch::validate(batch_bytes("envelope"), &Limits::DEFAULT).unwrap();
    let table = batch.open();
    assert_eq!([0, 1, 2, 3].map(|row| table.topic(row).unwrap()), ["one", "two", "two", "one"]);
    assert_eq!([0, 1, 2, 3].map(|row| table.is_selected(row)), [true, true, true, false]);
    let column = |role| [0, 1, 2, 3].map(|row| table.integer(role, row));
    assert_eq!(column(Role::TIMESTAMP), [Some(1_700_000_000_000), None, Some(-1), Some(0)]);
    assert_eq!(column(Role::TIMESTAMP_TYPE), [1, 0, 2, 1].map(Some));
    assert_eq!(column(Role::OFFSET), [100, 7, 7, 101].map(Some));
    assert_eq!(column(Role::ORIGIN), [0, 2, 2, 3].map(Some));
    assert_eq!(column(Role::CHILD), [0, 0, 1, 0].map(Some));
    assert_eq!(table.get(Role::ORIGINAL_TOPIC).unwrap().str(3), "before");
    let headers: Vec<_> =
        table.get(Role::HEADERS).unwrap().headers(0).map(|header| header.datum(&table.schemas).1).collect();
    assert_eq!(headers, [Value::from("abc"), map(&[("n", Value::Int64(1))])]);
    assert_eq!(table.get(Role::HEADERS).unwrap().headers(1).count(), 0);

    let batch = Batch::validate(batch_bytes("lines"), &Limits::DEFAULT).unwrap();
    let table = batch.open();
    let position = |role, row| table.get(role).unwrap().value(row, None, &table.schemas);
    assert_eq!(position(Role::SOURCE_PARTITION, 2), map(&[("filename", "/in.txt".into())]));
    assert_eq!(position(Role::SOURCE_OFFSET, 2), map(&[("position", Value::Int64(27))]));
}
