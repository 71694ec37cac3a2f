//! JSON as any producer may write it: what the JsonConverter reads it writes again, and reads the same from that.

use std::sync::Arc;

use millstream_config::ConfigMap;
use millstream_connector::{ByteColumn, Converter, ConverterRole, HeaderConverter, InputRow, RowError, RowInput};
use millstream_record::{
    Schema, SchemaType, Value,
    batch::{Batch, Limits, SchemaTable, Side, Table, UnionBuilder},
};

use super::{parts::parts, support::ready};

const CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Options by the first byte of an input. With `schema.content` the first message is that schema.
const FORMS: [&[(&str, &str)]; 7] = [
    &[("schemas.enable", "false")],
    &[("schemas.enable", "false"), ("replace.null.with.default", "false"), ("decimal.format", "NUMERIC")],
    &[],
    &[("decimal.format", "NUMERIC")],
    &[("replace.null.with.default", "false"), ("schemas.cache.size", "0")],
    &[("schema.content", "")],
    &[("schema.content", ""), ("replace.null.with.default", "false"), ("schemas.cache.size", "1")],
];

/// Inputs that reach most of the code.
pub const SEEDS: &[&[u8]] = &[
    b"\x00{\"a\":1,\"b\":[1.5,\"x\",null,true,{\"c\":-7e3}],\"a\":{\"d\":[]}}\xff\xff{\"a\":\"x\"}\xff\xff[[1],[2,\"\"]]",
    b"\x00{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}\xff\xff{\"a\":{\"a\":[{\"a\":1},{\"b\":2}]}}",
    b"\x01\"\\u00e9\\ud83d\\ude00\\n\xc3\xa9\"\xff\xff99999999999999999999\xff\xff-0\xff\xff 1e400 x",
    b"\x02{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int8\",\"field\":\"a\"},{\"type\":\"string\",\"optional\":true,\"default\":\"x\",\"field\":\"b\"},{\"type\":\"array\",\"items\":{\"type\":\"double\"},\"optional\":true,\"field\":\"c\"}],\"name\":\"n\",\"version\":2,\"doc\":\"d\",\"parameters\":{\"p\":\"q\"}},\"payload\":{\"a\":300,\"c\":[1,2.5]}}\xff\xff{\"payload\":1,\"schema\":null}\xff\xff{\"schema\":{\"type\":\"map\",\"keys\":{\"type\":\"int32\"},\"values\":{\"type\":\"bytes\"}},\"payload\":[[1,\"AQ==\"],[2,\"\"]]}",
    b"\x03{\"schema\":{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,\"parameters\":{\"scale\":\"2\"},\"default\":1.25},\"payload\":12.34}\xff\xff{\"schema\":{\"type\":\"int32\",\"name\":\"org.apache.kafka.connect.data.Date\"},\"payload\":18000}\xff\xff{\"schema\":{\"type\":\"int64\",\"name\":\"org.apache.kafka.connect.data.Timestamp\",\"optional\":true},\"payload\":null}",
    b"\x04{\"schema\":{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"struct\",\"fields\":[{\"type\":\"float\",\"default\":1.5,\"field\":\"f\"}]}},\"payload\":{\"k\":{\"f\":2},\"l\":{\"f\":null}}}\xff\xff{\"schema\":{\"type\":\"boolean\"},\"payload\":\"true\"}",
    b"\x05{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"field\":\"a\"},{\"type\":\"boolean\",\"optional\":true,\"field\":\"b\"}]}\xff\xff{\"a\":1}\xff\xff\xff\xff{\"b\":true,\"a\":\"x\"}",
    b"\x06{\"type\":\"array\",\"items\":{\"type\":\"int16\",\"optional\":true,\"default\":3}}\xff\xff[1,null,\"x\"]\xff\xff{\"x\":5}",
    b"\x00\x00{\x00}\xff\xff\xef\xbb\xbf[1]\xff\xff\x00\x00\x00[\x00\x00\x00]",
];

/// Pieces of such inputs.
pub const TOKENS: &[&str] = &[
    "{\"a\":",
    "}",
    "[",
    "]",
    ",",
    "\"\":",
    "null",
    "true",
    "1e9999",
    "-1.5",
    "1e-5",
    "99999999999",
    "\"\\u0000\"",
    "[[",
    "\"schema\":",
    "\"payload\":",
    "{\"type\":\"int8\"}",
    "\"type\":\"string\",",
    "\"optional\":true,",
    "\"default\":",
    "\"fields\":[",
    "\"name\":\"org.apache.kafka.connect.data.Time\",",
    "\"org.apache.kafka.connect.data.Decimal\"",
    "\"\\ud800\"",
];

type Datum = (Option<Arc<Schema>>, Value);

/// Reads the messages of an input together and one by one, writes them and reads them back. True if one was read.
pub fn json_decode(bytes: &[u8]) -> bool {
    let Some((&form, rest)) = bytes.split_first() else { return false };
    let form = FORMS[usize::from(form) % FORMS.len()];
    let mut messages: &[&[u8]] = &parts::<4>(rest);
    let mut config: ConfigMap =
        form.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    let plain = config.clone();
    let by_content = config.contains_key("schema.content");
    if by_content {
        config.insert("schema.content".to_owned(), Some(String::from_utf8_lossy(messages[0]).into_owned()));
        messages = &messages[1..];
    }
    let made = millstream_convert::native(CLASS, ConverterRole::Value, &config).expect("a known class");
    // Text that is no schema is refused.
    let Ok(mut converter) = made else { return false };
    let (batch, errors) = read(&mut *converter, messages);
    let table = batch.open();
    let data: Vec<Datum> = table.data(Side::Value);
    let failed = |row: usize| errors.iter().any(|error| error.row as usize == row);
    let mut alone = header_converter(&config);
    for (row, message) in messages.iter().enumerate() {
        check_alone(&mut *alone, message, (!failed(row)).then_some(&data[row]));
    }
    let (mut written, mut unwritten) = (ByteColumn::default(), Vec::new());
    ready(converter.from_connect(&batch, Side::Value, &mut written, &mut unwritten)).expect("a native converter");
    assert_eq!(written.len(), messages.len());
    let replaces = !config.contains_key("replace.null.with.default");
    let mut again = header_converter(&plain);
    for (row, datum) in data.iter().enumerate() {
        let refused = unwritten.iter().any(|error| error.row as usize == row);
        if refused || !reads_back(datum.0.as_deref(), &datum.1, replaces) {
            continue;
        }
        let text = written.get(row).map(<[u8]>::to_vec);
        match again.to_connect("", "", text.as_deref()) {
            Ok(found) => assert!(same(&found, datum), "{datum:?} was written as {text:?} and read as {found:?}"),
            // The envelope that comes with it is one level more.
            Err(_) if by_content && 900 < message_depth(messages[row]) => {}
            Err(failure) => panic!("{datum:?} was written as {text:?} and refused: {failure:?}"),
        }
    }
    errors.len() < messages.len()
}

struct Messages<'a>(&'a [&'a [u8]]);

impl RowInput for Messages<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, at: usize) -> InputRow<'_> {
        InputRow { bytes: Some(self.0[at]) }
    }
}

fn read(converter: &mut dyn Converter, messages: &[&[u8]]) -> (Batch, Vec<RowError>) {
    let (mut schemas, mut out, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
    let read = ready(converter.to_connect("t", &Messages(messages), &mut schemas, &mut out, &mut errors));
    assert_eq!(read.expect("a native converter"), messages.len(), "so few schemas fit into one batch");
    let mut table = Table::new(messages.len() as u32);
    table.values = out.finish(&mut schemas).expect("what was read fits into a batch");
    table.schemas = schemas;
    let batch = Batch::validate(table.write(), &Limits::DEFAULT).expect("what was read is a batch");
    (batch, errors)
}

fn header_converter(config: &ConfigMap) -> Box<dyn HeaderConverter> {
    millstream_convert::native_header(CLASS, config).expect("a known class").expect("keys that were accepted before")
}

/// A message in a batch means what it means alone.
fn check_alone(converter: &mut dyn HeaderConverter, message: &[u8], in_batch: Option<&Datum>) {
    match (converter.to_connect("t", "h", Some(message)), in_batch) {
        (Ok(alone), Some(in_batch)) => assert!(same(&alone, in_batch), "alone {alone:?}\nin a batch {in_batch:?}"),
        (Err(_), None) => {}
        (alone, in_batch) => panic!("alone {alone:?}\nin a batch {in_batch:?}"),
    }
}

fn same(a: &Datum, b: &Datum) -> bool {
    a.0 == b.0 && a.1.same(&b.1)
}

fn message_depth(message: &[u8]) -> usize {
    message.iter().filter(|byte| matches!(byte, b'[' | b'{')).count()
}

/// Whether JSON has a form for this value that Connect reads as the same: not for infinities, which become text, nor for
/// nulls where a default would be written.
fn reads_back(schema: Option<&Schema>, value: &Value, replaces: bool) -> bool {
    schema.is_none_or(schema_reads_back) && value_reads_back(schema, value, replaces)
}

fn value_reads_back(schema: Option<&Schema>, value: &Value, replaces: bool) -> bool {
    let inner = |schema: Option<&Schema>, value: &Value| value_reads_back(schema, value, replaces);
    match value {
        Value::Null => !(replaces && schema.is_some_and(|schema| schema.default.is_some())),
        Value::Float32(number) => number.is_finite(),
        Value::Float64(number) => number.is_finite(),
        Value::List(items) => {
            let item_schema = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Array(items)) => items.as_deref(),
                _ => None,
            };
            items.iter().all(|item| inner(item_schema, item))
        }
        Value::Map(entries) => {
            let (keys, values) = match schema.map(|schema| &schema.kind) {
                Some(SchemaType::Map(keys, values)) => (keys.as_deref(), values.as_deref()),
                _ => (None, None),
            };
            entries.iter().all(|(key, value)| inner(keys, key) && inner(values, value))
        }
        Value::Struct(schema, slots) => {
            schema.fields().iter().zip(slots).all(|(field, slot)| inner(Some(&field.schema), slot))
        }
        _ => true,
    }
}

fn schema_reads_back(schema: &Schema) -> bool {
    let inner = |schema: &Option<Arc<Schema>>| schema.as_deref().is_none_or(schema_reads_back);
    // A default that holds a null stands for nothing but itself.
    let default = schema.default.as_ref().is_none_or(|default| value_reads_back(Some(schema), default, true));
    default
        && match &schema.kind {
            SchemaType::Array(items) => inner(items),
            SchemaType::Map(keys, values) => inner(keys) && inner(values),
            SchemaType::Struct(fields) => fields.iter().all(|field| schema_reads_back(&field.schema)),
            _ => true,
        }
}
