//! What every world of fakes is made of: a worker over them, a config log, a converter, records as a consumer returns
//! them.
//!
//! Nothing here goes wrong by itself. A world hands in what does: by a script in [`crate::scripted`], by a seed in
//! [`crate::World`].

pub mod config_log;
pub mod group;
mod leader;
pub mod text;
pub mod topic;
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

/// A record as a consumer returns it.
pub struct Fetched {
    /// Where it is.
    pub offset: i64,
    /// What it says.
    pub value: String,
    /// Key and value of its header, if it has one.
    pub header: Option<(&'static str, String)>,
}

/// A length as records carry it: zig-zag, seven bits a byte.
fn push_length(buffer: &mut Vec<u8>, length: usize) {
    let mut rest = length << 1;
    while 0x7f < rest {
        buffer.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.push(rest as u8);
}

/// Records of a partition.
pub fn fetched(partition: &TopicPartition, of: impl IntoIterator<Item = Fetched>) -> FetchedRecords {
    let (mut buffer, mut records) = (Vec::new(), Vec::new());
    for Fetched { offset, value, header } in of {
        let begin = buffer.len() as u32;
        buffer.extend_from_slice(value.as_bytes());
        let end = buffer.len() as u32;
        for text in header.iter().flat_map(|(key, value)| [key, value.as_str()]) {
            push_length(&mut buffer, text.len());
            buffer.extend_from_slice(text.as_bytes());
        }
        records.push(RecordSlot {
            offset,
            timestamp: -1,
            timestamp_type: 0,
            key: None,
            value: Some(begin..end),
            header_count: u32::from(header.is_some()),
            headers: end..buffer.len() as u32,
        });
    }
    let topic = TopicName::parse(&partition.topic).expect("a name of a topic");
    FetchedRecords { topic, partition: partition.partition, buffer: Bytes::from(buffer), records }
}
