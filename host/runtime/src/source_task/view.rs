//! A batch as the producer sees it: topic, partition, timestamp and bytes of each row.

use std::{ops::Range, sync::Arc};

use millstream_client::{RecordRef, Sequence, TryAppendError};
use millstream_connector::{ErrorKind, Failure};
use millstream_record::{
    TopicName,
    batch::{Batch, Column, Kind, Role, Side, Table},
};

use super::{pipeline::Encoded, transactions::into_own_offsets};
use crate::{
    kafka::{RecordAppender, send_failure},
    offsets::row_json,
};

/// Why rows are not appended at once.
#[derive(Debug)]
pub(super) enum Stop {
    /// The producer's buffer is full.
    Full,
    /// The partitions of a topic are not known.
    UnknownTopic(TopicName),
    /// The record can never be written: the error policy decides.
    Refused(Failure),
    /// The record is nothing that can be written: the task fails.
    Invalid(Failure),
}

/// An opened batch, ready to be appended.
pub(super) struct View<'a> {
    topics: Option<&'a Column<'a>>,
    /// The topic of all rows, where there is only one.
    topic: Option<TopicName>,
    partitions: Option<&'a Column<'a>>,
    timestamps: Option<&'a Column<'a>>,
    selection: Option<&'a Column<'a>>,
    origins: Option<&'a Column<'a>>,
    origin: Option<u32>,
    rows: u32,
}

impl<'a> View<'a> {
    /// Looks at a batch whose rows come from the rows that its origins name, or all from `origin`.
    /// `recent` remembers the topic from batch to batch.
    pub(super) fn new(table: &'a Table<'a>, origin: Option<u32>, recent: &mut Option<TopicName>) -> Self {
        let topics = table.get(Role::TOPIC);
        let mut topic = None;
        if let Some(column) = topics
            && column.constant
            && !column.is_null(0)
        {
            topic = recent.take().filter(|recent| recent.as_str() == column.str(0));
            topic = topic.or_else(|| TopicName::parse(column.str(0)).ok());
            recent.clone_from(&topic);
        }
        Self {
            topics,
            topic,
            partitions: table.get(Role::PARTITION),
            timestamps: table.get(Role::TIMESTAMP),
            selection: table.get(Role::SELECTION),
            origins: table.get(Role::ORIGIN),
            origin,
            rows: table.rows,
        }
    }

    /// The polled row that a row comes from.
    #[inline]
    pub(super) fn origin(&self, row: u32) -> u32 {
        match (self.origin, self.origins) {
            (Some(origin), _) => origin,
            (None, Some(origins)) => origins.int32(row as usize) as u32,
            (None, None) => row,
        }
    }

    /// The first row that comes from a later polled row than this one. Origins ascend.
    pub(super) fn first_behind(&self, polled: u32) -> u32 {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.origin(middle) <= polled { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Appends the selected ones of these rows until one is not taken, which is returned with the
    /// reason. `sent` hears of each.
    pub(super) fn append(
        &self,
        appender: &mut dyn RecordAppender,
        encoded: &Encoded,
        rows: Range<u32>,
        forbidden: Option<&TopicName>,
        sent: &mut dyn FnMut(u32, Sequence),
    ) -> Option<(u32, Stop)> {
        let headers = (!encoded.headers.is_empty()).then_some(&encoded.headers);
        let mut recent: Option<TopicName> = None;
        for row in rows {
            let at = row as usize;
            if self.selection.is_some_and(|selection| !selection.boolean(at)) {
                continue;
            }
            let topic = match &self.topic {
                Some(topic) => topic,
                None => match self.topic_of(at, &mut recent) {
                    Ok(topic) => topic,
                    Err(stop) => return Some((row, stop)),
                },
            };
            if forbidden == Some(topic) {
                return Some((row, Stop::Invalid(into_own_offsets())));
            }
            let partition = match self.partitions {
                Some(column) if !column.is_null(at) => Some(column.int32(at)),
                _ => None,
            };
            let timestamp_ms = match self.timestamps {
                Some(column) if !column.is_null(at) => match column.int64(at) {
                    -1 => None,
                    timestamp if timestamp < 0 => return Some((row, Stop::Invalid(invalid_timestamp(timestamp)))),
                    timestamp => Some(timestamp),
                },
                _ => None,
            };
            let record = RecordRef {
                timestamp_ms,
                key: encoded.keys.get(at),
                value: encoded.values.get(at),
                headers: headers.and_then(|headers| headers.get(at)).unwrap_or_default(),
            };
            match appender.append(topic, partition, record) {
                Ok(sequence) => sent(row, sequence),
                Err(TryAppendError::Full) => return Some((row, Stop::Full)),
                Err(TryAppendError::UnknownTopic) => return Some((row, Stop::UnknownTopic(topic.clone()))),
                Err(TryAppendError::Failed(error)) => return Some((row, Stop::Refused(send_failure(&error)))),
            }
        }
        None
    }

    /// The topic of a row; rows of one topic mostly come together.
    fn topic_of<'r>(&self, row: usize, recent: &'r mut Option<TopicName>) -> Result<&'r TopicName, Stop> {
        let Some(column) = self.topics.filter(|topics| !topics.is_null(row)) else {
            let message = "Topic cannot be null.";
            return Err(Stop::Invalid(Failure::new(ErrorKind::Fatal, "java.lang.IllegalArgumentException", message)));
        };
        let text = column.str(row);
        if recent.as_ref().is_none_or(|recent| recent.as_str() != text) {
            let invalid = |_| {
                let class = "org.apache.kafka.common.errors.InvalidTopicException";
                Stop::Refused(Failure::new(ErrorKind::Fatal, class, format!("Invalid topics: [{text}]")))
            };
            *recent = Some(TopicName::parse(text).map_err(invalid)?);
        }
        Ok(recent.as_ref().expect("set above"))
    }
}

fn invalid_timestamp(timestamp: i64) -> Failure {
    let class = "org.apache.kafka.common.InvalidRecordException";
    Failure::new(ErrorKind::Fatal, class, format!("Invalid record timestamp {timestamp}"))
}

/// Names of source partitions, each with the rows that belong to it.
pub(super) type PartitionRuns = Vec<(Arc<str>, Range<u32>)>;

/// The rows of a polled batch as runs of one source partition each, whose JSON names it. `recent`
/// remembers the name from batch to batch.
///
/// # Errors
///
/// A source partition that cannot be stored.
pub(super) fn partition_runs(table: &Table<'_>, recent: &mut Option<Arc<str>>) -> Result<PartitionRuns, String> {
    let column = table.get(Role::SOURCE_PARTITION);
    let mut runs = PartitionRuns::new();
    let mut begin = 0;
    while begin < table.rows {
        let mut end = if column.is_none_or(is_uniform) { table.rows } else { begin + 1 };
        while end < table.rows && column.is_some_and(|column| same(column, begin as usize, end as usize)) {
            end += 1;
        }
        let json = match column {
            None => None,
            Some(column) => row_json(column, begin as usize, &table.schemas)?,
        };
        let json = json.as_deref().unwrap_or("null");
        let name = match recent {
            Some(name) if **name == *json => Arc::clone(name),
            _ => recent.insert(Arc::from(json)).clone(),
        };
        runs.push((name, begin..end));
        begin = end;
    }
    Ok(runs)
}

/// Whether all rows of a column are one. May say no where they are, never yes where they are not.
fn is_uniform(column: &Column<'_>) -> bool {
    let composite = matches!(column.kind, Kind::Object | Kind::Struct);
    column.constant || (composite && column.is_full() && column.children.iter().all(is_uniform))
}

/// Whether two rows of a column are the same. May say no where they are equal, never yes where they
/// differ.
fn same(column: &Column<'_>, a: usize, b: usize) -> bool {
    if column.constant {
        return true;
    }
    if column.is_null(a) || column.is_null(b) {
        return column.is_null(a) == column.is_null(b) && column.is_present(a) == column.is_present(b);
    }
    match column.kind {
        Kind::Object | Kind::Struct => column.children.iter().all(|child| same(child, a, b)),
        Kind::Bool => column.boolean(a) == column.boolean(b),
        Kind::List | Kind::Map => false,
        kind => match kind.width() {
            Some(width) => column.data[a * width..(a + 1) * width] == column.data[b * width..(b + 1) * width],
            None => column.bytes(a) == column.bytes(b),
        },
    }
}

/// A source partition or offset for people: one that cannot be stored, or is null, shows as `null`.
pub(super) fn shown_json(table: &Table<'_>, role: Role, at: usize) -> String {
    match table.get(role).map(|column| row_json(column, at, &table.schemas)) {
        Some(Ok(Some(json))) => json,
        _ => "null".to_owned(),
    }
}

/// Where a source record comes from and was to go.
pub(super) fn source_position(polled: &Batch, row: u32) -> String {
    let table = polled.open();
    let at = row as usize;
    let json = |role| shown_json(&table, role, at);
    format!(
        "{{topic='{}', sourcePartition={}, sourceOffset={}}}",
        table.topic(at).unwrap_or("null"),
        json(Role::SOURCE_PARTITION),
        json(Role::SOURCE_OFFSET),
    )
}

/// Which polled records a batch holds.
pub(super) fn source_span(polled: &Batch) -> String {
    match polled.rows() {
        0 => "no records".to_owned(),
        1 => source_position(polled, 0),
        rows => format!("{rows} records from {} to {}", source_position(polled, 0), source_position(polled, rows - 1)),
    }
}

/// What the log line of a failed source record says, if the user wants to see records there.
pub(super) fn source_record(polled: &Batch, row: u32) -> String {
    let table = polled.open();
    let at = row as usize;
    let json = |role| shown_json(&table, role, at);
    let number = |role| table.integer(role, at).map_or("null".to_owned(), |number| number.to_string());
    let (key, value) = (table.datum(Side::Key, at).1, table.datum(Side::Value, at).1);
    format!(
        "source record is = SourceRecord{{sourcePartition={}, sourceOffset={}}} ConnectRecord{{topic='{}', kafkaPartition={}, key={key:?}, value={value:?}, timestamp={}}}",
        json(Role::SOURCE_PARTITION),
        json(Role::SOURCE_OFFSET),
        table.topic(at).unwrap_or("null"),
        number(Role::PARTITION),
        number(Role::TIMESTAMP),
    )
}
