//! A converter in a guest. The guest gets the bytes as a column of a batch and gives the data back as
//! another batch, row for row.

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{
    ByteColumn, Converter, ConverterRole, ErrorKind, Failure, HeaderBatchConverter, Outcome, PluginError, RowError,
    RowInput,
};
use millstream_record::Value;
use millstream_record::batch::{
    Batch, CannotEncode, Column, ColumnBuilder, HeaderRef, Role, SchemaTable, Side, Table, Union, UnionBuilder,
    VariantRef,
};

use super::chain::checked;
use super::recycling::Recycling;
use super::{InstanceFactory, open_columns, passed, with_answer};
use crate::capability::Worker;
use crate::contract::GuestConverter;
use crate::instance::Guest;

/// A configured converter. It keeps no state, so a broken instance is replaced by a new one.
pub(crate) struct WasmConverter {
    factory: InstanceFactory,
    role: ConverterRole,
    config: ConfigMap,
    guest: Guest,
    converter: Box<dyn GuestConverter>,
    recycling: Recycling,
}

impl WasmConverter {
    pub(crate) async fn create(
        factory: InstanceFactory,
        role: ConverterRole,
        config: ConfigMap,
    ) -> Result<Self, PluginError> {
        let (guest, converter) = Self::instance(&factory, role, &config).await?;
        let recycling = factory.recycling(&guest);
        Ok(Self { factory, role, config, guest, converter, recycling })
    }

    async fn instance(
        factory: &InstanceFactory,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<(Guest, Box<dyn GuestConverter>), PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Nobody).await?;
        let converter = loaded.exports.converter(&mut guest, factory.class(), config, role).await?;
        Ok((guest, converter))
    }

    /// Passes a batch through the guest. What comes back has been checked.
    async fn convert(&mut self, given: &Batch, way: Way) -> Result<Outcome, PluginError> {
        let made = Self::instance(&self.factory, self.role, &self.config);
        self.recycling.before_call((&mut self.guest, &mut self.converter), &self.factory, made).await?;
        open_columns(&mut self.guest, given, None);
        let bytes = passed(given, self.factory.by_columns);
        let converted = match way {
            Way::ToConnect => self.converter.to_connect(&mut self.guest, bytes).await,
            Way::FromConnect => self.converter.from_connect(&mut self.guest, bytes).await,
        };
        let answer = self.guest.close_columns();
        let changes = with_answer(&mut self.guest, converted?, answer)?;
        let outcome = checked(&mut self.guest, given, changes, 1, &self.factory.batch_limits())?;
        self.expect_rows(given, &outcome)?;
        Ok(outcome)
    }

    /// Passes the headers of a batch through the guest.
    async fn headers(&mut self, given: &Batch, way: Way) -> Result<Outcome, PluginError> {
        let outcome = self.convert(given, way).await?;
        match wrong_headers(&given.open(), &outcome.batch.open(), way) {
            None => Ok(outcome),
            Some(what) => Err(self.guest.violated(what).into()),
        }
    }

    fn side(&self) -> Side {
        if self.role == ConverterRole::Key { Side::Key } else { Side::Value }
    }

    /// What came back has the rows that went in, in the same places, and none is left out without an error:
    /// a converter is no filter.
    fn expect_rows(&mut self, input: &Batch, outcome: &Outcome) -> Result<(), PluginError> {
        let (given, made) = (input.open(), outcome.batch.open());
        if given.rows != made.rows || made.get(Role::CHILD).is_some() {
            let what = format!("converted {} rows into {}", given.rows, made.rows);
            return Err(self.guest.violated(what).into());
        }
        // Rows with an error are in ascending order, and each was selected before.
        if made.selected() + outcome.errors.len() == given.selected() {
            return Ok(());
        }
        let what = format!("left out {} rows", given.selected().saturating_sub(made.selected() + outcome.errors.len()));
        Err(self.guest.violated(what).into())
    }
}

/// Which way a converter converts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    ToConnect,
    FromConnect,
}

/// How the headers of a row that is still under way are not what a converter may make of them.
fn wrong_headers(given: &Table<'_>, made: &Table<'_>, way: Way) -> Option<String> {
    let (before, after) = (given.get(Role::HEADERS), made.get(Role::HEADERS));
    for row in (0..made.rows as usize).filter(|&row| made.is_selected(row)) {
        let keys = before.into_iter().flat_map(|column| column.headers(row)).map(|header| header.key);
        if !keys.eq(after.into_iter().flat_map(|column| column.headers(row)).map(|header| header.key)) {
            return Some(format!("changed which headers row {row} has, where only their values are its business"));
        }
        let is_bytes = |header: HeaderRef<'_>| matches!(header.value.read(), VariantRef::Bytes(_) | VariantRef::Null);
        if way == Way::FromConnect && !after.into_iter().flat_map(|column| column.headers(row)).all(is_bytes) {
            return Some(format!("converted a header of row {row} into something else than bytes"));
        }
    }
    None
}

#[async_trait]
impl HeaderBatchConverter for WasmConverter {
    fn class(&self) -> &str {
        self.factory.class()
    }

    async fn to_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError> {
        self.headers(records, Way::ToConnect).await
    }

    async fn from_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError> {
        self.headers(records, Way::FromConnect).await
    }
}

#[async_trait]
impl Converter for WasmConverter {
    fn class(&self) -> &str {
        self.factory.class()
    }

    async fn to_connect(
        &mut self,
        topic: &str,
        input: &dyn RowInput,
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError> {
        let rows = input.len() as u32;
        let mut bytes = ColumnBuilder::new();
        for row in 0..input.len() {
            match input.row(row).bytes {
                Some(value) => bytes.push_bytes(value),
                None => bytes.push_null(),
            }
        }
        let mut table = Table::new(rows);
        table.set(Role::TOPIC, Column::constant_str(rows, topic));
        *table.side_mut(self.side()) = Union::single(None, bytes.finish());
        let given = table.into_batch();

        let outcome = self.convert(&given, Way::ToConnect).await?;
        let table = outcome.batch.open();
        let mut failed = outcome.errors;
        for (row, (schema, value)) in table.data(self.side()).into_iter().enumerate() {
            let at = row as u32;
            if failed.iter().any(|error| error.row == at) {
                out.push(None, &Value::Null, schemas).map_err(|error| cannot_carry(&mut self.guest, &error))?;
                continue;
            }
            if let Err(error) = out.push(schema.as_ref(), &value, schemas) {
                if matches!(error, CannotEncode::TooManySchemas) {
                    failed.retain(|error| error.row < at);
                    errors.extend(failed);
                    return Ok(row);
                }
                let failure = Failure::new(ErrorKind::Data, "", error.to_string());
                failed.push(RowError { row: at, link: 0, failure, field: None });
                out.push(None, &Value::Null, schemas).map_err(|error| cannot_carry(&mut self.guest, &error))?;
            }
        }
        failed.sort_by_key(|error| error.row);
        errors.extend(failed);
        Ok(input.len())
    }

    async fn from_connect(
        &mut self,
        batch: &Batch,
        side: Side,
        out: &mut ByteColumn,
        errors: &mut Vec<RowError>,
    ) -> Result<(), PluginError> {
        let outcome = self.convert(batch, Way::FromConnect).await?;
        let table = outcome.batch.open();
        for (row, (_, value)) in table.data(side).into_iter().enumerate() {
            match value {
                _ if !table.is_selected(row) => out.push_null(),
                Value::Null => out.push_null(),
                Value::Bytes(bytes) => out.push(&bytes),
                _ => {
                    let what = format!("converted row {row} into something else than bytes");
                    return Err(self.guest.violated(what).into());
                }
            }
        }
        errors.extend(outcome.errors);
        Ok(())
    }
}

/// Not even a null fits: the batch that is being built is full, which the caller prevents.
fn cannot_carry(guest: &mut Guest, error: &dyn std::error::Error) -> PluginError {
    guest.violated(format!("made a batch that cannot be carried: {error}")).into()
}
