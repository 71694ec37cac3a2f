//! What every world of fakes is made of: a worker over them, a config log, a converter, records as a consumer returns
//! them.
//!
//! Nothing here goes wrong by itself. A world hands in what does: by a script in [`crate::scripted`], by a seed in
//! [`crate::World`].

pub mod config_log;
pub mod text;
mod worker;

use bytes::Bytes;
use millstream_connector::TopicPartition;
use millstream_record::{
    TopicName, Value,
    batch::{Side, Table},
};
use millstream_runtime::kafka::{FetchedRecords, RecordSlot};

pub use worker::{Fakes, HEADER_CONVERTER, class, info};

/// Values of a batch that are all texts.
pub fn texts_of(table: &Table<'_>) -> Vec<String> {
    let text = |(_, value): (_, Value)| match value {
        Value::String(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    table.data(Side::Value).into_iter().map(text).collect()
}

/// Records of a partition with these offsets and values.
pub fn fetched(partition: &TopicPartition, values: impl IntoIterator<Item = (i64, String)>) -> FetchedRecords {
    let (mut buffer, mut records) = (Vec::new(), Vec::new());
    for (offset, value) in values {
        let begin = buffer.len() as u32;
        buffer.extend_from_slice(value.as_bytes());
        records.push(RecordSlot {
            offset,
            timestamp: -1,
            timestamp_type: 0,
            key: None,
            value: Some(begin..buffer.len() as u32),
            header_count: 0,
            headers: 0..0,
        });
    }
    let topic = TopicName::parse(&partition.topic).expect("a name of a topic");
    FetchedRecords { topic, partition: partition.partition, buffer: Bytes::from(buffer), records }
}
