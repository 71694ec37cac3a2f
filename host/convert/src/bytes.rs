//! ByteArrayConverter: bytes as they are.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use millstream_connector::{ByteColumn, Converter, Failure, HeaderConverter, PluginError, RowError, RowInput};
use millstream_record::{
    Schema, SchemaType, Value,
    batch::{Batch, Kind, SchemaTable, Side, UnionBuilder},
};

use crate::{
    definitions,
    rows::{lend_rows, write_rows},
    trees::{class_text, data},
};

/// Bytes as they are, in both directions; any other value is refused.
pub struct ByteArrayConverter;

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::new(SchemaType::Bytes).optional()));

fn check_schema(schema: Option<&Arc<Schema>>) -> Result<(), Failure> {
    match schema {
        Some(schema) if schema.kind != SchemaType::Bytes => {
            Err(data(format!("Invalid schema type for ByteArrayConverter: {}", schema.kind.name())))
        }
        _ => Ok(()),
    }
}

fn bytes_of(schema: Option<&Arc<Schema>>, value: Value) -> Result<Option<Vec<u8>>, Failure> {
    check_schema(schema)?;
    match value {
        Value::Null => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        other => {
            let class = class_text(&other);
            Err(data(format!("ByteArrayConverter is not compatible with objects of type {class}")))
        }
    }
}

#[async_trait]
impl Converter for ByteArrayConverter {
    fn class(&self) -> &str {
        definitions::BYTE_ARRAY
    }

    async fn to_connect(
        &mut self,
        _topic: &str,
        input: &dyn RowInput,
        _schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        _errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError> {
        for at in 0..input.len() {
            let Some(builder) = out.row(Some(&SCHEMA)) else { return Ok(at) };
            match input.row(at).bytes {
                None => builder.push_null(),
                Some(bytes) => builder.push_bytes(bytes),
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
        let fits = |schema: &Option<Arc<Schema>>| check_schema(schema.as_ref()).is_ok();
        let fitting = table.side(side).blocks.iter().all(|block| fits(&table.schema_of(block)));
        if out.is_empty() && fitting && lend_rows(batch, &table, side, Kind::Bytes, out) {
            return Ok(());
        }
        write_rows(&table, side, out, errors, |row, out| {
            check_schema(row.schema)?;
            match row.column {
                Some(column) if column.kind == Kind::Bytes && !column.is_null(row.row) => {
                    out.push(column.bytes(row.row))
                }
                Some(column) => match bytes_of(row.schema, column.value(row.row, row.schema, &table.schemas))? {
                    None => out.push_null(),
                    Some(bytes) => out.push(&bytes),
                },
                None => out.push_null(),
            }
            Ok(())
        });
        Ok(())
    }
}

impl HeaderConverter for ByteArrayConverter {
    fn class(&self) -> &str {
        definitions::BYTE_ARRAY
    }

    fn to_connect(&mut self, _: &str, _: &str, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value), Failure> {
        Ok((Some(Arc::clone(&SCHEMA)), bytes.map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec()))))
    }

    fn from_connect(
        &mut self,
        _: &str,
        _: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure> {
        bytes_of(schema, value.clone())
    }
}
