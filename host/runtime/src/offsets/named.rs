//! Offsets that somebody names in a request, read as Connect reads them: a plain function for each direction.

use millstream_connector::TopicPartition;
use serde_json::{Map, Number, Value};

use super::json::push_json;

const TOPIC: &str = "kafka_topic";
const PARTITION: &str = "kafka_partition";
const OFFSET: &str = "kafka_offset";

/// A partition of a connector with its offset: JSON objects, or null.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OffsetEntry {
    /// A source's own, or `{"kafka_partition": …, "kafka_topic": …}`.
    pub partition: Value,
    /// A source's own, or `{"kafka_offset": …}`; null for a reset.
    pub offset: Value,
}

/// Source partitions with their offsets as JSON, in the form in which they are stored.
///
/// # Errors
///
/// A partition or an offset is more than a map of primitive values. The text is Connect's.
pub(crate) fn source(entries: &[OffsetEntry]) -> Result<Vec<(String, Option<String>)>, String> {
    let mut named: Vec<(Value, Option<String>)> = Vec::with_capacity(entries.len());
    for OffsetEntry { partition, offset } in entries {
        let partition = primitive(partition)?;
        let offset = primitive(offset)?;
        let offset = (!offset.is_null()).then(|| text(&offset));
        match named.iter_mut().find(|(known, _)| *known == partition) {
            Some(known) => known.1 = offset,
            None => named.push((partition, offset)),
        }
    }
    Ok(named.into_iter().map(|(partition, offset)| (text(&partition), offset)).collect())
}

fn text(value: &Value) -> String {
    let mut text = String::new();
    push_json(&mut text, value, false);
    text
}

/// A map of primitive values with its numbers as Java reads them, or null.
fn primitive(value: &Value) -> Result<Value, String> {
    let Value::Object(members) = value else { return Ok(value.clone()) };
    let member = |(key, value): (&String, &Value)| {
        let kind = match value {
            Value::Array(_) => "ARRAY",
            Value::Object(_) => "MAP",
            Value::Number(number) => match java_number(number) {
                Some(text) => {
                    return Ok((key.clone(), text.parse().map_or_else(|_| Value::String(text), Value::Number)));
                }
                None => "class java.math.BigInteger",
            },
            other => return Ok((key.clone(), other.clone())),
        };
        Err(format!("Offsets may only contain primitive types as values, but field {key} contains {kind}"))
    };
    members.iter().map(member).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// A JSON number as Java's long or double prints it; `None` for an integer that fits no long.
fn java_number(number: &Number) -> Option<String> {
    let text = number.to_string();
    if text.contains(['.', 'e', 'E']) {
        return Some(super::json::java_double(text.parse().unwrap_or(f64::NAN)));
    }
    text.parse::<i64>().ok().map(|whole| whole.to_string())
}

/// Partitions of topics with their offsets.
///
/// # Errors
///
/// An entry names no partition or no offset. The text is Connect's.
pub(crate) fn sink(entries: &[OffsetEntry]) -> Result<Vec<(TopicPartition, Option<i64>)>, String> {
    let mut named: Vec<(TopicPartition, Option<i64>)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let (partition, offset) = sink_entry(entry)?;
        match named.iter_mut().find(|(known, _)| *known == partition) {
            Some(known) => known.1 = offset,
            None => named.push((partition, offset)),
        }
    }
    Ok(named)
}

fn sink_entry(OffsetEntry { partition, offset }: &OffsetEntry) -> Result<(TopicPartition, Option<i64>), String> {
    let Value::Object(partition) = partition else {
        return Err("The partition for a sink connector offset cannot be null or missing".to_owned());
    };
    let (Some(topic), Some(number)) = (partition.get(TOPIC), partition.get(PARTITION)) else {
        return Err(format!(
            "The partition for a sink connector offset must contain the keys '{TOPIC}' and '{PARTITION}'"
        ));
    };
    if topic.is_null() {
        return Err("Kafka topic names must be valid strings and may not be null".to_owned());
    }
    if number.is_null() {
        return Err("Kafka partitions must be valid numbers and may not be null".to_owned());
    }
    let number = scalar(number);
    let number = number.parse::<i32>().map_err(|_| {
        format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{number}'. Partition values for sink connectors need to be integers."
        )
    })?;
    let of = TopicPartition { topic: scalar(topic), partition: number };
    let Value::Object(offset) = offset else { return Ok((of, None)) };
    let Some(value) = offset.get(OFFSET) else {
        return Err(format!("The offset for a sink connector should either be null or contain the key '{OFFSET}'"));
    };
    let value = scalar(value);
    let offset = value.parse::<i64>().map_err(|_| {
        format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{value}'. Offset values for sink connectors need to be integers."
        )
    })?;
    Ok((of, Some(offset)))
}

/// A value as Java prints it.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => java_number(number).unwrap_or_else(|| number.to_string()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(partition: &str, offset: &str) -> OffsetEntry {
        let read = |text| serde_json::from_str(text).expect("JSON");
        OffsetEntry { partition: read(partition), offset: read(offset) }
    }

    #[track_caller]
    fn check_sink(partition: Value, offset: Value, expected: Result<(&str, i32, Option<i64>), &str>) {
        match (sink(&[OffsetEntry { partition, offset }]), expected) {
            (Ok(read), Ok((topic, partition, offset))) => {
                assert_eq!(read, [(TopicPartition { topic: topic.to_owned(), partition }, offset)]);
            }
            (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
            (read, _) => panic!("{read:?} is not {expected:?}"),
        }
    }

    #[test]
    fn offsets_of_sinks_are_read_as_connect_reads_them() {
        let t1 = || json!({"kafka_topic": "t", "kafka_partition": 1});
        check_sink(t1(), json!({"kafka_offset": 7, "x": 1}), Ok(("t", 1, Some(7))));
        check_sink(
            json!({"kafka_topic": 5, "kafka_partition": "1"}),
            json!({"kafka_offset": "7"}),
            Ok(("5", 1, Some(7))),
        );
        check_sink(t1(), Value::Null, Ok(("t", 1, None)));
        for (partition, offset, words) in [
            (Value::Null, Value::Null, "cannot be null or missing"),
            (json!({"kafka_topic": "t"}), Value::Null, "must contain the keys 'kafka_topic' and 'kafka_partition'"),
            (json!({"kafka_topic": null, "kafka_partition": 1}), Value::Null, "topic names must be valid strings"),
            (json!({"kafka_topic": "t", "kafka_partition": null}), Value::Null, "partitions must be valid numbers"),
            (
                json!({"kafka_topic": "t", "kafka_partition": " 0"}),
                Value::Null,
                "partition value in the provided offsets: ' 0'",
            ),
            (json!({"kafka_topic": "t", "kafka_partition": 99999999999_u64}), Value::Null, "offsets: '99999999999'"),
            (t1(), json!({}), "should either be null or contain the key 'kafka_offset'"),
            (t1(), json!({"kafka_offset": null}), "offset value in the provided offsets: 'null'"),
            (t1(), json!({"kafka_offset": 1.50}), "offset value in the provided offsets: '1.5'"),
        ] {
            check_sink(partition, offset, Err(words));
        }
    }

    #[test]
    fn offsets_of_sources_keep_their_order_and_have_javas_numbers() {
        let read = source(&[
            entry(r#"{"b":1,"a":"x"}"#, r#"{"p":9007199254740993,"f":1e3,"g":1.50,"n":null,"t":true}"#),
            entry("null", "null"),
        ]);
        let offset = r#"{"p":9007199254740993,"f":1000.0,"g":1.5,"n":null,"t":true}"#;
        let expected = [(r#"{"b":1,"a":"x"}"#, Some(offset)), ("null", None)];
        let expected = expected.map(|(partition, offset)| (partition.to_owned(), offset.map(str::to_owned)));
        assert_eq!(read, Ok(expected.to_vec()));
        for (partition, offset, words) in [
            (r#"{"a":[1]}"#, "null", "field a contains ARRAY"),
            ("{}", r#"{"b":{"c":1}}"#, "field b contains MAP"),
            ("{}", r#"{"p":99999999999999999999}"#, "field p contains class java.math.BigInteger"),
        ] {
            let error = source(&[entry(partition, offset)]).expect_err(words);
            assert!(error.ends_with(words), "{error}");
        }
    }

    #[test]
    fn of_a_partition_that_is_named_twice_the_last_offset_counts() {
        let twice = [entry(r#"{"a":1,"b":2}"#, r#"{"p":1}"#), entry(r#"{"b":2,"a":1}"#, "null")];
        assert_eq!(source(&twice), Ok(vec![(r#"{"a":1,"b":2}"#.to_owned(), None)]));
        let t0 = r#"{"kafka_topic":"t","kafka_partition":0}"#;
        let twice = [entry(t0, r#"{"kafka_offset":1}"#), entry(t0, r#"{"kafka_offset":2}"#)];
        assert_eq!(sink(&twice), Ok(vec![(TopicPartition { topic: "t".to_owned(), partition: 0 }, Some(2))]));
    }
}
