//! Reporting records that failed to the log; a sink's dead-letter queue is the sink task's own.
//!
//! Failures are reported whether they are tolerated or not, before a task fails over them.

use std::fmt::Write as _;

use millstream_config::{ParsedConfig, connector_key_names as key};
use millstream_connector::{Failure, TaskId};

use crate::error_policy::Stage;
use crate::task::TaskControl;

/// Target of the log lines, so that they can be kept apart.
const LOG_TARGET: &str = "org.apache.kafka.connect.runtime.errors.LogReporter";

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
pub(crate) fn log(policy: LogPolicy, task: &TaskControl, report: &Report<'_>, record: impl FnOnce() -> String) {
    if policy.enabled {
        let line = log_line(policy, &task.id, report, record);
        task.metrics.logged();
        tracing::error!(target: LOG_TARGET, stage = report.stage.name(), class = report.class, error = %report.failure.trace(), "{line}");
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
