//! Header converters that come as plugins: they get the headers of many records in one batch, with nothing else of
//! the records but their topics.

use std::collections::HashSet;

use millstream_connector::{ByteColumn, ErrorKind, Failure, HeaderBatchConverter, Outcome, PluginError, RowError};
use millstream_record::{
    Value,
    batch::{Batch, Column, HeaderRef, HeadersBuilder, Role, SchemaTable, Table, VariantRef},
};

use crate::error_policy::in_header;
use crate::record_headers::{push_header, push_varint};

/// A row whose headers were refused, and why; the failure names the header if the converter refuses it alone too.
pub(crate) type Refused = (u32, Failure);

/// Which way a converter converts.
#[derive(Clone, Copy, Debug)]
enum Way {
    ToData,
    ToBytes,
}

impl Way {
    async fn call(self, converter: &mut dyn HeaderBatchConverter, records: &Batch) -> Result<Outcome, PluginError> {
        match self {
            Self::ToData => converter.to_connect(records).await,
            Self::ToBytes => converter.from_connect(records).await,
        }
    }
}

/// Converts the headers of records to be produced, in the form in which a record carries them. Appends nothing if no
/// record has a header.
///
/// # Errors
///
/// The converter broke.
pub(crate) async fn to_bytes(
    converter: &mut dyn HeaderBatchConverter,
    records: &Table<'_>,
    out: &mut ByteColumn,
) -> Result<Vec<Refused>, PluginError> {
    if records.get(Role::HEADERS).is_none() {
        return Ok(Vec::new());
    }
    let mut alone = Table::new(records.rows);
    alone.schemas = records.schemas.clone();
    for role in [Role::TOPIC, Role::HEADERS, Role::SELECTION] {
        if let Some(column) = records.get(role) {
            alone.set(role, column.clone());
        }
    }
    let given = alone.into_batch();
    let outcome = Way::ToBytes.call(converter, &given).await?;
    let converted = outcome.batch.open();
    for row in 0..converted.rows as usize {
        let headers = converted.get(Role::HEADERS).filter(|_| converted.is_selected(row));
        let count = headers.map_or(0, |column| column.headers(row).count());
        if count != 0 {
            push_varint(out.buffer(), i32::try_from(count).unwrap_or(i32::MAX));
        }
        for header in headers.into_iter().flat_map(|column| column.headers(row)) {
            let value = match header.value.read() {
                VariantRef::Bytes(bytes) => Some(bytes),
                // Nothing but null: the plugin's host has made sure of it.
                _ => None,
            };
            push_header(out.buffer(), header.key.as_bytes(), value);
        }
        out.end_row();
    }
    named(converter, Way::ToBytes, &given.open(), outcome.errors).await
}

/// Converts the headers of consumed records, given as keys and bytes of each row, and appends them to `headers`.
///
/// # Errors
///
/// The converter broke.
pub(crate) async fn to_data<'a>(
    converter: &mut dyn HeaderBatchConverter,
    topics: Column<'static>,
    rows: impl Iterator<Item = Vec<(String, Option<&'a [u8]>)>>,
    headers: &mut HeadersBuilder,
    schemas: &mut SchemaTable<'static>,
) -> Result<Vec<Refused>, PluginError> {
    let mut bytes = HeadersBuilder::default();
    for row in rows {
        for (key, value) in row {
            let value = value.map_or(Value::Null, |value| Value::Bytes(value.to_vec()));
            // Bytes and nulls without a schema fit into every batch.
            bytes.push(&key, None, &value, &mut SchemaTable::default()).expect("bytes can be carried");
        }
        bytes.end_row();
    }
    let mut alone = Table::new(topics.rows);
    alone.set(Role::TOPIC, topics);
    if let Some(column) = bytes.finish() {
        alone.set(Role::HEADERS, column);
    }
    let given = alone.into_batch();
    let outcome = Way::ToData.call(converter, &given).await?;
    let converted = outcome.batch.open();
    let mut troubles = named(converter, Way::ToData, &given.open(), outcome.errors).await?;
    for row in 0..converted.rows {
        let at = row as usize;
        let column = converted.get(Role::HEADERS).filter(|_| converted.is_selected(at));
        for header in column.into_iter().flat_map(|column| column.headers(at)) {
            let (schema, value) = header.datum(&converted.schemas);
            if let Err(error) = headers.push(header.key, schema.as_ref(), &value, schemas) {
                let failure = Failure::new(ErrorKind::Data, "", error.to_string());
                troubles.push((row, in_header(failure, header.key)));
                break;
            }
        }
        headers.end_row();
    }
    Ok(troubles)
}

/// Names the header of each refused row: a converter names the row alone, so that it is asked about each header of it
/// once more where there are several.
async fn named(
    converter: &mut dyn HeaderBatchConverter,
    way: Way,
    given: &Table<'_>,
    errors: Vec<RowError>,
) -> Result<Vec<Refused>, PluginError> {
    let mut culprits: Vec<Option<&str>> = vec![None; errors.len()];
    let mut asked = Vec::new();
    for (at, error) in errors.iter().enumerate() {
        let headers: Vec<_> =
            given.get(Role::HEADERS).into_iter().flat_map(|all| all.headers(error.row as usize)).collect();
        match headers.as_slice() {
            [only] => culprits[at] = Some(only.key),
            several => asked.extend(several.iter().map(|header| (at, *header))),
        }
    }
    // A batch may have as many rows as the one that was given, whatever the limits are.
    for piece in asked.chunks((given.rows as usize).max(1)) {
        let rows = piece.iter().map(|(at, header)| (errors[*at].row as usize, header));
        let outcome = way.call(converter, &one_header_a_row(given, rows)).await?;
        let refused: HashSet<u32> = outcome.errors.iter().map(|error| error.row).collect();
        for (row, (at, header)) in (0..).zip(piece) {
            if refused.contains(&row) {
                culprits[*at].get_or_insert(header.key);
            }
        }
    }
    let name = |(RowError { row, failure, .. }, culprit): (RowError, Option<&str>)| match culprit {
        Some(key) => (row, in_header(failure, key)),
        None => (row, failure),
    };
    Ok(errors.into_iter().zip(culprits).map(name).collect())
}

/// Records with a header each: one of the row of `given` it comes from.
fn one_header_a_row<'a>(given: &Table<'_>, rows: impl Iterator<Item = (usize, &'a HeaderRef<'a>)>) -> Batch {
    let mut headers = HeadersBuilder::default();
    let mut topics = Vec::new();
    for (row, header) in rows {
        topics.push(given.topic(row).unwrap_or_default());
        headers.push_raw(header);
        headers.end_row();
    }
    let mut table = Table::new(topics.len() as u32);
    table.schemas = given.schemas.clone();
    table.set(Role::TOPIC, Column::strings(topics));
    if let Some(column) = headers.finish() {
        table.set(Role::HEADERS, column);
    }
    table.into_batch()
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;

    /// Refuses every row with a header `bad…`, the last first, as a plugin does: it names the row and a field.
    struct Picky {
        calls: usize,
    }

    impl Picky {
        fn outcome(&mut self, records: &Batch) -> Outcome {
            self.calls += 1;
            let mut table = records.open();
            let column = table.get(Role::HEADERS).cloned();
            let refuses = |row: &usize| {
                column.as_ref().is_some_and(|all| all.headers(*row).any(|header| header.key.starts_with("bad")))
            };
            let refused: Vec<usize> = (0..table.rows as usize).filter(refuses).collect();
            table.deselect(refused.iter().copied());
            let error = |row: usize| {
                let mut failure = Failure::new(ErrorKind::Data, "", "no number");
                failure.at = Some("field count".to_owned());
                RowError { row: row as u32, link: 0, failure, field: None }
            };
            Outcome { errors: refused.into_iter().rev().map(error).collect(), batch: table.into_batch() }
        }
    }

    #[async_trait]
    impl HeaderBatchConverter for Picky {
        fn class(&self) -> &str {
            "Picky"
        }
        async fn to_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError> {
            Ok(self.outcome(records))
        }
        async fn from_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError> {
            Ok(self.outcome(records))
        }
    }

    const ROWS: [&[&str]; 4] = [&["good", "bad-a", "bad-b"], &["good", "better"], &["bad-alone"], &["x", "y", "bad-z"]];

    fn places(refused: Vec<Refused>) -> Vec<(u32, String)> {
        let mut places: Vec<_> = refused.into_iter().map(|(row, failure)| (row, failure.trace())).collect();
        places.sort();
        places
    }

    fn expected() -> Vec<(u32, String)> {
        let trace =
            |key| format!("org.apache.kafka.connect.errors.DataException: no number\n\tat header {key}, field count\n");
        vec![(0, trace("bad-a")), (2, trace("bad-alone")), (3, trace("bad-z"))]
    }

    #[tokio::test]
    async fn a_consumed_header_that_a_plugin_refuses_is_named() {
        let mut picky = Picky { calls: 0 };
        let rows = ROWS.iter().map(|keys| keys.iter().map(|key| ((*key).to_owned(), Some(&b"1"[..]))).collect());
        let (mut headers, mut schemas) = (HeadersBuilder::default(), SchemaTable::default());
        let topics = Column::constant_str(4, "lines");
        let refused = to_data(&mut picky, topics, rows, &mut headers, &mut schemas).await.unwrap();
        assert_eq!(places(refused), expected());
        assert_eq!(picky.calls, 3, "six headers of rows with several are asked about, at most four at a time");
    }

    #[tokio::test]
    async fn a_header_to_be_produced_that_a_plugin_refuses_is_named() {
        let mut picky = Picky { calls: 0 };
        let mut table = Table::new(4);
        let mut headers = HeadersBuilder::default();
        for keys in ROWS {
            keys.iter().for_each(|key| headers.push(key, None, &"1".into(), &mut table.schemas).unwrap());
            headers.end_row();
        }
        table.set(Role::TOPIC, Column::constant_str(4, "lines"));
        table.set(Role::HEADERS, headers.finish().unwrap());
        let refused = to_bytes(&mut picky, &table.into_batch().open(), &mut ByteColumn::default()).await.unwrap();
        assert_eq!(places(refused), expected());
    }
}
