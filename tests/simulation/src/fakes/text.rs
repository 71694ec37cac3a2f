//! A converter of texts.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_connector::{ByteColumn, Converter, Failure, HeaderConverter, PluginError, RowError, RowInput};
use millstream_record::{
    Schema, Value,
    batch::{Batch, SchemaTable, Side, UnionBuilder},
};

/// What befalls texts that are converted; nothing unless said.
pub trait TextFaults: Send + Sync {
    /// Whether the converter breaks, and why.
    fn breaks(&self) -> Option<PluginError> {
        None
    }

    /// Whether a text is refused.
    fn refuses(&self, text: &str) -> Option<Failure> {
        let _ = text;
        None
    }

    /// How many of so many rows one call makes data of.
    fn rows(&self, rows: usize) -> usize {
        rows
    }
}

impl TextFaults for () {}

/// Texts as they are.
pub struct Text<F> {
    /// What it is called.
    pub class: &'static str,
    /// What goes wrong.
    pub faults: F,
}

impl<F: TextFaults> Text<F> {
    fn refusal(&self, row: usize, text: Option<&str>) -> Option<RowError> {
        let failure = self.faults.refuses(text?)?;
        Some(RowError { row: row as u32, link: 0, failure, field: None })
    }
}

#[async_trait]
impl<F: TextFaults> Converter for Text<F> {
    fn class(&self) -> &str {
        self.class
    }

    async fn to_connect(
        &mut self,
        _: &str,
        input: &dyn RowInput,
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError> {
        self.faults.breaks().map_or(Ok(()), Err)?;
        let rows = self.faults.rows(input.len());
        for row in 0..rows {
            let text = input.row(row).bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let refusal = self.refusal(row, text.as_deref());
            let value = text.as_deref().filter(|_| refusal.is_none()).map_or(Value::Null, Value::from);
            out.push(None, &value, schemas).expect("a text fits into a batch");
            errors.extend(refusal);
        }
        Ok(rows)
    }

    async fn from_connect(
        &mut self,
        batch: &Batch,
        side: Side,
        out: &mut ByteColumn,
        errors: &mut Vec<RowError>,
    ) -> Result<(), PluginError> {
        self.faults.breaks().map_or(Ok(()), Err)?;
        let table = batch.open();
        for (row, (_, value)) in table.data(side).into_iter().enumerate() {
            let text = match &value {
                Value::String(text) => Some(text.as_ref()),
                _ => None,
            };
            let refusal = text.filter(|_| table.is_selected(row)).and_then(|text| self.refusal(row, Some(text)));
            match text.filter(|_| refusal.is_none()) {
                Some(text) => out.push(text.as_bytes()),
                None => out.push_null(),
            }
            errors.extend(refusal);
        }
        Ok(())
    }
}

impl<F: TextFaults> HeaderConverter for Text<F> {
    fn class(&self) -> &str {
        self.class
    }

    fn to_connect(&mut self, _: &str, _: &str, value: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value), Failure> {
        let text = value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        text.as_deref().and_then(|text| self.faults.refuses(text)).map_or(Ok(()), Err)?;
        Ok((None, text.as_deref().map_or(Value::Null, Value::from)))
    }

    fn from_connect(
        &mut self,
        _: &str,
        _: &str,
        _: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Value::String(text) = value else { return Ok(None) };
        self.faults.refuses(text).map_or(Ok(()), Err)?;
        Ok(Some(text.as_bytes().to_vec()))
    }
}
