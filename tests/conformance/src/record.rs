//! Records of cases as batches, and batches as records again.

use millstream_connector::{Failure, Outcome};
use millstream_record::batch::{Batch, Role, Side};
use serde_json::Value as Json;

use crate::compare;
use crate::notation::{self, Datum, datum};

/// A record of a case.
#[derive(Clone, Debug)]
pub struct Record {
    /// Topic.
    pub topic: Option<String>,
    /// Partition.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Key.
    pub key: Datum,
    /// Value.
    pub value: Datum,
    /// Headers, in order.
    pub headers: Vec<(String, Datum)>,
    /// Of records that come from a topic.
    pub offset: Option<i64>,
}

/// What became of a record.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It went through.
    Record(Box<Record>),
    /// It was left out on purpose.
    Dropped,
    /// It failed.
    Failed(Failure),
}

impl Record {
    /// In the notation of the cases.
    pub fn read(json: &Json) -> Result<Self, String> {
        let integer = |name: &str| json.get(name).and_then(notation::integer);
        let part = |name: &str| datum(json.get(name).unwrap_or(&Json::Null));
        let header = |json: &Json| {
            let key = json.get("key").and_then(Json::as_str).ok_or("a header has no key")?;
            Ok((key.to_owned(), datum(json.get("data").unwrap_or(&Json::Null))?))
        };
        let headers = json.get("headers").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        Ok(Self {
            topic: json.get("topic").and_then(Json::as_str).map(str::to_owned),
            partition: integer("partition").map(|partition| partition as i32),
            timestamp: integer("timestamp"),
            key: part("key")?,
            value: part("value")?,
            headers: headers.iter().map(header).collect::<Result<_, String>>()?,
            offset: integer("offset"),
        })
    }

    /// Whether a record is one that comes from a topic.
    pub fn is_sink(&self) -> bool {
        self.offset.is_some()
    }

    /// Says where the record differs from the expected one.
    pub fn check(&self, expected: &Self) -> Result<(), String> {
        let envelope = |record: &Self| (record.topic.clone(), record.partition, record.timestamp, record.offset);
        if envelope(self) != envelope(expected) {
            return Err(format!(
                "topic, partition, timestamp, offset:\n found    {:?}\n expected {:?}",
                envelope(self),
                envelope(expected)
            ));
        }
        compare::datum("key", &self.key, &expected.key)?;
        compare::datum("value", &self.value, &expected.value)?;
        let keys = |record: &Self| record.headers.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        if keys(self) != keys(expected) {
            return Err(format!("header keys:\n found    {:?}\n expected {:?}", keys(self), keys(expected)));
        }
        let mut headers = self.headers.iter().zip(&expected.headers);
        headers.try_for_each(|((key, found), (_, expected))| compare::datum(&format!("header {key}"), found, expected))
    }
}

impl Ending {
    /// Says where an ending differs from another one.
    pub fn check(&self, other: &Self) -> Result<(), String> {
        match (self, other) {
            (Self::Record(record), Self::Record(other)) => record.check(other),
            (Self::Dropped, Self::Dropped) => Ok(()),
            (Self::Failed(failure), Self::Failed(other)) if failure == other => Ok(()),
            _ => Err(format!("found {self:?}, and then {other:?}")),
        }
    }
}

/// A batch of these records, checked as one that comes from a stranger.
pub fn batch(records: &[Record]) -> Result<Batch, String> {
    let of_scenario = |record: &Record| {
        let Record { topic, partition, timestamp, key, value, headers, offset } = record.clone();
        millstream_scenario::Record { topic, partition, timestamp, key, value, headers, offset, ..Default::default() }
    };
    millstream_scenario::batch(&records.iter().map(of_scenario).collect::<Vec<_>>())
}

/// A batch with one key or value.
pub fn side_batch(side: Side, (schema, value): &Datum) -> Result<Batch, String> {
    let nothing: Datum = (None, millstream_record::Value::Null);
    let datum = (schema.clone(), value.clone());
    let (key, value) = if side == Side::Key { (datum, nothing) } else { (nothing, datum) };
    let topic = Some("t".to_owned());
    batch(&[Record { topic, partition: None, timestamp: None, key, value, headers: Vec::new(), offset: None }])
}

/// What became of each of `count` records.
pub fn endings(outcome: &Outcome, count: usize) -> Vec<Ending> {
    let mut endings: Vec<Ending> = (0..count).map(|_| Ending::Dropped).collect();
    let table = outcome.batch.open();
    let (keys, values) = (table.data(Side::Key), table.data(Side::Value));
    for (row, (key, value)) in keys.into_iter().zip(values).enumerate().filter(|(row, _)| table.is_selected(*row)) {
        let headers = table.get(Role::HEADERS).map_or(Vec::new(), |column| {
            column.headers(row).map(|header| (header.key.to_owned(), header.datum(&table.schemas))).collect()
        });
        let record = Record {
            topic: table.topic(row).map(str::to_owned),
            partition: table.integer(Role::PARTITION, row).map(|partition| partition as i32),
            timestamp: table.integer(Role::TIMESTAMP, row),
            key,
            value,
            headers,
            offset: table.integer(Role::OFFSET, row),
        };
        let origin = table.integer(Role::ORIGIN, row).map_or(row, |origin| origin as usize);
        if let Some(ending) = endings.get_mut(origin) {
            *ending = Ending::Record(Box::new(record));
        }
    }
    for error in &outcome.errors {
        if let Some(ending) = endings.get_mut(error.row as usize) {
            *ending = Ending::Failed(error.failure.clone());
        }
    }
    endings
}
