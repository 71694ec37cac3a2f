//! Field paths and names from configurations, on values of any shape.

use std::sync::Arc;

use millstream_sdk::{
    Chain, Collector, Field, LinkSpec, Record, Schema, SchemaType, Value,
    batch::{Batch, Limits, Side},
    config::ConfigMap,
};
use millstream_transforms::MillstreamComponent;
use millstream_values::{FieldPath, PathSyntax};

use super::parts::parts;

/// Inputs that reach most of the code: a path, and bytes of which a value is made.
pub const SEEDS: &[&[u8]] = &[
    b"a.b\xff\xff\x0b\x02\x00\x0b\x01\x01\x04\x07",
    b"`a.b`.c\xff\xff\x8b\x03\x02\x0b\x02\x03\x07x\x00\x05\x01\x02\x03",
    b"a.\xff\xff\x8b\x04\x00\x0a\x02\x04\x01\x04\x02\x01\x0c\x03\x01\x02\x03",
    b"`a\\`.b`.``\xff\xff\x0b\x05\x00\x01\x01\x02\x02\x03\x03\x04\x04\x05",
    b"\xff\xff\x01",
];

/// Pieces of such inputs.
pub const TOKENS: &[&str] = &["a", "b", ".", "`", "\\", "\\`", "`.", ".`", "``", "\u{b}", "\u{e9}", "\u{1}", "\0"];

/// Class, the key that names a field, and the other keys it needs.
type FieldTransform = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Transforms that look a field up.
const TRANSFORMS: [FieldTransform; 8] = [
    ("ExtractField$Value", "field", &[("field.syntax.version", "V2")]),
    ("ExtractField$Value", "field", &[("field.syntax.version", "V1"), ("replace.null.with.default", "false")]),
    ("HoistField$Value", "field", &[]),
    ("InsertField$Value", "static.field", &[("static.value", "x")]),
    ("MaskField$Value", "fields", &[]),
    ("ReplaceField$Value", "exclude", &[]),
    ("ValueToKey", "fields", &[]),
    ("Flatten$Value", "delimiter", &[]),
];

/// Reads the path and runs the transforms on the value. True if it is a path of the second syntax.
pub fn field_paths(bytes: &[u8]) -> bool {
    let [path, mut shape] = parts::<2>(bytes);
    let path = String::from_utf8_lossy(path);
    let first = FieldPath::parse(&path, PathSyntax::V1).expect("any text is a name");
    assert_eq!(first.steps(), [&*path]);
    let second = FieldPath::parse(&path, PathSyntax::V2);
    if let Ok(second) = &second {
        check_quoting(second.steps());
    }
    let mut names: Vec<String> = vec!["a".into(), "b".into(), path.clone().into_owned()];
    names.extend(second.iter().flat_map(|path| path.steps().iter().cloned()));
    // Names of fields must not be empty.
    names.retain(|name| !name.is_empty());
    let value = arbitrary(&mut shape, &names, 0);
    let mut record = Record::new("t", value.clone());
    if let Value::Struct(schema, _) = &value {
        record = Record::with_schema("t", schema, value.clone());
    }
    for (class, key, more) in TRANSFORMS {
        let found = transformed(class, key, &path, more, &record);
        // Values of keys are trimmed, and an empty path is none.
        let trimmed = path.trim_matches(|c| c <= ' ') == path && !path.is_empty();
        if let (Some(found), Ok(second), "V2", true) = (found, &second, more.first().map_or("", |more| more.1), trimmed)
            && record.value_schema.is_none()
        {
            let wanted = walk(&value, second.steps());
            assert!(wanted.is_some_and(|wanted| wanted.same(&found)), "{path:?} in {value:?} is {found:?}");
        }
    }
    second.is_ok()
}

/// Steps without backticks and backslashes can be quoted, and are the same steps then.
fn check_quoting(steps: &[String]) {
    if steps.is_empty() || steps.iter().any(|step| step.contains(['`', '\\'])) {
        return;
    }
    let quoted: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
    let again = FieldPath::parse(&quoted.join("."), PathSyntax::V2).expect("every backtick has a partner");
    assert_eq!(again.steps(), steps);
}

/// The value after a transform; `None` if the transform refuses the key's value or the record.
fn transformed(class: &str, key: &str, path: &str, more: &[(&str, &str)], record: &Record) -> Option<Value> {
    let config =
        more.iter().chain(&[(key, path)]).fold(ConfigMap::new(), |config, (key, value)| config.with(*key, *value));
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let link = LinkSpec { class, config, condition: None };
    let mut chain = match Chain::create::<MillstreamComponent>(&[link]) {
        Ok(chain) => chain,
        Err((_, error)) => {
            assert!(!error.message.contains("has no class"), "{error}");
            return None;
        }
    };
    let mut collector = Collector::new();
    collector.push(record).ok()?;
    let table = collector.into_table().expect("what was pushed is a batch").expect("one record");
    let (changed, errors) = chain.apply(table, None).expect("rows fail, not batches");
    let batch = Batch::validate(changed?.write(), &Limits::DEFAULT).expect("a transform makes a batch");
    let values = batch.open().data(Side::Value);
    errors.is_empty().then(|| values.into_iter().next().expect("one row").1)
}

/// What a path leads to in schemaless data; `None` if it meets what is no map.
fn walk<'v>(value: &'v Value, steps: &[String]) -> Option<&'v Value> {
    let mut current = value;
    for step in steps {
        current = match current {
            Value::Null => return Some(&Value::Null),
            Value::Map(entries) => {
                let found = entries.iter().find(|(key, _)| matches!(key, Value::String(name) if name == step));
                found.map_or(&Value::Null, |(_, value)| value)
            }
            _ => return None,
        };
    }
    Some(current)
}

/// A value made of bytes: a struct with a schema if the first has its highest bit set.
fn arbitrary(bytes: &mut &[u8], names: &[String], depth: usize) -> Value {
    let Some(kind) = take(bytes) else { return Value::Null };
    let name = |bytes: &mut &[u8]| names[usize::from(take(bytes).unwrap_or(0)) % names.len()].clone();
    let entries = |bytes: &mut &[u8]| usize::from(take(bytes).unwrap_or(0) % 8);
    match kind & 0x7f {
        1 => Value::Boolean(take(bytes).is_some_and(|byte| byte % 2 == 1)),
        2 => Value::Int8(take(bytes).unwrap_or(0) as i8),
        3 => Value::Int16(take(bytes).unwrap_or(0).into()),
        4 => Value::Int64(take(bytes).unwrap_or(0).into()),
        5 => Value::Float64(f64::from(take(bytes).unwrap_or(0)) / 3.0),
        6 => Value::Bytes(vec![take(bytes).unwrap_or(0)]),
        7 => Value::String(name(bytes)),
        8 => Value::Instant(i64::from(take(bytes).unwrap_or(0)) << 24),
        9 => Value::Float32(f32::NAN),
        10 if depth < 40 => {
            let count = entries(bytes);
            Value::List((0..count).map(|_| arbitrary(bytes, names, depth + 1)).collect())
        }
        11.. if depth < 40 => {
            let mut map: Vec<(String, Value)> = Vec::new();
            for _ in 0..entries(bytes) {
                let name = name(bytes);
                let value = arbitrary(bytes, names, depth + 1);
                map.retain(|(other, _)| *other != name);
                map.push((name, value));
            }
            if kind & 0x80 == 0 {
                return Value::Map(map.into_iter().map(|(name, value)| (Value::String(name), value)).collect());
            }
            let (fields, slots): (Vec<_>, Vec<_>) = map
                .into_iter()
                .map(|(name, value)| (Field { name, schema: Arc::new(schema_of(&value)) }, value))
                .unzip();
            match Schema::structure(fields) {
                Ok(schema) => Value::Struct(Arc::new(schema), slots),
                Err(_) => Value::Null,
            }
        }
        _ => Value::Null,
    }
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

/// An optional schema that a value fits. Lists and maps in structs are left to themselves, so that they break it.
fn schema_of(value: &Value) -> Schema {
    let kind = match value {
        Value::Struct(schema, _) => return (**schema).clone(),
        Value::Boolean(_) => SchemaType::Boolean,
        Value::Int8(_) => SchemaType::Int8,
        Value::Int16(_) => SchemaType::Int16,
        Value::Int64(_) => SchemaType::Int64,
        Value::Float64(_) => SchemaType::Float64,
        Value::Float32(_) => SchemaType::Float32,
        Value::Bytes(_) => SchemaType::Bytes,
        Value::Instant(_) => return Schema::timestamp().optional(),
        Value::List(_) => SchemaType::Array(Some(Arc::new(Schema::new(SchemaType::String).optional()))),
        _ => SchemaType::String,
    };
    Schema::new(kind).optional()
}
