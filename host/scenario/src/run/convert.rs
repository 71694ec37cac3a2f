//! Steps of converters.

use millstream_connector::{ByteColumn, Converter, ConverterRole, HeaderBatchConverter, InputRow, Plugins, RowInput};
use millstream_record::batch::{SchemaTable, Side, Table, UnionBuilder};
use serde_json::Value as Json;

use super::{Done, Run, Stopped, found, shown};
use crate::notation::Datum;
use crate::record::{self, Record};

/// Bytes of one topic.
struct Input<'i>(&'i [Option<Vec<u8>>]);

impl RowInput for Input<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn row(&self, at: usize) -> InputRow<'_> {
        InputRow { bytes: self.0[at].as_deref() }
    }
}

impl Run<'_> {
    pub(super) async fn converter(&mut self) -> Result<&mut Box<dyn Converter>, Stopped> {
        if self.converter.is_none() {
            let config = self.own_config();
            let made = self.plugins.converter(&self.class(), &self.task(), self.scenario.role, &config).await;
            self.converter = Some(made?);
        }
        Ok(self.converter.as_mut().expect("it was just made"))
    }

    pub(super) async fn header_converter(&mut self) -> Result<&mut Box<dyn HeaderBatchConverter>, Stopped> {
        if self.headers.is_none() {
            let config = self.own_config();
            let made = self.plugins.header_converter(&self.class(), &self.task(), &config).await;
            self.headers = Some(made?);
        }
        Ok(self.headers.as_mut().expect("it was just made"))
    }

    fn side(&self) -> Side {
        if self.scenario.role == ConverterRole::Key { Side::Key } else { Side::Value }
    }

    pub(super) async fn convert_to_connect(&mut self, topic: &str, bytes: &[Option<Vec<u8>>]) -> Done {
        let mut schemas = SchemaTable::default();
        let (mut union, mut errors) = (UnionBuilder::default(), Vec::new());
        let converter = self.converter().await?;
        let taken = converter.to_connect(topic, &Input(bytes), &mut schemas, &mut union, &mut errors).await?;
        if taken != bytes.len() {
            return Err(format!("only {taken} of {} rows fit into a batch", bytes.len()).into());
        }
        let mut table = Table::new(bytes.len() as u32);
        let broken = |error| format!("the rows are no batch: {error}");
        table.values = union.finish(&mut schemas).map_err(broken)?;
        table.schemas = schemas;
        let named = &self.scenario.schemas;
        let data = table.data(Side::Value).into_iter().enumerate().map(|(row, datum)| {
            match errors.iter().any(|error| error.row as usize == row) {
                true => Json::Null,
                false => record::write_datum(&datum, named),
            }
        });
        Ok(found([("data", data.collect()), ("errors", shown::row_errors(&errors))]))
    }

    pub(super) async fn convert_from_connect(&mut self, topic: &str, data: &[Datum]) -> Done {
        let side = self.side();
        let record = |datum: &Datum| {
            let mut record = Record { topic: Some(topic.to_owned()), ..Record::default() };
            *(if side == Side::Key { &mut record.key } else { &mut record.value }) = datum.clone();
            record
        };
        let batch = record::batch(&data.iter().map(record).collect::<Vec<_>>())?;
        let (mut out, mut errors) = (ByteColumn::default(), Vec::new());
        self.converter().await?.from_connect(&batch, side, &mut out, &mut errors).await?;
        let bytes = (0..out.len()).map(|row| shown::bytes(out.get(row)));
        Ok(found([("bytes", bytes.collect()), ("errors", shown::row_errors(&errors))]))
    }

    /// The values of headers, which are bytes on one side.
    pub(super) async fn convert_headers(&mut self, records: &[Record], to_connect: bool) -> Done {
        let batch = record::batch(records)?;
        let converter = self.header_converter().await?;
        let outcome = match to_connect {
            true => converter.to_connect(&batch).await?,
            false => converter.from_connect(&batch).await?,
        };
        let named = &self.scenario.schemas;
        let records = record::records(&outcome.batch).iter().map(|(_, record)| record.write(named)).collect();
        Ok(found([("records", records), ("errors", shown::row_errors(&outcome.errors))]))
    }
}
