//! Records as people write and read them: a line of JSON each, in and out of batches. Data goes through Connect's own
//! converter for JSON; a value that has `schema` and `payload` has its schema there, as that converter has it.

use std::{fs, path::Path};

use millstream_config::ConfigMap;
use millstream_connector::{ByteColumn, Converter, ConverterRole, InputRow, RowInput};
use millstream_convert::ReadLimits;
use millstream_record::{
    Value,
    batch::{Batch, Column, HeadersBuilder, Kind, Role, SchemaTable, Side, Table, UnionBuilder, bits},
};
use millstream_values::value_text;
use serde_json::{Map, Value as Json, json};

use crate::{
    exit::{Failure, SETUP, USAGE},
    output::bytes_of_json,
};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A record that goes in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Its topic; that of the run if it has none.
    pub topic: Option<String>,
    /// Its partition there.
    pub partition: Option<i32>,
    /// Its offset there; its number in the run if it has none.
    pub offset: Option<i64>,
    /// In milliseconds.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Datum,
    /// Its value.
    pub value: Datum,
    /// Its headers, in order.
    pub headers: Vec<(String, Json)>,
}

/// A key or value that goes in.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Datum {
    /// None.
    #[default]
    Null,
    /// Data as JSON.
    Json(Json),
    /// Bytes for a converter.
    Bytes(Vec<u8>),
}

/// How keys and values in a file are meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Meant {
    /// As data.
    Data,
    /// As bytes, in the form in which `topic consume --output json` prints them.
    Bytes,
}

/// Members of a line that is a record and not a value alone.
const MEMBERS: [&str; 7] = ["topic", "partition", "offset", "timestamp", "key", "value", "headers"];

/// What `topic consume` prints beside them.
const IGNORED: &str = "timestamp_type";

/// Reads the records of a file.
///
/// # Errors
///
/// It cannot be read, or a line is none: its number.
pub fn read(path: &Path, meant: Meant) -> Result<Vec<Record>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(USAGE, format!("read {}: {error}", path.display()));
    let len = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if MAX_FILE < len {
        return Err(failed(&format!("it has {len} bytes, more than {MAX_FILE}: use --topic for so many records")));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let record = |(at, line): (usize, &str)| {
        record(line, meant).map_err(|reason| Failure::new(USAGE, format!("{}:{}: {reason}", path.display(), at + 1)))
    };
    lines.map(record).collect()
}

fn record(line: &str, meant: Meant) -> Result<Record, String> {
    let json: Json =
        serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}. A text is written as \"text\""))?;
    let is_record = |members: &Map<String, Json>| {
        members.contains_key("value") && members.keys().all(|key| MEMBERS.contains(&key.as_str()) || key == IGNORED)
    };
    let datum = |json: &Json| match (json, meant) {
        (Json::Null, _) => Ok::<Datum, String>(Datum::Null),
        (data, Meant::Data) => Ok(Datum::Json(data.clone())),
        (bytes, Meant::Bytes) => Ok(bytes_of_json(bytes)?.map_or(Datum::Null, Datum::Bytes)),
    };
    let members = match &json {
        Json::Object(members) if is_record(members) => members,
        value => return Ok(Record { value: datum(value)?, ..Record::default() }),
    };
    let part = |name: &str| members.get(name).unwrap_or(&Json::Null);
    let number = |name: &str| match part(name) {
        Json::Null => Ok(None),
        number => number.as_i64().map(Some).ok_or_else(|| format!("{name} is {number}, and has to be a whole number")),
    };
    let topic = match part("topic") {
        Json::Null => None,
        Json::String(topic) => Some(topic.clone()),
        other => return Err(format!("topic is {other}, and has to be a string")),
    };
    let partition = number("partition")?.map(i32::try_from).transpose();
    Ok(Record {
        topic,
        partition: partition.map_err(|_| "partition is too large".to_owned())?,
        offset: number("offset")?,
        timestamp: number("timestamp")?,
        key: datum(part("key"))?,
        value: datum(part("value"))?,
        headers: headers(part("headers"))?,
    })
}

/// Headers as an object, or as the list of `{"key": …, "value": …}` that `topic consume` prints.
fn headers(json: &Json) -> Result<Vec<(String, Json)>, String> {
    match json {
        Json::Null => Ok(Vec::new()),
        Json::Object(members) => Ok(members.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        Json::Array(headers) => {
            let header = |header: &Json| {
                let key = header.get("key").and_then(Json::as_str).ok_or("a header has no key")?;
                Ok((key.to_owned(), header.get("value").cloned().unwrap_or(Json::Null)))
            };
            headers.iter().map(header).collect()
        }
        other => Err(format!("headers are {other}, and have to be an object")),
    }
}

/// Makes batches of records, and lines of batches.
pub struct Notation {
    plain: [Box<dyn Converter>; 2],
    with_schemas: [Box<dyn Converter>; 2],
    /// For keys and values that are bytes, where there are such.
    given: Option<[Box<dyn Converter>; 2]>,
    /// Whether schemas are shown.
    shows_schemas: bool,
}

struct One<'b>(Option<&'b [u8]>);

impl RowInput for One<'_> {
    fn len(&self) -> usize {
        1
    }

    fn row(&self, _: usize) -> InputRow<'_> {
        InputRow { bytes: self.0 }
    }
}

impl Notation {
    /// The notation, with these converters for keys and values that are bytes.
    ///
    /// # Errors
    ///
    /// Connect's converter refuses its configuration.
    pub fn new(given: Option<[Box<dyn Converter>; 2]>, shows_schemas: bool) -> Result<Self, Failure> {
        Ok(Self { plain: json_converters(false)?, with_schemas: json_converters(true)?, given, shows_schemas })
    }

    /// A batch of records, which begin with the number `first` in the run.
    ///
    /// # Errors
    ///
    /// A key or value is refused by its converter.
    pub async fn batch(&mut self, records: &[Record], topic: &str, first: u64) -> Result<Batch, Failure> {
        let mut schemas = SchemaTable::default();
        let mut unions = [UnionBuilder::default(), UnionBuilder::default()];
        let mut headers = HeadersBuilder::default();
        for (at, record) in records.iter().enumerate() {
            let refused = |what: &str, reason: &str| {
                Failure::new(USAGE, format!("{what} of record {}: {reason}", first + at as u64 + 1))
            };
            let topic = record.topic.as_deref().unwrap_or(topic);
            for (side, datum) in [&record.key, &record.value].into_iter().enumerate() {
                let text;
                let (converter, bytes) = match datum {
                    Datum::Null => (&mut self.plain[side], None),
                    Datum::Bytes(bytes) => match &mut self.given {
                        Some(given) => (&mut given[side], Some(&bytes[..])),
                        None => return Err(refused("the bytes", "there is no converter for them")),
                    },
                    Datum::Json(json) => {
                        text = json.to_string();
                        let converters = if has_schema(json) { &mut self.with_schemas } else { &mut self.plain };
                        (&mut converters[side], Some(text.as_bytes()))
                    }
                };
                let mut errors = Vec::new();
                let converted =
                    converter.to_connect(topic, &One(bytes), &mut schemas, &mut unions[side], &mut errors).await;
                let what = ["the key", "the value"][side];
                let rows = converted.map_err(|error| refused(what, &error.to_string()))?;
                if let Some(error) = errors.first() {
                    return Err(refused(what, &error.failure.message));
                }
                if rows == 0 {
                    return Err(refused(
                        what,
                        "the batch has too many different schemas: make it smaller with --batch",
                    ));
                }
            }
            for (key, json) in &record.headers {
                let value = data(json);
                let pushed = headers.push(key, None, &value, &mut schemas);
                pushed.map_err(|error| refused("a header", &error.to_string()))?;
            }
            headers.end_row();
        }
        let mut table = Table::new(records.len() as u32);
        let [keys, values] = unions;
        let failed = |error: &dyn std::fmt::Display| Failure::new(USAGE, format!("make a batch of records: {error}"));
        table.keys = keys.finish(&mut schemas).map_err(|error| failed(&error))?;
        table.values = values.finish(&mut schemas).map_err(|error| failed(&error))?;
        table.schemas = schemas;
        table.set(Role::TOPIC, Column::strings(records.iter().map(|record| record.topic.as_deref().unwrap_or(topic))));
        let numbers = |kind, number: &dyn Fn(usize, &Record) -> i64| {
            Column::int64s(kind, records.iter().enumerate().map(|(at, record)| number(at, record)))
        };
        let partitions = records.iter().flat_map(|record| record.partition.unwrap_or(0).to_le_bytes());
        table.set(Role::PARTITION, Column::new(Kind::Int32, table.rows, partitions.collect::<Vec<u8>>()));
        table.set(Role::OFFSET, numbers(Kind::Int64, &|at, record| record.offset.unwrap_or(first as i64 + at as i64)));
        if records.iter().any(|record| record.timestamp.is_some()) {
            let mut timestamps = numbers(Kind::Int64, &|_, record| record.timestamp.unwrap_or(0));
            let mut valid = bits::filled(records.len(), true);
            records.iter().enumerate().for_each(|(at, record)| bits::set(&mut valid, at, record.timestamp.is_some()));
            timestamps.valid = Some(valid.into());
            table.set(Role::TIMESTAMP, timestamps);
        }
        if let Some(headers) = headers.finish() {
            table.set(Role::HEADERS, headers);
        }
        Ok(table.into_batch())
    }

    /// The rows of a batch as objects; `null` for those that are not under way.
    ///
    /// # Errors
    ///
    /// Data that cannot be written as JSON.
    pub async fn rows(&mut self, batch: &Batch) -> Result<Vec<Json>, Failure> {
        let mut columns = [ByteColumn::default(), ByteColumn::default()];
        let converters = if self.shows_schemas { &mut self.with_schemas } else { &mut self.plain };
        let mut errors = Vec::new();
        for (side, column) in [Side::Key, Side::Value].into_iter().zip(&mut columns) {
            let converter = &mut converters[usize::from(side == Side::Value)];
            let written = converter.from_connect(batch, side, column, &mut errors).await;
            written.map_err(|error| Failure::new(USAGE, format!("write records as JSON: {error}")))?;
        }
        let table = batch.open();
        let row = |row: usize| {
            if !table.is_selected(row) {
                return Json::Null;
            }
            let json = |column: &ByteColumn| match column.get(row) {
                Some(bytes) => serde_json::from_slice(bytes)
                    .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(bytes).into_owned())),
                None => Json::Null,
            };
            let mut members = Map::new();
            if let Some(topic) = table.topic(row) {
                members.insert("topic".to_owned(), json!(topic));
            }
            for (name, role) in [("partition", Role::PARTITION), ("timestamp", Role::TIMESTAMP)] {
                if let Some(number) = table.integer(role, row) {
                    members.insert(name.to_owned(), json!(number));
                }
            }
            members.insert("key".to_owned(), json(&columns[0]));
            members.insert("value".to_owned(), json(&columns[1]));
            if let Some(column) = table.get(Role::HEADERS) {
                let headers: Map<String, Json> = column
                    .headers(row)
                    .map(|header| (header.key.to_owned(), json!(value_text(&header.datum(&table.schemas).1))))
                    .collect();
                if !headers.is_empty() {
                    members.insert("headers".to_owned(), Json::Object(headers));
                }
            }
            Json::Object(members)
        };
        let mut rows: Vec<Json> = (0..table.rows as usize).map(row).collect();
        // What cannot be written is said in the place of the value.
        for error in errors {
            if let Some(Json::Object(row)) = rows.get_mut(error.row as usize) {
                row.insert("value".to_owned(), json!(format!("(no JSON: {})", error.failure.message)));
            }
        }
        Ok(rows)
    }
}

/// Whether JSON is data with its schema.
fn has_schema(json: &Json) -> bool {
    let members = json.as_object();
    members
        .is_some_and(|members| members.len() == 2 && members.contains_key("schema") && members.contains_key("payload"))
}

/// A header's value.
fn data(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int64(number),
            None => Value::Float64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        other => Value::from(other.to_string().as_str()),
    }
}

fn json_converters(schemas: bool) -> Result<[Box<dyn Converter>; 2], Failure> {
    let config: ConfigMap = [("schemas.enable", if schemas { "true" } else { "false" }), ("decimal.format", "NUMERIC")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .collect();
    let make = |role| {
        let made = ReadLimits::DEFAULT.native(JSON_CONVERTER, role, &config).expect("it is one of Connect's own");
        made.map_err(|error| Failure::of(SETUP, &error))
    };
    Ok([make(ConverterRole::Key)?, make(ConverterRole::Value)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_record_or_a_value_alone() {
        let read = |line: &str| record(line, Meant::Data).unwrap();
        assert_eq!(read("\"a\"").value, Datum::Json(json!("a")));
        // An object without a member `value` is one.
        assert_eq!(read(r#"{"key": 1}"#).value, Datum::Json(json!({"key": 1})));
        let whole = read(
            r#"{"topic": "t", "partition": 2, "offset": 7, "timestamp": 5, "key": "k", "value": null, "headers": {"h": 1}}"#,
        );
        let expected = Record {
            topic: Some("t".into()),
            partition: Some(2),
            offset: Some(7),
            timestamp: Some(5),
            key: Datum::Json(json!("k")),
            value: Datum::Null,
            headers: vec![("h".into(), json!(1))],
        };
        assert_eq!(whole, expected);
        let consumed = r#"{"topic":"t","timestamp_type":"CreateTime","key":null,"value":"x=1","headers":[{"key":"h","value":"v"}]}"#;
        let consumed = record(consumed, Meant::Bytes).unwrap();
        assert_eq!(consumed.value, Datum::Bytes(b"x=1".to_vec()));
        assert_eq!(consumed.headers, [("h".to_owned(), json!("v"))]);
        assert!(record("hello", Meant::Data).unwrap_err().contains("A text is written as \"text\""));
        assert!(record(r#"{"value": 1, "partition": "x"}"#, Meant::Data).unwrap_err().starts_with("partition is "));
    }

    #[tokio::test]
    async fn records_come_out_as_they_went_in() {
        let lines = [
            r#"{"topic":"t","partition":1,"timestamp":5,"key":"k","value":{"a":[1,2.5,null,true]},"headers":{"h":"v"}}"#,
            r#"{"topic":"run","partition":0,"key":null,"value":null}"#,
        ];
        let records: Vec<Record> = lines.iter().map(|line| record(line, Meant::Data).unwrap()).collect();
        let mut notation = Notation::new(None, false).unwrap();
        let batch = notation.batch(&records, "run", 0).await.unwrap();
        let rows = notation.rows(&batch).await.unwrap();
        let expected: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows, expected);
    }

    #[tokio::test]
    async fn a_schema_goes_in_with_its_data_and_is_shown_if_asked_for() {
        let line = r#"{"schema":{"type":"int32","optional":false},"payload":7}"#;
        let records = [record(line, Meant::Data).unwrap()];
        let mut notation = Notation::new(None, true).unwrap();
        let batch = notation.batch(&records, "run", 0).await.unwrap();
        assert_eq!(notation.rows(&batch).await.unwrap()[0]["value"], serde_json::from_str::<Json>(line).unwrap());
        let mut plain = Notation::new(None, false).unwrap();
        assert_eq!(plain.rows(&batch).await.unwrap()[0]["value"], json!(7));
    }
}
