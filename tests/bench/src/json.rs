//! Messages of JSON, and the native converter between them and batches.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use millstream_connector::{ByteColumn, Converter, ConverterRole, InputRow, RowInput};
use millstream_record::batch::{Batch, Column, Kind, Role, Side, Table, UnionBuilder};

/// A JSON converter whose messages carry their schema, or do not.
pub fn converter(schemas: bool) -> Box<dyn Converter> {
    let config = [("schemas.enable".to_owned(), Some(schemas.to_string()))].into_iter().collect();
    millstream_convert::native("JsonConverter", ConverterRole::Value, &config)
        .expect("it is one of Connect's own")
        .expect("the configuration is good")
}

/// Messages as they come out of a topic.
pub struct Messages(Vec<Option<Vec<u8>>>);

impl Messages {
    /// Messages in their order; `None` is a tombstone.
    pub fn new(messages: Vec<Option<Vec<u8>>>) -> Self {
        Self(messages)
    }

    /// Those that are no tombstones.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flatten().map(Vec::as_slice)
    }
}

impl RowInput for Messages {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, at: usize) -> InputRow<'_> {
        InputRow { bytes: self.0[at].as_deref() }
    }
}

/// Reads messages into a batch with an envelope.
pub fn decode(converter: &mut dyn Converter, messages: &Messages) -> Batch {
    let rows = messages.len() as u32;
    let mut table = Table::new(rows);
    let (mut values, mut errors) = (UnionBuilder::default(), Vec::new());
    ready(converter.to_connect("orders", messages, &mut table.schemas, &mut values, &mut errors)).expect("it reads");
    assert!(errors.is_empty(), "{errors:?}");
    table.values = values.finish(&mut table.schemas).expect("few schemas");
    table.set(Role::TOPIC, Column::constant_str(rows, "orders"));
    table.set(Role::PARTITION, Column::new(Kind::Int32, rows, vec![0; messages.len() * 4]));
    table.set(Role::OFFSET, Column::int64s(Kind::Int64, 0..i64::from(rows)));
    table.set(Role::TIMESTAMP, Column::int64s(Kind::Int64, (0..i64::from(rows)).map(|row| 1_700_000_000_000 + row)));
    table.into_batch()
}

/// Writes values of batches as JSON, into memory that it keeps.
pub struct Encoder {
    converter: Box<dyn Converter>,
    out: ByteColumn,
    errors: Vec<millstream_connector::RowError>,
}

impl Encoder {
    /// An encoder that asks this converter.
    pub fn new(converter: Box<dyn Converter>) -> Self {
        Self { converter, out: ByteColumn::default(), errors: Vec::new() }
    }

    /// The values of a batch, none of which fails.
    pub fn encode(&mut self, batch: &Batch) -> &ByteColumn {
        self.out.clear();
        ready(self.converter.from_connect(batch, Side::Value, &mut self.out, &mut self.errors)).expect("it writes");
        assert!(self.errors.is_empty(), "{:?}", self.errors);
        &self.out
    }
}

/// The value of a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("native converters compute and never wait"),
    }
}
