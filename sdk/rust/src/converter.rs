//! Converters: data of records to and from the bytes that a topic keeps.

use std::sync::Arc;

use crate::{
    Error, Info, PluginKind, Record, Records, Result, RowError, Schema, Value,
    batch::{HeadersBuilder, Role, Side, UnionBuilder},
    config::PluginConfig,
    record::Reader,
};

/// What a converter works on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConverterRole {
    /// The key of each record.
    Key,
    /// The value of each record.
    Value,
    /// The values of all headers of each record.
    Header,
}

/// A converter over whole batches. [`RowConverter`] is the comfortable way.
///
/// Bytes are schemaless values of the kind bytes, or null.
pub trait Converter: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Whether it is for keys and values, or for headers.
    const KIND: PluginKind = PluginKind::Converter;
    /// Its configuration.
    type Config: PluginConfig;

    /// The converter, ready for use by one task.
    ///
    /// # Errors
    ///
    /// The task fails with it before it starts.
    fn configure(config: Self::Config, role: ConverterRole) -> Result<Self>;

    /// Replaces the role's bytes of the active rows by data.
    ///
    /// # Errors
    ///
    /// The batch as a whole failed; a row alone goes to [`Records::fail`].
    fn to_connect(&mut self, records: &mut Records<'_>) -> Result<()>;

    /// Replaces the role's data of the active rows by bytes.
    ///
    /// # Errors
    ///
    /// The batch as a whole failed; a row alone goes to [`Records::fail`].
    #[expect(clippy::wrong_self_convention, reason = "the name is Connect's")]
    fn from_connect(&mut self, records: &mut Records<'_>) -> Result<()>;
}

/// What is being converted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subject<'a> {
    /// Topic of the record.
    pub topic: &'a str,
    /// Key of the header, when headers are converted.
    pub header: Option<&'a str>,
}

/// A converter that looks at one key, value or header at a time. List it as `RowsInRole<MyConverter>` in
/// [`plugin!`](crate::plugin!).
pub trait RowConverter: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Whether it is for keys and values, or for headers.
    const KIND: PluginKind = PluginKind::Converter;
    /// Its configuration.
    type Config: PluginConfig;

    /// The converter, ready for use by one task.
    ///
    /// # Errors
    ///
    /// The task fails with it before it starts.
    fn configure(config: Self::Config, role: ConverterRole) -> Result<Self>;

    /// Schema and value of some bytes; `None` stands for null.
    ///
    /// # Errors
    ///
    /// The record has failed.
    fn to_connect(&mut self, subject: Subject<'_>, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value)>;

    /// The bytes of a value; `None` stands for null.
    ///
    /// # Errors
    ///
    /// The record has failed.
    #[expect(clippy::wrong_self_convention, reason = "the name is Connect's")]
    fn from_connect(
        &mut self,
        subject: Subject<'_>,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>>;
}

/// Makes a [`Converter`] of a [`RowConverter`].
#[derive(Debug)]
pub struct RowsInRole<C> {
    converter: C,
    role: ConverterRole,
}

impl<C: RowConverter> Converter for RowsInRole<C> {
    const INFO: Info = C::INFO;
    const KIND: PluginKind = C::KIND;
    type Config = C::Config;

    fn configure(config: C::Config, role: ConverterRole) -> Result<Self> {
        Ok(Self { converter: C::configure(config, role)?, role })
    }

    fn to_connect(&mut self, records: &mut Records<'_>) -> Result<()> {
        let converter = &mut self.converter;
        convert(records, self.role, |subject, _, value| match value {
            Value::Null => converter.to_connect(subject, None),
            Value::Bytes(bytes) => converter.to_connect(subject, Some(bytes)),
            other => Err(Error::data(format!("expected bytes to convert, found a {}", other.java_class()))),
        })
    }

    fn from_connect(&mut self, records: &mut Records<'_>) -> Result<()> {
        let converter = &mut self.converter;
        convert(records, self.role, |subject, schema, value| {
            let bytes = converter.from_connect(subject, schema, value)?;
            Ok((None, bytes.map_or(Value::Null, Value::Bytes)))
        })
    }
}

/// Replaces what the role names in every active row.
fn convert(
    records: &mut Records<'_>,
    role: ConverterRole,
    mut each: impl FnMut(Subject<'_>, Option<&Arc<Schema>>, &Value) -> Result<(Option<Arc<Schema>>, Value)>,
) -> Result<()> {
    let mut schemas = records.schemas.clone();
    let mut union = UnionBuilder::default();
    let mut headers = HeadersBuilder::default();
    let mut failed = Vec::new();
    let reader = Reader::new(records);
    for (row, key, value) in reader.places() {
        let active = records.is_active(row);
        if role == ConverterRole::Header {
            let Some(column) = records.get(Role::HEADERS) else { return Ok(()) };
            let subject = Subject { topic: records.topic(row).unwrap_or_default(), header: None };
            for header in column.headers(row).filter(|_| active) {
                let (schema, value) = header.datum(&records.schemas);
                let subject = Subject { header: Some(header.key), ..subject };
                let converted = each(subject, schema.as_ref(), &value)
                    .and_then(|(schema, value)| Ok(headers.push(header.key, schema.as_ref(), &value, &mut schemas)?));
                if let Err(error) = converted {
                    failed.push(RowError::new(row, error));
                    break;
                }
            }
            headers.end_row();
            continue;
        }
        let mut converted = Ok(());
        if active {
            let Record { topic, key_schema, key, value_schema, value, .. } = reader.record(row, key, value);
            let (schema, value) = if role == ConverterRole::Key { (key_schema, key) } else { (value_schema, value) };
            let subject = Subject { topic: &topic, header: None };
            converted = each(subject, schema.as_ref(), &value)
                .and_then(|(schema, value)| Ok(union.push(schema.as_ref(), &value, &mut schemas)?));
        }
        if let Err(error) = converted {
            failed.push(RowError::new(row, error));
        }
        // Rows that are not under way, or have just failed, keep their places.
        if union.rows() == row {
            union.push(None, &Value::Null, &mut schemas)?;
        }
    }
    match role {
        ConverterRole::Header => {
            records.remove(Role::HEADERS);
            if let Some(headers) = headers.finish() {
                records.set(Role::HEADERS, headers);
            }
        }
        ConverterRole::Key => *records.side_mut(Side::Key) = union.finish(&mut schemas)?,
        ConverterRole::Value => *records.side_mut(Side::Value) = union.finish(&mut schemas)?,
    }
    records.schemas = schemas;
    failed.into_iter().for_each(|error| records.fail(error));
    Ok(())
}
