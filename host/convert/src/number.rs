//! The converters for single numbers and booleans: fixed-width, big-endian.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_connector::{
    ByteColumn, Converter, ErrorKind, Failure, HeaderConverter, PluginError, RowError, RowInput,
};
use millstream_record::{
    Schema, SchemaType, Value,
    batch::{Batch, SchemaTable, Side, UnionBuilder},
};

use crate::{
    definitions,
    rows::write_rows,
    trees::{class_text, data, row_error},
};

/// The converter of one number class.
pub struct NumberConverter {
    class: &'static str,
    /// Connect's word in messages.
    word: &'static str,
    schema: Arc<Schema>,
}

impl NumberConverter {
    /// The converter of a class; unknown classes convert booleans.
    pub fn of_class(class: &'static str) -> Self {
        let (word, kind) = match class {
            definitions::SHORT => ("short", SchemaType::Int16),
            definitions::INTEGER => ("integer", SchemaType::Int32),
            definitions::LONG => ("long", SchemaType::Int64),
            definitions::FLOAT => ("float", SchemaType::Float32),
            definitions::DOUBLE => ("double", SchemaType::Float64),
            _ => ("boolean", SchemaType::Boolean),
        };
        Self { class, word, schema: Arc::new(Schema::new(kind).optional()) }
    }

    fn read(&self, bytes: &[u8]) -> Result<Value, Failure> {
        let value = match self.schema.kind {
            SchemaType::Int16 => bytes.try_into().ok().map(i16::from_be_bytes).map(Value::Int16),
            SchemaType::Int32 => bytes.try_into().ok().map(i32::from_be_bytes).map(Value::Int32),
            SchemaType::Int64 => bytes.try_into().ok().map(i64::from_be_bytes).map(Value::Int64),
            SchemaType::Float32 => bytes.try_into().ok().map(f32::from_be_bytes).map(Value::Float32),
            SchemaType::Float64 => bytes.try_into().ok().map(f64::from_be_bytes).map(Value::Float64),
            _ => match bytes {
                [0] => Some(Value::Boolean(false)),
                [1] => Some(Value::Boolean(true)),
                _ => None,
            },
        };
        value.ok_or_else(|| self.cannot_read(bytes))
    }

    /// The failure with the deserializer's own words as its cause, as in Connect.
    #[cold]
    fn cannot_read(&self, bytes: &[u8]) -> Failure {
        let name = self.class.rsplit('.').next().unwrap_or(self.class).trim_end_matches("Converter");
        let size = match self.schema.kind {
            SchemaType::Int16 => 2,
            SchemaType::Int32 | SchemaType::Float32 => 4,
            SchemaType::Int64 | SchemaType::Float64 => 8,
            _ => 1,
        };
        let reason = match bytes {
            [byte] if size == 1 => format!("Unexpected byte received by {name}Deserializer: {byte}, wanted 0 or 1"),
            _ => format!("Size of data received by {name}Deserializer is not {size} but {}", bytes.len()),
        };
        let class = "org.apache.kafka.common.errors.SerializationException";
        let message = format!("Failed to deserialize {}: ", self.word);
        Failure::new(ErrorKind::Data, class, reason).caused(ErrorKind::Data, "", message)
    }

    fn write(&self, schema: Option<&Arc<Schema>>, value: &Value, out: &mut Vec<u8>) -> Result<(), Failure> {
        match (&self.schema.kind, value) {
            (SchemaType::Boolean, _) if schema.is_some_and(|schema| schema.kind != SchemaType::Boolean) => {
                let kind = schema.map_or("", |schema| schema.kind.name());
                return Err(data(format!("Invalid schema type for BooleanConverter: {kind}")));
            }
            (SchemaType::Int16, Value::Int16(value)) => out.extend(value.to_be_bytes()),
            (SchemaType::Int32, Value::Int32(value)) => out.extend(value.to_be_bytes()),
            (SchemaType::Int64, Value::Int64(value)) => out.extend(value.to_be_bytes()),
            (SchemaType::Float32, Value::Float32(value)) => out.extend(value.to_be_bytes()),
            (SchemaType::Float64, Value::Float64(value)) => out.extend(value.to_be_bytes()),
            (SchemaType::Boolean, Value::Boolean(value)) => out.push(u8::from(*value)),
            (SchemaType::Boolean, _) => {
                let class = class_text(value);
                return Err(data(format!("BooleanConverter is not compatible with objects of type {class}")));
            }
            _ => {
                let class = class_text(value);
                return Err(data(format!("Failed to serialize to {} (was {class}): ", self.word)));
            }
        }
        Ok(())
    }

    /// Booleans mind their schema even where the value is null.
    fn check_null(&self, schema: Option<&Arc<Schema>>) -> Result<(), Failure> {
        match schema {
            Some(schema) if self.schema.kind == SchemaType::Boolean && schema.kind != SchemaType::Boolean => {
                Err(data(format!("Invalid schema type for BooleanConverter: {}", schema.kind.name())))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Converter for NumberConverter {
    fn class(&self) -> &str {
        self.class
    }

    async fn to_connect(
        &mut self,
        _topic: &str,
        input: &dyn RowInput,
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError> {
        for at in 0..input.len() {
            let read = input.row(at).bytes.map_or(Ok(Value::Null), |bytes| self.read(bytes));
            let (schema, value) = match read {
                Ok(value) => (Some(&self.schema), value),
                Err(failure) => {
                    errors.push(row_error(at, failure));
                    (None, Value::Null)
                }
            };
            if out.push(schema, &value, schemas).is_err() {
                return Ok(at);
            }
        }
        Ok(input.len())
    }

    async fn from_connect(
        &mut self,
        batch: &Batch,
        side: Side,
        out: &mut ByteColumn,
        errors: &mut Vec<RowError>,
    ) -> Result<(), PluginError> {
        let table = batch.open();
        write_rows(&table, side, out, errors, |row, out| {
            match row.column {
                Some(column) if !column.is_null(row.row) => {
                    self.write(row.schema, &column.value(row.row, row.schema, &table.schemas), out.buffer())?;
                    out.end_row();
                }
                _ => {
                    self.check_null(row.schema)?;
                    out.push_null();
                }
            }
            Ok(())
        });
        Ok(())
    }
}

impl HeaderConverter for NumberConverter {
    fn class(&self) -> &str {
        self.class
    }

    fn to_connect(&mut self, _: &str, _: &str, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value), Failure> {
        let value = bytes.map_or(Ok(Value::Null), |bytes| self.read(bytes))?;
        Ok((Some(Arc::clone(&self.schema)), value))
    }

    fn from_connect(
        &mut self,
        _: &str,
        _: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if value.is_null() {
            self.check_null(schema)?;
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.write(schema, value, &mut bytes)?;
        Ok(Some(bytes))
    }
}
