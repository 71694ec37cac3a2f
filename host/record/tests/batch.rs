//! The batch against a plain model: whatever goes in comes out, and whatever a stranger sends is
//! either refused or can be read completely.

use std::sync::Arc;

use millstream_record::{
    Decimal, Field, Schema, SchemaType, Value,
    batch::{Batch, Column, HeadersBuilder, Kind, Limits, Role, Side, Table, UnionBuilder},
};
use proptest::prelude::*;

type Datum = (Option<Arc<Schema>>, Value);

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i8>().prop_map(Value::Int8),
        any::<i16>().prop_map(Value::Int16),
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        any::<f32>().prop_map(Value::Float32),
        any::<f64>().prop_map(Value::Float64),
        "[a-zé漢]{0,6}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        (prop::collection::vec(any::<u8>(), 1..4), -3..9)
            .prop_map(|(unscaled, scale)| Value::Decimal(Decimal { unscaled, scale })),
        prop::collection::vec(any::<u8>(), 1..4).prop_map(Value::BigInteger),
        any::<i64>().prop_map(Value::Instant),
    ]
}

/// Values without a schema: rows often share a shape, and sometimes do not.
fn schemaless() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(("[a-d]", inner.clone()), 0..4)
                .prop_map(|entries| map(entries.into_iter().map(|(key, value)| (Value::String(key), value)))),
            prop::collection::vec((0..4_i32, inner), 0..3)
                .prop_map(|entries| map(entries.into_iter().map(|(key, value)| (Value::Int32(key), value)))),
        ]
    })
}

/// A map in which the last of two equal keys wins.
fn map(entries: impl Iterator<Item = (Value, Value)>) -> Value {
    let mut map: Vec<(Value, Value)> = Vec::new();
    for (key, value) in entries {
        map.retain(|(other, _)| other != &key);
        map.push((key, value));
    }
    Value::Map(map)
}

fn schema() -> impl Strategy<Value = Schema> {
    let leaf = prop_oneof![
        Just(Schema::new(SchemaType::Int8)),
        Just(Schema::new(SchemaType::Int64)),
        Just(Schema::new(SchemaType::Float64)),
        Just(Schema::new(SchemaType::Boolean)),
        Just(Schema::new(SchemaType::String)),
        Just(Schema::new(SchemaType::Bytes)),
        Just(Schema::decimal(2)),
        Just(Schema::timestamp()),
        Just(Schema { default: Some(Value::Int32(7)), ..Schema::new(SchemaType::Int32) }),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| Schema::new(SchemaType::Array(Some(Arc::new(element))))),
            inner.clone().prop_map(|value| {
                let key = Arc::new(Schema::new(SchemaType::String));
                Schema::new(SchemaType::Map(Some(key), Some(Arc::new(value))))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|schemas| {
                let field = |(at, schema)| Field { name: format!("f{at}"), schema: Arc::new(schema) };
                Schema::structure(schemas.into_iter().enumerate().map(field).collect()).unwrap()
            }),
        ]
    })
    .prop_flat_map(|schema| any::<bool>().prop_map(move |optional| Schema { optional, ..schema.clone() }))
}

fn value_of(schema: &Arc<Schema>) -> BoxedStrategy<Value> {
    let schema = Arc::clone(schema);
    let plain = if schema.is_decimal() {
        any::<u8>().prop_map(|digit| Value::Decimal(Decimal { unscaled: vec![digit], scale: 2 })).boxed()
    } else if schema.is_instant() {
        any::<i64>().prop_map(Value::Instant).boxed()
    } else {
        match &schema.kind {
            SchemaType::Int8 => any::<i8>().prop_map(Value::Int8).boxed(),
            SchemaType::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
            SchemaType::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
            SchemaType::Float64 => any::<f64>().prop_map(Value::Float64).boxed(),
            SchemaType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            SchemaType::String => "[a-zé]{0,5}".prop_map(Value::String).boxed(),
            SchemaType::Bytes => prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Bytes).boxed(),
            SchemaType::Array(Some(element)) => {
                prop::collection::vec(value_of(element), 0..3).prop_map(Value::List).boxed()
            }
            SchemaType::Map(_, Some(value)) => prop::collection::btree_map("[a-c]", value_of(value), 0..3)
                .prop_map(|entries| map(entries.into_iter().map(|(key, value)| (Value::String(key), value))))
                .boxed(),
            SchemaType::Struct(fields) => {
                let slots: Vec<_> = fields.iter().map(|field| value_of(&field.schema)).collect();
                let schema = Arc::clone(&schema);
                slots.prop_map(move |slots| Value::Struct(Arc::clone(&schema), slots)).boxed()
            }
            _ => Just(Value::Null).boxed(),
        }
    };
    prop_oneof![1 => Just(Value::Null), 6 => plain, 1 => scalar()].boxed()
}

fn datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        schemaless().prop_map(|value| (None, value)),
        schema().prop_flat_map(|schema| {
            let schema = Arc::new(schema);
            value_of(&schema).prop_map(move |value| (Some(Arc::clone(&schema)), value))
        }),
    ]
}

/// Rows, often several of one shape in a row.
fn data() -> impl Strategy<Value = Vec<Datum>> {
    let alike = schema().prop_flat_map(|schema| {
        let schema = Arc::new(schema);
        prop::collection::vec(value_of(&schema).prop_map(move |value| (Some(Arc::clone(&schema)), value)), 0..8)
    });
    let maps = prop::collection::vec(schemaless().prop_map(|value| (None, value)), 0..8);
    prop::collection::vec(prop_oneof![alike, maps, prop::collection::vec(datum(), 0..3)], 0..4)
        .prop_map(|parts| parts.into_iter().flatten().collect())
}

fn build(keys: &[Datum], values: &[Datum]) -> Vec<u8> {
    let mut table = Table::new(values.len() as u32);
    let mut headers = HeadersBuilder::default();
    let mut topics = Vec::new();
    for (row, (schema, value)) in values.iter().enumerate() {
        if row % 3 == 0 {
            headers.push("h", schema.as_ref(), value, &mut table.schemas).unwrap();
            headers.push("h", None, &Value::Int8(row as i8), &mut table.schemas).unwrap();
        }
        headers.end_row();
        topics.push(format!("topic-{}", row % 2));
    }
    for (side, data) in [(Side::Key, keys), (Side::Value, values)] {
        let mut builder = UnionBuilder::default();
        for (schema, value) in data {
            builder.push(schema.as_ref(), value, &mut table.schemas).unwrap();
        }
        *table.side_mut(side) = builder.finish(&mut table.schemas).unwrap();
    }
    table.set(Role::TOPIC, Column::strings(topics.iter().map(String::as_str)));
    table.set(Role::TIMESTAMP, Column::int64s(Kind::Int64, 0..values.len() as i64));
    if let Some(headers) = headers.finish() {
        table.set(Role::HEADERS, headers);
    }
    table.write()
}

#[track_caller]
fn assert_same(found: &[Datum], expected: &[Datum]) {
    assert_eq!(found.len(), expected.len());
    for (row, ((schema, value), (other_schema, other))) in found.iter().zip(expected).enumerate() {
        assert_eq!(schema, other_schema, "schema of row {row}");
        assert!(value.same(other), "row {row}: {value:?} instead of {other:?}");
    }
}

/// Looks at everything there is.
fn read_all(table: &Table<'_>) -> usize {
    let mut seen = table.data(Side::Key).len() + table.data(Side::Value).len();
    for (role, column) in &table.envelope {
        for row in 0..table.rows as usize {
            seen += usize::from(!column.is_null(row) && column.value(row, None, &table.schemas).is_null());
            seen += column.headers(row).map(|header| header.datum(&table.schemas).1.java_class().len()).sum::<usize>();
            seen += usize::from(*role == Role::TOPIC && table.topic(row).is_some());
        }
    }
    seen + table.selected()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256), ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out((keys, values) in (data(), data())) {
        let rows = keys.len().min(values.len());
        let (keys, values) = (&keys[..rows], &values[..rows]);
        let batch = Batch::validate(build(keys, values), &Limits::DEFAULT).unwrap();
        let table = batch.open();
        assert_same(&table.data(Side::Key), keys);
        assert_same(&table.data(Side::Value), values);
        for row in 0..rows {
            let headers = table.get(Role::HEADERS).map(|column| column.headers(row).count()).unwrap_or_default();
            prop_assert_eq!(headers, if row % 3 == 0 { 2 } else { 0 });
        }
        // Written again it is the same batch.
        prop_assert_eq!(&table.write()[..], batch.as_bytes());
    }

    #[test]
    fn written_over_the_old_bytes_it_is_the_same_batch(values in data(), edits in any::<[bool; 4]>()) {
        let values: Vec<Datum> = values.iter().cycle().take(values.len() * 40).cloned().collect();
        let batch = Batch::validate(build(&values, &values), &Limits::DEFAULT).unwrap();
        let mut table = batch.open();
        if edits[0] {
            table.set(Role::TOPIC, Column::constant_str(table.rows, "another"));
        }
        if edits[1] {
            // The same buffers twice.
            table.keys = table.values.clone();
        }
        if edits[2] {
            table.remove(Role::TIMESTAMP);
        }
        if edits[3] {
            let maps = table.values.blocks.iter_mut().filter(|block| block.column.kind == Kind::Object);
            maps.for_each(|block| drop(block.column.children.pop()));
        }
        let anew = Batch::validate(table.write(), &Limits::DEFAULT).unwrap();
        let rewrite = table.rewrite(&batch);
        drop(table);
        let over = Batch::validate(rewrite.into_bytes(batch), &Limits::DEFAULT).unwrap();
        for side in [Side::Key, Side::Value] {
            assert_same(&over.open().data(side), &anew.open().data(side));
        }
        prop_assert_eq!(over.open().write(), anew.into_bytes());
    }

    #[test]
    fn chosen_rows_keep_their_data(values in data(), bits in any::<u64>()) {
        let batch = Batch::validate(build(&values, &values), &Limits::DEFAULT).unwrap();
        let chosen: Vec<u32> = (0..values.len() as u32).filter(|row| bits >> (row % 64) & 1 == 1).collect();
        let expected: Vec<Datum> = chosen.iter().map(|&row| values[row as usize].clone()).collect();
        let taken = Batch::validate(batch.open().take(&chosen).write(), &Limits::DEFAULT).unwrap();
        assert_same(&taken.open().data(Side::Value), &expected);
        // A block is split in place: the order of the rows stays.
        let mut table = batch.open();
        for block in 0..table.values.blocks.len() {
            table.values.split(block, &|row| row % 2 == 1, values.len());
        }
        let split = Batch::validate(table.write(), &Limits::DEFAULT).unwrap();
        assert_same(&split.open().data(Side::Value), &values);
    }

    #[test]
    fn damaged_bytes_are_refused_or_can_be_read(
        values in data(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = build(&values, &values);
        let small = Limits { max_rows: 1000, max_bytes: 1 << 20, max_columns: 1000, max_expanded_bytes: 1 << 20 };
        let end = cut.index(bytes.len());
        prop_assert!(Batch::validate(bytes[..end].to_vec(), &small).is_err());
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(batch) = Batch::validate(bytes, &small) {
            read_all(&batch.open());
            let again = batch.open().write();
            read_all(&Batch::validate(again, &Limits::DEFAULT).unwrap().open());
        }
    }
}

fn refused(table: &Table<'_>) -> String {
    Batch::validate(table.write(), &Limits::DEFAULT).unwrap_err().to_string()
}

#[test]
fn a_constant_column_may_not_expand_without_end() {
    let mut table = Table::new(1_000_000);
    table.set(Role::TOPIC, Column::constant_str(1_000_000, &"x".repeat(1000)));
    assert_eq!(refused(&table), "the batch has 1008000000 bytes when written out, 268435456 are allowed");
}

#[test]
fn buffers_may_not_overlap() {
    let mut table = Table::new(2);
    table.set(Role::TIMESTAMP, Column::int64s(Kind::Int64, [1, 2]));
    table.set(Role::OFFSET, Column::int64s(Kind::Int64, [3, 4]));
    let mut bytes = table.write();
    let directory = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    // The second column's data is made to begin inside the first one's.
    let first = u32::from_le_bytes(bytes[directory + 28..directory + 32].try_into().unwrap());
    bytes[directory + 40 + 28..directory + 40 + 32].copy_from_slice(&(first + 8).to_le_bytes());
    let error = Batch::validate(bytes, &Limits::DEFAULT).unwrap_err().to_string();
    assert_eq!(error, format!("two buffers overlap at byte {}", first + 8));
}

#[test]
fn more_rows_than_allowed_are_refused_before_anything_is_read() {
    let mut bytes = Table::new(0).write();
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = Batch::validate(bytes, &Limits::DEFAULT).unwrap_err().to_string();
    assert_eq!(error, "the batch has 4294967295 rows, 1048576 are allowed");
}

/// A batch with a map of two texts in each of a thousand rows.
fn secrets() -> Batch {
    let texts = |what: &'static str| (0..1000).map(move |row| format!("{what}-{row}")).collect::<Vec<_>>();
    let member = |name: &'static str, texts: &[String]| Column::strings(texts.iter().map(String::as_str)).named(name);
    let mut column = Column::new(Kind::Object, 1000, Vec::new());
    let (plain, secret) = (texts("a text that stays, long enough for it to be worth while"), texts("secret"));
    column.children = vec![member("secret", &secret), member("plain", &plain)];
    let mut table = Table::new(1000);
    table.values = millstream_record::batch::Union::single(None, column);
    Batch::validate(table.write(), &Limits::DEFAULT).unwrap()
}

#[test]
fn what_was_not_changed_stays_where_it_is() {
    let batch = secrets();
    let (place, bytes) = (batch.as_bytes().as_ptr(), batch.as_bytes().to_vec());
    let rewrite = batch.open().rewrite(&batch);
    let again = rewrite.into_bytes(batch);
    assert_eq!(again, bytes);
    assert_eq!(again.as_ptr(), place, "nothing was copied");
}

#[test]
fn what_was_taken_out_of_a_batch_is_wiped() {
    let batch = secrets();
    let len = batch.as_bytes().len();
    let mut table = batch.open();
    table.values.blocks[0].column.children[0] = Column::constant_str(1000, "masked").named("secret");
    let rewrite = table.rewrite(&batch);
    drop(table);
    let bytes = rewrite.into_bytes(batch);
    assert!(len <= bytes.len(), "the rest stays where it is");
    assert!(!bytes.windows(7).any(|part| part == b"secret-"));
    let table = Batch::validate(bytes, &Limits::DEFAULT).unwrap();
    let (_, value) = table.open().datum(Side::Value, 999);
    let text = |name: &str, text: &str| (Value::from(name), Value::from(text));
    assert_eq!(
        value,
        Value::Map(vec![
            text("secret", "masked"),
            text("plain", "a text that stays, long enough for it to be worth while-999")
        ])
    );
}

#[test]
fn a_batch_of_which_little_is_left_is_written_anew() {
    let batch = secrets();
    let len = batch.as_bytes().len();
    let mut table = batch.open();
    table.values.blocks[0].column.children.remove(1);
    let rewrite = table.rewrite(&batch);
    drop(table);
    assert!(rewrite.into_bytes(batch).len() < len / 2);
}

#[test]
fn a_row_in_no_block_is_refused() {
    let mut table = Table::new(2);
    table.values = millstream_record::batch::Union::single(None, Column::strings(["a", "b"]));
    let mut bytes = table.write();
    bytes[8..12].copy_from_slice(&3_u32.to_le_bytes());
    let error = Batch::validate(bytes, &Limits::DEFAULT).unwrap_err().to_string();
    assert_eq!(error, "the blocks and tags of the Value side do not add up");
}

#[test]
fn schema_numbers_of_a_stranger_are_replaced() {
    let schema = Arc::new(Schema::new(SchemaType::String).named("numbered"));
    let mut table = Table::new(1);
    let mut values = UnionBuilder::default();
    values.push(Some(&schema), &Value::from("x"), &mut table.schemas).unwrap();
    table.values = values.finish(&mut table.schemas).unwrap();
    let number = table.schemas.entries()[0].number;
    let mut bytes = table.write();
    let at = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    bytes[at..at + 4].copy_from_slice(&77_777_u32.to_le_bytes());
    let batch = Batch::validate(bytes, &Limits::DEFAULT).unwrap();
    assert_eq!(batch.open().schemas.entries()[0].number, number);
}

#[test]
fn maps_that_are_mostly_unlike_cost_no_more_than_variants() {
    let object = |members: &[(String, Value)]| {
        Value::Map(members.iter().map(|(name, value)| (Value::String(name.clone()), value.clone())).collect())
    };
    let wide = |inner: &Value| object(&(0..200).map(|at| (format!("m{at}"), inner.clone())).collect::<Vec<_>>());
    // Two levels of members once, and many maps that have none of them.
    let full = wide(&wide(&Value::Int64(1)));
    let mut values = vec![full];
    values.extend((0..5_000).map(|_| object(&[])));
    values.push(object(&[("m7".to_owned(), object(&[("m8".to_owned(), Value::Int64(2))]))]));
    let (mut schemas, mut column) =
        (millstream_record::batch::SchemaTable::default(), millstream_record::batch::ColumnBuilder::new());
    for value in &values {
        column.push(value, &mut schemas).unwrap();
    }
    let column = column.finish();
    for (row, value) in values.iter().enumerate() {
        assert!(column.value(row, None, &schemas).same(value), "row {row}");
    }
    let mut table = Table::new(values.len() as u32);
    table.values = millstream_record::batch::Union::single(None, column);
    let len = table.write().len();
    assert!(len < 2_000_000, "{len} bytes");
}
