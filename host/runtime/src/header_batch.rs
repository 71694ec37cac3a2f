//! Header converters that come as plugins: they get the headers of many records in one batch, with nothing else of
//! the records but their topics.

use millstream_connector::{ByteColumn, Failure, HeaderBatchConverter, PluginError, RowError};
use millstream_record::{
    Value,
    batch::{Column, HeadersBuilder, Role, SchemaTable, Table, VariantRef},
};

use crate::record_headers::{push_header, push_varint};

/// A row whose headers were refused, and why.
pub(crate) type Refused = (u32, Failure);

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
    let outcome = converter.from_connect(&alone.into_batch()).await?;
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
    Ok(outcome.errors.into_iter().map(refused).collect())
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
    let outcome = converter.to_connect(&alone.into_batch()).await?;
    let converted = outcome.batch.open();
    let mut troubles: Vec<Refused> = outcome.errors.into_iter().map(refused).collect();
    for row in 0..converted.rows {
        let at = row as usize;
        let column = converted.get(Role::HEADERS).filter(|_| converted.is_selected(at));
        for header in column.into_iter().flat_map(|column| column.headers(at)) {
            let (schema, value) = header.datum(&converted.schemas);
            if let Err(error) = headers.push(header.key, schema.as_ref(), &value, schemas) {
                troubles.push((row, Failure::new(millstream_connector::ErrorKind::Data, "", error.to_string())));
                break;
            }
        }
        headers.end_row();
    }
    Ok(troubles)
}

fn refused(RowError { row, failure, .. }: RowError) -> Refused {
    (row, failure)
}
