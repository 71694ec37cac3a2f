//! `millstream topic produce`: lines of standard input become records.

use std::{io::BufRead, time::Duration};

use millstream_client::{Producer, ProducerConfig, RecordRef, TryAppendError};
use millstream_record::TopicName;
use serde_json::Value;

use super::{
    CLOSE_TIMEOUT,
    args::{Input, Produce},
    name,
};
use crate::{
    exit::{Failure, USAGE},
    kafka_tools::{PATIENCE, cluster, failed, key_value},
    output::bytes_of_json,
};

/// Keys and values of headers.
type Headers = Vec<(String, Option<Vec<u8>>)>;

/// A record to be produced.
#[derive(Debug, Default, Eq, PartialEq)]
struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
}

pub async fn run(produce: Produce) -> Result<(), Failure> {
    let patience = PATIENCE.as_millis().to_string();
    let own = [("client.id", "millstream-topic-produce"), ("max.block.ms", &patience)];
    let config = ProducerConfig::from_properties(&produce.connection.settings(&own)?).map_err(failed)?;
    let topic = name(&produce.topic)?;
    let headers = produce
        .headers
        .iter()
        .map(|header| key_value("--header", header).map(|(key, value)| (key, Some(value.into_bytes()))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut producer = Producer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
    let mut lines = lines();
    producer.partitions(&topic).await.map_err(failed)?;
    let mut number = 0_u64;
    while let Some(line) = lines.recv().await {
        number += 1;
        let line = line.map_err(|error| Failure::new(USAGE, format!("read standard input: {error}")))?;
        let mut record = match produce.input {
            Input::Text => of_text(line, produce.key_separator.as_deref()),
            Input::Json => of_json(&line).map_err(|reason| {
                // What was appended before goes on its way.
                Failure::new(USAGE, format!("line {number} of standard input is no record: {reason}"))
            }),
        };
        if let Ok(record) = &mut record {
            record.partition = record.partition.or(produce.partition);
            record.headers.extend(headers.iter().cloned());
        }
        match record {
            Ok(record) => append(&mut producer, &topic, &record).await?,
            Err(failure) => {
                close(producer).await?;
                return Err(failure);
            }
        }
    }
    close(producer).await
}

/// Lines are read on a thread of their own; the short queue keeps a fast pipe from filling memory.
fn lines() -> tokio::sync::mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, lines) = tokio::sync::mpsc::channel(64);
    tokio::task::spawn_blocking(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.read_until(b'\n', &mut line);
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            let (ended, read) = match read {
                Ok(0) => return,
                Ok(_) => (false, Ok(line)),
                Err(error) => (true, Err(error)),
            };
            // The receiver is gone only when the command has ended already.
            if sender.blocking_send(read).is_err() || ended {
                return;
            }
        }
    });
    lines
}

fn of_text(line: Vec<u8>, separator: Option<&str>) -> Result<Record, Failure> {
    Ok(match separator.and_then(|separator| split(&line, separator.as_bytes())) {
        Some((key, value)) => Record { key: Some(key.to_vec()), value: Some(value.to_vec()), ..Record::default() },
        None => Record { value: Some(line), ..Record::default() },
    })
}

fn split<'l>(line: &'l [u8], separator: &[u8]) -> Option<(&'l [u8], &'l [u8])> {
    let at = line.windows(separator.len().max(1)).position(|window| window == separator)?;
    Some((&line[..at], &line[at + separator.len()..]))
}

/// A record as `consume --output json` prints it. Members that say where it was are ignored.
fn of_json(line: &[u8]) -> Result<Record, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let object = value.as_object().ok_or("it is no JSON object")?;
    let mut record = Record::default();
    for (member, value) in object {
        let at = |reason: String| format!("{member}: {reason}");
        match member.as_str() {
            "key" => record.key = bytes_of_json(value).map_err(at)?,
            "value" => record.value = bytes_of_json(value).map_err(at)?,
            "headers" => record.headers = headers_of_json(value).map_err(at)?,
            "partition" if value.is_null() => {}
            "partition" => {
                let number = value.as_i64().and_then(|number| i32::try_from(number).ok()).filter(|number| 0 <= *number);
                record.partition = Some(number.ok_or_else(|| at("it is no number of a partition".to_owned()))?);
            }
            "timestamp" if value.is_null() => {}
            "timestamp" => {
                let millis = value.as_i64().filter(|millis| 0 <= *millis);
                record.timestamp_ms = Some(millis.ok_or_else(|| at("milliseconds since 1970 are needed".to_owned()))?);
            }
            "topic" | "offset" | "timestamp_type" => {}
            _ => return Err(format!("there is no member {member} in a record")),
        }
    }
    Ok(record)
}

fn headers_of_json(value: &Value) -> Result<Headers, String> {
    let wanted = || "a list of {\"key\": …, \"value\": …} is needed".to_owned();
    let header = |header: &Value| {
        let key = header.get("key").and_then(Value::as_str).ok_or_else(wanted)?;
        Ok((key.to_owned(), bytes_of_json(header.get("value").unwrap_or(&Value::Null))?))
    };
    value.as_array().ok_or_else(wanted)?.iter().map(header).collect()
}

/// Headers as a record carries them.
pub fn encoded<K: AsRef<[u8]>>(headers: &[(K, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut block = Vec::new();
    if headers.is_empty() {
        return block;
    }
    // Numbers are zig-zag varints; -1 stands for null.
    let number = |block: &mut Vec<u8>, number: i64| {
        let mut rest = ((number << 1) ^ (number >> 63)) as u64;
        while 0x7f < rest {
            block.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        block.push(rest as u8);
    };
    number(&mut block, headers.len() as i64);
    for (key, value) in headers {
        let key = key.as_ref();
        number(&mut block, key.len() as i64);
        block.extend_from_slice(key);
        number(&mut block, value.as_ref().map_or(-1, |value| value.len() as i64));
        block.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    block
}

async fn append(producer: &mut Producer, topic: &TopicName, record: &Record) -> Result<(), Failure> {
    let headers = encoded(&record.headers);
    let borrowed = RecordRef {
        timestamp_ms: record.timestamp_ms,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
    };
    loop {
        match producer.try_append(topic, record.partition, borrowed) {
            Ok(_) => return check_acks(producer),
            Err(TryAppendError::Full) => producer.ready().await,
            Err(TryAppendError::UnknownTopic) => producer.partitions(topic).await.map(|_| ()).map_err(failed)?,
            Err(TryAppendError::Failed(error)) => return Err(failed(error)),
        }
        check_acks(producer)?;
    }
}

async fn close(mut producer: Producer) -> Result<(), Failure> {
    producer.flush().await;
    check_acks(&mut producer)?;
    for ack in producer.close(CLOSE_TIMEOUT.max(Duration::from_secs(1))).await {
        ack.result.map_err(failed)?;
    }
    Ok(())
}

fn check_acks(producer: &mut Producer) -> Result<(), Failure> {
    while let Some(ack) = producer.try_ack() {
        ack.result.map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_says_all_of_a_record() {
        let line = br#"{"topic":"t","offset":7,"timestamp_type":"CreateTime","partition":2,"timestamp":5,"key":null,
            "value":{"base64":"/w=="},"headers":[{"key":"a","value":"b"},{"key":"n","value":null}]}"#;
        let expected = Record {
            key: None,
            value: Some(vec![0xff]),
            headers: vec![("a".to_owned(), Some(b"b".to_vec())), ("n".to_owned(), None)],
            partition: Some(2),
            timestamp_ms: Some(5),
        };
        assert_eq!(of_json(line), Ok(expected));
        assert_eq!(of_json(b"{}"), Ok(Record::default()));
    }

    #[test]
    fn what_is_no_record_is_refused_in_words() {
        for (line, reason) in [
            ("[]", "it is no JSON object"),
            (r#"{"valeu":1}"#, "there is no member valeu in a record"),
            (r#"{"partition":-1}"#, "partition: it is no number of a partition"),
            (r#"{"timestamp":"now"}"#, "timestamp: milliseconds since 1970 are needed"),
            (r#"{"headers":{"a":"b"}}"#, "headers: a list of {\"key\": …, \"value\": …} is needed"),
            (r#"{"key":{"base64":"*"}}"#, "key: an object must be {\"base64\": \"…\"}"),
        ] {
            assert_eq!(of_json(line.as_bytes()).expect_err(line), reason);
        }
    }

    #[test]
    fn headers_are_encoded_as_a_record_carries_them() {
        assert_eq!(encoded::<String>(&[]), b"");
        let headers = [("ab".to_owned(), Some(b"c".to_vec())), (String::new(), None)];
        assert_eq!(encoded(&headers), [4, 4, b'a', b'b', 2, b'c', 0, 1]);
    }
}
