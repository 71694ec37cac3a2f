//! Reporting records that failed: to the log, and to a sink's dead-letter queue.
//!
//! Failures are reported whether they are tolerated or not, before a task fails over them. A dead
//! letter that cannot be written is logged and counted; as in Connect it does not fail the task.

use std::{fmt::Write as _, time::Duration};

use millstream_client::{RecordRef, TryAppendError};
use millstream_config::{ParsedConfig, connector_key_names as key};
use millstream_connector::{Failure, TaskId};
use millstream_record::{Chain, TopicName};

use crate::{
    error_policy::Stage,
    kafka::RecordProducer,
    record_headers::{push_header, push_varint},
};

/// Target of the log lines, so that they can be kept apart.
const LOG_TARGET: &str = "org.apache.kafka.connect.runtime.errors.LogReporter";

/// Acknowledgements of dead letters are looked at after so many of them.
const LOOK_EVERY: u64 = 256;

/// The log settings of a connector.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogPolicy {
    /// Whether failures are logged.
    pub enabled: bool,
    /// Whether the record is shown.
    pub include_messages: bool,
}

impl LogPolicy {
    /// Reads a connector's configuration, parsed with Connect's keys.
    pub fn read(config: &ParsedConfig) -> Self {
        Self {
            enabled: key::ERRORS_LOG_ENABLE.get(config),
            include_messages: key::ERRORS_LOG_INCLUDE_MESSAGES.get(config),
        }
    }
}

/// One record's failure at one stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// Where it failed.
    pub(crate) stage: Stage,
    /// Class that was executing the stage.
    pub(crate) class: &'a str,
    /// What happened.
    pub(crate) failure: &'a Failure,
}

/// A consumed record as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Original<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds; -1 for none.
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: i8,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) header_count: u32,
    pub(crate) headers: &'a [u8],
}

impl Original<'_> {
    /// Which record it is, as Connect's log line shows it.
    pub(crate) fn coordinates(&self) -> String {
        let mut text = format!("{{topic='{}', partition={}, offset={}", self.topic, self.partition, self.offset);
        if self.timestamp_type != 0 {
            let kind = if self.timestamp_type == 1 { "CreateTime" } else { "LogAppendTime" };
            let _ = write!(text, ", timestamp={}, timestampType={kind}", self.timestamp);
        }
        text.push('}');
        text
    }
}

/// Writes the log line of a failed record, if the policy wants it. `record` says what the record is and
/// is asked only if the line shows it.
pub(crate) fn log(policy: LogPolicy, task: &TaskId, report: &Report<'_>, record: impl FnOnce() -> String) {
    if policy.enabled {
        let line = log_line(policy, task, report, record);
        tracing::error!(target: LOG_TARGET, error = %report.failure.trace(), "{line}");
    }
}

fn log_line(policy: LogPolicy, task: &TaskId, report: &Report<'_>, record: impl FnOnce() -> String) -> String {
    let (stage, class) = (report.stage.name(), report.class);
    let mut line = format!("Error encountered in task {task}. Executing stage '{stage}' with class '{class}'");
    if policy.include_messages {
        line.push_str(", where ");
        line.push_str(&record());
    }
    line.push('.');
    line
}

/// What the log line of a sink says about the record.
pub(crate) fn consumed_record(original: &Original<'_>) -> String {
    format!("consumed record is {}", original.coordinates())
}

/// The dead-letter queue of a sink task.
pub(crate) struct DeadLetters {
    producer: Box<dyn RecordProducer>,
    topic: TopicName,
    context_headers: bool,
    task: TaskId,
    sent: u64,
    headers: Vec<u8>,
}

impl DeadLetters {
    pub(crate) fn new(
        producer: Box<dyn RecordProducer>,
        topic: TopicName,
        context_headers: bool,
        task: TaskId,
    ) -> Self {
        Self { producer, topic, context_headers, task, sent: 0, headers: Vec::new() }
    }

    /// Appends a record as it was consumed, with Connect's headers if they are asked for. Waits for
    /// room in the producer's buffer.
    pub(crate) async fn send(&mut self, original: &Original<'_>, report: &Report<'_>) {
        self.write_headers(original, report);
        let timestamp_ms = (original.timestamp_type != 0 && 0 <= original.timestamp).then_some(original.timestamp);
        loop {
            let headers = std::mem::take(&mut self.headers);
            let record = RecordRef { timestamp_ms, key: original.key, value: original.value, headers: &headers };
            let mut result = Err(TryAppendError::Full);
            self.producer.group(&mut |appender| result = appender.append(&self.topic, None, record));
            self.headers = headers;
            let error = match result {
                Ok(_) => break,
                Err(TryAppendError::Full) => {
                    self.producer.ready().await;
                    self.take_acks();
                    continue;
                }
                Err(TryAppendError::UnknownTopic) => match self.producer.learn(&self.topic).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(TryAppendError::Failed(error)) => error,
            };
            tracing::error!(topic = %self.topic, error = %Chain(&error), "could not produce a message to the dead letter queue");
            break;
        }
        self.sent += 1;
        if self.sent.is_multiple_of(LOOK_EVERY) {
            self.take_acks();
        }
    }

    fn write_headers(&mut self, original: &Original<'_>, report: &Report<'_>) {
        let out = &mut self.headers;
        out.clear();
        let own = if self.context_headers { 10 } else { 0 };
        let count = original.header_count + own;
        if count == 0 {
            return;
        }
        push_varint(out, i32::try_from(count).unwrap_or(i32::MAX));
        out.extend_from_slice(original.headers);
        if !self.context_headers {
            return;
        }
        let mut header = |name: &str, value: &str| {
            push_header(out, format!("__connect.errors.{name}").as_bytes(), Some(value.as_bytes()));
        };
        header("topic", original.topic);
        header("partition", &original.partition.to_string());
        header("offset", &original.offset.to_string());
        header("connector.name", &self.task.connector);
        header("task.id", &self.task.number.to_string());
        header("stage", report.stage.name());
        header("class.name", report.class);
        header("exception.class.name", &report.failure.class);
        header("exception.message", &report.failure.message);
        header("exception.stacktrace", &report.failure.trace());
    }

    fn take_acks(&mut self) {
        while let Some(ack) = self.producer.try_ack() {
            if let Err(error) = ack.result {
                let records = ack.last - ack.first + 1;
                tracing::error!(topic = %self.topic, records, error = %Chain(&error), "could not produce messages to the dead letter queue");
            }
        }
    }

    /// Waits until every dead letter so far has been written or has failed. Dropping the future only
    /// stops the waiting.
    pub(crate) async fn settle(&mut self) {
        if self.producer.outstanding() != 0 {
            self.producer.flush().await;
            self.take_acks();
        }
    }

    /// Gives what is left `timeout` to be written.
    pub(crate) async fn close(self, timeout: Duration) {
        let left = self.producer.close(timeout).await;
        for error in left.into_iter().filter_map(|ack| ack.result.err()) {
            tracing::error!(topic = %self.topic, error = %Chain(&error), "could not produce messages to the dead letter queue");
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_connector::ErrorKind;

    use super::*;

    const ORIGINAL: Original<'_> = Original {
        topic: "t",
        partition: 1,
        offset: 42,
        timestamp: 7,
        timestamp_type: 1,
        key: None,
        value: None,
        header_count: 0,
        headers: &[],
    };

    #[test]
    fn log_lines_read_as_connects() {
        let task = TaskId { connector: "c".to_owned(), number: 0 };
        let failure = Failure::new(ErrorKind::Data, "", "bad");
        let report = Report { stage: Stage::ValueConverter, class: "X", failure: &failure };
        let line = |include_messages, original: &Original<'_>| {
            log_line(LogPolicy { enabled: true, include_messages }, &task, &report, || consumed_record(original))
        };
        assert_eq!(
            line(false, &ORIGINAL),
            "Error encountered in task c-0. Executing stage 'VALUE_CONVERTER' with class 'X'."
        );
        assert_eq!(
            line(true, &ORIGINAL),
            "Error encountered in task c-0. Executing stage 'VALUE_CONVERTER' with class 'X', where consumed record is {topic='t', partition=1, offset=42, timestamp=7, timestampType=CreateTime}."
        );
        assert!(line(true, &Original { timestamp_type: 0, ..ORIGINAL }).ends_with("offset=42}."));
    }
}
